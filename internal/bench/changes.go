package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"time"

	"github.com/lib/pq"
)

// handing is a set of people who go from one staff member to another and back: every round does the same work.
type handing struct {
	staff     [2]string
	holder    int // which of the two has them now
	people    int
	tasks     int
	selection string
	checked   int // how many changes were looked at
}

// next is who gets the people now.
func (h *handing) next() string { return h.staff[1-h.holder] }

// request asks the service for the next change.
func (h *handing) request() map[string]any {
	return map[string]any{
		"selection": map[string]any{"type": "saved", "selection_id": h.selection},
		"change":    map[string]any{"type": "replace", "staff_ids": []string{h.next()}, "task_policy": "reassign_all", "task_scope": "team"},
	}
}

// The bounds of W1.
const (
	changeAtMost = 1.5
	growthAtMost = 1.2
)

// measureChanges is W1: replace with reassign_all over HTTP, against the same by hand, on the service's tables and on bare ones.
func measureChanges(ctx context.Context, b *bench) error {
	pool, err := openPool(b.database.url)
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }() // nothing is under way
	if err := makeBareTables(ctx, b); err != nil {
		return err
	}
	var perTask []float64
	for _, pair := range []int{staffSwapping + 4, staffSwapping + 2, staffSwapping} {
		handed, err := prepareHanding(ctx, b, pair)
		if err != nil {
			return err
		}
		bare := *handed
		sides := []side{
			{"service", func(ctx context.Context) (time.Duration, error) { return changeByService(ctx, b, handed) }},
			{"floor", func(ctx context.Context) (time.Duration, error) { return changeByHand(ctx, b, pool, handed, ownTables) }},
			{"bare tables", func(ctx context.Context) (time.Duration, error) { return changeByHand(ctx, b, pool, &bare, bareTables) }},
		}
		rounds := b.rounds
		limit := changeAtMost
		if handed.tasks <= 1000 {
			rounds, limit = 2*rounds, 0
		}
		taken, err := inTurns(ctx, rounds, sides...)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("replace + reassign_all: %d people, %d tasks", handed.people, handed.tasks)
		b.addDurations("W1", what, "set-based SQL", taken[0], taken[1], limit)
		b.addDurations("W1", what, "SQL on bare tables", taken[0], taken[2], 0)
		perTask = append(perTask, milliseconds(taken[0].median())*1000/float64(handed.tasks))
	}
	most, fewer := perTask[len(perTask)-1], perTask[len(perTask)-2]
	b.add(result{
		Work: "W1", What: "cost of a task in the largest change", Against: "in the one of a tenth", Unit: "µs",
		Service: most, Floor: fewer, Ratio: most / fewer, AtMost: growthAtMost,
	})
	return nil
}

func openPool(url string) (*sql.DB, error) {
	pool, err := sql.Open("postgres", url)
	if err != nil {
		return nil, fmt.Errorf("open a pool: %w", err)
	}
	pool.SetMaxOpenConns(poolSize)
	pool.SetMaxIdleConns(poolSize)
	return pool, nil
}

// prepareHanding selects the people that a pair of staff hands over, and saves the selection as a caller would.
func prepareHanding(ctx context.Context, b *bench, pair int) (*handing, error) {
	handed := &handing{}
	for i := range handed.staff {
		var err error
		if handed.staff[i], err = b.id(ctx, kindStaff, pair+i); err != nil {
			return nil, err
		}
	}
	var holders int
	err := b.database.owner.QueryRowContext(ctx, `
		SELECT count(*), count(DISTINCT a.staff_id), coalesce(max(CASE WHEN a.staff_id = $3 THEN 1 ELSE 0 END), 0),
			(SELECT count(*) FROM tasks t WHERE t.organization_id = $1 AND t.status IN ('open', 'in_progress') AND EXISTS (
				SELECT FROM task_assignees h WHERE h.organization_id = $1 AND h.task_id = t.id AND h.staff_id IN ($2, $3)))
		FROM assignments a WHERE a.organization_id = $1 AND a.staff_id IN ($2, $3)`, b.world.organization, handed.staff[0], handed.staff[1]).
		Scan(&handed.people, &holders, &handed.holder, &handed.tasks)
	if err != nil {
		return nil, fmt.Errorf("look who has the people: %w", err)
	}
	if holders != 1 {
		return nil, fmt.Errorf("the people of a pair are with %d staff members, expected one", holders)
	}
	var saved struct {
		ID string `json:"id"`
	}
	filter := map[string]any{"type": "filter", "filter": map[string]any{"staff_id": handed.staff}}
	if err := b.service.do(ctx, http.MethodPost, "/v1/selections", map[string]any{"selection": filter}, &saved); err != nil {
		return nil, err
	}
	handed.selection = saved.ID
	return handed, nil
}

