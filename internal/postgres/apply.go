package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/domain"
)

// AuditStamp is who changed something, when, and in which run; every audit row of a change carries it.
type AuditStamp struct {
	At        time.Time
	StaffID   uuid.UUID
	RequestID string
	Reason    *string
	Action    string
	RunID     uuid.UUID
}

// Apply writes a plan as sets: one statement a table, each checking that it hit just what was planned.
func (tx *Tx) Apply(ctx context.Context, plan *domain.Plan, now time.Time) error {
	if err := tx.takeSeats(ctx, `
		DELETE FROM assignments a USING unnest($2::uuid[], $3::uuid[]) AS taken (person_id, staff_id)
		WHERE a.organization_id = $1 AND a.person_id = taken.person_id AND a.staff_id = taken.staff_id`, plan.PeopleTaken); err != nil {
		return fmt.Errorf("remove assignments: %w", err)
	}
	if err := tx.takeSeats(ctx, `
		INSERT INTO assignments (organization_id, person_id, staff_id)
		SELECT $1, given.person_id, given.staff_id FROM unnest($2::uuid[], $3::uuid[]) AS given (person_id, staff_id)`, plan.PeopleGiven); err != nil {
		return fmt.Errorf("add assignments: %w", err)
	}
	if err := tx.takeSeats(ctx, `
		DELETE FROM task_assignees seat USING unnest($2::uuid[], $3::uuid[]) AS taken (task_id, staff_id)
		WHERE seat.organization_id = $1 AND seat.task_id = taken.task_id AND seat.staff_id = taken.staff_id`, plan.TasksTaken); err != nil {
		return fmt.Errorf("take tasks: %w", err)
	}
	if err := tx.createTasks(ctx, plan.TasksCreated, now); err != nil {
		return fmt.Errorf("create tasks: %w", err)
	}
	given := plan.TasksGiven
	for _, task := range plan.TasksCreated {
		for _, staff := range task.Assignees {
			given = append(given, domain.Seat{Subject: task.ID, Staff: staff})
		}
	}
	if err := tx.takeSeats(ctx, `
		INSERT INTO task_assignees (organization_id, task_id, staff_id)
		SELECT $1, given.task_id, given.staff_id FROM unnest($2::uuid[], $3::uuid[]) AS given (task_id, staff_id)`, given); err != nil {
		return fmt.Errorf("give tasks: %w", err)
	}
	if err := tx.cancelTasks(ctx, plan.TasksCancelled, now); err != nil {
		return fmt.Errorf("cancel tasks: %w", err)
	}
	if err := tx.move(ctx, `
		UPDATE matters m SET responsible_staff_id = moved.to_id, updated_at = $5
		FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS moved (id, from_id, to_id)
		WHERE m.organization_id = $1 AND m.id = moved.id AND m.responsible_staff_id = moved.from_id`, plan.MattersMoved, now); err != nil {
		return fmt.Errorf("move matters: %w", err)
	}
	if err := tx.move(ctx, `
		UPDATE calendar_events e SET owner_staff_id = moved.to_id, updated_at = $5
		FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS moved (id, from_id, to_id)
		WHERE e.organization_id = $1 AND e.id = moved.id AND e.owner_staff_id = moved.from_id`, plan.EventsMoved, now); err != nil {
		return fmt.Errorf("move events: %w", err)
	}
	return nil
}

// cancelTasks takes intake tasks back: they are cancelled, and no longer count as the intake tasks of their person.
func (tx *Tx) cancelTasks(ctx context.Context, tasks []uuid.UUID, now time.Time) error {
	if len(tasks) == 0 {
		return nil
	}
	hit, err := tx.execSet(ctx, len(tasks), `
		UPDATE tasks t SET status = 'cancelled', is_intake = false, updated_at = $3
		FROM unnest($2::uuid[]) AS cancelled (id)
		WHERE t.organization_id = $1 AND t.id = cancelled.id AND t.`+activeTask+` AND t.is_intake`, tx.Organization.String(), ids(tasks), now)
	return expect("intake tasks", hit, err, len(tasks))
}

