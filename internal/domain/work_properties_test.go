package domain_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"handover/internal/domain"
)

func TestPlansOfWork(t *testing.T) {
	t.Run("I1 each item has exactly one outcome, and it is what the rules say", forEveryWish(func(t *rapid.T, h handedOver) {
		items, withheld := itemsByName(t, h.plan), 0
		for name, verdict := range verdicts(h.before, h.wish) {
			item, found := items[name]
			delete(items, name)
			switch {
			case verdict.moves():
				expect(t, "outcome of "+name, item.Outcome, domain.OutcomeChanged)
				expect(t, "reason of "+name, item.Reason, domain.ReasonNone)
			case verdict.stays():
				expect(t, "outcome of "+name, item.Outcome, domain.OutcomeLeftAlone)
				expect(t, "reason of "+name, item.Reason, verdict.why)
			case found:
				t.Fatalf("%s is an item: %+v", name, item)
			case verdict.of != nil:
				withheld++
			}
		}
		expect(t, "items of what is not the leaver's", len(items), 0)
		expect(t, "withheld", h.plan.Totals.WithheldPrivate, withheld)
	}))

	t.Run("I1 the totals are the sums of the items, and those that are hidden the sums of the hidden ones", forEveryWish(func(t *rapid.T, h handedOver) {
		all, told := verdicts(h.before, h.wish), h.plan.Totals
		told.WithheldPrivate = 0 // of that there are no items
		expect(t, "totals", told, sumsOf(h.plan.Items))
		hidden := slices.DeleteFunc(slices.Clone(h.plan.Items), func(item domain.PlannedItem) bool { return !all[nameOf(item.ID)].hidden })
		expect(t, "hidden", h.plan.Hidden, sumsOf(hidden))
		shown := domain.Run{Kind: domain.RunReassignWork, Totals: h.plan.Totals, Done: len(h.plan.Items), Total: len(h.plan.Items)}.Without(h.plan.Hidden)
		expect(t, "items shown", shown.Total, len(h.plan.Items)-len(hidden))
		expect(t, "items shown as done", shown.Done, shown.Total)
	}))

	t.Run("B4 nothing that is excluded ever moves, and the leaver keeps nothing that should have moved", forEveryWish(func(t *rapid.T, h handedOver) {
		all, then := verdicts(h.before, h.wish), inHands(h.before)
		moved := inHandsAfter(h.before, h.plan)
		for name, had := range then {
			if !all[name].moves() {
				expect(t, name, namesOf(moved[name]), namesOf(had))
			} else if moved[name].Has(h.wish.From) {
				t.Fatalf("%s is still with the leaver", name)
			}
		}
	}))

	t.Run("B2 everyone else on a task or a person stays, and only successors of that part come", forEveryWish(func(t *rapid.T, h handedOver) {
		all, then := verdicts(h.before, h.wish), inHands(h.before)
		for name, has := range inHandsAfter(h.before, h.plan) {
			for _, staff := range then[name] {
				if staff != h.wish.From && !has.Has(staff) {
					t.Fatalf("%s lost %s", nameOf(staff), name)
				}
			}
			came := has.Minus(then[name])
			for _, staff := range came {
				if !slices.Contains(all[name].of.To, staff) {
					t.Fatalf("%s is given %s", nameOf(staff), name)
				}
			}
			if all[name].moves() && !has.Meets(domain.NewStaffSet(all[name].of.To...)) {
				t.Fatalf("nobody took %s over", name)
			}
			if all[name].moves() && all[name].of.Distribution == domain.DistributeEach {
				expect(t, "successors missing on "+name, missing(domain.NewStaffSet(all[name].of.To...), has), 0)
			}
			if all[name].moves() && all[name].of.Distribution != domain.DistributeEach && len(came) > 1 {
				t.Fatalf("%s are given %s, which one of them should be", namesOf(came), name)
			}
		}
	}))

	t.Run("B4 the plan makes of every item just what it says", forEveryWish(func(t *rapid.T, h handedOver) {
		then, has := inHands(h.before), inHandsAfter(h.before, h.plan)
		for _, item := range h.plan.Items {
			name := nameOf(item.ID)
			expect(t, "before of "+name, namesOf(item.Before), namesOf(then[name]))
			expect(t, "after of "+name, namesOf(item.After), namesOf(has[name]))
			expect(t, "outcome of "+name, item.Outcome == domain.OutcomeChanged, !item.Before.Equal(item.After))
			delete(has, name)
		}
		for name := range has { // what is no item
			expect(t, name, namesOf(has[name]), namesOf(then[name]))
		}
	}))

	t.Run("B8 items stand in the order of their kinds, and of their ids", forEveryWish(func(t *rapid.T, h handedOver) {
		kinds := []domain.ItemKind{domain.ItemMatter, domain.ItemTask, domain.ItemCalendarEvent, domain.ItemPerson}
		for i := 1; i < len(h.plan.Items); i++ {
			before, item := h.plan.Items[i-1], h.plan.Items[i]
			kindBefore, kind := slices.Index(kinds, before.Kind), slices.Index(kinds, item.Kind)
			if kindBefore > kind || kindBefore == kind && nameOf(before.ID) >= nameOf(item.ID) {
				t.Fatalf("%s %s comes before %s %s", before.Kind, nameOf(before.ID), item.Kind, nameOf(item.ID))
			}
		}
	}))

	t.Run("A17 planning again after applying changes nothing, and leaves alone what was left alone", forEveryWish(func(t *rapid.T, h handedOver) {
		again := planWork(t, h.after, h.wish)
		expect(t, "changes nothing", again.ChangesNothing(), true)
		stayed := slices.DeleteFunc(slices.Clone(h.plan.Items), func(item domain.PlannedItem) bool { return item.Outcome == domain.OutcomeChanged })
		expect(t, "items", outcomesOf(again), outcomesOf(&domain.Plan{Items: stayed}))
		expect(t, "left alone", again.Totals.LeftAlone, h.plan.Totals.LeftAlone)
		expect(t, "withheld", again.Totals.WithheldPrivate, h.plan.Totals.WithheldPrivate)
	}))

	t.Run("B6 what one part becomes does not hang on the others, but for people's tasks and for who takes a matter's tasks and events", forEveryWish(func(t *rapid.T, h handedOver) {
		if h.wish.Matters == nil {
			return
		}
		alone := planWork(t, h.before, domain.WorkWish{From: h.wish.From, Matters: h.wish.Matters})
		ofMatters := slices.DeleteFunc(slices.Clone(h.plan.Items), func(item domain.PlannedItem) bool { return item.Kind != domain.ItemMatter })
		expect(t, "matters", outcomesOf(&domain.Plan{Items: ofMatters}), outcomesOf(alone))
	}))

	t.Run("A16 planning leaves the facts and the wish as they were, and comes to the same plan again", rapid.MakeCheck(func(t *rapid.T) {
		wish := drawWorkWish(t)
		facts := drawDesk(t, wish)
		var spare []domain.StaffSet
		for i := range facts.Tasks {
			facts.Tasks[i].Assignees = withRoom(facts.Tasks[i].Assignees, &spare)
		}
		for i := range facts.People {
			facts.People[i].Staff = withRoom(facts.People[i].Staff, &spare)
		}
		before, wished := workText(facts), fmt.Sprintf("%v %v %v %v", wish.Matters, wish.Tasks, wish.Events, wish.People)
		plan := planWork(t, facts, wish)
		again := planWork(t, facts, wish)
		expect(t, "facts", workText(facts), before)
		expect(t, "wish", fmt.Sprintf("%v %v %v %v", wish.Matters, wish.Tasks, wish.Events, wish.People), wished)
		expect(t, "plan", fmt.Sprint(again), fmt.Sprint(plan))
		for _, room := range spare {
			expect(t, "the memory behind a set", room[:cap(room)][len(room)], id("untouched"))
		}
	}))
}

