package demo_test

import (
	"fmt"
	"testing"
	"time"

	"handover/internal/demo"
	"handover/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestTheDemoIsAlwaysTheSame(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 3, 30, 0, 0, time.UTC) // the day before in Toronto
	made := 0
	newToken := func() string { made++; return fmt.Sprintf("token-%d", made) }
	one, other := testdb.New(t), testdb.New(t)
	tokens, err := demo.Load(t.Context(), one.SQL, now, demo.Tokens{}, newToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := demo.Load(t.Context(), other.SQL, now, demo.Tokens{}, newToken); err != nil {
		t.Fatal(err)
	}
	if fingerprint(t, one) != fingerprint(t, other) {
		t.Fatal("two databases got different demos")
	}

	loaded := fingerprint(t, one)
	before := made
	again, err := demo.Load(t.Context(), one.SQL, now.AddDate(0, 1, 0), tokens, newToken)
	if err != nil {
		t.Fatal(err)
	}
	if again != tokens || made != before {
		t.Errorf("the tokens of an earlier start were not kept: %+v", again)
	}
	if fingerprint(t, one) != loaded {
		t.Error("loading again changed the demo")
	}
	lost, err := demo.Load(t.Context(), one.SQL, now, demo.Tokens{}, newToken)
	if err != nil || lost == tokens {
		t.Fatalf("lost tokens were not replaced: %+v, %v", lost, err)
	}
}

func TestADemoOfAnEarlierVersionGetsItsGroups(t *testing.T) {
	t.Parallel()
	db, now := testdb.New(t), time.Now()
	load := func() {
		t.Helper()
		if _, err := demo.Load(t.Context(), db.SQL, now, demo.Tokens{}, func() string { return time.Now().String() }); err != nil {
			t.Fatal(err)
		}
	}
	load()
	whole := fingerprint(t, db)
	for _, table := range []string{"matter_groups", "staff_group_members", "staff_groups"} {
		if _, err := db.SQL.ExecContext(t.Context(), "DELETE FROM "+table); err != nil {
			t.Fatal(err)
		}
	}
	load()
	if fingerprint(t, db) != whole {
		t.Error("the groups are not those of a new demo")
	}
	// What has been made of it since stays: groups, and matters that are private now.
	if _, err := db.SQL.ExecContext(t.Context(), "DELETE FROM matter_groups"); err != nil {
		t.Fatal(err)
	}
	edited := fingerprint(t, db)
	load()
	if fingerprint(t, db) != edited {
		t.Error("a demo with groups was changed")
	}
	for _, statement := range []string{"DELETE FROM staff_group_members", "DELETE FROM staff_groups", "UPDATE matters SET visibility = 'private' WHERE visibility = 'groups'"} {
		if _, err := db.SQL.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	load()
	var shown int
	if err := db.SQL.GetContext(t.Context(), &shown, "SELECT count(*) FROM matter_groups"); err != nil || shown != 0 {
		t.Errorf("%d matters that are private now got groups, %v", shown, err)
	}
}

func TestADemoOfAnEarlierVersionGetsItsClients(t *testing.T) {
	t.Parallel()
	db, now := testdb.New(t), time.Now()
	load := func() {
		t.Helper()
		if _, err := demo.Load(t.Context(), db.SQL, now, demo.Tokens{}, func() string { return time.Now().String() }); err != nil {
			t.Fatal(err)
		}
	}
	load()
	whole := fingerprint(t, db)
	if _, err := db.SQL.ExecContext(t.Context(), "DELETE FROM accounts; DELETE FROM invitations; DELETE FROM client_profiles"); err != nil {
		t.Fatal(err)
	}
	load()
	if fingerprint(t, db) != whole {
		t.Error("the clients are not those of a new demo")
	}
	// What has been made of it since stays.
	if _, err := db.SQL.ExecContext(t.Context(), "DELETE FROM accounts; DELETE FROM invitations"); err != nil {
		t.Fatal(err)
	}
	edited := fingerprint(t, db)
	load()
	if fingerprint(t, db) != edited {
		t.Error("a demo with clients was changed")
	}
}

func TestTheDemoIsBelievable(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	if _, err := demo.Load(t.Context(), db.SQL, time.Now(), demo.Tokens{}, func() string { return time.Now().String() }); err != nil {
		t.Fatal(err)
	}
	for what, query := range map[string]string{
		"two organizations":                "SELECT count(*) = 2 FROM organizations",
		"hundreds of people":               "SELECT count(*) BETWEEN 200 AND 400 FROM people",
		"about a thousand tasks":           "SELECT count(*) BETWEEN 700 AND 1500 FROM tasks",
		"due dates before and after today": "SELECT count(*) FILTER (WHERE due_on < current_date - 1) > 20 AND count(*) FILTER (WHERE due_on > current_date + 1) > 20 FROM tasks WHERE status = 'open'",
		"tasks that nobody holds":          "SELECT count(*) > 5 FROM tasks t WHERE status = 'open' AND NOT EXISTS (SELECT FROM task_assignees a WHERE a.task_id = t.id)",
		"private matters":                  "SELECT count(*) > 3 FROM matters WHERE visibility = 'private'",
		"matters that a group sees":        "SELECT count(*) > 2 FROM matters m JOIN matter_groups g ON (g.organization_id, g.matter_id) = (m.organization_id, m.id) WHERE m.visibility = 'groups'",
		"a run that is still to come":      "SELECT count(*) = 1 FROM runs r JOIN river.river_job j ON j.args ->> 'run_id' = r.id::text AND j.scheduled_at = r.scheduled_for WHERE r.status = 'scheduled' AND scheduled_for > now()",
		"a client who can sign in":         "SELECT count(*) = 1 FROM accounts",
		"an invitation that is open":       "SELECT count(*) = 1 FROM invitations WHERE accepted_at IS NULL AND expires_at > now()",
		"an unread notification":           "SELECT count(*) = 1 FROM notifications WHERE read_at IS NULL",
		"twelve people whom Grace serves":  "SELECT count(*) = 12 FROM assignments a JOIN staff s ON s.organization_id = a.organization_id AND s.id = a.staff_id WHERE s.first_name = 'Grace'",
		"upcoming and past events":         "SELECT count(*) FILTER (WHERE starts_at < now()) > 20 AND count(*) FILTER (WHERE starts_at > now()) > 20 FROM calendar_events",
	} {
		var holds bool
		if err := db.SQL.GetContext(t.Context(), &holds, query); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if !holds {
			t.Errorf("the demo lacks %s", what)
		}
	}
}

// fingerprint is a hash of everything but the tokens.
func fingerprint(t *testing.T, db *testdb.DB) string {
	t.Helper()
	var all string
	for _, table := range []string{"organizations", "staff", "people", "person_words", "assignments", "tasks", "task_assignees", "matters", "calendar_events", "runs", "run_items", "audit_events", "staff_groups", "staff_group_members", "matter_groups", "notifications", "notification_items", "client_profiles", "invitations", "accounts"} {
		var sum string
		if err := db.SQL.GetContext(t.Context(), &sum, "SELECT md5(coalesce(string_agg(r::text, ';' ORDER BY r::text), '')) FROM "+table+" r"); err != nil {
			t.Fatal(err)
		}
		all += sum
	}
	return all
}
