package crash

import (
	"testing"

	"handover/internal/testdb"
)

// Runs that wait for their turn outlive whoever was to give it: after a kill each is carried out, once, and in order.
func TestKillWhileRunsWait(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	c := newCaseload(t, db.SQL, somePeople, fewPeople)
	service := start(t, db.URL)
	const runs = 5
	var queued []answer
	for range runs {
		got := service.insist(t, c.moveEverybody(true))
		c.acknowledged(c.large.ID, got)
		queued = append(queued, got)
	}
	eventually(t, finishesWithin, "the second run works", func() bool {
		return c.status(t, queued[1].run) == "running" || c.status(t, queued[1].run) == "succeeded"
	})
	service.kill()
	waiting := 0
	for _, got := range queued {
		if c.status(t, got.run) == "queued" {
			waiting++
		}
	}
	if waiting == 0 {
		t.Fatal("no run waited when the service was killed")
	}
	start(t, db.URL)
	for _, got := range queued {
		c.succeeded(t, got.run)
	}
	if all, succeeded := c.runs(t); all != runs || succeeded != runs {
		t.Errorf("there are %d runs, of which %d succeeded", all, succeeded)
	}
	var left int
	if err := c.db.GetContext(t.Context(), &left, `SELECT count(*) FROM waiting_runs`); err != nil || left != 0 {
		t.Errorf("%d runs wait still: %v", left, err)
	}
	c.check(t, true)
}
