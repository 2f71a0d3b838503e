package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

const summaryAtMost = 1.5

// measureSummary is W5: the summary of a leaver's whole list, against the two counting queries and the insert of the selection's rows.
func measureSummary(ctx context.Context, b *bench) error {
	pool, err := openPool(b.database.url)
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }() // nothing is under way
	leaver, err := b.id(ctx, kindStaff, staffLeaver)
	if err != nil {
		return err
	}
	who, err := b.id(ctx, kindStaff, staffAsking)
	if err != nil {
		return err
	}
	var withStaff, tasks int
	// Both sides leave a selection behind: those of earlier rounds go, outside the timing.
	empty := func(ctx context.Context) error {
		if _, err := b.database.owner.ExecContext(ctx, `DELETE FROM selection_people WHERE organization_id = $1; `, b.world.organization); err != nil {
			return fmt.Errorf("clear selections: %w", err)
		}
		return b.database.tidy(ctx, "selection_people")
	}
	taken, err := inTurns(ctx, 3*b.rounds,
		side{"service", func(ctx context.Context) (time.Duration, error) {
			if err := empty(ctx); err != nil {
				return 0, err
			}
			var summary struct {
				WithStaff   struct{ Count int } `json:"with_staff"`
				ActiveTasks struct{ Count int } `json:"active_tasks"`
			}
			selection := map[string]any{"type": "filter", "filter": map[string]any{"staff_id": []string{leaver}}}
			took, err := timed(func() error {
				return b.service.do(ctx, http.MethodPost, "/v1/assignment-summary", map[string]any{"selection": selection}, &summary)
			})
			withStaff, tasks = summary.WithStaff.Count, summary.ActiveTasks.Count
			return took, err
		}},
		side{"floor", func(ctx context.Context) (time.Duration, error) {
			if err := empty(ctx); err != nil {
				return 0, err
			}
			var counted [2]int
			took, err := timed(func() error {
				return bareTransaction(ctx, pool, b.world.organization, func(tx *sql.Tx) error {
					return summarizeByHand(ctx, tx, b.world.organization, leaver, who, &counted)
				})
			})
			if err == nil && counted != [2]int{withStaff, tasks} {
				err = fmt.Errorf("counted %v, the service %d and %d", counted, withStaff, tasks)
			}
			return took, err
		}},
	)
	if err != nil {
		return err
	}
	b.addDurations("W5", fmt.Sprintf("assignment-summary of %d people with %d active tasks", withStaff, tasks), "insert and two counts", taken[0], taken[1], summaryAtMost)
	return nil
}

func summarizeByHand(ctx context.Context, tx *sql.Tx, organization, leaver, who string, counted *[2]int) error {
	selection := newID()
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO selections (organization_id, id, created_by_staff_id, created_at, expires_at, clients_count, referrals_count)
		VALUES ($1, $2, $3, now(), now() + interval '7 days', 0, 0)`, organization, selection, who); err != nil {
		return fmt.Errorf("save selection: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO selection_people (organization_id, selection_id, person_id)
		SELECT organization_id, $2, person_id FROM assignments WHERE organization_id = $1 AND staff_id = $3 ORDER BY person_id`,
		organization, selection, leaver); err != nil {
		return fmt.Errorf("save selected people: %w", err)
	}
	for i, count := range []string{
		`SELECT count(*) FROM selection_people c WHERE c.organization_id = $1 AND c.selection_id = $2
			AND EXISTS (SELECT FROM assignments a WHERE a.organization_id = c.organization_id AND a.person_id = c.person_id)`,
		`SELECT count(*) FROM selection_people c
			JOIN tasks t ON t.organization_id = c.organization_id AND t.person_id = c.person_id AND t.status IN ('open', 'in_progress')
			WHERE c.organization_id = $1 AND c.selection_id = $2
			AND EXISTS (SELECT FROM assignments a WHERE a.organization_id = c.organization_id AND a.person_id = c.person_id)`,
	} {
		if err := tx.QueryRowContext(ctx, count, organization, selection).Scan(&counted[i]); err != nil {
			return fmt.Errorf("count: %w", err)
		}
	}
	return nil
}

// newID makes ids as the service does.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
