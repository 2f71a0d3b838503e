package domain

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// WorkFacts is all that is true of a leaver's work at the moment it was locked, as far as the wish asks for it.
type WorkFacts struct {
	Staff   map[uuid.UUID]StaffStatus // everyone the wish names
	Matters []MatterFacts             // the leaver's, and those that the tasks and events belong to; by id
	Tasks   []WorkTask                // the active tasks that the leaver holds, by id
	Events  []WorkEvent               // the upcoming events that the leaver owns or attends, by id
	People  []WorkPerson              // the people the leaver serves, by id
	Loads   Loads                     // of the successors
}

// MatterFacts is what matters of a matter.
type MatterFacts struct {
	ID          uuid.UUID
	Responsible uuid.UUID
	Closed      bool
	Private     bool
	Hidden      bool // from who asks; moved all the same, and told to nobody who may not see it (B5)
}

// WorkTask is an active task that the leaver holds.
type WorkTask struct {
	ID        uuid.UUID
	Matter    int // its place in WorkFacts.Matters; None
	Person    int // its place in WorkFacts.People; None where it has none, or one whom the leaver does not serve
	Due       *Date
	Assignees StaffSet
}

// WorkEvent is an event that the leaver owns or attends.
type WorkEvent struct {
	ID       uuid.UUID
	Matter   int // its place in WorkFacts.Matters; None
	Owner    uuid.UUID
	StartsAt time.Time
}

// WorkPerson is a person whom the leaver serves.
type WorkPerson struct {
	ID    uuid.UUID
	Kind  PersonKind
	Staff StaffSet
}

// None is the place of what is not there.
const None = -1

// WorkRevision names the facts that a plan of a leaver's work rests on, as far as the wish asks for them: it changes when any of
// them does. It is the SHA-256 over the SHA-256 of each kind, in order. What successors have is not among them, and of what is
// private there is the number that is told of it alone: otherwise previews would tell when somebody works on it (B5).
func WorkRevision(facts *WorkFacts, wish WorkWish, now time.Time) string {
	p := workPlan{facts: facts, wish: wish}
	matters, tasks, events, people, staff := sha256.New(), sha256.New(), sha256.New(), sha256.New(), sha256.New()
	withheld := 0
	for _, matter := range facts.Matters {
		switch {
		case !matter.Private:
			write(matters, matter.ID[:], matter.Responsible[:], flag(matter.Closed))
		case wish.Matters != nil && matter.Responsible == wish.From:
			withheld++
		}
	}
	for _, task := range facts.Tasks {
		matter := p.matter(task.Matter)
		switch {
		case matter == nil || !matter.Private || p.goesWithPerson(task):
			write(tasks, task.ID[:], matterID(facts, task.Matter), personID(facts, task.Person), []byte(dueText(task.Due)))
			writeSet(tasks, task.Assignees)
		case wish.Tasks != nil:
			withheld++
		}
	}
	for _, event := range facts.Events {
		matter := p.matter(event.Matter)
		switch {
		case matter == nil || !matter.Private:
			write(events, event.ID[:], matterID(facts, event.Matter), event.Owner[:], []byte(event.StartsAt.UTC().Format(time.RFC3339Nano)))
		case wish.Events != nil && event.StartsAt.After(now):
			withheld++
		}
	}
	for _, person := range facts.People {
		write(people, person.ID[:], []byte(person.Kind)[:1])
		writeSet(people, person.Staff)
	}
	for _, id := range NewStaffSet(slices.Collect(maps.Keys(facts.Staff))...) {
		write(staff, id[:], []byte(facts.Staff[id])[:1])
	}
	whole := sha256.New()
	write(whole, matters.Sum(nil), tasks.Sum(nil), events.Sum(nil), people.Sum(nil), staff.Sum(nil), []byte(strconv.Itoa(withheld)))
	return hex.EncodeToString(whole.Sum(nil)[:16])
}

func matterID(facts *WorkFacts, place int) []byte {
	if place == None {
		return uuid.Nil[:]
	}
	return facts.Matters[place].ID[:]
}

func personID(facts *WorkFacts, place int) []byte {
	if place == None {
		return uuid.Nil[:]
	}
	return facts.People[place].ID[:]
}

func dueText(due *Date) string {
	if due == nil {
		return "-"
	}
	return due.String()
}

func flag(set bool) []byte {
	if set {
		return []byte{1}
	}
	return []byte{0}
}

func writeSet(h hash.Hash, set StaffSet) {
	for _, id := range set {
		write(h, id[:])
	}
	write(h, uuid.Nil[:])
}

// Received is what those who get the work have to be told of it (B7).
func (f *WorkFacts) Received(wish WorkWish, zone *time.Location) Received {
	received := Received{
		From: wish.From, MatterOf: map[uuid.UUID]uuid.UUID{},
		Due: Due{Tasks: map[uuid.UUID]Date{}, Events: map[uuid.UUID]time.Time{}, Zone: zone},
	}
	for _, task := range f.Tasks {
		if task.Due != nil {
			received.Due.Tasks[task.ID] = *task.Due
		}
		if task.Matter != None {
			received.MatterOf[task.ID] = f.Matters[task.Matter].ID
		}
	}
	for _, event := range f.Events {
		received.Due.Events[event.ID] = event.StartsAt
		if event.Matter != None {
			received.MatterOf[event.ID] = f.Matters[event.Matter].ID
		}
	}
	return received
}

// Loads counts what staff have now, for sharing by least_loaded (B10).
type Loads struct {
	Matters map[uuid.UUID]int // open and pending, responsible for
	Tasks   map[uuid.UUID]int // active, held
	Events  map[uuid.UUID]int // upcoming, owned
	People  map[uuid.UUID]int // served
}
