package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

func TestLists(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "every list is visited once by its cursors, in one order, with its total", func(t *testing.T, w *world) {
		ann := w.member("member")
		var persons []uuid.UUID
		for i := range 7 {
			person := w.person([]string{"client", "referral"}[i%2], ann)
			w.task(person, ann)
			w.eventOf(w.Admin, uuid.NullUUID{UUID: w.matter("everyone", w.Admin), Valid: i > 3}, w.Admin)
			persons = append(persons, person)
		}
		for range 3 {
			w.group(w.member("member", "tasks"))
		}
		var run api.Run
		for i := range 5 {
			run = w.managed(people(persons...), change([]string{"add", "remove"}[i%2], object{"staff_ids": idsOf(w.Admin), "task_policy": []string{"add_new_staff", "unassign"}[i%2]}))
		}
		for path, given := range map[string]struct {
			rows   int
			newest bool
		}{
			"/v1/people":                               {7, false},
			"/v1/people?staff_id=me":                   {7, false},
			"/v1/people?has_staff=true":                {7, false},
			"/v1/tasks":                                {7, false},
			"/v1/tasks?assignee_id=me":                 {7, false},
			"/v1/tasks?active=true":                    {7, false},
			"/v1/matters":                              {7, false},
			"/v1/matters?responsible_staff_id=me":      {7, false},
			"/v1/calendar-events":                      {7, false},
			"/v1/calendar-events?owner_staff_id=me":    {7, false},
			"/v1/calendar-events?attendee_staff_id=me": {7, false},
			"/v1/staff-groups":                         {3, false},
			"/v1/staff":                                {5, false},
			"/v1/api-tokens":                           {5, false},
			"/v1/runs":                                 {5, true},
			"/v1/audit-events":                         {70, true},
			"/v1/audit-events?staff_id=me":             {70, true},
			linksOf(t, run).Items:                      {14, false},
			linksOf(t, run).Items + "?kind=task":       {7, false},
		} {
			keyOf := func(row map[string]any) string {
				if id, named := row["id"]; named {
					return id.(string)
				}
				return row["item_id"].(string)
			}
			whole := rowKeys(w, withParameter(path, "limit", "200"), keyOf)
			if len(whole) != given.rows {
				t.Fatalf("%s: got %d rows, want %d", path, len(whole), given.rows)
			}
			if each := slices.Compact(slices.Sorted(slices.Values(whole))); len(each) != given.rows {
				t.Errorf("%s: a row stands twice", path)
			}
			if !strings.Contains(path, "items") && !slices.IsSortedFunc(whole, func(a, b string) int {
				if given.newest {
					a, b = b, a
				}
				return strings.Compare(a, b)
			}) {
				t.Errorf("%s: is not in order", path)
			}
			for _, size := range []int{1, 3, given.rows} {
				if got := rowKeys(w, withParameter(path, "limit", fmt.Sprint(size)), keyOf); !slices.Equal(got, whole) {
					t.Errorf("%s: in pages of %d got %v, want %v", path, size, got, whole)
				}
			}
			for _, size := range []string{"1", "200"} {
				first := decode[page](w.get(w.Admin, withParameter(withParameter(path, "limit", size), "include_total", "true")).must(200))
				if first.Total == nil || *first.Total != given.rows {
					t.Errorf("%s: got total %v, want %d", path, first.Total, given.rows)
				}
			}
			if unasked := decode[page](w.get(w.Admin, path).must(200)); unasked.Total != nil {
				t.Errorf("%s: the total was not asked for", path)
			}
			for _, limit := range []string{"0", "201", "-1", "many"} {
				w.get(w.Admin, withParameter(path, "limit", limit)).problem(400, "invalid_parameter")
			}
		}
		if got := decode[page](w.get(w.Admin, "/v1/audit-events").must(200)); len(got.Items) != 50 || got.NextCursor == nil {
			t.Errorf("by default a page holds %d rows", len(got.Items))
		}
	})

	s.rule(t, "what comes and goes between pages neither repeats nor hides a row that stays", func(t *testing.T, w *world) {
		var persons []uuid.UUID
		for range 10 {
			persons = append(persons, w.person("client", w.Admin))
		}
		first := decode[api.PersonPage](w.get(w.Admin, "/v1/people?limit=4&staff_id=me").must(200))
		w.managed(people(persons[0], persons[3], persons[5]), change("remove", object{"all_staff": true}))
		late := w.person("client", w.Admin)
		rest := w.listed(w.Admin, "/v1/people?limit=4&staff_id=me&cursor="+first.NextCursor.MustGet())
		sameIDs(t, "the rest", rest, append(slices.Clone(persons[6:]), persons[4], late)...)
	})

	s.rule(t, "a cursor is of one operation, filter and organization", func(t *testing.T, w *world) {
		ann := w.member("member", "clients")
		for range 3 {
			w.task(w.person("client", ann), ann)
		}
		cursor := func(path string) string {
			return decode[api.PersonPage](w.get(w.Admin, path).must(200)).NextCursor.MustGet()
		}
		of := cursor("/v1/people?limit=1&kind=client")
		for _, path := range []string{
			"/v1/people?limit=1", "/v1/people?kind=referral", "/v1/people?kind=client&has_staff=true", "/v1/tasks?limit=1", "/v1/staff?limit=1",
			"/v1/matters", "/v1/calendar-events", "/v1/staff-groups",
			"/v1/runs", "/v1/audit-events", "/v1/api-tokens",
		} {
			w.get(w.Admin, withParameter(path, "cursor", of)).problem(400, "invalid_cursor")
		}
		other := s.organization(t)
		other.get(other.Admin, "/v1/people?limit=1&kind=client&cursor="+of).problem(400, "invalid_cursor")
		for _, mangled := range []string{of + "A", of[:len(of)-2], "null", "AAAA"} {
			w.get(w.Admin, "/v1/people?kind=client&cursor="+mangled).problem(400, "invalid_cursor")
		}
		// Another size and a total make no other list; another caller sees what they see.
		w.get(w.Admin, "/v1/people?kind=client&limit=2&include_total=true&cursor="+of).must(200)
		w.get(ann, "/v1/people?kind=client&cursor="+of).must(200)
	})

	s.rule(t, "runs are filtered by kind, state and who asked, their items by kind and outcome", func(_ *testing.T, w *world) {
		ann := w.member("member", "staff", "clients")
		person, other := w.person("client", ann), w.person("client", w.Admin)
		task := w.task(person, ann)
		w.task(other, w.Admin)
		selection := people(person, other)
		managed := decode[api.Run](w.manage(ann, selection, change("replace", object{"staff_ids": idsOf(w.Admin), "task_policy": "reassign_all"})).must(200))
		assigned := decode[api.Run](w.as(w.Admin, "POST", "/v1/assign-staff", object{"selection": selection, "staff_ids": idsOf(ann)}).must(200))
		queued := decode[api.Run](w.as(ann, "POST", "/v1/remove-staff", object{"selection": selection}, async).must(202))
		of := func(runs ...api.Run) []uuid.UUID {
			var ids []uuid.UUID
			for _, run := range runs {
				ids = append(ids, run.ID.MustGet())
			}
			return ids
		}
		for query, want := range map[string][]uuid.UUID{
			"": of(managed, assigned, queued), "kind=manage_assignments": of(managed), "kind=assign_staff,remove_staff": of(assigned, queued),
			"kind=undo": nil, "status=queued": of(queued), "status=succeeded": of(managed, assigned), "status=failed,cancelled": nil,
			"requested_by=me": of(assigned), "requested_by=" + ann.ID.String(): of(managed, queued),
			"requested_by=" + ann.ID.String() + "&status=succeeded": of(managed),
		} {
			w.lists(w.Admin, "/v1/runs?"+query, want...)
			w.lists(w.Admin, "/v1/runs?limit=1&"+query, want...)
		}
		w.lists(ann, "/v1/runs?requested_by="+w.Admin.ID.String())
		items := linksOf(w.t, managed).Items
		for query, want := range map[string]int{
			"": 4, "kind=person": 2, "kind=task": 2, "kind=person,task": 4, "kind=matter": 0, "outcome=changed": 2, "outcome=unchanged": 2,
			"outcome=created,left_alone": 0, "kind=task&outcome=changed": 1,
		} {
			got := list[api.RunItem](w, ann, items+"?limit=1&"+query)
			if total := *decode[page](w.get(ann, items+"?include_total=true&"+query).must(200)).Total; len(got) != want || total != want {
				w.t.Errorf("items %s: got %d of %d, want %d", query, len(got), total, want)
			}
			if query == "kind=task&outcome=changed" && got[0].ItemID != task {
				w.t.Errorf("got %+v", got[0])
			}
		}
	})
}

