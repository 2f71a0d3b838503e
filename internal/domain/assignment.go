package domain

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// ChangeType is what is to happen to the staff of the selected people.
type ChangeType string

// The changes of assignments.
const (
	ChangeAssign  ChangeType = "assign"  // A4
	ChangeAdd     ChangeType = "add"     // A6
	ChangeReplace ChangeType = "replace" // A7
	ChangeRemove  ChangeType = "remove"  // A8
)

// WhenNoStaffRemain decides what happens where tasks cannot be reassigned to remaining staff (A12).
type WhenNoStaffRemain string

// The decisions where nobody remains.
const (
	NoStaffReject   WhenNoStaffRemain = "reject"
	NoStaffUnassign WhenNoStaffRemain = "unassign"
)

// AssignmentChange is the wish: what the caller wants done to the selected people.
type AssignmentChange struct {
	Type               ChangeType
	StaffIDs           []uuid.UUID // as asked; duplicates are harmless
	AllStaff           bool        // remove: everybody, instead of StaffIDs
	TaskPolicy         TaskPolicy
	TaskScope          TaskScope         // empty: team
	WhenNoStaffRemain  WhenNoStaffRemain // empty: reject
	IncludeIntakeTasks bool
	IntakeForClients   bool // A18: clients get intake tasks too
}

// AssignmentFacts is all that is true of the selected people at the moment they were locked.
type AssignmentFacts struct {
	People []PersonFacts             // by id
	Tasks  []TaskFacts               // their active tasks, by id
	Staff  map[uuid.UUID]StaffStatus // everyone the change names, is on these people or holds these tasks
}

// PersonFacts is what matters of a selected person.
type PersonFacts struct {
	ID             uuid.UUID
	Kind           PersonKind
	Staff          StaffSet
	HasIntakeTasks bool
}

// TaskFacts is an active task of a selected person.
type TaskFacts struct {
	ID        uuid.UUID
	Person    int // its person's place in AssignmentFacts.People
	DueOn     *Date
	Assignees StaffSet
}

// Due tells when the tasks are due.
func (f *AssignmentFacts) Due(zone *time.Location) Due {
	due := Due{Tasks: map[uuid.UUID]Date{}, Zone: zone}
	for _, task := range f.Tasks {
		if task.DueOn != nil {
			due.Tasks[task.ID] = *task.DueOn
		}
	}
	return due
}

// Intake is what intake tasks are made with: the template, today in the organization's time zone, and new ids.
type Intake struct {
	Template []IntakeTask
	Today    Date
	NewID    func() uuid.UUID
}

// PlanAssignments decides what becomes of every selected person and of the tasks in scope (A4 to A13, A18). Refusals
// come in the documented order: staff_not_found, staff_not_active, existing_assignments, task_policy_required,
// no_remaining_staff.
func PlanAssignments(facts *AssignmentFacts, change AssignmentChange, intake Intake) (*Plan, error) {
	if err := CheckNamedStaff(facts.Staff, change); err != nil {
		return nil, err
	}
	if err := checkSize(facts, change); err != nil {
		return nil, err
	}
	if err := checkExistingAssignments(facts, change); err != nil {
		return nil, err
	}
	if err := checkTaskPolicyGiven(facts, change); err != nil {
		return nil, err
	}
	named := NewStaffSet(change.StaffIDs...)
	places := make([]place, len(facts.People))
	for i, person := range facts.People {
		places[i] = placeOf(facts, person, change, named, intake.Template)
	}
	if err := checkSomebodyRemains(facts, change, places); err != nil {
		return nil, err
	}

	plan := &Plan{Items: make([]PlannedItem, 0, len(facts.People)+len(facts.Tasks))}
	for i, person := range facts.People {
		plan.addPerson(person.ID, person.Staff, places[i].after, places[i].reason)
	}
	planTasks(plan, facts, change, named, places)
	planIntake(plan, facts, change, named, intake)
	return plan, nil
}

// place is what the change means for one person, before their tasks are looked at.
type place struct {
	after     StaffSet // the staff of the person after the change
	removed   StaffSet // remove: who loses their place (A11)
	remaining StaffSet // remove: who stays and is active (A11)
	reason    Reason
}

func placeOf(facts *AssignmentFacts, person PersonFacts, change AssignmentChange, named StaffSet, template []IntakeTask) place {
	switch change.Type {
	case ChangeAssign, ChangeReplace:
		return place{after: named, reason: intakeReason(person, change, template)}
	case ChangeAdd:
		return place{after: person.Staff.Union(named)}
	case ChangeRemove:
		removed := person.Staff
		if !change.AllStaff {
			removed = person.Staff.Intersect(named)
		}
		after := person.Staff.Minus(removed)
		return place{after: after, removed: removed, remaining: facts.active(after)}
	}
	panic(fmt.Sprintf("unknown change %q", change.Type))
}

// active is the members of a set who are active.
func (f *AssignmentFacts) active(set StaffSet) StaffSet {
	var active StaffSet
	for i, id := range set {
		switch f.Staff[id] {
		case StaffActive:
			if active != nil {
				active = append(active, id)
			}
		case StaffDeactivated:
			if active == nil {
				active = append(make(StaffSet, 0, len(set)), set[:i]...)
			}
		}
	}
	if active == nil {
		return set
	}
	return active
}

