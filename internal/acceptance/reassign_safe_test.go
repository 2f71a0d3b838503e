package acceptance

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

func TestReassigningIsSafe(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	tomorrow := time.Now().Add(24 * time.Hour)

	s.rule(t, "A15 a handover that was decided on a preview is refused when its work has changed since, and says so", func(t *testing.T, w *world) {
		bob := w.member("member")
		type desk struct {
			lea                                 member
			matter, task, event, person, theirs uuid.UUID
		}
		for what, disturb := range map[string]func(d desk){
			"a matter came":         func(d desk) { w.matter("everyone", d.lea) },
			"a matter closed":       func(d desk) { w.exec(`UPDATE matters SET status = 'closed' WHERE id = $1`, d.matter) },
			"a matter is private":   func(d desk) { w.exec(`UPDATE matters SET visibility = 'private' WHERE id = $1`, d.matter) },
			"a matter is another's": func(d desk) { w.exec(`UPDATE matters SET responsible_staff_id = $2 WHERE id = $1`, d.matter, bob.ID) },
			"a task came":           func(d desk) { w.workOn(d.matter, d.lea) },
			"a task is done":        func(d desk) { w.exec(`UPDATE tasks SET status = 'completed' WHERE id = $1`, d.task) },
			"a task is due":         func(d desk) { w.due(d.task, "2020-01-01") },
			"a task has another":    func(d desk) { w.exec(`INSERT INTO task_assignees VALUES ($1, $2, $3)`, w.ID, d.task, bob.ID) },
			"an event came":         func(d desk) { w.eventAt(uuid.NullUUID{}, tomorrow, d.lea) },
			"an event was put off": func(d desk) {
				w.exec(`UPDATE calendar_events SET ends_at = ends_at + interval '2 hours', starts_at = starts_at + interval '1 hour' WHERE id = $1`, d.event)
			},
			"a person came":        func(d desk) { w.person("referral", d.lea) },
			"a person has another": func(d desk) { w.assign(d.person, bob) },
			"a person's task has":  func(d desk) { w.exec(`INSERT INTO task_assignees VALUES ($1, $2, $3)`, w.ID, d.theirs, bob.ID) },
			"the leaver has gone":  func(d desk) { w.deactivate(d.lea) },
		} {
			d := desk{lea: w.member("member")}
			d.matter, d.person = w.matter("everyone", d.lea), w.person("client", d.lea)
			d.task, d.event, d.theirs = w.workOn(d.matter, d.lea), w.eventOn(d.matter, tomorrow, d.lea), w.task(d.person, d.lea)
			body := handOver(d.lea, allTo(w.Admin))
			expecting := func() object { return object{"expected_revision": w.previewed(body).Revision.MustGet()} }
			stale := expecting()
			w.previewed(extended(body, stale))
			disturb(d)
			before := w.tables()
			for _, more := range []object{{}, preview} {
				problem := w.reassign(extended(extended(body, more), stale)).problem(412, "revision_stale")
				if problem.Summary != nil {
					t.Errorf("%s: a summary of a selection is told", what)
				}
			}
			w.reassign(extended(body, stale), async).problem(412, "revision_stale")
			if w.unchanged(before); t.Failed() {
				t.Fatal(what)
			}
			w.reassign(extended(body, expecting())).must(200)
		}
	})

	s.rule(t, "A15 what the wish does not ask for, what others have, and other names are no reason to refuse", func(_ *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		matter := w.matter("everyone", lea)
		body := handOver(lea, given("matters", "least_loaded", ann))
		revision := w.previewed(body).Revision.MustGet()
		w.workOn(matter, lea)
		w.person("client", lea)
		w.matter("everyone", ann)
		w.exec(`UPDATE matters SET number = 'Renamed' WHERE id = $1`, matter)
		w.reassign(extended(body, object{"expected_revision": revision})).must(200)
		w.responsible(matter, ann)
	})

	s.rule(t, "a handover with a key is done once, however often it is asked for", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		matter := w.matter("everyone", lea)
		body := handOver(lea, given("matters", "", ann))
		first := w.reassign(body, key("once")).must(200)
		before := w.tables()
		for range 3 {
			replays(t, first, w.reassign(body, key("once")))
		}
		w.reassign(handOver(lea, given("matters", "", w.Admin)), key("once")).problem(422, "idempotency_key_reused")
		w.unchanged(before)
		w.responsible(matter, ann)

		undo := w.undo(w.Admin, decode[api.Run](first), object{}, key("undo once")).must(200)
		replays(t, undo, w.undo(w.Admin, decode[api.Run](first), object{}, key("undo once")))
		w.undo(w.Admin, decode[api.Run](first), object{"reason": "other"}, key("undo once")).problem(422, "idempotency_key_reused")
		w.responsible(matter, lea)
		// The stored answer is that of the handover, though it has been undone.
		replays(t, first, w.reassign(body, key("once")))
		w.responsible(matter, lea)
	})

	s.rule(t, "of eight who ask with one key at once one run comes", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		for range 20 {
			w.workOn(w.matter("everyone", lea), lea)
		}
		runs := map[uuid.UUID]bool{}
		for _, got := range together(8, func(int) answer { return w.reassign(handOver(lea, allTo(ann)), key("k")) }) {
			if got.Status == 409 {
				got.problem(409, "idempotency_key_in_use")
				continue
			}
			runs[decode[api.Run](got.must(200)).ID.MustGet()] = true
		}
		if len(runs) != 1 || len(w.listed(w.Admin, "/v1/runs")) != 1 {
			t.Errorf("got runs %v", runs)
		}
	})

	s.rule(t, "A14 what fails at each table in turn leaves nothing: no matter, event, seat, item, run, notification, job or key", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		matter := w.matter("everyone", lea)
		w.workOn(matter, lea)
		w.eventOn(matter, tomorrow, lea)
		w.task(w.person("client", lea), lea)
		body := handOver(lea, allTo(ann))
		for _, broken := range []struct{ table, on string }{
			{"matters", "UPDATE"},
			{"calendar_events", "UPDATE"},
			{"task_assignees", "INSERT"},
			{"task_assignees", "DELETE"},
			{"assignments", "INSERT"},
			{"assignments", "DELETE"},
			{"runs", "INSERT"},
			{"run_progress", "INSERT"},
			{"run_items", "INSERT"},
			{"audit_events", "INSERT"},
			{"notifications", "INSERT"},
			{"notification_items", "INSERT"},
			{"notification_counters", "INSERT"},
			{"idempotency_keys", "INSERT"},
		} {
			mend := w.breakTable(broken.table, broken.on)
			before := w.tables()
			w.reassign(body, key(broken.table+broken.on)).problem(http.StatusInternalServerError, "internal_error")
			if w.unchanged(before); t.Failed() {
				t.Fatalf("%s on %s", broken.on, broken.table)
			}
			mend()
		}
		run := w.reassigned(body)
		for _, broken := range []struct{ table, on string }{
			{"matters", "UPDATE"}, {"calendar_events", "UPDATE"}, {"task_assignees", "DELETE"}, {"assignments", "INSERT"}, {"runs", "INSERT"}, {"runs", "UPDATE"}, {"run_items", "INSERT"}, {"audit_events", "INSERT"}, {"notifications", "INSERT"},
		} {
			mend := w.breakTable(broken.table, broken.on)
			before := w.tables()
			w.undo(w.Admin, run, object{}).problem(http.StatusInternalServerError, "internal_error")
			if w.unchanged(before); t.Failed() {
				t.Fatalf("undo: %s on %s", broken.on, broken.table)
			}
			mend()
		}
		w.undone(run)
		w.responsible(matter, lea)
	})

	s.rule(t, "I7 nothing of another organization is read or changed", func(_ *testing.T, w *world) {
		other := s.organization(w.t)
		theirs, successor := other.member("member"), other.member("member")
		other.workOn(other.matter("everyone", theirs), theirs)
		before := other.tables()
		w.reassign(handOver(theirs, allTo(w.member("member")))).problem(422, "staff_not_found")
		lea := w.member("member")
		w.matter("everyone", lea)
		w.reassign(handOver(lea, allTo(successor))).problem(422, "staff_not_found")
		run := w.reassigned(handOver(lea, allTo(w.Admin)))
		for _, path := range []string{"/undo", "/cancel"} {
			other.as(other.Admin, "POST", linksOf(w.t, run).Self+path, object{}).problem(404, "not_found")
		}
		other.unchanged(before)
	})
}

