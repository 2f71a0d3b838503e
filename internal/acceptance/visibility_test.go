package acceptance

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/xuri/excelize/v2"

	"handover/api"
)

// secret is a matter with what belongs to it, all of which was handed over by one run while everybody saw it. Each of its
// names holds the mark, so that a word of it in an answer shows.
type secret struct {
	*world
	attorney, insider, leaver       member // who is responsible now; somebody in the group; who was before
	clerk, plain                    member // has the tasks permission, holds the task and attends the event; may do nothing
	client, matter, task, event     uuid.UUID
	group                           uuid.UUID
	run                             api.Run
	neverMatter, neverTask, neverEv uuid.UUID // ids that never were
}

const mark = "zanzibar"

func (w *world) zanzibar() *secret {
	w.t.Helper()
	s := &secret{
		world: w, attorney: w.member("administrator"), insider: w.member("administrator"), leaver: w.member("member"), clerk: w.member("member", "tasks"), plain: w.member("member"),
		client: w.person("client"), neverMatter: newID(), neverTask: newID(), neverEv: newID(),
	}
	s.group = w.group(s.insider)
	s.matter = w.matter("everyone", s.leaver)
	s.task, s.event = w.workOn(s.matter, s.leaver, s.clerk), w.eventOn(s.matter, time.Now().Add(24*time.Hour), s.leaver, s.clerk)
	w.exec(`UPDATE matters SET number = 'Zanzibar/1', description = 'The Zanzibar case', external_id = 'kept-1', client_id = $2 WHERE id = $1`, s.matter, s.client)
	w.exec(`UPDATE tasks SET title = 'Zanzibar letter', external_id = 'kept-1', due_on = '2031-01-01' WHERE id = $1`, s.task)
	w.exec(`UPDATE calendar_events SET title = 'Zanzibar hearing', external_id = 'kept-1' WHERE id = $1`, s.event)
	parts := []object{given("matters", "", s.attorney), given("tasks", "", s.attorney), given("events", "", s.attorney)}
	s.run = w.reassigned(handOver(s.leaver, parts...))
	return s
}

// becomes changes who sees the matter, as the one who is responsible for it.
func (s *secret) becomes(visibility string) {
	s.t.Helper()
	body := object{"visibility": visibility}
	if visibility == "groups" {
		body["group_ids"] = []uuid.UUID{s.group}
	}
	s.as(s.attorney, "PATCH", "/v1/matters/"+s.matter.String(), body, header{"If-Match", "*"}).must(200)
}

// lists are lists that would tell of the secret, by what they would tell of.
func (s *secret) lists() map[string]uuid.UUID {
	lists := map[string]uuid.UUID{}
	for id, of := range map[uuid.UUID][]string{
		s.matter: {
			"/v1/matters", "?status=open", "?visibility=everyone,groups,private", "?responsible_staff_id=" + s.attorney.ID.String(), "?client_id=" + s.client.String(),
			"?q=zanzi", "?q=the%20case", "?external_id=kept-1",
		},
		s.task: {
			"/v1/tasks", "?matter_id=" + s.matter.String(), "?assignee_id=" + s.attorney.ID.String(), "?assignee_id=" + s.clerk.ID.String() + "," + s.attorney.ID.String(),
			"?status=open", "?active=true", "?unassigned=false", "?due_from=2031-01-01", "?due_to=2031-01-01", "?past_due=false", "?q=zanzi", "?external_id=kept-1",
		},
		s.event: {
			"/v1/calendar-events", "?matter_id=" + s.matter.String(), "?owner_staff_id=" + s.attorney.ID.String(), "?owner_staff_id=me," + s.attorney.ID.String(),
			"?attendee_staff_id=" + s.clerk.ID.String(), "?starts_from=2001-01-01T00:00:00Z", "?starts_to=2101-01-01T00:00:00Z", "?q=hearing", "?external_id=kept-1",
		},
	} {
		lists[of[0]] = id
		for _, query := range of[1:] {
			lists[of[0]+query] = id
		}
	}
	return lists
}