// CheckNamedStaff refuses staff who do not exist (A1, A13) and, where they would be handed something, who are not active.
// Where some are unknown and others inactive, the code is that of the unknown, and every one is pointed at.
func CheckNamedStaff(staff map[uuid.UUID]StaffStatus, change AssignmentChange) error {
	named := namedStaff{mustBeActive: change.Type != ChangeRemove}
	named.add(staff, "/staff_ids", change.StaffIDs)
	return named.refusal()
}

// namedStaff collects what is wrong with the staff whom a request names.
type namedStaff struct {
	mustBeActive      bool
	unknown, inactive []uuid.UUID
	fields            []FieldError
}

// add judges a list of staff that stands at a pointer.
func (n *namedStaff) add(staff map[uuid.UUID]StaffStatus, pointer string, ids []uuid.UUID) {
	for i, id := range ids {
		n.addOne(staff, fmt.Sprintf("%s/%d", pointer, i), id)
	}
}

func (n *namedStaff) addOne(staff map[uuid.UUID]StaffStatus, pointer string, id uuid.UUID) {
	switch status, found := staff[id]; {
	case !found:
		n.addUnknown(pointer, id)
	case status == StaffDeactivated && n.mustBeActive:
		n.inactive = append(n.inactive, id)
		n.fields = append(n.fields, FieldError{pointer, CodeStaffNotActive, fmt.Sprintf("The staff member %s is deactivated.", id)})
	}
}

func (n *namedStaff) addUnknown(pointer string, id uuid.UUID) {
	n.unknown = append(n.unknown, id)
	n.fields = append(n.fields, FieldError{pointer, CodeStaffNotFound, fmt.Sprintf("There is no staff member %s.", id)})
}

func (n *namedStaff) refusal() error {
	var refusal *Error
	switch {
	case len(n.unknown) > 0:
		refusal = Refuse(CodeStaffNotFound, "At least one staff member named in the change does not exist.").
			With("staff_ids", []uuid.UUID(NewStaffSet(n.unknown...)))
	case len(n.inactive) > 0:
		refusal = Refuse(CodeStaffNotActive, "At least one staff member named in the change is deactivated; only active staff can be given work.").
			With("staff_ids", []uuid.UUID(NewStaffSet(n.inactive...)))
	default:
		return nil
	}
	refusal.Fields = n.fields
	return refusal
}

// MaxSharedSeats is how many places a change may give where several share: people and tasks times those who get them. One
// successor may be given everything there is.
const MaxSharedSeats = 1_000_000

// checkSize refuses to give many people and tasks to many staff, which no office means and no memory holds.
func checkSize(facts *AssignmentFacts, change AssignmentChange) error {
	named := len(NewStaffSet(change.StaffIDs...))
	if change.Type == ChangeRemove || named < 2 {
		return nil
	}
	subjects := len(facts.People)
	if change.TaskPolicy == TasksAddNewStaff || change.TaskPolicy == TasksReassignAll {
		subjects += len(facts.Tasks)
	}
	if subjects*named <= MaxSharedSeats {
		return nil
	}
	return Refuse(CodeSelectionTooLarge, "%d people and tasks for %d staff each are more than %d places. Name fewer staff, or fewer people.", subjects, named, MaxSharedSeats).
		With("maximum", MaxSharedSeats).At("/staff_ids", CodeSelectionTooLarge, "Too many for so many people.")
}

// checkExistingAssignments refuses to assign where anybody has staff already: the caller must choose between adding and
// replacing (A4).
func checkExistingAssignments(facts *AssignmentFacts, change AssignmentChange) error {
	if change.Type != ChangeAssign {
		return nil
	}
	withStaff := facts.peopleWithStaff()
	if withStaff == 0 {
		return nil
	}
	refusal := Refuse(CodeExistingAssignments,
		"%d of the %d selected people have staff already. Choose add, to keep them, or replace, to take their place.", withStaff, len(facts.People)).
		With("people_with_staff", withStaff).With("people", len(facts.People))
	refusal.Summarize = true
	return refusal
}

// checkTaskPolicyGiven requires a task policy wherever the summary counts an active task (A9).
func checkTaskPolicyGiven(facts *AssignmentFacts, change AssignmentChange) error {
	if change.TaskPolicy != "" || change.Type == ChangeAssign {
		return nil
	}
	count := facts.activeTasksOfPeopleWithStaff()
	if count == 0 {
		return nil
	}
	withStaff := facts.peopleWithStaff()
	return Refuse(CodeTaskPolicyRequired,
		"%d active tasks belong to the %d selected people who have staff. Say in task_policy what becomes of them: %s.", count, withStaff, change.policies()).
		With("active_tasks", count).With("people_with_staff", withStaff).
		At("/task_policy", CodeTaskPolicyRequired, "A task policy is required.")
}

// policies are the task policies that the change can have.
func (c AssignmentChange) policies() string {
	if c.Type == ChangeRemove {
		return fmt.Sprintf("%s or %s", TasksReassignToRemaining, TasksUnassign)
	}
	return fmt.Sprintf("%s, %s or %s", TasksKeep, TasksAddNewStaff, TasksReassignAll)
}

func (f *AssignmentFacts) peopleWithStaff() int {
	count := 0
	for _, person := range f.People {
		if len(person.Staff) > 0 {
			count++
		}
	}
	return count
}

func (f *AssignmentFacts) activeTasksOfPeopleWithStaff() int {
	count := 0
	for _, task := range f.Tasks {
		if len(f.People[task.Person].Staff) > 0 {
			count++
		}
	}
	return count
}
