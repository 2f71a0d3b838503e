package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
)

// work asks for one thing after the other until nothing more is to be asked for.
func (c *client) work() {
	c.register.begin(c)
	c.pair.begin(c)
	for !c.over.Load() && !c.failed.Load() {
		switch c.random.IntN(26) {
		case 0, 1, 2, 3, 4, 5:
			c.manage()
		case 6:
			c.older()
		case 7, 8, 9:
			c.reassign()
		case 10, 11:
			c.undo()
		case 12:
			c.cancel()
		case 13, 14, 15:
			c.edit()
		case 16, 17:
			c.create()
		case 18:
			c.section()
		case 19, 20:
			c.register.next(c)
		case 21, 22:
			c.pair.next(c)
		case 23:
			c.foreign()
		default:
			c.read()
		}
	}
	c.register.next(c)
	c.http.CloseIdleConnections()
}

func (c *client) chance(oneIn int) bool { return c.random.IntN(oneIn) == 0 }

func (c *client) anyStaff() uuid.UUID { return c.Staff[c.random.IntN(len(c.Staff))] }

func (c *client) someStaff() []uuid.UUID { return someOf(c.random, c.Staff, 1+c.random.IntN(2)) }

func anyOf[T any](random *rand.Rand, values ...T) T { return values[random.IntN(len(values))] }

// keyed asks for a run under a new key, until it is answered.
func (c *client) keyed(what, path string, body object, async bool) (answer, bool) {
	key := c.newKey()
	body["reason"] = key
	headers := http.Header{"Idempotency-Key": {key}}
	if async {
		headers.Set("Prefer", "respond-async")
	}
	if body["dry_run"] != true {
		c.ledger.begin(c.ID, key, "run")
	}
	got, answered := c.insist(request{what: what, method: http.MethodPost, path: path, body: body, headers: headers})
	if !answered || body["dry_run"] == true {
		return got, answered
	}
	c.ledger.end(key, got)
	if got.good() {
		run := c.made(got)
		c.ledger.ran(c.ID, run, got.status == http.StatusOK && what != "cancel")
		c.mutex.Lock()
		c.runs = append(c.runs, run)
		c.mutex.Unlock()
	}
	return got, true
}

func (c *client) anyRun() (uuid.UUID, bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if len(c.runs) == 0 {
		return uuid.Nil, false
	}
	return c.runs[max(0, len(c.runs)-1-c.random.IntN(12))], true
}

// anySelection is of some people: by ids in any order, by a filter, or a frozen one.
func (c *client) anySelection() object {
	count := 1 + c.random.IntN(12)
	if c.chance(8) {
		count = len(c.persons)
	}
	people := object{"type": "people", "person_ids": someOf(c.random, c.persons, count)}
	switch c.random.IntN(6) {
	case 0:
		return object{"type": "filter", "filter": object{"staff_id": []uuid.UUID{c.anyStaff()}, "kind": []string{anyOf(c.random, "client", "referral")}}}
	case 1:
		got, answered := c.insist(request{what: "selection", method: http.MethodPost, path: "/v1/selections", body: object{"selection": people}, headers: http.Header{"Idempotency-Key": {c.newKey()}}})
		if answered && got.good() {
			return object{"type": "saved", "selection_id": c.made(got)}
		}
	}
	return people
}

func (c *client) anyChange() object {
	switch kind := anyOf(c.random, "assign", "add", "add", "replace", "replace", "replace", "remove", "remove"); kind {
	case "assign":
		return object{"type": kind, "staff_ids": c.someStaff(), "include_intake_tasks": c.chance(2)}
	case "remove":
		change := object{"type": kind, "task_policy": anyOf(c.random, "unassign", "reassign_to_remaining"), "when_no_staff_remain": anyOf(c.random, "reject", "unassign")}
		if c.chance(5) {
			change["all_staff"] = true
		} else {
			change["staff_ids"] = c.someStaff()
		}
		return change
	default:
		return object{
			"type": kind, "staff_ids": c.someStaff(),
			"task_policy": anyOf(c.random, "keep", "add_new_staff", "reassign_all"), "task_scope": anyOf(c.random, "team", "assigned", "all"),
		}
	}
}

