package telemetry

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Scope is the name of the instrumentation, in every span.
const Scope = "handover"

// propagator is how traces go from one process to the next: W3C Trace Context, and no baggage, which anybody could fill.
var propagator propagation.TextMapPropagator = propagation.TraceContext{}

// Tracing tells whether what happens with the context is recorded.
func Tracing(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// Start begins a span within that of the context, wherever that goes to. Where there is none, nothing is recorded. A span holds
// no names, no secrets and no values of statements.
func Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, noop.Span{}
	}
	return parent.TracerProvider().Tracer(Scope).Start(ctx, name, options...)
}

// End ends a span, with what kind of error there was. The error's text stays out of it: it may hold values.
func End(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(attribute.String("error.type", errorType(err)))
	}
	span.End()
}

// errorType is a class of errors: the code of the database, or the type of what went wrong first.
func errorType(err error) string {
	var database interface{ SQLState() string }
	switch {
	case errors.As(err, &database):
		return database.SQLState()
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return fmt.Sprintf("%T", err)
		}
		err = inner
	}
}

// Untraced is the context without its span: for what goes on for hours.
func Untraced(ctx context.Context) context.Context {
	return trace.ContextWithSpan(ctx, noop.Span{})
}

// Received is the context with the span, elsewhere, that headers name.
func Received(ctx context.Context, headers propagation.TextMapCarrier) context.Context {
	return propagator.Extract(ctx, headers)
}

// Send names the span of the context in headers, for who goes on elsewhere. Nothing is named where nothing is traced.
func Send(ctx context.Context, headers propagation.TextMapCarrier) { propagator.Inject(ctx, headers) }
