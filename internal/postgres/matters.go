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

type matterRow struct {
	ID          uuid.UUID           `db:"id"`
	ExternalID  *string             `db:"external_id"`
	Number      string              `db:"number"`
	Description string              `db:"description"`
	Status      domain.MatterStatus `db:"status"`
	Visibility  domain.Visibility   `db:"visibility"`
	ClientID    uuid.NullUUID       `db:"client_id"`
	CreatedAt   time.Time           `db:"created_at"`
	UpdatedAt   time.Time           `db:"updated_at"`
	GroupIDs    ids                 `db:"group_ids"`
	StaffID     uuid.UUID           `db:"responsible_staff_id"`
	FirstName   string              `db:"first_name"`
	LastName    string              `db:"last_name"`
	StaffStatus domain.StaffStatus  `db:"staff_status"`
}

func (r matterRow) matter() domain.Matter {
	return domain.Matter{
		ID: r.ID, ExternalID: r.ExternalID, Number: r.Number, Description: r.Description, Status: r.Status, Visibility: r.Visibility,
		Responsible: domain.StaffRef{ID: r.StaffID, Name: domain.FullName(r.FirstName, r.LastName), Status: r.StaffStatus},
		ClientID:    idOf(r.ClientID), GroupIDs: r.GroupIDs, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

const matterColumns = `m.id, m.external_id, m.number, m.description, m.status, m.visibility, m.client_id, m.created_at, m.updated_at, m.responsible_staff_id`

// withMatterDetails adds to a page of matters what is looked up for each of its rows.
func withMatterDetails(page string) string {
	return `SELECT m.*, s.first_name, s.last_name, s.status AS staff_status,
		ARRAY(SELECT g.staff_group_id FROM matter_groups g WHERE g.organization_id = $1 AND g.matter_id = m.id ORDER BY g.staff_group_id) AS group_ids
		FROM (` + page + `) m JOIN staff s ON s.organization_id = $1 AND s.id = m.responsible_staff_id ORDER BY m.id`
}

func (q *query) filterMatters(filter domain.MatterFilter) {
	q.andAnyOf("m.status", texts(filter.Statuses))
	q.andAnyOf("m.visibility", texts(filter.Visibilities))
	q.andAnyOf("m.external_id", filter.ExternalIDs)
	q.andAnyID("m.responsible_staff_id", filter.ResponsibleIDs)
	q.andAnyID("m.client_id", filter.ClientIDs)
	q.andWords("lower(m.number) || ' ' || lower(m.description)", filter.Query)
}

// Matters lists a page of the matters the caller sees, by id, with one more than the page holds where there are more.
func (tx *Tx) Matters(ctx context.Context, caller domain.Caller, filter domain.MatterFilter, page domain.Page) ([]domain.Matter, error) {
	q := newQuery("m", tx.Organization)
	q.seenMatters(caller)
	q.filterMatters(filter)
	var rows []matterRow
	if err := tx.list(ctx, &rows, q, withMatterDetails("SELECT "+matterColumns+" "+q.widestPage("matters m", page))+" LIMIT "+q.arg(page.Limit+1)); err != nil {
		return nil, fmt.Errorf("list matters: %w", err)
	}
	matters := make([]domain.Matter, len(rows))
	for i, row := range rows {
		matters[i] = row.matter()
	}
	return matters, nil
}

// CountMatters counts the matters the caller sees and the filter matches.
func (tx *Tx) CountMatters(ctx context.Context, caller domain.Caller, filter domain.MatterFilter) (int, error) {
	q := newQuery("m", tx.Organization)
	q.seenMatters(caller)
	q.filterMatters(filter)
	total, err := tx.count(ctx, q, "matters m")
	if err != nil {
		return 0, fmt.Errorf("count matters: %w", err)
	}
	return total, nil
}

// Matter reads one matter the caller sees. Any other is as if it did not exist, 404 (B5).
func (tx *Tx) Matter(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Matter, error) {
	q := newQuery("m", tx.Organization)
	q.and("m.id = %s", id)
	q.seenMatters(caller)
	var row matterRow
	err := tx.get(ctx, &row, withMatterDetails("SELECT "+matterColumns+" "+q.from("matters m")), q.args...)
	if errors.Is(err, sql.ErrNoRows) {
		return domain.Matter{}, domain.Refuse(domain.CodeNotFound, "There is no such matter.")
	}
	if err != nil {
		return domain.Matter{}, fmt.Errorf("read matter: %w", err)
	}
	return row.matter(), nil
}

// MatterSeen tells whether there is a matter that the caller sees (B5).
func (tx *Tx) MatterSeen(ctx context.Context, caller domain.Caller, id uuid.UUID) (bool, error) {
	var seen bool
	err := tx.get(ctx, &seen, `SELECT EXISTS (SELECT FROM matters m WHERE m.organization_id = $1 AND m.id = $2 AND `+seenMatter("m", "$3")+`)`,
		tx.Organization.String(), id, caller.StaffID)
	if err != nil {
		return false, fmt.Errorf("look for matter: %w", err)
	}
	return seen, nil
}

// MatterIDByExternalID finds a matter, whoever may see it, and locks it; found tells whether there is one.
func (tx *Tx) MatterIDByExternalID(ctx context.Context, externalID string) (id uuid.UUID, found bool, err error) {
	return tx.idByExternalID(ctx, "matters", externalID, true)
}

// LockMatter waits until nobody else changes the matter, or what belongs to it, and keeps them from it.
func (tx *Tx) LockMatter(ctx context.Context, id uuid.UUID) error {
	if err := tx.exec(ctx, `SELECT FROM matters WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE`, tx.Organization.String(), id); err != nil {
		return fmt.Errorf("lock matter: %w", err)
	}
	return nil
}

// lockMattersOf keeps the matter that a row of a table belongs to, and the one that it is to belong to, as they are: nobody
// hides them, closes them or hands them over while what belongs to them is changed. Many may hold a matter so.
func (tx *Tx) lockMattersOf(ctx context.Context, table string, id uuid.UUID, wanted *uuid.UUID) error {
	if err := tx.exec(ctx, `
		SELECT FROM matters m WHERE m.organization_id = $1
			AND m.id = ANY (ARRAY[$3::uuid, (SELECT r.matter_id FROM `+table+` r WHERE r.organization_id = $1 AND r.id = $2)])
		ORDER BY m.id FOR SHARE`, tx.Organization.String(), id, wanted); err != nil {
		return fmt.Errorf("lock the matter: %w", err)
	}
	return nil
}

// SaveMatter writes a new matter, or all fields of one that is there, with exactly its groups.
func (tx *Tx) SaveMatter(ctx context.Context, matter domain.Matter) error {
	if err := tx.exec(ctx, `
		INSERT INTO matters (organization_id, id, external_id, number, description, status, visibility, responsible_staff_id, client_id, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (organization_id, id) DO UPDATE SET external_id = excluded.external_id, number = excluded.number, description = excluded.description,
			status = excluded.status, visibility = excluded.visibility, responsible_staff_id = excluded.responsible_staff_id,
			client_id = excluded.client_id, updated_at = excluded.updated_at`,
		tx.Organization.String(), matter.ID, matter.ExternalID, matter.Number, matter.Description, matter.Status, matter.Visibility,
		matter.Responsible.ID, matter.ClientID, matter.CreatedAt, matter.UpdatedAt); err != nil {
		return fmt.Errorf("save matter: %w", err)
	}
	if err := tx.exec(ctx, `
		WITH gone AS (
			DELETE FROM matter_groups WHERE organization_id = $1 AND matter_id = $2 AND NOT staff_group_id = ANY ($3::uuid[])
		)
		INSERT INTO matter_groups (organization_id, matter_id, staff_group_id)
		SELECT $1, $2, staff_group_id FROM unnest($3::uuid[]) AS staff_group_id ON CONFLICT DO NOTHING`,
		tx.Organization.String(), matter.ID, ids(matter.GroupIDs)); err != nil {
		return fmt.Errorf("save the matter's groups: %w", err)
	}
	return nil
}
