package domain

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// RunKind tells what a run does.
type RunKind string

// The kinds of runs.
const (
	RunManageAssignments RunKind = "manage_assignments"
	RunAssignStaff       RunKind = "assign_staff"
	RunRemoveStaff       RunKind = "remove_staff"
	RunReassignWork      RunKind = "reassign_work"
	RunUndo              RunKind = "undo" // also the return of what was lent (B12)
)

// RunKinds are all kinds of runs.
var RunKinds = []RunKind{RunManageAssignments, RunAssignStaff, RunRemoveStaff, RunReassignWork, RunUndo}

// RunStatus tells how far a run is.
type RunStatus string

// The statuses of runs. A preview is a dry run: it is kept nowhere.
const (
	RunPreview   RunStatus = "preview"
	RunScheduled RunStatus = "scheduled"
	RunQueued    RunStatus = "queued"
	RunRunning   RunStatus = "running"
	RunSucceeded RunStatus = "succeeded"
	RunFailed    RunStatus = "failed"
	RunCancelled RunStatus = "cancelled"
)

// Finished tells whether nothing more will happen to a run of this status.
func (s RunStatus) Finished() bool {
	switch s {
	case RunSucceeded, RunFailed, RunCancelled, RunPreview:
		return true
	case RunScheduled, RunQueued, RunRunning:
		return false
	}
	return false
}

// Totals are the sums of a run's items (I1).
type Totals struct {
	PeopleChanged      int `json:"people_changed"`
	PeopleUnchanged    int `json:"people_unchanged"`
	AssignmentsAdded   int `json:"assignments_added"`
	AssignmentsRemoved int `json:"assignments_removed"`
	TasksChanged       int `json:"tasks_changed"`
	TasksUnassigned    int `json:"tasks_unassigned"`
	TasksCreated       int `json:"tasks_created"`
	TasksCancelled     int `json:"tasks_cancelled"` // intake tasks that an undo took back
	MattersMoved       int `json:"matters_moved"`
	EventsMoved        int `json:"events_moved"`
	// LeftAlone counts what stayed where it was, by reason.
	LeftAlone LeftAlone `json:"left_alone"`
	// WithheldPrivate counts what was left alone because it is private; nothing else is told of it (B5).
	WithheldPrivate int `json:"withheld_private"`
}

// LeftAlone counts items that a run left alone, by their reason.
type LeftAlone struct {
	AttendeeOnly   int `json:"attendee_only"`
	NoMatter       int `json:"no_matter"`
	ClosedMatter   int `json:"closed_matter"`
	PastDue        int `json:"past_due"`
	ChangedSince   int `json:"changed_since"`
	NoLongerActive int `json:"no_longer_active"`
}

// Count adds a number of tasks, matters or events of which the same became.
func (t *Totals) Count(kind ItemKind, outcome Outcome, reason Reason, leftWithNobody bool, number int) {
	switch {
	case outcome == OutcomeLeftAlone:
		t.LeftAlone.add(reason, number)
	case kind == ItemMatter && outcome == OutcomeChanged:
		t.MattersMoved += number
	case kind == ItemCalendarEvent && outcome == OutcomeChanged:
		t.EventsMoved += number
	case kind == ItemTask && outcome == OutcomeCreated:
		t.TasksCreated += number
	case kind == ItemTask && reason == ReasonIntakeCancelled:
		t.TasksCancelled += number
	case kind == ItemTask && outcome == OutcomeChanged:
		t.TasksChanged += number
		if leftWithNobody {
			t.TasksUnassigned += number
		}
	}
}

// add counts items that were left alone for a reason.
func (l *LeftAlone) add(reason Reason, number int) {
	switch reason {
	case ReasonAttendeeOnly:
		l.AttendeeOnly += number
	case ReasonNoMatter:
		l.NoMatter += number
	case ReasonClosedMatter:
		l.ClosedMatter += number
	case ReasonPastDue:
		l.PastDue += number
	case ReasonChangedSince:
		l.ChangedSince += number
	case ReasonNoLongerActive:
		l.NoLongerActive += number
	case ReasonNone, ReasonAlreadyInPlace, ReasonNoStaffRemained, ReasonIntakeOnlyReferrals, ReasonIntakeAlreadyCreated,
		ReasonIntakeHadStaff, ReasonIntakeTemplateEmpty, ReasonIntakeCancelled:
		panic("nothing is left alone because of " + string(reason))
	}
}

// items is how many tasks, matters and events are counted.
func (t Totals) items() int {
	alone := t.LeftAlone
	return t.TasksChanged + t.TasksCreated + t.TasksCancelled + t.MattersMoved + t.EventsMoved +
		alone.AttendeeOnly + alone.NoMatter + alone.ClosedMatter + alone.PastDue + alone.ChangedSince + alone.NoLongerActive
}