func (c *client) manage() {
	body := object{"selection": c.anySelection(), "change": c.anyChange()}
	if c.chance(6) {
		got, answered := c.insist(request{what: "summary", method: http.MethodPost, path: "/v1/assignment-summary", body: object{"selection": body["selection"]}})
		if !answered || !got.good() {
			return
		}
		var summary struct {
			Revision string `json:"revision"`
		}
		if err := json.Unmarshal(got.body, &summary); err != nil {
			c.fail("%v: %s", err, got.body)
		}
		body["expected_revision"] = summary.Revision
	}
	if c.chance(10) {
		body["dry_run"] = true
	}
	c.keyed("manage", "/v1/manage-assignments", body, c.chance(5))
}

func (c *client) older() {
	people := object{"type": "people", "person_ids": someOf(c.random, c.persons, 1+c.random.IntN(5))}
	// These know no reason.
	key := c.newKey()
	body, path := object{"selection": people}, "/v1/remove-staff"
	if c.chance(2) {
		body, path = object{"selection": people, "staff_ids": c.someStaff(), "tasks": anyOf(c.random, "leave", "reassign"), "include_intake_tasks": c.chance(3)}, "/v1/assign-staff"
	}
	got, answered := c.insist(request{what: "older action", method: http.MethodPost, path: path, body: body, headers: http.Header{"Idempotency-Key": {key}}})
	if answered && got.good() {
		c.ledger.ran(c.ID, c.made(got), true)
	}
}

func (c *client) reassign() {
	leaver := c.anyStaff()
	others := slices.DeleteFunc(slices.Clone(c.Staff), func(id uuid.UUID) bool { return id == leaver })
	body := object{"from_staff_id": leaver}
	for _, part := range []string{"matters", "tasks", "events", "people"} {
		if c.chance(2) && len(body) > 1 {
			continue
		}
		distributions := []string{"round_robin", "least_loaded", "each"}
		if part == "matters" || part == "events" {
			distributions = distributions[:2]
		}
		body[part] = object{"to_staff_ids": someOf(c.random, others, 1+c.random.IntN(3)), "distribution": anyOf(c.random, distributions...)}
	}
	now := time.Now()
	if c.chance(8) {
		body["run_at"] = now.Add(time.Duration(1000+c.random.IntN(3000)) * time.Millisecond)
		now = now.Add(4 * time.Second)
	}
	if c.chance(8) {
		body["return_at"] = now.Add(time.Duration(1000+c.random.IntN(4000)) * time.Millisecond)
	}
	if c.chance(10) {
		body["dry_run"] = true
	}
	c.keyed("reassign", "/v1/reassign-work", body, c.chance(5))
}

func (c *client) undo() {
	if run, found := c.anyRun(); found {
		c.keyed("undo", "/v1/runs/"+run.String()+"/undo", object{}, c.chance(4))
	}
}

func (c *client) cancel() {
	if run, found := c.anyRun(); found {
		c.insist(request{what: "cancel", method: http.MethodPost, path: "/v1/runs/" + run.String() + "/cancel", body: object{}, headers: http.Header{"Idempotency-Key": {c.newKey()}}})
	}
}

// edit changes one thing that was read before.
func (c *client) edit() {
	var path string
	var body object
	made := ""
	key := c.newKey()
	switch c.random.IntN(4) {
	case 0, 1:
		path, made = "/v1/tasks/"+anyOf(c.random, c.tasks...).String(), "edit"
		body = object{"details": key}
		if c.chance(2) {
			body["assignee_ids"] = c.someStaff()
		}
	case 2:
		path, body = "/v1/matters/"+anyOf(c.random, c.matters...).String(), object{"responsible_staff_id": c.anyStaff()}
	case 3:
		path, body = "/v1/calendar-events/"+anyOf(c.random, c.events...).String(), object{"owner_staff_id": c.anyStaff()}
	}
	read, answered := c.insist(request{what: "read", method: http.MethodGet, path: path})
	if !answered || !read.good() {
		return
	}
	if made != "" {
		c.ledger.begin(c.ID, key, made)
	}
	got, answered := c.once(request{what: "edit", method: http.MethodPatch, path: path, body: body, headers: http.Header{"If-Match": {read.header.Get("ETag")}}})
	if answered && made != "" {
		c.ledger.end(key, got)
	}
}

