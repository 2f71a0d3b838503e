package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// AssignmentsRequest asks for a change of who serves whom (A1 to A18).
type AssignmentsRequest struct {
	Kind             domain.RunKind // manage_assignments, assign_staff or remove_staff: decides who may
	Selection        domain.Selection
	Change           domain.AssignmentChange
	ExpectedRevision *string
	DryRun           bool
	Async            bool
	Reason           *string
	Body             json.RawMessage // as it was asked
	// ChangePointer is where in the body the change stands.
	ChangePointer string
	Key           *Key
}

// ChangeAssignments plans and applies a change whole or not at all (A14). A dry run goes the same way without applying
// (A16). An asynchronous one is checked as far as that is quick, frozen, and left to a worker.
func (a *App) ChangeAssignments(ctx context.Context, caller domain.Caller, request AssignmentsRequest) (run domain.Run, replayed bool, err error) {
	isolation, key := postgres.Working, request.Key
	if request.DryRun {
		isolation, key = postgres.Snapshot, nil
	}
	var people chosen
	place := a.placeFor(caller)
	defer place.leave()
	err = a.store.InTx(ctx, caller.Organization, isolation, func(tx *postgres.Tx) (err error) {
		run, replayed, err = onceIn(ctx, a, tx, caller, key, func(tx *postgres.Tx) (domain.Run, error) {
			if people, err = stage(ctx, "lock", func(ctx context.Context) (chosen, error) {
				return a.chooseToChange(ctx, tx, caller, request, place)
			}); err != nil {
				return domain.Run{}, err
			}
			if request.Async && !request.DryRun {
				return a.enqueue(ctx, tx, caller, request, people)
			}
			return a.changeNow(ctx, tx, caller, request, people.each)
		})
		return err
	})
	return run, replayed, a.explain(ctx, caller, people, err)
}

// chooseToChange resolves the selection of a change that the caller may make. The people are locked where it is made within the request:
// for administrators, who may always, at once, for others once it is known that they may.
func (a *App) chooseToChange(ctx context.Context, tx *postgres.Tx, caller domain.Caller, request AssignmentsRequest, place *place) (people chosen, err error) {
	holds := []hold{nil}
	if !request.DryRun && !request.Async {
		holds = append(holds, place.take)
	}
	if caller.IsAdministrator() {
		holds = holds[len(holds)-1:]
	}
	for _, hold := range holds {
		if people, err = a.choose(ctx, tx, caller, request.Selection, hold); err != nil {
			return people, err
		}
		if err := checkMay(caller, request.Kind, people.kinds); err != nil {
			return people, err
		}
	}
	return people, nil
}

// checkMay decides who may: the older actions need the staff permission (A18), the others those of the people (A2).
func checkMay(caller domain.Caller, kind domain.RunKind, kinds domain.SelectionKinds) error {
	switch kind {
	case domain.RunAssignStaff, domain.RunRemoveStaff:
		return domain.CheckOlderAction(caller)
	case domain.RunManageAssignments:
		return domain.CheckManage(caller, kinds)
	case domain.RunReassignWork, domain.RunUndo: // have rules of their own
	}
	return fmt.Errorf("%q is no change of assignments", kind)
}

// explain adds to a refusal, where the caller has to decide again, the summary as it is now.
func (a *App) explain(ctx context.Context, caller domain.Caller, people chosen, err error) error {
	var refusal *domain.Error
	if !errors.As(err, &refusal) || !refusal.Summarize {
		return err
	}
	summaryErr := a.store.InTx(ctx, caller.Organization, postgres.Snapshot, func(tx *postgres.Tx) (err error) {
		if people.each, err = tx.PeopleByID(ctx, caller, people.people, false); err != nil {
			return err
		}
		summary, err := a.summarize(ctx, tx, caller, people)
		refusal.Summary = &summary
		return err
	})
	if summaryErr != nil {
		return fmt.Errorf("summarize what was refused: %w", summaryErr)
	}
	return err
}

func (a *App) newRun(caller domain.Caller, request AssignmentsRequest, people int, now time.Time) domain.Run {
	return domain.Run{
		Kind: request.Kind, Status: domain.RunPreview,
		RequestedBy: self(caller),
		RequestedAt: now, Reason: request.Reason, Request: request.Body, Total: people,
	}
}

// changeNow carries the change out within the request.
func (a *App) changeNow(ctx context.Context, tx *postgres.Tx, caller domain.Caller, request AssignmentsRequest, people []postgres.ChosenPerson) (domain.Run, error) {
	run := a.newRun(caller, request, len(people), a.instant())
	decide := a.assignmentsDecision(tx, caller, assignmentsWish{request.Change, request.ExpectedRevision, request.ChangePointer}, people)
	return a.carryOutNow(ctx, tx, caller, run, request.DryRun, decide)
}

// carryOutNow carries a run out within the request, or shows what it would do.
func (a *App) carryOutNow(ctx context.Context, tx *postgres.Tx, caller domain.Caller, run domain.Run, dryRun bool, decide decide) (domain.Run, error) {
	run.StartedAt = &run.RequestedAt
	if !dryRun {
		run.ID = newID()
	}
	return a.carryOut(ctx, tx, caller, run, decide, func(domain.Run, int) error { return nil })
}

// assignmentsWish is what a worker needs to know to carry out a change that was asked for earlier.
type assignmentsWish struct {
	Change           domain.AssignmentChange
	ExpectedRevision *string
	ChangePointer    string // where in the body the change stood
}

