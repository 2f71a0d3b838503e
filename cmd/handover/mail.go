package main

import (
	"log/slog"
	"path/filepath"
	"strings"

	"handover/internal/app"
	"handover/internal/atonce"
	"handover/internal/embedded"
	"handover/internal/mail"
)

// publicFlags say where the service is reached.
type publicFlags struct {
	PublicURL string `help:"Where the service is reached from outside; the address when it is not set." env:"HANDOVER_PUBLIC_URL" placeholder:"URL"`
}

// mailFlags say how mails go out.
type mailFlags struct {
	SMTPURL         string `name:"smtp-url" help:"The mail server: smtp://user:password@host:port?starttls=required (or optional, or never) or smtps://user:password@host:port. When it is not set, mails are files under .handover/mail/." env:"HANDOVER_SMTP_URL" placeholder:"URL"`
	MailFrom        string `help:"The sender of mails, such as 'Handover <handover@example.org>'." env:"HANDOVER_MAIL_FROM" placeholder:"ADDRESS"`
	NotificationURL string `help:"The link in mails, with {id} for the notification; a page of yours, or else that of the service." env:"HANDOVER_NOTIFICATION_URL" placeholder:"URL"`
}

// mailDir is where mails are when there is no mail server.
var mailDir = filepath.Join(embedded.DefaultDir, "mail")

// mailer makes what sends mails. address is where the service is reached.
func (f mailFlags) mailer(log *slog.Logger, address string) (app.Mailer, error) {
	if err := atonce.Possible(); err != nil && f.SMTPURL != "" {
		log.Warn("this machine cannot record that a mail goes out in the instant in which it does: a kill within a microsecond may lose one", "error", err)
	}
	link := f.NotificationURL
	if link == "" {
		link = strings.TrimRight(address, "/") + "/v1/notifications/{id}"
	}
	return mail.New(mail.Options{SMTPURL: f.SMTPURL, From: f.MailFrom, Link: link, Dir: mailDir})
}
