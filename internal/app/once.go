package app

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// Key is an Idempotency-Key with the request it came with. The scope is organization, staff member and operation.
type Key struct {
	Operation   string
	Key         string
	RequestHash []byte
	// Seal encrypts the stored answer where it holds a secret: 32 bytes that only who asked can give again.
	Seal []byte
}

// keyLifetime is how long a stored answer is kept; a run's is kept as long as the run.
const keyLifetime = 24 * time.Hour

// once runs work in a transaction that changes something. With a key, the first run's answer commits together with the
// work, and repeating the request gives it again without working again; replayed tells that it did.
func once[T any](ctx context.Context, a *App, caller domain.Caller, key *Key, work func(*postgres.Tx) (T, error)) (answer T, replayed bool, err error) {
	err = a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		answer, replayed, err = onceIn(ctx, a, tx, caller, key, work)
		return err
	})
	return answer, replayed, err
}

func onceIn[T any](ctx context.Context, a *App, tx *postgres.Tx, caller domain.Caller, key *Key, work func(*postgres.Tx) (T, error)) (answer T, replayed bool, err error) {
	if key == nil {
		answer, err = work(tx)
		return answer, false, err
	}
	now := a.instant()
	scoped := postgres.IdempotencyKey{StaffID: caller.StaffID, Operation: key.Operation, Key: key.Key}
	claimed, err := tx.ClaimKey(ctx, scoped)
	if err != nil {
		return answer, false, err
	}
	if !claimed {
		refusal := domain.Refuse(domain.CodeIdempotencyKeyInUse, "A request with this Idempotency-Key is still being worked on. Repeat it shortly to get its answer.")
		refusal.RetryAfter = time.Second
		a.metrics.keys.WithLabelValues(keyInUse).Inc()
		return answer, false, refusal
	}
	stored, found, err := tx.StoredAnswer(ctx, scoped, now)
	if err != nil {
		return answer, false, err
	}
	if found {
		answer, err = replay[T](stored, key)
		a.metrics.found(err)
		return answer, err == nil, err
	}
	if answer, err = work(tx); err != nil {
		return answer, false, err
	}
	encoded, err := json.Marshal(answer)
	if err != nil {
		return answer, false, fmt.Errorf("encode answer: %w", err)
	}
	if encoded, err = seal(key.Seal, encoded); err != nil {
		return answer, false, err
	}
	expires := new(now.Add(keyLifetime))
	var runID uuid.UUID
	if run, ok := any(answer).(domain.Run); ok {
		expires, runID = nil, run.ID
	}
	tx.OnCommit(a.metrics.keys.WithLabelValues(keyNew).Inc)
	err = tx.StoreAnswer(ctx, scoped, postgres.StoredAnswer{RequestHash: key.RequestHash, Answer: encoded}, runID, now, expires)
	return answer, false, err
}

// answered gives the stored answer of a request that was made before. It is for what asks the outside before its own transaction:
// a request that is repeated asks nobody.
func answered[T any](ctx context.Context, a *App, caller domain.Caller, key *Key) (answer T, found bool, err error) {
	if key == nil {
		return answer, false, nil
	}
	err = a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		var stored postgres.StoredAnswer
		scoped := postgres.IdempotencyKey{StaffID: caller.StaffID, Operation: key.Operation, Key: key.Key}
		if stored, found, err = tx.StoredAnswer(ctx, scoped, a.instant()); err != nil || !found {
			return err
		}
		answer, err = replay[T](stored, key)
		a.metrics.found(err)
		return err
	})
	return answer, found && err == nil, err
}

func replay[T any](stored postgres.StoredAnswer, key *Key) (answer T, err error) {
	if !bytes.Equal(stored.RequestHash, key.RequestHash) {
		return answer, domain.Refuse(domain.CodeIdempotencyKeyReused, "This Idempotency-Key was used with another request. Use a new key for a new request.")
	}
	text, err := open(key.Seal, stored.Answer)
	if err != nil {
		return answer, domain.Refuse(domain.CodeIdempotencyKeyReused, "This Idempotency-Key was used with another credential, and its answer holds a secret. Use a new key.")
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return answer, fmt.Errorf("read stored answer: %w", err)
	}
	return answer, nil
}

func sealer(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("seal with a key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func seal(key, text []byte) ([]byte, error) {
	if key == nil {
		return text, nil
	}
	return sealBeside(key, text, nil)
}

// sealBeside encrypts a text that can be opened beside the same bytes alone.
func sealBeside(key, text, beside []byte) ([]byte, error) {
	aead, err := sealer(key)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, text, beside), nil
}

var errSealed = errors.New("sealed with another key")

func open(key, text []byte) ([]byte, error) {
	if key == nil {
		return text, nil
	}
	return openBeside(key, text, nil)
}

func openBeside(key, text, beside []byte) ([]byte, error) {
	aead, err := sealer(key)
	if err != nil {
		return nil, err
	}
	opened, err := aead.Open(nil, nil, text, beside)
	if err != nil {
		return nil, errSealed
	}
	return opened, nil
}

// openWithAny opens what was sealed with one of the keys, and tells which.
func openWithAny(keys [][]byte, text, beside []byte) (opened []byte, with int, err error) {
	for with, key := range keys {
		if opened, err = openBeside(key, text, beside); err == nil {
			return opened, with, nil
		}
	}
	return nil, 0, err
}