// seenBy fails the test unless somebody with the tasks permission sees all of the secret, however they look for it.
func (s *secret) seenBy(m member) {
	s.t.Helper()
	for path, id := range s.lists() {
		s.world.lists(m, path, id)
		if total := *decode[page](s.get(m, withParameter(path, "include_total", "true")).must(200)).Total; total != 1 {
			s.t.Errorf("%s: got total %d", path, total)
		}
	}
	for path, id := range map[string]uuid.UUID{"/v1/matters/": s.matter, "/v1/tasks/": s.task, "/v1/calendar-events/": s.event} {
		s.get(m, path+id.String()).must(200)
	}
}

// toldTo fails the test unless an administrator is told of the secret in what was recorded of it.
func (s *secret) toldTo(m member) {
	s.t.Helper()
	links := linksOf(s.t, s.run)
	items := map[string]api.RunItem{}
	for _, item := range list[api.RunItem](s.world, m, links.Items) {
		items[item.Kind] = item
	}
	for kind, want := range map[string]api.RunItem{
		"matter":         {ItemID: s.matter, Label: "Zanzibar/1 The Zanzibar case"},
		"task":           {ItemID: s.task, Label: "Zanzibar letter"},
		"calendar_event": {ItemID: s.event, Label: "Zanzibar hearing"},
	} {
		if got := items[kind]; got.ItemID != want.ItemID || got.Label != want.Label || got.ExternalID.IsNull() || got.ExternalID.MustGet() != "kept-1" {
			s.t.Errorf("got item %+v, want %+v", got, want)
		}
		if got := len(list[api.RunItem](s.world, m, links.Items+"?kind="+kind)); got != 1 {
			s.t.Errorf("got %d items of kind %s", got, kind)
		}
	}
	if got := decode[api.RunReport](s.get(m, links.ReportJSON).must(200)); len(got.Items) != 3 || got.Run.Totals.MattersMoved != 1 {
		s.t.Errorf("the report has %d items, and the totals %+v", len(got.Items), got.Run.Totals)
	}
	if got := strings.Count(strings.ToLower(string(s.get(m, links.ReportCSV).must(200).Body)), mark); got != 4 { // twice in the label of the matter
		s.t.Errorf("the mark stands %d times in the CSV report", got)
	}
	for query, want := range map[string]int{
		"subject_id=" + s.matter.String(): 1, "subject_id=" + s.task.String(): 1, "subject_id=" + s.event.String(): 1,
		"run_id=" + s.run.ID.MustGet().String(): 3, "subject_kind=calendar_event": 1, "subject_kind=matter": 1, "action=reassign_work": 3,
	} {
		if got := len(s.listed(m, "/v1/audit-events?"+query)); got < want {
			s.t.Errorf("%s: got %d audit events, want %d", query, got, want)
		}
	}
	work := decode[api.Workload](s.get(m, "/v1/staff/"+s.attorney.ID.String()+"/workload").must(200))
	if work.ActiveTasks != 1 || work.Matters != 1 || work.Events != 1 {
		s.t.Errorf("got workload %+v", work)
	}
}

// hasWork fails the test unless somebody sees and edits the task and the event, which they have, and nothing of the matter.
func (s *secret) hasWork(m member) {
	s.t.Helper()
	for path, id := range s.lists() {
		var want []uuid.UUID
		if id != s.matter {
			want = append(want, id)
		}
		s.world.lists(m, path, want...)
		if total := *decode[page](s.get(m, withParameter(path, "include_total", "true")).must(200)).Total; total != len(want) {
			s.t.Errorf("%s: got total %d", path, total)
		}
	}
	whatever := header{"If-Match", "*"}
	for path, title := range map[string]string{"/v1/tasks/" + s.task.String(): "Zanzibar letter", "/v1/calendar-events/" + s.event.String(): "Zanzibar hearing"} {
		s.get(m, path).must(200)
		s.as(m, "PATCH", path, object{"title": "Another", "matter_id": s.matter}, whatever).must(200)
		s.as(m, "PATCH", path, object{"title": title}, whatever).must(200)
	}
	sameRefusal(s.t, "the matter", s.get(m, "/v1/matters/"+s.matter.String()), s.matter, s.get(m, "/v1/matters/"+s.neverMatter.String()), s.neverMatter)
	s.as(m, "PATCH", "/v1/matters/"+s.matter.String(), object{"number": "1"}, whatever).problem(404, "not_found")
	s.as(m, "POST", "/v1/tasks", object{"title": "Mine", "matter_id": s.matter}).problem(422, "matter_not_found")
}

