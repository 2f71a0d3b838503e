package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// invitationOf is a sub-select that gives the last invitation of whom a column names as a JSON object; null where there is none.
// It is open where its link works until it expires; find_invitation decides that in the same way for who has the link.
func invitationOf(column, subject, email string) string {
	return `(SELECT json_build_object('sent_to', i.email, 'sent_at', i.sent_at, 'expires_at', i.expires_at, 'accepted_at', i.accepted_at,
			'open', i.ended_at IS NULL AND coalesce(lower(i.email) = lower(` + email + `), false), 'times_sent', count(*) OVER ())
		FROM invitations i WHERE i.organization_id = $1 AND i.` + column + ` = ` + subject + ` ORDER BY i.sent_at DESC, i.id DESC LIMIT 1)`
}

// The last invitation of a client (alias p), and of a staff member (alias s).
var (
	invitationOfPerson = invitationOf("person_id", "p.id", "p.email")
	invitationOfStaff  = invitationOf("staff_id", "s.id", "s.email")
)

// invitationState reads the object that invitationOf builds.
type invitationState struct{ *domain.InvitationState }

// Scan reads the object.
func (s *invitationState) Scan(source any) error {
	if source == nil {
		s.InvitationState = nil
		return nil
	}
	text, ok := source.([]byte)
	if !ok {
		return fmt.Errorf("read invitation: unexpected %T", source)
	}
	var read struct {
		SentTo     string     `json:"sent_to"`
		SentAt     time.Time  `json:"sent_at"`
		ExpiresAt  time.Time  `json:"expires_at"`
		AcceptedAt *time.Time `json:"accepted_at"`
		Open       bool       `json:"open"`
		TimesSent  int        `json:"times_sent"`
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return fmt.Errorf("read invitation: %w", err)
	}
	s.InvitationState = &domain.InvitationState{
		SentTo: read.SentTo, SentAt: read.SentAt.UTC(), ExpiresAt: read.ExpiresAt.UTC(), AcceptedAt: utc(read.AcceptedAt),
		Open: read.Open, TimesSent: read.TimesSent,
	}
	return nil
}

// InvitationsSent reads what somebody was sent before. Their row is locked, or new: what it tells stays so.
func (tx *Tx) InvitationsSent(ctx context.Context, who domain.Invitee, now time.Time) (domain.InvitationsSent, error) {
	var sent domain.InvitationsSent
	if err := tx.get(ctx, &sent.Activated, `
		SELECT EXISTS (SELECT FROM accounts WHERE organization_id = $1 AND person_id = $2) OR EXISTS (SELECT FROM accounts WHERE organization_id = $1 AND staff_id = $3)`,
		tx.Organization.String(), nullID(who.PersonID), nullID(who.StaffID)); err != nil {
		return sent, fmt.Errorf("look for an account: %w", err)
	}
	if err := tx.get(ctx, &sent.Times, `SELECT count(*) FROM invitations WHERE organization_id = $1 AND (person_id = $2 OR staff_id = $3)`,
		tx.Organization.String(), nullID(who.PersonID), nullID(who.StaffID)); err != nil {
		return sent, fmt.Errorf("count invitations: %w", err)
	}
	if err := tx.selectAll(ctx, &sent.Recent, `
		SELECT sent_at FROM invitations WHERE organization_id = $1 AND (person_id = $2 OR staff_id = $3) AND sent_at > $4 ORDER BY sent_at DESC LIMIT $5`,
		tx.Organization.String(), nullID(who.PersonID), nullID(who.StaffID), now.Add(-domain.InvitationSpan), domain.InvitationsAnHour); err != nil {
		return sent, fmt.Errorf("read recent invitations: %w", err)
	}
	return sent, nil
}

// StaffCameIn tells whether a staff member has an account, has signed in at an issuer, or has had an API token, also one that is revoked.
// What was forgotten of an issuer since is in the audit trail still.
func (tx *Tx) StaffCameIn(ctx context.Context, id uuid.UUID) (cameIn bool, err error) {
	if err := tx.get(ctx, &cameIn, `
		SELECT EXISTS (SELECT FROM accounts WHERE organization_id = $1 AND staff_id = $2) OR EXISTS (SELECT FROM api_tokens WHERE organization_id = $1 AND staff_id = $2)
			OR EXISTS (SELECT FROM staff_identities WHERE organization_id = $1 AND staff_id = $2)
			OR EXISTS (SELECT FROM audit_events WHERE organization_id = $1 AND subject_id = $2 AND action = 'identity_bound')`,
		tx.Organization.String(), id); err != nil {
		return false, fmt.Errorf("look for what a staff member came in with: %w", err)
	}
	return cameIn, nil
}

