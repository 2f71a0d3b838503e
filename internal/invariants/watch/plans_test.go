package watch_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"handover/internal/invariants/seed"
	"handover/internal/testdb"
)

// plans are those that PostgreSQL really carried out, as its module auto_explain tells them: with row-level security and
// the role of the service, for values or for any.
type plans struct {
	mutex sync.Mutex
	told  []string
}

func (p *plans) notice(notice *pq.Error) {
	if _, plan, found := strings.Cut(notice.Message, "plan:\n"); found {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.told = append(p.told, plan)
	}
}

func (p *plans) during(work func()) []string {
	p.mutex.Lock()
	p.told = nil
	p.mutex.Unlock()
	work()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.told
}

// startExplained runs a service that tells its plans.
func startExplained(t *testing.T, size seed.Size) (*service, *plans) {
	t.Helper()
	db := testdb.New(t)
	address, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	parameters := address.Query()
	parameters.Set("options", parameters.Get("options")+
		" -c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0 -c auto_explain.log_level=notice")
	address.RawQuery = strings.ReplaceAll(parameters.Encode(), "+", "%20")
	connector, err := pq.NewConnector(address.String())
	if err != nil {
		t.Fatal(err)
	}
	told := &plans{}
	explained := sqlx.NewDb(sql.OpenDB(pq.ConnectorWithNoticeHandler(connector, told.notice)), "postgres")
	t.Cleanup(func() { _ = explained.Close() })
	s := serve(t, explained)
	if s.org, err = seed.New(t.Context(), db.SQL, size); err != nil {
		t.Fatal(err)
	}
	s.db = db.SQL
	return s, told
}

// sequential is a plan's line that reads a whole table of those that grow.
var sequential = regexp.MustCompile(`(?:Parallel )?Seq Scan on (?:public\.)?(people|person_words|assignments|tasks|task_assignees|selection_people|run_items|audit_events)\b`)

func noWholeTable(t *testing.T, plans []string) {
	t.Helper()
	if len(plans) == 0 {
		t.Error("no plans were told")
	}
	for _, plan := range plans {
		if sequential.MatchString(plan) {
			t.Errorf("a whole table is read:\n%s", plan)
		}
	}
}

// uses fails the test unless a plan of a statement has all of the lines.
func uses(t *testing.T, plans []string, statement string, lines ...string) {
	t.Helper()
	found := false
	for _, plan := range plans {
		if !strings.Contains(plan, statement) {
			continue
		}
		found = true
		for _, line := range lines {
			if !strings.Contains(plan, line) {
				t.Errorf("the plan does not have %q:\n%s", line, plan)
			}
		}
	}
	if !found {
		t.Errorf("no plan of %q was told", statement)
	}
}

