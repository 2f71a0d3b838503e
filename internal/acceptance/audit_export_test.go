package acceptance

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

var exportColumns = []string{"id", "occurred_at", "staff_id", "staff", "action", "subject_kind", "subject_id", "run_id", "request_id", "reason", "before", "after"}

// exported is what the export says, without its header line.
func (w *world) exported(query string) [][]string {
	w.t.Helper()
	got := w.get(w.Admin, "/v1/audit-events.csv?"+query).must(200)
	attached(w.t, got, "text/csv", "audit-events.csv")
	rows, err := csv.NewReader(bytes.NewReader(got.Body)).ReadAll()
	if err != nil {
		w.t.Fatalf("read the export: %v", err)
	}
	if len(rows) == 0 || !slices.Equal(rows[0], exportColumns) {
		w.t.Fatalf("%s: the header line is %v", query, rows)
	}
	return rows[1:]
}

func TestAuditExport(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "D1 the export has what the list has, in its order, for each filter", func(t *testing.T, w *world) {
		ann := w.member("member", "tasks")
		person := w.person("client")
		task := decode[api.Task](w.as(ann, "POST", "/v1/tasks", object{"title": "Call", "person_id": person}).must(201)).ID
		run := w.managed(people(person), change("assign", staffed(ann))).ID.MustGet()
		w.as(w.Admin, "PATCH", "/v1/tasks/"+task.String(), object{"title": "Visit"}, header{"If-Match", "*"}).must(200)
		w.exec(`INSERT INTO audit_events (organization_id, id, occurred_at, action, subject_kind, subject_id) VALUES ($1, $2, now() - interval '40 days', 'task_created', 'task', $3)`,
			w.ID, uuid.MustParse("01900000-0000-7000-8000-000000000001"), task) // by the command line, long ago
		monthAgo := url.QueryEscape(time.Now().AddDate(0, -1, 0).UTC().Format(time.RFC3339))
		for query, want := range map[string]int{
			"": 4, "staff_id=me": 2, "staff_id=" + ann.ID.String(): 1, "staff_id=me," + ann.ID.String(): 3, "staff_id=" + newID().String(): 0,
			"subject_kind=task": 3, "subject_id=" + person.String(): 1, "run_id=" + run.String(): 1, "run_id=" + newID().String(): 0,
			"action=task_created": 2, "action=manage_assignments": 1, "action=manage_assignments,task_changed": 2, "action=undo": 0, "action=nothing": 0,
			"action=manage_assignments&staff_id=" + ann.ID.String(): 0, "action=task_created,manage_assignments&staff_id=me": 1,
			"from=" + monthAgo: 3, "to=" + monthAgo: 1, "from=" + monthAgo + "&to=" + monthAgo: 0,
		} {
			events := list[api.AuditEvent](w, w.Admin, "/v1/audit-events?"+query)
			rows := w.exported(query)
			if len(rows) != want || len(events) != want {
				t.Errorf("%q: %d events in the list, %d in the export, want %d", query, len(events), len(rows), want)
				continue
			}
			for i, event := range events {
				sameEvent(t, rows[i], event)
			}
		}
	})

	s.rule(t, "D1 cells that begin like formulas are harmless", func(t *testing.T, w *world) {
		for _, reason := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "plain, \"quoted\"\nand on two lines"} {
			w.exec(`INSERT INTO audit_events (organization_id, id, occurred_at, action, subject_kind, subject_id, reason) VALUES ($1, $2, now(), $3, 'task', $2, $3)`, w.ID, newID(), reason)
		}
		rows := w.exported("")
		want := []string{"plain, \"quoted\"\nand on two lines", "'\rx", "'\tx", "'@SUM(A1)", "'-1", "'+1", "'=1+1"}
		for i, row := range rows {
			if row[9] != want[i] || row[4] != want[i] {
				t.Errorf("got %q and %q, want %q", row[4], row[9], want[i])
			}
		}
		if len(rows) != len(want) {
			t.Errorf("got %d rows", len(rows))
		}
	})

	s.rule(t, "D1 the export is of any length, each event once", func(t *testing.T, w *world) {
		const many = 12_345
		w.exec(`INSERT INTO audit_events (organization_id, id, occurred_at, action, subject_kind, subject_id)
			SELECT $1, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, now(), 'written', 'task', gen_random_uuid() FROM generate_series(1, $2::integer) n`, w.ID, many)
		rows := w.exported("action=written")
		if len(rows) != many || !slices.IsSortedFunc(rows, func(a, b []string) int { return -slices.Compare(a[:1], b[:1]) }) {
			t.Errorf("got %d rows", len(rows))
		}
		ids := map[string]bool{}
		for _, row := range rows {
			ids[row[0]] = true
		}
		if len(ids) != many {
			t.Errorf("got %d different events", len(ids))
		}
		failed, parts := errors.New("nobody reads any more"), 0
		err := s.app.ExportAuditEvents(context.Background(), w.caller(), domain.AuditFilter{}, func([]app.AuditEvent) error { parts++; return failed })
		if err == nil || parts != 1 {
			t.Errorf("it went on for %d parts after its reader had left: %v", parts, err)
		}
	})

	s.rule(t, "D1 the export is for administrators, of their own organization", func(t *testing.T, w *world) {
		person := w.person("client")
		w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call", "person_id": person}).must(201)
		w.get(w.member("member", "clients", "referrals", "staff", "tasks"), "/v1/audit-events.csv").problem(403, "permission_denied")
		s.call(t, "", "GET", "/v1/audit-events.csv", nil).problem(401, "unauthenticated")
		other := s.organization(t)
		if rows := other.exported("subject_id=" + person.String()); len(rows) != 0 {
			t.Errorf("another organization gets %v", rows)
		}
		w.get(w.Admin, "/v1/audit-events.csv?limit=5").problem(400, "unknown_parameter")
		w.get(w.Admin, "/v1/audit-events.csv?run_id=5").problem(400, "invalid_parameter")
	})
}

// caller is the administrator, as the app knows them.
func (w *world) caller() domain.Caller {
	w.t.Helper()
	caller, err := w.service.app.Authenticate(w.t.Context(), w.Admin.Token, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return caller
}

// sameEvent fails the test unless a row of the export tells what the list tells.
func sameEvent(t *testing.T, row []string, event api.AuditEvent) {
	t.Helper()
	staff, name := "", ""
	if !event.Staff.IsNull() {
		staff, name = event.Staff.MustGet().ID.String(), event.Staff.MustGet().Name
	}
	run := ""
	if !event.RunID.IsNull() {
		run = event.RunID.MustGet().String()
	}
	request := ""
	if !event.RequestID.IsNull() {
		request = event.RequestID.MustGet()
	}
	want := []string{event.ID.String(), event.OccurredAt.Format(time.RFC3339Nano), staff, name, event.Action, event.SubjectKind, event.SubjectID.String(), run, request, ""}
	if !slices.Equal(row[:10], want) {
		t.Errorf("got  %q\nwant %q", row[:10], want)
	}
	for i, state := range []interface{ IsNull() bool }{event.Before, event.After} {
		cell := row[10+i]
		if state.IsNull() {
			if cell != "" {
				t.Errorf("got state %q, want none", cell)
			}
			continue
		}
		var got any
		if err := json.Unmarshal([]byte(cell), &got); err != nil {
			t.Errorf("%q: %v", cell, err)
		}
		sameText(t, "a state", got, state)
	}
}
