package acceptance

import (
	"log/slog"
	"testing"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/invariants"
	"handover/internal/worker"
)

var async = header{"Prefer", "respond-async"}

// queue asks for a change asynchronously.
func (w *world) queue(m member, selection, change object, more ...object) answer {
	w.t.Helper()
	return w.as(m, "POST", "/v1/manage-assignments", wish(selection, change, more...), async).must(202)
}

// work starts a worker, which ends with the test.
func (s *service) work(t testing.TB) {
	t.Helper()
	background, err := worker.Start(t.Context(), s.DB.SQL.DB, s.app, nil, slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = background.Stop(t.Context()) })
}

// What is queued before a worker starts is asked for in the first half of this test, and looked at in the second.
func TestAsynchronousRuns(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	ann, bob := w.member("member"), w.member("member")
	var then []func(t *testing.T)
	later := func(name string, look func(t *testing.T)) {
		then = append(then, func(t *testing.T) { t.Run(name, look) })
	}
	failed := func(t *testing.T, queued answer, status int, code string) api.RunError {
		t.Helper()
		run := w.finished(queued)
		failure, err := run.Error.Get()
		if run.Status != "failed" || err != nil || failure.Code != code || failure.Status != status || run.FinishedAt.IsNull() {
			t.Fatalf("got run %+v", run)
		}
		totals(t, run, api.RunTotals{})
		if len(w.items(run)) != 0 {
			t.Error("a failed run has items")
		}
		return failure
	}

	t.Run("a queued run is answered at once, with its place, and has done nothing yet", func(t *testing.T) {
		person := w.person("client", ann)
		task := w.task(person, ann)
		before := w.tables()
		queued := w.as(w.Admin, "POST", "/v1/manage-assignments",
			wish(people(person), change("replace", object{"staff_ids": idsOf(bob), "task_policy": "reassign_all"}), object{"reason": "Moved"}),
			header{"Prefer", `handling=lenient, Respond-Async; x="a,b", wait=0`}).must(202)
		w.unchanged(before, "runs", "run_progress", "river_job", "selections", "selection_people")
		run := decode[api.Run](queued)
		links := linksOf(t, run)
		if queued.Header.Get("Location") != links.Self || queued.Header.Get("Preference-Applied") != "respond-async, wait=0" {
			t.Errorf("got location %q, preference %q", queued.Header.Get("Location"), queued.Header.Get("Preference-Applied"))
		}
		if run.Status != "queued" || run.DryRun || !run.StartedAt.IsNull() || !run.FinishedAt.IsNull() || !run.Error.IsNull() ||
			run.Progress != (api.RunProgress{Total: 1}) || run.Reason.MustGet() != "Moved" || run.Kind != "manage_assignments" {
			t.Errorf("got run %+v", run)
		}
		totals(t, run, api.RunTotals{})
		if read := w.get(w.Admin, links.Self).must(200); string(read.Body) != string(queued.Body) {
			t.Errorf("answered %s\nread     %s", queued.Body, read.Body)
		}
		w.servedBy(person, ann)
		if len(w.items(run)) != 0 {
			t.Error("a queued run has items")
		}
		for _, report := range []string{links.ReportCSV, links.ReportXLSX, links.ReportJSON} {
			w.get(w.Admin, report).problem(409, "run_not_finished")
		}
		later("it is carried out by a worker, as if it had been within the request", func(t *testing.T) {
			run := w.finished(queued)
			if run.Status != "succeeded" || run.Progress != (api.RunProgress{Done: 1, Total: 1}) || run.StartedAt.IsNull() || run.FinishedAt.IsNull() || run.Revision.IsNull() {
				t.Errorf("got run %+v", run)
			}
			totals(t, run, api.RunTotals{PeopleChanged: 1, AssignmentsAdded: 1, AssignmentsRemoved: 1, TasksChanged: 1})
			w.servedBy(person, bob)
			w.heldBy(task, bob)
			if len(w.items(run)) != 2 {
				t.Errorf("got items %+v", w.items(run))
			}
			w.get(w.Admin, links.ReportCSV).must(200)
			events := list[api.AuditEvent](w, w.Admin, "/v1/audit-events?run_id="+run.ID.MustGet().String())
			if len(events) != 2 || events[0].RequestID.MustGet() != queued.Header.Get("X-Request-Id") || events[0].Reason.MustGet() != "Moved" {
				t.Errorf("got events %+v", events)
			}
		})
	})

	t.Run("its selection is frozen when it is asked for", func(t *testing.T) {
		cat := w.member("member")
		was, stays := w.person("client", cat), w.person("referral", cat)
		queued := w.queue(w.Admin, matching(object{"staff_id": idsOf(cat)}), change("add", staffed(bob)))
		w.exec(`DELETE FROM assignments WHERE person_id = $1`, was)
		came := w.person("client", cat)
		later("and it speaks of those it was asked for", func(t *testing.T) {
			totals(t, w.finished(queued), api.RunTotals{PeopleChanged: 2, AssignmentsAdded: 2})
			w.servedBy(was, bob)
			w.servedBy(stays, cat, bob)
			w.servedBy(came, cat)
		})
	})

	t.Run("the selection of a queued run outlives its time", func(t *testing.T) {
		person := w.person("client")
		queued := w.queue(w.Admin, people(person), change("assign", staffed(bob)))
		w.exec(`UPDATE selections SET expires_at = now() - interval '1 day' WHERE organization_id = $1`, w.ID)
		if err := s.app.SweepExpired(t.Context()); err != nil {
			t.Fatal(err)
		}
		later("and is used", func(t *testing.T) {
			if run := w.finished(queued); run.Status != "succeeded" || run.Totals.PeopleChanged != 1 {
				t.Errorf("got run %+v", run)
			}
		})
	})

	t.Run("what goes wrong later ends it as failed", func(t *testing.T) {
		for code, given := range map[string]struct {
			status  int
			pointer string
			queue   func(person uuid.UUID) answer
			disturb func(person uuid.UUID)
		}{
			"existing_assignments": {409, "", func(person uuid.UUID) answer {
				return w.queue(w.Admin, people(person), change("assign", staffed(bob)))
			}, func(person uuid.UUID) { w.assign(person, ann) }},
			"task_policy_required": {422, "/change/task_policy", func(person uuid.UUID) answer {
				return w.queue(w.Admin, people(person), change("add", staffed(bob)))
			}, func(person uuid.UUID) { w.assign(person, ann); w.task(person) }},
			"no_remaining_staff": {422, "", func(person uuid.UUID) answer {
				return w.queue(w.Admin, people(person), change("remove", object{"all_staff": true, "task_policy": "reassign_to_remaining"}))
			}, func(person uuid.UUID) { w.assign(person, ann); w.task(person, ann) }},
			"revision_stale": {412, "", func(person uuid.UUID) answer {
				summary := w.summary(w.Admin, people(person))
				return w.queue(w.Admin, saved(summary.SelectionID), change("assign", staffed(bob)), object{"expected_revision": summary.Revision})
			}, func(person uuid.UUID) { w.task(person) }},
		} {
			person := w.person("client")
			queued := given.queue(person)
			given.disturb(person)
			staff := w.staffOf(person)
			later("with the problem the caller would have got: "+code, func(t *testing.T) {
				failure := failed(t, queued, given.status, code)
				if given.pointer != "" {
					pointsAt(t, api.Problem{Errors: failure.Errors}, code, given.pointer)
				}
				if failure.Type != "/docs/problems#"+code || failure.Title == "" || failure.Detail == "" {
					t.Errorf("got %+v", failure)
				}
				sameIDs(t, "staff", w.staffOf(person), staff...)
				for _, report := range []string{"csv", "xlsx", "json"} {
					w.get(w.Admin, queued.Header.Get("Location")+"/report."+report).must(200)
				}
			})
		}
	})

	t.Run("a member named for it may be deactivated meanwhile", func(t *testing.T) {
		gone, person := w.member("member"), w.person("client")
		queued := w.queue(w.Admin, people(person), change("assign", staffed(ann, gone)))
		w.deactivate(gone)
		later("and it fails, naming them", func(t *testing.T) {
			failure := failed(t, queued, 422, "staff_not_active")
			pointsAt(t, api.Problem{Errors: failure.Errors}, "staff_not_active", "/change/staff_ids/1")
			w.servedBy(person)
		})
	})

	t.Run("A2 who asked must still be allowed when it is carried out", func(t *testing.T) {
		for name, lose := range map[string]func(m member){
			"deactivated": w.deactivate,
			"permission":  func(m member) { w.exec(`UPDATE staff SET permissions = '{referrals}' WHERE id = $1`, m.ID) },
		} {
			requester, person := w.member("member", "clients"), w.person("client")
			queued := w.queue(requester, people(person), change("assign", staffed(bob)))
			lose(requester)
			later("and it fails otherwise: "+name, func(t *testing.T) {
				failed(t, queued, 403, "permission_denied")
				w.servedBy(person)
			})
		}
	})

	t.Run("asked for twice with one key it is queued once", func(t *testing.T) {
		person := w.person("client")
		body := wish(people(person), change("assign", staffed(bob)))
		first := w.as(w.Admin, "POST", "/v1/manage-assignments", body, async, key("k")).must(202)
		replays(t, first, w.as(w.Admin, "POST", "/v1/manage-assignments", body, async, key("k")))
		if jobs := w.count(`SELECT count(*) FROM river.river_job WHERE args ->> 'run_id' = $1::text`, decode[api.Run](first).ID.MustGet()); jobs != 1 {
			t.Errorf("%d jobs were queued", jobs)
		}
		later("and carried out once", func(t *testing.T) {
			w.finished(first)
			replays(t, first, w.as(w.Admin, "POST", "/v1/manage-assignments", body, async, key("k")))
			w.servedBy(person, bob)
		})
	})

	s.work(t)
	for _, look := range then {
		look(t)
	}
	s.invariant(t, invariants.Options{})
}
