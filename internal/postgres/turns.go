package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// HoldTurns keeps others from giving or taking a turn of the organization's runs until this transaction ends. Nothing else is
// locked after it.
func (tx *Tx) HoldTurns(ctx context.Context) error {
	if err := tx.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1::text, 7062))`, tx.Organization.String()); err != nil {
		return fmt.Errorf("hold the turns of runs: %w", err)
	}
	return nil
}

// underWay are the organization's runs ($1), but for one ($2), that are at work, and those that a worker may begin at any moment: they
// are queued, and do not wait for a turn.
const underWay = `
		FROM runs r
		LEFT JOIN waiting_runs w ON w.organization_id = r.organization_id AND w.run_id = r.id
		WHERE r.organization_id = $1 AND r.status IN ('queued', 'running') AND r.id <> $2 AND w.run_id IS NULL`

// RunsUnderWay counts the organization's runs, but for one, that are at work, and those that a worker may begin at any moment.
func (tx *Tx) RunsUnderWay(ctx context.Context, except uuid.UUID) (working, called int, err error) {
	var counts struct {
		Working int `db:"working"`
		Called  int `db:"called"`
	}
	if err := tx.get(ctx, &counts, `SELECT count(*) FILTER (WHERE r.status = 'running') AS working, count(*) FILTER (WHERE r.status = 'queued') AS called`+underWay,
		tx.Organization.String(), except); err != nil {
		return 0, 0, fmt.Errorf("count the runs under way: %w", err)
	}
	return counts.Working, counts.Called, nil
}

// WaitForTurn notes that a run waits, and which job is to be made available when it is its turn.
func (tx *Tx) WaitForTurn(ctx context.Context, run uuid.UUID, job int64) error {
	if err := tx.exec(ctx, `
		INSERT INTO waiting_runs (organization_id, run_id, job_id) VALUES ($1, $2, $3)
		ON CONFLICT (organization_id, run_id) DO UPDATE SET job_id = excluded.job_id`, tx.Organization.String(), run, job); err != nil {
		return fmt.Errorf("note that a run waits: %w", err)
	}
	return nil
}

// TakeTurns ends the waiting of those that have waited longest, so that as many as most are under way, besides one that has ended. It
// tells their jobs.
func (tx *Tx) TakeTurns(ctx context.Context, ended uuid.UUID, most int) ([]int64, error) {
	var jobs []int64
	if err := tx.selectAll(ctx, &jobs, `
		DELETE FROM waiting_runs taken USING (
			SELECT n.run_id FROM waiting_runs n WHERE n.organization_id = $1 ORDER BY n.run_id LIMIT (SELECT greatest(0, $3 - count(*))`+underWay+`)
		) next
		WHERE taken.organization_id = $1 AND taken.run_id = next.run_id
		RETURNING taken.job_id`, tx.Organization.String(), ended, most); err != nil {
		return nil, fmt.Errorf("take turns: %w", err)
	}
	return jobs, nil
}

// OrganizationsWaiting tells the organizations that have runs waiting for a turn.
func (s *Store) OrganizationsWaiting(ctx context.Context) ([]uuid.UUID, error) {
	var organizations []uuid.UUID
	if err := s.DB.SelectContext(ctx, &organizations, `SELECT id FROM organizations_waiting() AS id`); err != nil {
		return nil, fmt.Errorf("look for runs that wait: %w", translate(err))
	}
	return organizations, nil
}
