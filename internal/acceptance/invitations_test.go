package acceptance

import (
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/app"
	"handover/internal/postgres"
	"handover/internal/testmail"
	"handover/internal/worker"
)

func TestC6Invitation(t *testing.T) {
	t.Parallel()
	server := testmail.Start(t, testmail.Config{})
	s := start(t, mailing(t, server))

	s.rule(t, "C6 adding a client sends an invitation by mail, whose link opens without signing in", func(t *testing.T, w *world) {
		client := w.invited()
		email := client.Email.MustGet()
		w.mailed()
		mails := invitationsTo(t, server, email)
		mail := one(t, mails)
		if mail.Subject != "Your invitation from Harbour" || mail.To.Name != "Chloé Martin" || !strings.Contains(mail.Plain, "Harbour") || !strings.Contains(mail.HTML, "Harbour") {
			t.Errorf("got %q to %q:\n%s", mail.Subject, mail.To.Name, mail.Plain)
		}
		link := linkIn(t, mail)
		if !strings.HasPrefix(link, s.URL+"/invitations/") {
			t.Errorf("the link leads elsewhere: %s", link)
		}
		token := tokenIn(t, link)
		opened := decode[api.OpenInvitation](s.opened(t, token).must(200))
		if opened.Organization != "Harbour" || opened.FirstName != "Chloé" || opened.Email != email {
			t.Errorf("got %+v", opened)
		}
		sent := client.Invitation.MustGet()
		if sent.Status != "pending" || sent.SentTo != email || sent.TimesSent != 1 || !sent.AcceptedAt.IsNull() ||
			!sent.ExpiresAt.Equal(opened.ExpiresAt) || sent.ExpiresAt.Sub(sent.SentAt) != 7*24*time.Hour {
			t.Errorf("got %+v", sent)
		}
		if until := sent.ExpiresAt.In(zoneOf(t, "America/Toronto")).Format("Mon 2 Jan 2006, 15:04 MST"); !strings.Contains(mail.Plain, until) || !strings.Contains(mail.HTML, until) {
			t.Errorf("%s is not told:\n%s", until, mail.Plain)
		}
		if read := decode[api.Client](w.get(w.Admin, "/v1/clients/"+client.ID.String()).must(200)); !reflect.DeepEqual(read.Invitation.MustGet(), sent) {
			t.Errorf("read %+v, was told %+v", read.Invitation, sent)
		}
		response, err := http.Get(link) //nolint:noctx // as a browser would
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 200 {
			t.Errorf("the link is answered %d", response.StatusCode)
		}
		s.accepted(t, token, goodPassword).must(200)
	})

	s.rule(t, "C6 unless told not to, and then one can be sent later", func(t *testing.T, w *world) {
		client := w.invited(object{"send_invitation": false})
		if !client.Invitation.IsNull() {
			t.Errorf("got %+v", client.Invitation)
		}
		if n := w.count(`SELECT count(*) FROM river.river_job WHERE kind = 'invitation' AND args ->> 'organization_id' = $1`, w.ID.String()); n != 0 {
			t.Errorf("%d mails were left to a worker", n)
		}
		sent := decode[api.SentInvitation](w.resent(client.ID).must(200))
		w.mailed()
		if link := linkIn(t, one(t, invitationsTo(t, server, client.Email.MustGet()))); link != sent.InviteURL || sent.TimesSent != 1 {
			t.Errorf("got %s by mail, %+v", link, sent)
		}
	})

	s.rule(t, "C6 a client who cannot be added is not invited", func(t *testing.T, w *world) {
		client := w.invited(object{"send_invitation": false})
		before := w.tables()
		w.as(w.Admin, "POST", "/v1/clients", manual("Chloé", "Martin", client.Email.MustGet(), object{"send_invitation": true})).problem(409, "duplicate_person")
		w.unchanged(before)
	})

	s.rule(t, "C6 names and organizations are no part of the mail's form", func(t *testing.T, w *world) {
		client := w.invited(object{"send_invitation": false})
		w.exec(`UPDATE people SET first_name = E'Eve\r\nBcc: evil@evil.example', last_name = '<b>"Smith"</b>, \' WHERE organization_id = $1 AND id = $2`, w.ID, client.ID)
		w.exec(`UPDATE organizations SET name = E'Harbour\r\nReply-To: evil@evil.example\r\n\r\n<script>x</script>' WHERE id = $1`, w.ID)
		sent := decode[api.SentInvitation](w.resent(client.ID).must(200))
		w.mailed()
		mail := one(t, invitationsTo(t, server, client.Email.MustGet()))
		if mail.Header.Get("Bcc") != "" || mail.Header.Get("Reply-To") != "" || strings.Contains(mail.HTML, "<script>") || strings.Contains(mail.HTML, "<b>") {
			t.Errorf("got %+v", mail)
		}
		if !strings.Contains(mail.Plain, sent.InviteURL) {
			t.Errorf("the link is missing:\n%s", mail.Plain)
		}
	})
}

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestC7Resend(t *testing.T) {
	t.Parallel()
	server := testmail.Start(t, testmail.Config{})
	s := start(t, mailing(t, server))

	s.rule(t, "C7 the invitation can be sent again: the answer has the address, the time and the link, and earlier links stop working", func(t *testing.T, w *world) {
		client := w.invited()
		email := client.Email.MustGet()
		w.mailed()
		links := []string{linkIn(t, one(t, invitationsTo(t, server, email)))}
		for times := 2; times <= 4; times++ {
			got := w.resent(client.ID).must(200)
			if fields := decode[object](got); len(fields) != 5 || got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("got %s, %v", got.Body, got.Header)
			}
			sent := decode[api.SentInvitation](got)
			if sent.SentTo != email || sent.TimesSent != times || sent.ExpiresAt.Sub(sent.SentAt) != 7*24*time.Hour || time.Since(sent.SentAt).Abs() > time.Minute {
				t.Errorf("got %+v", sent)
			}
			for _, old := range links {
				s.opened(t, tokenIn(t, old)).problem(404, "invitation_invalid")
				s.accepted(t, tokenIn(t, old), goodPassword).problem(404, "invitation_invalid")
			}
			s.opened(t, tokenIn(t, sent.InviteURL)).must(200)
			links = append(links, sent.InviteURL)
			w.mailed()
			mails := invitationsTo(t, server, email)
			if len(mails) != times || linkIn(t, mails[times-1]) != sent.InviteURL {
				t.Fatalf("got %d mails; the last is not of the last link", len(mails))
			}
		}
		s.accepted(t, tokenIn(t, links[3]), goodPassword).must(200)
	})

	s.rule(t, "C7 it goes to the address there is now, and a link that went to another one stops working", func(t *testing.T, w *world) {
		client := w.invited()
		link := w.link(client.ID)
		moved := newAddress()
		w.section(client.ID, "contact", object{"email": moved}).must(200)
		s.opened(t, tokenIn(t, link)).problem(404, "invitation_invalid")
		s.accepted(t, tokenIn(t, link), goodPassword).problem(404, "invitation_invalid")
		if stands := decode[api.Client](w.get(w.Admin, "/v1/clients/"+client.ID.String()).must(200)).Invitation.MustGet(); stands.Status != "expired" {
			t.Errorf("got %+v", stands)
		}
		if sent := decode[api.SentInvitation](w.resent(client.ID).must(200)); sent.SentTo != moved {
			t.Errorf("it went to %s", sent.SentTo)
		}
	})

	s.rule(t, "C7 once the password is set there is nothing to send", func(t *testing.T, w *world) {
		client := w.activated(goodPassword)
		w.mailed()
		before := w.tables()
		w.resent(client.ID).problem(409, "already_activated")
		w.unchanged(before)
		stands := decode[api.Client](w.get(w.Admin, "/v1/clients/"+client.ID.String()).must(200)).Invitation.MustGet()
		if stands.Status != "accepted" || stands.AcceptedAt.IsNull() || stands.TimesSent != 2 {
			t.Errorf("got %+v", stands)
		}
	})

	s.rule(t, "C7 nobody is invited who could not come in", func(t *testing.T, w *world) {
		nobody, idle, referral := w.person("client"), w.invited(), w.person("referral")
		w.exec(`UPDATE people SET status = 'inactive' WHERE organization_id = $1 AND id = $2`, w.ID, idle.ID)
		gone := w.member("member")
		w.deactivate(gone)
		w.mailed()
		before := w.tables()
		w.resent(nobody).problem(422, "no_email")
		w.resent(idle.ID).problem(422, "invalid_value")
		w.resent(referral).problem(404, "not_found")
		w.resent(newID()).problem(404, "not_found")
		w.staffResent(w.Admin, gone.ID).problem(422, "staff_not_active")
		w.staffResent(w.Admin, newID()).problem(404, "not_found")
		foreign := s.organization(t)
		foreign.resent(idle.ID).problem(404, "not_found")
		foreign.staffResent(foreign.Admin, w.Admin.ID).problem(404, "not_found")
		for _, m := range []member{w.member("member"), w.member("member", "referrals", "tasks", "staff")} {
			w.as(m, "POST", "/v1/clients/"+idle.ID.String()+"/resend-invite", nil).problem(403, "permission_denied")
		}
		w.unchanged(before, "staff", "api_tokens")
	})

	s.rule(t, "C7 staff invitations work likewise", func(t *testing.T, w *world) {
		created := decode[api.Staff](w.as(w.Admin, "POST", "/v1/staff", newMember("member")).must(201))
		if !created.Invitation.IsNull() {
			t.Errorf("scripts that add staff are surprised: %+v", created.Invitation)
		}
		invited := decode[api.Staff](w.as(w.Admin, "POST", "/v1/staff", with(newMember("member"), "send_invitation", true)).must(201))
		if stands := invited.Invitation.MustGet(); stands.Status != "pending" || stands.SentTo != invited.Email || stands.TimesSent != 1 {
			t.Errorf("got %+v", stands)
		}
		w.mailed()
		first := linkIn(t, one(t, invitationsTo(t, server, invited.Email)))
		if opened := decode[api.OpenInvitation](s.opened(t, tokenIn(t, first)).must(200)); opened.FirstName != invited.FirstName {
			t.Errorf("got %+v", opened)
		}
		sent := decode[api.SentInvitation](w.staffResent(w.Admin, invited.ID).must(200))
		s.opened(t, tokenIn(t, first)).problem(404, "invitation_invalid")
		accepted := decode[api.AcceptedInvitation](s.accepted(t, tokenIn(t, sent.InviteURL), goodPassword).must(200)).Account
		if accepted.Kind != "staff" || accepted.Email != invited.Email || accepted.Organization.ID != w.ID {
			t.Errorf("got %+v", accepted)
		}
		w.staffResent(w.Admin, invited.ID).problem(409, "already_activated")
		for _, path := range []string{"/v1/staff/" + invited.ID.String(), "/v1/staff?q=" + invited.Email} {
			if text := string(w.get(w.Admin, path).must(200).Body); !strings.Contains(text, `"accepted"`) || !strings.Contains(text, `"times_sent":2`) {
				t.Errorf("%s: got %s", path, text)
			}
		}
		s.signedIn(t, invited.Email, goodPassword).must(201)
	})

	s.rule(t, "C7 only administrators invite administrators: whoever has the link can become them", func(t *testing.T, w *world) {
		manager, clerk := w.member("member", "staff"), w.member("member", "clients", "referrals", "tasks")
		w.staffResent(manager, w.Admin.ID).problem(403, "permission_denied")
		w.staffResent(clerk, manager.ID).problem(403, "permission_denied")
		fresh, signedIn := w.tokenless("member"), w.activatedStaff(goodPassword, "member")
		w.exec(`DELETE FROM api_tokens WHERE organization_id = $1 AND staff_id = $2`, w.ID, signedIn.ID)
		w.staffResent(manager, fresh.ID).must(200)
		before := w.tables()
		w.staffResent(manager, clerk.ID).problem(403, "permission_denied")
		w.staffResent(manager, signedIn.ID).problem(403, "permission_denied")
		w.as(manager, "POST", "/v1/staff/me/resend-invite", nil).problem(403, "permission_denied")
		w.exec(`UPDATE api_tokens SET revoked_at = now() WHERE organization_id = $1 AND staff_id = $2`, w.ID, clerk.ID)
		w.staffResent(manager, clerk.ID).problem(403, "permission_denied")
		w.exec(`UPDATE api_tokens SET revoked_at = NULL WHERE organization_id = $1 AND staff_id = $2`, w.ID, clerk.ID)
		w.unchanged(before)
		w.staffResent(w.Admin, clerk.ID).must(200)
		w.staffResent(w.Admin, signedIn.ID).problem(409, "already_activated")
	})

	s.rule(t, "C7 asking again with the same key sends nothing again, and shows the link to nobody else", func(t *testing.T, w *world) {
		client := w.invited(object{"send_invitation": false})
		first := w.resent(client.ID, key("again"))
		replays(t, first, w.resent(client.ID, key("again")))
		w.mailed()
		if n := len(invitationsTo(t, server, client.Email.MustGet())); n != 1 {
			t.Errorf("%d mails were sent", n)
		}
		other := member{w.Admin.ID, w.scoped(w.Admin, "clients")}
		w.as(other, "POST", "/v1/clients/"+client.ID.String()+"/resend-invite", nil, key("again")).problem(422, "idempotency_key_reused")
	})

	s.rule(t, "C7 what was sent is in the trail, without the link", func(t *testing.T, w *world) {
		client := w.invited()
		link := w.link(client.ID)
		events := string(w.get(w.Admin, "/v1/audit-events?subject_id="+client.ID.String()).must(200).Body)
		if n := strings.Count(events, `"invitation_sent"`); n != 2 {
			t.Errorf("%d sendings are told: %s", n, events)
		}
		if strings.Contains(events, tokenIn(t, link)) {
			t.Error("the trail holds the token")
		}
	})
}

