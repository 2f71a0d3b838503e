package watch_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/invariants"
	"handover/internal/invariants/seed"
	"handover/internal/invariants/watch"
)

// The work of a leaver who has little, and of one who has much, is handed over and brought back with the same statements
// (A14, B11).
func TestStatementsOfALeaversWork(t *testing.T) {
	t.Parallel()
	s := start(t, seed.Size{People: 4, Staff: 6, Matters: 12})
	organizations := []*seed.Organization{s.org}
	for _, size := range []seed.Size{{People: 100, Staff: 6, Matters: 60}, {People: 3000, Staff: 6, Matters: 1500}} {
		org, err := seed.New(t.Context(), s.db, size)
		if err != nil {
			t.Fatal(err)
		}
		organizations = append(organizations, org)
	}
	if _, err := s.db.ExecContext(t.Context(), `UPDATE api_tokens SET last_used_at = now() + interval '1 day'`); err != nil {
		t.Fatal(err)
	}
	before, err := invariants.Take(t.Context(), s.db)
	if err != nil {
		t.Fatal(err)
	}
	var previewed, handedOver, undone [][]watch.Statement
	for _, org := range organizations {
		s.org = org
		to := object{"to_staff_ids": org.Staff[2:5], "distribution": "least_loaded"}
		body := object{"from_staff_id": org.Leaver(), "matters": to, "tasks": to, "events": to, "people": to}
		body["dry_run"] = true
		previewed = append(previewed, s.watch.During(func() { s.call(t, "POST", "/v1/reassign-work", body, nil) }))
		delete(body, "dry_run")
		var made, back run
		statements := s.watch.During(func() { s.call(t, "POST", "/v1/reassign-work", body, &made, "Idempotency-Key", "work") })
		handedOver = append(handedOver, statements)
		s.wroteWhatItMoves(t, made, statements)
		statements = s.watch.During(func() {
			s.call(t, "POST", "/v1/runs/"+made.ID.String()+"/undo", object{}, &back, "Idempotency-Key", "undo")
		})
		undone = append(undone, statements)
		s.wroteWhatItMoves(t, back, statements)
		if made.total("matters_moved") != back.total("matters_moved") || made.total("tasks_changed") != back.total("tasks_changed") {
			t.Errorf("the undo of %v came to %v", made.Totals, back.Totals)
		}
	}
	for what, sent := range map[string][][]watch.Statement{"preview": previewed, "run": handedOver, "undo": undone} {
		t.Run(what, func(t *testing.T) { sameWhateverTheSize(t, sent, mostStatements) })
	}
	changed := make([]uuid.UUID, len(organizations))
	for i, org := range organizations {
		changed[i] = org.ID
	}
	found, err := invariants.Check(t.Context(), s.db, invariants.Options{Before: before, Changed: changed})
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range found {
		t.Error(violation)
	}
}

// wroteWhatItMoves holds the rows that the statements of a run wrote against its totals.
func (s *service) wroteWhatItMoves(t *testing.T, made run, statements []watch.Statement) {
	t.Helper()
	if made.Status != "succeeded" || made.total("matters_moved") == 0 || made.total("tasks_changed") == 0 {
		t.Fatalf("got run %+v", made)
	}
	// Notifications and their items are written by one statement, which counts neither.
	var told struct{ Staff, Items int }
	if err := s.db.GetContext(t.Context(), &told, `SELECT count(*) AS staff, coalesce(sum((
		SELECT count(*) FROM notification_items i WHERE i.organization_id = n.organization_id AND i.notification_id = n.id)), 0) AS items
		FROM notifications n WHERE n.run_id = $1`, made.ID); err != nil {
		t.Fatal(err)
	}
	if told.Staff == 0 || told.Items == 0 || told.Items > domain.MostNoticeItems*told.Staff {
		t.Errorf("%d staff are told of %d items", told.Staff, told.Items)
	}
	// The answer leaves out what is hidden from who asks, matters of groups that they are not in.
	var totals []byte
	if err := s.db.GetContext(t.Context(), &totals, `SELECT totals FROM runs WHERE id = $1`, made.ID); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(totals, &made.Totals); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]int{
		"UPDATE matters":           made.total("matters_moved"),
		"UPDATE calendar_events":   made.total("events_moved"),
		"DELETE FROM assignments":  made.total("assignments_removed"),
		"INSERT INTO assignments":  made.total("assignments_added"),
		"INSERT INTO audit_events": made.total("matters_moved") + made.total("events_moved") + made.total("people_changed") + made.total("tasks_changed"),
	} {
		rows := 0
		for _, statement := range statements {
			if strings.Contains(statement.Text, pattern) {
				rows += int(statement.Affected)
			}
		}
		if rows != want {
			t.Errorf("%s wrote %d rows, want %d", fmt.Sprintf("%q", pattern), rows, want)
		}
	}
}
