package acceptance

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

func TestUndo(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	tomorrow := time.Now().Add(24 * time.Hour)

	// edit changes a resource as the administrator, as it is now.
	edit := func(w *world, path string, body object) {
		w.t.Helper()
		read := w.get(w.Admin, path).must(200)
		w.as(w.Admin, "PATCH", path, body, header{"If-Match", read.Header.Get("ETag")}).must(200)
	}
	task := func(id uuid.UUID) string { return "/v1/tasks/" + id.String() }
	matter := func(id uuid.UUID) string { return "/v1/matters/" + id.String() }
	event := func(id uuid.UUID) string { return "/v1/calendar-events/" + id.String() }

	s.rule(t, "B11 undo restores a leaver's work whole, and says of every item what became of it", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		for range 3 {
			m := w.matter("everyone", lea)
			w.workOn(m, lea, bob)
			w.workOn(m, lea, ann)
			w.due(w.workOn(m, lea), "2020-01-01")
			w.eventOn(m, tomorrow, lea)
			p := w.person("client", lea, bob)
			w.task(p, lea)
			w.task(p, lea, ann)
		}
		before := w.inHands()
		run := w.reassigned(handOver(lea, given("matters", "", ann), given("tasks", "round_robin", ann, bob), given("events", "", bob), given("people", "each", ann, bob)))
		if state := run.Undo.MustGet(); !state.Available || !state.UndoneBy.IsNull() || !state.Until.MustGet().Equal(run.FinishedAt.MustGet().AddDate(0, 0, 30)) {
			t.Errorf("got %+v", state)
		}
		undo := w.undone(run)
		w.sameHands(before)
		// Who served the people too, bob, stays: there the run added one.
		totals(t, undo, api.RunTotals{MattersMoved: 3, TasksChanged: 12, EventsMoved: 3, PeopleChanged: 3, AssignmentsAdded: 3, AssignmentsRemoved: 3})
		w.summed(t, w.Admin, undo)
		w.sameReports(t, undo)
		was, is := w.items(run), w.items(undo)
		for id, item := range was {
			if item.Outcome != "changed" {
				became(t, is, id, "")
				continue
			}
			became(t, is, id, "changed")
			sameIDs(t, "before the undo", is[id].Before.StaffIds, item.After.StaffIds...)
			sameIDs(t, "after the undo", is[id].After.StaffIds, item.Before.StaffIds...)
		}
		if events := list[api.AuditEvent](w, w.Admin, "/v1/audit-events?limit=200&action=undo"); len(events) != len(is) {
			t.Errorf("got %d audit events of %d items", len(events), len(is))
		}
		if state := w.reread(run).Undo.MustGet(); state.Available || state.UndoneBy.MustGet() != undo.ID.MustGet() {
			t.Errorf("got %+v", state)
		}
		if told := list[api.Notification](w, lea, "/v1/notifications"); len(told) != 2 || told[0].Kind != "work_received" || told[0].Work.Matters != 3 || told[0].Work.Tasks != 12 {
			t.Errorf("who gets it back is told %+v", told)
		}
		// What was handed over can be handed over once more.
		w.reassigned(handOver(lea, allTo(ann)))
	})

	s.rule(t, "B11 A16 a preview of an undo changes nothing", func(_ *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		w.workOn(w.matter("everyone", lea), lea)
		run := w.reassigned(handOver(lea, allTo(ann)))
		before := w.tables()
		w.undo(w.Admin, run, preview).must(200)
		w.undo(w.Admin, run, preview, async).must(200)
		w.undo(w.Admin, run, preview, key("k")).must(200)
		w.unchanged(before)
	})

	s.rule(t, "B11 nothing need be said to undo or cancel a run: a body may be left out", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		run := w.reassigned(handOver(lea, allTo(ann)))
		path := "/v1/runs/" + run.ID.MustGet().String() + "/undo"
		undo := decode[api.Run](w.as(w.Admin, "POST", path, nil, key("k")).must(200))
		w.responsible(m, lea)
		if again := w.as(w.Admin, "POST", path, object{}, key("k")).must(200); decode[api.Run](again).ID.MustGet() != undo.ID.MustGet() {
			t.Errorf("an empty body is another request than none: got %s", again.Body)
		}
		later := decode[api.Run](w.reassign(handOver(lea, allTo(ann), object{"run_at": soon(time.Hour)})).must(202))
		w.as(w.Admin, "POST", "/v1/runs/"+later.ID.MustGet().String()+"/cancel", nil).must(200)
	})

	s.rule(t, "B11 what has changed since stays as it is, and the undo says so", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		home := w.matter("everyone", bob)
		joined, handedOn, givenBack, taken := w.workOn(home, lea), w.workOn(home, lea), w.workOn(home, lea), w.workOn(home, lea)
		renamed, untouched := w.workOn(home, lea), w.workOn(home, lea)
		movedMatter, otherMatter := w.matter("everyone", lea), w.matter("everyone", lea)
		movedEvent, otherEvent := w.eventOn(home, tomorrow, lea), w.eventOn(home, tomorrow, lea)
		joinedPerson, otherPerson := w.person("client", lea), w.person("client", lea)
		run := w.reassigned(handOver(lea, allTo(ann)))

		edit(w, task(joined), object{"assignee_ids": idsOf(ann, bob)})
		edit(w, task(handedOn), object{"assignee_ids": idsOf(bob)})
		edit(w, task(givenBack), object{"assignee_ids": idsOf(lea)})
		edit(w, task(taken), object{"assignee_ids": []uuid.UUID{}})
		edit(w, task(renamed), object{"title": "Renamed", "due_on": "2030-01-01"})
		edit(w, matter(movedMatter), object{"responsible_staff_id": bob.ID})
		edit(w, event(movedEvent), object{"owner_staff_id": bob.ID})
		w.managed(people(joinedPerson), change("add", staffed(bob)))

		items := w.items(w.undone(run))
		for _, id := range []uuid.UUID{joined, handedOn, givenBack, taken, movedMatter, movedEvent, joinedPerson} {
			became(t, items, id, "left_alone changed_since")
		}
		for _, id := range []uuid.UUID{renamed, untouched, otherMatter, otherEvent, otherPerson} {
			became(t, items, id, "changed")
		}
		w.heldBy(joined, ann, bob)
		w.heldBy(handedOn, bob)
		w.heldBy(givenBack, lea)
		w.heldBy(taken)
		w.heldBy(renamed, lea)
		w.heldBy(untouched, lea)
		w.responsible(movedMatter, bob)
		w.responsible(otherMatter, lea)
		w.owned(movedEvent, bob)
		w.owned(otherEvent, lea)
		w.servedBy(joinedPerson, ann, bob)
		w.servedBy(otherPerson, lea)
	})

	s.rule(t, "B11 what is over stays as it is, and the undo says so", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		home := w.matter("everyone", ann)
		done, dropped, closed, past := w.workOn(home, lea), w.workOn(home, lea), w.matter("everyone", lea), w.eventOn(home, tomorrow, lea)
		run := w.reassigned(handOver(lea, allTo(ann)))
		edit(w, task(done), object{"status": "completed"})
		edit(w, task(dropped), object{"status": "cancelled"})
		edit(w, matter(closed), object{"status": "closed"})
		w.exec(`UPDATE calendar_events SET starts_at = now() - interval '1 hour' WHERE id = $1`, past)
		undo := w.undone(run)
		totals(t, undo, api.RunTotals{LeftAlone: api.RunLeftAlone{NoLongerActive: 4}})
		items := w.items(undo)
		for _, id := range []uuid.UUID{done, dropped, closed, past} {
			became(t, items, id, "left_alone no_longer_active")
		}
		w.heldBy(done, ann)
		w.responsible(closed, ann)
		w.owned(past, ann)
		w.sameReports(t, undo)
	})

	s.rule(t, "B11 who had it gets it back, deactivated or not", func(_ *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		run := w.reassigned(handOver(lea, allTo(ann)))
		w.deactivate(lea)
		w.undone(run)
		w.responsible(m, lea)
	})

	s.rule(t, "B7 B11 whoever an undo takes work from is told once, and by whom; who gets other work is told of that alone", func(t *testing.T, w *world) {
		lea, ann, bob, cat := w.member("member"), w.member("member"), w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		w.workOn(m, lea)
		w.workOn(m, lea, cat)
		w.eventOn(m, tomorrow, lea)
		run := w.reassigned(handOver(lea, given("matters", "", ann), given("tasks", "", ann), given("events", "", bob)))
		undo := w.undone(run)
		anns := w.toldOnce(ann, undo)
		work(t, anns, "work_handed_over", api.NotificationWork{Matters: 1, Tasks: 2})
		if !anns.From.IsNull() || anns.Actor.MustGet().ID != w.Admin.ID {
			t.Errorf("got %+v", anns)
		}
		work(t, w.toldOnce(bob, undo), "work_handed_over", api.NotificationWork{Events: 1})
		work(t, w.toldOnce(lea, undo), "work_received", api.NotificationWork{Matters: 1, Tasks: 2, Events: 1})
		w.untold(cat)

		person := w.person("client", ann)
		managed := w.managed(people(person), change("replace", object{"staff_ids": idsOf(cat), "task_policy": "keep"}))
		work(t, w.toldOnce(cat, managed), "work_received", api.NotificationWork{People: 1})
		if told := w.told(ann, ""); len(told.Items) != 2 {
			t.Errorf("a change of assignments tells whom it adds alone: got %+v", told.Items)
		}
		work(t, w.toldOnce(cat, w.undone(managed)), "work_handed_over", api.NotificationWork{People: 1})
	})

	s.rule(t, "B11 every change of assignments can be undone", func(t *testing.T, w *world) {
		ann, bob, cat := w.member("member"), w.member("member"), w.member("member")
		for what, change := range map[string]object{
			"add":                 change("add", object{"staff_ids": idsOf(cat), "task_policy": "add_new_staff", "task_scope": "all"}),
			"add and reassign":    change("add", object{"staff_ids": idsOf(cat), "task_policy": "reassign_all"}),
			"replace":             change("replace", object{"staff_ids": idsOf(cat), "task_policy": "reassign_all", "task_scope": "all"}),
			"replace and keep":    change("replace", object{"staff_ids": idsOf(cat, ann), "task_policy": "keep"}),
			"remove":              change("remove", object{"staff_ids": idsOf(ann), "task_policy": "reassign_to_remaining"}),
			"remove all":          change("remove", object{"all_staff": true, "task_policy": "unassign"}),
			"what is there again": change("add", object{"staff_ids": idsOf(ann), "task_policy": "keep"}),
		} {
			both, one := w.person("client", ann, bob), w.person("referral", ann, bob)
			for _, person := range []uuid.UUID{both, one} {
				w.task(person, ann)
				w.task(person, ann, bob)
				w.task(person)
			}
			before := w.inHands()
			run := w.managed(people(both, one), change)
			undo := w.undone(run)
			w.sameHands(before)
			if undo.Totals.TasksChanged != run.Totals.TasksChanged || undo.Totals.AssignmentsAdded != run.Totals.AssignmentsRemoved || undo.Totals.AssignmentsRemoved != run.Totals.AssignmentsAdded {
				t.Errorf("%s: the run came to %+v, its undo to %+v", what, run.Totals, undo.Totals)
			}
			w.summed(t, w.Admin, undo)
			if t.Failed() {
				t.Fatal(what)
			}
		}
	})

	s.rule(t, "A18 B11 what was done by the older actions can be undone", func(_ *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		person := w.person("client", ann)
		w.task(person, ann)
		before := w.inHands()
		for _, ask := range []struct {
			path string
			body object
		}{
			{"/v1/assign-staff", object{"selection": people(person), "staff_ids": idsOf(bob), "tasks": "reassign"}},
			{"/v1/remove-staff", object{"selection": people(person)}},
		} {
			w.undone(decode[api.Run](w.as(w.Admin, "POST", ask.path, ask.body).must(200)))
			w.sameHands(before)
		}
	})

	s.rule(t, "A5 B11 intake tasks that nobody has touched are cancelled with the undo; others stay, and it says so", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		w.template(intake("Call", "", 1), intake("Meet", "", 2), intake("Visit", "", 3), intake("Review", "", 4), intake("File", "", 5))
		fresh, other := w.person("referral"), w.person("client")
		run := w.managed(people(fresh, other), change("assign", object{"staff_ids": idsOf(ann), "include_intake_tasks": true}))
		created := w.ids(`SELECT id FROM tasks WHERE organization_id = $1 AND person_id = $2 ORDER BY due_on`, w.ID, fresh)
		edit(w, task(created[0]), object{"title": "Call back"})
		edit(w, task(created[1]), object{"status": "completed"})
		edit(w, task(created[2]), object{"assignee_ids": idsOf(ann, bob)})
		undo := w.undone(run)
		totals(t, undo, api.RunTotals{PeopleChanged: 2, AssignmentsRemoved: 2, TasksCancelled: 2, LeftAlone: api.RunLeftAlone{ChangedSince: 3}})
		items := w.items(undo)
		for i, want := range []string{"left_alone changed_since", "left_alone changed_since", "left_alone changed_since", "changed intake_cancelled", "changed intake_cancelled"} {
			became(t, items, created[i], want)
			read := decode[api.Task](w.get(w.Admin, task(created[i])).must(200))
			if cancelled := read.Status == "cancelled"; cancelled != (i >= 3) || cancelled && len(read.Assignees) != 0 {
				t.Errorf("task %d is %+v", i, read)
			}
		}
		w.servedBy(fresh)
		w.servedBy(other)
		w.heldBy(created[0], ann)
		w.sameReports(t, undo)
		w.summed(t, w.Admin, undo)

		// Assigned again, the referral has had intake tasks already (A5).
		again := w.managed(people(fresh), change("assign", object{"staff_ids": idsOf(ann), "include_intake_tasks": true}))
		if again.Totals.TasksCreated != 0 {
			t.Errorf("got totals %+v", again.Totals)
		}
	})

	s.rule(t, "B11 runs that are undone in the opposite order leave everything as it was; in another order what has changed since stays", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		shared := w.workOn(m, lea, bob)
		before := w.inHands()
		first := w.reassigned(handOver(lea, allTo(ann)))
		middle := w.inHands()
		second := w.reassigned(handOver(ann, allTo(bob)))
		early := decode[api.Run](w.undo(w.Admin, first, preview).must(200))
		totals(t, early, api.RunTotals{LeftAlone: api.RunLeftAlone{ChangedSince: 2}})
		w.undone(second)
		w.sameHands(middle)
		w.undone(first)
		w.sameHands(before)
		w.heldBy(shared, bob, lea)
	})

	s.rule(t, "B11 who asked for a change may undo it as long as they may make it; administrators may undo others'", func(t *testing.T, w *world) {
		ann := w.member("member")
		manager, colleague := w.member("member", "clients"), w.member("member", "clients")
		ask := func() api.Run {
			return decode[api.Run](w.manage(manager, people(w.person("client")), change("assign", staffed(ann))).must(200))
		}
		own, others, lost := ask(), ask(), ask()
		w.undo(colleague, own, object{}).problem(403, "permission_denied")
		w.undo(manager, own, object{"reason": "A mistake"}).must(200)
		w.undo(w.Admin, others, object{}).must(200)
		w.exec(`UPDATE staff SET permissions = '{referrals}' WHERE id = $1`, manager.ID)
		before := w.tables()
		w.undo(manager, lost, object{}).problem(403, "permission_denied")
		w.undo(manager, lost, preview).problem(403, "permission_denied")
		w.unchanged(before)
		if undo := list[api.Run](w, w.Admin, "/v1/runs?kind=undo"); len(undo) != 2 || undo[1].Reason.MustGet() != "A mistake" || undo[1].RequestedBy.ID != manager.ID {
			t.Errorf("got %+v", undo)
		}
	})

	s.rule(t, "B11 of eight undos at once exactly one wins, five times", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		m := w.matter("everyone", lea)
		for range 10 {
			w.workOn(m, lea)
		}
		before := w.inHands()
		for range 5 {
			run := w.reassigned(handOver(lea, allTo(ann)))
			won := 0
			for _, got := range together(8, func(int) answer { return w.undo(w.Admin, run, object{}) }) {
				if got.Status == 200 {
					won++
					continue
				}
				got.problem(409, "already_undone")
			}
			if won != 1 {
				t.Fatalf("%d undos won", won)
			}
			w.sameHands(before)
		}
	})

	s.rule(t, "B11 an undo and an edit at once: the item is the undo's or the edit's, and the undo says which", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		m := w.matter("everyone", bob)
		for range 10 {
			id := w.workOn(m, lea)
			run := w.reassigned(handOver(lea, given("tasks", "", ann)))
			read := w.get(w.Admin, task(id)).must(200)
			answers := together(2, func(i int) answer {
				if i == 0 {
					return w.undo(w.Admin, run, object{})
				}
				return w.as(w.Admin, "PATCH", task(id), object{"assignee_ids": idsOf(bob)}, header{"If-Match", read.Header.Get("ETag")})
			})
			undo := decode[api.Run](answers[0].must(200))
			switch answers[1].Status {
			case 200: // before the undo, or it would not have been as it was read
				became(t, w.items(undo), id, "left_alone changed_since")
				w.heldBy(id, bob)
			default:
				answers[1].problem(412, "precondition_failed")
				became(t, w.items(undo), id, "changed")
				w.heldBy(id, lea)
			}
			w.exec(`UPDATE tasks SET status = 'completed', updated_at = now() WHERE id = $1`, id)
		}
	})
}

