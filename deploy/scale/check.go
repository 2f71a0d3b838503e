package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/invariants"
)

// measured is what one part of the run came to.
type measured struct {
	again int64
}

// phase measures the clients while something is done.
func (l *load) phase(ctx context.Context, name string, do func(context.Context)) measured {
	f := l.figures
	f.lock.Lock()
	f.took, f.reasons = nil, map[string]int{}
	f.lock.Unlock()
	before := [...]int64{f.answers.Load(), f.changes.Load(), f.positioned.Load(), f.events.Load(), f.again.Load()}
	began := time.Now()
	do(ctx)
	seconds := time.Since(began).Seconds()
	after := [...]int64{f.answers.Load(), f.changes.Load(), f.positioned.Load(), f.events.Load(), f.again.Load()}
	f.lock.Lock()
	defer f.lock.Unlock()
	slices.Sort(f.took)
	say("%-17s %4.0f s: %6d requests (%4.0f/s), %5d changes, %6d reads with a position, %5d events; half within %s, 99 of 100 within %s, all within %s; %d made again%s",
		name, seconds, after[0]-before[0], float64(after[0]-before[0])/seconds, after[1]-before[1], after[2]-before[2], after[3]-before[3],
		quantile(f.took, 0.5), quantile(f.took, 0.99), quantile(f.took, 1), after[4]-before[4], listed(f.reasons))
	return measured{again: after[4] - before[4]}
}

func quantile(sorted []time.Duration, part float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(part*float64(len(sorted)-1))].Round(time.Millisecond)
}

func listed(counts map[string]int) string {
	if len(counts) == 0 {
		return ""
	}
	lines := make([]string, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		lines = append(lines, fmt.Sprintf("%d %s", counts[name], name))
	}
	return " (" + strings.Join(lines, "; ") + ")"
}

// settling is how long what was left to workers, and the followers, may take to come to their end.
const settling = 60 * time.Second

// check tells all that is not as it must be.
func (l *load) check(ctx context.Context) []string {
	for n := range l.fleet.apis {
		l.fleet.count(ctx, n)
	}
	outcomes := map[string]int{}
	for name, count := range l.fleet.counted {
		outcomes[name] = int(count)
	}
	say("the reads with a position, as the APIs that told it counted them%s", listed(outcomes))
	say("trouble%s", listed(l.fleet.killed))
	wrong := slices.Clone(l.figures.wrong)
	l.settle(ctx, &wrong)
	l.checkFollowers(ctx, &wrong)
	l.checkTasks(ctx, &wrong)
	changed := make([]uuid.UUID, len(l.tenants))
	for i, tenant := range l.tenants {
		changed[i] = tenant.ID
	}
	if _, err := l.fleet.db.ExecContext(ctx, `ANALYZE`); err != nil { // it is all new, and hundreds of thousands of rows
		wrong = append(wrong, err.Error())
	}
	found, err := invariants.Check(ctx, l.fleet.db, invariants.Options{Before: l.before, Changed: changed, Acknowledged: l.acked, Patience: 5 * time.Minute})
	if err != nil {
		return append(wrong, err.Error())
	}
	for _, violation := range found {
		wrong = append(wrong, violation.String())
	}
	say("%d acknowledged changes, and I1 to I7, were held against the database", l.figures.changes.Load())
	return wrong
}

// settle waits until no run is left to be done.
func (l *load) settle(ctx context.Context, wrong *[]string) {
	var open int
	for began := time.Now(); time.Since(began) < settling; wait(ctx, 200*time.Millisecond) {
		if err := l.fleet.db.GetContext(ctx, &open, `SELECT count(*) FROM runs WHERE status IN ('queued', 'running')`); err == nil && open == 0 {
			return
		}
	}
	*wrong = append(*wrong, fmt.Sprintf("%d runs have not come to their end", open))
}

// checkFollowers lets each follower hear what is left, and looks whether it is everything.
func (l *load) checkFollowers(ctx context.Context, wrong *[]string) {
	for _, f := range l.followed {
		var last int64
		if err := l.fleet.db.GetContext(ctx, &last, `SELECT coalesce((SELECT last_number FROM notification_counters WHERE organization_id = $1 AND staff_id = $2), 0)`, f.organization, f.staff); err != nil {
			*wrong = append(*wrong, err.Error())
			continue
		}
		within, cancel := context.WithTimeout(ctx, settling)
		done := make(chan error, 1)
		go func() { done <- f.follow(within) }()
		for within.Err() == nil && f.lastHeard() < last {
			wait(within, 50*time.Millisecond)
		}
		cancel()
		if err := <-done; err != nil {
			*wrong = append(*wrong, err.Error())
		}
		if heard := f.lastHeard(); heard != last {
			*wrong = append(*wrong, fmt.Sprintf("the stream of %s told %d notifications of %d", f.staff, heard, last))
		}
	}
}

// checkTasks looks whether each task that was written is there once, as it was written last.
func (l *load) checkTasks(ctx context.Context, wrong *[]string) {
	ids, titles := make([]string, 0, len(l.titles)), make([]string, 0, len(l.titles))
	for id, title := range l.titles {
		ids, titles = append(ids, id.String()), append(titles, title)
	}
	var lost int
	if err := l.fleet.db.GetContext(ctx, &lost, `
		SELECT count(*) FROM unnest($1::uuid[], $2::text[]) AS known (id, title) WHERE NOT EXISTS (SELECT FROM tasks t WHERE t.id = known.id AND t.title = known.title)`,
		pq.Array(ids), pq.Array(titles)); err != nil || lost > 0 {
		*wrong = append(*wrong, fmt.Sprintf("%d written tasks are not as they were acknowledged (%v)", lost, err))
	}
	var twice int
	if err := l.fleet.db.GetContext(ctx, &twice, `
		SELECT count(*) FROM (SELECT FROM tasks WHERE title LIKE 'task % of %' GROUP BY organization_id, title, external_id HAVING count(*) > 1) AS double`); err != nil || twice > 0 {
		*wrong = append(*wrong, fmt.Sprintf("%d tasks were made twice (%v)", twice, err))
	}
}
