package acceptance

import (
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func TestD3Upserts(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "D3 what is not there is created, what is there is updated, the same again changes nothing", func(t *testing.T, w *world) {
		ann := w.member("member")
		person, matter, group := w.person("client"), w.matter("everyone", ann), w.group(w.Admin)
		for _, given := range []struct {
			kind, list             string
			first, second, partial object
			kept                   string // a field that the partial one leaves out
		}{
			{
				"people", "/v1/people/",
				object{"kind": "client", "first_name": "Maya", "last_name": "Petrov", "email": "m@example.org", "phone": "1", "status": "inactive"},
				object{"kind": "referral", "first_name": "Mia", "last_name": "Petrov", "email": nil, "phone": "2", "status": "active"},
				object{"kind": "referral", "first_name": "Mia", "last_name": "Lang"},
				"phone",
			},
			{
				"staff", "/v1/staff/",
				object{"first_name": "Jo", "last_name": "Low", "email": "Jo@example.org", "role": "member", "permissions": []string{"tasks", "clients", "tasks"}, "status": "deactivated"},
				object{"first_name": "Jo", "last_name": "High", "email": "jo@example.org", "role": "administrator", "permissions": []string{}, "status": "deactivated"},
				object{"first_name": "Joe", "last_name": "High", "email": "jo@example.org", "role": "administrator", "permissions": []string{}},
				"status",
			},
			{
				"tasks", "/v1/tasks/",
				object{"title": "Call", "details": "First", "status": "in_progress", "due_on": "2026-02-28", "person_id": person, "assignee_ids": idsOf(ann, w.Admin)},
				object{"title": "Visit", "details": "", "status": "open", "due_on": nil, "person_id": nil, "assignee_ids": []uuid.UUID{w.Admin.ID}},
				object{"title": "Write"},
				"assignees",
			},
			{
				"matters", "/v1/matters/",
				object{"number": "M-1", "description": "First", "status": "pending", "visibility": "groups", "responsible_staff_id": ann.ID, "client_id": person, "group_ids": []uuid.UUID{group}},
				object{"number": "M-2", "description": "", "status": "closed", "visibility": "private", "responsible_staff_id": "me", "client_id": nil, "group_ids": []uuid.UUID{}},
				object{"number": "M-3", "responsible_staff_id": w.Admin.ID},
				"status",
			},
			{
				"calendar-events", "/v1/calendar-events/",
				object{"title": "Call", "starts_at": someday, "ends_at": someday, "owner_staff_id": ann.ID, "attendee_staff_ids": idsOf(ann, w.Admin), "matter_id": matter},
				object{"title": "Visit", "starts_at": bygone, "ends_at": someday, "owner_staff_id": "me", "attendee_staff_ids": idsOf(ann), "matter_id": nil},
				object{"title": "Hearing", "starts_at": bygone, "ends_at": someday, "owner_staff_id": w.Admin.ID},
				"attendees",
			},
		} {
			path := "/v1/" + given.kind + "/by-external-id/crm%2F1%20%25"
			put := func(body object) answer { return w.as(w.Admin, "PUT", path, body) }
			created := put(given.first).must(201)
			made := decode[map[string]any](created)
			self := given.list + made["id"].(string)
			if made["external_id"] != "crm/1 %" || created.Header.Get("Location") != self {
				t.Errorf("%s: got %v at %q", given.kind, made["external_id"], created.Header.Get("Location"))
			}
			w.reads(self, created)
			before := w.tables()
			same := put(given.first).must(200)
			w.unchanged(before)
			if string(same.Body) != string(created.Body) || same.Header.Get("ETag") != created.Header.Get("ETag") {
				t.Errorf("%s: the same again gives %s, it was %s", given.kind, same.Body, created.Body)
			}
			changed := put(given.second).must(200)
			now := decode[map[string]any](changed)
			if now["id"] != made["id"] || now["created_at"] != made["created_at"] || now["updated_at"] == made["updated_at"] || changed.Header.Get("ETag") == created.Header.Get("ETag") {
				t.Errorf("%s: changed to %s", given.kind, changed.Body)
			}
			w.reads(self, changed)
			partly := put(given.partial).must(200)
			sameText(t, given.kind+": "+given.kept, decode[map[string]any](partly)[given.kept], now[given.kept])
			w.reads(self, partly)
			if events := len(w.listed(w.Admin, "/v1/audit-events?subject_id="+made["id"].(string))); events != 3 {
				t.Errorf("%s: %d changes were recorded", given.kind, events)
			}
		}
	})

	s.rule(t, "D3 an upsert does not touch assignments, and follows who may", func(_ *testing.T, w *world) {
		clients, referrals, nobody := w.member("member", "clients"), w.member("member", "referrals"), w.member("member")
		body := func(kind string) object { return object{"kind": kind, "first_name": "Maya", "last_name": "Petrov"} }
		put := func(m member, kind string) answer {
			return w.as(m, "PUT", "/v1/people/by-external-id/crm-1", body(kind))
		}
		put(nobody, "client").problem(403, "permission_denied")
		put(referrals, "client").problem(403, "permission_denied")
		person := decode[api.Person](put(clients, "client").must(201)).ID
		w.managed(people(person), change("assign", staffed(nobody)))
		put(clients, "referral").problem(403, "permission_denied")
		put(referrals, "client").problem(403, "permission_denied")
		put(w.Admin, "referral").must(200)
		put(referrals, "referral").must(200)
		put(nobody, "referral").problem(403, "permission_denied")
		w.servedBy(person, nobody)
		w.as(clients, "PUT", "/v1/staff/by-external-id/hr-1", object{"first_name": "A", "last_name": "B", "email": "a@example.org", "role": "member", "permissions": []string{}}).
			problem(403, "permission_denied")
	})

	s.rule(t, "D3 an external id is of one organization, and unique among its kind", func(t *testing.T, w *world) {
		other := s.organization(t)
		person := object{"kind": "client", "first_name": "Maya", "last_name": "Petrov"}
		mine := decode[api.Person](w.as(w.Admin, "PUT", "/v1/people/by-external-id/1", person).must(201))
		theirs := decode[api.Person](other.as(other.Admin, "PUT", "/v1/people/by-external-id/1", person).must(201))
		if mine.ID == theirs.ID {
			t.Error("an external id of one organization is that of another")
		}
		w.as(w.Admin, "PUT", "/v1/tasks/by-external-id/1", object{"title": "Call"}).must(201)
		w.as(w.Admin, "POST", "/v1/referrals", object{"first_name": "Maya", "last_name": "Petrov", "external_id": "1"}).problem(409, "external_id_taken")
		w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call", "external_id": "1"}).problem(409, "external_id_taken")
		matter, event := object{"number": "M-1", "responsible_staff_id": "me"}, eventFor("me")
		for path, body := range map[string]object{"/v1/matters": matter, "/v1/calendar-events": event} {
			w.as(w.Admin, "PUT", path+"/by-external-id/1", body).must(201)
			pointsAt(t, w.as(w.Admin, "POST", path, with(body, "external_id", "1")).problem(409, "external_id_taken"), "external_id_taken", "/external_id")
			second := w.as(w.Admin, "POST", path, with(body, "external_id", "2")).must(201).Header.Get("Location")
			w.as(w.Admin, "PATCH", second, object{"external_id": "1"}, header{"If-Match", "*"}).problem(409, "external_id_taken")
			w.as(w.Admin, "PATCH", second, object{"external_id": nil}, header{"If-Match", "*"}).must(200)
			w.as(w.Admin, "POST", path, with(body, "external_id", "2")).must(201)
		}
		second := decode[api.Task](w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call", "external_id": "2"}).must(201))
		w.as(w.Admin, "PATCH", "/v1/tasks/"+second.ID.String(), object{"external_id": "1"}, header{"If-Match", "*"}).problem(409, "external_id_taken")
		w.as(w.Admin, "PATCH", "/v1/tasks/"+second.ID.String(), object{"external_id": nil}, header{"If-Match", "*"}).must(200)
		w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call", "external_id": "2"}).must(201)
	})

	s.rule(t, "B5 an external id that a private matter's task has is a bare 409", func(t *testing.T, w *world) {
		attorney := w.member("member", "tasks")
		task := w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{UUID: w.matter("private", attorney), Valid: true}, attorney)
		w.exec(`UPDATE tasks SET external_id = 'secret-1' WHERE id = $1`, task)
		before := w.tables()
		for _, got := range []answer{
			w.as(w.Admin, "PUT", "/v1/tasks/by-external-id/secret-1", object{"title": "Mine"}),
			w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Mine", "external_id": "secret-1"}),
		} {
			problem := got.problem(409, "external_id_taken")
			if len(problem.Params) != 0 {
				t.Errorf("got params %v", problem.Params)
			}
		}
		w.unchanged(before)
		w.as(attorney, "PUT", "/v1/tasks/by-external-id/secret-1", object{"title": "Mine"}).must(200)
	})

	s.rule(t, "D3 of many who upsert one external id at once, one creates and all come through", func(t *testing.T, w *world) {
		for _, given := range []struct {
			path string
			body object
		}{
			{"/v1/people/by-external-id/", object{"kind": "client", "first_name": "Maya", "last_name": "Petrov"}},
			{"/v1/tasks/by-external-id/", object{"title": "Call"}},
			{"/v1/matters/by-external-id/", object{"number": "M-1", "responsible_staff_id": "me"}},
			{"/v1/calendar-events/by-external-id/", eventFor("me")},
			{"/v1/staff/by-external-id/", object{"first_name": "A", "last_name": "B", "role": "member", "permissions": []string{}}},
		} {
			for range 5 {
				id := uuid.NewString()
				body := object{}
				for name, value := range given.body {
					body[name] = value
				}
				if given.path == "/v1/staff/by-external-id/" {
					body["email"] = id + "@example.org"
				}
				created := 0
				for _, got := range together(6, func(int) answer { return w.as(w.Admin, "PUT", given.path+id, body) }) {
					if got.Status == 201 {
						created++
					} else {
						got.must(200)
					}
				}
				if created != 1 {
					t.Errorf("%s: %d were created", given.path, created)
				}
			}
		}
	})
}

// reads fails the test unless reading a resource gives what an answer showed of it.
func (w *world) reads(path string, shown answer) {
	w.t.Helper()
	read := w.get(w.Admin, path).must(200)
	if string(read.Body) != string(shown.Body) || read.Header.Get("ETag") != shown.Header.Get("ETag") {
		w.t.Errorf("%s: read %s %s, was shown %s %s", path, read.Header.Get("ETag"), read.Body, shown.Header.Get("ETag"), shown.Body)
	}
}
