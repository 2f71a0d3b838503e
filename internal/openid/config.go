// Package openid checks the JWTs of OpenID Connect issuers: their signature by keys that the issuer publishes and changes, who made
// them, for whom, and for how long. It asks nobody but the hosts that it was configured with.
package openid

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/outbound"
)

// Issuer says whose tokens are taken, for whom they have to be made, and for which organization they speak.
type Issuer struct {
	// Issuer is its name, exactly as it stands in iss; its keys are found by what it publishes below that address.
	Issuer string `json:"issuer"`
	// Audience is for whom a token has to be made: one of these has to be in aud.
	Audience []string `json:"audience"`
	// OrganizationID is the one organization that the issuer speaks for.
	OrganizationID *uuid.UUID `json:"organization_id"`
	// AnyOrganization says that the issuer is trusted with the emails of every organization.
	AnyOrganization bool `json:"any_organization"`
	// EmailDomains are those of the emails that the issuer is trusted with; empty: all.
	EmailDomains []string `json:"email_domains"`
	// Scopes are what its tokens open; empty: all that the staff member has.
	Scopes []domain.Scope `json:"scopes"`
	// AuthorizedParties are who may have asked for the token (azp); empty: anybody, or one of the audience where there are several.
	AuthorizedParties []string `json:"authorized_parties"`
	// Algorithms are those of its signatures; empty: RS256, PS256, ES256 and EdDSA.
	Algorithms []jose.SignatureAlgorithm `json:"algorithms"`
	// KeysURL is where its keys are; empty: where it says itself, on its own host.
	KeysURL string `json:"jwks_url"`
	// Private says that its name may lead to an address of a private network.
	Private bool `json:"private"`
}

// usualAlgorithms are those of signatures where none are named; knownAlgorithms all that may be. What rests on a shared secret is
// none of them: everybody has the public key.
var (
	usualAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}
	knownAlgorithms = []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
	knownScopes = []domain.Scope{domain.ScopeRead, domain.ScopeAssignments, domain.ScopeReassign, domain.ScopeClients, domain.ScopeAdmin}
)

// ReadIssuers reads issuers from JSON, a list of objects. Empty: there are none.
func ReadIssuers(text string) ([]Issuer, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var issuers []Issuer
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&issuers); err != nil {
		return nil, fmt.Errorf("it is not a list of issuers in JSON, such as %s: %w", exampleIssuers, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows after the list of issuers")
	}
	for i, issuer := range issuers {
		if err := issuer.check(); err != nil {
			return nil, fmt.Errorf("issuer %d (%s): %w", i+1, issuer.Issuer, err)
		}
		for _, other := range issuers[:i] {
			if err := issuer.checkBeside(other); err != nil {
				return nil, fmt.Errorf("issuer %d (%s): %w", i+1, issuer.Issuer, err)
			}
		}
	}
	return issuers, nil
}

const exampleIssuers = `[{"issuer": "https://login.example.org", "audience": ["handover"], "organization_id": "…"}]`

func (i Issuer) check() error {
	if _, err := outbound.ReadURL(i.Issuer, i.Private); err != nil {
		return fmt.Errorf("issuer: %w", withPrivate(err))
	}
	if i.KeysURL != "" {
		if _, err := outbound.ReadURL(i.KeysURL, i.Private); err != nil {
			return fmt.Errorf("jwks_url: %w", withPrivate(err))
		}
	}
	if len(i.Audience) == 0 || slices.Contains(i.Audience, "") {
		return errors.New("audience: name at least one, or tokens that were made for others would be taken")
	}
	if (i.OrganizationID != nil) == i.AnyOrganization {
		return errors.New("name its organization_id; or, where it is trusted with the emails of every organization, say any_organization")
	}
	if i.OrganizationID != nil && *i.OrganizationID == uuid.Nil {
		return errors.New("organization_id: it is no organization's")
	}
	for _, name := range i.EmailDomains {
		if !domain.IsEmail("somebody@" + name) {
			return fmt.Errorf("email_domains: %q is not one such as example.org", name)
		}
	}
	for _, scope := range i.Scopes {
		if !slices.Contains(knownScopes, scope) {
			return fmt.Errorf("scopes: %q is none of %v", scope, knownScopes)
		}
	}
	for _, algorithm := range i.Algorithms {
		if !slices.Contains(knownAlgorithms, algorithm) {
			return fmt.Errorf("algorithms: %q is none of %v", algorithm, knownAlgorithms)
		}
	}
	if slices.Contains(i.AuthorizedParties, "") {
		return errors.New("authorized_parties: one is empty")
	}
	return nil
}

// checkBeside holds an entry against another one: an issuer may stand more than once, with another audience for each organization.
func (i Issuer) checkBeside(other Issuer) error {
	if i.Issuer != other.Issuer {
		return nil
	}
	for _, audience := range i.Audience {
		if slices.Contains(other.Audience, audience) {
			return fmt.Errorf("audience: %q stands with this issuer twice, and would speak for both", audience)
		}
	}
	if i.KeysURL != other.KeysURL || i.Private != other.Private || !slices.Equal(i.algorithms(), other.algorithms()) {
		return errors.New("jwks_url, private and algorithms are to be the same wherever the issuer stands")
	}
	return nil
}

func withPrivate(err error) error {
	if errors.Is(err, outbound.ErrClear) {
		return fmt.Errorf(`%w: whoever is on the way could put keys of their own in ("private": true allows it in a network of yours)`, err)
	}
	return err
}

func (i Issuer) algorithms() []jose.SignatureAlgorithm {
	if len(i.Algorithms) == 0 {
		return usualAlgorithms
	}
	return i.Algorithms
}

// host is the one that is asked for its keys.
func (i Issuer) host() string {
	from := i.Issuer
	if i.KeysURL != "" {
		from = i.KeysURL
	}
	address, err := url.Parse(from)
	if err != nil {
		return "" // it was checked
	}
	return address.Hostname()
}
