package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// UndoFacts reads what a run changed or created, how that is now, and what is to be told of it, as sets: at most ten statements, whatever their number. With
// lock it first locks the people, then the matters, the tasks and the events, each in id order, so that all of it stands
// still until the transaction ends; without, the transaction must be a snapshot.
func (tx *Tx) UndoFacts(ctx context.Context, caller domain.Caller, run uuid.UUID, now time.Time, lock bool) (*domain.UndoFacts, domain.Received, error) {
	facts := &domain.UndoFacts{}
	received := domain.Received{
		Due:      domain.Due{Tasks: map[uuid.UUID]domain.Date{}, Events: map[uuid.UUID]time.Time{}},
		MatterOf: map[uuid.UUID]uuid.UUID{},
	}
	read, err := tx.itemsToUndo(ctx, run)
	if err != nil {
		return nil, received, fmt.Errorf("read items: %w", err)
	}
	facts.Items = read.items
	if err := tx.peopleToUndo(ctx, read, lock); err != nil {
		return nil, received, fmt.Errorf("read people: %w", err)
	}
	matters, err := tx.mattersToUndo(ctx, caller, read, lock)
	if err != nil {
		return nil, received, fmt.Errorf("read matters: %w", err)
	}
	if err := tx.tasksToUndo(ctx, read, matters, received, lock); err != nil {
		return nil, received, fmt.Errorf("read tasks: %w", err)
	}
	if err := tx.eventsToUndo(ctx, read, matters, received, now, lock); err != nil {
		return nil, received, fmt.Errorf("read events: %w", err)
	}
	var before []uuid.UUID
	known := map[uuid.UUID]bool{}
	for _, item := range facts.Items {
		for _, id := range item.Before {
			if !known[id] {
				known[id], before = true, append(before, id)
			}
		}
	}
	if facts.Staff, err = tx.staffFacts(ctx, domain.NewStaffSet(before...), lock); err != nil {
		return nil, received, fmt.Errorf("read staff: %w", err)
	}
	return facts, received, nil
}

// undoing is the items of a run with where each stands.
type undoing struct {
	items  []domain.UndoItem
	ids    map[domain.ItemKind][]uuid.UUID
	places map[domain.ItemKind][]int // of these among the items
}

func (tx *Tx) itemsToUndo(ctx context.Context, run uuid.UUID) (*undoing, error) {
	rows, err := tx.queryOnce(ctx, `
		SELECT i.kind, i.item_id, i.outcome = 'created', i.before_staff_ids, i.after_staff_ids FROM run_items i
		WHERE i.organization_id = $1 AND i.run_id = $2 AND i.outcome IN ('changed', 'created') ORDER BY i.position`, tx.Organization.String(), run)
	if err != nil {
		return nil, err
	}
	read := &undoing{ids: make(map[domain.ItemKind][]uuid.UUID), places: make(map[domain.ItemKind][]int)}
	sets := sharedSets{}
	err = each(rows, func(scan scanner) error {
		var item domain.UndoItem
		var before, after []byte
		if err := scan(&item.Kind, &item.ID, &item.Created, &before, &after); err != nil {
			return err
		}
		var err error
		if item.Before, err = sets.read(before); err != nil {
			return err
		}
		if item.After, err = sets.read(after); err != nil {
			return err
		}
		read.ids[item.Kind] = append(read.ids[item.Kind], item.ID)
		read.places[item.Kind] = append(read.places[item.Kind], len(read.items))
		read.items = append(read.items, item)
		return nil
	})
	return read, err
}

// sharedSets reads sets of staff, each different one once: many items have few.
type sharedSets map[string]domain.StaffSet

func (s sharedSets) read(text []byte) (domain.StaffSet, error) {
	if set, known := s[string(text)]; known {
		return set, nil
	}
	var list ids
	if err := list.Scan(text); err != nil {
		return nil, err
	}
	set := domain.NewStaffSet(list...)
	s[string(text)] = set
	return set, nil
}

func (tx *Tx) peopleToUndo(ctx context.Context, read *undoing, lock bool) error {
	people := domain.NewStaffSet(read.ids[domain.ItemPerson]...)
	if len(people) == 0 {
		return nil
	}
	facts, err := tx.peopleFacts(ctx, people, lock)
	if err != nil {
		return err
	}
	if err := tx.readAssignments(ctx, people, facts); err != nil {
		return err
	}
	now := make(map[uuid.UUID]domain.StaffSet, len(facts))
	for _, person := range facts {
		now[person.ID] = person.Staff
	}
	for i, id := range read.ids[domain.ItemPerson] {
		read.items[read.places[domain.ItemPerson][i]].Now = now[id]
	}
	return nil
}

