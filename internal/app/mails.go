package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"handover/internal/atonce"
	"handover/internal/domain"
	"handover/internal/postgres"
)

// MailJob is the mail of one notification, left to a worker. What it says is read when it is sent.
type MailJob struct {
	Organization uuid.UUID `json:"organization_id"`
	Notification uuid.UUID `json:"notification_id"`
}

// Mail is what one receiver is written: of a notification (B7), or an invitation (C6).
type Mail struct {
	Notification domain.Notification
	Invitation   *InvitationLetter // nil: it is of the notification
	Organization string            // its name
	Receiver     uuid.UUID         // of a notification
	Name         string            // the receiver's
	Address      string
	Zone         *time.Location // of the organization
}

// ID names the mail, whenever and however often it is tried.
func (m Mail) ID() uuid.UUID {
	if m.Invitation != nil {
		return m.Invitation.ID
	}
	return m.Notification.ID
}

// WrittenAt is the date of the mail.
func (m Mail) WrittenAt() time.Time {
	if m.Invitation != nil {
		return m.Invitation.SentAt
	}
	return m.Notification.CreatedAt
}

// Mailer hands mails over to whatever carries them.
type Mailer interface {
	// Send hands one mail over. When everything but the end of the mail is there, and that is kept back by a connection, it calls
	// handingOver, which records that the mail may arrive from now on, and lets the end go in the same instant. Where that fails
	// and nothing of the end has left, nothing more is sent. A mailer to whom it makes no difference how often it gets a mail need
	// not call it.
	//
	// ErrMailRefused tells that it will never be taken, ErrMailUncertain that it may have arrived or not; after every other
	// error it has certainly not been handed over, and can be tried again.
	Send(ctx context.Context, mail Mail, handingOver func(ctx context.Context, end *atonce.Conn) error) error
}

// What becomes of a mail that cannot be sent.
var (
	ErrMailRefused   = errors.New("the mail was refused for good")
	ErrMailUncertain = errors.New("whether the mail has arrived is not known")
)

const (
	// mailLease is how long a mail belongs to the worker that is at it without it saying so again.
	mailLease = 10 * time.Second
	// mailAgainAfter is how soon a mail is looked at again that another worker is at.
	mailAgainAfter = 5 * time.Second
	// mailPatience is how long a mail is tried.
	mailPatience = 5 * 24 * time.Hour
	// The pause between attempts grows with the age of the mail.
	shortestMailPause = time.Second
	longestMailPause  = 5 * time.Minute
	// settling is how long it is tried to write what became of a mail, for a database that is being started anew.
	settling         = time.Minute
	settlingAtTheEnd = 5 * time.Second // of the worker
	// offeredLease is how long a mail that is about to be handed over belongs to its worker without it saying so again. Should
	// the database lose that it was, this is the time to tell it.
	offeredLease = 30 * time.Second
)

// The kinds of mails.
const (
	kindNotification = "notification"
	kindInvitation   = "invitation"
)

// letter is a mail as the row that it goes out with tells it.
type letter struct {
	postgres.Mailing
	kind string                                             // of the mail, in the metrics
	is   slog.Attr                                          // how the log names it
	read func(context.Context, *postgres.Tx) (*Mail, error) // nil: nothing is to be sent any more
}

// SendMail sends the mail of one notification, as its receiver may see it when it is sent (B5), unless that is done with.
// again is after how long the job is to be looked at once more; zero: it is done.
func (a *App) SendMail(ctx context.Context, job MailJob, mailer Mailer) (again time.Duration, err error) {
	return a.send(ctx, domain.OrganizationID(job.Organization), mailer, letter{
		postgres.MailOfNotification(job.Notification), kindNotification, slog.String("notification_id", job.Notification.String()),
		func(ctx context.Context, tx *postgres.Tx) (*Mail, error) {
			return a.readMail(ctx, tx, job.Notification)
		},
	})
}

