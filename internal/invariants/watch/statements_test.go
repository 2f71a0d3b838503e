package watch_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/app"
	"handover/internal/invariants"
	"handover/internal/invariants/seed"
	"handover/internal/invariants/watch"
)

const (
	// mostStatements is how many statements a change may take, BEGIN and COMMIT included, whatever its size.
	mostStatements = 30

	// mostArgs is how many arguments a statement may have. Those of a list of ids would be one each.
	mostArgs = 40
)

// sizes are of how many people: one, a screenful, an organization.
var sizes = []int{1, 100, 5000}

// The first of them are left out, so that the one is a referral and gets intake tasks.
const (
	leftOut   = 3
	allPeople = leftOut + 1 + 100 + 5000
)

// work is something that is asked for a selection of people.
type work struct {
	name, path string
	body       object
}

// works are what can be asked, in an order in which each has something to do.
func works(staff []uuid.UUID) []work {
	manage := func(name string, change object) work {
		return work{name: name, path: "/v1/manage-assignments", body: object{"change": change}}
	}
	named := func(n int) []uuid.UUID { return staff[n : n+1] }
	preview := manage("a preview", object{"type": "replace", "staff_ids": named(4), "task_policy": "reassign_all"})
	preview.body["dry_run"] = true
	return []work{
		{name: "a summary", path: "/v1/assignment-summary", body: object{}},
		preview,
		manage("replace", object{"type": "replace", "staff_ids": named(2), "task_policy": "reassign_all", "task_scope": "assigned"}),
		manage("add", object{"type": "add", "staff_ids": named(3), "task_policy": "add_new_staff", "task_scope": "all"}),
		manage("remove", object{"type": "remove", "staff_ids": named(2), "task_policy": "reassign_to_remaining", "when_no_staff_remain": "unassign"}),
		manage("replace, keeping tasks", object{"type": "replace", "staff_ids": named(4), "task_policy": "keep"}),
		manage("remove all", object{"type": "remove", "all_staff": true, "task_policy": "unassign"}),
		manage("assign with intake tasks", object{"type": "assign", "staff_ids": named(3), "include_intake_tasks": true}),
		{name: "the older removal", path: "/v1/remove-staff", body: object{}},
		{name: "the older assignment", path: "/v1/assign-staff", body: object{"staff_ids": named(2), "tasks": "reassign"}},
	}
}

// A14: no work is done row by row.
func TestStatementsOfChanges(t *testing.T) {
	t.Parallel()
	s := start(t, seed.Size{People: allPeople, Staff: 6, Matters: 20})
	selections := s.selections(t)
	before, err := invariants.Take(t.Context(), s.db)
	if err != nil {
		t.Fatal(err)
	}
	for _, work := range works(s.org.Staff) {
		t.Run(work.name, func(t *testing.T) {
			var sent [][]watch.Statement
			for i, size := range sizes {
				var made run
				work.body["selection"] = selections[i]
				statements := s.watch.During(func() {
					s.call(t, "POST", work.path, work.body, &made, "Idempotency-Key", fmt.Sprintf("%s of %d", work.name, size))
				})
				sent = append(sent, statements)
				s.wroteWhatItTells(t, made, statements)
			}
			sameWhateverTheSize(t, sent, mostStatements)
		})
	}
	s.check(t, before)
}

