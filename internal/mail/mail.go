// Package mail writes what staff are told and invitations as mails, and hands them to an SMTP server, or to a folder where there is none.
package mail

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"github.com/google/uuid"

	"handover/internal/app"
)

// Options say where mails go.
type Options struct {
	SMTPURL string // smtp://user:password@host:port?starttls=required or smtps://…; empty: a file for each mail in Dir
	From    string // the sender, such as Handover <handover@example.org>
	Link    string // where a receiver reads a notification; {id} stands for its id
	Dir     string
}

// New makes the mailer that the options ask for. Its errors tell nothing of the URL, which may hold a password.
func New(options Options) (app.Mailer, error) {
	composer, err := newComposer(options)
	if err != nil {
		return nil, err
	}
	if options.SMTPURL == "" {
		return &files{composer: composer, dir: options.Dir}, nil
	}
	server, err := parseURL(options.SMTPURL)
	if err != nil {
		return nil, err
	}
	return &smtpMailer{composer: composer, server: server}, nil
}

// DefaultFrom is the sender of mails that go to files.
const DefaultFrom = "Handover <handover@localhost>"

func newComposer(options Options) (*composer, error) {
	from := options.From
	if from == "" {
		if options.SMTPURL != "" {
			return nil, errors.New("the sender of mails is not set: HANDOVER_MAIL_FROM is to be an address such as Handover <handover@example.org>")
		}
		from = DefaultFrom
	}
	sender, err := mail.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("the sender of mails (HANDOVER_MAIL_FROM) is no address such as Handover <handover@example.org>: %w", err)
	}
	if !strings.Contains(options.Link, "{id}") {
		return nil, errors.New("the link to notifications (HANDOVER_NOTIFICATION_URL) has no {id} in it")
	}
	sender.Name = displayName(sender.Name)
	return &composer{from: *sender, link: options.Link}, nil
}

// messageID is the same for every attempt at a mail.
func (c *composer) messageID(mail uuid.UUID) string {
	_, domain, _ := strings.Cut(c.from.Address, "@")
	return mail.String() + "@" + domain
}
