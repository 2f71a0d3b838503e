package acceptance

import (
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func TestA1Selection(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "A1 people are named by ids, a name said twice counting once", func(t *testing.T, w *world) {
		one, two := w.person("client"), w.person("referral")
		w.person("client")
		summary := w.summary(w.Admin, people(one, two, one))
		if summary.Selected != (api.PeopleCounts{Total: 2, Clients: 1, Referrals: 1}) {
			t.Errorf("got %+v", summary.Selected)
		}
		w.lists(w.Admin, "/v1/people?selection_id="+summary.SelectionID.String(), one, two)
	})

	s.rule(t, "A1 people are named by a filter, by a saved selection, and by both together", func(t *testing.T, w *world) {
		worker := w.member("member")
		mine, other, referral := w.person("client", worker), w.person("client"), w.person("referral", worker)
		byStaff := object{"staff_id": idsOf(worker)}
		created := w.as(w.Admin, "POST", "/v1/selections", object{"selection": matching(byStaff)}).must(201)
		selection := decode[api.StoredSelection](created)
		if selection.People != (api.PeopleCounts{Total: 2, Clients: 1, Referrals: 1}) || selection.CreatedBy.ID != w.Admin.ID {
			t.Errorf("got %+v", selection)
		}
		if created.Header.Get("Location") != "/v1/selections/"+selection.ID.String() {
			t.Errorf("got location %q", created.Header.Get("Location"))
		}
		if read := decode[api.StoredSelection](w.get(w.Admin, created.Header.Get("Location")).must(200)); read != selection {
			t.Errorf("read %+v, created %+v", read, selection)
		}
		for name, given := range map[string]struct {
			selection object
			want      []uuid.UUID
		}{
			"the filter":                {matching(byStaff), []uuid.UUID{mine, referral}},
			"the saved selection":       {saved(selection.ID), []uuid.UUID{mine, referral}},
			"a filter on the saved one": {matching(object{"selection_id": selection.ID, "kind": []string{"client"}}), []uuid.UUID{mine}},
			"everybody":                 {object{"type": "filter", "filter": object{}, "match_all": true}, []uuid.UUID{mine, other, referral}},
		} {
			summary := w.summary(w.Admin, given.selection)
			sameIDs(t, name, w.listed(w.Admin, "/v1/people?selection_id="+summary.SelectionID.String()), given.want...)
		}
	})

	s.rule(t, "A1 a saved selection stays as it was when it was saved", func(t *testing.T, w *world) {
		worker, other := w.member("member"), w.member("member")
		first := w.person("client", worker)
		selection := w.summary(w.Admin, matching(object{"staff_id": idsOf(worker)})).SelectionID
		later := w.person("client", worker)
		w.managed(people(first), change("replace", staffed(other)))
		w.lists(w.Admin, "/v1/people?selection_id="+selection.String(), first)
		w.managed(saved(selection), change("remove", object{"all_staff": true}))
		w.servedBy(first)
		w.servedBy(later, worker)
	})

	s.rule(t, "A1 an unknown id is named, and nothing is applied", func(t *testing.T, w *world) {
		worker := w.member("member")
		known, unknown := w.person("client"), newID()
		stranger := s.organization(t).person("client")
		before := w.tables()
		for _, wrong := range []uuid.UUID{unknown, stranger} {
			selection := people(known, wrong)
			for _, refused := range []answer{
				w.manage(w.Admin, selection, change("assign", staffed(worker))),
				w.manage(w.Admin, selection, change("assign", staffed(worker)), object{"dry_run": true}),
				w.as(w.Admin, "POST", "/v1/assignment-summary", object{"selection": selection}),
				w.as(w.Admin, "POST", "/v1/selections", object{"selection": selection}),
				w.as(w.Admin, "POST", "/v1/assign-staff", object{"selection": selection, "staff_ids": idsOf(worker)}),
				w.as(w.Admin, "POST", "/v1/remove-staff", object{"selection": selection}),
				w.as(w.Admin, "POST", "/v1/manage-assignments", wish(selection, change("assign", staffed(worker))), header{"Prefer", "respond-async"}),
			} {
				problem := refused.problem(422, "person_not_found")
				if len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/selection/person_ids/1" || problem.Errors[0].Code != "person_not_found" {
					t.Errorf("got errors %+v", problem.Errors)
				}
				if named, _ := problem.Params["person_ids"].([]any); len(named) != 1 || named[0] != wrong.String() {
					t.Errorf("got params %v", problem.Params)
				}
			}
		}
		w.unchanged(before)
	})

	s.rule(t, "A1 a selection is somebody's own, of one organization, and ends", func(t *testing.T, w *world) {
		colleague := w.member("member", "clients", "referrals")
		person := w.person("client")
		own := w.summary(w.Admin, people(person)).SelectionID
		foreign := s.organization(t)
		theirs := foreign.summary(foreign.Admin, people(foreign.person("client"))).SelectionID

		w.get(colleague, "/v1/selections/"+own.String()).problem(403, "permission_denied")
		w.as(colleague, "POST", "/v1/assignment-summary", object{"selection": saved(own)}).problem(403, "permission_denied")
		colleagues := w.summary(colleague, people(person)).SelectionID
		w.get(w.Admin, "/v1/selections/"+colleagues.String()).must(200)
		w.summary(w.Admin, saved(colleagues))

		for _, unknown := range []uuid.UUID{theirs, newID()} {
			w.get(w.Admin, "/v1/selections/"+unknown.String()).problem(404, "not_found")
			problem := w.as(w.Admin, "POST", "/v1/assignment-summary", object{"selection": saved(unknown)}).problem(422, "selection_not_found")
			if len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/selection/selection_id" {
				t.Errorf("got errors %+v", problem.Errors)
			}
			w.manage(w.Admin, matching(object{"selection_id": unknown}), change("remove", object{"all_staff": true})).problem(422, "selection_not_found")
			w.get(w.Admin, "/v1/people?selection_id="+unknown.String()).problem(422, "selection_not_found")
			w.get(w.Admin, "/v1/tasks?selection_id="+unknown.String()).problem(422, "selection_not_found")
		}
		w.get(colleague, "/v1/people?selection_id="+own.String()).problem(403, "permission_denied")

		w.exec(`UPDATE selections SET expires_at = now() WHERE organization_id = $1 AND id = $2`, w.ID, own)
		w.get(w.Admin, "/v1/selections/"+own.String()).problem(404, "not_found")
		w.get(w.Admin, "/v1/people?selection_id="+own.String()).problem(422, "selection_not_found")
		w.manage(w.Admin, saved(own), change("remove", object{"all_staff": true})).problem(422, "selection_not_found")
	})

	s.rule(t, "A1 nobody, everybody by accident, and too many are refused", func(t *testing.T, w *world) {
		w.person("client")
		remove := change("remove", object{"all_staff": true})
		w.manage(w.Admin, matching(object{"kind": []string{"referral"}}), remove).problem(422, "selection_empty")
		w.manage(w.Admin, matching(object{}), remove).problem(422, "filter_empty")
		w.manage(w.Admin, object{"type": "filter", "filter": object{}, "match_all": false}, remove).problem(422, "filter_empty")
		w.manage(w.Admin, people(), remove).problem(400, "invalid_request")
		many := make([]uuid.UUID, 1001)
		for i := range many {
			many[i] = newID()
		}
		w.manage(w.Admin, people(many...), remove).problem(400, "invalid_request")
		if missing := w.manage(w.Admin, people(many[1:]...), remove).problem(422, "person_not_found"); len(missing.Errors) == 0 {
			t.Error("nobody is named")
		}
		w.manage(w.Admin, object{"type": "filter", "filter": object{}, "match_all": true}, remove).must(200)
	})

	s.rule(t, "A1 the filter of a selection is that of the people list", func(t *testing.T, w *world) {
		worker := w.member("member")
		client, referral, idle := w.person("client", worker), w.person("referral"), w.person("client")
		w.exec(`UPDATE people SET status = 'inactive' WHERE id = $1`, idle)
		w.exec(`UPDATE people SET external_id = 'crm-7' WHERE id = $1`, referral)
		w.task(referral)
		w.taskIn("completed", uuid.NullUUID{UUID: idle, Valid: true}, uuid.NullUUID{})
		for query, given := range map[string]struct {
			filter object
			want   []uuid.UUID
		}{
			"kind=client":                              {object{"kind": []string{"client"}}, []uuid.UUID{client, idle}},
			"kind=client,referral":                     {object{"kind": []string{"client", "referral"}}, []uuid.UUID{client, referral, idle}},
			"status=inactive":                          {object{"status": []string{"inactive"}}, []uuid.UUID{idle}},
			"staff_id=" + worker.ID.String():           {object{"staff_id": idsOf(worker)}, []uuid.UUID{client}},
			"staff_id=me," + worker.ID.String():        {object{"staff_id": []any{"me", worker.ID}}, []uuid.UUID{client}},
			"has_staff=true":                           {object{"has_staff": true}, []uuid.UUID{client}},
			"has_staff=false":                          {object{"has_staff": false}, []uuid.UUID{referral, idle}},
			"has_active_tasks=true":                    {object{"has_active_tasks": true}, []uuid.UUID{referral}},
			"has_active_tasks=false":                   {object{"has_active_tasks": false}, []uuid.UUID{client, idle}},
			"external_id=crm-7,crm-8":                  {object{"external_id": []string{"crm-7", "crm-8"}}, []uuid.UUID{referral}},
			"has_staff=false&kind=client":              {object{"has_staff": false, "kind": []string{"client"}}, []uuid.UUID{idle}},
			"staff_id=" + worker.ID.String() + "&q=zz": {object{"staff_id": idsOf(worker), "q": "zz"}, nil},
		} {
			w.lists(w.Admin, "/v1/people?"+query, given.want...)
			if given.want == nil {
				w.as(w.Admin, "POST", "/v1/selections", object{"selection": matching(given.filter)}).problem(422, "selection_empty")
				continue
			}
			selection := w.summary(w.Admin, matching(given.filter)).SelectionID
			w.lists(w.Admin, "/v1/people?selection_id="+selection.String(), given.want...)
		}
	})
}
