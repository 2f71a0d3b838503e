package domain_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/internal/domain"
)

func TestAssign(t *testing.T) {
	t.Run("A4 people without staff get the staff, and their tasks are left as they are", func(t *testing.T) {
		facts := scene("ann bob",
			person{name: "p1", tasks: "call:, visit: xen"},
			person{name: "p2", kind: domain.KindReferral})
		planned := plan(t, facts, change(domain.ChangeAssign, "bob ann"))
		equal(t, "staff", staffOf(applied(t, facts, planned)), "p1: ann bob, p2: ann bob")
		equal(t, "tasks", tasksOf(applied(t, facts, planned)), "call:, visit: xen")
		equal(t, "items", itemsOf(planned), "p1 changed, p2 changed")
		equal(t, "totals", planned.Totals, domain.Totals{PeopleChanged: 2, AssignmentsAdded: 4})
	})
	t.Run("A4 staff named twice are assigned once", func(t *testing.T) {
		facts := scene("ann", person{name: "p1"})
		planned := plan(t, facts, change(domain.ChangeAssign, "ann ann"))
		equal(t, "seats", len(planned.PeopleGiven), 1)
	})
	t.Run("A4 one person with staff is enough to refuse, with the counts and the wish for a summary", func(t *testing.T) {
		facts := scene("ann", person{name: "p1"}, person{name: "p2", staff: "bob", tasks: "call: bob"}, person{name: "p3"})
		refused := refusal(t, facts, change(domain.ChangeAssign, "ann"), domain.CodeExistingAssignments)
		equal(t, "asks for the summary", refused.Summarize, true)
		equal(t, "params", fmt.Sprint(refused.Params), "map[people:3 people_with_staff:1]")
		equal(t, "detail tells the choice", strings.Contains(refused.Detail, "add") && strings.Contains(refused.Detail, "replace"), true)
	})
	t.Run("A4 deactivated staff on a person are staff too", func(t *testing.T) {
		facts := scene("ann", person{name: "p1", staff: "ex-bob"})
		refusal(t, facts, change(domain.ChangeAssign, "ann"), domain.CodeExistingAssignments)
	})
	t.Run("A4 assigning whoever is assigned already is refused as well: nothing changes, and the answer says so", func(t *testing.T) {
		facts := scene("", person{name: "p1", staff: "ann"})
		refusal(t, facts, change(domain.ChangeAssign, "ann"), domain.CodeExistingAssignments)
	})
	t.Run("A9 assigning needs no task policy: nobody selected has staff, so the summary counts no task", func(t *testing.T) {
		facts := scene("ann", person{name: "p1", tasks: "call: xen"})
		planned := plan(t, facts, change(domain.ChangeAssign, "ann"))
		equal(t, "tasks", tasksOf(applied(t, facts, planned)), "call: xen")
	})
}

