package acceptance

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

// manual is a client as they are added by hand.
func manual(first, last, email string, more ...object) object {
	body := object{"source": "manual", "first_name": first, "last_name": last, "email": email, "send_invitation": false}
	for _, fields := range more {
		for name, value := range fields {
			body[name] = value
		}
	}
	return body
}

// added is a client who was added by hand, without an invitation.
func (w *world) added(first, last, email string, more ...object) api.Client {
	w.t.Helper()
	return decode[api.Client](w.as(w.Admin, "POST", "/v1/clients", manual(first, last, email, more...)).must(201))
}

// named adds a person of a name straight into the tables, with the words they are found by.
func (w *world) named(kind, first, last string, staff ...member) uuid.UUID {
	w.t.Helper()
	id := w.person(kind, staff...)
	w.exec(`UPDATE people SET first_name = $2, last_name = $3 WHERE id = $1`, id, first, last)
	w.exec(`INSERT INTO person_words (organization_id, word, person_id)
		SELECT DISTINCT $1::uuid, word, $2::uuid FROM regexp_split_to_table(lower($3), '[ -]') AS word`, w.ID, id, first+" "+last)
	return id
}

// linked links a client to CaMS straight in the tables.
func (w *world) linked(client uuid.UUID, reference string) {
	w.t.Helper()
	w.exec(`INSERT INTO cams_links (organization_id, person_id, reference, linked_at, last_success_at) VALUES ($1, $2, $3, now(), now())`, w.ID, client, reference)
}

func sectionPath(client uuid.UUID, section string) string {
	return "/v1/clients/" + client.String() + "/sections/" + section
}

// section edits a section, whoever has edited it before.
func (w *world) section(client uuid.UUID, section string, fields object) answer {
	w.t.Helper()
	return w.as(w.Admin, "PATCH", sectionPath(client, section), fields, header{"If-Match", "*"})
}

// namesOf are the names of people in the order they were listed.
func namesOf(items []api.Person) string {
	var names []string
	for _, person := range items {
		names = append(names, person.Name)
	}
	return strings.Join(names, ", ")
}

