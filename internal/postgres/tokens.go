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

// APIToken is a credential of a staff member, without its secret.
type APIToken struct {
	ID         uuid.UUID
	Staff      domain.StaffRef
	Name       string
	Scopes     []domain.Scope // nil: all that the staff member has
	CreatedAt  time.Time
	ExpiresAt  *time.Time
	RevokedAt  *time.Time
	LastUsedAt *time.Time
	IsSession  bool // of somebody who has signed in with a password; swept away when it has expired
	CreatedBy  *domain.StaffRef
	ReplacedBy *uuid.UUID // the token that has taken its place
}

type tokenRow struct {
	ID          uuid.UUID          `db:"id"`
	Name        string             `db:"name"`
	Scopes      pq.StringArray     `db:"scopes"`
	CreatedAt   time.Time          `db:"created_at"`
	ExpiresAt   *time.Time         `db:"expires_at"`
	RevokedAt   *time.Time         `db:"revoked_at"`
	LastUsedAt  *time.Time         `db:"last_used_at"`
	StaffID     uuid.UUID          `db:"staff_id"`
	FirstName   string             `db:"first_name"`
	LastName    string             `db:"last_name"`
	StaffStatus domain.StaffStatus `db:"staff_status"`
	IsSession   bool               `db:"is_session"`
	ReplacedBy  uuid.NullUUID      `db:"replaced_by_token_id"`
	// Who made it; null where that was nobody of staff.
	CreatedBy     uuid.NullUUID  `db:"created_by_staff_id"`
	CreatorFirst  sql.NullString `db:"creator_first_name"`
	CreatorLast   sql.NullString `db:"creator_last_name"`
	CreatorStatus sql.NullString `db:"creator_status"`
}

func (r tokenRow) token() APIToken {
	token := APIToken{
		ID: r.ID, Name: r.Name, Scopes: scopes(r.Scopes), CreatedAt: r.CreatedAt.UTC(), ExpiresAt: utc(r.ExpiresAt),
		RevokedAt: utc(r.RevokedAt), LastUsedAt: utc(r.LastUsedAt), IsSession: r.IsSession,
		Staff: domain.StaffRef{ID: r.StaffID, Name: domain.FullName(r.FirstName, r.LastName), Status: r.StaffStatus},
	}
	if r.CreatedBy.Valid {
		token.CreatedBy = &domain.StaffRef{
			ID: r.CreatedBy.UUID, Name: domain.FullName(r.CreatorFirst.String, r.CreatorLast.String), Status: domain.StaffStatus(r.CreatorStatus.String),
		}
	}
	if r.ReplacedBy.Valid {
		token.ReplacedBy = &r.ReplacedBy.UUID
	}
	return token
}

func scopes(texts []string) []domain.Scope {
	if texts == nil {
		return nil
	}
	read := make([]domain.Scope, len(texts))
	for i, text := range texts {
		read[i] = domain.Scope(text)
	}
	return read
}

const tokenSelect = `SELECT t.id, t.name, t.scopes, t.created_at, t.expires_at, t.revoked_at, t.last_used_at,
	s.id AS staff_id, s.first_name, s.last_name, s.status AS staff_status, t.is_session, t.replaced_by_token_id,
	t.created_by_staff_id, creator.first_name AS creator_first_name, creator.last_name AS creator_last_name, creator.status AS creator_status `

const tokenTables = `api_tokens t JOIN staff s ON s.organization_id = t.organization_id AND s.id = t.staff_id
	LEFT JOIN staff creator ON creator.organization_id = t.organization_id AND creator.id = t.created_by_staff_id`

func (tx *Tx) ownTokens(caller domain.Caller, staff []uuid.UUID) *query {
	q := newQuery("t", tx.Organization)
	if !caller.IsAdministrator() {
		q.and("t.staff_id = %s", caller.StaffID)
	}
	if len(staff) > 0 {
		q.and("t.staff_id = ANY (%s)", ids(staff))
	}
	return q
}

// APITokens lists a page of the caller's tokens, an administrator's all, with one more than the page holds where there
// are more.
func (tx *Tx) APITokens(ctx context.Context, caller domain.Caller, staff []uuid.UUID, page domain.Page) ([]APIToken, error) {
	q := tx.ownTokens(caller, staff)
	var rows []tokenRow
	if err := tx.list(ctx, &rows, q, tokenSelect+q.page(tokenTables, page)); err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	tokens := make([]APIToken, len(rows))
	for i, row := range rows {
		tokens[i] = row.token()
	}
	return tokens, nil
}

// CountAPITokens counts the tokens that APITokens lists.
func (tx *Tx) CountAPITokens(ctx context.Context, caller domain.Caller, staff []uuid.UUID) (int, error) {
	total, err := tx.count(ctx, tx.ownTokens(caller, staff), "api_tokens t")
	if err != nil {
		return 0, fmt.Errorf("count tokens: %w", err)
	}
	return total, nil
}

