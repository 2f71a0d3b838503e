package domain_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"handover/internal/domain"
)

var (
	handing  = []domain.ChangeType{domain.ChangeAdd, domain.ChangeReplace}
	removing = []domain.ChangeType{domain.ChangeRemove}
)

// meets tells whether somebody is in both sets.
func meets(one, other domain.StaffSet) bool {
	return slices.ContainsFunc(one, func(name uuid.UUID) bool { return slices.Contains(other, name) })
}

func TestScopes(t *testing.T) {
	t.Run("A9 without a policy, with keep, and with assign no task that there was changes", forEveryPlan(types, func(t *rapid.T, d drawn) {
		if d.wish.TaskPolicy == "" || d.wish.TaskPolicy == domain.TasksKeep {
			expect(t, "seats", len(d.plan.TasksGiven)+len(d.plan.TasksTaken), 0)
		}
	}))

	t.Run("A10 tasks outside the scope stay as they are", forEveryPlan(handing, func(t *rapid.T, d drawn) {
		d.eachTask(func(person domain.PersonFacts, before, after domain.TaskFacts) {
			outside := map[domain.TaskScope]bool{
				"":                   !meets(before.Assignees, person.Staff),
				domain.ScopeTeam:     !meets(before.Assignees, person.Staff),
				domain.ScopeAssigned: len(before.Assignees) == 0,
				domain.ScopeAll:      false,
			}
			if outside[d.wish.TaskScope] {
				expect(t, nameOf(before.ID), namesOf(after.Assignees), namesOf(before.Assignees))
			}
		})
	}))

	t.Run("A10 outsiders keep their share when the team's is handed over", forEveryPlan(handing, func(t *rapid.T, d drawn) {
		if d.wish.TaskScope == domain.ScopeAssigned || d.wish.TaskScope == domain.ScopeAll {
			return
		}
		d.eachTask(func(person domain.PersonFacts, before, after domain.TaskFacts) {
			for _, holder := range before.Assignees {
				if !slices.Contains(person.Staff, holder) && !slices.Contains(after.Assignees, holder) {
					t.Fatalf("%s of outside lost %s", nameOf(holder), nameOf(before.ID))
				}
			}
		})
	}))

	t.Run("A10 whoever is given a task by add or replace was named", forEveryPlan(handing, func(t *rapid.T, d drawn) {
		for _, seat := range d.plan.TasksGiven {
			if !slices.Contains(d.wish.StaffIDs, seat.Staff) {
				t.Fatalf("%s is given %s", nameOf(seat.Staff), nameOf(seat.Subject))
			}
		}
	}))

	t.Run("A10 add_new_staff takes nobody off", forEveryPlan(handing, func(t *rapid.T, d drawn) {
		if d.wish.TaskPolicy == domain.TasksAddNewStaff {
			expect(t, "seats taken", len(d.plan.TasksTaken), 0)
		}
	}))

	t.Run("A10 reassign_all leaves all the new staff on every task it changes, and for assigned and all nobody else", forEveryPlan(handing, func(t *rapid.T, d drawn) {
		if d.wish.TaskPolicy != domain.TasksReassignAll {
			return
		}
		for _, item := range d.plan.Items {
			if item.Kind != domain.ItemTask || item.Outcome != domain.OutcomeChanged {
				continue
			}
			expect(t, "new staff missing on "+nameOf(item.ID), missing(d.named, item.After), 0)
			if d.wish.TaskScope == domain.ScopeAssigned || d.wish.TaskScope == domain.ScopeAll {
				expect(t, "holders of "+nameOf(item.ID), namesOf(item.After), namesOf(d.named))
			}
		}
	}))
}

