package domain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// SectionName names a section of a client (C5).
type SectionName string

// The sections.
const (
	SectionIdentity      SectionName = "identity"
	SectionContact       SectionName = "contact"
	SectionAddress       SectionName = "address"
	SectionEmployment    SectionName = "employment"
	SectionCommunication SectionName = "communication"
	SectionReferral      SectionName = "referral"
	SectionNotes         SectionName = "notes"
)

// SectionNames are all of them, in the order they are shown.
func SectionNames() []SectionName {
	return []SectionName{SectionIdentity, SectionContact, SectionAddress, SectionEmployment, SectionCommunication, SectionReferral, SectionNotes}
}

// Texts is a list of texts in which there may be none: in JSON it is never null.
type Texts []string

// MarshalJSON is the list.
func (t Texts) MarshalJSON() ([]byte, error) { return json.Marshal(append([]string{}, t...)) }

// Sections are what is kept of a client beyond what every person has. What is nil is not known.
type Sections struct {
	Identity      Identity      `json:"identity"`
	Contact       Contact       `json:"contact"`
	Address       Address       `json:"address"`
	Employment    Employment    `json:"employment"`
	Communication Communication `json:"communication"`
	Referral      ReferredBy    `json:"referral"`
	Notes         Notes         `json:"notes"`
}

// Identity is who a client is, beyond first and last name.
type Identity struct {
	PreferredName *string `json:"preferred_name"`
	Pronouns      *string `json:"pronouns"`
	DateOfBirth   *Date   `json:"date_of_birth"`
}

// Channel is a way to reach somebody.
type Channel string

// The channels.
const (
	ChannelEmail Channel = "email"
	ChannelPhone Channel = "phone"
	ChannelText  Channel = "text"
	ChannelMail  Channel = "mail"
)

// Contact is how a client is reached, beyond email and phone.
type Contact struct {
	PreferredChannel *Channel `json:"preferred_channel"`
}

// Address is where a client lives.
type Address struct {
	Line1      *string `json:"line1"`
	Line2      *string `json:"line2"`
	City       *string `json:"city"`
	Region     *string `json:"region"`
	PostalCode *string `json:"postal_code"`
	Country    *string `json:"country"` // ISO 3166-1 alpha-2
}

// EmploymentStatus tells whether a client works.
type EmploymentStatus string

// The statuses of employment.
const (
	Employed        EmploymentStatus = "employed"
	SelfEmployed    EmploymentStatus = "self_employed"
	Unemployed      EmploymentStatus = "unemployed"
	Student         EmploymentStatus = "student"
	Retired         EmploymentStatus = "retired"
	OtherEmployment EmploymentStatus = "other"
)

// Education is the highest level that a client has completed.
type Education string

// The levels of education.
const (
	NoEducation        Education = "none"
	SecondaryEducation Education = "secondary"
	TradeEducation     Education = "trade"
	CollegeEducation   Education = "college"
	BachelorEducation  Education = "bachelor"
	MasterEducation    Education = "master"
	DoctorateEducation Education = "doctorate"
	OtherEducation     Education = "other"
)

// Employment is what a client does, has done and is looking for.
type Employment struct {
	Status            *EmploymentStatus `json:"status"`
	CurrentOccupation *string           `json:"current_occupation"`
	PastOccupations   Texts             `json:"past_occupations"`
	TargetOccupations Texts             `json:"target_occupations"`
	HighestEducation  *Education        `json:"highest_education"`
}

// Communication is how to speak with a client.
type Communication struct {
	PreferredLanguage *string `json:"preferred_language"` // a tag of BCP 47
	Preferences       *string `json:"preferences"`
}

// ReferredBy is who sent a client, and for what.
type ReferredBy struct {
	Source          *string `json:"source"`
	ReferenceNumber *string `json:"reference_number"`
	Reasons         Texts   `json:"reasons"`
	ServiceNeeds    Texts   `json:"service_needs"`
	Transport       *string `json:"transport"`
}

// Notes are what staff want to remember of a client.
type Notes struct {
	Notes *string `json:"notes"`
}

// IdentitySection is the whole section.
type IdentitySection struct {
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Identity
}

// ContactSection is the whole section.
type ContactSection struct {
	Email *string `json:"email"`
	Phone *string `json:"phone"`
	Contact
}

