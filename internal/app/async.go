package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// RunJob is a run left to a worker. It carries the wish of its kind; the people of a change of assignments are frozen in the
// run's selection.
type RunJob struct {
	Organization     uuid.UUID               `json:"organization_id"`
	Run              uuid.UUID               `json:"run_id"`
	RequestID        string                  `json:"request_id"`
	Change           domain.AssignmentChange `json:"change"`
	ChangePointer    string                  `json:"change_pointer"`
	ExpectedRevision *string                 `json:"expected_revision,omitempty"`
	Work             *domain.WorkWish        `json:"work,omitempty"`    // of reassign_work
	Returns          bool                    `json:"returns,omitempty"` // of undo: gives back what was lent (B12)
	NotBefore        *time.Time              `json:"not_before,omitempty"`
}

// ErrRunTaken tells that another worker is at the run: whoever that is finishes it.
var ErrRunTaken = errors.New("another worker is at this run")

func (a *App) enqueue(ctx context.Context, tx *postgres.Tx, caller domain.Caller, request AssignmentsRequest, people chosen) (domain.Run, error) {
	selection, err := a.save(ctx, tx, caller, people)
	if err != nil {
		return domain.Run{}, err
	}
	if err := checkStillAsExpected(ctx, tx, people, request.ExpectedRevision); err != nil {
		return domain.Run{}, err
	}
	statuses, err := tx.StaffStatuses(ctx, request.Change.StaffIDs)
	if err != nil {
		return domain.Run{}, err
	}
	if err := domain.CheckNamedStaff(statuses, request.Change); err != nil {
		return domain.Run{}, below(request.ChangePointer, err)
	}
	run := a.newRun(caller, request, len(people.people), a.instant())
	run.ID, run.Status, run.SelectionID = newID(), domain.RunQueued, &selection
	return run, a.leaveToWorker(ctx, tx, run, RunJob{
		RequestID: caller.RequestID, Change: request.Change, ChangePointer: request.ChangePointer, ExpectedRevision: request.ExpectedRevision,
	})
}

// leaveToWorker saves a run that is to be carried out later, with its job.
func (a *App) leaveToWorker(ctx context.Context, tx *postgres.Tx, run domain.Run, job RunJob) error {
	if err := tx.SaveRun(ctx, run); err != nil {
		return err
	}
	job.Organization, job.Run, job.NotBefore = uuid.UUID(tx.Organization), run.ID, run.ScheduledFor
	return a.queueRun(ctx, tx, job)
}

// checkStillAsExpected tells the caller at once where their decision is stale already. The worker looks once more.
func checkStillAsExpected(ctx context.Context, tx *postgres.Tx, people chosen, expected *string) error {
	if expected == nil {
		return nil
	}
	facts, _, err := tx.SummaryFacts(ctx, people.each)
	if err != nil {
		return err
	}
	return checkRevision(expected, domain.Revision(facts))
}

// CarryOutRun does the work of a queued or scheduled run. complete marks the job as done in the transaction of the work, so that the
// two are there together or not at all. A refusal ends the run as failed; every other error, and what may pass by itself,
// leaves it to be tried again.
func (a *App) CarryOutRun(ctx context.Context, job RunJob, complete func(context.Context, *sql.Tx) error) error {
	organization := domain.OrganizationID(job.Organization)
	if err := a.begin(ctx, job, complete); err != nil {
		if errors.Is(err, errNotItsTurn) {
			return nil
		}
		return err
	}
	var ended *domain.Run // by this worker
	err := a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		ended = nil
		run, err := takeRun(ctx, tx, job.Run)
		if err != nil {
			return err
		}
		if !run.Status.Finished() {
			if err := a.carryOutTaken(ctx, tx, run, job); err != nil {
				return err
			}
			run.Status, ended = domain.RunSucceeded, &run
		}
		return a.done(ctx, tx, run.ID, complete)
	})
	var refusal *domain.Error
	switch {
	case err == nil:
		a.tellEnd(ctx, organization, ended)
	case errors.Is(err, errCancelled):
		return a.endRun(ctx, job, complete, a.cancel)
	case errors.As(err, &refusal) && refusal.RetryAfter == 0:
		return a.FailRun(ctx, job, refusal, complete)
	}
	return err
}

// errCancelled ends the work of a run that nobody wants any more.
var errCancelled = errors.New("cancelled")

func (a *App) carryOutTaken(ctx context.Context, tx *postgres.Tx, run domain.Run, job RunJob) error {
	caller, err := a.requester(ctx, tx, run, job)
	if err != nil {
		return err
	}
	reached := func(run domain.Run, stage int) error {
		if stage != stageRecorded {
			asked, err := tx.CancelAsked(ctx, run.ID)
			if err != nil {
				return err
			}
			if asked {
				return errCancelled
			}
		}
		a.tellProgress(ctx, caller.Organization, run, stage)
		return nil
	}
	switch run.Kind {
	case domain.RunManageAssignments, domain.RunAssignStaff, domain.RunRemoveStaff:
		return a.changeTaken(ctx, tx, caller, run, job, reached)
	case domain.RunReassignWork:
		return a.reassignTaken(ctx, tx, caller, run, job, reached)
	case domain.RunUndo:
		return a.undoTaken(ctx, tx, caller, run, job, reached)
	}
	return fmt.Errorf("unknown kind of run %q", run.Kind)
}

