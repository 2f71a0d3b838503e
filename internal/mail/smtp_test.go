package mail_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/app"
	"handover/internal/atonce"
	"handover/internal/domain"
	"handover/internal/mail"
	"handover/internal/testmail"
)

const link = "https://handover.example/n/{id}"

// mailTo is a mail as the service would send it.
func mailTo(address string) app.Mail {
	return app.Mail{
		Organization: "Brandt & Partners", Name: "Jonas Weber", Address: address, Zone: time.UTC,
		Notification: domain.Notification{
			ID: uuid.Must(uuid.NewV7()), Kind: domain.NoticeWorkReceived, CreatedAt: time.Date(2026, 3, 1, 15, 4, 5, 0, time.UTC),
			Actor: &domain.StaffRef{ID: uuid.Must(uuid.NewV7()), Name: "Ada Brandt"}, From: &domain.StaffRef{Name: "Grace Lin"},
			Work:  domain.WorkCounts{Tasks: 12, Matters: 3, Events: 1},
			Items: []domain.NotificationItem{{Kind: domain.ItemTask, Label: "File the motion", DueOn: &domain.Date{Year: 2026, Month: 3, Day: 4}}},
		},
	}
}

func mailerTo(t *testing.T, server *testmail.Server, credentials, query string) app.Mailer {
	t.Helper()
	mailer, err := mail.New(mail.Options{SMTPURL: "smtp://" + credentials + server.Addr + "?" + query, From: "Handover <handover@firm.example>", Link: link})
	if err != nil {
		t.Fatal(err)
	}
	return mailer
}

const plain = "starttls=never&timeout=300ms"

// commit stands for recording the intent, which takes some time.
func commit(handed *bool) func(context.Context, *atonce.Conn) error {
	return func(context.Context, *atonce.Conn) error {
		time.Sleep(20 * time.Millisecond)
		*handed = true
		return nil
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	t.Run("a mail arrives, with plain text and HTML", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		m, handed := mailTo("jonas@firm.example"), false
		if err := mailerTo(t, server, "", plain).Send(t.Context(), m, commit(&handed)); err != nil || !handed {
			t.Fatalf("got %v, handed over %t", err, handed)
		}
		mails := server.Mails()
		if len(mails) != 1 || mails[0].To != "jonas@firm.example" || mails[0].From != "handover@firm.example" {
			t.Fatalf("got %+v", mails)
		}
		parsed, err := testmail.Parse(mails[0].Text)
		if err != nil {
			t.Fatalf("%v\n%s", err, mails[0].Text)
		}
		if want := "You have received 3 matters, 12 tasks and 1 event from Grace Lin"; parsed.Subject != want {
			t.Errorf("got subject %q, want %q", parsed.Subject, want)
		}
		if want := "<" + m.Notification.ID.String() + "@firm.example>"; parsed.ID != want {
			t.Errorf("got Message-ID %q, want %q", parsed.ID, want)
		}
		for _, want := range []string{"Hello Jonas Weber", "Ada Brandt gave you 3 matters", "Wed 4 Mar 2026", "File the motion", "https://handover.example/n/" + m.Notification.ID.String()} {
			if !strings.Contains(parsed.Plain, want) || !strings.Contains(parsed.HTML, want) {
				t.Errorf("%q is missing:\n%s\n%s", want, parsed.Plain, parsed.HTML)
			}
		}
		if parsed.Header.Get("Auto-Submitted") != "auto-generated" {
			t.Error("machines are not told to leave it unanswered")
		}
	})

	// What is known of the mail after trouble: that it has not gone, that it never will, or nothing.
	type fate int
	const (
		notGone fate = iota
		refusedForGood
		unknown
		arrived
	)
	for _, test := range []struct {
		name    string
		stage   testmail.Stage
		trouble testmail.Trouble
		want    fate
		mails   int
	}{
		{"dropped before the greeting", testmail.Connecting, testmail.Trouble{Drop: true}, notGone, 0},
		{"dropped after the greeting", testmail.Greeting, testmail.Trouble{Drop: true}, notGone, 0},
		{"dropped at the sender", testmail.Sender, testmail.Trouble{Drop: true}, notGone, 0},
		{"dropped at the receiver", testmail.Receiver, testmail.Trouble{Drop: true}, notGone, 0},
		{"dropped in the middle of the mail", testmail.Within, testmail.Trouble{Drop: true}, notGone, 0},
		{"dropped at the end, and lost", testmail.End, testmail.Trouble{Drop: true}, unknown, 0},
		{"dropped at the end, and there", testmail.End, testmail.Trouble{Drop: true, Keep: true}, unknown, 1},
		{"dropped after the answer", testmail.Answered, testmail.Trouble{Drop: true}, arrived, 1},
		{"stalled before the greeting", testmail.Connecting, testmail.Trouble{Stall: time.Minute}, notGone, 0},
		{"stalled after the greeting", testmail.Greeting, testmail.Trouble{Stall: time.Minute}, notGone, 0},
		{"stalled at the sender", testmail.Sender, testmail.Trouble{Stall: time.Minute}, notGone, 0},
		{"stalled at the receiver", testmail.Receiver, testmail.Trouble{Stall: time.Minute}, notGone, 0},
		{"stalled at the end", testmail.End, testmail.Trouble{Stall: time.Minute, Keep: true}, unknown, 0},
		{"busy at the sender", testmail.Sender, testmail.Trouble{Code: 451}, notGone, 0},
		{"sender refused", testmail.Sender, testmail.Trouble{Code: 550}, notGone, 0},
		{"receiver busy", testmail.Receiver, testmail.Trouble{Code: 450}, notGone, 0},
		{"receiver refused", testmail.Receiver, testmail.Trouble{Code: 550}, refusedForGood, 0},
		{"signing in wanted", testmail.Receiver, testmail.Trouble{Code: 530}, notGone, 0},
		{"mail put off", testmail.End, testmail.Trouble{Code: 452}, notGone, 0},
		{"mail refused", testmail.End, testmail.Trouble{Code: 554}, refusedForGood, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := testmail.Start(t, testmail.Config{})
			server.Troubled(func(stage testmail.Stage, _ string) *testmail.Trouble {
				if stage == test.stage {
					return &test.trouble
				}
				return nil
			})
			handed := false
			err := mailerTo(t, server, "", plain).Send(t.Context(), mailTo("jonas@firm.example"), commit(&handed))
			got := notGone
			switch {
			case err == nil:
				got = arrived
			case errors.Is(err, app.ErrMailRefused):
				got = refusedForGood
			case errors.Is(err, app.ErrMailUncertain):
				got = unknown
			}
			if got != test.want || len(server.Mails()) != test.mails {
				t.Fatalf("got fate %d and %d mails, want %d and %d: %v", got, len(server.Mails()), test.want, test.mails, err)
			}
			if got == unknown && !handed {
				t.Fatal("the mail may have arrived, and nobody was told before")
			}
		})
	}

	t.Run("a server that is down has got nothing", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		server.Down()
		handed := false
		err := mailerTo(t, server, "", plain).Send(t.Context(), mailTo("jonas@firm.example"), commit(&handed))
		if err == nil || errors.Is(err, app.ErrMailRefused) || errors.Is(err, app.ErrMailUncertain) || handed {
			t.Fatalf("got %v, handed over %t", err, handed)
		}
	})

	t.Run("nothing goes out where the intent cannot be recorded", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		lost := errors.New("the database is gone")
		err := mailerTo(t, server, "", plain).Send(t.Context(), mailTo("jonas@firm.example"), func(context.Context, *atonce.Conn) error { return lost })
		if !errors.Is(err, lost) || errors.Is(err, app.ErrMailUncertain) {
			t.Fatalf("got %v", err)
		}
		time.Sleep(50 * time.Millisecond)
		if mails := server.Mails(); len(mails) != 0 {
			t.Fatalf("got %d mails", len(mails))
		}
	})

	t.Run("a worker that ends breaks off before the end of the mail", func(t *testing.T) {
		t.Parallel()
		server := testmail.Start(t, testmail.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		err := mailerTo(t, server, "", plain).Send(ctx, mailTo("jonas@firm.example"), func(ctx context.Context, _ *atonce.Conn) error { cancel(); return ctx.Err() })
		if err == nil || errors.Is(err, app.ErrMailUncertain) || errors.Is(err, app.ErrMailRefused) {
			t.Fatalf("got %v", err)
		}
		time.Sleep(50 * time.Millisecond)
		if mails := server.Mails(); len(mails) != 0 {
			t.Fatalf("got %d mails", len(mails))
		}
	})
}

