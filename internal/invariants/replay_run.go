package invariants

import (
	"slices"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// runReplay is one run of a replay.
type runReplay struct {
	*replay
	run     key
	wish    wish
	judged  bool                      // the rules of its kind are known
	found   map[uuid.UUID]personState // its people, as it found them
	seen    map[uuid.UUID]bool        // the tasks that have an item
	made    map[uuid.UUID]bool        // the tasks that it created
	created map[uuid.UUID]int         // how many of them for each person
}

func (r *runReplay) wrong(invariant string, subject uuid.UUID, detail, sort string) {
	r.add(Violation{invariant, r.run.organization, r.run.id, subject, detail}, sort)
}

func (r *runReplay) person(i item) {
	at := key{r.run.organization, i.id}
	person := r.people[at]
	r.found[i.id] = person
	r.ranOn[at] = true
	if !person.staff.Equal(i.before) {
		r.wrong("I2", i.id, differs("an item says that a person's staff were", i.before, "they were", person.staff), "person before")
	} else if want := r.wish.staffAfter(person.staff); r.judged && !want.Equal(i.after) {
		r.wrong("I3", i.id, differs("the staff of a person became", i.after, "the rules say", want), "person rules")
	}
	person.staff = i.after
	r.people[at] = person
}

// complete holds the people of the items against those selected.
func (r *runReplay) complete(selected []uuid.UUID) {
	if !r.judged || selected == nil {
		return
	}
	wanted := domain.NewStaffSet(selected...)
	for _, id := range wanted {
		if _, found := r.found[id]; !found {
			r.wrong("I1", id, "a selected person has no item", "person missing")
		}
	}
	for id := range r.found {
		if !wanted.Has(id) {
			r.wrong("I1", id, "an item is about a person who was not selected", "person extra")
		}
	}
}

func (r *runReplay) task(i item, now *Snapshot) {
	at := key{r.run.organization, i.id}
	r.seen[i.id], r.ranOn[at] = true, true
	if i.outcome == "created" {
		r.createdTask(at, i, now)
		return
	}
	task, known := r.tasks[at]
	switch {
	case !known:
		r.wrong("I2", i.id, "an item is about a task that was not there", "task unknown")
		return
	case i.outcome == "left_alone":
	case task.guarded && !r.edited[at]:
		r.wrong("I6", i.id, "an item is about a task that is private or over", "task guarded")
	case !task.active:
		r.wrong("I6", i.id, "an item is about a task that is over", "task over")
	}
	if !task.assignees.Equal(i.before) {
		r.wrong("I2", i.id, differs("an item says that a task's assignees were", i.before, "they were", task.assignees), "task before")
	} else if r.judged {
		r.judge(task, i)
	}
	task.assignees = i.after
	if i.reason == "intake_cancelled" { // its status is another, too
		task.active, task.intake, task.hash = false, false, now.tasks[at].hash
	}
	r.tasks[at] = task
}

// moved takes over who has a matter or an event after a run.
func (r *runReplay) moved(i item) {
	at := key{r.run.organization, i.id}
	row, known := r.others[at]
	switch {
	case !known && r.edited[at]: // made since the snapshot
		return
	case !known:
		r.wrong("I2", i.id, "an item is about a matter or an event that was not there", "other unknown")
		return
	case r.edited[at]:
	case !i.before.Equal(domain.StaffSet{row.with}):
		r.wrong("I2", i.id, differs("an item says that a matter or an event was with", i.before, "it was with", domain.StaffSet{row.with}), "other before")
	case row.guarded && i.outcome == "changed":
		r.wrong("I6", i.id, "an item is about a matter or an event that is private or over", "other guarded")
	}
	if len(i.after) == 1 {
		row.with = i.after[0]
	}
	r.others[at] = row
}

func (r *runReplay) judge(task taskState, i item) {
	person, selected := r.found[task.person]
	if !selected {
		r.wrong("I3", i.id, "an item is about a task of a person who was not selected", "task extra")
		return
	}
	want, touched := r.wish.assigneesAfter(person.staff, task.assignees, r.isActive)
	if !touched {
		r.wrong("I3", i.id, "an item is about a task that the change does not speak of", "task out of scope")
	} else if !want.Equal(i.after) {
		r.wrong("I3", i.id, differs("the assignees of a task became", i.after, "the rules say", want), "task rules")
	}
}

func (r *runReplay) isActive(staff uuid.UUID) bool { return r.active[key{r.run.organization, staff}] }

// createdTask takes over an intake task (A5).
func (r *runReplay) createdTask(at key, i item, now *Snapshot) {
	if _, known := r.tasks[at]; known {
		r.wrong("I2", i.id, "a created task was there before", "task created twice")
	}
	task, there := now.tasks[at]
	if !there {
		r.wrong("I2", i.id, "a created task is not there", "created missing")
		return
	}
	r.made[i.id] = true
	r.created[task.person]++
	task.active, task.guarded = true, false // whatever became of it since
	task.intake = task.intake || r.undone[at]
	if r.judged && (!task.intake || !r.wish.named.Equal(i.after)) {
		r.wrong("I3", i.id, "a created task is not an intake task of the new staff", "created rules")
	}
	task.assignees = i.after
	r.putTask(at, task)
}

// nothingLeftOut looks for tasks that the change speaks of and that have no item. Tasks edited since the snapshot may have
// come into scope after the run looked.
func (r *runReplay) nothingLeftOut() {
	if !r.judged {
		return
	}
	for id, person := range r.found {
		tasks := r.ofWhom[key{r.run.organization, id}]
		for _, task := range tasks {
			at := key{r.run.organization, task}
			state := r.tasks[at]
			if r.seen[task] || !state.active || state.person != id || r.edited[at] {
				continue
			}
			if _, touched := r.wish.assigneesAfter(person.staff, state.assignees, r.isActive); touched {
				r.wrong("I3", task, "a task that the change speaks of was left out", "task left out")
			}
		}
		hadSome := slices.ContainsFunc(tasks, func(task uuid.UUID) bool {
			state := r.tasks[key{r.run.organization, task}]
			return state.intake && state.person == id && !r.made[task]
		})
		want := 0
		if r.wish.getsIntakeTasks(person, hadSome) {
			want = r.intake[r.run.organization]
		}
		if r.created[id] != want {
			r.wrong("I3", id, "a person did not get the intake tasks that the rules say", "intake")
		}
	}
}
