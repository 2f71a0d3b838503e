package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// AssignmentFacts reads all that is true of chosen people (by id, each once) as sets: three statements, whatever their
// number. With lock, for people who were locked when they were chosen, it locks their active tasks in id order, then the
// staff concerned, so that all of it stands still until the transaction ends; without, the transaction must be a snapshot.
// named are staff the change speaks of; withIntake reads who has intake tasks.
func (tx *Tx) AssignmentFacts(ctx context.Context, people []ChosenPerson, named []uuid.UUID, withIntake, lock bool) (*domain.AssignmentFacts, error) {
	facts, chosen := factsOf(people)
	var err error
	if facts.Tasks, err = tx.taskFacts(ctx, chosen, lock); err != nil {
		return nil, fmt.Errorf("read active tasks: %w", err)
	}
	if err := tx.readSeats(ctx, chosen, facts); err != nil {
		return nil, fmt.Errorf("read assignments and assignees: %w", err)
	}
	if facts.Staff, err = tx.staffFacts(ctx, staffConcerned(facts, named), lock); err != nil {
		return nil, fmt.Errorf("read staff: %w", err)
	}
	if withIntake {
		if err := tx.readIntake(ctx, chosen, facts.People); err != nil {
			return nil, fmt.Errorf("read intake tasks: %w", err)
		}
	}
	return facts, nil
}

func locking(lock bool, clause string) string {
	if lock {
		return clause
	}
	return ""
}

func (tx *Tx) peopleFacts(ctx context.Context, people []uuid.UUID, lock bool) ([]domain.PersonFacts, error) {
	rows, err := tx.querySet(ctx, len(people), `
		SELECT p.id, p.kind
		FROM unnest($2::uuid[]) AS chosen (id)
		JOIN people p ON p.organization_id = $1 AND p.id = chosen.id
		ORDER BY p.id`+locking(lock, ` FOR NO KEY UPDATE OF p`), tx.Organization.String(), ids(people))
	if err != nil {
		return nil, err
	}
	facts := make([]domain.PersonFacts, 0, len(people))
	err = each(rows, func(scan scanner) error {
		var person domain.PersonFacts
		if err := scan(&person.ID, &person.Kind); err != nil {
			return err
		}
		facts = append(facts, person)
		return nil
	})
	if err == nil && len(facts) != len(people) {
		err = fmt.Errorf("found %d of %d people", len(facts), len(people))
	}
	return facts, err
}

// readAssignments gives each person their staff. The rows come with the person's place among people.
func (tx *Tx) readAssignments(ctx context.Context, people []uuid.UUID, facts []domain.PersonFacts) error {
	rows, err := tx.querySet(ctx, len(people), `
		SELECT chosen.place, a.staff_id
		FROM unnest($2::uuid[]) WITH ORDINALITY AS chosen (id, place)
		JOIN assignments a ON a.organization_id = $1 AND a.person_id = chosen.id
		ORDER BY chosen.place, a.staff_id`, tx.Organization.String(), ids(people))
	if err != nil {
		return err
	}
	return each(rows, func(scan scanner) error {
		var place int
		var staff uuid.UUID
		if err := scan(&place, &staff); err != nil {
			return err
		}
		person := &facts[place-1]
		person.Staff = append(person.Staff, staff)
		return nil
	})
}

func (tx *Tx) taskFacts(ctx context.Context, people []uuid.UUID, lock bool) ([]domain.TaskFacts, error) {
	rows, err := tx.querySet(ctx, len(people), `
		SELECT t.id, chosen.place, t.due_on
		FROM unnest($2::uuid[]) WITH ORDINALITY AS chosen (id, place)
		JOIN tasks t ON t.organization_id = $1 AND t.person_id = chosen.id AND t.status IN ('open', 'in_progress')
		ORDER BY t.id`+locking(lock, ` FOR NO KEY UPDATE OF t`), tx.Organization.String(), ids(people))
	if err != nil {
		return nil, err
	}
	var facts []domain.TaskFacts
	err = each(rows, func(scan scanner) error {
		var task domain.TaskFacts
		var due *time.Time
		if err := scan(&task.ID, &task.Person, &due); err != nil {
			return err
		}
		task.DueOn = dateOf(due)
		task.Person--
		facts = append(facts, task)
		return nil
	})
	// A task whose row was changed while its lock was waited for may come out of order.
	byID := func(a, b domain.TaskFacts) int { return domain.CompareIDs(a.ID, b.ID) }
	if !slices.IsSortedFunc(facts, byID) {
		slices.SortFunc(facts, byID)
	}
	return facts, err
}

