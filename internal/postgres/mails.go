package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/atonce"
	"handover/internal/domain"
)

// Mailing is a row that a mail goes out with, and that tells what became of the mail.
type Mailing struct {
	table string
	ID    uuid.UUID
}

// MailOfNotification is the mail of a notification (B7).
func MailOfNotification(id uuid.UUID) Mailing { return Mailing{"notifications", id} }

// MailOfInvitation is the mail of an invitation (C6).
func MailOfInvitation(id uuid.UUID) Mailing { return Mailing{"invitations", id} }

// MailState is what a worker finds when it takes up a mail.
type MailState int

// The states of mails.
const (
	MailToSend    MailState = iota // it is this worker's now
	MailTaken                      // another worker is at it
	MailUnsettled                  // whoever was at it is gone, and it may have arrived
	MailDone                       // nothing is left to do, or it never was
)

// MailOutcome is what became of a mail.
type MailOutcome int

// The outcomes of mails.
const (
	MailSent      MailOutcome = iota
	MailFailed                // it will never be taken
	MailUncertain             // it may have arrived: it stays as it is
	MailAgain                 // it has certainly not been handed over
	MailUnwanted              // its receiver wants no mail any more
)

// TakeMail takes a mail that is to be sent for a worker, for as long as the lease or until KeepMail. The clock is the
// database's, which all workers share. One that was offered, and not handed over, has not been ended, and is sent again; unless
// the database has come up anew since, which may have cost it the last that it was told.
func (tx *Tx) TakeMail(ctx context.Context, mail Mailing, lease time.Duration) (MailState, error) {
	var found struct {
		Status    string `db:"email_status"`
		Taken     bool   `db:"taken"`
		Forgotten bool   `db:"forgotten"`
	}
	err := tx.get(ctx, &found, `
		SELECT n.email_status, coalesce(n.email_taken_until > clock_timestamp(), false) AS taken,
		       coalesce(n.email_offered_at < pg_postmaster_start_time(), false) AS forgotten
		FROM `+mail.table+` n WHERE n.organization_id = $1 AND n.id = $2 FOR NO KEY UPDATE`, tx.Organization.String(), mail.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return MailDone, nil
	}
	if err != nil {
		return MailDone, fmt.Errorf("take mail: %w", err)
	}
	switch found.Status {
	case emailPending, emailOffered, emailHandingOver:
	default:
		return MailDone, nil
	}
	switch {
	case found.Taken:
		return MailTaken, nil
	case found.Status == emailHandingOver, found.Status == emailOffered && found.Forgotten:
		return MailUnsettled, nil
	}
	if err := tx.exec(ctx, `UPDATE `+mail.table+` SET email_status = 'pending' WHERE organization_id = $1 AND id = $2 AND email_status = 'offered'`,
		tx.Organization.String(), mail.ID); err != nil {
		return MailDone, fmt.Errorf("take mail: %w", err)
	}
	return MailToSend, tx.KeepMail(ctx, mail, lease)
}

// KeepMail says that the worker which took a mail is still at it.
func (tx *Tx) KeepMail(ctx context.Context, mail Mailing, lease time.Duration) error {
	if err := tx.exec(ctx, `
		UPDATE `+mail.table+` SET email_taken_until = greatest(email_taken_until, clock_timestamp() + $3 * interval '1 microsecond')
		WHERE organization_id = $1 AND id = $2`,
		tx.Organization.String(), mail.ID, lease.Microseconds()); err != nil {
		return fmt.Errorf("keep mail: %w", err)
	}
	return nil
}

// MarkMailOffered records that a mail is about to be handed over, and keeps it for its worker for longer than until now. It
// fails where another worker has come further.
func (tx *Tx) MarkMailOffered(ctx context.Context, mail Mailing, now time.Time, lease time.Duration) error {
	hit, err := tx.execCounting(ctx, `
		UPDATE `+mail.table+` SET email_status = 'offered', email_at = $3, email_offered_at = clock_timestamp(),
			email_taken_until = clock_timestamp() + $4 * interval '1 microsecond'
		WHERE organization_id = $1 AND id = $2 AND email_status = 'pending'`, tx.Organization.String(), mail.ID, now, lease.Microseconds())
	return expect("record that a mail is offered", hit, err, 1)
}

