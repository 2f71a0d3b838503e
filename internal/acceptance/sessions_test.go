package acceptance

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/app"
)

// session is somebody who has signed in.
func (s *service) session(t testing.TB, email, password string, more ...object) api.Session {
	t.Helper()
	return decode[api.Session](s.signedIn(t, email, password, more...).must(201))
}

func TestC8ClientSessions(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "C8 a client who has signed in sees their own profile, and nothing of what staff note", func(t *testing.T, w *world) {
		client := w.activated(goodPassword)
		w.section(client.ID, "notes", object{"notes": "canary of the notes"}).must(200)
		w.section(client.ID, "address", object{"city": "Toronto"}).must(200)
		got := s.signedIn(t, client.Email.MustGet(), goodPassword).must(201)
		session := decode[api.Session](got)
		if !strings.HasPrefix(session.Token, "hnc_") || session.Kind != "client" || time.Until(session.ExpiresAt).Round(time.Hour) != 12*time.Hour {
			t.Errorf("got %+v", session)
		}
		if got.Header.Get("Location") != "/v1/sessions/current" || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("got %v", got.Header)
		}
		mine := s.call(t, session.Token, "GET", "/v1/me/profile", nil).must(200)
		profile := decode[api.ClientProfile](mine)
		if profile.ID != client.ID || profile.Name != "Chloé Martin" || profile.Organization.Name != "Harbour" || profile.Address.City.MustGet() != "Toronto" {
			t.Errorf("got %s", mine.Body)
		}
		if strings.Contains(string(mine.Body), "canary") {
			t.Errorf("the notes are shown: %s", mine.Body)
		}
	})

	s.rule(t, "C8 who signs out is out; other sessions of theirs stay", func(t *testing.T, w *world) {
		client := w.activated(goodPassword)
		got := s.signedIn(t, client.Email.MustGet(), goodPassword).must(201)
		first, second := decode[api.Session](got), s.session(t, client.Email.MustGet(), goodPassword)
		s.call(t, first.Token, "DELETE", "/v1/sessions/current", nil).problem(428, "precondition_required")
		s.call(t, first.Token, "DELETE", "/v1/sessions/current", nil, header{"If-Match", `"other"`}).problem(412, "precondition_failed")
		s.call(t, second.Token, "DELETE", "/v1/sessions/current", nil, header{"If-Match", got.Header.Get("ETag")}).problem(412, "precondition_failed")
		s.call(t, first.Token, "DELETE", "/v1/sessions/current", nil, header{"If-Match", got.Header.Get("ETag")}).must(204)
		s.call(t, first.Token, "GET", "/v1/me/profile", nil).problem(401, "unauthenticated")
		s.call(t, first.Token, "DELETE", "/v1/sessions/current", nil, header{"If-Match", "*"}).problem(401, "unauthenticated")
		s.call(t, second.Token, "GET", "/v1/me/profile", nil).must(200)
		for _, action := range []string{"signed_in", "signed_out"} {
			events := decode[object](w.get(w.Admin, "/v1/audit-events?action="+action+"&subject_id="+client.ID.String()).must(200))["items"].([]any)
			if want := map[string]int{"signed_in": 2, "signed_out": 1}[action]; len(events) != want {
				t.Errorf("%s is told %d times", action, len(events))
			}
		}
	})

	s.rule(t, "C8 a session ends with the client's being one, or being active", func(t *testing.T, w *world) {
		for _, change := range []string{`status = 'inactive'`, `kind = 'referral'`} {
			client := w.activated(goodPassword)
			token := s.session(t, client.Email.MustGet(), goodPassword).Token
			w.exec(`UPDATE people SET `+change+` WHERE organization_id = $1 AND id = $2`, w.ID, client.ID)
			s.call(t, token, "GET", "/v1/me/profile", nil).problem(401, "unauthenticated")
		}
	})

	s.rule(t, "C8 what is no session gets the answer of what is no token", func(t *testing.T, w *world) {
		client := w.activated(goodPassword)
		token := s.session(t, client.Email.MustGet(), goodPassword).Token
		want := problemText(s.call(t, app.NewTokenText(), "GET", "/v1/me/profile", nil))
		for _, wrong := range []string{
			token[:len(token)-1], token + "0", "hnd_" + token[4:], "hnc_" + w.Admin.Token[4:], strings.ToUpper(token), "hnc_", "hnc_" + strings.Repeat("0", 49),
		} {
			got := s.call(t, wrong, "GET", "/v1/me/profile", nil)
			got.problem(401, "unauthenticated")
			if text := problemText(got); text != want {
				t.Errorf("%q: got %s, others %s", wrong, text, want)
			}
		}
	})
}

