package httpapi

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"

	"handover/api"
	"handover/internal/app"
)

// sealLength is the length of the key that encrypts a stored answer, in bytes.
const sealLength = 32

// keyOf is the Idempotency-Key of a request, nil when it has none. It is scoped to the operation on one path: the same
// key may stand for deactivating one staff member and for deactivating another.
func keyOf(ctx context.Context, key *api.IdempotencyKey) *app.Key {
	if key == nil {
		return nil
	}
	exchange := exchangeOf(ctx)
	return &app.Key{Operation: exchange.operationID() + " " + exchange.path, Key: *key, RequestHash: exchange.hash()}
}

// sealedKeyOf is keyOf for an operation whose answer holds a secret. What encrypts the stored answer comes from the
// credential, which is stored nowhere.
func sealedKeyOf(ctx context.Context, key *api.IdempotencyKey) *app.Key {
	sealed := keyOf(ctx, key)
	if sealed == nil {
		return nil
	}
	// HKDF fails for more than 255 times the length of a hash only.
	sealed.Seal, _ = hkdf.Key(sha256.New, []byte(exchangeOf(ctx).token), nil, *key, sealLength)
	return sealed
}

// hash tells requests apart that must not share a key. White space in the body does not.
func (e *exchange) hash() []byte {
	var request bytes.Buffer
	for _, part := range []string{e.operationID(), e.path, e.query} {
		request.WriteString(part)
		request.WriteByte(0)
	}
	_ = json.Compact(&request, e.body) // what is not JSON was refused; none at all adds nothing
	sum := sha256.Sum256(request.Bytes())
	return sum[:]
}
