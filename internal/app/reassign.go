package app

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// ReassignRequest asks for the work of one staff member to go to others (B1 to B12).
type ReassignRequest struct {
	Wish             domain.WorkWish
	RunAt            *time.Time // later, instead of now (B12)
	ReturnAt         *time.Time // when it goes back (B12)
	ExpectedRevision *string
	DryRun           bool
	Async            bool
	Reason           *string
	Body             json.RawMessage // as it was asked
	Key              *Key
}

// ReassignWork hands over a leaver's work whole or not at all. A dry run goes the same way without applying (A16). What is
// asynchronous, or set for later, is checked as far as it can be now, and planned by a worker when it runs.
func (a *App) ReassignWork(ctx context.Context, caller domain.Caller, request ReassignRequest) (run domain.Run, replayed bool, err error) {
	if err := domain.CheckReassign(caller); err != nil {
		return run, false, err
	}
	if err := domain.CheckWorkWish(request.Wish); err != nil {
		return run, false, err
	}
	isolation, key := postgres.Working, request.Key
	if request.DryRun {
		isolation, key = postgres.Snapshot, nil
	}
	place := a.placeFor(caller)
	defer place.leave()
	if !request.DryRun && !request.Async && request.RunAt == nil {
		if err := place.take(ctx, manyPeople); err != nil { // how much a leaver holds is known only when it is locked
			return run, false, err
		}
	}
	err = a.store.InTx(ctx, caller.Organization, isolation, func(tx *postgres.Tx) (err error) {
		run, replayed, err = onceIn(ctx, a, tx, caller, key, func(tx *postgres.Tx) (domain.Run, error) {
			// Whoever repeats a request with its key when its times have passed gets its answer all the same.
			if err := domain.CheckSchedule(request.RunAt, request.ReturnAt, a.now()); err != nil {
				return domain.Run{}, err
			}
			run := domain.Run{
				Kind: domain.RunReassignWork, Status: domain.RunPreview, RequestedBy: self(caller), RequestedAt: a.instant(),
				Reason: request.Reason, Request: request.Body, ScheduledFor: request.RunAt, ReturnAt: request.ReturnAt,
			}
			decide := a.workDecision(tx, caller, request.Wish, request.ExpectedRevision)
			if !request.DryRun && (request.Async || request.RunAt != nil) {
				return a.reassignLater(ctx, tx, caller, run, request, decide)
			}
			if run, err = a.carryOutNow(ctx, tx, caller, run, request.DryRun, decide); err != nil || request.DryRun {
				return run, err
			}
			return run, a.lend(ctx, tx, run)
		})
		return err
	})
	return run, replayed, err
}

// reassignLater leaves the work to a worker. A stale decision is told at once; a run for later is planned on what there is
// then, whatever the revision.
func (a *App) reassignLater(ctx context.Context, tx *postgres.Tx, caller domain.Caller, run domain.Run, request ReassignRequest, decide decide) (domain.Run, error) {
	if request.ExpectedRevision != nil {
		if _, err := decide(ctx, false); err != nil {
			return domain.Run{}, err
		}
	} else {
		statuses, err := tx.StaffStatuses(ctx, request.Wish.Named())
		if err != nil {
			return domain.Run{}, err
		}
		if err := domain.CheckSuccessors(statuses, request.Wish); err != nil {
			return domain.Run{}, err
		}
	}
	run.ID, run.Status = newID(), domain.RunQueued
	job := RunJob{RequestID: caller.RequestID, Work: &request.Wish, ExpectedRevision: request.ExpectedRevision}
	if run.ScheduledFor != nil {
		run.Status, job.ExpectedRevision = domain.RunScheduled, nil
	}
	return run, a.leaveToWorker(ctx, tx, run, job)
}

func (a *App) reassignTaken(ctx context.Context, tx *postgres.Tx, caller domain.Caller, run domain.Run, job RunJob, reached func(domain.Run, int) error) error {
	if err := domain.CheckReassign(caller); err != nil {
		return err
	}
	run, err := a.carryOut(ctx, tx, caller, run, a.workDecision(tx, caller, *job.Work, job.ExpectedRevision), reached)
	if err != nil {
		return err
	}
	return a.lend(ctx, tx, run)
}

func (a *App) workDecision(tx *postgres.Tx, caller domain.Caller, wish domain.WorkWish, expected *string) decide {
	return func(ctx context.Context, lock bool) (decision, error) {
		now := a.instant()
		today, err := caller.Today(now)
		if err != nil {
			return decision{}, fmt.Errorf("today in the organization: %w", err)
		}
		zone, err := caller.Zone()
		if err != nil {
			return decision{}, fmt.Errorf("time zone of the organization: %w", err)
		}
		facts, err := stage(ctx, "facts", func(ctx context.Context) (*domain.WorkFacts, error) {
			return tx.WorkFacts(ctx, caller, wish, now, lock)
		})
		if err != nil {
			return decision{}, err
		}
		revision := domain.WorkRevision(facts, wish, now)
		if expected != nil && *expected != revision {
			return decision{}, domain.Refuse(domain.CodeRevisionStale,
				"The expected revision is not that of this request, or the work has changed since. Look at a new preview, and decide again.")
		}
		plan, err := stage(ctx, "plan", func(context.Context) (*domain.Plan, error) { return domain.PlanWork(facts, wish, today, now) })
		if err != nil {
			return decision{}, err
		}
		return decision{plan, &revision, len(plan.Items), facts.Received(wish, zone)}, nil
	}
}

// lend sees to it that what was lent goes back when its time has come (B12): by a run of its own, which can be seen and
// cancelled until then.
func (a *App) lend(ctx context.Context, tx *postgres.Tx, lent domain.Run) error {
	if lent.ReturnAt == nil {
		return nil
	}
	request, err := json.Marshal(map[string]any{"return_of": lent.ID})
	if err != nil {
		return fmt.Errorf("encode the return: %w", err)
	}
	back := domain.Run{
		ID: newID(), Kind: domain.RunUndo, Status: domain.RunScheduled, RequestedBy: lent.RequestedBy, RequestedAt: *lent.FinishedAt,
		Reason: lent.Reason, Request: request, ScheduledFor: lent.ReturnAt, Reverts: &lent.ID,
	}
	return a.leaveToWorker(ctx, tx, back, RunJob{Returns: true})
}

// AwaitRun reads a run as soon as it has ended, or as it is when patience, or the process, has.
func (a *App) AwaitRun(ctx context.Context, caller domain.Caller, id uuid.UUID, patience time.Duration) (domain.Run, error) {
	ended := time.NewTimer(patience)
	defer ended.Stop()
	const lookEvery = 100 * time.Millisecond
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		run, err := a.Run(ctx, caller, id)
		if err != nil || run.Status.Finished() {
			return run, err
		}
		select {
		case <-ctx.Done():
			return run, fmt.Errorf("wait for the run: %w", ctx.Err())
		case <-ended.C:
			return run, nil
		case <-a.ending:
			return run, nil
		case <-look.C:
		}
	}
}