// C8 a client's session opens their own profile, and can be ended; every other operation is for staff.
func TestC8ClientSessionsAreKeptOut(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	f := s.furnished(t, "Marlow")
	client := f.activated(goodPassword)
	token := s.session(t, client.Email.MustGet(), goodPassword).Token
	requests := map[string]ask{}
	for _, operationID := range operationIDs() {
		if op := operations()[operationID]; !op.public() && operationID != "getMyProfile" && operationID != "deleteSession" {
			requests[operationID] = f.requestOf(operationID)
		}
	}
	if len(requests) < 60 {
		t.Fatalf("only %d operations are asked for", len(requests))
	}
	before := f.tables()
	for operationID, request := range requests {
		got := s.ask(t, token, operationID, request)
		if problem := got.problem(403, "permission_denied"); !strings.Contains(problem.Detail, "staff") {
			t.Errorf("%s: got %q", operationID, problem.Detail)
		}
		f.inNobody(t, operationID, got)
	}
	f.unchanged(before)
}

func TestC8StaffSessions(t *testing.T) {
	t.Parallel()
	var hands clock
	s := start(t, withoutWorker, hands.option)
	w := s.organization(t)
	ann := w.activatedStaff(goodPassword, "member", "clients")
	w.exec(`UPDATE staff SET email = 'Ann@Mail.example' WHERE organization_id = $1 AND id = $2`, w.ID, ann.ID)

	session := s.session(t, "ann@mail.EXAMPLE", goodPassword)
	if !strings.HasPrefix(session.Token, "hnd_") || session.Kind != "staff" {
		t.Errorf("got %+v", session)
	}
	in := member{ann.ID, session.Token}
	me := decode[api.Me](w.get(in, "/v1/me").must(200))
	if me.Staff.ID != ann.ID || !slices.Equal(me.Permissions, []string{"clients"}) || !me.Token.MustGet().ExpiresAt.MustGet().Equal(session.ExpiresAt) {
		t.Errorf("got %+v", me)
	}
	w.as(in, "POST", "/v1/clients", manual("Yara", "Haddad", newAddress())).must(201)
	w.get(in, "/v1/me/profile").problem(403, "permission_denied")
	if mine := w.listed(in, "/v1/api-tokens"); len(mine) != 2 {
		t.Errorf("got %v: a session can be seen and revoked", mine)
	}

	// Out at once when they are deactivated, for good: who is back signs in anew. Over after twelve hours.
	w.deactivate(ann)
	w.get(in, "/v1/me").problem(401, "unauthenticated")
	s.signedIn(t, "ann@mail.example", goodPassword).problem(401, "invalid_credentials")
	w.as(w.Admin, "POST", "/v1/staff/"+ann.ID.String()+"/reactivate", nil).must(200)
	w.get(in, "/v1/me").problem(401, "unauthenticated")
	in = member{ann.ID, s.session(t, "ann@mail.example", goodPassword).Token}
	w.get(in, "/v1/me").must(200)
	got := s.signedIn(t, "ann@mail.example", goodPassword).must(201)
	other := member{ann.ID, decode[api.Session](got).Token}
	w.as(other, "DELETE", "/v1/sessions/current", nil, header{"If-Match", got.Header.Get("ETag")}).must(204)
	w.get(other, "/v1/me").problem(401, "unauthenticated")
	hands.advance(12*time.Hour - time.Minute)
	w.get(in, "/v1/me").must(200)
	hands.advance(time.Minute + time.Second)
	w.get(in, "/v1/me").problem(401, "unauthenticated")

	// What has expired is swept away, and nothing else.
	client := w.activated(goodPassword)
	fresh := member{ann.ID, s.session(t, "ann@mail.example", goodPassword).Token}
	short := s.session(t, client.Email.MustGet(), goodPassword).Token
	s.signedIn(t, client.Email.MustGet(), "wrong password").problem(401, "invalid_credentials")
	if err := s.app.SweepExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.get(fresh, "/v1/me").must(200)
	s.call(t, short, "GET", "/v1/me/profile", nil).must(200)
	count := func(table string) int { return w.count(`SELECT count(*) FROM ` + table) }
	if sessions, tokens, failures := count("client_sessions"), count("api_tokens WHERE is_session"), count("sign_in_failures"); sessions != 1 || tokens != 1 || failures != 1 {
		t.Errorf("left are %d sessions of clients, %d of staff, failures with %d addresses", sessions, tokens, failures)
	}
	hands.advance(25 * time.Hour)
	if err := s.app.SweepExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sessions, tokens, failures := count("client_sessions"), count("api_tokens WHERE is_session"), count("sign_in_failures"); sessions+tokens+failures != 0 {
		t.Errorf("left are %d sessions of clients, %d of staff, failures with %d addresses", sessions, tokens, failures)
	}
	w.get(w.Admin, "/v1/me").must(200)
}

