package acceptance

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func TestA8A11Remove(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	for _, example := range []struct {
		staff, policy, when string // no staff: all of them
		want                string // of "ab: a ab ad d - c bc"
		touches             []int
	}{
		{"a", "unassign", "", "b: - b d d - c bc", []int{1, 2, 3}},
		{"a", "unassign", "unassign", "b: - b d d - c bc", []int{1, 2, 3}},
		{"a", "reassign_to_remaining", "", "b: b b bd d - c bc", []int{1, 2, 3}},
		{"a", "reassign_to_remaining", "unassign", "b: b b bd d - c bc", []int{1, 2, 3}},
		{"b", "unassign", "", "a: a a ad d - c c", []int{2, 7}},
		{"b", "reassign_to_remaining", "reject", "a: a a ad d - c ac", []int{2, 7}},
		{"ab", "unassign", "", "-: - - d d - c c", []int{1, 2, 3, 7}},
		{"", "unassign", "", "-: - - d d - c c", []int{1, 2, 3, 7}},
		{"", "unassign", "reject", "-: - - d d - c c", []int{1, 2, 3, 7}},
		// Who is not on the person keeps what they hold there.
		{"ad", "unassign", "", "b: - b d d - c bc", []int{1, 2, 3}},
		{"ad", "reassign_to_remaining", "", "b: b b bd d - c bc", []int{1, 2, 3}},
		{"cd", "unassign", "", scene, nil},
		{"cd", "reassign_to_remaining", "", scene, nil},
	} {
		who := example.staff
		if who == "" {
			who = "everybody"
		}
		s.rule(t, fmt.Sprintf("A8 A11 %s removed, %s %s", who, example.policy, example.when), func(_ *testing.T, w *world) {
			c := w.cast("referral")
			fields := object{"task_policy": example.policy}
			if example.staff == "" {
				fields["all_staff"] = true
			} else {
				fields["staff_ids"] = idsOf(c.members(example.staff)...)
			}
			if example.when != "" {
				fields["when_no_staff_remain"] = example.when
			}
			c.carriedOut(change("remove", fields), example.want, example.touches...)
		})
	}

	s.rule(t, "A8 the named are removed from those they are on, and nobody else is", func(t *testing.T, w *world) {
		ann, bob, cat := w.member("member"), w.member("member"), w.member("member")
		one, two, three := w.person("client", ann, bob), w.person("referral", bob), w.person("client", cat)
		run := w.managed(people(one, two, three), change("remove", staffed(ann, bob)))
		totals(t, run, api.RunTotals{PeopleChanged: 2, PeopleUnchanged: 1, AssignmentsRemoved: 3})
		w.servedBy(one)
		w.servedBy(two)
		w.servedBy(three, cat)
		became(t, w.items(run), three, "unchanged already_in_place")
	})

	s.rule(t, "A8 a deactivated colleague can be removed", func(_ *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		person := w.person("client", ann, bob)
		task := w.task(person, ann)
		w.deactivate(ann)
		w.managed(people(person), change("remove", object{"staff_ids": idsOf(ann), "task_policy": "reassign_to_remaining"}))
		w.servedBy(person, bob)
		w.heldBy(task, bob)
	})

	s.rule(t, "A8 a removal takes exactly one of staff and all staff", func(_ *testing.T, w *world) {
		person := w.person("client", w.Admin)
		before := w.tables()
		for _, wrong := range []object{
			change("remove", object{}),
			change("remove", object{"all_staff": false}),
			change("remove", object{"all_staff": true, "staff_ids": idsOf(w.Admin)}),
		} {
			w.manage(w.Admin, people(person), wrong).problem(422, "invalid_value")
		}
		w.unchanged(before)
		w.managed(people(person), change("remove", object{"all_staff": false, "staff_ids": idsOf(w.Admin)}))
	})

	s.rule(t, "A11 a removed member's share goes per person: removed here, untouched there", func(_ *testing.T, w *world) {
		ann, bob, cat := w.member("member"), w.member("member"), w.member("member")
		one, two := w.person("client", ann, bob), w.person("client", cat)
		ofOne, ofTwo := w.task(one, ann, cat), w.task(two, ann)
		w.managed(people(one, two), change("remove", object{"staff_ids": idsOf(ann), "task_policy": "reassign_to_remaining"}))
		w.heldBy(ofOne, bob, cat)
		w.heldBy(ofTwo, ann)
	})

	s.rule(t, "A11 where somebody who remains holds the task too, the removed are just taken off", func(_ *testing.T, w *world) {
		ann, bob, cat := w.member("member"), w.member("member"), w.member("member")
		person := w.person("client", ann, bob, cat)
		shared, alone, outsider := w.task(person, ann, bob), w.task(person, ann), w.task(person, ann, w.Admin)
		w.managed(people(person), change("remove", object{"staff_ids": idsOf(ann), "task_policy": "reassign_to_remaining"}))
		w.heldBy(shared, bob)
		w.heldBy(alone, bob, cat)
		w.heldBy(outsider, bob, cat, w.Admin)
	})

	s.rule(t, "A11 the deactivated do not count as remaining, neither as holders nor as takers", func(_ *testing.T, w *world) {
		ann, bob, gone := w.member("member"), w.member("member"), w.member("member")
		person := w.person("client", ann, bob, gone)
		w.deactivate(gone)
		alone, withGone := w.task(person, ann), w.task(person, ann, gone)
		w.managed(people(person), change("remove", object{"staff_ids": idsOf(ann), "task_policy": "reassign_to_remaining"}))
		w.servedBy(person, bob, gone)
		w.heldBy(alone, bob)
		w.heldBy(withGone, bob, gone)
	})

	s.rule(t, "A11 a task left with nobody is in the unassigned queue", func(t *testing.T, w *world) {
		ann := w.member("member")
		person := w.person("client", ann)
		task, shared := w.task(person, ann), w.task(person, ann, w.Admin)
		run := w.managed(people(person), change("remove", object{"all_staff": true, "task_policy": "unassign"}))
		totals(t, run, api.RunTotals{PeopleChanged: 1, AssignmentsRemoved: 1, TasksChanged: 2, TasksUnassigned: 1})
		w.lists(w.Admin, "/v1/tasks?unassigned=true", task)
		w.heldBy(shared, w.Admin)
	})
}