func TestIntakeTasks(t *testing.T) {
	template := []domain.IntakeTask{
		{Title: "Welcome call", Details: "Ask for papers", DaysUntilDue: 2},
		{Title: "First meeting", DaysUntilDue: 0},
	}
	assign := change(domain.ChangeAssign, "bob ann")
	assign.IncludeIntakeTasks = true

	t.Run("A5 a referral gets every task of the template, held by the new staff, due counted from today", func(t *testing.T) {
		facts := scene("ann bob", person{name: "p1", kind: domain.KindReferral})
		planned, err := domain.PlanAssignments(facts, assign, intakeOf(template...)) // today is 2024-02-27, of a leap year
		if err != nil {
			t.Fatal(err)
		}
		var created []string
		for _, task := range planned.TasksCreated {
			created = append(created, fmt.Sprint(nameOf(task.ID), " for ", nameOf(task.PersonID), ": ", task.Title, "/", task.Details,
				" by ", task.DueOn, " with ", namesOf(task.Assignees)))
		}
		equal(t, "created", strings.Join(created, "\n"),
			"new-1 for p1: Welcome call/Ask for papers by 2024-02-29 with ann bob\n"+
				"new-2 for p1: First meeting/ by 2024-02-27 with ann bob")
		equal(t, "items", itemsOf(planned), "p1 changed, new-1 created, new-2 created")
		equal(t, "totals", planned.Totals, domain.Totals{PeopleChanged: 1, AssignmentsAdded: 2, TasksCreated: 2})
	})

	for _, example := range []struct {
		rule     string
		person   person
		template []domain.IntakeTask
		items    string
	}{
		{
			"A5 a client gets no intake tasks, and the result says why",
			person{name: "p1"},
			template,
			"p1 changed intake_only_referrals",
		},
		{
			"A5 a referral who has tasks from the template does not get them twice, and the result says why",
			person{name: "p1", kind: domain.KindReferral, hasIntake: true},
			template, "p1 changed intake_already_created",
		},
		{
			"A5 an empty template creates nothing, and the result says why",
			person{name: "p1", kind: domain.KindReferral},
			nil,
			"p1 changed intake_template_empty",
		},
		{"A5 the template is not needed to know that clients get nothing", person{name: "p1"}, nil, "p1 changed intake_only_referrals"},
		{
			"A5 a task that is not from the template does not stand in the way",
			person{name: "p1", kind: domain.KindReferral, tasks: "call: xen"},
			template[:1], "p1 changed, new-1 created",
		},
	} {
		t.Run(example.rule, func(t *testing.T) {
			facts := scene("ann bob", example.person)
			planned, err := domain.PlanAssignments(facts, assign, intakeOf(example.template...))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "items", itemsOf(planned), example.items)
			equal(t, "created", len(planned.TasksCreated), planned.Totals.TasksCreated)
		})
	}

	t.Run("A5 of several people each is decided alone", func(t *testing.T) {
		facts := scene("ann bob",
			person{name: "p1", kind: domain.KindReferral},
			person{name: "p2"},
			person{name: "p3", kind: domain.KindReferral, hasIntake: true},
			person{name: "p4", kind: domain.KindReferral})
		planned, err := domain.PlanAssignments(facts, assign, intakeOf(template[:1]...))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "items", itemsOf(planned),
			"p1 changed, p2 changed intake_only_referrals, p3 changed intake_already_created, p4 changed, new-1 created, new-2 created")
		equal(t, "first", nameOf(planned.TasksCreated[0].PersonID), "p1")
		equal(t, "second", nameOf(planned.TasksCreated[1].PersonID), "p4")
	})
	t.Run("A5 without being asked for, none are created and nothing is said", func(t *testing.T) {
		facts := scene("ann bob", person{name: "p1", kind: domain.KindReferral}, person{name: "p2"})
		planned, err := domain.PlanAssignments(facts, change(domain.ChangeAssign, "ann"), intakeOf(template...))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "items", itemsOf(planned), "p1 changed, p2 changed")
	})
	t.Run("A5 intake tasks belong to assign: adding and removing create none", func(t *testing.T) {
		for _, kind := range []domain.ChangeType{domain.ChangeAdd, domain.ChangeRemove} {
			facts := scene("ann bob", person{name: "p1", kind: domain.KindReferral})
			wish := change(kind, "ann")
			wish.IncludeIntakeTasks = true
			planned, err := domain.PlanAssignments(facts, wish, intakeOf(template...))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "created by "+string(kind), len(planned.TasksCreated), 0)
		}
	})
}

