package app

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// UndoRequest asks for a run to be undone (B11).
type UndoRequest struct {
	DryRun bool
	Async  bool
	Reason *string
	Body   json.RawMessage // as it was asked
	Key    *Key
}

// UndoRun restores what still is as a run left it, by a run of its own (B11). Those who asked for the run and
// administrators may, as far as they may do now what it did.
func (a *App) UndoRun(ctx context.Context, caller domain.Caller, id uuid.UUID, request UndoRequest) (run domain.Run, replayed bool, err error) {
	isolation, key := postgres.Working, request.Key
	if request.DryRun {
		isolation, key = postgres.Snapshot, nil
	}
	place := a.placeFor(caller)
	defer place.leave()
	if !request.DryRun && !request.Async {
		if err := place.take(ctx, manyPeople); err != nil { // how much the run did is known only when it is held
			return run, false, err
		}
	}
	err = a.store.InTx(ctx, caller.Organization, isolation, func(tx *postgres.Tx) (err error) {
		run, replayed, err = onceIn(ctx, a, tx, caller, key, func(tx *postgres.Tx) (domain.Run, error) {
			undone, err := a.runToUndo(ctx, tx, caller, id, !request.DryRun)
			if err != nil {
				return domain.Run{}, err
			}
			run := domain.Run{
				Kind: domain.RunUndo, Status: domain.RunPreview, RequestedBy: self(caller), RequestedAt: a.instant(),
				Reason: request.Reason, Request: request.Body, Reverts: &undone.ID,
			}
			if request.Async && !request.DryRun {
				run.ID, run.Status = newID(), domain.RunQueued
				return run, a.leaveToWorker(ctx, tx, run, RunJob{RequestID: caller.RequestID})
			}
			run, err = a.carryOutNow(ctx, tx, caller, run, request.DryRun, a.undoDecision(tx, caller, undone, planUndo))
			if err != nil || request.DryRun {
				return run, err
			}
			return run, tx.MarkReverted(ctx, undone.ID, run.ID, *run.FinishedAt)
		})
		return err
	})
	return run, replayed, err
}

// runToUndo reads a run that the caller may undo and that can be undone now. With hold nobody else undoes it until the transaction
// ends.
func (a *App) runToUndo(ctx context.Context, tx *postgres.Tx, caller domain.Caller, id uuid.UUID, hold bool) (domain.Run, error) {
	find := tx.Run
	if hold {
		find = tx.HoldRun
	}
	undone, err := find(ctx, id)
	if err != nil {
		return domain.Run{}, err
	}
	if err := checkOwn(caller, undone); err != nil {
		return domain.Run{}, err
	}
	if err := a.checkMayUndo(ctx, tx, caller, undone); err != nil {
		return domain.Run{}, err
	}
	return undone, domain.CheckUndo(undone, a.now())
}

// checkMayUndo decides whether the caller may do now what the run did.
func (a *App) checkMayUndo(ctx context.Context, tx *postgres.Tx, caller domain.Caller, undone domain.Run) error {
	switch undone.Kind {
	case domain.RunReassignWork:
		return domain.CheckReassign(caller)
	case domain.RunManageAssignments, domain.RunAssignStaff, domain.RunRemoveStaff:
		kinds, err := tx.KindsOfRun(ctx, undone.ID)
		if err != nil {
			return err
		}
		return checkMay(caller, undone.Kind, kinds)
	case domain.RunUndo:
	}
	return nil // cannot be undone by anybody
}

func (a *App) undoTaken(ctx context.Context, tx *postgres.Tx, caller domain.Caller, run domain.Run, job RunJob, reached func(domain.Run, int) error) error {
	plan := planUndo
	if job.Returns {
		plan = domain.PlanReturn
	}
	undone, err := tx.HoldRun(ctx, *run.Reverts)
	if err != nil {
		return err
	}
	switch {
	case job.Returns && undone.RevertedBy != nil:
		return errCancelled // undone meanwhile: there is nothing left to return
	case job.Returns:
	default:
		if err := a.checkMayUndo(ctx, tx, caller, undone); err != nil {
			return err
		}
		if err := domain.CheckUndo(undone, a.now()); err != nil {
			return err
		}
	}
	done, err := a.carryOut(ctx, tx, caller, run, a.undoDecision(tx, caller, undone, plan), reached)
	if err != nil {
		return err
	}
	return tx.MarkReverted(ctx, undone.ID, done.ID, *done.FinishedAt)
}

func planUndo(facts *domain.UndoFacts) (*domain.Plan, error) { return domain.PlanUndo(facts), nil }

func (a *App) undoDecision(tx *postgres.Tx, caller domain.Caller, undone domain.Run, plan func(*domain.UndoFacts) (*domain.Plan, error)) decide {
	return func(ctx context.Context, lock bool) (decision, error) {
		zone, err := caller.Zone()
		if err != nil {
			return decision{}, err
		}
		var received domain.Received
		facts, err := stage(ctx, "facts", func(ctx context.Context) (facts *domain.UndoFacts, err error) {
			facts, received, err = tx.UndoFacts(ctx, caller, undone.ID, a.now(), lock)
			return facts, err
		})
		if err != nil {
			return decision{}, err
		}
		planned, err := stage(ctx, "plan", func(context.Context) (*domain.Plan, error) { return plan(facts) })
		if err != nil {
			return decision{}, err
		}
		received.Due.Zone, received.Losers = zone, true
		return decision{plan: planned, total: len(planned.Items), received: received}, nil
	}
}
