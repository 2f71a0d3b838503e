package domain

import (
	"time"

	"github.com/google/uuid"
)

// PersonFilter is what the people list and selections can be narrowed by: all that is set must hold, and within one
// field any of the values may.
type PersonFilter struct {
	Kinds          []PersonKind
	Statuses       []PersonStatus
	StaffIDs       []uuid.UUID // assigned to any of them (A19)
	HasStaff       *bool
	HasActiveTasks *bool
	SelectionID    *uuid.UUID // in this saved selection
	Query          string     // a prefix of any word of name or email, for each of its words
	ExternalIDs    []string
}

// Empty tells whether the filter matches everybody.
func (f PersonFilter) Empty() bool {
	return len(f.Kinds)+len(f.Statuses)+len(f.StaffIDs)+len(f.ExternalIDs) == 0 &&
		f.HasStaff == nil && f.HasActiveTasks == nil && f.SelectionID == nil && len(SearchPrefixes(f.Query)) == 0
}

// Selection is how a caller names people (A1): by their ids, by a saved selection, or by the filter of the people list.
// Exactly one of the three is set.
type Selection struct {
	PersonIDs []uuid.UUID
	Saved     *uuid.UUID
	Filter    *PersonFilter
	MatchAll  bool // with Filter: an empty filter is meant
}

// The bounds of selections.
const (
	MaxInlinePeople   = 1000
	MaxSelectedPeople = 200_000
)

// TaskFilter is what the task list can be narrowed by.
type TaskFilter struct {
	Statuses       []TaskStatus
	Active         *bool
	AssigneeIDs    []uuid.UUID // held by any of them
	Unassigned     *bool
	PersonIDs      []uuid.UUID
	MatterIDs      []uuid.UUID
	SelectionID    *uuid.UUID // of the people in this saved selection
	PersonHasStaff *bool
	DueFrom        *Date // inclusive
	DueTo          *Date // inclusive
	PastDue        *bool
	Query          string // a prefix of any word of the title, for each of its words
	ExternalIDs    []string
}

// MatterFilter is what the list of matters can be narrowed by.
type MatterFilter struct {
	Statuses       []MatterStatus
	Visibilities   []Visibility
	ResponsibleIDs []uuid.UUID // in the hands of any of them
	ClientIDs      []uuid.UUID
	Query          string // a prefix of any word of number or description, for each of its words
	ExternalIDs    []string
}

// CalendarEventFilter is what the list of calendar events can be narrowed by.
type CalendarEventFilter struct {
	OwnerIDs    []uuid.UUID // on the calendar of any of them
	AttendeeIDs []uuid.UUID // attended by any of them
	MatterIDs   []uuid.UUID
	StartsFrom  *time.Time // inclusive
	StartsTo    *time.Time // exclusive
	Query       string     // a prefix of any word of the title, for each of its words
	ExternalIDs []string
}

// StaffGroupFilter is what the list of staff groups can be narrowed by.
type StaffGroupFilter struct {
	MemberIDs []uuid.UUID // with any of them
	Query     string      // a prefix of any word of the name, for each of its words
}

// StaffFilter is what the staff list can be narrowed by.
type StaffFilter struct {
	Statuses    []StaffStatus
	Roles       []Role
	Permissions []Permission // has any of them, an administrator all
	Query       string
	ExternalIDs []string
}

// RunFilter is what the list of runs can be narrowed by.
type RunFilter struct {
	Kinds       []string
	Statuses    []string
	RequestedBy []uuid.UUID
}

// ItemFilter is what a run's items can be narrowed by.
type ItemFilter struct {
	Kinds    []string
	Outcomes []string
}

// AuditFilter is what the audit trail can be narrowed by.
type AuditFilter struct {
	StaffIDs     []uuid.UUID
	SubjectKinds []string
	SubjectID    *uuid.UUID
	RunID        *uuid.UUID
	Actions      []string
	From         *time.Time
	To           *time.Time
}

// Page is a part of a list in keyset order: the Limit rows that come after After.
type Page struct {
	After uuid.UUID // zero: from the start
	Limit int
}

// MaxPage is the size of the largest page of a list.
const MaxPage = 200
