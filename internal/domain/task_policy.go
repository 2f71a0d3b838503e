package domain

import (
	"fmt"

	"github.com/google/uuid"
)

// TaskPolicy decides what becomes of the active tasks of the selected people. Empty: they are left as they are.
type TaskPolicy string

// The task policies, of add and replace (A10) and of remove (A11).
const (
	TasksKeep                TaskPolicy = "keep"
	TasksAddNewStaff         TaskPolicy = "add_new_staff"
	TasksReassignAll         TaskPolicy = "reassign_all"
	TasksReassignToRemaining TaskPolicy = "reassign_to_remaining"
	TasksUnassign            TaskPolicy = "unassign"
)

// TaskScope decides which active tasks the policies of add and replace speak of (A10).
type TaskScope string

// The task scopes.
const (
	ScopeTeam     TaskScope = "team"     // held by the person's staff as it was before, and only that share
	ScopeAssigned TaskScope = "assigned" // with at least one assignee, whoever that is
	ScopeAll      TaskScope = "all"      // the unassigned ones too
)

// planTasks decides about every task in scope.
func planTasks(plan *Plan, facts *AssignmentFacts, change AssignmentChange, named StaffSet, places []place) {
	if !change.touchesTasks() {
		return
	}
	for _, task := range facts.Tasks {
		person := facts.People[task.Person]
		switch change.Type {
		case ChangeAdd, ChangeReplace:
			if inScope(change.TaskScope, person, task) {
				plan.addTask(task.ID, task.Assignees, handedOver(change, named, person, task), ReasonNone)
			}
		case ChangeRemove:
			place := places[task.Person]
			if task.Assignees.Meets(place.removed) {
				after, reason := takenOff(change, place, task)
				plan.addTask(task.ID, task.Assignees, after, reason)
			}
		case ChangeAssign:
		}
	}
}

func (c AssignmentChange) touchesTasks() bool {
	return c.Type != ChangeAssign && c.TaskPolicy != "" && c.TaskPolicy != TasksKeep
}

// inScope is A10's task_scope.
func inScope(scope TaskScope, person PersonFacts, task TaskFacts) bool {
	switch scope {
	case ScopeAll:
		return true
	case ScopeAssigned:
		return len(task.Assignees) > 0
	case ScopeTeam, "":
		return task.Assignees.Meets(person.Staff)
	}
	panic(fmt.Sprintf("unknown task scope %q", scope))
}

// handedOver is who holds a task in scope after add or replace (A10).
func handedOver(change AssignmentChange, named StaffSet, person PersonFacts, task TaskFacts) StaffSet {
	switch change.TaskPolicy {
	case TasksAddNewStaff:
		return task.Assignees.Union(named)
	case TasksReassignAll:
		if change.TaskScope == ScopeAssigned || change.TaskScope == ScopeAll {
			return named
		}
		return named.Union(task.Assignees.Minus(person.Staff))
	case TasksKeep, TasksReassignToRemaining, TasksUnassign:
		return task.Assignees
	}
	panic(fmt.Sprintf("unknown task policy %q", change.TaskPolicy))
}

// takenOff is who holds a task in scope after remove (A11, A12).
func takenOff(change AssignmentChange, place place, task TaskFacts) (StaffSet, Reason) {
	left := task.Assignees.Minus(place.removed)
	switch change.TaskPolicy {
	case TasksUnassign:
		return left, ReasonNone
	case TasksReassignToRemaining:
		if len(place.remaining) == 0 {
			return left, ReasonNoStaffRemained
		}
		if left.Meets(place.remaining) {
			return left, ReasonNone
		}
		return left.Union(place.remaining), ReasonNone
	case TasksKeep, TasksAddNewStaff, TasksReassignAll:
		return task.Assignees, ReasonNone
	}
	panic(fmt.Sprintf("unknown task policy %q", change.TaskPolicy))
}

// maxNamedPeople is how many people a refusal names: an answer to be read, not a list of 100,000. It counts all of them.
const maxNamedPeople = 1000

// checkSomebodyRemains refuses reassign_to_remaining where a person has tasks in scope and no active staff left, unless
// the caller chose to unassign there (A12). It marks the people to whom that happens.
func checkSomebodyRemains(facts *AssignmentFacts, change AssignmentChange, places []place) error {
	if change.Type != ChangeRemove || change.TaskPolicy != TasksReassignToRemaining {
		return nil
	}
	var alone []uuid.UUID
	marked := make(map[int]bool)
	for _, task := range facts.Tasks {
		place := &places[task.Person]
		if len(place.remaining) > 0 || marked[task.Person] || !task.Assignees.Meets(place.removed) {
			continue
		}
		marked[task.Person] = true
		place.reason = ReasonNoStaffRemained
		alone = append(alone, facts.People[task.Person].ID)
	}
	if len(alone) == 0 || change.WhenNoStaffRemain == NoStaffUnassign {
		return nil
	}
	alone = NewStaffSet(alone...)
	return Refuse(CodeNoRemainingStaff,
		"%d of the selected people would have tasks and no active staff left to take them. "+
			"Leave somebody on them, choose unassign, or say when_no_staff_remain: unassign for just these people.", len(alone)).
		With("people", len(alone)).With("person_ids", alone[:min(len(alone), maxNamedPeople)])
}
