package acceptance

import (
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func TestA2WhoMayManage(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "A2 clients need the clients permission, referrals the referrals permission, both need both", func(t *testing.T, w *world) {
		worker := w.member("member")
		client, referral := w.person("client", worker), w.person("referral", worker)
		selections := []object{people(client), people(referral), people(client, referral)}
		for name, given := range map[string]struct {
			caller member
			may    [3]bool
		}{
			"an administrator":         {w.member("administrator"), [3]bool{true, true, true}},
			"clients":                  {w.member("member", "clients"), [3]bool{true, false, false}},
			"referrals":                {w.member("member", "referrals"), [3]bool{false, true, false}},
			"clients and referrals":    {w.member("member", "clients", "referrals"), [3]bool{true, true, true}},
			"staff":                    {w.member("member", "staff"), [3]bool{}},
			"tasks":                    {w.member("member", "tasks"), [3]bool{}},
			"nothing":                  {w.member("member"), [3]bool{}},
			"nothing, but their own":   {worker, [3]bool{}},
			"clients, staff and tasks": {w.member("member", "clients", "staff", "tasks"), [3]bool{true, false, false}},
		} {
			for i, selection := range selections {
				before := w.tables()
				for _, got := range []answer{
					w.as(given.caller, "POST", "/v1/assignment-summary", object{"selection": selection}),
					w.manage(given.caller, selection, change("add", staffed(worker)), object{"dry_run": true}),
					w.manage(given.caller, selection, change("add", staffed(worker))),
				} {
					if given.may[i] {
						got.must(200)
					} else {
						got.problem(403, "permission_denied")
					}
				}
				if !given.may[i] {
					w.unchanged(before)
				}
				if t.Failed() {
					t.Fatalf("%s, selection %d", name, i)
				}
			}
		}
	})

	s.rule(t, "A2 without permission an asynchronous change is refused at once, and nothing is queued", func(t *testing.T, w *world) {
		caller, client := w.member("member", "referrals"), w.person("client")
		before := w.tables()
		w.as(caller, "POST", "/v1/manage-assignments", wish(people(client), change("assign", staffed(caller))), header{"Prefer", "respond-async"}).
			problem(403, "permission_denied")
		w.unchanged(before)
	})

	s.rule(t, "A2 a filter matches only what the caller sees", func(t *testing.T, w *world) {
		caller := w.member("member", "clients")
		client := w.person("client")
		referral := w.person("referral")
		run := decode[api.Run](w.manage(caller, object{"type": "filter", "filter": object{}, "match_all": true}, change("assign", staffed(caller))).must(200))
		if run.Totals.PeopleChanged != 1 {
			t.Errorf("got totals %+v", run.Totals)
		}
		w.servedBy(client, caller)
		w.servedBy(referral)
		w.as(caller, "POST", "/v1/assignment-summary", object{"selection": matching(object{"kind": []string{"referral"}})}).problem(422, "selection_empty")
	})

	s.rule(t, "A2 a filter that matches somebody assigned to the caller whom they may not manage is refused", func(t *testing.T, w *world) {
		caller := w.member("member", "clients")
		w.person("client")
		w.person("referral", caller)
		w.as(caller, "POST", "/v1/assignment-summary", object{"selection": object{"type": "filter", "filter": object{}, "match_all": true}}).
			problem(403, "permission_denied")
		w.as(caller, "POST", "/v1/assignment-summary", object{"selection": matching(object{"kind": []string{"client"}})}).must(200)
	})

	s.rule(t, "A2 a selection is judged by who uses it, when it is used", func(t *testing.T, w *world) {
		caller := w.member("member", "referrals")
		referral := w.person("referral")
		selection := w.summary(caller, people(referral)).SelectionID
		w.exec(`UPDATE people SET kind = 'client' WHERE id = $1`, referral)
		w.manage(caller, saved(selection), change("assign", staffed(caller))).problem(403, "permission_denied")
		w.exec(`UPDATE people SET kind = 'referral' WHERE id = $1`, referral)
		w.exec(`UPDATE staff SET permissions = '{}' WHERE id = $1`, caller.ID)
		w.manage(caller, saved(selection), change("assign", staffed(caller))).problem(403, "permission_denied")
		w.get(caller, "/v1/selections/"+selection.String()).must(200)
	})

	s.rule(t, "A2 what is not among the people of the organization is as if it did not exist", func(t *testing.T, w *world) {
		caller, client := w.member("member"), w.person("client")
		stranger := s.organization(t).person("client")
		w.get(caller, "/v1/people/"+client.String()).problem(403, "permission_denied")
		for _, unknown := range []uuid.UUID{stranger, newID()} {
			w.get(caller, "/v1/people/"+unknown.String()).problem(404, "not_found")
			w.get(w.Admin, "/v1/people/"+unknown.String()).problem(404, "not_found")
		}
	})

	s.rule(t, "A2 a person named by id whom the caller does not see cannot be saved in a selection", func(t *testing.T, w *world) {
		caller := w.member("member", "clients")
		client, own, other := w.person("client"), w.person("referral", caller), w.person("referral")
		w.as(caller, "POST", "/v1/selections", object{"selection": people(client, own)}).must(201)
		w.as(caller, "POST", "/v1/selections", object{"selection": people(client, other)}).problem(403, "permission_denied")
	})

	s.rule(t, "A2 runs, their items and reports: who asked, and administrators", func(t *testing.T, w *world) {
		requester, colleague := w.member("member", "clients"), w.member("member", "clients", "referrals", "staff", "tasks")
		client := w.person("client")
		run := decode[api.Run](w.manage(requester, people(client), change("assign", staffed(requester))).must(200))
		links := linksOf(t, run)
		for _, path := range []string{links.Self, links.Items, links.ReportCSV, links.ReportXLSX, links.ReportJSON} {
			w.get(requester, path).must(200)
			w.get(w.Admin, path).must(200)
			w.get(colleague, path).problem(403, "permission_denied")
			other := s.organization(t)
			other.get(other.Admin, path).problem(404, "not_found")
		}
		id := run.ID.MustGet()
		w.lists(requester, "/v1/runs", id)
		w.lists(w.Admin, "/v1/runs", id)
		w.lists(colleague, "/v1/runs")
	})
}

