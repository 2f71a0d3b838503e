package acceptance

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

func TestA4Assign(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "A4 people without staff get one or several", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		client, referral := w.person("client"), w.person("referral")
		task := w.task(client, w.Admin)
		run := w.managed(people(client, referral), change("assign", staffed(ann, bob)))
		totals(t, run, api.RunTotals{PeopleChanged: 2, AssignmentsAdded: 4})
		for _, person := range []uuid.UUID{client, referral} {
			w.servedBy(person, ann, bob)
			became(t, w.items(run), person, "changed")
		}
		w.heldBy(task, w.Admin)
		shown := decode[api.Person](w.get(w.Admin, "/v1/people/"+client.String()).must(200))
		if len(shown.Staff) != 2 || shown.Staff[0].ID != idsOf(ann, bob)[0] || shown.ActiveTaskCount != 1 {
			t.Errorf("got %+v", shown)
		}
	})

	s.rule(t, "A4 where anybody has staff the caller must choose: 409 with the summary, and nothing is applied", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		free, served := w.person("client"), w.person("client", ann)
		w.task(served, ann)
		before := w.tables()
		for _, dry := range []bool{true, false} {
			problem := w.manage(w.Admin, people(free, served), change("assign", staffed(bob)), object{"dry_run": dry}).problem(409, "existing_assignments")
			if problem.Summary == nil {
				t.Fatal("the summary is missing")
			}
			summary := *problem.Summary
			if summary.Selected.Total != 2 || summary.WithStaff.Count != 1 || summary.ActiveTasks.Count != 1 || !slices.Equal(summary.AvailableChanges, []string{"add", "replace", "remove"}) {
				t.Errorf("got summary %+v", summary)
			}
			w.lists(w.Admin, summary.WithStaff.Href, served)
			// The summary can be gone on with as it is.
			w.manage(w.Admin, saved(summary.SelectionID), change("add", object{"staff_ids": idsOf(bob), "task_policy": "keep"}),
				object{"expected_revision": summary.Revision, "dry_run": true}).must(200)
		}
		w.unchanged(before, "selections", "selection_people")
	})

	s.rule(t, "A4 assigning the same again is refused like any other: they have staff now", func(t *testing.T, w *world) {
		person := w.person("client")
		w.managed(people(person), change("assign", staffed(w.Admin)))
		w.manage(w.Admin, people(person), change("assign", staffed(w.Admin))).problem(409, "existing_assignments")
	})
}

// template writes the organization's intake template.
func (w *world) template(tasks ...object) {
	w.t.Helper()
	if tasks == nil {
		tasks = []object{}
	}
	w.as(w.Admin, "PUT", "/v1/intake-template", object{"tasks": tasks}, header{"If-Match", "*"}).must(200)
}

func intake(title, details string, days int) object {
	return object{"title": title, "details": details, "days_until_due": days}
}

// tasksOf lists the tasks of a person, by title.
func (w *world) tasksOf(person uuid.UUID) []api.Task {
	w.t.Helper()
	tasks := list[api.Task](w, w.Admin, "/v1/tasks?person_id="+person.String())
	slices.SortFunc(tasks, func(a, b api.Task) int { return cmp.Compare(a.Title, b.Title) })
	return tasks
}

