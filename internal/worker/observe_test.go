package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"handover/internal/app"
	"handover/internal/telemetry"
)

// Each job is one line and counted once, whatever becomes of it.
func TestJobsAreTold(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(telemetry.LogHandler(slog.NewJSONHandler(&text, nil)))
	registry := prometheus.NewRegistry()
	observing, err := newObserving(log, settings{registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := metadataOf(telemetry.With(t.Context(), slog.String("request_id", "r-1"), slog.String("operation", "reassignWork")))
	if err != nil {
		t.Fatal(err)
	}
	job := &rivertype.JobRow{ID: 7, Kind: "run", Queue: "default", Attempt: 2, Metadata: metadata, EncodedArgs: []byte(`{"organization_id":"o-1","run_id":"u-1","change":{}}`)}
	for outcome, work := range map[string]func(context.Context) error{
		"done":      func(context.Context) error { return nil },
		"failed":    func(context.Context) error { return errors.New("whatever") },
		"cancelled": func(context.Context) error { return river.JobCancel(errors.New("whatever")) },
	} {
		text.Reset()
		_ = observing.Work(t.Context(), job, func(ctx context.Context) error {
			log.InfoContext(ctx, "within")
			return work(ctx)
		})
		lines := bytes.Split(bytes.TrimSpace(text.Bytes()), []byte("\n"))
		if len(lines) != 2 {
			t.Fatalf("got %s", text.String())
		}
		for _, line := range lines {
			var said map[string]any
			if err := json.Unmarshal(line, &said); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]any{"job_id": 7.0, "job_kind": "run", "attempt": 2.0, "run_id": "u-1", "organization_id": "o-1", "request_id": "r-1", "operation": "reassignWork"} {
				if said[name] != want {
					t.Errorf("%s is %v in %s", name, said[name], line)
				}
			}
			if said["msg"] == "job" && said["outcome"] != outcome {
				t.Errorf("the outcome is %v, not %s", said["outcome"], outcome)
			}
		}
		if count := testutil.ToFloat64(observing.jobs.WithLabelValues("run", outcome)); count != 1 {
			t.Errorf("%s is counted %v times", outcome, count)
		}
	}
	t.Run("one that panics is a failure", func(t *testing.T) {
		func() {
			defer func() { _ = recover() }()
			_ = observing.Work(t.Context(), job, func(context.Context) error { panic("whatever") })
		}()
		if count := testutil.ToFloat64(observing.jobs.WithLabelValues("run", "failed")); count != 2 {
			t.Errorf("%v failures are counted", count)
		}
	})
	t.Run("one that has nothing to do yet is no news", func(t *testing.T) {
		text.Reset()
		_ = observing.Work(t.Context(), job, func(context.Context) error { return river.JobSnooze(time.Second) })
		if text.Len() > 0 {
			t.Errorf("got %s", text.String())
		}
	})
	t.Run("a job of an earlier version, which remembers nothing, is told all the same", func(t *testing.T) {
		text.Reset()
		_ = observing.Work(t.Context(), &rivertype.JobRow{Kind: "mail", Metadata: []byte(`{}`), EncodedArgs: []byte(`[]`)}, func(context.Context) error { return nil })
		if !bytes.Contains(text.Bytes(), []byte(`"job_kind":"mail"`)) {
			t.Errorf("got %s", text.String())
		}
	})
}

// What waits is told by queue and by what it is; runs that wait for others of their organization are not those that nobody takes up.
func TestBacklog(t *testing.T) {
	rows := []app.QueuedJobs{
		{Queue: "default", Kind: "run", State: "available", Run: "queued", Jobs: 2, Due: 70, Made: 80},
		{Queue: "default", Kind: "run", State: "pending", Run: "queued", Jobs: 900, Due: 7000},
		{Queue: "default", Kind: "run", State: "running", Run: "running", Jobs: 1, Due: 9000, Working: 5},
		{Queue: "default", Kind: "run", State: "scheduled", Run: "scheduled", Later: true, Jobs: 3, Due: -500},
		{Queue: "default", Kind: "run", State: "scheduled", Run: "cancelled", Later: true, Jobs: 4, Due: -500},
		{Queue: "mail", Kind: "mail", State: "retryable", Jobs: 5, Due: -10, Made: 600},
		{Queue: "mail", Kind: "invitation", State: "available", Jobs: 1, Due: 1, Made: 1},
	}
	var failure error
	backlog := NewBacklog(func(context.Context) ([]app.QueuedJobs, error) { return rows, failure })
	wanted := `
# HELP handover_mails_oldest_waiting_seconds How old the oldest mail is that is still to be sent.
# TYPE handover_mails_oldest_waiting_seconds gauge
handover_mails_oldest_waiting_seconds 600
# HELP handover_mails_waiting Mails that are still to be sent, those that are tried again among them.
# TYPE handover_mails_waiting gauge
handover_mails_waiting 6
# HELP handover_runs_oldest_queued_seconds For how long the oldest queued run has been waiting for a worker.
# TYPE handover_runs_oldest_queued_seconds gauge
handover_runs_oldest_queued_seconds 70
# HELP handover_runs_unfinished Runs that have not ended, by status: scheduled (for later), waiting (for others of their organization), queued (for a worker), running.
# TYPE handover_runs_unfinished gauge
handover_runs_unfinished{status="queued"} 2
handover_runs_unfinished{status="running"} 1
handover_runs_unfinished{status="scheduled"} 3
handover_runs_unfinished{status="waiting"} 900
`
	if err := testutil.CollectAndCompare(backlog, bytes.NewBufferString(wanted), "handover_mails_oldest_waiting_seconds", "handover_mails_waiting", "handover_runs_oldest_queued_seconds", "handover_runs_unfinished"); err != nil {
		t.Error(err)
	}
	if count := testutil.CollectAndCount(backlog, "handover_queue_jobs"); count != 20 {
		t.Errorf("%d series of queues, of four queues in five states", count)
	}
	failure = errors.New("the database is away")
	if count := testutil.CollectAndCount(backlog); count != 0 {
		t.Errorf("%d series are told without a database", count)
	}
}
