package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

const summaryAtMost = 1.5

// measureSummary is W5: the summary of a leaver's whole list, against the insert of the selection's rows and two counting
// queries that tell what a summary tells (A3): the people with staff and their active tasks, in all and by staff. A floor
// makes what the service makes. For comparison also against two queries that tell the totals alone: those never look at who
// holds the tasks, and reading that is most of a summary's time, however it is done.
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
	var told summaryCounts
	byHand := func(counts [2]string) func(context.Context) (time.Duration, error) {
		return func(ctx context.Context) (time.Duration, error) {
			if err := clearSelections(ctx, b); err != nil {
				return 0, err
			}
			var counted summaryCounts
			took, err := timed(func() error {
				return bareTransaction(ctx, pool, b.world.organization, func(tx *sql.Tx) (err error) {
					counted, err = summarizeByHand(ctx, tx, b.world.organization, leaver, who, counts)
					return err
				})
			})
			if err == nil && counted.totals != told.totals || counted.staff > 0 && counted.staff != told.staff {
				err = fmt.Errorf("counted %v, the service %v", counted, told)
			}
			return took, err
		}
	}
	taken, err := inTurns(
		ctx, 3*b.rounds,
		side{"service", func(ctx context.Context) (took time.Duration, err error) {
			if err := clearSelections(ctx, b); err != nil {
				return 0, err
			}
			told, took, err = summarizeByService(ctx, b, leaver)
			return took, err
		}},
		side{"floor", byHand(countsByStaff)},
		side{"totals", byHand(countsOfTotals)},
	)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("assignment-summary of %d people with %d active tasks", told.totals[0], told.totals[1])
	b.addDurations("W5", what, "insert and two counts by staff", taken[0], taken[1], summaryAtMost)
	b.addDurations("W5", what, "insert and two counts of totals", taken[0], taken[2], 0)
	return nil
}

// summaryCounts is what a summary tells, as far as it is compared.
type summaryCounts struct {
	totals [2]int // people with staff, and their active tasks
	staff  int    // how many have the people
}

// clearSelections deletes the selections that earlier rounds have left behind, outside the timing.
func clearSelections(ctx context.Context, b *bench) error {
	if _, err := b.database.owner.ExecContext(ctx, `DELETE FROM selection_people WHERE organization_id = $1`, b.world.organization); err != nil {
		return fmt.Errorf("clear selections: %w", err)
	}
	return b.database.tidy(ctx, "selection_people")
}

func summarizeByService(ctx context.Context, b *bench, leaver string) (told summaryCounts, took time.Duration, err error) {
	var summary struct {
		WithStaff   struct{ Count int } `json:"with_staff"`
		ActiveTasks struct{ Count int } `json:"active_tasks"`
		Staff       []json.RawMessage   `json:"staff"`
	}
	selection := map[string]any{"type": "filter", "filter": map[string]any{"staff_id": []string{leaver}}}
	took, err = timed(func() error {
		return b.service.do(ctx, http.MethodPost, "/v1/assignment-summary", map[string]any{"selection": selection}, &summary)
	})
	return summaryCounts{[2]int{summary.WithStaff.Count, summary.ActiveTasks.Count}, len(summary.Staff)}, took, err
}

// countsByStaff are the two queries of a summary: people with staff, and their active tasks, in all and by staff. The row of
// the total has no staff, and so have unassigned tasks.
var countsByStaff = [2]string{
	`SELECT a.staff_id, count(*), count(DISTINCT c.person_id), grouping(a.staff_id)
		FROM selection_people c JOIN assignments a ON a.organization_id = c.organization_id AND a.person_id = c.person_id
		WHERE c.organization_id = $1 AND c.selection_id = $2 GROUP BY GROUPING SETS ((a.staff_id), ())`,
	`SELECT h.staff_id, count(*), count(DISTINCT t.id), grouping(h.staff_id)
		FROM selection_people c
		JOIN tasks t ON t.organization_id = c.organization_id AND t.person_id = c.person_id AND t.status IN ('open', 'in_progress')
		LEFT JOIN task_assignees h ON h.organization_id = t.organization_id AND h.task_id = t.id
		WHERE c.organization_id = $1 AND c.selection_id = $2
		AND EXISTS (SELECT FROM assignments a WHERE a.organization_id = c.organization_id AND a.person_id = c.person_id)
		GROUP BY GROUPING SETS ((h.staff_id), ())`,
}

// countsOfTotals tell less: nothing of who has the people and the tasks.
var countsOfTotals = [2]string{
	`SELECT NULL, 0, count(*), 1 FROM selection_people c WHERE c.organization_id = $1 AND c.selection_id = $2
		AND EXISTS (SELECT FROM assignments a WHERE a.organization_id = c.organization_id AND a.person_id = c.person_id)`,
	`SELECT NULL, 0, count(*), 1 FROM selection_people c
		JOIN tasks t ON t.organization_id = c.organization_id AND t.person_id = c.person_id AND t.status IN ('open', 'in_progress')
		WHERE c.organization_id = $1 AND c.selection_id = $2
		AND EXISTS (SELECT FROM assignments a WHERE a.organization_id = c.organization_id AND a.person_id = c.person_id)`,
}

func summarizeByHand(ctx context.Context, tx *sql.Tx, organization, leaver, who string, counts [2]string) (counted summaryCounts, err error) {
	selection := newID()
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO selections (organization_id, id, created_by_staff_id, created_at, expires_at, clients_count, referrals_count)
		VALUES ($1, $2, $3, now(), now() + interval '7 days', 0, 0)`, organization, selection, who); err != nil {
		return counted, fmt.Errorf("save selection: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO selection_people (organization_id, selection_id, person_id)
		SELECT organization_id, $2, person_id FROM assignments WHERE organization_id = $1 AND staff_id = $3 ORDER BY person_id`,
		organization, selection, leaver); err != nil {
		return counted, fmt.Errorf("save selected people: %w", err)
	}
	for i, count := range counts {
		var staff int
		if counted.totals[i], staff, err = readCounts(ctx, tx, count, organization, selection); err != nil {
			return counted, fmt.Errorf("count: %w", err)
		}
		if i == 0 {
			counted.staff = staff // others may hold tasks of the people
		}
	}
	return counted, nil
}

// readCounts reads the rows of a counting query: the total, and how many staff there is a row for.
func readCounts(ctx context.Context, tx *sql.Tx, query, organization, selection string) (total, staff int, err error) {
	rows, err := tx.QueryContext(ctx, query, organization, selection)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = rows.Close() }() // read to the end
	for rows.Next() {
		var id *string
		var count, distinct, isTotal int
		if err := rows.Scan(&id, &count, &distinct, &isTotal); err != nil {
			return 0, 0, err
		}
		switch {
		case isTotal == 1:
			total = distinct
		case id != nil:
			staff++
		}
	}
	return total, staff, rows.Err()
}

// newID makes ids as the service does.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
