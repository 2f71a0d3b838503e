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

type staffRow struct {
	ID          uuid.UUID          `db:"id"`
	ExternalID  *string            `db:"external_id"`
	FirstName   string             `db:"first_name"`
	LastName    string             `db:"last_name"`
	Email       string             `db:"email"`
	Role        domain.Role        `db:"role"`
	Status      domain.StaffStatus `db:"status"`
	Permissions pq.StringArray     `db:"permissions"`
	CreatedAt   time.Time          `db:"created_at"`
	UpdatedAt   time.Time          `db:"updated_at"`
	Invitation  invitationState    `db:"invitation"` // where it is read
}

func (r staffRow) staff() domain.Staff {
	return domain.Staff{
		ID: r.ID, ExternalID: r.ExternalID, FirstName: r.FirstName, LastName: r.LastName, Email: r.Email, Role: r.Role,
		Status: r.Status, Permissions: permissions(r.Permissions), Invitation: r.Invitation.InvitationState, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

func permissions(texts []string) []domain.Permission {
	read := make([]domain.Permission, len(texts))
	for i, text := range texts {
		read[i] = domain.Permission(text)
	}
	return read
}

const staffColumns = `s.id, s.external_id, s.first_name, s.last_name, s.email, s.role, s.status, s.permissions, s.created_at, s.updated_at`

// invitedStaffColumns are those of a staff member by themselves, with their last invitation (C7).
var invitedStaffColumns = staffColumns + `, ` + invitationOfStaff + ` AS invitation`

func filterStaff(organization domain.OrganizationID, filter domain.StaffFilter) *query {
	q := newQuery("s", organization)
	q.andAnyOf("s.status", texts(filter.Statuses))
	q.andAnyOf("s.role", texts(filter.Roles))
	q.andAnyOf("s.external_id", filter.ExternalIDs)
	if len(filter.Permissions) > 0 {
		q.and("(s.role = 'administrator' OR s.permissions && %s::text[])", pq.Array(texts(filter.Permissions)))
	}
	q.andWords("lower(s.first_name) || ' ' || lower(s.last_name) || ' ' || s.email_normalized", filter.Query)
	return q
}

// StaffList lists a page of the staff, by id, with one more than the page holds where there are more.
func (tx *Tx) StaffList(ctx context.Context, filter domain.StaffFilter, page domain.Page) ([]domain.Staff, error) {
	q := filterStaff(tx.Organization, filter)
	var rows []staffRow
	if err := tx.list(ctx, &rows, q, "SELECT "+invitedStaffColumns+" "+q.page("staff s", page)); err != nil {
		return nil, fmt.Errorf("list staff: %w", err)
	}
	staff := make([]domain.Staff, len(rows))
	for i, row := range rows {
		staff[i] = row.staff()
	}
	return staff, nil
}

// CountStaff counts the staff the filter matches.
func (tx *Tx) CountStaff(ctx context.Context, filter domain.StaffFilter) (int, error) {
	total, err := tx.count(ctx, filterStaff(tx.Organization, filter), "staff s")
	if err != nil {
		return 0, fmt.Errorf("count staff: %w", err)
	}
	return total, nil
}

// StaffMember reads one staff member; with lock nobody else changes them until the transaction ends.
func (tx *Tx) StaffMember(ctx context.Context, id uuid.UUID, lock bool) (domain.Staff, error) {
	var row staffRow
	err := tx.get(ctx, &row, `SELECT `+invitedStaffColumns+` FROM staff s WHERE s.organization_id = $1 AND s.id = $2`+locking(lock, ` FOR NO KEY UPDATE`),
		tx.Organization.String(), id)
	if errors.Is(err, sql.ErrNoRows) {
		return domain.Staff{}, domain.Refuse(domain.CodeNotFound, "There is no such staff member.")
	}
	if err != nil {
		return domain.Staff{}, fmt.Errorf("read staff member: %w", err)
	}
	return row.staff(), nil
}

// StaffIDByExternalID finds a staff member and locks them; found tells whether there is one.
func (tx *Tx) StaffIDByExternalID(ctx context.Context, externalID string) (id uuid.UUID, found bool, err error) {
	return tx.idByExternalID(ctx, "staff", externalID, true)
}

// StaffRefs finds staff by their ids and keeps their status as it is until the transaction ends.
func (tx *Tx) StaffRefs(ctx context.Context, wanted []uuid.UUID) (map[uuid.UUID]domain.StaffRef, error) {
	var rows []staffRow
	if err := tx.selectAll(ctx, &rows, `SELECT `+staffColumns+` FROM staff s WHERE s.organization_id = $1 AND s.id = ANY ($2::uuid[]) ORDER BY s.id FOR SHARE`,
		tx.Organization.String(), ids(wanted)); err != nil {
		return nil, fmt.Errorf("read staff: %w", err)
	}
	refs := make(map[uuid.UUID]domain.StaffRef, len(rows))
	for _, row := range rows {
		refs[row.ID] = row.staff().Ref()
	}
	return refs, nil
}

// SaveStaff writes a new staff member, or all fields of one that is there.
func (tx *Tx) SaveStaff(ctx context.Context, staff domain.Staff) error {
	if err := tx.exec(ctx, `
		INSERT INTO staff (organization_id, id, external_id, first_name, last_name, email, role, status, permissions, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (organization_id, id) DO UPDATE SET external_id = excluded.external_id, first_name = excluded.first_name, last_name = excluded.last_name,
			email = excluded.email, role = excluded.role, status = excluded.status, permissions = excluded.permissions, updated_at = excluded.updated_at`,
		tx.Organization.String(), staff.ID, staff.ExternalID, staff.FirstName, staff.LastName, staff.Email, staff.Role, staff.Status,
		pq.Array(texts(staff.Permissions)), staff.CreatedAt, staff.UpdatedAt); err != nil {
		return fmt.Errorf("save staff member: %w", err)
	}
	return nil
}

// LockActiveAdministrators counts the active administrators and keeps all of them so until the transaction ends.
func (tx *Tx) LockActiveAdministrators(ctx context.Context) (int, error) {
	var administrators []uuid.UUID
	if err := tx.selectAll(ctx, &administrators, `
		SELECT s.id FROM staff s WHERE s.organization_id = $1 AND s.role = 'administrator' AND s.status = 'active' ORDER BY s.id FOR NO KEY UPDATE`,
		tx.Organization.String()); err != nil {
		return 0, fmt.Errorf("lock administrators: %w", err)
	}
	return len(administrators), nil
}

// Workload counts what a staff member holds (D5). What belongs to a matter that the caller does not see is not counted
// (B5); without private, nothing that belongs to a private matter is.
func (tx *Tx) Workload(ctx context.Context, caller domain.Caller, staff domain.Staff, today domain.Date, now time.Time, private bool) (domain.Workload, error) {
	var counts struct {
		Clients      int `db:"clients"`
		Referrals    int `db:"referrals"`
		ActiveTasks  int `db:"active_tasks"`
		PastDueTasks int `db:"past_due_tasks"`
		Matters      int `db:"matters"`
		Events       int `db:"events"`
	}
	err := tx.get(ctx, &counts, `
		WITH held AS (
			SELECT t.due_on FROM task_assignees seat
			JOIN tasks t ON t.organization_id = seat.organization_id AND t.id = seat.task_id AND t.`+activeTask+`
			WHERE seat.organization_id = $1 AND seat.staff_id = $2 AND `+shownWork("t", ownTask("$3"), "$3")+` AND ($6 OR NOT `+ofPrivateMatter("t")+`)
		)
		SELECT (SELECT count(*) FROM assignments a JOIN people p ON p.organization_id = a.organization_id AND p.id = a.person_id
		        WHERE a.organization_id = $1 AND a.staff_id = $2 AND p.kind = 'client') AS clients,
		       (SELECT count(*) FROM assignments a JOIN people p ON p.organization_id = a.organization_id AND p.id = a.person_id
		        WHERE a.organization_id = $1 AND a.staff_id = $2 AND p.kind = 'referral') AS referrals,
		       (SELECT count(*) FROM held) AS active_tasks,
		       (SELECT count(*) FROM held WHERE due_on < $4) AS past_due_tasks,
		       (SELECT count(*) FROM matters m WHERE m.organization_id = $1 AND m.responsible_staff_id = $2 AND m.status IN ('open', 'pending')
		          AND `+seenMatter("m", "$3")+` AND ($6 OR m.visibility <> 'private')) AS matters,
		       (SELECT count(*) FROM calendar_events e WHERE e.organization_id = $1 AND e.owner_staff_id = $2 AND e.starts_at > $5
		          AND `+shownWork("e", ownEvent("$3"), "$3")+` AND ($6 OR NOT `+ofPrivateMatter("e")+`)) AS events`,
		tx.Organization.String(), staff.ID, caller.StaffID, today.String(), now, private)
	if err != nil {
		return domain.Workload{}, fmt.Errorf("count workload: %w", err)
	}
	return domain.Workload{
		Staff: staff.Ref(), Clients: counts.Clients, Referrals: counts.Referrals, ActiveTasks: counts.ActiveTasks,
		PastDueTasks: counts.PastDueTasks, Matters: counts.Matters, Events: counts.Events, At: now,
	}, nil
}
