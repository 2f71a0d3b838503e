package acceptance

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

func TestA18OlderActions(t *testing.T) {
	t.Parallel()
	s := start(t)
	assign := func(w *world, m member, body object, headers ...header) answer {
		return w.as(m, "POST", "/v1/assign-staff", body, headers...)
	}

	for tasks, want := range map[string]string{"": "c: a ab ad d - c bc", "leave": "c: a ab ad d - c bc", "reassign": "c: c c c c - c c"} {
		s.rule(t, "A18 assign staff: the given are the whole staff, tasks: "+tasks, func(t *testing.T, w *world) {
			c := w.cast("client")
			free := w.person("referral")
			body := object{"selection": people(c.person, free), "staff_ids": idsOf(c.members("c")...)}
			if tasks != "" {
				body["tasks"] = tasks
			}
			run := decode[api.Run](assign(w, w.Admin, body).must(200))
			if now := c.now(); now != want {
				t.Errorf("got %q, want %q", now, want)
			}
			w.servedBy(free, c.who['c'])
			expected := api.RunTotals{PeopleChanged: 2, AssignmentsAdded: 2, AssignmentsRemoved: 2}
			if tasks == "reassign" {
				expected.TasksChanged = 5
			}
			totals(t, run, expected)
			if run.Kind != "assign_staff" || run.Status != "succeeded" {
				t.Errorf("got run %+v", run)
			}
			again := decode[api.Run](assign(w, w.Admin, body).must(200))
			totals(t, again, api.RunTotals{PeopleUnchanged: 2})
		})
	}

	s.rule(t, "A18 assign staff: intake tasks for all who had no staff, clients too", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		w.template(intake("Call", "", 2), intake("Visit", "", 4))
		client, referral, served, known := w.person("client"), w.person("referral"), w.person("referral", ann), w.person("client")
		w.managed(people(known), change("assign", staffed(ann)))
		w.exec(`INSERT INTO tasks (organization_id, id, title, status, person_id, is_intake, created_at, updated_at) VALUES ($1, $2, 'Call', 'cancelled', $3, true, now(), now())`, w.ID, newID(), known)
		w.managed(people(known), change("remove", object{"all_staff": true}))
		run := decode[api.Run](assign(w, w.Admin, object{"selection": people(client, referral, served, known), "staff_ids": idsOf(bob), "include_intake_tasks": true}).must(200))
		totals(t, run, api.RunTotals{PeopleChanged: 4, AssignmentsAdded: 4, AssignmentsRemoved: 1, TasksCreated: 4})
		items := w.items(run)
		became(t, items, client, "changed")
		became(t, items, referral, "changed")
		became(t, items, served, "changed intake_had_staff")
		became(t, items, known, "changed intake_already_created")
		for person, want := range map[uuid.UUID]int{client: 2, referral: 2, served: 0, known: 1} {
			if got := len(w.tasksOf(person)); got != want {
				t.Errorf("got %d tasks, want %d", got, want)
			}
		}
		for _, task := range w.tasksOf(client) {
			w.heldBy(task.ID, bob)
		}
		other := w.person("client")
		run = decode[api.Run](assign(w, w.Admin, object{"selection": people(other), "staff_ids": idsOf(bob)}).must(200))
		totals(t, run, api.RunTotals{PeopleChanged: 1, AssignmentsAdded: 1})
	})

	s.rule(t, "A18 remove staff: all are removed, their active tasks go to the unassigned queue", func(t *testing.T, w *world) {
		c := w.cast("client")
		body := object{"selection": people(c.person)}
		run := decode[api.Run](w.as(w.Admin, "POST", "/v1/remove-staff", body).must(200))
		if now, want := c.now(), "-: - - d d - c c"; now != want {
			t.Errorf("got %q, want %q", now, want)
		}
		totals(t, run, api.RunTotals{PeopleChanged: 1, AssignmentsRemoved: 2, TasksChanged: 4, TasksUnassigned: 2})
		if run.Kind != "remove_staff" {
			t.Errorf("got a run of kind %s", run.Kind)
		}
		w.lists(w.Admin, "/v1/tasks?unassigned=true", c.tasks[0], c.tasks[1], c.tasks[4])
		totals(t, decode[api.Run](w.as(w.Admin, "POST", "/v1/remove-staff", body).must(200)), api.RunTotals{PeopleUnchanged: 1})
	})

	s.rule(t, "A18 who may: the staff permission, or administrators", func(_ *testing.T, w *world) {
		client, referral := w.person("client"), w.person("referral")
		selection := people(client, referral)
		for _, caller := range []member{w.member("member", "clients", "referrals", "tasks"), w.member("member")} {
			before := w.tables()
			assign(w, caller, object{"selection": selection, "staff_ids": idsOf(caller)}).problem(403, "permission_denied")
			assign(w, caller, object{"selection": selection, "staff_ids": idsOf(caller), "dry_run": true}).problem(403, "permission_denied")
			w.as(caller, "POST", "/v1/remove-staff", object{"selection": selection}).problem(403, "permission_denied")
			w.as(caller, "POST", "/v1/remove-staff", object{"selection": selection}, header{"Prefer", "respond-async"}).problem(403, "permission_denied")
			w.unchanged(before)
		}
		for _, caller := range []member{w.member("member", "staff"), w.Admin} {
			assign(w, caller, object{"selection": selection, "staff_ids": idsOf(caller)}).must(200)
			w.servedBy(client, caller)
			w.as(caller, "POST", "/v1/remove-staff", object{"selection": object{"type": "filter", "filter": object{}, "match_all": true}}).must(200)
			w.servedBy(referral)
		}
	})

	s.rule(t, "A18 they say that they are deprecated, since when, until when and what takes their place, on errors too", func(t *testing.T, w *world) {
		person := w.person("client")
		for path, body := range map[string]object{
			"/v1/assign-staff": {"selection": people(person), "staff_ids": idsOf(w.Admin)},
			"/v1/remove-staff": {"selection": people(person)},
		} {
			for name, got := range map[string]answer{
				"done":     w.as(w.Admin, "POST", path, body).must(200),
				"queued":   w.as(w.Admin, "POST", path, body, header{"Prefer", "respond-async"}).must(202),
				"refused":  w.as(w.member("member"), "POST", path, body).must(403),
				"wrong":    w.as(w.Admin, "POST", path, object{"people": []uuid.UUID{person}}).must(400),
				"stranger": s.call(t, "", "POST", path, body).must(401),
			} {
				since, sunset := got.Header.Get("Deprecation"), got.Header.Get("Sunset")
				if !strings.HasPrefix(since, "@") || got.Header.Get("Link") != `</v1/manage-assignments>; rel="successor-version"` {
					t.Errorf("%s %s: got %q, %q", path, name, since, got.Header.Get("Link"))
				}
				if _, err := time.Parse(http.TimeFormat, sunset); err != nil {
					t.Errorf("%s %s: got sunset %q", path, name, sunset)
				}
			}
		}
		if got := w.as(w.Admin, "POST", "/v1/assignment-summary", object{"selection": people(person)}).must(200); got.Header.Get("Deprecation") != "" {
			t.Error("the summary is deprecated")
		}
	})

	s.rule(t, "A18 they are done asynchronously too", func(t *testing.T, w *world) {
		c := w.cast("client")
		queued := assign(w, w.Admin, object{"selection": people(c.person), "staff_ids": idsOf(c.members("c")...), "tasks": "reassign"}, header{"Prefer", "respond-async"}).must(202)
		run := w.finished(queued)
		if run.Status != "succeeded" || c.now() != "c: c c c c - c c" {
			t.Errorf("got %q, run %+v", c.now(), run)
		}
		run = w.finished(w.as(w.Admin, "POST", "/v1/remove-staff", object{"selection": people(c.person)}, header{"Prefer", "respond-async"}).must(202))
		if run.Status != "succeeded" || c.now() != "-: - - - - - - -" {
			t.Errorf("got %q, run %+v", c.now(), run)
		}
	})

	s.rule(t, "A18 they take no more than they did", func(_ *testing.T, w *world) {
		person := w.person("client")
		w.as(w.Admin, "POST", "/v1/remove-staff", object{"selection": people(person), "staff_ids": idsOf(w.Admin)}).problem(400, "unknown_field")
		assign(w, w.Admin, object{"selection": people(person), "staff_ids": idsOf(w.Admin), "tasks": "keep"}).problem(400, "invalid_request")
		assign(w, w.Admin, object{"selection": people(person), "staff_ids": []string{}}).problem(400, "invalid_request")
		assign(w, w.Admin, object{"selection": people(person)}).problem(400, "invalid_request")
	})
}

// finished waits until a queued run has ended.
func (w *world) finished(queued answer) api.Run {
	w.t.Helper()
	var run api.Run
	eventually(w.t, "the run ends", func() bool {
		run = decode[api.Run](w.get(w.Admin, queued.Header.Get("Location")).must(200))
		return run.Status == "succeeded" || run.Status == "failed"
	})
	return run
}
