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

type staffGroupRow struct {
	ID        uuid.UUID `db:"id"`
	Name      string    `db:"name"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
	MemberIDs ids       `db:"member_ids"`
}

func (r staffGroupRow) group() domain.StaffGroup {
	return domain.StaffGroup{ID: r.ID, Name: r.Name, MemberIDs: r.MemberIDs, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC()}
}

const staffGroupColumns = `g.id, g.name, g.created_at, g.updated_at`

// withMembers adds to a page of groups who is in each of them.
func withMembers(page string) string {
	return `SELECT g.*, ARRAY(SELECT member.staff_id FROM staff_group_members member
			WHERE member.organization_id = $1 AND member.staff_group_id = g.id ORDER BY member.staff_id) AS member_ids
		FROM (` + page + `) g ORDER BY g.id`
}

func (q *query) filterStaffGroups(filter domain.StaffGroupFilter) {
	if len(filter.MemberIDs) > 0 {
		q.and(`EXISTS (SELECT FROM staff_group_members member
			WHERE member.organization_id = g.organization_id AND member.staff_group_id = g.id AND member.staff_id = ANY (%s))`, ids(filter.MemberIDs))
	}
	q.andWords("g.name_normalized", filter.Query)
}

// StaffGroups lists a page of the groups, by id, with one more than the page holds where there are more.
func (tx *Tx) StaffGroups(ctx context.Context, filter domain.StaffGroupFilter, page domain.Page) ([]domain.StaffGroup, error) {
	q := newQuery("g", tx.Organization)
	q.filterStaffGroups(filter)
	var rows []staffGroupRow
	if err := tx.list(ctx, &rows, q, withMembers("SELECT "+staffGroupColumns+" "+q.page("staff_groups g", page))); err != nil {
		return nil, fmt.Errorf("list staff groups: %w", err)
	}
	groups := make([]domain.StaffGroup, len(rows))
	for i, row := range rows {
		groups[i] = row.group()
	}
	return groups, nil
}

// CountStaffGroups counts the groups the filter matches.
func (tx *Tx) CountStaffGroups(ctx context.Context, filter domain.StaffGroupFilter) (int, error) {
	q := newQuery("g", tx.Organization)
	q.filterStaffGroups(filter)
	total, err := tx.count(ctx, q, "staff_groups g")
	if err != nil {
		return 0, fmt.Errorf("count staff groups: %w", err)
	}
	return total, nil
}

// StaffGroup reads one group; with lock nobody else changes it until the transaction ends.
func (tx *Tx) StaffGroup(ctx context.Context, id uuid.UUID, lock bool) (domain.StaffGroup, error) {
	if lock {
		if err := tx.exec(ctx, `SELECT FROM staff_groups WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE`, tx.Organization.String(), id); err != nil {
			return domain.StaffGroup{}, fmt.Errorf("lock staff group: %w", err)
		}
	}
	var row staffGroupRow
	err := tx.get(ctx, &row, withMembers(`SELECT `+staffGroupColumns+` FROM staff_groups g WHERE g.organization_id = $1 AND g.id = $2`), tx.Organization.String(), id)
	if errors.Is(err, sql.ErrNoRows) {
		return domain.StaffGroup{}, domain.Refuse(domain.CodeNotFound, "There is no such staff group.")
	}
	if err != nil {
		return domain.StaffGroup{}, fmt.Errorf("read staff group: %w", err)
	}
	return row.group(), nil
}

// StaffGroupsThere tells which of the groups exist.
func (tx *Tx) StaffGroupsThere(ctx context.Context, wanted []uuid.UUID) (map[uuid.UUID]bool, error) {
	var found []uuid.UUID
	if err := tx.selectAll(ctx, &found, `SELECT g.id FROM staff_groups g WHERE g.organization_id = $1 AND g.id = ANY ($2::uuid[])`,
		tx.Organization.String(), ids(wanted)); err != nil {
		return nil, fmt.Errorf("look for staff groups: %w", err)
	}
	there := make(map[uuid.UUID]bool, len(found))
	for _, id := range found {
		there[id] = true
	}
	return there, nil
}

// SaveStaffGroup writes a new group, or all fields of one that is there, with exactly its members.
func (tx *Tx) SaveStaffGroup(ctx context.Context, group domain.StaffGroup) error {
	if err := tx.exec(ctx, `
		INSERT INTO staff_groups (organization_id, id, name, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (organization_id, id) DO UPDATE SET name = excluded.name, updated_at = excluded.updated_at`,
		tx.Organization.String(), group.ID, group.Name, group.CreatedAt, group.UpdatedAt); err != nil {
		return fmt.Errorf("save staff group: %w", err)
	}
	if err := tx.exec(ctx, `
		WITH gone AS (
			DELETE FROM staff_group_members WHERE organization_id = $1 AND staff_group_id = $2 AND NOT staff_id = ANY ($3::uuid[])
		)
		INSERT INTO staff_group_members (organization_id, staff_group_id, staff_id)
		SELECT $1, $2, staff_id FROM unnest($3::uuid[]) AS staff_id ON CONFLICT DO NOTHING`,
		tx.Organization.String(), group.ID, ids(group.MemberIDs)); err != nil {
		return fmt.Errorf("save members: %w", err)
	}
	return nil
}
