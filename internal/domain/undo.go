package domain

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// UndoWindow is how long after its end a run can be undone (B11).
const UndoWindow = 30 * 24 * time.Hour

// UndoFacts is what a run did to its items, and how they are at the moment they were locked.
type UndoFacts struct {
	Items []UndoItem                // what the run changed or created, in its order
	Staff map[uuid.UUID]StaffStatus // of those who had the items before the run
}

// UndoItem is an item that a run changed or created.
type UndoItem struct {
	Kind    ItemKind
	ID      uuid.UUID
	Created bool
	Before  StaffSet // the run
	After   StaffSet // as the run left it
	Now     StaffSet
	Over    bool // it is no work any more: completed, cancelled, closed or past
	Touched bool // a created task has been edited since
	Private bool
	Hidden  bool // from who asks (B5)
}

// PlanUndo restores every item that still is as the run left it, takes back intake tasks that nobody has touched, and
// leaves alone, with the reason, what has changed since (B11). What is private now is withheld (B5).
func PlanUndo(facts *UndoFacts) *Plan {
	plan := &Plan{}
	for _, item := range facts.Items {
		switch {
		case item.Private:
			plan.Totals.WithheldPrivate++
		case !item.Now.Equal(item.After) || item.Touched:
			plan.leaveAlone(item.Kind, item.ID, item.Now, ReasonChangedSince, item.Hidden)
		case item.Over:
			plan.leaveAlone(item.Kind, item.ID, item.Now, ReasonNoLongerActive, item.Hidden)
		case item.Created:
			plan.cancelTask(item.ID, item.Now, item.Hidden)
		default:
			plan.put(item, item.Before)
		}
	}
	return plan
}

// PlanReturn gives back what was lent: what the cover still holds of it goes back to who lent it (B12). Whoever else has
// come to an item stays. Who lent must be active (A13).
func PlanReturn(facts *UndoFacts) (*Plan, error) {
	plan, covers := &Plan{}, coversOf(facts)
	for _, item := range facts.Items {
		lenders, cover := item.Before.Minus(item.After), item.After.Minus(item.Before)
		holding := cover
		if len(cover) == 0 { // who covers had a place already: one of those who got others
			if holding = item.After.Intersect(covers[item.Kind]); len(holding) == 0 {
				holding = item.After
			}
		}
		switch {
		case item.Created || len(lenders) == 0:
			continue
		case item.Private:
			plan.Totals.WithheldPrivate++
		case item.Over:
			plan.leaveAlone(item.Kind, item.ID, item.Now, ReasonNoLongerActive, item.Hidden)
		case !item.Now.Meets(holding):
			plan.leaveAlone(item.Kind, item.ID, item.Now, ReasonChangedSince, item.Hidden)
		default:
			if err := checkLenders(facts.Staff, lenders); err != nil {
				return nil, err
			}
			plan.put(item, item.Now.Minus(cover).Union(lenders))
		}
	}
	return plan, nil
}

// coversOf is everyone who got an item of a kind.
func coversOf(facts *UndoFacts) map[ItemKind]StaffSet {
	covers := make(map[ItemKind]StaffSet)
	for _, item := range facts.Items {
		covers[item.Kind] = covers[item.Kind].Union(item.After.Minus(item.Before))
	}
	return covers
}

func checkLenders(staff map[uuid.UUID]StaffStatus, lenders StaffSet) error {
	for _, id := range lenders {
		if staff[id] != StaffActive {
			return Refuse(CodeStaffNotActive, "Who lent this work has been deactivated since: it stays where it is. Hand it over anew.").
				With("staff_ids", []uuid.UUID{id})
		}
	}
	return nil
}

// put changes who has an item to what it shall be.
func (p *Plan) put(item UndoItem, after StaffSet) {
	if item.Now.Equal(after) {
		p.leaveAlone(item.Kind, item.ID, item.Now, ReasonChangedSince, item.Hidden)
		return
	}
	switch item.Kind {
	case ItemPerson:
		p.addPerson(item.ID, item.Now, after, ReasonNone)
	case ItemTask:
		p.changeTask(item.ID, item.Now, after, ReasonNone, item.Hidden)
	case ItemMatter:
		p.moveMatter(item.ID, item.Now[0], after[0], ReasonNone, item.Hidden)
	case ItemCalendarEvent:
		p.moveEvent(item.ID, item.Now[0], after[0], ReasonNone, item.Hidden)
	default:
		panic(fmt.Sprintf("unknown kind of item %q", item.Kind))
	}
}

// cancelTask takes back a created task: it is cancelled, and nobody holds it any more.
func (p *Plan) cancelTask(id uuid.UUID, held StaffSet, hidden bool) {
	p.TasksCancelled = append(p.TasksCancelled, id)
	p.TasksTaken = appendSeats(p.TasksTaken, id, held, nil)
	p.addItem(PlannedItem{Kind: ItemTask, ID: id, Outcome: OutcomeChanged, Reason: ReasonIntakeCancelled, Before: held}, hidden)
}

// CheckUndo decides whether a run can be undone now (B11).
func CheckUndo(run Run, now time.Time) error {
	switch {
	case run.Kind == RunUndo:
		return Refuse(CodeNotUndoable, "This run undid another one. It cannot be undone itself; ask for the change again.").With("kind", run.Kind)
	case !run.Status.Finished():
		return Refuse(CodeRunNotFinished, "The run has not finished. Cancel it, or undo it when it has.").With("status", run.Status)
	case run.Status != RunSucceeded:
		return Refuse(CodeNotUndoable, "The run has changed nothing: it is %s.", run.Status).With("status", run.Status)
	case run.RevertedBy != nil:
		return Refuse(CodeAlreadyUndone, "The run has been undone already, by the run %s.", *run.RevertedBy).With("run_id", *run.RevertedBy)
	case run.UndoUntil == nil || now.After(*run.UndoUntil):
		refusal := Refuse(CodeUndoExpired, "The run can no longer be undone: that ends %d days after it.", int(UndoWindow.Hours()/24))
		if run.UndoUntil != nil {
			_ = refusal.With("until", *run.UndoUntil)
		}
		return refusal
	}
	return nil
}

// UndoUntilOf is until when a run of this kind that ended then can be undone; nil: it cannot.
func UndoUntilOf(kind RunKind, status RunStatus, finished *time.Time) *time.Time {
	if kind == RunUndo || status != RunSucceeded || finished == nil {
		return nil
	}
	until := finished.Add(UndoWindow)
	return &until
}
