package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// caseload is an organization being made up. Its numbers come from a seed, so that they are the same at every start.
type caseload struct {
	id     uuid.UUID
	idOf   func(number int) uuid.UUID
	name   string
	zone   string
	domain string // of email addresses
	prefix string // of external ids
	now    time.Time
	random *rand.Rand

	organizations, staff, people, words, assignments, matters, tasks, taskAssignees []row
	events, attendees, template, selections, selected, runs, progress, items, audit []row
	tokens, groups, members, matterGroups, told, notifications, notified            []row
	profiles, invitations, accounts                                                 []row
	jobs                                                                            []row // runs left to a worker, as it reads them
}

// The places of things among an organization's ids.
const (
	staffAt   = 0x100
	peopleAt  = 0x1000
	tasksAt   = 0x10000
	mattersAt = 0x20000
	eventsAt  = 0x30000
	groupsAt  = 0x600000
)

func newCaseload(idOf func(int) uuid.UUID, name, zone, host, prefix string, now time.Time) *caseload {
	c := &caseload{
		id: idOf(0), idOf: idOf, name: name, zone: zone, domain: host, prefix: prefix, now: now.UTC().Truncate(time.Second),
		random: rand.New(rand.NewPCG(7061, uint64(len(name)))), // a fixed seed: the same demo at every start
	}
	c.organizations = []row{{"id": c.id, "name": name, "time_zone": zone, "created_at": c.daysAgo(400)}}
	return c
}

func (c *caseload) daysAgo(days int) time.Time { return c.now.AddDate(0, 0, -days) }

// today is the civil date in the organization's time zone.
func (c *caseload) today() domain.Date {
	today, err := domain.Organization{TimeZone: c.zone}.Today(c.now)
	if err != nil {
		panic(err) // the demo's zones are known
	}
	return today
}

func (c *caseload) row(fields row) row {
	fields["organization_id"] = c.id
	return fields
}

func (c *caseload) pick(from ...string) string { return from[c.random.IntN(len(from))] }

// address makes an email address of a name.
func address(first, last, host string) string {
	plain := strings.NewReplacer("é", "e", "í", "i", "ü", "u", "ö", "o", "ã", "a", "ø", "o", "ç", "c", "ñ", "n", " ", ".", "'", "").
		Replace(strings.ToLower(first + "." + last))
	return plain + "@" + host
}

func (c *caseload) addStaff(number int, first, last, role, status string, permissions ...string) uuid.UUID {
	if permissions == nil {
		permissions = []string{}
	}
	id := c.idOf(number)
	c.staff = append(c.staff, c.row(row{
		"id": id, "external_id": fmt.Sprintf("hr-%x", number), "first_name": first, "last_name": last, "email": address(first, last, c.domain),
		"role": role, "status": status, "permissions": permissions, "created_at": c.daysAgo(380), "updated_at": c.daysAgo(380),
	}))
	return id
}

func (c *caseload) addPerson(number int, kind, first, last, phone string, staff ...uuid.UUID) uuid.UUID {
	id := c.idOf(number)
	email := address(first, last, "mail.example")
	if number > peopleAt+4 {
		email = strings.Replace(email, "@", fmt.Sprintf(".%x@", number), 1)
	}
	var phoneOrNull any
	if phone != "" {
		phoneOrNull = phone
	}
	created := c.daysAgo(20 + c.random.IntN(300))
	c.people = append(c.people, c.row(row{
		"id": id, "external_id": fmt.Sprintf("%s-%x", c.prefix, number), "kind": kind, "status": "active", "first_name": first, "last_name": last,
		"email": email, "phone": phoneOrNull, "created_at": created, "updated_at": created,
	}))
	for _, word := range domain.SearchWords(first, last, email) {
		c.words = append(c.words, c.row(row{"word": word, "person_id": id}))
	}
	for _, member := range domain.NewStaffSet(staff...) {
		c.assignments = append(c.assignments, c.row(row{"person_id": id, "staff_id": member}))
	}
	return id
}

// addTask adds a task of a person, of a matter or of neither. due is in days from today; noDue for none.
func (c *caseload) addTask(title, status string, due int, person, matter *uuid.UUID, assignees ...uuid.UUID) {
	number := tasksAt + 1 + len(c.tasks)
	id := c.idOf(number)
	var dueOn any
	if due != noDue {
		dueOn = c.today().AddDays(due).String()
	}
	created := c.daysAgo(1 + c.random.IntN(20))
	c.tasks = append(c.tasks, c.row(row{
		"id": id, "external_id": fmt.Sprintf("%s-t-%x", c.prefix, number), "title": title, "details": "", "status": status, "due_on": dueOn,
		"person_id": person, "matter_id": matter, "is_intake": false, "created_at": created, "updated_at": created,
	}))
	for _, member := range domain.NewStaffSet(assignees...) {
		c.taskAssignees = append(c.taskAssignees, c.row(row{"task_id": id, "staff_id": member}))
	}
}

