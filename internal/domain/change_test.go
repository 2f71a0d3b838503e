package domain_test

import (
	"fmt"
	"testing"

	"handover/internal/domain"
)

func TestAddAndReplace(t *testing.T) {
	for _, example := range []struct {
		rule   string
		change domain.AssignmentChange
		before string // the staff of p1
		after  string
		items  string
		totals domain.Totals
	}{
		{
			"A6 current staff stay and the new are added", change(domain.ChangeAdd, "cat ann"), "bob", "p1: ann bob cat", "p1 changed",
			domain.Totals{PeopleChanged: 1, AssignmentsAdded: 2},
		},
		{
			"A6 somebody who is assigned already is no error", change(domain.ChangeAdd, "bob cat"), "bob", "p1: bob cat", "p1 changed",
			domain.Totals{PeopleChanged: 1, AssignmentsAdded: 1},
		},
		{
			"A6 people without staff can be added to", change(domain.ChangeAdd, "cat"), "", "p1: cat", "p1 changed",
			domain.Totals{PeopleChanged: 1, AssignmentsAdded: 1},
		},
		{
			"A6 deactivated staff stay as well", change(domain.ChangeAdd, "cat"), "ex-bob", "p1: cat ex-bob", "p1 changed",
			domain.Totals{PeopleChanged: 1, AssignmentsAdded: 1},
		},
		{
			"A17 adding who is there already changes nothing and says so", change(domain.ChangeAdd, "bob"), "ann bob", "p1: ann bob",
			"p1 unchanged already_in_place",
			domain.Totals{PeopleUnchanged: 1},
		},
		{
			"A7 the selected take the place of current staff", change(domain.ChangeReplace, "cat"), "ann bob", "p1: cat", "p1 changed",
			domain.Totals{PeopleChanged: 1, AssignmentsAdded: 1, AssignmentsRemoved: 2},
		},
		{
			"A7 a current member among the selected stays", change(domain.ChangeReplace, "bob cat"), "ann bob", "p1: bob cat", "p1 changed",
			domain.Totals{PeopleChanged: 1, AssignmentsAdded: 1, AssignmentsRemoved: 1},
		},
		{
			"A7 deactivated staff are replaced like others", change(domain.ChangeReplace, "cat"), "ex-ann", "p1: cat", "p1 changed",
			domain.Totals{PeopleChanged: 1, AssignmentsAdded: 1, AssignmentsRemoved: 1},
		},
		{
			"A17 replacing staff by themselves changes nothing and says so", change(domain.ChangeReplace, "bob ann"), "ann bob", "p1: ann bob",
			"p1 unchanged already_in_place",
			domain.Totals{PeopleUnchanged: 1},
		},
	} {
		t.Run(example.rule, func(t *testing.T) {
			facts := scene("ann bob cat", person{name: "p1", staff: example.before})
			planned := plan(t, facts, example.change)
			equal(t, "staff", staffOf(applied(t, facts, planned)), example.after)
			equal(t, "items", itemsOf(planned), example.items)
			equal(t, "totals", planned.Totals, example.totals)
			equal(t, "changes nothing", planned.ChangesNothing(), example.totals.PeopleChanged == 0)
		})
	}

	t.Run("A17 what is in place for some and not for others is told for each", func(t *testing.T) {
		facts := scene("cat", person{name: "p1", staff: "cat", tasks: "call: cat"}, person{name: "p2", staff: "ann", tasks: "visit: ann"})
		planned := plan(t, facts, withTasks(change(domain.ChangeReplace, "cat"), domain.TasksReassignAll, domain.ScopeTeam))
		equal(t, "items", itemsOf(planned), "p1 unchanged already_in_place, p2 changed, call unchanged already_in_place, visit changed")
	})
	t.Run("A17 staff who are in place can still be given the tasks", func(t *testing.T) {
		facts := scene("", person{name: "p1", staff: "ann cat", tasks: "call: ann"})
		planned := plan(t, facts, withTasks(change(domain.ChangeAdd, "cat"), domain.TasksReassignAll, domain.ScopeTeam))
		equal(t, "items", itemsOf(planned), "p1 unchanged already_in_place, call changed")
		equal(t, "tasks", tasksOf(applied(t, facts, planned)), "call: cat")
	})
	t.Run("A17 a plan that writes anything at all changes something", func(t *testing.T) {
		seat := []domain.Seat{{Subject: id("p1"), Staff: id("ann")}}
		for _, planned := range []domain.Plan{
			{PeopleTaken: seat}, {PeopleGiven: seat}, {TasksTaken: seat}, {TasksGiven: seat}, {TasksCreated: []domain.CreatedTask{{ID: id("t1")}}},
		} {
			equal(t, fmt.Sprint(planned), planned.ChangesNothing(), false)
		}
	})
	t.Run("A14 nobody selected is a plan that changes nothing", func(t *testing.T) {
		planned := plan(t, scene("cat"), change(domain.ChangeAdd, "cat"))
		equal(t, "changes nothing", planned.ChangesNothing(), true)
		equal(t, "items", len(planned.Items), 0)
	})
}

