package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"handover/internal/domain"
)

// ReplicaOptions say how a replica is used. What is zero has its usual value.
type ReplicaOptions struct {
	KeepPrepared bool          // as of NewStore
	Patience     time.Duration // how long a read waits for the replica before it goes to the primary
	Rest         time.Duration // how long a replica that fails is left alone
	Log          *slog.Logger
}

// Replica is a copy of the database that follows it. Reads go there that carry a position, and find everything up to it.
type Replica struct {
	store   *Store
	options ReplicaOptions
	circuit *gobreaker.TwoStepCircuitBreaker[struct{}]

	reads *prometheus.CounterVec
	waits prometheus.Histogram
	state prometheus.Gauge
}

const (
	usualPatience = 500 * time.Millisecond
	usualRest     = 5 * time.Second
	// failuresInARow are after how many a replica is left alone.
	failuresInARow = 3
	// A replica that is behind is asked again after so long, and then less and less often.
	shortestPause, longestPause = 2 * time.Millisecond, 25 * time.Millisecond
)

// The reasons for which a read goes to the primary.
var (
	errBehind     = errors.New("the replica has not come far enough in time")
	errBusy       = errors.New("all connections to the replica are in use")
	errLeft       = errors.New("nobody waits for the answer")
	errNoReplica  = errors.New("the database named as the replica follows no other")
	errNotInTime  = errors.New("the replica did not answer in time")
	errUnreadable = errors.New("the replica could not answer")
)

// NewReplica makes a replica of a pool of connections to it, such as Open opens. Nothing is asked of it yet.
func NewReplica(db *sqlx.DB, options ReplicaOptions) *Replica {
	if options.Patience == 0 {
		options.Patience = usualPatience
	}
	if options.Rest == 0 {
		options.Rest = usualRest
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	r := &Replica{
		store: NewStore(db, options.KeepPrepared), options: options,
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "handover_replica_reads_total",
			Help: "Reads that could come from the replica, by outcome: replica (they did), and why the primary did it: behind, busy, failed, resting.",
		}, []string{"outcome"}),
		waits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "handover_replica_wait_seconds", Help: "How long reads waited for the replica to have what they were to see.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}),
		state: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "handover_replica_circuit_state", Help: "Whether this process reads from the replica: 0 yes, 1 once, to see, 2 not for a while.",
		}),
	}
	r.circuit = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: "replica", MaxRequests: 1, Timeout: options.Rest,
		ReadyToTrip:   func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= failuresInARow },
		IsExcluded:    func(err error) bool { return errors.Is(err, errLeft) || errors.Is(err, errBusy) },
		OnStateChange: r.turned,
	})
	return r
}

func (r *Replica) turned(_ string, _, to gobreaker.State) {
	level := 0.0
	switch to {
	case gobreaker.StateClosed:
		r.options.Log.Info("the replica is read again")
	case gobreaker.StateHalfOpen:
		level = 1
	case gobreaker.StateOpen:
		level = 2
		r.options.Log.Warn("the replica fails, or is behind, and is left alone for a while", "for", r.options.Rest)
	}
	r.state.Set(level)
}

// Describe tells which metrics there are.
func (r *Replica) Describe(descriptions chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(r, descriptions)
}

// Collect tells the metrics.
func (r *Replica) Collect(metrics chan<- prometheus.Metric) {
	r.reads.Collect(metrics)
	r.waits.Collect(metrics)
	r.state.Collect(metrics)
}

// UseReplica has reads that carry a position go to the replica. It comes before the first transaction.
func (s *Store) UseReplica(replica *Replica) {
	s.replica = replica
	s.Bound(s.limits)
}

// HasReplica tells whether reads may go to a replica.
func (s *Store) HasReplica() bool { return s.replica != nil }