// noDue is the due date of a task that has none.
const noDue = -1 << 20

// someTasks adds tasks of a person as their staff would have them: most active and due around today, some done, a few
// that nobody holds.
func (c *caseload) someTasks(person uuid.UUID, count int, staff ...uuid.UUID) {
	for range count {
		title := c.pick("Review résumé", "Check references", "Prepare for interview", "Follow up by phone", "Update action plan",
			"Send job leads", "Book skills assessment", "Confirm training place", "Write progress note", "Call employer")
		due := c.random.IntN(36) - 8
		if c.random.IntN(9) == 0 {
			due = noDue
		}
		status := c.pick("open", "open", "open", "in_progress", "completed", "completed")
		var holders []uuid.UUID
		if len(staff) > 0 && c.random.IntN(12) > 0 {
			holders = append(holders, staff[c.random.IntN(len(staff))])
		}
		c.addTask(title, status, due, &person, nil, holders...)
	}
}

func (c *caseload) addMatter(description, status, visibility string, responsible uuid.UUID, client *uuid.UUID) uuid.UUID {
	number := mattersAt + 1 + len(c.matters)
	id := c.idOf(number)
	created := c.daysAgo(10 + c.random.IntN(200))
	c.matters = append(c.matters, c.row(row{
		"id": id, "external_id": fmt.Sprintf("%s-m-%x", c.prefix, number), "number": fmt.Sprintf("%d-%04d", c.now.Year(), len(c.matters)+1),
		"description": description, "status": status, "visibility": visibility, "responsible_staff_id": responsible, "client_id": client,
		"created_at": created, "updated_at": created,
	}))
	return id
}

// addEvent adds an event of an hour, some days from now.
func (c *caseload) addEvent(title string, days int, owner uuid.UUID, matter *uuid.UUID, attendees ...uuid.UUID) {
	number := eventsAt + 1 + len(c.events)
	id := c.idOf(number)
	starts := c.now.Truncate(24*time.Hour).AddDate(0, 0, days).Add(time.Duration(13+c.random.IntN(8)) * time.Hour)
	c.events = append(c.events, c.row(row{
		"id": id, "external_id": fmt.Sprintf("%s-e-%x", c.prefix, number), "title": title, "starts_at": starts, "ends_at": starts.Add(time.Hour),
		"owner_staff_id": owner, "matter_id": matter, "created_at": c.daysAgo(9), "updated_at": c.daysAgo(9),
	}))
	for _, member := range domain.NewStaffSet(attendees...) {
		c.attendees = append(c.attendees, c.row(row{"calendar_event_id": id, "staff_id": member}))
	}
}

// addGroup adds a group of staff, who see the matters that are for groups.
func (c *caseload) addGroup(name string, members ...uuid.UUID) {
	group := c.idOf(groupsAt + 1 + len(c.groups))
	c.groups = append(c.groups, c.row(row{"id": group, "name": name, "created_at": c.daysAgo(200), "updated_at": c.daysAgo(200)}))
	for _, member := range domain.NewStaffSet(members...) {
		c.members = append(c.members, c.row(row{"staff_group_id": group, "staff_id": member}))
	}
	for _, matter := range c.matters {
		if matter["visibility"] == "groups" {
			c.matterGroups = append(c.matterGroups, c.row(row{"matter_id": matter["id"], "staff_group_id": group}))
		}
	}
}

func (c *caseload) addTemplate(title, details string, days int) {
	c.template = append(c.template, c.row(row{"position": len(c.template) + 1, "title": title, "details": details, "days_until_due": days}))
}

// tables are the organization's rows, in the order in which they can be written.
func (c *caseload) tables() []table {
	return append([]table{
		{"organizations", c.organizations},
		{"staff", c.staff},
		{"staff_groups", c.groups},
		{"staff_group_members", c.members},
		{"people", c.people},
		{"person_words", c.words},
		{"assignments", c.assignments},
		{"matters", c.matters},
		{"matter_groups", c.matterGroups},
		{"tasks", c.tasks},
		{"task_assignees", c.taskAssignees},
		{"calendar_events", c.events},
		{"calendar_event_attendees", c.attendees},
		{"intake_template_tasks", c.template},
		{"selections", c.selections},
		{"selection_people", c.selected},
		{"runs", c.runs},
		{"run_progress", c.progress},
		{"run_items", c.items},
		{"audit_events", c.audit},
		{"notification_counters", c.told},
		{"notifications", c.notifications},
		{"notification_items", c.notified},
		{"api_tokens", c.tokens},
	}, c.clientTables()...)
}
