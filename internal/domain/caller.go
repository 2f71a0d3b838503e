package domain

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Scope limits what a token may be used for.
type Scope string

// The scopes of tokens.
const (
	ScopeRead        Scope = "read"
	ScopeAssignments Scope = "assignments"
	ScopeReassign    Scope = "reassign"
	ScopeClients     Scope = "clients"
	ScopeAdmin       Scope = "admin"
)

// Caller is who asks: a staff member of one organization, or a client who has signed in to see their own profile. The
// organization comes from the credential, never from what is asked.
type Caller struct {
	Organization OrganizationID
	TimeZone     string // of the organization
	StaffID      uuid.UUID
	Name         string
	Role         Role
	Permissions  []Permission
	TokenID      uuid.UUID // of the API token; nil for other credentials
	Scopes       []Scope   // nil: all that the staff member has
	IdentityID   uuid.UUID // of whom an issuer of OpenID Connect says they are; nil for other credentials
	Issuer       string    // that says so
	RequestID    string
	ClientID     uuid.UUID // a client, who is no staff; otherwise nil
	SessionID    uuid.UUID // of the client
}

// IsClient tells whether the caller is a client, who has no part in what staff do.
func (c Caller) IsClient() bool { return c.ClientID != uuid.Nil }

// Today is the civil date of an instant in the caller's organization.
func (c Caller) Today(now time.Time) (Date, error) {
	return Organization{TimeZone: c.TimeZone}.Today(now)
}

// Zone is the time zone of the caller's organization.
func (c Caller) Zone() (*time.Location, error) { return time.LoadLocation(c.TimeZone) }

// IsAdministrator tells whether the caller has the administrator role.
func (c Caller) IsAdministrator() bool { return c.Role == RoleAdministrator }

// Has tells whether the caller has a permission; administrators have all of them.
func (c Caller) Has(permission Permission) bool {
	return c.IsAdministrator() || slices.Contains(c.Permissions, permission)
}

// InScope tells whether the caller's token may be used for a scope.
func (c Caller) InScope(scope Scope) bool {
	return c.Scopes == nil || slices.Contains(c.Scopes, scope)
}

// ManagesKind tells whether the caller may manage people of a kind (A2).
func (c Caller) ManagesKind(kind PersonKind) bool {
	switch kind {
	case KindClient:
		return c.Has(PermissionClients)
	case KindReferral:
		return c.Has(PermissionReferrals)
	}
	return false
}

// SeenKinds are the kinds of people of whom the caller sees every one (A2). Beyond them everybody sees the people
// assigned to themselves.
func (c Caller) SeenKinds() []PersonKind {
	if c.Has(PermissionStaff) {
		return []PersonKind{KindClient, KindReferral}
	}
	var kinds []PersonKind
	for _, kind := range []PersonKind{KindClient, KindReferral} {
		if c.ManagesKind(kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// SeesEveryone tells whether the caller sees every person of the organization.
func (c Caller) SeesEveryone() bool { return len(c.SeenKinds()) == 2 }

// SeesAllTasks tells whether the caller sees all tasks and events, whosever they are; what a matter hides from them stays
// hidden all the same (B5).
func (c Caller) SeesAllTasks() bool {
	return c.Has(PermissionTasks)
}

// SelectionKinds counts a selection by kind of person.
type SelectionKinds struct {
	Clients   int
	Referrals int
}

// Add counts one more person of a kind.
func (k *SelectionKinds) Add(kind PersonKind) {
	switch kind {
	case KindClient:
		k.Clients++
	case KindReferral:
		k.Referrals++
	}
}

// CheckManage decides whether the caller may manage the assignments of a selection (A2).
func CheckManage(caller Caller, kinds SelectionKinds) error {
	if kinds.Clients > 0 && !caller.ManagesKind(KindClient) {
		return Denied("The selection holds clients; managing their assignments needs the clients permission.")
	}
	if kinds.Referrals > 0 && !caller.ManagesKind(KindReferral) {
		return Denied("The selection holds referrals; managing their assignments needs the referrals permission.")
	}
	return nil
}

// CheckOlderAction decides whether the caller may use the older actions (A18).
func CheckOlderAction(caller Caller) error {
	if !caller.Has(PermissionStaff) {
		return Denied("This older action needs the staff permission.")
	}
	return nil
}

// CheckAdministrator refuses everybody but administrators.
func CheckAdministrator(caller Caller) error {
	if !caller.IsAdministrator() {
		return Denied("Only administrators may do this.")
	}
	return nil
}

// SeesPerson tells whether the caller sees a person: those of a kind by who may manage it (staff sees both), and
// everybody those assigned to themselves (A2).
func SeesPerson(caller Caller, person Person) bool {
	return slices.Contains(caller.SeenKinds(), person.Kind) ||
		slices.ContainsFunc(person.Staff, func(ref StaffRef) bool { return ref.ID == caller.StaffID })
}
