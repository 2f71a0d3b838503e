package domain

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// Client is a person of kind client with what is kept of them by section (C5), and where that comes from.
type Client struct {
	Person
	Sections   Sections
	Assessment *string          // the number of the Common Assessment that they began from (C3)
	CaMS       *CaMSState       // nil: not linked (C4)
	Invitation *InvitationState // the last one; nil: there has been none (C6)
}

// CaMSState is the link of a client to CaMS, and how current it is (C4).
type CaMSState struct {
	Reference     string
	LinkedAt      time.Time
	LastSuccessAt *time.Time // when what is here was last known to be what CaMS has
	LastErrorAt   *time.Time
	LastError     *string // a code of the contract, never an internal text
}

// Behind tells that the last try to follow CaMS failed.
func (s CaMSState) Behind() bool {
	return s.LastErrorAt != nil && (s.LastSuccessAt == nil || s.LastSuccessAt.Before(*s.LastErrorAt))
}

// ClientFields are what can be edited of a client.
type ClientFields struct {
	PersonFields
	Sections      Sections `json:"sections"`
	Assessment    *string  `json:"assessment"`
	CaMSReference *string  `json:"cams_reference"`
}

// Fields are the editable fields. They are those of the person and more, so that a client has a version of their own.
func (c Client) Fields() ClientFields {
	fields := ClientFields{PersonFields: c.Person.Fields(), Sections: c.Sections.Clone(), Assessment: c.Assessment}
	if c.CaMS != nil {
		fields.CaMSReference = &c.CaMS.Reference
	}
	return fields
}

// CheckClients decides whether the caller may see and write clients by section (C): who has the clients permission.
func CheckClients(caller Caller) error {
	if !caller.ManagesKind(KindClient) {
		return Denied("Managing clients needs the clients permission.")
	}
	return nil
}

// CheckBecomesClient decides whether the caller may turn a person into a client: who may manage both kinds, a referral.
func CheckBecomesClient(caller Caller, person Person) error {
	if !caller.ManagesKind(KindClient) || !caller.ManagesKind(KindReferral) {
		return Denied("Turning a referral into a client needs both the clients and the referrals permission.")
	}
	if person.Kind == KindClient {
		return Refuse(CodeAlreadyClient, "%s is a client already.", person.Name()).With("client_id", person.ID)
	}
	return nil
}

// CheckDuplicates refuses to add somebody, or to give somebody an email, while there are people who may be the same person, and names those whom the
// caller sees.
func CheckDuplicates(caller Caller, people []Person) error {
	if len(people) == 0 {
		return nil
	}
	matches, ids := []PersonRef{}, []uuid.UUID{}
	for _, person := range people {
		if SeesPerson(caller, person) {
			matches, ids = append(matches, PersonRef{person.ID, person.Name(), person.Kind}), append(ids, person.ID)
		}
	}
	refusal := Refuse(CodeDuplicatePerson, "Somebody in your organization has this email already. If this is another person, say so with confirm_duplicate.").
		With("person_ids", ids).At("/email", CodeDuplicatePerson, "Somebody has it already.")
	refusal.Matches = matches
	return refusal
}

// TakesEmail tells whether a person gets an email that they did not have, letter case aside.
func TakesEmail(before, after Person) bool {
	return after.Email != nil && (before.Email == nil || !strings.EqualFold(*before.Email, *after.Email))
}

// PersonRef is a person as a refusal names one.
type PersonRef struct {
	ID   uuid.UUID  `json:"id"`
	Name string     `json:"name"`
	Kind PersonKind `json:"kind"`
}
