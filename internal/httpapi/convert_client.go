package httpapi

import (
	"encoding/json"
	"time"

	"github.com/oapi-codegen/nullable"

	"handover/api"
	"handover/internal/domain"
)

// clientOf is a client as they are now: how far behind CaMS they are and whether an invitation still works is a matter of
// time.
func (h *handlers) clientOf(client domain.Client) api.Client {
	return clientAt(client, h.options.Now())
}

// clientAnswer is the client that a request came to. A stored answer tells how they were when it was given.
func (h *handlers) clientAnswer(client domain.Client, stored bool) api.Client {
	switch {
	case !stored:
		return h.clientOf(client)
	case client.CaMS != nil && client.CaMS.LastSuccessAt != nil:
		return clientAt(client, *client.CaMS.LastSuccessAt)
	}
	return clientAt(client, client.UpdatedAt)
}

func clientAt(client domain.Client, now time.Time) api.Client {
	person := personOf(client.Person)
	return api.Client{
		ID: person.ID, ExternalID: person.ExternalID, Kind: person.Kind, Status: person.Status, FirstName: person.FirstName, LastName: person.LastName,
		Name: person.Name, Email: person.Email, Phone: person.Phone, Staff: person.Staff, ActiveTaskCount: person.ActiveTaskCount,
		CreatedAt: person.CreatedAt, UpdatedAt: person.UpdatedAt,
		Sections: sectionsOf(client), SectionEtags: sectionTags(client), AssessmentNumber: orNull(client.Assessment),
		Cams: camsOf(client.CaMS, now), Invitation: invitationOf(client.Invitation, now),
	}
}

// clientTag is the version of a whole client.
func clientTag(client domain.Client) string { return etag(domain.Version(client.Fields())) }

// sectionTag is the version of one section (C5).
func sectionTag(client domain.Client, name domain.SectionName) string {
	return etag(domain.Version(client.SectionVersion(name)))
}

func sectionTags(client domain.Client) api.ClientSectionEtags {
	return api.ClientSectionEtags{
		Identity: sectionTag(client, domain.SectionIdentity), Contact: sectionTag(client, domain.SectionContact),
		Address: sectionTag(client, domain.SectionAddress), Employment: sectionTag(client, domain.SectionEmployment),
		Communication: sectionTag(client, domain.SectionCommunication), Referral: sectionTag(client, domain.SectionReferral),
		Notes: sectionTag(client, domain.SectionNotes),
	}
}

func sectionsOf(client domain.Client) api.ClientSections {
	return api.ClientSections{
		Identity: identityOf(client), Contact: contactOf(client), Address: addressOf(client.Sections.Address),
		Employment: employmentOf(client.Sections.Employment), Communication: communicationOf(client.Sections.Communication),
		Referral: referralOf(client.Sections.Referral), Notes: api.ClientNotes{Notes: orNull(client.Sections.Notes.Notes)},
	}
}

func identityOf(client domain.Client) api.ClientIdentity {
	known := client.Sections.Identity
	return api.ClientIdentity{
		FirstName: client.FirstName, LastName: client.LastName, PreferredName: orNull(known.PreferredName), Pronouns: orNull(known.Pronouns),
		DateOfBirth: orNull(dateOf(known.DateOfBirth)),
	}
}

func contactOf(client domain.Client) api.ClientContact {
	return api.ClientContact{
		Email: orNull(client.Email), Phone: orNull(client.Phone), PreferredChannel: orNull((*string)(client.Sections.Contact.PreferredChannel)),
	}
}

func addressOf(address domain.Address) api.ClientAddress {
	return api.ClientAddress{
		Line1: orNull(address.Line1), Line2: orNull(address.Line2), City: orNull(address.City), Region: orNull(address.Region),
		PostalCode: orNull(address.PostalCode), Country: orNull(address.Country),
	}
}

func employmentOf(employment domain.Employment) api.ClientEmployment {
	return api.ClientEmployment{
		Status: orNull((*string)(employment.Status)), CurrentOccupation: orNull(employment.CurrentOccupation),
		PastOccupations: present(employment.PastOccupations), TargetOccupations: present(employment.TargetOccupations),
		HighestEducation: orNull((*string)(employment.HighestEducation)),
	}
}

func communicationOf(communication domain.Communication) api.ClientCommunication {
	return api.ClientCommunication{PreferredLanguage: orNull(communication.PreferredLanguage), Preferences: orNull(communication.Preferences)}
}

func referralOf(referral domain.ReferredBy) api.ClientReferral {
	return api.ClientReferral{
		Source: orNull(referral.Source), ReferenceNumber: orNull(referral.ReferenceNumber), Reasons: present(referral.Reasons),
		ServiceNeeds: present(referral.ServiceNeeds), Transport: orNull(referral.Transport),
	}
}

// sectionOf is one section by itself. Its fields are those that stand in the client.
func sectionOf(client domain.Client, name domain.SectionName) (api.ClientSection, error) {
	section := api.ClientSection{Section: string(name), Fields: api.ClientSectionFields{}, ManagedByCams: client.ManagedByCaMS(name)}
	text, err := json.Marshal(sectionsOf(client))
	if err != nil {
		return section, err
	}
	var fields map[string]api.ClientSectionFields
	if err := json.Unmarshal(text, &fields); err != nil {
		return section, err
	}
	section.Fields = fields[string(name)]
	return section, nil
}

// camsOf is how current a client is (C4).
func camsOf(link *domain.CaMSState, now time.Time) nullable.Nullable[api.CamsLink] {
	if link == nil {
		return nullable.NewNullNullable[api.CamsLink]()
	}
	shown := api.CamsLink{
		Reference: link.Reference, LinkedAt: link.LinkedAt, LastSuccessAt: orNull(link.LastSuccessAt), LagSeconds: nullable.NewNullNullable[int](),
		LastErrorAt: nullable.NewNullNullable[time.Time](), LastError: nullable.NewNullNullable[string](),
	}
	if link.LastSuccessAt != nil {
		shown.LagSeconds.Set(max(0, int(now.Sub(*link.LastSuccessAt).Seconds())))
	}
	if link.Behind() {
		shown.LastErrorAt, shown.LastError = orNull(link.LastErrorAt), orNull(link.LastError)
	}
	return nullable.NewNullableWithValue(shown)
}

// invitationOf is how an invitation stands; null where none was sent (C6, C7).
func invitationOf(sent *domain.InvitationState, now time.Time) nullable.Nullable[api.Invitation] {
	if sent == nil {
		return nullable.NewNullNullable[api.Invitation]()
	}
	return nullable.NewNullableWithValue(api.Invitation{
		Status: string(sent.Status(now)), SentTo: sent.SentTo, SentAt: sent.SentAt, ExpiresAt: sent.ExpiresAt, AcceptedAt: orNull(sent.AcceptedAt),
		TimesSent: sent.TimesSent,
	})
}

// profileOf is what a client sees of themselves: nothing of what staff note about them (C8).
func profileOf(client domain.Client, organization domain.Organization) api.ClientProfile {
	return api.ClientProfile{
		ID: client.ID, Organization: organizationOf(organization), Name: client.Name(), Identity: identityOf(client), Contact: contactOf(client),
		Address: addressOf(client.Sections.Address), Employment: employmentOf(client.Sections.Employment),
		Communication: communicationOf(client.Sections.Communication), Staff: all(client.Staff, staffRefOf),
	}
}