// rowKeys reads a whole list by a key of its rows.
func rowKeys(w *world, path string, keyOf func(map[string]any) string) []string {
	w.t.Helper()
	keys := []string{}
	for _, row := range list[map[string]any](w, w.Admin, path) {
		keys = append(keys, keyOf(row))
	}
	return keys
}

func TestTaskFilters(t *testing.T) {
	t.Parallel()
	// Late in the evening of the fourteenth in Toronto; the fifteenth already in UTC and in the database's session.
	s := start(t, withoutWorker, at(time.Date(2026, time.July, 15, 2, 30, 0, 0, time.UTC)))
	w := s.organization(t)
	ann, bob := w.member("member"), w.member("member")
	served, unserved := w.person("client", ann), w.person("referral")
	ids := map[string]uuid.UUID{}
	create := func(name string, fields object) {
		body := object{"title": name + " call the Zoning-Board", "external_id": "x-" + name}
		for field, value := range fields {
			body[field] = value
		}
		ids[name] = decode[api.Task](w.as(w.Admin, "POST", "/v1/tasks", body).must(201)).ID
	}
	matter := w.matter("everyone", ann)
	create("plain", object{})
	create("held", object{"person_id": served, "assignee_ids": idsOf(ann), "due_on": "2026-07-13"})
	create("shared", object{"person_id": served, "assignee_ids": idsOf(ann, bob), "due_on": "2026-07-14", "status": "in_progress"})
	create("queued", object{"person_id": unserved, "due_on": "2026-07-15"})
	create("done", object{"person_id": served, "assignee_ids": idsOf(bob), "due_on": "2026-07-01", "status": "completed", "details": "Zebra"})
	create("dropped", object{"person_id": unserved, "status": "cancelled"})
	create("legal", object{"matter_id": matter, "assignee_ids": idsOf(bob), "due_on": "2026-06-30"})
	everything := "plain held shared queued done dropped legal"
	selection := w.summary(w.Admin, people(served)).SelectionID.String()
	a, b := ann.ID.String(), bob.ID.String()
	for query, want := range map[string]string{
		"status=open":                     "plain held queued legal",
		"status=completed,cancelled":      "done dropped",
		"active=true":                     "plain held shared queued legal",
		"active=false":                    "done dropped",
		"assignee_id=" + a:                "held shared",
		"assignee_id=" + b:                "shared done legal",
		"assignee_id=" + a + "," + b:      "held shared done legal",
		"assignee_id=" + newID().String(): "",
		"unassigned=true":                 "plain queued",
		"unassigned=false":                "held shared done legal",
		"person_id=" + served.String():    "held shared done",
		"person_id=" + served.String() + "," + unserved.String(): "held shared queued done dropped",
		"matter_id=" + matter.String():                           "legal",
		"selection_id=" + selection:                              "held shared done",
		"person_has_staff=true":                                  "held shared done",
		"person_has_staff=false":                                 "queued dropped",
		"due_from=2026-07-14":                                    "shared queued",
		"due_to=2026-07-13":                                      "held done legal",
		"due_from=2026-07-13&due_to=2026-07-14":                  "held shared",
		"past_due=true":                                          "held legal",
		"past_due=false":                                         "plain shared queued done dropped",
		"q=zoning":                                               everything,
		"q=CALL%20hel":                                           "held",
		"q=board":                                                "",
		"q=oning":                                                "",
		"q=zebra":                                                "",
		"q=%25":                                                  "",
		"external_id=x-held,x-legal,x-none":                      "held legal",
		"status=open&assignee_id=" + a + "&q=held":               "held",
		"active=true&person_has_staff=true&selection_id=" + selection: "held shared",
	} {
		var expected []uuid.UUID
		for _, name := range strings.Fields(want) {
			expected = append(expected, ids[name])
		}
		w.lists(w.Admin, "/v1/tasks?"+query, expected...)
		w.lists(w.Admin, "/v1/tasks?limit=1&"+query, expected...)
		if total := *decode[page](w.get(w.Admin, "/v1/tasks?include_total=true&"+query).must(200)).Total; total != len(expected) {
			t.Errorf("%s: got total %d, want %d", query, total, len(expected))
		}
	}
	// Today is the organization's today.
	w.exec(`UPDATE organizations SET time_zone = 'Pacific/Auckland' WHERE id = $1`, w.ID)
	w.lists(w.Admin, "/v1/tasks?past_due=true", ids["held"], ids["shared"], ids["legal"])
	if shown := decode[api.Task](w.get(w.Admin, "/v1/tasks/"+ids["shared"].String()).must(200)); !shown.PastDue {
		t.Error("a task past due in the organization's time zone is not shown so")
	}
	for _, wrong := range []string{"due_from=2026-02-30", "active=maybe", "assignee_id=nobody", "status=late", "person_id=1", "colour=red", "q="} {
		if got := w.get(w.Admin, "/v1/tasks?"+wrong); got.Status != 400 {
			t.Errorf("%s: got %d", wrong, got.Status)
		}
	}
}

