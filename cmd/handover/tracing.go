package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// tracing is where the spans of this process go.
type tracing struct {
	provider trace.TracerProvider // nil: nothing is traced
	stop     func(context.Context) error
}

// newTracing reads the standard variables of OpenTelemetry. Nothing is traced unless they name somewhere to send traces to.
func newTracing(ctx context.Context, log *slog.Logger) (tracing, error) {
	off := tracing{stop: func(context.Context) error { return nil }}
	if on, err := tracingWanted(os.Getenv); err != nil || !on {
		return off, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return off, fmt.Errorf("send traces: %w", err)
	}
	program, _, _ := build()
	described, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "handover"), attribute.String("service.version", program),
		attribute.String("service.instance.id", uuid.NewString())), resource.WithFromEnv())
	if err != nil {
		return off, fmt.Errorf("describe this process in traces (OTEL_RESOURCE_ATTRIBUTES): %w", err)
	}
	otel.SetErrorHandler(&tracingErrors{ctx: ctx, log: log})
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described))
	return tracing{provider: provider, stop: provider.Shutdown}, nil
}

// tracingWanted tells whether the variables name somewhere to send traces to, in a way that is known here.
func tracingWanted(variable func(string) string) (bool, error) {
	if strings.EqualFold(variable("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	endpoint := cmp.Or(variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), variable("OTEL_EXPORTER_OTLP_ENDPOINT"))
	switch exporter := variable("OTEL_TRACES_EXPORTER"); exporter {
	case "none":
		return false, nil
	case "":
		if endpoint == "" {
			return false, nil
		}
	case "otlp":
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER is %q: otlp and none are known here", exporter)
	}
	protocol := cmp.Or(variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), variable("OTEL_EXPORTER_OTLP_PROTOCOL"))
	if protocol != "" && protocol != "http/protobuf" {
		return false, errors.New("OTEL_EXPORTER_OTLP_PROTOCOL is to be http/protobuf: traces are sent in no other way (a collector takes it at port 4318)")
	}
	return true, nil
}

// tracingErrors tells what goes wrong with sending traces, once in a while: it would be the same every few seconds.
type tracingErrors struct {
	ctx  context.Context // of the process
	log  *slog.Logger
	lock sync.Mutex
	told time.Time
}

// Handle logs an error.
func (t *tracingErrors) Handle(err error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if time.Since(t.told) < time.Minute {
		return
	}
	t.told = time.Now()
	t.log.WarnContext(t.ctx, "traces could not be sent", "error", err)
}
