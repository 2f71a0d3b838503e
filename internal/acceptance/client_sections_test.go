package acceptance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

// wholeSections are the fields of every section, with values in the form they are kept in.
var wholeSections = map[string]object{
	"identity":      {"first_name": "Mia", "last_name": "Lang", "preferred_name": "Mi", "pronouns": "she/her", "date_of_birth": "1987-02-28"},
	"contact":       {"email": "mia@mail.example", "phone": "+14165550199", "preferred_channel": "text"},
	"address":       {"line1": "1 Queen St", "line2": "Unit 2", "city": "Toronto", "region": "ON", "postal_code": "M5V 2T6", "country": "CA"},
	"employment":    {"status": "unemployed", "current_occupation": "None", "past_occupations": []any{"Baker", "Cook"}, "target_occupations": []any{"Chef"}, "highest_education": "trade"},
	"communication": {"preferred_language": "fr-CA", "preferences": "Not before noon."},
	"referral":      {"source": "Court", "reference_number": "R-1", "reasons": []any{"Work"}, "service_needs": []any{"Training", "Housing"}, "transport": "Bus"},
	"notes":         {"notes": "Calls back.\nTwice."},
}

func TestC5Sections(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "C5 every section is edited by itself, in part, with a version of its own", func(t *testing.T, w *world) {
		client := w.added("Maya", "Petrov", "maya@mail.example")
		for name, fields := range wholeSections {
			path := sectionPath(client.ID, name)
			empty := w.get(w.Admin, path).must(200)
			others := decode[api.Client](w.get(w.Admin, "/v1/clients/"+client.ID.String()).must(200)).SectionEtags
			got := w.as(w.Admin, "PATCH", path, fields, header{"If-Match", empty.Header.Get("ETag")}).must(200)
			read := w.get(w.Admin, path).must(200)
			section := decode[api.ClientSection](read)
			sameText(t, name, map[string]any(section.Fields), map[string]any(fields))
			if section.Section != name || len(section.ManagedByCams) != 0 {
				t.Errorf("got %s", read.Body)
			}
			changed := decode[map[string]any](got)
			sameText(t, name+" of the client", changed["sections"].(map[string]any)[name], map[string]any(fields))
			if got.Header.Get("ETag") != read.Header.Get("ETag") || got.Header.Get("ETag") == empty.Header.Get("ETag") {
				t.Errorf("%s: ETags %s, %s, %s", name, empty.Header.Get("ETag"), got.Header.Get("ETag"), read.Header.Get("ETag"))
			}
			was, is := decodeText[map[string]string](t, others), changed["section_etags"].(map[string]any)
			for section, tag := range was {
				if (is[section] != tag) != (section == name) {
					t.Errorf("editing %s: the version of %s was %s, is %s", name, section, tag, is[section])
				}
			}
			if is[name] != read.Header.Get("ETag") {
				t.Errorf("%s: the client tells %s", name, is[name])
			}
			for field, value := range fields {
				part := w.as(w.Admin, "PATCH", path, object{field: value}, header{"If-Match", read.Header.Get("ETag")}).must(200)
				if part.Header.Get("ETag") != read.Header.Get("ETag") {
					t.Errorf("%s: sending %s again changes it", name, field)
				}
			}
			events := decode[api.AuditEventPage](w.get(w.Admin, "/v1/audit-events?action=client_changed&subject_id="+client.ID.String()).must(200)).Items
			sameText(t, "recorded", decodeText[map[string]any](t, events[0].After)[name], map[string]any(fields))
		}
		if events := w.listed(w.Admin, "/v1/audit-events?subject_id="+client.ID.String()); len(events) != len(wholeSections)+1 {
			t.Errorf("%d changes were recorded", len(events))
		}
		for name, fields := range wholeSections {
			for field := range fields {
				if field == "first_name" || field == "last_name" {
					w.section(client.ID, name, object{field: nil}).problem(400, "invalid_request")
					continue
				}
				if _, isList := fields[field].([]any); isList {
					w.section(client.ID, name, object{field: nil}).problem(400, "invalid_request")
					w.section(client.ID, name, object{field: []any{}}).must(200)
					continue
				}
				got := decode[map[string]any](w.section(client.ID, name, object{field: nil}).must(200))
				if got["sections"].(map[string]any)[name].(map[string]any)[field] != nil {
					t.Errorf("%s is still there", field)
				}
			}
		}
		person := decode[api.Person](w.get(w.Admin, "/v1/people/"+client.ID.String()).must(200))
		if person.Name != "Mia Lang" || !person.Email.IsNull() || !person.Phone.IsNull() {
			t.Errorf("the person is %+v", person)
		}
	})

	s.rule(t, "C5 an edit needs the version of the section that it is meant for", func(t *testing.T, w *world) {
		client := w.added("Maya", "Petrov", "maya@mail.example")
		path := sectionPath(client.ID, "notes")
		tag := w.get(w.Admin, path).must(200).Header.Get("ETag")
		w.as(w.Admin, "PATCH", path, object{"notes": "x"}).problem(428, "precondition_required")
		w.as(w.Admin, "PATCH", path, object{"notes": "first"}, header{"If-Match", tag}).must(200)
		before := w.tables()
		for _, stale := range []string{tag, client.SectionEtags.Contact, client.SectionEtags.Employment, `"x"`} {
			w.as(w.Admin, "PATCH", path, object{"notes": "second"}, header{"If-Match", stale}).problem(412, "precondition_failed")
		}
		w.unchanged(before)
	})

	s.rule(t, "C5 of two editors with one ETag exactly one wins, 1,000 times", func(t *testing.T, w *world) {
		client := w.added("Maya", "Petrov", "maya@mail.example")
		sections := []string{"notes", "contact", "employment"}
		fields := map[string]func(text string) object{
			"notes":      func(text string) object { return object{"notes": text} },
			"contact":    func(text string) object { return object{"email": text + "@mail.example"} },
			"employment": func(text string) object { return object{"past_occupations": []string{text}} },
		}
		tags := map[string]string{"notes": client.SectionEtags.Notes, "contact": client.SectionEtags.Contact, "employment": client.SectionEtags.Employment}
		for round := range 1000 {
			name := sections[round%len(sections)]
			answers := together(2, func(i int) answer {
				body := fields[name](fmt.Sprintf("round-%d-%d", round, i))
				return w.as(w.Admin, "PATCH", sectionPath(client.ID, name), body, header{"If-Match", tags[name]})
			})
			won := slices.IndexFunc(answers, func(got answer) bool { return got.Status == 200 })
			if won < 0 || answers[1-won].Status != 412 {
				t.Fatalf("round %d: got %d %s and %d %s", round, answers[0].Status, answers[0].Body, answers[1].Status, answers[1].Body)
			}
			read := w.get(w.Admin, sectionPath(client.ID, name)).must(200)
			if tags[name] = read.Header.Get("ETag"); tags[name] != answers[won].Header.Get("ETag") || !strings.Contains(string(read.Body), fmt.Sprintf("round-%d-%d", round, won)) {
				t.Fatalf("round %d: %d won, and there is %s", round, won, read.Body)
			}
		}
		if n := w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1 AND action = 'client_changed'`, w.ID); n != 1000 {
			t.Errorf("%d changes were recorded", n)
		}
	})

	s.rule(t, "C5 editors of different sections are not in each other's way", func(t *testing.T, w *world) {
		client := w.added("Maya", "Petrov", "maya@mail.example")
		tags := decodeText[map[string]string](t, client.SectionEtags)
		var names []string
		for name := range wholeSections {
			names = append(names, name)
		}
		for i, status := range together(len(names), func(i int) int {
			return w.as(w.Admin, "PATCH", sectionPath(client.ID, names[i]), wholeSections[names[i]], header{"If-Match", tags[names[i]]}).Status
		}) {
			if status != 200 {
				t.Errorf("%s: got %d", names[i], status)
			}
		}
		sections := decode[map[string]any](w.get(w.Admin, "/v1/clients/"+client.ID.String()).must(200))["sections"].(map[string]any)
		for name, fields := range wholeSections {
			sameText(t, name, sections[name], map[string]any(fields))
		}
	})

	s.rule(t, "C5 phone numbers, postal codes, languages and dates are checked, and kept in one form", func(t *testing.T, w *world) {
		client := w.added("Maya", "Petrov", "maya@mail.example")
		kept := func(section, field string, sent, want any) {
			t.Helper()
			got := decode[map[string]any](w.section(client.ID, section, object{field: sent}).must(200))
			if is := got["sections"].(map[string]any)[section].(map[string]any)[field]; is != want {
				t.Errorf("%s: %v is kept as %v", field, sent, is)
			}
		}
		kept("contact", "phone", "416-555-0142", "+14165550142")
		kept("address", "country", "DE", "DE")
		kept("contact", "phone", "030 901820", "+4930901820")
		kept("address", "postal_code", "10115", "10115")
		kept("communication", "preferred_language", "FR-ca", "fr-CA")
		kept("identity", "date_of_birth", "1900-01-01", "1900-01-01")
		before := w.tables()
		for _, given := range []struct {
			section string
			fields  object
			at      []string
		}{
			{"contact", object{"phone": "12"}, []string{"/phone"}},
			{"address", object{"country": "CA"}, []string{"/postal_code"}},
			{"address", object{"country": "XX"}, []string{"/country"}},
			{"address", object{"country": "GB", "postal_code": "M5V 2T6"}, []string{"/postal_code"}},
			{"address", object{"country": "US", "postal_code": "1234"}, []string{"/postal_code"}},
			{"communication", object{"preferred_language": "english"}, []string{"/preferred_language"}},
			{"communication", object{"preferred_language": "xx"}, []string{"/preferred_language"}},
			{"identity", object{"date_of_birth": "2999-01-01"}, []string{"/date_of_birth"}},
			{"identity", object{"date_of_birth": "1899-12-31"}, []string{"/date_of_birth"}},
		} {
			pointsAt(t, w.section(client.ID, given.section, given.fields).problem(422, "invalid_value"), "invalid_value", given.at...)
		}
		for section, fields := range map[string]object{
			"contact": {"email": "maya at mail"}, "identity": {"date_of_birth": "1987-02-30"}, "address": {"postal_code": "!"},
			"employment": {"status": "busy"}, "notes": {"notes": ""}, "referral": {"reasons": "Work"}, "communication": {"preferred_language": "f"},
		} {
			w.section(client.ID, section, fields).problem(400, "invalid_request")
		}
		w.section(client.ID, "notes", object{}).problem(400, "invalid_request")
		w.section(client.ID, "hobbies", object{"notes": "x"}).problem(400, "invalid_parameter")
		w.unchanged(before)
	})

	s.rule(t, "C5 a field of another section is not known", func(t *testing.T, w *world) {
		client := w.added("Maya", "Petrov", "maya@mail.example")
		before := w.tables()
		for name := range wholeSections {
			for other, fields := range wholeSections {
				if other == name {
					continue
				}
				var pointers []string
				for field := range fields {
					pointers = append(pointers, "/"+field)
				}
				slices.Sort(pointers)
				pointsAt(t, w.section(client.ID, name, fields).problem(400, "unknown_field"), "unknown_field", pointers...)
			}
		}
		w.unchanged(before)
	})

	s.rule(t, "C5 who has a new name or email is found by it, and not by the old one", func(t *testing.T, w *world) {
		client := w.added("Maya", "Petrov", "maya@mail.example")
		finds := func(q string, want bool) {
			t.Helper()
			if found := w.listed(w.Admin, "/v1/people?q="+q); (len(found) == 1) != want {
				t.Errorf("%s finds %v", q, found)
			}
		}
		w.section(client.ID, "identity", object{"last_name": "Lang"}).must(200)
		w.section(client.ID, "contact", object{"email": "ml@work.example"}).must(200)
		finds("lang", true)
		finds("ml@work", true)
		finds("maya", true)
		finds("petrov", false)
		finds("mail.example", false)
	})

	s.rule(t, "C5 what was imported is no obstacle to edits beside it", func(t *testing.T, w *world) {
		person := w.person("client")
		w.exec(`UPDATE people SET phone = 'ext. 5', email = 'm@mail.example' WHERE id = $1`, person)
		got := decode[api.Client](w.section(person, "contact", object{"phone": "ext. 5", "preferred_channel": "phone"}).must(200))
		if got.Phone.MustGet() != "ext. 5" || got.Sections.Contact.PreferredChannel.MustGet() != "phone" {
			t.Errorf("got %+v", got.Sections.Contact)
		}
	})
}

func TestC4OwnedFields(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	owned := map[string][]string{
		"identity": {"first_name", "last_name", "date_of_birth"}, "contact": {"email", "phone"},
		"address": {"line1", "line2", "city", "region", "postal_code", "country"},
	}

	s.rule(t, "C4 fields that belong to CaMS cannot be edited here while the client is linked, and each is named", func(t *testing.T, w *world) {
		client := w.added("Maya", "Petrov", "maya@mail.example")
		unlinkedTags := decodeText[map[string]string](t, client.SectionEtags)
		w.linked(client.ID, "CL-000001")
		for name, fields := range wholeSections {
			section := decode[api.ClientSection](w.get(w.Admin, sectionPath(client.ID, name)).must(200))
			sameText(t, name, section.ManagedByCams, append([]string{}, owned[name]...))
			if len(owned[name]) == 0 {
				w.as(w.Admin, "PATCH", sectionPath(client.ID, name), fields, header{"If-Match", unlinkedTags[name]}).must(200)
				continue
			}
			w.as(w.Admin, "PATCH", sectionPath(client.ID, name), fields, header{"If-Match", unlinkedTags[name]}).problem(412, "precondition_failed")
			before := w.tables()
			var pointers []string
			for _, field := range owned[name] {
				pointers = append(pointers, "/"+field)
				pointsAt(t, w.section(client.ID, name, object{field: fields[field]}).problem(422, "managed_by_cams"), "managed_by_cams", "/"+field)
			}
			pointsAt(t, w.section(client.ID, name, fields).problem(422, "managed_by_cams"), "managed_by_cams", pointers...)
			w.unchanged(before)
		}
		own := decode[api.Client](w.section(client.ID, "identity", object{"first_name": "Maya", "pronouns": "she/her"}).must(200))
		if own.Sections.Identity.Pronouns.MustGet() != "she/her" || own.Cams.MustGet().Reference != "CL-000001" {
			t.Errorf("got %+v", own)
		}
		w.exec(`DELETE FROM cams_links WHERE organization_id = $1`, w.ID)
		for name, fields := range wholeSections {
			w.section(client.ID, name, fields).must(200)
		}
	})

	s.rule(t, "C4 an upsert leaves to CaMS what belongs to it", func(t *testing.T, w *world) {
		client := w.added("Maya", "Petrov", "maya@mail.example", object{"external_id": "crm-1", "phone": "+14165550142"})
		same := object{"kind": "client", "first_name": "Maya", "last_name": "Petrov", "email": "maya@mail.example", "phone": "+14165550142"}
		put := func(body object) answer { return w.as(w.Admin, "PUT", "/v1/people/by-external-id/crm-1", body) }
		w.linked(client.ID, "CL-000001")
		before := w.tables()
		put(same).must(200)
		for field, value := range map[string]any{"kind": "referral", "first_name": "Mia", "last_name": "Lang", "email": nil, "phone": "1"} {
			pointsAt(t, put(with(same, field, value)).problem(422, "managed_by_cams"), "managed_by_cams", "/"+field)
		}
		w.unchanged(before)
		put(with(same, "status", "inactive")).must(200)
		w.exec(`DELETE FROM cams_links WHERE organization_id = $1`, w.ID)
		put(with(same, "last_name", "Lang")).must(200)
	})
}

// decodeText reads a value by way of its JSON.
func decodeText[T any](t testing.TB, value any) T {
	t.Helper()
	var read T
	if err := json.Unmarshal(must(json.Marshal(value)), &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestC5EmailOfSomebodyElse(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "C5 an email that somebody else has is refused, unless that is confirmed", func(t *testing.T, w *world) {
		clients := w.member("member", "clients")
		held, client := w.added("Maya", "Petrov", "maya@mail.example"), w.added("Mia", "Lang", "mia@mail.example")
		without := decode[api.Client](w.as(w.Admin, "POST", "/v1/people/"+w.person("referral").String()+"/become-client", object{"send_invitation": false}).must(200))
		referral := decode[api.Person](w.as(w.Admin, "POST", "/v1/referrals", object{"first_name": "Ahmed", "last_name": "Rahimi", "email": "ahmed@mail.example"}).must(201))
		before := w.tables()
		for _, given := range []struct {
			by      member
			client  uuid.UUID
			fields  object
			matches []string
		}{
			{w.Admin, client.ID, object{"email": "MAYA@mail.example"}, []string{held.ID.String()}},
			{clients, client.ID, object{"email": "maya@mail.example", "phone": "+14165550123", "confirm_duplicate": false}, []string{held.ID.String()}},
			{w.Admin, without.ID, object{"email": "maya@mail.example"}, []string{held.ID.String()}},
			{w.Admin, client.ID, object{"email": "ahmed@mail.example"}, []string{referral.ID.String()}},
			{clients, client.ID, object{"email": "ahmed@mail.example"}, []string{}},
		} {
			problem := w.as(given.by, "PATCH", sectionPath(given.client, "contact"), given.fields, header{"If-Match", "*"}).problem(409, "duplicate_person")
			pointsAt(t, problem, "duplicate_person", "/email")
			got := []string{}
			for _, match := range *problem.Matches {
				got = append(got, match.ID.String())
			}
			if !slices.Equal(got, given.matches) {
				t.Errorf("%v: matches %v, want %v", given.fields, got, given.matches)
			}
		}
		w.unchanged(before)
		w.section(client.ID, "contact", object{"email": "maya@mail.example", "confirm_duplicate": true}).must(200)
		if events := w.listed(w.Admin, "/v1/audit-events?action=client_changed&subject_id="+client.ID.String()); strings.Contains(fmt.Sprint(events), "confirm_duplicate") {
			t.Errorf("got %v", events)
		}
		// What stays as it is, but for letter case, is no duplicate; nor is what one had before.
		w.section(client.ID, "contact", object{"email": "Maya@mail.example", "preferred_channel": "email"}).must(200)
		w.section(held.ID, "contact", object{"email": "maya@mail.example", "phone": "+14165550123"}).must(200)
		w.section(client.ID, "contact", object{"email": nil}).must(200)
		w.section(client.ID, "contact", object{"email": "maya@mail.example"}).problem(409, "duplicate_person")
		w.section(client.ID, "contact", object{"confirm_duplicate": true}).must(200)
		for name := range wholeSections {
			if name != "contact" {
				w.section(client.ID, name, object{"confirm_duplicate": true}).problem(400, "unknown_field")
			}
		}
		other := s.organization(t)
		other.section(other.added("Mia", "Lang", "other@mail.example").ID, "contact", object{"email": "maya@mail.example"}).must(200)
	})

	s.rule(t, "C5 of those who give clients one email at once, or add somebody with it, exactly one does", func(t *testing.T, w *world) {
		ids := make([]uuid.UUID, 3)
		for i := range ids {
			ids[i] = w.added("Maya", fmt.Sprint("Petrov ", i), newAddress()).ID
		}
		for round := range 30 {
			email := fmt.Sprintf("at-once-%d@mail.example", round)
			statuses := together(len(ids)+1, func(i int) int {
				if i == len(ids) {
					return w.as(w.Admin, "POST", "/v1/clients", manual("Maya", "Petrov", strings.ToUpper(email))).Status
				}
				return w.section(ids[i], "contact", object{"email": email}).Status
			})
			done, refused := 0, 0
			for _, status := range statuses {
				switch status {
				case 200, 201:
					done++
				case 409:
					refused++
				}
			}
			if done != 1 || refused != len(ids) {
				t.Fatalf("round %d: got %v", round, statuses)
			}
		}
	})

	s.rule(t, "C5 what another system decides is not held up by an email that somebody else has", func(t *testing.T, w *world) {
		w.added("Maya", "Petrov", "maya@mail.example")
		w.as(w.Admin, "PUT", "/v1/people/by-external-id/P-1", object{"kind": "client", "first_name": "Mia", "last_name": "Lang", "email": "maya@mail.example"}).must(201)
	})
}
