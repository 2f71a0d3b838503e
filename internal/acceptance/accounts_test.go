package acceptance

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/app"
)

// profile is whose account a client's session is of.
func (s *service) profile(t testing.TB, session api.Session) uuid.UUID {
	t.Helper()
	return decode[api.ClientProfile](s.call(t, session.Token, "GET", "/v1/me/profile", nil).must(200)).ID
}

// costs tells how many hashes of passwords work computes.
func (s *service) costs(work func()) int64 {
	before := s.app.PasswordHashes()
	work()
	return s.app.PasswordHashes() - before
}

// Signing in costs one computation, whatever an address is and has been, or a clock would tell what the answer does not.
func TestC8SigningInCostsOneComputation(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	own, other := s.organization(t), s.organization(t)
	known, gone, shared := own.activated(goodPassword), own.activatedStaff(goodPassword, "member"), newAddress()
	own.deactivate(gone)
	two := newAddress()
	for range 2 {
		own.section(own.activated(goodPassword).ID, "contact", object{"email": two, "confirm_duplicate": true}).must(200)
	}
	passwords := map[string]uuid.UUID{}
	for place := range 6 {
		w, password := own, fmt.Sprintf("tidal-lantern-orchard-%d", place)
		if place%2 == 1 {
			w = other
		}
		client := w.activated(password)
		w.section(client.ID, "contact", object{"email": newAddress()}).must(200)
		w.section(client.ID, "contact", object{"email": shared, "confirm_duplicate": true}).must(200)
		passwords[password] = client.ID
	}
	for _, test := range []struct {
		name, email, password string
		status                int
		more                  object
	}{
		{"an unknown address", newAddress(), goodPassword, 401, nil},
		{"a wrong password", known.Email.MustGet(), goodPassword + "!", 401, nil},
		{"the right password", known.Email.MustGet(), goodPassword, 201, nil},
		{"the right password, and another account named", known.Email.MustGet(), goodPassword, 401, object{"account_id": newID()}},
		{"the right password, and another organization named", known.Email.MustGet(), goodPassword, 401, object{"organization_id": other.ID}},
		{"somebody deactivated", address(gone), goodPassword, 401, nil},
		{"an address and a password of two accounts", two, goodPassword, 400, nil},
		{"the same, another account named", two, goodPassword, 401, object{"account_id": newID()}},
		{"an address that six accounts have moved to, and a wrong password", shared, goodPassword, 401, nil},
		{"the same, the organization named", shared, goodPassword, 401, object{"organization_id": own.ID}},
	} {
		if n := s.costs(func() { s.signedIn(t, test.email, test.password, test.more).must(test.status) }); n != 1 {
			t.Errorf("%s: %d hashes were computed", test.name, n)
		}
	}
	for password, want := range passwords {
		for range 2 {
			if n := s.costs(func() {
				if got := s.profile(t, s.session(t, shared, password)); got != want {
					t.Errorf("%s signs in %s, not %s", password, got, want)
				}
			}); n != 1 {
				t.Errorf("signing in to one of six accounts computed %d hashes", n)
			}
		}
	}
}

// What an earlier version kept of a password lets its owner in, and is kept as today from then on. Equal passwords of several accounts
// do not show in what is kept today.
func TestC8PasswordsKeptByAnEarlierVersion(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	const earlier = "$argon2id$"
	kept := func(client uuid.UUID) (text string) {
		t.Helper()
		if err := s.DB.SQL.GetContext(t.Context(), &text, `SELECT password_hash FROM accounts WHERE organization_id = $1 AND person_id = $2`, w.ID, client); err != nil {
			t.Fatal(err)
		}
		return text
	}
	first, second, moved := w.clientWithAccount(), w.clientWithAccount(), newAddress()
	w.section(second, "contact", object{"email": moved}).must(200)
	for client, email := range map[uuid.UUID]string{first: emailOf(first), second: moved} {
		if n := s.costs(func() { s.signedIn(t, email, "wrong password").problem(401, "invalid_credentials") }); n != 1 {
			t.Errorf("a wrong password cost %d hashes", n)
		}
		if text := kept(client); !strings.HasPrefix(text, earlier) {
			t.Fatalf("kept is %s", text)
		}
		if got := s.profile(t, s.session(t, email, clientPassword)); got != client {
			t.Errorf("signed in as %s", got)
		}
		if text := kept(client); strings.Contains(text, earlier) {
			t.Errorf("kept is %s still", text)
		}
		for _, password := range []string{clientPassword, "wrong password"} {
			if n := s.costs(func() { s.signedIn(t, email, password) }); n != 1 {
				t.Errorf("signing in once it is kept as today cost %d hashes", n)
			}
		}
	}
	if one, two := kept(first), kept(second); one == two || one[len(one)-40:] == two[len(two)-40:] {
		t.Errorf("equal passwords show: %s %s", one, two)
	}
	// What is kept belongs to its account.
	w.exec(`UPDATE accounts SET password_hash = $3 WHERE organization_id = $1 AND person_id = $2`, w.ID, first, kept(second))
	s.signedIn(t, emailOf(first), clientPassword).problem(401, "invalid_credentials")
}

