package domain_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"handover/internal/domain"
)

// handedOver is a drawn wish that was planned, and what it made of things.
type handedOver struct {
	wish          domain.WorkWish
	before, after *domain.WorkFacts
	plan          *domain.Plan
}

// forEveryWish checks a property of every plan of a leaver's work.
func forEveryWish(property func(*rapid.T, handedOver)) func(*testing.T) {
	return rapid.MakeCheck(func(t *rapid.T) {
		wish := drawWorkWish(t)
		facts := drawDesk(t, wish)
		plan := planWork(t, facts, wish)
		property(t, handedOver{wish, facts, appliedWork(t, facts, wish, plan), plan})
	})
}

// takers are who may take over; few, so that they are often among the co-assignees.
var takers = []string{"ann", "bob", "flo"}

// drawWorkWish draws a wish that nothing speaks against.
func drawWorkWish(t *rapid.T) domain.WorkWish {
	part := func(label string, ways ...domain.Distribution) *domain.WorkPart {
		if oneOf(t, label+" left out", true, false, false, false) {
			return nil
		}
		successors := rapid.SliceOfN(rapid.SampledFrom(takers), 1, 4).Draw(t, label+" go to")
		part := by(oneOf(t, label+" are shared out", ways...), strings.Join(successors, " "))
		if len(part.To) == 1 && rapid.Bool().Draw(t, label+" need no distribution") {
			part.Distribution = ""
		}
		return part
	}
	wish := domain.WorkWish{
		From:    id(oneOf(t, "leaver", "lea", "lea", "ex-lea")),
		Matters: part("matters", roundRobin, leastLoaded),
		Tasks:   part("tasks", roundRobin, leastLoaded, roundRobin, leastLoaded, each),
		Events:  part("events", roundRobin, leastLoaded),
		People:  part("people", roundRobin, leastLoaded, each),
	}
	if wish.Tasks != nil {
		wish.Tasks.IncludePastDue = rapid.Bool().Draw(t, "past due too")
	}
	if wish.People != nil {
		wish.People.KeepTasks = oneOf(t, "tasks are kept", true, false, false)
		wish.People.Kinds = oneOf(t, "kinds", nil, nil, []domain.PersonKind{domain.KindClient}, []domain.PersonKind{domain.KindReferral})
	}
	if wish.Matters == nil && wish.Tasks == nil && wish.Events == nil && wish.People == nil {
		wish.Matters = to("ann")
	}
	return wish
}

// drawDesk draws what the leaver of a wish has.
func drawDesk(t *rapid.T, wish domain.WorkWish) *domain.WorkFacts {
	leaver := nameOf(wish.From)
	texts := func(count int, draw func(number int) string) string {
		all := []string{}
		for i := range count {
			all = append(all, draw(i+1))
		}
		return strings.Join(all, ", ")
	}
	on := func(label string, places ...string) string { return oneOf(t, label+" belongs to", places...) }
	with := func(label string) string {
		return leaver + " " + some(t, []string{"ann", "bob", "xen", "ex-cal"}, label)
	}
	var d desk
	d.matters = texts(oneOf(t, "matters", 0, 1, 2, 3, 4, 5), func(number int) string {
		name := fmt.Sprintf("m%d", number)
		return fmt.Sprintf("%s: %s %s %s", name, oneOf(t, name+" responsible", leaver, leaver, "ann", "xen"),
			oneOf(t, name+" is", "", "", "", "closed", "private", "private closed"), oneOf(t, name+" is seen", "", "", "hidden"))
	})
	d.people = texts(oneOf(t, "people", 0, 1, 2, 3, 4), func(number int) string {
		name := fmt.Sprintf("%s%d", oneOf(t, fmt.Sprintf("kind of person %d", number), "p", "r"), number)
		return name + ": " + with(name)
	})
	var places []string // what is not there is nothing: the task then belongs to nobody whom the leaver serves
	for _, entry := range append(entriesOf(d.matters), entriesOf(d.people)...) {
		places = append(places, entry.name)
	}
	places = append(places, "", "p9")
	d.tasks = texts(oneOf(t, "tasks", 0, 1, 2, 3, 4, 5, 6, 7), func(number int) string {
		name := fmt.Sprintf("t%d", number)
		return fmt.Sprintf("%s/%s: %s %s", name, on(name, places...), with(name), oneOf(t, name+" is due", "", "2024-02-26", "2024-02-27", "2024-02-28"))
	})
	places = slices.DeleteFunc(places, func(name string) bool { return strings.HasPrefix(name, "p") || strings.HasPrefix(name, "r") })
	d.events = texts(oneOf(t, "events", 0, 1, 2, 3, 4, 5), func(number int) string {
		name := fmt.Sprintf("e%d", number)
		return fmt.Sprintf("%s/%s: %s %d", name, on(name, places...), oneOf(t, name+" owner", leaver, leaver, "ann", "xen"), oneOf(t, name+" starts in", 1, 1, 30, 0, -1))
	})
	facts := deskFacts(d, wish)
	drawLoads(t, facts)
	return facts
}