func TestA2WhatIsSeen(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "A2 people: those of a kind by its permission, both by staff, everybody their own", func(t *testing.T, w *world) {
		worker := w.member("member")
		client, referral, own := w.person("client"), w.person("referral"), w.person("referral", worker)
		everybody := []uuid.UUID{client, referral, own}
		for name, given := range map[string]struct {
			caller member
			sees   []uuid.UUID
		}{
			"an administrator": {w.Admin, everybody},
			"clients":          {w.member("member", "clients"), []uuid.UUID{client}},
			"referrals":        {w.member("member", "referrals"), []uuid.UUID{referral, own}},
			"both":             {w.member("member", "clients", "referrals"), everybody},
			"staff":            {w.member("member", "staff"), everybody},
			"tasks":            {w.member("member", "tasks"), nil},
			"nothing":          {w.member("member"), nil},
			"their own":        {worker, []uuid.UUID{own}},
		} {
			w.lists(given.caller, "/v1/people", given.sees...)
			total := decode[page](w.get(given.caller, "/v1/people?include_total=true").must(200)).Total
			if total == nil || *total != len(given.sees) {
				t.Errorf("%s: got total %v", name, total)
			}
			for _, person := range everybody {
				w.read(given.caller, "/v1/people/", person, given.sees)
			}
			if t.Failed() {
				t.Fatal(name)
			}
		}
	})

	s.rule(t, "A2 tasks: of a person by who sees the person, all by tasks, everybody their own", func(t *testing.T, w *world) {
		holder, worker := w.member("member"), w.member("member")
		ofClient, ofReferral := w.task(w.person("client", worker)), w.task(w.person("referral"), holder)
		ofMatter := w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{UUID: w.matter("everyone", w.Admin), Valid: true}, holder)
		ofNobody := w.taskIn("completed", uuid.NullUUID{}, uuid.NullUUID{})
		everything := []uuid.UUID{ofClient, ofReferral, ofMatter, ofNobody}
		for name, given := range map[string]struct {
			caller member
			sees   []uuid.UUID
		}{
			"an administrator":  {w.Admin, everything},
			"tasks":             {w.member("member", "tasks"), everything},
			"tasks and clients": {w.member("member", "tasks", "clients"), everything},
			"clients":           {w.member("member", "clients"), []uuid.UUID{ofClient}},
			"referrals":         {w.member("member", "referrals"), []uuid.UUID{ofReferral}},
			"staff":             {w.member("member", "staff"), []uuid.UUID{ofClient, ofReferral}},
			"nothing":           {w.member("member"), nil},
			"what they hold":    {holder, []uuid.UUID{ofReferral, ofMatter}},
			"whom they serve":   {worker, []uuid.UUID{ofClient}},
			"clients and their own": {
				func() member { m := w.member("member", "clients"); w.hold(ofNobody, m); return m }(), []uuid.UUID{ofClient, ofNobody},
			},
		} {
			w.lists(given.caller, "/v1/tasks", given.sees...)
			total := decode[page](w.get(given.caller, "/v1/tasks?include_total=true").must(200)).Total
			if total == nil || *total != len(given.sees) {
				t.Errorf("%s: got total %v", name, total)
			}
			for _, task := range everything {
				w.read(given.caller, "/v1/tasks/", task, given.sees)
			}
			if t.Failed() {
				t.Fatal(name)
			}
		}
	})

	s.rule(t, "B5 the tasks of a matter that is not everyone's are seen by who is responsible for it, and, unless it is private, by who holds them", func(t *testing.T, w *world) {
		attorney, holder, other := w.member("member"), w.member("member", "tasks"), w.member("member", "tasks")
		for visibility, hiddenFrom := range map[string][]member{"private": {w.Admin, holder, other}, "groups": {w.Admin, other}} {
			matter := w.matter(visibility, attorney)
			task := w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{UUID: matter, Valid: true}, holder)
			for _, other := range hiddenFrom {
				w.lists(other, "/v1/tasks?matter_id="+matter.String())
				w.lists(other, "/v1/tasks?assignee_id="+holder.ID.String())
				w.get(other, "/v1/tasks/"+task.String()).problem(404, "not_found")
				w.as(other, "PATCH", "/v1/tasks/"+task.String(), object{"title": "New"}, header{"If-Match", "*"}).problem(404, "not_found")
				w.as(other, "POST", "/v1/tasks", object{"title": "New", "matter_id": matter}).problem(422, "matter_not_found")
			}
			if visibility == "groups" {
				w.lists(holder, "/v1/tasks?assignee_id=me", task)
				w.get(holder, "/v1/matters/"+matter.String()).problem(404, "not_found")
			}
			w.lists(attorney, "/v1/tasks?matter_id="+matter.String(), task)
			w.get(attorney, "/v1/tasks/"+task.String()).must(200)
			w.exec(`DELETE FROM task_assignees WHERE task_id = $1`, task)
			w.exec(`UPDATE tasks SET status = 'completed' WHERE id = $1`, task)
		}
	})

	s.rule(t, "B5 what a run did to a task that is private now is withheld, in items, reports and the audit trail", func(t *testing.T, w *world) {
		worker, attorney := w.member("member"), w.member("administrator")
		person := w.person("client", worker)
		task := w.task(person, worker)
		run := w.managed(people(person), change("remove", object{"all_staff": true, "task_policy": "unassign"}))
		if items := w.items(run); len(items) != 2 {
			t.Fatalf("got items %v", items)
		}
		w.exec(`UPDATE tasks SET person_id = NULL, matter_id = $2 WHERE id = $1`, task, w.matter("private", attorney))
		links, ofTask := linksOf(t, run), "/v1/audit-events?subject_id="+task.String()
		for caller, sees := range map[member]int{w.Admin: 1, attorney: 2} {
			if got := len(list[api.RunItem](w, caller, links.Items)); got != sees {
				t.Errorf("got %d items, want %d", got, sees)
			}
			if got := len(decode[api.RunReport](w.get(caller, links.ReportJSON).must(200)).Items); got != sees {
				t.Errorf("got %d items in the report, want %d", got, sees)
			}
			if got := len(w.listed(caller, ofTask)); got != sees-1 {
				t.Errorf("got %d audit events, want %d", got, sees-1)
			}
			if total := *decode[page](w.get(caller, links.Items+"?include_total=true").must(200)).Total; total != sees {
				t.Errorf("got total %d, want %d", total, sees)
			}
		}
	})

	s.rule(t, "A2 me stands for the caller", func(t *testing.T, w *world) {
		caller := w.member("member", "clients")
		own, other := w.person("client", caller), w.person("client", w.Admin)
		held := w.task(other, caller)
		w.task(own)
		w.lists(caller, "/v1/people?staff_id=me", own)
		w.lists(w.Admin, "/v1/people?staff_id=me", other)
		w.lists(caller, "/v1/tasks?assignee_id=me", held)
		if read := decode[api.Staff](w.get(caller, "/v1/staff/me").must(200)); read.ID != caller.ID {
			t.Errorf("got %s", read.ID)
		}
		if work := decode[api.Workload](w.get(caller, "/v1/staff/me/workload").must(200)); work.Staff.ID != caller.ID || work.ActiveTasks != 1 || work.People.Clients != 1 {
			t.Errorf("got %+v", work)
		}
		decode[api.Run](w.manage(caller, people(other), change("add", object{"staff_ids": []string{"me"}, "task_policy": "keep"})).must(200))
		w.servedBy(other, w.Admin, caller)
		me := decode[api.Me](w.get(caller, "/v1/me").must(200))
		if me.Staff.ID != caller.ID || me.Organization.ID != w.ID || len(me.Permissions) != 1 || me.Permissions[0] != "clients" {
			t.Errorf("got %+v", me)
		}
		if all := decode[api.Me](w.get(w.Admin, "/v1/me").must(200)).Permissions; len(all) != 4 {
			t.Errorf("an administrator has %v", all)
		}
	})
}

// read fails the test unless the caller may read what they see, and only that.
func (w *world) read(caller member, path string, id uuid.UUID, sees []uuid.UUID) {
	w.t.Helper()
	got := w.get(caller, path+id.String())
	for _, seen := range sees {
		if seen == id {
			got.must(200)
			return
		}
	}
	got.problem(403, "permission_denied")
}

// hold gives a task to a staff member.
func (w *world) hold(task uuid.UUID, m member) {
	w.t.Helper()
	w.exec(`INSERT INTO task_assignees (organization_id, task_id, staff_id) VALUES ($1, $2, $3)`, w.ID, task, m.ID)
}
