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
	Scheduled   *time.Time         `db:"scheduled_for"`
	ReturnAt    *time.Time         `db:"return_at"`
	Reverts     uuid.NullUUID      `db:"reverts_run_id"`
	RevertedBy  uuid.NullUUID      `db:"reverted_by_run_id"`
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
		ScheduledFor: utc(r.Scheduled), ReturnAt: utc(r.ReturnAt), Reverts: idOf(r.Reverts), RevertedBy: idOf(r.RevertedBy),
	}
	run.UndoUntil = domain.UndoUntilOf(run.Kind, run.Status, run.FinishedAt)
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
	r.revision, r.error, r.scheduled_for, r.return_at, r.reverts_run_id, r.reverted_by_run_id, coalesce(progress.done, 0) AS done, coalesce(progress.total, 0) AS total,
	s.id AS staff_id, s.first_name, s.last_name, s.status AS staff_status `

const runTables = `runs r
	JOIN staff s ON s.organization_id = r.organization_id AND s.id = r.requested_by_staff_id
	LEFT JOIN run_progress progress ON progress.organization_id = r.organization_id AND progress.run_id = r.id`

// saveRun writes a new run, or what has become of one that is there, with how far it is: the parts of a statement whose first
// parameters runArgs gives.
const saveRun = `
		saved AS (
			INSERT INTO runs (organization_id, id, kind, status, requested_by_staff_id, requested_at, started_at, finished_at, reason, request, selection_id, totals, revision, error,
				scheduled_for, return_at, reverts_run_id)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
			ON CONFLICT (organization_id, id) DO UPDATE SET status = excluded.status, started_at = excluded.started_at, finished_at = excluded.finished_at,
				totals = excluded.totals, revision = excluded.revision, error = excluded.error
		), progress AS (
			INSERT INTO run_progress (organization_id, run_id, done, total) VALUES ($1, $2, $18, $19)
			ON CONFLICT (organization_id, run_id) DO UPDATE SET done = excluded.done, total = excluded.total
		)`

func (tx *Tx) runArgs(run domain.Run) ([]any, error) {
	totals, err := json.Marshal(run.Totals)
	if err != nil {
		return nil, fmt.Errorf("encode totals: %w", err)
	}
	failure, err := auditText(anyOrNil(run.Error))
	if err != nil {
		return nil, err
	}
	return []any{
		tx.Organization.String(), run.ID, run.Kind, run.Status, run.RequestedBy.ID, run.RequestedAt, run.StartedAt, run.FinishedAt, run.Reason,
		string(run.Request), run.SelectionID, string(totals), run.Revision, failure,
		run.ScheduledFor, run.ReturnAt, run.Reverts, run.Done, run.Total,
	}, nil
}

// SaveRun writes a new run, or what has become of one that is there, with how far it is.
func (tx *Tx) SaveRun(ctx context.Context, run domain.Run) error {
	args, err := tx.runArgs(run)
	if err != nil {
		return err
	}
	if err := tx.exec(ctx, "WITH "+saveRun+" SELECT true", args...); err != nil {
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

// SaveProgress tells how far a run is while it works.
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
func (tx *Tx) Run(ctx context.Context, id uuid.UUID) (domain.Run, error) { return tx.run(ctx, id, "") }

func (tx *Tx) run(ctx context.Context, id uuid.UUID, lock string) (domain.Run, error) {
	var row runRow
	err := tx.get(ctx, &row, runSelect+"FROM "+runTables+" WHERE r.organization_id = $1 AND r.id = $2"+lock, tx.Organization.String(), id)
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

// HoldRun takes the run for this transaction, waiting for whoever has it, and reads it.
func (tx *Tx) HoldRun(ctx context.Context, id uuid.UUID) (domain.Run, error) {
	return tx.run(ctx, id, " FOR NO KEY UPDATE OF r")
}

// MarkReverted notes on a held run which one has undone it, or returned its loan. What was still to return it is cancelled.
func (tx *Tx) MarkReverted(ctx context.Context, reverted, by uuid.UUID, now time.Time) error {
	if err := tx.exec(ctx, `
		UPDATE runs r SET
			reverted_by_run_id = CASE WHEN r.id = $2 THEN $3 ELSE r.reverted_by_run_id END,
			status = CASE WHEN r.id = $2 THEN r.status ELSE 'cancelled' END,
			finished_at = CASE WHEN r.id = $2 THEN r.finished_at ELSE $4 END
		WHERE r.organization_id = $1 AND (r.id = $2 OR r.reverts_run_id = $2 AND r.status = 'scheduled')`, tx.Organization.String(), reverted, by, now); err != nil {
		return fmt.Errorf("mark as undone: %w", err)
	}
	return nil
}

// AskToCancel tells the worker of a run that it is no longer wanted. It stands beside the run, whose row the worker holds.
func (tx *Tx) AskToCancel(ctx context.Context, run uuid.UUID) error {
	if err := tx.exec(ctx, `
		INSERT INTO run_progress (organization_id, run_id, done, total, cancel_requested) VALUES ($1, $2, 0, 0, true)
		ON CONFLICT (organization_id, run_id) DO UPDATE SET cancel_requested = true`, tx.Organization.String(), run); err != nil {
		return fmt.Errorf("ask to cancel: %w", err)
	}
	return nil
}

// CancelAsked tells whether somebody has asked to cancel the run.
func (tx *Tx) CancelAsked(ctx context.Context, run uuid.UUID) (asked bool, err error) {
	if err := tx.get(ctx, &asked, `SELECT EXISTS (SELECT FROM run_progress p WHERE p.organization_id = $1 AND p.run_id = $2 AND p.cancel_requested)`,
		tx.Organization.String(), run); err != nil {
		return false, fmt.Errorf("look whether to cancel: %w", err)
	}
	return asked, nil
}

// hideTotals takes off the totals of runs what speaks of work that the caller may not see now (B5). Where nothing is
// hidden from the caller, which one look tells, nothing else is read.
func (tx *Tx) hideTotals(ctx context.Context, caller domain.Caller, runs []domain.Run) error {
	var finished ids
	for _, run := range runs {
		if run.Status == domain.RunSucceeded {
			finished = append(finished, run.ID)
		}
	}
	if len(finished) == 0 {
		return nil
	}
	var some bool
	if err := tx.get(ctx, &some, `SELECT EXISTS (SELECT FROM matters m WHERE m.organization_id = $1 AND m.visibility <> 'everyone' AND NOT (`+seenMatter("m", "$2")+`))`,
		tx.Organization.String(), caller.StaffID); err != nil {
		return fmt.Errorf("look for hidden matters: %w", err)
	}
	if !some {
		return nil
	}
	rows, err := tx.queryOnce(ctx, `
		WITH hidden AS (
			SELECT m.id FROM matters m WHERE m.organization_id = $1 AND m.visibility <> 'everyone' AND NOT (`+seenMatter("m", "$2")+`)
		), item AS (
			SELECT i.run_id, i.kind, i.outcome, i.reason, i.after_staff_ids FROM run_items i
			JOIN hidden ON hidden.id = i.item_id
			WHERE i.organization_id = $1 AND i.run_id = ANY ($3::uuid[]) AND i.kind = 'matter'
			UNION ALL
			SELECT i.run_id, i.kind, i.outcome, i.reason, i.after_staff_ids FROM run_items i
			JOIN tasks t ON t.organization_id = i.organization_id AND t.id = i.item_id
			JOIN hidden ON hidden.id = t.matter_id
			WHERE i.organization_id = $1 AND i.run_id = ANY ($3::uuid[]) AND i.kind = 'task'
			UNION ALL
			SELECT i.run_id, i.kind, i.outcome, i.reason, i.after_staff_ids FROM run_items i
			JOIN calendar_events e ON e.organization_id = i.organization_id AND e.id = i.item_id
			JOIN hidden ON hidden.id = e.matter_id
			WHERE i.organization_id = $1 AND i.run_id = ANY ($3::uuid[]) AND i.kind = 'calendar_event'
		)
		SELECT run_id, kind, outcome, coalesce(reason, ''), after_staff_ids = '{}', count(*) FROM item GROUP BY 1, 2, 3, 4, 5`,
		tx.Organization.String(), caller.StaffID, finished)
	if err != nil {
		return fmt.Errorf("count what is hidden: %w", err)
	}
	hidden := map[uuid.UUID]domain.Totals{}
	err = each(rows, func(scan scanner) error {
		var run uuid.UUID
		var item domain.PlannedItem
		var unassigned bool
		var count int
		if err := scan(&run, &item.Kind, &item.Outcome, &item.Reason, &unassigned, &count); err != nil {
			return err
		}
		totals := hidden[run]
		totals.Count(item.Kind, item.Outcome, item.Reason, unassigned, count)
		hidden[run] = totals
		return nil
	})
	if err != nil {
		return fmt.Errorf("count what is hidden: %w", err)
	}
	for i, run := range runs {
		runs[i] = run.Without(hidden[run.ID])
	}
	return nil
}

// SeenRun reads one run as the caller sees it: its totals without what is hidden from them.
func (tx *Tx) SeenRun(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Run, error) {
	run, err := tx.Run(ctx, id)
	if err != nil {
		return run, err
	}
	seen := []domain.Run{run}
	err = tx.hideTotals(ctx, caller, seen)
	return seen[0], err
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
	return runs, tx.hideTotals(ctx, caller, runs)
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
