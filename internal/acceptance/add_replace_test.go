package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

// cast is a person served by a and b, with c to come and d from outside, and active tasks held in every way there is. A
// set of them is written as their letters, - for nobody.
type cast struct {
	w      *world
	who    map[rune]member
	person uuid.UUID
	tasks  []uuid.UUID
	done   uuid.UUID // a completed task: it stays as it is, whatever happens
}

// scene is who serves the person of a cast, and who holds each active task.
const scene = "ab: a ab ad d - c bc"

func (w *world) cast(kind string) *cast {
	w.t.Helper()
	c := &cast{w: w, who: map[rune]member{'a': w.member("member"), 'b': w.member("member"), 'c': w.member("member"), 'd': w.member("member")}}
	c.person = w.person(kind, c.members("ab")...)
	for _, holders := range strings.Fields(scene)[1:] {
		c.tasks = append(c.tasks, w.task(c.person, c.members(holders)...))
	}
	w.exec(`UPDATE tasks SET status = 'in_progress' WHERE organization_id = $1 AND id = $2`, w.ID, c.tasks[1])
	c.done = w.taskIn("completed", uuid.NullUUID{UUID: c.person, Valid: true}, uuid.NullUUID{}, c.members("ad")...)
	return c
}

func (c *cast) members(letters string) []member {
	var members []member
	for _, letter := range strings.Trim(letters, "-:") {
		members = append(members, c.who[letter])
	}
	return members
}

// now writes down who serves the person and who holds each task, as scene does.
func (c *cast) now() string {
	c.w.t.Helper()
	sets := []string{c.letters(c.w.staffOf(c.person)) + ":"}
	for _, task := range c.tasks {
		sets = append(sets, c.letters(c.w.assigneesOf(task)))
	}
	c.w.heldBy(c.done, c.members("ad")...)
	return strings.Join(sets, " ")
}

func (c *cast) letters(ids []uuid.UUID) string {
	letters := ""
	for _, letter := range "abcd" {
		if slices.Contains(ids, c.who[letter].ID) {
			letters += string(letter)
		}
	}
	if letters == "" {
		return "-"
	}
	return letters
}

// carriedOut fails the test unless the change makes of the cast what want says, touches just the tasks in scope (by their
// number), and tells all of it, previewed and carried out.
func (c *cast) carriedOut(wanted object, want string, scope ...int) {
	c.w.t.Helper()
	t := c.w.t
	preview := decode[api.Run](c.w.manage(c.w.Admin, people(c.person), wanted, object{"dry_run": true}).must(200))
	if now := c.now(); now != scene {
		t.Fatalf("the preview made %q of %q", now, scene)
	}
	run := c.w.managed(people(c.person), wanted)
	if now := c.now(); now != want {
		t.Errorf("got  %q\nwant %q\nfrom %q", now, want, scene)
	}
	totals(t, preview, run.Totals)

	before, after := strings.Fields(scene), strings.Fields(want)
	expected := api.RunTotals{}
	items := c.w.items(run)
	outcome := func(place int) string {
		if before[place] == after[place] {
			return "unchanged already_in_place"
		}
		return "changed"
	}
	became(t, items, c.person, outcome(0))
	if before[0] == after[0] {
		expected.PeopleUnchanged++
	} else {
		expected.PeopleChanged++
	}
	expected.AssignmentsAdded, expected.AssignmentsRemoved = without(after[0], before[0]), without(before[0], after[0])
	for i, task := range c.tasks {
		item, told := items[task]
		if inScope := slices.Contains(scope, i+1); told != inScope {
			t.Errorf("task %d is in scope: %v, want %v", i+1, told, inScope)
		}
		if !told {
			continue
		}
		became(t, items, task, outcome(i+1))
		if got := c.letters(item.Before.StaffIds) + " " + c.letters(item.After.StaffIds); got != before[i+1]+" "+after[i+1] {
			t.Errorf("task %d: the item tells %q, want %q", i+1, got, before[i+1]+" "+after[i+1])
		}
		if before[i+1] != after[i+1] {
			expected.TasksChanged++
			if after[i+1] == "-" {
				expected.TasksUnassigned++
			}
		}
	}
	if len(items) != len(scope)+1 {
		t.Errorf("got %d items, want those of the person and of %d tasks", len(items), len(scope))
	}
	totals(t, run, expected)
}

