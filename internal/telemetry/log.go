// Package telemetry is how the service tells what it does: attributes that a context carries into every log line, spans that cost
// nothing where nobody traces, and readings that are kept for a moment. It knows nothing of what is told.
package telemetry

import (
	"context"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

type attributesKey struct{}

// With gives every line that is logged with the context more attributes. Of two with one name the later holds.
func With(ctx context.Context, attributes ...slog.Attr) context.Context {
	known := Attributes(ctx)
	all := make([]slog.Attr, 0, len(known)+len(attributes))
	for _, attribute := range known {
		if !holds(attributes, attribute.Key) {
			all = append(all, attribute)
		}
	}
	return context.WithValue(ctx, attributesKey{}, append(all, attributes...))
}

// Attributes are those that the context carries.
func Attributes(ctx context.Context) []slog.Attr {
	attributes, _ := ctx.Value(attributesKey{}).([]slog.Attr)
	return attributes
}

func holds(attributes []slog.Attr, key string) bool {
	return slices.ContainsFunc(attributes, func(attribute slog.Attr) bool { return attribute.Key == key })
}

// LogHandler adds to each line what its context carries, and the trace it belongs to. What the line says itself holds.
func LogHandler(inner slog.Handler) slog.Handler { return logHandler{inner} }

type logHandler struct{ slog.Handler }

func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	attributes := Attributes(ctx)
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attributes = append(slices.Clone(attributes), slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	if len(attributes) > 0 {
		record = record.Clone()
		for _, attribute := range attributes {
			if !says(record, attribute.Key) {
				record.AddAttrs(attribute)
			}
		}
	}
	return h.Handler.Handle(ctx, record)
}

func says(record slog.Record, key string) (found bool) {
	record.Attrs(func(attribute slog.Attr) bool {
		found = attribute.Key == key
		return !found
	})
	return found
}

func (h logHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attributes)}
}

func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }
