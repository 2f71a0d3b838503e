package worker

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"handover/internal/app"
)

const (
	// auditQueue is apart from the runs, so that chaining many events holds none of them up.
	auditQueue  = "audit"
	chainsEvery = time.Minute
)

// chainAudit adds the job that chains the audit trail.
func chainAudit(background context.Context, config *river.Config, application *app.App) {
	river.AddWorker(config.Workers, &chainWorker{app: application, background: background})
	config.Queues[auditQueue] = river.QueueConfig{MaxWorkers: 1}
	// Not unique: a job whose worker was killed would be in the way of those that follow, and two at once do no harm.
	options := &river.InsertOpts{Queue: auditQueue, MaxAttempts: 1}
	config.PeriodicJobs = append(config.PeriodicJobs, river.NewPeriodicJob(river.PeriodicInterval(chainsEvery),
		func() (river.JobArgs, *river.InsertOpts) { return chainArgs{}, options }, &river.PeriodicJobOpts{RunOnStart: true}))
}

type chainArgs struct{}

func (chainArgs) Kind() string { return "audit_chain" }

type chainWorker struct {
	river.WorkerDefaults[chainArgs]
	app        *app.App
	background context.Context
}

// Work chains what is not chained yet. As with runs it does not end at River's time limit; two at once do no harm.
func (w *chainWorker) Work(ctx context.Context, _ *river.Job[chainArgs]) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(w.background, cancel)()
	return w.app.ChainAudit(ctx)
}
