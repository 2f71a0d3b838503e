package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"handover/internal/domain"
	"handover/internal/telemetry"
)

// statusClientGone is logged for a request whose caller did not wait for the answer.
const statusClientGone = 499

const maxRequestID = 100

// secretText is how the tokens of this service begin: of programs, of clients who have signed in, of invitations; and those of issuers.
var secretText = regexp.MustCompile(`^(hn[dci]_|eyJ)`)

// observe gives every request its id, answers every error with a problem, and tells of each request once: in the log
// and in the metrics.
func (s *server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		started := time.Now()
		s.metrics.inFlight.Inc()
		defer s.metrics.inFlight.Dec()
		request := c.Request()
		exchange := &exchange{
			id: requestID(request.Header), operation: s.contract.operations[routeKey(request.Method, c.Path())],
			path: request.URL.EscapedPath(), query: request.URL.RawQuery, cursors: s.cursors,
		}
		ctx := telemetry.With(withExchange(request.Context(), exchange), slog.String("request_id", exchange.id), slog.String("operation", exchange.operationID()))
		ctx, span := s.startSpan(ctx, request, c.Path(), exchange)
		c.SetRequest(request.WithContext(ctx))
		c.Response().Header().Set("X-Request-Id", exchange.id)
		c.Response().Before(func() {
			if s.options.Ending() { // or its client could send on it just when it is closed
				c.Response().Header().Set("Connection", "close")
			}
		})

		err := recovered(c, next, exchange)
		status, cut := s.answer(c, exchange, err)
		duration := time.Since(started)
		endSpan(span, exchange, status)
		s.metrics.count(exchange.operationID(), status, duration)
		s.log(c, exchange, status, duration)
		if cut {
			panic(http.ErrAbortHandler) // how net/http is told to cut the connection; it logs nothing
		}
		return nil
	}
}

// requestID keeps the caller's id of a request where it has one that can stand in a log, and makes one otherwise.
func requestID(headers http.Header) string {
	id := headers.Get("X-Request-Id")
	if id == "" || len(id) > maxRequestID || secretText.MatchString(id) { // a token is nothing to log
		return uuid.Must(uuid.NewV7()).String()
	}
	for _, char := range []byte(id) {
		switch {
		case char >= 'a' && char <= 'z', char >= 'A' && char <= 'Z', char >= '0' && char <= '9', char == '-', char == '_', char == '.':
		default:
			return uuid.Must(uuid.NewV7()).String()
		}
	}
	return id
}

// recovered turns a panic into an error.
func recovered(c echo.Context, next echo.HandlerFunc, exchange *exchange) (err error) {
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case http.ErrAbortHandler:
			panic(cause)
		default:
			exchange.failure.stack = debug.Stack()
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return next(c)
}

// answer answers an error. An answer that has begun already cannot become a problem: it is cut off, so that the caller
// does not take a part of it for the whole.
func (s *server) answer(c echo.Context, exchange *exchange, err error) (status int, cut bool) {
	response := c.Response()
	if err == nil {
		return response.Status, false
	}
	if c.Request().Context().Err() != nil && !isRefusal(err) {
		exchange.failure.cause = err
		return statusClientGone, response.Committed
	}
	refusal := classify(err)
	exchange.failure.code = refusal.Code
	if response.Committed {
		exchange.failure.cause = err
		return http.StatusInternalServerError, true
	}
	if kindOfCode[refusal.Code].status >= http.StatusInternalServerError {
		exchange.failure.cause = err
	}
	if writeErr := answerProblem(c, exchange, refusal); writeErr != nil {
		exchange.failure.cause = errors.Join(exchange.failure.cause, fmt.Errorf("write the problem: %w", writeErr))
	}
	return response.Status, false
}

// isRefusal tells of an error that is about what was asked, which a caller who has gone away does not explain.
func isRefusal(err error) bool {
	known := kindOfCode[classify(err).Code]
	return known.status < http.StatusInternalServerError
}

// whoIs names a caller in the log, by ids.
func whoIs(caller domain.Caller) []slog.Attr {
	organization := slog.String("organization_id", uuid.UUID(caller.Organization).String())
	switch {
	case caller.IsClient():
		return []slog.Attr{organization, slog.String("client_id", caller.ClientID.String())}
	case caller.StaffID != uuid.Nil:
		return []slog.Attr{organization, slog.String("staff_id", caller.StaffID.String())}
	}
	return nil
}

// log writes the one line of a request. What the caller sent stands in it as far as it cannot be a secret: the route
// rather than the path, no query, no header, no body.
func (s *server) log(c echo.Context, exchange *exchange, status int, duration time.Duration) {
	attributes := []slog.Attr{
		slog.String("method", c.Request().Method), slog.String("route", c.Path()), slog.String("operation", exchange.operationID()),
		slog.Int("status", status), slog.Float64("duration_ms", float64(duration.Microseconds())/1000), slog.Int64("bytes", c.Response().Size),
		slog.String("request_id", exchange.id),
	}
	attributes = append(attributes, whoIs(exchange.caller)...)
	level := slog.LevelInfo
	if failure := exchange.failure; failure.code != "" || failure.cause != nil {
		attributes = append(attributes, slog.String("code", string(failure.code)))
		if failure.cause != nil {
			attributes = append(attributes, slog.String("error", failure.cause.Error()))
		}
		if failure.stack != nil {
			attributes = append(attributes, slog.String("stack", string(failure.stack)))
		}
	}
	if status >= http.StatusInternalServerError && (exchange.failure.code != domain.CodeNotReady || !s.options.Ending()) { // an end is no fault
		level = slog.LevelError
	}
	s.options.Log.LogAttrs(c.Request().Context(), level, "request", attributes...)
}
