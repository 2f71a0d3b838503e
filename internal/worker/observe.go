package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"handover/internal/telemetry"
)

// origin is what a job keeps of where it was queued, beside its arguments: they decide whether another job is the same.
type origin struct {
	RequestID    string            `json:"request_id,omitempty"`
	Operation    string            `json:"operation,omitempty"`
	Organization string            `json:"organization_id,omitempty"`
	Staff        string            `json:"staff_id,omitempty"`
	Trace        map[string]string `json:"trace,omitempty"` // W3C Trace Context, where one was recorded
}

// originKey is where it is in a job's metadata.
const originKey = "handover"

// remembering has each job keep where it was queued.
type remembering struct{ river.MiddlewareDefaults }

// InsertMany adds the origin to the metadata of jobs.
func (*remembering) InsertMany(ctx context.Context, jobs []*rivertype.JobInsertParams, insert func(context.Context) ([]*rivertype.JobInsertResult, error)) ([]*rivertype.JobInsertResult, error) {
	metadata, err := metadataOf(ctx)
	if err != nil {
		return nil, err
	}
	for _, job := range jobs {
		if metadata != nil && (len(job.Metadata) == 0 || string(job.Metadata) == "{}") {
			job.Metadata = metadata
		}
	}
	return insert(ctx)
}

// metadataOf is the metadata of what is queued with the context; nil where there is nothing to remember.
func metadataOf(ctx context.Context) ([]byte, error) {
	var from origin
	for _, attribute := range telemetry.Attributes(ctx) {
		switch attribute.Key {
		case "request_id":
			from.RequestID = attribute.Value.String()
		case "operation":
			from.Operation = attribute.Value.String()
		case "organization_id":
			from.Organization = attribute.Value.String()
		case "staff_id":
			from.Staff = attribute.Value.String()
		}
	}
	if trace.SpanContextFromContext(ctx).IsValid() {
		from.Trace = map[string]string{}
		telemetry.Send(ctx, propagation.MapCarrier(from.Trace))
	}
	if from.RequestID == "" && from.Trace == nil {
		return nil, nil
	}
	metadata, err := json.Marshal(map[string]origin{originKey: from})
	if err != nil {
		return nil, fmt.Errorf("remember where a job was queued: %w", err)
	}
	return metadata, nil
}

// subject is what the arguments of jobs name that may stand in logs.
type subject struct {
	Organization string `json:"organization_id"`
	Run          string `json:"run_id"`
	Notification string `json:"notification_id"`
	Invitation   string `json:"invitation_id"`
	RequestID    string `json:"request_id"`
}

// observing tells of each job: in the log, in the metrics, and as a span that is linked to where the job was queued.
type observing struct {
	river.MiddlewareDefaults
	log       *slog.Logger
	tracer    trace.TracerProvider // nil: nothing is traced
	jobs      *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newObserving(log *slog.Logger, chosen settings) (*observing, error) {
	o := &observing{
		log: log, tracer: chosen.tracer,
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "handover_jobs_total", Help: "Jobs worked on, by kind and outcome: done, failed (it is tried again), later (there is nothing to do yet), cancelled.",
		}, []string{"kind", "outcome"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "handover_job_duration_seconds", Help: "How long working on jobs took, by kind.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300},
		}, []string{"kind"}),
	}
	for _, kind := range jobKinds {
		for _, outcome := range []string{jobDone, jobFailed, jobLater} {
			o.jobs.WithLabelValues(kind, outcome)
		}
	}
	if chosen.registry == nil {
		return o, nil
	}
	for _, collector := range []prometheus.Collector{o.jobs, o.durations} {
		if err := chosen.registry.Register(collector); err != nil {
			return nil, fmt.Errorf("register the metrics of jobs: %w", err)
		}
	}
	return o, nil
}

// What became of a job.
const (
	jobDone      = "done"
	jobFailed    = "failed"
	jobLater     = "later"
	jobCancelled = "cancelled"
)

// jobKinds are the kinds of jobs there are.
var jobKinds = []string{
	runArgs{}.Kind(), sweepArgs{}.Kind(), turnsArgs{}.Kind(), mailArgs{}.Kind(), invitationArgs{}.Kind(), pullsArgs{}.Kind(), pullArgs{}.Kind(), syncArgs{}.Kind(),
	chainArgs{}.Kind(),
}

