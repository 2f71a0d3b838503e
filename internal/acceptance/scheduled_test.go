package acceptance

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/api"
	"handover/internal/invariants"
)

// shortly is how long after it was asked for a scheduled run of these tests is due; what has to happen before, has to by then.
const shortly = 5 * time.Second

// halves are tests of which each asks for something for later, in its first half, and looks at what came of it in the
// other: all that is asked for is waited for at once.
type halves struct {
	service *service
	others  []func(t *testing.T)
}

// rule runs the first half of a test, in an organization of its own.
func (h *halves) rule(t *testing.T, name string, ask func(t *testing.T, w *world) (look func(t *testing.T))) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		w := h.service.organization(t)
		look := ask(t, w)
		h.others = append(h.others, func(t *testing.T) {
			t.Run(name+": when it is due", func(t *testing.T) {
				w.t = t
				look(t)
			})
		})
	})
}

// look runs the other halves. Then everything in the database must be as the runs in it say.
func (h *halves) look(t *testing.T) {
	t.Helper()
	for _, other := range h.others {
		other(t)
	}
	h.service.invariant(t, invariants.Options{})
}

func TestScheduledRuns(t *testing.T) {
	t.Parallel()
	s := &halves{service: start(t)}

	s.rule(t, "B12 a run for later is scheduled, changes nothing until then, and is planned when it runs", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann := w.member("member"), w.member("member")
		early, leaves, closes, secret := w.matter("everyone", lea), w.matter("everyone", lea), w.matter("everyone", lea), w.matter("everyone", lea)
		before := w.tables()
		due := time.Now().Add(shortly)
		got := w.reassign(handOver(lea, allTo(ann), object{"run_at": due.Format(time.RFC3339Nano), "reason": "Her last day"})).must(202)
		w.unchanged(before, "runs", "run_progress", "river_job")
		run := decode[api.Run](got)
		if run.Status != "scheduled" || !run.ScheduledFor.MustGet().Equal(due.Truncate(time.Microsecond)) || !run.StartedAt.IsNull() || !run.FinishedAt.IsNull() || !run.ReturnAt.IsNull() ||
			run.Undo.MustGet().Available || run.Reason.MustGet() != "Her last day" || got.Header.Get("Location") != linksOf(t, run).Self {
			t.Errorf("got run %+v", run)
		}
		totals(t, run, api.RunTotals{})
		w.lists(w.Admin, "/v1/runs?status=scheduled", run.ID.MustGet())
		if again := w.reread(run); again.Status != "scheduled" {
			t.Errorf("got run %+v", again)
		}

		// What happens until then counts.
		came := w.matter("everyone", lea)
		w.exec(`UPDATE matters SET responsible_staff_id = $2 WHERE id = $1`, leaves, w.Admin.ID)
		w.exec(`UPDATE matters SET status = 'closed' WHERE id = $1`, closes)
		w.exec(`UPDATE matters SET visibility = 'private' WHERE id = $1`, secret)
		w.responsible(early, lea)

		return func(t *testing.T) {
			run = w.endOf(run)
			if run.Status != "succeeded" || run.StartedAt.MustGet().Before(due) || !run.ScheduledFor.MustGet().Equal(due.Truncate(time.Microsecond)) || !run.Undo.MustGet().Available {
				t.Errorf("got run %+v", run)
			}
			totals(t, run, api.RunTotals{MattersMoved: 2, WithheldPrivate: 1, LeftAlone: api.RunLeftAlone{ClosedMatter: 1}})
			w.responsible(early, ann)
			w.responsible(came, ann)
			w.responsible(leaves, w.Admin)
			w.responsible(secret, lea)
			w.sameReports(t, run)
			if told := list[api.Notification](w, ann, "/v1/notifications"); len(told) != 1 || told[0].Work.Matters != 2 {
				t.Errorf("told %+v", told)
			}
			w.undone(run)
			w.responsible(early, lea)
		}
	})

	s.rule(t, "B12 a scheduled run whose successor has been deactivated meanwhile fails whole, and its requester is told", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann, gone := w.member("member"), w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		task := w.workOn(m, lea)
		run := decode[api.Run](w.reassign(handOver(lea, given("matters", "", ann), given("tasks", "each", ann, gone), object{"run_at": soon(shortly)})).must(202))
		w.deactivate(gone)
		return func(t *testing.T) {
			run = w.endOf(run)
			failure, err := run.Error.Get()
			if run.Status != "failed" || err != nil || failure.Code != "staff_not_active" || failure.Status != 422 || run.Undo.MustGet().Available {
				t.Fatalf("got run %+v", run)
			}
			pointsAt(t, api.Problem{Errors: failure.Errors}, "staff_not_active", "/tasks/to_staff_ids/1")
			totals(t, run, api.RunTotals{})
			w.responsible(m, lea)
			w.heldBy(task, lea)
			told := list[api.Notification](w, w.Admin, "/v1/notifications")
			if len(told) != 1 || told[0].Kind != "run_failed" || told[0].RunID.MustGet() != run.ID.MustGet() || told[0].Failure.IsNull() {
				t.Errorf("the requester is told %+v", told)
			}
			for _, m := range []member{ann, lea} {
				if told := list[api.Notification](w, m, "/v1/notifications"); len(told) != 0 {
					t.Errorf("others are told %+v", told)
				}
			}
			w.undo(w.Admin, run, object{}).problem(409, "not_undoable")
		}
	})

	s.rule(t, "B12 whoever asked must still be allowed when a run runs", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann := w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		runs := map[string]api.Run{}
		for name, lose := range map[string]func(m member){
			"deactivated":      w.deactivate,
			"no administrator": func(m member) { w.exec(`UPDATE staff SET role = 'member' WHERE id = $1`, m.ID) },
		} {
			requester := w.member("administrator")
			runs[name] = decode[api.Run](w.as(requester, "POST", "/v1/reassign-work", handOver(lea, allTo(ann), object{"run_at": soon(shortly)})).must(202))
			lose(requester)
		}
		return func(t *testing.T) {
			for name, run := range runs {
				if run = w.endOf(run); run.Status != "failed" || run.Error.MustGet().Code != "permission_denied" {
					t.Errorf("%s: got run %+v", name, run)
				}
			}
			w.responsible(m, lea)
		}
	})

	s.rule(t, "B12 a revision is held against the work when a scheduled run is asked for, and not when it runs", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann := w.member("member"), w.member("member")
		w.matter("everyone", lea)
		revision := w.previewed(handOver(lea, allTo(ann))).Revision.MustGet()
		later := w.matter("everyone", lea)
		body := handOver(lea, allTo(ann), object{"run_at": soon(shortly)})
		w.reassign(extended(body, object{"expected_revision": revision})).problem(412, "revision_stale")
		revision = w.previewed(handOver(lea, allTo(ann))).Revision.MustGet()
		run := decode[api.Run](w.reassign(extended(body, object{"expected_revision": revision})).must(202))
		w.matter("everyone", lea)
		return func(t *testing.T) {
			totals(t, w.endOf(run), api.RunTotals{MattersMoved: 3})
			w.responsible(later, ann)
		}
	})

	s.rule(t, "B12 a scheduled run is asked for once with one key", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann := w.member("member"), w.member("member")
		w.matter("everyone", lea)
		body := handOver(lea, allTo(ann), object{"run_at": soon(shortly)})
		first := w.reassign(body, key("k")).must(202)
		replays(t, first, w.reassign(body, key("k")))
		return func(t *testing.T) {
			w.endOf(decode[api.Run](first))
			replays(t, first, w.reassign(body, key("k")))
			if runs := w.listed(w.Admin, "/v1/runs"); len(runs) != 1 {
				t.Errorf("got runs %v", runs)
			}
		}
	})

	s.rule(t, "B12 a scheduled run that is cancelled never runs", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann := w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		run := decode[api.Run](w.reassign(handOver(lea, allTo(ann), object{"run_at": soon(shortly), "return_at": soon(shortly + time.Second)})).must(202))
		cancelled := decode[api.Run](w.as(w.Admin, "POST", linksOf(t, run).Self+"/cancel", object{}).must(200))
		if cancelled.Status != "cancelled" {
			t.Errorf("got run %+v", cancelled)
		}
		return func(t *testing.T) {
			w.jobDone(run)
			if run = w.reread(run); run.Status != "cancelled" || !run.StartedAt.IsNull() {
				t.Errorf("got run %+v", run)
			}
			w.responsible(m, lea)
			if len(w.listed(w.Admin, "/v1/runs")) != 1 || len(w.listed(ann, "/v1/notifications")) != 0 {
				t.Error("something came of a cancelled run")
			}
		}
	})

	s.look(t)
}

