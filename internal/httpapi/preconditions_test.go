package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

func TestIfMatch(t *testing.T) {
	const version = "5d2c9a7be31f40c8"
	t.Run("one strong tag, and any", func(t *testing.T) {
		for sent, want := range map[string]string{etag(version): version, " " + etag(version) + " ": version, "*": "*", `""`: ""} {
			got, err := ifMatchOf(&sent)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		}
	})
	t.Run("weak tags and lists match no version", func(t *testing.T) {
		for _, sent := range []string{`W/"` + version + `"`, etag(version) + `, "b"`, `"b",W/"a"`} {
			got, err := ifMatchOf(&sent)
			require.NoError(t, err)
			assert.Contains(t, got, `"`)
		}
	})
	t.Run("what is no tag is told apart from what is stale", func(t *testing.T) {
		for _, sent := range []string{version, `"` + version, `"a" "b"`, `'a'`} {
			_, err := ifMatchOf(&sent)
			var refusal *domain.Error
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, domain.CodePreconditionFailed, refusal.Code)
			assert.Contains(t, refusal.Detail, "double quotes")
		}
	})
	t.Run("without it there is no write", func(t *testing.T) {
		for _, sent := range []*string{nil, new(""), new(" ")} {
			_, err := ifMatchOf(sent)
			var refusal *domain.Error
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, domain.CodePreconditionRequired, refusal.Code)
		}
	})
}

func TestIdempotencyKeys(t *testing.T) {
	f := newFrame(t)
	var plain, sealed *app.Key
	f.stub.on = func(ctx context.Context, request any) error {
		var key *api.IdempotencyKey
		switch request := request.(type) {
		case api.CreateReferralRequestObject:
			key = request.Params.IdempotencyKey
		case api.DeactivateStaffRequestObject:
			key = request.Params.IdempotencyKey
		}
		plain, sealed = keyOf(ctx, key), sealedKeyOf(ctx, key)
		return nil
	}
	const body = `{"first_name":"A","last_name":"B"}`
	ask := func(path, body string, headers ...header) app.Key {
		t.Helper()
		got := f.send(http.MethodPost, path, body, signedIn(append([]header{{"Idempotency-Key": "k1"}}, headers...)...))
		require.Less(t, got.StatusCode, 300, got.text)
		require.NotNil(t, plain)
		assert.Equal(t, "k1", plain.Key)
		assert.Nil(t, plain.Seal)
		assert.Equal(t, plain.RequestHash, sealed.RequestHash)
		return *sealed
	}
	first := ask("/v1/referrals", body)
	assert.Equal(t, "createReferral /v1/referrals", first.Operation)

	t.Run("without a key there is none", func(t *testing.T) {
		f.send(http.MethodPost, "/v1/referrals", body, signedIn())
		assert.Nil(t, plain)
		assert.Nil(t, sealed)
	})
	t.Run("white space makes no other request, a value does", func(t *testing.T) {
		assert.Equal(t, first.RequestHash, ask("/v1/referrals", " {\n\"first_name\" : \"A\", \"last_name\":\"B\" }").RequestHash)
		assert.NotEqual(t, first.RequestHash, ask("/v1/referrals", `{"first_name":"A","last_name":"B "}`).RequestHash)
	})
	t.Run("the path and the query belong to the request", func(t *testing.T) {
		one, other := ask("/v1/staff/"+anID+"/deactivate", ""), ask("/v1/staff/me/deactivate", "")
		assert.NotEqual(t, one.Operation, other.Operation)
		asked := ask("/v1/staff/me/deactivate?require_empty=true", "")
		assert.Equal(t, other.Operation, asked.Operation)
		assert.NotEqual(t, other.RequestHash, asked.RequestHash)
	})
	t.Run("the seal is the credential's and the key's", func(t *testing.T) {
		assert.Len(t, first.Seal, sealLength)
		assert.Equal(t, first.Seal, ask("/v1/referrals", body).Seal)
		assert.NotEqual(t, first.Seal, ask("/v1/referrals", body, header{"Authorization": "Bearer " + otherToken}).Seal)
		f.send(http.MethodPost, "/v1/referrals", body, signedIn(header{"Idempotency-Key": "k2"}))
		assert.False(t, bytes.Equal(first.Seal, sealed.Seal))
	})
}
