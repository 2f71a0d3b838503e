package crash

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/testdb"
)

// finishesWithin is how soon an interrupted run finishes by itself.
const finishesWithin = 60 * time.Second

// An asynchronous change is carried out whole, once, by whoever is there after a kill: the request may be lost, but not
// what was acknowledged.
func TestKillServerAndWorker(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	c := newCaseload(t, db.SQL, manyPeople, fewPeople)
	random := chance(t)
	service := start(t, db.URL)
	usual := c.undisturbed(t, service)
	for round := range rounds(t, 1) {
		c.snapshot(t)
		change := c.moveEverybody(true)
		answered := make(chan answer, 1)
		go func() { answered <- service.send(t.Context(), change) }()
		moment := time.Duration(random.Int64N(int64(usual)))
		time.Sleep(moment)
		service.kill()
		got := <-answered
		c.acknowledged(c.large.ID, got)
		t.Logf("round %d: killed after %s of %s: answered %d", round, moment.Round(time.Millisecond), usual.Round(time.Millisecond), got.status)

		service = start(t, db.URL)
		again := service.insist(t, change)
		c.acknowledged(c.large.ID, again)
		if got.status != 0 && (got.run != again.run || !again.replayed) {
			t.Fatalf("run %s was acknowledged, and then run %s, replayed %t", got.run, again.run, again.replayed)
		}
		c.finished(t, again.run)
	}
}

// Where several workers run, another takes over from one that is killed.
func TestKillWorker(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	c := newCaseload(t, db.SQL, somePeople, fewPeople)
	random := chance(t)
	first := start(t, db.URL)
	usual := c.undisturbed(t, first)
	c.snapshot(t)
	got := first.insist(t, c.moveEverybody(true))
	eventually(t, finishesWithin, "the run has begun", func() bool { return c.status(t, got.run) == "running" })
	second := start(t, db.URL)
	moment := time.Duration(random.Int64N(int64(usual / 2)))
	time.Sleep(moment)
	first.kill()
	t.Logf("killed %s after the run had begun; it takes %s", moment.Round(time.Millisecond), usual.Round(time.Millisecond))
	c.acknowledged(c.large.ID, got)
	c.finished(t, got.run)
	second.insist(t, c.movePerson(1))
}

// undisturbed carries out an asynchronous change and tells how long it takes, the request included.
func (c *caseload) undisturbed(t testing.TB, service *process) time.Duration {
	t.Helper()
	began := time.Now()
	got := service.insist(t, c.moveEverybody(true))
	if got.status != http.StatusAccepted {
		t.Fatalf("got status %d: %s", got.status, got.text)
	}
	c.succeeded(t, got.run)
	return time.Since(began)
}

// finished waits for a run, and holds what it left against the invariants: it was carried out whole, and once.
func (c *caseload) finished(t testing.TB, run uuid.UUID) {
	t.Helper()
	began := time.Now()
	c.succeeded(t, run)
	t.Logf("the run had finished %s after it could", time.Since(began).Round(time.Millisecond))
	if all, succeeded := c.runs(t); all != 1 || succeeded != 1 {
		t.Fatalf("there are %d runs, of which %d succeeded", all, succeeded)
	}
	c.check(t, true)
}

func (c *caseload) succeeded(t testing.TB, run uuid.UUID) {
	t.Helper()
	eventually(t, finishesWithin, "the run has finished", func() bool { return c.status(t, run) == "succeeded" })
}
