package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const handoverAtMost = 1.5

// leaver is the work of one staff member that goes to another and back: every round does the same.
type leaver struct {
	staff                  [2]string
	holder                 int // which of the two has it now
	matters, tasks, events int
	checked                int // how many handovers were looked at
}

func (l *leaver) from() string { return l.staff[l.holder] }

func (l *leaver) to() string { return l.staff[1-l.holder] }

func (l *leaver) items() int { return l.matters + l.tasks + l.events }

// request asks the service for the next handover.
func (l *leaver) request() map[string]any {
	to := []string{l.to()}
	return map[string]any{
		"from_staff_id": l.from(),
		"matters":       map[string]any{"to_staff_ids": to},
		"tasks":         map[string]any{"to_staff_ids": to, "include_past_due": true},
		"events":        map[string]any{"to_staff_ids": to},
	}
}

// measureHandovers is W2: reassign-work of a leaver over HTTP, against the same by hand, on the service's tables and on bare
// ones.
func measureHandovers(ctx context.Context, b *bench) error {
	pool, err := openPool(b.database.url)
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }() // nothing is under way
	if err := makeBareTables(ctx, b); err != nil {
		return err
	}
	for _, index := range []string{
		`CREATE INDEX ON bare.matters (responsible_staff_id)`,
		`CREATE INDEX ON bare.task_assignees (staff_id)`,
		`CREATE INDEX ON bare.calendar_events (owner_staff_id)`,
	} {
		if _, err := b.database.owner.ExecContext(ctx, index); err != nil {
			return fmt.Errorf("index bare tables: %w", err)
		}
	}
	leaving, err := prepareLeaver(ctx, b)
	if err != nil {
		return err
	}
	bare := *leaving
	taken, err := inTurns(
		ctx, b.rounds,
		side{"service", func(ctx context.Context) (time.Duration, error) { return handOverByService(ctx, b, leaving) }},
		side{"floor", func(ctx context.Context) (time.Duration, error) {
			return handOverByHand(ctx, b, pool, leaving, ownHandover)
		}},
		side{"bare tables", func(ctx context.Context) (time.Duration, error) {
			return handOverByHand(ctx, b, pool, &bare, bareHandover)
		}},
	)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("reassign-work: %d tasks, %d matters, %d events", leaving.tasks, leaving.matters, leaving.events)
	b.addDurations("W2", what, "set-based SQL", taken[0], taken[1], handoverAtMost)
	b.addDurations("W2", what, "SQL on bare tables", taken[0], taken[2], 0)
	return nil
}

// prepareLeaver looks who of the pair has the work now, and how much it is.
func prepareLeaver(ctx context.Context, b *bench) (*leaver, error) {
	leaving := &leaver{}
	for i := range leaving.staff {
		var err error
		if leaving.staff[i], err = b.id(ctx, kindStaff, staffHanding+i); err != nil {
			return nil, err
		}
	}
	var holders int
	err := b.database.owner.QueryRowContext(ctx, `
		SELECT count(*), count(DISTINCT m.responsible_staff_id), coalesce(max(CASE WHEN m.responsible_staff_id = $3 THEN 1 ELSE 0 END), 0),
			(SELECT count(*) FROM task_assignees h JOIN tasks t ON t.organization_id = h.organization_id AND t.id = h.task_id AND t.status IN ('open', 'in_progress')
			 WHERE h.organization_id = $1 AND h.staff_id IN ($2, $3)),
			(SELECT count(*) FROM calendar_events e WHERE e.organization_id = $1 AND e.owner_staff_id IN ($2, $3) AND e.starts_at > now())
		FROM matters m WHERE m.organization_id = $1 AND m.responsible_staff_id IN ($2, $3)`, b.world.organization, leaving.staff[0], leaving.staff[1]).
		Scan(&leaving.matters, &holders, &leaving.holder, &leaving.tasks, &leaving.events)
	if err != nil {
		return nil, fmt.Errorf("look who has the work: %w", err)
	}
	if holders != 1 {
		return nil, errors.New("the work of the leaver is not with one of the pair")
	}
	return leaving, nil
}

// handedOverTables are what a handover leaves dead rows in.
var handedOverTables = []string{
	"matters", "tasks", "task_assignees", "calendar_events", "notification_counters",
	"bare.matters", "bare.tasks", "bare.task_assignees", "bare.calendar_events",
}

func handOverByService(ctx context.Context, b *bench, leaving *leaver) (time.Duration, error) {
	if err := b.database.tidy(ctx, handedOverTables...); err != nil {
		return 0, err
	}
	var run struct {
		ID string `json:"id"`
	}
	took, err := timed(func() error {
		return b.service.do(ctx, http.MethodPost, "/v1/reassign-work", leaving.request(), &run)
	})
	if err != nil {
		return 0, err
	}
	leaving.holder = 1 - leaving.holder
	return took, checkHandedOver(ctx, b, leaving, run.ID, ownHandover)
}

func handOverByHand(ctx context.Context, b *bench, pool *sql.DB, leaving *leaver, script script) (time.Duration, error) {
	if err := b.database.tidy(ctx, handedOverTables...); err != nil {
		return 0, err
	}
	known, err := b.known(ctx)
	if err != nil {
		return 0, err
	}
	known[from], known[successor], known[itemsMoved] = leaving.from(), leaving.to(), leaving.items()
	took, err := script.run(ctx, b, pool, known)
	if err != nil {
		return 0, err
	}
	leaving.holder = 1 - leaving.holder
	return took, checkHandedOver(ctx, b, leaving, fmt.Sprint(known[run]), script)
}

// checkHandedOver makes sure, in the warm-up, that each side leaves the same behind: for each change an item, an audit row and
// the change itself, and two notifications, each with its items and the whole of what went.
func checkHandedOver(ctx context.Context, b *bench, leaving *leaver, run string, script script) error {
	if leaving.checked == checkedChanges {
		return nil
	}
	leaving.checked++
	const query = `SELECT (SELECT count(*) FROM %[1]srun_items WHERE run_id = $1 AND outcome = 'changed')
		+ (SELECT count(*) FROM %[1]saudit_events WHERE run_id = $1 AND before <> after)
		+ (SELECT count(*) FROM %[1]smatters WHERE responsible_staff_id = $2) - (SELECT count(*) FROM %[1]smatters WHERE responsible_staff_id = $3)
		+ (SELECT count(*) FROM %[1]stask_assignees WHERE staff_id = $2) - (SELECT count(*) FROM %[1]stask_assignees WHERE staff_id = $3)
		+ (SELECT count(*) FROM %[1]scalendar_events WHERE owner_staff_id = $2) - (SELECT count(*) FROM %[1]scalendar_events WHERE owner_staff_id = $3)
		+ (SELECT count(*) FROM %[1]snotifications n JOIN %[1]snotification_items i ON i.notification_id = n.id
			WHERE n.run_id = $1 AND n.staff_id IN ($2, $3) AND n.matters_count + n.tasks_count + n.events_count = $4 AND cardinality(n.share_matter_ids) = n.matters_count)`
	found, err := b.database.number(ctx, fmt.Sprintf(query, script.schema), run, leaving.from(), leaving.to(), leaving.items())
	if err != nil {
		return err
	}
	if expected := 3*leaving.items() + 2*itemsTold; found != expected {
		return fmt.Errorf("left %d rows behind, expected %d", found, expected)
	}
	return nil
}
