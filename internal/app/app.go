// Package app holds the use cases, a method each. It owns the transactions: lock, read facts, plan, apply, record.
package app

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/live"
	"handover/internal/postgres"
)

// App is the service without its surface: what HTTP, the worker and the command line call.
type App struct {
	store   *postgres.Store
	now     func() time.Time
	queue   Queue
	log     *slog.Logger
	metrics *metrics
	hub     *live.Hub[postgres.Receiver] // of those who follow their notifications
	pace    pace                         // of theirs

	runsAtOnce int              // of an organization, left to workers
	places     *postgres.Shares // of the organizations in the large changes within requests

	ending  chan struct{} // closed when the process ends
	endOnce sync.Once

	invitationLink string      // with {token}
	passwords      *passwords  // of those who sign in
	mailKeys       [][]byte    // of the tokens of invitations in the queue: the first seals, each may open
	cases          caseSystems // read, and never within a transaction
	issuers        Issuers     // nil: no tokens of theirs are taken
	uses           *tokenUses
}

// Queue is where work that outlives the request goes. The job commits with the transaction.
type Queue interface {
	// EnqueueRun leaves a run. One that waits is taken by nobody before it is called.
	EnqueueRun(ctx context.Context, tx *sql.Tx, job RunJob, wait bool) (id int64, err error)
	// CallRuns lets waiting runs be taken, by the ids of their jobs.
	CallRuns(ctx context.Context, tx *sql.Tx, ids []int64) error
	// EnqueueMails leaves a mail for each of the notifications.
	EnqueueMails(ctx context.Context, tx *sql.Tx, organization uuid.UUID, notifications []uuid.UUID) error
	// EnqueueInvitation leaves the mail of an invitation.
	EnqueueInvitation(ctx context.Context, tx *sql.Tx, job InvitationJob) error
	// EnqueueCaMSPulls leaves a pull for each organization that has none waiting or at work.
	EnqueueCaMSPulls(ctx context.Context, tx *sql.Tx, jobs []CaMSPullJob) error
	// EnqueueCaMSSyncs leaves a sync for each record that has none waiting or at work.
	EnqueueCaMSSyncs(ctx context.Context, tx *sql.Tx, jobs []CaMSSyncJob) error
}

// New wires an App. now is the clock.
func New(store *postgres.Store, queue Queue, now func() time.Time, log *slog.Logger) *App {
	a := &App{store: store, now: now, queue: queue, log: log, pace: usualPace, ending: make(chan struct{})}
	a.BoundRuns(usualRunsAtOnce)
	a.hub = newHub(a)
	a.uses = newTokenUses(a)
	a.setAccess(ownAccess())
	a.metrics = newMetrics(a)
	return a
}

// The database's view of things that the surface shows as they are.
type (
	// APIToken is a credential of a staff member, without its secret.
	APIToken = postgres.APIToken
	// AuditEvent is one change as the trail tells it.
	AuditEvent = postgres.AuditEvent
	// Selection is a frozen set of people.
	Selection = postgres.Selection
	// QueuedJobs are unfinished jobs of one queue, kind and state.
	QueuedJobs = postgres.QueuedJobs
	// PositionedItem is an item of a run with its place in the run's order.
	PositionedItem = postgres.PositionedItem
	// Reach is how far into the past a request may read, and how far it has seen.
	Reach = postgres.Reach
)

// newID makes a UUID of version 7 (RFC 9562): ids made later sort later.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// instant is now as the database keeps it: in UTC, to the microsecond.
func (a *App) instant() time.Time { return a.now().UTC().Truncate(time.Microsecond) }

// WithReach has the reads of a request see what reach tells them to, and come from a replica where they may.
func WithReach(ctx context.Context, reach *Reach) context.Context {
	return postgres.WithReach(ctx, reach)
}

// HasReplica tells whether reads may come from a replica, and so whether positions have a use.
func (a *App) HasReplica() bool { return a.store.HasReplica() }

// read runs work in a transaction that changes nothing, on a replica where the request may be answered from one. work may be
// called again.
func read[T any](ctx context.Context, a *App, caller domain.Caller, work func(*postgres.Tx) (T, error)) (result T, err error) {
	err = a.store.Read(ctx, caller.Organization, postgres.Reading, func(tx *postgres.Tx) error {
		result, err = work(tx)
		return err
	})
	return result, err
}

// Listing is a page of a list.
type Listing[T any] struct {
	Items []T
	More  bool // there is a next page
	Total *int // where it was asked for
}

// cut makes a page of what was read: one more than limit tells that there is more.
func cut[T any](items []T, limit int) Listing[T] {
	if len(items) > limit {
		return Listing[T]{Items: items[:limit], More: true}
	}
	return Listing[T]{Items: items}
}

// list reads a page and, where it is asked for, the total.
func list[T any](ctx context.Context, a *App, caller domain.Caller, page domain.Page, withTotal bool,
	items func(*postgres.Tx) ([]T, error), total func(*postgres.Tx) (int, error),
) (Listing[T], error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (Listing[T], error) {
		found, err := items(tx)
		if err != nil {
			return Listing[T]{}, err
		}
		listing := cut(found, page.Limit)
		if withTotal {
			count, err := total(tx)
			if err != nil {
				return Listing[T]{}, err
			}
			listing.Total = &count
		}
		return listing, nil
	})
}

// stamp is what the audit rows of a single change carry.
func (a *App) stamp(caller domain.Caller, action string, now time.Time) postgres.AuditStamp {
	return postgres.AuditStamp{At: now, StaffID: caller.StaffID, RequestID: caller.RequestID, Action: action}
}

// checkMatch refuses a write whose If-Match names another version (RFC 9110 section 13.1.1). * stands for any.
func checkMatch(ifMatch string, fields any) error {
	if ifMatch == "*" || ifMatch == domain.Version(fields) {
		return nil
	}
	return domain.Refuse(domain.CodePreconditionFailed, "It has changed since you read it. Read it again, and decide again.")
}

// self is the caller as resources show one: whoever calls is active.
func self(caller domain.Caller) domain.StaffRef {
	return domain.StaffRef{ID: caller.StaffID, Name: caller.Name, Status: domain.StaffActive}
}

// SweepExpired deletes expired selections, stored answers and sessions, of every organization.
func (a *App) SweepExpired(ctx context.Context) error { return a.store.SweepExpired(ctx, a.instant()) }

// upsert runs work, which finds something by its external id or makes it. Where somebody else makes it at the same
// time, work is run once more, and finds it.
func upsert(work func() error) error {
	err := work()
	var refusal *domain.Error
	if errors.As(err, &refusal) && refusal.Code == domain.CodeExternalIDTaken {
		return work()
	}
	return err
}
