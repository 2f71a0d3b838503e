package acceptance

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/xuri/excelize/v2"

	"handover/api"
)

// The clock of most of these tests: 2 March 2026, 03:30 in UTC, when in Toronto it is still 1 March.
var evening = time.Date(2026, 3, 2, 3, 30, 0, 0, time.UTC)

func TestReassignedMatters(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker, at(evening))

	s.rule(t, "B1 open and pending matters get a new responsible attorney; closed ones and those of others stay", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		open, pending, closed, others := w.matter("everyone", lea), w.matterWith("pending", "everyone", lea), w.matterWith("closed", "everyone", lea), w.matter("everyone", ann)
		run := w.reassigned(handOver(lea, given("matters", "", ann)))
		totals(t, run, api.RunTotals{MattersMoved: 2, LeftAlone: api.RunLeftAlone{ClosedMatter: 1}})
		items := w.items(run)
		became(t, items, open, "changed")
		became(t, items, pending, "changed")
		became(t, items, closed, "left_alone closed_matter")
		became(t, items, others, "")
		sameIDs(t, "before", items[open].Before.StaffIds, lea.ID)
		sameIDs(t, "after", items[open].After.StaffIds, ann.ID)
		w.responsible(open, ann)
		w.responsible(pending, ann)
		w.responsible(closed, lea)
		w.responsible(others, ann)
	})

	s.rule(t, "B1 who hands over may be deactivated", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		matter := w.matter("everyone", lea)
		w.deactivate(lea)
		w.reassigned(handOver(lea, given("matters", "", ann)))
		w.responsible(matter, ann)
	})

	s.rule(t, "B1 an administrator can hand over their own work, and name themselves", func(t *testing.T, w *world) {
		ann := w.member("member")
		own, anns := w.matter("everyone", w.Admin), w.matter("everyone", ann)
		w.reassigned(extended(handOver(w.Admin, given("matters", "", ann)), object{"from_staff_id": "me"}))
		w.responsible(own, ann)
		w.reassigned(handOver(ann, object{"matters": object{"to_staff_ids": []string{"me"}}}))
		w.responsible(own, w.Admin)
		w.responsible(anns, w.Admin)
	})

	s.rule(t, "B1 nothing to hand over is a run that changed nothing", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		run := w.reassigned(handOver(lea, allTo(ann)))
		totals(t, run, api.RunTotals{})
		if len(w.items(run)) != 0 || run.Progress != (api.RunProgress{}) {
			t.Errorf("got run %+v", run)
		}
		w.sameReports(t, run)
	})
}