// readSeats gives each person their staff and each task its assignees, once both stand still. The rows come with the place
// of what they belong to.
func (tx *Tx) readSeats(ctx context.Context, people []uuid.UUID, facts *domain.AssignmentFacts) error {
	tasks := make(ids, len(facts.Tasks))
	for i, task := range facts.Tasks {
		tasks[i] = task.ID
	}
	rows, err := tx.querySet(ctx, max(len(people), len(tasks)), `
		SELECT true, chosen.place, a.staff_id
		FROM unnest($2::uuid[]) WITH ORDINALITY AS chosen (id, place)
		JOIN assignments a ON a.organization_id = $1 AND a.person_id = chosen.id
		UNION ALL
		SELECT false, task.place, held.staff_id
		FROM unnest($3::uuid[]) WITH ORDINALITY AS task (id, place)
		JOIN task_assignees held ON held.organization_id = $1 AND held.task_id = task.id`, tx.Organization.String(), ids(people), tasks)
	if err != nil {
		return err
	}
	first := make([]uuid.UUID, 0, len(people)+len(tasks)) // one backing for all sets of one
	return each(rows, func(scan scanner) error {
		var ofPerson bool
		var place int
		var staff uuid.UUID
		if err := scan(&ofPerson, &place, &staff); err != nil {
			return err
		}
		var set *domain.StaffSet
		if ofPerson {
			set = &facts.People[place-1].Staff
		} else {
			set = &facts.Tasks[place-1].Assignees
		}
		if len(*set) == 0 && len(first) < cap(first) {
			first = append(first, staff)
			*set = domain.StaffSet(first[len(first)-1 : len(first) : len(first)])
			return nil
		}
		at, _ := slices.BinarySearchFunc(*set, staff, domain.CompareIDs)
		*set = slices.Insert(*set, at, staff)
		return nil
	})
}

func (tx *Tx) staffFacts(ctx context.Context, concerned []uuid.UUID, lock bool) (map[uuid.UUID]domain.StaffStatus, error) {
	rows, err := tx.querySet(ctx, len(concerned), `
		SELECT s.id, s.status FROM staff s
		WHERE s.organization_id = $1 AND s.id = ANY ($2::uuid[])
		ORDER BY s.id`+locking(lock, ` FOR SHARE`), tx.Organization.String(), ids(concerned))
	if err != nil {
		return nil, err
	}
	facts := make(map[uuid.UUID]domain.StaffStatus, len(concerned))
	err = each(rows, func(scan scanner) error {
		var id uuid.UUID
		var status domain.StaffStatus
		if err := scan(&id, &status); err != nil {
			return err
		}
		facts[id] = status
		return nil
	})
	return facts, err
}

func staffConcerned(facts *domain.AssignmentFacts, named []uuid.UUID) []uuid.UUID {
	concerned := map[uuid.UUID]bool{}
	note := func(set []uuid.UUID) {
		for _, id := range set {
			concerned[id] = true
		}
	}
	note(named)
	for i := range facts.People {
		note(facts.People[i].Staff)
	}
	for i := range facts.Tasks {
		note(facts.Tasks[i].Assignees)
	}
	all := make([]uuid.UUID, 0, len(concerned))
	for id := range concerned {
		all = append(all, id)
	}
	return domain.NewStaffSet(all...)
}

func (tx *Tx) readIntake(ctx context.Context, people []uuid.UUID, facts []domain.PersonFacts) error {
	rows, err := tx.querySet(ctx, len(people), `
		SELECT chosen.place
		FROM unnest($2::uuid[]) WITH ORDINALITY AS chosen (id, place)
		WHERE EXISTS (SELECT FROM tasks t WHERE t.organization_id = $1 AND t.person_id = chosen.id AND t.is_intake)`,
		tx.Organization.String(), ids(people))
	if err != nil {
		return err
	}
	return each(rows, func(scan scanner) error {
		var place int
		if err := scan(&place); err != nil {
			return err
		}
		facts[place-1].HasIntakeTasks = true
		return nil
	})
}

// scanner reads the columns of the current row.
type scanner func(into ...any) error

// each calls read for every row and closes rows.
func each(rows *sql.Rows, read func(scanner) error) (err error) {
	defer func() {
		if closeErr := rows.Close(); err == nil {
			err = closeErr
		}
	}()
	for rows.Next() {
		if err := read(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// StaffStatuses finds the status of staff; who is missing does not exist here.
func (tx *Tx) StaffStatuses(ctx context.Context, wanted []uuid.UUID) (map[uuid.UUID]domain.StaffStatus, error) {
	statuses, err := tx.staffFacts(ctx, domain.NewStaffSet(wanted...), false)
	if err != nil {
		return nil, fmt.Errorf("read staff: %w", err)
	}
	return statuses, nil
}