// jobDone waits until the job of a run is done with, however.
func (w *world) jobDone(run api.Run) {
	w.t.Helper()
	eventually(w.t, "the job of the run ends", func() bool {
		return w.count(`SELECT count(*) FROM river.river_job WHERE args ->> 'run_id' = $1::text AND finalized_at IS NULL`, run.ID.MustGet()) == 0
	})
}

func TestLentWork(t *testing.T) {
	t.Parallel()
	s := &halves{service: start(t)}

	// backFrom is the run that returns what a run lent.
	backFrom := func(w *world, lent api.Run) api.Run {
		w.t.Helper()
		for _, run := range list[api.Run](w, w.Admin, "/v1/runs?kind=undo") {
			if reverts, err := run.Reverts.Get(); err == nil && reverts == lent.ID.MustGet() {
				return run
			}
		}
		w.t.Fatal("nothing returns what was lent")
		return api.Run{}
	}

	s.rule(t, "B12 what was lent goes back when its time has come, by a run that can be seen before", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		m, p := w.matter("everyone", lea), w.person("client", lea, bob)
		w.workOn(m, lea, bob)
		w.eventOn(m, time.Now().Add(time.Hour), lea)
		w.task(p, lea)
		before := w.inHands()
		due := time.Now().Add(shortly)
		lent := w.reassigned(handOver(lea, allTo(ann), object{"return_at": due.Format(time.RFC3339Nano)}))
		if !lent.ReturnAt.MustGet().Equal(due.Truncate(time.Microsecond)) || !lent.ScheduledFor.IsNull() {
			t.Errorf("got run %+v", lent)
		}
		w.responsible(m, ann)
		back := backFrom(w, lent)
		if back.Status != "scheduled" || back.Kind != "undo" || !back.ScheduledFor.MustGet().Equal(due.Truncate(time.Microsecond)) || back.RequestedBy.ID != w.Admin.ID {
			t.Errorf("got run %+v", back)
		}
		return func(t *testing.T) {
			back = w.endOf(back)
			if back.Status != "succeeded" || back.StartedAt.MustGet().Before(due) {
				t.Errorf("got run %+v", back)
			}
			totals(t, back, api.RunTotals{MattersMoved: 1, EventsMoved: 1, TasksChanged: 2, PeopleChanged: 1, AssignmentsAdded: 1, AssignmentsRemoved: 1})
			w.sameHands(before)
			w.sameReports(t, back)
			w.summed(t, w.Admin, back)
			if told := list[api.Notification](w, lea, "/v1/notifications?kind=work_received"); len(told) != 1 || told[0].Work.Matters != 1 || told[0].Work.Tasks != 2 {
				t.Errorf("the lender is told %+v", told)
			}
			work(t, w.toldOnce(ann, back), "work_handed_over", api.NotificationWork{Matters: 1, Tasks: 2, Events: 1, People: 1})
			if state := w.reread(lent).Undo.MustGet(); state.Available || state.UndoneBy.MustGet() != back.ID.MustGet() {
				t.Errorf("got %+v", state)
			}
			w.undo(w.Admin, lent, object{}).problem(409, "already_undone")
			w.undo(w.Admin, back, object{}).problem(409, "not_undoable")
		}
	})

	s.rule(t, "B12 only what the cover still holds goes back; whoever has joined stays", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann, bob, cat := w.member("member"), w.member("member"), w.member("member"), w.member("member")
		home := w.matter("everyone", bob)
		held, joined, handedOn, shared, done, dropped := w.workOn(home, lea), w.workOn(home, lea), w.workOn(home, lea), w.workOn(home, lea, ann), w.workOn(home, lea), w.workOn(home, lea, bob)
		movedOn, secret, closed := w.matter("everyone", lea), w.matter("everyone", lea), w.matter("everyone", lea)
		client := w.person("client", lea)
		lent := w.reassigned(handOver(lea, allTo(ann), object{"return_at": soon(shortly)}))
		w.exec(`INSERT INTO task_assignees VALUES ($1, $2, $3)`, w.ID, joined, cat.ID)
		w.exec(`UPDATE task_assignees SET staff_id = $2 WHERE task_id = $1`, handedOn, cat.ID)
		w.exec(`UPDATE tasks SET status = 'completed' WHERE id = $1`, done)
		w.exec(`DELETE FROM task_assignees WHERE task_id = $1 AND staff_id = $2`, dropped, bob.ID)
		w.exec(`UPDATE matters SET responsible_staff_id = $2 WHERE id = $1`, movedOn, cat.ID)
		w.exec(`UPDATE matters SET visibility = 'private' WHERE id = $1`, secret)
		w.exec(`UPDATE matters SET status = 'closed' WHERE id = $1`, closed)
		w.assign(client, cat)
		edited := []uuid.UUID{joined, handedOn, dropped, movedOn, client}
		w.exec(`INSERT INTO audit_events (organization_id, id, occurred_at, staff_id, action, subject_kind, subject_id)
			SELECT $1, gen_random_uuid(), now(), $2, 'edited', CASE WHEN id = $4 THEN 'matter' WHEN id = $5 THEN 'person' ELSE 'task' END, id FROM unnest($3::uuid[]) AS id`,
			w.ID, w.Admin.ID, pq.Array(edited), movedOn, client)

		return func(t *testing.T) {
			back := w.endOf(backFrom(w, lent))
			totals(t, back, api.RunTotals{
				TasksChanged: 4, PeopleChanged: 1, AssignmentsAdded: 1, AssignmentsRemoved: 1, WithheldPrivate: 1,
				LeftAlone: api.RunLeftAlone{ChangedSince: 2, NoLongerActive: 2},
			})
			items := w.items(back)
			became(t, items, handedOn, "left_alone changed_since")
			became(t, items, movedOn, "left_alone changed_since")
			became(t, items, done, "left_alone no_longer_active")
			became(t, items, closed, "left_alone no_longer_active")
			became(t, items, secret, "")
			w.heldBy(held, lea)
			w.heldBy(joined, lea, cat)
			w.heldBy(handedOn, cat)
			w.heldBy(shared, lea, ann)
			w.heldBy(done, ann)
			w.heldBy(dropped, lea)
			w.responsible(movedOn, cat)
			w.responsible(secret, ann)
			w.servedBy(client, lea, cat)
			w.sameReports(t, back)
		}
	})

	s.rule(t, "B12 a run for later with an end lends when it runs, and returns after that", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann := w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		lent := decode[api.Run](w.reassign(handOver(lea, allTo(ann), object{"run_at": soon(time.Second), "return_at": soon(time.Second + time.Hour)})).must(202))
		if runs := w.listed(w.Admin, "/v1/runs"); len(runs) != 1 {
			w.t.Errorf("before it has lent anything there are runs %v", runs)
		}
		return func(t *testing.T) {
			lent = w.endOf(lent)
			w.responsible(m, ann)
			if back := backFrom(w, lent); back.Status != "scheduled" || !back.ScheduledFor.MustGet().Equal(lent.ReturnAt.MustGet()) {
				w.t.Errorf("got run %+v", back)
			}
		}
	})

	s.rule(t, "B12 an asynchronous run can lend, too", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann := w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		lent := w.finished(w.reassign(handOver(lea, allTo(ann), object{"return_at": soon(shortly)}), async).must(202))
		w.responsible(m, ann)
		return func(t *testing.T) {
			w.endOf(backFrom(w, lent))
			w.responsible(m, lea)
		}
	})

	s.rule(t, "B12 undoing a loan gives everything back at once, and cancels its return", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann := w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		lent := w.reassigned(handOver(lea, allTo(ann), object{"return_at": soon(shortly)}))
		back := backFrom(w, lent)
		undo := w.undone(lent)
		if back = w.reread(back); back.Status != "cancelled" || back.FinishedAt.IsNull() {
			t.Errorf("got run %+v", back)
		}
		// Handed over again, the old return does not reach it.
		w.reassigned(handOver(lea, allTo(ann)))
		return func(t *testing.T) {
			w.jobDone(back)
			w.responsible(m, ann)
			if state := w.reread(lent).Undo.MustGet(); state.UndoneBy.MustGet() != undo.ID.MustGet() {
				t.Errorf("got %+v", state)
			}
		}
	})

	s.rule(t, "B12 a return that is cancelled leaves the work with the cover, and the loan can still be undone", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann := w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		lent := w.reassigned(handOver(lea, allTo(ann), object{"return_at": soon(shortly)}))
		back := backFrom(w, lent)
		w.as(w.Admin, "POST", linksOf(t, back).Self+"/cancel", object{"reason": "She stays away"}).must(200)
		return func(t *testing.T) {
			w.jobDone(back)
			w.responsible(m, ann)
			if state := w.reread(lent).Undo.MustGet(); !state.Available {
				t.Errorf("got %+v", state)
			}
			w.undone(lent)
			w.responsible(m, lea)
		}
	})

	s.rule(t, "B12 nothing goes back to a lender who has been deactivated: the return fails whole, and its requester is told", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann := w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		lent := w.reassigned(handOver(lea, allTo(ann), object{"return_at": soon(shortly)}))
		w.deactivate(lea)
		return func(t *testing.T) {
			back := w.endOf(backFrom(w, lent))
			if back.Status != "failed" || back.Error.MustGet().Code != "staff_not_active" {
				t.Fatalf("got run %+v", back)
			}
			w.responsible(m, ann)
			if told := list[api.Notification](w, w.Admin, "/v1/notifications?kind=run_failed"); len(told) != 1 || told[0].RunID.MustGet() != back.ID.MustGet() {
				t.Errorf("told %+v", told)
			}
		}
	})

	s.rule(t, "B12 what the lender got by hand meanwhile, and what came later, is theirs", func(t *testing.T, w *world) func(t *testing.T) {
		lea, ann := w.member("member"), w.member("member")
		m, other := w.matter("everyone", lea), w.matter("everyone", ann)
		lent := w.reassigned(handOver(lea, allTo(ann), object{"return_at": soon(shortly)}))
		fresh := w.matter("everyone", lea)
		return func(t *testing.T) {
			w.endOf(backFrom(w, lent))
			w.responsible(m, lea)
			w.responsible(fresh, lea)
			w.responsible(other, ann)
		}
	})

	s.look(t)
}

func TestUndoWindow(t *testing.T) {
	t.Parallel()
	clock := &movable{}
	s := start(t, withoutWorker, by(clock))
	w := s.organization(t)
	lea, ann := w.member("member"), w.member("member")
	m := w.matter("everyone", lea)
	run := w.reassigned(handOver(lea, allTo(ann)))
	clock.pass(30*24*time.Hour - time.Minute)
	if !w.reread(run).Undo.MustGet().Available {
		t.Error("B11 within the window it cannot be undone")
	}
	clock.pass(2 * time.Minute)
	state := w.reread(run).Undo.MustGet()
	if state.Available || !state.Until.MustGet().Equal(run.Undo.MustGet().Until.MustGet()) {
		t.Errorf("B11 after the window: got %+v", state)
	}
	before := w.tables()
	w.undo(w.Admin, run, object{}).problem(409, "undo_expired")
	w.unchanged(before)
	w.responsible(m, ann)
}
