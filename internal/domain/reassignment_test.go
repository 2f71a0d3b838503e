package domain_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// handingOver is an example: what a leaver has, what is wished, and what becomes of each item.
type handingOver struct {
	rule string
	desk desk
	wish domain.WorkWish
	want string // the items
	also domain.Totals
}

func (e handingOver) run(t *testing.T) {
	t.Helper()
	t.Run(e.rule, func(t *testing.T) {
		if e.wish.From == uuid.Nil {
			e.wish.From = id("lea")
		}
		planned := planWork(t, deskFacts(e.desk, e.wish), e.wish)
		equal(t, "items", outcomesOf(planned), e.want)
		equal(t, "totals", planned.Totals, e.also)
	})
}

func TestReassigningMatters(t *testing.T) {
	for _, example := range []handingOver{
		{
			"B1 the leaver's open and pending matters get a new responsible staff member",
			desk{matters: "m1: lea, m2: lea"},
			domain.WorkWish{Matters: to("ann")},
			"m1: lea > ann, m2: lea > ann",
			domain.Totals{MattersMoved: 2},
		},
		{
			"B1 matters of others, which the leaver only works on, stay",
			desk{matters: "m1: bob, m2: ann closed", tasks: "call/m1: lea"},
			domain.WorkWish{Matters: to("ann")},
			"",
			domain.Totals{},
		},
		{
			"B1 a deactivated leaver can hand over",
			desk{matters: "m1: ex-lea"},
			from("ex-lea", domain.WorkWish{Matters: to("ann")}), "m1: ex-lea > ann",
			domain.Totals{MattersMoved: 1},
		},
		{
			"B4 a closed matter stays, and the report says why",
			desk{matters: "m1: lea closed, m2: lea"},
			domain.WorkWish{Matters: to("ann")},
			"m1: lea closed_matter, m2: lea > ann",
			domain.Totals{MattersMoved: 1, LeftAlone: domain.LeftAlone{ClosedMatter: 1}},
		},
		{
			"B5 a private matter stays, and is counted alone",
			desk{matters: "m1: lea private, m2: lea"},
			domain.WorkWish{Matters: to("ann")},
			"m2: lea > ann",
			domain.Totals{MattersMoved: 1, WithheldPrivate: 1},
		},
		{
			"B5 of a private matter that is closed not even that is told",
			desk{matters: "m1: lea private closed"},
			domain.WorkWish{Matters: to("ann")},
			"",
			domain.Totals{WithheldPrivate: 1},
		},
		{
			"B5 what is hidden from who asks moves all the same",
			desk{matters: "m1: lea hidden"},
			domain.WorkWish{Matters: to("ann")},
			"m1: lea > ann",
			domain.Totals{MattersMoved: 1},
		},
		{
			"B1 nothing to hand over is no error",
			desk{},
			domain.WorkWish{Matters: to("ann"), Tasks: to("ann"), Events: to("ann"), People: to("ann")},
			"",
			domain.Totals{},
		},
	} {
		example.run(t)
	}
}

