package domain_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// The tests speak of staff, people and tasks by name. A name is its own id, so that ids sort as names do. Two names tell
// their status: staff whose name begins with "ex-" are deactivated, "ghost" is nobody of this organization.

// id is the id of a name of at most 16 letters.
func id(name string) uuid.UUID {
	var id uuid.UUID
	if copy(id[:], name) < len(name) {
		panic("name too long for an id: " + name)
	}
	return id
}

func nameOf(id uuid.UUID) string { return strings.TrimRight(string(id[:]), "\x00") }

// ids are the ids of names that are separated by spaces.
func ids(names string) []uuid.UUID {
	var all []uuid.UUID
	for _, name := range strings.Fields(names) {
		all = append(all, id(name))
	}
	return all
}

// set is a set of staff, by name.
func set(names string) domain.StaffSet { return domain.NewStaffSet(ids(names)...) }

// namesOf is the opposite of set and ids.
func namesOf[S ~[]uuid.UUID](set S) string {
	names := make([]string, len(set))
	for i, id := range set {
		names[i] = nameOf(id)
	}
	return strings.Join(names, " ")
}

func statusOf(name string) domain.StaffStatus {
	if strings.HasPrefix(name, "ex-") {
		return domain.StaffDeactivated
	}
	return domain.StaffActive
}

// person is a person of a scene. Their tasks read "call: ann bob, visit: cat, file:".
type person struct {
	name      string
	kind      domain.PersonKind // client unless told
	staff     string
	tasks     string
	hasIntake bool
}

// scene makes the facts of people. The status of everybody on them, on their tasks, or among the others is known.
func scene(others string, people ...person) *domain.AssignmentFacts {
	facts := &domain.AssignmentFacts{Staff: map[uuid.UUID]domain.StaffStatus{}}
	slices.SortFunc(people, func(a, b person) int { return strings.Compare(a.name, b.name) })
	meet := func(names string) {
		for _, name := range strings.Fields(names) {
			if name != "ghost" {
				facts.Staff[id(name)] = statusOf(name)
			}
		}
	}
	meet(others)
	for i, person := range people {
		if person.kind == "" {
			person.kind = domain.KindClient
		}
		meet(person.staff)
		facts.People = append(facts.People, domain.PersonFacts{
			ID: id(person.name), Kind: person.kind, Staff: set(person.staff), HasIntakeTasks: person.hasIntake,
		})
		for _, text := range strings.FieldsFunc(person.tasks, func(r rune) bool { return r == ',' }) {
			task, assignees, _ := strings.Cut(text, ":")
			meet(assignees)
			facts.Tasks = append(facts.Tasks, domain.TaskFacts{ID: id(strings.TrimSpace(task)), Person: i, Assignees: set(assignees)})
		}
	}
	slices.SortFunc(facts.Tasks, func(a, b domain.TaskFacts) int { return domain.CompareIDs(a.ID, b.ID) })
	return facts
}

// change is a change of a type that names staff.
func change(kind domain.ChangeType, staff string) domain.AssignmentChange {
	return domain.AssignmentChange{Type: kind, StaffIDs: ids(staff)}
}

// withTasks is a change with a task policy and a scope.
func withTasks(change domain.AssignmentChange, policy domain.TaskPolicy, scope domain.TaskScope) domain.AssignmentChange {
	change.TaskPolicy, change.TaskScope = policy, scope
	return change
}

// plan plans a change that must not be refused.
func plan(t *testing.T, facts *domain.AssignmentFacts, change domain.AssignmentChange) *domain.Plan {
	t.Helper()
	planned, err := domain.PlanAssignments(facts, change, intakeOf())
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return planned
}

// refusal plans a change that must be refused with a code.
func refusal(t *testing.T, facts *domain.AssignmentFacts, change domain.AssignmentChange, want domain.Code) *domain.Error {
	t.Helper()
	planned, err := domain.PlanAssignments(facts, change, intakeOf())
	var refused *domain.Error
	if !errors.As(err, &refused) {
		t.Fatalf("got plan %+v and error %v, want the refusal %s", planned, err, want)
	}
	if refused.Code != want {
		t.Fatalf("refused with %v, want %s", refused, want)
	}
	if planned != nil {
		t.Errorf("a refusal came with a plan: %+v", planned)
	}
	return refused
}