func (c *client) create() {
	key := c.newKey()
	headers := http.Header{"Idempotency-Key": {key}}
	var asked request
	made := "person"
	switch c.random.IntN(3) {
	case 0:
		made = "task"
		asked = request{what: "new task", path: "/v1/tasks", body: object{"title": key, "person_id": anyOf(c.random, c.persons...), "assignee_ids": c.someStaff()}}
	case 1:
		asked = request{what: "new referral", path: "/v1/referrals", body: object{"first_name": "Made", "last_name": key}}
	case 2:
		asked = request{what: "new client", path: "/v1/clients", body: object{"source": "manual", "first_name": "Made", "last_name": key, "email": key + "@mail.example"}}
	}
	asked.method, asked.headers = http.MethodPost, headers
	c.ledger.begin(c.ID, key, made)
	got, answered := c.insist(asked)
	if !answered {
		return
	}
	c.ledger.end(key, got)
	if !got.good() {
		return
	}
	id := c.made(got)
	// What was acknowledged can be read at once, wherever one asks.
	path := map[string]string{"new task": "/v1/tasks/", "new referral": "/v1/people/", "new client": "/v1/clients/"}[asked.what] + id.String()
	if read, answered := c.insist(request{what: "read what was made", method: http.MethodGet, path: path}); answered && !read.good() {
		c.fail("%s was acknowledged, and reading it got %d: %s", asked.what, read.status, read.body)
	}
	if asked.what == "new referral" && c.chance(2) {
		c.insist(request{what: "become a client", method: http.MethodPost, path: "/v1/people/" + id.String() + "/become-client", body: object{"email": key + "@mail.example"}, headers: http.Header{"Idempotency-Key": {c.newKey()}}})
	}
	if asked.what == "new client" && c.chance(2) {
		c.insist(request{what: "invite again", method: http.MethodPost, path: path + "/resend-invite", headers: http.Header{"Idempotency-Key": {c.newKey()}}})
	}
}

// section edits a section of a client.
func (c *client) section() {
	path := "/v1/clients/" + anyOf(c.random, c.served...).String() + "/sections/" + anyOf(c.random, "notes", "employment")
	read, answered := c.insist(request{what: "read", method: http.MethodGet, path: path})
	if !answered || !read.good() {
		return
	}
	body := object{"notes": c.newKey()}
	if path[len(path)-5:] != "notes" {
		body = object{"status": anyOf(c.random, "employed", "unemployed", "student"), "current_occupation": c.newKey()}
	}
	c.once(request{what: "edit section", method: http.MethodPatch, path: path, body: body, headers: http.Header{"If-Match": {read.header.Get("ETag")}}})
}

// foreign asks for what another organization has.
func (c *client) foreign() {
	other := c.untouched
	for _, o := range c.organizations {
		if o.ID != c.ID && c.chance(2) {
			other = o.Organization
		}
	}
	person, staff := anyOf(c.random, other.People...), anyOf(c.random, other.Staff...)
	asked := anyOf(c.random,
		request{method: http.MethodGet, path: "/v1/people/" + person.String()},
		request{method: http.MethodGet, path: "/v1/staff/" + staff.String() + "/workload"},
		request{method: http.MethodGet, path: "/v1/clients/" + person.String()},
		request{method: http.MethodPost, path: "/v1/manage-assignments", body: object{
			"selection": object{"type": "people", "person_ids": []uuid.UUID{person, c.persons[0]}},
			"change":    object{"type": "replace", "staff_ids": c.someStaff(), "task_policy": "keep"},
		}},
		request{method: http.MethodPost, path: "/v1/manage-assignments", body: object{
			"selection": object{"type": "people", "person_ids": c.persons[:1]},
			"change":    object{"type": "replace", "staff_ids": []uuid.UUID{staff}, "task_policy": "keep"},
		}},
		request{method: http.MethodPost, path: "/v1/reassign-work", body: object{"from_staff_id": staff, "people": object{"to_staff_ids": c.someStaff(), "distribution": "each"}}},
		request{method: http.MethodPost, path: "/v1/tasks", body: object{"title": "Foreign", "person_id": person}},
	)
	asked.what, asked.foreign = "another organization's", true
	c.insist(asked)
}

