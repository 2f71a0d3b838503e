package openid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/prometheus/client_golang/prometheus"

	"handover/internal/app"
	"handover/internal/domain"
	"handover/internal/outbound"
)

// Options are what the installation decides.
type Options struct {
	Issuers []Issuer
	Log     *slog.Logger
	Now     func() time.Time // the clock that tokens are held against; nil: that of the machine

	Pause time.Duration // at least so long lies between two readings of an issuer's keys; zero: 5 s
}

const (
	// maxToken is how long a token may be, in bytes.
	maxToken = 16 << 10
	// leeway is how far the clocks of an issuer and of this machine may be apart.
	leeway = 30 * time.Second
	// maxSubject is how long a subject may be (OpenID Connect Core 1.0 section 2).
	maxSubject = 255
)

// Issuers are those whose tokens are taken. They are an app.Issuers, and a prometheus.Collector that tells who comes in.
type Issuers struct {
	options Options
	byName  map[string]*issuer
	metrics *metrics
}

// issuer is one of them, with what it speaks for by audience.
type issuer struct {
	name    string
	entries []Issuer
	keys    *keys
}

var (
	_ app.Issuers          = (*Issuers)(nil)
	_ prometheus.Collector = (*Issuers)(nil)
)

// New makes the issuers, as ReadIssuers has read them. Nobody is asked yet.
func New(options Options) *Issuers {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Pause == 0 {
		options.Pause = fetchPause
	}
	all := &Issuers{options: options, byName: map[string]*issuer{}, metrics: newMetrics()}
	for _, entry := range options.Issuers {
		known := all.byName[entry.Issuer]
		if known == nil {
			known = &issuer{name: entry.Issuer, keys: &keys{
				issuer: entry, http: outbound.NewClient(entry.host(), entry.Private, fetchTimeout), log: options.Log, now: time.Now, pause: options.Pause,
				count: func(outcome string) { all.metrics.fetches.WithLabelValues(entry.Issuer, outcome).Inc() },
			}}
			all.byName[entry.Issuer] = known
			all.metrics.prepare(entry.Issuer)
		}
		known.entries = append(known.entries, entry)
	}
	return all
}

// claims are what is read of a token.
type claims struct {
	jwt.Claims
	AuthorizedParty string          `json:"azp"`
	Email           string          `json:"email"`
	EmailVerified   any             `json:"email_verified"`
	Events          json.RawMessage `json:"events"` // of what tells of an event, such as the end of a session, and is no credential
}

// notValid is why a token is not taken: for the log alone.
type notValid struct{ reason string }

func (e notValid) Error() string { return e.reason }
func (notValid) Unwrap() error   { return app.ErrTokenNotValid }

// Identify checks a token, and tells for whom its issuer says that it stands. Nothing of the token is logged.
func (s *Issuers) Identify(ctx context.Context, token string) (domain.ForeignIdentity, error) {
	known, identity, err := s.identify(ctx, token)
	name := otherIssuer
	if known != nil {
		name = known.name
	}
	switch {
	case errors.Is(err, app.ErrTokenNotValid):
		s.options.Log.DebugContext(ctx, "a token of an issuer was not taken", "issuer", name, "reason", err)
		s.metrics.signIns.WithLabelValues(name, string(app.SignInNotValid)).Inc()
	case errors.Is(err, app.ErrIssuerDown):
		s.metrics.signIns.WithLabelValues(name, string(app.SignInUnavailable)).Inc()
	}
	return identity, err
}

// Count counts what became of a token that Identify took.
func (s *Issuers) Count(issuer string, outcome app.SignInOutcome) {
	s.metrics.signIns.WithLabelValues(issuer, string(outcome)).Inc()
}

func (s *Issuers) identify(ctx context.Context, text string) (*issuer, domain.ForeignIdentity, error) {
	if len(text) > maxToken {
		return nil, domain.ForeignIdentity{}, notValid{"it is too long"}
	}
	token, err := jwt.ParseSigned(text, knownAlgorithms)
	if err != nil || len(token.Headers) != 1 {
		return nil, domain.ForeignIdentity{}, notValid{"it has not the form of a JWT, or no algorithm that is taken"}
	}
	var unchecked jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&unchecked); err != nil {
		return nil, domain.ForeignIdentity{}, notValid{"its claims cannot be read"}
	}
	known := s.byName[unchecked.Issuer]
	if known == nil {
		return nil, domain.ForeignIdentity{}, notValid{"its issuer is not configured"}
	}
	checked, err := known.verify(ctx, token)
	if err != nil {
		return known, domain.ForeignIdentity{}, err
	}
	entry, err := known.check(checked, s.options.Now())
	if err != nil {
		return known, domain.ForeignIdentity{}, err
	}
	return known, identityOf(checked, entry), nil
}