func TestA12NoStaffRemain(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	remaining := func(fields object) object {
		fields["task_policy"] = "reassign_to_remaining"
		return change("remove", fields)
	}

	s.rule(t, "A12 reassigning to remaining staff is refused where nobody remains, and those people are named", func(t *testing.T, w *world) {
		ann, bob, gone := w.member("member"), w.member("member"), w.member("member")
		alone, left, idle, deserted := w.person("client", ann), w.person("client", ann, bob), w.person("client", ann), w.person("referral", ann, gone)
		w.deactivate(gone)
		w.task(alone, ann)
		w.task(left, ann)
		w.task(idle, bob) // held by nobody who is removed: not in scope
		w.task(deserted, ann, gone)
		before := w.tables()
		for _, fields := range []object{{}, {"when_no_staff_remain": "reject"}} {
			fields["staff_ids"] = idsOf(ann)
			for _, dry := range []bool{true, false} {
				problem := w.manage(w.Admin, people(alone, left, idle, deserted), remaining(fields), object{"dry_run": dry}).problem(422, "no_remaining_staff")
				named, _ := problem.Params["person_ids"].([]any)
				if problem.Params["people"] != 2.0 || len(named) != 2 {
					t.Fatalf("got params %v", problem.Params)
				}
				sameIDs(t, "named", []uuid.UUID{uuid.MustParse(named[0].(string)), uuid.MustParse(named[1].(string))}, alone, deserted)
			}
		}
		w.unchanged(before)
	})

	s.rule(t, "A12 when_no_staff_remain unassigns for just those people, and says so", func(t *testing.T, w *world) {
		ann, bob, gone := w.member("member"), w.member("member"), w.member("member")
		alone, left, idle, deserted := w.person("client", ann), w.person("client", ann, bob), w.person("client", ann), w.person("referral", ann, gone)
		w.deactivate(gone)
		ofAlone, withOutsider := w.task(alone, ann), w.task(alone, ann, w.Admin)
		ofLeft, ofIdle, ofDeserted := w.task(left, ann), w.task(idle, bob), w.task(deserted, ann, gone)
		run := w.managed(people(alone, left, idle, deserted), remaining(object{"staff_ids": idsOf(ann), "when_no_staff_remain": "unassign"}))
		totals(t, run, api.RunTotals{PeopleChanged: 4, AssignmentsRemoved: 4, TasksChanged: 4, TasksUnassigned: 1})
		w.heldBy(ofAlone)
		w.heldBy(withOutsider, w.Admin)
		w.heldBy(ofLeft, bob)
		w.heldBy(ofIdle, bob)
		w.heldBy(ofDeserted, gone)
		items := w.items(run)
		for id, want := range map[uuid.UUID]string{
			alone: "changed no_staff_remained", ofAlone: "changed no_staff_remained", withOutsider: "changed no_staff_remained",
			deserted: "changed no_staff_remained", ofDeserted: "changed no_staff_remained",
			left: "changed", ofLeft: "changed", idle: "changed", ofIdle: "",
		} {
			became(t, items, id, want)
		}
	})

	s.rule(t, "A12 removing everybody where nobody holds a task needs no decision about remaining staff", func(t *testing.T, w *world) {
		ann := w.member("member")
		person := w.person("client", ann)
		task := w.task(person)
		run := w.managed(people(person), remaining(object{"all_staff": true}))
		totals(t, run, api.RunTotals{PeopleChanged: 1, AssignmentsRemoved: 1})
		w.heldBy(task)
	})
}
