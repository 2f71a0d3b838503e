// Package postgres speaks to the database: set-based statements through sqlx, row structs, and the translation of
// constraint names into refusals. The organization is the first argument and the first predicate of everything.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"handover/internal/atonce"
	"handover/internal/domain"
)

// Store is the database.
type Store struct {
	DB *sqlx.DB

	shares   *Shares // of the organizations in the connections
	limits   Limits
	repeated atomic.Int64

	keepPrepared bool
	replica      *Replica   // nil: everything is read from the primary
	announcer    *announcer // nil: nobody is told of new notifications
}

// NewStore makes a store of a pool of lib/pq connections. keepPrepared keeps the short statements prepared on each
// connection, where Open has opened them; a pooler in transaction mode cannot do with that.
func NewStore(db *sqlx.DB, keepPrepared bool) *Store {
	return &Store{DB: db, shares: sharesOf(db.Stats().MaxOpenConnections), limits: UsualLimits, keepPrepared: keepPrepared}
}

// Isolation of a transaction.
type Isolation int

const (
	// Working sees what others commit meanwhile; what must stand still is locked.
	Working Isolation = iota
	// Snapshot sees one instant throughout.
	Snapshot
	// Reading is Working for what only reads, and is to be quick: its statements are ended sooner.
	Reading
)

// Tx is a transaction of one organization, as the role of the service.
type Tx struct {
	*sqlx.Tx
	Organization domain.OrganizationID
	store        *Store
	// forValues is set once statements are planned for their values, see planForValues.
	forValues bool
	along     *atonce.Conn
	committed []func()
}

// CommitTogetherWith has what a connection keeps back leave in the same instant as COMMIT does: a process that is killed has sent
// both or neither. What COMMIT failed for may be found out only after it has left. Connections that Open has not opened leave it back.
func (tx *Tx) CommitTogetherWith(held *atonce.Conn) { tx.along = held }

// OnCommit has something done once the transaction is committed, and not where it is undone: such as counting.
func (tx *Tx) OnCommit(do func()) { tx.committed = append(tx.committed, do) }

// Repeated is how often a transaction was run again since the store was made, because the database had ended it in favour of another.
func (s *Store) Repeated() int64 { return s.repeated.Load() }

// attempts is how often a transaction is tried that the database ended in favour of another.
const attempts = 6

// InTx runs work in a transaction and commits it; any error undoes everything. Where the database ended the
// transaction in favour of another (deadlock, serialization), work is called again: it must not keep anything of an
// earlier call.
func (s *Store) InTx(ctx context.Context, organization domain.OrganizationID, isolation Isolation, work func(*Tx) error) error {
	release, err := s.shares.Take(ctx, organization, s.limits.Connection)
	if err != nil {
		return err
	}
	defer release()
	for attempt := 1; ; attempt++ {
		err := s.try(ctx, organization, isolation, work)
		if err == nil || attempt == attempts || !endedInFavourOfAnother(err) {
			if endedForTime(ctx, err) {
				return timedOut(err)
			}
			return translate(err)
		}
		s.repeated.Add(1)
		pause := time.Duration(attempt) * time.Duration(10+rand.IntN(40)) * time.Millisecond
		select {
		case <-ctx.Done():
			return fmt.Errorf("repeat transaction: %w", ctx.Err())
		case <-time.After(pause):
		}
	}
}

func (s *Store) try(ctx context.Context, organization domain.OrganizationID, isolation Isolation, work func(*Tx) error) error {
	options := &sql.TxOptions{}
	if isolation == Snapshot {
		options.Isolation = sql.LevelRepeatableRead
	}
	first := &settings{statements: s.limits.beginStatements(organization, isolation), reach: reachOf(ctx)}
	begun, end, err := s.begin(context.WithValue(ctx, settingsKey{}, first), options)
	if err != nil {
		return err
	}
	defer end()
	return s.within(ctx, begun, first, organization, work)
}

