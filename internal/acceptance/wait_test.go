package acceptance

import (
	"testing"
	"time"

	"handover/api"
)

func prefer(preference string) header { return header{"Prefer", preference} }

// applied fails the test unless this preference is told to be honoured; empty: none.
func (a answer) applied(want string) answer {
	a.t.Helper()
	if got := a.Header.Get("Preference-Applied"); got != want {
		a.t.Errorf("got Preference-Applied %q, want %q", got, want)
	}
	return a
}

func TestPreferWait(t *testing.T) {
	t.Parallel()
	idle, busy := start(t, withoutWorker), start(t)

	// A request of each operation that can be left to a worker.
	asks := map[string]func(w *world) ask{
		"manageAssignments": func(w *world) ask { return managing(object{}, "client")(w, w.Admin) },
		"assignStaff": func(w *world) ask {
			return withBody(object{"selection": people(w.person("client")), "staff_ids": idsOf(w.member("member"))})
		},
		"removeStaff": func(w *world) ask {
			return withBody(object{"selection": people(w.person("client", w.member("member")))})
		},
		"reassignWork": func(w *world) ask { return reassigning(object{})(w, w.Admin) },
		"undoRun":      func(w *world) ask { return ofOwnRun(w, w.Admin).sending(object{}) },
	}
	for _, operationID := range operationIDs() {
		if op := operations()[operationID]; takesHeader(op, "Prefer") && op.Method == "POST" && asks[operationID] == nil {
			t.Errorf("the operation %s can be left to a worker, and has no row", operationID)
		}
	}
	for operationID, request := range asks {
		t.Run(operationID, func(t *testing.T) {
			t.Parallel()
			w := busy.organization(t)
			send := func(preference string) answer {
				return busy.ask(t, w.Admin.Token, operationID, request(w).with("Prefer", preference))
			}
			for preference, told := range map[string]string{
				"wait=30": "wait=30", "respond-async, wait=30": "respond-async, wait=30", `Wait="100"`: "wait=60", "wait=59, respond-async; x=1": "respond-async, wait=59",
			} {
				if run := decode[api.Run](send(preference).must(200).applied(told)); run.Status != "succeeded" {
					t.Errorf("%s: got a run that is %s", preference, run.Status)
				}
			}
			for _, preference := range []string{"wait=soon", "wait", "wait=-1", "waiting=3", "return=minimal", ""} {
				send(preference).must(200).applied("")
			}
			w = idle.organization(t)
			began := time.Now()
			queued := idle.ask(t, w.Admin.Token, operationID, request(w).with("Prefer", "wait=1")).must(202).applied("wait=1")
			if took := time.Since(began); took < time.Second || took > 10*time.Second {
				t.Errorf("it waited %s", took)
			}
			idle.ask(t, w.Admin.Token, operationID, request(w).with("Prefer", "wait=0")).must(202).applied("wait=0")
			idle.ask(t, w.Admin.Token, operationID, request(w).with("Prefer", "respond-async")).must(202).applied("respond-async")
			if run := decode[api.Run](w.as(w.Admin, "GET", queued.Header.Get("Location"), nil, prefer("wait=1, respond-async")).must(200).applied("wait=1")); run.Status != "queued" {
				t.Errorf("got a run that is %s", run.Status)
			}
		})
	}

	t.Run("a run that fails has ended, too", func(t *testing.T) {
		t.Parallel()
		w := busy.organization(t)
		requester, person := w.member("member", "clients"), w.person("client")
		body := wish(people(person), change("assign", staffed(w.member("member"))))
		first := w.as(requester, "POST", "/v1/manage-assignments", body, prefer("wait=30")).must(200)
		again := decode[api.Run](w.as(requester, "POST", "/v1/manage-assignments", body, prefer("wait=30")).must(200).applied("wait=30"))
		if failure := again.Error; decode[api.Run](first).Status != "succeeded" || again.Status != "failed" || failure.MustGet().Code != "existing_assignments" {
			t.Errorf("got %+v", again)
		}
	})
	t.Run("what is done already, previewed or set for later is not waited for", func(t *testing.T) {
		t.Parallel()
		w := idle.organization(t)
		began := time.Now()
		later := decode[api.Run](idle.ask(t, w.Admin.Token, "reassignWork", reassigning(object{"run_at": "2040-01-01T00:00:00Z"})(w, w.Admin).with("Prefer", "wait=30")).must(202).applied(""))
		if later.Status != "scheduled" || later.ScheduledFor.MustGet().Year() != 2040 {
			t.Errorf("got %+v", later)
		}
		idle.ask(t, w.Admin.Token, "reassignWork", reassigning(object{"dry_run": true})(w, w.Admin).with("Prefer", "wait=30")).must(200).applied("")
		w.as(w.Admin, "GET", "/v1/runs/"+w.finishedRun(w.Admin).String(), nil, prefer("wait=30")).must(200).applied("wait=30")
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("whoever asks again waits again", func(t *testing.T) {
		t.Parallel()
		w := busy.organization(t)
		body := reassigning(object{})(w, w.Admin).with("Idempotency-Key", "k")
		first := decode[api.Run](busy.ask(t, w.Admin.Token, "reassignWork", body.with("Prefer", "respond-async")).must(202))
		again := busy.ask(t, w.Admin.Token, "reassignWork", body.with("Prefer", "wait=30")).must(200).applied("wait=30")
		if run := decode[api.Run](again); run.Status != "succeeded" || run.ID.MustGet() != first.ID.MustGet() || again.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("got %+v", run)
		}
	})
	t.Run("GET is answered as soon as the run has ended", func(t *testing.T) {
		t.Parallel()
		s := start(t, withoutWorker)
		w := s.organization(t)
		queued := s.ask(t, w.Admin.Token, "reassignWork", reassigning(object{})(w, w.Admin).with("Prefer", "respond-async")).must(202)
		answered := make(chan answer, 1)
		go func() {
			answered <- w.as(w.Admin, "GET", queued.Header.Get("Location"), nil, prefer("wait=60"))
		}()
		time.Sleep(time.Second / 2)
		select {
		case got := <-answered:
			t.Fatalf("it did not wait: %s", got.Body)
		default:
		}
		s.work(t)
		if run := decode[api.Run]((<-answered).must(200).applied("wait=60")); run.Status != "succeeded" {
			t.Errorf("got a run that is %s", run.Status)
		}
	})
}

func TestWaitingEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	s.app.EndWaiting()
	began := time.Now()
	run := decode[api.Run](s.ask(t, w.Admin.Token, "reassignWork", reassigning(object{})(w, w.Admin).with("Prefer", "wait=60")).must(202))
	if took := time.Since(began); took > 20*time.Second || run.Status != "queued" {
		t.Errorf("the answer came after %s, for a run that is %s", took, run.Status)
	}
}
