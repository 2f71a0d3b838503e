package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/domain"
)

// Selection is a frozen set of people (A1).
type Selection struct {
	ID        uuid.UUID
	CreatedBy domain.StaffRef
	CreatedAt time.Time
	ExpiresAt time.Time
	Kinds     domain.SelectionKinds // how many of each
}

// ChosenPerson is a person of a selection, with what decides who may manage it.
type ChosenPerson struct {
	ID   uuid.UUID         `db:"id"`
	Kind domain.PersonKind `db:"kind"`
	Seen bool              `db:"seen"` // by the caller
}

// PeopleByID finds people of the organization by their ids, each once, in order; who is missing does not exist here. With
// lock they stand still until the transaction ends.
func (tx *Tx) PeopleByID(ctx context.Context, caller domain.Caller, wanted []uuid.UUID, lock bool) ([]ChosenPerson, error) {
	q := &query{args: []any{tx.Organization.String(), ids(wanted)}}
	seen := "true"
	if !caller.SeesEveryone() {
		seen = q.fill(seenPerson, []any{pq.Array(texts(caller.SeenKinds())), caller.StaffID})
	}
	return chosen(tx.querySet(ctx, len(wanted), `SELECT p.id, p.kind, (`+seen+`) AS seen FROM people p WHERE p.organization_id = $1 AND p.id = ANY ($2::uuid[]) ORDER BY p.id`+
		locking(lock, ` FOR NO KEY UPDATE OF p`), q.args...))
}

// PeopleOfSelection gives the people of a saved selection, in order. With lock they stand still until the transaction ends.
func (tx *Tx) PeopleOfSelection(ctx context.Context, selection uuid.UUID, lock bool) ([]ChosenPerson, error) {
	return chosen(tx.queryOnce(ctx, `
		SELECT p.id, p.kind, true AS seen FROM selection_people chosen
		JOIN people p ON p.organization_id = chosen.organization_id AND p.id = chosen.person_id
		WHERE chosen.organization_id = $1 AND chosen.selection_id = $2 ORDER BY p.id`+locking(lock, ` FOR NO KEY UPDATE OF p`), tx.Organization.String(), selection))
}

// PeopleMatching gives the people the caller sees and the filter matches, in order, at most limit of them.
func (tx *Tx) PeopleMatching(ctx context.Context, caller domain.Caller, filter domain.PersonFilter, limit int) ([]ChosenPerson, error) {
	q := newQuery("p", tx.Organization)
	q.seenPeople(caller)
	q.filterPeople(filter)
	return chosen(tx.queryOnce(ctx, `SELECT p.id, p.kind, true AS seen `+q.from("people p")+` ORDER BY p.id LIMIT `+q.arg(limit), q.args...))
}

