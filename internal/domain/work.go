package domain

import (
	"time"

	"github.com/google/uuid"
)

// Distribution is how work is shared out among several successors (B10). Empty: there is one.
type Distribution string

// The distributions.
const (
	DistributeRoundRobin  Distribution = "round_robin"
	DistributeLeastLoaded Distribution = "least_loaded"
	DistributeEach        Distribution = "each" // all successors share; people and tasks only
)

// WorkWish is what an administrator wants of the work of one staff member: which parts of it go to whom (B6, B9). A part
// that is nil stays where it is and reports nothing.
type WorkWish struct {
	From    uuid.UUID
	Matters *WorkPart
	Tasks   *WorkPart
	Events  *WorkPart
	People  *WorkPart
}

// WorkPart is one kind of work with its successors.
type WorkPart struct {
	To             []uuid.UUID // as asked, in order; duplicates are harmless
	Distribution   Distribution
	IncludePastDue bool         // tasks: past-due ones too (B4)
	Kinds          []PersonKind // people: of these kinds; empty: of both (B9)
	KeepTasks      bool         // people: the tasks that belong to them stay with the leaver (B9)
}

// Due tells when work is due, for those who are told of it (B7).
type Due struct {
	Tasks  map[uuid.UUID]Date // a task without a due date is absent
	Events map[uuid.UUID]time.Time
	Zone   *time.Location // of the organization
}