// hiddenFrom fails the test where anything tells somebody of the secret, or answers them otherwise than for what never was.
func (s *secret) hiddenFrom(m member) {
	s.t.Helper()
	for path := range s.lists() {
		s.world.lists(m, path)
		got := s.get(m, withParameter(path, "include_total", "true")).must(200)
		if total := *decode[page](got).Total; total != 0 {
			s.t.Errorf("%s: got total %d", path, total)
		}
		s.silent(path, got)
	}
	mine := "/v1/tasks/" + s.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{}).String()
	ours := "/v1/calendar-events/" + s.eventOf(m, uuid.NullUUID{}).String()
	own := "/v1/matters/" + s.world.matter("everyone", m).String()
	defer func() {
		s.exec(`DELETE FROM tasks WHERE organization_id = $1 AND id::text = $2`, s.ID, strings.TrimPrefix(mine, "/v1/tasks/"))
		s.exec(`DELETE FROM calendar_events WHERE organization_id = $1 AND id::text = $2`, s.ID, strings.TrimPrefix(ours, "/v1/calendar-events/"))
		s.exec(`DELETE FROM matters WHERE organization_id = $1 AND id::text = $2`, s.ID, strings.TrimPrefix(own, "/v1/matters/"))
	}()
	before := s.tables()
	match, stale := header{"If-Match", "*"}, header{"If-Match", `"old"`}
	task, event := object{"title": "Mine"}, eventFor(m.ID)
	matter := object{"number": "1", "responsible_staff_id": m.ID}
	for _, asked := range []struct {
		method, path string
		body         object
		headers      []header
		never        uuid.UUID
		hidden       uuid.UUID
	}{
		{"GET", "/v1/matters/%s", nil, nil, s.neverMatter, s.matter},
		{"GET", "/v1/tasks/%s", nil, nil, s.neverTask, s.task},
		{"GET", "/v1/calendar-events/%s", nil, nil, s.neverEv, s.event},
		{"PATCH", "/v1/matters/%s", object{"number": "1"}, []header{match}, s.neverMatter, s.matter},
		{"PATCH", "/v1/matters/%s", object{"number": "1"}, []header{stale}, s.neverMatter, s.matter},
		{"PATCH", "/v1/matters/%s", object{"group_ids": []uuid.UUID{newID()}}, []header{match}, s.neverMatter, s.matter},
		{"PATCH", "/v1/matters/%s", object{"number": "1"}, nil, s.neverMatter, s.matter},
		{"PATCH", "/v1/tasks/%s", object{"title": "Mine"}, []header{match}, s.neverTask, s.task},
		{"PATCH", "/v1/tasks/%s", object{"title": "Mine"}, []header{stale}, s.neverTask, s.task},
		{"PATCH", "/v1/tasks/%s", object{"assignee_ids": []uuid.UUID{newID()}}, []header{match}, s.neverTask, s.task},
		{"PATCH", "/v1/calendar-events/%s", object{"title": "Mine"}, []header{match}, s.neverEv, s.event},
		{"PATCH", "/v1/calendar-events/%s", object{"title": "Mine"}, []header{stale}, s.neverEv, s.event},
		{"PATCH", "/v1/calendar-events/%s", object{"ends_at": bygone}, []header{match}, s.neverEv, s.event},
		{"POST", "/v1/tasks", with(task, "matter_id", "%s"), nil, s.neverMatter, s.matter},
		{"POST", "/v1/calendar-events", with(event, "matter_id", "%s"), nil, s.neverMatter, s.matter},
		{"PUT", "/v1/tasks/by-external-id/new-1", with(task, "matter_id", "%s"), nil, s.neverMatter, s.matter},
		{"PUT", "/v1/calendar-events/by-external-id/new-1", with(event, "matter_id", "%s"), nil, s.neverMatter, s.matter},
		{"PATCH", mine, object{"matter_id": "%s"}, []header{match}, s.neverMatter, s.matter},
		{"PATCH", ours, object{"matter_id": "%s"}, []header{match}, s.neverMatter, s.matter},
		{"POST", "/v1/staff/%s/deactivate", nil, nil, s.neverMatter, s.matter},
		{"GET", "/v1/runs/%s", nil, nil, s.neverMatter, s.matter},
		{"GET", "/v1/staff-groups/%s", nil, nil, s.neverMatter, s.matter},
	} {
		ask := func(id uuid.UUID) answer {
			path, body := strings.ReplaceAll(asked.path, "%s", id.String()), object{}
			for name, value := range asked.body {
				if value == "%s" {
					value = id
				}
				body[name] = value
			}
			if asked.body == nil {
				return s.as(m, asked.method, path, nil, asked.headers...)
			}
			return s.as(m, asked.method, path, body, asked.headers...)
		}
		never, hidden := ask(asked.never), ask(asked.hidden)
		if never.Status < 400 {
			s.t.Errorf("%s %s: an id that never was got %d", asked.method, asked.path, never.Status)
		}
		sameRefusal(s.t, asked.method+" "+asked.path, hidden, asked.hidden, never, asked.never)
		s.silent(asked.path, hidden)
	}
	for path, body := range map[string]object{"/v1/matters": matter, "/v1/tasks": task, "/v1/calendar-events": event} {
		got := s.as(m, "PUT", path+"/by-external-id/kept-1", body)
		if problem := got.problem(409, "external_id_taken"); len(problem.Params) != 0 || len(problem.Errors) != 0 {
			s.t.Errorf("%s: the conflict tells %s", path, got.Body)
		}
		s.silent(path, got)
		if path == "/v1/tasks" && m.ID == s.plain.ID || m.ID == s.leaver.ID {
			continue // who may not create such a task is told so first
		}
		got = s.as(m, "POST", path, with(body, "external_id", "kept-1"))
		if problem := got.problem(409, "external_id_taken"); len(problem.Params) != 0 {
			s.t.Errorf("%s: the conflict tells %s", path, got.Body)
		}
		s.silent(path, got)
	}
	for _, path := range []string{"/v1/people/" + s.client.String(), "/v1/staff-groups", "/v1/staff", "/v1/me", "/v1/runs?limit=200"} {
		s.silent(path, s.get(m, path))
	}
	s.unchanged(before)
}

