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

// SaveAccount writes a new account. That somebody has one already can only be a fault of the service: an invitation of theirs is
// not open.
func (tx *Tx) SaveAccount(ctx context.Context, account domain.Account, passwordHash string) error {
	if err := tx.exec(ctx, `
		INSERT INTO accounts (organization_id, id, person_id, staff_id, email_normalized, password_hash, created_at, password_set_at)
		VALUES ($1, $2, $3, $4, lower($5), $6, $7, $7)`,
		tx.Organization.String(), account.ID, nullID(account.PersonID), nullID(account.StaffID), account.Email, passwordHash, account.CreatedAt); err != nil {
		return fmt.Errorf("save account: %w", err)
	}
	return nil
}

// RenewPasswordHash writes another hash of the same password.
func (tx *Tx) RenewPasswordHash(ctx context.Context, account uuid.UUID, passwordHash string) error {
	if err := tx.exec(ctx, `UPDATE accounts SET password_hash = $3 WHERE organization_id = $1 AND id = $2`, tx.Organization.String(), account, passwordHash); err != nil {
		return fmt.Errorf("renew password hash: %w", err)
	}
	return nil
}

// SignInAccount is an account as signing in needs it.
type SignInAccount struct {
	Organization uuid.UUID     `db:"organization_id"`
	ID           uuid.UUID     `db:"account_id"`
	PersonID     uuid.NullUUID `db:"person_id"`
	StaffID      uuid.NullUUID `db:"staff_id"`
	PasswordHash string        `db:"password_hash"`
	Open         bool          `db:"is_open"` // whoever has it is active
}

// SignInAccounts finds the accounts of an address, those of one organization or of all (nil).
func (s *Store) SignInAccounts(ctx context.Context, email string, organization *uuid.UUID) ([]SignInAccount, error) {
	var accounts []SignInAccount
	err := s.outside(ctx, func(ctx context.Context) error {
		return s.DB.SelectContext(ctx, &accounts, `SELECT organization_id, account_id, person_id, staff_id, password_hash, is_open FROM sign_in_accounts($1, $2)`,
			email, organization)
	})
	if err != nil {
		return nil, fmt.Errorf("look for accounts: %w", translate(err))
	}
	return accounts, nil
}

// AccountsNamed reads whose accounts of the organization some are.
func (tx *Tx) AccountsNamed(ctx context.Context, accounts []uuid.UUID) ([]domain.AccountRef, error) {
	var rows []struct {
		ID               uuid.UUID `db:"id"`
		OfStaff          bool      `db:"of_staff"`
		FirstName        string    `db:"first_name"`
		LastName         string    `db:"last_name"`
		OrganizationName string    `db:"organization_name"`
	}
	if err := tx.selectAll(ctx, &rows, `
		SELECT a.id, a.staff_id IS NOT NULL AS of_staff, coalesce(p.first_name, s.first_name) AS first_name,
			coalesce(p.last_name, s.last_name) AS last_name, o.name AS organization_name
		FROM accounts a
		JOIN organizations o ON o.id = a.organization_id
		LEFT JOIN people p ON p.organization_id = a.organization_id AND p.id = a.person_id
		LEFT JOIN staff s ON s.organization_id = a.organization_id AND s.id = a.staff_id
		WHERE a.organization_id = $1 AND a.id = ANY ($2::uuid[])`, tx.Organization.String(), ids(accounts)); err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	named := make([]domain.AccountRef, len(rows))
	for i, row := range rows {
		named[i] = domain.AccountRef{
			ID: row.ID, Kind: domain.AccountOfClient, Name: domain.FullName(row.FirstName, row.LastName),
			OrganizationID: tx.Organization, OrganizationName: row.OrganizationName,
		}
		if row.OfStaff {
			named[i].Kind = domain.AccountOfStaff
		}
	}
	return named, nil
}