func TestPeopleAndStaffSearch(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "people are found by a prefix of any word of name or email, all words of the search", func(t *testing.T, w *world) {
		ids := map[string]uuid.UUID{}
		for name, fields := range map[string][3]string{
			"maya":  {"Maya", "Petrov-Lang", "maya.petrov@mail.example"},
			"mayer": {"Jan", "MAYER", "jan@work.example"},
			"zoe":   {"Zoë", "Ångström", ""},
			"li":    {"李", "小龙", "li@mail.example"},
		} {
			body := object{"kind": "client", "first_name": fields[0], "last_name": fields[1]}
			if fields[2] != "" {
				body["email"] = fields[2]
			}
			ids[name] = decode[api.Person](w.as(w.Admin, "PUT", "/v1/people/by-external-id/"+name, body).must(201)).ID
		}
		for query, want := range map[string]string{
			"may": "maya mayer", "MAYA": "maya", "maya%20pet": "maya", "pet%20maya": "maya", "lang": "maya", "petrov-l": "maya", "etrov": "",
			"maya.petrov@mail.ex": "maya", "mail": "maya li", "zo%C3%AB": "zoe", "%C3%85NG": "zoe", "%E6%9D%8E": "li", "%25": "", "_": "", "'": "", "maya%20jan": "",
		} {
			var expected []uuid.UUID
			for _, name := range strings.Fields(want) {
				expected = append(expected, ids[name])
			}
			w.lists(w.Admin, "/v1/people?q="+query, expected...)
		}
		w.as(w.Admin, "PUT", "/v1/people/by-external-id/maya", object{"kind": "client", "first_name": "Mia", "last_name": "Petrov", "email": nil}).must(200)
		w.lists(w.Admin, "/v1/people?q=maya")
		w.lists(w.Admin, "/v1/people?q=mia", ids["maya"])
	})

	s.rule(t, "staff are filtered by state, role, permission, words and external id; everybody sees them", func(_ *testing.T, w *world) {
		plain, gone := w.member("member"), w.member("member", "clients")
		w.deactivate(gone)
		tasks := w.member("member", "tasks", "clients")
		w.exec(`UPDATE staff SET first_name = 'Élodie Anne', external_id = 'hr-1' WHERE id = $1`, plain.ID)
		for query, want := range map[string][]member{
			"":                                 {w.Admin, plain, gone, tasks},
			"status=active":                    {w.Admin, plain, tasks},
			"status=deactivated":               {gone},
			"role=administrator":               {w.Admin},
			"role=member,administrator":        {w.Admin, plain, gone, tasks},
			"permission=tasks":                 {w.Admin, tasks},
			"permission=clients,staff":         {w.Admin, gone, tasks},
			"permission=clients&status=active": {w.Admin, tasks},
			"q=%C3%A9lo":                       {plain},
			"q=%C3%89LO%20AN":                  {plain},
			"external_id=hr-1,hr-2":            {plain},
			"q=member%20elo":                   nil,
		} {
			w.lists(plain, "/v1/staff?"+query, idsOf(want...)...)
		}
	})
}
