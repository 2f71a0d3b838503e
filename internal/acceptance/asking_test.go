package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/domain"
	"handover/internal/invariants"
)

// rule runs the test of a rule, beside others, in an organization of its own. When all of them have ended, everything in
// the database must be as the runs in it say.
func (s *service) rule(t *testing.T, name string, test func(t *testing.T, w *world)) {
	t.Helper()
	s.checked.Do(func() { t.Cleanup(func() { s.invariant(t, invariants.Options{}) }) })
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		test(t, s.organization(t))
	})
}

// as sends a request as a staff member.
func (w *world) as(m member, method, path string, body any, headers ...header) answer {
	w.t.Helper()
	return w.service.call(w.t, m.Token, method, path, body, headers...)
}

// get reads a path as a staff member.
func (w *world) get(m member, path string) answer {
	w.t.Helper()
	return w.as(m, "GET", path, nil)
}

// summary asks for the summary of a selection.
func (w *world) summary(m member, selection object) api.AssignmentSummary {
	w.t.Helper()
	return decode[api.AssignmentSummary](w.as(m, "POST", "/v1/assignment-summary", object{"selection": selection}).must(200))
}

// manage asks for a change of who serves a selection. More fields of the body may follow.
func (w *world) manage(m member, selection, change object, more ...object) answer {
	w.t.Helper()
	return w.as(m, "POST", "/v1/manage-assignments", wish(selection, change, more...))
}

// wish is the body of a change.
func wish(selection, change object, more ...object) object {
	body := object{"selection": selection, "change": change}
	for _, fields := range more {
		maps.Copy(body, fields)
	}
	return body
}

// managed carries a change out as the administrator.
func (w *world) managed(selection, change object, more ...object) api.Run {
	w.t.Helper()
	run := decode[api.Run](w.manage(w.Admin, selection, change, more...).must(200))
	if run.Status != "succeeded" {
		w.t.Fatalf("got a run that is %s", run.Status)
	}
	return run
}

// The other ways to name people.

func saved(selection uuid.UUID) object { return object{"type": "saved", "selection_id": selection} }

func matching(filter object) object { return object{"type": "filter", "filter": filter} }

// staffed is the fields of a change that names staff.
func staffed(members ...member) object { return object{"staff_ids": idsOf(members...)} }

// page is any list's answer, its rows as they came.
type page struct {
	Items      []json.RawMessage `json:"items"`
	NextCursor *string           `json:"next_cursor"`
	Total      *int              `json:"total"`
}

// list reads a whole list, page after page.
func list[T any](w *world, m member, path string) []T {
	w.t.Helper()
	rows := []T{}
	for at := path; ; {
		got := decode[page](w.get(m, at).must(200))
		for _, text := range got.Items {
			var row T
			if err := json.Unmarshal(text, &row); err != nil {
				w.t.Fatalf("read a row of %s: %v", path, err)
			}
			rows = append(rows, row)
		}
		if got.NextCursor == nil {
			return rows
		}
		if len(rows) > 100_000 {
			w.t.Fatalf("%s does not end", path)
		}
		at = withParameter(path, "cursor", *got.NextCursor)
	}
}

// withParameter sets a parameter of a path's query, and leaves the others as they are written.
func withParameter(path, name, value string) string {
	path, query, _ := strings.Cut(path, "?")
	parameters := slices.DeleteFunc(strings.Split(query, "&"), func(given string) bool {
		return given == "" || strings.HasPrefix(given, name+"=")
	})
	return path + "?" + strings.Join(append(parameters, name+"="+url.QueryEscape(value)), "&")
}

// listed is the ids of a whole list, in its order.
func (w *world) listed(m member, path string) []uuid.UUID {
	w.t.Helper()
	ids := []uuid.UUID{}
	for _, row := range list[struct {
		ID uuid.UUID `json:"id"`
	}](w, m, path) {
		ids = append(ids, row.ID)
	}
	return ids
}

// lists fails the test unless a list has just these rows.
func (w *world) lists(m member, path string, want ...uuid.UUID) {
	w.t.Helper()
	sameIDs(w.t, path, w.listed(m, path), want...)
}

// sameIDs fails the test unless both hold the same ids, each once, in any order.
func sameIDs(t testing.TB, what string, got []uuid.UUID, want ...uuid.UUID) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.SortFunc(got, domain.CompareIDs)
	slices.SortFunc(want, domain.CompareIDs)
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// servedBy fails the test unless just these serve the person.
func (w *world) servedBy(person uuid.UUID, want ...member) {
	w.t.Helper()
	sameIDs(w.t, "the person's staff", w.staffOf(person), idsOf(want...)...)
}