func TestEncryption(t *testing.T) {
	t.Parallel()
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	certificate, settings := certified.Certificate(), &tls.Config{Certificates: certified.TLS.Certificates, MinVersion: tls.VersionTLS12}
	certified.Close()
	roots := x509.NewCertPool()
	roots.AddCert(certificate)

	send := func(t *testing.T, config testmail.Config, url func(address string) string, trusted bool) (*testmail.Server, error) {
		t.Helper()
		server := testmail.Start(t, config)
		mailer, err := mail.New(mail.Options{SMTPURL: url(server.Addr), From: "handover@firm.example", Link: link})
		if err != nil {
			t.Fatal(err)
		}
		if trusted {
			mail.Trust(mailer, roots)
		}
		handed := false
		return server, mailer.Send(t.Context(), mailTo("jonas@firm.example"), commit(&handed))
	}
	smtpURL := func(query string) func(string) string {
		return func(address string) string { return "smtp://service:s3cret@" + address + "?" + query }
	}
	signed := testmail.Config{TLS: settings, User: "service", Password: "s3cret"}

	t.Run("STARTTLS is required unless it is said otherwise, and the password goes through it", func(t *testing.T) {
		t.Parallel()
		server, err := send(t, signed, smtpURL(""), true)
		if err != nil || len(server.Mails()) != 1 {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("encrypted from the start", func(t *testing.T) {
		t.Parallel()
		config := signed
		config.TLSFromStart = true
		server, err := send(t, config, func(address string) string { return "smtps://service:s3cret@" + address }, true)
		if err != nil || len(server.Mails()) != 1 {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("a server without STARTTLS gets nothing where it is required", func(t *testing.T) {
		t.Parallel()
		server, err := send(t, testmail.Config{}, smtpURL("starttls=required"), false)
		if err == nil || len(server.Mails()) != 0 {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("a server without STARTTLS gets no password in the clear where it is optional", func(t *testing.T) {
		t.Parallel()
		server, err := send(t, testmail.Config{User: "service", Password: "s3cret"}, func(address string) string {
			return "smtp://service:s3cret@" + strings.Replace(address, "127.0.0.1", "localhost.localdomain", 1) + "?starttls=optional"
		}, false)
		if err == nil || len(server.Mails()) != 0 {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("a certificate that nobody knows is not trusted", func(t *testing.T) {
		t.Parallel()
		server, err := send(t, signed, smtpURL("starttls=optional"), false)
		if err == nil || len(server.Mails()) != 0 {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("a wrong password sends nothing, for now", func(t *testing.T) {
		t.Parallel()
		config := signed
		config.Password = "another"
		server, err := send(t, config, smtpURL(""), true)
		if err == nil || errors.Is(err, app.ErrMailRefused) || len(server.Mails()) != 0 || strings.Contains(err.Error(), "s3cret") {
			t.Fatalf("got %v", err)
		}
	})
}