func TestC7RateBound(t *testing.T) {
	t.Parallel()
	var hands clock
	s := start(t, withoutWorker, hands.option)
	w := s.organization(t)
	client, other := w.invited(), w.invited()
	for range 4 {
		w.resent(client.ID).must(200)
		hands.advance(10 * time.Minute)
	}
	before := w.tables()
	got := w.resent(client.ID)
	got.problem(429, "rate_limited")
	if after, err := strconv.Atoi(got.Header.Get("Retry-After")); err != nil || after < 15*60 || after > 20*60 {
		t.Errorf("got Retry-After %q", got.Header.Get("Retry-After"))
	}
	w.unchanged(before)
	w.resent(other.ID).must(200)
	last := tokenIn(t, decode[api.SentInvitation](w.resent(other.ID).must(200)).InviteURL)
	hands.advance(20*time.Minute + time.Second) // the first and the second sending are an hour ago
	w.resent(client.ID).must(200)
	w.resent(client.ID).must(200)
	w.resent(client.ID).problem(429, "rate_limited")
	s.opened(t, last).must(200)
}

func TestC7ResendsAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	client := w.invited()
	answers := together(20, func(int) answer { return w.resent(client.ID) })
	var links []string
	for _, got := range answers {
		switch got.Status {
		case 200:
			links = append(links, decode[api.SentInvitation](got).InviteURL)
		default:
			got.problem(429, "rate_limited")
		}
	}
	if len(links) != 4 { // and the one that was sent with the client
		t.Errorf("%d were sent", len(links))
	}
	working := 0
	for _, link := range links {
		if s.opened(t, tokenIn(t, link)).Status == 200 {
			working++
		}
	}
	if working != 1 {
		t.Errorf("%d links work", working)
	}
	if n := w.count(`SELECT count(*) FROM invitations WHERE organization_id = $1 AND ended_at IS NULL`, w.ID); n != 1 {
		t.Errorf("%d invitations have not ended", n)
	}
	if n := w.count(`SELECT count(*) FROM river.river_job WHERE kind = 'invitation' AND args ->> 'organization_id' = $1`, w.ID.String()); n != 5 {
		t.Errorf("%d mails were left to a worker", n)
	}
}

