package acceptance

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/invariants"
)

// How long changes are thrown at the same people: for a while, or as many seconds as a variable says; and on a busy machine
// longer, until enough of them have come through for the end to tell something.
const (
	crowdedSeconds = "HANDOVER_CROWDED_SECONDS"
	crowdedFor     = 3 * time.Second
	crowdedAtMost  = 90 * time.Second // without enough
)

// crowd counts what became of what is thrown at the same people.
type crowd struct {
	mutex           sync.Mutex
	counts          map[string]int
	enough          map[string]int // what has to have come through, and how often
	until, atLatest time.Time
}

func newCrowd(enough map[string]int) *crowd {
	lasting := crowdedFor
	if seconds, err := strconv.Atoi(os.Getenv(crowdedSeconds)); err == nil {
		lasting = time.Duration(seconds) * time.Second
	}
	now := time.Now()
	return &crowd{counts: map[string]int{}, enough: enough, until: now.Add(lasting), atLatest: now.Add(max(lasting, crowdedAtMost))}
}

// note counts an outcome, with the crowd held back.
func (c *crowd) note(outcome string, more func()) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.counts[outcome]++
	more()
}

// goesOn tells whether to throw more.
func (c *crowd) goesOn(t testing.TB) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	now := time.Now()
	return !t.Failed() && (now.Before(c.until) || now.Before(c.atLatest) && len(c.lacking()) > 0)
}

func (c *crowd) lacking() []string {
	var lacking []string
	for outcome, wanted := range c.enough {
		if c.counts[outcome] < wanted {
			lacking = append(lacking, outcome)
		}
	}
	return lacking
}

// ended fails the test where hardly anything came through.
func (c *crowd) ended(t testing.TB) {
	t.Helper()
	t.Logf("answers: %v", c.counts)
	if lacking := c.lacking(); len(lacking) > 0 {
		t.Errorf("hardly anything came through of %v: %v", lacking, c.counts)
	}
}

// Changes of overlapping people, their ids shuffled, together with edits of single tasks, asynchronous runs and
// deactivations. Whatever comes through, the end is that of some order of it: the invariants carry every run out once more.
func TestOverlappingChanges(t *testing.T) {
	t.Parallel()
	s := start(t)
	w := s.organization(t)
	bystander := s.organization(t)
	bystander.task(bystander.person("client", bystander.Admin), bystander.Admin)
	var staff []member
	for range 6 {
		staff = append(staff, w.member("member"))
	}
	var persons, tasks []uuid.UUID
	for i := range 40 {
		person := w.person("client", staff[i%len(staff)], staff[(i+1)%len(staff)])
		persons = append(persons, person)
		for j := range 3 {
			tasks = append(tasks, w.task(person, staff[(i+j)%len(staff)]))
		}
	}
	before, err := invariants.Take(t.Context(), s.DB.SQL)
	if err != nil {
		t.Fatal(err)
	}

	crowd := newCrowd(map[string]int{"200": 20})
	var acknowledged []invariants.Acknowledged
	note := func(got answer) {
		what := fmt.Sprint(got.Status)
		if got.Status >= 400 {
			what += " " + decode[api.Problem](got).Code
		}
		crowd.note(what, func() {
			if got.Status == 200 || got.Status == 202 {
				if run := decode[api.Run](got); run.Kind != "" { // no task
					acknowledged = append(acknowledged, invariants.Acknowledged{Organization: w.ID, Run: run.ID.MustGet(), Succeeded: got.Status == 200})
				}
			}
		})
		switch what {
		case "200", "202", "409 existing_assignments", "422 no_remaining_staff", "412 precondition_failed":
		default:
			t.Errorf("got %d: %s", got.Status, got.Body)
		}
	}
	together(8, func(i int) struct{} {
		random := rand.New(rand.NewPCG(uint64(i), 7))
		for crowd.goesOn(t) {
			if i >= 6 {
				note(editTask(w, random, tasks, staff))
				continue
			}
			var headers []header
			if random.IntN(8) == 0 {
				headers = []header{async}
			}
			some := someOf(random, persons, 1+random.IntN(len(persons)))
			note(w.as(w.Admin, "POST", "/v1/manage-assignments", wish(people(some...), anyChange(random, staff)), headers...))
		}
		return struct{}{}
	})
	eventually(t, "all runs end", func() bool {
		return w.count(`SELECT count(*) FROM runs WHERE organization_id = $1 AND status IN ('queued', 'running')`, w.ID) == 0
	})
	crowd.ended(t)
	s.invariant(t, invariants.Options{Before: before, Changed: []uuid.UUID{w.ID}, Acknowledged: acknowledged})
}

// someOf takes n of the ids, in any order.
func someOf(random *rand.Rand, ids []uuid.UUID, n int) []uuid.UUID {
	shuffled := slices.Clone(ids)
	random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	return shuffled[:n]
}

// anyChange draws a change.
func anyChange(random *rand.Rand, staff []member) object {
	oneOf := func(values ...string) string { return values[random.IntN(len(values))] }
	ids := make([]uuid.UUID, 0, 2)
	for range 1 + random.IntN(2) {
		ids = append(ids, staff[random.IntN(len(staff))].ID)
	}
	switch kind := oneOf("assign", "add", "replace", "replace", "remove", "remove"); kind {
	case "assign":
		return change(kind, object{"staff_ids": ids})
	case "remove":
		fields := object{"task_policy": oneOf("unassign", "reassign_to_remaining"), "when_no_staff_remain": oneOf("reject", "unassign"), "staff_ids": ids}
		if random.IntN(4) == 0 {
			delete(fields, "staff_ids")
			fields["all_staff"] = true
		}
		return change(kind, fields)
	default:
		return change(kind, object{"staff_ids": ids, "task_policy": oneOf("keep", "add_new_staff", "reassign_all"), "task_scope": oneOf("team", "assigned", "all")})
	}
}

// editTask changes the assignees of a task that was read before.
func editTask(w *world, random *rand.Rand, tasks []uuid.UUID, staff []member) answer {
	path := "/v1/tasks/" + tasks[random.IntN(len(tasks))].String()
	read := w.get(w.Admin, path).must(200)
	return w.as(w.Admin, "PATCH", path, object{"assignee_ids": idsOf(staff[random.IntN(len(staff))])}, header{"If-Match", read.Header.Get("ETag")})
}

func TestTwoEditors(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "of two edits of one version exactly one comes through, every time", func(t *testing.T, w *world) {
		colleague := w.member("member")
		task := w.task(w.person("client"))
		matter, group := w.matter("everyone", w.Admin), w.group()
		event := w.eventOf(w.Admin, uuid.NullUUID{UUID: matter, Valid: true})
		template := "/v1/intake-template"
		rounds := 50
		if os.Getenv(crowdedSeconds) != "" {
			rounds = 170 // of six pairs: a thousand
		}
		for round := range rounds {
			for _, edit := range []struct {
				method, path string
				body         func(i int) object
			}{
				{"PATCH", "/v1/tasks/" + task.String(), func(i int) object { return object{"title": fmt.Sprintf("Round %d of %d", round, i)} }},
				{"PATCH", "/v1/staff/" + colleague.ID.String(), func(i int) object { return object{"first_name": fmt.Sprintf("Round %d of %d", round, i)} }},
				{"PATCH", "/v1/matters/" + matter.String(), func(i int) object { return object{"number": fmt.Sprintf("Round %d of %d", round, i)} }},
				{"PATCH", "/v1/calendar-events/" + event.String(), func(i int) object { return object{"title": fmt.Sprintf("Round %d of %d", round, i)} }},
				{"PATCH", "/v1/staff-groups/" + group.String(), func(i int) object {
					return object{"name": fmt.Sprintf("Round %d", round), "member_ids": [][]uuid.UUID{idsOf(w.Admin), idsOf(colleague)}[i]}
				}},
				{"PUT", template, func(i int) object {
					return object{"tasks": []object{intake(fmt.Sprintf("Round %d of %d", round, i), "", 1)}}
				}},
			} {
				read := w.get(w.Admin, edit.path).must(200)
				answers := together(2, func(i int) answer {
					return w.as(w.Admin, edit.method, edit.path, edit.body(i), header{"If-Match", read.Header.Get("ETag")})
				})
				won := slices.IndexFunc(answers, func(got answer) bool { return got.Status == 200 })
				if won < 0 {
					t.Fatalf("%s: nobody came through: %s", edit.path, answers[0].Body)
				}
				answers[1-won].problem(412, "precondition_failed")
				now := w.get(w.Admin, edit.path).must(200)
				if string(now.Body) != string(answers[won].Body) || now.Header.Get("ETag") != answers[won].Header.Get("ETag") {
					t.Fatalf("%s: the winner got %s, and it is %s", edit.path, answers[won].Body, now.Body)
				}
			}
		}
		if events := len(w.listed(w.Admin, "/v1/audit-events?subject_id="+task.String())); events != rounds {
			t.Errorf("%d edits were recorded", events)
		}
	})

	s.rule(t, "of two who write the same, or who use *, both come through", func(_ *testing.T, w *world) {
		task := "/v1/tasks/" + w.task(w.person("client")).String()
		for _, got := range together(4, func(i int) answer {
			return w.as(w.Admin, "PATCH", task, object{"title": fmt.Sprint(i)}, header{"If-Match", "*"})
		}) {
			got.must(200)
		}
	})

	s.rule(t, "of two administrators who deactivate each other one stays", func(t *testing.T, w *world) {
		for range 10 {
			other := w.member("administrator")
			pair := []member{w.Admin, other}
			answers := together(2, func(i int) answer {
				return w.as(pair[i], "POST", "/v1/staff/"+pair[1-i].ID.String()+"/deactivate", nil)
			})
			active := w.ids(`SELECT id FROM staff WHERE organization_id = $1 AND role = 'administrator' AND status = 'active'`, w.ID)
			if len(active) != 1 {
				t.Fatalf("%d administrators are left: %s, %s", len(active), answers[0].Body, answers[1].Body)
			}
			for _, got := range answers {
				if got.Status >= 500 {
					t.Errorf("got %d: %s", got.Status, got.Body)
				}
			}
			w.Admin = pair[slices.IndexFunc(pair, func(m member) bool { return m.ID == active[0] })]
		}
	})
}

