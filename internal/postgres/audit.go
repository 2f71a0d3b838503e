package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// AuditEvent is one change as the trail tells it (D1).
type AuditEvent struct {
	ID          uuid.UUID
	OccurredAt  time.Time
	Staff       *domain.StaffRef // nil: the command line
	Action      string
	SubjectKind string
	SubjectID   uuid.UUID
	RunID       *uuid.UUID
	RequestID   *string
	Reason      *string
	Before      json.RawMessage
	After       json.RawMessage
}

type auditRow struct {
	ID          uuid.UUID           `db:"id"`
	OccurredAt  time.Time           `db:"occurred_at"`
	Action      string              `db:"action"`
	SubjectKind string              `db:"subject_kind"`
	SubjectID   uuid.UUID           `db:"subject_id"`
	RunID       uuid.NullUUID       `db:"run_id"`
	RequestID   *string             `db:"request_id"`
	Reason      *string             `db:"reason"`
	Before      []byte              `db:"before"`
	After       []byte              `db:"after"`
	StaffID     uuid.NullUUID       `db:"staff_id"`
	FirstName   *string             `db:"first_name"`
	LastName    *string             `db:"last_name"`
	StaffStatus *domain.StaffStatus `db:"staff_status"`
}

func (r auditRow) event() AuditEvent {
	event := AuditEvent{
		ID: r.ID, OccurredAt: r.OccurredAt.UTC(), Action: r.Action, SubjectKind: r.SubjectKind, SubjectID: r.SubjectID,
		RunID: idOf(r.RunID), RequestID: r.RequestID, Reason: r.Reason, Before: r.Before, After: r.After,
	}
	if r.StaffID.Valid && r.FirstName != nil && r.LastName != nil && r.StaffStatus != nil {
		event.Staff = &domain.StaffRef{ID: r.StaffID.UUID, Name: domain.FullName(*r.FirstName, *r.LastName), Status: *r.StaffStatus}
	}
	return event
}

const auditTables = `audit_events e
	LEFT JOIN staff s ON s.organization_id = e.organization_id AND s.id = e.staff_id`

// auditedMatter is the matter that the subject of an event belongs to now, or is.
const auditedMatter = `CASE e.subject_kind
	WHEN 'task' THEN (SELECT t.matter_id FROM tasks t WHERE t.organization_id = e.organization_id AND t.id = e.subject_id)
	WHEN 'calendar_event' THEN (SELECT c.matter_id FROM calendar_events c WHERE c.organization_id = e.organization_id AND c.id = e.subject_id)
	WHEN 'matter' THEN e.subject_id END`

// recordedMatter is the matter that the subject of an event belonged to then, before or after it. What was done to work
// while a matter hid it stays hidden when the work has left the matter.
func recordedMatter(state string) string { return `(e.` + state + `->>'matter_id')::uuid` }

func (tx *Tx) filterAudit(ctx context.Context, caller domain.Caller, filter domain.AuditFilter) (*query, error) {
	q := newQuery("e", tx.Organization)
	me := q.arg(caller.StaffID)
	q.and("NOT " + hidden("e", auditedMatter, me)) // looks the matter up once, where notHidden would twice
	q.and("NOT (e.subject_kind IN ('task', 'calendar_event') AND (" + hidden("e", recordedMatter("before"), me) + " OR " + hidden("e", recordedMatter("after"), me) + "))")
	q.andAnyOf("e.subject_kind", filter.SubjectKinds)
	q.andAnyOf("e.action", filter.Actions)
	q.andAnyID("e.staff_id", filter.StaffIDs)
	if filter.SubjectID != nil {
		q.and("e.subject_id = %s", *filter.SubjectID)
	}
	if filter.RunID != nil {
		q.and("e.run_id = %s", *filter.RunID)
	}
	if filter.From != nil {
		q.and("e.occurred_at >= %s", *filter.From)
	}
	if filter.To != nil {
		q.and("e.occurred_at < %s", *filter.To)
		// By the ids, which are made no more than a transaction later, what is newer is not gone through.
		q.and("e.id < earliest_id(%s::timestamptz + interval '1 day')", *filter.To)
	}
	q.once = len(filter.StaffIDs) > 0 || len(filter.Actions) > 0 || filter.From != nil || filter.To != nil // which index serves it depends on the values
	return q, tx.narrowAudit(ctx, q, filter)
}

