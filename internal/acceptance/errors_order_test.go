package acceptance

import (
	"fmt"
	"maps"
	"testing"

	"github.com/google/uuid"
)

// A request with everything wrong at once is mended step by step, in the order in which errors are told.
func TestWhichErrorFirst(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	for name, more := range map[string]struct {
		body    object
		headers []header
	}{
		"within the request": {}, "in a preview": {body: object{"dry_run": true}}, "asynchronously": {headers: []header{async}},
	} {
		s.rule(t, "which error first, "+name, func(t *testing.T, w *world) {
			gone, caller := w.member("member"), w.member("member", "referrals")
			w.deactivate(gone)
			served, free := w.person("client", gone), w.person("client")
			w.task(served, gone)
			before := w.tables()
			body := object{
				"selection": people(served, free, newID()), "expected_revision": "stale", "surprise": true,
				"change": change("assign", object{"staff_ids": []uuid.UUID{newID(), gone.ID}}),
			}
			maps.Copy(body, more.body)
			token := ""
			step := func(status int, code string, mend func()) {
				t.Helper()
				s.call(t, token, "POST", "/v1/manage-assignments", body, more.headers...).problem(status, code)
				mend()
			}
			step(400, "unknown_field", func() { delete(body, "surprise") })
			step(401, "unauthenticated", func() { token = caller.Token })
			step(422, "person_not_found", func() { body["selection"] = people(served, free) })
			step(403, "permission_denied", func() { token = w.Admin.Token })
			step(412, "revision_stale", func() { delete(body, "expected_revision") })
			step(422, "staff_not_found", func() { body["change"] = change("assign", staffed(gone)) })
			step(422, "staff_not_active", func() { body["change"] = change("assign", staffed(w.Admin)) })
			if more.headers == nil { // what remains is told of a queued run by the run
				step(409, "existing_assignments", func() { body["change"] = change("replace", staffed(w.Admin)) })
				step(422, "task_policy_required", func() { body["change"] = change("remove", object{"all_staff": true}) })
				step(422, "task_policy_required", func() {
					body["change"] = change("remove", object{"all_staff": true, "task_policy": "reassign_to_remaining"})
				})
				step(422, "no_remaining_staff", func() {
					body["change"] = change("remove", object{"all_staff": true, "task_policy": "unassign"})
				})
			}
			w.unchanged(before, "selections", "selection_people")
			w.exec(`DELETE FROM assignments WHERE person_id = $1`, served)
			if got := s.call(t, token, "POST", "/v1/manage-assignments", body, more.headers...); got.Status >= 300 {
				t.Errorf("mended, it is refused still: %s", got.Body)
			}
		})
	}

	s.rule(t, "which error first, of the older actions", func(t *testing.T, w *world) {
		gone, caller := w.member("member"), w.member("member", "clients")
		w.deactivate(gone)
		person := w.person("client", gone)
		body, token := object{"selection": people(newID()), "staff_ids": []uuid.UUID{newID()}, "surprise": true}, ""
		step := func(status int, code string, mend func()) {
			t.Helper()
			s.call(t, token, "POST", "/v1/assign-staff", body).problem(status, code)
			mend()
		}
		step(400, "unknown_field", func() { delete(body, "surprise") })
		step(401, "unauthenticated", func() { token = caller.Token })
		step(422, "person_not_found", func() { body["selection"] = people(person) })
		step(403, "permission_denied", func() { token = w.Admin.Token })
		step(422, "staff_not_found", func() { body["staff_ids"] = idsOf(gone) })
		step(422, "staff_not_active", func() { body["staff_ids"] = idsOf(w.Admin) })
		s.call(t, token, "POST", "/v1/assign-staff", body).must(200)
	})

	s.rule(t, "which error first, of one resource: form, credential, existence, permission, precondition, meaning", func(t *testing.T, w *world) {
		nobody := w.member("member")
		task := w.task(w.person("client"), w.Admin)
		body, token, path := object{"surprise": 1}, "", newID()
		headers := []header{{"If-Match", `"stale"`}}
		step := func(status int, code string, mend func()) {
			t.Helper()
			s.call(t, token, "PATCH", fmt.Sprintf("/v1/tasks/%s", path), body, headers...).problem(status, code)
			mend()
		}
		step(400, "unknown_field", func() { body = object{"assignee_ids": []uuid.UUID{newID()}} })
		step(401, "unauthenticated", func() { token = nobody.Token })
		step(404, "not_found", func() { path = task })
		step(403, "permission_denied", func() { token = w.Admin.Token })
		step(412, "precondition_failed", func() { headers[0].value = "*" })
		step(422, "staff_not_found", func() { body = object{"assignee_ids": idsOf(w.Admin)} })
		s.call(t, token, "PATCH", "/v1/tasks/"+task.String(), body, headers...).must(200)
		s.call(t, token, "PATCH", "/v1/tasks/"+task.String(), body).problem(428, "precondition_required")
	})
}
