package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

type taskRow struct {
	ID         uuid.UUID         `db:"id"`
	ExternalID *string           `db:"external_id"`
	Title      string            `db:"title"`
	Details    string            `db:"details"`
	Status     domain.TaskStatus `db:"status"`
	DueOn      *time.Time        `db:"due_on"`
	PersonID   uuid.NullUUID     `db:"person_id"`
	MatterID   uuid.NullUUID     `db:"matter_id"`
	CreatedAt  time.Time         `db:"created_at"`
	UpdatedAt  time.Time         `db:"updated_at"`
	Assignees  staffRefs         `db:"assignees"`
}

func (r taskRow) task() domain.Task {
	task := domain.Task{
		ID: r.ID, ExternalID: r.ExternalID, Title: r.Title, Details: r.Details, Status: r.Status,
		PersonID: idOf(r.PersonID), MatterID: idOf(r.MatterID), Assignees: r.Assignees,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
	if r.DueOn != nil {
		due := domain.DateOf(*r.DueOn)
		task.DueOn = &due
	}
	return task
}

func idOf(id uuid.NullUUID) *uuid.UUID {
	if !id.Valid {
		return nil
	}
	return &id.UUID
}

const taskColumns = `t.id, t.external_id, t.title, t.details, t.status, t.due_on, t.person_id, t.matter_id, t.created_at, t.updated_at`

func withAssignees(page string) string {
	return `SELECT t.*, ` + staffRefsOf("task_assignees", "task_id", "t.id") + ` AS assignees FROM (` + page + `) t ORDER BY t.id`
}

// Tasks lists a page of the tasks the caller sees, by id, with one more than the page holds where there are more.
func (tx *Tx) Tasks(ctx context.Context, caller domain.Caller, filter domain.TaskFilter, today domain.Date, page domain.Page) ([]domain.Task, error) {
	q := newQuery("t", tx.Organization)
	q.seenTasks(caller)
	q.filterTasks(filter, today)
	if err := tx.tasksOfSelection(ctx, q, filter.SelectionID, true); err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	rows, err := tx.listRows(ctx, q, withAssignees("SELECT "+taskColumns+" "+q.widestPage("tasks t", page))+" LIMIT "+q.arg(page.Limit+1))
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	tasks := make([]domain.Task, 0, page.Limit+1)
	err = each(rows, func(scan scanner) error {
		var row taskRow
		if err := scan(&row.ID, &row.ExternalID, &row.Title, &row.Details, &row.Status, &row.DueOn, &row.PersonID, &row.MatterID,
			&row.CreatedAt, &row.UpdatedAt, &row.Assignees); err != nil {
			return err
		}
		tasks = append(tasks, row.task())
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	return tasks, nil
}

// CountTasks counts the tasks the caller sees and the filter matches.
func (tx *Tx) CountTasks(ctx context.Context, caller domain.Caller, filter domain.TaskFilter, today domain.Date) (int, error) {
	q := newQuery("t", tx.Organization)
	q.seenTasks(caller)
	q.filterTasks(filter, today)
	if err := tx.tasksOfSelection(ctx, q, filter.SelectionID, false); err != nil {
		return 0, fmt.Errorf("count tasks: %w", err)
	}
	total, err := tx.count(ctx, q, "tasks t")
	if err != nil {
		return 0, fmt.Errorf("count tasks: %w", err)
	}
	return total, nil
}

// fewChosen is up to how many people of a selection their tasks are found from the people.
const fewChosen = 1000

// tasksOfSelection narrows tasks to those of the people of a selection. The planner cannot know how many those are, and the
// way that is good for many takes seconds for one: so it is looked first. Of few people, their tasks are read; for a page of
// the tasks of many, tasks are read in order until the page is full, and for their number the planner may do as it likes.
func (tx *Tx) tasksOfSelection(ctx context.Context, q *query, selection *uuid.UUID, page bool) error {
	if selection == nil {
		return nil
	}
	var people []uuid.UUID
	if err := tx.selectAll(ctx, &people, `SELECT person_id FROM selection_people WHERE organization_id = $1 AND selection_id = $2 LIMIT $3`,
		tx.Organization.String(), *selection, fewChosen+1); err != nil {
		return fmt.Errorf("look at the selection: %w", err)
	}
	if len(people) <= fewChosen {
		q.and("t.person_id = ANY (%s::uuid[])", ids(people))
		q.once = true
		return nil
	}
	const chosen = `EXISTS (SELECT FROM selection_people chosen WHERE chosen.organization_id = t.organization_id AND chosen.person_id = t.person_id AND chosen.selection_id = %s`
	if page {
		q.and(chosen+" OFFSET 0)", *selection)
	} else {
		q.and(chosen+")", *selection)
	}
	return nil
}

// Task reads one task the caller sees. Of their own organization, 403; of another or on a matter that is hidden from
// them, as if it did not exist, 404 (A2, B5).
func (tx *Tx) Task(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Task, error) {
	return oneSeen(ctx, tx, "t", id, caller, (*query).seenTasks, (*query).unhiddenTasks, (*Tx).task, "task")
}

// TaskIDByExternalID finds a task, whoever may see it; found tells whether there is one. It is not locked: its person and
// its matter come first.
func (tx *Tx) TaskIDByExternalID(ctx context.Context, externalID string) (id uuid.UUID, found bool, err error) {
	return tx.idByExternalID(ctx, "tasks", externalID, false)
}

func (tx *Tx) task(ctx context.Context, q *query) (domain.Task, bool, error) {
	var row taskRow
	err := tx.get(ctx, &row, withAssignees("SELECT "+taskColumns+" "+q.from("tasks t")), q.args...)
	if errors.Is(err, sql.ErrNoRows) {
		return domain.Task{}, false, nil
	}
	if err != nil {
		return domain.Task{}, false, fmt.Errorf("read task: %w", err)
	}
	return row.task(), true, nil
}

// LockTask waits until nobody else changes the task, and keeps them from it. Its person is locked first, then the matter it
// belongs to and the one it is to belong to, in the order that bulk changes keep.
func (tx *Tx) LockTask(ctx context.Context, id uuid.UUID, matter *uuid.UUID) error {
	if err := tx.exec(ctx, `
		SELECT FROM people p WHERE p.organization_id = $1 AND p.id = (SELECT t.person_id FROM tasks t WHERE t.organization_id = $1 AND t.id = $2)
		FOR NO KEY UPDATE`, tx.Organization.String(), id); err != nil {
		return fmt.Errorf("lock the task's person: %w", err)
	}
	if err := tx.lockMattersOf(ctx, "tasks", id, matter); err != nil {
		return err
	}
	if err := tx.exec(ctx, `SELECT FROM tasks WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE`, tx.Organization.String(), id); err != nil {
		return fmt.Errorf("lock task: %w", err)
	}
	return nil
}

// SaveTask writes a new task, or all fields of one that is there, with exactly its assignees.
func (tx *Tx) SaveTask(ctx context.Context, task domain.Task) error {
	var due *string
	if task.DueOn != nil {
		text := task.DueOn.String()
		due = &text
	}
	if err := tx.exec(ctx, `
		INSERT INTO tasks (organization_id, id, external_id, title, details, status, due_on, person_id, matter_id, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (organization_id, id) DO UPDATE SET external_id = excluded.external_id, title = excluded.title, details = excluded.details,
			status = excluded.status, due_on = excluded.due_on, person_id = excluded.person_id, matter_id = excluded.matter_id, updated_at = excluded.updated_at`,
		tx.Organization.String(), task.ID, task.ExternalID, task.Title, task.Details, task.Status, due, task.PersonID, task.MatterID,
		task.CreatedAt, task.UpdatedAt); err != nil {
		return fmt.Errorf("save task: %w", err)
	}
	assignees := make(ids, len(task.Assignees))
	for i, ref := range task.Assignees {
		assignees[i] = ref.ID
	}
	if err := tx.exec(ctx, `
		WITH gone AS (
			DELETE FROM task_assignees WHERE organization_id = $1 AND task_id = $2 AND NOT staff_id = ANY ($3::uuid[])
		)
		INSERT INTO task_assignees (organization_id, task_id, staff_id)
		SELECT $1, $2, staff_id FROM unnest($3::uuid[]) AS staff_id ON CONFLICT DO NOTHING`,
		tx.Organization.String(), task.ID, assignees); err != nil {
		return fmt.Errorf("save assignees: %w", err)
	}
	return nil
}
