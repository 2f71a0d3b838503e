package domain_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

func TestVersions(t *testing.T) {
	text := "x"
	due := domain.Date{Year: 2024, Month: 3, Day: 1}
	other := id("other")

	t.Run("every editable field of a staff member is in their version", func(t *testing.T) {
		differ(t, domain.Version(domain.Staff{}.Fields()), map[string]any{
			"external_id": domain.Staff{ExternalID: &text}.Fields(),
			"first_name":  domain.Staff{FirstName: text}.Fields(),
			"last_name":   domain.Staff{LastName: text}.Fields(),
			"email":       domain.Staff{Email: text}.Fields(),
			"role":        domain.Staff{Role: domain.RoleMember}.Fields(),
			"status":      domain.Staff{Status: domain.StaffActive}.Fields(),
			"permissions": domain.Staff{Permissions: []domain.Permission{domain.PermissionStaff}}.Fields(),
		})
	})
	t.Run("every editable field of a person is in their version", func(t *testing.T) {
		differ(t, domain.Version(domain.Person{}.Fields()), map[string]any{
			"external_id": domain.Person{ExternalID: &text}.Fields(),
			"kind":        domain.Person{Kind: domain.KindClient}.Fields(),
			"status":      domain.Person{Status: domain.PersonActive}.Fields(),
			"first_name":  domain.Person{FirstName: text}.Fields(),
			"last_name":   domain.Person{LastName: text}.Fields(),
			"email":       domain.Person{Email: &text}.Fields(),
			"phone":       domain.Person{Phone: &text}.Fields(),
			"staff":       domain.Person{Staff: []domain.StaffRef{{ID: other}}}.Fields(),
		})
	})
	t.Run("every editable field of a task is in its version", func(t *testing.T) {
		differ(t, domain.Version(domain.Task{}.Fields()), map[string]any{
			"external_id": domain.Task{ExternalID: &text}.Fields(),
			"title":       domain.Task{Title: text}.Fields(),
			"details":     domain.Task{Details: text}.Fields(),
			"status":      domain.Task{Status: domain.TaskOpen}.Fields(),
			"due_on":      domain.Task{DueOn: &due}.Fields(),
			"person_id":   domain.Task{PersonID: &other}.Fields(),
			"matter_id":   domain.Task{MatterID: &other}.Fields(),
			"assignees":   domain.Task{Assignees: []domain.StaffRef{{ID: other}}}.Fields(),
		})
	})
	t.Run("every editable field of a matter is in its version", func(t *testing.T) {
		differ(t, domain.Version(domain.Matter{}.Fields()), map[string]any{
			"external_id": domain.Matter{ExternalID: &text}.Fields(),
			"number":      domain.Matter{Number: text}.Fields(),
			"description": domain.Matter{Description: text}.Fields(),
			"status":      domain.Matter{Status: domain.MatterOpen}.Fields(),
			"visibility":  domain.Matter{Visibility: domain.VisiblePrivate}.Fields(),
			"responsible": domain.Matter{Responsible: domain.StaffRef{ID: other}}.Fields(),
			"client_id":   domain.Matter{ClientID: &other}.Fields(),
			"groups":      domain.Matter{GroupIDs: []uuid.UUID{other}}.Fields(),
		})
	})
	t.Run("every editable field of an event is in its version", func(t *testing.T) {
		differ(t, domain.Version(domain.CalendarEvent{}.Fields()), map[string]any{
			"external_id": domain.CalendarEvent{ExternalID: &text}.Fields(),
			"title":       domain.CalendarEvent{Title: text}.Fields(),
			"starts_at":   domain.CalendarEvent{StartsAt: due.Midnight()}.Fields(),
			"ends_at":     domain.CalendarEvent{EndsAt: due.Midnight()}.Fields(),
			"owner":       domain.CalendarEvent{Owner: domain.StaffRef{ID: other}}.Fields(),
			"matter_id":   domain.CalendarEvent{MatterID: &other}.Fields(),
			"attendees":   domain.CalendarEvent{Attendees: []domain.StaffRef{{ID: other}}}.Fields(),
		})
		elsewhere := due.Midnight().In(time.FixedZone("east", 3600))
		equal(t, "in any zone", domain.Version(domain.CalendarEvent{StartsAt: elsewhere}.Fields()), domain.Version(domain.CalendarEvent{StartsAt: due.Midnight()}.Fields()))
	})
	t.Run("every editable field of a staff group is in its version", func(t *testing.T) {
		differ(t, domain.Version(domain.StaffGroup{}.Fields()), map[string]any{
			"name":    domain.StaffGroup{Name: text}.Fields(),
			"members": domain.StaffGroup{MemberIDs: []uuid.UUID{other}}.Fields(),
		})
	})
	t.Run("counts, clocks and the names of others are in no version", func(t *testing.T) {
		equal(t, "counts", domain.Version(domain.Person{ActiveTaskCount: 3}.Fields()), domain.Version(domain.Person{}.Fields()))
		renamed := []domain.StaffRef{{ID: other, Name: "Other", Status: domain.StaffDeactivated}}
		equal(t, "names", domain.Version(domain.Person{Staff: renamed}.Fields()), domain.Version(domain.Person{Staff: []domain.StaffRef{{ID: other}}}.Fields()))
	})
	t.Run("an empty list is one thing, however it was read", func(t *testing.T) {
		equal(t, "permissions", domain.Version(domain.Staff{Permissions: []domain.Permission{}}.Fields()), domain.Version(domain.Staff{}.Fields()))
		equal(t, "groups", domain.Version(domain.Matter{GroupIDs: []uuid.UUID{}}.Fields()), domain.Version(domain.Matter{}.Fields()))
		equal(t, "members", domain.Version(domain.StaffGroup{MemberIDs: []uuid.UUID{}}.Fields()), domain.Version(domain.StaffGroup{}.Fields()))
		equal(t, "staff", domain.Version(domain.Person{Staff: []domain.StaffRef{}}.Fields()), domain.Version(domain.Person{}.Fields()))
		encoded, err := json.Marshal(domain.Staff{}.Fields())
		equal(t, "written as a list", strings.Contains(string(encoded), `"permissions":[]`), true)
		equal(t, "error", err, nil)
	})
}

