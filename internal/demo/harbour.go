package demo

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// harbourID is an id of the first organization: the one the examples of the contract use. Zero is its own.
func harbourID(number int) uuid.UUID {
	if number == 0 {
		number = 1
	}
	return uuid.MustParse(fmt.Sprintf("01900000-0000-7000-8000-%012x", number))
}

var firstNames = []string{
	"Aisha", "Ben", "Carmen", "Deepa", "Elias", "Fatima", "Gabriel", "Hana", "Ivan", "Jade", "Kofi", "Leila", "Mateo", "Noor", "Olga",
	"Pedro", "Quinn", "Rosa", "Sanjay", "Tara", "Umar", "Vera", "Wei", "Ximena", "Yusuf", "Zofia", "Anton", "Beatriz", "Cheng", "Dalia",
}

var lastNames = []string{
	"Abebe", "Bianchi", "Castro", "Dubois", "Eriksen", "Farah", "García", "Hassan", "Ivanov", "Joshi", "Kim", "Larsen", "Mensah", "Nguyen",
	"Okoye", "Pereira", "Qureshi", "Rossi", "Singh", "Tanaka", "Usman", "Varga", "Wójcik", "Xu", "Yilmaz", "Zhang", "Murphy", "Schmidt",
}

const harbourPeople = 200

// harbour is an employment service: caseworkers, clients, referrals, and a small legal aid desk.
func harbour(now time.Time) *caseload {
	c := newCaseload(harbourID, "Harbour Employment Services", "America/Toronto", "harbour.example", "crm", now)
	amira := c.addStaff(0x101, "Amira", "Haddad", "administrator", "active")
	jonas := c.addStaff(0x102, "Jonas", "Weber", "member", "active", "clients", "tasks")
	lucia := c.addStaff(0x103, "Lucía", "Fernández", "member", "active", "referrals")
	c.addStaff(0x104, "Samuel", "Okafor", "member", "active", "staff")
	grace := c.addStaff(0x105, "Grace", "Lin", "member", "active", "clients", "referrals")
	team := []uuid.UUID{
		c.addStaff(0x106, "Priya", "Raman", "member", "active", "clients"),
		c.addStaff(0x107, "Tomás", "Rivera", "member", "active", "clients", "referrals"),
		c.addStaff(0x108, "Ingrid", "Solberg", "member", "active", "clients", "referrals", "tasks"),
		c.addStaff(0x109, "Kwame", "Boateng", "member", "active", "clients"),
		c.addStaff(0x10a, "Mei", "Tan", "member", "active", "clients", "referrals"),
	}
	gone := c.addStaff(0x10b, "Peter", "Novak", "member", "deactivated", "clients")
	c.addStaff(0x10c, "Elena", "Marino", "member", "deactivated")

	maya := c.addPerson(0x1001, "client", "Maya", "Petrov", "+1 416 555 0142", jonas, grace)
	daniel := c.addPerson(0x1002, "client", "Daniel", "Osei", "+1 416 555 0118", grace)
	chloe := c.addPerson(0x1003, "client", "Chloé", "Martin", "", grace)
	c.addPerson(0x1004, "referral", "Ahmed", "Rahimi", "")
	c.addTask("Review résumé", "open", 2, &maya, nil, grace)
	c.addTask("Follow up by phone", "open", -1, &maya, nil, grace)
	c.addTask("Book skills assessment", "in_progress", 6, &maya, nil, jonas)
	c.addTask("Update action plan", "open", 4, &daniel, nil, grace)
	c.addTask("Send job leads", "open", noDue, &daniel, nil, grace)
	c.addTask("Prepare for interview", "open", 1, &chloe, nil, grace)
	c.addTask("Check references", "in_progress", 9, &chloe, nil, grace)
	c.addTask("Write progress note", "completed", -5, &chloe, nil, grace)

	graces := []uuid.UUID{maya, daniel, chloe}
	for number := 0x1005; len(c.people) < harbourPeople; number++ {
		c.harbourPerson(number, grace, gone, team, &graces)
	}
	c.harbourClients(amira, maya, daniel, chloe)
	c.legalDesk(amira, team)
	c.addGroup("Legal desk", amira, team[1], team[2])
	c.addTemplate("Welcome call", "Introduce yourself and agree on a first meeting.", 2)
	c.addTemplate("First meeting", "", 10)
	for range 12 {
		c.addTask(c.pick("Order office supplies", "Update resource list", "Plan job fair"), "open", c.random.IntN(30), nil, nil, jonas)
	}
	c.history(amira, jonas, maya, graces)
	c.tokens = []row{c.row(row{
		"id": c.idOf(0x300001), "staff_id": lucia, "name": "Old reporting script", "secret_hash": fmt.Sprintf("\\x%x", hash("nobody knows this one")),
		"created_at": c.daysAgo(90),
	})}
	return c
}

