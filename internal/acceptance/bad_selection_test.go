package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

// selecting operations are all that take a selection, each with the rest of a body that would succeed.
func (a *tenant) takersOfSelections(t *testing.T) map[string]object {
	t.Helper()
	takers := map[string]object{
		"createSelection": {}, "getAssignmentSummary": {}, "removeStaff": {}, "assignStaff": {"staff_ids": idsOf(a.spare)},
		"manageAssignments": {"change": change("add", object{"staff_ids": idsOf(a.spare), "task_policy": "keep"})},
	}
	for _, operationID := range operationIDs() {
		body := operations()[operationID].Body
		if body == nil || body.Value.Properties["selection"] == nil {
			continue
		}
		if takers[operationID] == nil {
			t.Errorf("the operation %s takes a selection, and has no row", operationID)
		}
	}
	return takers
}

func TestBadSelections(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	a, b := s.furnished(t, "Aldermoor"), s.furnished(t, "Brackwater")
	unknown := newID()
	expired := a.savedSelection(a.Admin, a.clientID)
	a.exec(`UPDATE selections SET expires_at = now() - interval '1 second' WHERE id = $1`, expired)
	many := make([]uuid.UUID, 1001)
	for i := range many {
		many[i] = newID()
	}
	for operationID, rest := range a.takersOfSelections(t) {
		op := operations()[operationID]
		of := func(selection object) ask { return withBody(with(rest, "selection", selection)) }
		t.Run(operationID, func(t *testing.T) {
			before, beforeB := a.tables(), b.tables()
			// Empty ones.
			a.bad(t, op, of(people()), 400, "invalid_request", "/selection/person_ids")
			a.bad(t, op, of(matching(object{})), 422, "filter_empty", "/selection/filter")
			a.bad(t, op, of(with(matching(object{}), "match_all", false)), 422, "filter_empty", "/selection/filter")
			a.bad(t, op, of(matching(object{"kind": []string{}})), 400, "invalid_request", "/selection/filter/kind")
			a.bad(t, op, of(matching(object{"q": "   "})), 400, "invalid_request", "/selection/filter/q")
			a.bad(t, op, of(matching(object{"q": "nobody-is-called-so"})), 422, "selection_empty", "/selection")
			a.bad(t, op, of(matching(object{"staff_id": []uuid.UUID{unknown}})), 422, "selection_empty", "/selection")
			a.bad(t, op, of(matching(object{"external_id": []string{"no-such"}})), 422, "selection_empty", "/selection")
			a.bad(t, op, of(object{}), 400, "invalid_request", "/selection/type")
			a.bad(t, op, of(object{"type": "everybody"}), 400, "invalid_request", "/selection/type")
			a.bad(t, op, of(object{"type": "people"}), 400, "invalid_request", "/selection/person_ids")
			a.bad(t, op, of(object{"type": "saved", "person_ids": []uuid.UUID{a.clientID}, "selection_id": a.selectionID}), 400, "unknown_field", "/selection/person_ids")
			a.bad(t, op, withBody(with(rest, "selection", nil)), 400, "invalid_request", "/selection")

			// Above the limit.
			problem := a.bad(t, op, of(people(many...)), 400, "invalid_request", "/selection/person_ids")
			if problem.Errors[0].Code != "too_many" {
				t.Errorf("got %+v", problem.Errors)
			}
			a.bad(t, op, of(matching(object{"staff_id": many[:101]})), 400, "invalid_request", "/selection/filter/staff_id")

			// Unknown ones, each named; a refusal of many stays small.
			problem = a.bad(t, op, of(people(a.clientID, unknown, a.referralID, b.clientID, unknown)), 422, "person_not_found", "/selection/person_ids/1")
			if pointers := pointersOf(problem); !slices.Equal(pointers, []string{"/selection/person_ids/1", "/selection/person_ids/3", "/selection/person_ids/4"}) {
				t.Errorf("got errors at %v", pointers)
			}
			if named, _ := problem.Params["person_ids"].([]any); len(named) != 2 {
				t.Errorf("got params %v", problem.Params)
			}
			if problem = a.bad(t, op, of(people(many[:1000]...)), 422, "person_not_found", "/selection/person_ids/0"); len(problem.Errors) > 100 {
				t.Errorf("got %d errors", len(problem.Errors))
			}
			for _, id := range []uuid.UUID{unknown, b.selectionID, expired, a.clientID} {
				a.bad(t, op, of(saved(id)), 422, "selection_not_found", "/selection/selection_id")
				a.bad(t, op, of(matching(object{"selection_id": id})), 422, "selection_not_found", "/selection/filter/selection_id")
			}
			a.unchanged(before)
			b.unchanged(beforeB)

			// Duplicates are harmless.
			id := a.person("client")
			s.ask(t, a.Admin.Token, operationID, of(object{"type": "people", "person_ids": []any{id, id, strings.ToUpper(id.String()), a.referralID, id}})).must(map[bool]int{true: 201, false: 200}[operationID == "createSelection"])
		})
	}

	t.Run("lists and filters refuse a selection that is none", func(t *testing.T) {
		for _, operationID := range []string{"listPeople", "listTasks"} {
			for _, id := range []uuid.UUID{unknown, b.selectionID, expired} {
				problem := s.ask(t, a.Admin.Token, operationID, inQuery("selection_id", id.String())).problem(422, "selection_not_found")
				pointsTo(t, operationID, problem, "query:selection_id")
			}
		}
		s.ask(t, a.Admin.Token, "getSelection", inPath("selection_id", expired.String())).problem(404, "not_found")
	})
}

