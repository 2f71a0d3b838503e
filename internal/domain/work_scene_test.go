package domain_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// The tests of a leaver's work speak by name too. The leaver is lea, or ex-lea where they are deactivated already.

// now is when work is handed over in these tests, and today the date in the organization's time zone at that moment.
var (
	now   = time.Date(2024, 2, 27, 9, 0, 0, 0, time.UTC)
	today = domain.Date{Year: 2024, Month: 2, Day: 27}
)

// desk is a leaver's work, in words.
type desk struct {
	matters string // "m1: lea, m2: bob closed hidden, m3: ann private"
	tasks   string // "call/m1: lea bob 2024-02-26, visit/p1: lea, note: lea"
	events  string // "court/m1: lea +2, lunch: bob": hours from now; 24 unless told
	people  string // "p1: lea ann, r1: lea": those whose name begins with r are referrals
	loads   string // "matters: ann 2 bob 1, tasks: ann 5"
}

// deskFacts makes the facts of a desk. The status of everybody the wish names is known, but for ghost.
func deskFacts(d desk, wish domain.WorkWish) *domain.WorkFacts {
	facts := &domain.WorkFacts{Staff: map[uuid.UUID]domain.StaffStatus{}, Loads: loadsOf(d.loads)}
	for _, named := range wish.Named() {
		if name := nameOf(named); name != "ghost" {
			facts.Staff[named] = statusOf(name)
		}
	}
	matters, people := map[string]int{"": domain.None}, map[string]int{"": domain.None}
	for i, entry := range entriesOf(d.matters) {
		matters[entry.name] = i
		facts.Matters = append(facts.Matters, domain.MatterFacts{
			ID: id(entry.name), Responsible: id(entry.words[0]),
			Closed: entry.has("closed"), Private: entry.has("private"), Hidden: entry.has("hidden"),
		})
	}
	for i, entry := range entriesOf(d.people) {
		people[entry.name] = i
		kind := domain.KindClient
		if strings.HasPrefix(entry.name, "r") {
			kind = domain.KindReferral
		}
		facts.People = append(facts.People, domain.WorkPerson{ID: id(entry.name), Kind: kind, Staff: set(strings.Join(entry.words, " "))})
	}
	placed := func(places map[string]int, on string) int {
		if place, found := places[on]; found {
			return place
		}
		return domain.None
	}
	for _, entry := range entriesOf(d.tasks) {
		task := domain.WorkTask{ID: id(entry.name), Matter: placed(matters, entry.on), Person: placed(people, entry.on)}
		if date, err := domain.ParseDate(entry.last()); err == nil {
			task.Due, entry.words = &date, entry.words[:len(entry.words)-1]
		}
		task.Assignees = set(strings.Join(entry.words, " "))
		facts.Tasks = append(facts.Tasks, task)
	}
	for _, entry := range entriesOf(d.events) {
		hours := 24
		if told, err := strconv.Atoi(entry.last()); err == nil {
			hours = told
		}
		facts.Events = append(facts.Events, domain.WorkEvent{
			ID: id(entry.name), Matter: placed(matters, entry.on), Owner: id(entry.words[0]), StartsAt: now.Add(time.Duration(hours) * time.Hour),
		})
	}
	return facts
}

// entry is one "name/on: words" of a desk.
type entry struct {
	name, on string
	words    []string
}

func (e entry) has(word string) bool { return slices.Contains(e.words, word) }
func (e entry) last() string         { return e.words[len(e.words)-1] }

// entriesOf are the entries of a text, by name.
func entriesOf(text string) []entry {
	var entries []entry
	for _, one := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		head, words, found := strings.Cut(one, ":")
		if !found {
			panic("no colon in " + one)
		}
		name, on, _ := strings.Cut(strings.TrimSpace(head), "/")
		entries = append(entries, entry{name: name, on: on, words: strings.Fields(words)})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return entries
}

func loadsOf(text string) domain.Loads {
	loads := domain.Loads{Matters: map[uuid.UUID]int{}, Tasks: map[uuid.UUID]int{}, Events: map[uuid.UUID]int{}, People: map[uuid.UUID]int{}}
	of := map[string]map[uuid.UUID]int{"matters": loads.Matters, "tasks": loads.Tasks, "events": loads.Events, "people": loads.People}
	for _, entry := range entriesOf(text) {
		for i := 0; i < len(entry.words); i += 2 {
			count, err := strconv.Atoi(entry.words[i+1])
			if err != nil {
				panic(err)
			}
			of[entry.name][id(entry.words[i])] = count
		}
	}
	return loads
}

// to is a part that goes to staff, in their order.
func to(names string) *domain.WorkPart { return &domain.WorkPart{To: ids(names)} }

// by is a part that is shared out among staff.
func by(distribution domain.Distribution, names string) *domain.WorkPart {
	return &domain.WorkPart{To: ids(names), Distribution: distribution}
}

// from is a wish that hands over what lea has; fill names the parts.
func from(leaver string, parts domain.WorkWish) domain.WorkWish {
	parts.From = id(leaver)
	return parts
}

// planWork plans a wish that must not be refused.
func planWork(t failer, facts *domain.WorkFacts, wish domain.WorkWish) *domain.Plan {
	t.Helper()
	if err := domain.CheckWorkWish(wish); err != nil {
		t.Fatalf("refused: %v", err)
	}
	planned, err := domain.PlanWork(facts, wish, today, now)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return planned
}