// The same asynchronously: what the request sends, and what the worker does.
func TestStatementsOfRuns(t *testing.T) {
	t.Parallel()
	s := start(t, seed.Size{People: allPeople, Staff: 6, Matters: 20})
	var asked, carriedOut [][]watch.Statement
	before, err := invariants.Take(t.Context(), s.db)
	if err != nil {
		t.Fatal(err)
	}
	for i, selection := range s.selections(t) {
		body := object{"selection": selection, "change": object{
			"type": "replace", "staff_ids": s.org.Staff[2+i : 3+i], "task_policy": "reassign_all", "task_scope": "assigned",
		}}
		var queued run
		asked = append(asked, s.watch.During(func() { s.call(t, "POST", "/v1/manage-assignments", body, &queued, "Prefer", "respond-async") }))
		job := s.job(t, queued.ID)
		carriedOut = append(carriedOut, s.watch.During(func() {
			if err := s.app.CarryOutRun(t.Context(), job, func(context.Context, *sql.Tx) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}))
		var made run
		s.call(t, "GET", "/v1/runs/"+queued.ID.String(), nil, &made)
		if made.Status != "succeeded" {
			t.Fatalf("got run %+v", made)
		}
		s.wroteWhatItTells(t, made, carriedOut[i])
	}
	sameWhateverTheSize(t, asked, mostStatements)
	sameWhateverTheSize(t, carriedOut, mostStatements+10) // it begins, and tells how far it is, in transactions of their own
	s.check(t, before)
}

// selections saves one selection of each size, of different people.
func (s *service) selections(t *testing.T) []object {
	t.Helper()
	selections := make([]object, len(sizes))
	rest := s.org.People[leftOut:]
	for i, size := range sizes {
		id := uuid.Must(uuid.NewV7())
		if _, err := s.db.ExecContext(t.Context(), `
			WITH saved AS (
				INSERT INTO selections (organization_id, id, created_by_staff_id, created_at, expires_at, clients_count, referrals_count)
				VALUES ($1, $2, $3, now(), now() + interval '1 day', 0, 0)
			)
			INSERT INTO selection_people (organization_id, selection_id, person_id) SELECT $1, $2, unnest($4::uuid[])`,
			s.org.ID, id, s.org.Admin, pq.Array(rest[:size])); err != nil {
			t.Fatal(err)
		}
		selections[i], rest = object{"type": "saved", "selection_id": id}, rest[size:]
	}
	return selections
}

// passedOver are the statement that has those over many rows planned for their number, which a change of a few does
// without, and River's notices, of which there is one in so many milliseconds.
var passedOver = regexp.MustCompile(`^SELECT set_config\('plan_cache_mode'|^-- name: PGNotifyMany`)

// ofWhom is the organization in the statement that begins a transaction.
var ofWhom = regexp.MustCompile(`handover\.organization_id = '[0-9a-f-]{36}'`)

func sameWhateverTheSize(t *testing.T, sent [][]watch.Statement, most int) {
	t.Helper()
	var first []watch.Statement
	for i, statements := range sent {
		if len(statements) > most {
			t.Errorf("%d people take %d statements:\n%s", sizes[i], len(statements), listed(statements))
		}
		if args := watch.MostArgs(statements); args > mostArgs {
			t.Errorf("%d people take a statement of %d arguments", sizes[i], args)
		}
		statements = slices.DeleteFunc(slices.Clone(statements), func(s watch.Statement) bool { return passedOver.MatchString(s.Text) })
		for i := range statements {
			statements[i].Text = ofWhom.ReplaceAllString(statements[i].Text, "handover.organization_id = its own")
		}
		if i == 0 {
			first = statements
		} else if !watch.Same(first, statements) {
			t.Errorf("%d people do not take the statements that one takes:\n%s\n%s", sizes[i], listed(first), listed(statements))
		}
	}
	t.Logf("%d, %d, %d statements", len(sent[0]), len(sent[1]), len(sent[2]))
}

func listed(statements []watch.Statement) string {
	var text strings.Builder
	for i, statement := range statements {
		fmt.Fprintf(&text, "  %d %.100s\n", i, strings.Join(strings.Fields(statement.Text), " "))
	}
	return text.String()
}

// wroteWhatItTells holds the rows that the statements of a run wrote against its totals and items.
func (s *service) wroteWhatItTells(t *testing.T, made run, statements []watch.Statement) {
	t.Helper()
	if made.Status != "succeeded" {
		return // a summary or a preview
	}
	var items struct {
		All     int `db:"all"`
		Told    int `db:"told"`
		Given   int `db:"given"`
		Taken   int `db:"taken"`
		Created int `db:"created"`
	}
	if err := s.db.GetContext(t.Context(), &items, `
		SELECT count(*) AS all, count(*) FILTER (WHERE outcome <> 'unchanged') AS told, count(*) FILTER (WHERE outcome = 'created') AS created,
		       coalesce(sum((SELECT count(*) FROM unnest(after_staff_ids) AS staff WHERE staff <> ALL (before_staff_ids))) FILTER (WHERE kind = 'task'), 0) AS given,
		       coalesce(sum((SELECT count(*) FROM unnest(before_staff_ids) AS staff WHERE staff <> ALL (after_staff_ids))) FILTER (WHERE kind = 'task'), 0) AS taken
		FROM run_items WHERE run_id = $1`, made.ID); err != nil {
		t.Fatal(err)
	}
	for _, wrote := range []struct {
		pattern string
		want    int
	}{
		{`INSERT INTO assignments`, made.total("assignments_added")},
		{`DELETE FROM assignments`, made.total("assignments_removed")},
		{`INSERT INTO task_assignees`, items.Given},
		{`DELETE FROM task_assignees`, items.Taken},
		{`INSERT INTO tasks`, made.total("tasks_created")},
		{`INSERT INTO audit_events`, items.Told},
	} {
		rows := 0
		for _, statement := range statements {
			if strings.Contains(statement.Text, wrote.pattern) {
				rows += int(statement.Affected)
			}
		}
		if rows != wrote.want {
			t.Errorf("%s wrote %d rows, want %d", wrote.pattern, rows, wrote.want)
		}
	}
	var kept int
	if err := s.db.GetContext(t.Context(), &kept, `SELECT count(*) FROM audit_events WHERE run_id = $1`, made.ID); err != nil {
		t.Fatal(err)
	}
	want := made.total("people_changed") + made.total("tasks_changed") + made.total("tasks_created")
	if kept != want || items.Told != want || items.Created != made.total("tasks_created") || items.All < want {
		t.Errorf("%d audit rows, %d items that tell of a change, %+v; want %d", kept, items.Told, items, want)
	}
}

func (s *service) check(t *testing.T, before *invariants.Snapshot) {
	t.Helper()
	found, err := invariants.Check(t.Context(), s.db, invariants.Options{Before: before, Changed: []uuid.UUID{s.org.ID}})
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range found {
		t.Error(violation)
	}
}

func (s *service) job(t *testing.T, run uuid.UUID) (job app.RunJob) {
	t.Helper()
	var text []byte
	if err := s.db.GetContext(t.Context(), &text, `SELECT args FROM river.river_job WHERE args ->> 'run_id' = $1::text`, run); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &job); err != nil {
		t.Fatal(err)
	}
	return job
}