// untoldTo fails the test where what was recorded of the secret is told to an administrator, by name or by number.
func (s *secret) untoldTo(m member) {
	s.t.Helper()
	links := linksOf(s.t, s.run)
	for _, kind := range []string{"", "?kind=matter", "?kind=task", "?kind=calendar_event", "?kind=matter,task,calendar_event,person", "?outcome=changed"} {
		got := s.get(m, withParameter(links.Items+kind, "include_total", "true")).must(200)
		if items := decode[page](got); len(items.Items) != 0 || *items.Total != 0 {
			s.t.Errorf("items %s: got %s", kind, got.Body)
		}
	}
	for _, path := range []string{links.Self, links.Items, links.ReportJSON, links.ReportCSV} {
		s.silent(path, s.get(m, path).must(200))
	}
	if report := decode[api.RunReport](s.get(m, links.ReportJSON).must(200)); len(report.Items) != 0 || report.Run.Totals != (api.RunTotals{}) {
		s.t.Errorf("the report has %d items, and the totals %+v", len(report.Items), report.Run.Totals)
	}
	if rows := workbookRows(s.t, s.get(m, links.ReportXLSX).must(200)); rows != 1 {
		s.t.Errorf("the XLSX report has %d rows", rows)
	}
	for _, query := range []string{
		"subject_id=" + s.matter.String(), "subject_id=" + s.task.String(), "subject_id=" + s.event.String(), "run_id=" + s.run.ID.MustGet().String(),
		"subject_kind=matter,task,calendar_event", "action=matter_changed", "action=reassign_work",
	} {
		got := s.get(m, "/v1/audit-events?include_total=true&"+query).must(200)
		if events := decode[page](got); len(events.Items) != 0 || *events.Total != 0 {
			s.t.Errorf("audit %s: got %s", query, got.Body)
		}
	}
	s.silent("the audit trail", s.get(m, "/v1/audit-events?limit=200").must(200))
	s.silent("the audit trail as CSV", s.get(m, "/v1/audit-events.csv").must(200))
	work := decode[api.Workload](s.get(m, "/v1/staff/"+s.attorney.ID.String()+"/workload").must(200))
	if work.ActiveTasks != 0 || work.PastDueTasks != 0 || work.Matters != 0 || work.Events != 0 {
		s.t.Errorf("got workload %+v", work)
	}
}