// heldBy fails the test unless just these hold the task.
func (w *world) heldBy(task uuid.UUID, want ...member) {
	w.t.Helper()
	sameIDs(w.t, "the task's assignees", w.assigneesOf(task), idsOf(want...)...)
}

// items reads what a run did to each item.
func (w *world) items(run api.Run) map[uuid.UUID]api.RunItem {
	w.t.Helper()
	items := map[uuid.UUID]api.RunItem{}
	for _, item := range list[api.RunItem](w, w.Admin, linksOf(w.t, run).Items) {
		if _, twice := items[item.ItemID]; twice {
			w.t.Errorf("%s %s stands twice", item.Kind, item.ItemID)
		}
		items[item.ItemID] = item
	}
	return items
}

func linksOf(t testing.TB, run api.Run) api.RunLinks {
	t.Helper()
	links, err := run.Links.Get()
	if err != nil {
		t.Fatalf("the run has no links: %+v", run)
	}
	return links
}

// told says in a line what became of an item: its outcome and, where there is one, its reason.
func told(item api.RunItem) string {
	if reason, err := item.Reason.Get(); err == nil {
		return item.Outcome + " " + reason
	}
	return item.Outcome
}

// became fails the test unless this became of an item.
func became(t testing.TB, items map[uuid.UUID]api.RunItem, id uuid.UUID, want string) {
	t.Helper()
	if item, found := items[id]; !found && want != "" {
		t.Errorf("item %s is missing, want %q", id, want)
	} else if found && told(item) != want {
		t.Errorf("%s %s: got %q, want %q", item.Kind, id, told(item), want)
	}
}

// totals fails the test unless these are the totals of a run.
func totals(t testing.TB, run api.Run, want api.RunTotals) {
	t.Helper()
	if run.Totals != want {
		t.Errorf("got totals %+v, want %+v", run.Totals, want)
	}
}

// tables is what an organization has in each table, as a count and a sum, leaving out when tokens were used. All tables
// there are take part, and the queue.
func (w *world) tables() map[string]string {
	w.t.Helper()
	var names []string
	if err := w.service.DB.SQL.SelectContext(w.t.Context(), &names, `
		SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id'
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
			AND c.relname NOT IN ('audit_links', 'audit_chain_progress') -- a worker chains when it comes to it
		ORDER BY 1`); err != nil {
		w.t.Fatal(err)
	}
	if len(names) < 15 {
		w.t.Fatalf("found only the tables %v", names)
	}
	statements := []string{
		`SELECT 'organizations', md5(string_agg(o::text, '')) FROM organizations o WHERE id = $1`,
		`SELECT 'river_job', count(*)::text FROM river.river_job WHERE args ->> 'organization_id' = $1::text`,
	}
	for _, name := range names {
		row := "to_jsonb(r)"
		if name == "api_tokens" {
			row += " - 'last_used_at'"
		}
		statements = append(statements, fmt.Sprintf(
			`SELECT '%[1]s', count(*) || ' ' || md5(coalesce(string_agg((%[2]s)::text, '' ORDER BY (%[2]s)::text), '')) FROM %[1]s r WHERE organization_id = $1`, name, row))
	}
	rows, err := w.service.DB.SQL.QueryContext(w.t.Context(), strings.Join(statements, " UNION ALL "), w.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	tables := map[string]string{}
	for rows.Next() {
		var name, sum string
		if err := rows.Scan(&name, &sum); err != nil {
			w.t.Fatal(err)
		}
		tables[name] = sum
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return tables
}

// unchanged fails the test when any table but those named is not as it was.
func (w *world) unchanged(before map[string]string, but ...string) {
	w.t.Helper()
	after := w.tables()
	for name, sum := range before {
		if after[name] != sum && !slices.Contains(but, name) {
			w.t.Errorf("table %s changed: it was %q, is %q", name, sum, after[name])
		}
	}
}

// together runs work n times at once and gives what each came to.
func together[T any](n int, work func(i int) T) []T {
	results := make([]T, n)
	var workers sync.WaitGroup
	for i := range n {
		workers.Go(func() { results[i] = work(i) })
	}
	workers.Wait()
	return results
}

// invariant fails the test unless everything in the database is as the runs in it say.
func (s *service) invariant(t testing.TB, options invariants.Options) {
	t.Helper()
	violations, err := invariants.Check(context.WithoutCancel(t.Context()), s.DB.SQL, options)
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range violations {
		t.Error(violation)
	}
}
