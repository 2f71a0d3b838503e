package acceptance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"handover/internal/openid"
)

// readsApart is how long a service of a test does not read an issuer's keys again.
const readsApart = 200 * time.Millisecond

// issuer is an issuer of OpenID Connect with keys of its own, over HTTP.
type issuer struct {
	t      testing.TB
	URL    string
	reads  atomic.Int64 // of its keys
	lock   sync.Mutex
	keys   []jose.JSONWebKey // public
	broken func(http.ResponseWriter, *http.Request) bool
}

// signingKey is a key that an issuer signs with.
type signingKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   crypto.Signer
}

func newKey(t testing.TB, id string, algorithm jose.SignatureAlgorithm) signingKey {
	t.Helper()
	key := signingKey{id: id, algorithm: algorithm}
	var err error
	switch {
	case strings.HasPrefix(string(algorithm), "ES"):
		key.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case strings.HasPrefix(string(algorithm), "Ed"):
		_, key.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		key.private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (k signingKey) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: string(k.algorithm), Use: "sig"}
}

// startIssuer runs an issuer that publishes keys, until the test ends.
func startIssuer(t testing.TB, keys ...signingKey) *issuer {
	t.Helper()
	i := &issuer{t: t}
	i.publish(keys...)
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// publish has the issuer publish these keys and no others.
func (i *issuer) publish(keys ...signingKey) {
	i.lock.Lock()
	defer i.lock.Unlock()
	i.keys = nil
	for _, key := range keys {
		i.keys = append(i.keys, key.public())
	}
}

// breaks has something else answer for the issuer, where it does; nil: nothing does.
func (i *issuer) breaks(broken func(http.ResponseWriter, *http.Request) bool) {
	i.lock.Lock()
	defer i.lock.Unlock()
	i.broken = broken
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.lock.Lock()
	broken, set := i.broken, jose.JSONWebKeySet{Keys: i.keys}
	i.lock.Unlock()
	if r.URL.Path == "/.well-known/openid-configuration" {
		i.reads.Add(1)
	}
	if broken != nil && broken(w, r) {
		return
	}
	var answer any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer = object{"issuer": i.URL, "jwks_uri": i.URL + "/keys"}
	case "/keys":
		answer = set
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// trusting is a service that trusts the issuer, as it is configured.
func (i *issuer) trusting(entries ...openid.Issuer) serviceOption {
	return func(o *serviceOptions) {
		for _, entry := range entries {
			if entry.Issuer == "" {
				entry.Issuer = i.URL
			}
			o.trusts = append(o.trusts, entry)
		}
	}
}

// everywhere is an entry of an issuer that speaks for every organization.
func everywhere() openid.Issuer {
	return openid.Issuer{Audience: []string{"handover"}, AnyOrganization: true}
}

// claims of a good token, with others in their place; nil leaves one out.
func (i *issuer) claims(subject, email string, others object) object {
	claims := object{
		"iss": i.URL, "aud": "handover", "sub": subject, "email": email, "email_verified": true,
		"iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(),
	}
	for name, value := range others {
		if value == nil {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
	return claims
}

// token is a token with these claims, signed with a key.
func (k signingKey) token(t testing.TB, claims object) string {
	t.Helper()
	return k.tokenOf(t, claims, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", k.id))
}

func (k signingKey) tokenOf(t testing.TB, claims object, options *jose.SignerOptions) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.algorithm, Key: k.private}, options)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// addressOf is the email of a staff member of a world.
func addressOf(m member) string { return m.ID.String() + "@example.org" }