// withRoom is a set with room for one more, in which something stands that nobody may overwrite.
func withRoom(set domain.StaffSet, all *[]domain.StaffSet) domain.StaffSet {
	room := append(append(make(domain.StaffSet, 0, len(set)+1), set...), id("untouched"))[:len(set)]
	*all = append(*all, room)
	return room
}

// inHands is who has what: the responsible of matters, the holders of tasks, the owners of events and the staff of people.
func inHands(facts *domain.WorkFacts) map[string]domain.StaffSet {
	has := map[string]domain.StaffSet{}
	for _, matter := range facts.Matters {
		has[nameOf(matter.ID)] = domain.StaffSet{matter.Responsible}
	}
	for _, task := range facts.Tasks {
		has[nameOf(task.ID)] = task.Assignees
	}
	for _, event := range facts.Events {
		has[nameOf(event.ID)] = domain.StaffSet{event.Owner}
	}
	for _, person := range facts.People {
		has[nameOf(person.ID)] = person.Staff
	}
	return has
}

// inHandsAfter is who has what after a plan, by its seats and moves alone.
func inHandsAfter(facts *domain.WorkFacts, plan *domain.Plan) map[string]domain.StaffSet {
	has := inHands(facts)
	for _, seat := range slices.Concat(plan.PeopleTaken, plan.TasksTaken) {
		has[nameOf(seat.Subject)] = has[nameOf(seat.Subject)].Minus(domain.StaffSet{seat.Staff})
	}
	for _, seat := range slices.Concat(plan.PeopleGiven, plan.TasksGiven) {
		has[nameOf(seat.Subject)] = domain.NewStaffSet(append(slices.Clone(has[nameOf(seat.Subject)]), seat.Staff)...)
	}
	for _, move := range slices.Concat(plan.MattersMoved, plan.EventsMoved) {
		has[nameOf(move.ID)] = domain.StaffSet{move.To}
	}
	return has
}

// sumsOf are the totals that items add up to.
func sumsOf(items []domain.PlannedItem) domain.Totals {
	var sums domain.Totals
	alone := map[string]*int{
		"attendee_only": &sums.LeftAlone.AttendeeOnly, "no_matter": &sums.LeftAlone.NoMatter, "closed_matter": &sums.LeftAlone.ClosedMatter,
		"past_due": &sums.LeftAlone.PastDue, "changed_since": &sums.LeftAlone.ChangedSince, "no_longer_active": &sums.LeftAlone.NoLongerActive,
	}
	changed := map[domain.ItemKind]*int{
		domain.ItemPerson: &sums.PeopleChanged, domain.ItemTask: &sums.TasksChanged, domain.ItemMatter: &sums.MattersMoved, domain.ItemCalendarEvent: &sums.EventsMoved,
	}
	for _, item := range items {
		switch {
		case item.Outcome == domain.OutcomeLeftAlone:
			*alone[string(item.Reason)]++
			continue
		case item.Reason == domain.ReasonIntakeCancelled:
			sums.TasksCancelled++
			continue
		}
		*changed[item.Kind]++
		switch {
		case item.Kind == domain.ItemPerson:
			sums.AssignmentsAdded += missing(item.After, item.Before)
			sums.AssignmentsRemoved += missing(item.Before, item.After)
		case item.Kind == domain.ItemTask && len(item.After) == 0:
			sums.TasksUnassigned++
		}
	}
	return sums
}