func TestReassignedTasks(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker, at(evening))

	s.rule(t, "B2 active tasks of open and pending matters go to the new assignee, whoever's matters they are; co-assignees stay", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		own, others := w.matterWith("pending", "everyone", lea), w.matter("everyone", bob)
		alone, together, theirs := w.workOn(own, lea), w.workOn(others, lea, bob), w.workOn(own, bob)
		working := w.taskIn("in_progress", uuid.NullUUID{}, uuid.NullUUID{UUID: own, Valid: true}, lea)
		done := w.taskIn("completed", uuid.NullUUID{}, uuid.NullUUID{UUID: own, Valid: true}, lea)
		dropped := w.taskIn("cancelled", uuid.NullUUID{}, uuid.NullUUID{UUID: own, Valid: true}, lea)
		run := w.reassigned(handOver(lea, given("tasks", "", ann)))
		totals(t, run, api.RunTotals{TasksChanged: 3})
		w.heldBy(alone, ann)
		w.heldBy(together, ann, bob)
		w.heldBy(working, ann)
		w.heldBy(theirs, bob)
		w.heldBy(done, lea)
		w.heldBy(dropped, lea)
		w.responsible(own, lea)
		items := w.items(run)
		if len(items) != 3 {
			t.Errorf("got items %+v", items)
		}
		sameIDs(t, "before", items[together].Before.StaffIds, lea.ID, bob.ID)
		sameIDs(t, "after", items[together].After.StaffIds, ann.ID, bob.ID)
	})

	s.rule(t, "B2 where the successor is a co-assignee already the leaver is just taken off", func(_ *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		task := w.workOn(w.matter("everyone", ann), lea, ann)
		totals(w.t, w.reassigned(handOver(lea, given("tasks", "", ann))), api.RunTotals{TasksChanged: 1})
		w.heldBy(task, ann)
	})

	s.rule(t, "B2 past due is before today in the organization's time zone; without a due date a task never is", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		matter := w.matter("everyone", ann)
		yesterday, today, never := w.due(w.workOn(matter, lea), "2026-02-28"), w.due(w.workOn(matter, lea), "2026-03-01"), w.workOn(matter, lea)
		items := w.items(w.reassigned(handOver(lea, given("tasks", "", ann))))
		became(t, items, yesterday, "left_alone past_due")
		became(t, items, today, "changed")
		became(t, items, never, "changed")

		// East of the date line the same instant is 2 March.
		w.exec(`UPDATE organizations SET time_zone = 'Pacific/Auckland' WHERE id = $1`, w.ID)
		again := w.due(w.workOn(matter, lea), "2026-03-01")
		became(t, w.items(w.reassigned(handOver(lea, given("tasks", "", ann)))), again, "left_alone past_due")
	})

	s.rule(t, "B4 past-due tasks go too with include_past_due", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		task := w.due(w.workOn(w.matter("everyone", ann), lea), "2020-01-01")
		leftAlone(t, w.reassigned(handOver(lea, given("tasks", "", ann))), api.RunLeftAlone{PastDue: 1})
		w.heldBy(task, lea)
		body := handOver(lea, given("tasks", "", ann))
		body["tasks"].(object)["include_past_due"] = true
		totals(t, w.reassigned(body), api.RunTotals{TasksChanged: 1})
		w.heldBy(task, ann)
	})
}

func TestReassignedEvents(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker, at(evening))

	s.rule(t, "B3 upcoming events on the leaver's calendar move to the new owner's, those who attend stay", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		matter := w.matter("everyone", bob)
		next, now, past := w.eventOn(matter, evening.Add(time.Second), lea, bob), w.eventOn(matter, evening, lea), w.eventOn(matter, evening.Add(-time.Hour), lea)
		run := w.reassigned(handOver(lea, given("events", "", ann)))
		totals(t, run, api.RunTotals{EventsMoved: 1})
		w.owned(next, ann)
		w.owned(now, lea)
		w.owned(past, lea)
		sameIDs(t, "attendees", w.ids(`SELECT staff_id FROM calendar_event_attendees WHERE calendar_event_id = $1`, next), bob.ID)
		items := w.items(run)
		sameIDs(t, "before", items[next].Before.StaffIds, lea.ID)
		sameIDs(t, "after", items[next].After.StaffIds, ann.ID)
		w.lists(w.Admin, "/v1/calendar-events?owner_staff_id="+ann.ID.String(), next)
	})
}

