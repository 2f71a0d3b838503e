package openid

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"handover/internal/app"
	"handover/internal/outbound"
)

const (
	// fetchTimeout bounds reading an issuer's keys, from the first connection to the last byte. A request waits no longer.
	fetchTimeout = 5 * time.Second
	// fetchPause is how long the keys of an issuer are not read again, whoever sends tokens with keys that are not among them.
	fetchPause = 5 * time.Second
	// longestPause is that of an issuer that fails again and again, in pauses: a minute.
	longestPause = 12
	// keysFresh is after how long keys are read again, so that one that was withdrawn opens nothing any more.
	keysFresh = 10 * time.Minute
	// keysAwaited is from what age on the reading is waited for: where nobody has come for hours, the first who comes may be whoever has
	// stolen a key that was withdrawn meanwhile.
	keysAwaited = keysFresh + 2*time.Minute
	// keysKept is how long keys are used of an issuer that cannot be reached.
	keysKept = 24 * time.Hour

	maxDocument  = 1 << 20
	mostKeys     = 100
	leastRSABits = 2048
)

// keys are those of one issuer, as it publishes them.
type keys struct {
	issuer Issuer
	http   *http.Client
	log    *slog.Logger
	count  func(outcome string)
	now    func() time.Time
	pause  time.Duration // as fetchPause

	lock      sync.Mutex
	known     []jose.JSONWebKey
	fetchedAt time.Time
	nextAt    time.Time     // nothing is read before
	failures  int           // in a row
	reading   chan struct{} // closed when the reading that is under way has ended; nil: none is
}

// verifying are the keys that a signature may have been made with. None: it is no key of the issuer. Where that cannot be told,
// the error is app.ErrIssuerDown.
func (k *keys) verifying(ctx context.Context, id string, algorithm jose.SignatureAlgorithm) ([]jose.JSONWebKey, error) {
	fitting, reading, err := k.look(id, algorithm, true)
	if err != nil || reading == nil {
		return fitting, err
	}
	select {
	case <-reading:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the keys of an issuer: %w", ctx.Err())
	}
	fitting, _, err = k.look(id, algorithm, false)
	return fitting, err
}

// look finds keys among those that are known. reading is a reading that has to be waited for; there is none where read is false.
func (k *keys) look(id string, algorithm jose.SignatureAlgorithm, read bool) (fitting []jose.JSONWebKey, reading <-chan struct{}, err error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	age := k.now().Sub(k.fetchedAt)
	if age < keysKept {
		for _, key := range k.known {
			if fits(key, id, algorithm) {
				fitting = append(fitting, key)
			}
		}
	}
	if read && (len(fitting) == 0 || age >= keysFresh) && k.reading == nil && !k.now().Before(k.nextAt) {
		k.reading = make(chan struct{})
		go k.read()
	}
	switch {
	case len(fitting) > 0 && (!read || k.reading == nil || age < keysAwaited || k.failures > 0): // an issuer that is down is waited for once
		return fitting, nil, nil
	case read && k.reading != nil:
		return nil, k.reading, nil
	case k.failures > 0 || age >= keysKept:
		return nil, nil, app.ErrIssuerDown
	}
	return nil, nil, nil
}

// fits tells whether a key may have made a signature.
func fits(key jose.JSONWebKey, id string, algorithm jose.SignatureAlgorithm) bool {
	if id != "" && key.KeyID != id || key.Algorithm != "" && key.Algorithm != string(algorithm) || key.Use != "" && key.Use != "sig" {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(string(algorithm), "RS") || strings.HasPrefix(string(algorithm), "PS")
	case *ecdsa.PublicKey:
		return algorithm == jose.ES256 && public.Curve == elliptic.P256() || algorithm == jose.ES384 && public.Curve == elliptic.P384() ||
			algorithm == jose.ES512 && public.Curve == elliptic.P521()
	case ed25519.PublicKey:
		return algorithm == jose.EdDSA
	}
	return false
}

// read reads the keys and keeps them. It belongs to no request: one that does not wait any more takes nothing from the others.
func (k *keys) read() {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	known, err := k.fetch(ctx)
	if err != nil {
		k.count("failed")
		k.log.Warn("the keys of an issuer could not be read", "issuer", k.issuer.Issuer, "error", err)
	} else {
		k.count("read")
	}
	k.lock.Lock()
	defer k.lock.Unlock()
	now := k.now()
	if err != nil {
		k.nextAt = now.Add(min(k.pause<<min(k.failures, 10), longestPause*k.pause))
		k.failures++
	} else {
		k.known, k.fetchedAt, k.nextAt, k.failures = known, now, now.Add(k.pause), 0
	}
	close(k.reading)
	k.reading = nil
}

// fetch asks the issuer where its keys are, and reads them.
func (k *keys) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	from := k.issuer.KeysURL
	if from == "" {
		var err error
		if from, err = k.discover(ctx); err != nil {
			return nil, fmt.Errorf("discover: %w", err)
		}
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := k.get(ctx, from, &set); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	if len(set.Keys) > mostKeys {
		return nil, fmt.Errorf("read keys: there are %d of them", len(set.Keys))
	}
	known := make([]jose.JSONWebKey, 0, len(set.Keys))
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON(text); err != nil || !key.Valid() || !key.IsPublic() {
			continue // of a kind that is not known here; the others are of use all the same
		}
		if public, ok := key.Key.(*rsa.PublicKey); ok && public.N.BitLen() < leastRSABits {
			continue
		}
		known = append(known, key)
	}
	if len(known) == 0 {
		return nil, errors.New("read keys: there are none that could be used")
	}
	return known, nil
}

// discover asks the issuer where its keys are (OpenID Connect Discovery 1.0). They are on its own host, or the configuration says
// where.
func (k *keys) discover(ctx context.Context) (string, error) {
	var said struct {
		Issuer  string `json:"issuer"`
		KeysURL string `json:"jwks_uri"`
	}
	if err := k.get(ctx, strings.TrimSuffix(k.issuer.Issuer, "/")+"/.well-known/openid-configuration", &said); err != nil {
		return "", err
	}
	if said.Issuer != k.issuer.Issuer {
		return "", fmt.Errorf("it calls itself %q", said.Issuer)
	}
	own, err := url.Parse(k.issuer.Issuer)
	if err != nil {
		return "", err
	}
	address, err := outbound.ReadURL(said.KeysURL, k.issuer.Private)
	if err != nil || address.Scheme != own.Scheme || !strings.EqualFold(address.Host, own.Host) {
		return "", fmt.Errorf("its keys are at %q, which is not its own host: name the place as jwks_url where that is right", said.KeysURL)
	}
	return said.KeysURL, nil
}

func (k *keys) get(ctx context.Context, from string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "Handover")
	response, err := k.http.Do(request)
	if errors.Is(err, outbound.ErrPrivate) {
		return fmt.Errorf(`%w ("private": true allows it)`, err)
	}
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it was read, or nobody wants it
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", from, response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	switch {
	case err != nil:
		return err
	case len(text) > maxDocument:
		return fmt.Errorf("the answer of %s is longer than %d bytes", from, maxDocument)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the answer of %s is not the JSON it should be", from)
	}
	return nil
}