// Among tens of thousands of rows a change of fifty people reads by indexes, and so do the lists. Each is asked for often
// enough that a plan made for any values would be used.
func TestPlans(t *testing.T) {
	t.Parallel()
	s, told := startExplained(t, seed.Size{People: 30_000, Staff: 40, Matters: 500})
	few := s.org.Staff[3]
	manage := func(change object, people []uuid.UUID) {
		s.call(t, "POST", "/v1/manage-assignments", object{"selection": object{"type": "people", "person_ids": people}, "change": change}, nil)
	}

	for _, size := range []int{1, 50} {
		t.Run(fmt.Sprintf("changes of %d people read by indexes", size), func(t *testing.T) {
			for n, change := range []object{
				{"type": "replace", "staff_ids": []uuid.UUID{few}, "task_policy": "reassign_all", "task_scope": "assigned"},
				{"type": "add", "staff_ids": s.org.Staff[4:5], "task_policy": "add_new_staff", "task_scope": "all"},
				{"type": "remove", "all_staff": true, "task_policy": "unassign"},
				{"type": "assign", "staff_ids": []uuid.UUID{few}, "include_intake_tasks": true},
				{"type": "add", "staff_ids": s.org.Staff[5:6], "task_policy": "keep"},
				{"type": "add", "staff_ids": s.org.Staff[6:7], "task_policy": "add_new_staff"},
				{"type": "add", "staff_ids": s.org.Staff[7:8], "task_policy": "reassign_all"},
			} {
				noWholeTable(t, told.during(func() { manage(change, s.org.People[100*size:101*size]) }))
				if t.Failed() {
					t.Fatalf("change %d", n)
				}
			}
		})
	}

	t.Run("a change of everybody does not read a table once for each of them", func(t *testing.T) {
		var saved struct {
			SelectionID uuid.UUID `json:"selection_id"`
		}
		everybody := object{"type": "filter", "filter": object{"staff_id": []uuid.UUID{s.org.Leaver()}}}
		summary := told.during(func() {
			s.call(t, "POST", "/v1/assignment-summary", object{"selection": everybody}, &saved)
		})
		change := told.during(func() {
			s.call(t, "POST", "/v1/manage-assignments", object{
				"selection": object{"type": "saved", "selection_id": saved.SelectionID},
				"change":    object{"type": "replace", "staff_ids": s.org.Staff[9:10], "task_policy": "reassign_all", "task_scope": "assigned"},
			}, nil)
		})
		for _, plan := range append(summary, change...) {
			if loop := nested.FindString(plan); loop != "" {
				t.Errorf("a table is read once for each row:\n%s", plan)
			}
		}
	})

	if _, err := s.db.ExecContext(t.Context(), `ANALYZE`); err != nil { // it knows of the run's items now
		t.Fatal(err)
	}
	for name, list := range map[string]struct {
		path      string
		statement string
		lines     []string
		sorted    bool
	}{
		"people":                             {"/v1/people" + query(), "FROM people p", []string{"people_pkey"}, false},
		"people searched by a rare word":     {"/v1/people" + query("q", "family7777"), "person_words w", []string{"person_words_pkey"}, true},
		"people searched by a common prefix": {"/v1/people" + query("q", "fam giv"), "person_words w", []string{"person_words"}, true},
		"people of a staff member":           {"/v1/people" + query("staff_id", few.String()), "FROM people p", []string{"assignments_staff_idx"}, false},
		"tasks":                              {"/v1/tasks" + query(), "FROM tasks t", []string{"tasks_"}, false},
		"active tasks":                       {"/v1/tasks" + query("active", "true"), "FROM tasks t", []string{"tasks_"}, false},
		"tasks of one assignee":              {"/v1/tasks" + query("assignee_id", few.String()), "FROM tasks t", []string{"task_assignees_staff_idx"}, false},
		"active tasks of one assignee":       {"/v1/tasks" + query("assignee_id", few.String(), "active", "true"), "FROM tasks t", []string{"task_assignees_staff_idx"}, false},
		"tasks of a person":                  {"/v1/tasks" + query("person_id", s.org.People[30].String()), "FROM tasks t", []string{"tasks_person_idx"}, true},
		"items of a run":                     {"/items", "FROM run_items i", []string{"run_items_pkey"}, false},
		"the audit trail":                    {"/v1/audit-events" + query(), "FROM audit_events e", []string{"audit_events_pkey"}, false},
		"the audit trail of a person":        {"/v1/audit-events" + query("subject_id", s.org.People[30].String()), "FROM audit_events e", []string{"audit_events_"}, true},
	} {
		t.Run(name+" read by indexes", func(t *testing.T) {
			if list.path == "/items" {
				var runs struct {
					Items []run `json:"items"`
				}
				s.call(t, "GET", "/v1/runs", nil, &runs)
				list.path = "/v1/runs/" + runs.Items[0].ID.String() + "/items?"
			}
			for range 7 {
				var page struct {
					NextCursor *string `json:"next_cursor"`
				}
				separator := "&"
				if strings.HasSuffix(list.path, "?") {
					separator = ""
				}
				plans := told.during(func() { s.call(t, "GET", list.path+separator+"limit=50", nil, &page) })
				if page.NextCursor != nil {
					plans = append(plans, told.during(func() { s.call(t, "GET", list.path+separator+"limit=50&cursor="+*page.NextCursor, nil, nil) })...)
				}
				noWholeTable(t, plans)
				uses(t, plans, list.statement, list.lines...)
				if !list.sorted {
					notSorted(t, plans, list.statement)
				}
				if t.Failed() {
					break
				}
			}
		})
	}
}

// nested is a whole table read within a loop.
var nested = regexp.MustCompile(`Nested Loop[^\n]*\n(?:[^\n]*\n){1,3}\s+->\s+Seq Scan on (?:people|assignments|tasks|task_assignees) `)

// notSorted fails the test where a page is sorted, rather than read in its order.
func notSorted(t *testing.T, plans []string, statement string) {
	t.Helper()
	for _, plan := range plans {
		if strings.Contains(plan, statement) && regexp.MustCompile(`(?m)^\s*(->\s+)?(Incremental )?Sort  `).MatchString(plan) {
			t.Errorf("the page is sorted:\n%s", plan)
		}
	}
}
