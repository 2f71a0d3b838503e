package acceptance

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"handover/internal/app"
	"handover/internal/httpapi"
	"handover/internal/postgres"
	"handover/internal/telemetry"
	"handover/internal/testdb"
	"handover/internal/worker"
)

// discarding is where traces go that nobody looks at.
type discarding struct{}

func (discarding) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }

func (discarding) Shutdown(context.Context) error { return nil }

// What tracing costs a request: GET /v1/me, two transactions on PostgreSQL, one after the other.
func BenchmarkTracing(b *testing.B) {
	db := testdb.New(b)
	log := slog.New(telemetry.LogHandler(slog.NewJSONHandler(io.Discard, nil)))
	queue, err := worker.NewQueue(db.SQL.DB, log)
	if err != nil {
		b.Fatal(err)
	}
	application := app.New(postgres.NewStore(db.SQL, true), queue, time.Now, log)
	organization, err := application.CreateOrganization(b.Context(), app.NewOrganization{Name: "Bench", TimeZone: "Europe/London", AdminEmail: "bench@example.org"})
	if err != nil {
		b.Fatal(err)
	}
	for _, traced := range []struct {
		name     string
		provider trace.TracerProvider
	}{
		{"off", nil},
		{"one of a hundred", sdktrace.NewTracerProvider(sdktrace.WithBatcher(discarding{}), sdktrace.WithSampler(sdktrace.TraceIDRatioBased(0.01)))},
		{"each", sdktrace.NewTracerProvider(sdktrace.WithBatcher(discarding{}))},
	} {
		handler := httpapi.New(application, httpapi.Options{Log: log, Tracer: traced.provider})
		b.Run(traced.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				request := httptest.NewRequestWithContext(b.Context(), "GET", "/v1/me", nil)
				request.Header.Set("Authorization", "Bearer "+organization.Token)
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, request)
				if answer.Code != 200 {
					b.Fatal(answer.Code)
				}
			}
		})
	}
}
