package domain_test

import (
	"slices"
	"strings"

	"handover/internal/domain"
)

// The model is a second, slow telling of A4 to A13 and A18, straight from the words of the rules. It speaks of one staff
// member, one task and one person at a time and knows no sets of sets, so that it can hardly be wrong in the same way
// as the policies. It shares no code with them.

// group is names that belong together.
type group map[string]bool

func groupOf(names string) group {
	group := group{}
	for _, name := range strings.Fields(names) {
		group[name] = true
	}
	return group
}

func (g group) String() string {
	var names []string
	for name, in := range g {
		if in {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// any tells whether somebody of the group is as asked.
func (g group) any(is func(name string) bool) bool {
	for name, in := range g {
		if in && is(name) {
			return true
		}
	}
	return false
}

func (g group) nobody() bool { return !g.any(func(string) bool { return true }) }

func deactivated(name string) bool { return strings.HasPrefix(name, "ex-") }
func unknown(name string) bool     { return name == "ghost" }

// served is a person of the model.
type served struct {
	name      string
	referral  bool
	hasIntake bool
	staff     group
	tasks     map[string]group // the holders of each active task
}

func servedOf(people []person) []served {
	var all []served
	for _, person := range people {
		one := served{
			name: person.name, referral: person.kind == domain.KindReferral, hasIntake: person.hasIntake,
			staff: groupOf(person.staff), tasks: map[string]group{},
		}
		for text := range strings.SplitSeq(person.tasks, ",") {
			if name, holders, isTask := strings.Cut(text, ":"); isTask {
				one.tasks[strings.TrimSpace(name)] = groupOf(holders)
			}
		}
		all = append(all, one)
	}
	return all
}

// removed tells whether somebody on a person loses their place: with remove, all staff or those named (A8), with replace
// all who are not named (A7).
func removed(change domain.AssignmentChange, named group, person served, name string) bool {
	switch change.Type {
	case domain.ChangeRemove:
		return person.staff[name] && (change.AllStaff || named[name])
	case domain.ChangeReplace:
		return person.staff[name] && !named[name]
	case domain.ChangeAssign, domain.ChangeAdd:
	}
	return false
}

// servesAfter tells whether somebody is on a person after the change.
func servesAfter(change domain.AssignmentChange, named group, person served, name string) bool {
	return person.staff[name] && !removed(change, named, person, name) || change.Type != domain.ChangeRemove && named[name]
}

// remains tells whether somebody remains on a person for whom tasks can be reassigned (A11).
func remains(change domain.AssignmentChange, named group, person served, name string) bool {
	return person.staff[name] && !removed(change, named, person, name) && !deactivated(name)
}

// inScope tells whether the task policy of the change speaks of a task (A10, A11).
func inScope(change domain.AssignmentChange, named group, person served, holders group) bool {
	switch change.TaskPolicy {
	case domain.TasksReassignToRemaining, domain.TasksUnassign:
		return holders.any(func(name string) bool { return removed(change, named, person, name) })
	case domain.TasksAddNewStaff, domain.TasksReassignAll:
		switch change.TaskScope {
		case domain.ScopeAll:
			return true
		case domain.ScopeAssigned:
			return !holders.nobody()
		case domain.ScopeTeam, "":
			return holders.any(func(name string) bool { return person.staff[name] })
		}
	case domain.TasksKeep, "":
	}
	return false // the tasks are left as they are
}

// nobodyRemains is A12: the person has tasks in scope and nobody active is left on them.
func nobodyRemains(change domain.AssignmentChange, named group, person served) bool {
	if change.TaskPolicy != domain.TasksReassignToRemaining {
		return false
	}
	if person.staff.any(func(name string) bool { return remains(change, named, person, name) }) {
		return false
	}
	for _, holders := range person.tasks {
		if inScope(change, named, person, holders) {
			return true
		}
	}
	return false
}

// holdsAfter tells whether somebody holds a task after the change (A10, A11, A12).
func holdsAfter(change domain.AssignmentChange, named group, person served, holders group, name string) bool {
	if !inScope(change, named, person, holders) {
		return holders[name]
	}
	switch change.TaskPolicy {
	case domain.TasksAddNewStaff:
		return holders[name] || named[name]
	case domain.TasksReassignAll:
		if change.TaskScope == domain.ScopeAssigned || change.TaskScope == domain.ScopeAll {
			return named[name]
		}
		fromOutside := !person.staff[name]
		return named[name] || holders[name] && fromOutside
	case domain.TasksUnassign:
		return holders[name] && !removed(change, named, person, name)
	case domain.TasksReassignToRemaining:
		somebodyWhoRemainsHoldsIt := holders.any(func(name string) bool { return remains(change, named, person, name) })
		takesOver := remains(change, named, person, name) && !somebodyWhoRemainsHoldsIt
		return takesOver || holders[name] && !removed(change, named, person, name)
	case domain.TasksKeep, "":
	}
	return holders[name]
}

// getsIntake says whether a person gets intake tasks (A5, A18), and where they were asked for, why not.
func getsIntake(change domain.AssignmentChange, person served, templateLength int) (bool, domain.Reason) {
	switch {
	case !change.IncludeIntakeTasks, change.Type == domain.ChangeAdd, change.Type == domain.ChangeRemove:
		return false, domain.ReasonNone
	case !person.staff.nobody():
		return false, domain.ReasonIntakeHadStaff
	case !person.referral && !change.IntakeForClients:
		return false, domain.ReasonIntakeOnlyReferrals
	case person.hasIntake:
		return false, domain.ReasonIntakeAlreadyCreated
	case templateLength == 0:
		return false, domain.ReasonIntakeTemplateEmpty
	}
	return true, domain.ReasonNone
}

// refusals are all that speaks against a change, in the documented order.
func refusals(change domain.AssignmentChange, named group, people []served) []domain.Code {
	withStaff, counted, alone := 0, 0, 0
	for _, person := range people {
		if !person.staff.nobody() {
			withStaff++
			counted += len(person.tasks)
		}
		if nobodyRemains(change, named, person) {
			alone++
		}
	}
	var against []domain.Code
	if named.any(unknown) {
		against = append(against, domain.CodeStaffNotFound)
	}
	if change.Type != domain.ChangeRemove && named.any(deactivated) {
		against = append(against, domain.CodeStaffNotActive)
	}
	if change.Type == domain.ChangeAssign && withStaff > 0 {
		against = append(against, domain.CodeExistingAssignments)
	}
	if change.TaskPolicy == "" && counted > 0 {
		against = append(against, domain.CodeTaskPolicyRequired)
	}
	if alone > 0 && change.WhenNoStaffRemain != domain.NoStaffUnassign {
		against = append(against, domain.CodeNoRemainingStaff)
	}
	return against
}

// everybody is all staff that the model knows of.
func everybody() []string { return append(slices.Clone(cast), "ghost") }

// after is the people of the model as the change leaves them.
func after(change domain.AssignmentChange, named group, people []served) []served {
	var all []served
	for _, person := range people {
		then := served{name: person.name, referral: person.referral, hasIntake: person.hasIntake, staff: group{}, tasks: map[string]group{}}
		for _, name := range everybody() {
			then.staff[name] = servesAfter(change, named, person, name)
		}
		for task, holders := range person.tasks {
			then.tasks[task] = group{}
			for _, name := range everybody() {
				then.tasks[task][name] = holdsAfter(change, named, person, holders, name)
			}
		}
		all = append(all, then)
	}
	return all
}
