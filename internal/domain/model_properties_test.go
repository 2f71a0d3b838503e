package domain_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"handover/internal/domain"
)

func TestPoliciesAndModelAgree(t *testing.T) {
	t.Run("A4 to A13 whatever speaks first against a change, in the documented order, is the refusal, and nothing else is", rapid.MakeCheck(func(t *rapid.T) {
		people, wish := drawPeople(t, rapid.Bool().Draw(t, "with staff")), drawWish(t)
		model, named := servedOf(people), groupOf(namesOf(wish.StaffIDs))
		want := refusals(wish, named, model)

		plan, err := domain.PlanAssignments(sceneOf(people), wish, intakeOf())
		var refused *domain.Error
		switch {
		case err == nil && len(want) > 0:
			t.Fatalf("planned, though this speaks against it: %v", want)
		case err == nil:
			return
		case !errors.As(err, &refused) || plan != nil:
			t.Fatalf("got %v and %v", plan, err)
		case len(want) == 0 || refused.Code != want[0]:
			t.Fatalf("refused with %v, want %v", refused, want)
		}
		checkParams(t, refused, wish, named, model)
	}))

	t.Run("A4 to A13 people and tasks become what the rules say, and items tell it", rapid.MakeCheck(func(t *rapid.T) {
		people, wish := drawAccepted(t, append(types, domain.ChangeRemove, domain.ChangeRemove)...) // which has most to go wrong
		template := drawTemplate(t)
		facts, model, named := sceneOf(people), servedOf(people), groupOf(namesOf(wish.StaffIDs))
		plan := planned(t, facts, wish, template)

		result := applied(t, facts, plan)
		staff, tasks := holders(result.People, personSeats), holders(result.Tasks, taskSeats)
		items := itemsByName(t, plan)
		for i, then := range after(wish, named, model) {
			person := model[i]
			expect(t, "staff of "+person.name, staff[person.name], then.staff.String())
			expectItem(t, items, person.name, person.staff, then.staff, personReason(wish, named, person, then, len(template)))
			for task, holders := range person.tasks {
				expect(t, "holders of "+task, tasks[task], then.tasks[task].String())
				if inScope(wish, named, person, holders) {
					expectItem(t, items, task, holders, then.tasks[task], taskReason(wish, named, person, holders, then.tasks[task]))
				}
				delete(tasks, task)
			}
			gets, _ := getsIntake(wish, person, len(template))
			expectIntake(t, plan, items, person.name, gets, named, template)
		}
		if len(items) > 0 {
			t.Fatalf("items that the rules do not know of: %v", items)
		}
	}))
}

// checkParams holds the variables of a refusal against the model.
func checkParams(t *rapid.T, refused *domain.Error, wish domain.AssignmentChange, named group, model []served) {
	t.Helper()
	withStaff, counted, alone := 0, 0, group{}
	for _, person := range model {
		if !person.staff.nobody() {
			withStaff++
			counted += len(person.tasks)
		}
		alone[person.name] = nobodyRemains(wish, named, person)
	}
	wrong := group{}
	for name := range named {
		wrong[name] = deactivated(name)
	}
	want := make(map[domain.Code]string)
	want[domain.CodeStaffNotFound] = "staff_ids: ghost"
	want[domain.CodeStaffNotActive] = "staff_ids: " + wrong.String()
	want[domain.CodeExistingAssignments] = fmt.Sprintf("people: %d, people_with_staff: %d", len(model), withStaff)
	want[domain.CodeTaskPolicyRequired] = fmt.Sprintf("active_tasks: %d, people_with_staff: %d", counted, withStaff)
	want[domain.CodeNoRemainingStaff] = fmt.Sprintf("people: %d, person_ids: %s", len(strings.Fields(alone.String())), alone)
	var params []string
	for _, name := range slices.Sorted(maps.Keys(refused.Params)) {
		value := refused.Params[name]
		if named, ok := value.([]uuid.UUID); ok {
			value = namesOf(named)
		}
		params = append(params, fmt.Sprintf("%s: %v", name, value))
	}
	expect(t, "params", strings.Join(params, ", "), want[refused.Code])
	expect(t, "asks for the summary", refused.Summarize, refused.Code == domain.CodeExistingAssignments)
}