// decision is what a run is to do, decided on the facts as they are.
type decision struct {
	plan     *domain.Plan
	revision *string // of the facts
	total    int     // of the run's progress
	received domain.Received
}

// decide reads the facts, locked where the plan is to be applied, and plans.
type decide func(ctx context.Context, lock bool) (decision, error)

func (a *App) assignmentsDecision(tx *postgres.Tx, caller domain.Caller, wish assignmentsWish, people []postgres.ChosenPerson) decide {
	return func(ctx context.Context, lock bool) (decision, error) {
		facts, err := stage(ctx, "facts", func(ctx context.Context) (*domain.AssignmentFacts, error) {
			return tx.AssignmentFacts(ctx, people, wish.Change.StaffIDs, wish.Change.IncludeIntakeTasks, lock)
		})
		if err != nil {
			return decision{}, err
		}
		revision := domain.Revision(facts)
		if err := checkRevision(wish.ExpectedRevision, revision); err != nil {
			return decision{}, err
		}
		plan, err := stage(ctx, "plan", func(ctx context.Context) (*domain.Plan, error) {
			return a.planAssignments(ctx, tx, caller, facts, wish.Change)
		})
		if err != nil {
			return decision{}, below(wish.ChangePointer, err)
		}
		zone, err := caller.Zone()
		if err != nil {
			return decision{}, err
		}
		return decision{plan, &revision, len(people), domain.Received{Due: facts.Due(zone)}}, nil
	}
}

// The stages of a change, of which progress tells.
const (
	stagePlanned = iota + 1
	stageApplied
	stageRecorded
)

// carryOut is the one way of every run: facts, plan, apply, record, tell. A preview leaves out what writes; it has no id. It
// answers with the run as who asks may see it. reached is told of each stage, and may end the run.
func (a *App) carryOut(ctx context.Context, tx *postgres.Tx, caller domain.Caller, run domain.Run, decide decide, reached func(run domain.Run, stage int) error) (domain.Run, error) {
	preview := run.ID == uuid.Nil
	describeRun(ctx, run)
	decided, err := decide(ctx, !preview)
	if err != nil {
		return run, err
	}
	plan := decided.plan
	run.Revision, run.Totals, run.Total, run.Done = decided.revision, plan.Totals, decided.total, decided.total
	if preview {
		run.FinishedAt = new(a.instant())
		return seenBy(run, plan), nil
	}
	if err := reached(seenBy(run, plan), stagePlanned); err != nil {
		return run, err
	}
	if err := inStage(ctx, "apply", func(ctx context.Context) error { return tx.Apply(ctx, plan, *run.StartedAt) }); err != nil {
		return run, fmt.Errorf("apply: %w", err)
	}
	if err := reached(seenBy(run, plan), stageApplied); err != nil {
		return run, err
	}
	run.Status, run.FinishedAt = domain.RunSucceeded, new(a.instant())
	run.UndoUntil = domain.UndoUntilOf(run.Kind, run.Status, run.FinishedAt)
	if err := inStage(ctx, "record", func(ctx context.Context) error { return a.record(ctx, tx, caller, run, decided) }); err != nil {
		return run, err
	}
	tx.OnCommit(func() { a.metrics.ran(run, len(plan.Items)) })
	return seenBy(run, plan), reached(run, stageRecorded)
}

// record writes what a run did: itself, its items with their audit rows, and what staff are told.
func (a *App) record(ctx context.Context, tx *postgres.Tx, caller domain.Caller, run domain.Run, decided decision) error {
	stamp := postgres.AuditStamp{At: *run.FinishedAt, StaffID: caller.StaffID, RequestID: caller.RequestID, Reason: run.Reason, Action: string(run.Kind), RunID: run.ID}
	if err := tx.RecordRun(ctx, run, decided.plan.Items, stamp, newID); err != nil {
		return err
	}
	return a.notify(ctx, tx, domain.Notices(decided.plan, decided.received), caller.StaffID, run.ID, *run.FinishedAt)
}

// seenBy is a run without what is hidden from who asked for it (B5).
func seenBy(run domain.Run, plan *domain.Plan) domain.Run {
	return run.Without(plan.Hidden)
}

// checkRevision refuses a decision that rests on other facts than there are (A15).
func checkRevision(expected *string, revision string) error {
	if expected == nil || *expected == revision {
		return nil
	}
	refusal := domain.Refuse(domain.CodeRevisionStale, "What the summary spoke of has changed since. Look at the new summary, and decide again.")
	refusal.Summarize = true
	return refusal
}

func (a *App) planAssignments(ctx context.Context, tx *postgres.Tx, caller domain.Caller, facts *domain.AssignmentFacts, change domain.AssignmentChange) (*domain.Plan, error) {
	intake := domain.Intake{NewID: newID}
	if change.IncludeIntakeTasks {
		var err error
		if intake.Template, err = tx.IntakeTemplate(ctx, false); err != nil {
			return nil, err
		}
		if intake.Today, err = caller.Today(a.now()); err != nil {
			return nil, fmt.Errorf("today in the organization: %w", err)
		}
	}
	return domain.PlanAssignments(facts, change, intake)
}

// below tells where in the body the change stood that a refusal points into.
func below(pointer string, err error) error {
	var refusal *domain.Error
	if errors.As(err, &refusal) {
		return refusal.Below(pointer)
	}
	return err
}
