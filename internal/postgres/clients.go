package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// clientRow is what is kept of a client beside their row of people.
type clientRow struct {
	Identity      []byte `db:"identity"`
	Contact       []byte `db:"contact"`
	Address       []byte `db:"address"`
	Employment    []byte `db:"employment"`
	Communication []byte `db:"communication"`
	Referral      []byte `db:"referral"`
	Notes         []byte `db:"notes"`

	Assessment    *string    `db:"assessment"`
	Reference     *string    `db:"reference"`
	LinkedAt      *time.Time `db:"linked_at"`
	LastSuccessAt *time.Time `db:"last_success_at"`
	LastErrorAt   *time.Time `db:"last_error_at"`
	LastError     *string    `db:"last_error"`

	Invitation invitationState `db:"invitation"`
}

// sections reads the columns. A section that there is no row for is nil, and stays empty.
func (r clientRow) sections() (sections domain.Sections, err error) {
	for _, column := range []struct {
		text []byte
		into any
	}{
		{r.Identity, &sections.Identity},
		{r.Contact, &sections.Contact},
		{r.Address, &sections.Address},
		{r.Employment, &sections.Employment},
		{r.Communication, &sections.Communication},
		{r.Referral, &sections.Referral},
		{r.Notes, &sections.Notes},
	} {
		if column.text == nil {
			continue
		}
		if err := json.Unmarshal(column.text, column.into); err != nil {
			return sections, fmt.Errorf("read sections: %w", err)
		}
	}
	return sections, nil
}

func (r clientRow) cams() *domain.CaMSState {
	if r.Reference == nil || r.LinkedAt == nil {
		return nil
	}
	return &domain.CaMSState{
		Reference: *r.Reference, LinkedAt: r.LinkedAt.UTC(), LastSuccessAt: utc(r.LastSuccessAt), LastErrorAt: utc(r.LastErrorAt), LastError: r.LastError,
	}
}

// Client reads one client, whoever may see them; found tells whether there is one. A referral is none.
func (tx *Tx) Client(ctx context.Context, id uuid.UUID) (client domain.Client, found bool, err error) {
	person, found, err := tx.PersonOfOrganization(ctx, id)
	if err != nil || !found || person.Kind != domain.KindClient {
		return domain.Client{}, false, err
	}
	client, err = tx.ClientOf(ctx, person)
	return client, true, err
}

// ClientOf adds to a person what is kept of them as a client, whatever their kind.
func (tx *Tx) ClientOf(ctx context.Context, person domain.Person) (domain.Client, error) {
	client := domain.Client{Person: person}
	var row clientRow
	if err := tx.get(ctx, &row, `
		SELECT f.identity, f.contact, f.address, f.employment, f.communication, f.referral, f.notes,
			a.number AS assessment, `+camsColumns+`, `+invitationOfPerson+` AS invitation
		FROM people p
		LEFT JOIN client_profiles f ON f.organization_id = p.organization_id AND f.person_id = p.id
		LEFT JOIN client_assessments a ON a.organization_id = p.organization_id AND a.person_id = p.id
		LEFT JOIN cams_links l ON l.organization_id = p.organization_id AND l.person_id = p.id
		LEFT JOIN cams_cursors c ON c.organization_id = p.organization_id
		WHERE p.organization_id = $1 AND p.id = $2`,
		tx.Organization.String(), person.ID); err != nil {
		return client, fmt.Errorf("read client: %w", err)
	}
	sections, err := row.sections()
	if err != nil {
		return client, err
	}
	client.Sections, client.Assessment, client.CaMS, client.Invitation = sections, row.Assessment, row.cams(), row.Invitation.InvitationState
	return client, nil
}

// IsLinkedToCaMS tells whether a person is, once they are locked.
func (tx *Tx) IsLinkedToCaMS(ctx context.Context, id uuid.UUID) (linked bool, err error) {
	if err := tx.get(ctx, &linked, `SELECT EXISTS (SELECT FROM cams_links WHERE organization_id = $1 AND person_id = $2)`, tx.Organization.String(), id); err != nil {
		return false, fmt.Errorf("look for a link to CaMS: %w", err)
	}
	return linked, nil
}