// APIToken reads one token, whoever's it is.
func (tx *Tx) APIToken(ctx context.Context, id uuid.UUID, lock bool) (APIToken, error) {
	var row tokenRow
	err := tx.get(ctx, &row, tokenSelect+"FROM "+tokenTables+" WHERE t.organization_id = $1 AND t.id = $2"+locking(lock, " FOR NO KEY UPDATE OF t"),
		tx.Organization.String(), id)
	if errors.Is(err, sql.ErrNoRows) {
		return APIToken{}, domain.Refuse(domain.CodeNotFound, "There is no such token.")
	}
	if err != nil {
		return APIToken{}, fmt.Errorf("read token: %w", err)
	}
	return row.token(), nil
}

// SaveAPIToken writes a new token, of whose secret only the hash is kept.
func (tx *Tx) SaveAPIToken(ctx context.Context, token APIToken, secretHash []byte) error {
	var limited any
	if token.Scopes != nil {
		limited = pq.Array(texts(token.Scopes))
	}
	var creator uuid.NullUUID
	if token.CreatedBy != nil {
		creator = uuid.NullUUID{UUID: token.CreatedBy.ID, Valid: true}
	}
	if err := tx.exec(ctx, `
		INSERT INTO api_tokens (organization_id, id, staff_id, name, secret_hash, scopes, created_at, expires_at, is_session, created_by_staff_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		tx.Organization.String(), token.ID, token.Staff.ID, token.Name, secretHash, limited, token.CreatedAt, token.ExpiresAt, token.IsSession, creator); err != nil {
		return fmt.Errorf("save token: %w", err)
	}
	return nil
}

// RevokeAPIToken ends a token.
func (tx *Tx) RevokeAPIToken(ctx context.Context, id uuid.UUID, now time.Time) error {
	if err := tx.exec(ctx, `UPDATE api_tokens SET revoked_at = $3 WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL`, tx.Organization.String(), id, now); err != nil {
		return fmt.Errorf("revoke token: %w", err)
	}
	return nil
}

// ReplaceAPIToken notes what has taken a token's place, and until when it still works.
func (tx *Tx) ReplaceAPIToken(ctx context.Context, token APIToken) error {
	hit, err := tx.execCounting(ctx, `
		UPDATE api_tokens SET expires_at = $3, replaced_by_token_id = $4
		WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL AND replaced_by_token_id IS NULL`,
		tx.Organization.String(), token.ID, token.ExpiresAt, token.ReplacedBy)
	return expect("replace token", hit, err, 1)
}

// MarkTokenUsed notes when a token was last used, to the minute.
func (tx *Tx) MarkTokenUsed(ctx context.Context, id uuid.UUID, now time.Time) error {
	if err := tx.exec(ctx, `UPDATE api_tokens SET last_used_at = $3::timestamptz WHERE organization_id = $1 AND id = $2 AND coalesce(last_used_at < $3::timestamptz - interval '1 minute', true)`,
		tx.Organization.String(), id, now); err != nil {
		return fmt.Errorf("note use of token: %w", err)
	}
	return nil
}

// Credential is what a token's secret stands for.
type Credential struct {
	Organization uuid.UUID          `db:"organization_id"`
	TokenID      uuid.UUID          `db:"token_id"`
	Scopes       pq.StringArray     `db:"scopes"`
	ExpiresAt    *time.Time         `db:"expires_at"`
	RevokedAt    *time.Time         `db:"revoked_at"`
	LastUsedAt   *time.Time         `db:"last_used_at"`
	StaffID      uuid.UUID          `db:"staff_id"`
	FirstName    string             `db:"first_name"`
	LastName     string             `db:"last_name"`
	Role         domain.Role        `db:"role"`
	Status       domain.StaffStatus `db:"status"`
	Permissions  pq.StringArray     `db:"permissions"`
	TimeZone     string             `db:"time_zone"`
}

// Caller is who the credential stands for.
func (c Credential) Caller() domain.Caller {
	return domain.Caller{
		Organization: domain.OrganizationID(c.Organization), StaffID: c.StaffID, Name: domain.FullName(c.FirstName, c.LastName),
		Role: c.Role, Permissions: permissions(c.Permissions), TokenID: c.TokenID, Scopes: scopes(c.Scopes),
		TimeZone: c.TimeZone,
	}
}

// CredentialByHash finds a token before its organization is known, by the SHA-256 of its secret; found tells whether
// there is one. It goes through a function of the database that does just this.
func (s *Store) CredentialByHash(ctx context.Context, hash []byte) (credential Credential, found bool, err error) {
	const look = `SELECT organization_id, token_id, scopes, expires_at, revoked_at, last_used_at, staff_id, first_name, last_name, role, status, permissions, time_zone
		FROM authenticate_api_token($1)`
	if err = s.getOne(ctx, &credential, look, hash); errors.Is(err, sql.ErrNoRows) {
		return Credential{}, false, nil
	}
	if err != nil {
		return Credential{}, false, fmt.Errorf("look for token: %w", translate(err))
	}
	return credential, true, nil
}

// SweepExpired deletes expired selections, stored answers and sessions, of every organization, and what is known of failures to sign in.
func (s *Store) SweepExpired(ctx context.Context, now time.Time) error {
	if _, err := s.DB.ExecContext(ctx, `SELECT sweep_expired($1), sweep_sessions($1)`, now); err != nil {
		return fmt.Errorf("sweep what has expired: %w", err)
	}
	return nil
}
