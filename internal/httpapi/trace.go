package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"handover/internal/telemetry"
)

// startSpan begins the span of a request, as a part of the trace that the caller names (W3C traceparent). It holds the route
// and not the path, no query, no header and no body.
func (s *server) startSpan(ctx context.Context, request *http.Request, route string, exchange *exchange) (context.Context, trace.Span) {
	if s.options.Tracer == nil {
		return ctx, noop.Span{}
	}
	name := request.Method
	attributes := []attribute.KeyValue{
		attribute.String("http.request.method", request.Method), attribute.String("handover.operation", exchange.operationID()),
		attribute.String("handover.request_id", exchange.id),
	}
	if exchange.operation != nil {
		name += " " + route
		attributes = append(attributes, attribute.String("http.route", route))
	}
	ctx = telemetry.Received(ctx, propagation.HeaderCarrier(request.Header))
	return s.options.Tracer.Tracer(telemetry.Scope).Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...))
}

// endSpan ends the span of a request. What the service is at fault for is an error, with the code of the problem.
func endSpan(span trace.Span, exchange *exchange, status int) {
	if span.IsRecording() {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if caller := exchange.caller; caller.StaffID != uuid.Nil || caller.IsClient() {
			span.SetAttributes(attribute.String("handover.organization_id", uuid.UUID(caller.Organization).String()))
		}
		if exchange.caller.StaffID != uuid.Nil {
			span.SetAttributes(attribute.String("handover.staff_id", exchange.caller.StaffID.String()))
		}
		if exchange.failure.code != "" {
			span.SetAttributes(attribute.String("error.type", string(exchange.failure.code)))
		}
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}
