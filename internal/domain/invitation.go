package domain

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// The bounds of invitations (C7, C8).
const (
	// InvitationLifetime is how long the link of an invitation works.
	InvitationLifetime = 7 * 24 * time.Hour
	// InvitationsAnHour is how often somebody is sent an invitation within InvitationSpan.
	InvitationsAnHour = 5
	// InvitationSpan is the time within which sendings are counted.
	InvitationSpan = time.Hour
)

// Invitee is who is invited to sign in: a client or a staff member.
type Invitee struct {
	PersonID uuid.UUID // of a client; otherwise nil
	StaffID  uuid.UUID // of a staff member; otherwise nil
	Email    *string   // where the invitation goes
	Active   bool
}

// InviteClient is a client as somebody to invite.
func InviteClient(person Person) Invitee {
	return Invitee{PersonID: person.ID, Email: person.Email, Active: person.Status == PersonActive}
}

// InviteStaff is a staff member as somebody to invite.
func InviteStaff(staff Staff) Invitee {
	return Invitee{StaffID: staff.ID, Email: &staff.Email, Active: staff.Status == StaffActive}
}

// InvitationsSent is what has been sent to somebody before.
type InvitationsSent struct {
	Activated bool        // they have set a password
	Times     int         // of all sendings
	Recent    []time.Time // of those within InvitationSpan, the newest first, at most InvitationsAnHour
}

// CheckInvite decides whether somebody may be sent an invitation now (C7).
func CheckInvite(who Invitee, sent InvitationsSent, now time.Time) error {
	switch {
	case sent.Activated:
		return Refuse(CodeAlreadyActivated, "They have set a password already, and can sign in. An invitation would lead nowhere.")
	case !who.Active && who.StaffID != uuid.Nil:
		return Refuse(CodeStaffNotActive, "The staff member is deactivated and could not sign in. Reactivate them first.")
	case !who.Active:
		return Refuse(CodeInvalidValue, "The client is inactive and could not sign in. Make them active first.")
	case who.Email == nil || strings.TrimSpace(*who.Email) == "":
		return Refuse(CodeNoEmail, "There is no email address to send the invitation to. Enter one first.")
	case len(sent.Recent) >= InvitationsAnHour:
		refusal := Refuse(CodeRateLimited, "%d invitations were sent to them within the last hour. Copy the last link, or wait.", InvitationsAnHour)
		refusal.RetryAfter = max(sent.Recent[InvitationsAnHour-1].Add(InvitationSpan).Sub(now), time.Second)
		return refusal
	}
	return nil
}

// CheckReinvite decides whether the caller may send an invitation to a staff member who is here already, and cameIn tells whether they
// have signed in or have had API tokens (C7). Whoever has the link can become them.
func CheckReinvite(caller Caller, cameIn bool) error {
	if cameIn && !caller.IsAdministrator() {
		return Denied("Only administrators invite staff who have signed in or have API tokens already.")
	}
	return nil
}

// Invitation is one sending of an invitation, with its link. It is answered to who sent it, and kept nowhere as it is.
type Invitation struct {
	ID        uuid.UUID
	SentTo    string
	SentAt    time.Time
	ExpiresAt time.Time
	URL       string // holds the token
	TimesSent int    // this time included
}

// State is how an invitation stands that was just sent.
func (i Invitation) State() *InvitationState {
	return &InvitationState{SentTo: i.SentTo, SentAt: i.SentAt, ExpiresAt: i.ExpiresAt, Open: true, TimesSent: i.TimesSent}
}

// InvitationStatus tells what became of an invitation.
type InvitationStatus string

// The statuses of invitations.
const (
	InvitationPending  InvitationStatus = "pending"
	InvitationAccepted InvitationStatus = "accepted"
	InvitationExpired  InvitationStatus = "expired" // its link works no longer: its time is over, or the address has changed since
)

// InvitationState is how the invitation of somebody stands: the last that was sent.
type InvitationState struct {
	SentTo     string
	SentAt     time.Time
	ExpiresAt  time.Time
	AcceptedAt *time.Time
	Open       bool // its link works until it expires
	TimesSent  int
}

// Status is how it stands at an instant.
func (s InvitationState) Status(now time.Time) InvitationStatus {
	switch {
	case s.AcceptedAt != nil:
		return InvitationAccepted
	case s.Open && now.Before(s.ExpiresAt):
		return InvitationPending
	}
	return InvitationExpired
}

// For is how it stands once the address of whoever is invited is another: its link opened the old one.
func (s *InvitationState) For(email *string) *InvitationState {
	if s == nil || email != nil && strings.EqualFold(*email, s.SentTo) {
		return s
	}
	moved := *s
	moved.Open = false
	return &moved
}

// OpenInvitation is what whoever has the link of an invitation may know of it before they accept it (C8).
type OpenInvitation struct {
	Organization string // its name
	FirstName    string
	Email        string
	ExpiresAt    time.Time
}

// AccountKind tells the accounts of clients from those of staff.
type AccountKind string

// The kinds of accounts.
const (
	AccountOfClient AccountKind = "client"
	AccountOfStaff  AccountKind = "staff"
)

// Account is what somebody signs in to with a password.
type Account struct {
	Organization OrganizationID
	ID           uuid.UUID
	PersonID     uuid.UUID // of a client; otherwise nil
	StaffID      uuid.UUID // of a staff member; otherwise nil
	Email        string
	CreatedAt    time.Time
}

// Kind tells whose account it is.
func (a Account) Kind() AccountKind {
	if a.StaffID != uuid.Nil {
		return AccountOfStaff
	}
	return AccountOfClient
}

// AccountRef is an account as a refusal names one to whoever has its password.
type AccountRef struct {
	ID               uuid.UUID
	Kind             AccountKind
	Name             string // of whose it is
	OrganizationID   OrganizationID
	OrganizationName string
}
