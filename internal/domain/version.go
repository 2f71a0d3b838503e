package domain

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Fields of resources are what can be edited of them: what the audit trail shows before and after, and what a version is
// made of. Counts and what changes with the clock are not among them.

// StaffFields are the editable fields of a staff member.
type StaffFields struct {
	ExternalID  *string      `json:"external_id"`
	FirstName   string       `json:"first_name"`
	LastName    string       `json:"last_name"`
	Email       string       `json:"email"`
	Role        Role         `json:"role"`
	Status      StaffStatus  `json:"status"`
	Permissions []Permission `json:"permissions"`
}

// Fields are the editable fields.
func (s Staff) Fields() StaffFields {
	permissions := append([]Permission{}, s.Permissions...) // none is an empty list, never null
	return StaffFields{s.ExternalID, s.FirstName, s.LastName, s.Email, s.Role, s.Status, permissions}
}

// PersonFields are the editable fields of a person.
type PersonFields struct {
	ExternalID *string      `json:"external_id"`
	Kind       PersonKind   `json:"kind"`
	Status     PersonStatus `json:"status"`
	FirstName  string       `json:"first_name"`
	LastName   string       `json:"last_name"`
	Email      *string      `json:"email"`
	Phone      *string      `json:"phone"`
	StaffIDs   []uuid.UUID  `json:"staff_ids"`
}

// Fields are the editable fields.
func (p Person) Fields() PersonFields {
	return PersonFields{p.ExternalID, p.Kind, p.Status, p.FirstName, p.LastName, p.Email, p.Phone, refIDs(p.Staff)}
}

// TaskFields are the editable fields of a task.
type TaskFields struct {
	ExternalID  *string     `json:"external_id"`
	Title       string      `json:"title"`
	Details     string      `json:"details"`
	Status      TaskStatus  `json:"status"`
	DueOn       *Date       `json:"due_on"`
	PersonID    *uuid.UUID  `json:"person_id"`
	MatterID    *uuid.UUID  `json:"matter_id"`
	AssigneeIDs []uuid.UUID `json:"assignee_ids"`
}

// Fields are the editable fields.
func (t Task) Fields() TaskFields {
	return TaskFields{t.ExternalID, t.Title, t.Details, t.Status, t.DueOn, t.PersonID, t.MatterID, refIDs(t.Assignees)}
}

// MatterFields are the editable fields of a matter.
type MatterFields struct {
	ExternalID         *string      `json:"external_id"`
	Number             string       `json:"number"`
	Description        string       `json:"description"`
	Status             MatterStatus `json:"status"`
	Visibility         Visibility   `json:"visibility"`
	ResponsibleStaffID uuid.UUID    `json:"responsible_staff_id"`
	ClientID           *uuid.UUID   `json:"client_id"`
	GroupIDs           []uuid.UUID  `json:"group_ids"`
}

// Fields are the editable fields.
func (m Matter) Fields() MatterFields {
	groups := append([]uuid.UUID{}, m.GroupIDs...) // none is an empty list, never null
	return MatterFields{m.ExternalID, m.Number, m.Description, m.Status, m.Visibility, m.Responsible.ID, m.ClientID, groups}
}

// CalendarEventFields are the editable fields of a calendar event.
type CalendarEventFields struct {
	ExternalID   *string     `json:"external_id"`
	Title        string      `json:"title"`
	StartsAt     time.Time   `json:"starts_at"`
	EndsAt       time.Time   `json:"ends_at"`
	OwnerStaffID uuid.UUID   `json:"owner_staff_id"`
	MatterID     *uuid.UUID  `json:"matter_id"`
	AttendeeIDs  []uuid.UUID `json:"attendee_ids"`
}

// Fields are the editable fields.
func (e CalendarEvent) Fields() CalendarEventFields {
	return CalendarEventFields{e.ExternalID, e.Title, e.StartsAt.UTC(), e.EndsAt.UTC(), e.Owner.ID, e.MatterID, refIDs(e.Attendees)}
}

// StaffGroupFields are the editable fields of a staff group.
type StaffGroupFields struct {
	Name      string      `json:"name"`
	MemberIDs []uuid.UUID `json:"member_ids"`
}

// Fields are the editable fields.
func (g StaffGroup) Fields() StaffGroupFields {
	members := append([]uuid.UUID{}, g.MemberIDs...) // none is an empty list, never null
	return StaffGroupFields{g.Name, members}
}

func refIDs(refs []StaffRef) []uuid.UUID {
	ids := make([]uuid.UUID, len(refs))
	for i, ref := range refs {
		ids[i] = ref.ID
	}
	return ids
}

// Version names a state of fields: it changes when any of them does (the ETag of a resource, RFC 9110 section 8.8.3).
func Version(fields any) string {
	encoded, err := json.Marshal(fields)
	if err != nil {
		panic("fields that cannot be encoded: " + err.Error())
	}
	sum := sha256.Sum256(encoded)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}
