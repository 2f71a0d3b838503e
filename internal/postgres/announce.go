package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
)

// noticeChannel is where it is announced who has new notifications.
const noticeChannel = "handover_notifications"

const (
	// announcePause is the least time between two announcements of a process: those who are told meanwhile are announced together.
	announcePause    = 20 * time.Millisecond
	announcePatience = 5 * time.Second
	// mostNamed is how many receivers an announcement names; of more it says that anybody may have been told. PostgreSQL takes 8,000 bytes.
	mostNamed = 200
	anybody   = "*"
)

// announcer tells other processes who has new notifications, so that they need not look all the time. It does so after the
// transaction has ended, and not within: NOTIFY takes one lock for all of a server's databases while it commits, and changes would wait for each
// other's disk. What is not announced, because the process died in between, is found by those who look.
type announcer struct {
	db  *sqlx.DB
	log *slog.Logger

	lock    sync.Mutex
	pending map[uuid.UUID]bool
	busy    bool
}

// Announce has it announced whom notifications were saved for. It comes before the first transaction.
func (s *Store) Announce(log *slog.Logger) {
	s.announcer = &announcer{db: s.DB, log: log, pending: map[uuid.UUID]bool{}}
}

// tell announces receivers soon.
func (a *announcer) tell(receivers []uuid.UUID) {
	if a == nil || len(receivers) == 0 {
		return
	}
	a.lock.Lock()
	defer a.lock.Unlock()
	for _, receiver := range receivers {
		a.pending[receiver] = true
	}
	if !a.busy {
		a.busy = true
		go a.work()
	}
}

// work announces until there is nothing more to announce.
func (a *announcer) work() {
	for {
		a.lock.Lock()
		receivers := a.pending
		if len(receivers) == 0 {
			a.busy = false
			a.lock.Unlock()
			return
		}
		a.pending = map[uuid.UUID]bool{}
		a.lock.Unlock()
		if err := a.announce(announcementOf(receivers)); err != nil {
			a.log.Warn("new notifications could not be announced; they are found all the same, later", "error", err)
		}
		time.Sleep(announcePause)
	}
}

// announce does not wait for the disk: after a crash of the server nobody listens any more.
func (a *announcer) announce(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), announcePatience)
	defer cancel()
	_, err := a.db.ExecContext(ctx, `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`, noticeChannel, text)
	if err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	return nil
}

func announcementOf(receivers map[uuid.UUID]bool) string {
	if len(receivers) > mostNamed {
		return anybody
	}
	named := make([]string, 0, len(receivers))
	for receiver := range receivers {
		named = append(named, receiver.String())
	}
	return strings.Join(named, ",")
}

// receiversOf reads an announcement; everybody tells that anybody may be meant, as does what is not understood.
func receiversOf(text string) (receivers map[uuid.UUID]bool, everybody bool) {
	receivers = map[uuid.UUID]bool{}
	for named := range strings.SplitSeq(text, ",") {
		receiver, err := uuid.Parse(named)
		if err != nil {
			return nil, true
		}
		receivers[receiver] = true
	}
	return receivers, false
}
