package domain_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"handover/internal/domain"
)

func TestRevisionOfWork(t *testing.T) {
	t.Run("A15 two states of a leaver's work have one revision just when all that a plan rests on is the same", rapid.MakeCheck(func(t *rapid.T) {
		wish := drawWorkWish(t)
		one := drawDesk(t, wish)
		other := withOneFactChanged(t, one)
		same := restsOn(one, wish) == restsOn(other, wish)
		if (domain.WorkRevision(one, wish, now) == domain.WorkRevision(other, wish, now)) != same {
			t.Fatalf("the same: %v\n%s\n%s", same, restsOn(one, wish), restsOn(other, wish))
		}
	}))

	t.Run("A15 handing over changes the revision, and handing over what is handed over does not", forEveryWish(func(t *rapid.T, h handedOver) {
		expect(t, "same revision", domain.WorkRevision(h.before, h.wish, now) == domain.WorkRevision(h.after, h.wish, now), h.plan.ChangesNothing())
	}))

	t.Run("A15 what successors have, and who asks, is not in the revision", rapid.MakeCheck(func(t *rapid.T) {
		wish := drawWorkWish(t)
		facts := drawDesk(t, wish)
		before := domain.WorkRevision(facts, wish, now)
		facts.Loads = domain.Loads{}
		for i := range facts.Matters {
			facts.Matters[i].Hidden = !facts.Matters[i].Hidden
		}
		expect(t, "revision", domain.WorkRevision(facts, wish, now), before)
	}))
}

// restsOn is what of the facts a plan rests on, as text: of what is private, how much there is.
func restsOn(facts *domain.WorkFacts, wish domain.WorkWish) string {
	var text strings.Builder
	on := func(place int, id func(int) uuid.UUID) string {
		if place == domain.None {
			return "-"
		}
		return nameOf(id(place))
	}
	matter := func(place int) string {
		return on(place, func(place int) uuid.UUID { return facts.Matters[place].ID })
	}
	person := func(place int) string {
		return on(place, func(place int) uuid.UUID { return facts.People[place].ID })
	}
	withheld := 0
	for _, verdict := range verdicts(facts, wish) {
		if verdict.of != nil && verdict.withheld {
			withheld++
		}
	}
	fmt.Fprintln(&text, withheld)
	private := func(place int) bool { return place != domain.None && facts.Matters[place].Private }
	for _, one := range facts.Matters {
		if !one.Private {
			fmt.Fprintln(&text, nameOf(one.ID), nameOf(one.Responsible), one.Closed)
		}
	}
	for _, one := range facts.Tasks {
		goes := one.Person != domain.None && wish.People != nil && !wish.People.KeepTasks && takes(wish.People, facts.People[one.Person])
		if private(one.Matter) && !goes {
			continue
		}
		fmt.Fprintln(&text, nameOf(one.ID), matter(one.Matter), person(one.Person), one.Due, namesOf(one.Assignees))
	}
	for _, one := range facts.Events {
		if private(one.Matter) {
			continue
		}
		fmt.Fprintln(&text, nameOf(one.ID), matter(one.Matter), nameOf(one.Owner), one.StartsAt)
	}
	for _, one := range facts.People {
		fmt.Fprintln(&text, nameOf(one.ID), one.Kind, namesOf(one.Staff))
	}
	fmt.Fprint(&text, facts.Staff)
	return text.String()
}

// withOneFactChanged is a copy of facts in which one may be another.
func withOneFactChanged(t *rapid.T, facts *domain.WorkFacts) *domain.WorkFacts {
	other := *facts
	other.Matters, other.Tasks, other.Events, other.People = slices.Clone(facts.Matters), slices.Clone(facts.Tasks), slices.Clone(facts.Events), slices.Clone(facts.People)
	other.Staff = map[uuid.UUID]domain.StaffStatus{}
	for staff, status := range facts.Staff {
		other.Staff[staff] = status
	}
	switch kind := oneOf(t, "of which kind", "matter", "task", "event", "person", "staff", "none"); {
	case kind == "matter" && len(other.Matters) > 0:
		matter := &other.Matters[rapid.IntRange(0, len(other.Matters)-1).Draw(t, "which")]
		switch oneOf(t, "which fact", "responsible", "closed", "private", "id") {
		case "responsible":
			matter.Responsible = id(oneOf(t, "responsible", cast...))
		case "closed":
			matter.Closed = !matter.Closed
		case "private":
			matter.Private = !matter.Private
		case "id":
			matter.ID = id("m9")
		}
	case kind == "task" && len(other.Tasks) > 0:
		task := &other.Tasks[rapid.IntRange(0, len(other.Tasks)-1).Draw(t, "which")]
		switch oneOf(t, "which fact", "due", "holders", "matter", "person") {
		case "due":
			tomorrow := today.AddDays(1)
			task.Due = oneOf(t, "due", nil, &tomorrow)
		case "holders":
			task.Assignees = set(some(t, cast, "holders"))
		case "matter":
			task.Matter = rapid.IntRange(domain.None, len(other.Matters)-1).Draw(t, "matter")
		case "person":
			task.Person = rapid.IntRange(domain.None, len(other.People)-1).Draw(t, "person")
		}
	case kind == "event" && len(other.Events) > 0:
		event := &other.Events[rapid.IntRange(0, len(other.Events)-1).Draw(t, "which")]
		switch oneOf(t, "which fact", "starts", "owner", "matter") {
		case "starts":
			event.StartsAt = event.StartsAt.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "later")) * time.Microsecond)
		case "owner":
			event.Owner = id(oneOf(t, "owner", cast...))
		case "matter":
			event.Matter = rapid.IntRange(domain.None, len(other.Matters)-1).Draw(t, "matter")
		}
	case kind == "person" && len(other.People) > 0:
		person := &other.People[rapid.IntRange(0, len(other.People)-1).Draw(t, "which")]
		if rapid.Bool().Draw(t, "kind") {
			person.Kind = oneOf(t, "kind", domain.KindClient, domain.KindReferral)
		} else {
			person.Staff = set(some(t, cast, "staff"))
		}
	case kind == "staff":
		other.Staff[id(oneOf(t, "who", takers...))] = oneOf(t, "status", domain.StaffActive, domain.StaffDeactivated)
	}
	return &other
}
