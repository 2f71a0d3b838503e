package chaos

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"handover/internal/invariants"
)

// ledger is what was asked for under a key, and what the answer said.
type ledger struct {
	mutex        sync.Mutex
	entries      map[string]*entry
	acknowledged []invariants.Acknowledged
}

// entry is one key. What it made bears the key: the reason of a run, the title of a task, the last name of a person.
type entry struct {
	organization uuid.UUID
	made         string // "run", "task", "person" or "edit", of a task
	answered     bool
	good         bool
}

// begin notes that something is being asked for.
func (l *ledger) begin(organization uuid.UUID, key, made string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.entries[key] = &entry{organization: organization, made: made}
}

// end notes what it came to. Without one, it may have been done or not.
func (l *ledger) end(key string, got answer) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.entries[key].answered, l.entries[key].good = true, got.good()
}

// ran notes that a run was acknowledged.
func (l *ledger) ran(organization, run uuid.UUID, succeeded bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.acknowledged = append(l.acknowledged, invariants.Acknowledged{Organization: organization, Run: run, Succeeded: succeeded})
}

// tally counts what was done, for the table at the end.
type tally struct {
	mutex    sync.Mutex
	counts   map[string]int
	requests map[string]int
	times    []time.Duration
	longests map[string]time.Duration
}

func (c *tally) count(what string, number int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.counts[what] += number
}

func (c *tally) answered(what string, got answer) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.requests == nil {
		c.requests = map[string]int{}
	}
	outcome := fmt.Sprint(got.status)
	if got.code != "" {
		outcome += " " + got.code
	}
	c.requests[what+": "+outcome]++
	c.counts["requests answered"]++
	if got.tries > 1 {
		c.counts["requests that had to be repeated"]++
		c.counts["repetitions"] += got.tries - 1
		if got.header.Get("Idempotency-Replayed") == "true" {
			c.counts["repetitions that found it done"]++
		}
	}
}

func (c *tally) took(_ string, took time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.times = append(c.times, took)
}

func (c *tally) longest(what string, took time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.longests == nil {
		c.longests = map[string]time.Duration{}
	}
	c.longests[what] = max(c.longests[what], took)
}

// print writes the table.
func (c *tally) print(t testing.TB, lasted time.Duration) {
	t.Helper()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 4, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(table, format, args...) } // into memory
	line("\nlasted\t%s\n", lasted.Round(time.Second))
	answered := c.counts["requests answered"]
	line("load\t%d requests answered, %.0f a second", answered, float64(answered)/lasted.Seconds())
	slices.Sort(c.times)
	if n := len(c.times); n > 0 {
		line("; half within %s, 99 of 100 within %s, all within %s", c.times[n/2].Round(time.Millisecond), c.times[n*99/100].Round(time.Millisecond), c.times[n-1].Round(time.Millisecond))
	}
	line("\n")
	sections := map[string][]string{}
	for what := range c.counts {
		section := "asked"
		for _, name := range []string{"fault", "checked"} {
			if strings.HasPrefix(what, name+": ") {
				section = name
			}
		}
		sections[section] = append(sections[section], what)
	}
	for _, section := range []string{"asked", "fault", "checked"} {
		sort.Strings(sections[section])
		for _, what := range sections[section] {
			line("%s\t%d %s\n", section, c.counts[what], strings.TrimPrefix(what, section+": "))
		}
	}
	names := make([]string, 0, len(c.requests))
	for name := range c.requests {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		line("answers\t%d %s\n", c.requests[name], name)
	}
	for what, took := range c.longests {
		line("longest\t%s %s\n", what, took.Round(time.Millisecond))
	}
	_ = table.Flush() // into memory
	t.Log(text.String())
}
