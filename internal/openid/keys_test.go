package openid

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"handover/internal/app"
	"handover/internal/outbound"
)

// published is where keys are read from in these tests, with a clock.
type published struct {
	keys  *keys
	reads atomic.Int64
	down  atomic.Bool
	ahead atomic.Int64
	lock  sync.Mutex
	set   []any
}

func publish(t *testing.T, set ...any) *published {
	t.Helper()
	p := &published{set: set}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.reads.Add(1)
		if p.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		p.lock.Lock()
		defer p.lock.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": p.set})
	}))
	t.Cleanup(server.Close)
	p.keys = &keys{
		issuer: Issuer{Issuer: server.URL, KeysURL: server.URL + "/keys"}, http: outbound.NewClient("127.0.0.1", false, fetchTimeout),
		log: slog.New(slog.DiscardHandler), count: func(string) {}, pause: fetchPause,
		now: func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) },
	}
	return p
}

func (p *published) replace(set ...any) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.set = set
}

func (p *published) pass(by time.Duration) { p.ahead.Add(int64(by)) }

func (p *published) find(t *testing.T, id string, algorithm jose.SignatureAlgorithm) (int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	found, err := p.keys.verifying(ctx, id, algorithm)
	return len(found), err
}

func (p *published) wants(t *testing.T, id string, algorithm jose.SignatureAlgorithm, count int) {
	t.Helper()
	if found, err := p.find(t, id, algorithm); err != nil || found != count {
		t.Errorf("%s of %s: got %d keys, %v; want %d", algorithm, id, found, err, count)
	}
}

func keyOf(t *testing.T, id string, curve elliptic.Curve) jose.JSONWebKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: &private.PublicKey, KeyID: id, Use: "sig"}
}

func TestKeys(t *testing.T) {
	t.Parallel()

	t.Run("a key that is withdrawn opens nothing once the keys are not fresh any more", func(t *testing.T) {
		t.Parallel()
		p := publish(t, keyOf(t, "1", elliptic.P256()))
		p.wants(t, "1", jose.ES256, 1)
		p.replace(keyOf(t, "2", elliptic.P256()))
		p.pass(keysFresh - time.Minute)
		p.wants(t, "1", jose.ES256, 1)
		if p.reads.Load() != 1 {
			t.Errorf("they were read %d times while they were fresh", p.reads.Load())
		}
		p.pass(2 * time.Minute)
		p.wants(t, "1", jose.ES256, 1) // and has them read, without waiting
		deadline := time.Now().Add(10 * time.Second)
		for {
			if found, err := p.find(t, "1", jose.ES256); err == nil && found == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the key is still there")
			}
			time.Sleep(5 * time.Millisecond)
		}
		p.wants(t, "2", jose.ES256, 1)
	})

	t.Run("a key that was withdrawn while nobody came opens nothing for the first who comes", func(t *testing.T) {
		t.Parallel()
		p := publish(t, keyOf(t, "1", elliptic.P256()))
		p.wants(t, "1", jose.ES256, 1)
		p.replace(keyOf(t, "2", elliptic.P256()))
		p.pass(5 * time.Hour)
		p.wants(t, "1", jose.ES256, 0)
		p.wants(t, "2", jose.ES256, 1)
	})

	t.Run("the keys of an issuer that is down are used for a day, and it is asked less and less often", func(t *testing.T) {
		t.Parallel()
		p := publish(t, keyOf(t, "1", elliptic.P256()))
		p.wants(t, "1", jose.ES256, 1)
		p.down.Store(true)
		p.pass(keysKept - time.Minute)
		p.wants(t, "1", jose.ES256, 1)
		p.pass(2 * time.Minute)
		for range 10 {
			if _, err := p.find(t, "1", jose.ES256); !errors.Is(err, app.ErrIssuerDown) {
				t.Errorf("got %v", err)
			}
		}
		before := p.reads.Load()
		for range 60 { // for ten minutes
			p.pass(10 * time.Second)
			if _, err := p.find(t, "1", jose.ES256); !errors.Is(err, app.ErrIssuerDown) {
				t.Errorf("got %v", err)
			}
		}
		if asked := p.reads.Load() - before; asked < 8 || asked > 16 {
			t.Errorf("it was asked %d times", asked)
		}
		p.down.Store(false)
		p.pass(time.Minute)
		p.wants(t, "1", jose.ES256, 1)
	})

	t.Run("a key is for its own algorithm and use, and what is no public key of a strength that will do is none", func(t *testing.T) {
		t.Parallel()
		small, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		large, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		sealing, bound := keyOf(t, "sealing", elliptic.P256()), keyOf(t, "bound", elliptic.P384())
		sealing.Use, bound.Algorithm = "enc", "ES384"
		p := publish(t, keyOf(t, "p256", elliptic.P256()), keyOf(t, "p521", elliptic.P521()), sealing, bound,
			jose.JSONWebKey{Key: &small.PublicKey, KeyID: "small"}, jose.JSONWebKey{Key: &large.PublicKey, KeyID: "large"}, jose.JSONWebKey{Key: large, KeyID: "private"},
			jose.JSONWebKey{Key: []byte("a secret of both sides, long enough"), KeyID: "shared"}, map[string]any{"kty": "new", "kid": "new"}, "no key at all")
		p.wants(t, "p256", jose.ES256, 1)
		p.wants(t, "p521", jose.ES512, 1)
		p.wants(t, "bound", jose.ES384, 1)
		p.wants(t, "large", jose.RS256, 1)
		p.wants(t, "large", jose.PS512, 1)
		p.wants(t, "", jose.ES256, 1) // without a name, those that could be
		for id, algorithm := range map[string]jose.SignatureAlgorithm{
			"p256": jose.ES512, "p521": jose.ES256, "sealing": jose.ES256, "bound": jose.ES256, "small": jose.RS256, "private": jose.RS256,
			"shared": jose.HS256, "large": jose.HS256, "new": jose.RS256, "": jose.EdDSA,
		} {
			p.wants(t, id, algorithm, 0)
		}
	})
}
