package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// Tasks lists the tasks the caller sees (A2, D3, D4).
func (a *App) Tasks(ctx context.Context, caller domain.Caller, filter domain.TaskFilter, page domain.Page, withTotal bool) (Listing[domain.Task], error) {
	today, err := caller.Today(a.now())
	if err != nil {
		return Listing[domain.Task]{}, fmt.Errorf("today in the organization: %w", err)
	}
	return list(ctx, a, caller, page, withTotal,
		func(tx *postgres.Tx) ([]domain.Task, error) {
			if err := a.checkFilteredSelection(ctx, tx, caller, filter.SelectionID, "query:selection_id"); err != nil {
				return nil, err
			}
			return tx.Tasks(ctx, caller, filter, today, page)
		},
		func(tx *postgres.Tx) (int, error) { return tx.CountTasks(ctx, caller, filter, today) })
}

// Task reads one task.
func (a *App) Task(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Task, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (domain.Task, error) { return tx.Task(ctx, caller, id) })
}

// TaskEdit changes the fields of a task that were sent. Assignees, where they were sent, are by id.
type TaskEdit struct {
	Apply       func(*domain.Task)
	AssigneeIDs *[]uuid.UUID
}

// matter is the matter that the task is to belong to, where that was sent.
func (e TaskEdit) matter() *uuid.UUID {
	var task domain.Task
	e.Apply(&task)
	return task.MatterID
}

// CreateTask adds a task. What apply leaves alone has its default: open, without assignees.
func (a *App) CreateTask(ctx context.Context, caller domain.Caller, edit TaskEdit, key *Key) (domain.Task, bool, error) {
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.Task, error) {
		return a.createTask(ctx, tx, caller, domain.Task{}, edit)
	})
}

func (a *App) createTask(ctx context.Context, tx *postgres.Tx, caller domain.Caller, task domain.Task, edit TaskEdit) (domain.Task, error) {
	now := a.instant()
	task.ID, task.Status, task.CreatedAt, task.UpdatedAt = newID(), domain.TaskOpen, now, now
	edit.Apply(&task)
	if err := a.checkTask(ctx, tx, caller, nil, &task, edit); err != nil {
		return domain.Task{}, err
	}
	if err := tx.SaveTask(ctx, task); err != nil {
		return domain.Task{}, err
	}
	return task, tx.Audit(ctx, newID(), a.stamp(caller, "task_created", now), "task", task.ID, nil, task.Fields())
}

// UpdateTask changes a task that nobody has changed since it was read.
func (a *App) UpdateTask(ctx context.Context, caller domain.Caller, id uuid.UUID, ifMatch string, edit TaskEdit) (task domain.Task, err error) {
	err = a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		if err := tx.LockTask(ctx, id, edit.matter()); err != nil {
			return err
		}
		if task, err = tx.Task(ctx, caller, id); err != nil {
			return err
		}
		if err := a.checkMayWrite(ctx, tx, caller, task); err != nil {
			return err
		}
		if err := checkMatch(ifMatch, task.Fields()); err != nil {
			return err
		}
		task, err = a.changeTask(ctx, tx, caller, task, edit)
		return err
	})
	return task, err
}

// UpsertTask writes a task as another system knows it, found by its external id; created tells that it is new.
func (a *App) UpsertTask(ctx context.Context, caller domain.Caller, externalID string, edit TaskEdit) (task domain.Task, created bool, err error) {
	err = upsert(func() error {
		return a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
			found, taken, err := tx.TaskIDByExternalID(ctx, externalID)
			if err != nil {
				return err
			}
			if created = !taken; created {
				task, err = a.createTask(ctx, tx, caller, domain.Task{ExternalID: &externalID}, edit)
				return err
			}
			if err := tx.LockTask(ctx, found, edit.matter()); err != nil {
				return err
			}
			if task, err = tx.Task(ctx, caller, found); err != nil {
				return takenWhereHidden(err)
			}
			if err := a.checkMayWrite(ctx, tx, caller, task); err != nil {
				return err
			}
			task, err = a.changeTask(ctx, tx, caller, task, edit)
			return err
		})
	})
	return task, created, err
}

func (a *App) changeTask(ctx context.Context, tx *postgres.Tx, caller domain.Caller, task domain.Task, edit TaskEdit) (domain.Task, error) {
	original, before := task, task.Fields()
	edit.Apply(&task)
	if err := a.checkTask(ctx, tx, caller, &original, &task, edit); err != nil {
		return domain.Task{}, err
	}
	if domain.Version(before) == domain.Version(task.Fields()) {
		return task, nil
	}
	task.UpdatedAt = a.instant()
	if err := tx.SaveTask(ctx, task); err != nil {
		return domain.Task{}, err
	}
	return task, tx.Audit(ctx, newID(), a.stamp(caller, "task_changed", task.UpdatedAt), "task", task.ID, before, task.Fields())
}

// checkTask judges a task as it is to be written, before being what it was, and resolves its assignees.
func (a *App) checkTask(ctx context.Context, tx *postgres.Tx, caller domain.Caller, before *domain.Task, task *domain.Task, edit TaskEdit) error {
	if task.PersonID != nil && task.MatterID != nil {
		return domain.Refuse(domain.CodeInvalidValue, "A task belongs to a person, to a matter, or to neither, never to both.").
			At("/matter_id", domain.CodeInvalidValue, "The task has a person already.")
	}
	var belonged *uuid.UUID
	if before != nil {
		belonged = before.MatterID
	}
	if err := checkMatterThere(ctx, tx, caller, belonged, task.MatterID); err != nil {
		return err
	}
	if err := a.checkMayWrite(ctx, tx, caller, *task); err != nil {
		return err
	}
	return resolveAssignees(ctx, tx, before, task, edit.AssigneeIDs)
}

// checkMayWrite decides who may write a task: who has the tasks permission, or sees its person (A2). That the person
// exists comes first.
func (a *App) checkMayWrite(ctx context.Context, tx *postgres.Tx, caller domain.Caller, task domain.Task) error {
	var seen bool
	if task.PersonID != nil {
		person, found, err := tx.PersonOfOrganization(ctx, *task.PersonID)
		if err != nil {
			return err
		}
		if !found {
			return domain.Refuse(domain.CodePersonNotFound, "The person does not exist.").
				At("/person_id", domain.CodePersonNotFound, fmt.Sprintf("There is no person %s.", task.PersonID))
		}
		seen = domain.SeesPerson(caller, person)
	}
	if !seen && !caller.Has(domain.PermissionTasks) {
		return domain.Denied("Writing a task needs the tasks permission, or seeing the person it belongs to.")
	}
	return nil
}

// resolveAssignees gives the task its assignees. Who is new must be there and, where the task is active, active too; who
// held it before may stay, and what is done is history (A13).
func resolveAssignees(ctx context.Context, tx *postgres.Tx, before, task *domain.Task, wanted *[]uuid.UUID) error {
	if wanted == nil {
		return nil
	}
	place := domain.StaffPlace{Pointer: "/assignee_ids", IDs: *wanted, IsList: true, History: !task.Status.Active()}
	if before != nil {
		place.Held = before.Assignees
	}
	staff, err := staffAt(ctx, tx, place)
	if err != nil {
		return err
	}
	task.Assignees = domain.RefsOf(staff, *wanted)
	return nil
}
