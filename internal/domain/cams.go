package domain

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// AssessmentStatus is how far a Common Assessment is.
type AssessmentStatus string

// The statuses of assessments.
const (
	AssessmentInProgress AssessmentStatus = "in_progress"
	AssessmentSubmitted  AssessmentStatus = "submitted"
	AssessmentWithdrawn  AssessmentStatus = "withdrawn"
)

// CasePerson is a person as a case system tells of them.
type CasePerson struct {
	FirstName   string
	LastName    string
	Email       *string
	Phone       *string
	DateOfBirth *Date // CaMS alone knows it
	Address     Address
}

// Assessment is a Common Assessment as it is in its case system now (C3).
type Assessment struct {
	Number           string
	Status           AssessmentStatus
	RegisteredInCaMS bool
	Person           CasePerson
}

// Submitted tells that the assessment is completed.
func (a Assessment) Submitted() bool { return a.Status == AssessmentSubmitted }

// CheckAssessment decides whether a client may begin from an assessment: it is completed, and its person is not in CaMS,
// where the client would be followed from (C3).
func CheckAssessment(a Assessment) error {
	switch {
	case a.RegisteredInCaMS:
		return Refuse(CodeRegisteredInCaMS, "The person of assessment %s is registered in CaMS. Add them by their CaMS client reference.", a.Number).
			With("assessment_number", a.Number).At("/assessment_number", CodeRegisteredInCaMS, "Of a person who is registered in CaMS.")
	case !a.Submitted():
		return Refuse(CodeAssessmentNotSubmitted, "Assessment %s is not submitted: its status is %s.", a.Number, a.Status).
			With("assessment_number", a.Number).With("status", string(a.Status)).
			At("/assessment_number", CodeAssessmentNotSubmitted, "Not submitted.")
	}
	return nil
}

// AssessmentCopied refuses to make a second client from an assessment.
func AssessmentCopied(caller Caller, number string, client Person) error {
	refusal := Refuse(CodeDuplicatePerson, "A client was made from assessment %s already. Work with that one.", number).
		With("assessment_number", number).With("person_ids", []uuid.UUID{client.ID}).
		At("/assessment_number", CodeDuplicatePerson, "A client was made from it already.")
	refusal.Matches = []PersonRef{}
	if SeesPerson(caller, client) {
		refusal.Matches = append(refusal.Matches, PersonRef{client.ID, client.Name(), client.Kind})
	}
	return refusal
}

// CaMSRecord is a client as CaMS has them at one version.
type CaMSRecord struct {
	Reference string
	Version   int64 // grows with each change of the record
	Person    CasePerson
}

// CaMSChanges are records of CaMS that have changed, each as it is now, and where to go on reading.
type CaMSChanges struct {
	Records []CaMSRecord
	Unfit   []string // references of others, whose values are not as the contract has them
	Next    string   // the cursor after them
	More    bool     // there are further changes already
}

var (
	camsReference   = regexp.MustCompile(`^CL-[0-9]{6,12}$`)
	caseReference   = regexp.MustCompile(`^CASE-[0-9]+$`)
	assessmentShape = regexp.MustCompile(`^CA-[0-9]{6,12}$`)
)

// ReadCaMSReference reads a client reference of CaMS as somebody typed it, at a place of what was asked. known is false
// where there can be no client of that reference. A case has a reference too, and it is often taken for that of the client.
func ReadCaMSReference(typed, pointer string) (reference string, known bool, err error) {
	reference = strings.ToUpper(strings.TrimSpace(typed))
	if caseReference.MatchString(reference) {
		return reference, false, Refuse(CodeCaseReferenceGiven, "%s is the reference of a case in CaMS. Give the client reference of the person, such as CL-000123.", reference).
			With("reference", reference).At(pointer, CodeCaseReferenceGiven, "The reference of a case, not of a client.")
	}
	return reference, camsReference.MatchString(reference), nil
}

// ReadAssessmentNumber reads the number of an assessment as somebody typed it; known is false where there can be none of
// that number.
func ReadAssessmentNumber(typed string) (number string, known bool) {
	number = strings.ToUpper(strings.TrimSpace(typed))
	return number, assessmentShape.MatchString(number)
}

// CaMSFields are the fields of a client that CaMS owns while they are linked to it (C4): those that ManagedByCaMS names.
type CaMSFields struct {
	FirstName   string
	LastName    string
	DateOfBirth *Date
	Email       *string
	Phone       *string
	Address     Address
}

