package app

import (
	"context"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"handover/internal/domain"
	"handover/internal/telemetry"
)

// stage is a part of a run that a trace tells apart: lock, facts, plan, apply, record.
func stage[T any](ctx context.Context, name string, work func(context.Context) (T, error)) (result T, err error) {
	ctx, span := telemetry.Start(ctx, "run "+name)
	defer func() { telemetry.End(span, err) }()
	return work(ctx)
}

// inStage is a stage without a result.
func inStage(ctx context.Context, name string, work func(context.Context) error) error {
	_, err := stage(ctx, name, func(ctx context.Context) (struct{}, error) { return struct{}{}, work(ctx) })
	return err
}

// describeRun tells the span that a run is carried out in, of the request or of the job, which run it is.
func describeRun(ctx context.Context, run domain.Run) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String("handover.run.kind", string(run.Kind)), attribute.Bool("handover.run.preview", run.ID == uuid.Nil))
	if run.ID != uuid.Nil {
		span.SetAttributes(attribute.String("handover.run.id", run.ID.String()))
	}
}