// mostToRead is how many statements reading a page or a report may take, BEGIN and COMMIT included.
const mostToRead = 8

// A page of 200 takes what a page of one takes, and a report of 10,000 items what one of three takes.
func TestStatementsOfReading(t *testing.T) {
	t.Parallel()
	s := start(t, seed.Size{People: allPeople, Staff: 30, Matters: 20})
	selections := s.selections(t)
	made := make([]run, len(selections))
	for i, selection := range selections {
		s.call(t, "POST", "/v1/manage-assignments", object{"selection": selection, "change": object{
			"type": "replace", "staff_ids": s.org.Staff[2+i : 3+i], "task_policy": "reassign_all", "task_scope": "assigned",
		}}, &made[i])
	}
	staff, selection, large := s.org.Staff[4].String(), fmt.Sprint(selections[1]["selection_id"]), "/v1/runs/"+made[2].ID.String()
	for name, path := range map[string]string{
		"people":                       "/v1/people" + query(),
		"people, searched":             "/v1/people" + query("q", "family1 given"),
		"people of a staff member":     "/v1/people" + query("staff_id", staff, "has_active_tasks", "true"),
		"people of a selection":        "/v1/people" + query("selection_id", selection, "has_staff", "true"),
		"tasks":                        "/v1/tasks" + query(),
		"tasks of an assignee":         "/v1/tasks" + query("assignee_id", staff, "active", "true"),
		"tasks of nobody":              "/v1/tasks" + query("unassigned", "true"),
		"tasks of a selection":         "/v1/tasks" + query("selection_id", selection, "person_has_staff", "true", "active", "true"),
		"staff":                        "/v1/staff" + query(),
		"tokens":                       "/v1/api-tokens" + query(),
		"runs":                         "/v1/runs" + query(),
		"items":                        large + "/items" + query(),
		"items that are tasks":         large + "/items" + query("kind", "task", "outcome", "changed"),
		"the audit trail":              "/v1/audit-events" + query(),
		"the audit trail of one thing": "/v1/audit-events" + query("run_id", made[2].ID.String()),
	} {
		t.Run(name, func(t *testing.T) {
			separator := "&"
			if strings.HasSuffix(path, "?") {
				separator = ""
			}
			var sent [2][]watch.Statement
			for i, limit := range []string{"1", "200"} {
				sent[i] = s.watch.During(func() { s.call(t, "GET", path+separator+"include_total=true&limit="+limit, nil, nil) })
			}
			sameTwice(t, sent[0], sent[1])
		})
	}
	for _, report := range []string{"csv", "xlsx", "json"} {
		t.Run("report as "+report, func(t *testing.T) {
			var sent [2][]watch.Statement
			for i, of := range []run{made[0], made[2]} {
				sent[i] = s.watch.During(func() { s.call(t, "GET", "/v1/runs/"+of.ID.String()+"/report."+report, nil, nil) })
			}
			sameTwice(t, sent[0], sent[1])
		})
	}
}

func sameTwice(t *testing.T, few, many []watch.Statement) {
	t.Helper()
	if len(many) > 2*mostToRead || watch.MostArgs(many) > mostArgs {
		t.Errorf("%d statements, with up to %d arguments:\n%s", len(many), watch.MostArgs(many), listed(many))
	}
	if !watch.Same(few, many) {
		t.Errorf("many rows do not take the statements that few take:\n%s\n%s", listed(few), listed(many))
	}
	t.Logf("%d statements", len(many))
}