func TestReassigningTasks(t *testing.T) {
	yesterday, overdue := "2024-02-26", domain.LeftAlone{PastDue: 1}
	for _, example := range []handingOver{
		{
			"B2 active tasks on an open matter go to the new assignee",
			desk{matters: "m1: lea, m2: bob", tasks: "call/m1: lea, file/m2: lea"},
			domain.WorkWish{Tasks: to("ann")},
			"call: lea > ann, file: lea > ann",
			domain.Totals{TasksChanged: 2},
		},
		{
			"B2 co-assignees stay",
			desk{matters: "m1: bob", tasks: "call/m1: lea bob ex-cal"},
			domain.WorkWish{Tasks: to("ann")},
			"call: bob ex-cal lea > ann bob ex-cal",
			domain.Totals{TasksChanged: 1},
		},
		{
			"B2 where the successor holds the task already the leaver is just taken off",
			desk{matters: "m1: bob", tasks: "call/m1: ann lea"},
			domain.WorkWish{Tasks: to("ann")},
			"call: ann lea > ann",
			domain.Totals{TasksChanged: 1},
		},
		{
			"B2 due today is not past due",
			desk{matters: "m1: bob", tasks: "call/m1: lea 2024-02-27"},
			domain.WorkWish{Tasks: to("ann")},
			"call: lea > ann",
			domain.Totals{TasksChanged: 1},
		},
		{
			"B4 due yesterday is past due and stays",
			desk{matters: "m1: bob", tasks: "call/m1: lea bob " + yesterday},
			domain.WorkWish{Tasks: to("ann")},
			"call: bob lea past_due",
			domain.Totals{LeftAlone: overdue},
		},
		{
			"B4 past-due tasks go too where the wish says so",
			desk{matters: "m1: bob", tasks: "call/m1: lea " + yesterday},
			domain.WorkWish{Tasks: &domain.WorkPart{To: ids("ann"), IncludePastDue: true}},
			"call: lea > ann",
			domain.Totals{TasksChanged: 1},
		},
		{
			"B2 a task without a due date is never past due",
			desk{matters: "m1: bob", tasks: "call/m1: lea"},
			domain.WorkWish{Tasks: to("ann")},
			"call: lea > ann",
			domain.Totals{TasksChanged: 1},
		},
		{
			"B4 a task without a matter stays",
			desk{tasks: "note: lea"},
			domain.WorkWish{Tasks: to("ann")},
			"note: lea no_matter",
			domain.Totals{LeftAlone: domain.LeftAlone{NoMatter: 1}},
		},
		{
			"B4 a task of a person belongs to no matter and stays, where people are left out",
			desk{people: "p1: lea", tasks: "call/p1: lea"},
			domain.WorkWish{Tasks: to("ann")},
			"call: lea no_matter",
			domain.Totals{LeftAlone: domain.LeftAlone{NoMatter: 1}},
		},
		{
			"B4 a task on a closed matter stays",
			desk{matters: "m1: lea closed", tasks: "call/m1: lea"},
			domain.WorkWish{Tasks: to("ann")},
			"call: lea closed_matter",
			domain.Totals{LeftAlone: domain.LeftAlone{ClosedMatter: 1}},
		},
		{
			"B4 closed comes before past due, even where past-due tasks go too",
			desk{matters: "m1: lea closed", tasks: "call/m1: lea " + yesterday},
			domain.WorkWish{Tasks: &domain.WorkPart{To: ids("ann"), IncludePastDue: true}},
			"call: lea closed_matter",
			domain.Totals{LeftAlone: domain.LeftAlone{ClosedMatter: 1}},
		},
		{
			"B4 no matter comes before past due",
			desk{tasks: "note: lea " + yesterday},
			domain.WorkWish{Tasks: to("ann")},
			"note: lea no_matter",
			domain.Totals{LeftAlone: domain.LeftAlone{NoMatter: 1}},
		},
		{
			"B5 private comes before everything",
			desk{matters: "m1: lea private closed, m2: bob private", tasks: "call/m1: lea " + yesterday + ", file/m2: ann lea"},
			domain.WorkWish{Tasks: to("ann")},
			"",
			domain.Totals{WithheldPrivate: 2},
		},
	} {
		example.run(t)
	}

	t.Run("B2 past due is told by the date in the organization's time zone", func(t *testing.T) {
		instant := time.Date(2024, 2, 29, 10, 30, 0, 0, time.UTC)
		wish := from("lea", domain.WorkWish{Tasks: to("ann")})
		for zone, want := range map[string]string{
			"Pacific/Kiritimati": "call: lea past_due", // there it is 1 March already
			"Europe/Berlin":      "call: lea > ann",
			"Pacific/Pago_Pago":  "call: lea > ann", // there it is 28 February still
		} {
			date, err := domain.Organization{TimeZone: zone}.Today(instant)
			if err != nil {
				t.Fatal(err)
			}
			planned, err := domain.PlanWork(deskFacts(desk{matters: "m1: bob", tasks: "call/m1: lea 2024-02-29"}, wish), wish, date, instant)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "in "+zone, outcomesOf(planned), want)
		}
	})
}