// intakeOf is intake with a template; new ids are new-1, new-2, ….
func intakeOf(template ...domain.IntakeTask) domain.Intake {
	made := 0
	return domain.Intake{Template: template, Today: domain.Date{Year: 2024, Month: 2, Day: 27}, NewID: func() uuid.UUID {
		made++
		return id(fmt.Sprintf("new-%d", made))
	}}
}

// applied is what is true after a plan: its seats are taken and given, its tasks created, and nothing else is touched.
// It fails where a seat is taken that nobody has, or given to somebody who has it.
func applied(t failer, facts *domain.AssignmentFacts, plan *domain.Plan) *domain.AssignmentFacts {
	t.Helper()
	people, tasks := seating{}, seating{}
	for _, person := range facts.People {
		people[person.ID] = person.Staff
	}
	for _, task := range facts.Tasks {
		tasks[task.ID] = task.Assignees
	}
	people.move(t, plan.PeopleTaken, plan.PeopleGiven)
	tasks.move(t, plan.TasksTaken, plan.TasksGiven)
	after := &domain.AssignmentFacts{Staff: facts.Staff}
	place := map[uuid.UUID]int{}
	for i, person := range facts.People {
		place[person.ID] = i
		person.Staff = people[person.ID]
		after.People = append(after.People, person)
	}
	for _, task := range facts.Tasks {
		task.Assignees = tasks[task.ID]
		after.Tasks = append(after.Tasks, task)
	}
	for _, created := range plan.TasksCreated {
		person := place[created.PersonID]
		after.People[person].HasIntakeTasks = true
		after.Tasks = append(after.Tasks, domain.TaskFacts{ID: created.ID, Person: person, Assignees: created.Assignees})
	}
	slices.SortFunc(after.Tasks, func(a, b domain.TaskFacts) int { return domain.CompareIDs(a.ID, b.ID) })
	return after
}

// failer is what *testing.T and *rapid.T have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// seating is who has a seat where.
type seating map[uuid.UUID]domain.StaffSet

func (s seating) move(t failer, taken, given []domain.Seat) {
	t.Helper()
	for _, seat := range taken {
		if !s[seat.Subject].Has(seat.Staff) {
			t.Fatalf("%s loses a seat on %s that they do not have", nameOf(seat.Staff), nameOf(seat.Subject))
		}
		s[seat.Subject] = s[seat.Subject].Minus(domain.StaffSet{seat.Staff})
	}
	for _, seat := range given {
		held, found := s[seat.Subject]
		if !found || held.Has(seat.Staff) {
			t.Fatalf("%s is given a seat on %s that they have already or that is not there", nameOf(seat.Staff), nameOf(seat.Subject))
		}
		s[seat.Subject] = domain.NewStaffSet(append(slices.Clone(held), seat.Staff)...)
	}
}

// staffOf reads the people of facts as "p1: ann bob, p2:".
func staffOf(facts *domain.AssignmentFacts) string {
	var texts []string
	for _, person := range facts.People {
		texts = append(texts, line(person.ID, person.Staff))
	}
	return strings.Join(texts, ", ")
}

// tasksOf reads the tasks of facts as "call: ann bob, file:".
func tasksOf(facts *domain.AssignmentFacts) string {
	var texts []string
	for _, task := range facts.Tasks {
		texts = append(texts, line(task.ID, task.Assignees))
	}
	return strings.Join(texts, ", ")
}

func line(subject uuid.UUID, holders domain.StaffSet) string {
	return strings.TrimSpace(nameOf(subject) + ": " + namesOf(holders))
}

// itemsOf reads the items of a plan as "p1 changed, call unchanged already_in_place".
func itemsOf(plan *domain.Plan) string {
	var texts []string
	for _, item := range plan.Items {
		text := nameOf(item.ID) + " " + string(item.Outcome)
		if item.Reason != domain.ReasonNone {
			text += " " + string(item.Reason)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

// equal fails a test where two values that can be compared differ.
func equal[V comparable](t *testing.T, what string, got, want V) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}