// without counts the letters of one set that are not in another.
func without(set, other string) int {
	count := 0
	for _, letter := range strings.Trim(set, "-:") {
		if !strings.ContainsRune(other, letter) {
			count++
		}
	}
	return count
}

func TestA6A7A10AddAndReplace(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	var (
		team     = []int{1, 2, 3, 7}
		assigned = []int{1, 2, 3, 4, 6, 7}
		all      = []int{1, 2, 3, 4, 5, 6, 7}
	)
	for _, example := range []struct {
		change, staff, policy, scope string
		want                         string
		touches                      []int
	}{
		{"add", "c", "keep", "", "abc: a ab ad d - c bc", nil},
		{"add", "c", "keep", "all", "abc: a ab ad d - c bc", nil},
		{"add", "c", "add_new_staff", "", "abc: ac abc acd d - c bc", team},
		{"add", "c", "add_new_staff", "team", "abc: ac abc acd d - c bc", team},
		{"add", "c", "add_new_staff", "assigned", "abc: ac abc acd cd - c bc", assigned},
		{"add", "c", "add_new_staff", "all", "abc: ac abc acd cd c c bc", all},
		{"add", "c", "reassign_all", "", "abc: c c cd d - c c", team},
		{"add", "c", "reassign_all", "team", "abc: c c cd d - c c", team},
		{"add", "c", "reassign_all", "assigned", "abc: c c c c - c c", assigned},
		{"add", "c", "reassign_all", "all", "abc: c c c c c c c", all},
		{"add", "bc", "add_new_staff", "team", "abc: abc abc abcd d - c bc", team},
		{"add", "bc", "reassign_all", "team", "abc: bc bc bcd d - c bc", team},
		{"add", "bc", "reassign_all", "assigned", "abc: bc bc bc bc - bc bc", assigned},
		{"add", "ab", "reassign_all", "team", "ab: ab ab abd d - c abc", team},
		{"add", "ab", "keep", "", "ab: a ab ad d - c bc", nil},
		{"replace", "c", "keep", "", "c: a ab ad d - c bc", nil},
		{"replace", "c", "keep", "assigned", "c: a ab ad d - c bc", nil},
		{"replace", "c", "add_new_staff", "team", "c: ac abc acd d - c bc", team},
		{"replace", "c", "add_new_staff", "assigned", "c: ac abc acd cd - c bc", assigned},
		{"replace", "c", "add_new_staff", "all", "c: ac abc acd cd c c bc", all},
		{"replace", "c", "reassign_all", "", "c: c c cd d - c c", team},
		{"replace", "c", "reassign_all", "team", "c: c c cd d - c c", team},
		{"replace", "c", "reassign_all", "assigned", "c: c c c c - c c", assigned},
		{"replace", "c", "reassign_all", "all", "c: c c c c c c c", all},
		{"replace", "bc", "keep", "", "bc: a ab ad d - c bc", nil},
		{"replace", "bc", "add_new_staff", "team", "bc: abc abc abcd d - c bc", team},
		{"replace", "bc", "reassign_all", "team", "bc: bc bc bcd d - c bc", team},
		{"replace", "bc", "reassign_all", "assigned", "bc: bc bc bc bc - bc bc", assigned},
		{"replace", "bc", "reassign_all", "all", "bc: bc bc bc bc bc bc bc", all},
		{"replace", "ab", "reassign_all", "team", "ab: ab ab abd d - c abc", team},
		{"replace", "d", "reassign_all", "team", "d: d d d d - c cd", team},
	} {
		rule := map[string]string{"add": "A6", "replace": "A7"}[example.change]
		scope := example.scope
		if scope == "" {
			scope = "no scope"
		}
		s.rule(t, fmt.Sprintf("%s A10 %s %s, %s, %s", rule, example.change, example.staff, example.policy, scope), func(_ *testing.T, w *world) {
			c := w.cast("client")
			fields := object{"staff_ids": idsOf(c.members(example.staff)...), "task_policy": example.policy}
			if example.scope != "" {
				fields["task_scope"] = example.scope
			}
			c.carriedOut(change(example.change, fields), example.want, example.touches...)
		})
	}
}

