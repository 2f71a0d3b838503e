// Package worker carries out what outlives a request, as River jobs that call the app. Any number of workers can run on
// one database.
package worker

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel/trace"

	"handover/internal/app"
	"handover/internal/domain"
)

// Schema is where River's tables are.
const Schema = "river"

// Queue enqueues jobs within the caller's transaction.
type Queue struct {
	client *river.Client[*sql.Tx]
}

// NewQueue makes a queue that only inserts.
func NewQueue(db *sql.DB, log *slog.Logger) (*Queue, error) {
	client, err := river.NewClient(riverdatabasesql.New(db), &river.Config{Schema: Schema, Logger: warnings(log), Middleware: []rivertype.Middleware{&remembering{}}})
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	return &Queue{client: client}, nil
}

// EnqueueRun leaves a run to a worker, not before its time; the job is there if and only if tx commits. One that waits is taken by
// no worker before CallRuns.
func (q *Queue) EnqueueRun(ctx context.Context, tx *sql.Tx, job app.RunJob, wait bool) (id int64, err error) {
	options := &river.InsertOpts{MaxAttempts: maxAttempts, Pending: wait}
	if job.NotBefore != nil {
		options.ScheduledAt = *job.NotBefore
	}
	inserted, err := q.client.InsertTx(ctx, tx, runArgs{job}, options)
	if err != nil {
		return 0, err
	}
	return inserted.Job.ID, nil
}

// CallRuns lets waiting runs be taken, each behind those that can be taken already. They are few: as many as may be at work at once.
func (q *Queue) CallRuns(ctx context.Context, tx *sql.Tx, ids []int64) error {
	for _, id := range ids {
		if _, err := q.client.JobRetryTx(ctx, tx, id); err != nil && !errors.Is(err, river.ErrNotFound) {
			return err
		}
	}
	return nil
}

// EnqueueMails leaves mails to a worker, in one statement; the jobs are there if and only if tx commits.
func (q *Queue) EnqueueMails(ctx context.Context, tx *sql.Tx, organization uuid.UUID, notifications []uuid.UUID) error {
	jobs := make([]river.InsertManyParams, len(notifications))
	for i, notification := range notifications {
		jobs[i] = mailJob(app.MailJob{Organization: organization, Notification: notification})
	}
	_, err := q.client.InsertManyFastTx(ctx, tx, jobs)
	return err
}

const (
	// takenOverAfter is when a job that is still marked as running is given to another worker. A run that takes longer is
	// safe: the other worker finds it locked, and comes back later.
	takenOverAfter = 10 * time.Second
	comeBackAfter  = 5 * time.Second
	pollEvery      = 200 * time.Millisecond
	maxAttempts    = 25
	longestPause   = time.Minute
	sweepEvery     = time.Hour
	turnsEvery     = 30 * time.Second
	runsAtOnce     = 4
)

// Worker works on queued jobs until it is stopped.
type Worker struct {
	client *river.Client[*sql.Tx]
	end    context.CancelFunc
}

// Option changes how a worker works.
type Option func(*settings)

type settings struct {
	pullsEvery time.Duration
	registry   prometheus.Registerer
	tracer     trace.TracerProvider
}

// CountIn says where the metrics of jobs are registered.
func CountIn(registry prometheus.Registerer) Option {
	return func(s *settings) { s.registry = registry }
}

// TraceTo says where the spans of jobs go; nil: nothing is traced.
func TraceTo(tracer trace.TracerProvider) Option {
	return func(s *settings) { s.tracer = tracer }
}

// PullCaMSEvery sets how often the changes of CaMS are pulled.
func PullCaMSEvery(period time.Duration) Option {
	return func(s *settings) { s.pullsEvery = period }
}

// Start starts to work. Jobs go on until Stop, whatever becomes of ctx. Where mailer is nil, mails are left to other
// workers, and so is following CaMS where the app knows no case system.
func Start(ctx context.Context, db *sql.DB, application *app.App, mailer app.Mailer, log *slog.Logger, options ...Option) (*Worker, error) {
	chosen := settings{pullsEvery: pullsEvery}
	for _, option := range options {
		option(&chosen)
	}
	observing, err := newObserving(log, chosen)
	if err != nil {
		return nil, err
	}
	background, end := context.WithCancel(context.WithoutCancel(ctx))
	workers := river.NewWorkers()
	river.AddWorker(workers, &runWorker{app: application, background: background, log: log})
	river.AddWorker(workers, &sweepWorker{app: application})
	river.AddWorker(workers, &turnsWorker{app: application})
	// Known to every worker: any of them may be the one that takes care of jobs whose worker is gone.
	mails := mailWork{app: application, mailer: mailer, background: background, log: log}
	river.AddWorker(workers, &mailWorker{mailWork: mails})
	river.AddWorker(workers, &invitationWorker{mailWork: mails})
	queues := map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: runsAtOnce}}
	if mailer != nil {
		queues[mailQueue] = river.QueueConfig{MaxWorkers: mailsAtOnce}
	}
	config := &river.Config{
		Schema: Schema, Logger: warnings(log), Workers: workers, Middleware: []rivertype.Middleware{&remembering{}, observing},
		Queues:               queues,
		FetchPollInterval:    pollEvery,
		FetchCooldown:        pollEvery / 2,
		JobTimeout:           takenOverAfter,
		RescueStuckJobsAfter: takenOverAfter,
		PeriodicJobs: []*river.PeriodicJob{
			river.NewPeriodicJob(river.PeriodicInterval(sweepEvery),
				func() (river.JobArgs, *river.InsertOpts) { return sweepArgs{}, nil }, &river.PeriodicJobOpts{RunOnStart: true}),
			river.NewPeriodicJob(river.PeriodicInterval(turnsEvery),
				func() (river.JobArgs, *river.InsertOpts) { return turnsArgs{}, turnsOptions() }, &river.PeriodicJobOpts{RunOnStart: true}),
		},
	}
	followCaMS(background, config, application, chosen.pullsEvery, log)
	chainAudit(background, config, application)
	client, err := river.NewClient(riverdatabasesql.New(db), config)
	if err == nil {
		err = client.Start(background)
	}
	if err != nil {
		end()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	return &Worker{client: client, end: end}, nil
}

