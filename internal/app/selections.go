package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// selectionLifetime is how long a saved selection can be used.
const selectionLifetime = 7 * 24 * time.Hour

// chosen is a selection resolved: the people, in order, each once.
type chosen struct {
	people []uuid.UUID
	each   []postgres.ChosenPerson // the same
	kinds  domain.SelectionKinds
	// saved is the selection that holds just these people already.
	saved *uuid.UUID
	// unseen is how many of those named by id the caller does not see.
	unseen int
}

// choose resolves a selection (A1). Ids that do not exist in the caller's organization are named; a filter matches only
// what the caller sees. With hold, which is asked before with how many they are, the people stand still until the transaction ends.
func (a *App) choose(ctx context.Context, tx *postgres.Tx, caller domain.Caller, selection domain.Selection, hold hold) (chosen, error) {
	var people []postgres.ChosenPerson
	var err error
	switch {
	case selection.Saved != nil:
		people, err = a.chooseSaved(ctx, tx, caller, *selection.Saved, hold)
	case selection.Filter != nil:
		people, err = a.chooseMatching(ctx, tx, caller, selection, hold)
	default:
		people, err = chooseNamed(ctx, tx, caller, selection.PersonIDs, hold)
	}
	if err != nil {
		return chosen{}, err
	}
	if len(people) == 0 {
		return chosen{}, domain.Refuse(domain.CodeSelectionEmpty, "The selection holds nobody.").
			At("/selection", domain.CodeSelectionEmpty, "Nobody is selected.")
	}
	result := chosen{people: idsOf(people), each: people, saved: selection.Saved}
	for _, person := range people {
		result.kinds.Add(person.Kind)
		if !person.Seen {
			result.unseen++
		}
	}
	return result, nil
}

// hold decides whether so many people may be locked now; nil: nobody is to be.
type hold func(ctx context.Context, people int) error

// ask asks, where there is something to ask.
func (h hold) ask(ctx context.Context, people int) error {
	if h == nil {
		return nil
	}
	return h(ctx, people)
}

func idsOf(people []postgres.ChosenPerson) []uuid.UUID {
	each := make([]uuid.UUID, len(people))
	for i, person := range people {
		each[i] = person.ID
	}
	return each
}

func (a *App) chooseSaved(ctx context.Context, tx *postgres.Tx, caller domain.Caller, id uuid.UUID, hold hold) ([]postgres.ChosenPerson, error) {
	saved, err := a.checkSaved(ctx, tx, caller, id, "/selection/selection_id")
	if err != nil {
		return nil, err
	}
	if err := hold.ask(ctx, saved.Kinds.Clients+saved.Kinds.Referrals); err != nil {
		return nil, err
	}
	return tx.PeopleOfSelection(ctx, id, hold != nil)
}

// checkSaved refuses a selection named in a request that is not there, or was saved by somebody else; administrators may
// use any.
func (a *App) checkSaved(ctx context.Context, tx *postgres.Tx, caller domain.Caller, id uuid.UUID, pointer string) (Selection, error) {
	selection, err := tx.Selection(ctx, id, a.instant())
	var refusal *domain.Error
	switch {
	case errors.As(err, &refusal):
		return selection, domain.Refuse(domain.CodeSelectionNotFound, "There is no such selection, or it has expired. Save the selection again.").
			At(pointer, domain.CodeSelectionNotFound, fmt.Sprintf("There is no selection %s.", id))
	case err != nil:
		return selection, err
	case selection.CreatedBy.ID != caller.StaffID && !caller.IsAdministrator():
		return selection, domain.Denied("This selection was saved by somebody else.")
	}
	return selection, nil
}

// checkFilteredSelection refuses a filter by a saved selection that the caller cannot use, or that is not there.
func (a *App) checkFilteredSelection(ctx context.Context, tx *postgres.Tx, caller domain.Caller, id *uuid.UUID, pointer string) error {
	if id == nil {
		return nil
	}
	_, err := a.checkSaved(ctx, tx, caller, *id, pointer)
	return err
}

func (a *App) chooseMatching(ctx context.Context, tx *postgres.Tx, caller domain.Caller, selection domain.Selection, hold hold) ([]postgres.ChosenPerson, error) {
	if selection.Filter.Empty() && !selection.MatchAll {
		return nil, domain.Refuse(domain.CodeFilterEmpty, "The filter matches everybody. If that is meant, say match_all: true beside it.").
			At("/selection/filter", domain.CodeFilterEmpty, "An empty filter needs match_all: true.")
	}
	if err := a.checkFilteredSelection(ctx, tx, caller, selection.Filter.SelectionID, "/selection/filter/selection_id"); err != nil {
		return nil, err
	}
	people, err := tx.PeopleMatching(ctx, caller, *selection.Filter, domain.MaxSelectedPeople+1)
	if err != nil {
		return nil, err
	}
	if len(people) > domain.MaxSelectedPeople {
		return nil, domain.Refuse(domain.CodeSelectionTooLarge, "The filter matches more than %d people. Narrow it.", domain.MaxSelectedPeople).
			With("maximum", domain.MaxSelectedPeople).
			At("/selection/filter", domain.CodeSelectionTooLarge, "Matches too many people.")
	}
	if err := hold.ask(ctx, len(people)); err != nil || hold == nil {
		return people, err
	}
	return tx.PeopleByID(ctx, caller, idsOf(people), true)
}

