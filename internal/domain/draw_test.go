package domain_test

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"handover/internal/domain"
)

// cast is everybody who appears in drawn scenes: few, so that they meet often.
var cast = []string{"ann", "bob", "ex-cal", "ex-eve", "flo", "gus", "xen", "yan"}

var (
	serving = cast[:6]                                    // who may serve people before a change; xen and yan come from outside
	active  = []string{"ann", "bob", "flo", "gus", "xen"} // who may be given something; yan never is
)

var types = []domain.ChangeType{domain.ChangeAssign, domain.ChangeAdd, domain.ChangeReplace, domain.ChangeRemove}

// policies are the task policies that a change can have, beside none.
var policies = map[domain.ChangeType][]domain.TaskPolicy{
	domain.ChangeAssign:  {""},
	domain.ChangeAdd:     {domain.TasksKeep, domain.TasksAddNewStaff, domain.TasksReassignAll},
	domain.ChangeReplace: {domain.TasksKeep, domain.TasksAddNewStaff, domain.TasksReassignAll},
	domain.ChangeRemove:  {domain.TasksReassignToRemaining, domain.TasksUnassign},
}

var scopes = []domain.TaskScope{"", domain.ScopeTeam, domain.ScopeAssigned, domain.ScopeAll}

// oneOf draws one of a few values, each as likely as another: left alone, rapid prefers what comes first.
func oneOf[V any](t *rapid.T, label string, values ...V) V {
	number := 0
	for _, bit := range rapid.SliceOfN(rapid.Bool(), 6, 6).Draw(t, label) {
		number *= 2
		if bit {
			number++
		}
	}
	return values[number%len(values)]
}

// some draws some of the names, about half of them.
func some(t *rapid.T, names []string, label string) string {
	in := rapid.SliceOfN(rapid.Bool(), len(names), len(names)).Draw(t, label)
	var chosen []string
	for i, name := range names {
		if in[i] {
			chosen = append(chosen, name)
		}
	}
	return strings.Join(chosen, " ")
}

// drawPeople draws up to four people with up to three tasks each; without staff on them where withStaff is false.
func drawPeople(t *rapid.T, withStaff bool) []person {
	people := make([]person, oneOf(t, "people", 0, 1, 2, 3, 4))
	for i := range people {
		name := fmt.Sprintf("p%d", i+1)
		people[i] = person{
			name:      name,
			kind:      oneOf(t, name+" kind", domain.KindClient, domain.KindReferral),
			hasIntake: oneOf(t, name+" has intake tasks", true, false, false),
		}
		if withStaff {
			people[i].staff = some(t, serving, name+" staff")
		}
		var tasks []string
		for j := range oneOf(t, name+" tasks", 0, 1, 2, 3) {
			task := fmt.Sprintf("t%d%d", 9-j, i+1) // so that tasks are not in the order of their people
			tasks = append(tasks, task+": "+some(t, strings.Fields(some(t, cast, task+" might be held by")), task))
		}
		people[i].tasks = strings.Join(tasks, ", ")
	}
	return people
}

// drawWish draws a change of any kind, sensible or not.
func drawWish(t *rapid.T) domain.AssignmentChange {
	wish := domain.AssignmentChange{Type: oneOf(t, "type", types...)}
	if wish.Type == domain.ChangeRemove && rapid.Bool().Draw(t, "all staff") {
		wish.AllStaff = true
	} else {
		likely := slices.Concat(active, active, active, active, cast, []string{"ghost"})
		wish.StaffIDs = ids(strings.Join(rapid.SliceOfN(rapid.SampledFrom(likely), 1, 3).Draw(t, "staff"), " "))
	}
	drawPolicy(t, &wish)
	if oneOf(t, "without a policy", true, false, false, false) {
		wish.TaskPolicy = "" // a scope may stand without one
	}
	wish.IncludeIntakeTasks = rapid.Bool().Draw(t, "intake tasks")
	wish.IntakeForClients = rapid.Bool().Draw(t, "intake tasks for clients")
	return wish
}

func drawPolicy(t *rapid.T, wish *domain.AssignmentChange) {
	wish.TaskPolicy = oneOf(t, "policy", policies[wish.Type]...)
	wish.TaskScope = oneOf(t, "scope", scopes...)
	wish.WhenNoStaffRemain = oneOf(t, "when no staff remain", "", domain.NoStaffReject, domain.NoStaffUnassign)
}

// drawAccepted draws people and a change of one of the types that nothing speaks against.
func drawAccepted(t *rapid.T, of ...domain.ChangeType) ([]person, domain.AssignmentChange) {
	wish := domain.AssignmentChange{Type: oneOf(t, "type", of...)}
	people := drawPeople(t, wish.Type != domain.ChangeAssign)
	drawPolicy(t, &wish)
	if wish.Type == domain.ChangeRemove && oneOf(t, "all staff", true, false, false) {
		wish.AllStaff = true
	} else {
		wish.StaffIDs = ids(strings.Join(rapid.SliceOfN(rapid.SampledFrom(active), 1, 3).Draw(t, "staff"), " "))
	}
	if wish.TaskPolicy != "" && oneOf(t, "without tasks and policy", true, false, false, false) {
		wish.TaskPolicy = ""
		for i := range people {
			if people[i].staff != "" {
				people[i].tasks = "" // of the others no task is counted
			}
		}
	}
	for _, person := range servedOf(people) {
		if nobodyRemains(wish, groupOf(namesOf(wish.StaffIDs)), person) {
			wish.WhenNoStaffRemain = domain.NoStaffUnassign
		}
	}
	wish.IncludeIntakeTasks = rapid.Bool().Draw(t, "intake tasks")
	wish.IntakeForClients = rapid.Bool().Draw(t, "intake tasks for clients")
	return people, wish
}

// drawTemplate draws an intake template of up to two tasks.
func drawTemplate(t *rapid.T) []domain.IntakeTask {
	return []domain.IntakeTask{
		{Title: "Welcome call", Details: "Ask for papers", DaysUntilDue: 2},
		{Title: "First meeting", DaysUntilDue: 30},
	}[:oneOf(t, "template", 0, 1, 2)]
}

// sceneOf is the scene of drawn people, with everybody of the cast known.
func sceneOf(people []person) *domain.AssignmentFacts {
	return scene(strings.Join(cast, " "), slices.Clone(people)...)
}

// planned plans what nothing speaks against.
func planned(t *rapid.T, facts *domain.AssignmentFacts, wish domain.AssignmentChange, template []domain.IntakeTask) *domain.Plan {
	t.Helper()
	plan, err := domain.PlanAssignments(facts, wish, intakeOf(template...))
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return plan
}
