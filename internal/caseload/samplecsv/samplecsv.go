// Package samplecsv writes the files of an import, of any size and always the same, for tests, for measuring, and for
// whoever wants to try the service on much data.
package samplecsv

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Size says how much is written. A file of nothing is left out.
type Size struct {
	Staff             int
	People            int
	AssignmentsPerson int // assignments of each person
	TasksPerson       int // tasks of each person, each with one assignee
	Matters           int
	Events            int

	// Today is what due dates and events lie around; the zero time is the first of March 2026.
	Today time.Time
}

// Default is a caseload of people with three staff and ten tasks each.
func Default(people int) Size {
	return Size{Staff: 200, People: people, AssignmentsPerson: 3, TasksPerson: 10, Matters: people / 20, Events: people / 10}
}

var (
	givenNames  = []string{"Amina", "Ben", "Chiara", "David", "Elif", "Farid", "Greta", "Hana", "Ivan", "Jelena", "Kofi", "Lena", "Mateo", "Noor", "Olga", "Pedro", "Quynh", "Rosa", "Sven", "Tala", "Uma", "Viktor", "Wanjiru", "Xin", "Yara", "Zoltan"}
	familyNames = []string{"Abdi", "Berg", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito", "Jansen", "Kowalski", "Lopez", "Moreau", "Nguyen", "Okoye", "Patel", "Quist", "Rossi", "Singh", "Tanaka", "Usman", "Vargas", "Weber", "Xu", "Yilmaz", "Zeman"}
	taskTitles  = []string{"Call about housing", "Review résumé", "Book interview practice", "Check documents", "Agree on next steps", "Send training catalogue", "Prepare for the job fair", "Follow up with the employer", "Renew the work permit", "Arrange child care"}
	eventTitles = []string{"First meeting", "Case review", "Mock interview", "Call with the employer", "Court date", "Team meeting"}
)

// writer writes the files of one size.
type writer struct {
	size   Size
	random *rand.Rand
}

// Write writes the files into a folder.
func Write(dir string, size Size) error {
	if size.Today.IsZero() {
		size.Today = time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	}
	w := writer{size, rand.New(rand.NewPCG(2026, uint64(size.People)))} //nolint:gosec // sample data is to be the same every time
	for _, file := range []struct {
		name   string
		header string
		count  int
		row    func(number int) []string
	}{
		{"staff.csv", "external_id,first_name,last_name,email,role,status,permissions", size.Staff, w.staff},
		{"people.csv", "external_id,kind,first_name,last_name,email,phone,status", size.People, w.person},
		{"assignments.csv", "person_external_id,staff_external_id", size.People * size.AssignmentsPerson, w.assignment},
		{
			"tasks.csv", "external_id,title,status,due_on,person_external_id,matter_external_id,assignee_external_ids",
			size.People * size.TasksPerson, w.task,
		},
		{
			"matters.csv", "external_id,number,description,status,visibility,responsible_staff_external_id,client_external_id",
			size.Matters, w.matter,
		},
		{
			"calendar_events.csv", "external_id,title,starts_at,ends_at,owner_staff_external_id,attendee_staff_external_ids,matter_external_id",
			size.Events, w.event,
		},
	} {
		if file.count == 0 {
			continue
		}
		if err := write(filepath.Join(dir, file.name), strings.Split(file.header, ","), file.count, file.row); err != nil {
			return fmt.Errorf("write %s: %w", file.name, err)
		}
	}
	return nil
}

func write(path string, header []string, count int, row func(int) []string) (err error) {
	file, err := os.Create(path) //nolint:gosec // the path is what was asked for
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriterSize(file, 1<<20)
	rows := csv.NewWriter(buffered)
	if err := rows.Write(header); err != nil {
		return err
	}
	for number := range count {
		if err := rows.Write(row(number)); err != nil {
			return err
		}
	}
	rows.Flush()
	if err := rows.Error(); err != nil {
		return err
	}
	return buffered.Flush()
}

// StaffID is the external id of a staff member; all are counted from 0.
func StaffID(number int) string { return "s-" + strconv.Itoa(number+1) }

// PersonID is the external id of a person.
func PersonID(number int) string { return "p-" + strconv.Itoa(number+1) }

// TaskID is the external id of a task. The tasks of person p are p*TasksPerson and those after it.
func TaskID(number int) string { return "t-" + strconv.Itoa(number+1) }

// MatterID is the external id of a matter.
func MatterID(number int) string { return "m-" + strconv.Itoa(number+1) }

// EventID is the external id of a calendar event.
func EventID(number int) string { return "e-" + strconv.Itoa(number+1) }

func (w *writer) pick(from []string) string { return from[w.random.IntN(len(from))] }

// staffOf is the staff member on the n-th seat of a person. A person's seats go to different staff where there are enough.
func (w *writer) staffOf(person, n int) string {
	apart := max(w.size.Staff/max(w.size.AssignmentsPerson, 1), 1)
	return StaffID((person + n*apart) % w.size.Staff)
}

func (w *writer) staff(number int) []string {
	first, last := w.pick(givenNames), w.pick(familyNames)
	role, permissions := "member", "clients|referrals|tasks"
	if number == 0 {
		role, permissions = "administrator", ""
	}
	return []string{StaffID(number), first, last, address(first, last, "s", number, "office.example"), role, "active", permissions}
}

func (w *writer) person(number int) []string {
	first, last := w.pick(givenNames), w.pick(familyNames)
	kind, status := "client", "active"
	if number%4 == 3 {
		kind = "referral"
	}
	if number%20 == 19 {
		status = "inactive"
	}
	phone := ""
	if number%3 != 0 {
		phone = fmt.Sprintf("+1 416 555 %04d", number%10_000)
	}
	return []string{PersonID(number), kind, first, last, address(first, last, "p", number, "mail.example"), phone, status}
}

func address(first, last, prefix string, number int, domain string) string {
	return strings.ToLower(first+"."+last) + "." + prefix + strconv.Itoa(number+1) + "@" + domain
}

func (w *writer) assignment(number int) []string {
	person := number / w.size.AssignmentsPerson
	return []string{PersonID(person), w.staffOf(person, number%w.size.AssignmentsPerson)}
}

func (w *writer) task(number int) []string {
	person := number / w.size.TasksPerson
	// A quarter is active, as in an organization that has been at work for years.
	status := [...]string{"open", "completed", "completed", "completed", "in_progress", "completed", "cancelled", "completed"}[number%8]
	due := ""
	if number%10 != 9 {
		due = w.size.Today.AddDate(0, 0, w.random.IntN(181)-90).Format(time.DateOnly)
	}
	assignee := w.staffOf(person, number%max(w.size.AssignmentsPerson, 1))
	return []string{TaskID(number), w.pick(taskTitles), status, due, PersonID(person), "", assignee}
}

func (w *writer) matter(number int) []string {
	status := [...]string{"open", "pending", "closed", "open"}[number%4]
	visibility := [...]string{"everyone", "everyone", "everyone", "groups", "private"}[number%5]
	client := ""
	if w.size.People > 0 {
		client = PersonID(number % w.size.People)
	}
	return []string{
		MatterID(number), fmt.Sprintf("2026-%05d", number+1), "Matter of " + w.pick(familyNames), status, visibility,
		StaffID(number % w.size.Staff), client,
	}
}

func (w *writer) event(number int) []string {
	starts := w.size.Today.AddDate(0, 0, w.random.IntN(121)-60).Add(time.Duration(9+w.random.IntN(8)) * time.Hour)
	matter := ""
	if w.size.Matters > 0 && number%2 == 0 {
		matter = MatterID(number % w.size.Matters)
	}
	return []string{
		EventID(number), w.pick(eventTitles), starts.Format(time.RFC3339), starts.Add(time.Hour).Format(time.RFC3339),
		StaffID(number % w.size.Staff), StaffID((number + 1) % w.size.Staff), matter,
	}
}
