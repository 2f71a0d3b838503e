package watch_test

import (
	"regexp"
	"testing"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/invariants/seed"
)

// ofMatters is a plan's line that reads a whole table of matters or of what belongs to them.
var ofMatters = regexp.MustCompile(`(?:Parallel )?Seq Scan on (?:public\.)?(matters|matter_groups|calendar_events|calendar_event_attendees|tasks|task_assignees)\b`)

// Among tens of thousands of matters, tasks and events the lists read by indexes, and what is hidden is looked up among the
// few matters that are not everyone's, one by one.
func TestPlansOfMatters(t *testing.T) {
	t.Parallel()
	s, told := startExplained(t, seed.Size{People: 100, Staff: 40, Matters: 20_000})
	few, group, staff := s.org.Staff[3], uuid.Must(uuid.NewV7()), pq.Array(s.org.Staff)
	for _, statement := range []struct {
		text string
		args []any
	}{
		{`UPDATE matters SET visibility = 'everyone' WHERE organization_id = $1 AND visibility <> 'everyone' AND left(md5(id::text), 1) > '1'`, []any{s.org.ID}},
		{`INSERT INTO staff_groups (organization_id, id, name, created_at, updated_at) VALUES ($1, $2, 'Legal desk', now(), now())`, []any{s.org.ID, group}},
		{`INSERT INTO staff_group_members (organization_id, staff_group_id, staff_id) VALUES ($1, $2, $3)`, []any{s.org.ID, group, s.org.Admin}},
		{`INSERT INTO matter_groups (organization_id, matter_id, staff_group_id) SELECT organization_id, id, $2 FROM matters WHERE organization_id = $1 AND visibility = 'groups'`, []any{s.org.ID, group}},
		{`UPDATE matters SET responsible_staff_id = ($2::uuid[])[1 + abs(hashtext(id::text)) % 40] WHERE organization_id = $1`, []any{s.org.ID, staff}},
		{`UPDATE calendar_events SET owner_staff_id = ($2::uuid[])[1 + abs(hashtext('own' || id::text)) % 40] WHERE organization_id = $1`, []any{s.org.ID, staff}},
		{`INSERT INTO calendar_event_attendees (organization_id, calendar_event_id, staff_id) SELECT organization_id, id, ($2::uuid[])[1 + abs(hashtext(id::text)) % 40]
			FROM calendar_events WHERE organization_id = $1`, []any{s.org.ID, staff}},
		{`INSERT INTO audit_events (organization_id, id, occurred_at, action, subject_kind, subject_id)
			SELECT organization_id, gen_random_uuid(), now(), 'task_created', 'task', id FROM tasks WHERE organization_id = $1
			UNION ALL SELECT organization_id, gen_random_uuid(), now(), 'matter_created', 'matter', id FROM matters WHERE organization_id = $1
			UNION ALL SELECT organization_id, gen_random_uuid(), now(), 'calendar_event_created', 'calendar_event', id FROM calendar_events WHERE organization_id = $1`, []any{s.org.ID}},
	} {
		if _, err := s.db.ExecContext(t.Context(), statement.text, statement.args...); err != nil {
			t.Fatalf("%v\n%s", err, statement.text)
		}
	}
	if _, err := s.db.ExecContext(t.Context(), `VACUUM (ANALYZE)`); err != nil {
		t.Fatal(err)
	}
	check := func(name, path, statement string, sorted bool, lines ...string) {
		t.Helper()
		t.Run(name+" read by indexes", func(t *testing.T) {
			for range 7 {
				var page struct {
					NextCursor *string `json:"next_cursor"`
				}
				plans := told.during(func() { s.call(t, "GET", path+"&limit=50", nil, &page) })
				if page.NextCursor != nil {
					plans = append(plans, told.during(func() { s.call(t, "GET", path+"&limit=50&cursor="+*page.NextCursor, nil, nil) })...)
				}
				for _, plan := range plans {
					if ofMatters.MatchString(plan) {
						t.Errorf("a whole table is read:\n%s", plan)
					}
				}
				uses(t, plans, statement, lines...)
				if !sorted {
					notSorted(t, plans, statement)
				}
				if t.Failed() {
					break
				}
			}
		})
	}
	const hidden = "matters_restricted_idx"
	check("matters", "/v1/matters"+query("status", "open"), "FROM matters m", false, "matters_pkey")
	check("matters of one staff member", "/v1/matters"+query("responsible_staff_id", few.String()), "FROM matters m", false, "matters_responsible_staff_idx")
	check("matters that groups see", "/v1/matters"+query("visibility", "groups"), "FROM matters m", false)
	check("events", "/v1/calendar-events"+query("matter_id", s.org.Matters[7].String()), "FROM calendar_events e", true, "calendar_events_matter_idx", hidden)
	check("events on one calendar", "/v1/calendar-events"+query("owner_staff_id", few.String()), "FROM calendar_events e", false, "calendar_events_owner_idx", hidden)
	check("events that somebody attends", "/v1/calendar-events"+query("attendee_staff_id", few.String()), "FROM calendar_events e", false, "calendar_event_attendees_staff_idx", hidden)
	check("events of a month", "/v1/calendar-events"+query("starts_from", "2031-01-01T00:00:00Z", "starts_to", "2031-02-01T00:00:00Z"), "FROM calendar_events e", true, "calendar_events_starts_at_idx")
	check("tasks", "/v1/tasks"+query("active", "true"), "FROM tasks t", false, hidden)
	check("tasks of one assignee", "/v1/tasks"+query("assignee_id", s.org.Leaver().String()), "FROM tasks t", false, "task_assignees_staff_idx", hidden)
	check("tasks of a matter", "/v1/tasks"+query("matter_id", s.org.Matters[7].String()), "FROM tasks t", true, "tasks_matter_idx")
	check("the audit trail", "/v1/audit-events"+query("subject_kind", "task"), "FROM audit_events e", false, "audit_events_pkey", hidden)

	// Who may do nothing finds their own from their side.
	if _, err := s.db.ExecContext(t.Context(), `UPDATE staff SET role = 'member', permissions = '{}' WHERE organization_id = $1 AND id = $2`, s.org.ID, s.org.Admin); err != nil {
		t.Fatal(err)
	}
	check("events of one's own", "/v1/calendar-events"+query("q", "hearing"), "FROM calendar_events e", true, "calendar_events_pkey", "calendar_events_owner", "calendar_event_attendees_staff_idx", "matters_responsible_staff_idx")
	check("events on one's own calendar", "/v1/calendar-events"+query("owner_staff_id", "me"), "FROM calendar_events e", false, "calendar_events_owner_idx", hidden)
	check("events that one attends", "/v1/calendar-events"+query("attendee_staff_id", "me"), "FROM calendar_events e", false, "calendar_event_attendees_staff_idx", hidden)
}