// within runs work in a transaction that has begun and commits it; any error undoes everything.
func (s *Store) within(ctx context.Context, begun *sqlx.Tx, first *settings, organization domain.OrganizationID, work func(*Tx) error) (err error) {
	tx := &Tx{Tx: begun, Organization: organization, store: s}
	defer func() {
		if rollbackErr := begun.Rollback(); rollbackErr != nil && !errors.Is(rollbackErr, sql.ErrTxDone) && err == nil {
			err = fmt.Errorf("roll back: %w", rollbackErr)
		}
	}()
	if !first.applied {
		if _, err := tx.ExecContext(ctx, first.statements); err != nil {
			return fmt.Errorf("take the service's role: %w", err)
		}
	}
	if err := work(tx); err != nil {
		return err
	}
	first.along = tx.along
	if err := begun.Commit(); err != nil {
		return fmt.Errorf("commit: %w", translateCommit(err))
	}
	for _, do := range tx.committed {
		do()
	}
	return nil
}

// short marks a statement as one that is kept prepared.
func (s *Store) short(ctx context.Context) context.Context {
	if s.keepPrepared {
		return keepPrepared(ctx)
	}
	return ctx
}

// KeepPrepared has the statements that others send in the transaction kept prepared.
func (tx *Tx) KeepPrepared(ctx context.Context) context.Context { return tx.store.short(ctx) }

// getOne reads the one row of a short statement outside any organization's transaction; sql.ErrNoRows where there is none.
func (s *Store) getOne(ctx context.Context, into any, query string, args ...any) error {
	return s.outside(ctx, func(ctx context.Context) error { return s.DB.GetContext(s.short(ctx), into, query, args...) })
}

// planForValues has the statements that follow planned for their values: those over arrays of any size, and those whose
// values decide which index serves them. They are not kept prepared, and not compiled: that would take longer than most of them.
func (tx *Tx) planForValues(ctx context.Context) error {
	if tx.forValues {
		return nil
	}
	tx.forValues = true
	if err := tx.exec(ctx, `SELECT set_config('plan_cache_mode', 'auto', true), set_config('jit', 'off', true)`); err != nil {
		return fmt.Errorf("plan for values: %w", err)
	}
	return nil
}

// selectAll reads all rows of a short statement into a slice of structs or values.
func (tx *Tx) selectAll(ctx context.Context, into any, query string, args ...any) error {
	return tx.SelectContext(tx.store.short(ctx), into, query, args...)
}

// get reads the one row of a short statement; sql.ErrNoRows where there is none.
func (tx *Tx) get(ctx context.Context, into any, query string, args ...any) error {
	return tx.GetContext(tx.store.short(ctx), into, query, args...)
}

// exec runs a short statement.
func (tx *Tx) exec(ctx context.Context, query string, args ...any) error {
	_, err := tx.execCounting(ctx, query, args...)
	return err
}

// execCounting runs a short statement and tells how many rows it hit.
func (tx *Tx) execCounting(ctx context.Context, query string, args ...any) (int, error) {
	return affected(tx.ExecContext(tx.store.short(ctx), query, args...))
}

// fewRows is up to how many rows a statement over arrays is a short one.
const fewRows = 20

// execSet runs a statement over arrays of a size, planned for that size unless it is small.
func (tx *Tx) execSet(ctx context.Context, size int, query string, args ...any) (int, error) {
	if size <= fewRows {
		return tx.execCounting(ctx, query, args...)
	}
	if err := tx.planForValues(ctx); err != nil {
		return 0, err
	}
	return affected(tx.ExecContext(ctx, query, args...))
}

// querySet reads with a statement over arrays of a size, planned for that size unless it is small.
func (tx *Tx) querySet(ctx context.Context, size int, query string, args ...any) (*sql.Rows, error) {
	if size > fewRows {
		return tx.queryOnce(ctx, query, args...)
	}
	return tx.query(ctx, query, args...)
}

// query reads with a short statement.
func (tx *Tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return tx.QueryContext(tx.store.short(ctx), query, args...)
}

// queryOnce reads with a statement that is planned for its values.
func (tx *Tx) queryOnce(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := tx.planForValues(ctx); err != nil {
		return nil, err
	}
	return tx.QueryContext(ctx, query, args...)
}

func affected(result sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	count, err := result.RowsAffected()
	return int(count), err
}

// expect checks that a write hit the rows it was planned for.
func expect(what string, got int, err error, want int) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if got != want {
		return fmt.Errorf("%s: hit %d rows, planned %d", what, got, want)
	}
	return nil
}