func TestWhatIsNotReassigned(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker, at(evening))

	s.rule(t, "B4 what stays is told with the first reason that applies, in the documented order", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		open, closed, private := w.matter("everyone", ann), w.matterWith("closed", "everyone", lea), w.matterWith("closed", "private", ann)
		tomorrow, none := evening.Add(24*time.Hour), uuid.NullUUID{}
		client := w.person("client", ann)
		want := map[uuid.UUID]string{
			w.eventOn(open, tomorrow, ann, lea):                                      "left_alone attendee_only",
			w.eventAt(none, tomorrow, ann, lea):                                      "left_alone attendee_only",
			w.eventOn(closed, tomorrow, ann, lea):                                    "left_alone attendee_only",
			w.eventAt(none, tomorrow, lea):                                           "left_alone no_matter",
			w.eventOn(closed, tomorrow, lea):                                         "left_alone closed_matter",
			w.taskIn("open", none, none, lea):                                        "left_alone no_matter",
			w.due(w.taskIn("open", none, none, lea), "2020-01-01"):                   "left_alone no_matter",
			w.task(client, lea):                                                      "left_alone no_matter",
			w.workOn(closed, lea):                                                    "left_alone closed_matter",
			w.due(w.workOn(closed, lea), "2020-01-01"):                               "left_alone closed_matter",
			w.due(w.workOn(open, lea), "2020-01-01"):                                 "left_alone past_due",
			closed:                                                                   "left_alone closed_matter",
			w.workOn(open, lea):                                                      "changed",
			w.eventOn(open, tomorrow, lea):                                           "changed",
			w.eventOn(private, tomorrow, ann, lea):                                   "",
			w.eventOn(private, tomorrow, lea):                                        "",
			w.due(w.workOn(private, lea), "2020-01-01"):                              "",
			w.eventOn(open, evening.Add(-time.Hour), lea):                            "",
			w.taskIn("completed", none, none, lea):                                   "",
			w.taskIn("cancelled", none, uuid.NullUUID{UUID: open, Valid: true}, lea): "",
		}
		before := w.inHands()
		run := w.reassigned(handOver(lea, given("matters", "", ann), given("tasks", "", ann), given("events", "", ann)))
		totals(t, run, api.RunTotals{
			TasksChanged: 1, EventsMoved: 1, WithheldPrivate: 3,
			LeftAlone: api.RunLeftAlone{AttendeeOnly: 3, NoMatter: 4, ClosedMatter: 4, PastDue: 1},
		})
		items, told := w.items(run), 0
		for id, outcome := range want {
			became(t, items, id, outcome)
			if outcome != "" {
				told++
			}
			if item, found := items[id]; found && item.Outcome == "left_alone" {
				sameIDs(t, "left alone", item.After.StaffIds, item.Before.StaffIds...)
			}
		}
		if len(items) != told || run.Progress != (api.RunProgress{Done: told, Total: told}) {
			t.Errorf("got %d items, progress %+v, want %d", len(items), run.Progress, told)
		}
		changed := 0
		for what, who := range w.inHands() {
			if before[what] != who {
				changed++
			}
		}
		if changed != 2 {
			t.Errorf("%d things are with others", changed)
		}
		w.sameReports(t, run)
	})

	s.rule(t, "B4 the items that were left alone can be listed alone", func(_ *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		moves, stays := w.matter("everyone", lea), w.matterWith("closed", "everyone", lea)
		run := w.reassigned(handOver(lea, given("matters", "", ann)))
		for query, want := range map[string]uuid.UUID{"outcome=left_alone": stays, "outcome=changed": moves, "kind=matter&outcome=left_alone": stays} {
			got := list[api.RunItem](w, w.Admin, linksOf(w.t, run).Items+"?"+query)
			if len(got) != 1 || got[0].ItemID != want {
				w.t.Errorf("%s: got %+v", query, got)
			}
		}
	})
}