func TestNewStaffMustBeActive(t *testing.T) {
	for _, kind := range []domain.ChangeType{domain.ChangeAssign, domain.ChangeAdd, domain.ChangeReplace} {
		t.Run("A13 "+string(kind)+" refuses deactivated staff and names each", func(t *testing.T) {
			facts := scene("ann ex-bob ex-cat", person{name: "p1"})
			refused := refusal(t, facts, change(kind, "ex-cat ann ex-bob"), domain.CodeStaffNotActive)
			equal(t, "staff_ids", namesOf(refused.Params["staff_ids"].([]uuid.UUID)), "ex-bob ex-cat")
			equal(t, "places", pointers(refused), "/staff_ids/0 staff_not_active, /staff_ids/2 staff_not_active")
		})
		t.Run("A13 "+string(kind)+" refuses staff who do not exist and names each", func(t *testing.T) {
			facts := scene("ann", person{name: "p1"})
			refused := refusal(t, facts, change(kind, "ann ghost"), domain.CodeStaffNotFound)
			equal(t, "places", pointers(refused), "/staff_ids/1 staff_not_found")
			equal(t, "the detail names them", strings.Contains(refused.Fields[0].Detail, id("ghost").String()), true)
		})
		t.Run("A13 "+string(kind)+" names those who do not exist and those who are deactivated in one answer", func(t *testing.T) {
			facts := scene("ann ex-bob", person{name: "p1"})
			refused := refusal(t, facts, change(kind, "ex-bob ann ghost"), domain.CodeStaffNotFound)
			equal(t, "places", pointers(refused), "/staff_ids/0 staff_not_active, /staff_ids/2 staff_not_found")
		})
	}
	t.Run("A13 a deactivated staff member who is on the person already is refused too: they are handed nothing", func(t *testing.T) {
		facts := scene("", person{name: "p1", staff: "ann ex-bob"})
		refusal(t, facts, change(domain.ChangeAdd, "ex-bob"), domain.CodeStaffNotActive)
		refusal(t, facts, change(domain.ChangeReplace, "ex-bob"), domain.CodeStaffNotActive)
	})
	t.Run("A13 deactivated staff may stay where a change leaves them", func(t *testing.T) {
		facts := scene("ann", person{name: "p1", staff: "ex-bob", tasks: "call: ex-bob"})
		planned := plan(t, facts, withTasks(change(domain.ChangeAdd, "ann"), domain.TasksAddNewStaff, ""))
		equal(t, "staff", staffOf(applied(t, facts, planned)), "p1: ann ex-bob")
		equal(t, "tasks", tasksOf(applied(t, facts, planned)), "call: ann ex-bob")
	})
	t.Run("A8 deactivated staff can be removed", func(t *testing.T) {
		facts := scene("", person{name: "p1", staff: "ann ex-bob"})
		planned := plan(t, facts, change(domain.ChangeRemove, "ex-bob"))
		equal(t, "staff", staffOf(applied(t, facts, planned)), "p1: ann")
	})
	t.Run("A8 staff who do not exist cannot be removed", func(t *testing.T) {
		facts := scene("", person{name: "p1", staff: "ann"})
		refused := refusal(t, facts, change(domain.ChangeRemove, "ghost ann"), domain.CodeStaffNotFound)
		equal(t, "places", pointers(refused), "/staff_ids/0 staff_not_found")
	})
}

// pointers reads the places of a refusal as "/a code, /b code".
func pointers(refused *domain.Error) string {
	var texts []string
	for _, field := range refused.Fields {
		texts = append(texts, field.Pointer+" "+string(field.Code))
	}
	return strings.Join(texts, ", ")
}

func TestTooManyPlaces(t *testing.T) {
	t.Parallel()
	ann, bob := uuid.New(), uuid.New()
	facts := &domain.AssignmentFacts{
		People: make([]domain.PersonFacts, domain.MaxSharedSeats/2+1),
		Staff:  map[uuid.UUID]domain.StaffStatus{ann: domain.StaffActive, bob: domain.StaffActive},
	}
	for i := range facts.People {
		facts.People[i] = domain.PersonFacts{ID: uuid.New(), Kind: domain.KindClient}
	}
	add := func(staff ...uuid.UUID) error {
		_, err := domain.PlanAssignments(facts, domain.AssignmentChange{Type: domain.ChangeAdd, StaffIDs: staff}, domain.Intake{})
		return err
	}
	var refusal *domain.Error
	if err := add(ann, bob); !errors.As(err, &refusal) || refusal.Code != domain.CodeSelectionTooLarge {
		t.Errorf("got %v", err)
	}
	if err := add(ann, ann); err != nil {
		t.Errorf("got %v where one gets everybody", err)
	}
}