// CaMSFields are what CaMS owns of the client while they are linked.
func (c Client) CaMSFields() CaMSFields {
	return CaMSFields{c.FirstName, c.LastName, c.Sections.Identity.DateOfBirth, c.Email, c.Phone, c.Sections.Address}
}

// Follow gives the client with the fields that CaMS owns as they are there.
func (c Client) Follow(record CasePerson) Client {
	fields := c.CaMSFields().Follow(record)
	c.FirstName, c.LastName, c.Email, c.Phone = fields.FirstName, fields.LastName, fields.Email, fields.Phone
	c.Sections = c.Sections.Clone()
	c.Sections.Identity.DateOfBirth, c.Sections.Address = fields.DateOfBirth, fields.Address
	return c
}

// Follow takes over what CaMS has. Where CaMS has no email the one that is known here stays, so that the client can still
// be reached; every other field is as empty here as it is there.
func (f CaMSFields) Follow(record CasePerson) CaMSFields {
	email := record.Email
	if email == nil {
		email = f.Email
	}
	return CaMSFields{record.FirstName, record.LastName, record.DateOfBirth, email, record.Phone, record.Address}
}

// CaMSClient is a linked client as the sync finds them.
type CaMSClient struct {
	ID        uuid.UUID
	Reference string
	Version   int64 // of the record that was taken over last
	CaMSFields
}

// CaMSUpdate is what a newer record makes of a linked client.
type CaMSUpdate struct {
	ID        uuid.UUID
	Reference string
	Version   int64
	Before    CaMSFields
	After     CaMSFields
}

// Changed tells whether the record makes any difference here.
func (u CaMSUpdate) Changed() bool {
	return Version(u.Before.sections()) != Version(u.After.sections())
}

// PlanCaMS decides what records make of linked clients. Of several records of a client the newest counts, and one that is
// not newer than what was taken over already is passed over: whoever brings it is late (C4).
func PlanCaMS(clients []CaMSClient, records []CaMSRecord) []CaMSUpdate {
	newest := make(map[string]CaMSRecord, len(records))
	for _, record := range records {
		if known, found := newest[record.Reference]; !found || record.Version > known.Version {
			newest[record.Reference] = record
		}
	}
	updates := make([]CaMSUpdate, 0, len(clients))
	for _, client := range clients {
		record, found := newest[client.Reference]
		if !found || record.Version <= client.Version {
			continue
		}
		updates = append(updates, CaMSUpdate{
			ID: client.ID, Reference: client.Reference, Version: record.Version,
			Before: client.CaMSFields, After: client.Follow(record.Person),
		})
	}
	slices.SortFunc(updates, func(a, b CaMSUpdate) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return updates
}

// sections are the fields as the sections of a client have them.
func (f CaMSFields) sections() map[string]map[string]any {
	return map[string]map[string]any{
		string(SectionIdentity): {"first_name": f.FirstName, "last_name": f.LastName, "date_of_birth": f.DateOfBirth},
		string(SectionContact):  {"email": f.Email, "phone": f.Phone},
		string(SectionAddress): {
			"line1": f.Address.Line1, "line2": f.Address.Line2, "city": f.Address.City, "region": f.Address.Region,
			"postal_code": f.Address.PostalCode, "country": f.Address.Country,
		},
	}
}

// Difference are the fields that an update changes, by section, before and after: what the audit trail tells (D1).
func (u CaMSUpdate) Difference() (before, after map[string]map[string]any) {
	before, after = map[string]map[string]any{}, map[string]map[string]any{}
	now := u.After.sections()
	for section, fields := range u.Before.sections() {
		for name, value := range fields {
			if Version(value) == Version(now[section][name]) {
				continue
			}
			if before[section] == nil {
				before[section], after[section] = map[string]any{}, map[string]any{}
			}
			before[section][name], after[section][name] = value, now[section][name]
		}
	}
	return before, after
}

// CaMSLinkFields are what the audit trail tells of linking and unlinking: the reference, and the fields that changed with it.
type CaMSLinkFields struct {
	Reference *string                   `json:"cams_reference"`
	Sections  map[string]map[string]any `json:"sections,omitempty"`
}

// CaMSHealth is how well all organizations together follow CaMS.
type CaMSHealth struct {
	Organizations int        // that have linked clients
	Clients       int        // that are linked
	Failing       int        // organizations whose last pull failed
	BehindSince   *time.Time // when the one that is furthest behind was last known to have everything; nil: there is none
}
