package schema

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// migrationLock is the key of the advisory lock: "handover" in ASCII.
const migrationLock int64 = 0x68616e646f766572

// pace is how patient migrations are with others.
type pace struct {
	// lockTimeout bounds how long a migration waits for a table, and with it how long the statements queue that come
	// behind: a long transaction of somebody else must not stop the service.
	lockTimeout time.Duration
	// besideTimeout is the same for what is built beside others' work (withoutTransaction): nobody queues behind it, and it waits for
	// every transaction that began before it.
	besideTimeout time.Duration
	attempts      int
	firstPause    time.Duration // before the second attempt; each is twice the one before
	longestPause  time.Duration
}

// usualPace waits for about a minute and a half in all.
var usualPace = pace{lockTimeout: 3 * time.Second, besideTimeout: 10 * time.Minute, attempts: 12, firstPause: 500 * time.Millisecond, longestPause: 8 * time.Second}

const lockPoll = 50 * time.Millisecond

// withLock runs work while no other process migrates this database, and again when something passing was in its way.
// Work must be repeatable.
func (m migrator) withLock(ctx context.Context, databaseURL string, work func(db *sql.DB) error) error {
	db, err := open(databaseURL, m.lockTimeout)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect for the migrations: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if err := m.takeLock(ctx, conn); err != nil {
		return err
	}
	defer func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, migrationLock)
	}()

	pause := m.firstPause
	for attempt := 1; ; attempt++ {
		err := work(db)
		switch {
		case err == nil || !isPassing(err):
			return err
		case attempt == m.attempts:
			return fmt.Errorf("somebody else used the tables at each of %d attempts, and nothing of this migration was applied. End transactions that have been open for long (table pg_stat_activity shows them), then start again: %w",
				attempt, err)
		}
		m.log.WarnContext(ctx, "the migrations wait for tables that are in use", "attempt", attempt, "attempts", m.attempts, "error", err)
		if err := sleep(ctx, pause+rand.N(pause/2)); err != nil { //nolint:gosec // no secret: so that several do not come back together
			return err
		}
		pause = min(2*pause, m.longestPause)
	}
}

// takeLock asks again and again instead of waiting in one statement: such a statement holds a snapshot, and CREATE
// INDEX CONCURRENTLY waits for every snapshot older than itself.
func (m migrator) takeLock(ctx context.Context, conn *sql.Conn) error {
	for told := false; ; {
		var taken bool
		if err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, migrationLock).Scan(&taken); err != nil {
			return fmt.Errorf("take the lock of the migrations: %w", err)
		}
		if taken {
			return nil
		}
		if !told {
			told = true
			m.log.InfoContext(ctx, "another process brings the schema up; waiting for it")
		}
		if err := sleep(ctx, lockPoll); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait for the migrations: %w", context.Cause(ctx))
	case <-time.After(pause):
		return nil
	}
}

// isPassing tells whether err came from somebody else at work on the same tables at the same moment.
func isPassing(err error) bool {
	return pq.As(err, pqerror.LockNotAvailable, pqerror.TRDeadlockDetected) != nil
}

// open connects with the session settings that migrations want.
func open(databaseURL string, lockTimeout time.Duration) (*sql.DB, error) {
	config, err := pq.NewConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	config = config.Clone()
	if config.Runtime == nil {
		config.Runtime = map[string]string{}
	}
	config.Runtime["lock_timeout"] = strconv.FormatInt(lockTimeout.Milliseconds(), 10)
	config.Runtime["statement_timeout"] = "0"
	config.Runtime["idle_in_transaction_session_timeout"] = "0"
	connector, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	return sql.OpenDB(connector), nil
}