// personReason is why a person's item became what it did.
func personReason(wish domain.AssignmentChange, named group, person, then served, templateLength int) domain.Reason {
	if nobodyRemains(wish, named, person) {
		return domain.ReasonNoStaffRemained
	}
	if _, why := getsIntake(wish, person, templateLength); why != domain.ReasonNone {
		return why
	}
	if person.staff.String() == then.staff.String() {
		return domain.ReasonAlreadyInPlace
	}
	return domain.ReasonNone
}

func taskReason(wish domain.AssignmentChange, named group, person served, before, after group) domain.Reason {
	switch {
	case before.String() == after.String():
		return domain.ReasonAlreadyInPlace
	case nobodyRemains(wish, named, person):
		return domain.ReasonNoStaffRemained
	}
	return domain.ReasonNone
}

// itemsByName finds the items of a plan; it fails where one stands twice.
func itemsByName(t *rapid.T, plan *domain.Plan) map[string]domain.PlannedItem {
	t.Helper()
	items := map[string]domain.PlannedItem{}
	for _, item := range plan.Items {
		if _, twice := items[nameOf(item.ID)]; twice {
			t.Fatalf("%s is an item twice", nameOf(item.ID))
		}
		items[nameOf(item.ID)] = item
	}
	return items
}

// expectItem holds an item against the model and strikes it off.
func expectItem(t *rapid.T, items map[string]domain.PlannedItem, name string, before, after group, reason domain.Reason) {
	t.Helper()
	item, found := items[name]
	if !found {
		t.Fatalf("%s is no item", name)
	}
	delete(items, name)
	outcome, kind := domain.OutcomeChanged, domain.ItemPerson
	if before.String() == after.String() {
		outcome = domain.OutcomeUnchanged
	}
	if name[0] == 't' {
		kind = domain.ItemTask
	}
	expect(t, "kind of "+name, item.Kind, kind)
	expect(t, "outcome of "+name, item.Outcome, outcome)
	expect(t, "reason of "+name, item.Reason, reason)
	expect(t, "before of "+name, namesOf(item.Before), before.String())
	expect(t, "after of "+name, namesOf(item.After), after.String())
}

// expectIntake holds the created tasks of a person against the template and strikes their items off.
func expectIntake(t *rapid.T, plan *domain.Plan, items map[string]domain.PlannedItem, name string, gets bool, named group, template []domain.IntakeTask) {
	t.Helper()
	var made []domain.CreatedTask
	for _, task := range plan.TasksCreated {
		if task.PersonID == id(name) {
			made = append(made, task)
		}
	}
	if !gets {
		template = nil
	}
	expect(t, "intake tasks of "+name, len(made), len(template))
	for i, task := range made {
		due := domain.Date{Year: 2024, Month: 2, Day: 29}
		if template[i].DaysUntilDue == 30 {
			due = domain.Date{Year: 2024, Month: 3, Day: 28}
		}
		expect(t, "title", task.Title, template[i].Title)
		expect(t, "details", task.Details, template[i].Details)
		expect(t, "due date", task.DueOn, due)
		expect(t, "assignees", namesOf(task.Assignees), named.String())
		item := items[nameOf(task.ID)]
		delete(items, nameOf(task.ID))
		expect(t, "outcome", item.Outcome, domain.OutcomeCreated)
		expect(t, "after", namesOf(item.After), named.String())
		expect(t, "before", namesOf(item.Before), "")
	}
}

func personSeats(person domain.PersonFacts) (uuid.UUID, domain.StaffSet) {
	return person.ID, person.Staff
}

func taskSeats(task domain.TaskFacts) (uuid.UUID, domain.StaffSet) { return task.ID, task.Assignees }

// holders is who has a seat, by the name of what the seat is on.
func holders[V any](all []V, seats func(V) (uuid.UUID, domain.StaffSet)) map[string]string {
	held := map[string]string{}
	for _, one := range all {
		id, set := seats(one)
		held[nameOf(id)] = namesOf(set)
	}
	return held
}

func expect[V comparable](t *rapid.T, what string, got, want V) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}
