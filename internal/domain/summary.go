package domain

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"

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

// Summarize counts what a caller looks at before a change (A3). staff are those on the people and their tasks. Who is
// assigned to most people comes first.
func Summarize(facts *AssignmentFacts, staff map[uuid.UUID]StaffRef) AssignmentSummary {
	summary := AssignmentSummary{Revision: Revision(facts)}
	counts := map[uuid.UUID]*StaffCount{}
	for i := range facts.People {
		person := &facts.People[i]
		switch person.Kind {
		case KindClient:
			summary.Clients++
		case KindReferral:
			summary.Referrals++
		}
		if len(person.Staff) > 0 {
			summary.PeopleWithStaff++
		}
		for _, id := range person.Staff {
			if counts[id] == nil {
				counts[id] = &StaffCount{Staff: staff[id]}
			}
			counts[id].People++
		}
	}
	for i := range facts.Tasks {
		task := &facts.Tasks[i]
		if len(facts.People[task.Person].Staff) == 0 {
			continue
		}
		summary.ActiveTasks++
		for _, id := range task.Assignees {
			if counts[id] != nil {
				counts[id].ActiveTasks++
			}
		}
	}
	summary.Staff = make([]StaffCount, 0, len(counts))
	for _, count := range counts {
		summary.Staff = append(summary.Staff, *count)
	}
	slices.SortFunc(summary.Staff, func(a, b StaffCount) int {
		return cmp.Or(cmp.Compare(b.People, a.People), CompareIDs(a.Staff.ID, b.Staff.ID))
	})
	return summary
}

// Revision names the facts behind a summary (A15): the set of people, their staff with status, and the ids and
// assignees of their active tasks; never how they were selected. Because all that the summary says hangs on it (A3), it
// speaks of the kind of each person and of whose task each task is as well. It is the SHA-256 over three SHA-256: of
// (person, kind) in order, of (person, staff, status) in order, and of (task, person, assignee) in order, a task without
// assignee standing with the zero id. A kind and a status are their first letter.
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
	whole := sha256.New()
	write(whole, people.Sum(nil), seats.Sum(nil), tasks.Sum(nil))
	return hex.EncodeToString(whole.Sum(nil)[:16])
}

func write(h hash.Hash, parts ...[]byte) {
	for _, part := range parts {
		_, _ = h.Write(part) // a hash never returns an error
	}
}
