package domain_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"handover/internal/domain"
)

const (
	roundRobin  = domain.DistributeRoundRobin
	leastLoaded = domain.DistributeLeastLoaded
	each        = domain.DistributeEach
)

func TestSharingOut(t *testing.T) {
	for _, example := range []struct {
		rule string
		desk desk
		wish domain.WorkWish
		want string // the items
	}{
		{
			"B10 round_robin goes over the successors in the order they were named",
			desk{matters: "m1: lea, m2: lea, m3: lea, m4: lea"},
			domain.WorkWish{Matters: by(roundRobin, "flo ann bob")},
			"m1: lea > flo, m2: lea > ann, m3: lea > bob, m4: lea > flo",
		},
		{
			"B10 round_robin does not look at what they have",
			desk{matters: "m1: lea, m2: lea", loads: "matters: ann 100"},
			domain.WorkWish{Matters: by(roundRobin, "ann bob")},
			"m1: lea > ann, m2: lea > bob",
		},
		{
			"B10 round_robin counts a successor who is named twice once",
			desk{matters: "m1: lea, m2: lea, m3: lea"},
			domain.WorkWish{Matters: by(roundRobin, "ann ann bob")},
			"m1: lea > ann, m2: lea > bob, m3: lea > ann",
		},
		{
			"B10 what stays takes no turn",
			desk{matters: "m1: lea, m2: lea closed, m3: lea private, m4: lea"},
			domain.WorkWish{Matters: by(roundRobin, "ann bob")},
			"m1: lea > ann, m2: lea closed_matter, m4: lea > bob",
		},
		{
			"B10 least_loaded gives to whoever has fewest, counting what this run gives",
			desk{matters: "m1: lea, m2: lea, m3: lea, m4: lea", loads: "matters: ann 2 bob 1"},
			domain.WorkWish{Matters: by(leastLoaded, "ann bob flo")},
			"m1: lea > flo, m2: lea > bob, m3: lea > flo, m4: lea > ann",
		},
		{
			"B10 each kind is counted by itself: matters by matters, people by people",
			desk{matters: "m1: lea", people: "p1: lea", loads: "matters: ann 5, people: bob 5, tasks: ann 9 bob 9"},
			domain.WorkWish{Matters: by(leastLoaded, "ann bob"), People: by(leastLoaded, "ann bob")},
			"m1: lea > bob, p1: lea > ann",
		},
		{
			"B10 all tasks of one matter go to one successor",
			desk{matters: "m1: bob, m2: bob", tasks: "t1/m1: lea, t2/m2: lea, t3/m1: lea, t4/m2: lea"},
			domain.WorkWish{Tasks: by(roundRobin, "ann flo")},
			"t1: lea > ann, t2: lea > flo, t3: lea > ann, t4: lea > flo",
		},
		{
			"B10 a matter weighs as many tasks as move on it",
			desk{matters: "m1: bob, m2: bob, m3: bob", tasks: "t1/m1: lea, t2/m2: lea, t3/m3: lea, t4/m3: lea, t5/m1: lea 2024-01-01"},
			domain.WorkWish{Tasks: by(leastLoaded, "ann flo")},
			"t1: lea > flo, t2: lea > flo, t3: lea > ann, t4: lea > ann, t5: lea past_due",
		},
		{
			"B10 events go to who takes the matter's tasks",
			desk{matters: "m1: bob, m2: bob, m3: bob", tasks: "t1/m1: lea, t2/m2: lea", events: "e1/m1: lea, e2/m2: lea, e3/m3: lea"},
			domain.WorkWish{Tasks: by(roundRobin, "ann flo"), Events: by(leastLoaded, "flo ann")},
			"e1: lea > ann, e2: lea > flo, e3: lea > flo, t1: lea > ann, t2: lea > flo",
		},
		{
			"B10 tasks and events of one matter go to somebody who is named for both",
			desk{matters: "m1: bob, m2: bob", tasks: "t1/m1: lea, t2/m2: lea", events: "e1/m1: lea"},
			domain.WorkWish{Tasks: by(roundRobin, "ann flo"), Events: by(roundRobin, "gus flo")},
			"e1: lea > flo, t1: lea > flo, t2: lea > ann",
		},
		{
			"B10 one successor for events decides for the tasks of those matters",
			desk{matters: "m1: bob, m2: bob", tasks: "t1/m1: lea, t2/m2: lea", events: "e1/m2: lea", loads: "tasks: flo 50"},
			domain.WorkWish{Tasks: by(leastLoaded, "ann flo"), Events: to("flo")},
			"e1: lea > flo, t1: lea > ann, t2: lea > flo",
		},
		{
			"B10 where nobody is named for both each kind is shared out by itself",
			desk{matters: "m1: bob", tasks: "t1/m1: lea", events: "e1/m1: lea"},
			domain.WorkWish{Tasks: by(roundRobin, "ann flo"), Events: by(roundRobin, "gus bob")},
			"e1: lea > gus, t1: lea > ann",
		},
		{
			"B10 events that stay do not decide for tasks",
			desk{matters: "m1: bob, m2: bob", tasks: "t1/m1: lea, t2/m2: lea", events: "e1/m1: ann, e2/m1: lea -1"},
			domain.WorkWish{Tasks: by(roundRobin, "ann flo"), Events: to("flo")},
			"e1: ann attendee_only, t1: lea > ann, t2: lea > flo",
		},
		{
			"B10 each gives every task to all, and leaves the events to themselves",
			desk{matters: "m1: bob", tasks: "t1/m1: lea ann", events: "e1/m1: lea"},
			domain.WorkWish{Tasks: by(each, "flo ann"), Events: by(roundRobin, "gus ann")},
			"e1: lea > gus, t1: ann lea > ann flo",
		},
		{
			"B10 a task that a successor holds already adds nothing to what they have",
			desk{matters: "m1: bob, m2: bob", tasks: "t1/m1: ann lea, t2/m2: ann lea", loads: "tasks: ann 2 flo 2"},
			domain.WorkWish{Tasks: by(leastLoaded, "ann flo")},
			"t1: ann lea > ann, t2: ann lea > ann",
		},
		{
			"B10 a person whom a successor serves already adds nothing to what they have",
			desk{people: "p1: ann lea, p2: ann lea, p3: lea", loads: "people: ann 3 flo 2"},
			domain.WorkWish{People: by(leastLoaded, "ann flo")},
			"p1: ann lea > ann, p2: ann lea > ann, p3: lea > flo",
		},
		{
			"B10 the tasks that come with people count where tasks are shared out",
			desk{people: "p1: lea", matters: "m1: bob, m2: bob", tasks: "t1/p1: lea, t2/p1: lea, t3/m1: lea, t4/m2: lea"},
			domain.WorkWish{Tasks: by(leastLoaded, "ann flo"), People: to("ann")},
			"p1: lea > ann, t1: lea > ann, t2: lea > ann, t3: lea > flo, t4: lea > flo",
		},
	} {
		t.Run(example.rule, func(t *testing.T) {
			wish := from("lea", example.wish)
			equal(t, "items", outcomesOf(planWork(t, deskFacts(example.desk, wish), wish)), example.want)
		})
	}
}