// A leaver's work handed on again and again, while the matters, their tasks and their events are edited one by one, moved
// between matters, hidden and shown again. Everybody locks in one order: the database never has to end one in favour of
// another.
func TestOverlappingWork(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	var staff []member
	for range 4 {
		staff = append(staff, w.member("member"))
	}
	group := w.group(w.Admin)
	var matters, tasks, events []uuid.UUID
	for i := range 12 {
		matter := w.matter("everyone", staff[i%len(staff)])
		matters = append(matters, matter)
		for j := range 3 {
			tasks = append(tasks, w.workOn(matter, staff[(i+j)%len(staff)]))
			events = append(events, w.eventOn(matter, time.Now().Add(24*time.Hour), staff[(i+j)%len(staff)]))
		}
	}
	before, err := invariants.Take(t.Context(), s.DB.SQL)
	if err != nil {
		t.Fatal(err)
	}
	crowd := newCrowd(map[string]int{"hand over 200": 5, "task 200": 5, "event 200": 5, "matter 200": 5, "visibility 200": 5})
	var acknowledged []invariants.Acknowledged
	note := func(what string, got answer) {
		crowd.note(fmt.Sprint(what, " ", got.Status), func() {
			switch {
			case got.Status == 200 && what == "hand over":
				acknowledged = append(acknowledged, invariants.Acknowledged{Organization: w.ID, Run: decode[api.Run](got).ID.MustGet(), Succeeded: true})
			case got.Status != 200 && got.Status != 412:
				t.Errorf("%s: got %d: %s", what, got.Status, got.Body)
			}
		})
	}
	anyOf := func(random *rand.Rand, ids []uuid.UUID) uuid.UUID { return ids[random.IntN(len(ids))] }
	together(8, func(i int) struct{} {
		random := rand.New(rand.NewPCG(uint64(i), 11))
		edit := func(what, path string, body object) {
			read := w.get(w.Admin, path).must(200)
			note(what, w.as(w.Admin, "PATCH", path, body, header{"If-Match", read.Header.Get("ETag")}))
		}
		for crowd.goesOn(t) {
			someone := staff[random.IntN(len(staff))]
			switch i {
			case 0, 1:
				from := random.IntN(len(staff))
				to := []member{staff[(from+1)%len(staff)], staff[(from+2)%len(staff)]}
				note("hand over", w.reassign(handOver(staff[from], given("matters", "round_robin", to...), given("tasks", "least_loaded", to...), given("events", "round_robin", to...))))
			case 2, 3:
				edit("task", "/v1/tasks/"+anyOf(random, tasks).String(), object{"matter_id": anyOf(random, matters), "assignee_ids": idsOf(someone)})
			case 4, 5:
				edit("event", "/v1/calendar-events/"+anyOf(random, events).String(), object{"matter_id": anyOf(random, matters), "owner_staff_id": someone.ID})
			case 6:
				edit("matter", "/v1/matters/"+anyOf(random, matters).String(), object{"responsible_staff_id": someone.ID})
			case 7:
				body := object{"visibility": "everyone"}
				if random.IntN(2) == 0 {
					body = object{"visibility": "groups", "group_ids": []uuid.UUID{group}}
				}
				edit("visibility", "/v1/matters/"+anyOf(random, matters).String(), body)
			}
		}
		return struct{}{}
	})
	crowd.ended(t)
	if deadlocks := w.count(`SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`); deadlocks != 0 {
		t.Errorf("%d transactions were ended in favour of another", deadlocks)
	}
	s.invariant(t, invariants.Options{Before: before, Changed: []uuid.UUID{w.ID}, Acknowledged: acknowledged})
}