// Read runs work, which changes nothing and may be called again, in a transaction: of the replica where the context has a position that
// has to be seen, and the replica has come that far or comes there within a moment; otherwise of the primary, with the
// isolation given. On the replica each statement sees an instant of its own.
func (s *Store) Read(ctx context.Context, organization domain.OrganizationID, isolation Isolation, work func(*Tx) error) error {
	reach := reachOf(ctx)
	if s.replica == nil || reach == nil || reach.After == nil {
		return s.InTx(ctx, organization, isolation, work)
	}
	done, err := s.replica.circuit.Allow()
	if err != nil {
		s.replica.reads.WithLabelValues("resting").Inc()
		return s.InTx(ctx, organization, isolation, work)
	}
	err = s.replica.read(ctx, organization, isolation, *reach.After, work)
	var refusal *domain.Error
	switch {
	case err == nil, errors.As(err, &refusal):
		done(nil)
		s.replica.reads.WithLabelValues("replica").Inc()
		return err
	case ctx.Err() != nil:
		done(errLeft)
		return err
	case errors.Is(err, errBehind):
		s.replica.reads.WithLabelValues("behind").Inc()
		err := s.InTx(ctx, organization, isolation, work)
		if reach.Seen() < *reach.After {
			done(errLeft) // nor has the primary: the position is of no database that this one follows
		} else {
			done(errBehind)
		}
		return err
	case errors.Is(err, errBusy):
		s.replica.reads.WithLabelValues("busy").Inc()
	default:
		s.replica.reads.WithLabelValues("failed").Inc()
		s.replica.options.Log.WarnContext(ctx, "a read went to the primary: the replica failed", "error", err)
	}
	done(err)
	return s.InTx(ctx, organization, isolation, work)
}

// read runs work on the replica as soon as it has come to the position.
func (r *Replica) read(ctx context.Context, organization domain.OrganizationID, isolation Isolation, after domain.Position, work func(*Tx) error) error {
	began := time.Now()
	deadline := began.Add(r.options.Patience)
	waiting, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	release, err := r.store.shares.Take(waiting, organization, r.options.Patience)
	if err != nil {
		return errBusy
	}
	defer release()
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		there, err := r.try(ctx, waiting, organization, isolation, after, func(tx *Tx) error {
			r.waits.Observe(time.Since(began).Seconds())
			return work(tx)
		})
		if there || err != nil {
			return err
		}
		if time.Now().Add(pause).After(deadline) {
			return errBehind
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the replica: %w", ctx.Err())
		case <-time.After(pause):
		}
	}
}

// try runs work on the replica if it has come to the position; there tells whether it had. Whether it has is asked in the transaction
// of the work, as there may be several replicas behind one address.
func (r *Replica) try(ctx, waiting context.Context, organization domain.OrganizationID, isolation Isolation, after domain.Position, work func(*Tx) error) (there bool, err error) {
	conn, err := r.store.DB.Connx(waiting)
	if err != nil {
		if waiting.Err() != nil && r.store.DB.Stats().InUse >= r.store.DB.Stats().MaxOpenConnections {
			return false, errBusy
		}
		return false, fmt.Errorf("connect to the replica: %w", err)
	}
	defer func() { _ = conn.Close() }() // back to the pool
	// The transaction ends with its context: when the replica does not answer in time, but not any more once it has.
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	inTime := context.AfterFunc(waiting, cancel)
	first := &settings{statements: r.store.limits.beginStatements(organization, isolation), reach: reachOf(ctx)}
	begun, err := conn.BeginTxx(context.WithValue(within, settingsKey{}, first), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return false, fmt.Errorf("begin on the replica: %w", err)
	}
	err = r.store.within(within, begun, first, organization, func(tx *Tx) error {
		var follows bool
		row := tx.QueryRowContext(within, `SELECT pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn() >= '0/0'::pg_lsn + $1::numeric, false)`, fmt.Sprint(uint64(after)))
		if err := row.Scan(&follows, &there); err != nil {
			return err
		}
		switch {
		case !inTime():
			return errNotInTime
		case !follows:
			return errNoReplica
		case !there:
			return errBehind
		}
		return work(tx)
	})
	switch {
	case errors.Is(err, errBehind):
		return false, nil
	case endedForTime(within, err):
		return there, timedOut(err) // as it would be by the primary
	}
	var refusal *domain.Error
	if err == nil || errors.As(err, &refusal) && refusal.RetryAfter == 0 {
		return there, err
	}
	// Its text alone: a refusal within, such as of a database that is starting, is the replica's and not the answer.
	return false, fmt.Errorf("%w: %s", errUnreadable, err.Error())
}