func TestC8SigningInTellsNothing(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	known, idle, referral, moved, gone := w.activated(goodPassword), w.activated(goodPassword), w.activated(goodPassword), w.activated(goodPassword), w.activatedStaff(goodPassword, "member")
	invited := w.invited()
	w.exec(`UPDATE people SET status = 'inactive' WHERE organization_id = $1 AND id = $2`, w.ID, idle.ID)
	w.exec(`UPDATE people SET kind = 'referral' WHERE organization_id = $1 AND id = $2`, w.ID, referral.ID)
	w.section(moved.ID, "contact", object{"email": newAddress()}).must(200)
	w.deactivate(gone)
	before := w.tables()
	want := ""
	for _, test := range []struct {
		name, email, password string
		more                  object
	}{
		{"an unknown address", newAddress(), goodPassword, nil},
		{"a wrong password", known.Email.MustGet(), goodPassword + "!", nil},
		{"a weak password", known.Email.MustGet(), "1", nil},
		{"a long password", known.Email.MustGet(), strings.Repeat("long ", 200), nil},
		{"what can be no password", known.Email.MustGet(), "tidal\tlantern", nil},
		{"another organization", known.Email.MustGet(), goodPassword, object{"organization_id": newID()}},
		{"somebody inactive", idle.Email.MustGet(), goodPassword, nil},
		{"somebody who is a referral", referral.Email.MustGet(), goodPassword, nil},
		{"an address that somebody had", moved.Email.MustGet(), goodPassword, nil},
		{"somebody deactivated", address(gone), goodPassword, nil},
		{"somebody who has not accepted", invited.Email.MustGet(), goodPassword, nil},
		{"staff without a password", address(w.Admin), goodPassword, nil},
	} {
		computed := s.app.PasswordHashes()
		got := s.signedIn(t, test.email, test.password, test.more)
		got.problem(401, "invalid_credentials")
		if n := s.app.PasswordHashes() - computed; n != 1 {
			t.Errorf("%s: %d hashes were computed", test.name, n)
		}
		if text := problemText(got); want == "" {
			want = text
		} else if text != want {
			t.Errorf("%s: got %s, others %s", test.name, text, want)
		}
	}
	w.unchanged(before)
	computed := s.app.PasswordHashes()
	s.signedIn(t, known.Email.MustGet(), goodPassword).must(201)
	if n := s.app.PasswordHashes() - computed; n != 1 {
		t.Errorf("signing in computed %d hashes", n)
	}
}

