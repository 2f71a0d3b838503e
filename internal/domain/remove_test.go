package domain_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/internal/domain"
)

func TestRemove(t *testing.T) {
	for _, example := range []struct {
		rule   string
		staff  string // of p1, before
		change domain.AssignmentChange
		after  string
		items  string
	}{
		{"A8 the named staff are removed", "ann bob cat", change(domain.ChangeRemove, "cat ann"), "p1: bob", "p1 changed"},
		{"A8 all staff are removed", "ann ex-bob", domain.AssignmentChange{Type: domain.ChangeRemove, AllStaff: true}, "p1:", "p1 changed"},
		{"A8 of the named only those on the person are removed", "ann bob", change(domain.ChangeRemove, "bob xen"), "p1: ann", "p1 changed"},
		{
			"A17 removing somebody who is not there changes nothing and says so", "ann", change(domain.ChangeRemove, "xen"),
			"p1: ann", "p1 unchanged already_in_place",
		},
		{
			"A17 removing everybody from nobody changes nothing and says so", "",
			domain.AssignmentChange{Type: domain.ChangeRemove, AllStaff: true},
			"p1:", "p1 unchanged already_in_place",
		},
	} {
		t.Run(example.rule, func(t *testing.T) {
			facts := scene("xen", person{name: "p1", staff: example.staff})
			planned := plan(t, facts, example.change)
			equal(t, "staff", staffOf(applied(t, facts, planned)), example.after)
			equal(t, "items", itemsOf(planned), example.items)
		})
	}
}

