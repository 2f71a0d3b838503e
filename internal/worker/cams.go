package worker

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivertype"

	"handover/internal/app"
)

const (
	// camsQueue is apart from the others, so that a case system that stalls delays nothing but itself.
	camsQueue   = "cams"
	camsAtOnce  = 4
	pullsEvery  = time.Minute
	camsRetries = 5 // of a sync; what it cannot bring, the next pull does
)

// waiting are the states of jobs beside which another one of the same kind is not needed. While one is at work something may
// happen that it has not seen: each finds out by itself before it ends.
var waiting = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

func camsOptions() *river.InsertOpts {
	return &river.InsertOpts{Queue: camsQueue, MaxAttempts: camsRetries, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: waiting}}
}

// EnqueueCaMSPulls leaves pulls to a worker, in one statement; the jobs are there if and only if tx commits.
func (q *Queue) EnqueueCaMSPulls(ctx context.Context, tx *sql.Tx, jobs []app.CaMSPullJob) error {
	inserts := make([]river.InsertManyParams, len(jobs))
	for i, job := range jobs {
		inserts[i] = river.InsertManyParams{Args: pullArgs{job}, InsertOpts: camsOptions()}
	}
	_, err := q.client.InsertManyTx(ctx, tx, inserts)
	return err
}

// EnqueueCaMSSyncs leaves syncs to a worker, likewise.
func (q *Queue) EnqueueCaMSSyncs(ctx context.Context, tx *sql.Tx, jobs []app.CaMSSyncJob) error {
	inserts := make([]river.InsertManyParams, len(jobs))
	for i, job := range jobs {
		inserts[i] = river.InsertManyParams{Args: syncArgs{job}, InsertOpts: camsOptions()}
	}
	_, err := q.client.InsertManyTx(ctx, tx, inserts)
	return err
}

// pullsArgs is the job that leaves a pull to each organization.
type pullsArgs struct{}

func (pullsArgs) Kind() string { return "cams_pulls" }

type pullArgs struct{ app.CaMSPullJob }

func (pullArgs) Kind() string { return "cams_pull" }

type syncArgs struct{ app.CaMSSyncJob }

func (syncArgs) Kind() string { return "cams_sync" }

// followCaMS adds the jobs that follow CaMS. Every worker knows them: any of them may be the one that takes care of jobs whose
// worker is gone. Those that have a case system to ask do them.
func followCaMS(background context.Context, config *river.Config, application *app.App, every time.Duration, log *slog.Logger) {
	river.AddWorker(config.Workers, &pullsWorker{app: application})
	river.AddWorker(config.Workers, &pullWorker{app: application, background: background})
	river.AddWorker(config.Workers, &syncWorker{app: application, background: background, log: log})
	if !application.FollowsCaMS() {
		return
	}
	config.Queues[camsQueue] = river.QueueConfig{MaxWorkers: camsAtOnce}
	config.PeriodicJobs = append(config.PeriodicJobs, river.NewPeriodicJob(river.PeriodicInterval(every),
		func() (river.JobArgs, *river.InsertOpts) { return pullsArgs{}, camsOptions() }, &river.PeriodicJobOpts{RunOnStart: true}))
}

type pullsWorker struct {
	river.WorkerDefaults[pullsArgs]
	app *app.App
}

// Work leaves a pull to each organization that follows CaMS.
func (w *pullsWorker) Work(ctx context.Context, _ *river.Job[pullsArgs]) error {
	return w.app.QueueCaMSPulls(ctx)
}

type pullWorker struct {
	river.WorkerDefaults[pullArgs]
	app        *app.App
	background context.Context
}

// Work pulls the changes for one organization. As with runs it does not end at River's time limit; two at once do no harm.
func (w *pullWorker) Work(ctx context.Context, job *river.Job[pullArgs]) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(w.background, cancel)()
	return w.app.PullCaMS(ctx, job.Args.CaMSPullJob)
}

type syncWorker struct {
	river.WorkerDefaults[syncArgs]
	app        *app.App
	background context.Context
	log        *slog.Logger
}

// Work follows one record, and once more where it has changed meanwhile.
func (w *syncWorker) Work(ctx context.Context, job *river.Job[syncArgs]) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(w.background, cancel)()
	again, err := w.app.SyncCaMSRecord(ctx, job.Args.CaMSSyncJob, func(ctx context.Context, tx *sql.Tx) error {
		_, err := river.JobCompleteTx[*riverdatabasesql.Driver](ctx, tx, job)
		return err
	})
	if err != nil {
		w.log.WarnContext(ctx, "a client of CaMS could not be followed just now", "attempt", job.Attempt, "error", err)
		return err
	}
	if again {
		return river.JobSnooze(0)
	}
	return nil
}

// NextRetry waits twice as long each time, at most a minute.
func (w *syncWorker) NextRetry(job *river.Job[syncArgs]) time.Time {
	return time.Now().Add(min(time.Second<<min(job.Attempt-1, 10), longestPause))
}
