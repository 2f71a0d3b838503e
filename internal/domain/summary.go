package domain

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"github.com/google/uuid"
)

// AssignmentSummary is what a caller looks at before a change (A3).
type AssignmentSummary struct {
	SelectionID     uuid.UUID
	Clients         int
	Referrals       int
	PeopleWithStaff int
	ActiveTasks     int // of those who have staff
	Staff           []StaffCount
	Revision        string
}

// StaffCount is what a staff member has in a selection.
type StaffCount struct {
	Staff       StaffRef
	People      int // they are assigned to
	ActiveTasks int // they hold, of the selected people
}

// Selected is how many people the selection holds.
func (s AssignmentSummary) Selected() int { return s.Clients + s.Referrals }

// AvailableChanges are the changes that apply (A4 to A8): assign while nobody has staff, the others as soon as anybody has.
func (s AssignmentSummary) AvailableChanges() []ChangeType {
	if s.PeopleWithStaff == 0 {
		return []ChangeType{ChangeAssign}
	}
	return []ChangeType{ChangeAdd, ChangeReplace, ChangeRemove}
}

// TaskPolicyRequired tells whether a task decision will be required (A9).
func (s AssignmentSummary) TaskPolicyRequired() bool { return s.ActiveTasks > 0 }

// Revision names the facts behind a summary (A15): the set of people, their staff with status, and the ids and
// assignees of their active tasks; never how they were selected. Because all that the summary says hangs on it (A3), it
// speaks of the kind of each person and of whose task each task is as well. It is the SHA-256 over three SHA-256: of
// (person, kind) in order, of (person, staff, status) in order, and of (task, person, assignee) in order, a task without
// assignee standing with the zero id. A kind and a status are their first letter. The database computes the same for
// summaries.
func Revision(facts *AssignmentFacts) string {
	people, seats, tasks := sha256.New(), sha256.New(), sha256.New()
	for _, person := range facts.People {
		write(people, person.ID[:], []byte(person.Kind)[:1])
		for _, id := range person.Staff {
			write(seats, person.ID[:], id[:], []byte(facts.Staff[id])[:1])
		}
	}
	for _, task := range facts.Tasks {
		person := facts.People[task.Person].ID
		if len(task.Assignees) == 0 {
			write(tasks, task.ID[:], person[:], uuid.Nil[:])
		}
		for _, id := range task.Assignees {
			write(tasks, task.ID[:], person[:], id[:])
		}
	}
	return CombineRevision(people.Sum(nil), seats.Sum(nil), tasks.Sum(nil))
}

// CombineRevision makes the revision of its three parts.
func CombineRevision(people, seats, tasks []byte) string {
	whole := sha256.New()
	write(whole, people, seats, tasks)
	return hex.EncodeToString(whole.Sum(nil)[:16])
}

func write(h hash.Hash, parts ...[]byte) {
	for _, part := range parts {
		_, _ = h.Write(part) // a hash never returns an error
	}
}