// silent fails the test when an answer holds a word or an id of the secret that the caller did not name.
func (s *secret) silent(what string, got answer) {
	s.t.Helper()
	text := strings.ToLower(string(got.Body))
	if strings.Contains(text, mark) {
		s.t.Errorf("%s tells of the secret: %.500s", what, got.Body)
	}
	if got.Status < 400 && (strings.Contains(text, s.matter.String()) || strings.Contains(text, s.task.String()) || strings.Contains(text, s.event.String())) {
		s.t.Errorf("%s tells an id of the secret: %.500s", what, got.Body)
	}
}

// sameRefusal fails the test unless two refusals are the same to the byte, but for the id that was asked for and the id of the
// request.
func sameRefusal(t testing.TB, what string, one answer, oneID uuid.UUID, other answer, otherID uuid.UUID) {
	t.Helper()
	plain := func(got answer, id uuid.UUID) string {
		headers := got.Header.Clone()
		headers.Del("Date")
		requestID := headers.Get("X-Request-Id")
		text := fmt.Sprintf("%d %s %s", got.Status, headerText(headers), got.Body)
		return strings.ReplaceAll(strings.ReplaceAll(text, requestID, "REQUEST"), id.String(), "ID")
	}
	if a, b := plain(one, oneID), plain(other, otherID); a != b {
		t.Errorf("%s: what is hidden got\n%s\nwhat never was got\n%s", what, a, b)
	}
}

// workbookRows is how many rows the XLSX report has, the head counted.
func workbookRows(t testing.TB, got answer) int {
	t.Helper()
	file, err := excelize.OpenReader(bytes.NewReader(got.Body))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := file.GetRows("Items")
	if err != nil {
		t.Fatal(err)
	}
	return len(rows)
}

func headerText(headers http.Header) string {
	var text strings.Builder
	if err := headers.Write(&text); err != nil {
		panic(err) // a strings.Builder takes everything
	}
	return text.String()
}

