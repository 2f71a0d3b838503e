package worker

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"handover/internal/app"
	"handover/internal/domain"
)

// Backlog tells what is queued in the database, whichever process works on it. It is a prometheus.Collector.
type Backlog struct {
	read func(context.Context) ([]app.QueuedJobs, error)
}

// NewBacklog makes the collector. read is to be cheap: it is called whenever somebody asks for the metrics.
func NewBacklog(read func(context.Context) ([]app.QueuedJobs, error)) *Backlog { return &Backlog{read} }

var (
	queueJobs = prometheus.NewDesc("handover_queue_jobs",
		"Unfinished jobs, by queue and state: available, scheduled (for later), retryable (after a failure), pending (runs that wait for others of their organization), running.", []string{"queue", "state"}, nil)
	queueOldest = prometheus.NewDesc("handover_queue_oldest_seconds",
		"For how long the job that is longest in its state has been due, or, of running, at work, by queue and state.", []string{"queue", "state"}, nil)
	unfinishedRuns = prometheus.NewDesc("handover_runs_unfinished", "Runs that have not ended, by status: scheduled (for later), waiting (for others of their organization), queued (for a worker), running.", []string{"status"}, nil)
	oldestRun      = prometheus.NewDesc("handover_runs_oldest_queued_seconds", "For how long the oldest queued run has been waiting for a worker.", nil, nil)
	waitingMails   = prometheus.NewDesc("handover_mails_waiting", "Mails that are still to be sent, those that are tried again among them.", nil, nil)
	oldestMail     = prometheus.NewDesc("handover_mails_oldest_waiting_seconds", "How old the oldest mail is that is still to be sent.", nil, nil)
)

// Describe tells which metrics there are.
func (b *Backlog) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{queueJobs, queueOldest, unfinishedRuns, oldestRun, waitingMails, oldestMail} {
		descriptions <- description
	}
}

type queueState struct{ queue, state string }

// shownStates are the states that are told even where nothing is in them.
var shownStates = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStateScheduled, rivertype.JobStateRetryable, rivertype.JobStatePending, rivertype.JobStateRunning,
}

// Collect tells the metrics; none where the database does not answer, which its own metrics tell.
func (b *Backlog) Collect(found chan<- prometheus.Metric) {
	rows, err := b.read(context.Background())
	if err != nil {
		return
	}
	jobs, oldest := map[queueState]int{}, map[queueState]float64{}
	for _, queue := range []string{river.QueueDefault, mailQueue, camsQueue, auditQueue} {
		for _, state := range shownStates {
			jobs[queueState{queue, string(state)}] = 0
		}
	}
	runs := map[string]int{"scheduled": 0, "waiting": 0, "queued": 0, "running": 0}
	mails, longestRun, longestMail := 0, 0.0, 0.0
	for _, row := range rows {
		at := queueState{row.Queue, row.State}
		running := row.State == string(rivertype.JobStateRunning)
		age := row.Due
		if running {
			age = row.Working
		}
		jobs[at] += row.Jobs
		oldest[at] = max(oldest[at], age, 0)
		switch row.Kind {
		case runArgs{}.Kind():
			switch {
			case domain.RunStatus(row.Run).Finished(): // cancelled before it was due
			case running:
				runs["running"] += row.Jobs
			case row.Later:
				runs["scheduled"] += row.Jobs
			case row.State == string(rivertype.JobStatePending):
				runs["waiting"] += row.Jobs
			default:
				runs["queued"] += row.Jobs
				longestRun = max(longestRun, row.Due)
			}
		case mailArgs{}.Kind(), invitationArgs{}.Kind():
			mails += row.Jobs
			longestMail = max(longestMail, row.Made)
		}
	}
	tell := func(description *prometheus.Desc, value float64, labels ...string) {
		found <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, labels...)
	}
	for at, count := range jobs {
		tell(queueJobs, float64(count), at.queue, at.state)
		tell(queueOldest, oldest[at], at.queue, at.state)
	}
	for status, count := range runs {
		tell(unfinishedRuns, float64(count), status)
	}
	tell(oldestRun, longestRun)
	tell(waitingMails, float64(mails))
	tell(oldestMail, longestMail)
}
