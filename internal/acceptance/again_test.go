package acceptance

import (
	"fmt"
	"strings"
	"testing"

	"handover/api"
)

func TestA17SameAgain(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	for i, fields := range []object{
		{"type": "add", "staff": "c", "task_policy": "keep"},
		{"type": "add", "staff": "c", "task_policy": "add_new_staff"},
		{"type": "add", "staff": "c", "task_policy": "add_new_staff", "task_scope": "all"},
		{"type": "add", "staff": "c", "task_policy": "reassign_all"},
		{"type": "add", "staff": "cd", "task_policy": "reassign_all", "task_scope": "assigned"},
		{"type": "replace", "staff": "c", "task_policy": "keep"},
		{"type": "replace", "staff": "c", "task_policy": "add_new_staff", "task_scope": "assigned"},
		{"type": "replace", "staff": "c", "task_policy": "reassign_all"},
		{"type": "replace", "staff": "bc", "task_policy": "reassign_all", "task_scope": "all"},
		{"type": "remove", "staff": "a", "task_policy": "reassign_to_remaining"},
		{"type": "remove", "staff": "ab", "task_policy": "unassign"},
		{"type": "remove", "task_policy": "unassign"},
		{"type": "remove", "task_policy": "reassign_to_remaining", "when_no_staff_remain": "unassign"},
	} {
		s.rule(t, fmt.Sprintf("A17 the same again changes nothing and says so: %d %v", i, fields), func(t *testing.T, w *world) {
			c := w.cast("client")
			wanted := object{}
			for name, value := range fields {
				wanted[name] = value
			}
			if letters, named := fields["staff"].(string); named {
				wanted["staff_ids"] = idsOf(c.members(letters)...)
			} else {
				wanted["all_staff"] = true
			}
			delete(wanted, "staff")
			first := w.managed(people(c.person), wanted)
			if first.Totals.PeopleChanged != 1 {
				t.Fatalf("got totals %+v", first.Totals)
			}
			made, before := c.now(), w.tables()
			second := w.managed(people(c.person), wanted)
			if now := c.now(); now != made {
				t.Errorf("the second time made %q of %q", now, made)
			}
			w.unchanged(before, "runs", "run_items", "run_progress") // no audit row, for nothing changed
			totals(t, second, api.RunTotals{PeopleUnchanged: 1})
			for id, item := range w.items(second) {
				if told(item) != "unchanged already_in_place" {
					t.Errorf("%s %s is %s", item.Kind, id, told(item))
				}
			}
		})
	}

	s.rule(t, "A17 where part of it is in place, only the rest changes", func(t *testing.T, w *world) {
		ann := w.member("member")
		has, lacks := w.person("client", ann), w.person("client")
		run := w.managed(people(has, lacks), change("replace", staffed(ann)))
		totals(t, run, api.RunTotals{PeopleChanged: 1, PeopleUnchanged: 1, AssignmentsAdded: 1})
		items := w.items(run)
		became(t, items, has, "unchanged already_in_place")
		became(t, items, lacks, "changed")
		w.lists(w.Admin, "/v1/audit-events?subject_id="+has.String())
	})

	s.rule(t, "A17 the order and number of names do not make another change", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		person := w.person("client", ann, bob)
		run := w.managed(people(person, person), change("replace", object{"staff_ids": []string{bob.ID.String(), ann.ID.String(), strings.ToUpper(bob.ID.String())}}))
		totals(t, run, api.RunTotals{PeopleUnchanged: 1})
	})
}