func TestA5IntakeTasks(t *testing.T) {
	t.Parallel()
	// Half past eleven at night on the day before summer time begins in Toronto, hours into the next day elsewhere.
	s := start(t, withoutWorker, at(time.Date(2026, time.March, 8, 4, 30, 0, 0, time.UTC)))

	s.rule(t, "A5 each referral gets the template's tasks, held by the new staff, due in the organization's time zone", func(t *testing.T, w *world) {
		for zone, days := range map[string][3]string{
			"America/Toronto":    {"2026-03-07", "2026-03-08", "2027-03-07"},
			"UTC":                {"2026-03-08", "2026-03-09", "2027-03-08"},
			"Pacific/Auckland":   {"2026-03-08", "2026-03-09", "2027-03-08"},
			"Pacific/Kiritimati": {"2026-03-08", "2026-03-09", "2027-03-08"},
			"Pacific/Pago_Pago":  {"2026-03-07", "2026-03-08", "2027-03-07"},
		} {
			w.exec(`UPDATE organizations SET time_zone = $2 WHERE id = $1`, w.ID, zone)
			w.template(intake("A call", "Say hello", 0), intake("B meeting", "", 1), intake("C review", "After a year", 365))
			ann, bob := w.member("member"), w.member("member")
			one, two := w.person("referral"), w.person("referral")
			run := w.managed(people(one, two), change("assign", object{"staff_ids": idsOf(ann, bob), "include_intake_tasks": true}))
			totals(t, run, api.RunTotals{PeopleChanged: 2, AssignmentsAdded: 4, TasksCreated: 6})
			items := w.items(run)
			for _, person := range []uuid.UUID{one, two} {
				became(t, items, person, "changed")
				tasks := w.tasksOf(person)
				if len(tasks) != 3 {
					t.Fatalf("%s: got tasks %+v", zone, tasks)
				}
				for i, want := range []struct{ title, details string }{{"A call", "Say hello"}, {"B meeting", ""}, {"C review", "After a year"}} {
					task := tasks[i]
					if task.Title != want.title || task.Details != want.details || task.Status != "open" || task.DueOn.MustGet().String() != days[i] || task.PastDue {
						t.Errorf("%s: got task %+v", zone, task)
					}
					w.heldBy(task.ID, ann, bob)
					became(t, items, task.ID, "created")
					if item := items[task.ID]; len(item.Before.StaffIds) != 0 || len(item.After.StaffIds) != 2 || item.Label != want.title {
						t.Errorf("got item %+v", item)
					}
				}
			}
		}
	})

	s.rule(t, "A5 the result tells who got none, and why", func(t *testing.T, w *world) {
		ann := w.member("member")
		w.template(intake("Call", "", 3))
		referral, client, known, done := w.person("referral"), w.person("client"), w.person("referral"), w.person("referral")
		// Two have tasks from the template already, one of them a completed one.
		w.managed(people(known, done), change("assign", object{"staff_ids": idsOf(ann), "include_intake_tasks": true}))
		w.managed(people(known, done), change("remove", object{"all_staff": true, "task_policy": "unassign"}))
		w.as(w.Admin, "PATCH", "/v1/tasks/"+w.tasksOf(done)[0].ID.String(), object{"status": "completed", "title": "Called"}, header{"If-Match", "*"}).must(200)
		// A task of the same title that somebody wrote is not one from the template.
		w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call", "person_id": referral}).must(201)

		selection := people(referral, client, known, done)
		preview := decode[api.Run](w.manage(w.Admin, selection, change("assign", object{"staff_ids": idsOf(ann), "include_intake_tasks": true}), object{"dry_run": true}).must(200))
		run := w.managed(selection, change("assign", object{"staff_ids": idsOf(ann), "include_intake_tasks": true}))
		totals(t, run, api.RunTotals{PeopleChanged: 4, AssignmentsAdded: 4, TasksCreated: 1})
		totals(t, preview, run.Totals)
		items := w.items(run)
		became(t, items, referral, "changed")
		became(t, items, client, "changed intake_only_referrals")
		became(t, items, known, "changed intake_already_created")
		became(t, items, done, "changed intake_already_created")
		for person, want := range map[uuid.UUID]int{referral: 2, client: 0, known: 1, done: 1} {
			if got := len(w.tasksOf(person)); got != want {
				t.Errorf("got %d tasks, want %d", got, want)
			}
		}
	})

	s.rule(t, "A5 an empty template gives nothing and says so; not asked for, nothing is said", func(t *testing.T, w *world) {
		w.template()
		referral, other := w.person("referral"), w.person("referral")
		run := w.managed(people(referral), change("assign", object{"staff_ids": idsOf(w.Admin), "include_intake_tasks": true}))
		became(t, w.items(run), referral, "changed intake_template_empty")
		w.template(intake("Call", "", 3))
		run = w.managed(people(other), change("assign", object{"staff_ids": idsOf(w.Admin), "include_intake_tasks": false}))
		became(t, w.items(run), other, "changed")
		totals(t, run, api.RunTotals{PeopleChanged: 1, AssignmentsAdded: 1})
	})

	s.rule(t, "A5 who waits for the same referral does not give the tasks twice", func(t *testing.T, w *world) {
		w.template(intake("Call", "", 3), intake("Visit", "", 7))
		referral := w.person("referral")
		answers := together(8, func(int) answer {
			return w.manage(w.Admin, people(referral), change("assign", object{"staff_ids": idsOf(w.Admin), "include_intake_tasks": true}))
		})
		done := 0
		for _, got := range answers {
			if got.Status == 200 {
				done++
			} else {
				got.problem(409, "existing_assignments")
			}
		}
		if tasks := w.tasksOf(referral); done != 1 || len(tasks) != 2 {
			t.Errorf("%d were carried out, got tasks %+v", done, tasks)
		}
	})

	s.rule(t, "A5 administrators edit the template, and nobody else reads it", func(t *testing.T, w *world) {
		for _, other := range []member{w.member("member", "clients", "referrals", "staff", "tasks"), w.member("member")} {
			w.get(other, "/v1/intake-template").problem(403, "permission_denied")
			w.as(other, "PUT", "/v1/intake-template", object{"tasks": []object{}}, header{"If-Match", "*"}).problem(403, "permission_denied")
		}
		tasks := []object{intake("Call", "Say hello", 0), intake("Call", "", 3650)}
		first := w.get(w.Admin, "/v1/intake-template").must(200)
		if len(decode[api.IntakeTemplate](first).Tasks) != 0 {
			t.Errorf("got %s", first.Body)
		}
		w.as(w.Admin, "PUT", "/v1/intake-template", object{"tasks": tasks}).problem(428, "precondition_required")
		written := w.as(w.Admin, "PUT", "/v1/intake-template", object{"tasks": tasks}, header{"If-Match", first.Header.Get("ETag")}).must(200)
		read := w.get(w.Admin, "/v1/intake-template").must(200)
		if string(read.Body) != string(written.Body) || read.Header.Get("ETag") != written.Header.Get("ETag") || read.Header.Get("ETag") == first.Header.Get("ETag") {
			t.Errorf("wrote %s %s, read %s %s", written.Header.Get("ETag"), written.Body, read.Header.Get("ETag"), read.Body)
		}
		if got := decode[api.IntakeTemplate](read).Tasks; len(got) != 2 || got[0] != (api.IntakeTemplateTask{Title: "Call", Details: "Say hello"}) || got[1].DaysUntilDue != 3650 {
			t.Errorf("got %+v", got)
		}
		w.as(w.Admin, "PUT", "/v1/intake-template", object{"tasks": []object{}}, header{"If-Match", first.Header.Get("ETag")}).problem(412, "precondition_failed")
		audited := w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1`, w.ID)
		same := w.as(w.Admin, "PUT", "/v1/intake-template", object{"tasks": tasks}, header{"If-Match", read.Header.Get("ETag")}).must(200)
		if same.Header.Get("ETag") != read.Header.Get("ETag") || w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1`, w.ID) != audited {
			t.Error("writing the same changed something")
		}
		for _, wrong := range []object{intake("", "", 1), intake("Call", "", -1), intake("Call", "", 3651), {"title": "Call"}, {"title": "Call", "days_until_due": 1, "due": 2}} {
			if got := w.as(w.Admin, "PUT", "/v1/intake-template", object{"tasks": []object{wrong}}, header{"If-Match", "*"}); got.Status != 400 {
				t.Errorf("%v: got %d", wrong, got.Status)
			}
		}
	})
}