func chooseNamed(ctx context.Context, tx *postgres.Tx, caller domain.Caller, named []uuid.UUID, hold hold) ([]postgres.ChosenPerson, error) {
	each := domain.NewStaffSet(named...)
	if err := hold.ask(ctx, len(each)); err != nil {
		return nil, err
	}
	people, err := tx.PeopleByID(ctx, caller, each, hold != nil)
	if err != nil || len(people) == len(each) {
		return people, err
	}
	exists := make(map[uuid.UUID]bool, len(people))
	for _, person := range people {
		exists[person.ID] = true
	}
	missing := each[:0:0]
	for _, id := range each {
		if !exists[id] {
			missing = append(missing, id)
		}
	}
	refusal := domain.Refuse(domain.CodePersonNotFound, "%d of the selected people do not exist.", len(missing)).With("person_ids", missing)
	for i, id := range named {
		if !exists[id] {
			_ = refusal.At(fmt.Sprintf("/selection/person_ids/%d", i), domain.CodePersonNotFound, fmt.Sprintf("There is no person %s.", id))
		}
	}
	return nil, refusal
}

// save freezes the chosen people, unless they are a saved selection already, and tells its id.
func (a *App) save(ctx context.Context, tx *postgres.Tx, caller domain.Caller, people chosen) (uuid.UUID, error) {
	if people.saved != nil {
		return *people.saved, nil
	}
	selection := a.freeze(caller, people)
	return selection.ID, tx.SaveSelection(ctx, selection, people.people)
}

func (a *App) freeze(caller domain.Caller, people chosen) Selection {
	now := a.instant()
	return Selection{ID: newID(), CreatedBy: self(caller), CreatedAt: now, ExpiresAt: now.Add(selectionLifetime), Kinds: people.kinds}
}

// CreateSelection freezes what a selection names now. The caller must see everybody in it.
func (a *App) CreateSelection(ctx context.Context, caller domain.Caller, selection domain.Selection, key *Key) (Selection, bool, error) {
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (Selection, error) {
		people, err := a.choose(ctx, tx, caller, selection, nil)
		if err != nil {
			return Selection{}, err
		}
		if people.unseen > 0 {
			return Selection{}, domain.Denied("The selection names people whom you may not see.")
		}
		frozen := a.freeze(caller, people)
		return frozen, tx.SaveSelection(ctx, frozen, people.people)
	})
}

// Selection reads a saved selection: the caller's own, an administrator any.
func (a *App) Selection(ctx context.Context, caller domain.Caller, id uuid.UUID) (Selection, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (Selection, error) {
		selection, err := tx.Selection(ctx, id, a.instant())
		if err == nil && selection.CreatedBy.ID != caller.StaffID && !caller.IsAdministrator() {
			return Selection{}, domain.Denied("This selection was saved by somebody else.")
		}
		return selection, err
	})
}

// AssignmentSummary counts a selection that the caller may manage, and freezes it, so that its links and the change that
// follows speak of the same people (A3).
func (a *App) AssignmentSummary(ctx context.Context, caller domain.Caller, selection domain.Selection, key *Key) (summary domain.AssignmentSummary, replayed bool, err error) {
	err = a.store.InTx(ctx, caller.Organization, postgres.Snapshot, func(tx *postgres.Tx) error {
		summary, replayed, err = onceIn(ctx, a, tx, caller, key, func(tx *postgres.Tx) (domain.AssignmentSummary, error) {
			people, err := a.choose(ctx, tx, caller, selection, nil)
			if err != nil {
				return domain.AssignmentSummary{}, err
			}
			if err := domain.CheckManage(caller, people.kinds); err != nil {
				return domain.AssignmentSummary{}, err
			}
			return a.summarize(ctx, tx, caller, people)
		})
		return err
	})
	return summary, replayed, err
}

func (a *App) summarize(ctx context.Context, tx *postgres.Tx, caller domain.Caller, people chosen) (domain.AssignmentSummary, error) {
	id, err := a.save(ctx, tx, caller, people)
	if err != nil {
		return domain.AssignmentSummary{}, err
	}
	facts, staff, err := tx.SummaryFacts(ctx, people.each)
	if err != nil {
		return domain.AssignmentSummary{}, err
	}
	summary := domain.Summarize(facts, staff)
	summary.SelectionID = id
	return summary, nil
}
