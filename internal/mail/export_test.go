package mail

import (
	"crypto/x509"

	"handover/internal/app"
)

// Trust has a mailer of a mail server trust other certificates than those of the machine.
func Trust(mailer app.Mailer, roots *x509.CertPool) { mailer.(*smtpMailer).roots = roots }
