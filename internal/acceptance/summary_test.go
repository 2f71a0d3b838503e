package acceptance

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func TestA3Summary(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "A3 the summary counts, and its links list exactly the rows that were counted", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		w.deactivate(bob)
		both, one, none := w.person("client", ann, bob), w.person("referral", ann), w.person("client")
		outside := w.person("client", ann)
		completed := func(person uuid.UUID, assignees ...member) {
			w.taskIn("completed", uuid.NullUUID{UUID: person, Valid: true}, uuid.NullUUID{}, assignees...)
			w.taskIn("cancelled", uuid.NullUUID{UUID: person, Valid: true}, uuid.NullUUID{}, assignees...)
		}
		counted := []uuid.UUID{
			w.task(both, ann), w.task(both, ann, bob), w.task(both), w.task(one, bob),
			w.taskIn("in_progress", uuid.NullUUID{UUID: one, Valid: true}, uuid.NullUUID{}, w.Admin),
		}
		completed(both, ann)
		completed(none)
		w.task(none, ann)
		w.task(outside, ann)

		summary := w.summary(w.Admin, people(both, one, none))
		if summary.Selected != (api.PeopleCounts{Total: 3, Clients: 2, Referrals: 1}) {
			t.Errorf("got selected %+v", summary.Selected)
		}
		if summary.WithStaff.Count != 2 || summary.ActiveTasks.Count != len(counted) {
			t.Errorf("got %d with staff, %d active tasks", summary.WithStaff.Count, summary.ActiveTasks.Count)
		}
		w.lists(w.Admin, summary.WithStaff.Href, both, one)
		w.lists(w.Admin, summary.ActiveTasks.Href, counted...)
		// A task of somebody without staff is not among those counted, for no staff member either.
		want := []api.SummaryStaff{
			{Staff: api.StaffRef{ID: ann.ID, Status: "active"}, People: 2, ActiveTasks: 2},
			{Staff: api.StaffRef{ID: bob.ID, Status: "deactivated"}, People: 1, ActiveTasks: 2},
		}
		for i := range summary.Staff {
			summary.Staff[i].Staff.Name = ""
		}
		if !slices.Equal(summary.Staff, want) {
			t.Errorf("got staff %+v, want %+v", summary.Staff, want)
		}
		if !summary.TaskPolicyRequired {
			t.Error("a task policy is not required")
		}
	})

	s.rule(t, "A3 the links of a summary list all rows, however many, whoever follows them", func(t *testing.T, w *world) {
		caller, ann := w.member("member", "clients"), w.member("member")
		var persons, tasks []uuid.UUID
		for range 130 {
			person := w.person("client", ann)
			persons, tasks = append(persons, person), append(tasks, w.task(person, ann), w.task(person))
		}
		w.person("client")
		w.task(w.person("referral", ann))
		summary := w.summary(caller, object{"type": "filter", "filter": object{}, "match_all": true})
		if summary.WithStaff.Count != len(persons) || summary.ActiveTasks.Count != len(tasks) || summary.Selected.Total != len(persons)+1 {
			t.Errorf("got %+v", summary)
		}
		for _, follower := range []member{caller, w.Admin} {
			w.lists(follower, summary.WithStaff.Href, persons...)
			w.lists(follower, summary.ActiveTasks.Href, tasks...)
		}
	})

	s.rule(t, "A3 the summary says which changes apply, and whether a task decision will be required", func(t *testing.T, w *world) {
		ann := w.member("member")
		served, free, busy := w.person("client", ann), w.person("client"), w.person("client", ann)
		w.task(free, ann)
		w.taskIn("completed", uuid.NullUUID{UUID: served, Valid: true}, uuid.NullUUID{}, ann)
		w.task(busy)
		for name, given := range map[string]struct {
			selection object
			changes   []string
			required  bool
		}{
			"nobody has staff":              {people(free), []string{"assign"}, false},
			"somebody has staff":            {people(free, served), []string{"add", "replace", "remove"}, false},
			"somebody with staff has tasks": {people(free, busy), []string{"add", "replace", "remove"}, true},
		} {
			summary := w.summary(w.Admin, given.selection)
			if !slices.Equal(summary.AvailableChanges, given.changes) || summary.TaskPolicyRequired != given.required {
				t.Errorf("%s: got %v, %v", name, summary.AvailableChanges, summary.TaskPolicyRequired)
			}
		}
	})

	s.rule(t, "A3 a summary writes nothing but its frozen selection", func(t *testing.T, w *world) {
		person := w.person("client", w.Admin)
		before := w.tables()
		summary := w.summary(w.Admin, people(person))
		w.unchanged(before, "selections", "selection_people")
		again := w.summary(w.Admin, saved(summary.SelectionID))
		if again.SelectionID != summary.SelectionID {
			t.Error("a saved selection was saved once more")
		}
	})
}

