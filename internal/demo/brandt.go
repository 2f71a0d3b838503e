package demo

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// brandtID is an id of the second organization. Zero is its own.
func brandtID(number int) uuid.UUID {
	if number == 0 {
		number = 1
	}
	return uuid.MustParse(fmt.Sprintf("01900000-0000-7000-8001-%012x", number))
}

// brandt is a law firm: another tenant, in another time zone.
func brandt(now time.Time) *caseload {
	c := newCaseload(brandtID, "Brandt & Partner", "Europe/Berlin", "brandt.example", "akte", now)
	admin := c.addStaff(0x101, "Katharina", "Brandt", "administrator", "active")
	lawyers := []uuid.UUID{
		c.addStaff(0x102, "Felix", "Neumann", "member", "active", "clients", "tasks"),
		c.addStaff(0x103, "Selin", "Kaya", "member", "active", "clients"),
		c.addStaff(0x104, "Henrik", "Sørensen", "member", "active", "clients", "referrals"),
		c.addStaff(0x105, "Marta", "Kowalska", "member", "active", "clients", "tasks"),
	}
	c.addStaff(0x106, "Uwe", "Richter", "member", "deactivated", "clients")
	for number := 0x1001; len(c.people) < 40; number++ {
		lawyer := lawyers[c.random.IntN(len(lawyers))]
		id := c.addPerson(number, "client", firstNames[c.random.IntN(len(firstNames))], lastNames[c.random.IntN(len(lastNames))],
			fmt.Sprintf("+49 30 5550 %04d", c.random.IntN(10000)), lawyer)
		c.someTasks(id, c.random.IntN(3), lawyer)
	}
	for i := range 40 {
		lawyer := lawyers[c.random.IntN(len(lawyers))]
		visibility := "everyone"
		if i%8 == 0 {
			visibility = "private"
		}
		client := c.idOf(peopleAt + 1 + c.random.IntN(len(c.people)))
		matter := c.addMatter(c.pick("Tenancy dispute", "Estate", "Purchase agreement", "Employment contract"), c.pick("open", "open", "pending", "closed"),
			visibility, lawyer, &client)
		for range 2 {
			c.addTask(c.pick("Draft the brief", "File with the court", "Review the contract", "Call the client"), c.pick("open", "open", "completed"),
				c.random.IntN(40)-10, nil, &matter, lawyer)
			c.addEvent(c.pick("Hearing", "Client meeting", "Notary appointment"), c.random.IntN(50)-15, lawyer, &matter, admin)
		}
	}
	c.addTemplate("Conflict check", "Search all parties before the first meeting.", 1)
	c.addTemplate("Engagement letter", "", 5)
	return c
}
