package domain

import "github.com/google/uuid"

// Plan is a change as data: what becomes of each item, and which seats are given and taken for it. Applying it is a
// handful of set-based statements, whatever its size.
type Plan struct {
	Items        []PlannedItem // each item once
	PeopleTaken  []Seat        // assignments to remove
	PeopleGiven  []Seat        // assignments to add
	TasksTaken   []Seat        // task assignees to remove
	TasksGiven   []Seat        // task assignees to add
	TasksCreated []CreatedTask
	// TasksCancelled are intake tasks that an undo takes back.
	TasksCancelled []uuid.UUID
	MattersMoved   []Move
	EventsMoved    []Move
	Totals         Totals
	// Hidden is the part of Totals that speaks of what is hidden from who asks (B5).
	Hidden Totals
}

// Move gives a matter another responsible staff member, or a calendar event another owner.
type Move struct {
	ID   uuid.UUID
	From uuid.UUID
	To   uuid.UUID
}

// Seat is one staff member's place on a person or a task.
type Seat struct {
	Subject uuid.UUID
	Staff   uuid.UUID
}

// PlannedItem is what becomes of one person or task.
type PlannedItem struct {
	Kind    ItemKind
	ID      uuid.UUID
	Outcome Outcome
	Reason  Reason
	Before  StaffSet
	After   StaffSet
}

// CreatedTask is a task that the plan creates for a person, with its assignees.
type CreatedTask struct {
	ID        uuid.UUID
	PersonID  uuid.UUID
	Title     string
	Details   string
	DueOn     Date
	Assignees StaffSet
}

// ChangesNothing tells whether applying the plan would write no seat and no task (A17).
func (p *Plan) ChangesNothing() bool {
	return len(p.PeopleTaken)+len(p.PeopleGiven)+len(p.TasksTaken)+len(p.TasksGiven)+len(p.TasksCreated)+
		len(p.TasksCancelled)+len(p.MattersMoved)+len(p.EventsMoved) == 0
}

func (p *Plan) addPerson(id uuid.UUID, before, after StaffSet, reason Reason) {
	item := PlannedItem{Kind: ItemPerson, ID: id, Outcome: OutcomeUnchanged, Reason: reason, Before: before, After: after}
	if before.Equal(after) {
		p.Totals.PeopleUnchanged++
		if reason == ReasonNone {
			item.Reason = ReasonAlreadyInPlace
		}
	} else {
		item.Outcome = OutcomeChanged
		p.Totals.PeopleChanged++
		taken, given := len(p.PeopleTaken), len(p.PeopleGiven)
		p.PeopleTaken = appendSeats(p.PeopleTaken, id, before, after)
		p.PeopleGiven = appendSeats(p.PeopleGiven, id, after, before)
		p.Totals.AssignmentsRemoved += len(p.PeopleTaken) - taken
		p.Totals.AssignmentsAdded += len(p.PeopleGiven) - given
	}
	p.Items = append(p.Items, item)
}

func (p *Plan) addTask(id uuid.UUID, before, after StaffSet, reason Reason) {
	item := PlannedItem{Kind: ItemTask, ID: id, Outcome: OutcomeUnchanged, Reason: reason, Before: before, After: after}
	if before.Equal(after) {
		item.Reason = ReasonAlreadyInPlace
	} else {
		item.Outcome = OutcomeChanged
		p.Totals.TasksChanged++
		if len(after) == 0 {
			p.Totals.TasksUnassigned++
		}
		p.TasksTaken = appendSeats(p.TasksTaken, id, before, after)
		p.TasksGiven = appendSeats(p.TasksGiven, id, after, before)
	}
	p.Items = append(p.Items, item)
}

// addItem adds an item that is no person, and counts it. hidden tells that who asks may not see it.
func (p *Plan) addItem(item PlannedItem, hidden bool) {
	p.Totals.Count(item.Kind, item.Outcome, item.Reason, len(item.After) == 0, 1)
	if hidden {
		p.Hidden.Count(item.Kind, item.Outcome, item.Reason, len(item.After) == 0, 1)
	}
	p.Items = append(p.Items, item)
}

// changeTask changes who holds a task; both sets differ.
func (p *Plan) changeTask(id uuid.UUID, before, after StaffSet, reason Reason, hidden bool) {
	p.TasksTaken = appendSeats(p.TasksTaken, id, before, after)
	p.TasksGiven = appendSeats(p.TasksGiven, id, after, before)
	p.addItem(PlannedItem{Kind: ItemTask, ID: id, Outcome: OutcomeChanged, Reason: reason, Before: before, After: after}, hidden)
}

func (p *Plan) moveMatter(id, from, to uuid.UUID, reason Reason, hidden bool) {
	p.MattersMoved = append(p.MattersMoved, Move{ID: id, From: from, To: to})
	p.addItem(PlannedItem{Kind: ItemMatter, ID: id, Outcome: OutcomeChanged, Reason: reason, Before: StaffSet{from}, After: StaffSet{to}}, hidden)
}

func (p *Plan) moveEvent(id, from, to uuid.UUID, reason Reason, hidden bool) {
	p.EventsMoved = append(p.EventsMoved, Move{ID: id, From: from, To: to})
	p.addItem(PlannedItem{Kind: ItemCalendarEvent, ID: id, Outcome: OutcomeChanged, Reason: reason, Before: StaffSet{from}, After: StaffSet{to}}, hidden)
}

// leaveAlone leaves an item with whom it is with, and says why.
func (p *Plan) leaveAlone(kind ItemKind, id uuid.UUID, with StaffSet, reason Reason, hidden bool) {
	p.addItem(PlannedItem{Kind: kind, ID: id, Outcome: OutcomeLeftAlone, Reason: reason, Before: with, After: with}, hidden)
}

func (p *Plan) createTask(task CreatedTask) {
	p.TasksCreated = append(p.TasksCreated, task)
	p.Totals.TasksCreated++
	p.Items = append(p.Items, PlannedItem{Kind: ItemTask, ID: task.ID, Outcome: OutcomeCreated, After: task.Assignees})
}

// appendSeats adds the seats on subject that are in one set and not in the other.
func appendSeats(seats []Seat, subject uuid.UUID, in, notIn StaffSet) []Seat {
	for _, staff := range in {
		if !notIn.Has(staff) {
			seats = append(seats, Seat{Subject: subject, Staff: staff})
		}
	}
	return seats
}
