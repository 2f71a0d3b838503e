package casesystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"handover/internal/app"
	"handover/internal/outbound"
	"handover/internal/telemetry"
)

// errLeft tells that whoever asked does not wait any more, which says nothing of the case system.
var errLeft = errors.New("nobody waits for the answer any more")

// insist makes a call, and where it fails for a reason that may pass, a few times more.
func (s *System) insist(ctx context.Context, operation, target string) (text []byte, err error) {
	for attempt := 1; ; attempt++ {
		text, err = s.breaker.Execute(func() ([]byte, error) { return s.call(ctx, operation, target, attempt) })
		switch {
		case err == nil, errors.Is(err, errLeft), errors.Is(err, app.ErrCaseSystemBroken), errors.Is(err, app.ErrCaseUnknown), errors.Is(err, app.ErrCursorGone):
			return text, err
		case !errors.Is(err, app.ErrCaseSystemDown): // the circuit is open
			return nil, fmt.Errorf("%w: it is not asked just now: %w", app.ErrCaseSystemDown, err)
		case attempt == attempts:
			return nil, err
		}
		pause := s.options.Pause<<(attempt-1) + rand.N(s.options.Pause)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", errLeft, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// call makes one call. Its span holds the operation and the host, and not the path, which names a client. The case system is told of the
// trace, so that it can go on there.
func (s *System) call(ctx context.Context, operation, target string, attempt int) (text []byte, err error) {
	ctx, span := telemetry.Start(ctx, "GET "+operation, trace.WithSpanKind(trace.SpanKindClient))
	defer func() { telemetry.End(span, err) }()
	if span.IsRecording() {
		span.SetAttributes(attribute.String("http.request.method", http.MethodGet), attribute.String("server.address", s.base.Hostname()),
			attribute.String("handover.case_system.operation", operation), attribute.Int("http.request.resend_count", attempt-1))
	}
	waiting, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(waiting, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+s.options.Token)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "Handover")
	telemetry.Send(ctx, propagation.HeaderCarrier(request.Header))
	response, err := s.http.Do(request)
	if err != nil {
		return nil, lost(ctx, err)
	}
	span.SetAttributes(attribute.Int("http.response.status_code", response.StatusCode))
	defer func() { _ = response.Body.Close() }() // it was read, or nobody wants it
	if err := judge(response); err != nil {
		return nil, err
	}
	text, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, lost(ctx, err)
	case len(text) > maxAnswer:
		return nil, fmt.Errorf("%w: the answer is longer than %d bytes", app.ErrCaseSystemBroken, maxAnswer)
	}
	return text, nil
}

// lost is the error of a call that came to nothing. ctx is that of whoever asked.
func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", errLeft, ctx.Err())
	}
	if errors.Is(err, outbound.ErrPrivate) {
		return fmt.Errorf("%w: %w (HANDOVER_CASE_SYSTEM_PRIVATE allows it)", app.ErrCaseSystemDown, err)
	}
	return fmt.Errorf("%w: %w", app.ErrCaseSystemDown, err)
}

// judge tells from status and headers whether there is an answer to read.
func judge(response *http.Response) error {
	status := response.StatusCode
	switch {
	case status == http.StatusNotFound:
		return app.ErrCaseUnknown
	case status == http.StatusGone:
		return app.ErrCursorGone
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return fmt.Errorf("%w: it answers %d", app.ErrCaseSystemDown, status)
	case status != http.StatusOK:
		return fmt.Errorf("%w: it answers %d", app.ErrCaseSystemBroken, status)
	}
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return fmt.Errorf("%w: the answer is not said to be JSON", app.ErrCaseSystemBroken)
	}
	return nil
}
