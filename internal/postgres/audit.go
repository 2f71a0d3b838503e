package postgres

import (
	"context"
	"encoding/json"
	"fmt"
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

func (tx *Tx) filterAudit(caller domain.Caller, filter domain.AuditFilter) *query {
	q := newQuery("e", tx.Organization)
	me := q.arg(caller.StaffID)
	q.and("NOT " + hidden("e", auditedMatter, me)) // looks the matter up once, where notHidden would twice
	q.and("NOT (e.subject_kind IN ('task', 'calendar_event') AND (" + hidden("e", recordedMatter("before"), me) + " OR " + hidden("e", recordedMatter("after"), me) + "))")
	q.andAnyOf("e.subject_kind", filter.SubjectKinds)
	q.andAnyOf("e.action", filter.Actions)
	if len(filter.StaffIDs) > 0 {
		q.and("e.staff_id = ANY (%s)", ids(filter.StaffIDs))
	}
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
	}
	return q
}

// AuditEvents lists a page of the trail, the newest first, with one more than the page holds where there are more. What
// happened to work that is hidden from the caller now, or to work of a matter that is, is left out (B5).
func (tx *Tx) AuditEvents(ctx context.Context, caller domain.Caller, filter domain.AuditFilter, page domain.Page) ([]AuditEvent, error) {
	q := tx.filterAudit(caller, filter)
	if page.After != uuid.Nil {
		q.and("e.id < %s", page.After)
	}
	var rows []auditRow
	if err := tx.list(ctx, &rows, q, `SELECT e.id, e.occurred_at, e.action, e.subject_kind, e.subject_id, e.run_id, e.request_id, e.reason, e.before, e.after,
		e.staff_id, s.first_name, s.last_name, s.status AS staff_status `+q.from(auditTables)+" ORDER BY e.id DESC LIMIT "+q.arg(page.Limit+1)); err != nil {
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
	total, err := tx.count(ctx, tx.filterAudit(caller, filter), auditTables)
	if err != nil {
		return 0, fmt.Errorf("count audit events: %w", err)
	}
	return total, nil
}
