package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"
)

const (
	// A connection that was lost is made anew after so long, and then less and less often.
	listenAgainAfter, listenAgainAtMost = 250 * time.Millisecond, 10 * time.Second
	// greetEvery is how often the listener makes sure that it hears, and deafAfter when it is taken not to.
	greetEvery, deafAfter = 10 * time.Second, 25 * time.Second

	greeting = "hello "
)

// Ears are told what a listener hears.
type Ears struct {
	// Told is told that one of the receivers may have new notifications.
	Told func(isReceiver func(staff uuid.UUID) bool)
	// Hearing is told whether announcements are heard, when that changes.
	Hearing func(bool)
}

// ListenForNotices hears which receivers have new notifications, whichever process they were saved by, until ctx ends. url leads to the
// database itself, past any pooler: announcements belong to a session. That it does is not taken on trust: the listener greets
// itself, through the store's own connections, and hears only once it has heard that.
func (s *Store) ListenForNotices(ctx context.Context, url string, ears Ears) error {
	name := uuid.NewString()
	listener := pq.NewListener(url, listenAgainAfter, listenAgainAtMost, func(event pq.ListenerEventType, err error) {
		if event == pq.ListenerEventDisconnected {
			s.announcer.log.Warn("announcements of new notifications are not heard for now: the connection was lost", "error", err)
		}
	})
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })() // which ends what it waits for
	defer func() { _ = listener.Close() }()
	if err := listener.Listen(noticeChannel); err != nil {
		return fmt.Errorf("listen for new notifications: %w", err)
	}
	hearing, heard := false, time.Time{}
	turn := func(now bool) {
		if now != hearing {
			hearing = now
			ears.Hearing(now)
		}
	}
	greet := func() {
		if err := s.announcer.announce(greeting + name); err != nil {
			s.announcer.log.Warn("the listener for new notifications could not be tried", "error", err)
		}
	}
	greet()
	ticker := time.NewTicker(greetEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			turn(false)
			return nil
		case <-ticker.C:
			if hearing && time.Since(heard) > deafAfter {
				turn(false)
				go func() { _ = listener.Ping() }() // which makes a connection anew that is dead
			}
			go greet()
		case notice := <-listener.Notify:
			switch {
			case notice == nil: // the connection was made anew, and what was announced meanwhile is lost
				ears.Told(func(uuid.UUID) bool { return true })
				go greet()
			case strings.HasPrefix(notice.Extra, greeting):
				if notice.Extra == greeting+name {
					heard = time.Now()
					turn(true)
				}
			default:
				receivers, everybody := receiversOf(notice.Extra)
				ears.Told(func(staff uuid.UUID) bool { return everybody || receivers[staff] })
			}
		}
	}
}
