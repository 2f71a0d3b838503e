package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
	"handover/internal/telemetry"
)

// StreamNotifications tells the caller of their notifications as they come, as server-sent events (D2).
func (h *handlers) StreamNotifications(ctx context.Context, request api.StreamNotificationsRequestObject) (api.StreamNotificationsResponseObject, error) {
	answer := streamAnswer{ctx: ctx, handlers: h}
	if last := request.Params.LastEventID; last != nil {
		answer.after = new(int64(*last))
	}
	return answer, nil
}

// streamAnswer sends events for as long as it is read.
type streamAnswer struct {
	ctx      context.Context
	handlers *handlers
	after    *int64 // the number of the last event that was received
}

const (
	// writePatience is how long a reader may take to take an event. One that does not is let go: it can connect again.
	writePatience = 10 * time.Second
	// reconnectAfter is when a browser that has lost the stream tries again, in milliseconds.
	reconnectAfter = 2000
)

func (s streamAnswer) VisitStreamNotificationsResponse(w http.ResponseWriter) error {
	events := &eventWriter{to: w, control: http.NewResponseController(w)}
	exchange := exchangeOf(s.ctx)
	// A trace of hours, with each look at the database in it, would be of no use to anybody.
	err := s.handlers.app.FollowNotifications(telemetry.Untraced(s.ctx), callerOf(s.ctx), s.after, app.Stream{
		Tell: events.tell, SayAlive: events.sayAlive,
		Caller: func(ctx context.Context) (domain.Caller, error) {
			return s.handlers.app.Authenticate(ctx, exchange.token, exchange.id)
		},
	})
	if !events.begun {
		return err
	}
	// It ends as any answer does, whatever the reason: its reader connects again, and goes on where it was.
	events.deadline()
	if err != nil && !errors.Is(err, errUnread) && classify(err).Code != domain.CodeUnauthenticated {
		s.handlers.options.Log.WarnContext(s.ctx, "a stream of notifications was ended", "error", err)
	}
	return nil
}

// errUnread tells that nobody takes the events any more.
var errUnread = errors.New("the stream is not read any more")

// eventWriter writes server-sent events. The headers go out with the first.
type eventWriter struct {
	to      http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (e *eventWriter) tell(notifications []domain.Notification) error {
	var events bytes.Buffer
	for _, notification := range notifications {
		text, err := json.Marshal(notificationOf(notification))
		if err != nil {
			return fmt.Errorf("encode notification: %w", err)
		}
		fmt.Fprintf(&events, "id: %d\nevent: notification\ndata: %s\n\n", notification.Number, text)
	}
	return e.write(events.Bytes())
}

func (e *eventWriter) sayAlive() error { return e.write([]byte(": alive\n\n")) }

func (e *eventWriter) write(events []byte) error {
	if !e.begun {
		e.begin()
		events = append(fmt.Appendf(nil, "retry: %d\n\n", reconnectAfter), events...)
	}
	e.deadline()
	_, err := e.to.Write(events)
	if err == nil {
		err = e.control.Flush()
	}
	if err != nil {
		return fmt.Errorf("%w: %s", errUnread, err.Error()) // whose chain ends here: it must not be taken for a lost database
	}
	return nil
}

func (e *eventWriter) begin() {
	e.begun = true
	header := e.to.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // a proxy that collects answers is not to collect this one
	header.Set("Connection", "close")     // the deadlines of this connection are no other answer's
	e.to.WriteHeader(http.StatusOK)
}

// deadline gives the next event, or the end, its time.
func (e *eventWriter) deadline() {
	_ = e.control.SetWriteDeadline(time.Now().Add(writePatience)) // where there are no deadlines, writing tells what is wrong
}
