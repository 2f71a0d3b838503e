package crash

import (
	"testing"
	"time"

	"handover/internal/invariants"
	"handover/internal/testdb"
)

// A worker that is killed while it chains the audit trail leaves chains that verify, and whoever comes next chains the rest, each event
// once.
func TestKillWhileChaining(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	random := chance(t)
	const organizations, events = 12, 4000
	write := func() {
		if _, err := db.SQL.ExecContext(t.Context(), `
			WITH made AS (
				INSERT INTO organizations (id, name, time_zone, created_at)
				SELECT gen_random_uuid(), 'Harbour', 'UTC', now() FROM generate_series(1, $1) ON CONFLICT DO NOTHING RETURNING id
			)
			INSERT INTO audit_events (organization_id, id, occurred_at, action, subject_kind, subject_id, before, after)
			SELECT made.id, (rpad(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0'), 20, '7') || right(md5(made.id::text || n), 12))::uuid,
				now(), 'written', 'task', gen_random_uuid(), '{"staff_ids": ["a"]}', '{"staff_ids": ["b"]}'
			FROM made, generate_series(1, $2) AS n`, organizations, events); err != nil {
			t.Fatal(err)
		}
	}
	chained := func() (count int) {
		if err := db.SQL.GetContext(t.Context(), &count, `SELECT coalesce(sum(cardinality(event_ids)), 0) FROM audit_links`); err != nil {
			t.Fatal(err)
		}
		return count
	}
	sound := func() {
		found, err := invariants.Check(t.Context(), db.SQL, invariants.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range found {
			t.Error(v)
		}
	}
	inTheMiddle := 0
	for round := 1; round <= rounds(t, 3); round++ {
		write()
		before := chained()
		service := start(t, db.URL)
		eventually(t, finishesWithin, "chaining has begun", func() bool { return chained() > before })
		time.Sleep(time.Duration(random.Int64N(int64(150 * time.Millisecond))))
		service.kill()
		left := chained()
		sound()
		if left < round*organizations*events {
			inTheMiddle++
		}
		t.Logf("round %d: killed with %d of %d events chained", round, left, round*organizations*events)
		// Its place at the head of the workers is free only after a while.
		if _, err := db.SQL.ExecContext(t.Context(), `DELETE FROM river.river_leader`); err != nil {
			t.Fatal(err)
		}
	}
	start(t, db.URL)
	total := rounds(t, 3) * organizations * events
	eventually(t, finishesWithin, "all is chained", func() bool { return chained() == total })
	sound()
	var distinct int
	if err := db.SQL.GetContext(t.Context(), &distinct, `SELECT count(DISTINCT (organization_id, id)) FROM audit_links, unnest(event_ids) AS id`); err != nil {
		t.Fatal(err)
	}
	if distinct != total {
		t.Errorf("%d different events are chained, want %d", distinct, total)
	}
	t.Logf("%d times it was killed in the middle", inTheMiddle)
}
