package domain

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// WorkWish is what an administrator wants of the work of one staff member: which parts of it go to whom (B6, B9). A part
// that is nil stays where it is and reports nothing.
type WorkWish struct {
	From    uuid.UUID `json:"from"`
	Matters *WorkPart `json:"matters,omitempty"`
	Tasks   *WorkPart `json:"tasks,omitempty"`
	Events  *WorkPart `json:"events,omitempty"`
	People  *WorkPart `json:"people,omitempty"`
}

// WorkPart is one kind of work with its successors.
type WorkPart struct {
	To             []uuid.UUID  `json:"to"` // as asked, in order; duplicates are harmless
	Distribution   Distribution `json:"distribution,omitempty"`
	IncludePastDue bool         `json:"include_past_due,omitempty"` // tasks: past-due ones too (B4)
	Kinds          []PersonKind `json:"kinds,omitempty"`            // people: of these kinds; empty: of both (B9)
	KeepTasks      bool         `json:"keep_tasks,omitempty"`       // people: the tasks that belong to them stay with the leaver (B9)
}

// namedPart is a part with what it is called in a request.
type namedPart struct {
	name string
	*WorkPart
}

// parts are the parts that were asked for.
func (w WorkWish) parts() []namedPart {
	all := []namedPart{{"matters", w.Matters}, {"tasks", w.Tasks}, {"events", w.Events}, {"people", w.People}}
	return slices.DeleteFunc(all, func(part namedPart) bool { return part.WorkPart == nil })
}

// Named is everyone the wish names, by id, each once.
func (w WorkWish) Named() StaffSet {
	named := []uuid.UUID{w.From}
	for _, part := range w.parts() {
		named = append(named, part.To...)
	}
	return NewStaffSet(named...)
}

// Takes tells whether the part speaks of people of a kind (B9).
func (p *WorkPart) Takes(kind PersonKind) bool {
	return p != nil && (len(p.Kinds) == 0 || slices.Contains(p.Kinds, kind))
}

// successors are those who take over, in the order they were named, each once.
func (p *WorkPart) successors() []uuid.UUID {
	var each []uuid.UUID
	for _, id := range p.To {
		if !slices.Contains(each, id) {
			each = append(each, id)
		}
	}
	return each
}

// CheckWorkWish refuses a wish that makes no sense, whatever the facts are: no part at all, nobody or only the leaver to
// hand to, or several successors without a way to share.
func CheckWorkWish(wish WorkWish) error {
	parts := wish.parts()
	if len(parts) == 0 {
		return Refuse(CodeInvalidValue, "Name at least one of matters, tasks, events and people: what is named is handed over.").
			At("", CodeInvalidValue, "None of matters, tasks, events and people is named.")
	}
	for _, part := range parts {
		if err := part.check(); err != nil {
			return err
		}
	}
	var same *Error
	for _, part := range parts {
		for i, id := range part.To {
			if id != wish.From {
				continue
			}
			if same == nil {
				same = Refuse(CodeSameStaff, "Work cannot be handed over to the staff member who hands it over.").With("staff_id", id)
			}
			_ = same.At(fmt.Sprintf("/%s/to_staff_ids/%d", part.name, i), CodeSameStaff, "This is the staff member who hands over.")
		}
	}
	if same != nil {
		return same
	}
	return nil
}

func (p namedPart) check() error {
	pointer := "/" + p.name + "/distribution"
	switch successors := len(p.successors()); {
	case successors == 0:
		return Refuse(CodeInvalidValue, "There is nobody to hand the %s to.", p.name).
			At("/"+p.name+"/to_staff_ids", CodeInvalidValue, "At least one successor is needed.")
	case p.Distribution == DistributeEach && (p.name == "matters" || p.name == "events"):
		return Refuse(CodeInvalidValue, "A matter has one responsible staff member, and an event one owner: they cannot be shared by each.").
			At(pointer, CodeInvalidValue, "Choose round_robin or least_loaded.")
	case p.Distribution == "" && successors > 1:
		return Refuse(CodeInvalidValue, "There are several successors for the %s. Say in distribution how they share.", p.name).
			At(pointer, CodeInvalidValue, "A distribution is required where there are several successors.")
	}
	return nil
}

// CheckReassign decides who may hand over the work of others (B): administrators, with a token that is for it.
func CheckReassign(caller Caller) error {
	if err := CheckAdministrator(caller); err != nil {
		return err
	}
	if !caller.InScope(ScopeReassign) {
		return Refuse(CodeInsufficientScope, "This needs a token with the scope %s, or one without scopes.", ScopeReassign).With("scope", ScopeReassign)
	}
	return nil
}

// CheckSchedule refuses times that have passed, and a return before the beginning (B12).
func CheckSchedule(runAt, returnAt *time.Time, now time.Time) error {
	if runAt != nil && !runAt.After(now) {
		return Refuse(CodeInvalidValue, "run_at has passed already. Leave it out to hand over at once.").
			At("/run_at", CodeInvalidValue, "Must be in the future.")
	}
	begin, what := now, "now"
	if runAt != nil {
		begin, what = *runAt, "run_at"
	}
	if returnAt != nil && !returnAt.After(begin) {
		return Refuse(CodeInvalidValue, "return_at is not after %s: what is lent cannot go back before it was lent.", what).
			At("/return_at", CodeInvalidValue, "Must be after "+what+".")
	}
	return nil
}
