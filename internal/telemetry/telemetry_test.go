package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"handover/internal/telemetry"
)

func TestLines(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(telemetry.LogHandler(slog.NewJSONHandler(&text, nil)))
	line := func(ctx context.Context, args ...any) map[string]any {
		text.Reset()
		log.InfoContext(ctx, "said", args...)
		var got map[string]any
		require.NoError(t, json.Unmarshal(text.Bytes(), &got))
		delete(got, "time")
		delete(got, "level")
		delete(got, "msg")
		return got
	}
	ctx := telemetry.With(t.Context(), slog.String("request_id", "r-1"), slog.String("operation", "getMe"))

	t.Run("a line carries what its context does", func(t *testing.T) {
		assert.Equal(t, map[string]any{"request_id": "r-1", "operation": "getMe", "more": "x"}, line(ctx, "more", "x"))
		assert.Empty(t, line(t.Context()))
	})
	t.Run("of two with one name the later holds, and the earlier context is as it was", func(t *testing.T) {
		inner := telemetry.With(ctx, slog.String("operation", "job"), slog.String("run_id", "u-1"))
		assert.Equal(t, map[string]any{"request_id": "r-1", "operation": "job", "run_id": "u-1"}, line(inner))
		assert.Equal(t, map[string]any{"request_id": "r-1", "operation": "getMe"}, line(ctx))
	})
	t.Run("what the line says itself holds, and stands once", func(t *testing.T) {
		assert.Equal(t, map[string]any{"request_id": "r-1", "operation": "own"}, line(ctx, "operation", "own"))
		assert.Equal(t, 1, bytes.Count(text.Bytes(), []byte(`"operation"`)))
	})
	t.Run("a line within a trace names it", func(t *testing.T) {
		provider := sdktrace.NewTracerProvider()
		traced, span := provider.Tracer("test").Start(ctx, "work")
		defer span.End()
		got := line(traced)
		assert.Equal(t, span.SpanContext().TraceID().String(), got["trace_id"])
		assert.Equal(t, span.SpanContext().SpanID().String(), got["span_id"])
	})
	t.Run("a logger with attributes of its own carries them too", func(t *testing.T) {
		text.Reset()
		log.With("part", "mail").InfoContext(ctx, "said")
		assert.Contains(t, text.String(), `"part":"mail"`)
		assert.Contains(t, text.String(), `"request_id":"r-1"`)
	})
}

// values is an error that tells what nobody but the log is to read.
type values struct{}

func (values) Error() string { return "Key (email)=(ann@example.org) already exists" }

func (values) SQLState() string { return "23505" }

func TestSpans(t *testing.T) {
	t.Run("where nothing is traced nothing is begun, and nothing is sent on", func(t *testing.T) {
		ctx, span := telemetry.Start(t.Context(), "work")
		assert.Equal(t, t.Context(), ctx)
		assert.False(t, span.IsRecording())
		telemetry.End(span, errors.New("whatever"))
		headers := http.Header{}
		telemetry.Send(ctx, propagation.HeaderCarrier(headers))
		assert.Empty(t, headers)
	})
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	root, rootSpan := provider.Tracer("test").Start(t.Context(), "root")

	t.Run("a span is within that of its context, and tells what kind of error there was, not its text", func(t *testing.T) {
		for wanted, err := range map[string]error{
			"23505": fmt.Errorf("save: %w", values{}), "canceled": fmt.Errorf("wait: %w", context.Canceled), "timeout": context.DeadlineExceeded,
			"*errors.errorString": fmt.Errorf("ann@example.org: %w", errors.New("ann@example.org")),
		} {
			exporter.Reset()
			_, span := telemetry.Start(root, "work")
			telemetry.End(span, err)
			ended := exporter.GetSpans()
			require.Len(t, ended, 1)
			assert.Equal(t, rootSpan.SpanContext().SpanID(), ended[0].Parent.SpanID())
			assert.Equal(t, wanted, ended[0].Attributes[0].Value.AsString())
			told, marshalErr := json.Marshal(ended)
			require.NoError(t, marshalErr)
			assert.NotContains(t, string(told), "ann@")
		}
	})
	t.Run("untraced is what goes on for hours", func(t *testing.T) {
		assert.True(t, telemetry.Tracing(root))
		assert.False(t, telemetry.Tracing(telemetry.Untraced(root)))
	})
	t.Run("a trace goes on elsewhere by W3C Trace Context", func(t *testing.T) {
		headers := http.Header{}
		telemetry.Send(root, propagation.HeaderCarrier(headers))
		_, span := provider.Tracer("test").Start(telemetry.Received(context.Background(), propagation.HeaderCarrier(headers)), "elsewhere")
		assert.Equal(t, rootSpan.SpanContext().TraceID(), span.SpanContext().TraceID())
	})
}

func TestKept(t *testing.T) {
	now := time.Now()
	reads := 0
	var failure error
	kept := telemetry.Keep(time.Second, time.Minute, func() time.Time { return now }, func(context.Context) (int, error) {
		reads++
		return reads, failure
	})
	read := func() int {
		value, err := kept.Read(t.Context())
		assert.Equal(t, failure, err)
		return value
	}
	assert.Equal(t, 1, read())
	now = now.Add(999 * time.Millisecond)
	assert.Equal(t, 1, read())
	now, failure = now.Add(time.Millisecond), errors.New("away")
	assert.Equal(t, 2, read())
	assert.Equal(t, 2, read(), "an error is kept too")
	now, failure = now.Add(time.Second), nil
	assert.Equal(t, 3, read())

	t.Run("many who ask at once are one reading, and nobody waits longer than it may take", func(t *testing.T) {
		var asked atomic.Int64
		slow := telemetry.Keep(time.Hour, 50*time.Millisecond, time.Now, func(ctx context.Context) (int, error) {
			asked.Add(1)
			<-ctx.Done()
			return 0, ctx.Err()
		})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				_, err := slow.Read(t.Context())
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			})
		}
		all.Wait()
		assert.EqualValues(t, 1, asked.Load())
	})
}