// differ fails where the version of one of the fields is that of another or the original.
func differ(t *testing.T, original string, fields map[string]any) {
	t.Helper()
	seen := map[string]string{original: "nothing"}
	for name, changed := range fields {
		version := domain.Version(changed)
		if twin, twice := seen[version]; twice {
			t.Errorf("the version with another %s is the version with another %s", name, twin)
		}
		seen[version] = name
	}
}

func TestEmptyFilter(t *testing.T) {
	equal(t, "A1 no filter is empty", domain.PersonFilter{}.Empty(), true)
	equal(t, "A1 a search for spaces is empty", domain.PersonFilter{Query: "  "}.Empty(), true)
	for field := range reflect.TypeFor[domain.PersonFilter]().Fields() {
		t.Run("A1 a filter by anything is not empty: "+field.Name, func(t *testing.T) {
			var filter domain.PersonFilter
			value := reflect.ValueOf(&filter).Elem().FieldByIndex(field.Index)
			if value.Kind() == reflect.Slice {
				value.Set(reflect.MakeSlice(field.Type, 1, 1))
			}
			if value.Kind() == reflect.Pointer {
				value.Set(reflect.New(field.Type.Elem()))
			}
			if value.Kind() == reflect.String {
				value.SetString("ann")
			}
			equal(t, "set to anything", !value.IsZero(), true)
			equal(t, "empty", filter.Empty(), false)
		})
	}
}

func TestRefusals(t *testing.T) {
	refused := domain.Refuse(domain.CodeStaffNotFound, "%d are unknown.", 2).With("a", 1).With("b", "two").At("/staff_ids/0", domain.CodeStaffNotFound, "Unknown.")
	equal(t, "error", refused.Error(), "staff_not_found: 2 are unknown.")
	equal(t, "params", fmt.Sprint(refused.Params), "map[a:1 b:two]")

	moved := refused.Below("/change")
	equal(t, "below", pointers(moved), "/change/staff_ids/0 staff_not_found")
	equal(t, "as it was", pointers(refused), "/staff_ids/0 staff_not_found")
}

func TestWorkload(t *testing.T) {
	equal(t, "D5 nothing left", domain.Workload{}.Empty(), true)
	for name, load := range map[string]domain.Workload{
		"clients": {Clients: 1}, "referrals": {Referrals: 1}, "tasks": {ActiveTasks: 1}, "matters": {Matters: 1}, "events": {Events: 1},
	} {
		equal(t, "D5 nothing left with "+name, load.Empty(), false)
	}
}

func TestRunStatuses(t *testing.T) {
	for status, finished := range map[domain.RunStatus]bool{
		domain.RunPreview: true, domain.RunScheduled: false, domain.RunQueued: false, domain.RunRunning: false, domain.RunSucceeded: true,
		domain.RunFailed: true, domain.RunCancelled: true,
	} {
		equal(t, string(status)+" is finished", status.Finished(), finished)
	}
}
