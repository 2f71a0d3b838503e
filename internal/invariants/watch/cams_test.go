package watch_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"handover/internal/app"
	"handover/internal/casesim"
	"handover/internal/casesystem"
	"handover/internal/invariants/seed"
	"handover/internal/invariants/watch"
)

// mostToFollow is how many statements a page of changes of CaMS may take, with what reads where to go on: two transactions.
const mostToFollow = 20

// C4: the changes of a thousand clients take the statements that one takes.
func TestStatementsOfFollowingCaMS(t *testing.T) {
	t.Parallel()
	s := start(t, seed.Size{People: 1500, Staff: 2})
	simulator := casesim.New(casesim.Options{Clients: 1000})
	server := httptest.NewServer(simulator)
	t.Cleanup(server.Close)
	system, err := casesystem.New(casesystem.Options{URL: server.URL, Token: casesim.DefaultToken})
	if err != nil {
		t.Fatal(err)
	}
	s.app.ConnectCaseSystem(system, nil)
	if _, err := s.db.ExecContext(t.Context(), `
		INSERT INTO cams_links (organization_id, person_id, reference, linked_at)
		SELECT organization_id, id, 'CL-' || to_char(row_number() OVER (ORDER BY id), 'FM000000'), now() FROM people WHERE organization_id = $1 AND kind = 'client' LIMIT 1000`,
		s.org.ID); err != nil {
		t.Fatal(err)
	}
	pull := func() []watch.Statement {
		return s.watch.During(func() {
			if err := s.app.PullCaMS(t.Context(), app.CaMSPullJob{Organization: s.org.ID}); err != nil {
				t.Fatal(err)
			}
		})
	}
	pull()
	var first []watch.Statement
	for _, size := range []int{1, 100, 1000} {
		simulator.ChangeMany(size)
		statements := pull()
		if len(statements) > mostToFollow || watch.MostArgs(statements) > mostArgs {
			t.Errorf("%d changes take %d statements, with up to %d arguments:\n%s", size, len(statements), watch.MostArgs(statements), listed(statements))
		}
		for _, wrote := range []string{"UPDATE people", "INSERT INTO client_profiles", "UPDATE cams_links", "INSERT INTO audit_events"} {
			rows := 0
			for _, statement := range statements {
				if strings.Contains(statement.Text, wrote) {
					rows += int(statement.Affected)
				}
			}
			if rows != size {
				t.Errorf("%s wrote %d rows, want %d", wrote, rows, size)
			}
		}
		statements = slices.DeleteFunc(slices.Clone(statements), func(s watch.Statement) bool { return passedOver.MatchString(s.Text) })
		if first == nil {
			first = statements
		} else if !watch.Same(first, statements) {
			t.Errorf("%d changes do not take the statements that one takes:\n%s\n%s", size, listed(first), listed(statements))
		}
		t.Logf("%d changes: %d statements", size, len(statements))
	}
	if statements := pull(); len(statements) > mostToFollow/2 {
		t.Errorf("no change takes %d statements:\n%s", len(statements), listed(statements))
	}
}

// C4: wherever a pull is broken off, also where its COMMIT was carried out and nobody heard of it, the next one makes it whole, and
// no change is told of twice.
func TestPullsThatAreBrokenOff(t *testing.T) {
	t.Parallel()
	s := start(t, seed.Size{People: 40, Staff: 2})
	simulator := casesim.New(casesim.Options{Clients: 20})
	server := httptest.NewServer(simulator)
	t.Cleanup(server.Close)
	system, err := casesystem.New(casesystem.Options{URL: server.URL, Token: casesim.DefaultToken})
	if err != nil {
		t.Fatal(err)
	}
	s.app.ConnectCaseSystem(system, nil)
	if _, err := s.db.ExecContext(t.Context(), `
		INSERT INTO cams_links (organization_id, person_id, reference, linked_at)
		SELECT organization_id, id, 'CL-' || to_char(row_number() OVER (ORDER BY id), 'FM000000'), now() FROM people WHERE organization_id = $1 AND kind = 'client' LIMIT 20`,
		s.org.ID); err != nil {
		t.Fatal(err)
	}
	pull := func() error { return s.app.PullCaMS(t.Context(), app.CaMSPullJob{Organization: s.org.ID}) }
	if err := pull(); err != nil {
		t.Fatal(err)
	}
	told := func() (rows int) {
		if err := s.db.GetContext(t.Context(), &rows, `SELECT count(*) FROM audit_events WHERE organization_id = $1 AND action = 'cams_synced'`, s.org.ID); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	cuts := 0
	for statement := range mostToFollow {
		for _, late := range []bool{false, true} {
			before := told()
			simulator.ChangeMany(5)
			if s.watch.CutAt(statement, late, func() { _ = pull() }) { // it may fail
				cuts++
			}
			if half := told() - before; half != 0 && half != 5 {
				t.Errorf("cut at statement %d (late: %v): %d of 5 changes were taken over", statement, late, half)
			}
			if err := pull(); err != nil {
				t.Fatal(err)
			}
			if after := told() - before; after != 5 {
				t.Errorf("cut at statement %d (late: %v): %d of 5 changes were told of", statement, late, after)
			}
			var behind int
			if err := s.db.GetContext(t.Context(), &behind, `
				SELECT count(*) FROM cams_links l JOIN people p ON p.organization_id = l.organization_id AND p.id = l.person_id
				WHERE l.reference <= 'CL-000005' AND p.last_name <> 'Changed-' || l.record_version`); err != nil || behind != 0 {
				t.Errorf("cut at statement %d (late: %v): %d clients are not as CaMS has them (%v)", statement, late, behind, err)
			}
		}
	}
	t.Logf("%d connections were cut", cuts)
}
