package domain_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"handover/internal/domain"
)

func TestRevisionOfAnything(t *testing.T) {
	t.Run("A15 the revision does not hang on the order in which people, staff and tasks were given", rapid.MakeCheck(func(t *rapid.T) {
		people := drawPeople(t, true)
		shuffled := rapid.Permutation(people).Draw(t, "people in another order")
		for i, person := range shuffled {
			shuffled[i].staff = shuffledText(t, person.staff, " ")
			var tasks []string
			for _, task := range strings.Split(shuffledText(t, person.tasks, ", "), ", ") {
				name, holders, _ := strings.Cut(task, ": ")
				tasks = append(tasks, name+": "+shuffledText(t, holders, " "))
			}
			if person.tasks != "" {
				shuffled[i].tasks = strings.Join(tasks, ", ")
			}
		}
		expect(t, "revision", domain.Revision(sceneOf(shuffled)), domain.Revision(sceneOf(people)))
	}))

	t.Run("A15 two states have one revision just when all that it speaks of is the same", rapid.MakeCheck(func(t *rapid.T) {
		one, other := sceneOf(drawPeople(t, true)), sceneOf(drawPeople(t, true))
		if oneOf(t, "one fact apart", true, true, true, false) {
			changeOneFact(t, one, other)
		}
		same := spokenOf(one) == spokenOf(other)
		if (domain.Revision(one) == domain.Revision(other)) != same {
			t.Fatalf("the same: %v\n%s\n%s", same, spokenOf(one), spokenOf(other))
		}
	}))

	t.Run("A15 a change that changes something changes the revision, and one that is in place does not", forEveryPlan(types, func(t *rapid.T, d drawn) {
		same := domain.Revision(d.before) == domain.Revision(d.after)
		expect(t, "same revision", same, d.plan.ChangesNothing())
	}))
}

// changeOneFact makes other a copy of one in which one fact may be another.
func changeOneFact(t *rapid.T, one, other *domain.AssignmentFacts) {
	other.People, other.Tasks = slices.Clone(one.People), slices.Clone(one.Tasks)
	if len(other.People) == 0 {
		return
	}
	at := rapid.IntRange(0, len(other.People)-1).Draw(t, "which person")
	person := &other.People[at]
	switch oneOf(t, "which fact", "staff", "next", "kind", "intake", "status", "none", "none") {
	case "staff":
		person.Staff = set(some(t, cast, "other staff"))
	case "next": // the last of a person's staff serves the next person instead
		if at+1 < len(other.People) && len(person.Staff) > 0 {
			last := len(person.Staff) - 1
			other.People[at+1].Staff = domain.NewStaffSet(append(slices.Clone(person.Staff[last:]), other.People[at+1].Staff...)...)
			person.Staff = person.Staff[:last]
		}
	case "kind":
		person.Kind = oneOf(t, "other kind", domain.KindClient, domain.KindReferral)
	case "intake":
		person.HasIntakeTasks = !person.HasIntakeTasks
	case "status":
		other.Staff[id(oneOf(t, "whose status", cast...))] = domain.StaffDeactivated
	}
	if len(other.Tasks) == 0 {
		return
	}
	place := rapid.IntRange(0, len(other.Tasks)-1).Draw(t, "which task")
	switch oneOf(t, "which fact of a task", "assignees", "person", "fewer", "none", "none", "none") {
	case "assignees":
		other.Tasks[place].Assignees = set(some(t, cast, "other assignees"))
	case "person":
		other.Tasks[place].Person = rapid.IntRange(0, len(other.People)-1).Draw(t, "other person")
	case "fewer":
		other.Tasks = slices.Delete(other.Tasks, place, place+1)
	}
}

// spokenOf tells all that the revision speaks of.
func spokenOf(facts *domain.AssignmentFacts) string {
	var text strings.Builder
	for _, person := range facts.People {
		fmt.Fprintf(&text, "%s is a %s", nameOf(person.ID), person.Kind)
		for _, name := range person.Staff {
			fmt.Fprintf(&text, ", served by %s (%s)", nameOf(name), facts.Staff[name])
		}
		text.WriteString("\n")
	}
	for _, task := range facts.Tasks {
		fmt.Fprintf(&text, "%s of %s: %s\n", nameOf(task.ID), nameOf(facts.People[task.Person].ID), namesOf(task.Assignees))
	}
	return text.String()
}

// shuffledText is the parts of a text in another order.
func shuffledText(t *rapid.T, text, separator string) string {
	return strings.Join(rapid.Permutation(strings.Split(text, separator)).Draw(t, "in another order"), separator)
}

func TestStaffSets(t *testing.T) {
	t.Run("sets of staff do what sets do, and leave what they are made of as it is", rapid.MakeCheck(func(t *rapid.T) {
		given := rapid.SliceOfN(rapid.SampledFrom(cast), 0, 5).Draw(t, "one, as given")
		others := rapid.SliceOfN(rapid.SampledFrom(cast), 0, 5).Draw(t, "other, as given")
		oneIDs := ids(strings.Join(given, " "))
		one, other := domain.NewStaffSet(oneIDs...), set(strings.Join(others, " "))
		inOne, inOther := groupOf(strings.Join(given, " ")), groupOf(strings.Join(others, " "))

		union, minus, both := group{}, group{}, group{}
		for _, name := range cast {
			union[name] = inOne[name] || inOther[name]
			minus[name] = inOne[name] && !inOther[name]
			both[name] = inOne[name] && inOther[name]
			expect(t, "has "+name, one.Has(id(name)), inOne[name])
		}
		expect(t, "union", namesOf(one.Union(other)), union.String())
		expect(t, "minus", namesOf(one.Minus(other)), minus.String())
		expect(t, "intersect", namesOf(one.Intersect(other)), both.String())
		expect(t, "meets", one.Meets(other), !both.nobody())
		expect(t, "equal", one.Equal(other), inOne.String() == inOther.String())
		expect(t, "one is as it was", namesOf(one), inOne.String())
		expect(t, "other is as it was", namesOf(other), inOther.String())
		expect(t, "what was given is as it was", namesOf(oneIDs), strings.Join(given, " "))
	}))
}
