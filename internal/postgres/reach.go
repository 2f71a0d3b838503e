package postgres

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"handover/internal/domain"
)

// Reach is how far into the past a request may read, and how far it has seen. It is carried by the request's context where there is
// a replica; without one nothing is asked or told.
type Reach struct {
	// After is what the request has to see. Nil: everything there is, which the primary alone has.
	After *domain.Position

	seen atomic.Uint64
}

// Seen is how far the database had come when the last transaction of the request ended: what it wrote and what it read is not
// newer. Zero: no transaction has ended, or the database could not tell.
func (r *Reach) Seen() domain.Position { return domain.Position(r.seen.Load()) }

func (r *Reach) note(position domain.Position) {
	for {
		known := r.seen.Load()
		if uint64(position) <= known || r.seen.CompareAndSwap(known, uint64(position)) {
			return
		}
	}
}

type reachKey struct{}

// WithReach has the transactions of a context read and tell as reach has it.
func WithReach(ctx context.Context, reach *Reach) context.Context {
	return context.WithValue(ctx, reachKey{}, reach)
}

func reachOf(ctx context.Context) *Reach {
	reach, _ := ctx.Value(reachKey{}).(*Reach)
	return reach
}

// whereNow tells how far the database has come, after a transaction. What others can see has been flushed, so that a replica can
// have it at once; but where commits do not wait for the disk, only what was inserted holds it for certain.
const whereNow = `SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
	WHEN current_setting('synchronous_commit') = 'off' THEN pg_current_wal_insert_lsn()
	ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn)::bigint::text`

// positionPatience is how long telling the position may take: what was asked for is done.
const positionPatience = 2 * time.Second

func (c *preparingConn) position() (domain.Position, error) {
	ctx, cancel := context.WithTimeout(context.Background(), positionPatience)
	defer cancel()
	rows, err := c.pqConn.QueryContext(ctx, whereNow, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }() // it has been read
	row := make([]driver.Value, 1)
	if err := rows.Next(row); err != nil {
		return 0, err
	}
	for err == nil {
		err = rows.Next(make([]driver.Value, 1)) // to its end, so that the connection is ready for what follows
	}
	if err != io.EOF { //nolint:errorlint // database/sql/driver gives it as it is
		return 0, err
	}
	position, err := strconv.ParseUint(fmt.Sprintf("%s", row[0]), 10, 64)
	return domain.Position(position), err
}
