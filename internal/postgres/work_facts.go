package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/domain"
)

// WorkFacts reads all that is true of a leaver's work, as far as the wish asks for it, as sets: at most nine statements,
// whatever its size. With lock it first locks the people, then the matters, the tasks and the events, each in id order, then
// the staff named, so that all of it stands still until the transaction ends; without, the transaction must be a snapshot.
// What comes to the leaver while locks are waited for counts as having come after.
func (tx *Tx) WorkFacts(ctx context.Context, caller domain.Caller, wish domain.WorkWish, now time.Time, lock bool) (*domain.WorkFacts, error) {
	facts := &domain.WorkFacts{}
	var err error
	if wish.People != nil {
		if facts.People, err = tx.peopleOfLeaver(ctx, wish, lock); err != nil {
			return nil, fmt.Errorf("read people: %w", err)
		}
	}
	if facts.Matters, err = tx.mattersOfLeaver(ctx, caller, wish, now, lock); err != nil {
		return nil, fmt.Errorf("read matters: %w", err)
	}
	if wish.Tasks != nil || wish.People != nil && !wish.People.KeepTasks {
		if facts.Tasks, err = tx.tasksOfLeaver(ctx, wish, facts, lock); err != nil {
			return nil, fmt.Errorf("read tasks: %w", err)
		}
	}
	if wish.Events != nil {
		if facts.Events, err = tx.eventsOfLeaver(ctx, wish, facts, now, lock); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
	}
	if facts.Staff, err = tx.staffFacts(ctx, wish.Named(), lock); err != nil {
		return nil, fmt.Errorf("read staff: %w", err)
	}
	if facts.Loads, err = tx.loads(ctx, wish, now); err != nil {
		return nil, fmt.Errorf("count what successors have: %w", err)
	}
	return facts, nil
}

// peopleOfLeaver reads the people of the kinds asked for whom the leaver serves, with their staff.
func (tx *Tx) peopleOfLeaver(ctx context.Context, wish domain.WorkWish, lock bool) ([]domain.WorkPerson, error) {
	var kinds []domain.PersonKind
	for _, kind := range []domain.PersonKind{domain.KindClient, domain.KindReferral} {
		if wish.People.Takes(kind) {
			kinds = append(kinds, kind)
		}
	}
	rows, err := tx.queryOnce(ctx, `
		SELECT p.id FROM people p
		WHERE p.organization_id = $1 AND p.kind = ANY ($3)
		  AND p.id IN (SELECT a.person_id FROM assignments a WHERE a.organization_id = $1 AND a.staff_id = $2)
		ORDER BY p.id`+locking(lock, ` FOR NO KEY UPDATE OF p`), tx.Organization.String(), wish.From, pq.Array(texts(kinds)))
	if err != nil {
		return nil, err
	}
	var served []uuid.UUID
	err = each(rows, func(scan scanner) error {
		var id uuid.UUID
		err := scan(&id)
		served = append(served, id)
		return err
	})
	if err != nil || len(served) == 0 {
		return nil, err
	}
	people, err := tx.peopleFacts(ctx, served, false)
	if err != nil {
		return nil, err
	}
	if err := tx.readAssignments(ctx, served, people); err != nil {
		return nil, err
	}
	found := make([]domain.WorkPerson, 0, len(people))
	for _, person := range people {
		if person.Staff.Has(wish.From) {
			found = append(found, domain.WorkPerson{ID: person.ID, Kind: person.Kind, Staff: person.Staff})
		}
	}
	return found, nil
}

// mattersOfLeaver reads the matters that the wish touches: those the leaver is responsible for, and those that the leaver's
// tasks and events belong to.
func (tx *Tx) mattersOfLeaver(ctx context.Context, caller domain.Caller, wish domain.WorkWish, now time.Time, lock bool) ([]domain.MatterFacts, error) {
	return tx.matterFacts(ctx, caller, lock, `
		SELECT own.id FROM matters own WHERE own.organization_id = $1 AND own.responsible_staff_id = $3 AND $4
		UNION
		SELECT t.matter_id FROM task_assignees seat
		JOIN tasks t ON t.organization_id = seat.organization_id AND t.id = seat.task_id AND t.`+activeTask+`
		WHERE seat.organization_id = $1 AND seat.staff_id = $3 AND t.matter_id IS NOT NULL AND $5
		UNION
		SELECT e.matter_id FROM calendar_events e
		WHERE e.organization_id = $1 AND e.owner_staff_id = $3 AND e.starts_at > $7 AND e.matter_id IS NOT NULL AND $6
		UNION
		SELECT e.matter_id FROM calendar_event_attendees attends
		JOIN calendar_events e ON e.organization_id = attends.organization_id AND e.id = attends.calendar_event_id AND e.starts_at > $7
		WHERE attends.organization_id = $1 AND attends.staff_id = $3 AND e.matter_id IS NOT NULL AND $6`,
		wish.From, wish.Matters != nil, wish.Tasks != nil, wish.Events != nil, now)
}

