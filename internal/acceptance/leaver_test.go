package acceptance

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func TestA19LeaversList(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "A19 a leaver's whole caseload is selected by the people list's filter, and moved in one change", func(t *testing.T, w *world) {
		leaver, successor, colleague := w.member("member"), w.member("member"), w.member("member")
		var caseload, tasks []uuid.UUID
		for i := range 120 {
			kind := []string{"client", "referral"}[i%2]
			person := w.person(kind, leaver)
			if i%3 == 0 {
				w.assign(person, colleague)
			}
			caseload = append(caseload, person)
			tasks = append(tasks, w.task(person, leaver))
		}
		untouched := w.person("client", colleague)
		w.deactivate(leaver)

		list := "/v1/people?staff_id=" + leaver.ID.String()
		w.lists(w.Admin, list, caseload...)
		if got := w.listed(w.Admin, list+"&limit=7"); !slices.IsSortedFunc(got, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }) {
			t.Error("the list is not in the order of ids")
		}
		if total := *decode[page](w.get(w.Admin, list+"&include_total=true&limit=1").must(200)).Total; total != len(caseload) {
			t.Errorf("got total %d", total)
		}
		selection := matching(object{"staff_id": []uuid.UUID{leaver.ID}})
		summary := w.summary(w.Admin, selection)
		if summary.Selected.Total != 120 || summary.Staff[0].Staff.ID != leaver.ID || summary.Staff[0].People != 120 || summary.Staff[0].ActiveTasks != 120 {
			t.Errorf("got %+v", summary)
		}
		run := w.managed(selection, change("add", object{"staff_ids": idsOf(successor), "task_policy": "keep"}), object{"expected_revision": summary.Revision})
		totals(t, run, api.RunTotals{PeopleChanged: 120, AssignmentsAdded: 120})
		run = w.managed(selection, change("remove", object{"staff_ids": idsOf(leaver, colleague), "task_policy": "reassign_to_remaining"}))
		totals(t, run, api.RunTotals{PeopleChanged: 120, AssignmentsRemoved: 160, TasksChanged: 120})
		for i, person := range caseload {
			w.servedBy(person, successor)
			w.heldBy(tasks[i], successor)
		}
		w.servedBy(untouched, colleague)
		w.lists(w.Admin, list)
		w.lists(w.Admin, "/v1/people?staff_id="+successor.ID.String(), caseload...)
		if items := w.items(run); len(items) != 240 {
			t.Errorf("got %d items", len(items))
		}
	})

	s.rule(t, "A19 the filter takes several staff, and together with others", func(_ *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		ofAnn, ofBob, ofBoth, ofNobody := w.person("client", ann), w.person("referral", bob), w.person("client", ann, bob), w.person("client")
		w.task(ofBoth)
		a, b := ann.ID.String(), bob.ID.String()
		w.lists(w.Admin, "/v1/people?staff_id="+a, ofAnn, ofBoth)
		w.lists(w.Admin, "/v1/people?staff_id="+a+","+b, ofAnn, ofBob, ofBoth)
		w.lists(w.Admin, "/v1/people?staff_id="+a+"&kind=client&has_active_tasks=true", ofBoth)
		w.lists(w.Admin, "/v1/people?staff_id="+b+"&kind=referral", ofBob)
		w.lists(w.Admin, "/v1/people?staff_id="+newID().String())
		w.lists(w.Admin, "/v1/people?has_staff=false", ofNobody)
		w.lists(w.member("member", "referrals"), "/v1/people?staff_id="+a+","+b, ofBob)
		stranger := s.organization(w.t)
		w.lists(w.Admin, "/v1/people?staff_id="+stranger.Admin.ID.String())
		stranger.lists(stranger.Admin, "/v1/people?staff_id="+a)
	})
}
