package domain

import (
	"time"

	"github.com/google/uuid"
)

// ForeignIdentity is whom an issuer of OpenID Connect says somebody is.
type ForeignIdentity struct {
	Issuer       string
	Subject      string
	Email        string          // that the issuer has verified and is trusted with; empty: none
	Organization *OrganizationID // the one that the issuer speaks for; nil: any
	Scopes       []Scope         // nil: all that the staff member has
}

// BoundIdentity is an issuer's subject that stands for a staff member.
type BoundIdentity struct {
	ID      uuid.UUID
	StaffID uuid.UUID
	Issuer  string
	Subject string
	Email   string // by which they were found
	BoundAt time.Time
}

// Fields are those of an identity that the audit trail keeps.
func (i BoundIdentity) Fields() map[string]any {
	return map[string]any{"identity_id": i.ID, "issuer": i.Issuer, "subject": i.Subject, "email": i.Email}
}

// SignedInWith is what a caller signed in with.
type SignedInWith string

// The ways to sign in.
const (
	SignedInWithToken    SignedInWith = "api_token"
	SignedInWithPassword SignedInWith = "password"
	SignedInWithOpenID   SignedInWith = "openid_connect"
)

// TrustsNewEmail decides whether the email that the caller has given a staff member may let somebody in as them who comes from an
// issuer for the first time. Where they have come in before, it does only when an administrator gave it, or they themselves:
// or whoever may change staff could become any of them.
func TrustsNewEmail(caller Caller, staff Staff, cameIn bool) bool {
	return !cameIn || caller.IsAdministrator() || staff.ID == caller.StaffID
}

// StaffIdentities are what issuers call a staff member.
type StaffIdentities struct {
	Bound        []BoundIdentity // one of each issuer at most
	EmailTrusted bool            // their email lets in whoever comes from an issuer for the first time
}

// Fields are those of a staff member's identities that the audit trail keeps.
func (i StaffIdentities) Fields() map[string]any {
	bound := make([]map[string]any, len(i.Bound))
	for at, identity := range i.Bound {
		bound[at] = identity.Fields()
	}
	return map[string]any{"identities": bound, "email_trusted": i.EmailTrusted}
}
