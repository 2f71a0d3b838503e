package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// usualRunsAtOnce is how many asynchronous runs of an organization are at work at once, whatever the number of workers.
const usualRunsAtOnce = 2

// BoundRuns sets how many asynchronous runs of an organization are at work at once, over all workers, at least one, and how many large
// changes are within requests to this process. It is called before the app is used. The others
// wait: an organization has no more jobs in the queue than may be at work, and gets the next one when one ends. So the queue, first
// come, first served, has the organizations take turns, however many runs one of them has asked for.
func (a *App) BoundRuns(most int) {
	a.runsAtOnce = max(1, most)
	a.places = postgres.NewShares(a.runsAtOnce)
}

// queueRun leaves a run to the workers, or has it wait for its turn.
func (a *App) queueRun(ctx context.Context, tx *postgres.Tx, job RunJob) error {
	wait := false
	if job.NotBefore == nil { // when its time has come, begin decides
		if err := tx.HoldTurns(ctx); err != nil {
			return err
		}
		working, called, err := tx.RunsUnderWay(ctx, job.Run)
		if err != nil {
			return err
		}
		wait = working+called >= a.runsAtOnce
	}
	return a.enqueueRun(ctx, tx, job, wait)
}

func (a *App) enqueueRun(ctx context.Context, tx *postgres.Tx, job RunJob, wait bool) error {
	id, err := a.queue.EnqueueRun(tx.KeepPrepared(ctx), tx.Tx.Tx, job, wait)
	if err != nil {
		return fmt.Errorf("enqueue run: %w", err)
	}
	if !wait {
		return nil
	}
	return tx.WaitForTurn(ctx, job.Run, id)
}

// errNotItsTurn tells that a run waits, as many of its organization being at work as may be.
var errNotItsTurn = errors.New("not its turn")

// begin lets everybody see that the work has begun, before its own transaction does. Where it is not the run's turn, which happens to
// those that were set for a time, its job is done with, and another one waits in its place: errNotItsTurn.
func (a *App) begin(ctx context.Context, job RunJob, complete func(context.Context, *sql.Tx) error) error {
	waits := false
	err := a.store.InTx(ctx, domain.OrganizationID(job.Organization), postgres.Working, func(tx *postgres.Tx) error {
		waits = false
		run, err := takeRun(ctx, tx, job.Run)
		if err != nil || run.Status != domain.RunQueued && run.Status != domain.RunScheduled {
			return err
		}
		if err := tx.HoldTurns(ctx); err != nil {
			return err
		}
		working, _, err := tx.RunsUnderWay(ctx, run.ID)
		if err != nil {
			return err
		}
		if waits = working >= a.runsAtOnce; waits {
			job.NotBefore = nil
			if err := a.enqueueRun(ctx, tx, job, true); err != nil {
				return err
			}
			return complete(ctx, tx.Tx.Tx)
		}
		run.Status, run.StartedAt = domain.RunRunning, new(a.instant())
		return tx.SaveRun(ctx, run)
	})
	if err == nil && waits {
		return errNotItsTurn
	}
	return err
}

// giveTurns makes the jobs of runs available that waited for one to end. It is called in the transaction in which one does.
func (a *App) giveTurns(ctx context.Context, tx *postgres.Tx, ended uuid.UUID) error {
	if err := tx.HoldTurns(ctx); err != nil {
		return err
	}
	jobs, err := tx.TakeTurns(ctx, ended, a.runsAtOnce)
	if err != nil || len(jobs) == 0 {
		return err
	}
	if err := a.queue.CallRuns(tx.KeepPrepared(ctx), tx.Tx.Tx, jobs); err != nil {
		return fmt.Errorf("call runs: %w", err)
	}
	return nil
}

// GiveTurns looks after runs that wait although it is their turn: those whose turn was nobody's to give, such as after the bound was
// raised, or a worker of an earlier version has ended the run before.
func (a *App) GiveTurns(ctx context.Context) error {
	organizations, err := a.store.OrganizationsWaiting(ctx)
	if err != nil {
		return err
	}
	for _, organization := range organizations {
		err := a.store.InTx(ctx, domain.OrganizationID(organization), postgres.Working, func(tx *postgres.Tx) error {
			return a.giveTurns(ctx, tx, uuid.Nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
