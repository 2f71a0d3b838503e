package invariants

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"handover/internal/domain"
)

// replay follows, from the state before, what runs and edits say they did, in the order they did it. What comes out must
// be the state now (I2, I3, I6).
type replay struct {
	collector
	people map[key]personState
	tasks  map[key]taskState
	others map[key]rowState
	ofWhom map[key][]uuid.UUID // the tasks of each person
	edited map[key]bool
	ranOn  map[key]bool // people and tasks of runs
	active map[key]bool // staff, as they are now
	intake map[uuid.UUID]int
	undone map[key]bool // intake tasks that undos have cancelled
}

// happening is a run or an edit since the snapshot.
type happening struct {
	key
	at        time.Time
	isRun     bool
	kind      string // of the run, or of what was edited
	requester uuid.UUID
	request   []byte
	selection uuid.NullUUID
	subject   uuid.UUID
	after     []byte
}

type item struct {
	kind          string
	id            uuid.UUID
	outcome       string
	reason        string
	before, after domain.StaffSet
}

func checkReplay(ctx context.Context, tx *sqlx.Tx, before, now *Snapshot) ([]Violation, error) {
	r := &replay{
		tasks: map[key]taskState{}, ofWhom: map[key][]uuid.UUID{},
		edited: map[key]bool{}, ranOn: map[key]bool{}, active: map[key]bool{}, intake: map[uuid.UUID]int{}, undone: map[key]bool{},
	}
	r.others = maps.Clone(before.other)
	r.people = make(map[key]personState, len(before.people))
	for at, person := range before.people {
		r.people[at] = person
	}
	for at, task := range before.tasks {
		r.putTask(at, task)
	}
	if err := readKeys(ctx, tx, `SELECT organization_id, id FROM staff WHERE status = 'active'`, r.active); err != nil {
		return nil, fmt.Errorf("read staff: %w", err)
	}
	err := each(ctx, tx, `SELECT organization_id, count(*) FROM intake_template_tasks GROUP BY organization_id`, func(rows *sqlx.Rows) error {
		var organization uuid.UUID
		var count int
		err := rows.Scan(&organization, &count)
		r.intake[organization] = count
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read intake templates: %w", err)
	}
	happenings, err := readHappenings(ctx, tx, before)
	if err != nil {
		return nil, fmt.Errorf("read runs and edits: %w", err)
	}
	items, err := readItems(ctx, tx, happenings, now)
	if err != nil {
		return nil, fmt.Errorf("read items: %w", err)
	}
	for run, its := range items {
		for _, i := range its {
			if i.reason == "intake_cancelled" {
				r.undone[key{run.organization, i.id}] = true
			}
		}
	}
	for _, h := range happenings {
		if h.isRun {
			err = r.run(ctx, tx, h, items[h.key], now)
		} else {
			err = r.edit(h, now)
		}
		if err != nil {
			return nil, err
		}
	}
	r.compare(now)
	return r.found, nil
}

func (r *replay) putTask(at key, task taskState) {
	if _, known := r.tasks[at]; !known && task.person != uuid.Nil {
		person := key{at.organization, task.person}
		r.ofWhom[person] = append(r.ofWhom[person], at.id)
	}
	r.tasks[at] = task
}

func readHappenings(ctx context.Context, tx *sqlx.Tx, before *Snapshot) ([]happening, error) {
	var all []happening
	err := each(ctx, tx, `
		SELECT organization_id, id, kind, requested_by_staff_id, request, selection_id, finished_at FROM runs WHERE status = 'succeeded'`, func(rows *sqlx.Rows) error {
		h := happening{isRun: true}
		err := rows.Scan(&h.organization, &h.id, &h.kind, &h.requester, &h.request, &h.selection, &h.at)
		if err == nil && !before.runs[h.key] {
			all = append(all, h)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = each(ctx, tx, `
		SELECT organization_id, id, subject_kind, subject_id, after, occurred_at FROM audit_events WHERE run_id IS NULL`, func(rows *sqlx.Rows) error {
		var h happening
		err := rows.Scan(&h.organization, &h.id, &h.kind, &h.subject, &h.after, &h.at)
		if err == nil && !before.edits[h.key] {
			all = append(all, h)
		}
		return err
	})
	slices.SortFunc(all, func(a, b happening) int {
		if order := a.at.Compare(b.at); order != 0 {
			return order
		}
		return domain.CompareIDs(a.id, b.id)
	})
	return all, err
}

// edit takes over what a single edit of a person or a task left.
func (r *replay) edit(h happening, now *Snapshot) error {
	at := key{h.organization, h.subject}
	r.edited[at] = true
	var left struct {
		StaffIDs    *[]uuid.UUID `json:"staff_ids"`
		AssigneeIDs []uuid.UUID  `json:"assignee_ids"`
		Status      string       `json:"status"`
		PersonID    *uuid.UUID   `json:"person_id"`
	}
	if h.kind != "person" && h.kind != "task" {
		return nil
	}
	if err := json.Unmarshal(h.after, &left); err != nil {
		return fmt.Errorf("read what an edit left: %w", err)
	}
	if h.kind == "person" {
		staff := r.people[at].staff
		if left.StaffIDs != nil { // some edits, such as those of a section, do not speak of staff
			staff = domain.NewStaffSet(*left.StaffIDs...)
		}
		r.people[at] = personState{now.people[at].referral, staff}
		return nil
	}
	task := r.tasks[at]
	task.active, task.assignees = left.Status == "open" || left.Status == "in_progress", domain.NewStaffSet(left.AssigneeIDs...)
	task.person = uuid.Nil
	if left.PersonID != nil {
		task.person = *left.PersonID
	}
	r.putTask(at, task)
	return nil
}

// run holds the items of a run against the state it found and the rules, and takes over what it left.
func (r *replay) run(ctx context.Context, tx *sqlx.Tx, h happening, items []item, now *Snapshot) error {
	wish, judged, err := readWish(h.kind, h.requester, h.request)
	if err != nil {
		return err
	}
	frozen, err := frozenPeople(ctx, tx, h)
	if err != nil {
		return fmt.Errorf("read the selection of a run: %w", err)
	}
	if frozen == nil {
		frozen = wish.people
	}
	of := runReplay{replay: r, run: h.key, wish: wish, found: map[uuid.UUID]personState{}, seen: map[uuid.UUID]bool{}, made: map[uuid.UUID]bool{}, created: map[uuid.UUID]int{}, judged: judged}
	for _, i := range items {
		if i.kind == "person" {
			of.person(i)
		}
	}
	of.complete(frozen)
	for _, i := range items {
		switch i.kind {
		case "task":
			of.task(i, now)
		case "matter", "calendar_event":
			of.moved(i)
		}
	}
	of.nothingLeftOut()
	return nil
}

// readItems reads the items of all runs, each run's in order.
func readItems(ctx context.Context, tx *sqlx.Tx, happenings []happening, now *Snapshot) (map[key][]item, error) {
	var runs []uuid.UUID
	for _, h := range happenings {
		if h.isRun {
			runs = append(runs, h.id)
		}
	}
	items := map[key][]item{}
	err := each(ctx, tx, `
		SELECT organization_id, run_id, kind, item_id, outcome, coalesce(reason, ''), array_to_string(before_staff_ids, ','), array_to_string(after_staff_ids, ',')
		FROM run_items WHERE run_id = ANY ($1) ORDER BY organization_id, run_id, position`, func(rows *sqlx.Rows) error {
		var run key
		var i item
		var before, after string
		err := rows.Scan(&run.organization, &run.id, &i.kind, &i.id, &i.outcome, &i.reason, &before, &after)
		i.before, i.after = now.set(before), now.set(after)
		items[run] = append(items[run], i)
		return err
	}, pq.Array(runs))
	return items, err
}

// frozenPeople are the people of a run's saved selection; nil where it has none, or it has been swept away.
func frozenPeople(ctx context.Context, tx *sqlx.Tx, h happening) ([]uuid.UUID, error) {
	var saved struct {
		Selection struct {
			SelectionID uuid.UUID `json:"selection_id"`
		} `json:"selection"`
	}
	if err := json.Unmarshal(h.request, &saved); err != nil {
		return nil, err
	}
	id := h.selection.UUID
	if !h.selection.Valid {
		id = saved.Selection.SelectionID
	}
	if id == uuid.Nil {
		return nil, nil
	}
	var people []uuid.UUID
	err := tx.SelectContext(ctx, &people, `SELECT person_id FROM selection_people WHERE organization_id = $1 AND selection_id = $2`, h.organization, id)
	return people, err
}

// compare holds what came out against what is there.
func (r *replay) compare(now *Snapshot) {
	for at, person := range r.people {
		is, there := now.people[at]
		switch {
		case !there:
			r.add(Violation{"I3", at.organization, uuid.Nil, at.id, "a person has vanished"}, "person vanished")
		case !is.staff.Equal(person.staff):
			r.add(Violation{"I2", at.organization, uuid.Nil, at.id, differs("the staff of a person are", is.staff, "runs and edits leave", person.staff)}, "staff")
		}
	}
	for at := range now.people {
		if _, known := r.people[at]; !known {
			r.add(Violation{"I2", at.organization, uuid.Nil, at.id, "a person is there whom nobody added"}, "person appeared")
		}
	}
	for at, task := range r.tasks {
		r.compareTask(at, task, now)
	}
	for at := range now.tasks {
		if _, known := r.tasks[at]; !known {
			r.add(Violation{"I2", at.organization, uuid.Nil, at.id, "a task is there that nobody created"}, "task appeared")
		}
	}
	for at, row := range r.others {
		if is, there := now.other[at]; (!there || is.hash != row.hash || is.with != row.with) && !r.edited[at] {
			r.add(Violation{row.invariant(), at.organization, uuid.Nil, at.id, "a matter or an event is not as it was, or as runs left it"}, "other")
		}
	}
}

// invariant is the one that guards what no run and no edit has touched.
func (s rowState) invariant() string {
	if s.guarded {
		return "I6"
	}
	return "I3"
}

func (r *replay) compareTask(at key, task taskState, now *Snapshot) {
	is, there := now.tasks[at]
	switch {
	case !there:
		r.add(Violation{"I3", at.organization, uuid.Nil, at.id, "a task has vanished"}, "task vanished")
	case !is.assignees.Equal(task.assignees) && r.ranOn[at]:
		r.add(Violation{"I2", at.organization, uuid.Nil, at.id, differs("the assignees of a task are", is.assignees, "runs and edits leave", task.assignees)}, "assignees")
	case !is.assignees.Equal(task.assignees):
		r.add(Violation{task.invariant(), at.organization, uuid.Nil, at.id, differs("the assignees of a task that no run touched are", is.assignees, "they were", task.assignees)}, "other assignees")
	case is.hash != task.hash && !r.edited[at]:
		r.add(Violation{task.invariant(), at.organization, uuid.Nil, at.id, "a task that nobody edited is not as it was"}, "task")
	}
}

func differs(what string, is domain.StaffSet, wanted string, want domain.StaffSet) string {
	return fmt.Sprintf("%s %s; %s %s", what, names(is), wanted, names(want))
}

func names(set domain.StaffSet) string {
	if len(set) == 0 {
		return "nobody"
	}
	texts := make([]string, len(set))
	for i, id := range set {
		texts[i] = id.String()
	}
	return strings.Join(texts, " ")
}