func TestC8FailuresAreBounded(t *testing.T) {
	t.Parallel()
	var hands clock
	s := start(t, withoutWorker, hands.option)
	w := s.organization(t)
	known, unknown, inTurn, atOnce := w.activated(goodPassword), newAddress(), w.activated(goodPassword), w.activated(goodPassword)

	emails := []string{known.Email.MustGet(), unknown}
	for i := range 10 {
		for _, email := range emails {
			s.signedIn(t, email, "wrong password").problem(401, "invalid_credentials")
		}
		if i == 4 {
			hands.advance(10 * time.Minute)
		}
	}
	computed := s.app.PasswordHashes()
	for _, email := range emails {
		for _, password := range []string{goodPassword, "wrong password"} {
			got := s.signedIn(t, strings.ToUpper(email), password)
			got.problem(429, "rate_limited")
			if after, err := strconv.Atoi(got.Header.Get("Retry-After")); err != nil || after < 4*60 || after > 5*60 {
				t.Errorf("got Retry-After %q", got.Header.Get("Retry-After"))
			}
		}
	}
	if n := s.app.PasswordHashes() - computed; n != 0 {
		t.Errorf("%d hashes were computed for somebody who is not heard", n)
	}
	// Five of the failures are too old by now; those that were not heard do not count.
	hands.advance(5*time.Minute + time.Second)
	s.signedIn(t, known.Email.MustGet(), goodPassword).must(201)
	for range 5 {
		s.signedIn(t, known.Email.MustGet(), "wrong password").problem(401, "invalid_credentials")
	}
	s.signedIn(t, known.Email.MustGet(), goodPassword).problem(429, "rate_limited")

	// Signing in right is no failure, however often.
	for range 12 {
		s.session(t, inTurn.Email.MustGet(), goodPassword)
	}
	// Of many at once no more are heard than of many in turn.
	heard := 0
	for _, got := range together(60, func(int) answer { return s.signedIn(t, atOnce.Email.MustGet(), "wrong password") }) {
		if got.Status == 401 {
			heard++
		} else {
			got.problem(429, "rate_limited")
		}
	}
	if heard != 10 {
		t.Errorf("%d were heard", heard)
	}
	if stored := s.dump(t); strings.Contains(stored, unknown) {
		t.Error("an address without an account is kept")
	}
}

func TestC8AccountsOfOneAddress(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	one, two := s.organization(t), s.organization(t)
	email := newAddress()
	add := func(w *world, password string) uuid.UUID {
		client := w.added("Chloé", "Martin", email, object{"confirm_duplicate": true})
		s.accepted(t, tokenIn(t, w.link(client.ID)), password).must(200)
		return client.ID
	}
	who := func(session api.Session) uuid.UUID {
		return decode[api.ClientProfile](s.call(t, session.Token, "GET", "/v1/me/profile", nil).must(200)).ID
	}
	const first, second, shared = "tidal-lantern-orchard-1", "tidal-lantern-orchard-2", "tidal-lantern-orchard-3"
	inOne, alsoInOne, inTwo := add(one, first), add(one, shared), add(two, second)
	computed := s.app.PasswordHashes()
	for password, want := range map[string]uuid.UUID{first: inOne, second: inTwo, shared: alsoInOne} {
		if got := who(s.session(t, email, password)); got != want {
			t.Errorf("signed in as %s, want %s", got, want)
		}
	}
	if n := s.app.PasswordHashes() - computed; n != 3 {
		t.Errorf("three times signing in computed %d hashes", n)
	}
	sharedInTwo := add(two, shared)
	problem := s.signedIn(t, email, shared).problem(400, "invalid_request")
	pointsAt(t, problem, "required", "/organization_id")
	if choices := *problem.Accounts; len(choices) != 2 || choices[0].OrganizationID == choices[1].OrganizationID {
		t.Errorf("asked to choose from %+v", choices)
	}
	for w, want := range map[*world]uuid.UUID{one: alsoInOne, two: sharedInTwo} {
		if got := who(s.session(t, email, shared, object{"organization_id": w.ID})); got != want {
			t.Errorf("signed in as %s, want %s", got, want)
		}
	}
	s.signedIn(t, email, first, object{"organization_id": two.ID}).problem(401, "invalid_credentials")

	// An account goes with the address, however that changes.
	moved := newAddress()
	one.section(inOne, "contact", object{"email": moved}).must(200)
	if got := who(s.session(t, moved, first)); got != inOne {
		t.Errorf("signed in as %s", got)
	}
	s.signedIn(t, email, first).problem(401, "invalid_credentials")
	computed = s.app.PasswordHashes()
	s.session(t, moved, first)
	if n := s.app.PasswordHashes() - computed; n != 1 {
		t.Errorf("signing in with the new address computed %d hashes", n)
	}
	one.exec(`UPDATE people SET email = NULL WHERE organization_id = $1 AND id = $2`, one.ID, inOne)
	s.signedIn(t, moved, first).problem(401, "invalid_credentials")
}