// The key of the installation can be changed without the passwords; with another key and nothing else nobody comes in.
func TestC8AnotherSecretKey(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	client := s.organization(t).activated(goodPassword)
	access := accessAt("http://127.0.0.1:8080")
	another := app.Access{InvitationLink: access.InvitationLink, Secret: bytes.Repeat([]byte{8}, len(access.Secret))}
	for _, step := range []struct {
		previous [][]byte
		status   int
	}{{nil, 401}, {[][]byte{access.Secret}, 201}, {nil, 201}} {
		another.PreviousSecrets = step.previous
		if err := s.app.GiveAccess(another); err != nil {
			t.Fatal(err)
		}
		s.signedIn(t, client.Email.MustGet(), "wrong password").problem(401, "invalid_credentials")
		if n := s.costs(func() { s.signedIn(t, client.Email.MustGet(), goodPassword).must(step.status) }); n != 1 && step.previous == nil {
			t.Errorf("%d hashes were computed", n)
		}
	}
}

func TestC8AccountsWithOnePassword(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "C8 two clients with one address and one password are asked which of them they are, and each comes in", func(t *testing.T, w *world) {
		email := newAddress()
		add := func(first string) uuid.UUID {
			client := w.added(first, "Martin", email, object{"confirm_duplicate": true})
			s.accepted(t, tokenIn(t, w.link(client.ID)), goodPassword).must(200)
			return client.ID
		}
		chloe := add("Chloé")
		if got := s.profile(t, s.session(t, email, goodPassword)); got != chloe {
			t.Errorf("signed in as %s", got)
		}
		want := map[string]uuid.UUID{"Chloé Martin": chloe, "Paul Martin": add("Paul")}
		accounts := map[string]uuid.UUID{}
		for _, more := range []object{nil, {"organization_id": w.ID}} {
			problem := s.signedIn(t, email, goodPassword, more).problem(400, "invalid_request")
			pointsAt(t, problem, "required", "/account_id")
			for _, choice := range *problem.Accounts {
				accounts[choice.Name] = choice.ID
				if choice.Kind != "client" || choice.OrganizationID != w.ID || choice.OrganizationName != "Harbour" {
					t.Errorf("got %+v", choice)
				}
			}
		}
		if len(accounts) != 2 {
			t.Fatalf("asked to choose from %v", accounts)
		}
		for name, client := range want {
			chosen := object{"account_id": accounts[name]}
			if got := s.profile(t, s.session(t, email, goodPassword, chosen)); got != client {
				t.Errorf("%s is signed in as %s", name, got)
			}
			s.profile(t, s.session(t, email, goodPassword, chosen, object{"organization_id": w.ID}))
			s.signedIn(t, email, "wrong password", chosen).problem(401, "invalid_credentials")
			s.signedIn(t, newAddress(), goodPassword, chosen).problem(401, "invalid_credentials")
			s.signedIn(t, email, goodPassword, chosen, object{"organization_id": newID()}).problem(401, "invalid_credentials")
		}
		// That they were asked is no failure; and who is not active is not among the choices.
		for range 12 {
			s.signedIn(t, email, goodPassword).problem(400, "invalid_request")
		}
		w.exec(`UPDATE people SET status = 'inactive' WHERE organization_id = $1 AND id = $2`, w.ID, chloe)
		if got := s.profile(t, s.session(t, email, goodPassword)); got != want["Paul Martin"] {
			t.Errorf("signed in as %s", got)
		}
		s.signedIn(t, email, goodPassword, object{"account_id": accounts["Chloé Martin"]}).problem(401, "invalid_credentials")
	})

	s.rule(t, "C8 somebody who works there and is a client too reaches both accounts", func(t *testing.T, w *world) {
		staff, client := w.activatedStaff(goodPassword, "member"), w.invited(object{"confirm_duplicate": true})
		s.accepted(t, tokenIn(t, w.link(client.ID)), goodPassword).must(200)
		w.section(client.ID, "contact", object{"email": address(staff), "confirm_duplicate": true}).must(200)
		problem := s.signedIn(t, address(staff), goodPassword).problem(400, "invalid_request")
		for _, choice := range *problem.Accounts {
			session := s.session(t, address(staff), goodPassword, object{"account_id": choice.ID})
			if session.Kind != choice.Kind {
				t.Errorf("chose %+v, got %+v", choice, session)
			}
		}
		if len(*problem.Accounts) != 2 {
			t.Errorf("asked to choose from %+v", *problem.Accounts)
		}
	})
}