func TestPartsOfReassignedWork(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker, at(evening))

	for i, part := range []string{"matters", "tasks", "events", "people"} {
		s.rule(t, "B6 what is left out stays and reports nothing: "+part+" alone", func(t *testing.T, w *world) {
			lea, ann := w.member("member"), w.member("member")
			matter, secret, person := w.matter("everyone", lea), w.matter("private", lea), w.person("client", lea)
			task, event, ofPerson := w.workOn(matter, lea), w.eventOn(matter, evening.Add(time.Hour), lea), w.task(person, lea)
			w.workOn(secret, lea)
			w.eventOn(secret, evening.Add(time.Hour), lea)
			w.workOn(w.matterWith("closed", "everyone", ann), lea)
			before := w.inHands()
			run := w.reassigned(handOver(lea, given(part, "", ann)))
			withheld := 1
			if part == "people" {
				withheld = 0 // nothing private belongs to people
			}
			if run.Totals.WithheldPrivate != withheld {
				t.Errorf("withheld %d", run.Totals.WithheldPrivate)
			}
			items, moved := w.items(run), [][]uuid.UUID{{matter}, {task}, {event}, {person, ofPerson}}[i]
			for id, item := range items {
				if want := slices.Contains(moved, id); want != (item.Outcome == "changed") || !want && part != "tasks" {
					t.Errorf("%s %s: %s", item.Kind, id, told(item))
				}
			}
			changed := 0
			for what, who := range w.inHands() {
				if before[what] != who {
					changed++
				}
			}
			if changed != len(moved) {
				t.Errorf("%d things are with others", changed)
			}
		})
	}

	s.rule(t, "B6 each kind goes to its own successor in one run", func(t *testing.T, w *world) {
		lea, ann, bob, cat, dan := w.member("member"), w.member("member"), w.member("member"), w.member("member"), w.member("member")
		matter, person := w.matter("everyone", lea), w.person("referral", lea, ann)
		task, event, ofPerson := w.workOn(matter, lea), w.eventOn(matter, evening.Add(time.Hour), lea), w.task(person, lea)
		run := w.reassigned(handOver(lea, given("matters", "", ann), given("tasks", "", bob), given("events", "", cat), given("people", "", dan), object{"reason": "She has left"}))
		totals(t, run, api.RunTotals{MattersMoved: 1, TasksChanged: 2, EventsMoved: 1, PeopleChanged: 1, AssignmentsAdded: 1, AssignmentsRemoved: 1})
		w.responsible(matter, ann)
		w.heldBy(task, bob)
		w.owned(event, cat)
		w.servedBy(person, ann, dan)
		w.heldBy(ofPerson, dan)
		if run.Reason.MustGet() != "She has left" {
			t.Errorf("got reason %v", run.Reason)
		}
		w.sameReports(t, run)

		audited := map[uuid.UUID]api.AuditEvent{}
		for _, event := range list[api.AuditEvent](w, w.Admin, "/v1/audit-events?run_id="+run.ID.MustGet().String()) {
			audited[event.SubjectID] = event
		}
		for id, item := range w.items(run) {
			event, found := audited[id]
			if !found || event.SubjectKind != item.Kind || event.Action != "reassign_work" || event.Reason.MustGet() != "She has left" {
				t.Errorf("%s %s: got audit event %+v", item.Kind, id, event)
				continue
			}
			sameIDs(t, "before", staffIDsOf(event.Before.MustGet()), item.Before.StaffIds...)
			sameIDs(t, "after", staffIDsOf(event.After.MustGet()), item.After.StaffIds...)
		}
		if len(audited) != 5 {
			t.Errorf("got %d audit events", len(audited))
		}
	})

	s.rule(t, "B6 a part that is null is left out", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		matter := w.matter("everyone", lea)
		task := w.workOn(matter, lea)
		run := w.reassigned(handOver(lea, given("matters", "", ann), object{"tasks": nil, "events": nil, "people": nil, "run_at": nil, "return_at": nil, "expected_revision": nil, "reason": nil}))
		totals(t, run, api.RunTotals{MattersMoved: 1})
		w.heldBy(task, lea)
	})
}

func TestReassignedPeople(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker, at(evening))

	s.rule(t, "B9 successors take the leaver's place on people and their tasks, past due or not; other staff and co-assignees stay", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		client, referral, others := w.person("client", lea, bob), w.person("referral", lea, ann), w.person("client", bob)
		overdue, shared, unheld := w.due(w.task(client, lea), "2020-01-01"), w.task(referral, lea, ann, bob), w.task(client, bob)
		elsewhere := w.task(others, lea) // of somebody whom the leaver does not serve
		done := w.taskIn("completed", uuid.NullUUID{UUID: client, Valid: true}, uuid.NullUUID{}, lea)
		run := w.reassigned(handOver(lea, given("people", "", ann)))
		totals(t, run, api.RunTotals{PeopleChanged: 2, AssignmentsAdded: 1, AssignmentsRemoved: 2, TasksChanged: 2})
		w.servedBy(client, ann, bob)
		w.servedBy(referral, ann)
		w.servedBy(others, bob)
		w.heldBy(overdue, ann)
		w.heldBy(shared, ann, bob)
		w.heldBy(unheld, bob)
		w.heldBy(elsewhere, lea)
		w.heldBy(done, lea)
		if len(w.items(run)) != 4 {
			t.Errorf("got items %+v", w.items(run))
		}
		w.sameReports(t, run)
	})

	s.rule(t, "B9 people of the kinds that are named alone, and their tasks kept where that is asked for", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		client, referral := w.person("client", lea), w.person("referral", lea)
		ofClient, ofReferral := w.task(client, lea), w.task(referral, lea)
		people := given("people", "", ann)["people"].(object)
		totals(t, w.reassigned(handOver(lea, object{"people": extended(people, object{"kinds": []string{"client"}, "tasks": "keep"})})),
			api.RunTotals{PeopleChanged: 1, AssignmentsAdded: 1, AssignmentsRemoved: 1})
		w.servedBy(client, ann)
		w.servedBy(referral, lea)
		w.heldBy(ofClient, lea)
		totals(t, w.reassigned(handOver(lea, object{"people": extended(people, object{"kinds": []string{"referral"}, "tasks": "reassign"})})),
			api.RunTotals{PeopleChanged: 1, AssignmentsAdded: 1, AssignmentsRemoved: 1, TasksChanged: 1})
		w.servedBy(referral, ann)
		w.heldBy(ofReferral, ann)
		w.heldBy(ofClient, lea)
	})

	s.rule(t, "B9 tasks of people that are not handed over are told as belonging to no matter, where tasks are named", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		client, referral := w.person("client", lea), w.person("referral", lea)
		moves, stays := w.task(client, lea), w.task(referral, lea)
		people := extended(given("people", "", ann)["people"].(object), object{"kinds": []string{"client"}})
		items := w.items(w.reassigned(handOver(lea, given("tasks", "", ann), object{"people": people})))
		became(t, items, client, "changed")
		became(t, items, referral, "")
		became(t, items, moves, "changed")
		became(t, items, stays, "left_alone no_matter")
	})

	s.rule(t, "B9 inactive people are handed over too: who serves them must not be lost", func(_ *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		person := w.person("client", lea)
		w.exec(`UPDATE people SET status = 'inactive' WHERE organization_id = $1`, w.ID)
		w.reassigned(handOver(lea, given("people", "", ann)))
		w.servedBy(person, ann)
	})
}