// SaveInvitation writes an invitation, of whose token only the hash is kept, and ends earlier ones of the same invitee: their links
// stop working, and those that have not been mailed yet are not any more.
func (tx *Tx) SaveInvitation(ctx context.Context, who domain.Invitee, invitation domain.Invitation, tokenHash []byte, sentBy uuid.UUID) error {
	if err := tx.EndInvitations(ctx, who.PersonID, who.StaffID, invitation.SentAt); err != nil {
		return err
	}
	if err := tx.exec(ctx, `
		INSERT INTO invitations (organization_id, id, person_id, staff_id, token_hash, email, sent_by_staff_id, sent_at, expires_at, email_status)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending')`,
		tx.Organization.String(), invitation.ID, nullID(who.PersonID), nullID(who.StaffID), tokenHash, invitation.SentTo, nullID(sentBy),
		invitation.SentAt, invitation.ExpiresAt); err != nil {
		return fmt.Errorf("save invitation: %w", err)
	}
	return nil
}

// EndInvitations ends the open invitations of a client or a staff member.
func (tx *Tx) EndInvitations(ctx context.Context, person, staff uuid.UUID, now time.Time) error {
	if err := tx.exec(ctx, `
		UPDATE invitations SET ended_at = $4 WHERE organization_id = $1 AND (person_id = $2 OR staff_id = $3) AND ended_at IS NULL AND accepted_at IS NULL`,
		tx.Organization.String(), nullID(person), nullID(staff), now); err != nil {
		return fmt.Errorf("end earlier invitations: %w", err)
	}
	return nil
}

// FoundInvitation is what the hash of a token stands for.
type FoundInvitation struct {
	Organization     uuid.UUID     `db:"organization_id"`
	ID               uuid.UUID     `db:"invitation_id"`
	PersonID         uuid.NullUUID `db:"person_id"`
	StaffID          uuid.NullUUID `db:"staff_id"`
	OrganizationName string        `db:"organization_name"`
	FirstName        string        `db:"first_name"`
	LastName         string        `db:"last_name"`
	Email            string        `db:"email"`
	ExpiresAt        time.Time     `db:"expires_at"`
	Open             bool          `db:"is_open"`
}

const findInvitation = `SELECT organization_id, invitation_id, person_id, staff_id, organization_name, first_name, last_name, email, expires_at, is_open
	FROM find_invitation($1)`

// InvitationByHash finds an invitation before its organization is known, by the SHA-256 of its token; found tells whether there
// is one. It goes through a function of the database that does just this.
func (s *Store) InvitationByHash(ctx context.Context, hash []byte) (invitation FoundInvitation, found bool, err error) {
	if err = s.getOne(ctx, &invitation, findInvitation, hash); errors.Is(err, sql.ErrNoRows) {
		return FoundInvitation{}, false, nil
	}
	if err != nil {
		return FoundInvitation{}, false, fmt.Errorf("look for invitation: %w", translate(err))
	}
	return invitation, true, nil
}

// LockInvited keeps whoever is invited as they are until the transaction ends, and reads the invitation once more: of several who
// accept, resend or end it at once, one goes first.
func (tx *Tx) LockInvited(ctx context.Context, invitation FoundInvitation, hash []byte) (again FoundInvitation, err error) {
	table, id := "people", invitation.PersonID
	if !id.Valid {
		table, id = "staff", invitation.StaffID
	}
	if err := tx.exec(ctx, `SELECT FROM `+table+` WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE`, tx.Organization.String(), id); err != nil {
		return again, fmt.Errorf("lock who is invited: %w", err)
	}
	if err := tx.get(ctx, &again, findInvitation, hash); err != nil {
		return again, fmt.Errorf("read invitation again: %w", err)
	}
	return again, nil
}

// AcceptInvitation marks an invitation as accepted, once.
func (tx *Tx) AcceptInvitation(ctx context.Context, id uuid.UUID, now time.Time) error {
	hit, err := tx.execCounting(ctx, `
		UPDATE invitations SET accepted_at = $3 WHERE organization_id = $1 AND id = $2 AND accepted_at IS NULL AND ended_at IS NULL`,
		tx.Organization.String(), id, now)
	return expect("accept invitation", hit, err, 1)
}

// InvitationMail is what the mail of an invitation says.
type InvitationMail struct {
	Email     string    `db:"email"`
	FirstName string    `db:"first_name"`
	LastName  string    `db:"last_name"`
	SentAt    time.Time `db:"sent_at"`
	ExpiresAt time.Time `db:"expires_at"`
	Open      bool      `db:"is_open"` // it can still be accepted, until it expires
}

// InvitationMail reads what the mail of an invitation says now.
func (tx *Tx) InvitationMail(ctx context.Context, id uuid.UUID) (mail InvitationMail, err error) {
	err = tx.get(ctx, &mail, `
		SELECT f.email, f.first_name, f.last_name, i.sent_at, f.expires_at, f.is_open
		FROM invitations i CROSS JOIN LATERAL find_invitation(i.token_hash) f WHERE i.organization_id = $1 AND i.id = $2`, tx.Organization.String(), id)
	if err != nil {
		return mail, fmt.Errorf("read the mail of an invitation: %w", err)
	}
	return mail, nil
}