// drawLoads draws what the successors have beside the leaver's work, and counts what of that they share with the leaver.
func drawLoads(t *rapid.T, facts *domain.WorkFacts) {
	for _, load := range []struct {
		label string
		of    map[uuid.UUID]int
	}{{"matters", facts.Loads.Matters}, {"tasks", facts.Loads.Tasks}, {"events", facts.Loads.Events}, {"people", facts.Loads.People}} {
		for _, name := range takers {
			if has := oneOf(t, load.label+" of "+name, 0, 0, 1, 2, 3, 5); has > 0 {
				load.of[id(name)] = has // who has nothing is absent
			}
		}
	}
	for _, matter := range facts.Matters {
		if !matter.Closed {
			facts.Loads.Matters[matter.Responsible]++
		}
	}
	for _, task := range facts.Tasks {
		for _, staff := range task.Assignees {
			facts.Loads.Tasks[staff]++
		}
	}
	for _, event := range facts.Events {
		facts.Loads.Events[event.Owner]++
	}
	for _, person := range facts.People {
		for _, staff := range person.Staff {
			facts.Loads.People[staff]++
		}
	}
}

// verdict is what the rules say of one thing that the leaver has: a second telling of B1 to B4 and B9, straight from their
// words. It moves, it is withheld, it stays for a reason, or the wish does not speak of it.
type verdict struct {
	of       *domain.WorkPart // that speaks of it; nil: none
	withheld bool
	why      domain.Reason
	hidden   bool
}

func (v verdict) moves() bool { return v.of != nil && !v.withheld && v.why == domain.ReasonNone }
func (v verdict) stays() bool { return v.of != nil && !v.withheld && v.why != domain.ReasonNone }

// verdicts are those of all things of the leaver, by name.
func verdicts(facts *domain.WorkFacts, wish domain.WorkWish) map[string]verdict {
	all := map[string]verdict{}
	onMatter := func(place int) domain.MatterFacts {
		if place == domain.None {
			return domain.MatterFacts{}
		}
		return facts.Matters[place]
	}
	for _, matter := range facts.Matters {
		if matter.Responsible != wish.From {
			continue
		}
		one := verdict{of: wish.Matters, withheld: matter.Private, hidden: matter.Hidden}
		if matter.Closed {
			one.why = domain.ReasonClosedMatter
		}
		all[nameOf(matter.ID)] = one
	}
	for _, task := range facts.Tasks {
		matter := onMatter(task.Matter)
		one := verdict{of: wish.Tasks, withheld: matter.Private, hidden: matter.Hidden}
		switch {
		case task.Person != domain.None && wish.People != nil && !wish.People.KeepTasks && takes(wish.People, facts.People[task.Person]):
			one = verdict{of: wish.People}
		case task.Matter == domain.None:
			one.why = domain.ReasonNoMatter
		case matter.Closed:
			one.why = domain.ReasonClosedMatter
		case task.Due != nil && *task.Due == today.AddDays(-1) && wish.Tasks != nil && !wish.Tasks.IncludePastDue:
			one.why = domain.ReasonPastDue
		}
		all[nameOf(task.ID)] = one
	}
	for _, event := range facts.Events {
		matter := onMatter(event.Matter)
		one := verdict{of: wish.Events, withheld: matter.Private, hidden: matter.Hidden}
		switch {
		case !event.StartsAt.After(now):
			one = verdict{}
		case event.Owner != wish.From:
			one.why = domain.ReasonAttendeeOnly
		case event.Matter == domain.None:
			one.why = domain.ReasonNoMatter
		case matter.Closed:
			one.why = domain.ReasonClosedMatter
		}
		all[nameOf(event.ID)] = one
	}
	for _, person := range facts.People {
		if wish.People != nil && takes(wish.People, person) {
			all[nameOf(person.ID)] = verdict{of: wish.People}
		}
	}
	return all
}

func takes(people *domain.WorkPart, person domain.WorkPerson) bool {
	for _, kind := range people.Kinds {
		if kind == person.Kind {
			return true
		}
	}
	return len(people.Kinds) == 0
}