func TestReassigningAgain(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker, at(evening))

	// everything gives a leaver some of everything: what moves, what stays, and what is private.
	everything := func(w *world, lea, bob member) {
		tomorrow, none := evening.Add(24*time.Hour), uuid.NullUUID{}
		for range 3 {
			open, closed, private := w.matter("everyone", lea), w.matterWith("closed", "everyone", lea), w.matter("private", lea)
			for _, matter := range []uuid.UUID{open, closed, private} {
				w.workOn(matter, lea, bob)
				w.due(w.workOn(matter, lea), "2020-01-01")
				w.eventOn(matter, tomorrow, lea)
				w.eventOn(matter, tomorrow, bob, lea)
			}
			w.taskIn("open", none, none, lea)
			w.task(w.person("client", lea, bob), lea, bob)
			w.task(w.person("referral", lea), lea)
		}
	}

	s.rule(t, "A16 a preview says what the run will come to, and changes nothing", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		everything(w, lea, bob)
		before := w.tables()
		for range 2 {
			run := w.previewed(handOver(lea, allTo(ann)))
			totals(t, run, api.RunTotals{
				MattersMoved: 3, TasksChanged: 9, EventsMoved: 3, PeopleChanged: 6, AssignmentsAdded: 6, AssignmentsRemoved: 6, WithheldPrivate: 15,
				LeftAlone: api.RunLeftAlone{AttendeeOnly: 6, NoMatter: 3, ClosedMatter: 12, PastDue: 3},
			})
			w.unchanged(before)
		}
		w.reassign(extended(handOver(lea, allTo(ann)), preview), key("a preview keeps no key")).must(200)
		w.reassign(extended(handOver(lea, allTo(ann)), preview), async).must(200) // a preview is never asynchronous
		w.reassign(extended(handOver(lea, allTo(ann)), extended(preview, object{"run_at": "2026-04-01T00:00:00Z", "return_at": "2026-05-01T00:00:00Z"}))).must(200)
		w.unchanged(before)
		if runs := w.listed(w.Admin, "/v1/runs"); len(runs) != 0 {
			t.Errorf("previews are listed: %v", runs)
		}
	})

	s.rule(t, "A17 handing over again finds nothing to move, and leaves alone what it left alone", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		everything(w, lea, bob)
		first := w.reassigned(handOver(lea, allTo(ann)))
		before := w.tables()
		again := w.reassigned(handOver(lea, allTo(ann)))
		totals(t, again, api.RunTotals{LeftAlone: first.Totals.LeftAlone, WithheldPrivate: first.Totals.WithheldPrivate})
		w.unchanged(before, "runs", "run_progress", "run_items")
		w.sameReports(t, first)
		w.sameReports(t, again)
	})

	s.rule(t, "D5 who has handed over everything holds only what was left alone", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		matter := w.matter("everyone", lea)
		w.workOn(matter, lea)
		w.eventOn(matter, evening.Add(time.Hour), lea)
		w.task(w.person("client", lea), lea)
		path := "/v1/staff/" + lea.ID.String() + "/deactivate?require_empty=true"
		w.as(w.Admin, "POST", path, nil).problem(409, "staff_holds_work")
		w.reassigned(handOver(lea, allTo(ann)))
		w.as(w.Admin, "POST", path, nil).must(200)
		w.reassigned(handOver(ann, allTo(w.Admin)))
	})
}