func TestRemoving(t *testing.T) {
	t.Run("A11 only the removed lose seats, on the tasks of the person they are removed from", forEveryPlan(removing, func(t *rapid.T, d drawn) {
		d.eachTask(func(person domain.PersonFacts, before, after domain.TaskFacts) {
			for _, holder := range before.Assignees {
				goes := slices.Contains(person.Staff, holder) && (d.wish.AllStaff || slices.Contains(d.wish.StaffIDs, holder))
				if slices.Contains(after.Assignees, holder) == goes {
					t.Fatalf("%s on %s: removed %v, but after it %s hold it", nameOf(holder), nameOf(before.ID), goes, namesOf(after.Assignees))
				}
			}
		})
	}))

	t.Run("A11 whoever is given a task remains on the person, and none of them held it", forEveryPlan(removing, func(t *rapid.T, d drawn) {
		d.eachTask(func(person domain.PersonFacts, before, after domain.TaskFacts) {
			remaining := d.after.People[before.Person].Staff
			gained := false
			for _, holder := range after.Assignees {
				if slices.Contains(before.Assignees, holder) {
					continue
				}
				gained = true
				if !slices.Contains(remaining, holder) {
					t.Fatalf("%s does not remain on %s and is given %s", nameOf(holder), nameOf(person.ID), nameOf(before.ID))
				}
			}
			for _, holder := range before.Assignees {
				if gained && slices.Contains(remaining, holder) && !deactivated(nameOf(holder)) {
					t.Fatalf("%s held %s and remains, yet others are given it", nameOf(holder), nameOf(before.ID))
				}
			}
		})
	}))

	t.Run("A12 reassign_to_remaining leaves a task with nobody only where nobody active remains and the caller said unassign", forEveryPlan(removing, func(t *rapid.T, d drawn) {
		if d.wish.TaskPolicy != domain.TasksReassignToRemaining {
			return
		}
		d.eachTask(func(person domain.PersonFacts, before, after domain.TaskFacts) {
			if len(before.Assignees) == 0 || len(after.Assignees) > 0 {
				return
			}
			for _, name := range d.after.People[before.Person].Staff {
				if !deactivated(nameOf(name)) {
					t.Fatalf("nobody holds %s, though %s remains on %s", nameOf(before.ID), nameOf(name), nameOf(person.ID))
				}
			}
			expect(t, "when no staff remain", d.wish.WhenNoStaffRemain, domain.NoStaffUnassign)
			for _, item := range d.plan.Items {
				if item.ID == before.ID || item.ID == person.ID {
					expect(t, "reason of "+nameOf(item.ID), item.Reason, domain.ReasonNoStaffRemained)
				}
			}
		})
	}))
}

func TestSameAgain(t *testing.T) {
	t.Run("A17 the same add, replace or remove again changes nothing and says so", forEveryPlan(types[1:], func(t *rapid.T, d drawn) {
		if joinsWithTasks(d) {
			return
		}
		if d.wish.TaskPolicy == "" { // A9: those who had no staff have some now, and their tasks count
			d.wish.TaskPolicy = policies[d.wish.Type][0]
		}
		again := planned(t, d.after, d.wish, nil)
		expect(t, "changes nothing", again.ChangesNothing(), true)
		expect(t, "totals", again.Totals, domain.Totals{PeopleUnchanged: len(d.people)})
		for _, item := range again.Items {
			expect(t, "outcome of "+nameOf(item.ID), item.Outcome, domain.OutcomeUnchanged)
			if item.Reason != domain.ReasonAlreadyInPlace && item.Reason != domain.ReasonIntakeHadStaff {
				t.Fatalf("the reason of %s is %q", nameOf(item.ID), item.Reason)
			}
		}
	}))

	t.Run("A10 a task that new staff held from outside is the team's once they have joined it", func(t *testing.T) {
		change := withTasks(change(domain.ChangeReplace, "cat dan"), domain.TasksReassignAll, domain.ScopeTeam)
		facts := scene("cat dan", person{name: "p1", staff: "ann", tasks: "call: ann, visit: cat"})
		first := applied(t, facts, plan(t, facts, change))
		equal(t, "first", tasksOf(first), "call: cat dan, visit: cat")
		second := applied(t, first, plan(t, first, change))
		equal(t, "second", tasksOf(second), "call: cat dan, visit: cat dan")
		equal(t, "third changes nothing", plan(t, second, change).ChangesNothing(), true)
	})
}

// joinsWithTasks tells whether, together with others, somebody joins a person of whom they hold a task already. The team's
// scope is that of the staff before the change (A10): the first time such a task may be out of scope, the second time it
// is in scope, and the others are due on it.
func joinsWithTasks(d drawn) bool {
	if len(d.named) == 1 {
		return false
	}
	for _, task := range d.before.Tasks {
		for _, holder := range task.Assignees {
			if slices.Contains(d.wish.StaffIDs, holder) && !slices.Contains(d.before.People[task.Person].Staff, holder) {
				return d.wish.Type != domain.ChangeRemove && d.wish.TaskScope != domain.ScopeAssigned && d.wish.TaskScope != domain.ScopeAll
			}
		}
	}
	return false
}