// breakTable lets a table of this organization fail, until it is mended.
func (w *world) breakTable(table, on string) (mend func()) {
	w.t.Helper()
	name := "broken_" + newID().String()[24:]
	w.exec(`CREATE FUNCTION ` + name + `() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF coalesce(NEW.organization_id, OLD.organization_id) = '` + w.ID.String() + `' THEN RAISE 'the disk is full'; END IF;
		RETURN coalesce(NEW, OLD); END $$`)
	w.exec(`CREATE TRIGGER ` + name + ` AFTER ` + on + ` ON ` + table + ` FOR EACH ROW EXECUTE FUNCTION ` + name + `()`)
	return func() {
		w.exec(`DROP TRIGGER ` + name + ` ON ` + table)
		w.exec(`DROP FUNCTION ` + name)
	}
}

// What is queued before a worker starts is asked for in the first half of this test, and looked at in the second.
func TestAsynchronousHandovers(t *testing.T) {
	t.Parallel()
	own := start(t, withoutWorker)
	s := &halves{service: own}

	s.rule(t, "B11 a handover that is left to a worker is planned when it is carried out, and can be followed", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann := w.member("member"), w.member("member")
		matter := w.matter("everyone", lea)
		before := w.tables()
		got := w.reassign(handOver(lea, allTo(ann), object{"reason": "She has left"}), async, key("k")).must(202)
		w.unchanged(before, "runs", "run_progress", "river_job", "idempotency_keys")
		queued := decode[api.Run](got)
		if queued.Status != "queued" || queued.Kind != "reassign_work" || !queued.StartedAt.IsNull() || got.Header.Get("Location") != linksOf(t, queued).Self || got.Header.Get("Preference-Applied") != "respond-async" {
			t.Errorf("got run %+v", queued)
		}
		w.get(w.Admin, linksOf(t, queued).ReportJSON).problem(409, "run_not_finished")
		came := w.matter("everyone", lea)
		return func(t *testing.T) {
			run := w.finished(got)
			if run.Status != "succeeded" || run.Progress != (api.RunProgress{Done: 2, Total: 2}) || run.Reason.MustGet() != "She has left" || !run.Undo.MustGet().Available {
				t.Errorf("got run %+v", run)
			}
			totals(t, run, api.RunTotals{MattersMoved: 2})
			w.responsible(matter, ann)
			w.responsible(came, ann)
			w.sameReports(t, run)
			replays(t, got, w.reassign(handOver(lea, allTo(ann), object{"reason": "She has left"}), async, key("k")))
		}
	})

	s.rule(t, "B11 what goes wrong later ends a handover as failed, with the problem the caller would have got, and nothing changed", func(t *testing.T, w *world) func(t *testing.T) {
		ann := w.member("member")
		var looks []func(t *testing.T)
		for code, wrong := range map[string]struct {
			status  int
			pointer string
			disturb func(lea, gone member)
		}{
			"revision_stale":   {412, "", func(lea, _ member) { w.matter("everyone", lea) }},
			"staff_not_active": {422, "/events/to_staff_ids/1", func(_, gone member) { w.deactivate(gone) }},
		} {
			lea, gone := w.member("member"), w.member("member")
			matter := w.matter("everyone", lea)
			body := handOver(lea, given("events", "round_robin", ann, gone), object{"matters": object{"to_staff_ids": idsOf(ann)}})
			if code == "revision_stale" {
				body["expected_revision"] = w.previewed(body).Revision.MustGet()
			}
			queued := w.reassign(body, async).must(202)
			wrong.disturb(lea, gone)
			looks = append(looks, func(t *testing.T) {
				run := w.finished(queued)
				failure, err := run.Error.Get()
				if run.Status != "failed" || err != nil || failure.Code != code || failure.Status != wrong.status || failure.Type != "/docs/problems#"+code {
					t.Fatalf("got run %+v", run)
				}
				if wrong.pointer != "" {
					pointsAt(t, api.Problem{Errors: failure.Errors}, code, wrong.pointer)
				}
				totals(t, run, api.RunTotals{})
				w.responsible(matter, lea)
				if len(w.items(run)) != 0 {
					t.Error("a failed run has items")
				}
				w.sameReports(t, run)
			})
		}
		return func(t *testing.T) {
			for _, look := range looks {
				look(t)
			}
			if told := list[api.Notification](w, w.Admin, "/v1/notifications?kind=run_failed"); len(told) != len(looks) {
				t.Errorf("the requester is told %+v", told)
			}
		}
	})

	own.work(t)
	s.look(t)
}
