package acceptance

import (
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func TestA9TaskDecision(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "A9 where the summary counts an active task a policy is required: 422 with the counts, nothing applied", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		busy, free, unserved := w.person("client", ann), w.person("client", ann), w.person("client")
		w.task(busy)
		w.task(busy, bob)
		w.task(unserved, ann)
		before := w.tables()
		for _, given := range []object{
			change("add", staffed(bob)),
			change("add", object{"staff_ids": idsOf(ann)}), // though nothing would change
			change("add", object{"staff_ids": idsOf(bob), "task_scope": "all"}),
			change("replace", staffed(bob)),
			change("remove", staffed(ann)),
			change("remove", staffed(bob)), // though it is on nobody
			change("remove", object{"all_staff": true, "when_no_staff_remain": "unassign"}),
		} {
			for _, dry := range []bool{true, false} {
				problem := w.manage(w.Admin, people(busy, free, unserved), given, object{"dry_run": dry}).problem(422, "task_policy_required")
				if problem.Params["active_tasks"] != 2.0 || problem.Params["people_with_staff"] != 2.0 {
					t.Errorf("got params %v", problem.Params)
				}
				if len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/change/task_policy" {
					t.Errorf("got errors %+v", problem.Errors)
				}
			}
		}
		w.unchanged(before)
	})

	s.rule(t, "A9 where it counts none the policy may be left out, and tasks are left as they are", func(_ *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		person, unserved := w.person("client", ann), w.person("client")
		done := w.taskIn("completed", uuid.NullUUID{UUID: person, Valid: true}, uuid.NullUUID{}, ann)
		cancelled := w.taskIn("cancelled", uuid.NullUUID{UUID: person, Valid: true}, uuid.NullUUID{}, ann)
		ofUnserved := w.task(unserved, ann)
		for _, given := range []object{change("add", staffed(bob)), change("replace", staffed(ann)), change("remove", staffed(ann))} {
			w.managed(people(person), given)
		}
		w.servedBy(person)
		w.managed(people(person, unserved), change("add", staffed(bob)))
		for _, task := range []uuid.UUID{done, cancelled, ofUnserved} {
			w.heldBy(task, ann)
		}
	})

	s.rule(t, "A9 the summary says so exactly when it is so", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		busy, free, unserved := w.person("client", ann), w.person("client", ann), w.person("client")
		w.task(busy)
		w.task(unserved, bob)
		for name, selection := range map[string]object{
			"busy": people(busy), "free": people(free), "unserved": people(unserved), "busy and free": people(busy, free), "free and unserved": people(free, unserved),
		} {
			got := w.manage(w.Admin, selection, change("add", staffed(bob)), object{"dry_run": true})
			if required := w.summary(w.Admin, selection).TaskPolicyRequired; required != (got.Status == 422) {
				t.Errorf("%s: required is %v, got %d", name, required, got.Status)
			}
		}
	})

	s.rule(t, "A9 assigning needs no policy, for nobody has staff", func(t *testing.T, w *world) {
		person := w.person("client")
		task := w.task(person, w.Admin)
		run := w.managed(people(person), change("assign", staffed(w.member("member"))))
		totals(t, run, api.RunTotals{PeopleChanged: 1, AssignmentsAdded: 1})
		w.heldBy(task, w.Admin)
	})

	s.rule(t, "A9 a policy of the other sort of change is not one", func(_ *testing.T, w *world) {
		person := w.person("client", w.Admin)
		w.manage(w.Admin, people(person), change("add", object{"staff_ids": idsOf(w.Admin), "task_policy": "unassign"})).problem(400, "invalid_request")
		w.manage(w.Admin, people(person), change("remove", object{"all_staff": true, "task_policy": "keep"})).problem(400, "invalid_request")
		w.manage(w.Admin, people(person), change("remove", object{"all_staff": true, "task_scope": "all"})).problem(400, "unknown_field")
		w.manage(w.Admin, people(person), change("assign", object{"staff_ids": idsOf(w.Admin), "task_policy": "keep"})).problem(400, "unknown_field")
	})
}