// graceServes is how many people the leaver of the examples serves.
const graceServes = 12

func (c *caseload) harbourPerson(number int, grace, gone uuid.UUID, team []uuid.UUID, graces *[]uuid.UUID) {
	kind := "client"
	if number%3 == 0 {
		kind = "referral"
	}
	first, last := firstNames[c.random.IntN(len(firstNames))], lastNames[c.random.IntN(len(lastNames))]
	phone := fmt.Sprintf("+1 416 555 %04d", c.random.IntN(10000))
	var staff []uuid.UUID
	switch {
	case len(*graces) < graceServes:
		staff = []uuid.UUID{grace}
	case kind == "referral" && c.random.IntN(3) == 0: // nobody yet
	case c.random.IntN(40) == 0:
		staff = []uuid.UUID{gone}
	default:
		staff = []uuid.UUID{team[c.random.IntN(len(team))]}
		if c.random.IntN(5) == 0 {
			staff = append(staff, team[c.random.IntN(len(team))])
		}
	}
	id := c.addPerson(number, kind, first, last, phone, staff...)
	if len(staff) == 1 && staff[0] == grace {
		*graces = append(*graces, id)
	}
	c.someTasks(id, 2+c.random.IntN(6), staff...)
}

// legalDesk adds matters of every visibility, with tasks and events.
func (c *caseload) legalDesk(amira uuid.UUID, team []uuid.UUID) {
	for i := range 60 {
		responsible := team[c.random.IntN(len(team))]
		visibility := "everyone"
		switch {
		case i%10 == 0:
			visibility = "private"
		case i%15 == 1:
			visibility = "groups"
		}
		client := c.idOf(peopleAt + 1 + c.random.IntN(40))
		matter := c.addMatter(c.pick("Work permit", "Wage claim", "Housing appeal", "Benefits review", "Licence transfer"),
			c.pick("open", "open", "open", "pending", "closed"), visibility, responsible, &client)
		for range 1 + c.random.IntN(2) {
			c.addTask(c.pick("File the form", "Draft the letter", "Collect documents"), c.pick("open", "in_progress", "completed"),
				c.random.IntN(40)-10, nil, &matter, responsible)
		}
		for range 2 {
			c.addEvent(c.pick("Client meeting", "Hearing", "Call with counsel"), c.random.IntN(60)-20, responsible, &matter, team[c.random.IntN(len(team))])
		}
	}
	for range 30 {
		c.addEvent(c.pick("Team meeting", "Supervision", "Training"), c.random.IntN(40)-10, amira, nil, team...)
	}
}

// history is what the examples read: runs, their items and audit rows, a notification, and a saved selection.
func (c *caseload) history(amira, jonas, maya uuid.UUID, graces []uuid.UUID) {
	weekAgo, yesterday := c.daysAgo(7), c.daysAgo(1)
	c.addRun(0x100001, jonas, maya, amira, weekAgo, "Maya is looking for work in Jonas's field")

	known := c.idOf(0x1030) // to Amira, who was told
	c.addRun(0x100006, amira, known, jonas, yesterday, "Amira knows the family")
	c.addNotification(0x700001, amira, jonas, c.idOf(0x100006), yesterday, known)

	c.addLeaveCover(0x100005, amira, yesterday)

	clients := 0
	for _, id := range graces {
		c.selected = append(c.selected, c.row(row{"selection_id": c.idOf(0x200001), "person_id": id}))
		for _, person := range c.people {
			if person["id"] == id && person["kind"] == "client" {
				clients++
			}
		}
	}
	c.selections = []row{c.row(row{
		"id": c.idOf(0x200001), "created_by_staff_id": amira, "created_at": weekAgo, "expires_at": c.now.AddDate(10, 0, 0),
		"clients_count": clients, "referrals_count": len(graces) - clients,
	})}
}

