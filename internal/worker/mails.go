package worker

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"handover/internal/app"
)

const (
	// mailQueue is apart from the runs, so that a slow mail server holds none of them up.
	mailQueue   = "mail"
	mailsAtOnce = 8
	// mailAttempts is how often a mail may fail for other reasons than its server, or its worker may be killed.
	mailAttempts = 1000
)

// mailStates are those in which there is no need for another job for the same mail.
var mailStates = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

func mailJob(job app.MailJob) river.InsertManyParams {
	return river.InsertManyParams{Args: mailArgs{job}, InsertOpts: &river.InsertOpts{
		Queue: mailQueue, MaxAttempts: mailAttempts, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: mailStates},
	}}
}

// EnqueueInvitation leaves the mail of an invitation to a worker; the job is there if and only if tx commits.
func (q *Queue) EnqueueInvitation(ctx context.Context, tx *sql.Tx, job app.InvitationJob) error {
	_, err := q.client.InsertTx(ctx, tx, invitationArgs{job}, &river.InsertOpts{Queue: mailQueue, MaxAttempts: mailAttempts})
	return err
}

type mailArgs struct{ app.MailJob }

func (mailArgs) Kind() string { return "mail" }

type invitationArgs struct{ app.InvitationJob }

func (invitationArgs) Kind() string { return "invitation" }

// mailWork is what the workers of mails have in common.
type mailWork struct {
	app        *app.App
	mailer     app.Mailer
	background context.Context
	log        *slog.Logger
}

// try sends one mail. As with runs it does not end at River's time limit: the mail itself tells that it is being worked on.
func (w mailWork) try(ctx context.Context, attempt int, is slog.Attr, send func(context.Context) (again time.Duration, err error)) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(w.background, cancel)()
	again, err := send(ctx)
	if err != nil {
		w.log.WarnContext(ctx, "a mail will be looked at again", is, "attempt", attempt, "error", err)
		return err
	}
	if again > 0 {
		return river.JobSnooze(again)
	}
	return nil
}

// mailRetry waits twice as long each time, at most a minute.
func mailRetry(attempt int) time.Time {
	return time.Now().Add(min(time.Second<<min(attempt-1, 10), longestPause))
}

type mailWorker struct {
	river.WorkerDefaults[mailArgs]
	mailWork
}

// Work sends the mail of a notification.
func (w *mailWorker) Work(ctx context.Context, job *river.Job[mailArgs]) error {
	return w.try(ctx, job.Attempt, slog.String("notification_id", job.Args.Notification.String()), func(ctx context.Context) (time.Duration, error) {
		return w.app.SendMail(ctx, job.Args.MailJob, w.mailer)
	})
}

// NextRetry is when a mail that failed is looked at again.
func (w *mailWorker) NextRetry(job *river.Job[mailArgs]) time.Time { return mailRetry(job.Attempt) }

type invitationWorker struct {
	river.WorkerDefaults[invitationArgs]
	mailWork
}

// Work sends the mail of an invitation.
func (w *invitationWorker) Work(ctx context.Context, job *river.Job[invitationArgs]) error {
	return w.try(ctx, job.Attempt, slog.String("invitation_id", job.Args.Invitation.String()), func(ctx context.Context) (time.Duration, error) {
		return w.app.SendInvitation(ctx, job.Args.InvitationJob, w.mailer)
	})
}

// NextRetry is when a mail that failed is looked at again.
func (w *invitationWorker) NextRetry(job *river.Job[invitationArgs]) time.Time {
	return mailRetry(job.Attempt)
}
