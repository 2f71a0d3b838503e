package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
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

// PeopleByID finds people of the organization by their ids, each once, in order; who is missing does not exist here.
func (tx *Tx) PeopleByID(ctx context.Context, caller domain.Caller, wanted []uuid.UUID) ([]ChosenPerson, error) {
	q := &query{args: []any{tx.Organization.String(), ids(wanted)}}
	seen := q.fill(seenPerson, []any{pq.Array(texts(caller.SeenKinds())), caller.StaffID})
	return chosen(tx.querySet(ctx, len(wanted), `SELECT p.id, p.kind, (`+seen+`) AS seen FROM people p WHERE p.organization_id = $1 AND p.id = ANY ($2::uuid[]) ORDER BY p.id`, q.args...))
}

// PeopleOfSelection gives the people of a saved selection, in order.
func (tx *Tx) PeopleOfSelection(ctx context.Context, selection uuid.UUID) ([]ChosenPerson, error) {
	return chosen(tx.queryOnce(ctx, `
		SELECT p.id, p.kind, true AS seen FROM selection_people chosen
		JOIN people p ON p.organization_id = chosen.organization_id AND p.id = chosen.person_id
		WHERE chosen.organization_id = $1 AND chosen.selection_id = $2 ORDER BY p.id`, tx.Organization.String(), selection))
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

// AssignmentSummary counts a saved selection (A3) and names the facts behind the counts (A15; domain.Revision says how).
func (tx *Tx) AssignmentSummary(ctx context.Context, selection uuid.UUID) (domain.AssignmentSummary, error) {
	summary := domain.AssignmentSummary{SelectionID: selection}
	var row struct {
		Clients         int    `db:"clients"`
		Referrals       int    `db:"referrals"`
		PeopleWithStaff int    `db:"people_with_staff"`
		ActiveTasks     int    `db:"active_tasks"`
		People          []byte `db:"people"`
		Seats           []byte `db:"seats"`
		Tasks           []byte `db:"tasks"`
		Staff           []byte `db:"staff"`
	}
	if err := tx.GetContext(ctx, &row, summaryStatement, tx.Organization.String(), selection); err != nil {
		return summary, fmt.Errorf("summarize: %w", err)
	}
	staff, err := staffCounts(row.Staff)
	if err != nil {
		return summary, err
	}
	summary.Clients, summary.Referrals, summary.PeopleWithStaff, summary.ActiveTasks = row.Clients, row.Referrals, row.PeopleWithStaff, row.ActiveTasks
	summary.Staff = staff
	summary.Revision = domain.CombineRevision(row.People, row.Seats, row.Tasks)
	return summary, nil
}

// summaryStatement reads people, seats and tasks of the selection once each.
const summaryStatement = `
	WITH person AS MATERIALIZED (
		SELECT p.id, p.kind
		FROM selection_people chosen
		JOIN people p ON p.organization_id = chosen.organization_id AND p.id = chosen.person_id
		WHERE chosen.organization_id = $1 AND chosen.selection_id = $2
	), seat AS MATERIALIZED (
		SELECT a.person_id, a.staff_id, s.status, s.first_name, s.last_name
		FROM selection_people chosen
		JOIN assignments a ON a.organization_id = chosen.organization_id AND a.person_id = chosen.person_id
		JOIN staff s ON s.organization_id = a.organization_id AND s.id = a.staff_id
		WHERE chosen.organization_id = $1 AND chosen.selection_id = $2
	), task AS MATERIALIZED (
		SELECT t.id, t.person_id, held.staff_id
		FROM selection_people chosen
		JOIN tasks t ON t.organization_id = chosen.organization_id AND t.person_id = chosen.person_id AND t.status IN ('open', 'in_progress')
		LEFT JOIN task_assignees held ON held.organization_id = t.organization_id AND held.task_id = t.id
		WHERE chosen.organization_id = $1 AND chosen.selection_id = $2
	), with_staff AS MATERIALIZED (
		SELECT DISTINCT person_id FROM seat
	), held AS (
		SELECT staff_id, count(*) AS tasks FROM task JOIN with_staff USING (person_id) WHERE staff_id IS NOT NULL GROUP BY staff_id
	), member AS (
		SELECT staff_id, first_name, last_name, status, count(*) AS people FROM seat GROUP BY staff_id, first_name, last_name, status
	)
	SELECT
		(SELECT count(*) FROM person WHERE kind = 'client') AS clients,
		(SELECT count(*) FROM person WHERE kind = 'referral') AS referrals,
		(SELECT count(*) FROM with_staff) AS people_with_staff,
		(SELECT count(DISTINCT task.id) FROM task JOIN with_staff USING (person_id)) AS active_tasks,
		(SELECT sha256(coalesce(string_agg(uuid_send(id) || left(kind, 1)::bytea, '' ORDER BY id), '')) FROM person) AS people,
		(SELECT sha256(coalesce(string_agg(uuid_send(person_id) || uuid_send(staff_id) || left(status, 1)::bytea, '' ORDER BY person_id, staff_id), '')) FROM seat) AS seats,
		(SELECT sha256(coalesce(string_agg(uuid_send(id) || uuid_send(person_id) || uuid_send(coalesce(staff_id, '00000000-0000-0000-0000-000000000000')), '' ORDER BY id, staff_id), '')) FROM task) AS tasks,
		(SELECT coalesce(json_agg(json_build_object('id', m.staff_id, 'first_name', m.first_name, 'last_name', m.last_name, 'status', m.status,
			'people', m.people, 'tasks', coalesce(h.tasks, 0)) ORDER BY m.people DESC, m.staff_id), '[]')
		 FROM member m LEFT JOIN held h USING (staff_id)) AS staff`

// staffCounts reads the staff of a summary.
func staffCounts(text []byte) ([]domain.StaffCount, error) {
	var members []struct {
		ID        uuid.UUID          `json:"id"`
		FirstName string             `json:"first_name"`
		LastName  string             `json:"last_name"`
		Status    domain.StaffStatus `json:"status"`
		People    int                `json:"people"`
		Tasks     int                `json:"tasks"`
	}
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("read the staff of a summary: %w", err)
	}
	counts := make([]domain.StaffCount, len(members))
	for i, member := range members {
		counts[i] = domain.StaffCount{
			Staff:  domain.StaffRef{ID: member.ID, Name: domain.FullName(member.FirstName, member.LastName), Status: member.Status},
			People: member.People, ActiveTasks: member.Tasks,
		}
	}
	return counts, nil
}
