package acceptance

import (
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func TestA15StaleDecisions(t *testing.T) {
	t.Parallel()
	s := start(t)

	s.rule(t, "A15 a stale revision: 412 with the new summary, nothing applied; the new revision is taken", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		person := w.person("client", ann)
		task := w.task(person, ann)
		summary := w.summary(w.Admin, people(person))
		replace := change("replace", object{"staff_ids": idsOf(bob), "task_policy": "reassign_all"})
		for name, disturb := range map[string]func(){
			"another member came":  func() { w.assign(person, w.Admin) },
			"a task came":          func() { w.task(person) },
			"a task changed hands": func() { w.hold(task, bob) },
			"a member was deactivated": func() {
				w.exec(`UPDATE staff SET status = CASE status WHEN 'active' THEN 'deactivated' ELSE 'active' END WHERE id = $1`, ann.ID)
			},
		} {
			disturb()
			before := w.tables()
			for _, dry := range []bool{true, false} {
				problem := w.manage(w.Admin, saved(summary.SelectionID), replace, object{"expected_revision": summary.Revision, "dry_run": dry}).problem(412, "revision_stale")
				if problem.Summary == nil || problem.Summary.Revision == summary.Revision {
					t.Fatalf("%s: got summary %+v", name, problem.Summary)
				}
				if now := w.summary(w.Admin, saved(summary.SelectionID)); now.Revision != problem.Summary.Revision || now.SelectionID != problem.Summary.SelectionID {
					t.Errorf("%s: the problem's summary is not that of now", name)
				}
			}
			w.unchanged(before)
			summary = w.summary(w.Admin, saved(summary.SelectionID))
		}
		run := w.managed(saved(summary.SelectionID), replace, object{"expected_revision": summary.Revision})
		if run.Revision.MustGet() != summary.Revision {
			t.Errorf("the run's revision is %s", run.Revision.MustGet())
		}
		w.servedBy(person, bob)
		// The change has made its own revision stale.
		w.manage(w.Admin, saved(summary.SelectionID), replace, object{"expected_revision": summary.Revision}).problem(412, "revision_stale")
	})

	s.rule(t, "A15 the revision of one set of people is stale for another", func(_ *testing.T, w *world) {
		one, two := w.person("client", w.Admin), w.person("client", w.Admin)
		revision := w.summary(w.Admin, people(one)).Revision
		w.manage(w.Admin, people(one, two), change("remove", object{"all_staff": true}), object{"expected_revision": revision}).problem(412, "revision_stale")
		w.manage(w.Admin, matching(object{"staff_id": []string{"me"}}), change("remove", object{"all_staff": true}), object{"expected_revision": revision}).
			problem(412, "revision_stale")
		w.manage(w.Admin, people(one, two), change("remove", object{"all_staff": true}), object{"expected_revision": "made up"}).problem(412, "revision_stale")
		w.manage(w.Admin, people(one, two), change("remove", object{"all_staff": true}), object{"expected_revision": nil}).must(200)
	})

	s.rule(t, "A15 an asynchronous change is refused at once where the facts have changed already", func(t *testing.T, w *world) {
		person := w.person("client", w.Admin)
		summary := w.summary(w.Admin, people(person))
		w.assign(person, w.member("member"))
		before := w.tables()
		body := wish(saved(summary.SelectionID), change("remove", object{"all_staff": true}), object{"expected_revision": summary.Revision})
		problem := w.as(w.Admin, "POST", "/v1/manage-assignments", body, header{"Prefer", "respond-async"}).problem(412, "revision_stale")
		if problem.Summary == nil || problem.Summary.WithStaff.Count != 1 {
			t.Errorf("got summary %+v", problem.Summary)
		}
		w.unchanged(before)
	})

	s.rule(t, "A15 of many who decide on one revision one comes through", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		var persons []uuid.UUID
		for range 20 {
			persons = append(persons, w.person("client", ann))
		}
		summary := w.summary(w.Admin, people(persons...))
		answers := together(6, func(i int) answer {
			return w.manage(w.Admin, saved(summary.SelectionID), change("replace", staffed([]member{bob, w.Admin}[i%2])), object{"expected_revision": summary.Revision})
		})
		var won []api.Run
		for _, got := range answers {
			if got.Status == 200 {
				won = append(won, decode[api.Run](got))
			} else {
				got.problem(412, "revision_stale")
			}
		}
		if len(won) != 1 || won[0].Totals.PeopleChanged != len(persons) {
			t.Errorf("came through: %+v", won)
		}
	})
}
