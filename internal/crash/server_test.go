package crash

import (
	"context"
	"testing"
	"time"

	"handover/internal/testdb"
)

// A14: a change is whole or not at all, also when the process is killed in the middle; what was acknowledged stays, and
// repeating the request with its key makes exactly one run.
func TestKillServer(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	c := newCaseload(t, db.SQL, manyPeople, fewPeople)
	random := chance(t)
	service := start(t, db.URL)
	undisturbed := service.insist(t, c.moveEverybody(false))
	c.acknowledged(c.large.ID, undisturbed)
	usual := undisturbed.took
	inTheMiddle := 0
	for round := range rounds(t, 8) {
		c.snapshot(t)
		before, _ := c.runs(t)
		change := c.moveEverybody(false)
		answered := make(chan answer, 1)
		singles := make(chan []answer, 1)
		ctx, stop := context.WithCancel(t.Context())
		go func() { answered <- service.send(t.Context(), change) }()
		go func() { singles <- c.moveSingles(ctx, service, 10_000*round) }()

		moment := time.Duration(random.Int64N(int64(usual * 11 / 10)))
		time.Sleep(moment)
		service.kill()
		got := <-answered
		stop()
		for _, single := range <-singles {
			c.acknowledged(c.small.ID, single)
		}
		c.acknowledged(c.large.ID, got)
		c.settled(t)
		after, succeeded := c.runs(t)
		whole := after == before+1
		t.Logf("round %d: killed after %s of %s: answered %d, whole %t", round, moment.Round(time.Millisecond), usual.Round(time.Millisecond), got.status, whole)
		if got.status == 0 {
			inTheMiddle++
		}
		if after != succeeded || after > before+1 {
			t.Fatalf("%d runs, of which %d succeeded; there were %d before", after, succeeded, before)
		}
		c.check(t, whole)

		service = start(t, db.URL)
		again := service.insist(t, change)
		c.acknowledged(c.large.ID, again)
		if again.replayed != whole {
			t.Fatalf("the change was there: %t; its answer was a stored one: %t", whole, again.replayed)
		}
		if !whole {
			usual = again.took
			c.check(t, true)
		}
		if after, _ := c.runs(t); after != before+1 {
			t.Fatalf("the change was made %d times", after-before)
		}
	}
	if inTheMiddle == 0 {
		t.Error("the service was never killed in the middle of a change")
	}
}

// moveSingles moves one person after the other until the service is gone, and gives the answers.
func (c *caseload) moveSingles(ctx context.Context, service *process, from int) []answer {
	var answers []answer
	for n := from; ctx.Err() == nil; n++ {
		got := service.send(ctx, c.movePerson(n))
		answers = append(answers, got)
		if got.status == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return answers
}
