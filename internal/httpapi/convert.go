package httpapi

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"handover/api"
	"handover/internal/domain"
)

// orNull is a value that may be missing, as a field that is always present.
func orNull[T any](value *T) nullable.Nullable[T] {
	if value == nil {
		return nullable.NewNullNullable[T]()
	}
	return nullable.NewNullableWithValue(*value)
}

// pointerOf is the value of a field that may be absent or null; nil for both.
func pointerOf[T any](field nullable.Nullable[T]) *T {
	value, err := field.Get()
	if err != nil {
		return nil
	}
	return &value
}

// set writes a field that was sent; absent leaves it as it is.
func set[T ~string](into *T, sent *T) {
	if sent != nil {
		*into = *sent
	}
}

// setNullable writes a field that was sent, null included; absent leaves it as it is.
func setNullable[T any](into **T, sent nullable.Nullable[T]) {
	if sent.IsSpecified() {
		*into = pointerOf(sent)
	}
}

// kept is an instant as it is kept: in UTC, to the microsecond. What was sent may be of any zone and any precision.
func kept(instant *time.Time) *time.Time {
	if instant == nil {
		return nil
	}
	return new(instant.UTC().Truncate(time.Microsecond))
}

func valueOr[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

// all converts each element.
func all[From, To any](from []From, convert func(From) To) []To {
	converted := make([]To, len(from))
	for i, element := range from {
		converted[i] = convert(element)
	}
	return converted
}

// allOf converts each element of a list that may be absent.
func allOf[From, To any](from *[]From, convert func(From) To) []To {
	if from == nil {
		return nil
	}
	return all(*from, convert)
}

// as converts between string types.
func as[To, From ~string](from From) To { return To(from) }

// staffID reads a staff id, where me stands for the caller. The form was checked by the contract.
func staffID(caller domain.Caller) func(string) uuid.UUID {
	return func(text string) uuid.UUID {
		if text == "me" {
			return caller.StaffID
		}
		id, err := uuid.Parse(text)
		if err != nil {
			return uuid.Nil
		}
		return id
	}
}

func staffRefOf(ref domain.StaffRef) api.StaffRef {
	return api.StaffRef{ID: ref.ID, Name: ref.Name, Status: string(ref.Status)}
}

func organizationOf(organization domain.Organization) api.Organization {
	return api.Organization{ID: api.UUID(organization.ID), Name: organization.Name, TimeZone: organization.TimeZone}
}

func personOf(person domain.Person) api.Person {
	return api.Person{
		ID: person.ID, ExternalID: orNull(person.ExternalID), Kind: string(person.Kind), Status: string(person.Status),
		FirstName: person.FirstName, LastName: person.LastName, Name: person.Name(), Email: orNull(person.Email), Phone: orNull(person.Phone),
		Staff: all(person.Staff, staffRefOf), ActiveTaskCount: person.ActiveTaskCount, CreatedAt: person.CreatedAt, UpdatedAt: person.UpdatedAt,
	}
}

// staffOf is a staff member as they are now: whether an invitation still works is a matter of time.
func (h *handlers) staffOf(staff domain.Staff) api.Staff {
	return api.Staff{
		ID: staff.ID, ExternalID: orNull(staff.ExternalID), FirstName: staff.FirstName, LastName: staff.LastName, Name: staff.Name(),
		Email: staff.Email, Role: string(staff.Role), Status: string(staff.Status), Permissions: all(staff.Permissions, as[string, domain.Permission]),
		Invitation: invitationOf(staff.Invitation, h.options.Now()), CreatedAt: staff.CreatedAt, UpdatedAt: staff.UpdatedAt,
	}
}

func taskOf(today domain.Date) func(domain.Task) api.Task {
	return func(task domain.Task) api.Task {
		return api.Task{
			ID: task.ID, ExternalID: orNull(task.ExternalID), Title: task.Title, Details: task.Details, Status: string(task.Status),
			DueOn: orNull(dateOf(task.DueOn)), PastDue: task.PastDue(today), PersonID: orNull(task.PersonID), MatterID: orNull(task.MatterID),
			Assignees: all(task.Assignees, staffRefOf), CreatedAt: task.CreatedAt, UpdatedAt: task.UpdatedAt,
		}
	}
}

func dateOf(date *domain.Date) *openapi_types.Date {
	if date == nil {
		return nil
	}
	return &openapi_types.Date{Time: date.Midnight()}
}

func domainDate(date *openapi_types.Date) *domain.Date {
	if date == nil {
		return nil
	}
	return new(domain.DateOf(date.Time))
}

func peopleCounts(kinds domain.SelectionKinds) api.PeopleCounts {
	return api.PeopleCounts{Total: kinds.Clients + kinds.Referrals, Clients: kinds.Clients, Referrals: kinds.Referrals}
}

func summaryOf(summary domain.AssignmentSummary) api.AssignmentSummary {
	return api.AssignmentSummary{
		SelectionID: summary.SelectionID,
		Selected:    peopleCounts(domain.SelectionKinds{Clients: summary.Clients, Referrals: summary.Referrals}),
		WithStaff: api.LinkedCount{
			Count: summary.PeopleWithStaff, Href: fmt.Sprintf("/v1/people?selection_id=%s&has_staff=true", summary.SelectionID),
		},
		ActiveTasks: api.LinkedCount{
			Count: summary.ActiveTasks, Href: fmt.Sprintf("/v1/tasks?selection_id=%s&person_has_staff=true&active=true", summary.SelectionID),
		},
		Staff: all(summary.Staff, func(count domain.StaffCount) api.SummaryStaff {
			return api.SummaryStaff{Staff: staffRefOf(count.Staff), People: count.People, ActiveTasks: count.ActiveTasks}
		}),
		AvailableChanges:   all(summary.AvailableChanges(), as[string, domain.ChangeType]),
		TaskPolicyRequired: summary.TaskPolicyRequired(),
		Revision:           summary.Revision,
	}
}

func (h *handlers) runOf(run domain.Run) api.Run { return runAt(run, h.options.Now()) }

// runAnswer is the run that a request came to. A stored answer tells what could be done when it was given.
func (h *handlers) runAnswer(run domain.Run, stored bool) api.Run {
	if stored && run.FinishedAt != nil {
		return runAt(run, *run.FinishedAt)
	}
	return h.runOf(run)
}

// runAt is a run as it is at an instant.
func runAt(run domain.Run, now time.Time) api.Run {
	shown := api.Run{
		ID: nullable.NewNullNullable[api.UUID](), Kind: string(run.Kind), Status: string(run.Status), DryRun: run.Status == domain.RunPreview,
		RequestedBy: staffRefOf(run.RequestedBy), RequestedAt: run.RequestedAt, ScheduledFor: orNull(run.ScheduledFor),
		StartedAt: orNull(run.StartedAt), FinishedAt: orNull(run.FinishedAt), ReturnAt: orNull(run.ReturnAt), Reverts: orNull(run.Reverts),
		Reason: orNull(run.Reason), Request: api.RunRequest{}, Progress: api.RunProgress{Done: run.Done, Total: run.Total},
		Totals: totalsOf(run.Totals), Revision: orNull(run.Revision),
		Undo: nullable.NewNullNullable[api.RunUndo](), Links: nullable.NewNullNullable[api.RunLinks](), Error: nullable.NewNullNullable[api.RunError](),
	}
	if len(run.Request) > 0 {
		_ = json.Unmarshal(run.Request, &shown.Request) // was a valid body when it was asked
	}
	if run.Status == domain.RunPreview {
		return shown
	}
	self := runLocation(run)
	shown.ID = nullable.NewNullableWithValue(run.ID)
	shown.Undo = nullable.NewNullableWithValue(api.RunUndo{
		Available: domain.CheckUndo(run, now) == nil, Until: orNull(run.UndoUntil), UndoneBy: orNull(run.RevertedBy),
	})
	shown.Links = nullable.NewNullableWithValue(api.RunLinks{
		Self: self, Items: self + "/items", ReportCSV: self + "/report.csv", ReportXLSX: self + "/report.xlsx", ReportJSON: self + "/report.json",
	})
	if run.Error != nil {
		shown.Error = nullable.NewNullableWithValue(runErrorOf(*run.Error))
	}
	return shown
}

func totalsOf(totals domain.Totals) api.RunTotals {
	return api.RunTotals{
		PeopleChanged: totals.PeopleChanged, PeopleUnchanged: totals.PeopleUnchanged,
		AssignmentsAdded: totals.AssignmentsAdded, AssignmentsRemoved: totals.AssignmentsRemoved,
		TasksChanged: totals.TasksChanged, TasksUnassigned: totals.TasksUnassigned, TasksCreated: totals.TasksCreated,
		TasksCancelled: totals.TasksCancelled, MattersMoved: totals.MattersMoved, EventsMoved: totals.EventsMoved,
		LeftAlone: api.RunLeftAlone{
			PastDue: totals.LeftAlone.PastDue, AttendeeOnly: totals.LeftAlone.AttendeeOnly, NoMatter: totals.LeftAlone.NoMatter,
			ClosedMatter: totals.LeftAlone.ClosedMatter, ChangedSince: totals.LeftAlone.ChangedSince, NoLongerActive: totals.LeftAlone.NoLongerActive,
		},
		WithheldPrivate: totals.WithheldPrivate,
	}
}

func itemOf(item domain.RunItem) api.RunItem {
	return api.RunItem{
		Kind: string(item.Kind), ItemID: item.ItemID, ExternalID: orNull(item.ExternalID), Label: item.Label,
		Outcome: string(item.Outcome), Reason: orNull(item.Reason),
		Before: api.RunItemStaff{StaffIds: present(item.Before)}, After: api.RunItemStaff{StaffIds: present(item.After)},
	}
}

// present is a list that is shown as [] when it is empty.
func present[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// replayed is the header that tells of a stored answer.
func replayed(isReplayed bool) *string {
	if !isReplayed {
		return nil
	}
	return new("true")
}