// BeginSignIn counts an attempt to sign in with an address as failed, until ForgiveSignIn. Where as many as most have failed within
// the span it counts nothing, and tells when the next is heard.
func (s *Store) BeginSignIn(ctx context.Context, email string, now time.Time, span time.Duration, most int) (heardAt *time.Time, err error) {
	if err := s.getOne(ctx, &heardAt, `SELECT begin_sign_in($1, $2, $3 * interval '1 microsecond', $4)`, email, now, span.Microseconds(), most); err != nil {
		return nil, fmt.Errorf("count an attempt to sign in: %w", translate(err))
	}
	return heardAt, nil
}

// ForgiveSignIn takes back that an attempt has failed.
func (s *Store) ForgiveSignIn(ctx context.Context, email string) error {
	err := s.outside(ctx, func(ctx context.Context) error {
		_, err := s.DB.ExecContext(ctx, `SELECT forgive_sign_in($1)`, email)
		return err
	})
	if err != nil {
		return fmt.Errorf("take back a failed attempt to sign in: %w", translate(err))
	}
	return nil
}

// ClientSession is a session of a client, without its secret.
type ClientSession struct {
	ID        uuid.UUID
	AccountID uuid.UUID
	CreatedAt time.Time
	ExpiresAt time.Time
}

// SaveClientSession writes a new session, of whose secret only the hash is kept.
func (tx *Tx) SaveClientSession(ctx context.Context, session ClientSession, secretHash []byte) error {
	if err := tx.exec(ctx, `
		INSERT INTO client_sessions (organization_id, id, account_id, secret_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		tx.Organization.String(), session.ID, session.AccountID, secretHash, session.CreatedAt, session.ExpiresAt); err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

// EndClientSession ends a session; ended is false where it had ended before.
func (tx *Tx) EndClientSession(ctx context.Context, id uuid.UUID, now time.Time) (ended bool, err error) {
	hit, err := tx.execCounting(ctx, `UPDATE client_sessions SET revoked_at = $3 WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL`, tx.Organization.String(), id, now)
	if err != nil {
		return false, fmt.Errorf("end session: %w", err)
	}
	return hit == 1, nil
}

// ClientCredential is what the secret of a client's session stands for.
type ClientCredential struct {
	Organization uuid.UUID           `db:"organization_id"`
	SessionID    uuid.UUID           `db:"session_id"`
	ExpiresAt    time.Time           `db:"expires_at"`
	RevokedAt    *time.Time          `db:"revoked_at"`
	PersonID     uuid.UUID           `db:"person_id"`
	Kind         domain.PersonKind   `db:"kind"`
	Status       domain.PersonStatus `db:"status"`
	FirstName    string              `db:"first_name"`
	LastName     string              `db:"last_name"`
	TimeZone     string              `db:"time_zone"`
}

// Caller is who the credential stands for.
func (c ClientCredential) Caller() domain.Caller {
	return domain.Caller{
		Organization: domain.OrganizationID(c.Organization), TimeZone: c.TimeZone, ClientID: c.PersonID, SessionID: c.SessionID,
		Name: domain.FullName(c.FirstName, c.LastName), Scopes: []domain.Scope{},
	}
}

// ClientCredentialByHash finds a client's session before its organization is known, by the SHA-256 of its secret; found tells
// whether there is one.
func (s *Store) ClientCredentialByHash(ctx context.Context, hash []byte) (credential ClientCredential, found bool, err error) {
	const look = `SELECT organization_id, session_id, expires_at, revoked_at, person_id, kind, status, first_name, last_name, time_zone
		FROM authenticate_client_session($1)`
	if err = s.getOne(ctx, &credential, look, hash); errors.Is(err, sql.ErrNoRows) {
		return ClientCredential{}, false, nil
	}
	if err != nil {
		return ClientCredential{}, false, fmt.Errorf("look for session: %w", translate(err))
	}
	return credential, true, nil
}