func TestReassigningEvents(t *testing.T) {
	for _, example := range []handingOver{
		{
			"B3 upcoming events on the leaver's calendar move to the new owner's",
			desk{matters: "m1: bob", events: "court/m1: lea +2"},
			domain.WorkWish{Events: to("ann")},
			"court: lea > ann",
			domain.Totals{EventsMoved: 1},
		},
		{
			"B3 an event that starts now, or has started, is no work and not reported",
			desk{matters: "m1: bob", events: "court/m1: lea 0, old/m1: lea -1"},
			domain.WorkWish{Events: to("ann")},
			"",
			domain.Totals{},
		},
		{
			"B4 an event on another's calendar, where the leaver only attends, stays",
			desk{matters: "m1: lea", events: "court/m1: bob"},
			domain.WorkWish{Events: to("ann")},
			"court: bob attendee_only",
			domain.Totals{LeftAlone: domain.LeftAlone{AttendeeOnly: 1}},
		},
		{
			"B4 attending comes before no matter and before a closed one",
			desk{matters: "m1: lea closed", events: "court/m1: bob, lunch: bob"},
			domain.WorkWish{Events: to("ann")},
			"court: bob attendee_only, lunch: bob attendee_only",
			domain.Totals{LeftAlone: domain.LeftAlone{AttendeeOnly: 2}},
		},
		{
			"B4 an event without a matter stays",
			desk{events: "lunch: lea"},
			domain.WorkWish{Events: to("ann")},
			"lunch: lea no_matter",
			domain.Totals{LeftAlone: domain.LeftAlone{NoMatter: 1}},
		},
		{
			"B4 an event on a closed matter stays",
			desk{matters: "m1: bob closed", events: "court/m1: lea"},
			domain.WorkWish{Events: to("ann")},
			"court: lea closed_matter",
			domain.Totals{LeftAlone: domain.LeftAlone{ClosedMatter: 1}},
		},
		{
			"B5 an event on a private matter is counted alone, on whose calendar it may be",
			desk{matters: "m1: bob private", events: "court/m1: bob, talk/m1: lea"},
			domain.WorkWish{Events: to("ann")},
			"",
			domain.Totals{WithheldPrivate: 2},
		},
	} {
		example.run(t)
	}
}

func TestPartsOfTheWork(t *testing.T) {
	everything := desk{
		matters: "m1: lea, m2: lea closed, m3: lea private", tasks: "call/m1: lea, file/m2: lea, see/m3: lea, visit/p1: lea, note: lea",
		events: "court/m1: lea, lunch: lea, talk/m3: lea", people: "p1: lea bob, r1: lea",
	}
	for _, example := range []handingOver{
		{
			"B6 each kind has its own successor", everything,
			domain.WorkWish{Matters: to("ann"), Tasks: to("bob"), Events: to("flo"), People: to("gus")},
			"call: lea > bob, court: lea > flo, file: lea closed_matter, lunch: lea no_matter, m1: lea > ann, m2: lea closed_matter, " +
				"note: lea no_matter, p1: bob lea > bob gus, r1: lea > gus, visit: lea > gus",
			domain.Totals{
				MattersMoved: 1, TasksChanged: 2, EventsMoved: 1, PeopleChanged: 2, AssignmentsAdded: 2, AssignmentsRemoved: 2,
				LeftAlone: domain.LeftAlone{ClosedMatter: 2, NoMatter: 2}, WithheldPrivate: 3,
			},
		},
		{
			"B6 what is left out reports nothing: matters alone", everything,
			domain.WorkWish{Matters: to("ann")},
			"m1: lea > ann, m2: lea closed_matter",
			domain.Totals{MattersMoved: 1, LeftAlone: domain.LeftAlone{ClosedMatter: 1}, WithheldPrivate: 1},
		},
		{
			"B6 what is left out reports nothing: tasks alone", everything,
			domain.WorkWish{Tasks: to("ann")},
			"call: lea > ann, file: lea closed_matter, note: lea no_matter, visit: lea no_matter",
			domain.Totals{TasksChanged: 1, LeftAlone: domain.LeftAlone{ClosedMatter: 1, NoMatter: 2}, WithheldPrivate: 1},
		},
		{
			"B6 what is left out reports nothing: events alone", everything,
			domain.WorkWish{Events: to("ann")},
			"court: lea > ann, lunch: lea no_matter",
			domain.Totals{EventsMoved: 1, LeftAlone: domain.LeftAlone{NoMatter: 1}, WithheldPrivate: 1},
		},
		{
			"B6 what is left out reports nothing: people alone", everything,
			domain.WorkWish{People: to("ann")},
			"p1: bob lea > ann bob, r1: lea > ann, visit: lea > ann",
			domain.Totals{PeopleChanged: 2, AssignmentsAdded: 2, AssignmentsRemoved: 2, TasksChanged: 1},
		},
		{
			"B6 whoever is named twice is named once",
			desk{matters: "m1: lea, m2: lea", tasks: "call/m1: lea"},
			domain.WorkWish{Matters: to("ann ann"), Tasks: by(domain.DistributeEach, "bob ann bob")},
			"call: lea > ann bob, m1: lea > ann, m2: lea > ann",
			domain.Totals{MattersMoved: 2, TasksChanged: 1},
		},
	} {
		example.run(t)
	}
}