// addRun adds a run that added a staff member to a person whom others serve, with its item and its audit row. Who serves
// the person now is who did after it.
func (c *caseload) addRun(number int, added, person, requester uuid.UUID, at time.Time, reason string) {
	var before []uuid.UUID
	there := false
	for _, assignment := range c.assignments {
		if assignment["person_id"] != person {
			continue
		}
		if staff, ok := assignment["staff_id"].(uuid.UUID); ok && staff != added {
			before = append(before, staff)
		} else {
			there = true
		}
	}
	if !there {
		c.assignments = append(c.assignments, c.row(row{"person_id": person, "staff_id": added}))
	}
	after := domain.NewStaffSet(append([]uuid.UUID{added}, before...)...)
	run, audited := c.idOf(number), len(c.audit)+1
	c.runs = append(c.runs, c.row(row{
		"id": run, "kind": string(domain.RunManageAssignments), "status": string(domain.RunSucceeded), "requested_by_staff_id": requester,
		"requested_at": at, "started_at": at, "finished_at": at.Add(40 * time.Millisecond), "scheduled_for": nil, "return_at": nil,
		"reason": reason, "totals": domain.Totals{PeopleChanged: 1, AssignmentsAdded: 1}, "revision": fmt.Sprintf("5f1e0c2b7a934d66b1d2c7a90e%06x", number),
		"request": row{
			"selection": row{"type": "people", "person_ids": []uuid.UUID{person}},
			"change":    row{"type": "add", "staff_ids": []uuid.UUID{added}, "task_policy": "keep"},
			"reason":    reason,
		},
	}))
	c.progress = append(c.progress, c.row(row{"run_id": run, "done": 1, "total": 1}))
	c.items = append(c.items, c.row(row{
		"run_id": run, "position": 1, "kind": string(domain.ItemPerson), "item_id": person, "outcome": string(domain.OutcomeChanged),
		"before_staff_ids": before, "after_staff_ids": after,
	}))
	c.audit = append(c.audit, c.row(row{
		"id": c.idOf(0x400000 + audited), "occurred_at": at, "staff_id": requester, "action": string(domain.RunManageAssignments), "subject_kind": "person",
		"subject_id": person, "run_id": run, "request_id": c.idOf(0x500000 + audited).String(), "reason": reason,
		"before": row{"staff_ids": before}, "after": row{"staff_ids": after},
	}))
}

// addLeaveCover adds a run that is still to come.
func (c *caseload) addLeaveCover(number int, requester uuid.UUID, at time.Time) {
	const reason = "Kwame Boateng is on parental leave"
	run, cover := c.idOf(number), row{"to_staff_ids": []uuid.UUID{c.idOf(0x107)}}
	begins := c.now.Truncate(24*time.Hour).AddDate(1, 0, 0)
	ends := begins.AddDate(0, 1, 0)
	c.runs = append(c.runs, c.row(row{
		"id": run, "kind": string(domain.RunReassignWork), "status": string(domain.RunScheduled), "requested_by_staff_id": requester,
		"requested_at": at, "started_at": nil, "finished_at": nil, "scheduled_for": begins, "return_at": ends, "reason": reason,
		"totals": domain.Totals{}, "revision": nil,
		"request": row{"from_staff_id": c.idOf(0x109), "matters": cover, "events": cover, "run_at": begins, "return_at": ends, "reason": reason},
	}))
	c.progress = append(c.progress, c.row(row{"run_id": run, "done": 0, "total": 0}))
	part := domain.WorkPart{To: []uuid.UUID{c.idOf(0x107)}}
	c.jobs = append(c.jobs, row{
		"organization_id": c.id, "run_id": run, "request_id": run.String(), "not_before": begins,
		"work": domain.WorkWish{From: c.idOf(0x109), Matters: &part, Events: &part},
	})
}

// addNotification tells a staff member of a person they were given.
func (c *caseload) addNotification(number int, receiver, actor, run uuid.UUID, at time.Time, person uuid.UUID) {
	id := c.idOf(number)
	c.told = append(c.told, c.row(row{"staff_id": receiver, "last_number": 1}))
	c.notifications = append(c.notifications, c.row(row{
		"id": id, "staff_id": receiver, "number": 1, "kind": "work_received", "run_id": run, "actor_staff_id": actor, "created_at": at,
		"people_count": 1, "tasks_count": 0, "matters_count": 0, "events_count": 0, "email_status": "none",
	}))
	c.notified = append(c.notified, c.row(row{"notification_id": id, "position": 1, "kind": string(domain.ItemPerson), "item_id": person}))
}