func pointersOf(problem api.Problem) []string {
	pointers := make([]string, len(problem.Errors))
	for i, at := range problem.Errors {
		pointers[i] = at.Pointer
	}
	return pointers
}

// A selection may hold 200,000 people, and not one more.
func TestSelectionsAboveTheLimit(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	a := &tenant{world: s.organization(t)}
	a.spare = a.member("member")
	a.exec(`INSERT INTO people (organization_id, id, kind, status, first_name, last_name, created_at, updated_at)
		SELECT $1, gen_random_uuid(), 'client', CASE WHEN n = 0 THEN 'inactive' ELSE 'active' END, 'Person', n::text, now(), now() FROM generate_series(0, 200000) AS n`, a.ID)
	a.exec(`ANALYZE people`)
	before := a.count(`SELECT (SELECT count(*) FROM assignments) + (SELECT count(*) FROM selection_people) + (SELECT count(*) FROM runs)`)
	filters := []object{matching(object{"kind": []string{"client"}}), with(matching(object{}), "match_all", true)}
	takers := a.takersOfSelections(t)
	for i, operationID := range []string{"createSelection", "manageAssignments", "assignStaff"} {
		rest, selection := takers[operationID], filters[i%len(filters)]
		problem := a.bad(t, operations()[operationID], withBody(with(rest, "selection", selection)), 422, "selection_too_large", "/selection/filter")
		if problem.Params["maximum"] != 200_000.0 {
			t.Errorf("got params %v", problem.Params)
		}
	}
	if after := a.count(`SELECT (SELECT count(*) FROM assignments) + (SELECT count(*) FROM selection_people) + (SELECT count(*) FROM runs)`); after != before {
		t.Errorf("what was refused left %d rows", after-before)
	}
	stored := decode[api.StoredSelection](s.ask(t, a.Admin.Token, "createSelection", withBody(object{"selection": matching(object{"status": []string{"active"}})})).must(201))
	if stored.People.Total != 200_000 {
		t.Errorf("got %+v", stored.People)
	}
}

