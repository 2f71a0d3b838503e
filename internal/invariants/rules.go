package invariants

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// wish is what a run was asked to do, read from its request and judged here once more, apart from the program's own
// policies (A4 to A12, A18).
type wish struct {
	change           string // assign, add, replace or remove
	named            domain.StaffSet
	everybody        bool // remove: all staff
	policy, scope    string
	intake           bool
	intakeForClients bool
	people           []uuid.UUID // as named in the request; nil: not by id
}

// readWish reads a request. judged is false for kinds of runs that have rules of their own.
func readWish(kind string, requester uuid.UUID, request []byte) (w wish, judged bool, err error) {
	var body struct {
		Selection struct {
			PersonIDs []uuid.UUID `json:"person_ids"`
		} `json:"selection"`
		Change struct {
			Type               string   `json:"type"`
			StaffIDs           []string `json:"staff_ids"`
			AllStaff           bool     `json:"all_staff"`
			TaskPolicy         string   `json:"task_policy"`
			TaskScope          string   `json:"task_scope"`
			IncludeIntakeTasks bool     `json:"include_intake_tasks"`
		} `json:"change"`
		StaffIDs           []string `json:"staff_ids"`
		Tasks              string   `json:"tasks"`
		IncludeIntakeTasks bool     `json:"include_intake_tasks"`
	}
	switch kind {
	case "manage_assignments", "assign_staff", "remove_staff":
	default:
		return w, false, nil
	}
	if err := json.Unmarshal(request, &body); err != nil {
		return w, false, fmt.Errorf("read a run's request: %w", err)
	}
	staff := body.Change.StaffIDs
	switch kind {
	case "manage_assignments":
		c := body.Change
		w = wish{change: c.Type, everybody: c.AllStaff, policy: c.TaskPolicy, scope: c.TaskScope, intake: c.IncludeIntakeTasks && c.Type == "assign"}
	case "assign_staff":
		staff = body.StaffIDs
		w = wish{change: "replace", scope: "assigned", intake: body.IncludeIntakeTasks, intakeForClients: true}
		if body.Tasks == "reassign" {
			w.policy = "reassign_all"
		}
	case "remove_staff":
		w = wish{change: "remove", everybody: true, policy: "unassign"}
	}
	w.people = body.Selection.PersonIDs
	var named []uuid.UUID
	for _, text := range staff {
		id := requester
		if text != "me" {
			if id, err = uuid.Parse(text); err != nil {
				return w, false, fmt.Errorf("read a run's request: %w", err)
			}
		}
		named = append(named, id)
	}
	w.named = domain.NewStaffSet(named...)
	return w, true, nil
}

// staffAfter is who a person's staff are after the change.
func (w wish) staffAfter(staff domain.StaffSet) domain.StaffSet {
	switch {
	case w.change == "add":
		return staff.Union(w.named)
	case w.change == "remove" && w.everybody:
		return nil
	case w.change == "remove":
		return staff.Minus(w.named)
	default:
		return w.named
	}
}

// assigneesAfter is who holds an active task after the change, by who the staff of its person were; touched is false
// where the change does not speak of the task.
func (w wish) assigneesAfter(staff, holders domain.StaffSet, active func(uuid.UUID) bool) (after domain.StaffSet, touched bool) {
	if w.change == "assign" || w.policy == "" || w.policy == "keep" {
		return holders, false
	}
	if w.change == "remove" {
		return w.afterRemoval(staff, holders, active)
	}
	switch w.scope {
	case "all":
		touched = true
	case "assigned":
		touched = len(holders) > 0
	default:
		touched = holders.Meets(staff)
	}
	switch {
	case !touched:
		return holders, false
	case w.policy == "add_new_staff":
		return holders.Union(w.named), true
	case w.scope == "all" || w.scope == "assigned":
		return w.named, true
	default:
		return holders.Minus(staff).Union(w.named), true
	}
}

func (w wish) afterRemoval(staff, holders domain.StaffSet, active func(uuid.UUID) bool) (after domain.StaffSet, touched bool) {
	remaining := w.staffAfter(staff)
	removed := staff.Minus(remaining)
	if !holders.Meets(removed) {
		return holders, false
	}
	left := holders.Minus(removed)
	if w.policy == "unassign" {
		return left, true
	}
	able := domain.NewStaffSet(slices.DeleteFunc(slices.Clone(remaining), func(id uuid.UUID) bool { return !active(id) })...)
	if left.Meets(able) {
		return left, true
	}
	return left.Union(able), true
}

// getsIntakeTasks tells whether a person gets the intake tasks that were asked for (A5, A18).
func (w wish) getsIntakeTasks(person personState, hasSome bool) bool {
	return w.intake && len(person.staff) == 0 && !hasSome && (person.referral || w.intakeForClients)
}
