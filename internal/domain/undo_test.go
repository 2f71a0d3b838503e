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

// changedItem is an item that a run changed or created, in words: "lea bob > ann bob now ann bob".
func changedItem(kind domain.ItemKind, name, text string) domain.UndoItem {
	before, rest, _ := strings.Cut(text, ">")
	after, now, isTold := strings.Cut(rest, "now")
	if !isTold {
		now = after
	}
	return domain.UndoItem{Kind: kind, ID: id(name), Before: set(before), After: set(after), Now: set(now)}
}

func task(text string) domain.UndoItem { return changedItem(domain.ItemTask, "call", text) }

// with is an item of which something more is true.
func with(item domain.UndoItem, more func(*domain.UndoItem)) domain.UndoItem {
	more(&item)
	return item
}

func over(item *domain.UndoItem)    { item.Over = true }
func private(item *domain.UndoItem) { item.Private = true }
func hidden(item *domain.UndoItem)  { item.Hidden = true }
func created(item *domain.UndoItem) { item.Created = true }
func touched(item *domain.UndoItem) { item.Created, item.Touched = true, true }

func undoFacts(items ...domain.UndoItem) *domain.UndoFacts {
	facts := &domain.UndoFacts{Items: items, Staff: map[uuid.UUID]domain.StaffStatus{}}
	for _, item := range items {
		for _, staff := range item.Before {
			facts.Staff[staff] = statusOf(nameOf(staff))
		}
	}
	return facts
}

func TestUndo(t *testing.T) {
	for _, example := range []struct {
		rule string
		item domain.UndoItem
		want string // the item
		also domain.Totals
	}{
		{"B11 a task goes back to who had it", task("bob lea > ann bob"), "call: ann bob > bob lea", domain.Totals{TasksChanged: 1}},
		{"B11 a task that was just taken off goes back", task("ann lea > ann"), "call: ann > ann lea", domain.Totals{TasksChanged: 1}},
		{"B11 a task that was left with nobody goes back", task("lea >"), "call:  > lea", domain.Totals{TasksChanged: 1}},
		{"B11 a task that was given to more is left with nobody where nobody had it", task("> ann"), "call: ann >", domain.Totals{TasksChanged: 1, TasksUnassigned: 1}},
		{"B11 a matter goes back", changedItem(domain.ItemMatter, "m1", "lea > ann"), "m1: ann > lea", domain.Totals{MattersMoved: 1}},
		{"B11 an event goes back", changedItem(domain.ItemCalendarEvent, "court", "lea > ann"), "court: ann > lea", domain.Totals{EventsMoved: 1}},
		{
			"B11 a person goes back", changedItem(domain.ItemPerson, "p1", "bob lea > ann bob flo"), "p1: ann bob flo > bob lea",
			domain.Totals{PeopleChanged: 1, AssignmentsAdded: 1, AssignmentsRemoved: 2},
		},
		{"B11 who had it gets it back, deactivated since or not: that is how it was", task("ex-lea > ann"), "call: ann > ex-lea", domain.Totals{TasksChanged: 1}},
		{"B11 what somebody has joined since is left alone", task("lea > ann now ann flo"), "call: ann flo changed_since", domain.Totals{LeftAlone: domain.LeftAlone{ChangedSince: 1}}},
		{"B11 what was handed on is left alone", changedItem(domain.ItemMatter, "m1", "lea > ann now bob"), "m1: bob changed_since", domain.Totals{LeftAlone: domain.LeftAlone{ChangedSince: 1}}},
		{"B11 what was given back by hand is left alone", changedItem(domain.ItemMatter, "m1", "lea > ann now lea"), "m1: lea changed_since", domain.Totals{LeftAlone: domain.LeftAlone{ChangedSince: 1}}},
		{"B11 what is over is left alone", with(task("lea > ann"), over), "call: ann no_longer_active", domain.Totals{LeftAlone: domain.LeftAlone{NoLongerActive: 1}}},
		{"B5 what has become private is withheld, whatever else became of it", with(with(task("lea > ann now bob"), over), private), "", domain.Totals{WithheldPrivate: 1}},
		{"A5 an intake task that nobody has touched is taken back", with(task("> ann bob"), created), "call: ann bob >  intake_cancelled", domain.Totals{TasksCancelled: 1}},
		{"A5 an intake task that was edited stays", with(task("> ann"), touched), "call: ann changed_since", domain.Totals{LeftAlone: domain.LeftAlone{ChangedSince: 1}}},
		{"A5 an intake task that others hold by now stays", with(task("> ann now bob"), created), "call: bob changed_since", domain.Totals{LeftAlone: domain.LeftAlone{ChangedSince: 1}}},
		{"A5 an intake task that is over stays", with(with(task("> ann"), created), over), "call: ann no_longer_active", domain.Totals{LeftAlone: domain.LeftAlone{NoLongerActive: 1}}},
	} {
		t.Run(example.rule, func(t *testing.T) {
			for _, item := range []domain.UndoItem{example.item, with(example.item, hidden)} {
				planned := domain.PlanUndo(undoFacts(item))
				equal(t, "items", strings.TrimSpace(outcomesOf(planned)), strings.TrimSpace(example.want))
				equal(t, "totals", planned.Totals, example.also)
				want := example.also
				if want.WithheldPrivate = 0; !item.Hidden || item.Kind == domain.ItemPerson { // people are never hidden
					want = domain.Totals{}
				}
				equal(t, "hidden", planned.Hidden, want)
			}
		})
	}
	t.Run("B11 an intake task that is taken back is held by nobody", func(t *testing.T) {
		planned := domain.PlanUndo(undoFacts(with(task("> ann bob"), created)))
		equal(t, "cancelled", namesOf(planned.TasksCancelled), "call")
		equal(t, "seats taken", len(planned.TasksTaken), 2)
		equal(t, "changes nothing", planned.ChangesNothing(), false)
	})
	t.Run("B11 a run that changed nothing is undone by nothing", func(t *testing.T) {
		equal(t, "changes nothing", domain.PlanUndo(&domain.UndoFacts{}).ChangesNothing(), true)
	})
}

