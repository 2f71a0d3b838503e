package acceptance

import (
	"testing"
	"time"

	"handover/api"
	"handover/internal/invariants"
)

// cancel asks for a run not to be carried out.
func (w *world) cancel(m member, run api.Run, body object, headers ...header) answer {
	w.t.Helper()
	return w.as(m, "POST", linksOf(w.t, run).Self+"/cancel", body, headers...)
}

func TestCancelledRuns(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	t.Run("B11 a run that has not applied can be cancelled: it changes nothing, then or later", func(t *testing.T) {
		t.Parallel()
		s := start(t, withoutWorker)
		w := s.organization(t)
		lea, ann := w.member("member"), w.member("member")
		w.workOn(w.matter("everyone", lea), lea)
		person := w.person("client", lea)
		done := w.reassigned(handOver(lea, allTo(ann)))
		hands := w.inHands()
		runs := map[string]api.Run{
			"reassigning": decode[api.Run](w.reassign(handOver(ann, allTo(lea)), async).must(202)),
			"assigning":   decode[api.Run](w.queue(w.Admin, people(person), change("replace", staffed(lea)))),
			"undoing":     decode[api.Run](w.undo(w.Admin, done, object{}, async).must(202)),
			"scheduled":   decode[api.Run](w.reassign(handOver(ann, allTo(lea), object{"run_at": soon(shortly)})).must(202)),
		}
		for what, run := range runs {
			before := w.tables()
			shown := decode[api.Run](w.cancel(w.Admin, run, preview).must(200))
			if shown.Status != "preview" || !shown.ID.IsNull() {
				t.Errorf("%s: got a preview %+v", what, shown)
			}
			w.unchanged(before)
			got := w.cancel(w.Admin, run, object{"reason": "Not now"}, key(what)).must(200)
			cancelled := decode[api.Run](got)
			if cancelled.Status != "cancelled" || cancelled.ID.MustGet() != run.ID.MustGet() || cancelled.FinishedAt.IsNull() || !cancelled.StartedAt.IsNull() || !cancelled.Error.IsNull() || cancelled.Undo.MustGet().Available {
				t.Errorf("%s: got run %+v", what, cancelled)
			}
			totals(t, cancelled, api.RunTotals{})
			replays(t, got, w.cancel(w.Admin, run, object{"reason": "Not now"}, key(what)))
			w.cancel(w.Admin, run, object{}).problem(409, "run_finished")
			w.unchanged(before, "runs", "run_progress", "audit_events", "idempotency_keys")
			if again := w.reread(run); again.Status != "cancelled" {
				t.Errorf("%s: got run %+v", what, again)
			}
			events := list[api.AuditEvent](w, w.Admin, "/v1/audit-events?subject_id="+run.ID.MustGet().String())
			if len(events) != 1 || events[0].Action != "run_cancelled" || events[0].Reason.MustGet() != "Not now" || events[0].Staff.MustGet().ID != w.Admin.ID {
				t.Errorf("%s: got audit events %+v", what, events)
			}
			w.sameReports(t, w.reread(run)) // they tell of nothing
		}
		s.work(t)
		for what, run := range runs {
			if w.jobDone(run); w.reread(run).Status != "cancelled" {
				t.Errorf("%s: a worker made of it %+v", what, w.reread(run))
			}
		}
		w.sameHands(hands)
		if told := list[api.Notification](w, w.Admin, "/v1/notifications"); len(told) != 0 {
			t.Errorf("who cancels is told of it: %+v", told)
		}
		w.undone(done)
		s.invariant(t, invariants.Options{})
	})

	s.rule(t, "B11 who asked for a run and administrators may cancel it, others may not", func(_ *testing.T, w *world) {
		manager, colleague := w.member("member", "clients"), w.member("member", "clients", "referrals", "staff", "tasks")
		other := w.member("administrator")
		ask := func() api.Run {
			return decode[api.Run](w.queue(manager, people(w.person("client")), change("assign", staffed(colleague))))
		}
		run := ask()
		w.cancel(colleague, run, object{}).problem(403, "permission_denied")
		w.cancel(colleague, run, preview).problem(403, "permission_denied")
		w.cancel(manager, run, object{}).must(200)
		w.cancel(other, ask(), object{}).must(200)
	})

	s.rule(t, "B11 of eight who cancel at once each is told what became of the run", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		w.matter("everyone", lea)
		run := decode[api.Run](w.reassign(handOver(lea, allTo(ann)), async).must(202))
		cancelled := 0
		for _, got := range together(8, func(int) answer { return w.cancel(w.Admin, run, object{}) }) {
			if got.Status == 200 {
				cancelled++
				continue
			}
			got.problem(409, "run_finished")
		}
		// Those who looked while it was queued are answered with what became of it.
		if events := w.listed(w.Admin, "/v1/audit-events?subject_id="+run.ID.MustGet().String()); cancelled == 0 || len(events) != cancelled {
			t.Errorf("%d cancelled it, the trail tells of %d", cancelled, len(events))
		}
	})
}