// Minus is what is left of the totals without a part of them: what the reader may not see (B5).
func (t Totals) Minus(part Totals) Totals {
	t.PeopleChanged -= part.PeopleChanged
	t.PeopleUnchanged -= part.PeopleUnchanged
	t.AssignmentsAdded -= part.AssignmentsAdded
	t.AssignmentsRemoved -= part.AssignmentsRemoved
	t.TasksChanged -= part.TasksChanged
	t.TasksUnassigned -= part.TasksUnassigned
	t.TasksCreated -= part.TasksCreated
	t.TasksCancelled -= part.TasksCancelled
	t.MattersMoved -= part.MattersMoved
	t.EventsMoved -= part.EventsMoved
	t.LeftAlone.AttendeeOnly -= part.LeftAlone.AttendeeOnly
	t.LeftAlone.NoMatter -= part.LeftAlone.NoMatter
	t.LeftAlone.ClosedMatter -= part.LeftAlone.ClosedMatter
	t.LeftAlone.PastDue -= part.LeftAlone.PastDue
	t.LeftAlone.ChangedSince -= part.LeftAlone.ChangedSince
	t.LeftAlone.NoLongerActive -= part.LeftAlone.NoLongerActive
	t.WithheldPrivate -= part.WithheldPrivate
	return t
}

// Run is one bulk change, planned or applied: who asked, what was asked, what became of it.
type Run struct {
	ID          uuid.UUID // zero for a preview
	Kind        RunKind
	Status      RunStatus
	RequestedBy StaffRef
	RequestedAt time.Time
	StartedAt   *time.Time
	FinishedAt  *time.Time
	Reason      *string
	Request     json.RawMessage // the body as it was asked
	SelectionID *uuid.UUID      // the frozen people of an asynchronous run
	Done        int
	Total       int
	Totals      Totals
	Revision    *string // of the facts before the change
	Error       *RunError

	ScheduledFor *time.Time // when a scheduled run is due (B12)
	ReturnAt     *time.Time // when what was lent goes back (B12)
	Reverts      *uuid.UUID // the run that this one undoes, or returns the loan of
	RevertedBy   *uuid.UUID // the run that has undone this one, or returned its loan
	UndoUntil    *time.Time // nil: cannot be undone (B11)
}

// Without is a run without the items that its reader may not see: they are not in its totals and, where that is of items,
// not in its progress (B5).
func (r Run) Without(hidden Totals) Run {
	r.Totals = r.Totals.Minus(hidden)
	switch r.Kind {
	case RunReassignWork, RunUndo:
		r.Done, r.Total = r.Done-hidden.items(), r.Total-hidden.items()
	case RunManageAssignments, RunAssignStaff, RunRemoveStaff: // their progress is of people
	}
	return r
}

// RunError tells why a run failed, in the words of the problem the caller would have got.
type RunError struct {
	Code   Code           `json:"code"`
	Detail string         `json:"detail"`
	Params map[string]any `json:"params,omitempty"`
	Fields []FieldError   `json:"errors,omitempty"`
}

// ItemKind tells what an item of a run is.
type ItemKind string

// The kinds of items.
const (
	ItemPerson        ItemKind = "person"
	ItemTask          ItemKind = "task"
	ItemMatter        ItemKind = "matter"
	ItemCalendarEvent ItemKind = "calendar_event"
)

// Outcome is what became of an item.
type Outcome string

// The outcomes of items.
const (
	OutcomeChanged   Outcome = "changed"
	OutcomeUnchanged Outcome = "unchanged"
	OutcomeCreated   Outcome = "created"
	OutcomeLeftAlone Outcome = "left_alone"
)

// Reason says why an item became what it did, where that is not plain from the request.
type Reason string

// The reasons of items.
const (
	ReasonNone                 Reason = ""
	ReasonAlreadyInPlace       Reason = "already_in_place"       // A17
	ReasonNoStaffRemained      Reason = "no_staff_remained"      // A12: unassigned because nobody is left
	ReasonIntakeOnlyReferrals  Reason = "intake_only_referrals"  // A5: a client gets no intake tasks
	ReasonIntakeAlreadyCreated Reason = "intake_already_created" // A5: has tasks from the template
	ReasonIntakeHadStaff       Reason = "intake_had_staff"       // A18: had staff before
	ReasonIntakeTemplateEmpty  Reason = "intake_template_empty"  // A5: there is nothing to create
	ReasonAttendeeOnly         Reason = "attendee_only"          // B4: the leaver only attends the event
	ReasonNoMatter             Reason = "no_matter"              // B4: the task or event belongs to no matter
	ReasonClosedMatter         Reason = "closed_matter"          // B4
	ReasonPastDue              Reason = "past_due"               // B4
	ReasonChangedSince         Reason = "changed_since"          // B11: is not as the run left it
	ReasonNoLongerActive       Reason = "no_longer_active"       // B11: is over: completed, cancelled, closed or past
	ReasonIntakeCancelled      Reason = "intake_cancelled"       // B11: an untouched intake task was taken back
)

// RunItem is an item of a run as it is read: what it was called is looked up when reading.
type RunItem struct {
	Kind       ItemKind
	ItemID     uuid.UUID
	ExternalID *string
	Label      string
	Outcome    Outcome
	Reason     *string
	Before     []uuid.UUID
	After      []uuid.UUID
}
