package domain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
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

// Due tells when work is due, for those who are told of it (B7).
type Due struct {
	Tasks  map[uuid.UUID]Date // a task without a due date is absent
	Events map[uuid.UUID]time.Time
	Zone   *time.Location // of the organization
}

// unit is work that stays together: it goes to one successor.
type unit struct {
	id     uuid.UUID
	weight int               // how many items it is
	held   map[uuid.UUID]int // how many of them somebody has already, as a co-assignee
	among  []uuid.UUID       // the successors it may go to; none: any
}

// hold counts an item of the unit that its holders, the leaver and others, have already.
func (u *unit) hold(holders StaffSet) {
	if len(holders) < 2 {
		return // the leaver alone
	}
	if u.held == nil {
		u.held = make(map[uuid.UUID]int, len(holders))
	}
	for _, id := range holders {
		u.held[id]++
	}
}

// adds is how much more somebody has when they get the unit.
func (u unit) adds(to uuid.UUID) int { return u.weight - u.held[to] }

func (u unit) mayGoTo(successor uuid.UUID) bool {
	return len(u.among) == 0 || slices.Contains(u.among, successor)
}

// share gives each unit to one of the successors and tells to which, in the order of the units (B10). round_robin goes over
// the successors in their order. least_loaded gives the heaviest unit first, each to whoever has least with it; loads are
// what they have before. What of a unit somebody has already, as a co-assignee, is in their load and adds nothing.
func share(units []unit, to []uuid.UUID, distribution Distribution, loads map[uuid.UUID]int) []uuid.UUID {
	switch distribution {
	case "", DistributeRoundRobin:
		return roundRobin(units, to)
	case DistributeLeastLoaded:
		return leastLoaded(units, to, loads)
	case DistributeEach:
	}
	panic(fmt.Sprintf("cannot share by %q", distribution))
}

func roundRobin(units []unit, to []uuid.UUID) []uuid.UUID {
	given := make([]uuid.UUID, len(units))
	next := 0
	for i, u := range units {
		for step := range to {
			at := (next + step) % len(to)
			if u.mayGoTo(to[at]) {
				given[i], next = to[at], at+1
				break
			}
		}
	}
	return given
}

func leastLoaded(units []unit, to []uuid.UUID, before map[uuid.UUID]int) []uuid.UUID {
	order, least := make([]int, len(units)), make([]int, len(units))
	for i, u := range units {
		order[i], least[i] = i, u.addsAtLeast(to)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		// Who has a choice comes after who has none, and the heavier before the lighter.
		return cmp.Or(cmp.Compare(units[a].choices(to), units[b].choices(to)), cmp.Compare(least[b], least[a]))
	})
	given, loads := make([]uuid.UUID, len(units)), maps.Clone(before)
	if loads == nil {
		loads = make(map[uuid.UUID]int, len(to))
	}
	for _, i := range order {
		best, fewest := uuid.Nil, 0
		for _, successor := range to {
			if then := loads[successor] + units[i].adds(successor); units[i].mayGoTo(successor) && (best == uuid.Nil || then < fewest) {
				best, fewest = successor, then
			}
		}
		given[i], loads[best] = best, fewest
	}
	return given
}

// addsAtLeast is how much more there is to have, whoever gets the unit.
func (u unit) addsAtLeast(to []uuid.UUID) int {
	least := u.weight
	for _, successor := range to {
		if u.mayGoTo(successor) {
			least = min(least, u.adds(successor))
		}
	}
	return least
}

// choices is how many of the successors a unit may go to.
func (u unit) choices(to []uuid.UUID) int {
	if len(u.among) == 0 {
		return len(to)
	}
	return len(u.among)
}
