package mail_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"handover/internal/app"
	"handover/internal/domain"
	"handover/internal/mail"
	"handover/internal/testmail"
)

// written gives the text of a mail, by way of a file.
func written(t interface{ Fatal(...any) }, dir string, m app.Mail) []byte {
	mailer, err := mail.New(mail.Options{Link: link, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // again makes no difference
		if err := mailer.Send(nil, m, nil); err != nil { //nolint:staticcheck // files need neither
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, m.ID().String()+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mail")
	m := mailTo("jonas@firm.example")
	parsed, err := testmail.Parse(written(t, dir, m))
	if err != nil || parsed.To.Address != "jonas@firm.example" || parsed.From.Address != "handover@localhost" {
		t.Fatalf("got %+v: %v", parsed, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("got %v: %v", entries, err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, entries[0].Name()): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Fatalf("%s can be read by others: %v %v", path, info.Mode(), err)
		}
	}
}

func TestWhatHasHappened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, test := range []struct {
		name          string
		change        func(*app.Mail)
		subject, text string
	}{
		{"work received", func(*app.Mail) {}, "You have received 3 matters, 12 tasks and 1 event from Grace Lin", "Ada Brandt gave you 3 matters, 12 tasks and 1 event from Grace Lin."},
		{"whom it concerns", func(m *app.Mail) {
			m.Notification.Items[0].Concerns = &domain.Concern{Kind: domain.ItemPerson, Label: "Ada Byron"}
		}, "", "- Task: File the motion — Ada Byron, due Wed 4 Mar 2026\n"},
		{"work handed over", func(m *app.Mail) { m.Notification.Kind = domain.NoticeWorkHandedOver }, "Your work was handed over: 3 matters, 12 tasks and 1 event", "Ada Brandt handed over"},
		{"work taken back", func(m *app.Mail) {
			m.Notification.Kind, m.Notification.From = domain.NoticeWorkHandedOver, nil
		}, "No longer yours: 3 matters, 12 tasks and 1 event", "undone by Ada Brandt"},
		{"work taken back by oneself", func(m *app.Mail) {
			m.Notification.Kind, m.Notification.From, m.Receiver = domain.NoticeWorkHandedOver, nil, m.Notification.Actor.ID
		}, "", "undone by you,"},
		{"a run that failed", func(m *app.Mail) {
			m.Notification.Kind, m.Notification.Items, m.Notification.Work = domain.NoticeRunFailed, nil, domain.WorkCounts{}
			due, reason := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), "She leaves"
			m.Notification.Failure = &domain.RunFailure{
				Kind: domain.RunReassignWork, RequestedAt: due.AddDate(0, 0, -1), ScheduledFor: &due, Reason: &reason, Detail: "Not everybody is active.",
				Staff: []domain.StaffRef{{Name: "Jonas Weber", Status: domain.StaffDeactivated}},
			}
		}, "A change that you asked for could not be made", "You asked on Sun 1 Mar 2026, 08:00 to hand over the work of a staff member, on Mon 2 Mar 2026, 08:00.\n\n" +
			"Your reason: She leaves\n\nNot everybody is active.\n\nIt is about Jonas Weber (deactivated).\n"},
	} {
		m := mailTo("jonas@firm.example")
		test.change(&m)
		parsed, err := testmail.Parse(written(t, dir, m))
		if err != nil {
			t.Fatal(err)
		}
		plain := strings.ReplaceAll(parsed.Plain, "\r\n", "\n")
		if test.subject != "" && parsed.Subject != test.subject || !strings.Contains(plain, test.text) {
			t.Errorf("%s: got %q\n%s\nwant %q", test.name, parsed.Subject, plain, test.text)
		}
	}
}

// hostile draws texts that somebody made up to be something else.
func hostile(label string) func(*rapid.T) string {
	parts := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"\r\n", "\n", "\r", "\r\n.\r\n", "Bcc: evil@evil.example", "\r\nBcc: evil@evil.example\r\n", `"`, `\`, "<evil@evil.example>", ",", ";", "@", "(",
		"=?utf-8?q?=0D=0ABcc:_evil=40evil.example?=", "\x00", "\u202e", "\u2028", "<script>alert(1)</script>", "{{.Link}}", "Jonas", " ", "Käthe", "李",
	}))
	return func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(parts, 0, 5).Draw(t, label), "") }
}

func TestHostileTexts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		m := mailTo("jonas@firm.example")
		m.Name, m.Organization = hostile("name")(t), hostile("organization")(t)
		m.Notification.Kind = rapid.SampledFrom([]domain.NoticeKind{domain.NoticeWorkReceived, domain.NoticeWorkHandedOver, domain.NoticeRunFailed}).Draw(t, "kind")
		m.Notification.From.Name, m.Notification.Actor.Name = hostile("from")(t), hostile("actor")(t)
		m.Notification.Items[0].Label, m.Notification.Items[0].Concerns = hostile("label")(t), &domain.Concern{Kind: domain.ItemMatter, Label: hostile("concern")(t)}
		reason := hostile("reason")(t)
		m.Notification.Failure = &domain.RunFailure{
			Kind: domain.RunReassignWork, Reason: &reason, Detail: hostile("failure")(t), Staff: []domain.StaffRef{{Name: hostile("staff")(t), Status: domain.StaffDeactivated}},
		}
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
		if parsed.To.Address != "jonas@firm.example" || strings.ContainsAny(parsed.Subject+parsed.To.Name, "\r\n\x00\u202e") {
			t.Fatalf("got %+v", parsed)
		}
		if strings.Contains(parsed.HTML, "<script") {
			t.Fatalf("a name became a part of the page:\n%s", parsed.HTML)
		}
		for _, line := range bytes.Split(text, []byte("\r\n")) {
			if len(line) > 998 || bytes.ContainsAny(line, "\r\n") {
				t.Fatalf("a line is too long or not one: %q", line)
			}
		}
	})
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"", "nobody", "a@b.example, c@d.example", "a@b.example\r\nBcc: c@d.example", "Ann <a@b.example>", "a@b.example>", "<a@b.example> SIZE=1", "a@b.example\r\nRCPT TO:<c@d.example>",
	} {
		mailer, err := mail.New(mail.Options{Link: link, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if err := mailer.Send(t.Context(), mailTo(address), nil); err == nil || !strings.Contains(err.Error(), "cannot be written to") {
			t.Errorf("%q: got %v", address, err)
		}
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		options mail.Options
		want    string // in the error; empty: none
	}{
		{"files need nothing but a link", mail.Options{Link: link}, ""},
		{"a server", mail.Options{Link: link, From: "a@b.example", SMTPURL: "smtp://u:canary@mail.example:2525?starttls=optional&timeout=5s"}, ""},
		{"a server of an address without brackets in names", mail.Options{Link: link, From: "Hand Over <a@b.example>", SMTPURL: "smtps://mail.example"}, ""},
		{"no sender", mail.Options{Link: link, SMTPURL: "smtp://u:canary@mail.example"}, "HANDOVER_MAIL_FROM"},
		{"a sender that is none", mail.Options{Link: link, From: "nobody", SMTPURL: "smtp://u:canary@mail.example"}, "HANDOVER_MAIL_FROM"},
		{"no link to anything", mail.Options{Link: "https://x.example/", From: "a@b.example"}, "{id}"},
		{"another scheme", mail.Options{Link: link, From: "a@b.example", SMTPURL: "http://u:canary@mail.example"}, "HANDOVER_SMTP_URL"},
		{"no URL", mail.Options{Link: link, From: "a@b.example", SMTPURL: "smtp://u:canary%zz@mail.example"}, "HANDOVER_SMTP_URL"},
		{"no host", mail.Options{Link: link, From: "a@b.example", SMTPURL: "smtp://u:canary@"}, "HANDOVER_SMTP_URL"},
		{"a path", mail.Options{Link: link, From: "a@b.example", SMTPURL: "smtp://u:canary@mail.example/x"}, "HANDOVER_SMTP_URL"},
		{"an unknown policy", mail.Options{Link: link, From: "a@b.example", SMTPURL: "smtp://u:canary@mail.example?starttls=maybe"}, "starttls"},
		{"a policy where there is none", mail.Options{Link: link, From: "a@b.example", SMTPURL: "smtps://u:canary@mail.example?starttls=never"}, "starttls"},
		{"no timeout", mail.Options{Link: link, From: "a@b.example", SMTPURL: "smtp://u:canary@mail.example?timeout=soon"}, "timeout"},
		{"a timeout of an hour", mail.Options{Link: link, From: "a@b.example", SMTPURL: "smtp://u:canary@mail.example?timeout=1h"}, "timeout"},
		{"an unknown parameter", mail.Options{Link: link, From: "a@b.example", SMTPURL: "smtp://u:canary@mail.example?tls=no"}, "parameters"},
	} {
		_, err := mail.New(test.options)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: got %v", test.name, err)
		case err != nil && strings.Contains(err.Error(), "canary"):
			t.Errorf("%s: the password is told: %v", test.name, err)
		}
	}
}