// However many accounts of an organization have come to have an address, nobody of another is kept out.
func TestC8OthersKeepNobodyOut(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	own, other := s.organization(t), s.organization(t)
	email, moved := newAddress(), own.activated(goodPassword)
	client := own.added("Chloé", "Martin", email)
	// 150 as staff, older than anybody, whose hashes an earlier version made under as many addresses.
	other.exec(`
		WITH made AS (
			INSERT INTO staff (organization_id, id, first_name, last_name, email, role, status, permissions, created_at, updated_at)
			SELECT $1, gen_random_uuid(), 'Eve', 'No', gen_random_uuid() || '@mail.example', 'member', 'active', '{}', '2000-01-01', now() FROM generate_series(1, 150)
			RETURNING organization_id, id
		)
		INSERT INTO accounts (organization_id, id, staff_id, email_normalized, password_hash, created_at, password_set_at)
		SELECT organization_id, gen_random_uuid(), id, lower($2), '$argon2id$v=19$m=19456,t=2,p=1$' || rtrim(encode(uuid_send(gen_random_uuid()), 'base64'), '=') || '$' ||
			rtrim(encode(sha256(uuid_send(id)), 'base64'), '='), '2000-01-01', now() FROM made`,
		other.ID, email)
	s.accepted(t, tokenIn(t, own.link(client.ID)), goodPassword).must(200)
	session := func(more ...object) uuid.UUID {
		return decode[api.ClientProfile](s.call(t, s.session(t, email, goodPassword, more...).Token, "GET", "/v1/me/profile", nil).must(200)).ID
	}
	named := object{"organization_id": own.ID}
	if session() != client.ID || session(named) != client.ID {
		t.Error("somebody else was signed in")
	}
	// Whoever mistypes their password is asked for the organization at worst, and one whose address has changed comes in.
	own.exec(`UPDATE people SET email = NULL WHERE organization_id = $1 AND id = $2`, own.ID, client.ID)
	own.exec(`UPDATE people SET email = $3 WHERE organization_id = $1 AND id = $2`, own.ID, moved.ID, email)
	problem := s.signedIn(t, email, "wrong "+goodPassword).problem(400, "invalid_request")
	pointsAt(t, problem, "required", "/organization_id")
	computed := s.app.PasswordHashes()
	s.signedIn(t, email, "wrong "+goodPassword, named).problem(401, "invalid_credentials")
	if n := s.app.PasswordHashes() - computed; n != 1 {
		t.Errorf("%d hashes were computed", n)
	}
	if session() != moved.ID || session(named) != moved.ID {
		t.Error("somebody else was signed in")
	}
}