// send sends a mail. That it is being handed over is committed in the same instant in which its end goes out: whoever finds
// that status after a crash leaves it at that, and whoever does not find it sends the mail.
func (a *App) send(ctx context.Context, organization domain.OrganizationID, mailer Mailer, of letter) (again time.Duration, err error) {
	mail, again, err := a.takeMail(ctx, organization, of)
	if err != nil || mail == nil {
		return again, err
	}
	var ended atomic.Bool
	sendErr := a.whileTaken(ctx, organization, of, func(ctx context.Context) error {
		return mailer.Send(ctx, *mail, func(ctx context.Context, end *atonce.Conn) error {
			err := a.handingOver(ctx, organization, of, end)
			ended.Store(err == nil || end.Left())
			if err != nil && end.Left() {
				a.log.WarnContext(ctx, "a mail has gone out, and its record may be lost; its fate is written when it is known", of.is, "error", err)
			}
			return err
		})
	})
	outcome, counted := postgres.MailAgain, mailRetried
	switch {
	case sendErr == nil:
		outcome, counted = postgres.MailSent, mailSent
	case errors.Is(sendErr, ErrMailRefused):
		outcome, counted = postgres.MailFailed, mailRefused
		a.log.ErrorContext(ctx, "a mail was refused for good", of.is, "error", sendErr)
	case errors.Is(sendErr, ErrMailUncertain):
		outcome, counted = postgres.MailUncertain, mailUncertain
		a.log.WarnContext(ctx, "a mail may have arrived or not; it is not sent again", of.is, "error", sendErr)
	default:
		again = mailPause(a.now().Sub(mail.WrittenAt()))
		a.log.WarnContext(ctx, "a mail could not be sent and will be tried again", of.is, "after", again, "error", sendErr)
	}
	a.metrics.mails.WithLabelValues(of.kind, counted).Inc()
	return again, a.settleMail(ctx, organization, of, outcome, ended.Load())
}

// handingOver records, in two steps, that a mail may arrive from now on, and lets its end go (see MarkMailHandingOver).
func (a *App) handingOver(ctx context.Context, organization domain.OrganizationID, of letter, end *atonce.Conn) error {
	err := a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		return tx.MarkMailOffered(ctx, of.Mailing, a.instant(), offeredLease)
	})
	if err != nil {
		return err
	}
	return a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		return tx.MarkMailHandingOver(ctx, of.Mailing, a.instant(), end)
	})
}

// settleMail writes what became of a mail. Only this process knows it: it tries for some time, also while the worker is
// ending.
func (a *App) settleMail(ctx context.Context, organization domain.OrganizationID, of letter, outcome postgres.MailOutcome, ended bool) error {
	patience := settling
	if ctx.Err() != nil {
		patience = settlingAtTheEnd
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	for {
		err := a.store.InTx(within, organization, postgres.Working, func(tx *postgres.Tx) error {
			return tx.SettleMail(within, of.Mailing, outcome, ended, a.instant())
		})
		if err == nil {
			return nil
		}
		select {
		case <-within.Done():
			return fmt.Errorf("write what became of a mail: %w", err)
		case <-time.After(time.Second):
		}
	}
}

// mailPause is a quarter of the age of a mail: a short trouble passes quickly, and a long one is not stirred up.
func mailPause(age time.Duration) time.Duration {
	return min(max(age/4, shortestMailPause), longestMailPause)
}

// takeMail takes a mail for this worker and reads what it says now. mail is nil where there is nothing to send now.
func (a *App) takeMail(ctx context.Context, organization domain.OrganizationID, of letter) (mail *Mail, again time.Duration, err error) {
	err = a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		mail, again = nil, 0
		state, err := tx.TakeMail(ctx, of.Mailing, mailLease)
		if err != nil {
			return err
		}
		switch state {
		case postgres.MailTaken:
			again = mailAgainAfter
			return nil
		case postgres.MailUnsettled:
			a.log.WarnContext(ctx, "a mail went out when its worker or PostgreSQL ended; it is not sent again", of.is)
			tx.OnCommit(a.metrics.mails.WithLabelValues(of.kind, mailUncertain).Inc)
			return tx.SettleMail(ctx, of.Mailing, postgres.MailUncertain, false, a.instant())
		case postgres.MailDone:
			return nil
		case postgres.MailToSend:
		}
		read, err := of.read(ctx, tx)
		if err != nil {
			return err
		}
		if read == nil {
			tx.OnCommit(a.metrics.mails.WithLabelValues(of.kind, mailUnwanted).Inc)
			return tx.SettleMail(ctx, of.Mailing, postgres.MailUnwanted, false, a.instant())
		}
		if a.now().Sub(read.WrittenAt()) > mailPatience {
			a.log.ErrorContext(ctx, "a mail was given up", of.is, "after", mailPatience)
			tx.OnCommit(a.metrics.mails.WithLabelValues(of.kind, mailGivenUp).Inc)
			return tx.SettleMail(ctx, of.Mailing, postgres.MailFailed, false, a.instant())
		}
		mail = read
		return nil
	})
	return mail, again, err
}