// Clone copies the lists too, so that nothing is shared with what is edited.
func (s Sections) Clone() Sections {
	s.Employment.PastOccupations = slices.Clone(s.Employment.PastOccupations)
	s.Employment.TargetOccupations = slices.Clone(s.Employment.TargetOccupations)
	s.Referral.Reasons = slices.Clone(s.Referral.Reasons)
	s.Referral.ServiceNeeds = slices.Clone(s.Referral.ServiceNeeds)
	return s
}

// identity is the whole section of a client.
func (c Client) identity() IdentitySection {
	return IdentitySection{c.FirstName, c.LastName, c.Sections.Identity}
}

func (c Client) contact() ContactSection { return ContactSection{c.Email, c.Phone, c.Sections.Contact} }

// Section is one section with all its fields.
func (c Client) Section(name SectionName) any {
	switch name {
	case SectionIdentity:
		return c.identity()
	case SectionContact:
		return c.contact()
	case SectionAddress:
		return c.Sections.Address
	case SectionEmployment:
		return c.Sections.Employment
	case SectionCommunication:
		return c.Sections.Communication
	case SectionReferral:
		return c.Sections.Referral
	case SectionNotes:
		return c.Sections.Notes
	}
	return nil
}

// SectionVersion is what the version of a section is made of: its fields, and who may edit them.
func (c Client) SectionVersion(name SectionName) any {
	return struct {
		Section       SectionName `json:"section"`
		Fields        any         `json:"fields"`
		ManagedByCaMS []string    `json:"managed_by_cams"`
	}{name, c.Section(name), c.ManagedByCaMS(name)}
}

// CheckSectionFields refuses fields of a JSON object that are not those of a section.
func CheckSectionFields(name SectionName, patch []byte) error {
	sent, known := map[string]json.RawMessage{}, jsonFields(Client{}.Section(name))
	if err := json.Unmarshal(patch, &sent); err != nil {
		return fmt.Errorf("read section: %w", err)
	}
	refusal := Refuse(CodeUnknownField, "The section %s has other fields. Remove those that are not its own, or correct their names.", name).With("section", name)
	for _, field := range slices.Sorted(maps.Keys(sent)) {
		if _, found := known[field]; !found {
			refusal = refusal.At("/"+field, CodeUnknownField, "This field is not known in this section.")
		}
	}
	if len(refusal.Fields) > 0 {
		return refusal.With("field", strings.TrimPrefix(refusal.Fields[0].Pointer, "/"))
	}
	return nil
}

// EditSection gives the client with the fields of one section that a JSON object names: those that are not in it stay as
// they are, null takes a value away. The object has been held against the contract: its names and types are right.
func (c Client) EditSection(name SectionName, patch []byte) (edited Client, err error) {
	edited = c
	edited.Sections = c.Sections.Clone()
	switch name {
	case SectionIdentity:
		var section IdentitySection
		section, err = patched(c.identity(), patch)
		edited.FirstName, edited.LastName, edited.Sections.Identity = section.FirstName, section.LastName, section.Identity
	case SectionContact:
		var section ContactSection
		section, err = patched(c.contact(), patch)
		edited.Email, edited.Phone, edited.Sections.Contact = section.Email, section.Phone, section.Contact
	case SectionAddress:
		edited.Sections.Address, err = patched(c.Sections.Address, patch)
	case SectionEmployment:
		edited.Sections.Employment, err = patched(c.Sections.Employment, patch)
	case SectionCommunication:
		edited.Sections.Communication, err = patched(c.Sections.Communication, patch)
	case SectionReferral:
		edited.Sections.Referral, err = patched(c.Sections.Referral, patch)
	case SectionNotes:
		edited.Sections.Notes, err = patched(c.Sections.Notes, patch)
	}
	return edited, err
}

// patched is a section with the fields of a JSON object in place of its own. It is put together anew: decoding into what
// is there would write through its pointers.
func patched[Section any](section Section, patch []byte) (edited Section, err error) {
	current, err := json.Marshal(section)
	if err != nil {
		return section, fmt.Errorf("encode section: %w", err)
	}
	fields := map[string]json.RawMessage{}
	for _, text := range [][]byte{current, patch} {
		if err := json.Unmarshal(text, &fields); err != nil {
			return section, fmt.Errorf("read section: %w", err)
		}
	}
	whole, err := json.Marshal(fields)
	if err != nil {
		return section, fmt.Errorf("encode section: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(whole))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&edited); err != nil {
		return section, fmt.Errorf("read section: %w", err)
	}
	return edited, nil
}