func TestTaskDecision(t *testing.T) {
	everybody := domain.AssignmentChange{Type: domain.ChangeRemove, AllStaff: true}
	for _, change := range []domain.AssignmentChange{change(domain.ChangeAdd, "cat"), change(domain.ChangeReplace, "cat"), change(domain.ChangeRemove, "ann"), everybody} {
		name := fmt.Sprintf("%s of %d", change.Type, len(change.StaffIDs))
		t.Run("A9 a task policy is required where the summary counts a task: "+name, func(t *testing.T) {
			facts := scene("ann cat",
				person{name: "p1", staff: "ann", tasks: "call: ann, file:"},
				person{name: "p2", staff: "bob", tasks: "visit: xen"},
				person{name: "p3", tasks: "mail: ann"})
			refused := refusal(t, facts, change, domain.CodeTaskPolicyRequired)
			equal(t, "params", fmt.Sprint(refused.Params), "map[active_tasks:3 people_with_staff:2]")
			equal(t, "places", pointers(refused), "/task_policy task_policy_required")
		})
		t.Run("A9 one task that nobody holds is enough: "+name, func(t *testing.T) {
			refusal(t, scene("ann cat", person{name: "p1", staff: "bob", tasks: "file:"}), change, domain.CodeTaskPolicyRequired)
		})
		t.Run("A9 where the summary counts none, the policy may be left out and tasks are left as they are: "+name, func(t *testing.T) {
			facts := scene("ann cat", person{name: "p1", staff: "ann"}, person{name: "p2", tasks: "call: ann, file:"})
			planned := plan(t, facts, change)
			equal(t, "tasks", tasksOf(applied(t, facts, planned)), "call: ann, file:")
			equal(t, "items", len(planned.Items), 2)
		})
	}
	t.Run("A9 a task_scope without a policy has no effect", func(t *testing.T) {
		facts := scene("cat", person{name: "p1", tasks: "call: ann, file:"})
		planned := plan(t, facts, withTasks(change(domain.ChangeAdd, "cat"), "", domain.ScopeAll))
		equal(t, "tasks", tasksOf(applied(t, facts, planned)), "call: ann, file:")
	})
	t.Run("A9 keep is a decision", func(t *testing.T) {
		facts := scene("cat", person{name: "p1", staff: "ann", tasks: "call: ann"})
		plan(t, facts, withTasks(change(domain.ChangeAdd, "cat"), domain.TasksKeep, ""))
	})
}

func TestWhichRefusalComesFirst(t *testing.T) {
	// Everything is wrong at once; mending one thing after the other meets the refusals in the documented order.
	t.Run("A13 before A4: staff_not_found, staff_not_active, existing_assignments", func(t *testing.T) {
		facts := scene("ann ex-bob", person{name: "p1", staff: "cat", tasks: "call: cat"})
		refusal(t, facts, change(domain.ChangeAssign, "ex-bob ghost"), domain.CodeStaffNotFound)
		refusal(t, facts, change(domain.ChangeAssign, "ex-bob"), domain.CodeStaffNotActive)
		refusal(t, facts, change(domain.ChangeAssign, "ann"), domain.CodeExistingAssignments)
	})
	t.Run("A13 before A9: staff_not_found, staff_not_active, task_policy_required", func(t *testing.T) {
		facts := scene("ann ex-bob", person{name: "p1", staff: "cat", tasks: "call: cat"})
		for _, kind := range []domain.ChangeType{domain.ChangeAdd, domain.ChangeReplace} {
			refusal(t, facts, change(kind, "ex-bob ghost"), domain.CodeStaffNotFound)
			refusal(t, facts, change(kind, "ex-bob"), domain.CodeStaffNotActive)
			refusal(t, facts, change(kind, "ann"), domain.CodeTaskPolicyRequired)
		}
	})
	t.Run("A8 before A9 before A12: staff_not_found, task_policy_required, no_remaining_staff", func(t *testing.T) {
		facts := scene("", person{name: "p1", staff: "ann", tasks: "call: ann"})
		refusal(t, facts, change(domain.ChangeRemove, "ann ghost"), domain.CodeStaffNotFound)
		refusal(t, facts, withTasks(change(domain.ChangeRemove, "ann ghost"), domain.TasksReassignToRemaining, ""), domain.CodeStaffNotFound)
		refusal(t, facts, change(domain.ChangeRemove, "ann"), domain.CodeTaskPolicyRequired)
		refusal(t, facts, withTasks(change(domain.ChangeRemove, "ann"), domain.TasksReassignToRemaining, ""), domain.CodeNoRemainingStaff)
	})
}

