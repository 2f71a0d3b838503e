package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// IdempotencyKey names one request of one staff member, so that repeating it gives the same answer.
type IdempotencyKey struct {
	StaffID   uuid.UUID
	Operation string
	Key       string
}

// StoredAnswer is what a request with a key was answered.
type StoredAnswer struct {
	RequestHash []byte `db:"request_hash"`
	Answer      []byte `db:"answer"`
}

// ClaimKey takes the key for this transaction; claimed is false while another one holds it. The claim is an advisory
// lock: it is gone when the transaction is, however that ends.
func (tx *Tx) ClaimKey(ctx context.Context, key IdempotencyKey) (claimed bool, err error) {
	err = tx.get(ctx, &claimed, `SELECT pg_try_advisory_xact_lock(hashtextextended(concat_ws('/', $1::text, $2::text, $3::text, $4::text), 7061))`,
		tx.Organization.String(), key.StaffID.String(), key.Operation, key.Key)
	if err != nil {
		return false, fmt.Errorf("claim idempotency key: %w", err)
	}
	return claimed, nil
}

// StoredAnswer finds what the key's request was answered; found tells whether it was.
func (tx *Tx) StoredAnswer(ctx context.Context, key IdempotencyKey, now time.Time) (answer StoredAnswer, found bool, err error) {
	err = tx.get(ctx, &answer, `
		SELECT request_hash, answer FROM idempotency_keys
		WHERE organization_id = $1 AND staff_id = $2 AND operation = $3 AND key = $4 AND (expires_at IS NULL OR expires_at > $5)`,
		tx.Organization.String(), key.StaffID, key.Operation, key.Key, now)
	if errors.Is(err, sql.ErrNoRows) {
		return StoredAnswer{}, false, nil
	}
	if err != nil {
		return StoredAnswer{}, false, fmt.Errorf("read stored answer: %w", err)
	}
	return answer, true, nil
}

// StoreAnswer keeps an answer under its key: until expiry, or, for a run's, as long as the run.
func (tx *Tx) StoreAnswer(ctx context.Context, key IdempotencyKey, answer StoredAnswer, run uuid.UUID, now time.Time, expires *time.Time) error {
	if err := tx.exec(ctx, `
		INSERT INTO idempotency_keys (organization_id, staff_id, operation, key, request_hash, answer, run_id, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (organization_id, staff_id, operation, key) DO UPDATE SET request_hash = excluded.request_hash, answer = excluded.answer,
			run_id = excluded.run_id, created_at = excluded.created_at, expires_at = excluded.expires_at`,
		tx.Organization.String(), key.StaffID, key.Operation, key.Key, answer.RequestHash, answer.Answer, nullID(run), now, expires); err != nil {
		return fmt.Errorf("store answer: %w", err)
	}
	return nil
}
