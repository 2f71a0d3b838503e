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

type personRow struct {
	ID              uuid.UUID           `db:"id"`
	ExternalID      *string             `db:"external_id"`
	Kind            domain.PersonKind   `db:"kind"`
	Status          domain.PersonStatus `db:"status"`
	FirstName       string              `db:"first_name"`
	LastName        string              `db:"last_name"`
	Email           *string             `db:"email"`
	Phone           *string             `db:"phone"`
	CreatedAt       time.Time           `db:"created_at"`
	UpdatedAt       time.Time           `db:"updated_at"`
	Staff           staffRefs           `db:"staff"`
	ActiveTaskCount int                 `db:"active_task_count"`
}

func (r personRow) person() domain.Person {
	return domain.Person{
		ID: r.ID, ExternalID: r.ExternalID, Kind: r.Kind, Status: r.Status, FirstName: r.FirstName, LastName: r.LastName,
		Email: r.Email, Phone: r.Phone, Staff: r.Staff, ActiveTaskCount: r.ActiveTaskCount,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

const personColumns = `p.id, p.external_id, p.kind, p.status, p.first_name, p.last_name, p.email, p.phone, p.created_at, p.updated_at`

// withPersonDetails adds to a page of people what is looked up for each of its rows.
func withPersonDetails(page string) string {
	return `SELECT p.*, ` + staffRefsOf("assignments", "person_id", "p.id") + ` AS staff,
		(SELECT count(*) FROM tasks t WHERE t.organization_id = $1 AND t.person_id = p.id AND t.` + activeTask + `) AS active_task_count
		FROM (` + page + `) p ORDER BY p.id`
}

// People lists a page of the people the caller sees, by id, with one more than the page holds where there are more.
func (tx *Tx) People(ctx context.Context, caller domain.Caller, filter domain.PersonFilter, page domain.Page) ([]domain.Person, error) {
	q := newQuery("p", tx.Organization)
	q.seenPeople(caller)
	q.filterPeople(filter)
	var rows []personRow
	if err := tx.list(ctx, &rows, q, withPersonDetails("SELECT "+personColumns+" "+q.widestPage("people p", page))+" LIMIT "+q.arg(page.Limit+1)); err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	people := make([]domain.Person, len(rows))
	for i, row := range rows {
		people[i] = row.person()
	}
	return people, nil
}

// list runs a list's statement, prepared unless its values deserve a plan of their own.
func (tx *Tx) list(ctx context.Context, into any, q *query, statement string) error {
	if q.once {
		if err := tx.planForValues(ctx); err != nil {
			return err
		}
		return tx.SelectContext(ctx, into, statement, q.args...)
	}
	return tx.selectAll(ctx, into, statement, q.args...)
}

// listRows is list for rows that the caller reads.
func (tx *Tx) listRows(ctx context.Context, q *query, statement string) (*sql.Rows, error) {
	if q.once {
		return tx.queryOnce(ctx, statement, q.args...)
	}
	return tx.query(ctx, statement, q.args...)
}

func (tx *Tx) count(ctx context.Context, q *query, table string) (int, error) {
	if err := tx.planForValues(ctx); err != nil {
		return 0, err
	}
	var total int
	err := tx.GetContext(ctx, &total, "SELECT count(*) "+q.from(table), q.args...)
	return total, err
}

// CountPeople counts the people the caller sees and the filter matches.
func (tx *Tx) CountPeople(ctx context.Context, caller domain.Caller, filter domain.PersonFilter) (int, error) {
	q := newQuery("p", tx.Organization)
	q.seenPeople(caller)
	q.filterPeople(filter)
	total, err := tx.count(ctx, q, "people p")
	if err != nil {
		return 0, fmt.Errorf("count people: %w", err)
	}
	return total, nil
}

// Person reads one person the caller sees. Of their own organization, 403; of another, as if it did not exist, 404 (A2).
func (tx *Tx) Person(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Person, error) {
	person, found, err := tx.person(ctx, "p.id = $2", id)
	switch {
	case err != nil:
		return domain.Person{}, err
	case !found:
		return domain.Person{}, domain.Refuse(domain.CodeNotFound, "There is no such person.")
	case !domain.SeesPerson(caller, person):
		return domain.Person{}, domain.Denied("You may not see this person.")
	}
	return person, nil
}

// LockPerson waits until nobody else changes the person, and keeps them from it.
func (tx *Tx) LockPerson(ctx context.Context, id uuid.UUID) error {
	if err := tx.exec(ctx, `SELECT FROM people WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE`, tx.Organization.String(), id); err != nil {
		return fmt.Errorf("lock person: %w", err)
	}
	return nil
}

// PersonIDByExternalID finds a person and locks them; found tells whether there is one.
func (tx *Tx) PersonIDByExternalID(ctx context.Context, externalID string) (id uuid.UUID, found bool, err error) {
	return tx.idByExternalID(ctx, "people", externalID, true)
}

// idByExternalID finds a row of a table. What other locks come before is not locked.
func (tx *Tx) idByExternalID(ctx context.Context, table, externalID string, lock bool) (id uuid.UUID, found bool, err error) {
	err = tx.get(ctx, &id, `SELECT id FROM `+table+` WHERE organization_id = $1 AND external_id = $2`+locking(lock, ` FOR NO KEY UPDATE`),
		tx.Organization.String(), externalID)
	if errors.Is(err, sql.ErrNoRows) {
		return uuid.Nil, false, nil
	}
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("find by external id: %w", err)
	}
	return id, true, nil
}

// PersonOfOrganization reads one person whoever may see them; found tells whether there is one.
func (tx *Tx) PersonOfOrganization(ctx context.Context, id uuid.UUID) (person domain.Person, found bool, err error) {
	return tx.person(ctx, "p.id = $2", id)
}

func (tx *Tx) person(ctx context.Context, condition string, arg any) (domain.Person, bool, error) {
	var row personRow
	err := tx.get(ctx, &row, withPersonDetails(`SELECT `+personColumns+` FROM people p WHERE p.organization_id = $1 AND `+condition), tx.Organization.String(), arg)
	if errors.Is(err, sql.ErrNoRows) {
		return domain.Person{}, false, nil
	}
	if err != nil {
		return domain.Person{}, false, fmt.Errorf("read person: %w", err)
	}
	return row.person(), true, nil
}

// SavePerson writes a new person, or all fields of one that is there.
func (tx *Tx) SavePerson(ctx context.Context, person domain.Person) error {
	if err := tx.exec(ctx, `
		INSERT INTO people (organization_id, id, external_id, kind, status, first_name, last_name, email, phone, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (organization_id, id) DO UPDATE SET external_id = excluded.external_id, kind = excluded.kind, status = excluded.status,
			first_name = excluded.first_name, last_name = excluded.last_name, email = excluded.email, phone = excluded.phone, updated_at = excluded.updated_at`,
		tx.Organization.String(), person.ID, person.ExternalID, person.Kind, person.Status, person.FirstName, person.LastName,
		person.Email, person.Phone, person.CreatedAt, person.UpdatedAt); err != nil {
		return fmt.Errorf("save person: %w", err)
	}
	email := ""
	if person.Email != nil {
		email = *person.Email
	}
	words := domain.SearchWords(person.FirstName, person.LastName, email)
	if err := tx.exec(ctx, `
		WITH gone AS (
			DELETE FROM person_words WHERE organization_id = $1 AND person_id = $2 AND NOT word = ANY ($3)
		)
		INSERT INTO person_words (organization_id, word, person_id)
		SELECT $1, word, $2 FROM unnest($3::text[]) AS word ON CONFLICT DO NOTHING`,
		tx.Organization.String(), person.ID, pq.Array(words)); err != nil {
		return fmt.Errorf("save search words: %w", err)
	}
	return nil
}