// Stop takes no new jobs and waits for those at work. When ctx ends first they are broken off: their transactions are
// undone, and another worker does them whole.
func (w *Worker) Stop(ctx context.Context) error {
	defer w.end()
	if err := w.client.Stop(ctx); err == nil {
		return nil
	}
	w.end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), comeBackAfter)
	defer cancel()
	if err := w.client.StopAndCancel(ctx); err != nil {
		return fmt.Errorf("stop worker: %w", err)
	}
	return nil
}

type runArgs struct{ app.RunJob }

func (runArgs) Kind() string { return "run" }

type runWorker struct {
	river.WorkerDefaults[runArgs]
	app        *app.App
	background context.Context
	log        *slog.Logger
}

// Work carries out one run. It does not end at River's time limit, which only decides when another worker may look.
func (w *runWorker) Work(ctx context.Context, job *river.Job[runArgs]) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(w.background, cancel)()
	complete := func(ctx context.Context, tx *sql.Tx) error {
		_, err := river.JobCompleteTx[*riverdatabasesql.Driver](ctx, tx, job)
		return err
	}
	err := w.app.CarryOutRun(ctx, job.Args.RunJob, complete)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, app.ErrRunTaken):
		return river.JobSnooze(comeBackAfter)
	case w.background.Err() != nil:
		w.log.InfoContext(ctx, "run left to another worker", "run_id", job.Args.Run)
		return river.JobSnooze(0) // it has not failed, and another may begin at once
	case job.Attempt >= job.MaxAttempts && ctx.Err() == nil:
		w.log.ErrorContext(ctx, "run given up", "run_id", job.Args.Run, "error", err)
		return w.app.FailRun(ctx, job.Args.RunJob, domain.Refuse(domain.CodeInternal, "The service failed. Nothing was changed."), complete)
	}
	w.log.WarnContext(ctx, "run will be tried again", "run_id", job.Args.Run, "attempt", job.Attempt, "error", err)
	return err
}

// NextRetry waits twice as long each time, at most a minute.
func (w *runWorker) NextRetry(job *river.Job[runArgs]) time.Time {
	return time.Now().Add(min(time.Second<<min(job.Attempt-1, 10), longestPause))
}

type sweepArgs struct{}

func (sweepArgs) Kind() string { return "sweep" }

type sweepWorker struct {
	river.WorkerDefaults[sweepArgs]
	app *app.App
}

// Timeout is long: thousands of selections of 100,000 people may have expired at once, and a sweep that is broken off has
// swept nothing.
func (*sweepWorker) Timeout(*river.Job[sweepArgs]) time.Duration { return sweepEvery / 2 }

// Work deletes what has expired, and looks after mails that have been left behind.
func (w *sweepWorker) Work(ctx context.Context, _ *river.Job[sweepArgs]) error {
	return errors.Join(w.app.SweepExpired(ctx), w.app.RequeueMails(ctx))
}

// turnsArgs is the job that looks after runs that wait although it is their turn.
type turnsArgs struct{}

func (turnsArgs) Kind() string { return "turns" }

func turnsOptions() *river.InsertOpts {
	return &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: waiting}}
}

type turnsWorker struct {
	river.WorkerDefaults[turnsArgs]
	app *app.App
}

// Work gives turns that nobody gave.
func (w *turnsWorker) Work(ctx context.Context, _ *river.Job[turnsArgs]) error {
	return w.app.GiveTurns(ctx)
}

// warnings keeps what River tells of itself in passing out of the log.
func warnings(log *slog.Logger) *slog.Logger { return slog.New(atLeastWarn{log.Handler()}) }

type atLeastWarn struct{ slog.Handler }

func (h atLeastWarn) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

func (h atLeastWarn) WithAttrs(attributes []slog.Attr) slog.Handler {
	return atLeastWarn{h.Handler.WithAttrs(attributes)}
}

func (h atLeastWarn) WithGroup(name string) slog.Handler {
	return atLeastWarn{h.Handler.WithGroup(name)}
}