func TestReassigningPeople(t *testing.T) {
	people := desk{people: "p1: bob ex-cal lea, p2: ann lea, r1: lea", tasks: "call/p1: lea xen 2024-01-01, mail/p2: ann lea, post/r1: lea, note/p9: lea"}
	only := func(kind domain.PersonKind, tasks *domain.WorkPart) domain.WorkWish {
		return domain.WorkWish{People: &domain.WorkPart{To: ids("ann"), Kinds: []domain.PersonKind{kind}}, Tasks: tasks}
	}
	for _, example := range []handingOver{
		{
			"B9 the successors take the leaver's place, other staff stay, and the tasks of those people go along, past due or not", people,
			domain.WorkWish{People: to("ann")},
			"call: lea xen > ann xen, mail: ann lea > ann, p1: bob ex-cal lea > ann bob ex-cal, p2: ann lea > ann, post: lea > ann, r1: lea > ann",
			domain.Totals{PeopleChanged: 3, AssignmentsAdded: 2, AssignmentsRemoved: 3, TasksChanged: 3},
		},
		{
			"B9 of the kinds that are named alone", people, only(domain.KindReferral, nil), "post: lea > ann, r1: lea > ann",
			domain.Totals{PeopleChanged: 1, AssignmentsAdded: 1, AssignmentsRemoved: 1, TasksChanged: 1},
		},
		{
			"B9 tasks of people of the other kind are judged as tasks", people, only(domain.KindClient, to("bob")),
			"call: lea xen > ann xen, mail: ann lea > ann, note: lea no_matter, p1: bob ex-cal lea > ann bob ex-cal, p2: ann lea > ann, post: lea no_matter",
			domain.Totals{PeopleChanged: 2, AssignmentsAdded: 1, AssignmentsRemoved: 2, TasksChanged: 2, LeftAlone: domain.LeftAlone{NoMatter: 2}},
		},
		{
			"B9 tasks can be kept", people,
			domain.WorkWish{People: &domain.WorkPart{To: ids("ann"), KeepTasks: true}},
			"p1: bob ex-cal lea > ann bob ex-cal, p2: ann lea > ann, r1: lea > ann",
			domain.Totals{PeopleChanged: 3, AssignmentsAdded: 2, AssignmentsRemoved: 3},
		},
		{
			"B9 tasks that are kept are judged as tasks where these are named", people,
			domain.WorkWish{People: &domain.WorkPart{To: ids("ann"), KeepTasks: true}, Tasks: to("bob")},
			"call: lea xen no_matter, mail: ann lea no_matter, note: lea no_matter, p1: bob ex-cal lea > ann bob ex-cal, p2: ann lea > ann, " +
				"post: lea no_matter, r1: lea > ann",
			domain.Totals{PeopleChanged: 3, AssignmentsAdded: 2, AssignmentsRemoved: 3, LeftAlone: domain.LeftAlone{NoMatter: 4}},
		},
		{
			"B9 each: all successors share people and their tasks", people,
			domain.WorkWish{People: by(domain.DistributeEach, "gus ann")},
			"call: lea xen > ann gus xen, mail: ann lea > ann gus, p1: bob ex-cal lea > ann bob ex-cal gus, p2: ann lea > ann gus, post: lea > ann gus, r1: lea > ann gus",
			domain.Totals{PeopleChanged: 3, AssignmentsAdded: 5, AssignmentsRemoved: 3, TasksChanged: 3},
		},
		{
			"B10 the tasks of a person go to who takes the person over", people,
			domain.WorkWish{People: by(domain.DistributeRoundRobin, "gus bob")},
			"call: lea xen > gus xen, mail: ann lea > ann bob, p1: bob ex-cal lea > bob ex-cal gus, p2: ann lea > ann bob, post: lea > gus, r1: lea > gus",
			domain.Totals{PeopleChanged: 3, AssignmentsAdded: 3, AssignmentsRemoved: 3, TasksChanged: 3},
		},
		{
			"B9 a task of a person whom the leaver does not serve stays", desk{tasks: "call/p9: lea"}, domain.WorkWish{People: to("ann")}, "", domain.Totals{},
		},
	} {
		example.run(t)
	}
}

