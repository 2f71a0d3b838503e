package domain

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestReferencesAsTyped(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{"CL-000123": "CL-000123", " cl-000123\n": "CL-000123", "CL-123456789012": "CL-123456789012"} {
		reference, known, err := ReadCaMSReference(typed, "/cams_reference")
		require.NoError(t, err)
		require.True(t, known, typed)
		require.Equal(t, want, reference)
	}
	for _, typed := range []string{"", "CL-", "CL-12345", "CL-1234567890123", "CL-00012x", "XCL-000123", "CL-000123/..", "CA-000123", "CL 000123", "CL-٠٠٠١٢٣"} {
		_, known, err := ReadCaMSReference(typed, "/cams_reference")
		require.NoError(t, err)
		require.False(t, known, typed)
	}
	for _, typed := range []string{"CASE-000123", "case-1", " Case-77 "} {
		_, known, err := ReadCaMSReference(typed, "/cams_reference")
		require.False(t, known)
		require.Equal(t, CodeCaseReferenceGiven, refusedWith(t, err).Code)
		require.Equal(t, "/cams_reference", refusedWith(t, err).Fields[0].Pointer)
	}
}

func refusedWith(t *testing.T, err error) *Error {
	t.Helper()
	var refusal *Error
	require.True(t, errors.As(err, &refusal), "%v", err)
	return refusal
}

func TestC3Assessments(t *testing.T) {
	t.Parallel()
	require.NoError(t, CheckAssessment(Assessment{Status: AssessmentSubmitted}))
	for _, status := range []AssessmentStatus{AssessmentInProgress, AssessmentWithdrawn, "of another day"} {
		refusal := refusedWith(t, CheckAssessment(Assessment{Number: "CA-000001", Status: status}))
		require.Equal(t, CodeAssessmentNotSubmitted, refusal.Code)
		require.Equal(t, string(status), refusal.Params["status"])
		require.Equal(t, CodeRegisteredInCaMS, refusedWith(t, CheckAssessment(Assessment{Status: status, RegisteredInCaMS: true})).Code)
	}
	require.Equal(t, CodeRegisteredInCaMS, refusedWith(t, CheckAssessment(Assessment{Status: AssessmentSubmitted, RegisteredInCaMS: true})).Code)
}

func drawnText(t *rapid.T, name string) *string {
	return rapid.Ptr(rapid.SampledFrom([]string{"a", "b", "c@example.org"}), true).Draw(t, name)
}

func drawnPerson(t *rapid.T) CasePerson {
	return CasePerson{
		FirstName: rapid.SampledFrom([]string{"Ada", "Bo"}).Draw(t, "first"), LastName: rapid.SampledFrom([]string{"Lin", "Roy"}).Draw(t, "last"),
		Email: drawnText(t, "email"), Phone: drawnText(t, "phone"),
		DateOfBirth: rapid.Ptr(rapid.Just(Date{1990, 1, 2}), true).Draw(t, "born"),
		Address:     Address{Line1: drawnText(t, "line1"), City: drawnText(t, "city"), Country: drawnText(t, "country")},
	}
}

// C4: what is here afterwards is what CaMS has, but for an email that it does not know; nothing else of the client changes; and
// following once more changes nothing.
func TestC4Follow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		was := Client{Person: Person{FirstName: "Before", LastName: "Before", Email: drawnText(t, "had")}}
		was.Sections.Identity.PreferredName = new("Bee")
		was.Sections.Employment.PastOccupations = Texts{"Cook"}
		record := drawnPerson(t)
		is := was.Follow(record)
		want := CaMSFields{record.FirstName, record.LastName, record.DateOfBirth, record.Email, record.Phone, record.Address}
		if record.Email == nil {
			want.Email = was.Email
		}
		require.Equal(t, want, is.CaMSFields())
		require.Equal(t, is, is.Follow(record))
		for _, section := range SectionNames() {
			for name, changed := range changedFields(was.Section(section), is.Section(section)) {
				require.True(t, !changed || slices.Contains(CaMSOwned(section), name), "%s of %s has changed", name, section)
			}
		}
	})
}

// C4: of all records only those count that are newer than what is here, and of several the newest; whatever their order.
func TestC4PlanOfRecords(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		references := []string{"CL-000001", "CL-000002", "CL-000003"}
		var clients []CaMSClient
		for i, reference := range references {
			clients = append(clients, CaMSClient{
				ID: uuid.UUID{byte(9 - i)}, Reference: reference, Version: rapid.Int64Range(0, 4).Draw(t, "version"),
				CaMSFields: CaMSFields{FirstName: "Ada", LastName: "Lin"},
			})
		}
		records := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) CaMSRecord {
			return CaMSRecord{rapid.SampledFrom(append(references, "CL-000009")).Draw(t, "reference"), rapid.Int64Range(1, 5).Draw(t, "of"), drawnPerson(t)}
		}), 0, 8).Draw(t, "records")
		newest := map[string]CaMSRecord{}
		for _, record := range records {
			if record.Version > newest[record.Reference].Version {
				newest[record.Reference] = record
			}
		}
		updates := map[string]CaMSUpdate{}
		for _, update := range PlanCaMS(clients, records) {
			require.NotContains(t, updates, update.Reference)
			updates[update.Reference] = update
		}
		for _, client := range clients {
			update, planned := updates[client.Reference]
			require.Equal(t, newest[client.Reference].Version > client.Version, planned)
			if !planned {
				continue
			}
			require.Equal(t, newest[client.Reference].Version, update.Version)
			require.Equal(t, client.ID, update.ID)
			require.Equal(t, client.CaMSFields, update.Before)
			require.Equal(t, client.Follow(newest[client.Reference].Person), update.After)
			before, after := update.Difference()
			require.Equal(t, update.Changed(), len(after) > 0)
			for section, fields := range after {
				require.Len(t, before[section], len(fields))
			}
		}
	})
}