// Clients whose address changes are signed out, also where that is by an import.
func TestC8ChangedAddressesEndSessions(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	for what, change := range map[string]func(api.Client){
		"changed": func(c api.Client) { w.section(c.ID, "contact", object{"email": newAddress()}).must(200) },
		"removed": func(c api.Client) {
			w.exec(`UPDATE people SET email = NULL WHERE organization_id = $1 AND id = $2`, w.ID, c.ID)
		},
	} {
		client, other := w.activated(goodPassword), w.activated(goodPassword)
		token, others := s.session(t, client.Email.MustGet(), goodPassword).Token, s.session(t, other.Email.MustGet(), goodPassword).Token
		w.section(client.ID, "contact", object{"email": strings.ToUpper(client.Email.MustGet())}).must(200)
		s.call(t, token, "GET", "/v1/me/profile", nil).must(200)
		change(client)
		if got := s.call(t, token, "GET", "/v1/me/profile", nil); got.Status != 401 {
			t.Errorf("%s: got %d", what, got.Status)
		}
		s.call(t, others, "GET", "/v1/me/profile", nil).must(200)
	}
}

func TestC8SignInsAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	emails := make([]string, 8)
	for i := range emails {
		emails[i] = w.activated(goodPassword).Email.MustGet()
	}
	seen := map[string]bool{}
	for i, got := range together(80, func(i int) answer { return s.signedIn(t, emails[i%len(emails)], goodPassword) }) {
		session := decode[api.Session](got.must(201))
		if seen[session.Token] {
			t.Errorf("%d: a token was given twice", i)
		}
		seen[session.Token] = true
	}
	if n := w.count(`SELECT count(*) FROM client_sessions WHERE organization_id = $1`, w.ID); n != 80 {
		t.Errorf("there are %d sessions", n)
	}
}

// What lets somebody in is found nowhere: not in logs, problems, the trail, jobs, or any table.
func TestC8SecretsOfPeopleStaySecret(t *testing.T) {
	t.Parallel()
	s, log := startRecorded(t)
	w := s.organization(t)
	client, staff := w.invited(), w.member("member", "clients")
	first := tokenIn(t, w.link(client.ID))
	keyed := tokenIn(t, decode[api.SentInvitation](w.resent(client.ID, key("secret")).must(200)).InviteURL)
	staffs := tokenIn(t, decode[api.SentInvitation](w.staffResent(w.Admin, staff.ID).must(200)).InviteURL)
	const password, wrong, weak = "canary-lantern-orchard-47", "canary-mistyped-orchard-48", "canarycanary"
	secrets := map[string]string{
		"a token that was replaced": first, "a token": keyed, "a token of staff": staffs, "a password": password, "a wrong password": wrong, "a weak password": weak,
	}
	var answers []string
	keep := func(got answer) answer {
		header, _ := json.Marshal(got.Header)
		answers = append(answers, string(header), string(got.Body))
		return got
	}
	for _, token := range []string{first, keyed, staffs} {
		keep(s.opened(t, token))
		keep(s.accepted(t, token, weak))
		for _, misplaced := range []struct{ method, path, body string }{
			{"GET", "/v1/invitations/" + token + "?token=" + token, ""},
			{"DELETE", "/v1/invitations/" + token, ""},
			{"GET", "/v1//invitations/" + token, ""},
			{"GET", "/V1/Invitations//" + token + "/x", ""},
			{"POST", "/v1/invitations/x/" + token, ""},
			{"GET", "/v1/%69nvitations%2f" + token, ""},
			{"GET", "/v1/" + token, ""},
			{"POST", "/v1/invitations/" + token + "/accept", `{"password":"` + wrong},
			{"POST", "/v1/invitations/" + token + "/accept", `{"passwort":"` + wrong + `"}`},
			{"POST", "/v1/invitations/" + token + "/accept", `{"password":["` + wrong + `"]}`},
			{"POST", "/v1/sessions", `{"email":"` + wrong + `","password":"` + wrong + `"}`},
		} {
			var body any
			if misplaced.body != "" {
				body = misplaced.body
			}
			got := s.call(t, token, misplaced.method, misplaced.path, body, header{"X-Request-Id", token})
			keep(got)
		}
	}
	keep(s.accepted(t, keyed, password)).must(200)
	keep(s.accepted(t, staffs, password)).must(200)
	keep(s.signedIn(t, client.Email.MustGet(), wrong)).problem(401, "invalid_credentials")
	for _, email := range []string{client.Email.MustGet(), address(staff)} {
		session := s.session(t, email, password)
		secrets["the session of "+email] = session.Token
		keep(s.call(t, session.Token, "GET", "/v1/me/profile", nil, header{"X-Request-Id", session.Token}))
		keep(s.call(t, session.Token, "GET", "/v1/people", nil))
		keep(s.call(t, session.Token, "GET", "/"+session.Token, nil, header{"Authorization", "Basic " + session.Token}))
		keep(s.call(t, session.Token[:len(session.Token)-1], "GET", "/v1/me/profile", nil))
		keep(s.call(t, session.Token, "DELETE", "/v1/sessions/current", nil, header{"If-Match", "*"})).must(204)
	}
	keep(w.get(w.Admin, "/v1/audit-events?limit=200")).must(200)
	keep(w.get(w.Admin, "/v1/clients/"+client.ID.String())).must(200)
	keep(w.get(w.Admin, "/v1/api-tokens?limit=200")).must(200)
	keep(s.call(t, "", "GET", "/metrics", nil)).must(200)
	if n := w.count(`SELECT count(*) FROM river.river_job WHERE kind = 'invitation'`); n != 4 {
		t.Errorf("there are %d jobs of invitations", n)
	}
	logged, dump := log.String(), s.dump(t)
	if lines := strings.Count(logged, `"msg":"request"`); lines < 30 {
		t.Fatalf("only %d requests are logged", lines)
	}
	for name, secret := range secrets {
		for _, form := range shapesOf(secret) {
			if at := strings.Index(logged, form); at >= 0 {
				t.Errorf("%s is in the log: %s", name, logged[max(0, at-300):at])
			}
			if at := strings.Index(dump, form); at >= 0 {
				t.Errorf("%s is in a table: %s", name, dump[max(0, at-300):at])
			}
			for _, text := range answers {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("%s is in an answer: %s", name, text[:min(at+10, len(text))])
				}
			}
		}
	}
}