// housekeeping are the kinds of jobs that come by themselves.
var housekeeping = map[string]bool{sweepArgs{}.Kind(): true, turnsArgs{}.Kind(): true, pullsArgs{}.Kind(): true, chainArgs{}.Kind(): true}

// Work works on a job.
func (o *observing) Work(ctx context.Context, job *rivertype.JobRow, work func(context.Context) error) (err error) {
	started := time.Now()
	from := originOf(job)
	ctx = telemetry.With(ctx, attributesOf(job, from)...)
	ctx, span := o.startSpan(ctx, job, from)
	outcome := jobFailed // also of a panic
	defer func() {
		duration := time.Since(started)
		o.jobs.WithLabelValues(job.Kind, outcome).Inc()
		o.durations.WithLabelValues(job.Kind).Observe(duration.Seconds())
		if span != nil {
			span.SetAttributes(attribute.String("handover.job.outcome", outcome))
			if outcome != jobFailed {
				telemetry.End(span, nil)
			} else {
				telemetry.End(span, errOrPanic(err))
			}
		}
		level := slog.LevelInfo
		if outcome == jobLater || outcome == jobDone && housekeeping[job.Kind] {
			level = slog.LevelDebug // as it goes all day
		}
		o.log.LogAttrs(ctx, level, "job", slog.String("outcome", outcome), slog.Float64("duration_ms", float64(duration.Microseconds())/1000))
	}()
	err = work(ctx)
	outcome = outcomeOf(err)
	return err
}

var errPanic = errors.New("panic")

func errOrPanic(err error) error {
	if err == nil {
		return errPanic
	}
	return err
}

func outcomeOf(err error) string {
	var snoozed *rivertype.JobSnoozeError
	var cancelled *rivertype.JobCancelError
	switch {
	case err == nil:
		return jobDone
	case errors.As(err, &snoozed):
		return jobLater
	case errors.As(err, &cancelled):
		return jobCancelled
	}
	return jobFailed
}

// originOf reads where a job was queued; what cannot be read is not known.
func originOf(job *rivertype.JobRow) origin {
	var metadata map[string]json.RawMessage
	var from origin
	if json.Unmarshal(job.Metadata, &metadata) != nil || json.Unmarshal(metadata[originKey], &from) != nil {
		return origin{}
	}
	return from
}

// attributesOf are what every log line within a job carries.
func attributesOf(job *rivertype.JobRow, from origin) []slog.Attr {
	var of subject
	_ = json.Unmarshal(job.EncodedArgs, &of) // what it does not name stays away
	attributes := []slog.Attr{
		slog.Int64("job_id", job.ID), slog.String("job_kind", job.Kind), slog.String("queue", job.Queue), slog.Int("attempt", job.Attempt),
		slog.String("request_id", orElse(from.RequestID, of.RequestID)), slog.String("operation", from.Operation),
		slog.String("organization_id", orElse(of.Organization, from.Organization)), slog.String("staff_id", from.Staff),
		slog.String("run_id", of.Run), slog.String("notification_id", of.Notification), slog.String("invitation_id", of.Invitation),
	}
	return slices.DeleteFunc(attributes, func(attribute slog.Attr) bool {
		return attribute.Value.Kind() == slog.KindString && attribute.Value.String() == ""
	})
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// startSpan begins the span of a job, in a trace of its own: a job may come days after the request that it is linked to.
func (o *observing) startSpan(ctx context.Context, job *rivertype.JobRow, from origin) (context.Context, trace.Span) {
	if o.tracer == nil {
		return ctx, nil
	}
	options := []trace.SpanStartOption{
		trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("messaging.system", "river"), attribute.String("messaging.operation.type", "process"),
			attribute.String("messaging.destination.name", job.Queue), attribute.String("handover.job.kind", job.Kind),
			attribute.Int64("handover.job.id", job.ID), attribute.Int("handover.job.attempt", job.Attempt)),
	}
	if queued := trace.SpanContextFromContext(telemetry.Received(context.Background(), propagation.MapCarrier(from.Trace))); queued.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: queued}))
	}
	return o.tracer.Tracer(telemetry.Scope).Start(ctx, "job "+job.Kind, options...)
}
