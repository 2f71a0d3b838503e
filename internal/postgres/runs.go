package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

type runRow struct {
	ID          uuid.UUID          `db:"id"`
	Kind        domain.RunKind     `db:"kind"`
	Status      domain.RunStatus   `db:"status"`
	RequestedAt time.Time          `db:"requested_at"`
	StartedAt   *time.Time         `db:"started_at"`
	FinishedAt  *time.Time         `db:"finished_at"`
	Reason      *string            `db:"reason"`
	Request     []byte             `db:"request"`
	SelectionID uuid.NullUUID      `db:"selection_id"`
	Totals      []byte             `db:"totals"`
	Revision    *string            `db:"revision"`
	Error       []byte             `db:"error"`
	Done        int                `db:"done"`
	Total       int                `db:"total"`
	StaffID     uuid.UUID          `db:"staff_id"`
	FirstName   string             `db:"first_name"`
	LastName    string             `db:"last_name"`
	StaffStatus domain.StaffStatus `db:"staff_status"`
}

func (r runRow) run() (domain.Run, error) {
	run := domain.Run{
		ID: r.ID, Kind: r.Kind, Status: r.Status, RequestedAt: r.RequestedAt.UTC(), StartedAt: utc(r.StartedAt), FinishedAt: utc(r.FinishedAt),
		RequestedBy: domain.StaffRef{ID: r.StaffID, Name: domain.FullName(r.FirstName, r.LastName), Status: r.StaffStatus},
		Reason:      r.Reason, Request: r.Request, SelectionID: idOf(r.SelectionID), Done: r.Done, Total: r.Total, Revision: r.Revision,
	}
	if err := json.Unmarshal(r.Totals, &run.Totals); err != nil {
		return run, fmt.Errorf("read totals: %w", err)
	}
	if r.Error != nil {
		if err := json.Unmarshal(r.Error, &run.Error); err != nil {
			return run, fmt.Errorf("read the run's error: %w", err)
		}
	}
	return run, nil
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	moved := t.UTC()
	return &moved
}

const runSelect = `SELECT r.id, r.kind, r.status, r.requested_at, r.started_at, r.finished_at, r.reason, r.request, r.selection_id, r.totals,
	r.revision, r.error, coalesce(progress.done, 0) AS done, coalesce(progress.total, 0) AS total,
	s.id AS staff_id, s.first_name, s.last_name, s.status AS staff_status `

const runTables = `runs r
	JOIN staff s ON s.organization_id = r.organization_id AND s.id = r.requested_by_staff_id
	LEFT JOIN run_progress progress ON progress.organization_id = r.organization_id AND progress.run_id = r.id`

// SaveRun writes a new run, or what has become of one that is there.
func (tx *Tx) SaveRun(ctx context.Context, run domain.Run) error {
	totals, err := json.Marshal(run.Totals)
	if err != nil {
		return fmt.Errorf("encode totals: %w", err)
	}
	failure, err := auditText(anyOrNil(run.Error))
	if err != nil {
		return err
	}
	if err := tx.exec(ctx, `
		INSERT INTO runs (organization_id, id, kind, status, requested_by_staff_id, requested_at, started_at, finished_at, reason, request, selection_id, totals, revision, error)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (organization_id, id) DO UPDATE SET status = excluded.status, started_at = excluded.started_at, finished_at = excluded.finished_at,
			totals = excluded.totals, revision = excluded.revision, error = excluded.error`,
		tx.Organization.String(), run.ID, run.Kind, run.Status, run.RequestedBy.ID, run.RequestedAt, run.StartedAt, run.FinishedAt, run.Reason,
		string(run.Request), run.SelectionID, string(totals), run.Revision, failure); err != nil {
		return fmt.Errorf("save run: %w", err)
	}
	return nil
}

func anyOrNil(failure *domain.RunError) any {
	if failure == nil {
		return nil
	}
	return failure
}