// shapesOf are the forms in which a token or a password may be found: in clear, without the ends of a token, and as bytes.
func shapesOf(secret string) []string {
	core := secret
	for _, prefix := range []string{"hnd_", "hnc_", "hni_"} {
		core = strings.TrimPrefix(core, prefix)
	}
	shapes := []string{core, hex.EncodeToString([]byte(core)), base64.StdEncoding.EncodeToString([]byte(core))[:12], url.QueryEscape(secret)}
	if core != secret {
		shapes = append(shapes, core[:20], core[len(core)-20:])
	}
	return shapes
}

// The bounds of a password stand in the contract in words; the form of a body leaves room for those who mistype.
func TestC8BadBodies(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	token := tokenIn(t, w.link(w.invited().ID))
	for _, body := range []any{object{}, object{"password": ""}, object{"password": 1}, object{"password": nil}, object{"password": strings.Repeat("x", 1001)}, object{"password": goodPassword, "kind": "staff"}, "[]"} {
		for _, path := range []string{"/v1/invitations/" + token + "/accept", "/v1/invitations/x/accept"} {
			if got := s.call(t, "", "POST", path, body); got.Status != 400 {
				t.Errorf("%v: got %d %s", body, got.Status, got.Body)
			}
		}
	}
	for _, body := range []any{object{}, object{"email": "x", "password": "y"}, object{"email": newAddress()}, object{"email": newAddress(), "password": ""}, object{"email": newAddress(), "password": "x", "organization_id": "x"}} {
		if got := s.call(t, "", "POST", "/v1/sessions", body); got.Status != 400 {
			t.Errorf("%v: got %d %s", body, got.Status, got.Body)
		}
	}
	s.opened(t, strings.Repeat("x", 201)).problem(404, "invitation_invalid") // as any other that is none
	if fmt.Sprint(s.app.PasswordHashes()) != "0" {
		t.Error("hashes were computed for what is no request")
	}
}