// move runs a statement over moves that must hit each of them once.
func (tx *Tx) move(ctx context.Context, statement string, moves []domain.Move, now time.Time) error {
	if len(moves) == 0 {
		return nil
	}
	moved, from, to := make(ids, len(moves)), make(ids, len(moves)), make(ids, len(moves))
	for i, move := range moves {
		moved[i], from[i], to[i] = move.ID, move.From, move.To
	}
	hit, err := tx.execSet(ctx, len(moves), statement, tx.Organization.String(), moved, from, to, now)
	return expect("moves", hit, err, len(moves))
}

// takeSeats runs a statement over seats that must hit each of them once.
func (tx *Tx) takeSeats(ctx context.Context, statement string, seats []domain.Seat) error {
	if len(seats) == 0 {
		return nil
	}
	subjects, staff := make(ids, len(seats)), make(ids, len(seats))
	for i, seat := range seats {
		subjects[i], staff[i] = seat.Subject, seat.Staff
	}
	hit, err := tx.execSet(ctx, len(seats), statement, tx.Organization.String(), subjects, staff)
	return expect("seats", hit, err, len(seats))
}

func (tx *Tx) createTasks(ctx context.Context, tasks []domain.CreatedTask, now time.Time) error {
	if len(tasks) == 0 {
		return nil
	}
	taskIDs, people := make(ids, len(tasks)), make(ids, len(tasks))
	titles, details, due := make([]string, len(tasks)), make([]string, len(tasks)), make([]string, len(tasks))
	for i, task := range tasks {
		taskIDs[i], people[i] = task.ID, task.PersonID
		titles[i], details[i], due[i] = task.Title, task.Details, task.DueOn.String()
	}
	hit, err := tx.execSet(ctx, len(tasks), `
		INSERT INTO tasks (organization_id, id, title, details, status, due_on, person_id, is_intake, created_at, updated_at)
		SELECT $1, made.id, made.title, made.details, 'open', made.due_on, made.person_id, true, $7, $7
		FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::date[]) AS made (id, person_id, title, details, due_on)`,
		tx.Organization.String(), taskIDs, people, pq.Array(titles), pq.Array(details), pq.Array(due), now)
	return expect("intake tasks", hit, err, len(tasks))
}

// RecordRun writes a run with what became of each of its items, and an audit row for each that changed or was created (D1),
// in one statement. Items that went the same way share a shape, so that the sets of staff are sent once and not per item.
func (tx *Tx) RecordRun(ctx context.Context, run domain.Run, items []domain.PlannedItem, stamp AuditStamp, newID func() uuid.UUID) error {
	if len(items) == 0 {
		return tx.SaveRun(ctx, run)
	}
	args, err := tx.runArgs(run)
	if err != nil {
		return err
	}
	var shapes itemShapes
	itemIDs, auditIDs, shapeOf := make(ids, len(items)), make(ids, len(items)), make(ints, len(items))
	for i, item := range items {
		itemIDs[i], auditIDs[i], shapeOf[i] = item.ID, uuid.Nil, shapes.number(item)
		if item.Outcome != domain.OutcomeUnchanged {
			auditIDs[i] = newID()
		}
	}
	if _, err := tx.execSet(ctx, len(items), "WITH "+saveRun+`, shape AS MATERIALIZED (
			SELECT s.number, s.kind, s.outcome, nullif(s.reason, '') AS reason,
			       s.before::uuid[] AS before, s.after::uuid[] AS after,
			       CASE WHEN s.outcome <> 'created' THEN jsonb_build_object('staff_ids', to_jsonb(s.before::uuid[]))
			            || CASE WHEN s.reason = 'intake_cancelled' THEN '{"status": "open"}' ELSE '{}' END::jsonb END AS before_audit,
			       jsonb_build_object('staff_ids', to_jsonb(s.after::uuid[]))
			            || CASE WHEN s.reason = 'intake_cancelled' THEN '{"status": "cancelled"}' ELSE '{}' END::jsonb AS after_audit
			FROM unnest($20::text[], $21::text[], $22::text[], $23::text[], $24::text[])
			     WITH ORDINALITY AS s (kind, outcome, reason, before, after, number)
		), item AS MATERIALIZED (
			SELECT i.position, i.id, i.audit_id, i.shape
			FROM unnest($25::uuid[], $26::uuid[], $27::integer[]) WITH ORDINALITY AS i (id, audit_id, shape, position)
		), recorded AS (
			INSERT INTO run_items (organization_id, run_id, position, kind, item_id, outcome, reason, before_staff_ids, after_staff_ids)
			SELECT $1, $2, item.position, shape.kind, item.id, shape.outcome, shape.reason, shape.before, shape.after
			FROM item JOIN shape ON shape.number = item.shape
		)
		INSERT INTO audit_events (organization_id, id, occurred_at, staff_id, action, subject_kind, subject_id, run_id, request_id, reason, before, after)
		SELECT $1, item.audit_id, $28, $29, $30, shape.kind, item.id, $2, $31, $32, shape.before_audit, shape.after_audit
		FROM item JOIN shape ON shape.number = item.shape
		WHERE shape.outcome IN ('changed', 'created')`, append(args,
		pq.Array(shapes.kinds), pq.Array(shapes.outcomes), pq.Array(shapes.reasons), pq.Array(shapes.befores), pq.Array(shapes.afters),
		itemIDs, auditIDs, shapeOf,
		stamp.At, stamp.StaffID, stamp.Action, stamp.RequestID, stamp.Reason)...); err != nil {
		return fmt.Errorf("record the run and its items: %w", err)
	}
	return nil
}

