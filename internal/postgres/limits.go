package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"handover/internal/domain"
)

// Limits are how long things may take in the database. What takes longer is ended, and told as too_busy or timed_out. Of the last
// three zero is no limit.
type Limits struct {
	Connection time.Duration // until a connection of the pool is free
	Lock       time.Duration // until others give back the rows that a statement needs
	Read       time.Duration // a statement of what only reads
	Change     time.Duration // a statement of what may change something: of a bulk change it may take long
	Idle       time.Duration // between two statements of a transaction, after which its locks are taken from it
}

// UsualLimits are those of a store that was told no others.
var UsualLimits = Limits{Connection: 10 * time.Second, Lock: 30 * time.Second, Read: 30 * time.Second, Change: 10 * time.Minute, Idle: time.Minute}

// Check refuses limits that would end everything, or that PostgreSQL does not know.
func (l Limits) Check() error {
	for _, limit := range []time.Duration{l.Connection, l.Lock, l.Read, l.Change, l.Idle} {
		if limit < time.Millisecond || limit > 24*time.Hour {
			return fmt.Errorf("a limit of the database is to be from 1ms to 24h, and one is %s", limit)
		}
	}
	return nil
}

// Bound sets the limits of the transactions that begin from now on, on the replica too. It is called before the store is used.
func (s *Store) Bound(limits Limits) {
	s.limits = limits
	if s.replica != nil {
		s.replica.store.limits = limits
	}
}

// beginStatements take the unprivileged role and set the organization, both for this transaction alone. Waiting for a
// lock is bounded, so that nothing hangs silently, and so is every statement, for the time when nobody is there any more to cancel it.
// Prepared statements are planned once: they are short, and planning them anew would take longer than running them.
func (l Limits) beginStatements(organization domain.OrganizationID, isolation Isolation) string {
	statement := l.Change
	if isolation == Reading {
		statement = l.Read
	}
	return fmt.Sprintf("SET LOCAL ROLE handover_service; SET LOCAL handover.organization_id = '%s'; SET LOCAL lock_timeout = %d; SET LOCAL statement_timeout = %d; "+
		"SET LOCAL idle_in_transaction_session_timeout = %d; SET LOCAL plan_cache_mode = force_generic_plan",
		organization.String(), l.Lock.Milliseconds(), statement.Milliseconds(), l.Idle.Milliseconds())
}

// errNoConnection ends waiting for a connection.
var errNoConnection = errors.New("no connection was free in time")

// begin begins a transaction as soon as a connection is free. end is to be called when the transaction has ended.
func (s *Store) begin(ctx context.Context, options *sql.TxOptions) (begun *sqlx.Tx, end func(), err error) {
	ctx, give := context.WithCancelCause(ctx) // that of the whole transaction: it is cancelled only where none begins
	late := time.AfterFunc(s.limits.Connection, func() { give(errNoConnection) })
	begun, err = s.DB.BeginTxx(ctx, options)
	if !late.Stop() && err == nil {
		err = errors.Join(errNoConnection, begun.Rollback())
	}
	if err != nil {
		defer give(nil)
		if errors.Is(context.Cause(ctx), errNoConnection) {
			return nil, nil, passing(errNoConnection, domain.CodeTooBusy, "The service has more to do than it has connections to its database. Nothing was changed; try again shortly.")
		}
		return nil, nil, fmt.Errorf("begin: %w", err)
	}
	return begun, func() { give(nil) }, nil
}

// outside runs a short statement outside any organization's transaction, waiting for a connection no longer than one.
func (s *Store) outside(ctx context.Context, run func(context.Context) error) error {
	bounded, cancel := context.WithTimeoutCause(ctx, s.limits.Connection, errNoConnection)
	defer cancel()
	err := run(bounded)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(bounded), errNoConnection) {
		return passing(err, domain.CodeTooBusy, "The service has more to do than it has connections to its database. Nothing was changed; try again shortly.")
	}
	return err
}

// endedForTime tells that the database ended a statement that took longer than it may. One whose caller has gone was cancelled.
func endedForTime(ctx context.Context, err error) bool {
	var refused *pq.Error
	return ctx.Err() == nil && errors.As(err, &refused) && refused.Code == "57014"
}

func timedOut(cause error) error {
	return fmt.Errorf("%w (%w)", domain.Refuse(domain.CodeTimedOut,
		"This took longer than it may, and nothing was changed. Ask for less: a filter, a smaller page, no total; leave a large change to a worker with Prefer: respond-async."), cause)
}