// TestOlderActions shows what assign-staff and remove-staff mean to the one engine.
func TestOlderActions(t *testing.T) {
	template := []domain.IntakeTask{{Title: "Welcome call", DaysUntilDue: 1}}
	assignStaff := func(tasks domain.TaskPolicy, intake bool) domain.AssignmentChange {
		return domain.AssignmentChange{
			Type: domain.ChangeReplace, StaffIDs: ids("cat"), TaskPolicy: tasks, TaskScope: domain.ScopeAssigned,
			IncludeIntakeTasks: intake, IntakeForClients: true,
		}
	}
	facts := func() *domain.AssignmentFacts {
		return scene("cat",
			person{name: "p1", staff: "ann", tasks: "call: ann xen, file:"},
			person{name: "p2", kind: domain.KindReferral, staff: "ann cat", tasks: "visit: xen"},
			person{name: "p3"},
			person{name: "p4", kind: domain.KindReferral},
			person{name: "p5", hasIntake: true})
	}
	planOlder := func(t *testing.T, facts *domain.AssignmentFacts, change domain.AssignmentChange) *domain.Plan {
		t.Helper()
		planned, err := domain.PlanAssignments(facts, change, intakeOf(template...))
		if err != nil {
			t.Fatal(err)
		}
		return planned
	}

	t.Run("A18 assign staff makes the given staff everybody's whole staff and leaves tasks unchanged", func(t *testing.T) {
		after := applied(t, facts(), planOlder(t, facts(), assignStaff(domain.TasksKeep, false)))
		equal(t, "staff", staffOf(after), "p1: cat, p2: cat, p3: cat, p4: cat, p5: cat")
		equal(t, "tasks", tasksOf(after), "call: ann xen, file:, visit: xen")
	})
	t.Run("A18 assign staff can reassign every task that somebody holds to the new staff", func(t *testing.T) {
		after := applied(t, facts(), planOlder(t, facts(), assignStaff(domain.TasksReassignAll, false)))
		equal(t, "tasks", tasksOf(after), "call: cat, file:, visit: cat")
	})
	t.Run("A18 intake tasks go to people who had no staff, clients too, and the result says why others get none", func(t *testing.T) {
		planned := planOlder(t, facts(), assignStaff(domain.TasksKeep, true))
		equal(t, "items", itemsOf(planned), "p1 changed intake_had_staff, p2 changed intake_had_staff, p3 changed, p4 changed, "+
			"p5 changed intake_already_created, new-1 created, new-2 created")
		equal(t, "first", nameOf(planned.TasksCreated[0].PersonID), "p3")
		equal(t, "second", nameOf(planned.TasksCreated[1].PersonID), "p4")
	})
	t.Run("A17 assign staff again changes nothing", func(t *testing.T) {
		change := assignStaff(domain.TasksReassignAll, true)
		after := applied(t, facts(), planOlder(t, facts(), change))
		equal(t, "changes nothing", planOlder(t, after, change).ChangesNothing(), true)
	})
	t.Run("A18 remove staff removes all staff, and their tasks go to the unassigned queue", func(t *testing.T) {
		change := domain.AssignmentChange{Type: domain.ChangeRemove, AllStaff: true, TaskPolicy: domain.TasksUnassign}
		planned := planOlder(t, facts(), change)
		after := applied(t, facts(), planned)
		equal(t, "staff", staffOf(after), "p1:, p2:, p3:, p4:, p5:")
		equal(t, "tasks", tasksOf(after), "call: xen, file:, visit: xen")
		equal(t, "again", planOlder(t, after, change).ChangesNothing(), true)
	})
}
