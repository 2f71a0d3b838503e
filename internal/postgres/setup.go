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

// CreateOrganization writes a new tenant with its first administrator. It is for the command line, with the rights of
// the schema's owner: the service itself never makes organizations.
func (s *Store) CreateOrganization(ctx context.Context, organization domain.Organization, administrator domain.Staff, now time.Time) error {
	tx, err := s.DB.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	if _, err := tx.ExecContext(ctx, `INSERT INTO organizations (id, name, time_zone, created_at) VALUES ($1, $2, $3, $4)`,
		organization.ID.String(), organization.Name, organization.TimeZone, now); err != nil {
		return fmt.Errorf("save organization: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO staff (organization_id, id, first_name, last_name, email, role, status, permissions, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)`,
		organization.ID.String(), administrator.ID, administrator.FirstName, administrator.LastName, administrator.Email, administrator.Role,
		administrator.Status, pq.Array(texts(administrator.Permissions)), now); err != nil {
		return fmt.Errorf("save administrator: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// StaffByEmail finds a staff member by their address, in any case.
func (tx *Tx) StaffByEmail(ctx context.Context, email string) (domain.Staff, error) {
	var id uuid.UUID
	err := tx.get(ctx, &id, `SELECT s.id FROM staff s WHERE s.organization_id = $1 AND s.email_normalized = lower($2)`, tx.Organization.String(), email)
	if errors.Is(err, sql.ErrNoRows) {
		return domain.Staff{}, domain.Refuse(domain.CodeStaffNotFound, "There is no staff member with the email %s in this organization.", email)
	}
	if err != nil {
		return domain.Staff{}, fmt.Errorf("look for email: %w", err)
	}
	return tx.StaffMember(ctx, id, false)
}
