// Package invariants checks what must hold of a database after anything that disturbed it: a crash, a lost answer, many
// changes at once. It reads as the owner, past row-level security, and changes nothing. Nobody may be at work meanwhile.
//
//	before, err := invariants.Take(ctx, db)
//	… disturb …
//	violations, err := invariants.Check(ctx, db, invariants.Options{Before: before, Changed: []uuid.UUID{organization}})
//
// The invariants:
//
//	I1  every item of a run has exactly one outcome and stands once; the totals are the sums of the items
//	I2  seats, items, audit rows, status and job of a run are there together or not at all
//	I3  no active task has vanished, and who holds it is what the rules say (A4 to A12)
//	I4  what was acknowledged is there
//	I5  every changed person or task has exactly one audit row a run, with before and after
//	I6  private and closed work is as it was
//	I7  nothing of another organization was read or changed
//	I8  all of the audit trail that is chained is as it was when it was
package invariants

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
)

// Violation is one thing that is not as it must be.
type Violation struct {
	Invariant    string // I1 to I8
	Organization uuid.UUID
	Run          uuid.UUID // zero where it is about none
	Subject      uuid.UUID // the item, person, task, … that it is about; zero where it is about none
	Detail       string
}

// String is the violation as a line.
func (v Violation) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s (organization %s", v.Invariant, v.Detail, v.Organization)
	if v.Run != uuid.Nil {
		fmt.Fprintf(&text, ", run %s", v.Run)
	}
	if v.Subject != uuid.Nil {
		fmt.Fprintf(&text, ", subject %s", v.Subject)
	}
	return text.String() + ")"
}

// Options are what the database alone cannot tell.
type Options struct {
	// Before is the state that everything since must follow from. Without it I3, I6 and most of I7 are not checked.
	Before *Snapshot
	// Changed are the organizations that something was asked to change in. Every other one must be just as it was.
	Changed []uuid.UUID
	// Acknowledged are the runs that somebody has got the answer of.
	Acknowledged []Acknowledged
	// Patience is how long one statement of the check may take; zero: 20 seconds.
	Patience time.Duration
}

// Acknowledged is a run as its requester knows it from an answer.
type Acknowledged struct {
	Organization uuid.UUID
	Run          uuid.UUID
	Succeeded    bool // the answer said so; else that it was queued
}

// Check tells all that is not as it must be, a few of each sort.
func Check(ctx context.Context, db *sqlx.DB, options Options) ([]Violation, error) {
	tx, err := db.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	return check(ctx, tx, options)
}

// planning makes plans that are good for any size: after a change of many rows statistics may be those of empty tables,
// and loops over an index then take hours.
const planning = `SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; `

const usualPatience = 20 * time.Second

func plan(ctx context.Context, tx *sqlx.Tx, patience time.Duration) error {
	if _, err := tx.ExecContext(ctx, planning+fmt.Sprintf("SET LOCAL statement_timeout = %d", patience.Milliseconds())); err != nil {
		return fmt.Errorf("choose plans: %w", err)
	}
	return nil
}

func check(ctx context.Context, tx *sqlx.Tx, options Options) ([]Violation, error) {
	if err := plan(ctx, tx, cmp.Or(options.Patience, usualPatience)); err != nil {
		return nil, err
	}
	found, err := checkRuns(ctx, tx)
	if err != nil {
		return nil, err
	}
	lost, err := checkAcknowledged(ctx, tx, options.Acknowledged)
	if err != nil {
		return nil, err
	}
	found = append(found, lost...)
	changed, err := checkChains(ctx, tx)
	if err != nil {
		return nil, err
	}
	found = append(found, changed...)
	if options.Before == nil {
		return found, nil
	}
	now, err := take(ctx, tx)
	if err != nil {
		return nil, err
	}
	found = append(found, checkOthers(options.Before, now, options.Changed)...)
	wrong, err := checkReplay(ctx, tx, options.Before, now)
	if err != nil {
		return nil, err
	}
	return append(found, wrong...), nil
}

// fewOfEach is how many violations of one sort are told: enough to find the fault.
const fewOfEach = 5

// collector keeps a few violations of each sort.
type collector struct {
	found []Violation
	told  map[string]int
}

func (c *collector) add(v Violation, sort string) {
	if c.told == nil {
		c.told = map[string]int{}
	}
	if c.told[sort]++; c.told[sort] <= fewOfEach {
		c.found = append(c.found, v)
	}
}

// checkAcknowledged is I4.
func checkAcknowledged(ctx context.Context, tx *sqlx.Tx, runs []Acknowledged) ([]Violation, error) {
	var c collector
	for _, known := range runs {
		var status string
		err := tx.GetContext(ctx, &status, `SELECT coalesce((SELECT status FROM runs WHERE organization_id = $1 AND id = $2), '')`, known.Organization, known.Run)
		if err != nil {
			return nil, fmt.Errorf("look for an acknowledged run: %w", err)
		}
		switch {
		case status == "":
			c.add(Violation{"I4", known.Organization, known.Run, uuid.Nil, "an acknowledged run is not there"}, "gone")
		case known.Succeeded && status != "succeeded":
			c.add(Violation{"I4", known.Organization, known.Run, uuid.Nil, "a run acknowledged as succeeded is " + status}, "status")
		}
	}
	return c.found, nil
}

// checkOthers is I7 for the organizations that nothing was asked to change in.
func checkOthers(before, now *Snapshot, changed []uuid.UUID) []Violation {
	meant := map[uuid.UUID]bool{}
	for _, id := range changed {
		meant[id] = true
	}
	var c collector
	told := func(organization uuid.UUID, table string) {
		c.add(Violation{"I7", organization, uuid.Nil, uuid.Nil, "the table " + table + " of an organization that nobody changed is not as it was"}, "table")
	}
	for at, hash := range before.tables {
		if !meant[at.organization] && now.tables[at] != hash {
			told(at.organization, at.table)
		}
	}
	for at := range now.tables {
		if _, known := before.tables[at]; !known && !meant[at.organization] {
			told(at.organization, at.table)
		}
	}
	return c.found
}