// id is the id of the nth of a kind in the first organization.
func (b *bench) id(ctx context.Context, kind, number int) (string, error) {
	var id string
	if err := b.database.owner.QueryRowContext(ctx, `SELECT bench.id(1, $1, $2)`, kind, number).Scan(&id); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return id, nil
}

// changedTables are what a change leaves dead rows in.
var changedTables = []string{
	"people", "tasks", "assignments", "task_assignees", "notification_counters",
	"bare.people", "bare.tasks", "bare.assignments", "bare.task_assignees",
}

func changeByService(ctx context.Context, b *bench, handed *handing) (time.Duration, error) {
	if err := b.database.tidy(ctx, changedTables...); err != nil {
		return 0, err
	}
	var run struct {
		ID     string `json:"id"`
		Totals struct {
			PeopleChanged int `json:"people_changed"`
			TasksChanged  int `json:"tasks_changed"`
		} `json:"totals"`
	}
	took, err := timed(func() error {
		return b.service.do(ctx, http.MethodPost, "/v1/manage-assignments", handed.request(), &run)
	})
	if err != nil {
		return 0, err
	}
	if run.Totals.PeopleChanged != handed.people || run.Totals.TasksChanged != handed.tasks {
		return 0, fmt.Errorf("changed %d people and %d tasks, expected %d and %d",
			run.Totals.PeopleChanged, run.Totals.TasksChanged, handed.people, handed.tasks)
	}
	handed.holder = 1 - handed.holder
	return took, checkRecorded(ctx, b, handed, run.ID, ownTables)
}

// changeByHand does the same with a script of SQL, in one transaction.
func changeByHand(ctx context.Context, b *bench, pool *sql.DB, handed *handing, script script) (time.Duration, error) {
	if err := b.database.tidy(ctx, changedTables...); err != nil {
		return 0, err
	}
	known, err := b.known(ctx)
	if err != nil {
		return 0, err
	}
	known[selection], known[takingOver], known[people] = handed.selection, pq.Array([]string{handed.next()}), handed.people
	took, err := script.run(ctx, b, pool, known)
	if err != nil {
		return 0, err
	}
	handed.holder = 1 - handed.holder
	return took, checkRecorded(ctx, b, handed, fmt.Sprint(known[run]), script)
}

// itemsTold is how many items a notification names.
const itemsTold = 20

// checkedChanges are those of the warm-up.
const checkedChanges = 2

// checkRecorded makes sure, in the warm-up, that each side leaves the same behind.
func checkRecorded(ctx context.Context, b *bench, handed *handing, run string, script script) error {
	if handed.checked == checkedChanges {
		return nil
	}
	handed.checked++
	const query = `SELECT (SELECT count(*) FROM %[1]srun_items WHERE run_id = $1 AND outcome = 'changed')
		+ (SELECT count(*) FROM %[1]saudit_events WHERE run_id = $1 AND before <> after)
		+ (SELECT count(*) FROM %[1]sassignments WHERE staff_id = $2) + (SELECT count(*) FROM %[1]stask_assignees WHERE staff_id = $2)
		+ (SELECT count(*) FROM %[1]sassignments WHERE staff_id = $3) + (SELECT count(*) FROM %[1]stask_assignees WHERE staff_id = $3)
		+ (SELECT count(*) FROM %[1]snotifications n JOIN %[1]snotification_items i ON i.notification_id = n.id
			WHERE n.run_id = $1 AND n.staff_id = $2 AND n.people_count + n.tasks_count = $4)`
	found, err := b.database.number(ctx, fmt.Sprintf(query, script.schema), run, handed.staff[handed.holder], handed.next(), handed.people+handed.tasks)
	if err != nil {
		return err
	}
	if expected := 3*(handed.people+handed.tasks) + itemsTold; found != expected {
		return fmt.Errorf("left %d rows behind, expected %d", found, expected)
	}
	return nil
}