func (a *App) changeTaken(ctx context.Context, tx *postgres.Tx, caller domain.Caller, run domain.Run, job RunJob, reached func(domain.Run, int) error) error {
	people, err := stage(ctx, "lock", func(ctx context.Context) ([]postgres.ChosenPerson, error) {
		return tx.PeopleOfSelection(ctx, *run.SelectionID, true)
	})
	if err != nil {
		return err
	}
	var kinds domain.SelectionKinds
	for _, person := range people {
		kinds.Add(person.Kind)
	}
	if err := checkMay(caller, run.Kind, kinds); err != nil {
		return err
	}
	decide := a.assignmentsDecision(tx, caller, assignmentsWish{job.Change, job.ExpectedRevision, job.ChangePointer}, people)
	_, err = a.carryOut(ctx, tx, caller, run, decide, reached)
	return err
}

// requester is who asked for the run, with what they may do now. What was lent goes back whatever has become of them: that was
// agreed when it was lent (B12).
func (a *App) requester(ctx context.Context, tx *postgres.Tx, run domain.Run, job RunJob) (domain.Caller, error) {
	staff, err := tx.StaffMember(ctx, run.RequestedBy.ID, false)
	if err != nil {
		return domain.Caller{}, err
	}
	if staff.Status != domain.StaffActive && !job.Returns {
		return domain.Caller{}, domain.Denied("Who asked for this run has been deactivated since.")
	}
	organization, err := tx.OrganizationOf(ctx)
	if err != nil {
		return domain.Caller{}, err
	}
	return domain.Caller{
		Organization: tx.Organization, TimeZone: organization.TimeZone, StaffID: staff.ID, Name: staff.Name(),
		Role: staff.Role, Permissions: staff.Permissions, RequestID: job.RequestID,
	}, nil
}

func takeRun(ctx context.Context, tx *postgres.Tx, id uuid.UUID) (domain.Run, error) {
	taken, err := tx.LockRun(ctx, id)
	if err != nil {
		return domain.Run{}, err
	}
	if !taken {
		return domain.Run{}, ErrRunTaken
	}
	return tx.Run(ctx, id)
}

// FailRun ends a run as failed, with the reason its requester would have been told had they waited; now they are notified.
func (a *App) FailRun(ctx context.Context, job RunJob, refusal *domain.Error, complete func(context.Context, *sql.Tx) error) error {
	return a.endRun(ctx, job, complete, func(ctx context.Context, tx *postgres.Tx, run domain.Run) (domain.Run, error) {
		run.Status, run.FinishedAt = domain.RunFailed, new(a.instant())
		run.Error = &domain.RunError{Code: refusal.Code, Detail: refusal.Detail, Params: refusal.Params, Fields: refusal.Fields}
		if err := tx.SaveRun(ctx, run); err != nil {
			return run, err
		}
		tx.OnCommit(func() { a.metrics.ran(run, 0) })
		failed := []domain.Notice{{Kind: domain.NoticeRunFailed, Receiver: run.RequestedBy.ID}}
		return run, a.notify(ctx, tx, failed, run.RequestedBy.ID, run.ID, *run.FinishedAt)
	})
}

// endRun ends a run without its work, unless it has ended already, and its job.
func (a *App) endRun(ctx context.Context, job RunJob, complete func(context.Context, *sql.Tx) error, end func(context.Context, *postgres.Tx, domain.Run) (domain.Run, error)) error {
	organization := domain.OrganizationID(job.Organization)
	var ended *domain.Run // by this worker
	err := a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		ended = nil
		run, err := takeRun(ctx, tx, job.Run)
		if err != nil {
			return err
		}
		if !run.Status.Finished() {
			if run, err = end(ctx, tx, run); err != nil {
				return err
			}
			ended = &run
		}
		return a.done(ctx, tx, run.ID, complete)
	})
	if err == nil {
		a.tellEnd(ctx, organization, ended)
	}
	return err
}

// done marks the job of a run that has ended as done, and gives its turn to the next. It is the last that a transaction does.
func (a *App) done(ctx context.Context, tx *postgres.Tx, run uuid.UUID, complete func(context.Context, *sql.Tx) error) error {
	if err := complete(ctx, tx.Tx.Tx); err != nil {
		return err
	}
	return a.giveTurns(ctx, tx, run)
}

// tellEnd writes the one line of a run that a worker has ended, if it was this one. Nobody's name and no reason stand in it.
func (a *App) tellEnd(ctx context.Context, organization domain.OrganizationID, run *domain.Run) {
	if run == nil {
		return
	}
	attributes := []slog.Attr{
		slog.String("kind", string(run.Kind)), slog.String("run_id", run.ID.String()), slog.String("organization_id", uuid.UUID(organization).String()),
		slog.String("staff_id", run.RequestedBy.ID.String()), slog.String("status", string(run.Status)),
	}
	if run.StartedAt != nil {
		attributes = append(attributes, slog.Float64("duration_ms", float64(a.now().Sub(*run.StartedAt).Microseconds())/1000))
	}
	if run.Error != nil {
		attributes = append(attributes, slog.String("code", string(run.Error.Code)))
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "run", attributes...)
}

// progressPatience is how long telling progress may take: the work does not wait for it.
const progressPatience = time.Second

// tellProgress writes how far a run is, outside the transaction of its work. That it failed is no reason to stop.
func (a *App) tellProgress(ctx context.Context, organization domain.OrganizationID, run domain.Run, stage int) {
	if stage == stageRecorded {
		return // the work's own transaction has written that it is done
	}
	ctx, cancel := context.WithTimeout(ctx, progressPatience)
	defer cancel()
	err := a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		return tx.SaveProgress(ctx, run.ID, run.Total*stage/stageRecorded, run.Total)
	})
	if err != nil {
		a.log.WarnContext(ctx, "progress of a run could not be written", "run_id", run.ID, "error", err)
	}
}
