package domain_test

import (
	"testing"

	"handover/internal/domain"
)

// The person of these examples is served by ann and bob; new staff are cat and dan; xen and yan are from outside.
func TestTaskPoliciesOfAddAndReplace(t *testing.T) {
	const (
		keep, addNew, reassign = domain.TasksKeep, domain.TasksAddNewStaff, domain.TasksReassignAll
		team, assigned, all    = domain.ScopeTeam, domain.ScopeAssigned, domain.ScopeAll
	)
	for _, example := range []struct {
		rule   string
		policy domain.TaskPolicy
		scope  domain.TaskScope
		staff  string // new
		before string // the tasks
		after  string
	}{
		{"A10 keep changes no task, even if its assignees are no longer on the person", keep, all, "cat", "call: ann, file:, visit: xen", "call: ann, file:, visit: xen"},

		{"A10 add_new_staff keeps the assignees and adds all the new staff", addNew, team, "cat dan", "call: ann bob", "call: ann bob cat dan"},
		{"A10 add_new_staff for the team reaches tasks that one of them holds, whoever else does", addNew, team, "cat", "call: ann xen, visit: bob", "call: ann cat xen, visit: bob cat"},
		{"A10 add_new_staff for the team leaves tasks of outsiders and of nobody", addNew, team, "cat", "call: xen, file:", "call: xen, file:"},
		{"A10 add_new_staff for assigned reaches tasks of outsiders, and none of nobody", addNew, assigned, "cat", "call: xen, file:, visit: ann", "call: cat xen, file:, visit: ann cat"},
		{"A10 add_new_staff for all reaches tasks of nobody too", addNew, all, "cat", "call: xen, file:", "call: cat xen, file: cat"},
		{"A10 add_new_staff adds nobody twice", addNew, team, "bob cat", "call: ann bob", "call: ann bob cat"},

		{"A10 reassign_all gives the team's tasks to the new staff", reassign, team, "cat dan", "call: ann, file: bob, visit: ann bob", "call: cat dan, file: cat dan, visit: cat dan"},
		{"A10 reassign_all for the team lets co-assignees from outside keep their share", reassign, team, "cat", "call: ann bob xen yan", "call: cat xen yan"},
		{"A10 reassign_all for the team leaves tasks of outsiders and of nobody", reassign, team, "cat", "call: xen, file:", "call: xen, file:"},
		{"A10 reassign_all for assigned leaves exactly the new staff", reassign, assigned, "cat", "call: ann xen, visit: yan", "call: cat, visit: cat"},
		{"A10 reassign_all for assigned leaves tasks of nobody", reassign, assigned, "cat", "file:", "file:"},
		{"A10 reassign_all for all leaves exactly the new staff, of tasks of nobody too", reassign, all, "cat dan", "call: ann xen, file:", "call: cat dan, file: cat dan"},
		{"A10 reassign_all lets a current member who is among the new staff hold on", reassign, team, "bob cat", "call: bob, visit: ann", "call: bob cat, visit: bob cat"},
		{"A10 reassign_all for the team gives an outsider among the new staff no second seat", reassign, team, "xen", "call: ann xen, visit: xen", "call: xen, visit: xen"},

		{"A10 the scope is team where none is named", reassign, "", "cat", "call: ann xen, file:, visit: xen", "call: cat xen, file:, visit: xen"},
	} {
		for _, kind := range []domain.ChangeType{domain.ChangeAdd, domain.ChangeReplace} {
			t.Run(example.rule+" ("+string(kind)+")", func(t *testing.T) {
				facts := scene(example.staff, person{name: "p1", staff: "ann bob", tasks: example.before})
				planned := plan(t, facts, withTasks(change(kind, example.staff), example.policy, example.scope))
				equal(t, "tasks", tasksOf(applied(t, facts, planned)), example.after)
			})
		}
	}

	t.Run("A10 for somebody who has no staff the team holds nothing", func(t *testing.T) {
		facts := scene("cat", person{name: "p1", tasks: "call: xen, file:"}, person{name: "p2", staff: "ann", tasks: "visit: ann"})
		planned := plan(t, facts, withTasks(change(domain.ChangeAdd, "cat"), reassign, team))
		equal(t, "tasks", tasksOf(applied(t, facts, planned)), "call: xen, file:, visit: cat")
	})
	t.Run("A10 the team is that of each person, not of all who were selected", func(t *testing.T) {
		facts := scene("cat",
			person{name: "p1", staff: "ann", tasks: "call: ann bob, file: bob"},
			person{name: "p2", staff: "bob", tasks: "mail: ann bob, visit: ann"})
		planned := plan(t, facts, withTasks(change(domain.ChangeReplace, "cat"), reassign, team))
		equal(t, "tasks", tasksOf(applied(t, facts, planned)), "call: bob cat, file: bob, mail: ann cat, visit: ann")
	})
	t.Run("A10 deactivated staff on the person are of the team", func(t *testing.T) {
		facts := scene("cat", person{name: "p1", staff: "ex-ann", tasks: "call: ex-ann"})
		planned := plan(t, facts, withTasks(change(domain.ChangeReplace, "cat"), reassign, team))
		equal(t, "tasks", tasksOf(applied(t, facts, planned)), "call: cat")
	})
	t.Run("A10 with add the current staff stay on the person but hand over the tasks", func(t *testing.T) {
		facts := scene("cat", person{name: "p1", staff: "ann", tasks: "call: ann"})
		after := applied(t, facts, plan(t, facts, withTasks(change(domain.ChangeAdd, "cat"), reassign, team)))
		equal(t, "staff", staffOf(after), "p1: ann cat")
		equal(t, "tasks", tasksOf(after), "call: cat")
	})
	t.Run("A10 items are the tasks in scope alone, each with what it was and is", func(t *testing.T) {
		facts := scene("cat", person{name: "p1", staff: "ann", tasks: "call: ann, file:, mail: ann cat, visit: xen"})
		planned := plan(t, facts, withTasks(change(domain.ChangeAdd, "cat"), addNew, team))
		equal(t, "items", itemsOf(planned), "p1 changed, call changed, mail unchanged already_in_place")
		equal(t, "before", namesOf(planned.Items[1].Before), "ann")
		equal(t, "after", namesOf(planned.Items[1].After), "ann cat")
		equal(t, "totals", planned.Totals, domain.Totals{PeopleChanged: 1, AssignmentsAdded: 1, TasksChanged: 1})
	})
	t.Run("A10 a policy of remove changes no task of add and replace", func(t *testing.T) {
		for _, policy := range []domain.TaskPolicy{domain.TasksUnassign, domain.TasksReassignToRemaining} {
			facts := scene("cat", person{name: "p1", staff: "ann", tasks: "call: ann"})
			planned := plan(t, facts, withTasks(change(domain.ChangeReplace, "cat"), policy, team))
			equal(t, "tasks with "+string(policy), tasksOf(applied(t, facts, planned)), "call: ann")
		}
	})
}