// MarkMailHandingOver records that an offered mail may have arrived from now on, and lets its end go, which is kept back until
// then: it leaves in the same instant as COMMIT does. It fails where it was recorded before: of two workers at the same mail
// one goes on. Where it fails at COMMIT, the end may have left (see atonce.Conn.Left).
//
// A worker that is killed leaves a mail that is recorded and ended, or neither. A COMMIT that has left with the end and is lost on
// its way leaves a mail that is offered: the database that lost it has come up anew since, which TakeMail asks; or the connection
// broke in that instant, and the worker, which keeps the mail for long enough, writes what became of it.
func (tx *Tx) MarkMailHandingOver(ctx context.Context, mail Mailing, now time.Time, end *atonce.Conn) error {
	hit, err := tx.execCounting(ctx, `
		UPDATE `+mail.table+` SET email_status = 'handing_over', email_at = $3 WHERE organization_id = $1 AND id = $2 AND email_status = 'offered'`,
		tx.Organization.String(), mail.ID, now)
	if err := expect("record that a mail is being handed over", hit, err, 1); err != nil {
		return err
	}
	tx.CommitTogetherWith(end)
	return nil
}

// SettleMail writes what became of a mail and lets go of it. ended tells that this worker has let the end of the mail go, or may have,
// whatever the database has kept of it; one that has not leaves a mail alone that another is handing over.
func (tx *Tx) SettleMail(ctx context.Context, mail Mailing, outcome MailOutcome, ended bool, now time.Time) error {
	from, to := []string{emailPending, emailOffered}, ""
	if ended {
		from = append(from, emailHandingOver)
	}
	switch outcome {
	case MailSent:
		to = emailSent
	case MailFailed:
		to = emailFailed
	case MailUncertain:
		to = emailHandingOver
	case MailAgain:
		to = emailPending
	case MailUnwanted:
		to = emailNone
	}
	if err := tx.exec(ctx, `
		UPDATE `+mail.table+` SET email_status = $4, email_taken_until = NULL, email_at = CASE WHEN email_status = $4 THEN email_at ELSE $5 END
		WHERE organization_id = $1 AND id = $2 AND email_status = ANY ($3)`,
		tx.Organization.String(), mail.ID, pq.Array(from), to, now); err != nil {
		return fmt.Errorf("settle mail: %w", err)
	}
	return nil
}

// MailReceiver is who the mail of a notification is for; wanted is false where they have turned email off, or are not
// active any more.
func (tx *Tx) MailReceiver(ctx context.Context, notification uuid.UUID) (receiver domain.Staff, wanted bool, err error) {
	var row struct {
		staffRow
		Wanted bool `db:"email_notifications"`
	}
	if err := tx.get(ctx, &row, `
		SELECT `+staffColumns+`, s.email_notifications
		FROM notifications n JOIN staff s ON s.organization_id = n.organization_id AND s.id = n.staff_id
		WHERE n.organization_id = $1 AND n.id = $2`, tx.Organization.String(), notification); err != nil {
		return domain.Staff{}, false, fmt.Errorf("read the receiver of a mail: %w", err)
	}
	return row.staff(), row.Wanted && row.Status == domain.StaffActive, nil
}

// PendingMails tells the notifications since before an instant whose mail is still to be sent, by organization.
func (s *Store) PendingMails(ctx context.Context, before time.Time) (map[uuid.UUID][]uuid.UUID, error) {
	rows, err := s.DB.QueryContext(ctx, `SELECT organization_id, notification_id FROM pending_mails($1)`, before)
	if err != nil {
		return nil, fmt.Errorf("look for pending mails: %w", translate(err))
	}
	pending := map[uuid.UUID][]uuid.UUID{}
	err = each(rows, func(scan scanner) error {
		var organization, notification uuid.UUID
		if err := scan(&organization, &notification); err != nil {
			return err
		}
		pending[organization] = append(pending[organization], notification)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for pending mails: %w", translate(err))
	}
	return pending, nil
}