func TestFairness(t *testing.T) {
	t.Run("B10 all tasks and events of one matter go to one successor, wherever somebody is named for both", forEveryWish(func(t *rapid.T, h handedOver) {
		takers := map[int]domain.StaffSet{}
		take := func(place int, of *domain.WorkPart, staff uuid.UUID) {
			if !slices.Contains(of.To, staff) {
				t.Fatalf("%s was not named", nameOf(staff))
			}
			takers[place] = domain.NewStaffSet(append(slices.Clone(takers[place]), staff)...)
		}
		has, all := inHandsAfter(h.before, h.plan), verdicts(h.before, h.wish)
		apart := map[int]bool{} // matters with tasks that nobody new came to: who took them over cannot be told
		for _, task := range h.before.Tasks {
			if verdict := all[nameOf(task.ID)]; !verdict.moves() || verdict.of != h.wish.Tasks || verdict.of.Distribution == each {
				continue
			}
			came := has[nameOf(task.ID)].Minus(task.Assignees)
			if len(came) == 0 {
				apart[task.Matter] = true
				continue
			}
			take(task.Matter, h.wish.Tasks, came[0])
		}
		for _, event := range h.before.Events {
			if all[nameOf(event.ID)].moves() {
				take(event.Matter, h.wish.Events, has[nameOf(event.ID)][0])
			}
		}
		both := h.wish.Tasks == nil || h.wish.Events == nil || slices.ContainsFunc(h.wish.Tasks.To, func(staff uuid.UUID) bool { return slices.Contains(h.wish.Events.To, staff) })
		for place, who := range takers {
			if len(who) > 1 && both {
				t.Fatalf("%s take over tasks and events of %s", namesOf(who), nameOf(h.before.Matters[place].ID))
			}
			// Who holds the tasks already took them over without a trace; then they have to hold them all.
			if apart[place] && both && len(who) == 1 {
				for _, task := range h.before.Tasks {
					if task.Matter == place && all[nameOf(task.ID)].moves() && !has[nameOf(task.ID)].Has(who[0]) {
						t.Fatalf("%s takes over some of %s, and not %s", nameOf(who[0]), nameOf(h.before.Matters[place].ID), nameOf(task.ID))
					}
				}
			}
		}
	}))

	t.Run("B10 round_robin gives nobody more than one matter, person or matter's work more than another", rapid.MakeCheck(func(t *rapid.T) {
		wish, facts := drawFair(t, roundRobin, "xen") // where a successor has a share already, who took over leaves no trace
		given := map[uuid.UUID]int{}
		for _, u := range unitsOf(t, facts, wish, planWork(t, facts, wish)) {
			given[u.to]++
		}
		counts := []int{}
		for _, staff := range domain.NewStaffSet(fairPart(wish).To...) {
			counts = append(counts, given[staff])
		}
		if slices.Max(counts)-slices.Min(counts) > 1 {
			t.Fatalf("shared out as %v", counts)
		}
	}))

	fair := func(others ...string) func(*testing.T) {
		return rapid.MakeCheck(func(t *rapid.T) {
			wish, facts := drawFair(t, leastLoaded, others...)
			plan := planWork(t, facts, wish)
			units, successors := unitsOf(t, facts, wish, plan), domain.NewStaffSet(fairPart(wish).To...)
			heaviest := 0
			for _, u := range units {
				heaviest = max(heaviest, u.weight)
			}
			best := bestOf(units, successors, loadsWithPeople(facts, wish, plan))
			most, least := extent(loadsNow(appliedWork(t, facts, wish, plan), wish), successors)
			if most > best.most+heaviest {
				t.Fatalf("the most loaded has %d, and could have %d; the heaviest unit weighs %d: %v", most, best.most, heaviest, units)
			}
			if len(others) == 0 && most-least > best.spread+heaviest {
				t.Fatalf("spread over %d, and %d would be possible; the heaviest unit weighs %d: %v", most-least, best.spread, heaviest, units)
			}
		})
	}
	t.Run("B10 least_loaded ends within one item's weight of the best possible spread", fair())
	t.Run("B10 where successors are co-assignees, the most loaded ends within one item's weight of the least possible", fair("ann", "bob", "xen"))
}