// A13: nobody who is deactivated, unknown or of another organization is handed anything, wherever staff are named.
func TestBadTargets(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	a, b := s.furnished(t, "Aldermoor"), s.furnished(t, "Brackwater")
	gone := a.member("member")
	a.deactivate(gone)
	client, task := a.person("client"), taskOfNobody(a.world, a.Admin)
	// Where each operation names staff, and the request with the ids there.
	targets := map[string]struct {
		pointer string
		request func(ids ...any) ask
	}{
		"assignStaff": {"/staff_ids/%d", func(ids ...any) ask { return withBody(object{"selection": people(client), "staff_ids": ids}) }},
		"createTask":  {"/assignee_ids/%d", func(ids ...any) ask { return withBody(object{"title": "Call", "assignee_ids": ids}) }},
		"updateTask": {"/assignee_ids/%d", func(ids ...any) ask {
			return inPath("task_id", task.String()).sending(object{"assignee_ids": ids}).with("If-Match", "*")
		}},
		"upsertTaskByExternalId": {"/assignee_ids/%d", func(ids ...any) ask {
			return inPath("external_id", newID().String()).sending(object{"title": "Call", "assignee_ids": ids})
		}},
	}
	for _, kind := range []string{"assign", "add", "replace"} {
		for _, more := range []string{"", "dry", "async"} {
			targets["manageAssignments "+kind+" "+more] = struct {
				pointer string
				request func(ids ...any) ask
			}{"/change/staff_ids/%d", func(ids ...any) ask {
				request := withBody(object{"selection": people(client), "change": change(kind, object{"staff_ids": ids}), "dry_run": more == "dry"})
				if more == "async" {
					return request.with("Prefer", "respond-async")
				}
				return request
			}}
		}
	}
	for name, target := range targets {
		t.Run(name, func(t *testing.T) {
			op := operations()[strings.Fields(name)[0]]
			before := a.tables()
			at := func(i int) string { return fmt.Sprintf(target.pointer, i) }
			a.bad(t, op, target.request(a.spare.ID, newID()), 422, "staff_not_found", at(1))
			a.bad(t, op, target.request(b.spare.ID, "me"), 422, "staff_not_found", at(0))
			a.bad(t, op, target.request(a.spare.ID, gone.ID), 422, "staff_not_active", at(1))
			problem := a.bad(t, op, target.request(gone.ID, a.spare.ID, strings.ToUpper(gone.ID.String())), 422, "staff_not_active", at(0))
			if pointers := pointersOf(problem); len(pointers) != 2 || pointers[1] != at(2) {
				t.Errorf("got errors at %v", pointers)
			}
			// What does not exist gives the code, and each place is named.
			problem = a.bad(t, op, target.request(gone.ID, newID()), 422, "staff_not_found", at(0))
			if len(problem.Errors) != 2 || problem.Errors[0].Code != "staff_not_active" || problem.Errors[1].Code != "staff_not_found" {
				t.Errorf("got errors %+v", problem.Errors)
			}
			a.bad(t, op, target.request(a.clientID), 422, "staff_not_found", at(0))
			a.unchanged(before)
		})
	}

	t.Run("createApiToken", func(t *testing.T) {
		op, before := operations()["createApiToken"], a.tables()
		for id, code := range map[uuid.UUID]string{newID(): "staff_not_found", b.spare.ID: "staff_not_found", gone.ID: "staff_not_active"} {
			a.bad(t, op, withBody(object{"name": "Export", "staff_id": id}), 422, code, "/staff_id")
		}
		a.unchanged(before)
	})

	t.Run("a target named twice counts once", func(t *testing.T) {
		for _, ids := range [][]any{{a.spare.ID, a.spare.ID}, {a.spare.ID, strings.ToUpper(a.spare.ID.String()), "me", a.Admin.ID, "me"}} {
			created := decode[api.Task](s.ask(t, a.Admin.Token, "createTask", withBody(object{"title": "Call", "assignee_ids": ids})).must(201))
			want := min(len(ids), 3) - 1
			if len(created.Assignees) != want {
				t.Errorf("%v became %+v", ids, created.Assignees)
			}
			person := a.person("client")
			run := decode[api.Run](s.ask(t, a.Admin.Token, "manageAssignments", withBody(object{"selection": people(person, person), "change": change("assign", object{"staff_ids": ids})})).must(200))
			if run.Totals.PeopleChanged != 1 || run.Totals.AssignmentsAdded != want || len(a.staffOf(person)) != want {
				t.Errorf("%v became %+v", ids, run.Totals)
			}
		}
		staff := decode[api.Staff](s.ask(t, a.Admin.Token, "createStaff", withBody(newMember("member", "tasks", "clients", "tasks"))).must(201))
		if !slices.Equal(staff.Permissions, []string{"clients", "tasks"}) {
			t.Errorf("got permissions %v", staff.Permissions)
		}
		for _, query := range []string{"kind=client,client", "staff_id=me,me", "status=active,active,active"} {
			s.call(t, a.Admin.Token, "GET", "/v1/people?"+query, nil).must(200)
		}
	})
}