func TestC1Matches(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	matches := func(w *world, m member, last, first string) string {
		query := url.Values{"last_name": {last}}
		if first != "" {
			query.Set("first_name", first)
		}
		return namesOf(decode[api.ClientMatches](w.get(m, "/v1/client-matches?"+query.Encode()).must(200)).Items)
	}

	s.rule(t, "C1 a last name finds those who have it, then those whose last name begins with it, then those with such a word in it", func(t *testing.T, w *world) {
		for _, name := range []string{"Ann Leeds", "Bob Lee", "Cy Smith-Lee", "Ann Lee", "Lee Brown", "Di van Leer", "Eve Olee"} {
			first, last, _ := strings.Cut(name, " ")
			w.named("client", first, last)
		}
		for _, given := range []struct{ last, first, want string }{
			{"Lee", "", "Ann Lee, Bob Lee, Ann Leeds, Cy Smith-Lee, Di van Leer"},
			{"LEE", "ann", "Ann Lee, Ann Leeds"},
			{"le", "A", "Ann Lee, Ann Leeds"},
			{"lee", "bo", "Bob Lee"},
			{"van leer", "", "Di van Leer"},
			{"smith", "", "Cy Smith-Lee"},
			{"brown", "lee", "Lee Brown"},
			{"brown", "ann", ""},
			{"nobody", "", ""},
			{"%", "", ""},
			{"L_e", "", ""},
			{`lee\`, "", ""},
		} {
			if got := matches(w, w.Admin, given.last, given.first); got != given.want {
				t.Errorf("%s, %s: got %q, want %q", given.last, given.first, got, given.want)
			}
		}
		w.get(w.Admin, "/v1/client-matches").problem(400, "invalid_parameter")
		w.get(w.Admin, "/v1/client-matches?first_name=Ann").problem(400, "invalid_parameter")
		w.get(w.Admin, "/v1/client-matches?last_name=%20").problem(400, "invalid_parameter")
		w.get(w.Admin, "/v1/client-matches?last_name=Lee&q=x").problem(400, "unknown_parameter")
	})

	s.rule(t, "C1 letter case and accents make no difference", func(t *testing.T, w *world) {
		for _, name := range []string{"Zoë Müller", "Łukasz Nguyễn", "Benoît Côté", "Jose\u0301 Groß"} {
			first, last, _ := strings.Cut(name, " ")
			w.named("client", first, last)
		}
		for _, given := range [][3]string{
			{"muller", "zoe", "Zoë Müller"},
			{"MÜLL", "ZOË", "Zoë Müller"},
			{"nguyen", "lukasz", "Łukasz Nguyễn"},
			{"Cote", "Benoit", "Benoît Côté"},
			{"CÔTÉ", "", "Benoît Côté"},
			{"Co\u0302te\u0301", "", "Benoît Côté"},
			{"gross", "josé", "Jose\u0301 Groß"},
		} {
			if got := matches(w, w.Admin, given[0], given[1]); got != given[2] {
				t.Errorf("%s, %s: got %q, want %q", given[0], given[1], got, given[2])
			}
		}
	})

	s.rule(t, "C1 the list holds whom the caller sees, at most 20, and those with the whole name first", func(t *testing.T, w *world) {
		ann, nobody := w.member("member", "clients"), w.member("member")
		for i := range 30 {
			w.named("client", "Kim", "Lees"+strings.Repeat("a", i%3))
		}
		w.named("client", "Kim", "Lee")
		w.named("referral", "Kim", "Lee")
		w.named("referral", "Own", "Lee", nobody)
		if got := matches(w, w.Admin, "lee", ""); !strings.HasPrefix(got, "Kim Lee, Kim Lee, Own Lee, Kim Lees, ") || strings.Count(got, ",") != 19 {
			t.Errorf("got %s", got)
		}
		if got := matches(w, ann, "lee", ""); !strings.HasPrefix(got, "Kim Lee, Kim Lees, ") || strings.Count(got, ",") != 19 {
			t.Errorf("got %s", got)
		}
		if got := matches(w, nobody, "lee", ""); got != "Own Lee" {
			t.Errorf("got %s", got)
		}
		other := s.organization(t)
		if got := matches(other, other.Admin, "lee", ""); got != "" {
			t.Errorf("another organization finds %s", got)
		}
	})
}

func TestC2AddingByHand(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "C2 a client is added with name and email", func(t *testing.T, w *world) {
		body := manual("Maya", "Petrov", "Maya.Petrov@mail.example", object{"phone": "(416) 555-0142", "external_id": "crm-1"})
		got := w.as(w.member("member", "clients"), "POST", "/v1/clients", body).must(201)
		client := decode[api.Client](got)
		if client.Kind != "client" || client.Status != "active" || client.Name != "Maya Petrov" || client.Email.MustGet() != "Maya.Petrov@mail.example" ||
			client.Phone.MustGet() != "+14165550142" || client.ExternalID.MustGet() != "crm-1" || len(client.Staff) != 0 || !client.Cams.IsNull() || !client.Invitation.IsNull() {
			t.Errorf("got %s", got.Body)
		}
		if got.Header.Get("Location") != "/v1/clients/"+client.ID.String() {
			t.Errorf("got Location %q", got.Header.Get("Location"))
		}
		w.reads(got.Header.Get("Location"), got)
		if found := w.listed(w.Admin, "/v1/people?q=petrov"); len(found) != 1 || found[0] != client.ID {
			t.Errorf("searching finds %v", found)
		}
		events := decode[api.AuditEventPage](w.get(w.Admin, "/v1/audit-events?subject_id="+client.ID.String()).must(200)).Items
		if len(events) != 1 || events[0].Action != "client_created" || events[0].SubjectKind != "person" || !strings.Contains(string(must(json.Marshal(events[0].After))), "+14165550142") {
			t.Errorf("recorded %+v", events)
		}
	})

	s.rule(t, "C2 name and email are required", func(t *testing.T, w *world) {
		before := w.tables()
		for _, field := range []string{"first_name", "last_name", "email"} {
			body := manual("Maya", "Petrov", "maya@mail.example")
			delete(body, field)
			pointsAt(t, w.as(w.Admin, "POST", "/v1/clients", body).problem(400, "invalid_request"), "required", "/"+field)
			for _, odd := range []any{nil, "", " ", 1} {
				w.as(w.Admin, "POST", "/v1/clients", with(manual("Maya", "Petrov", "maya@mail.example"), field, odd)).problem(400, "invalid_request")
			}
		}
		w.as(w.Admin, "POST", "/v1/clients", manual("Maya", "Petrov", "maya at mail")).problem(400, "invalid_request")
		w.as(w.Admin, "POST", "/v1/clients", manual("Maya", "Petrov", "maya@mail.example", object{"source": "hearsay"})).problem(400, "invalid_request")
		w.as(w.Admin, "POST", "/v1/clients", manual("Maya", "Petrov", "maya@mail.example", object{"assessment_number": "CA-000001"})).problem(400, "unknown_field")
		w.unchanged(before)
	})

	s.rule(t, "C2 a telephone number that is none is refused", func(t *testing.T, w *world) {
		before := w.tables()
		for _, phone := range []string{"12", "call me", "+1 416 555 0142 ext. 5", "+999 1"} {
			refused := w.as(w.Admin, "POST", "/v1/clients", manual("Maya", "Petrov", "maya@mail.example", object{"phone": phone})).problem(422, "invalid_value")
			pointsAt(t, refused, "invalid_value", "/phone")
		}
		w.unchanged(before)
		w.exec(`UPDATE organizations SET time_zone = 'UTC' WHERE id = $1`, w.ID)
		w.as(w.Admin, "POST", "/v1/clients", manual("Maya", "Petrov", "maya@mail.example", object{"phone": "416 555 0142"})).problem(422, "invalid_value")
		w.added("Maya", "Petrov", "maya@mail.example", object{"phone": "+49 30 901820"})
	})

	s.rule(t, "C2 somebody with the same email is refused, unless that is confirmed", func(t *testing.T, w *world) {
		clients := w.member("member", "clients")
		maya := w.added("Maya", "Petrov", "maya@mail.example")
		referral := decode[api.Person](w.as(w.Admin, "POST", "/v1/referrals", object{"first_name": "Ahmed", "last_name": "Rahimi", "email": "AHMED@mail.example"}).must(201))
		before := w.tables()
		for _, given := range []struct {
			by      member
			email   string
			matches []string
		}{
			{w.Admin, "MAYA@mail.example", []string{maya.ID.String() + " Maya Petrov client"}},
			{clients, "maya@Mail.Example", []string{maya.ID.String() + " Maya Petrov client"}},
			{w.Admin, "ahmed@mail.example", []string{referral.ID.String() + " Ahmed Rahimi referral"}},
			{clients, "ahmed@mail.example", []string{}},
		} {
			problem := w.as(given.by, "POST", "/v1/clients", manual("Mia", "Lang", given.email)).problem(409, "duplicate_person")
			pointsAt(t, problem, "duplicate_person", "/email")
			got, ids := []string{}, []any{}
			for _, match := range *problem.Matches {
				got, ids = append(got, fmt.Sprint(match.ID, " ", match.Name, " ", match.Kind)), append(ids, match.ID.String())
			}
			if !slices.Equal(got, given.matches) {
				t.Errorf("%s: matches %v, want %v", given.email, got, given.matches)
			}
			sameText(t, "person_ids", problem.Params["person_ids"], ids)
		}
		w.unchanged(before)
		second := w.added("Mia", "Lang", "MAYA@mail.example", object{"confirm_duplicate": true})
		if second.ID == maya.ID {
			t.Error("it is the same client")
		}
		other := s.organization(t)
		other.added("Maya", "Petrov", "maya@mail.example")
	})

	s.rule(t, "C2 of those who add somebody with one email at once exactly one does, but for those who confirm", func(t *testing.T, w *world) {
		for round := range 40 {
			email := fmt.Sprintf("round-%d@mail.example", round)
			confirmed := round%4 == 0
			statuses := together(4, func(i int) int {
				spelt := email
				if i%2 == 0 {
					spelt = strings.ToUpper(email)
				}
				body := manual("Maya", fmt.Sprint("Petrov ", i), spelt)
				if confirmed && i == 0 {
					body["confirm_duplicate"] = true
				}
				return w.as(w.Admin, "POST", "/v1/clients", body).Status
			})
			created, refused := 0, 0
			for _, status := range statuses {
				switch status {
				case 201:
					created++
				case 409:
					refused++
				}
			}
			atMost := 1
			if confirmed {
				atMost = 2
			}
			if created < 1 || created > atMost || created+refused != len(statuses) || confirmed && statuses[0] != 201 {
				t.Fatalf("round %d: got %v", round, statuses)
			}
			if n := w.count(`SELECT count(*) FROM people WHERE organization_id = $1 AND email_normalized = $2`, w.ID, email); n != created {
				t.Fatalf("round %d: %d people for %d answers", round, n, created)
			}
		}
	})

	s.rule(t, "C2 adding a client again with one key adds one", func(t *testing.T, w *world) {
		body, key := manual("Maya", "Petrov", "maya@mail.example"), header{"Idempotency-Key", "first"}
		first := w.as(w.Admin, "POST", "/v1/clients", body, key).must(201)
		again := w.as(w.Admin, "POST", "/v1/clients", body, key).must(201)
		if string(first.Body) != string(again.Body) || again.Header.Get("Idempotency-Replayed") != "true" || again.Header.Get("ETag") != first.Header.Get("ETag") {
			t.Errorf("got %s, then %s", first.Body, again.Body)
		}
		w.as(w.Admin, "POST", "/v1/clients", with(body, "last_name", "Lang"), key).problem(422, "idempotency_key_reused")
		if n := w.count(`SELECT count(*) FROM people WHERE organization_id = $1`, w.ID); n != 1 {
			t.Errorf("there are %d people", n)
		}
	})

	s.rule(t, "C6 a new client is invited, unless told not to", func(t *testing.T, w *world) {
		body := manual("Maya", "Petrov", "maya@mail.example")
		delete(body, "send_invitation")
		got := w.as(w.Admin, "POST", "/v1/clients", body).must(201)
		client := decode[api.Client](got)
		if invitation := client.Invitation.MustGet(); invitation.Status != "pending" || invitation.SentTo != "maya@mail.example" || invitation.TimesSent != 1 {
			t.Errorf("got %+v", invitation)
		}
		w.reads("/v1/clients/"+client.ID.String(), got)
		w.added("Mia", "Lang", "mia@mail.example")
		if n := w.count(`SELECT count(*) FROM invitations WHERE organization_id = $1`, w.ID); n != 1 {
			t.Errorf("%d invitations were sent", n)
		}
		w.section(client.ID, "contact", object{"email": "new@mail.example"}).must(200)
		read := decode[api.Client](w.get(w.Admin, "/v1/clients/"+client.ID.String()).must(200))
		if invitation := read.Invitation.MustGet(); invitation.Status != "expired" || invitation.SentTo != "maya@mail.example" {
			t.Errorf("the invitation to the address that was is %+v", invitation)
		}
	})

	s.rule(t, "C who may: the clients permission and administrators", func(t *testing.T, w *world) {
		body := manual("Maya", "Petrov", "maya@mail.example")
		client := w.added("Mia", "Lang", "mia@mail.example")
		path := "/v1/clients/" + client.ID.String()
		for _, m := range []member{w.member("member"), w.member("member", "referrals", "staff", "tasks")} {
			w.assign(client.ID, m)
			w.as(m, "POST", "/v1/clients", body).problem(403, "permission_denied")
			w.get(m, path).problem(403, "permission_denied")
			w.get(m, sectionPath(client.ID, "notes")).problem(403, "permission_denied")
			w.as(m, "PATCH", sectionPath(client.ID, "notes"), object{"notes": "x"}, header{"If-Match", "*"}).problem(403, "permission_denied")
		}
		clients := w.member("member", "clients")
		w.get(clients, path).must(200)
		w.as(clients, "PATCH", sectionPath(client.ID, "notes"), object{"notes": "x"}, header{"If-Match", "*"}).must(200)
		reader := member{Token: w.scoped(clients, "read")}
		w.get(reader, path).must(200)
		w.as(reader, "POST", "/v1/clients", body).problem(403, "insufficient_scope")
		foreign := s.organization(t)
		referral := w.person("referral", w.Admin)
		for _, id := range []uuid.UUID{newID(), referral} {
			w.get(w.Admin, "/v1/clients/"+id.String()).problem(404, "not_found")
			w.get(w.Admin, sectionPath(id, "notes")).problem(404, "not_found")
			w.section(id, "notes", object{"notes": "x"}).problem(404, "not_found")
		}
		foreign.get(foreign.Admin, path).problem(404, "not_found")
		foreign.section(client.ID, "notes", object{"notes": "x"}).problem(404, "not_found")
	})
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestBecomingAClient(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "C2 a referral becomes a client and keeps their staff and tasks", func(t *testing.T, w *world) {
		both := w.member("member", "clients", "referrals")
		ann, bob := w.member("member"), w.member("member")
		person := w.person("referral", ann, bob)
		task := w.task(person, ann)
		w.exec(`UPDATE people SET email = 'maya@mail.example' WHERE id = $1`, person)
		before := w.tables()
		path := "/v1/people/" + person.String() + "/become-client"
		for _, m := range []member{w.member("member", "clients"), w.member("member", "referrals"), w.member("member", "staff"), ann} {
			w.as(m, "POST", path, object{}).problem(403, "permission_denied")
		}
		w.unchanged(before, "staff", "api_tokens")
		got := w.as(both, "POST", path, object{"send_invitation": false}).must(200)
		client := decode[api.Client](got)
		if client.ID != person || client.Kind != "client" || len(client.Staff) != 2 || client.ActiveTaskCount != 1 || !client.Invitation.IsNull() {
			t.Errorf("got %s", got.Body)
		}
		w.servedBy(person, ann, bob)
		w.heldBy(task, ann)
		w.reads("/v1/clients/"+person.String(), got)
		w.as(both, "POST", path, object{}).problem(409, "already_client")
		w.as(both, "POST", "/v1/people/"+newID().String()+"/become-client", object{}).problem(404, "not_found")
		foreign := s.organization(t)
		foreign.as(foreign.Admin, "POST", path, object{}).problem(404, "not_found")
		events := decode[api.AuditEventPage](w.get(w.Admin, "/v1/audit-events?subject_id="+person.String()).must(200)).Items
		if len(events) != 1 || events[0].Action != "person_became_client" {
			t.Errorf("recorded %+v", events)
		}
	})

	s.rule(t, "C6 a referral who becomes a client is invited, where there is an email", func(t *testing.T, w *world) {
		person := w.person("referral")
		path := "/v1/people/" + person.String() + "/become-client"
		before := w.tables()
		w.as(w.Admin, "POST", path, object{}).problem(422, "no_email")
		w.unchanged(before)
		client := decode[api.Client](w.as(w.Admin, "POST", path, object{"email": "Maya@mail.example"}).must(200))
		if client.Email.MustGet() != "Maya@mail.example" || client.Invitation.MustGet().SentTo != "Maya@mail.example" {
			t.Errorf("got %+v", client)
		}
		if found := w.listed(w.Admin, "/v1/people?q=maya@mail"); len(found) != 1 {
			t.Errorf("searching finds %v", found)
		}
	})

	s.rule(t, "C2 a referral becomes a client with an email that somebody else has only where that is confirmed", func(t *testing.T, w *world) {
		email := newAddress()
		held, person := w.added("Mia", "Lang", email), w.person("referral")
		path := "/v1/people/" + person.String() + "/become-client"
		before := w.tables()
		problem := w.as(w.Admin, "POST", path, object{"email": strings.ToUpper(email)}).problem(409, "duplicate_person")
		pointsAt(t, problem, "duplicate_person", "/email")
		if matches := *problem.Matches; len(matches) != 1 || matches[0].ID != held.ID {
			t.Errorf("got %v", matches)
		}
		w.unchanged(before)
		w.as(w.Admin, "POST", path, object{"email": email, "confirm_duplicate": true}).must(200)
	})

	s.rule(t, "C2 of those who turn one referral into a client at once exactly one does", func(t *testing.T, w *world) {
		for range 20 {
			person := w.person("referral")
			statuses := together(4, func(int) int {
				return w.as(w.Admin, "POST", "/v1/people/"+person.String()+"/become-client", object{"send_invitation": false}).Status
			})
			slices.Sort(statuses)
			if fmt.Sprint(statuses) != "[200 409 409 409]" {
				t.Fatalf("got %v", statuses)
			}
		}
	})
}
