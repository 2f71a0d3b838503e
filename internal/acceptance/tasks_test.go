package acceptance

import (
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func TestD3Tasks(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	whatever := header{"If-Match", "*"}

	s.rule(t, "D3 a task is created, read and changed field by field", func(t *testing.T, w *world) {
		ann := w.member("member")
		person := w.person("client")
		plain := w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call"}).must(201)
		if task := decode[api.Task](plain); task.Status != "open" || task.Details != "" || len(task.Assignees) != 0 || !task.DueOn.IsNull() || !task.PersonID.IsNull() || !task.MatterID.IsNull() || !task.ExternalID.IsNull() {
			t.Errorf("got %+v", task)
		}
		created := w.as(w.Admin, "POST", "/v1/tasks", object{
			"title": "Call", "details": "Twice", "status": "in_progress", "due_on": "2024-02-29", "person_id": person, "assignee_ids": []any{ann.ID, "me", ann.ID}, "external_id": "t-1",
		}).must(201)
		task := decode[api.Task](created)
		if task.Details != "Twice" || task.Status != "in_progress" || task.DueOn.MustGet().String() != "2024-02-29" || !task.PastDue || task.PersonID.MustGet() != person || len(task.Assignees) != 2 {
			t.Errorf("got %+v", task)
		}
		self := created.Header.Get("Location")
		w.reads(self, created)
		tag := created.Header.Get("ETag")
		for _, edit := range []struct {
			body object
			same func(api.Task) bool
		}{
			{object{"title": "Visit"}, func(got api.Task) bool {
				return got.Title == "Visit" && got.Details == "Twice" && len(got.Assignees) == 2
			}},
			{object{"due_on": nil}, func(got api.Task) bool { return got.DueOn.IsNull() && !got.PastDue }},
			{object{"assignee_ids": idsOf(ann)}, func(got api.Task) bool { return len(got.Assignees) == 1 && got.Assignees[0].ID == ann.ID }},
			{object{"person_id": nil, "external_id": nil}, func(got api.Task) bool { return got.PersonID.IsNull() && got.ExternalID.IsNull() }},
			{object{"status": "completed", "details": ""}, func(got api.Task) bool {
				return got.Status == "completed" && got.Details == "" && len(got.Assignees) == 1
			}},
			{object{"assignee_ids": []uuid.UUID{}}, func(got api.Task) bool { return len(got.Assignees) == 0 }},
		} {
			changed := w.as(w.Admin, "PATCH", self, edit.body, header{"If-Match", tag}).must(200)
			w.as(w.Admin, "PATCH", self, edit.body, header{"If-Match", tag}).problem(412, "precondition_failed")
			if got := decode[api.Task](changed); !edit.same(got) {
				t.Errorf("%v: got %+v", edit.body, got)
			}
			w.reads(self, changed)
			tag = changed.Header.Get("ETag")
		}
	})

	s.rule(t, "D3 a task belongs to a person, to a matter, or to neither, never to both", func(t *testing.T, w *world) {
		person, matter := w.person("client"), w.matter("everyone", w.Admin)
		problem := w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call", "person_id": person, "matter_id": matter}).problem(422, "invalid_value")
		pointsAt(t, problem, "invalid_value", "/matter_id")
		ofPerson, ofMatter := w.task(person), w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{UUID: matter, Valid: true})
		w.as(w.Admin, "PATCH", "/v1/tasks/"+ofPerson.String(), object{"matter_id": matter}, whatever).problem(422, "invalid_value")
		w.as(w.Admin, "PATCH", "/v1/tasks/"+ofMatter.String(), object{"person_id": person}, whatever).problem(422, "invalid_value")
		w.as(w.Admin, "PATCH", "/v1/tasks/"+ofPerson.String(), object{"matter_id": matter, "person_id": nil}, whatever).must(200)
		foreign := s.organization(t)
		for field, wrong := range map[string][]uuid.UUID{
			"person_id": {newID(), foreign.person("client")}, "matter_id": {newID(), foreign.matter("everyone", foreign.Admin)},
		} {
			for _, id := range wrong {
				code := map[string]string{"person_id": "person_not_found", "matter_id": "matter_not_found"}[field]
				pointsAt(t, w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call", field: id}).problem(422, code), code, "/"+field)
			}
		}
	})

	s.rule(t, "A2 writing tasks: the tasks permission, or seeing the person", func(t *testing.T, w *world) {
		worker := w.member("member")
		client, referral := w.person("client", worker), w.person("referral")
		matter := w.matter("everyone", w.Admin)
		for name, given := range map[string]struct {
			caller                          member
			client, referral, matter, alone bool
		}{
			"tasks":        {w.member("member", "tasks"), true, true, true, true},
			"clients":      {w.member("member", "clients"), true, false, false, false},
			"referrals":    {w.member("member", "referrals"), false, true, false, false},
			"staff":        {w.member("member", "staff"), true, true, false, false},
			"their person": {worker, true, false, false, false},
			"nothing":      {w.member("member"), false, false, false, false},
		} {
			for may, body := range map[*bool]object{
				&given.client: {"person_id": client}, &given.referral: {"person_id": referral}, &given.matter: {"matter_id": matter}, &given.alone: {},
			} {
				body["title"], body["assignee_ids"] = "Call", []string{"me"}
				got := w.as(given.caller, "POST", "/v1/tasks", body)
				if !*may {
					if got.Status != 403 {
						t.Errorf("%s: %v: got %d", name, body, got.Status)
					}
					// Holding a task is not writing it.
					held := decode[api.Task](w.as(w.Admin, "POST", "/v1/tasks", body).must(201)).ID
					w.hold(held, given.caller)
					w.get(given.caller, "/v1/tasks/"+held.String()).must(200)
					w.as(given.caller, "PATCH", "/v1/tasks/"+held.String(), object{"title": "Visit"}, whatever).problem(403, "permission_denied")
					continue
				}
				self := got.must(201).Header.Get("Location")
				w.as(given.caller, "PATCH", self, object{"title": "Visit"}, whatever).must(200)
				// Nobody moves a task to where they may not write.
				if !given.referral {
					w.as(given.caller, "PATCH", self, object{"person_id": referral}, whatever).problem(403, "permission_denied")
					w.as(given.caller, "PATCH", self, object{"person_id": nil}, whatever).problem(403, "permission_denied")
				}
			}
		}
	})

	s.rule(t, "D4 the unassigned queue is listed and worked off", func(_ *testing.T, w *world) {
		person := w.person("client")
		queued, taken := w.task(person), w.task(person, w.Admin)
		w.taskIn("completed", uuid.NullUUID{UUID: person, Valid: true}, uuid.NullUUID{})
		w.lists(w.Admin, "/v1/tasks?unassigned=true", queued)
		w.as(w.Admin, "PATCH", "/v1/tasks/"+queued.String(), object{"assignee_ids": []string{"me"}}, whatever).must(200)
		w.lists(w.Admin, "/v1/tasks?unassigned=true")
		w.lists(w.Admin, "/v1/tasks?assignee_id=me", queued, taken)
	})
}