// loadsWithPeople is what the successors have with the tasks that come with people: these are given whoever gets the rest.
func loadsWithPeople(facts *domain.WorkFacts, wish domain.WorkWish, plan *domain.Plan) map[uuid.UUID]int {
	loads, has := loadsNow(facts, wish), inHandsAfter(facts, plan)
	for _, task := range facts.Tasks {
		if task.Person == domain.None {
			continue
		}
		for _, staff := range has[nameOf(task.ID)].Minus(task.Assignees) {
			loads[staff]++
		}
	}
	return loads
}

// drawFair draws work of one kind to share out: matters, people, a matter's tasks (besides tasks that come with people)
// or a matter's events.
func drawFair(t *rapid.T, distribution domain.Distribution, others ...string) (domain.WorkWish, *domain.WorkFacts) {
	part := by(distribution, strings.Join(rapid.SliceOfN(rapid.SampledFrom(takers), 1, 4).Draw(t, "successors"), " "))
	wish, d := domain.WorkWish{From: id("lea")}, desk{}
	with := func(label string) string { return "lea " + some(t, others, label) }
	count := oneOf(t, "units", 0, 1, 2, 3, 4, 5, 6)
	var matters, people, tasks, events []string
	for i := range count {
		matters = append(matters, fmt.Sprintf("m%d: lea", i))
		people = append(people, fmt.Sprintf("p%d: %s", i, with(fmt.Sprintf("p%d", i))))
		for j := range oneOf(t, fmt.Sprintf("weight of %d", i), 1, 1, 2, 3, 5) {
			name := fmt.Sprintf("t%d%d", i, j)
			tasks = append(tasks, fmt.Sprintf("%s/m%d: %s", name, i, with(name)))
			events = append(events, fmt.Sprintf("e%d%d/m%d: lea", i, j, i))
		}
	}
	switch oneOf(t, "kind", "matters", "people", "tasks", "events") {
	case "matters":
		wish.Matters, d.matters = part, strings.Join(matters, ", ")
	case "people":
		wish.People, d.people = part, strings.Join(people, ", ")
	case "events":
		wish.Events, d.matters, d.events = part, strings.Join(matters, ", "), strings.Join(events, ", ")
	case "tasks":
		wish.Tasks, d.matters, d.tasks = part, strings.Join(matters, ", "), strings.Join(tasks, ", ")
		if rapid.Bool().Draw(t, "people too") {
			wish.People, d.people = to(oneOf(t, "people go to", takers...)), strings.Join(people, ", ")
			for i := range count {
				d.tasks += fmt.Sprintf(", v%d/p%d: %s", i, i, with(fmt.Sprintf("v%d", i)))
			}
		}
		if distribution == leastLoaded && rapid.Bool().Draw(t, "events too") { // matters that have some go to who is named for both
			wish.Events = by(roundRobin, oneOf(t, "events go to", namesOf(part.To), nameOf(part.To[0]), "gus"))
			for i := range count {
				if rapid.Bool().Draw(t, fmt.Sprintf("m%d has an event", i)) {
					d.events += fmt.Sprintf(", e%d/m%d: lea", i, i)
				}
			}
			d.events = strings.TrimPrefix(d.events, ", ")
		}
	}
	facts := deskFacts(d, wish)
	drawLoads(t, facts)
	return wish, facts
}