// refused asserts that an error is a refusal with a code.
func refused(t *testing.T, err error, want domain.Code) *domain.Error {
	t.Helper()
	var refusal *domain.Error
	if !errors.As(err, &refusal) || refusal.Code != want {
		t.Fatalf("got %v, want the refusal %s", err, want)
	}
	return refusal
}

// outcomesOf reads the items of a plan by name, as "call: lea > ann, note: lea no_matter".
func outcomesOf(plan *domain.Plan) string {
	var texts []string
	for _, item := range plan.Items {
		text := nameOf(item.ID) + ": " + namesOf(item.Before)
		if item.Outcome == domain.OutcomeChanged {
			text += " > " + namesOf(item.After)
		}
		if item.Reason != domain.ReasonNone {
			text += " " + string(item.Reason)
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// appliedWork is what is true after a plan, as the leaver's facts tell it: what no longer is theirs is not among them. It
// fails where the plan assumes what is not so.
func appliedWork(t failer, facts *domain.WorkFacts, wish domain.WorkWish, plan *domain.Plan) *domain.WorkFacts {
	t.Helper()
	after := &domain.WorkFacts{Staff: facts.Staff, Matters: slices.Clone(facts.Matters), Loads: domain.Loads{
		Matters: maps.Clone(facts.Loads.Matters), Tasks: maps.Clone(facts.Loads.Tasks),
		Events: maps.Clone(facts.Loads.Events), People: maps.Clone(facts.Loads.People),
	}}
	people, tasks := seating{}, seating{}
	for _, person := range facts.People {
		people[person.ID] = person.Staff
	}
	for _, task := range facts.Tasks {
		tasks[task.ID] = task.Assignees
	}
	people.move(t, plan.PeopleTaken, plan.PeopleGiven)
	tasks.move(t, plan.TasksTaken, plan.TasksGiven)
	matters, events := movesOf(t, plan.MattersMoved), movesOf(t, plan.EventsMoved)

	for i := range after.Matters {
		if move, moves := matters[after.Matters[i].ID]; moves {
			if after.Matters[i].Responsible != move.From {
				t.Fatalf("%s moves from %s, who does not have it", nameOf(move.ID), nameOf(move.From))
			}
			after.Matters[i].Responsible = move.To
			after.Loads.Matters[move.To]++
			delete(matters, move.ID)
		}
	}
	places := map[int]int{domain.None: domain.None}
	for i, person := range facts.People {
		if person.Staff = people[person.ID]; person.Staff.Has(wish.From) {
			places[i] = len(after.People)
			after.People = append(after.People, person)
		} else {
			places[i] = domain.None
		}
	}
	for _, task := range facts.Tasks {
		if task.Assignees = tasks[task.ID]; task.Assignees.Has(wish.From) {
			task.Person = places[task.Person]
			after.Tasks = append(after.Tasks, task)
		}
	}
	for _, event := range facts.Events {
		move, moves := events[event.ID]
		if !moves {
			after.Events = append(after.Events, event)
			continue
		}
		if event.Owner != move.From {
			t.Fatalf("%s moves from %s, who does not own it", nameOf(move.ID), nameOf(move.From))
		}
		after.Loads.Events[move.To]++
		delete(events, move.ID)
	}
	if len(matters)+len(events) > 0 {
		t.Fatalf("what is not there moves: %v %v", matters, events)
	}
	for _, seat := range plan.PeopleGiven {
		after.Loads.People[seat.Staff]++
	}
	for _, seat := range plan.TasksGiven {
		after.Loads.Tasks[seat.Staff]++
	}
	return after
}

func movesOf(t failer, moves []domain.Move) map[uuid.UUID]domain.Move {
	t.Helper()
	of := map[uuid.UUID]domain.Move{}
	for _, move := range moves {
		if _, twice := of[move.ID]; twice {
			t.Fatalf("%s moves twice", nameOf(move.ID))
		}
		if move.From == move.To {
			t.Fatalf("%s moves from %s to the same", nameOf(move.ID), nameOf(move.From))
		}
		of[move.ID] = move
	}
	return of
}

// workText reads the facts of a leaver's work.
func workText(facts *domain.WorkFacts) string {
	var text strings.Builder
	for _, matter := range facts.Matters {
		fmt.Fprintf(&text, "%s: %s %v %v %v\n", nameOf(matter.ID), nameOf(matter.Responsible), matter.Closed, matter.Private, matter.Hidden)
	}
	for _, task := range facts.Tasks {
		fmt.Fprintf(&text, "%s/%d/%d: %s %v\n", nameOf(task.ID), task.Matter, task.Person, namesOf(task.Assignees), task.Due)
	}
	for _, event := range facts.Events {
		fmt.Fprintf(&text, "%s/%d: %s %v\n", nameOf(event.ID), event.Matter, nameOf(event.Owner), event.StartsAt)
	}
	for _, person := range facts.People {
		fmt.Fprintf(&text, "%s %s: %s\n", nameOf(person.ID), person.Kind, namesOf(person.Staff))
	}
	fmt.Fprintf(&text, "%v %v", facts.Staff, facts.Loads)
	return text.String()
}