func TestWishesThatMakeNoSense(t *testing.T) {
	nobody := &domain.WorkPart{}
	for _, example := range []struct {
		rule   string
		wish   domain.WorkWish
		code   domain.Code
		places string
	}{
		{"B6 no part is named", domain.WorkWish{}, domain.CodeInvalidValue, " invalid_value"},
		{"B1 nobody to hand matters to", domain.WorkWish{Matters: nobody}, domain.CodeInvalidValue, "/matters/to_staff_ids invalid_value"},
		{"B2 nobody to hand tasks to", domain.WorkWish{Tasks: nobody}, domain.CodeInvalidValue, "/tasks/to_staff_ids invalid_value"},
		{"B3 nobody to hand events to", domain.WorkWish{Events: nobody}, domain.CodeInvalidValue, "/events/to_staff_ids invalid_value"},
		{"B9 nobody to hand people to", domain.WorkWish{Matters: to("ann"), People: nobody}, domain.CodeInvalidValue, "/people/to_staff_ids invalid_value"},
		{"B10 each for matters", domain.WorkWish{Matters: by(domain.DistributeEach, "ann")}, domain.CodeInvalidValue, "/matters/distribution invalid_value"},
		{"B10 each for events", domain.WorkWish{Events: by(domain.DistributeEach, "ann bob")}, domain.CodeInvalidValue, "/events/distribution invalid_value"},
		{"B10 several successors without a distribution", domain.WorkWish{Tasks: to("ann bob")}, domain.CodeInvalidValue, "/tasks/distribution invalid_value"},
		{"B10 several for people without a distribution", domain.WorkWish{People: to("ann bob")}, domain.CodeInvalidValue, "/people/distribution invalid_value"},
		{
			"B the leaver is a successor, in every place",
			domain.WorkWish{Matters: to("lea"), Tasks: by(domain.DistributeEach, "ann lea"), Events: to("ann")},
			domain.CodeSameStaff, "/matters/to_staff_ids/0 same_staff, /tasks/to_staff_ids/1 same_staff",
		},
	} {
		t.Run(example.rule, func(t *testing.T) {
			refusal := refused(t, domain.CheckWorkWish(from("lea", example.wish)), example.code)
			equal(t, "places", pointers(refusal), example.places)
		})
	}

	for rule, wish := range map[string]domain.WorkWish{
		"B10 one successor needs no distribution":                     {Matters: to("ann"), Tasks: to("bob"), Events: to("ann"), People: to("ann")},
		"B10 one successor who is named twice needs no distribution":  {Matters: to("ann ann")},
		"B10 one successor may have a distribution all the same":      {Matters: by(domain.DistributeLeastLoaded, "ann"), Tasks: by(domain.DistributeEach, "ann")},
		"B10 each is for tasks and people":                            {Tasks: by(domain.DistributeEach, "ann bob"), People: by(domain.DistributeEach, "ann bob")},
		"B10 matters and events can be shared out in the other ways ": {Matters: by(domain.DistributeLeastLoaded, "ann bob"), Events: by(domain.DistributeRoundRobin, "ann bob")},
	} {
		t.Run(rule, func(t *testing.T) {
			if err := domain.CheckWorkWish(from("lea", wish)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSuccessorsWhoCannotTakeOver(t *testing.T) {
	try := func(t *testing.T, wish domain.WorkWish, code domain.Code) *domain.Error {
		t.Helper()
		facts := deskFacts(desk{matters: "m1: lea"}, wish)
		planned, err := domain.PlanWork(facts, wish, today, now)
		if planned != nil {
			t.Errorf("a refusal came with a plan: %+v", planned)
		}
		return refused(t, err, code)
	}
	t.Run("A13 whoever takes over is in the organization, and every one who is not is pointed at", func(t *testing.T) {
		refusal := try(t, from("lea", domain.WorkWish{
			Matters: to("ghost"), Tasks: by(domain.DistributeEach, "ann ghost"), Events: to("ghost"), People: to("ghost"),
		}), domain.CodeStaffNotFound)
		equal(t, "places", pointers(refusal), "/matters/to_staff_ids/0 staff_not_found, /tasks/to_staff_ids/1 staff_not_found, "+
			"/events/to_staff_ids/0 staff_not_found, /people/to_staff_ids/0 staff_not_found")
		equal(t, "params", fmt.Sprint(refusal.Params), fmt.Sprint(map[string]any{"staff_ids": ids("ghost")}))
	})
	t.Run("A13 whoever takes over is active, and every one who is not is pointed at", func(t *testing.T) {
		refusal := try(t, from("lea", domain.WorkWish{
			Matters: to("ex-cal"), Tasks: by(domain.DistributeEach, "ex-cal ann ex-eve"), Events: to("ex-cal"), People: to("ex-eve"),
		}), domain.CodeStaffNotActive)
		equal(t, "places", pointers(refusal), "/matters/to_staff_ids/0 staff_not_active, /tasks/to_staff_ids/0 staff_not_active, "+
			"/tasks/to_staff_ids/2 staff_not_active, /events/to_staff_ids/0 staff_not_active, /people/to_staff_ids/0 staff_not_active")
		equal(t, "params", fmt.Sprint(refusal.Params), fmt.Sprint(map[string]any{"staff_ids": ids("ex-cal ex-eve")}))
	})
	t.Run("A13 staff_not_found comes before staff_not_active, and both are pointed at", func(t *testing.T) {
		refusal := try(t, from("lea", domain.WorkWish{Matters: to("ex-cal"), People: to("ghost")}), domain.CodeStaffNotFound)
		equal(t, "places", pointers(refusal), "/matters/to_staff_ids/0 staff_not_active, /people/to_staff_ids/0 staff_not_found")
	})
	t.Run("A13 the leaver must exist", func(t *testing.T) {
		refusal := try(t, from("ghost", domain.WorkWish{Matters: to("ann")}), domain.CodeStaffNotFound)
		equal(t, "places", pointers(refusal), "/from_staff_id staff_not_found")
		equal(t, "params", fmt.Sprint(refusal.Params), fmt.Sprint(map[string]any{"staff_ids": ids("ghost")}))
	})
	t.Run("A13 a leaver who does not exist is named together with the successors who cannot take over", func(t *testing.T) {
		refusal := try(t, from("ghost", domain.WorkWish{Matters: to("ex-cal")}), domain.CodeStaffNotFound)
		equal(t, "places", pointers(refusal), "/from_staff_id staff_not_found, /matters/to_staff_ids/0 staff_not_active")
	})
	t.Run("A13 is judged even where there is nothing to hand over", func(t *testing.T) {
		wish := from("lea", domain.WorkWish{Tasks: to("ex-cal")})
		_, err := domain.PlanWork(deskFacts(desk{}, wish), wish, today, now)
		refused(t, err, domain.CodeStaffNotActive)
	})
}

func TestWhatAWishSays(t *testing.T) {
	t.Run("B6 everybody the wish names is named once", func(t *testing.T) {
		wish := from("lea", domain.WorkWish{Matters: to("bob ann"), Tasks: to("ann"), People: to("gus bob")})
		equal(t, "named", namesOf(wish.Named()), "ann bob gus lea")
	})
	t.Run("B9 a part takes people of the kinds it names, of both where it names none, and none where it is left out", func(t *testing.T) {
		var nothing *domain.WorkPart
		var texts []string
		for _, part := range []*domain.WorkPart{nothing, {}, {Kinds: []domain.PersonKind{domain.KindClient}}, {Kinds: []domain.PersonKind{domain.KindReferral, domain.KindClient}}} {
			texts = append(texts, fmt.Sprint(part.Takes(domain.KindClient), part.Takes(domain.KindReferral)))
		}
		equal(t, "takes client, referral", strings.Join(texts, ", "), "false false, true true, true false, true true")
	})
}

func TestTooMuchForEach(t *testing.T) {
	staff := map[uuid.UUID]domain.StaffStatus{}
	next := func() uuid.UUID { return uuid.Must(uuid.NewV7()) }
	from, to := next(), []uuid.UUID{next(), next(), next()}
	for _, id := range append([]uuid.UUID{from}, to...) {
		staff[id] = domain.StaffActive
	}
	facts := &domain.WorkFacts{Staff: staff}
	for range domain.MaxSharedSeats/len(to) + 1 {
		facts.Tasks = append(facts.Tasks, domain.WorkTask{Matter: domain.None, Person: domain.None, Assignees: domain.StaffSet{from}})
	}
	plan := func(distribution domain.Distribution) error {
		wish := domain.WorkWish{From: from, Tasks: &domain.WorkPart{To: to, Distribution: distribution}}
		_, err := domain.PlanWork(facts, wish, domain.Date{Year: 2026, Month: 11, Day: 25}, time.Now())
		return err
	}
	var refusal *domain.Error
	if err := plan(domain.DistributeEach); !errors.As(err, &refusal) || refusal.Code != domain.CodeInvalidValue || refusal.Fields[0].Pointer != "/tasks/to_staff_ids" {
		t.Errorf("got %v", err)
	}
	if err := plan(domain.DistributeRoundRobin); err != nil {
		t.Errorf("got %v where one gets each", err)
	}
}
