package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/domain"
)

// FoundStaff is somebody who may be meant by an issuer of OpenID Connect.
type FoundStaff struct {
	IdentityID   uuid.NullUUID      `db:"identity_id"` // to whom its subject is bound; null: found by their email
	Organization uuid.UUID          `db:"organization_id"`
	StaffID      uuid.UUID          `db:"staff_id"`
	FirstName    string             `db:"first_name"`
	LastName     string             `db:"last_name"`
	Email        string             `db:"email"`
	Role         domain.Role        `db:"role"`
	Status       domain.StaffStatus `db:"status"`
	Permissions  pq.StringArray     `db:"permissions"`
	TimeZone     string             `db:"time_zone"`
	OtherSubject bool               `db:"other_subject"` // another subject of the issuer stands for them
}

// Caller is who comes in with an identity.
func (f FoundStaff) Caller(identity domain.ForeignIdentity) domain.Caller {
	return domain.Caller{
		Organization: domain.OrganizationID(f.Organization), StaffID: f.StaffID, Name: domain.FullName(f.FirstName, f.LastName),
		Role: f.Role, Permissions: permissions(f.Permissions), TimeZone: f.TimeZone,
		IdentityID: f.IdentityID.UUID, Issuer: identity.Issuer, Scopes: identity.Scopes,
	}
}

// IdentifyStaff finds who may be meant by an issuer, before the organization is known: whom its subject is bound to, or else active
// staff with the email it vouches for. More than one are never told apart.
func (s *Store) IdentifyStaff(ctx context.Context, identity domain.ForeignIdentity) ([]FoundStaff, error) {
	var organization uuid.NullUUID
	if identity.Organization != nil {
		organization = uuid.NullUUID{UUID: uuid.UUID(*identity.Organization), Valid: true}
	}
	var address *string
	if identity.Email != "" {
		address = &identity.Email
	}
	const look = `SELECT identity_id, organization_id, staff_id, first_name, last_name, email, role, status, permissions, time_zone, other_subject
		FROM identify_staff($1, $2, $3, $4)`
	var found []FoundStaff
	if err := s.DB.SelectContext(s.short(ctx), &found, look, identity.Issuer, identity.Subject, address, organization); err != nil {
		return nil, fmt.Errorf("look for whom an issuer means: %w", translate(err))
	}
	return found, nil
}

// BindIdentity writes that a subject stands for a staff member; bound is false where it stands for somebody already, or another
// subject of the issuer for them.
func (tx *Tx) BindIdentity(ctx context.Context, identity domain.BoundIdentity) (bound bool, err error) {
	hit, err := tx.execCounting(ctx, `
		INSERT INTO staff_identities (organization_id, id, staff_id, issuer, subject, email, bound_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`,
		tx.Organization.String(), identity.ID, identity.StaffID, identity.Issuer, identity.Subject, identity.Email, identity.BoundAt)
	if err != nil {
		return false, fmt.Errorf("bind identity: %w", err)
	}
	return hit == 1, nil
}

type identityRow struct {
	ID      uuid.UUID `db:"id"`
	StaffID uuid.UUID `db:"staff_id"`
	Issuer  string    `db:"issuer"`
	Subject string    `db:"subject"`
	Email   string    `db:"email"`
	BoundAt time.Time `db:"bound_at"`
}

func identitiesOf(rows []identityRow) []domain.BoundIdentity {
	identities := make([]domain.BoundIdentity, len(rows))
	for i, row := range rows {
		identities[i] = domain.BoundIdentity(row)
		identities[i].BoundAt = row.BoundAt.UTC()
	}
	return identities
}

// Identities are those of a staff member.
func (tx *Tx) Identities(ctx context.Context, staff uuid.UUID) (identities domain.StaffIdentities, err error) {
	var rows []identityRow
	if err := tx.selectAll(ctx, &rows, `
		SELECT id, staff_id, issuer, subject, email, bound_at FROM staff_identities WHERE organization_id = $1 AND staff_id = $2 ORDER BY id`,
		tx.Organization.String(), staff); err != nil {
		return identities, fmt.Errorf("read identities: %w", err)
	}
	identities.Bound = identitiesOf(rows)
	if err := tx.get(ctx, &identities.EmailTrusted, `SELECT email_trusted FROM staff WHERE organization_id = $1 AND id = $2`, tx.Organization.String(), staff); err != nil {
		return identities, fmt.Errorf("read whether an email is trusted: %w", err)
	}
	return identities, nil
}

// UnbindIdentities ends that any subject stands for a staff member.
func (tx *Tx) UnbindIdentities(ctx context.Context, staff uuid.UUID) error {
	if err := tx.exec(ctx, `DELETE FROM staff_identities WHERE organization_id = $1 AND staff_id = $2`, tx.Organization.String(), staff); err != nil {
		return fmt.Errorf("unbind identities: %w", err)
	}
	return nil
}

// TrustEmail writes whether a staff member's email lets in whoever comes with it from an issuer for the first time.
func (tx *Tx) TrustEmail(ctx context.Context, staff uuid.UUID, trusted bool) error {
	if err := tx.exec(ctx, `UPDATE staff SET email_trusted = $3 WHERE organization_id = $1 AND id = $2 AND email_trusted <> $3`,
		tx.Organization.String(), staff, trusted); err != nil {
		return fmt.Errorf("trust an email: %w", err)
	}
	return nil
}