// itemShapes collects the different ways in which items went.
type itemShapes struct {
	numbers                                   map[string]int
	kinds, outcomes, reasons, befores, afters []string
	key                                       []byte
}

func (s *itemShapes) number(item domain.PlannedItem) int {
	s.key = append(s.key[:0], item.Kind...)
	s.key = append(append(s.key, '|'), item.Outcome...)
	s.key = append(append(s.key, '|'), item.Reason...)
	s.key = strconv.AppendInt(append(s.key, '|'), int64(len(item.Before)), 10)
	for _, id := range item.Before {
		s.key = append(s.key, id[:]...)
	}
	for _, id := range item.After {
		s.key = append(s.key, id[:]...)
	}
	if number, known := s.numbers[string(s.key)]; known {
		return number
	}
	if s.numbers == nil {
		s.numbers = map[string]int{}
	}
	number := len(s.numbers) + 1
	s.numbers[string(s.key)] = number
	s.kinds = append(s.kinds, string(item.Kind))
	s.outcomes = append(s.outcomes, string(item.Outcome))
	s.reasons = append(s.reasons, string(item.Reason))
	s.befores = append(s.befores, string(appendIDs(nil, item.Before)))
	s.afters = append(s.afters, string(appendIDs(nil, item.After)))
	return number
}

// Audit records one change of one thing (D1). before is nil for what was created.
func (tx *Tx) Audit(ctx context.Context, id uuid.UUID, stamp AuditStamp, subjectKind string, subject uuid.UUID, before, after any) error {
	beforeText, err := auditText(before)
	if err != nil {
		return err
	}
	afterText, err := auditText(after)
	if err != nil {
		return err
	}
	err = tx.exec(ctx, `
		INSERT INTO audit_events (organization_id, id, occurred_at, staff_id, action, subject_kind, subject_id, run_id, request_id, reason, before, after)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		tx.Organization.String(), id, stamp.At, nullID(stamp.StaffID), stamp.Action, subjectKind, subject, nullID(stamp.RunID),
		nullText(strings.TrimSpace(stamp.RequestID)), stamp.Reason, beforeText, afterText)
	if err != nil {
		return fmt.Errorf("record audit event: %w", err)
	}
	return nil
}

func auditText(value any) (*string, error) {
	if value == nil {
		return nil, nil
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode audit event: %w", err)
	}
	text := string(encoded)
	return &text, nil
}

func nullID(id uuid.UUID) uuid.NullUUID { return uuid.NullUUID{UUID: id, Valid: id != uuid.Nil} }

func nullText(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