func TestC8Accepting(t *testing.T) {
	t.Parallel()
	var hands clock
	s := start(t, withoutWorker, hands.option)

	s.rule(t, "C8 setting a password activates the account, once", func(t *testing.T, w *world) {
		client := w.invited()
		token := tokenIn(t, w.link(client.ID))
		s.signedIn(t, client.Email.MustGet(), goodPassword).problem(401, "invalid_credentials")
		accepted := decode[api.AcceptedInvitation](s.accepted(t, token, goodPassword).must(200)).Account
		if accepted.Kind != "client" || accepted.Name != "Chloé Martin" || accepted.Email != client.Email.MustGet() || accepted.Organization.ID != w.ID || accepted.Organization.Name != "Harbour" {
			t.Errorf("got %+v", accepted)
		}
		s.signedIn(t, client.Email.MustGet(), goodPassword).must(201)
		s.accepted(t, token, goodPassword+"!").problem(404, "invitation_invalid")
		s.opened(t, token).problem(404, "invitation_invalid")
		s.signedIn(t, client.Email.MustGet(), goodPassword).must(201)
		if n := w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1 AND subject_id = $2 AND action = 'invitation_accepted'`, w.ID, client.ID); n != 1 {
			t.Errorf("it is told %d times", n)
		}
	})

	s.rule(t, "C8 of a hundred who accept at once exactly one succeeds", func(t *testing.T, w *world) {
		client := w.invited()
		token := tokenIn(t, w.link(client.ID))
		password := func(i int) string { return fmt.Sprintf("%s-%d", goodPassword, i) }
		winners := []int{}
		for i, got := range together(100, func(i int) answer { return s.accepted(t, token, password(i)) }) {
			switch got.Status {
			case 200:
				winners = append(winners, i)
			default:
				got.problem(404, "invitation_invalid")
			}
		}
		if len(winners) != 1 {
			t.Fatalf("%d succeeded", len(winners))
		}
		s.signedIn(t, client.Email.MustGet(), password(winners[0])).must(201)
		s.signedIn(t, client.Email.MustGet(), password((winners[0]+1)%100)).problem(401, "invalid_credentials")
		if n := w.count(`SELECT count(*) FROM accounts WHERE organization_id = $1`, w.ID); n != 1 {
			t.Errorf("there are %d accounts", n)
		}
	})

	s.rule(t, "C8 of accepting and sending again at once one comes first", func(t *testing.T, w *world) {
		for range 15 {
			client := w.invited()
			token := tokenIn(t, w.link(client.ID))
			answers := together(2, func(i int) answer {
				if i == 0 {
					return s.accepted(t, token, goodPassword)
				}
				return w.resent(client.ID)
			})
			switch accepted, resent := answers[0], answers[1]; accepted.Status {
			case 200:
				resent.problem(409, "already_activated")
				s.signedIn(t, client.Email.MustGet(), goodPassword).must(201)
			default:
				accepted.problem(404, "invitation_invalid")
				s.opened(t, tokenIn(t, decode[api.SentInvitation](resent.must(200)).InviteURL)).must(200)
				s.signedIn(t, client.Email.MustGet(), goodPassword).problem(401, "invalid_credentials")
			}
		}
	})

	s.rule(t, "C8 a token that is wrong, used, expired, ended, or of somebody who may not come in gets one and the same answer, and costs the same", func(t *testing.T, w *world) {
		tokens := map[string]string{
			"unknown": "hni_" + strings.Repeat("0", 43), "of no form": "x", "of another form": newID().String(), "long": strings.Repeat("a", 200), "an API token": w.Admin.Token,
		}
		tokenOf := func(client uuid.UUID) string { return tokenIn(t, w.link(client)) }
		used, ended, moved, idle, becoming, gone := w.invited(), w.invited(), w.invited(), w.invited(), w.invited(), w.member("member")
		tokens["used"] = tokenOf(used.ID)
		s.accepted(t, tokens["used"], goodPassword).must(200)
		tokens["replaced"] = tokenOf(ended.ID)
		w.resent(ended.ID).must(200)
		tokens["sent to another address"] = tokenOf(moved.ID)
		w.section(moved.ID, "contact", object{"email": newAddress()}).must(200)
		tokens["of somebody inactive"] = tokenOf(idle.ID)
		w.exec(`UPDATE people SET status = 'inactive' WHERE organization_id = $1 AND id = $2`, w.ID, idle.ID)
		tokens["of a referral"] = tokenOf(becoming.ID)
		w.exec(`UPDATE people SET kind = 'referral' WHERE organization_id = $1 AND id = $2`, w.ID, becoming.ID)
		tokens["of somebody deactivated"] = tokenIn(t, decode[api.SentInvitation](w.staffResent(w.Admin, gone.ID).must(200)).InviteURL)
		w.deactivate(gone)
		late := w.invited()
		tokens["expired"] = tokenOf(late.ID)
		w.exec(`UPDATE invitations SET expires_at = $2 WHERE organization_id = $1 AND person_id = $3`, w.ID, hands.now(), late.ID)
		before := w.tables()
		want := map[string]string{}
		for name, token := range tokens {
			for kind, got := range map[string]answer{"opening": s.opened(t, token), "accepting": s.accepted(t, token, goodPassword), "a weak password": s.accepted(t, token, "weak")} {
				got.problem(404, "invitation_invalid")
				if text := problemText(got); want[kind] == "" {
					want[kind] = text
				} else if text != want[kind] {
					t.Errorf("%s with a token that is %s: got %s, others %s", kind, name, text, want[kind])
				}
				if strings.Contains(string(got.Body), token) && len(token) > 1 {
					t.Errorf("%s: the answer repeats the token: %s", name, got.Body)
				}
			}
		}
		w.unchanged(before)
	})
}

func TestC8RefusedTokensCostNothing(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	used := w.invited()
	token := tokenIn(t, w.link(used.ID))
	s.accepted(t, token, "too weak").problem(422, "password_weak")
	if n := s.app.PasswordHashes(); n != 0 {
		t.Errorf("%d hashes were computed for a weak password", n)
	}
	s.accepted(t, token, goodPassword).must(200)
	if n := s.app.PasswordHashes(); n != 1 {
		t.Errorf("%d hashes were computed for one password", n)
	}
	for _, wrong := range []string{token, "hni_" + strings.Repeat("0", 43), "x"} {
		s.opened(t, wrong).problem(404, "invitation_invalid")
		s.accepted(t, wrong, goodPassword).problem(404, "invitation_invalid")
	}
	if n := s.app.PasswordHashes(); n != 1 {
		t.Errorf("%d hashes were computed for tokens that open nothing", n-1)
	}
}

func TestC8Expiry(t *testing.T) {
	t.Parallel()
	var hands clock
	s := start(t, withoutWorker, hands.option)
	w := s.organization(t)
	client, ann := w.invited(), w.member("member")
	token := tokenIn(t, w.link(client.ID))
	w.staffResent(w.Admin, ann.ID).must(200)
	hands.advance(7*24*time.Hour - time.Minute)
	s.opened(t, token).must(200)
	hands.advance(time.Minute + time.Second)
	s.opened(t, token).problem(404, "invitation_invalid")
	s.accepted(t, token, goodPassword).problem(404, "invitation_invalid")
	if stands := decode[api.Client](w.get(w.Admin, "/v1/clients/"+client.ID.String()).must(200)).Invitation.MustGet(); stands.Status != "expired" {
		t.Errorf("got %+v", stands)
	}
	if stands := decode[api.Staff](w.get(w.Admin, "/v1/staff/"+ann.ID.String()).must(200)).Invitation.MustGet(); stands.Status != "expired" {
		t.Errorf("got %+v", stands)
	}
	again := tokenIn(t, w.link(client.ID))
	s.accepted(t, again, goodPassword).must(200)
}

func TestC8Passwords(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "C8 a password that is easily guessed is refused, and why; the invitation stays open", func(t *testing.T, w *world) {
		client := w.invited()
		token := tokenIn(t, w.link(client.ID))
		w.exec(`UPDATE organizations SET name = 'Lakeshore Employment' WHERE id = $1`, w.ID)
		local, _, _ := strings.Cut(client.Email.MustGet(), "@")
		for _, test := range []struct{ password, advice string }{
			{"short", "Use at least 12 characters."},
			{"elevenchars", "Use at least 12 characters."},
			{"éééééééééé1", "Use at least 12 characters."},
			{strings.Repeat("tidal-lantern-orchard-47", 6), "Use at most 128 characters."},
			{"password1234", "Avoid common words and passwords, also with other letters in their place."},
			{"P4$$w0rdP4$$w0rd", "Avoid repeated characters and words."},
			{"aaaaaaaaaaaaaaaa", "Avoid repeated characters and words."},
			{"密码密码密码密码密码密码", "Avoid repeated characters and words."},
			{"abcdefghijklmnop", "Avoid sequences such as abcd, 6543 and qwerty."},
			{"qwertyuiop[]", "Avoid sequences such as abcd, 6543 and qwerty."},
			{"Chloé Martin 1991", "Leave out your name, your email address and the name of the organization."},
			{"martin lakeshore 2024", "Leave out your name, your email address and the name of the organization."},
			{"LakeshoreEmployment1", "Leave out your name, your email address and the name of the organization."},
			{local + "123", "Leave out your name, your email address and the name of the organization."},
			{"tidal-lantern\u0007-orchard-47", "Leave out control characters."},
		} {
			got := s.accepted(t, token, test.password)
			problem := got.problem(422, "password_weak")
			if feedback := fmt.Sprint(problem.Params["feedback"]); !strings.Contains(feedback, test.advice) || !strings.Contains(problem.Detail, test.advice) {
				t.Errorf("%q: got %s, %q", test.password, feedback, problem.Detail)
			}
			if strings.Contains(string(got.Body), test.password) {
				t.Errorf("%q is repeated: %s", test.password, got.Body)
			}
			pointsAt(t, problem, "password_weak", "/password")
		}
		s.accepted(t, token, goodPassword).must(200)
	})

	s.rule(t, "C8 passwords of 12 to 128 characters, of any script, sign in however they are typed", func(t *testing.T, w *world) {
		for _, password := range []string{
			"kv9#Lq2!xZ7p", strings.Repeat("Tide lantern 47 orchard wren ", 5)[:128], "Fünf große Möwen, 7 Häfen", "ひつじ雲と夜明けの灯台へ", "caf\u00e9 lantern orchard 47",
		} {
			client := w.invited()
			s.accepted(t, tokenIn(t, w.link(client.ID)), password).must(200)
			s.signedIn(t, client.Email.MustGet(), password).must(201)
			s.signedIn(t, strings.ToUpper(client.Email.MustGet()), strings.ReplaceAll(password, "\u00e9", "e\u0301")).must(201)
			s.signedIn(t, client.Email.MustGet(), password+" ").problem(401, "invalid_credentials")
			s.signedIn(t, client.Email.MustGet(), strings.ToUpper(password)+"x").problem(401, "invalid_credentials")
		}
		if n := w.count(`SELECT count(*) FROM accounts WHERE organization_id = $1 AND password_hash NOT LIKE '$sealed$%'`, w.ID); n != 0 {
			t.Errorf("%d passwords are kept otherwise", n)
		}
	})
}

func TestC6MailServerInTrouble(t *testing.T) {
	t.Parallel()

	t.Run("C6 a mail server that is down delays invitations, and of several only the last is mailed", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		s := start(t, mailing(t, server))
		server.Down()
		w := s.organization(t)
		client, accepted := w.invited(), w.invited()
		w.resent(client.ID).must(200)
		last := decode[api.SentInvitation](w.resent(client.ID).must(200))
		s.accepted(t, tokenIn(t, w.link(accepted.ID)), goodPassword).must(200)
		if err := server.Up(); err != nil {
			t.Fatal(err)
		}
		w.mailed()
		if link := linkIn(t, one(t, invitationsTo(t, server, last.SentTo))); link != last.InviteURL {
			t.Errorf("got %s, want %s", link, last.InviteURL)
		}
		if got := invitationsTo(t, server, accepted.Email.MustGet()); len(got) != 0 {
			t.Errorf("got %+v", got)
		}
	})

	t.Run("C6 an invitation that may have arrived is not mailed again", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		server.Troubled(func(stage testmail.Stage, _ string) *testmail.Trouble {
			if stage == testmail.End {
				return &testmail.Trouble{Drop: true, Keep: true}
			}
			return nil
		})
		s := start(t, mailing(t, server))
		w := s.organization(t)
		client := w.invited()
		w.mailed()
		time.Sleep(time.Second)
		one(t, invitationsTo(t, server, client.Email.MustGet()))
		if n := w.count(`SELECT count(*) FROM invitations WHERE organization_id = $1 AND email_status = 'handing_over'`, w.ID); n != 1 {
			t.Errorf("%d invitations are being handed over", n)
		}
	})

	t.Run("C6 an address that is refused for good is given up", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		server.Troubled(func(stage testmail.Stage, _ string) *testmail.Trouble {
			if stage == testmail.Receiver {
				return &testmail.Trouble{Code: 550}
			}
			return nil
		})
		s := start(t, mailing(t, server))
		w := s.organization(t)
		w.invited()
		w.mailed()
		if n := w.count(`SELECT count(*) FROM invitations WHERE organization_id = $1 AND email_status = 'failed'`, w.ID); n != 1 {
			t.Errorf("%d invitations have failed", n)
		}
	})
}

// What lies in the queue can be opened by who has the secret key, and by nobody else.
func TestC6SecretKey(t *testing.T) {
	t.Parallel()
	server := testmail.Start(t, testmail.Config{})
	s := start(t, withoutWorker)
	w := s.organization(t)
	client := w.invited()
	log := slog.New(slog.DiscardHandler)
	queue, err := worker.NewQueue(s.DB.SQL.DB, log)
	if err != nil {
		t.Fatal(err)
	}
	stranger := app.New(postgres.NewStore(s.DB.SQL, true), queue, time.Now, log)
	working, err := worker.Start(t.Context(), s.DB.SQL.DB, stranger, mailerTo(t, server), log)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a worker without the key fails", func() bool {
		return w.count(`SELECT count(*) FROM river.river_job WHERE kind = 'invitation' AND array_length(errors, 1) > 0`) == 1
	})
	if err := working.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := server.Mails(); len(got) != 0 {
		t.Fatalf("got %+v", got)
	}
	if working, err = worker.Start(t.Context(), s.DB.SQL.DB, s.app, mailerTo(t, server), log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = working.Stop(t.Context()) }) // at the end of the test
	w.mailed()
	s.opened(t, tokenIn(t, linkIn(t, one(t, invitationsTo(t, server, client.Email.MustGet()))))).must(200)
}
