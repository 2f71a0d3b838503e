package acceptance

import (
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

// someday is a moment far ahead, and one that is long past.
const (
	someday = "2031-05-06T09:00:00Z"
	bygone  = "2021-05-06T09:00:00Z"
)

func TestD3CalendarEvents(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	whatever := header{"If-Match", "*"}
	// event is the body of a new event.
	event := func(more object) object {
		body := object{"title": "Hearing", "starts_at": someday, "ends_at": "2031-05-06T10:00:00Z", "owner_staff_id": "me"}
		for name, value := range more {
			body[name] = value
		}
		return body
	}

	s.rule(t, "D3 an event is created, read and changed field by field", func(t *testing.T, w *world) {
		ann, matter := w.member("member"), w.matter("everyone", w.Admin)
		plain := decode[api.CalendarEvent](w.as(w.Admin, "POST", "/v1/calendar-events", event(nil)).must(201))
		if plain.Title != "Hearing" || plain.Owner.ID != w.Admin.ID || len(plain.Attendees) != 0 || !plain.MatterID.IsNull() || !plain.ExternalID.IsNull() {
			t.Errorf("got %+v", plain)
		}
		created := w.as(w.Admin, "POST", "/v1/calendar-events", event(object{
			"starts_at": "2031-05-06T11:00:00.1234567+02:00", "ends_at": "2031-05-06T09:00:00.1234569Z", "owner_staff_id": ann.ID,
			"attendee_staff_ids": []any{"me", ann.ID, w.Admin.ID}, "matter_id": matter, "external_id": "e-1",
		})).must(201)
		made := decode[api.CalendarEvent](created)
		at := time.Date(2031, time.May, 6, 9, 0, 0, 123456000, time.UTC)
		if !made.StartsAt.Equal(at) || !made.EndsAt.Equal(at) || made.Owner.ID != ann.ID || made.MatterID.MustGet() != matter || made.ExternalID.MustGet() != "e-1" {
			t.Errorf("got %+v", made)
		}
		if len(made.Attendees) != 2 {
			t.Errorf("attended by %+v", made.Attendees)
		}
		self, tag := created.Header.Get("Location"), created.Header.Get("ETag")
		w.reads(self, created)
		for _, edit := range []struct {
			body object
			same func(api.CalendarEvent) bool
		}{
			{object{"title": "Meeting"}, func(got api.CalendarEvent) bool { return got.Title == "Meeting" && len(got.Attendees) == 2 }},
			{object{"ends_at": "2031-05-06T12:00:00Z"}, func(got api.CalendarEvent) bool { return got.EndsAt.Hour() == 12 && got.StartsAt.Equal(at) }},
			{object{"starts_at": someday}, func(got api.CalendarEvent) bool { return got.StartsAt.Nanosecond() == 0 }},
			{object{"owner_staff_id": "me"}, func(got api.CalendarEvent) bool { return got.Owner.ID == w.Admin.ID && len(got.Attendees) == 2 }},
			{object{"attendee_staff_ids": idsOf(ann)}, func(got api.CalendarEvent) bool { return len(got.Attendees) == 1 && got.Attendees[0].ID == ann.ID }},
			{object{"matter_id": nil, "external_id": nil}, func(got api.CalendarEvent) bool { return got.MatterID.IsNull() && got.ExternalID.IsNull() }},
			{object{"attendee_staff_ids": []uuid.UUID{}}, func(got api.CalendarEvent) bool { return len(got.Attendees) == 0 }},
			{object{"starts_at": bygone, "ends_at": bygone}, func(got api.CalendarEvent) bool { return got.EndsAt.Year() == 2021 }},
		} {
			changed := w.as(w.Admin, "PATCH", self, edit.body, header{"If-Match", tag}).must(200)
			w.as(w.Admin, "PATCH", self, edit.body, header{"If-Match", tag}).problem(412, "precondition_failed")
			if got := decode[api.CalendarEvent](changed); !edit.same(got) {
				t.Errorf("%v: got %+v", edit.body, got)
			}
			w.reads(self, changed)
			tag = changed.Header.Get("ETag")
		}
		w.as(w.Admin, "PATCH", self, object{"title": "Meeting"}, header{"If-Match", tag}).must(200)
		if events := len(w.listed(w.Admin, "/v1/audit-events?subject_id="+made.ID.String())); events != 9 {
			t.Errorf("%d changes were recorded", events)
		}
	})

	s.rule(t, "D3 an event does not end before it starts", func(t *testing.T, w *world) {
		self := w.as(w.Admin, "POST", "/v1/calendar-events", event(nil)).must(201).Header.Get("Location")
		before := w.tables()
		for _, got := range []answer{
			w.as(w.Admin, "POST", "/v1/calendar-events", event(object{"ends_at": "2031-05-06T08:59:59Z"})),
			w.as(w.Admin, "PUT", "/v1/calendar-events/by-external-id/1", event(object{"ends_at": bygone})),
			w.as(w.Admin, "PATCH", self, object{"ends_at": bygone}, whatever),
			w.as(w.Admin, "PATCH", self, object{"starts_at": "2031-05-06T10:00:01Z"}, whatever),
		} {
			pointsAt(t, got.problem(422, "invalid_value"), "invalid_value", "/ends_at")
		}
		w.unchanged(before)
	})

	s.rule(t, "D3 an event belongs to a matter that exists, or to none", func(t *testing.T, w *world) {
		self := w.as(w.Admin, "POST", "/v1/calendar-events", event(nil)).must(201).Header.Get("Location")
		foreign := s.organization(t)
		for _, unknown := range []uuid.UUID{newID(), foreign.matter("everyone", foreign.Admin)} {
			for _, got := range []answer{
				w.as(w.Admin, "POST", "/v1/calendar-events", event(object{"matter_id": unknown})),
				w.as(w.Admin, "PUT", "/v1/calendar-events/by-external-id/1", event(object{"matter_id": unknown})),
				w.as(w.Admin, "PATCH", self, object{"matter_id": unknown}, whatever),
			} {
				pointsAt(t, got.problem(422, "matter_not_found"), "matter_not_found", "/matter_id")
			}
		}
	})

	s.rule(t, "A13 owner and attendees exist and are active; who was there may stay, and what is over is history", func(t *testing.T, w *world) {
		gone, ann, foreign := w.member("member"), w.member("member"), s.organization(t)
		w.deactivate(gone)
		path := "/v1/calendar-events/" + w.eventOf(w.Admin, uuid.NullUUID{}).String()
		held := "/v1/calendar-events/" + w.eventOf(gone, uuid.NullUUID{}, gone).String()
		problem := w.as(w.Admin, "POST", "/v1/calendar-events", event(object{"owner_staff_id": gone.ID, "attendee_staff_ids": idsOf(ann, gone)})).problem(422, "staff_not_active")
		pointsAt(t, problem, "staff_not_active", "/owner_staff_id", "/attendee_staff_ids/"+map[bool]string{true: "0", false: "1"}[idsOf(ann, gone)[0] == gone.ID])
		pointsAt(t, w.as(w.Admin, "PATCH", path, object{"owner_staff_id": gone.ID}, whatever).problem(422, "staff_not_active"), "staff_not_active", "/owner_staff_id")
		for _, unknown := range []uuid.UUID{newID(), foreign.Admin.ID} {
			pointsAt(t, w.as(w.Admin, "POST", "/v1/calendar-events", event(object{"owner_staff_id": unknown})).problem(422, "staff_not_found"), "staff_not_found", "/owner_staff_id")
			pointsAt(t, w.as(w.Admin, "PATCH", path, object{"attendee_staff_ids": []any{"me", unknown}}, whatever).problem(422, "staff_not_found"), "staff_not_found", "/attendee_staff_ids/1")
		}
		w.as(w.Admin, "PATCH", held, object{"owner_staff_id": gone.ID, "attendee_staff_ids": idsOf(gone, ann), "title": "Still theirs"}, whatever).must(200)
		w.as(w.Admin, "PUT", "/v1/calendar-events/by-external-id/1", event(object{"owner_staff_id": gone.ID, "attendee_staff_ids": idsOf(gone), "starts_at": bygone, "ends_at": bygone})).must(201)
	})

	s.rule(t, "A2 events are seen by owner, attendees, who is responsible for the matter, and the tasks permission; the owner and tasks write them", func(t *testing.T, w *world) {
		owner, attendee, attorney, nobody, clerk := w.member("member"), w.member("member"), w.member("member", "clients", "staff"), w.member("member", "clients", "referrals", "staff"), w.member("member", "tasks")
		matter := uuid.NullUUID{UUID: w.matter("everyone", attorney), Valid: true}
		ofMatter, alone, attended := w.eventOf(owner, matter), w.eventOf(owner, uuid.NullUUID{}), w.eventOf(clerk, uuid.NullUUID{}, attendee)
		everything := []uuid.UUID{ofMatter, alone, attended}
		for name, given := range map[string]struct {
			caller       member
			sees, writes []uuid.UUID
		}{
			"an administrator":   {w.Admin, everything, everything},
			"tasks":              {clerk, everything, everything},
			"their own":          {owner, []uuid.UUID{ofMatter, alone}, []uuid.UUID{ofMatter, alone}},
			"what they attend":   {attendee, []uuid.UUID{attended}, nil},
			"of their matter":    {attorney, []uuid.UUID{ofMatter}, nil},
			"no tasks, no event": {nobody, nil, nil},
		} {
			w.lists(given.caller, "/v1/calendar-events", given.sees...)
			w.lists(given.caller, "/v1/calendar-events?q=event", given.sees...)
			if total := decode[page](w.get(given.caller, "/v1/calendar-events?include_total=true").must(200)).Total; total == nil || *total != len(given.sees) {
				t.Errorf("%s: got total %v", name, total)
			}
			for _, id := range everything {
				w.read(given.caller, "/v1/calendar-events/", id, given.sees)
				got := w.as(given.caller, "PATCH", "/v1/calendar-events/"+id.String(), object{"title": "Event of " + name}, whatever)
				if may := contains(given.writes, id); may != (got.Status == 200) || !may && got.Status != 403 {
					t.Errorf("%s: writing %s got %d", name, id, got.Status)
				}
			}
			mine := w.as(given.caller, "POST", "/v1/calendar-events", event(nil)).must(201)
			w.exec(`DELETE FROM calendar_events WHERE id = $1`, decode[api.CalendarEvent](mine).ID)
			if got := w.as(given.caller, "POST", "/v1/calendar-events", event(object{"owner_staff_id": w.member("member").ID})).Status; (got == 201) != (len(given.sees) == 3) {
				t.Errorf("%s: putting an event on somebody's calendar got %d", name, got)
			}
			w.exec(`DELETE FROM calendar_events WHERE organization_id = $1 AND title = 'Hearing'`, w.ID)
			if t.Failed() {
				t.Fatal(name)
			}
		}
	})

	s.rule(t, "D3 a repeated request with its key gives the stored answer, and one event", func(_ *testing.T, w *world) {
		body := event(object{"attendee_staff_ids": []string{"me"}})
		first := w.as(w.Admin, "POST", "/v1/calendar-events", body, key("event-1")).must(201)
		replays(w.t, first, w.as(w.Admin, "POST", "/v1/calendar-events", body, key("event-1")).must(201))
		w.as(w.Admin, "POST", "/v1/calendar-events", with(body, "title", "Other"), key("event-1")).problem(422, "idempotency_key_reused")
		w.lists(w.Admin, "/v1/calendar-events", decode[api.CalendarEvent](first).ID)
	})
}

func contains(ids []uuid.UUID, id uuid.UUID) bool {
	for _, known := range ids {
		if known == id {
			return true
		}
	}
	return false
}

func TestCalendarEventFilters(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	ann, bob := w.member("member"), w.member("member")
	matter, other, secret := w.matter("everyone", ann), w.matter("everyone", ann), w.matter("private", ann)
	ids := map[string]uuid.UUID{}
	create := func(name string, fields object) {
		body := object{
			"title": name + " before the Zoning-Board", "starts_at": "2031-05-06T09:00:00Z", "ends_at": "2031-05-06T10:00:00Z", "owner_staff_id": ann.ID, "external_id": "x-" + name,
		}
		for field, value := range fields {
			body[field] = value
		}
		ids[name] = decode[api.CalendarEvent](w.as(w.Admin, "POST", "/v1/calendar-events", body).must(201)).ID
	}
	create("plain", object{})
	create("early", object{"starts_at": "2031-05-06T08:00:00Z", "attendee_staff_ids": idsOf(bob, w.Admin)})
	create("late", object{"starts_at": "2031-05-06T09:00:00.000001Z", "attendee_staff_ids": idsOf(bob), "owner_staff_id": bob.ID})
	create("legal", object{"matter_id": matter, "owner_staff_id": "me"})
	create("other", object{"matter_id": other, "attendee_staff_ids": idsOf(ann), "owner_staff_id": bob.ID})
	create("secret", object{})
	w.exec(`UPDATE calendar_events SET matter_id = $2 WHERE id = $1`, ids["secret"], secret)
	nine := url.QueryEscape("2031-05-06T11:00:00+02:00")
	a, b := ann.ID.String(), bob.ID.String()
	for query, want := range map[string]string{
		"":                                 "plain early late legal other",
		"owner_staff_id=" + a:              "plain early",
		"owner_staff_id=me":                "legal",
		"owner_staff_id=me," + b:           "late legal other",
		"attendee_staff_id=" + b:           "early late",
		"attendee_staff_id=me":             "early",
		"attendee_staff_id=" + a + "," + b: "early late other",
		"owner_staff_id=" + b + "&attendee_staff_id=" + b:                             "late",
		"matter_id=" + matter.String():                                                "legal",
		"matter_id=" + matter.String() + "," + other.String() + "," + secret.String(): "legal other",
		"matter_id=" + secret.String():                                                "",
		"matter_id=" + newID().String():                                               "",
		"starts_from=" + nine:                                                         "plain late legal other",
		"starts_to=" + nine:                                                           "early",
		"starts_from=" + nine + "&starts_to=2031-05-06T09:00:00.000001Z":              "plain legal other",
		"q=zoning":                  "plain early late legal other",
		"q=BEF%20ear":               "early",
		"q=board":                   "",
		"q=secret":                  "",
		"external_id=x-late,x-none": "late",
		"external_id=x-secret":      "",
		"owner_staff_id=" + a + "&q=plain&starts_from=" + nine: "plain",
	} {
		w.listsNamed("/v1/calendar-events", query, ids, want)
	}
	for _, wrong := range []string{"owner_staff_id=nobody", "matter_id=1", "starts_from=2031-05-06", "colour=red", "q="} {
		w.get(w.Admin, "/v1/calendar-events?"+wrong).must(400)
	}
}
