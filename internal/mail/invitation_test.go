package mail_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"handover/internal/app"
	"handover/internal/atonce"
	"handover/internal/mail"
	"handover/internal/testmail"
)

const inviteLink = "https://portal.example/invitations/hni_canary"

// invitationTo is the mail of an invitation as the service would send it.
func invitationTo(address string) app.Mail {
	zone := time.FixedZone("EST", -5*60*60)
	return app.Mail{
		Organization: "Harbour & Sons", Name: "Chloé Martin", Address: address, Zone: zone,
		Invitation: &app.InvitationLetter{
			ID: uuid.Must(uuid.NewV7()), SentAt: time.Date(2026, 3, 1, 15, 4, 5, 0, time.UTC), ExpiresAt: time.Date(2026, 3, 8, 15, 4, 5, 0, time.UTC), Link: inviteLink,
		},
	}
}

func TestInvitation(t *testing.T) {
	t.Parallel()
	server := testmail.Start(t, testmail.Config{})
	mailer, err := mail.New(mail.Options{SMTPURL: "smtp://" + server.Addr + "?starttls=never", From: "Handover <handover@firm.example>", Link: link})
	if err != nil {
		t.Fatal(err)
	}
	m := invitationTo("chloe@mail.example")
	handed := 0
	for range 2 {
		if err := mailer.Send(t.Context(), m, func(context.Context, *atonce.Conn) error { handed++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if handed != 2 || len(server.Mails()) != 2 {
		t.Fatalf("handed over %d times, %d arrived", handed, len(server.Mails()))
	}
	for _, arrived := range server.Mails() {
		parsed, err := testmail.Parse(arrived.Text)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Subject != "Your invitation from Harbour & Sons" || parsed.To.Name != "Chloé Martin" || parsed.ID != "<"+m.ID().String()+"@firm.example>" {
			t.Errorf("got %q to %q, %s", parsed.Subject, parsed.To.Name, parsed.ID)
		}
		if when, err := parsed.Header.Date(); err != nil || !when.Equal(m.Invitation.SentAt) {
			t.Errorf("got date %v: %v", when, err)
		}
		for _, want := range []string{"Harbour & Sons", "Chloé Martin", inviteLink, "Sun 8 Mar 2026, 10:04 EST"} {
			if !strings.Contains(parsed.Plain, want) || !strings.Contains(parsed.HTML, strings.ReplaceAll(want, "&", "&amp;")) {
				t.Errorf("%q is missing:\n%s\n%s", want, parsed.Plain, parsed.HTML)
			}
		}
		if !strings.Contains(parsed.HTML, `<a href="`+inviteLink+`">`) {
			t.Errorf("the link cannot be followed:\n%s", parsed.HTML)
		}
	}
}

func TestHostileInvitations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		m := invitationTo("chloe@mail.example")
		m.Name, m.Organization = hostile("name")(t), hostile("organization")(t)
		text := written(t, dir, m)
		parsed, err := testmail.Parse(text)
		if err != nil {
			t.Fatalf("%v\n%q", err, text)
		}
		var headers []string
		for name := range parsed.Header {
			headers = append(headers, name)
		}
		slices.Sort(headers)
		if want := []string{"Auto-Submitted", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To", "X-Auto-Response-Suppress"}; !slices.Equal(headers, want) {
			t.Fatalf("got headers %v\n%q", headers, text)
		}
		if parsed.To.Address != "chloe@mail.example" || strings.ContainsAny(parsed.Subject+parsed.To.Name, "\r\n\x00\u202e") || strings.Contains(parsed.HTML, "<script") {
			t.Fatalf("got %+v", parsed)
		}
		if strings.Count(parsed.Plain, inviteLink) != 1 {
			t.Fatalf("the link is not there once:\n%s", parsed.Plain)
		}
	})
}