// fewRuns is up to how many runs the trail is looked up by them. Who made more has events everywhere in it.
const fewRuns = 1000

// narrowAudit helps to find what somebody did, or what was done of a sort, among everything there is. Events of runs tell who asked for
// the run and what it was: they are found through their run. Single changes have indexes of their own.
func (tx *Tx) narrowAudit(ctx context.Context, q *query, filter domain.AuditFilter) error {
	if filter.RunID != nil || filter.SubjectID != nil || len(filter.StaffIDs) == 0 && len(filter.Actions) == 0 {
		return nil
	}
	var kinds []string
	for _, action := range filter.Actions {
		if slices.Contains(domain.RunKinds, domain.RunKind(action)) {
			kinds = append(kinds, action)
		}
	}
	if len(filter.Actions) > 0 && len(kinds) == 0 {
		q.and("e.run_id IS NULL")
		return nil
	}
	made := newQuery("r", tx.Organization)
	made.andAnyOf("r.kind", kinds)
	made.andAnyID("r.requested_by_staff_id", filter.StaffIDs)
	made.once = true
	var runs []uuid.UUID
	if err := tx.list(ctx, &runs, made, "SELECT r.id "+made.from("runs r")+" LIMIT "+made.arg(fewRuns+1)); err != nil {
		return fmt.Errorf("find the runs of audit events: %w", err)
	}
	if len(runs) <= fewRuns {
		q.and("(e.run_id IS NULL OR e.run_id = ANY (%s))", ids(runs))
	}
	return nil
}

// auditOfRun goes through the events of one run in their order, after one of them, so that no more of them are judged than a page
// shows: a run has them by the hundred thousand, and whether a matter hides one is asked for each. OFFSET keeps the planner from
// judging them all first.
func (q *query) auditOfRun(run, after uuid.UUID) {
	if after == uuid.Nil {
		after = uuid.Max
	}
	q.table = q.fill(`(SELECT r.id FROM audit_events r WHERE r.organization_id = $1 AND r.run_id = %s AND r.id < %s ORDER BY r.id DESC OFFSET 0) ordered
		JOIN LATERAL (
			SELECT e.organization_id, e.id, e.occurred_at, e.action, e.subject_kind, e.subject_id, e.run_id, e.request_id, e.reason, e.before, e.after, e.staff_id
			FROM audit_events e WHERE e.organization_id = $1 AND e.id = ordered.id OFFSET 0
		) e ON true
		LEFT JOIN staff s ON s.organization_id = e.organization_id AND s.id = e.staff_id`, []any{run, after})
	q.id = "ordered.id"
}

// AuditEvents lists a page of the trail, the newest first, with one more than the page holds where there are more. What
// happened to work that is hidden from the caller now, or to work of a matter that is, is left out (B5).
func (tx *Tx) AuditEvents(ctx context.Context, caller domain.Caller, filter domain.AuditFilter, page domain.Page) ([]AuditEvent, error) {
	q, err := tx.filterAudit(ctx, caller, filter)
	if err != nil {
		return nil, err
	}
	switch {
	case filter.RunID != nil:
		q.auditOfRun(*filter.RunID, page.After)
	case page.After != uuid.Nil:
		q.and("e.id < %s", page.After)
	}
	var rows []auditRow
	if err := tx.list(ctx, &rows, q, `SELECT e.id, e.occurred_at, e.action, e.subject_kind, e.subject_id, e.run_id, e.request_id, e.reason, e.before, e.after,
		e.staff_id, s.first_name, s.last_name, s.status AS staff_status `+q.from(auditTables)+" ORDER BY "+q.id+" DESC LIMIT "+q.arg(page.Limit+1)); err != nil {
		return nil, fmt.Errorf("list audit events: %w", err)
	}
	events := make([]AuditEvent, len(rows))
	for i, row := range rows {
		events[i] = row.event()
	}
	return events, nil
}

// CountAuditEvents counts the events that AuditEvents lists.
func (tx *Tx) CountAuditEvents(ctx context.Context, caller domain.Caller, filter domain.AuditFilter) (int, error) {
	q, err := tx.filterAudit(ctx, caller, filter)
	if err != nil {
		return 0, err
	}
	total, err := tx.count(ctx, q, auditTables)
	if err != nil {
		return 0, fmt.Errorf("count audit events: %w", err)
	}
	return total, nil
}
