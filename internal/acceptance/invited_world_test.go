package acceptance

import (
	"bytes"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/app"
	"handover/internal/testmail"
)

// accessAt is how people come in to a service of a test.
func accessAt(address string) app.Access {
	return app.Access{InvitationLink: address + app.DefaultInvitationPath, Secret: bytes.Repeat([]byte{7}, 32)}
}

// goodPassword is one that is not easily guessed.
const goodPassword = "tidal-lantern-orchard-47"

// invited adds an invited client, whose address nobody else has.
func (w *world) invited(more ...object) api.Client {
	w.t.Helper()
	return w.added("Chloé", "Martin", newAddress(), append([]object{{"send_invitation": true}}, more...)...)
}

func newAddress() string { return "chloe." + newID().String()[24:] + "@mail.example" }

// resent sends a client's invitation again.
func (w *world) resent(client uuid.UUID, headers ...header) answer {
	w.t.Helper()
	return w.as(w.Admin, "POST", "/v1/clients/"+client.String()+"/resend-invite", nil, headers...)
}

// staffResent sends a staff member's invitation again.
func (w *world) staffResent(by member, staff uuid.UUID) answer {
	w.t.Helper()
	return w.as(by, "POST", "/v1/staff/"+staff.String()+"/resend-invite", nil)
}

// link is the link of a client's invitation, sent now.
func (w *world) link(client uuid.UUID) string {
	w.t.Helper()
	return decode[api.SentInvitation](w.resent(client).must(200)).InviteURL
}

// tokenIn is the token of an invitation's link.
func tokenIn(t testing.TB, link string) string {
	t.Helper()
	read, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	return read.Path[strings.LastIndex(read.Path, "/")+1:]
}

// opened asks what an invitation is for, as anybody can who has its token.
func (s *service) opened(t testing.TB, token string) answer {
	t.Helper()
	return s.call(t, "", "GET", "/v1/invitations/"+url.PathEscape(token), nil)
}

// accepted accepts an invitation.
func (s *service) accepted(t testing.TB, token, password string) answer {
	t.Helper()
	return s.call(t, "", "POST", "/v1/invitations/"+url.PathEscape(token)+"/accept", object{"password": password})
}

// signedIn asks for a session.
func (s *service) signedIn(t testing.TB, email, password string, more ...object) answer {
	t.Helper()
	body := object{"email": email, "password": password}
	for _, fields := range more {
		for name, value := range fields {
			body[name] = value
		}
	}
	return s.call(t, "", "POST", "/v1/sessions", body)
}

// activated adds a client who has accepted their invitation.
func (w *world) activated(password string, more ...object) api.Client {
	w.t.Helper()
	client := w.invited(more...)
	w.service.accepted(w.t, tokenIn(w.t, w.link(client.ID)), password).must(200)
	return client
}

// tokenless is a member who has had no API token.
func (w *world) tokenless(role string) member {
	w.t.Helper()
	m := w.member(role)
	w.exec(`DELETE FROM api_tokens WHERE organization_id = $1 AND staff_id = $2`, w.ID, m.ID)
	return m
}

// activatedStaff is a member who can sign in with a password.
func (w *world) activatedStaff(password, role string, permissions ...string) member {
	w.t.Helper()
	m := w.member(role, permissions...)
	sent := decode[api.SentInvitation](w.staffResent(w.Admin, m.ID).must(200))
	w.service.accepted(w.t, tokenIn(w.t, sent.InviteURL), password).must(200)
	return m
}

// invitationsTo are the mails that an address has got, parsed.
func invitationsTo(t testing.TB, server *testmail.Server, address string) []testmail.Parsed {
	t.Helper()
	var got []testmail.Parsed
	for _, arrived := range server.Mails() {
		if arrived.To != address {
			continue
		}
		parsed, err := testmail.Parse(arrived.Text)
		if err != nil {
			t.Fatalf("%v\n%s", err, arrived.Text)
		}
		got = append(got, parsed)
	}
	return got
}

var mailedLink = regexp.MustCompile(`https?://\S+`)

// linkIn is the one link of a mail, as both of its forms have it.
func linkIn(t testing.TB, mail testmail.Parsed) string {
	t.Helper()
	links := mailedLink.FindAllString(mail.Plain, -1)
	if len(links) != 1 || !strings.Contains(mail.HTML, `href="`+links[0]+`"`) {
		t.Fatalf("got links %v:\n%s\n%s", links, mail.Plain, mail.HTML)
	}
	return links[0]
}

// mailed waits until nothing is left to do with the mails of invitations of an organization.
func (w *world) mailed() {
	w.t.Helper()
	eventually(w.t, "the invitations are mailed", func() bool {
		return w.count(`SELECT count(*) FROM river.river_job WHERE kind = 'invitation' AND args ->> 'organization_id' = $1 AND state NOT IN ('completed', 'discarded', 'cancelled')`, w.ID.String()) == 0
	})
}

// problemText is a problem without what belongs to one request alone.
func problemText(a answer) string {
	a.t.Helper()
	problem := decode[api.Problem](a)
	return problem.Instance + " " + problem.Code + " " + problem.Detail + " " + problem.Title + " " + a.Header.Get("WWW-Authenticate") + " " + a.Header.Get("Retry-After")
}