// A9, A15: a decision that is missing, or that rests on facts of yesterday.
func TestBadDecisions(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	a := s.furnished(t, "Aldermoor")
	op := operations()["manageAssignments"]
	client := a.person("client", a.staff)
	a.task(client, a.staff)
	a.task(client)
	selection := people(client, a.referralID)
	changes := map[string]object{
		"add":     change("add", object{"staff_ids": idsOf(a.spare)}),
		"replace": change("replace", object{"staff_ids": idsOf(a.spare)}),
		"remove":  change("remove", object{"staff_ids": idsOf(a.staff)}),
		"all":     change("remove", object{"all_staff": true}),
	}
	before := a.tables()
	for name, changed := range changes {
		for _, dry := range []bool{false, true} {
			body := object{"selection": selection, "change": changed, "dry_run": dry}
			problem := a.bad(t, op, withBody(body), 422, "task_policy_required", "/change/task_policy")
			if problem.Params["active_tasks"] != 2.0 || !strings.Contains(problem.Detail, "2") {
				t.Errorf("%s: got params %v, %s", name, problem.Params, problem.Detail)
			}
			for revision, status := range map[string]int{"stale": 412, a.revision: 412, strings.Repeat("0", 200): 412, "": 400, strings.Repeat("0", 201): 400} {
				code := map[int]string{412: "revision_stale", 400: "invalid_request"}[status]
				problem = a.bad(t, op, withBody(with(body, "expected_revision", revision)), status, code, "")
				if (problem.Summary != nil) != (status == 412) {
					t.Errorf("%s: a revision that is answered %d comes with the summary %v", name, status, problem.Summary)
				}
			}
		}
	}
	for pointer, wrong := range map[string]object{
		"/change/task_policy":          change("remove", object{"all_staff": true, "task_policy": "keep"}),
		"/change/when_no_staff_remain": change("remove", object{"all_staff": true, "task_policy": "unassign", "when_no_staff_remain": "hope"}),
		"/change/task_scope":           change("add", object{"staff_ids": idsOf(a.spare), "task_scope": "some"}),
		"/change/type":                 change("hand_over", object{"staff_ids": idsOf(a.spare)}),
		"/change/staff_ids":            change("assign", object{"staff_ids": []string{}}),
	} {
		a.bad(t, op, withBody(object{"selection": selection, "change": wrong}), 400, "invalid_request", pointer)
	}
	a.bad(t, op, withBody(object{"selection": selection, "change": change("assign", object{"staff_ids": idsOf(a.spare), "task_policy": "keep"})}), 400, "unknown_field", "/change/task_policy")
	for _, wrong := range []object{
		change("remove", object{}), change("remove", object{"all_staff": false}), change("remove", object{"all_staff": true, "staff_ids": idsOf(a.staff)}),
	} {
		a.bad(t, op, withBody(object{"selection": selection, "change": wrong}), 422, "invalid_value", "/change/staff_ids")
	}
	a.unchanged(before, "selections", "selection_people") // new summaries freeze their people

	current := decode[api.AssignmentSummary](s.ask(t, a.Admin.Token, "getAssignmentSummary", withBody(object{"selection": selection})).must(200))
	body := object{"selection": selection, "change": with(changes["add"], "task_policy", "keep"), "expected_revision": current.Revision}
	s.ask(t, a.Admin.Token, "manageAssignments", withBody(body)).must(200)
	after := a.tables()
	a.bad(t, op, withBody(body), 412, "revision_stale", "")
	a.unchanged(after, "selections", "selection_people")
}