func TestReportsOfReassignedWork(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker, at(evening))

	s.rule(t, "B8 every item moved or left alone is in each report, whatever it is called, and the summary sheet has the totals", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		for i, name := range awkward {
			matter := w.matterWith([]string{"open", "closed", "pending"}[i%3], "everyone", lea)
			w.exec(`UPDATE matters SET number = $3, description = $4, external_id = $5 WHERE organization_id = $1 AND id = $2`, w.ID, matter, name+matter.String(), name, "="+matter.String())
			task, event := w.workOn(matter, lea), w.eventOn(matter, evening.Add(time.Hour), lea, ann)
			w.exec(`UPDATE tasks SET title = $3 WHERE organization_id = $1 AND id = $2`, w.ID, task, name)
			w.exec(`UPDATE calendar_events SET title = $3, external_id = $4 WHERE organization_id = $1 AND id = $2`, w.ID, event, name, "@"+event.String())
			if i%2 == 0 {
				w.due(task, "2020-01-01")
			}
		}
		w.eventAt(uuid.NullUUID{}, evening.Add(time.Hour), ann, lea)
		w.workOn(w.matter("private", lea), lea)
		reason := `=HYPERLINK("http://example.org","Why")`
		run := w.reassigned(handOver(lea, allTo(ann), object{"reason": reason}))
		w.sameReports(t, run)
		w.summed(t, w.Admin, run)
		undo := w.undone(run)
		w.sameReports(t, undo)

		file, err := excelize.OpenReader(bytes.NewReader(w.get(w.Admin, linksOf(t, run).ReportXLSX).must(200).Body))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if sheets := file.GetSheetList(); !slices.Equal(sheets, []string{"Summary", "Items"}) {
			t.Errorf("got sheets %v", sheets)
		}
		panes, err := file.GetPanes("Items")
		if err != nil || !panes.Freeze || panes.YSplit != 1 {
			t.Errorf("the header is not frozen: %+v, %v", panes, err)
		}
		names := file.GetDefinedName()
		if !slices.ContainsFunc(names, func(name excelize.DefinedName) bool {
			return strings.Contains(name.Name, "FilterDatabase") && name.Scope == "Items"
		}) {
			t.Errorf("the items have no filters: %+v", names)
		}
		rows, err := file.GetRows("Summary", excelize.Options{RawCellValue: true})
		if err != nil {
			t.Fatal(err)
		}
		summary := map[string]string{}
		for i, row := range rows {
			if formula, err := file.GetCellFormula("Summary", fmt.Sprintf("B%d", i+1)); err != nil || formula != "" {
				t.Errorf("%s is the formula %q, %v", row[0], formula, err)
			}
			if len(row) > 1 {
				summary[row[0]] = row[1]
			}
		}
		for name, want := range map[string]any{
			"Run": run.ID.MustGet(), "Kind": "reassign_work", "Status": "succeeded", "Reason": reason,
			"Matters moved": run.Totals.MattersMoved, "Events moved": run.Totals.EventsMoved, "Tasks changed": run.Totals.TasksChanged, "Withheld as private": 2,
			"Left alone: matter closed": run.Totals.LeftAlone.ClosedMatter, "Left alone: past due": run.Totals.LeftAlone.PastDue, "Left alone: only attending": 1,
		} {
			if summary[name] != fmt.Sprint(want) {
				t.Errorf("%s: the summary says %q, want %v", name, summary[name], want)
			}
		}
	})
}