func TestTasksOfRemovedStaff(t *testing.T) {
	const remaining, unassign = domain.TasksReassignToRemaining, domain.TasksUnassign
	for _, example := range []struct {
		rule   string
		staff  string // of p1, before
		tasks  string
		remove string
		policy domain.TaskPolicy
		after  string // the tasks
		items  string // of the tasks
	}{
		{"A11 unassign takes the removed off", "ann bob", "call: ann bob", "ann", unassign, "call: bob", "call changed"},
		{"A11 unassign leaves a task with nobody in the unassigned queue", "ann bob", "call: ann", "ann", unassign, "call:", "call changed"},
		{"A11 unassign lets co-assignees from outside keep their share", "ann", "call: ann xen", "ann", unassign, "call: xen", "call changed"},
		{
			"A11 tasks that no removed staff hold are not in scope", "ann bob", "call: bob, file:, visit: xen", "ann", unassign,
			"call: bob, file:, visit: xen", "",
		},
		{
			"A11 a named staff member who is not on the person keeps what tasks they hold there", "ann bob", "call: xen, visit: ann xen", "ann xen", unassign,
			"call: xen, visit: xen", "visit changed",
		},
		{
			"A11 reassigning takes the removed just off where somebody who remains holds the task too", "ann bob cat", "call: ann bob", "ann", remaining,
			"call: bob", "call changed",
		},
		{
			"A11 reassigning makes all who remain assignees where none of them holds the task", "ann bob cat", "call: ann", "ann", remaining,
			"call: bob cat", "call changed",
		},
		{
			"A11 a co-assignee from outside does not count as remaining, and keeps their share", "ann bob cat", "call: ann xen", "ann", remaining,
			"call: bob cat xen", "call changed",
		},
		{
			"A11 deactivated staff do not count as remaining: they are given nothing", "ann bob ex-cat", "call: ann", "ann", remaining,
			"call: bob", "call changed",
		},
		{
			"A11 a deactivated co-assignee does not count as remaining, and keeps their share", "ann bob ex-cat", "call: ann ex-cat", "ann", remaining,
			"call: bob ex-cat", "call changed",
		},
		{
			"A11 several removed staff are all taken off", "ann bob cat", "call: ann bob, file: ann bob cat, visit: bob", "ann bob", remaining,
			"call: cat, file: cat, visit: cat", "call changed, file changed, visit changed",
		},
		{"A11 the tasks of removed deactivated staff go to who remains", "ex-ann bob", "call: ex-ann", "ex-ann", remaining, "call: bob", "call changed"},
		{"A17 reassigning again changes nothing", "bob", "call: bob", "ann", remaining, "call: bob", ""},
	} {
		t.Run(example.rule, func(t *testing.T) {
			facts := scene("ann xen", person{name: "p1", staff: example.staff, tasks: example.tasks})
			planned := plan(t, facts, withTasks(change(domain.ChangeRemove, example.remove), example.policy, ""))
			equal(t, "tasks", tasksOf(applied(t, facts, planned)), example.after)
			_, items, _ := strings.Cut(itemsOf(planned)+", ", ", ")
			equal(t, "items", strings.TrimSuffix(items, ", "), example.items)
		})
	}

	t.Run("A11 who is removed is judged for each person alone", func(t *testing.T) {
		facts := scene("",
			person{name: "p1", staff: "ann bob", tasks: "call: ann"},
			person{name: "p2", staff: "bob", tasks: "visit: ann"})
		planned := plan(t, facts, withTasks(change(domain.ChangeRemove, "ann"), remaining, ""))
		equal(t, "tasks", tasksOf(applied(t, facts, planned)), "call: bob, visit: ann")
	})
	t.Run("A11 task_scope has no effect on remove", func(t *testing.T) {
		facts := scene("", person{name: "p1", staff: "ann bob", tasks: "call: xen, file:, visit: ann"})
		planned := plan(t, facts, withTasks(change(domain.ChangeRemove, "ann"), unassign, domain.ScopeAll))
		equal(t, "tasks", tasksOf(applied(t, facts, planned)), "call: xen, file:, visit:")
	})
	t.Run("A11 a policy of add and replace changes no task of remove", func(t *testing.T) {
		for _, policy := range []domain.TaskPolicy{domain.TasksKeep, domain.TasksAddNewStaff, domain.TasksReassignAll} {
			facts := scene("", person{name: "p1", staff: "ann bob", tasks: "call: ann"})
			planned := plan(t, facts, withTasks(change(domain.ChangeRemove, "ann"), policy, ""))
			equal(t, "tasks with "+string(policy), tasksOf(applied(t, facts, planned)), "call: ann")
		}
	})
	t.Run("A9 totals tell the changed tasks and those left with nobody apart", func(t *testing.T) {
		facts := scene("", person{name: "p1", staff: "ann bob", tasks: "call: ann, file: ann bob, visit: ann"})
		planned := plan(t, facts, withTasks(change(domain.ChangeRemove, "ann"), unassign, ""))
		equal(t, "totals", planned.Totals, domain.Totals{PeopleChanged: 1, AssignmentsRemoved: 1, TasksChanged: 3, TasksUnassigned: 2})
	})
}