func TestCancellingAtWork(t *testing.T) {
	t.Parallel()
	s := start(t)

	s.rule(t, "B11 a run that works is asked to stop, and has changed nothing", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		w.workOn(m, lea)
		before := w.inHands()
		obstacle, err := s.DB.SQL.BeginTxx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer obstacle.Rollback()
		if _, err := obstacle.ExecContext(t.Context(), `SELECT FROM matters WHERE organization_id = $1 AND id = $2 FOR UPDATE`, w.ID, m); err != nil {
			t.Fatal(err)
		}
		run := decode[api.Run](w.reassign(handOver(lea, allTo(ann)), async).must(202))
		eventually(t, "the run works", func() bool { return w.reread(run).Status == "running" })
		answers := make(chan answer)
		go func() { answers <- w.cancel(w.Admin, run, object{"reason": "Stop"}) }()
		eventually(t, "it is asked to stop", func() bool {
			return w.count(`SELECT count(*) FROM run_progress WHERE organization_id = $1 AND run_id = $2 AND cancel_requested`, w.ID, run.ID.MustGet()) == 1
		})
		if err := obstacle.Rollback(); err != nil {
			t.Fatal(err)
		}
		if cancelled := decode[api.Run]((<-answers).must(200)); cancelled.Status != "cancelled" {
			t.Errorf("got run %+v", cancelled)
		}
		w.jobDone(run)
		if run = w.reread(run); run.Status != "cancelled" || run.StartedAt.IsNull() || run.FinishedAt.IsNull() {
			t.Errorf("got run %+v", run)
		}
		w.sameHands(before)
		if len(w.items(run)) != 0 || len(w.listed(ann, "/v1/notifications")) != 0 {
			t.Error("something came of a cancelled run")
		}
	})

	s.rule(t, "B11 a run that is cancelled at any moment has applied whole, or not at all, and the answer says which", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		for range 50 {
			w.workOn(w.matter("everyone", lea), lea)
		}
		counts := map[string]int{}
		from, to := lea, ann
		for round := range 15 {
			run := decode[api.Run](w.reassign(handOver(from, allTo(to)), async).must(202))
			time.Sleep(time.Duration(round) * 20 * time.Millisecond)
			got := w.cancel(w.Admin, run, object{})
			run = w.endOf(run)
			switch got.Status {
			case 200:
				if run.Status != "cancelled" || run.Totals.MattersMoved != 0 {
					t.Fatalf("the answer was %s, the run is %+v", got.Body, run)
				}
				w.responsibleFor(t, from, 50)
			default:
				got.problem(409, "run_finished")
				if run.Status != "succeeded" || run.Totals.MattersMoved != 50 {
					t.Fatalf("the answer was %s, the run is %+v", got.Body, run)
				}
				w.responsibleFor(t, to, 50)
				from, to = to, from
			}
			counts[run.Status]++
		}
		t.Logf("runs: %v", counts)
	})
}

// responsibleFor fails the test unless the member is responsible for this many matters.
func (w *world) responsibleFor(t *testing.T, m member, want int) {
	t.Helper()
	if got := w.count(`SELECT count(*) FROM matters WHERE organization_id = $1 AND responsible_staff_id = $2`, w.ID, m.ID); got != want {
		t.Fatalf("they are responsible for %d matters, want %d", got, want)
	}
}
