package schema

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

const (
	// migrationLock is the key of the advisory lock: "handover" in ASCII.
	migrationLock int64 = 0x68616e646f766572

	// lockTimeout bounds how long a migration waits for a table, and with it how long the statements queue that come
	// behind: a long transaction of somebody else must not stop the service.
	lockTimeout = "3s"
	attempts    = 10

	lockPoll   = 50 * time.Millisecond
	retryPause = 500 * time.Millisecond
)

// withLock runs work while no other process migrates this database, and again when something passing was in its way.
// Work must be repeatable.
func withLock(ctx context.Context, databaseURL string, work func(db *sql.DB) error) error {
	db, err := open(databaseURL)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect for the migrations: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if err := takeLock(ctx, conn); err != nil {
		return err
	}
	defer func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, migrationLock)
	}()

	for attempt := 1; ; attempt++ {
		err := work(db)
		if err == nil || attempt == attempts || !isPassing(err) {
			return err
		}
		if err := sleep(ctx, retryPause); err != nil {
			return err
		}
	}
}

// takeLock asks again and again instead of waiting in one statement: such a statement holds a snapshot, and CREATE
// INDEX CONCURRENTLY waits for every snapshot older than itself.
func takeLock(ctx context.Context, conn *sql.Conn) error {
	for {
		var taken bool
		if err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, migrationLock).Scan(&taken); err != nil {
			return fmt.Errorf("take the lock of the migrations: %w", err)
		}
		if taken {
			return nil
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
func open(databaseURL string) (*sql.DB, error) {
	config, err := pq.NewConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	config = config.Clone()
	if config.Runtime == nil {
		config.Runtime = map[string]string{}
	}
	config.Runtime["lock_timeout"] = lockTimeout
	config.Runtime["statement_timeout"] = "0"
	config.Runtime["idle_in_transaction_session_timeout"] = "0"
	connector, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	return sql.OpenDB(connector), nil
}
