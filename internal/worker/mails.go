package worker

import (
	"context"
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

type mailArgs struct{ app.MailJob }

func (mailArgs) Kind() string { return "mail" }

type mailWorker struct {
	river.WorkerDefaults[mailArgs]
	app        *app.App
	mailer     app.Mailer
	background context.Context
	log        *slog.Logger
}

// Work sends one mail. As with runs it does not end at River's time limit: the mail itself tells that it is being worked on.
func (w *mailWorker) Work(ctx context.Context, job *river.Job[mailArgs]) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(w.background, cancel)()
	again, err := w.app.SendMail(ctx, job.Args.MailJob, w.mailer)
	if err != nil {
		w.log.WarnContext(ctx, "a mail will be looked at again", "notification_id", job.Args.Notification, "attempt", job.Attempt, "error", err)
		return err
	}
	if again > 0 {
		return river.JobSnooze(again)
	}
	return nil
}

// NextRetry waits twice as long each time, at most a minute.
func (w *mailWorker) NextRetry(job *river.Job[mailArgs]) time.Time {
	return time.Now().Add(min(time.Second<<min(job.Attempt-1, 10), longestPause))
}