func TestA6A7PeopleOfSeveralKinds(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "A6 who is assigned already is no error, on one person and new to another", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		one, two, three := w.person("client", ann), w.person("referral", bob), w.person("client")
		run := w.managed(people(one, two, three), change("add", object{"staff_ids": []uuid.UUID{ann.ID, ann.ID, bob.ID}}))
		totals(t, run, api.RunTotals{PeopleChanged: 3, AssignmentsAdded: 4})
		for _, person := range []uuid.UUID{one, two, three} {
			w.servedBy(person, ann, bob)
		}
		same := w.managed(people(one, two), change("add", staffed(bob)))
		totals(t, same, api.RunTotals{PeopleUnchanged: 2})
	})

	s.rule(t, "A7 on each person who is not among the selected goes, who is stays, who is new comes", func(t *testing.T, w *world) {
		ann, bob, cat := w.member("member"), w.member("member"), w.member("member")
		one, two, three := w.person("client", ann, bob), w.person("client", bob), w.person("client")
		run := w.managed(people(one, two, three), change("replace", staffed(bob, cat)))
		totals(t, run, api.RunTotals{PeopleChanged: 3, AssignmentsAdded: 4, AssignmentsRemoved: 1})
		items := w.items(run)
		sameIDs(t, "before", items[one].Before.StaffIds, idsOf(ann, bob)...)
		sameIDs(t, "after", items[one].After.StaffIds, idsOf(bob, cat)...)
		for _, person := range []uuid.UUID{one, two, three} {
			w.servedBy(person, bob, cat)
		}
	})

	s.rule(t, "A7 a deactivated colleague is replaced like any other", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		person := w.person("client", ann)
		task := w.task(person, ann)
		w.deactivate(ann)
		w.managed(people(person), change("replace", object{"staff_ids": idsOf(bob), "task_policy": "reassign_all"}))
		w.servedBy(person, bob)
		w.heldBy(task, bob)
	})

	s.rule(t, "A10 team is each person's own staff: who serves only one of them is an outsider to the other", func(_ *testing.T, w *world) {
		ann, bob, cat := w.member("member"), w.member("member"), w.member("member")
		one, two := w.person("client", ann), w.person("client", bob)
		ofOne, ofTwo, free := w.task(one, ann, bob), w.task(two, ann, bob), w.task(two, ann)
		w.managed(people(one, two), change("replace", object{"staff_ids": idsOf(cat), "task_policy": "reassign_all"}))
		w.heldBy(ofOne, bob, cat)
		w.heldBy(ofTwo, ann, cat)
		w.heldBy(free, ann)
	})

	s.rule(t, "A10 the tasks of people who are not selected, of matters and of nobody stay as they are", func(_ *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		person, other := w.person("client", ann), w.person("client", ann)
		ofOther := w.task(other, ann)
		ofMatter := w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{UUID: w.matter("everyone", ann), Valid: true}, ann)
		ofNobody := w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{}, ann)
		w.managed(people(person), change("replace", object{"staff_ids": idsOf(bob), "task_policy": "reassign_all", "task_scope": "all"}))
		w.servedBy(other, ann)
		for _, task := range []uuid.UUID{ofOther, ofMatter, ofNobody} {
			w.heldBy(task, ann)
		}
	})

	s.rule(t, "A10 without a policy a scope has no effect, and tasks of people without staff stay as they are", func(_ *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		person := w.person("client")
		task := w.task(person, ann)
		w.managed(people(person), change("add", object{"staff_ids": idsOf(bob), "task_scope": "all"}))
		w.heldBy(task, ann)
	})

	s.rule(t, "A10 for people without staff, team is nobody's, assigned and all are as said", func(_ *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		for scope, want := range map[string][2][]member{
			"team": {{ann}, nil}, "assigned": {{bob}, nil}, "all": {{bob}, {bob}},
		} {
			person := w.person("referral")
			held, free := w.task(person, ann), w.task(person)
			w.managed(people(person), change("add", object{"staff_ids": idsOf(bob), "task_policy": "reassign_all", "task_scope": scope}))
			w.heldBy(held, want[0]...)
			w.heldBy(free, want[1]...)
		}
	})
}