func TestAsynchronousUndo(t *testing.T) {
	t.Parallel()
	s := start(t)

	s.rule(t, "B11 an undo can be left to a worker, and followed", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		w.workOn(w.matter("everyone", lea), lea)
		before := w.inHands()
		run := w.finished(w.reassign(handOver(lea, allTo(ann)), async).must(202))
		got := w.undo(w.Admin, run, object{"reason": "She stays"}, async).must(202)
		if queued := decode[api.Run](got); queued.Kind != "undo" || queued.Reverts.MustGet() != run.ID.MustGet() || got.Header.Get("Location") != linksOf(t, queued).Self {
			t.Errorf("got %+v", queued)
		}
		undo := w.finished(got)
		if undo.Status != "succeeded" || undo.Reason.MustGet() != "She stays" {
			t.Errorf("got run %+v", undo)
		}
		w.sameHands(before)
	})

	s.rule(t, "B11 an undo that comes too late ends as failed, and its requester is told", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		w.workOn(w.matter("everyone", lea), lea)
		run := w.reassigned(handOver(lea, allTo(ann)))
		answers := together(3, func(int) answer { return w.undo(w.Admin, run, object{}, async) })
		succeeded, failed := 0, 0
		for _, got := range answers {
			if got.Status == 409 {
				got.problem(409, "already_undone")
				continue
			}
			switch undo := w.finished(got.must(202)); undo.Status {
			case "succeeded":
				succeeded++
			default:
				failed++
				if failure := undo.Error.MustGet(); failure.Code != "already_undone" || failure.Status != 409 {
					t.Errorf("got %+v", failure)
				}
			}
		}
		if succeeded != 1 {
			t.Errorf("%d undos came through", succeeded)
		}
		if told := list[api.Notification](w, w.Admin, "/v1/notifications?kind=run_failed"); len(told) != failed {
			t.Errorf("%d undos failed, told %+v", failed, told)
		}
	})
}
