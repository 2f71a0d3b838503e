package acceptance

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func TestA13Targets(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "A13 each who does not exist in the organization is named, and nothing is applied", func(t *testing.T, w *world) {
		ann, stranger := w.member("member"), s.organization(t).Admin.ID
		served, free := w.person("client", ann), w.person("client")
		unknown := newID()
		before := w.tables()
		staff := []uuid.UUID{ann.ID, unknown, stranger}
		for _, given := range []struct {
			path    string
			body    object
			pointer string
		}{
			{"/v1/manage-assignments", wish(people(free), change("assign", object{"staff_ids": staff})), "/change/staff_ids"},
			{"/v1/manage-assignments", wish(people(served), change("add", object{"staff_ids": staff})), "/change/staff_ids"},
			{"/v1/manage-assignments", wish(people(served), change("replace", object{"staff_ids": staff})), "/change/staff_ids"},
			{"/v1/manage-assignments", wish(people(served), change("remove", object{"staff_ids": staff})), "/change/staff_ids"},
			{"/v1/manage-assignments", wish(people(served), change("add", object{"staff_ids": staff}), object{"dry_run": true}), "/change/staff_ids"},
			{"/v1/assign-staff", object{"selection": people(served), "staff_ids": staff}, "/staff_ids"},
		} {
			for _, headers := range [][]header{nil, {{"Prefer", "respond-async"}}} {
				problem := w.as(w.Admin, "POST", given.path, given.body, headers...).problem(422, "staff_not_found")
				pointsAt(t, problem, "staff_not_found", given.pointer+"/1", given.pointer+"/2")
				named, _ := problem.Params["staff_ids"].([]any)
				if len(named) != 2 {
					t.Errorf("got params %v", problem.Params)
				}
			}
		}
		w.unchanged(before)
	})

	s.rule(t, "A13 each who is deactivated is named, and nothing is applied", func(t *testing.T, w *world) {
		ann, gone, away := w.member("member"), w.member("member"), w.member("member")
		served, free := w.person("client", gone), w.person("client")
		w.deactivate(gone)
		w.deactivate(away)
		before := w.tables()
		staff := idsOf(ann, gone, away)
		for _, given := range []struct {
			path    string
			body    object
			pointer string
		}{
			{"/v1/manage-assignments", wish(people(free), change("assign", object{"staff_ids": staff})), "/change/staff_ids"},
			{"/v1/manage-assignments", wish(people(served), change("add", object{"staff_ids": staff})), "/change/staff_ids"},
			{"/v1/manage-assignments", wish(people(served), change("replace", object{"staff_ids": staff})), "/change/staff_ids"},
			{"/v1/assign-staff", object{"selection": people(served), "staff_ids": staff}, "/staff_ids"},
		} {
			for _, headers := range [][]header{nil, {{"Prefer", "respond-async"}}} {
				problem := w.as(w.Admin, "POST", given.path, given.body, headers...).problem(422, "staff_not_active")
				var at []string
				for i, id := range staff {
					if id != ann.ID {
						at = append(at, fmt.Sprintf("%s/%d", given.pointer, i))
					}
				}
				pointsAt(t, problem, "staff_not_active", at...)
			}
		}
		w.unchanged(before)
	})

	s.rule(t, "A13 who serves already stays when deactivated: only changes may not hand to them", func(_ *testing.T, w *world) {
		ann, gone := w.member("member"), w.member("member")
		person := w.person("client", gone)
		w.deactivate(gone)
		w.managed(people(person), change("add", staffed(ann)))
		w.servedBy(person, gone, ann)
	})

	s.rule(t, "A13 a task is given to active staff only; who holds it may stay, and what is done may name the deactivated", func(t *testing.T, w *world) {
		gone, stranger := w.member("member"), s.organization(t).Admin
		person := w.person("client")
		w.deactivate(gone)
		create := func(status string, assignees ...uuid.UUID) answer {
			return w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call", "person_id": person, "status": status, "assignee_ids": assignees})
		}
		pointsAt(t, create("open", w.Admin.ID, gone.ID).problem(422, "staff_not_active"), "staff_not_active", "/assignee_ids/1")
		pointsAt(t, create("open", stranger.ID, w.Admin.ID).problem(422, "staff_not_found"), "staff_not_found", "/assignee_ids/0")
		pointsAt(t, create("completed", newID()).problem(422, "staff_not_found"), "staff_not_found", "/assignee_ids/0")
		create("in_progress", gone.ID).problem(422, "staff_not_active")
		history := decode[api.Task](create("completed", gone.ID).must(201))
		w.heldBy(history.ID, gone)
		decode[api.Task](create("cancelled", gone.ID).must(201))

		held := w.task(person, gone)
		patch := func(task uuid.UUID, body object) answer {
			return w.as(w.Admin, "PATCH", "/v1/tasks/"+task.String(), body, header{"If-Match", "*"})
		}
		patch(held, object{"assignee_ids": idsOf(gone, w.Admin), "title": "Call again"}).must(200)
		patch(held, object{"assignee_ids": idsOf(w.Admin)}).must(200)
		patch(held, object{"assignee_ids": idsOf(w.Admin, gone)}).problem(422, "staff_not_active")
		patch(held, object{"assignee_ids": idsOf(w.Admin, gone), "status": "completed"}).must(200)
		w.heldBy(held, w.Admin, gone)
	})
}

// pointsAt fails the test unless a problem points at these places, with this code.
func pointsAt(t testing.TB, problem api.Problem, code string, pointers ...string) {
	t.Helper()
	got := []string{}
	for _, at := range problem.Errors {
		if at.Code != code {
			t.Errorf("%s: got code %q, want %q", at.Pointer, at.Code, code)
		}
		got = append(got, at.Pointer)
	}
	if fmt.Sprint(got) != fmt.Sprint(pointers) {
		t.Errorf("got pointers %v, want %v", got, pointers)
	}
}
