package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"handover/internal/domain"
)

// Times are how long a request may take. Zero: those of usualTimes.
type Times struct {
	Request time.Duration // of the service, from when it is read until it is answered
	Stream  time.Duration // likewise, of an answer that goes out while it is made
	Body    time.Duration // until the body is there
	Pause   time.Duration // without anything of the body
	Write   time.Duration // until a piece of the answer is taken
}

var usualTimes = Times{Request: 2 * time.Minute, Stream: 15 * time.Minute, Body: time.Minute, Pause: 15 * time.Second, Write: 30 * time.Second}

func (t Times) withDefaults() Times {
	for _, of := range []struct {
		given *time.Duration
		usual time.Duration
	}{
		{&t.Request, usualTimes.Request}, {&t.Stream, usualTimes.Stream}, {&t.Body, usualTimes.Body}, {&t.Pause, usualTimes.Pause}, {&t.Write, usualTimes.Write},
	} {
		if *of.given == 0 {
			*of.given = of.usual
		}
	}
	return t
}

// errTimedOut is why a request was ended that took too long.
var errTimedOut = errors.New("the request took too long")

// bound ends what takes too long: work that the answer waits for, and answers that nobody takes.
func (s *server) bound(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		request, times := c.Request(), s.options.Times
		longest := times.Request
		if operation := exchangeOf(request.Context()).operation; operation != nil {
			switch operation.streams {
			case streamsForEver:
				return next(c) // its writer and its reader see to it
			case streamsToEnd:
				longest = times.Stream
			case streamsNot:
			}
		}
		_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(longest + times.Write)) // where there are no deadlines, answers take their time
		ctx, cancel := context.WithTimeoutCause(request.Context(), longest, errTimedOut)
		defer cancel()
		c.SetRequest(request.WithContext(ctx))
		defer func() { c.SetRequest(c.Request().WithContext(request.Context())) }() // what is told of it is not bounded
		err := next(c)
		if err != nil && errors.Is(context.Cause(ctx), errTimedOut) && !isRefusal(err) {
			refusal := domain.Refuse(domain.CodeTimedOut,
				"This took longer than %s, and nothing was changed. Ask for less, or leave a large change to a worker with Prefer: respond-async.", longest)
			err = fmt.Errorf("%w (%w)", refusal, err)
		}
		return err
	}
}

// steadyBody is a body that has to keep coming.
type steadyBody struct {
	io.Reader
	control *http.ResponseController
	pause   time.Duration
	until   time.Time
}

func (b *steadyBody) Read(into []byte) (int, error) {
	deadline := time.Now().Add(b.pause)
	if deadline.After(b.until) {
		deadline = b.until
	}
	_ = b.control.SetReadDeadline(deadline) // where there are no deadlines, a body takes its time
	return b.Reader.Read(into)
}

// readAll reads a body that keeps coming. net/http takes the deadline back when the body has ended; where it has not, nothing more is
// waited for.
func (s *server) readAll(c echo.Context) ([]byte, error) {
	body, err := io.ReadAll(&steadyBody{
		Reader: http.MaxBytesReader(c.Response().Writer, c.Request().Body, s.options.MaxBody), control: http.NewResponseController(c.Response()),
		pause: s.options.Times.Pause, until: time.Now().Add(s.options.Times.Body),
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.Response().Header().Set("Connection", "close") // what is left of it is not waited for
		return nil, domain.Refuse(domain.CodeBodyTooSlow, "The body did not arrive in time: it may take %s, and pause for %s. Send the request again.",
			s.options.Times.Body, s.options.Times.Pause)
	}
	return body, err
}

// steadyWriter is an answer that has to be taken as it goes out.
type steadyWriter struct {
	to      io.Writer
	control *http.ResponseController
	write   time.Duration
}

func (w *steadyWriter) Write(piece []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.write)) // where there are no deadlines, the answer takes its time
	return w.to.Write(piece)
}