// verify holds the signature against the issuer's keys, and gives the claims.
func (i *issuer) verify(ctx context.Context, token *jwt.JSONWebToken) (claims, error) {
	header := token.Headers[0]
	algorithm := jose.SignatureAlgorithm(header.Algorithm)
	if !slices.Contains(i.entries[0].algorithms(), algorithm) {
		return claims{}, notValid{"its algorithm is not one of the issuer's"}
	}
	if kind, said := header.ExtraHeaders[jose.HeaderType].(string); said && !isCredential(kind) {
		return claims{}, notValid{"it is a token of another kind (typ)"}
	}
	fitting, err := i.keys.verifying(ctx, header.KeyID, algorithm)
	if err != nil {
		return claims{}, err
	}
	for _, key := range fitting {
		var checked claims
		if err := token.Claims(key.Key, &checked); err == nil {
			return checked, nil
		} else if !errors.Is(err, jose.ErrCryptoFailure) {
			return claims{}, notValid{"its claims have another form than they should"}
		}
	}
	return claims{}, notValid{"it is signed with no key of the issuer"}
}

// isCredential tells whether a token of a type (RFC 7519 section 5.1) says who somebody is: an ID token, or an access token (RFC 9068).
func isCredential(kind string) bool {
	kind = strings.TrimPrefix(strings.ToLower(kind), "application/")
	return kind == "jwt" || kind == "at+jwt"
}

// check holds the claims against what is configured, and finds for whom the token speaks by its audience.
func (i *issuer) check(c claims, now time.Time) (Issuer, error) {
	if c.Expiry == nil {
		return Issuer{}, notValid{"it does not expire"}
	}
	if err := c.ValidateWithLeeway(jwt.Expected{Issuer: i.name, Time: now}, leeway); err != nil {
		return Issuer{}, notValid{err.Error()} // it says which claim, not what is in it
	}
	if c.Events != nil {
		return Issuer{}, notValid{"it tells of an event"}
	}
	if c.Subject == "" || len(c.Subject) > maxSubject || strings.ContainsFunc(c.Subject, unicode.IsControl) {
		return Issuer{}, notValid{"its subject is missing, or none that can be kept"}
	}
	var spoken []Issuer
	for _, entry := range i.entries {
		if slices.ContainsFunc(entry.Audience, func(audience string) bool { return slices.Contains(c.Audience, audience) }) {
			spoken = append(spoken, entry)
		}
	}
	if len(spoken) != 1 {
		return Issuer{}, notValid{fmt.Sprintf("it is made for %d of those whom its issuer speaks for", len(spoken))}
	}
	return spoken[0], checkParty(c, spoken[0])
}

// checkParty tells whether the token was given to somebody who may bring it (OpenID Connect Core 1.0 section 3.1.3.7).
func checkParty(c claims, entry Issuer) error {
	parties := entry.AuthorizedParties
	if len(parties) == 0 && len(c.Audience) > 1 {
		parties = entry.Audience
	}
	if len(parties) > 0 && !slices.Contains(parties, c.AuthorizedParty) {
		return notValid{"it was given to somebody else (azp)"}
	}
	return nil
}

// identityOf is what a token says, as far as the issuer is trusted with it.
func identityOf(c claims, entry Issuer) domain.ForeignIdentity {
	identity := domain.ForeignIdentity{Issuer: entry.Issuer, Subject: c.Subject}
	if entry.OrganizationID != nil {
		identity.Organization = new(domain.OrganizationID(*entry.OrganizationID))
	}
	if len(entry.Scopes) > 0 {
		identity.Scopes = entry.Scopes
	}
	// Some issuers write the boolean as a text.
	if verified := c.EmailVerified == true || c.EmailVerified == "true"; verified && entry.trustedWith(c.Email) {
		identity.Email = c.Email
	}
	return identity
}

// trustedWith tells whether the issuer is trusted with an email.
func (i Issuer) trustedWith(email string) bool {
	if !domain.IsEmail(email) {
		return false
	}
	host := email[strings.LastIndexByte(email, '@')+1:]
	return len(i.EmailDomains) == 0 || slices.ContainsFunc(i.EmailDomains, func(name string) bool { return domain.SameEmail(name, host) })
}