func TestB5Visibility(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "B5 what is for everyone is seen and told of as ever", func(_ *testing.T, w *world) {
		s := w.zanzibar()
		for _, m := range []member{w.Admin, s.clerk, s.attorney} {
			s.seenBy(m)
		}
		for _, m := range []member{w.Admin, s.attorney, s.insider} {
			s.toldTo(m)
		}
	})

	s.rule(t, "B5 a matter that becomes private is hidden from then on, with all that belongs to it and was recorded of it", func(_ *testing.T, w *world) {
		s := w.zanzibar()
		s.becomes("private")
		for _, m := range []member{w.Admin, s.insider, s.clerk, s.leaver, s.plain} {
			s.hiddenFrom(m)
		}
		s.untoldTo(w.Admin)
		s.untoldTo(s.insider)
		s.seenBy(s.attorney)
		s.toldTo(s.attorney)
		s.becomes("everyone")
		s.seenBy(w.Admin)
		s.toldTo(w.Admin)
	})

	s.rule(t, "B5 a matter for groups is hidden from all but their members and who is responsible for it, and its work but from those who have it", func(_ *testing.T, w *world) {
		s := w.zanzibar()
		s.becomes("groups")
		for _, m := range []member{w.Admin, s.leaver, s.plain} {
			s.hiddenFrom(m)
		}
		s.hasWork(s.clerk)
		s.untoldTo(w.Admin)
		for _, m := range []member{s.attorney, s.insider} {
			s.seenBy(m)
			s.toldTo(m)
		}
	})

	s.rule(t, "B5 who joins a group sees its matters, who leaves it does not", func(_ *testing.T, w *world) {
		s := w.zanzibar()
		s.becomes("groups")
		path := "/v1/staff-groups/" + s.group.String()
		w.as(w.Admin, "PATCH", path, object{"member_ids": idsOf(s.clerk, w.Admin)}, header{"If-Match", "*"}).must(200)
		s.seenBy(s.clerk)
		s.seenBy(w.Admin)
		s.toldTo(w.Admin)
		s.hiddenFrom(s.insider)
		s.untoldTo(s.insider)
		other := w.group(s.insider)
		w.as(s.attorney, "PATCH", "/v1/matters/"+s.matter.String(), object{"group_ids": []uuid.UUID{other, s.group}}, header{"If-Match", "*"}).must(200)
		s.seenBy(s.insider)
		w.as(s.attorney, "PATCH", "/v1/matters/"+s.matter.String(), object{"group_ids": []uuid.UUID{other}}, header{"If-Match", "*"}).must(200)
		s.hiddenFrom(w.Admin)
		s.untoldTo(w.Admin)
	})

	s.rule(t, "B5 a matter for groups that has none, as it is imported, is seen by who is responsible alone", func(_ *testing.T, w *world) {
		s := w.zanzibar()
		w.exec(`UPDATE matters SET visibility = 'groups' WHERE id = $1`, s.matter)
		for _, m := range []member{w.Admin, s.insider, s.leaver, s.plain} {
			s.hiddenFrom(m)
		}
		s.hasWork(s.clerk)
		s.untoldTo(w.Admin)
		s.seenBy(s.attorney)
	})

	s.rule(t, "A2 work of a matter for groups that is handed to somebody outside of them is in their sight, and in nobody else's", func(t *testing.T, w *world) {
		s := w.zanzibar()
		s.becomes("groups")
		run := w.reassigned(handOver(s.attorney, given("tasks", "", s.plain), given("events", "", s.plain)))
		w.lists(s.plain, "/v1/tasks?assignee_id=me", s.task)
		w.lists(s.plain, "/v1/calendar-events?owner_staff_id=me", s.event)
		w.lists(s.plain, "/v1/matters")
		if got := decode[api.Workload](w.get(s.plain, "/v1/staff/me/workload").must(200)); got.ActiveTasks != 1 || got.Events != 1 || got.Matters != 0 {
			t.Errorf("got workload %+v", got)
		}
		s.hiddenFrom(w.Admin)
		s.run = run
		s.untoldTo(w.Admin)
		s.becomes("private")
		s.hiddenFrom(s.plain)
	})

	s.rule(t, "B5 goes before A2, and A2 decides after it: a group sees the matter, its tasks and events by permission", func(_ *testing.T, w *world) {
		s := w.zanzibar()
		s.becomes("groups")
		w.exec(`INSERT INTO staff_group_members (organization_id, staff_group_id, staff_id) VALUES ($1, $2, $3)`, w.ID, s.group, s.plain.ID)
		w.lists(s.plain, "/v1/matters", s.matter)
		w.get(s.plain, "/v1/matters/"+s.matter.String()).must(200)
		w.as(s.plain, "PATCH", "/v1/matters/"+s.matter.String(), object{"number": "1"}, header{"If-Match", "*"}).problem(403, "permission_denied")
		w.lists(s.plain, "/v1/tasks")
		w.lists(s.plain, "/v1/calendar-events")
		w.get(s.plain, "/v1/tasks/"+s.task.String()).problem(403, "permission_denied")
		w.get(s.plain, "/v1/calendar-events/"+s.event.String()).problem(403, "permission_denied")
		w.as(s.plain, "PUT", "/v1/matters/by-external-id/kept-1", object{"number": "1", "responsible_staff_id": "me"}).problem(403, "permission_denied")
		w.as(s.attorney, "PATCH", "/v1/tasks/"+s.task.String(), object{"assignee_ids": idsOf(s.attorney, s.plain)}, header{"If-Match", "*"}).must(200)
		w.lists(s.plain, "/v1/tasks", s.task)
		w.exec(`INSERT INTO calendar_event_attendees (organization_id, calendar_event_id, staff_id) VALUES ($1, $2, $3)`, w.ID, s.event, s.plain.ID)
		w.lists(s.plain, "/v1/calendar-events?matter_id="+s.matter.String(), s.event)
	})

	s.rule(t, "B5 what moves into a hidden matter is hidden, and what moves out of it is seen", func(t *testing.T, w *world) {
		s := w.zanzibar()
		s.becomes("private")
		task := w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{}, s.clerk)
		event := w.eventOf(s.attorney, uuid.NullUUID{}, s.clerk)
		paths := []string{"/v1/tasks/" + task.String(), "/v1/calendar-events/" + event.String()}
		for _, into := range []struct {
			matter any
			status int
		}{{s.matter, 404}, {nil, 200}, {s.matter, 404}} {
			for _, path := range paths {
				w.as(s.attorney, "PATCH", path, object{"matter_id": into.matter}, header{"If-Match", "*"}).must(200)
				for _, m := range []member{s.clerk, w.Admin} {
					if got := w.get(m, path).Status; got != into.status {
						t.Errorf("%s got %d, want %d", path, got, into.status)
					}
				}
			}
		}
		for _, subject := range []uuid.UUID{task, event} {
			if got := w.listed(w.Admin, "/v1/audit-events?subject_id="+subject.String()); len(got) != 0 {
				t.Errorf("got %d audit events of what is hidden", len(got))
			}
		}
	})

	s.rule(t, "B5 the trail of what left a hidden matter, or went into one and out of it, does not tell of the time in it", func(t *testing.T, w *world) {
		ann := w.member("administrator")
		secret := w.matter("private", ann)
		whatever := header{"If-Match", "*"}
		event := object{"title": "Zanzibar hearing", "starts_at": "2030-01-31T14:00:00Z", "ends_at": "2030-01-31T15:00:00Z", "owner_staff_id": "me"}
		for path, body := range map[string]object{"/v1/tasks": {"title": "Zanzibar letter"}, "/v1/calendar-events": event} {
			id := decode[struct{ ID uuid.UUID }](w.as(ann, "POST", path, with(body, "matter_id", secret)).must(201)).ID
			one := path + "/" + id.String()
			w.as(ann, "PATCH", one, object{"title": "Zanzibar secret"}, whatever).must(200)
			w.as(ann, "PATCH", one, object{"title": "Told", "matter_id": nil}, whatever).must(200)
			w.as(ann, "PATCH", one, object{"title": "Told too"}, whatever).must(200)
			w.as(ann, "PATCH", one, object{"title": "Zanzibar again", "matter_id": secret}, whatever).must(200)
			w.as(ann, "PATCH", one, object{"title": "Zanzibar", "matter_id": nil}, whatever).must(200)
			w.as(ann, "PATCH", one, object{"title": "Told at last", "matter_id": nil}, whatever).must(200)
			trail := "/v1/audit-events?include_total=true&subject_id=" + id.String()
			for m, want := range map[member]int{ann: 7, w.Admin: 2} {
				got := w.get(m, trail).must(200)
				if told := decode[page](got); len(told.Items) != want || *told.Total != want {
					t.Errorf("%s: got %d events, a total of %d, want %d", path, len(told.Items), *told.Total, want)
				}
				if m == w.Admin && strings.Contains(string(got.Body), secret.String()) {
					t.Errorf("%s: the matter is told: %s", path, got.Body)
				}
			}
		}
	})

	// What waits for locked rows that change meanwhile judges them anew; asking there who sees them crashed the database once.
	s.rule(t, "B5 matters that become those of groups while a run waits for them go the way of those that groups see", func(t *testing.T, w *world) {
		leaver, successor := w.member("member"), w.member("member")
		group := w.group(w.Admin)
		var matters []uuid.UUID
		for range 4 {
			matters = append(matters, w.matter("everyone", leaver))
		}
		tx, err := w.service.DB.SQL.BeginTxx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		for _, statement := range []string{
			`UPDATE matters SET visibility = 'groups' WHERE organization_id = $1`,
			`INSERT INTO matter_groups (organization_id, matter_id, staff_group_id) SELECT organization_id, id, '` + group.String() + `' FROM matters WHERE organization_id = $1`,
		} {
			if _, err := tx.ExecContext(t.Context(), statement, w.ID); err != nil {
				t.Fatal(err)
			}
		}
		answered := make(chan answer, 1)
		go func() { answered <- w.reassign(handOver(leaver, given("matters", "", successor))) }()
		eventually(t, "the run waits", func() bool {
			return w.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM matters m%'`) > 0
		})
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		(<-answered).must(200)
		for _, matter := range matters {
			w.responsible(matter, successor)
		}
	})

	s.rule(t, "B5 who hands over their private matter no longer sees it", func(_ *testing.T, w *world) {
		s := w.zanzibar()
		s.becomes("private")
		w.as(s.attorney, "PATCH", "/v1/matters/"+s.matter.String(), object{"responsible_staff_id": s.plain.ID}, header{"If-Match", "*"}).must(200)
		s.untoldTo(w.Admin)
		for _, path := range []string{"/v1/matters/" + s.matter.String(), "/v1/tasks/" + s.task.String(), "/v1/calendar-events/" + s.event.String()} {
			w.get(s.plain, path).must(200)
			w.get(s.attorney, path).problem(404, "not_found")
		}
	})

	s.rule(t, "D5 what groups see keeps its owner from going, for who sees it; what is private does not", func(_ *testing.T, w *world) {
		ann, chief := w.member("member"), w.member("administrator")
		w.groupMatter(ann, w.group(chief))
		secret := w.matter("private", chief)
		w.workOn(secret, ann)
		w.exec(`UPDATE matters SET responsible_staff_id = $2 WHERE id = $1`, secret, ann.ID)
		w.as(chief, "POST", "/v1/staff/"+ann.ID.String()+"/deactivate?require_empty=true", nil).problem(409, "staff_holds_work")
		w.as(w.Admin, "POST", "/v1/staff/"+ann.ID.String()+"/deactivate?require_empty=true", nil).must(200)
	})
}