// readMail is nil where the receiver wants no mail any more.
func (a *App) readMail(ctx context.Context, tx *postgres.Tx, notification uuid.UUID) (*Mail, error) {
	receiver, wanted, err := tx.MailReceiver(ctx, notification)
	if err != nil || !wanted {
		return nil, err
	}
	organization, err := tx.OrganizationOf(ctx)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(organization.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("the organization's time zone: %w", err)
	}
	caller := domain.Caller{
		Organization: tx.Organization, TimeZone: organization.TimeZone, StaffID: receiver.ID, Name: receiver.Name(),
		Role: receiver.Role, Permissions: receiver.Permissions,
	}
	mail := &Mail{Organization: organization.Name, Receiver: receiver.ID, Name: receiver.Name(), Address: receiver.Email, Zone: zone}
	if mail.Notification, err = tx.Notification(ctx, caller, notification); err != nil {
		return nil, err
	}
	return mail, nil
}

// whileTaken runs work and says all the while that this worker is at the mail.
func (a *App) whileTaken(ctx context.Context, organization domain.OrganizationID, of letter, work func(context.Context) error) error {
	saying, stop := context.WithCancel(ctx)
	said := make(chan struct{})
	go func() {
		defer close(said)
		beat := time.NewTicker(mailLease / 3)
		defer beat.Stop()
		for {
			select {
			case <-saying.Done():
				return
			case <-beat.C:
			}
			err := a.store.InTx(saying, organization, postgres.Working, func(tx *postgres.Tx) error { return tx.KeepMail(saying, of.Mailing, mailLease) })
			if err != nil && saying.Err() == nil {
				a.log.WarnContext(saying, "a worker could not say that it is at a mail", of.is, "error", err)
			}
		}
	}()
	err := work(ctx)
	stop()
	<-said
	return err
}

// mailsStrandedAfter is how old a pending mail is when its job is looked for.
const mailsStrandedAfter = time.Hour

// RequeueMails leaves every mail that has been pending for long to a worker again. Those that have a job keep it: it is
// for mails whose job was lost.
func (a *App) RequeueMails(ctx context.Context) error {
	pending, err := a.store.PendingMails(ctx, a.instant().Add(-mailsStrandedAfter))
	if err != nil {
		return err
	}
	for organization, notifications := range pending {
		err := a.store.InTx(ctx, domain.OrganizationID(organization), postgres.Working, func(tx *postgres.Tx) error {
			return a.queue.EnqueueMails(ctx, tx.Tx.Tx, organization, notifications)
		})
		if err != nil {
			return fmt.Errorf("enqueue pending mails again: %w", err)
		}
	}
	return nil
}