// SaveProgress tells how far a run is.
func (tx *Tx) SaveProgress(ctx context.Context, run uuid.UUID, done, total int) error {
	if err := tx.exec(ctx, `
		INSERT INTO run_progress (organization_id, run_id, done, total) VALUES ($1, $2, $3, $4)
		ON CONFLICT (organization_id, run_id) DO UPDATE SET done = excluded.done, total = excluded.total`,
		tx.Organization.String(), run, done, total); err != nil {
		return fmt.Errorf("save progress: %w", err)
	}
	return nil
}

// Run reads one run; of another organization, as if it did not exist.
func (tx *Tx) Run(ctx context.Context, id uuid.UUID) (domain.Run, error) {
	var row runRow
	err := tx.get(ctx, &row, runSelect+"FROM "+runTables+" WHERE r.organization_id = $1 AND r.id = $2", tx.Organization.String(), id)
	if errors.Is(err, sql.ErrNoRows) {
		return domain.Run{}, domain.Refuse(domain.CodeNotFound, "There is no such run.")
	}
	if err != nil {
		return domain.Run{}, fmt.Errorf("read run: %w", err)
	}
	return row.run()
}

// LockRun takes the run for the work of this transaction. taken is false where another process has it: whoever that is
// finishes it.
func (tx *Tx) LockRun(ctx context.Context, id uuid.UUID) (taken bool, err error) {
	var locked []uuid.UUID
	if err := tx.selectAll(ctx, &locked, `SELECT r.id FROM runs r WHERE r.organization_id = $1 AND r.id = $2 FOR NO KEY UPDATE SKIP LOCKED`,
		tx.Organization.String(), id); err != nil {
		return false, fmt.Errorf("lock run: %w", err)
	}
	return len(locked) == 1, nil
}

func (tx *Tx) visibleRuns(caller domain.Caller, filter domain.RunFilter) *query {
	q := newQuery("r", tx.Organization)
	if !caller.IsAdministrator() {
		q.and("r.requested_by_staff_id = %s", caller.StaffID)
	}
	q.andAnyOf("r.kind", filter.Kinds)
	q.andAnyOf("r.status", filter.Statuses)
	if len(filter.RequestedBy) > 0 {
		q.and("r.requested_by_staff_id = ANY (%s)", ids(filter.RequestedBy))
	}
	return q
}

// Runs lists a page of the runs that the caller asked for, an administrator all, the newest first, with one more than
// the page holds where there are more.
func (tx *Tx) Runs(ctx context.Context, caller domain.Caller, filter domain.RunFilter, page domain.Page) ([]domain.Run, error) {
	q := tx.visibleRuns(caller, filter)
	if page.After != uuid.Nil {
		q.and("r.id < %s", page.After)
	}
	var rows []runRow
	if err := tx.list(ctx, &rows, q, runSelect+q.from(runTables)+" ORDER BY r.id DESC LIMIT "+q.arg(page.Limit+1)); err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	runs := make([]domain.Run, len(rows))
	for i, row := range rows {
		var err error
		if runs[i], err = row.run(); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// CountRuns counts the runs the caller may see.
func (tx *Tx) CountRuns(ctx context.Context, caller domain.Caller, filter domain.RunFilter) (int, error) {
	total, err := tx.count(ctx, tx.visibleRuns(caller, filter), "runs r")
	if err != nil {
		return 0, fmt.Errorf("count runs: %w", err)
	}
	return total, nil
}

// StaffNames gives the names of all staff of the organization, for reports.
func (tx *Tx) StaffNames(ctx context.Context) (map[uuid.UUID]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT s.id, s.first_name, s.last_name FROM staff s WHERE s.organization_id = $1`, tx.Organization.String())
	if err != nil {
		return nil, fmt.Errorf("read staff names: %w", err)
	}
	names := map[uuid.UUID]string{}
	err = each(rows, func(scan scanner) error {
		var id uuid.UUID
		var first, last string
		if err := scan(&id, &first, &last); err != nil {
			return err
		}
		names[id] = domain.FullName(first, last)
		return nil
	})
	return names, err
}