// matrix of who sees what, drawn at random and held against the rule as a few lines of Go.
func TestB5AnyMatter(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	var staff []member
	for _, permissions := range [][]string{{}, {"tasks"}, {"clients", "staff"}, {"tasks"}} {
		staff = append(staff, w.member("member", permissions...))
	}
	staff = append(staff, w.Admin)
	groups := map[uuid.UUID][]member{}
	for _, members := range [][]member{{}, {staff[0], staff[1]}, {staff[2], staff[4]}, {staff[1]}} {
		groups[w.group(members...)] = members
	}
	type drawn struct {
		id, task, event uuid.UUID
		visibility      string
		responsible     member
		groups          []uuid.UUID
	}
	var matters []drawn
	var all []uuid.UUID
	for group := range groups {
		all = append(all, group)
	}
	for i := range 40 {
		m := drawn{visibility: []string{"everyone", "groups", "private"}[i%3], responsible: staff[i%len(staff)]}
		if m.visibility == "groups" {
			m.groups = all[:i/3%4]
		}
		m.id = w.matter(m.visibility, m.responsible)
		for _, group := range m.groups {
			w.exec(`INSERT INTO matter_groups (organization_id, matter_id, staff_group_id) VALUES ($1, $2, $3)`, w.ID, m.id, group)
		}
		m.task, m.event = w.workOn(m.id, staff[(i+1)%len(staff)]), w.eventOn(m.id, time.Now(), staff[(i+2)%len(staff)], staff[(i+3)%len(staff)])
		matters = append(matters, m)
	}
	for i, caller := range staff {
		var seen, tasks, events []uuid.UUID
		for j, m := range matters {
			inGroup := false
			for _, group := range m.groups {
				inGroup = inGroup || contains(idsOf(groups[group]...), caller.ID)
			}
			shown := m.visibility == "everyone" || m.responsible.ID == caller.ID || inGroup
			if shown {
				seen = append(seen, m.id)
			}
			allTasks, has := shown && (i == 1 || i == 3 || i == 4), func(place int) bool { return (shown || m.visibility == "groups") && place%len(staff) == i }
			if allTasks || has(j+1) || m.visibility != "everyone" && m.responsible.ID == caller.ID {
				tasks = append(tasks, m.task)
			}
			if allTasks || has(j+2) || has(j+3) || m.responsible.ID == caller.ID {
				events = append(events, m.event)
			}
		}
		w.lists(caller, "/v1/matters?limit=7", seen...)
		w.lists(caller, "/v1/tasks?limit=7", tasks...)
		w.lists(caller, "/v1/calendar-events?limit=7", events...)
		for _, m := range matters {
			for path, id := range map[string]uuid.UUID{"/v1/tasks?matter_id=": m.task, "/v1/calendar-events?matter_id=": m.event} {
				shown := contains(tasks, id) || contains(events, id)
				if got := w.listed(caller, path+m.id.String()); (len(got) == 1) != shown {
					t.Errorf("%s for %d: got %v, want it shown: %t", path, i, got, shown)
				}
			}
			status := map[bool]int{true: 200, false: 404}[contains(seen, m.id)]
			if got := w.get(caller, "/v1/matters/"+m.id.String()).Status; got != status {
				t.Errorf("matter %+v for %d: got %d", m, i, got)
			}
		}
	}
}