// SaveSections writes what is kept of a client by section, all of it.
func (tx *Tx) SaveSections(ctx context.Context, person uuid.UUID, sections domain.Sections, now time.Time) error {
	args := []any{tx.Organization.String(), person, now}
	for _, section := range []any{
		sections.Identity, sections.Contact, sections.Address, sections.Employment, sections.Communication, sections.Referral, sections.Notes,
	} {
		text, err := json.Marshal(section)
		if err != nil {
			return fmt.Errorf("encode sections: %w", err)
		}
		args = append(args, string(text))
	}
	if err := tx.exec(ctx, `
		INSERT INTO client_profiles (organization_id, person_id, updated_at, identity, contact, address, employment, communication, referral, notes)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (organization_id, person_id) DO UPDATE SET updated_at = excluded.updated_at, identity = excluded.identity, contact = excluded.contact,
			address = excluded.address, employment = excluded.employment, communication = excluded.communication, referral = excluded.referral,
			notes = excluded.notes`, args...); err != nil {
		return fmt.Errorf("save sections: %w", err)
	}
	return nil
}

// LockEmail keeps others from adding somebody with this email to the organization until the transaction ends.
func (tx *Tx) LockEmail(ctx context.Context, email string) error {
	if err := tx.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended(concat_ws('/', $1::text, lower($2::text)), 7062))`,
		tx.Organization.String(), email); err != nil {
		return fmt.Errorf("lock email: %w", err)
	}
	return nil
}

// maxMatches is how many people are told of who may be the one that is meant.
const maxMatches = 20

// PeopleWithEmail lists people who have an email, letter case aside, whoever may see them, but for one (nil: all).
func (tx *Tx) PeopleWithEmail(ctx context.Context, email string, but uuid.UUID) ([]domain.Person, error) {
	var rows []personRow
	if err := tx.selectAll(ctx, &rows, withPersonDetails(`SELECT `+personColumns+` FROM people p
		WHERE p.organization_id = $1 AND p.email_normalized = lower($2::text) AND p.id <> $4 ORDER BY p.id LIMIT $3`),
		tx.Organization.String(), email, maxMatches, but); err != nil {
		return nil, fmt.Errorf("look for people with the email: %w", err)
	}
	people := make([]domain.Person, len(rows))
	for i, row := range rows {
		people[i] = row.person()
	}
	return people, nil
}

// PeopleNamed lists the people the caller sees who have a name, the best match first: those with this last name, those whose
// last name begins with it, those with a word in their last name that does. A first name, where one is given, has to be how
// theirs begins (C1).
func (tx *Tx) PeopleNamed(ctx context.Context, caller domain.Caller, first, last string) ([]domain.Person, error) {
	var found ids
	for _, stage := range []func(q *query){
		func(q *query) {
			q.and("p.last_name_folded = folded(%s)", last)
			q.id = "folded(p.first_name) <> folded(" + q.arg(first) + "), folded(p.first_name), p.id"
		},
		func(q *query) {
			q.and("p.last_name_folded > folded(%s) AND p.last_name_folded < folded(%s) || %s", last, last, lastRune)
			q.id = "p.last_name_folded, p.id"
		},
		func(q *query) {
			q.searchPeople(last)
			q.and("p.last_name_folded LIKE '%%' || folded(%s) || '%%'", "_"+escapeLike(last))
		},
	} {
		more, err := tx.peopleNamed(ctx, caller, first, found, stage)
		if err != nil {
			return nil, fmt.Errorf("look for people of the name: %w", err)
		}
		if found = append(found, more...); len(found) == maxMatches {
			break
		}
	}
	return tx.peopleInOrder(ctx, found)
}

func (tx *Tx) peopleNamed(ctx context.Context, caller domain.Caller, first string, found ids, stage func(q *query)) (more []uuid.UUID, err error) {
	q := newQuery("p", tx.Organization)
	q.seenPeople(caller)
	if first != "" {
		q.and("folded(p.first_name) LIKE folded(%s) || '%%'", escapeLike(first))
	}
	if len(found) > 0 {
		q.and("NOT p.id = ANY (%s::uuid[])", found)
	}
	stage(q)
	q.once = true
	err = tx.list(ctx, &more, q, "SELECT p.id "+q.from("people p")+" ORDER BY "+q.id+" LIMIT "+q.arg(maxMatches-len(found)))
	return more, err
}

// peopleInOrder reads people as they are listed.
func (tx *Tx) peopleInOrder(ctx context.Context, order ids) ([]domain.Person, error) {
	var rows []personRow
	if err := tx.selectAll(ctx, &rows, withPersonDetails(`SELECT `+personColumns+` FROM people p WHERE p.organization_id = $1 AND p.id = ANY ($2::uuid[])`),
		tx.Organization.String(), order); err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	people := make([]domain.Person, len(rows))
	for i, row := range rows {
		people[i] = row.person()
	}
	slices.SortFunc(people, func(a, b domain.Person) int { return slices.Index(order, a.ID) - slices.Index(order, b.ID) })
	return people, nil
}
