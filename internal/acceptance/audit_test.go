package acceptance

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

func TestAuditTrail(t *testing.T) {
	t.Parallel()
	var hands clock
	s := start(t, withoutWorker, hands.option)

	s.rule(t, "D1 every change is recorded: who, when, what, before, after, in which request and run", func(t *testing.T, w *world) {
		ann := w.member("member", "clients", "referrals", "staff", "tasks")
		id := func(got answer) (uuid.UUID, answer) {
			return decode[struct{ ID uuid.UUID }](got).ID, got
		}
		var task, colleague, token, matter, event, group uuid.UUID
		for _, step := range []struct {
			action, kind  string
			before, after object // some of the fields
			do            func() (uuid.UUID, answer)
		}{
			{"person_created", "person", nil, object{"first_name": "Maya", "kind": "referral", "email": nil}, func() (uuid.UUID, answer) {
				return id(w.as(ann, "POST", "/v1/referrals", object{"first_name": "Maya", "last_name": "Petrov", "external_id": "crm-1"}).must(201))
			}},
			{"person_changed", "person", object{"kind": "referral", "email": nil}, object{"kind": "client", "email": "m@example.org"}, func() (uuid.UUID, answer) {
				return id(w.as(ann, "PUT", "/v1/people/by-external-id/crm-1", object{"kind": "client", "first_name": "Maya", "last_name": "Petrov", "email": "m@example.org"}).must(200))
			}},
			{"task_created", "task", nil, object{"title": "Call", "status": "open", "due_on": "2026-05-01"}, func() (_ uuid.UUID, got answer) {
				task, got = id(w.as(ann, "POST", "/v1/tasks", object{"title": "Call", "due_on": "2026-05-01", "external_id": "t-1"}).must(201))
				return task, got
			}},
			{"task_changed", "task", object{"title": "Call", "due_on": "2026-05-01"}, object{"title": "Visit", "due_on": nil}, func() (uuid.UUID, answer) {
				return id(w.as(ann, "PATCH", "/v1/tasks/"+task.String(), object{"title": "Visit", "due_on": nil}, header{"If-Match", "*"}).must(200))
			}},
			{"staff_group_created", "staff_group", nil, object{"name": "Legal desk", "member_ids": []any{}}, func() (_ uuid.UUID, got answer) {
				group, got = id(w.as(ann, "POST", "/v1/staff-groups", object{"name": "Legal desk"}).must(201))
				return group, got
			}},
			{"staff_group_changed", "staff_group", object{"member_ids": []any{}}, object{"name": "Legal desk", "member_ids": []any{w.Admin.ID}}, func() (uuid.UUID, answer) {
				return id(w.as(ann, "PATCH", "/v1/staff-groups/"+group.String(), object{"member_ids": idsOf(w.Admin)}, header{"If-Match", "*"}).must(200))
			}},
			{"matter_created", "matter", nil, object{"number": "M-1", "visibility": "everyone", "responsible_staff_id": ann.ID, "group_ids": []any{}}, func() (_ uuid.UUID, got answer) {
				matter, got = id(w.as(ann, "PUT", "/v1/matters/by-external-id/1", object{"number": "M-1", "responsible_staff_id": "me"}).must(201))
				return matter, got
			}},
			{"matter_changed", "matter", object{"visibility": "everyone", "group_ids": []any{}}, object{"visibility": "groups", "number": "M-1"}, func() (uuid.UUID, answer) {
				return id(w.as(ann, "PATCH", "/v1/matters/"+matter.String(), object{"visibility": "groups", "group_ids": []uuid.UUID{group}}, header{"If-Match", "*"}).must(200))
			}},
			{"calendar_event_created", "calendar_event", nil, object{"title": "Event", "owner_staff_id": ann.ID, "matter_id": nil, "attendee_ids": []any{}}, func() (_ uuid.UUID, got answer) {
				event, got = id(w.as(ann, "POST", "/v1/calendar-events", with(eventFor("me"), "title", "Event")).must(201))
				return event, got
			}},
			{"calendar_event_changed", "calendar_event", object{"ends_at": "2030-01-31T15:00:00Z", "matter_id": nil}, object{"ends_at": someday}, func() (uuid.UUID, answer) {
				return id(w.as(ann, "PATCH", "/v1/calendar-events/"+event.String(), object{"ends_at": someday, "matter_id": matter}, header{"If-Match", "*"}).must(200))
			}},
			{"staff_created", "staff", nil, object{"email": "new@example.org", "role": "member", "status": "active"}, func() (_ uuid.UUID, got answer) {
				colleague, got = id(w.as(ann, "POST", "/v1/staff", object{"first_name": "New", "last_name": "One", "email": "new@example.org", "role": "member", "permissions": []string{}}).must(201))
				return colleague, got
			}},
			{"staff_changed", "staff", object{"permissions": []any{}}, object{"permissions": []any{"tasks"}}, func() (uuid.UUID, answer) {
				return id(w.as(ann, "PATCH", "/v1/staff/"+colleague.String(), object{"permissions": []string{"tasks", "tasks"}}, header{"If-Match", "*"}).must(200))
			}},
			{"staff_deactivated", "staff", object{"status": "active"}, object{"status": "deactivated"}, func() (uuid.UUID, answer) {
				return colleague, w.as(ann, "POST", "/v1/staff/"+colleague.String()+"/deactivate", nil).must(200)
			}},
			{"staff_reactivated", "staff", object{"status": "deactivated"}, object{"status": "active"}, func() (uuid.UUID, answer) {
				return colleague, w.as(ann, "POST", "/v1/staff/"+colleague.String()+"/reactivate", nil).must(200)
			}},
			{"api_token_created", "api_token", nil, object{"name": "nightly", "revoked_at": nil}, func() (_ uuid.UUID, got answer) {
				token, got = id(w.as(ann, "POST", "/v1/api-tokens", object{"name": "nightly"}).must(201))
				return token, got
			}},
			{"api_token_revoked", "api_token", object{"revoked_at": nil}, object{"name": "nightly"}, func() (uuid.UUID, answer) {
				return token, w.as(ann, "DELETE", "/v1/api-tokens/"+token.String(), nil, header{"If-Match", "*"}).must(204)
			}},
		} {
			subject, got := step.do()
			events := list[api.AuditEvent](w, w.Admin, "/v1/audit-events?limit=1&action="+url.QueryEscape(step.action))
			if len(events) != 1 {
				t.Fatalf("%s: got %d events", step.action, len(events))
			}
			event := events[0]
			if event.Action != step.action || event.SubjectKind != step.kind || event.SubjectID != subject || event.Staff.MustGet().ID != ann.ID ||
				event.RequestID.MustGet() != got.Header.Get("X-Request-Id") || !event.RunID.IsNull() {
				t.Errorf("got event %+v", event)
			}
			if away := time.Since(event.OccurredAt).Abs(); away > time.Minute {
				t.Errorf("%s: it occurred %s away", step.action, away)
			}
			if (step.before == nil) != event.Before.IsNull() {
				t.Errorf("%s: before is %v", step.action, event.Before)
			}
			for name, want := range step.before {
				if got := event.Before.MustGet()[name]; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s: before, %s was %v, want %v", step.action, name, got, want)
				}
			}
			for name, want := range step.after {
				if got := event.After.MustGet()[name]; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s: after, %s is %v, want %v", step.action, name, got, want)
				}
			}
		}
	})

	s.rule(t, "D1 what is refused, and what changes nothing, is not recorded", func(_ *testing.T, w *world) {
		task := w.task(w.person("client"))
		before := w.tables()
		w.as(w.Admin, "PATCH", "/v1/tasks/"+task.String(), object{"title": "Task"}, header{"If-Match", "*"}).must(200)
		w.as(w.Admin, "PATCH", "/v1/tasks/"+task.String(), object{"assignee_ids": []uuid.UUID{newID()}}, header{"If-Match", "*"}).problem(422, "staff_not_found")
		w.as(w.Admin, "POST", "/v1/staff/me/reactivate", nil).must(200)
		w.unchanged(before)
	})

	s.rule(t, "D1 the trail is append-only: the service's role can neither change nor delete it", func(t *testing.T, w *world) {
		w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call"}).must(201)
		for _, statement := range []string{`UPDATE audit_events SET reason = 'another'`, `DELETE FROM audit_events`, `TRUNCATE audit_events`} {
			tx, err := s.DB.SQL.BeginTxx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(t.Context(), `SELECT set_config('role', 'handover_service', true), set_config('handover.organization_id', $1, true)`, w.ID.String()); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(t.Context(), statement); err == nil {
				t.Errorf("%s went through", statement)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestAuditFilters(t *testing.T) {
	t.Parallel()
	var hands clock
	s := start(t, withoutWorker, hands.option)
	w := s.organization(t)
	ann := w.member("member", "referrals", "tasks")
	begin := time.Now().UTC()
	person := decode[api.Person](w.as(ann, "POST", "/v1/referrals", object{"first_name": "Maya", "last_name": "Petrov"}).must(201)).ID
	task := decode[api.Task](w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call", "person_id": person}).must(201)).ID
	hands.advance(time.Hour)
	run := w.managed(people(person), change("assign", staffed(ann))).ID.MustGet()
	hands.advance(time.Hour)
	w.as(ann, "PATCH", "/v1/tasks/"+task.String(), object{"title": "Visit"}, header{"If-Match", "*"}).must(200)
	w.template(intake("Call", "", 1))

	moment := func(after time.Duration) string { return url.QueryEscape(begin.Add(after).Format(time.RFC3339Nano)) }
	mine := "&staff_id=" + ann.ID.String()
	for query, want := range map[string]string{
		"":                                         "intake_template_replaced task_changed manage_assignments task_created person_created",
		"staff_id=me":                              "intake_template_replaced manage_assignments task_created",
		mine:                                       "task_changed person_created",
		"staff_id=me," + ann.ID.String():           "intake_template_replaced task_changed manage_assignments task_created person_created",
		"staff_id=" + newID().String():             "",
		"subject_kind=task":                        "task_changed task_created",
		"subject_kind=task,intake_template":        "intake_template_replaced task_changed task_created",
		"subject_id=" + person.String():            "manage_assignments person_created",
		"subject_id=" + newID().String():           "",
		"run_id=" + run.String():                   "manage_assignments",
		"run_id=" + newID().String():               "",
		"action=person_created,manage_assignments": "manage_assignments person_created",
		"action=task_created" + mine:               "",
		"from=" + moment(30*time.Minute):           "intake_template_replaced task_changed manage_assignments",
		"to=" + moment(30*time.Minute):             "task_created person_created",
		"from=" + moment(30*time.Minute) + "&to=" + moment(90*time.Minute): "manage_assignments",
		"subject_kind=task&from=" + moment(30*time.Minute):                 "task_changed",
	} {
		path := "/v1/audit-events?" + strings.TrimPrefix(query, "&")
		var actions []string
		for _, event := range list[api.AuditEvent](w, w.Admin, withParameter(path, "limit", "2")) {
			actions = append(actions, event.Action)
		}
		if got := strings.Join(actions, " "); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
		if total := *decode[page](w.get(w.Admin, withParameter(path, "include_total", "true")).must(200)).Total; total != len(actions) {
			t.Errorf("%q: got total %d, want %d", query, total, len(actions))
		}
	}
	occurred := list[api.AuditEvent](w, w.Admin, "/v1/audit-events?run_id="+run.String())[0].OccurredAt
	instant := url.QueryEscape(occurred.Format(time.RFC3339Nano))
	if got := w.listed(w.Admin, "/v1/audit-events?run_id="+run.String()+"&from="+instant); len(got) != 1 {
		t.Error("from leaves out its own instant")
	}
	if got := w.listed(w.Admin, "/v1/audit-events?run_id="+run.String()+"&to="+instant); len(got) != 0 {
		t.Error("to includes its own instant")
	}
	var crowd []uuid.UUID
	for range 5 {
		crowd = append(crowd, decode[api.Person](w.as(ann, "POST", "/v1/referrals", object{"first_name": "Maya", "last_name": "Petrov"}).must(201)).ID)
	}
	large := "/v1/audit-events?run_id=" + w.managed(people(crowd...), change("assign", staffed(ann))).ID.MustGet().String()
	whole, paged := list[api.AuditEvent](w, w.Admin, large), list[api.AuditEvent](w, w.Admin, large+"&limit=2")
	if !reflect.DeepEqual(whole, paged) || len(whole) != len(crowd) {
		t.Errorf("a run's events by twos are %v, at once %v", paged, whole)
	}
	w.get(ann, "/v1/audit-events").problem(403, "permission_denied")
	other := s.organization(t)
	other.lists(other.Admin, "/v1/audit-events?subject_id="+person.String())
}