// tasksOfLeaver reads the active tasks that the leaver holds, with everyone who does.
func (tx *Tx) tasksOfLeaver(ctx context.Context, wish domain.WorkWish, facts *domain.WorkFacts, lock bool) ([]domain.WorkTask, error) {
	rows, err := tx.queryOnce(ctx, `
		SELECT t.id, t.matter_id, t.person_id, t.due_on FROM tasks t
		WHERE t.organization_id = $1 AND t.`+activeTask+` AND (t.person_id IS NOT NULL OR $3)
		  AND t.id IN (SELECT seat.task_id FROM task_assignees seat WHERE seat.organization_id = $1 AND seat.staff_id = $2)
		ORDER BY t.id`+locking(lock, ` FOR NO KEY UPDATE OF t`), tx.Organization.String(), wish.From, wish.Tasks != nil)
	if err != nil {
		return nil, err
	}
	matterAt := func(id uuid.UUID) int {
		return placeOf(facts.Matters, id, func(m domain.MatterFacts) uuid.UUID { return m.ID })
	}
	var tasks []domain.WorkTask
	err = each(rows, func(scan scanner) error {
		task := domain.WorkTask{Matter: domain.None, Person: domain.None}
		var matter, person uuid.NullUUID
		var due *time.Time
		if err := scan(&task.ID, &matter, &person, &due); err != nil {
			return err
		}
		if matter.Valid {
			if task.Matter = matterAt(matter.UUID); task.Matter == domain.None {
				return nil // came to its matter after the matters were locked
			}
		}
		if person.Valid {
			task.Person = placeOf(facts.People, person.UUID, func(p domain.WorkPerson) uuid.UUID { return p.ID })
		}
		task.Due = dateOf(due)
		tasks = append(tasks, task)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(tasks, func(a, b domain.WorkTask) int { return domain.CompareIDs(a.ID, b.ID) })
	taskIDs := make([]uuid.UUID, len(tasks))
	for i, task := range tasks {
		taskIDs[i] = task.ID
	}
	err = tx.eachAssignee(ctx, taskIDs, func(place int, staff uuid.UUID) {
		tasks[place].Assignees = append(tasks[place].Assignees, staff)
	})
	if err != nil {
		return nil, err
	}
	// Who was taken off while the locks were waited for is no longer the leaver's.
	return slices.DeleteFunc(tasks, func(task domain.WorkTask) bool { return !task.Assignees.Has(wish.From) }), nil
}

// eachAssignee tells who holds tasks, by each task's place and by staff id.
func (tx *Tx) eachAssignee(ctx context.Context, tasks []uuid.UUID, found func(place int, staff uuid.UUID)) error {
	if len(tasks) == 0 {
		return nil
	}
	rows, err := tx.querySet(ctx, len(tasks), `
		SELECT chosen.place, seat.staff_id
		FROM unnest($2::uuid[]) WITH ORDINALITY AS chosen (id, place)
		JOIN task_assignees seat ON seat.organization_id = $1 AND seat.task_id = chosen.id
		ORDER BY chosen.place, seat.staff_id`, tx.Organization.String(), ids(tasks))
	if err != nil {
		return err
	}
	return each(rows, func(scan scanner) error {
		var place int
		var staff uuid.UUID
		if err := scan(&place, &staff); err != nil {
			return err
		}
		found(place-1, staff)
		return nil
	})
}

// eventsOfLeaver reads the upcoming events that the leaver owns or attends.
func (tx *Tx) eventsOfLeaver(ctx context.Context, wish domain.WorkWish, facts *domain.WorkFacts, now time.Time, lock bool) ([]domain.WorkEvent, error) {
	rows, err := tx.queryOnce(ctx, `
		SELECT e.id, e.matter_id, e.owner_staff_id, e.starts_at FROM calendar_events e
		WHERE e.organization_id = $1 AND e.starts_at > $3 AND e.id IN (
			SELECT own.id FROM calendar_events own WHERE own.organization_id = $1 AND own.owner_staff_id = $2 AND own.starts_at > $3
			UNION
			SELECT attends.calendar_event_id FROM calendar_event_attendees attends WHERE attends.organization_id = $1 AND attends.staff_id = $2)
		ORDER BY e.id`+locking(lock, ` FOR NO KEY UPDATE OF e`), tx.Organization.String(), wish.From, now)
	if err != nil {
		return nil, err
	}
	var events []domain.WorkEvent
	err = each(rows, func(scan scanner) error {
		event := domain.WorkEvent{Matter: domain.None}
		var matter uuid.NullUUID
		if err := scan(&event.ID, &matter, &event.Owner, &event.StartsAt); err != nil {
			return err
		}
		if matter.Valid {
			event.Matter = placeOf(facts.Matters, matter.UUID, func(m domain.MatterFacts) uuid.UUID { return m.ID })
			if event.Matter == domain.None {
				return nil // came to its matter after the matters were locked
			}
		}
		events = append(events, event)
		return nil
	})
	return events, err
}

// loads counts what the successors have now, where work is shared by it (B10).
func (tx *Tx) loads(ctx context.Context, wish domain.WorkWish, now time.Time) (domain.Loads, error) {
	loads := domain.Loads{Matters: map[uuid.UUID]int{}, Tasks: map[uuid.UUID]int{}, Events: map[uuid.UUID]int{}, People: map[uuid.UUID]int{}}
	successors := func(part *domain.WorkPart) ids {
		if part == nil || part.Distribution != domain.DistributeLeastLoaded {
			return nil
		}
		return ids(domain.NewStaffSet(part.To...))
	}
	matters, tasks, events, people := successors(wish.Matters), successors(wish.Tasks), successors(wish.Events), successors(wish.People)
	if len(matters)+len(tasks)+len(events)+len(people) == 0 {
		return loads, nil
	}
	rows, err := tx.queryOnce(ctx, `
		SELECT 'matters', m.responsible_staff_id, count(*) FROM matters m
		WHERE m.organization_id = $1 AND m.responsible_staff_id = ANY ($2::uuid[]) AND m.status IN ('open', 'pending') GROUP BY 2
		UNION ALL
		SELECT 'tasks', seat.staff_id, count(*) FROM task_assignees seat
		JOIN tasks t ON t.organization_id = seat.organization_id AND t.id = seat.task_id AND t.`+activeTask+`
		WHERE seat.organization_id = $1 AND seat.staff_id = ANY ($3::uuid[]) GROUP BY 2
		UNION ALL
		SELECT 'events', e.owner_staff_id, count(*) FROM calendar_events e
		WHERE e.organization_id = $1 AND e.owner_staff_id = ANY ($4::uuid[]) AND e.starts_at > $6 GROUP BY 2
		UNION ALL
		SELECT 'people', a.staff_id, count(*) FROM assignments a
		WHERE a.organization_id = $1 AND a.staff_id = ANY ($5::uuid[]) GROUP BY 2`, tx.Organization.String(), matters, tasks, events, people, now)
	if err != nil {
		return loads, err
	}
	of := map[string]map[uuid.UUID]int{"matters": loads.Matters, "tasks": loads.Tasks, "events": loads.Events, "people": loads.People}
	err = each(rows, func(scan scanner) error {
		var part string
		var staff uuid.UUID
		var count int
		if err := scan(&part, &staff, &count); err != nil {
			return err
		}
		of[part][staff] = count
		return nil
	})
	return loads, err
}

// placeOf finds an id among rows that are ordered by theirs; domain.None where it is not there.
func placeOf[Row any](rows []Row, id uuid.UUID, idOf func(Row) uuid.UUID) int {
	place, found := slices.BinarySearchFunc(rows, id, func(row Row, id uuid.UUID) int { return domain.CompareIDs(idOf(row), id) })
	if !found {
		return domain.None
	}
	return place
}

// dateOf is a date column; nil where it is null.
func dateOf(column *time.Time) *domain.Date {
	if column == nil {
		return nil
	}
	date := domain.DateOf(*column)
	return &date
}