func TestReturn(t *testing.T) {
	for _, example := range []struct {
		rule string
		item domain.UndoItem
		want string // the item
	}{
		{"B12 what the cover still holds goes back", task("lea > ann"), "call: ann > lea"},
		{"B12 co-assignees stay", task("bob lea > ann bob"), "call: ann bob > bob lea"},
		{"B12 whoever has joined since stays", task("lea > ann now ann flo"), "call: ann flo > flo lea"},
		{"B12 whoever has left since stays away", task("bob lea > ann bob now ann"), "call: ann > lea"},
		{"B12 what the cover has handed on stays where it is", task("lea > ann now flo"), "call: flo changed_since"},
		{"B12 what nobody holds any more stays where it is", task("lea > ann now"), "call:  changed_since"},
		{"B12 where several cover together, who still does is enough", task("lea > ann flo now flo"), "call: flo > lea"},
		{"B12 a cover who was a co-assignee before keeps their own place", task("ann lea > ann"), "call: ann > ann lea"},
		{"B12 a cover who was a co-assignee before and has handed on has nothing to return", task("ann lea > ann now flo"), "call: flo changed_since"},
		{"B12 of covers, who was a co-assignee before keeps their place", task("ann lea > ann flo"), "call: ann flo > ann lea"},
		{"B12 what is back already stays as it is", task("ann lea > ann now ann lea"), "call: ann lea changed_since"},
		{"B12 a matter goes back", changedItem(domain.ItemMatter, "m1", "lea > ann"), "m1: ann > lea"},
		{"B12 a matter that was handed on stays", changedItem(domain.ItemMatter, "m1", "lea > ann now bob"), "m1: bob changed_since"},
		{"B12 a matter that the lender has again stays", changedItem(domain.ItemMatter, "m1", "lea > ann now lea"), "m1: lea changed_since"},
		{"B12 an event goes back", changedItem(domain.ItemCalendarEvent, "court", "lea > ann"), "court: ann > lea"},
		{"B12 a person goes back, and who joined stays", changedItem(domain.ItemPerson, "p1", "bob lea > ann bob now ann bob flo"), "p1: ann bob flo > bob flo lea"},
		{"B12 what is over stays", with(task("lea > ann"), over), "call: ann no_longer_active"},
		{"B5 what has become private stays and is not told", with(task("lea > ann"), private), ""},
		{"B12 what nobody lost was not lent", task("lea > ann lea"), ""},
	} {
		t.Run(example.rule, func(t *testing.T) {
			planned, err := domain.PlanReturn(undoFacts(example.item))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "items", outcomesOf(planned), example.want)
			withheld := 0
			if example.item.Private {
				withheld = 1
			}
			equal(t, "withheld", planned.Totals.WithheldPrivate, withheld)
		})
	}

	t.Run("B12 where the cover was a co-assignee before, another co-assignee does not stand in for them", func(t *testing.T) {
		planned, err := domain.PlanReturn(undoFacts(task("ann bob lea > ann bob now bob"), changedItem(domain.ItemTask, "file", "lea > ann")))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "items", outcomesOf(planned), "call: bob changed_since, file: ann > lea")
	})
	t.Run("A13 nothing goes back to a lender who has been deactivated", func(t *testing.T) {
		planned, err := domain.PlanReturn(undoFacts(task("ex-lea > ann")))
		if planned != nil {
			t.Errorf("a refusal came with a plan: %+v", planned)
		}
		refusal := refused(t, err, domain.CodeStaffNotActive)
		equal(t, "params", fmt.Sprint(refusal.Params), fmt.Sprint(map[string]any{"staff_ids": ids("ex-lea")}))
	})
	t.Run("A13 a deactivated lender to whom nothing goes back is no reason to refuse", func(t *testing.T) {
		if _, err := domain.PlanReturn(undoFacts(task("ex-lea > ann now bob"))); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatCanBeUndone(t *testing.T) {
	finished := now.Add(-time.Hour)
	until := finished.Add(domain.UndoWindow)
	succeeded := domain.Run{Kind: domain.RunReassignWork, Status: domain.RunSucceeded, UndoUntil: &until}
	run := func(change func(*domain.Run)) domain.Run {
		changed := succeeded
		change(&changed)
		return changed
	}
	undoing := id("undoing")
	for _, example := range []struct {
		rule string
		run  domain.Run
		at   time.Time
		code domain.Code
	}{
		{"B11 a run that has succeeded", succeeded, now, ""},
		{"B11 a change of assignments", run(func(r *domain.Run) { r.Kind = domain.RunManageAssignments }), now, ""},
		{"A18 what was assigned by the older actions", run(func(r *domain.Run) { r.Kind = domain.RunAssignStaff }), now, ""},
		{"A18 what was removed by the older actions", run(func(r *domain.Run) { r.Kind = domain.RunRemoveStaff }), now, ""},
		{"B11 at the last moment of the window", succeeded, until, ""},
		{"B11 after the window", succeeded, until.Add(1), domain.CodeUndoExpired},
		{"B11 an undo", run(func(r *domain.Run) { r.Kind = domain.RunUndo }), now, domain.CodeNotUndoable},
		{"B11 an undo that has not finished", run(func(r *domain.Run) { r.Kind, r.Status = domain.RunUndo, domain.RunQueued }), now, domain.CodeNotUndoable},
		{"B11 a queued run", run(func(r *domain.Run) { r.Status, r.UndoUntil = domain.RunQueued, nil }), now, domain.CodeRunNotFinished},
		{"B11 a scheduled run", run(func(r *domain.Run) { r.Status, r.UndoUntil = domain.RunScheduled, nil }), now, domain.CodeRunNotFinished},
		{"B11 a running run", run(func(r *domain.Run) { r.Status, r.UndoUntil = domain.RunRunning, nil }), now, domain.CodeRunNotFinished},
		{"B11 a failed run", run(func(r *domain.Run) { r.Status, r.UndoUntil = domain.RunFailed, nil }), now, domain.CodeNotUndoable},
		{"B11 a cancelled run", run(func(r *domain.Run) { r.Status, r.UndoUntil = domain.RunCancelled, nil }), now, domain.CodeNotUndoable},
		{"B11 a run that was undone", run(func(r *domain.Run) { r.RevertedBy = &undoing }), now, domain.CodeAlreadyUndone},
		{"B11 a run that was undone, after the window", run(func(r *domain.Run) { r.RevertedBy = &undoing }), until.Add(time.Hour), domain.CodeAlreadyUndone},
	} {
		t.Run(example.rule, func(t *testing.T) {
			err := domain.CheckUndo(example.run, example.at)
			if example.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, err, example.code)
		})
	}

	t.Run("B11 the window is thirty days from the end, and only what succeeded and is no undo has one", func(t *testing.T) {
		equal(t, "until", *domain.UndoUntilOf(domain.RunManageAssignments, domain.RunSucceeded, &finished), finished.AddDate(0, 0, 30))
		for _, status := range []domain.RunStatus{domain.RunFailed, domain.RunCancelled, domain.RunPreview, domain.RunQueued, domain.RunScheduled, domain.RunRunning} {
			equal(t, string(status), domain.UndoUntilOf(domain.RunReassignWork, status, &finished), nil)
		}
		equal(t, "an undo", domain.UndoUntilOf(domain.RunUndo, domain.RunSucceeded, &finished), nil)
		equal(t, "not ended", domain.UndoUntilOf(domain.RunReassignWork, domain.RunSucceeded, nil), nil)
	})
}

// undoItems are what a plan changed and created, as it left them; meddle may change what is so by now.
func undoItems(plan *domain.Plan, meddle func(*domain.UndoItem)) *domain.UndoFacts {
	var items []domain.UndoItem
	for _, item := range plan.Items {
		if item.Outcome != domain.OutcomeChanged && item.Outcome != domain.OutcomeCreated {
			continue
		}
		left := domain.UndoItem{Kind: item.Kind, ID: item.ID, Created: item.Outcome == domain.OutcomeCreated, Before: item.Before, After: item.After, Now: item.After}
		meddle(&left)
		items = append(items, left)
	}
	return undoFacts(items...)
}

// meddling lets anything happen to items after a run.
func meddling(t *rapid.T) func(*domain.UndoItem) {
	return func(item *domain.UndoItem) {
		name := nameOf(item.ID)
		switch oneOf(t, "meanwhile "+name, "nothing", "nothing", "nothing", "others", "over", "private", "touched", "hidden") {
		case "others":
			if item.Now = set(some(t, cast, name+" is held by now")); item.Kind == domain.ItemMatter || item.Kind == domain.ItemCalendarEvent {
				item.Now = set(oneOf(t, name+" is with now", cast...))
			}
		case "over":
			item.Over = item.Kind != domain.ItemPerson
		case "private":
			item.Private = item.Kind != domain.ItemPerson
		case "touched":
			item.Touched = item.Created
		case "hidden":
			item.Hidden = item.Kind != domain.ItemPerson
		}
	}
}

// heldThen is who has the items after a plan that undoes or returns.
func heldThen(t failer, facts *domain.UndoFacts, plan *domain.Plan) map[string]string {
	t.Helper()
	seats := seating{}
	for _, item := range facts.Items {
		seats[item.ID] = item.Now
	}
	seats.move(t, slices.Concat(plan.PeopleTaken, plan.TasksTaken), slices.Concat(plan.PeopleGiven, plan.TasksGiven))
	for id, move := range movesOf(t, slices.Concat(plan.MattersMoved, plan.EventsMoved)) {
		seats.move(t, []domain.Seat{{Subject: id, Staff: move.From}}, []domain.Seat{{Subject: id, Staff: move.To}})
	}
	then := map[string]string{}
	for id, held := range seats {
		then[nameOf(id)] = namesOf(held)
	}
	return then
}

func TestUndoOfAnything(t *testing.T) {
	nothing := func(*domain.UndoItem) {}
	t.Run("B11 the work of a leaver that is undone at once is as it was before", forEveryWish(func(t *rapid.T, h handedOver) {
		facts := undoItems(h.plan, nothing)
		then := heldThen(t, facts, domain.PlanUndo(facts))
		for name, had := range inHands(h.before) {
			if now, changed := then[name]; changed {
				expect(t, name, now, namesOf(had))
			}
		}
	}))
	t.Run("B11 a change of assignments that is undone at once is as it was before, and its intake tasks are cancelled", forEveryPlan(types, func(t *rapid.T, d drawn) {
		facts := undoItems(d.plan, nothing)
		plan := domain.PlanUndo(facts)
		then := heldThen(t, facts, plan)
		had := holders(d.before.People, personSeats)
		for name, held := range holders(d.before.Tasks, taskSeats) {
			had[name] = held
		}
		for name, now := range then {
			expect(t, name, now, had[name]) // nobody held what was not there
		}
		expect(t, "cancelled", plan.Totals.TasksCancelled, d.plan.Totals.TasksCreated)
	}))
	t.Run("B11 undo restores just what is as the run left it, and says of everything else why not", forEveryWish(func(t *rapid.T, h handedOver) {
		meddleWithUndo(t, h.plan)
	}))
	t.Run("B11 undo of a change of assignments restores just what is as the run left it, and says of everything else why not", forEveryPlan(types, func(t *rapid.T, d drawn) {
		meddleWithUndo(t, d.plan)
	}))
	t.Run("B12 a return gives to lenders what the cover still holds, takes it from the cover, and touches nobody else", forEveryWish(func(t *rapid.T, h handedOver) {
		facts := undoItems(h.plan, meddling(t))
		plan, err := domain.PlanReturn(facts)
		if deactivated(nameOf(h.wish.From)) && err != nil {
			return
		}
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		items, then := itemsByName(t, plan), heldThen(t, facts, plan)
		for _, item := range facts.Items {
			name := nameOf(item.ID)
			planned, told := items[name]
			expect(t, name+" is told", told, !item.Private)
			after := set(then[name])
			if planned.Outcome != domain.OutcomeChanged {
				expect(t, name, then[name], namesOf(item.Now))
				continue
			}
			cover := item.After.Minus(item.Before)
			expect(t, name+" is with the lender", after.Has(h.wish.From), true)
			expect(t, name+" is with the cover", after.Meets(cover), false)
			expect(t, "others on "+name, namesOf(after.Minus(set(nameOf(h.wish.From)))), namesOf(item.Now.Minus(cover).Minus(set(nameOf(h.wish.From)))))
			if !item.Now.Meets(item.After) || item.Over {
				t.Fatalf("%s goes back, though the cover has not got it or it is over: %+v", name, item)
			}
		}
		expect(t, "totals", withoutWithheld(plan.Totals), sumsOf(plan.Items))
	}))
	t.Run("B12 a return at once is an undo", forEveryWish(func(t *rapid.T, h handedOver) {
		facts := undoItems(h.plan, nothing)
		plan, err := domain.PlanReturn(facts)
		if deactivated(nameOf(h.wish.From)) {
			expect(t, "refused", err != nil, len(facts.Items) > 0)
			return
		}
		expect(t, "plan", fmt.Sprint(plan), fmt.Sprint(domain.PlanUndo(facts)))
	}))
}

func withoutWithheld(totals domain.Totals) domain.Totals {
	totals.WithheldPrivate = 0
	return totals
}

// meddleWithUndo undoes a plan after anything may have happened, and holds each item against the words of B11.
func meddleWithUndo(t *rapid.T, done *domain.Plan) {
	t.Helper()
	facts := undoItems(done, meddling(t))
	before := fmt.Sprint(facts)
	plan := domain.PlanUndo(facts)
	expect(t, "facts", fmt.Sprint(facts), before)
	items, then, withheld := itemsByName(t, plan), heldThen(t, facts, plan), 0
	cancelled := map[uuid.UUID]bool{}
	for _, id := range plan.TasksCancelled {
		cancelled[id] = true
	}
	var hiddenItems []domain.PlannedItem
	for _, item := range facts.Items {
		name := nameOf(item.ID)
		planned, told := items[name]
		delete(items, name)
		if told && item.Hidden {
			hiddenItems = append(hiddenItems, planned)
		}
		restored := !item.Private && !item.Over && !item.Touched && item.Now.Equal(item.After)
		switch {
		case item.Private:
			withheld++
			expect(t, name+" is told", told, false)
			expect(t, name, then[name], namesOf(item.Now))
		case restored:
			expect(t, "outcome of "+name, planned.Outcome, domain.OutcomeChanged)
			expect(t, name, then[name], namesOf(item.Before))
			expect(t, name+" is cancelled", cancelled[item.ID], item.Created)
		default:
			expect(t, "outcome of "+name, planned.Outcome, domain.OutcomeLeftAlone)
			why := domain.ReasonNoLongerActive
			if item.Touched || !item.Now.Equal(item.After) {
				why = domain.ReasonChangedSince
			}
			expect(t, "reason of "+name, planned.Reason, why)
			expect(t, name, then[name], namesOf(item.Now))
		}
	}
	expect(t, "items of what the run did not change", len(items), 0)
	expect(t, "withheld", plan.Totals.WithheldPrivate, withheld)
	expect(t, "totals", withoutWithheld(plan.Totals), sumsOf(plan.Items))
	expect(t, "hidden", plan.Hidden, sumsOf(hiddenItems))
}
