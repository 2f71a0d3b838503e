package domain_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"handover/internal/domain"
)

// drawn is a planned change and what it made of things.
type drawn struct {
	people        []person
	wish          domain.AssignmentChange
	named         domain.StaffSet
	before, after *domain.AssignmentFacts
	plan          *domain.Plan
}

// forEveryPlan checks a property of every plan of changes of some types.
func forEveryPlan(of []domain.ChangeType, property func(*rapid.T, drawn)) func(*testing.T) {
	return rapid.MakeCheck(func(t *rapid.T) {
		people, wish := drawAccepted(t, of...)
		facts := sceneOf(people)
		plan := planned(t, facts, wish, drawTemplate(t))
		property(t, drawn{people, wish, domain.NewStaffSet(wish.StaffIDs...), facts, applied(t, facts, plan), plan})
	})
}

// eachTask tells a task of the facts before with its person, and who holds it after.
func (d drawn) eachTask(look func(person domain.PersonFacts, before, after domain.TaskFacts)) {
	then := map[uuid.UUID]domain.TaskFacts{}
	for _, task := range d.after.Tasks {
		then[task.ID] = task
	}
	for _, task := range d.before.Tasks {
		look(d.before.People[task.Person], task, then[task.ID])
	}
}

func TestPlans(t *testing.T) {
	t.Run("I1 every person and every task in scope is an item exactly once, and nothing else is", forEveryPlan(types, func(t *rapid.T, d drawn) {
		selected := map[domain.ItemKind]map[uuid.UUID]bool{domain.ItemPerson: {}, domain.ItemTask: {}, domain.ItemMatter: {}, domain.ItemCalendarEvent: {}}
		for _, person := range d.before.People {
			selected[domain.ItemPerson][person.ID] = true
		}
		for _, task := range d.before.Tasks {
			selected[domain.ItemTask][task.ID] = true
		}
		for _, task := range d.plan.TasksCreated {
			selected[domain.ItemTask][task.ID] = true
		}
		for _, item := range d.plan.Items {
			if !selected[item.Kind][item.ID] {
				t.Fatalf("%s %s is an item twice, or was never selected", item.Kind, nameOf(item.ID))
			}
			delete(selected[item.Kind], item.ID)
		}
		if len(selected[domain.ItemPerson]) > 0 {
			t.Fatalf("people who are no item: %v", selected[domain.ItemPerson])
		}
		for _, seat := range append(d.plan.TasksGiven, d.plan.TasksTaken...) {
			if selected[domain.ItemTask][seat.Subject] {
				t.Fatalf("%s changes and is no item", nameOf(seat.Subject))
			}
		}
	}))

	t.Run("I1 the totals are the sums of the items", forEveryPlan(types, func(t *rapid.T, d drawn) {
		var sums domain.Totals
		for _, item := range d.plan.Items {
			switch {
			case item.Outcome == domain.OutcomeCreated:
				sums.TasksCreated++
			case item.Kind == domain.ItemPerson && item.Outcome == domain.OutcomeUnchanged:
				sums.PeopleUnchanged++
			case item.Kind == domain.ItemPerson:
				sums.PeopleChanged++
				sums.AssignmentsAdded += missing(item.After, item.Before)
				sums.AssignmentsRemoved += missing(item.Before, item.After)
			case item.Outcome == domain.OutcomeChanged:
				sums.TasksChanged++
				if len(item.After) == 0 {
					sums.TasksUnassigned++
				}
			}
		}
		expect(t, "totals", d.plan.Totals, sums)
		expect(t, "assignments added", len(d.plan.PeopleGiven), sums.AssignmentsAdded)
		expect(t, "assignments removed", len(d.plan.PeopleTaken), sums.AssignmentsRemoved)
		expect(t, "tasks created", len(d.plan.TasksCreated), sums.TasksCreated)
	}))

	t.Run("A14 the seats of the plan make of every item just what it says, and of nothing else anything", forEveryPlan(types, func(t *rapid.T, d drawn) {
		want := holders(d.before.People, personSeats)
		for task, held := range holders(d.before.Tasks, taskSeats) {
			want[task] = held
		}
		for _, item := range d.plan.Items {
			expect(t, "before of "+nameOf(item.ID), namesOf(item.Before), want[nameOf(item.ID)])
			expect(t, "outcome of "+nameOf(item.ID), item.Outcome == domain.OutcomeUnchanged, item.Before.Equal(item.After))
			want[nameOf(item.ID)] = namesOf(item.After)
		}
		got := holders(d.after.People, personSeats)
		for task, held := range holders(d.after.Tasks, taskSeats) {
			got[task] = held
		}
		expect(t, "everything", fmt.Sprint(got), fmt.Sprint(want))
	}))

	t.Run("A17 seats given and taken are each once, none is both, and no fewer would do", forEveryPlan(types, func(t *rapid.T, d drawn) {
		// That seats taken were held, and seats given were not, is checked wherever a plan is applied.
		needed := 0
		for _, item := range d.plan.Items {
			if item.Outcome != domain.OutcomeCreated {
				needed += missing(item.Before, item.After) + missing(item.After, item.Before)
			}
		}
		seats := map[domain.Seat]bool{}
		for _, some := range [][]domain.Seat{d.plan.PeopleGiven, d.plan.PeopleTaken, d.plan.TasksGiven, d.plan.TasksTaken} {
			for _, seat := range some {
				if seats[seat] {
					t.Fatalf("the seat of %s on %s stands twice", nameOf(seat.Staff), nameOf(seat.Subject))
				}
				seats[seat] = true
			}
		}
		expect(t, "seats", len(seats), needed)
		expect(t, "changes nothing", d.plan.ChangesNothing(), needed+len(d.plan.TasksCreated) == 0)
	}))

	t.Run("A13 nobody who is deactivated is given anything", forEveryPlan(types, func(t *rapid.T, d drawn) {
		for _, seat := range append(d.plan.PeopleGiven, d.plan.TasksGiven...) {
			if deactivated(nameOf(seat.Staff)) {
				t.Fatalf("%s is given a seat on %s", nameOf(seat.Staff), nameOf(seat.Subject))
			}
		}
	}))

	t.Run("A16 planning leaves the facts and the wish as they were, and comes to the same plan again", rapid.MakeCheck(func(t *rapid.T) {
		people, wish := drawAccepted(t, types...)
		facts, template := sceneOf(people), drawTemplate(t)
		spare := leaveRoom(facts)
		before, wished := fmt.Sprint(facts, sceneText(facts)), fmt.Sprint(wish)
		plan := planned(t, facts, wish, template)
		again := planned(t, facts, wish, template)
		expect(t, "facts", fmt.Sprint(facts, sceneText(facts)), before)
		expect(t, "wish", fmt.Sprint(wish), wished)
		expect(t, "plan", fmt.Sprint(again), fmt.Sprint(plan))
		for _, room := range spare {
			expect(t, "the memory behind a set", room[:cap(room)][len(room)], id("untouched"))
		}
	}))
}

// missing counts who is in one set and not in the other.
func missing(in, notIn domain.StaffSet) int {
	count := 0
	for _, name := range in {
		if !groupOf(namesOf(notIn))[nameOf(name)] {
			count++
		}
	}
	return count
}

func sceneText(facts *domain.AssignmentFacts) string { return staffOf(facts) + "; " + tasksOf(facts) }

// leaveRoom gives every set of the facts room for one more, in which something stands that nobody may overwrite.
func leaveRoom(facts *domain.AssignmentFacts) []domain.StaffSet {
	var all []domain.StaffSet
	roomy := func(set domain.StaffSet) domain.StaffSet {
		room := append(append(make(domain.StaffSet, 0, len(set)+1), set...), id("untouched"))[:len(set)]
		all = append(all, room)
		return room
	}
	for i := range facts.People {
		facts.People[i].Staff = roomy(facts.People[i].Staff)
	}
	for i := range facts.Tasks {
		facts.Tasks[i].Assignees = roomy(facts.Tasks[i].Assignees)
	}
	return all
}
