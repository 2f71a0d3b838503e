package crash

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/invariants/seed"
	"handover/internal/testdb"
)

// manyMatters is how many matters a leaver hands over, each with two tasks and an event.
const manyMatters = 5_000

// handovers is a caseload in which everything is handed over from one staff member to the next.
type handovers struct {
	*caseload
	holder int // whose turn it is to hand over
}

func newHandovers(t testing.TB) (*handovers, string) {
	t.Helper()
	db := testdb.New(t)
	return &handovers{caseload: newCaseloadOf(t, db.SQL, seed.Size{People: fewPeople, Staff: 8, Matters: manyMatters}, seed.Size{People: fewPeople, Staff: 8, Matters: 60})}, db.URL
}

func (h *handovers) from() uuid.UUID { return h.large.Staff[h.holder%5] }
func (h *handovers) to() uuid.UUID   { return h.large.Staff[(h.holder+1)%5] }

// next asks for the work of who holds it to go to the next. When it has, passedOn says so.
func (h *handovers) next(async bool, fields object) request {
	h.moves++
	part := object{"to_staff_ids": []uuid.UUID{h.to()}}
	body := object{"from_staff_id": h.from(), "matters": part, "tasks": part, "events": part, "people": part, "reason": "The service is going to be killed."}
	for name, value := range fields {
		body[name] = value
	}
	return request{token: h.large.Token, path: "/v1/reassign-work", key: fmt.Sprintf("hand-over-%d", h.moves), async: async, body: body}
}

func (h *handovers) undoOf(run uuid.UUID) request {
	h.moves++
	return request{token: h.large.Token, path: "/v1/runs/" + run.String() + "/undo", key: fmt.Sprintf("undo-%d", h.moves), async: true, body: object{}}
}

// passedOn fails the test unless all that moves is with the next; the turn is theirs.
func (h *handovers) passedOn(t testing.TB) {
	t.Helper()
	h.with(t, h.to())
	h.holder++
}

// with fails the test unless one staff member has all that moves.
func (h *handovers) with(t testing.TB, staff uuid.UUID) {
	t.Helper()
	var elsewhere int
	if err := h.db.GetContext(t.Context(), &elsewhere, `
		SELECT (SELECT count(*) FROM matters m WHERE m.organization_id = $1 AND m.status <> 'closed' AND m.visibility <> 'private' AND m.responsible_staff_id <> $2)
		     + (SELECT count(*) FROM tasks t JOIN matters m ON m.organization_id = t.organization_id AND m.id = t.matter_id
		        WHERE t.organization_id = $1 AND m.status <> 'closed' AND m.visibility <> 'private'
		          AND NOT EXISTS (SELECT FROM task_assignees a WHERE a.organization_id = t.organization_id AND a.task_id = t.id AND a.staff_id = $2))
		     + (SELECT count(*) FROM calendar_events e JOIN matters m ON m.organization_id = e.organization_id AND m.id = e.matter_id
		        WHERE e.organization_id = $1 AND e.starts_at > now() AND m.status <> 'closed' AND m.visibility <> 'private' AND e.owner_staff_id <> $2)
		     + (SELECT count(*) FROM people p WHERE p.organization_id = $1
		          AND NOT EXISTS (SELECT FROM assignments a WHERE a.organization_id = p.organization_id AND a.person_id = p.id AND a.staff_id = $2))`,
		h.large.ID, staff); err != nil {
		t.Fatal(err)
	}
	if elsewhere != 0 {
		t.Fatalf("%d things are with somebody else", elsewhere)
	}
}

// A handover of 5,000 matters that was acknowledged is carried out whole, once, by whoever is there after a kill at any
// moment of it; nobody has to ask again. So is its undo.
func TestKillHandover(t *testing.T) {
	t.Parallel()
	h, url := newHandovers(t)
	random := chance(t)
	service := start(t, url)
	began := time.Now()
	h.succeeded(t, service.insist(t, h.next(true, nil)).run)
	usual := time.Since(began)
	h.passedOn(t)

	// killedDuring asks for something, kills the service at a moment of it, and starts another.
	killedDuring := func(round int, what string, ask request) uuid.UUID {
		got := service.insist(t, ask)
		h.acknowledged(h.large.ID, got)
		moment := time.Duration(random.Int64N(int64(usual)))
		time.Sleep(moment)
		service.kill()
		status := h.status(t, got.run)
		service = start(t, url)
		h.succeeded(t, got.run)
		t.Logf("round %d: %s killed after %s of %s, when it was %s", round, what, moment.Round(time.Millisecond), usual.Round(time.Millisecond), status)
		return got.run
	}
	for round := range rounds(t, 2) {
		h.snapshot(t)
		run := killedDuring(round, "a handover", h.next(true, nil))
		h.finished(t, run)
		h.passedOn(t)

		killedDuring(round, "its undo", h.undoOf(run))
		h.check(t, true)
		if all, succeeded := h.runs(t); all != 2 || succeeded != 2 {
			t.Fatalf("there are %d runs, of which %d succeeded", all, succeeded)
		}
		h.holder--
		h.with(t, h.from())
	}
}

// A handover that is due while nobody works is carried out by whoever comes; what it lends goes back by itself.
func TestScheduledWhileNobodyWorks(t *testing.T) {
	t.Parallel()
	h, url := newHandovers(t)
	h.snapshot(t)
	service := start(t, url)
	due := time.Now().Add(time.Second)
	lent := service.insist(t, h.next(false, object{"run_at": due, "return_at": due.Add(time.Second)}))
	h.acknowledged(h.large.ID, lent)
	service.kill()
	time.Sleep(time.Until(due.Add(2 * time.Second)))
	if status := h.status(t, lent.run); status != "scheduled" {
		t.Fatalf("without a worker it is %s", status)
	}
	service = start(t, url)
	h.succeeded(t, lent.run)
	service.kill() // perhaps while it returns

	start(t, url)
	eventually(t, finishesWithin, "what was lent has gone back", func() bool {
		all, succeeded := h.runs(t)
		return all == 2 && succeeded == 2
	})
	h.check(t, true)
	h.with(t, h.from())
}