// mattersToUndo reads the matters among the items, and those that its tasks and events belong to.
func (tx *Tx) mattersToUndo(ctx context.Context, caller domain.Caller, read *undoing, lock bool) (map[uuid.UUID]domain.MatterFacts, error) {
	if len(read.ids[domain.ItemMatter])+len(read.ids[domain.ItemTask])+len(read.ids[domain.ItemCalendarEvent]) == 0 {
		return nil, nil
	}
	facts, err := tx.matterFacts(ctx, caller, lock, `
		SELECT unnest($3::uuid[])
		UNION
		SELECT t.matter_id FROM unnest($4::uuid[]) AS chosen (id)
		JOIN tasks t ON t.organization_id = $1 AND t.id = chosen.id AND t.matter_id IS NOT NULL
		UNION
		SELECT e.matter_id FROM unnest($5::uuid[]) AS chosen (id)
		JOIN calendar_events e ON e.organization_id = $1 AND e.id = chosen.id AND e.matter_id IS NOT NULL`,
		ids(read.ids[domain.ItemMatter]), ids(read.ids[domain.ItemTask]), ids(read.ids[domain.ItemCalendarEvent]))
	if err != nil {
		return nil, err
	}
	matters := make(map[uuid.UUID]domain.MatterFacts, len(facts))
	for _, matter := range facts {
		matters[matter.ID] = matter
	}
	for i, id := range read.ids[domain.ItemMatter] {
		item, matter := &read.items[read.places[domain.ItemMatter][i]], matters[id]
		item.Now, item.Over = domain.StaffSet{matter.Responsible}, matter.Closed
		item.Private, item.Hidden = matter.Private, matter.Hidden
	}
	return matters, nil
}

func (tx *Tx) tasksToUndo(ctx context.Context, read *undoing, matters map[uuid.UUID]domain.MatterFacts, received domain.Received, lock bool) error {
	tasks := read.ids[domain.ItemTask]
	if len(tasks) == 0 {
		return nil
	}
	rows, err := tx.queryOnce(ctx, `
		SELECT chosen.place, t.id, t.matter_id, t.due_on, t.`+activeTask+`, t.is_intake AND t.updated_at = t.created_at
		FROM unnest($2::uuid[]) WITH ORDINALITY AS chosen (id, place)
		JOIN tasks t ON t.organization_id = $1 AND t.id = chosen.id
		ORDER BY t.id`+locking(lock, ` FOR NO KEY UPDATE OF t`), tx.Organization.String(), ids(tasks))
	if err != nil {
		return err
	}
	err = each(rows, func(scan scanner) error {
		var place int
		var id uuid.UUID
		var matter uuid.NullUUID
		var dueOn *time.Time
		var active, untouched bool
		if err := scan(&place, &id, &matter, &dueOn, &active, &untouched); err != nil {
			return err
		}
		item := &read.items[read.places[domain.ItemTask][place-1]]
		item.Over, item.Touched = !active, item.Created && !untouched
		if matter.Valid {
			item.Private, item.Hidden = matters[matter.UUID].Private, matters[matter.UUID].Hidden
			received.MatterOf[id] = matter.UUID
		}
		if date := dateOf(dueOn); date != nil {
			received.Due.Tasks[id] = *date
		}
		return nil
	})
	if err != nil {
		return err
	}
	return tx.eachAssignee(ctx, tasks, func(place int, staff uuid.UUID) {
		item := &read.items[read.places[domain.ItemTask][place]]
		item.Now = append(item.Now, staff)
	})
}

func (tx *Tx) eventsToUndo(ctx context.Context, read *undoing, matters map[uuid.UUID]domain.MatterFacts, received domain.Received, now time.Time, lock bool) error {
	events := read.ids[domain.ItemCalendarEvent]
	if len(events) == 0 {
		return nil
	}
	rows, err := tx.queryOnce(ctx, `
		SELECT chosen.place, e.id, e.matter_id, e.owner_staff_id, e.starts_at
		FROM unnest($2::uuid[]) WITH ORDINALITY AS chosen (id, place)
		JOIN calendar_events e ON e.organization_id = $1 AND e.id = chosen.id
		ORDER BY e.id`+locking(lock, ` FOR NO KEY UPDATE OF e`), tx.Organization.String(), ids(events))
	if err != nil {
		return err
	}
	return each(rows, func(scan scanner) error {
		var place int
		var id, owner uuid.UUID
		var matter uuid.NullUUID
		var startsAt time.Time
		if err := scan(&place, &id, &matter, &owner, &startsAt); err != nil {
			return err
		}
		item := &read.items[read.places[domain.ItemCalendarEvent][place-1]]
		item.Now, item.Over = domain.StaffSet{owner}, !startsAt.After(now)
		if matter.Valid {
			item.Private, item.Hidden = matters[matter.UUID].Private, matters[matter.UUID].Hidden
			received.MatterOf[id] = matter.UUID
		}
		received.Due.Events[id] = startsAt
		return nil
	})
}

// KindsOfRun counts the people among a run's items by their kind.
func (tx *Tx) KindsOfRun(ctx context.Context, run uuid.UUID) (domain.SelectionKinds, error) {
	var kinds domain.SelectionKinds
	rows, err := tx.queryOnce(ctx, `
		SELECT p.kind, count(*) FROM run_items i
		JOIN people p ON p.organization_id = i.organization_id AND p.id = i.item_id
		WHERE i.organization_id = $1 AND i.run_id = $2 AND i.kind = 'person' GROUP BY p.kind`, tx.Organization.String(), run)
	if err == nil {
		err = each(rows, func(scan scanner) error {
			var kind domain.PersonKind
			var count int
			if err := scan(&kind, &count); err != nil {
				return err
			}
			switch kind {
			case domain.KindClient:
				kinds.Clients = count
			case domain.KindReferral:
				kinds.Referrals = count
			}
			return nil
		})
	}
	if err != nil {
		return kinds, fmt.Errorf("count the people of a run: %w", err)
	}
	return kinds, nil
}
