package app

import (
	"context"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// CancelRequest asks for a run not to be carried out.
type CancelRequest struct {
	DryRun bool
	Reason *string
	Key    *Key
}

// CancelRun ends a run that has not been applied yet. One that works just now is asked to stop, and waited for: the answer is
// what became of it. Those who asked for the run and administrators may.
func (a *App) CancelRun(ctx context.Context, caller domain.Caller, id uuid.UUID, request CancelRequest) (run domain.Run, replayed bool, err error) {
	if request.DryRun {
		run, err = a.Run(ctx, caller, id)
		if err == nil {
			err = checkNotEnded(run)
		}
		run.ID, run.Status, run.FinishedAt = uuid.Nil, domain.RunPreview, new(a.instant())
		return run, false, err
	}
	found, err := a.askToCancel(ctx, caller, id)
	if err != nil {
		return domain.Run{}, false, err
	}
	return once(ctx, a, caller, request.Key, func(tx *postgres.Tx) (domain.Run, error) {
		if err := checkNotEnded(found); err != nil {
			return domain.Run{}, err
		}
		run, err := tx.HoldRun(ctx, id)
		if err != nil {
			return domain.Run{}, err
		}
		if run.Status != domain.RunCancelled { // the worker has not stopped of itself
			if err := checkNotEnded(run); err != nil {
				return domain.Run{}, err
			}
			if run, err = a.cancel(ctx, tx, run); err != nil {
				return domain.Run{}, err
			}
		}
		stamp := a.stamp(caller, "run_cancelled", *run.FinishedAt)
		stamp.Reason = request.Reason
		return run, tx.Audit(ctx, newID(), stamp, "run", run.ID, statusOf(found), statusOf(run))
	})
}

// askToCancel tells the worker of a run that it is no longer wanted, and reads the run as it is.
func (a *App) askToCancel(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Run, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (domain.Run, error) {
		run, err := ownRun(ctx, tx, caller, id)
		if err != nil || run.Status.Finished() {
			return run, err
		}
		return run, tx.AskToCancel(ctx, id)
	})
}

// cancel ends a held run that has done nothing.
func (a *App) cancel(ctx context.Context, tx *postgres.Tx, run domain.Run) (domain.Run, error) {
	run.Status, run.FinishedAt = domain.RunCancelled, new(a.instant())
	tx.OnCommit(func() { a.metrics.ran(run, 0) })
	return run, tx.SaveRun(ctx, run)
}

func checkNotEnded(run domain.Run) error {
	if !run.Status.Finished() {
		return nil
	}
	return domain.Refuse(domain.CodeRunFinished, "The run has ended already: it is %s. What it changed can be undone.", run.Status).
		With("status", run.Status)
}

// statusOf is what the audit trail tells of a run whose status was changed.
func statusOf(run domain.Run) map[string]any { return map[string]any{"status": run.Status} }
