package app

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/live"
	"handover/internal/postgres"
)

const (
	// lookEvery is how often the process looks for new notifications, for all who follow theirs together.
	lookEvery = 500 * time.Millisecond
	// lookEveryWhenTold is how often it does while other processes tell whom they have notified: for what was told to nobody.
	lookEveryWhenTold = 5 * time.Second
	// mostStreams is how many streams of one staff member a process holds.
	mostStreams = 10
	// streamRetryAfter is when to try again to follow, after too many.
	streamRetryAfter = 10 * time.Second
	// streamBatch is how many notifications are read at once.
	streamBatch = 50
)

// pace is how often a stream does what time asks of it.
type pace struct {
	say   time.Duration // says that it is alive, while there is nothing to tell
	check time.Duration // looks whether it may still be had, as it does before it tells
}

// Within a minute nobody follows any more who may not come in: the look may take its time.
var usualPace = pace{say: 15 * time.Second, check: 30 * time.Second}

func newHub(a *App) *live.Hub[postgres.Receiver] {
	return live.NewHub(a.store.NotificationNumbers, lookEvery, mostStreams, a.log)
}

// AnnounceNotices has this process tell the others whom it has notified. It comes before the first transaction.
func (a *App) AnnounceNotices() { a.store.Announce(a.log) }

// ListenForNotices hears from the other processes whom they have notified, over a connection of its own to the database, past any
// pooler, until ctx ends. Who follows their notifications here is told at once then. While nothing can be heard this process looks by
// itself, as it does without. AnnounceNotices comes before.
func (a *App) ListenForNotices(ctx context.Context, url string) {
	err := a.store.ListenForNotices(ctx, url, postgres.Ears{
		Told: func(isReceiver func(uuid.UUID) bool) {
			a.hub.LookAt(func(receiver postgres.Receiver) bool { return isReceiver(receiver.Staff) })
		},
		Hearing: func(hears bool) {
			if hears {
				a.hub.LookEvery(lookEveryWhenTold)
			} else {
				a.hub.LookEvery(lookEvery)
			}
		},
	})
	if err != nil {
		a.log.WarnContext(ctx, "new notifications are looked for, and not heard of", "error", err)
	}
}

// EndWaiting ends what waits for something to happen: all streams, of which no more begin, and those who wait for the end
// of a run, who are told how far it is. The process is ending.
func (a *App) EndWaiting() {
	a.endOnce.Do(func() { close(a.ending) })
	a.hub.End()
}

// Stream is where notifications go while they come.
type Stream struct {
	// Tell sends notifications, in their order.
	Tell func([]domain.Notification) error
	// SayAlive sends nothing but a sign of life. It comes first.
	SayAlive func() error
	// Caller tells who the stream is for, or why it may not be had any more.
	Caller func(context.Context) (domain.Caller, error)
}

// FollowNotifications tells the caller of their notifications as they come (D2): of those with numbers after the one
// given, or, without one, of those that come from now on. Each is told once, in the order of the numbers. It goes on until
// ctx ends or the process does, then without an error; until the caller may not follow any more, or the stream fails.
func (a *App) FollowNotifications(ctx context.Context, caller domain.Caller, after *int64, stream Stream) error {
	follower, err := a.hub.Follow(postgres.Receiver{Organization: uuid.UUID(caller.Organization), Staff: caller.StaffID})
	switch {
	case errors.Is(err, live.ErrTooMany):
		refusal := domain.Refuse(domain.CodeRateLimited, "There are %d streams of yours already. Close one, or share it.", mostStreams)
		refusal.RetryAfter = streamRetryAfter
		return refusal
	case err != nil:
		refusal := domain.Refuse(domain.CodeNotReady, "The service is ending. Connect again.")
		refusal.RetryAfter = time.Second
		return refusal
	}
	defer follower.Close()
	last, err := read(ctx, a, caller, func(tx *postgres.Tx) (int64, error) { return tx.LastNotification(ctx, caller) })
	if err != nil {
		return err
	}
	if after != nil {
		last = min(*after, last) // a number that has not been given yet was not heard here
	}
	if err := stream.SayAlive(); err != nil {
		return err
	}
	return a.follow(ctx, caller, follower, last, stream)
}

func (a *App) follow(ctx context.Context, caller domain.Caller, follower *live.Follower[postgres.Receiver], last int64, stream Stream) error {
	alive, check := time.NewTicker(a.pace.say), time.NewTicker(a.pace.check)
	defer alive.Stop()
	defer check.Stop()
	for {
		notifications, err := read(ctx, a, caller, func(tx *postgres.Tx) ([]domain.Notification, error) {
			return tx.NotificationsAfter(ctx, caller, last, streamBatch)
		})
		if err != nil {
			if ctx.Err() != nil {
				return nil // who followed has gone
			}
			return err
		}
		if len(notifications) > 0 {
			if err := stream.Tell(notifications); err != nil {
				return err
			}
			last = notifications[len(notifications)-1].Number
			alive.Reset(a.pace.say)
		}
		if len(notifications) == streamBatch {
			continue // there may be more
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return nil
			case <-follower.Ended():
				return nil
			case <-follower.Woken():
				waiting = false
				caller, err = stream.Caller(ctx) // nothing is told any more by a token that was revoked a moment ago
			case <-alive.C:
				err = stream.SayAlive()
			case <-check.C:
				caller, err = stream.Caller(ctx)
			}
			if ctx.Err() != nil {
				return nil // who followed has gone
			}
			if err != nil {
				return err
			}
		}
	}
}