func TestNobodyRemains(t *testing.T) {
	removeAnn := withTasks(change(domain.ChangeRemove, "ann"), domain.TasksReassignToRemaining, "")
	unassignThere := removeAnn
	unassignThere.WhenNoStaffRemain = domain.NoStaffUnassign

	for _, example := range []struct {
		rule    string
		staff   string
		tasks   string
		refused bool
	}{
		{"A12 reassigning to remaining staff is refused when nobody remains", "ann", "call: ann", true},
		{"A12 reassigning to remaining staff is refused when only deactivated staff remain", "ann ex-bob", "call: ann", true},
		{"A12 a deactivated co-assignee who remains does not help", "ann ex-bob", "call: ann ex-bob", true},
		{"A12 a co-assignee from outside does not help", "ann", "call: ann xen", true},
		{"A12 a person without tasks in scope may be left alone", "ann", "call: xen, file:", false},
		{"A12 a person without tasks may be left alone", "ann", "", false},
		{"A12 a person from whom nobody is removed is no reason to refuse", "ex-bob", "call: ann ex-bob", false},
		{"A12 one active member who remains is enough", "ann bob ex-cat", "call: ann", false},
	} {
		t.Run(example.rule, func(t *testing.T) {
			facts := scene("ann xen", person{name: "p1", staff: example.staff, tasks: example.tasks})
			for _, wish := range []domain.WhenNoStaffRemain{"", domain.NoStaffReject} {
				change := removeAnn
				change.WhenNoStaffRemain = wish
				if !example.refused {
					plan(t, facts, change)
					continue
				}
				refused := refusal(t, facts, change, domain.CodeNoRemainingStaff)
				equal(t, "person_ids", namesOf(refused.Params["person_ids"].([]uuid.UUID)), "p1")
			}
		})
	}

	three := func() *domain.AssignmentFacts {
		return scene("",
			person{name: "p1", staff: "ann", tasks: "call: ann, mail: ann xen"},
			person{name: "p2", staff: "ann bob", tasks: "meet: ann"},
			person{name: "p3", staff: "ann ex-cat", tasks: "visit: ann ex-cat"},
			person{name: "p4", staff: "ann"})
	}
	t.Run("A12 the refusal names those people, each once, and no others", func(t *testing.T) {
		refused := refusal(t, three(), removeAnn, domain.CodeNoRemainingStaff)
		equal(t, "person_ids", namesOf(refused.Params["person_ids"].([]uuid.UUID)), "p1 p3")
		equal(t, "people", refused.Params["people"], any(2))
	})
	t.Run("A12 when_no_staff_remain unassigns for just those people and says so in the result", func(t *testing.T) {
		facts := three()
		planned := plan(t, facts, unassignThere)
		equal(t, "tasks", tasksOf(applied(t, facts, planned)), "call:, mail: xen, meet: bob, visit: ex-cat")
		equal(t, "items", itemsOf(planned),
			"p1 changed no_staff_remained, p2 changed, p3 changed no_staff_remained, p4 changed, "+
				"call changed no_staff_remained, mail changed no_staff_remained, meet changed, visit changed no_staff_remained")
		equal(t, "tasks without anybody", planned.Totals.TasksUnassigned, 1)
	})
	t.Run("A12 when_no_staff_remain has no effect with unassign", func(t *testing.T) {
		facts := three()
		for _, wish := range []domain.WhenNoStaffRemain{"", domain.NoStaffReject, domain.NoStaffUnassign} {
			change := withTasks(removeAnn, domain.TasksUnassign, "")
			change.WhenNoStaffRemain = wish
			planned := plan(t, facts, change)
			equal(t, "tasks", tasksOf(applied(t, facts, planned)), "call:, mail: xen, meet:, visit: ex-cat")
			equal(t, "items that say so", strings.Contains(itemsOf(planned), "no_staff_remained"), false)
		}
	})
	t.Run("A12 removing all staff leaves nobody", func(t *testing.T) {
		facts := scene("", person{name: "p1", staff: "ann bob", tasks: "call: ann"})
		everybody := domain.AssignmentChange{Type: domain.ChangeRemove, AllStaff: true, TaskPolicy: domain.TasksReassignToRemaining}
		refusal(t, facts, everybody, domain.CodeNoRemainingStaff)
		everybody.WhenNoStaffRemain = domain.NoStaffUnassign
		equal(t, "tasks", tasksOf(applied(t, facts, plan(t, facts, everybody))), "call:")
	})
	t.Run("A12 a refusal names the first thousand people and counts all", func(t *testing.T) {
		var people []person
		for i := range 1001 {
			people = append(people, person{name: fmt.Sprintf("p%04d", i), staff: "ann", tasks: fmt.Sprintf("t%04d: ann", 1001-i)})
		}
		refused := refusal(t, scene("", people...), removeAnn, domain.CodeNoRemainingStaff)
		named := refused.Params["person_ids"].([]uuid.UUID)
		equal(t, "people", refused.Params["people"], any(1001))
		equal(t, "named", len(named), 1000)
		equal(t, "first", nameOf(named[0]), "p0000")
		equal(t, "last", nameOf(named[999]), "p0999")
		equal(t, "the detail counts all", strings.Contains(refused.Detail, "1001"), true)

		refused = refusal(t, scene("", people[:1000]...), removeAnn, domain.CodeNoRemainingStaff)
		equal(t, "named of a thousand", len(refused.Params["person_ids"].([]uuid.UUID)), 1000)
	})
}