// fairPart is the part of a drawn wish that is looked at.
func fairPart(wish domain.WorkWish) *domain.WorkPart {
	for _, part := range []*domain.WorkPart{wish.Matters, wish.Tasks, wish.Events, wish.People} {
		if part != nil {
			return part
		}
	}
	return nil
}

func loadsNow(facts *domain.WorkFacts, wish domain.WorkWish) map[uuid.UUID]int {
	switch {
	case wish.Matters != nil:
		return maps.Clone(facts.Loads.Matters)
	case wish.Tasks != nil:
		return maps.Clone(facts.Loads.Tasks)
	case wish.Events != nil:
		return maps.Clone(facts.Loads.Events)
	default:
		return maps.Clone(facts.Loads.People)
	}
}

// shared is work that stays together.
type shared struct {
	weight int
	held   map[uuid.UUID]int // how much of it each successor has already
	among  domain.StaffSet   // who may take it over; none: any successor
	to     uuid.UUID         // who took it over; zero where that left no trace
}

// unitsOf are the units of the part that is looked at.
func unitsOf(t *rapid.T, facts *domain.WorkFacts, wish domain.WorkWish, plan *domain.Plan) []shared {
	has := inHandsAfter(facts, plan)
	units := map[string]shared{}
	add := func(unit string, item uuid.UUID, before domain.StaffSet) {
		u := units[unit]
		if u.held == nil {
			u.held = map[uuid.UUID]int{}
		}
		u.weight++
		for _, staff := range before {
			u.held[staff]++
		}
		if came := has[nameOf(item)].Minus(before); len(came) > 0 {
			if u.to != uuid.Nil && u.to != came[0] {
				t.Fatalf("%s and %s take over of %s", nameOf(u.to), nameOf(came[0]), unit)
			}
			u.to = came[0]
		}
		units[unit] = u
	}
	switch {
	case wish.Matters != nil:
		for _, matter := range facts.Matters {
			add(nameOf(matter.ID), matter.ID, domain.StaffSet{matter.Responsible})
		}
	case wish.Tasks != nil:
		for _, task := range facts.Tasks {
			if task.Matter != domain.None {
				add(nameOf(facts.Matters[task.Matter].ID), task.ID, task.Assignees)
			}
		}
		for _, event := range facts.Events {
			name := nameOf(facts.Matters[event.Matter].ID)
			u := units[name]
			u.among = domain.NewStaffSet(wish.Events.To...).Intersect(domain.NewStaffSet(wish.Tasks.To...))
			units[name] = u
		}
	case wish.Events != nil:
		for _, event := range facts.Events {
			add(nameOf(facts.Matters[event.Matter].ID), event.ID, domain.StaffSet{event.Owner})
		}
	default:
		for _, person := range facts.People {
			add(nameOf(person.ID), person.ID, person.Staff)
		}
	}
	return slices.Collect(maps.Values(units))
}

type outlook struct{ most, spread int }

// bestOf tries every way to share out: the least that the most loaded can have, and the smallest spread there is.
func bestOf(units []shared, successors domain.StaffSet, loads map[uuid.UUID]int) outlook {
	if len(units) == 0 {
		most, least := extent(loads, successors)
		return outlook{most: most, spread: most - least}
	}
	best := outlook{most: 1 << 30, spread: 1 << 30}
	for _, staff := range successors {
		if len(units[0].among) > 0 && !units[0].among.Has(staff) {
			continue
		}
		gain := units[0].weight - units[0].held[staff]
		loads[staff] += gain
		then := bestOf(units[1:], successors, loads)
		loads[staff] -= gain
		best.most, best.spread = min(best.most, then.most), min(best.spread, then.spread)
	}
	return best
}

func extent(loads map[uuid.UUID]int, successors domain.StaffSet) (most, least int) {
	least = 1 << 30
	for _, staff := range successors {
		most, least = max(most, loads[staff]), min(least, loads[staff])
	}
	return most, least
}