func TestA3Revision(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "A3 the revision changes exactly when what the summary says does", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		person, second, outside := w.person("client", ann), w.person("referral"), w.person("client")
		task, free := w.task(person, ann), w.task(second)
		selection := w.summary(w.Admin, people(person, second)).SelectionID
		revision := func() string { return w.summary(w.Admin, saved(selection)).Revision }
		patch := func(task uuid.UUID, body object) {
			w.as(w.Admin, "PATCH", "/v1/tasks/"+task.String(), body, header{"If-Match", "*"}).must(200)
		}
		seen := map[string]string{revision(): "the beginning"}
		last := revision()
		for _, step := range []struct {
			what    string
			changes bool
			do      func()
		}{
			{"nothing", false, func() {}},
			{"a title and a due date", false, func() { patch(task, object{"title": "New", "due_on": "2026-01-01"}) }},
			{"a person's name", false, func() { w.exec(`UPDATE people SET first_name = 'New' WHERE id = $1`, person) }},
			{"a staff member's name and permissions", false, func() { w.exec(`UPDATE staff SET first_name = 'New', permissions = '{tasks}' WHERE id = $1`, ann.ID) }},
			{"a person who is not selected", false, func() { w.managed(people(outside), change("assign", staffed(ann))); w.task(outside, ann) }},
			{"a completed task", false, func() { w.taskIn("completed", uuid.NullUUID{UUID: person, Valid: true}, uuid.NullUUID{}, ann) }},
			{"a task in progress", false, func() { patch(task, object{"status": "in_progress"}) }},
			{"another staff member", true, func() {
				w.managed(people(person), change("add", object{"staff_ids": idsOf(bob), "task_policy": "keep"}))
			}},
			{"a staff member less", true, func() {
				w.managed(people(person), change("replace", object{"staff_ids": idsOf(bob), "task_policy": "keep"}))
			}},
			{"a staff member deactivated", true, func() { w.deactivate(bob) }},
			{"another assignee", true, func() { patch(task, object{"assignee_ids": idsOf(ann, w.Admin)}) }},
			{"an assignee instead of another", true, func() { patch(task, object{"assignee_ids": idsOf(w.Admin)}) }},
			{"nobody on a task", true, func() { patch(task, object{"assignee_ids": idsOf()}) }},
			{"an assignee on a task of somebody without staff", true, func() { patch(free, object{"assignee_ids": idsOf(ann)}) }},
			{"a task moved from one selected person to the other", true, func() { patch(free, object{"person_id": person}) }},
			{"a new task", true, func() { w.task(person) }},
			{"a task completed", true, func() { patch(task, object{"status": "completed"}) }},
			{"a person's kind", true, func() { w.exec(`UPDATE people SET kind = 'client' WHERE id = $1`, second) }},
		} {
			step.do()
			now := revision()
			if changed := now != last; changed != step.changes {
				t.Errorf("%s: the revision changed: %v, want %v", step.what, changed, step.changes)
			}
			if before, known := seen[now]; step.changes && known {
				t.Errorf("%s: the revision is again that of %s", step.what, before)
			}
			seen[now], last = step.what, now
		}
	})

	s.rule(t, "A15 the revision does not tell how people were selected", func(t *testing.T, w *world) {
		ann := w.member("member", "clients")
		one, two := w.person("client", ann), w.person("client", ann)
		w.task(one, ann)
		want := w.summary(w.Admin, people(one, two)).Revision
		for name, got := range map[string]string{
			"in another order": w.summary(w.Admin, people(two, one, two)).Revision,
			"by a filter":      w.summary(w.Admin, matching(object{"staff_id": idsOf(ann)})).Revision,
			"by somebody else": w.summary(ann, matching(object{"kind": []string{"client"}})).Revision,
			"in a preview": decode[api.Run](w.manage(w.Admin, people(one, two), change("remove", object{"all_staff": true, "task_policy": "unassign"}),
				object{"dry_run": true}).must(200)).Revision.MustGet(),
		} {
			if got != want {
				t.Errorf("%s: got %s, want %s", name, got, want)
			}
		}
		if other := w.summary(w.Admin, people(one)).Revision; other == want {
			t.Error("another set of people has the same revision")
		}
	})
}