func chosen(rows *sql.Rows, err error) ([]ChosenPerson, error) {
	if err != nil {
		return nil, fmt.Errorf("choose people: %w", err)
	}
	var people []ChosenPerson
	err = each(rows, func(scan scanner) error {
		var person ChosenPerson
		if err := scan(&person.ID, &person.Kind, &person.Seen); err != nil {
			return err
		}
		people = append(people, person)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("choose people: %w", err)
	}
	return people, nil
}

// SaveSelection freezes people (each once).
func (tx *Tx) SaveSelection(ctx context.Context, selection Selection, people []uuid.UUID) error {
	if err := tx.exec(ctx, `
		INSERT INTO selections (organization_id, id, created_by_staff_id, created_at, expires_at, clients_count, referrals_count)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		tx.Organization.String(), selection.ID, selection.CreatedBy.ID, selection.CreatedAt, selection.ExpiresAt,
		selection.Kinds.Clients, selection.Kinds.Referrals); err != nil {
		return fmt.Errorf("save selection: %w", err)
	}
	hit, err := tx.execSet(ctx, len(people), `
		INSERT INTO selection_people (organization_id, selection_id, person_id) SELECT $1, $2, person_id FROM unnest($3::uuid[]) AS person_id`,
		tx.Organization.String(), selection.ID, ids(people))
	return expect("save selected people", hit, err, len(people))
}

// Selection reads a saved selection that has not expired.
func (tx *Tx) Selection(ctx context.Context, id uuid.UUID, now time.Time) (Selection, error) {
	var row struct {
		ID        uuid.UUID          `db:"id"`
		CreatedAt time.Time          `db:"created_at"`
		ExpiresAt time.Time          `db:"expires_at"`
		Clients   int                `db:"clients_count"`
		Referrals int                `db:"referrals_count"`
		StaffID   uuid.UUID          `db:"staff_id"`
		FirstName string             `db:"first_name"`
		LastName  string             `db:"last_name"`
		Status    domain.StaffStatus `db:"status"`
	}
	err := tx.get(ctx, &row, `
		SELECT c.id, c.created_at, c.expires_at, c.clients_count, c.referrals_count, s.id AS staff_id, s.first_name, s.last_name, s.status
		FROM selections c
		JOIN staff s ON s.organization_id = c.organization_id AND s.id = c.created_by_staff_id
		WHERE c.organization_id = $1 AND c.id = $2 AND c.expires_at > $3`, tx.Organization.String(), id, now)
	if errors.Is(err, sql.ErrNoRows) {
		return Selection{}, domain.Refuse(domain.CodeNotFound, "There is no such selection, or it has expired.")
	}
	if err != nil {
		return Selection{}, fmt.Errorf("read selection: %w", err)
	}
	return Selection{
		ID: row.ID, CreatedAt: row.CreatedAt.UTC(), ExpiresAt: row.ExpiresAt.UTC(),
		CreatedBy: domain.StaffRef{ID: row.StaffID, Name: domain.FullName(row.FirstName, row.LastName), Status: row.Status},
		Kinds:     domain.SelectionKinds{Clients: row.Clients, Referrals: row.Referrals},
	}, nil
}

// SummaryFacts reads what a summary of people counts (A3), as AssignmentFacts does, and in a few statements whatever their
// number; nothing is locked. staff are those on the people and their tasks.
//
// The people come as an array, whose size the planner knows: how many rows a selection has it can only guess, and it has
// guessed one where there were ten thousand.
func (tx *Tx) SummaryFacts(ctx context.Context, people []ChosenPerson) (facts *domain.AssignmentFacts, staff map[uuid.UUID]domain.StaffRef, err error) {
	facts, chosen := factsOf(people)
	facts.Staff = map[uuid.UUID]domain.StaffStatus{}
	if err := tx.readAssignments(ctx, chosen, facts.People); err != nil {
		return nil, nil, fmt.Errorf("read assignments: %w", err)
	}
	if facts.Tasks, err = tx.tasksHeld(ctx, chosen); err != nil {
		return nil, nil, fmt.Errorf("read active tasks: %w", err)
	}
	if staff, err = tx.staffRefs(ctx, staffConcerned(facts, nil)); err != nil {
		return nil, nil, fmt.Errorf("read staff: %w", err)
	}
	for id, member := range staff {
		facts.Staff[id] = member.Status
	}
	return facts, staff, nil
}

// factsOf begins facts with the people, whose ids it gives too.
func factsOf(people []ChosenPerson) (*domain.AssignmentFacts, []uuid.UUID) {
	facts, chosen := &domain.AssignmentFacts{People: make([]domain.PersonFacts, len(people))}, make([]uuid.UUID, len(people))
	for i, person := range people {
		chosen[i], facts.People[i] = person.ID, domain.PersonFacts{ID: person.ID, Kind: person.Kind}
	}
	return facts, chosen
}

// tasksHeld reads the active tasks of people with their assignees at once. Assignees are looked up in the order of the
// tasks, as their index has them, so that each page of it is read once.
func (tx *Tx) tasksHeld(ctx context.Context, people []uuid.UUID) ([]domain.TaskFacts, error) {
	rows, err := tx.querySet(ctx, len(people), `
		SELECT task.id, task.place, ARRAY(
			SELECT held.staff_id FROM task_assignees held WHERE held.organization_id = $1 AND held.task_id = task.id ORDER BY held.staff_id)
		FROM (
			SELECT t.id, chosen.place
			FROM unnest($2::uuid[]) WITH ORDINALITY AS chosen (id, place)
			JOIN tasks t ON t.organization_id = $1 AND t.person_id = chosen.id AND t.`+activeTask+`
			ORDER BY t.id OFFSET 0
		) task`, tx.Organization.String(), ids(people))
	if err != nil {
		return nil, err
	}
	var tasks []domain.TaskFacts
	err = each(rows, func(scan scanner) error {
		var task domain.TaskFacts
		if err := scan(&task.ID, &task.Person, (*ids)(&task.Assignees)); err != nil {
			return err
		}
		task.Person--
		tasks = append(tasks, task)
		return nil
	})
	return tasks, err
}

func (tx *Tx) staffRefs(ctx context.Context, wanted []uuid.UUID) (map[uuid.UUID]domain.StaffRef, error) {
	rows, err := tx.querySet(ctx, len(wanted), `
		SELECT s.id, s.first_name, s.last_name, s.status FROM staff s WHERE s.organization_id = $1 AND s.id = ANY ($2::uuid[])`,
		tx.Organization.String(), ids(wanted))
	if err != nil {
		return nil, err
	}
	refs := make(map[uuid.UUID]domain.StaffRef, len(wanted))
	err = each(rows, func(scan scanner) error {
		var ref domain.StaffRef
		var first, last string
		if err := scan(&ref.ID, &first, &last, &ref.Status); err != nil {
			return err
		}
		ref.Name = domain.FullName(first, last)
		refs[ref.ID] = ref
		return nil
	})
	return refs, err
}