// read asks for lists and reports.
func (c *client) read() {
	path := anyOf(c.random, "/v1/people?limit=50&staff_id="+c.anyStaff().String(), "/v1/tasks?limit=50&unassigned=true&active=true", "/v1/tasks?limit=20&past_due=true&include_total=true",
		"/v1/people?limit=20&q=Family1", "/v1/runs?limit=20", "/v1/audit-events?limit=50", "/v1/notifications?limit=20", "/v1/matters?limit=50", "/v1/calendar-events?limit=50",
		"/v1/staff?limit=50", "/v1/staff/"+c.anyStaff().String()+"/workload", "/v1/clients/"+c.served[0].String(), "/v1/me")
	if run, found := c.anyRun(); found && c.chance(3) {
		path = "/v1/runs/" + run.String() + anyOf(c.random, "", "/items?limit=200", "/report.csv", "/report.json", "/report.xlsx")
	}
	c.insist(request{what: "read", method: http.MethodGet, path: path})
}

// register is a task that only one client changes: what was acknowledged is read wherever one asks, and nothing older.
type register struct {
	path   string
	number int
	may    []string // the titles that it may have
}

func (r *register) begin(c *client) {
	got, answered := c.insist(request{what: "new task", method: http.MethodPost, path: "/v1/tasks", body: object{"title": "Register"}, headers: http.Header{"Idempotency-Key": {c.newKey()}}})
	if !answered || !got.good() {
		return
	}
	*r = register{path: "/v1/tasks/" + c.made(got).String(), may: []string{"Register"}}
}

func (r *register) next(c *client) {
	if r.path == "" {
		return
	}
	read, answered := c.insist(request{what: "read after write", method: http.MethodGet, path: r.path})
	if !answered || !read.good() {
		return
	}
	var task struct {
		Title string `json:"title"`
	}
	if err := json.Unmarshal(read.body, &task); err != nil || !slices.Contains(r.may, task.Title) {
		c.fail("a task that was left as one of %q is read as %s (%v)", r.may, read.body, err)
		return
	}
	c.tally.count("checked: reads after a write", 1)
	r.number++
	title := fmt.Sprintf("Register %d", r.number)
	r.may = append(r.may, title)
	got, answered := c.once(request{what: "write", method: http.MethodPatch, path: r.path, body: object{"title": title}, headers: http.Header{"If-Match": {read.header.Get("ETag")}}})
	if answered && got.good() {
		r.may = []string{title} // whatever was still under way met another version
	}
}

// pair is a task that two editors change at once, on the strength of the same version.
type pair struct {
	path  string
	round int
}

func (p *pair) begin(c *client) {
	got, answered := c.insist(request{what: "new task", method: http.MethodPost, path: "/v1/tasks", body: object{"title": "Pair"}, headers: http.Header{"Idempotency-Key": {c.newKey()}}})
	if answered && got.good() {
		p.path = "/v1/tasks/" + c.made(got).String()
	}
}

func (p *pair) next(c *client) {
	if p.path == "" {
		return
	}
	read, answered := c.insist(request{what: "read", method: http.MethodGet, path: p.path})
	if !answered || !read.good() {
		return
	}
	p.round++
	type outcome struct {
		answer
		answered bool
	}
	outcomes := make(chan outcome, 2)
	for editor := range 2 {
		other := c.newClient(c.organization, c.random.Uint64())
		other.http = c.http
		go func() {
			got, answered := other.once(request{
				what: "edit of two", method: http.MethodPatch, path: p.path, body: object{"title": fmt.Sprintf("Pair %d of %d", p.round, editor)},
				headers: http.Header{"If-Match": {read.header.Get("ETag")}},
			})
			outcomes <- outcome{got, answered}
		}()
	}
	won, known := 0, 0
	for range 2 {
		got := <-outcomes
		if got.answered {
			known++
			if got.good() {
				won++
			}
		}
	}
	c.tally.count("checked: pairs of edits of one version", 1)
	if won > 1 || known == 2 && won != 1 && !c.mayHaveChanged(p, read) {
		c.fail("of two edits of one version %d came through", won)
	}
}

// mayHaveChanged tells whether a task is no longer what was read: an edit of before, whose answer was lost, came through late.
func (c *client) mayHaveChanged(p *pair, read answer) bool {
	now, answered := c.insist(request{what: "read", method: http.MethodGet, path: p.path})
	return !answered || now.header.Get("ETag") != read.header.Get("ETag")
}
