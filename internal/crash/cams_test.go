package crash

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/casesim"
	"handover/internal/invariants"
	"handover/internal/invariants/seed"
	"handover/internal/testdb"
)

const (
	// pullEvery is how often a service of these tests pulls the changes of CaMS.
	pullEvery = time.Second
	// followers is how many clients follow CaMS: two pages of changes, and a half.
	followers = 2_500
	// caughtUpWithin is how soon all of them are as CaMS has them once a worker lives.
	caughtUpWithin = time.Minute
)

// C4: workers are killed in the middle of pulls, at any moment, while CaMS goes on changing. Each page of changes is there whole,
// with the cursor behind it and one audit row for each client it changed, or not at all; and whoever comes next goes on from
// there until all are as CaMS has them.
func TestKillWorkerWhilePulling(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	organization, err := seed.New(t.Context(), db.SQL, seed.Size{People: followers * 3 / 2, Staff: 2, Matters: 1})
	if err != nil {
		t.Fatal(err)
	}
	simulator, err := casesim.Start(t.Context(), "127.0.0.1:0", casesim.Options{Clients: followers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(simulator.Stop)
	if _, err := db.SQL.ExecContext(t.Context(), `
		INSERT INTO cams_links (organization_id, person_id, reference, linked_at)
		SELECT organization_id, id, 'CL-' || to_char(row_number() OVER (ORDER BY id), 'FM000000'), now()
		FROM (SELECT organization_id, id FROM people WHERE organization_id = $1 AND kind = 'client' ORDER BY id LIMIT $2) AS linked`,
		organization.ID, followers); err != nil {
		t.Fatal(err)
	}
	f := &followed{t: t, db: db, organization: organization.ID, simulator: simulator}
	before, err := invariants.Take(t.Context(), db.SQL)
	if err != nil {
		t.Fatal(err)
	}
	environment := casesVariable + "=" + simulator.URL
	random := chance(t)
	service := start(t, db.URL, environment)
	f.caughtUp()
	inTheMiddle := 0
	for round := range rounds(t, 2) {
		simulator.ChangeMany(followers)
		changed := time.Now()
		eventually(t, caughtUpWithin, "a pull has begun", func() bool { return f.current() > 0 })
		time.Sleep(time.Duration(random.Int64N(int64(300 * time.Millisecond))))
		service.kill()
		(&caseload{db: db.SQL}).settled(t)
		current := f.current()
		if current < followers {
			inTheMiddle++
		}
		f.whole()
		t.Logf("round %d: killed %s after the changes, when %d of %d clients were current", round, time.Since(changed).Round(time.Millisecond), current, followers)
		service = start(t, db.URL, environment)
		f.caughtUp()
	}
	if inTheMiddle == 0 {
		t.Error("no worker was killed in the middle of a pull")
	}
	service.kill()
	f.whole()
	found, err := invariants.Check(t.Context(), db.SQL, invariants.Options{Before: before, Changed: []uuid.UUID{organization.ID}})
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range found {
		t.Error(violation)
	}
}

// followed is an organization whose clients follow a simulator.
type followed struct {
	t            testing.TB
	db           *testdb.DB
	organization uuid.UUID
	simulator    *casesim.Server
}

// current counts the clients who are as CaMS has them: their name tells the version of their record.
func (f *followed) current() int {
	f.t.Helper()
	versions := map[string]string{}
	for _, reference := range f.simulator.References() {
		record, _ := f.simulator.Client(reference)
		versions[reference] = fmt.Sprintf("%d %s", record.Version, record.Person.LastName)
	}
	var linked []struct {
		Reference string `db:"reference"`
		Is        string `db:"is"`
	}
	if err := f.db.SQL.SelectContext(f.t.Context(), &linked, `
		SELECT l.reference, l.record_version || ' ' || p.last_name AS is FROM cams_links l
		JOIN people p ON p.organization_id = l.organization_id AND p.id = l.person_id WHERE l.organization_id = $1`, f.organization); err != nil {
		f.t.Fatal(err)
	}
	current := 0
	for _, client := range linked {
		if versions[client.Reference] == client.Is {
			current++
		}
	}
	return current
}

func (f *followed) caughtUp() {
	f.t.Helper()
	eventually(f.t, caughtUpWithin, "all clients are as CaMS has them", func() bool { return f.current() == followers })
}

// whole fails the test where anything of a page is there without the rest of it.
func (f *followed) whole() {
	f.t.Helper()
	for what, query := range map[string]string{
		"clients have another name than the last audit row of theirs says": `
			SELECT count(*) FROM cams_links l JOIN people p ON p.organization_id = l.organization_id AND p.id = l.person_id
			JOIN LATERAL (SELECT e.after FROM audit_events e WHERE e.organization_id = l.organization_id AND e.subject_id = l.person_id ORDER BY e.occurred_at DESC, e.id DESC LIMIT 1) AS last ON true
			WHERE l.organization_id = $1 AND last.after -> 'identity' ->> 'last_name' IS DISTINCT FROM p.last_name`,
		"clients were taken over and have no audit row": `
			SELECT count(*) FROM cams_links l WHERE l.organization_id = $1 AND l.record_version > 0
			AND NOT EXISTS (SELECT FROM audit_events e WHERE e.organization_id = l.organization_id AND e.subject_id = l.person_id)`,
		"changes were recorded twice": `
			SELECT count(*) FROM (SELECT subject_id, after -> 'identity' ->> 'last_name' FROM audit_events WHERE organization_id = $1 GROUP BY 1, 2 HAVING count(*) > 1) AS twice`,
		"clients are found by another name than theirs": `
			SELECT count(*) FROM cams_links l JOIN people p ON p.organization_id = l.organization_id AND p.id = l.person_id
			WHERE l.organization_id = $1 AND l.record_version > 1
			AND NOT EXISTS (SELECT FROM person_words w WHERE w.organization_id = l.organization_id AND w.person_id = l.person_id AND w.word = lower(p.last_name))`,
	} {
		var count int
		if err := f.db.SQL.GetContext(f.t.Context(), &count, query, f.organization); err != nil {
			f.t.Fatal(err)
		}
		if count != 0 {
			f.t.Errorf("%d %s", count, what)
		}
	}
	// The cursor of the simulator is how many changes were read; each of the clients of those pages is current.
	var cursor string
	if err := f.db.SQL.GetContext(f.t.Context(), &cursor, `SELECT coalesce((SELECT cursor FROM cams_cursors WHERE organization_id = $1), '')`, f.organization); err != nil {
		f.t.Fatal(err)
	}
	if after, known := f.simulator.ChangedAfter(cursor); !known || followers-f.current() != after {
		f.t.Errorf("%d clients are behind, and after the cursor %q %d have changed", followers-f.current(), cursor, after)
	}
}
