package main

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"
)

// world is what was seeded, as far as measurements need to name it. Ids are made of a number (bench.id), so that the
// seed's statements, and this program, know the id of the nth of a kind without looking for it.
type world struct {
	organization string
	people       int
	version      string // of PostgreSQL
}

// The staff of an organization: an administrator who asks, some with a part in one measurement, and those with ordinary work.
const (
	staffAsking   = 1
	staffArchive  = 2  // closed tasks by the hundred thousand: for pages far down a list
	staffLeaver   = 3  // a tenth of the people: for the summary
	staffSwapping = 4  // with those after it, three pairs that hand people to each other
	staffHanding  = 14 // with the one after it, a pair that hands the work on matters to each other
	staffOrdinary = 20 // and all after it
	staffCount    = 200

	wholePeople = 100_000
)

// seedFormat is counted up when the seed changes: a kept database of another format is refused.
const seedFormat = 3

// seedHelpers are where the seed's own things live, beside the service's tables. bench.id makes ids of version 7: those of
// greater numbers are greater, as those made later are.
const seedHelpers = `
	CREATE SCHEMA IF NOT EXISTS bench;
	CREATE TABLE IF NOT EXISTS bench.seeded (format integer, people integer, search_people integer);
	CREATE OR REPLACE FUNCTION bench.id(organization bigint, kind bigint, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
		SELECT (lpad(to_hex(1704067200000 + number * 50), 12, '0') || '7' || lpad(to_hex(organization * 16 + kind), 3, '0') || '8'
			|| lpad(to_hex((number * 2654435761 + kind * 40503) % 1152921504606846976), 15, '0'))::uuid
	$$;
	CREATE OR REPLACE FUNCTION bench.ordinary(number bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
		SELECT 20 + number % 181
	$$;
	CREATE OR REPLACE FUNCTION bench.staff_of(person bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
		SELECT CASE WHEN person % 2 = 1 THEN 4 WHEN person % 20 = 0 THEN 6 WHEN person % 200 = 10 THEN 8 ELSE bench.ordinary(person) END
	$$;
	CREATE OR REPLACE FUNCTION bench.responsible_for(matter bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
		SELECT CASE WHEN matter % 25 = 21 THEN 14 ELSE bench.ordinary(matter) END
	$$`

// The kinds of ids.
const (
	kindOrganization = iota
	kindStaff
	kindPerson
)

// seedStatements fill one organization, the $1th, with $2 people and what belongs to them in proportion. Half of the people
// are served by staff 4 alone, a twentieth by staff 6, a two-hundredth by staff 8, a tenth by staff 3 and somebody
// ordinary, the rest by one or two who are ordinary. There are ten tasks a person, every fourth active: of
// those, four fifths belong to people (two each), held by the first of the person's staff. Staff 14 is responsible for every
// 25th matter, holds its tasks, and owns events of it that are still to come.
var seedStatements = []struct{ what, statement string }{
	{"organization", `INSERT INTO organizations (id, name, time_zone, created_at)
		SELECT bench.id($1, 0, 1), 'Benchmark ' || $1, 'America/Toronto', now() WHERE $2::bigint > 0`},
	{"staff", `INSERT INTO staff (organization_id, id, external_id, first_name, last_name, email, role, status, permissions, created_at, updated_at)
		SELECT bench.id($1, 0, 1), bench.id($1, 1, n), 'S-' || n, 'Staff', 'Member ' || n, 'staff' || n || '@example.org',
			CASE WHEN n = 1 THEN 'administrator' ELSE 'member' END, 'active', ARRAY['clients', 'referrals'], now(), now()
		FROM generate_series(1, 200) n WHERE $2::bigint > 0`},
	{"people", `INSERT INTO people (organization_id, id, external_id, kind, status, first_name, last_name, email, phone, created_at, updated_at)
		SELECT bench.id($1, 0, 1), bench.id($1, 2, n), 'P-' || n, CASE WHEN n % 5 = 0 THEN 'referral' ELSE 'client' END, 'active',
			'First' || n % 1000, 'Last' || n % 7919, 'person' || n || '@example.org', '+1 416 555 ' || lpad((n % 10000)::text, 4, '0'), now(), now()
		FROM generate_series(1, $2::bigint) n`},
	{"words of people", `INSERT INTO person_words (organization_id, word, person_id)
		SELECT bench.id($1, 0, 1), word, bench.id($1, 2, n) FROM generate_series(1, $2::bigint) n,
			LATERAL unnest(ARRAY['first' || n % 1000, 'last' || n % 7919, 'person' || n || '@example.org', 'person' || n, 'example', 'org']) AS word`},
	{"assignments", `INSERT INTO assignments (organization_id, person_id, staff_id)
		SELECT bench.id($1, 0, 1), bench.id($1, 2, n), bench.id($1, 1, s)
		FROM generate_series(1, $2::bigint) n, LATERAL (
			SELECT bench.staff_of(n)
			UNION SELECT 3 WHERE n % 10 = 2
			UNION SELECT bench.ordinary(n * 7 + 1) WHERE bench.staff_of(n) >= 20 AND n % 3 = 0) AS served (s)`},
	{"matters", `INSERT INTO matters (organization_id, id, external_id, number, description, status, visibility, responsible_staff_id, client_id, created_at, updated_at)
		SELECT bench.id($1, 0, 1), bench.id($1, 3, n), 'M-' || n, 'M-' || n, 'Matter ' || n,
			CASE n % 5 WHEN 0 THEN 'closed' WHEN 1 THEN 'pending' ELSE 'open' END,
			CASE n % 50 WHEN 0 THEN 'private' WHEN 25 THEN 'groups' ELSE 'everyone' END, bench.id($1, 1, bench.responsible_for(n)),
			CASE WHEN n % 2 = 0 THEN bench.id($1, 2, n) END, now(), now()
		FROM generate_series(1, $2::bigint / 2) n`},
	{"tasks", `INSERT INTO tasks (organization_id, id, external_id, title, details, status, due_on, person_id, matter_id, created_at, updated_at)
		SELECT bench.id($1, 0, 1), bench.id($1, 4, n), 'T-' || n, 'Task ' || n, 'What is to be done, in a sentence or two, as people write it.',
			CASE WHEN active THEN CASE WHEN k % 3 = 0 THEN 'in_progress' ELSE 'open' END ELSE CASE WHEN k % 5 = 0 THEN 'cancelled' ELSE 'completed' END END,
			CASE WHEN k % 10 > 0 THEN current_date + CASE WHEN active THEN k % 60 - 20 ELSE -k % 1000 END::integer END,
			CASE WHEN k % 25 < 20 THEN bench.id($1, 2, person) END,
			CASE WHEN k % 25 BETWEEN 20 AND 23 THEN bench.id($1, 3, 1 + k % ($2::bigint / 2)) END, now(), now()
		FROM ` + tasksToSeed},
	{"who holds tasks", `INSERT INTO task_assignees (organization_id, task_id, staff_id)
		SELECT bench.id($1, 0, 1), bench.id($1, 4, n), bench.id($1, 1, holder.staff)
		FROM ` + tasksToSeed + `, LATERAL (
			SELECT CASE WHEN k % 3 < 2 THEN 2 ELSE bench.ordinary(k / 3) END WHERE NOT active
			UNION SELECT bench.staff_of(person) WHERE active AND k % 25 < 20 AND (bench.staff_of(person) < 20 OR k % 50 <> 7)
			UNION SELECT bench.ordinary(k) WHERE active AND k % 25 < 20 AND bench.staff_of(person) >= 20 AND k % 10 = 3
			UNION SELECT bench.responsible_for(1 + k % ($2::bigint / 2)) WHERE active AND k % 25 BETWEEN 20 AND 23
			UNION SELECT bench.ordinary(k) WHERE active AND k % 25 = 24) AS holder (staff)`},
	{"events", `INSERT INTO calendar_events (organization_id, id, external_id, title, starts_at, ends_at, owner_staff_id, matter_id, created_at, updated_at)
		SELECT bench.id($1, 0, 1), bench.id($1, 5, n), 'E-' || n, 'Event ' || n, now() + hours * interval '1 hour',
			now() + (hours + 1) * interval '1 hour', bench.id($1, 1, owner),
			CASE WHEN owner = 14 OR n % 3 < 2 THEN bench.id($1, 3, 1 + n % ($2::bigint / 2)) END, now(), now()
		FROM generate_series(1, $2::bigint * 2) n, LATERAL (
			SELECT CASE WHEN n % 25 = 20 AND n % 8 < 5 THEN 14 ELSE bench.ordinary(n) END,
				CASE WHEN n % 25 = 20 AND n % 8 < 5 THEN 500 + n % 1500 ELSE n % 2000 - 500 END) AS of (owner, hours)`},
	{"who attends events", `INSERT INTO calendar_event_attendees (organization_id, calendar_event_id, staff_id)
		SELECT bench.id($1, 0, 1), bench.id($1, 5, n), bench.id($1, 1, bench.ordinary(n + 1)) FROM generate_series(4, $2::bigint * 2, 4) n`},
}

// tasksToSeed numbers the tasks in the order they are made, and the active and the others (k) each on their own. Who a
// task would belong to is spread, so that those of a person lie far apart.
const tasksToSeed = `generate_series(0, $2::bigint * 10 - 1) n, LATERAL (SELECT n % 4 = 0, CASE WHEN n % 4 = 0 THEN n / 4 ELSE n / 4 * 3 + n % 4 - 1 END) AS kind (active, k),
	LATERAL (SELECT 1 + CASE WHEN active THEN k / 25 * 20 + k % 25 ELSE k END * 7919 % $2::bigint) AS belongs (person)`

// seed fills the database, unless it was kept from an earlier run.
func seed(ctx context.Context, b *bench) (world, error) {
	made := world{people: max(1, int(math.Round(b.scale*wholePeople/1000))) * 1000}
	conn, err := b.database.owner.Conn(ctx)
	if err != nil {
		return made, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }() // goes back to the pool
	if _, err := conn.ExecContext(ctx, seedHelpers); err != nil {
		return made, fmt.Errorf("make the helpers: %w", err)
	}
	var format, people, searchPeople int
	err = conn.QueryRowContext(ctx, `SELECT coalesce(max(format), 0), coalesce(max(people), 0), coalesce(max(search_people), 0) FROM bench.seeded`).
		Scan(&format, &people, &searchPeople)
	if err != nil {
		return made, fmt.Errorf("look for a seed: %w", err)
	}
	switch {
	case format == 0:
		if err := seedOrganizations(ctx, b, conn, made.people); err != nil {
			return made, err
		}
	case format != seedFormat || people != made.people || searchPeople < b.searchPeople:
		return made, fmt.Errorf("the kept database was seeded otherwise (format %d, %d people, %d to search): use another folder", format, people, searchPeople)
	default:
		b.say("the database that was kept: %d people", people)
	}
	return made, conn.QueryRowContext(ctx, `SELECT bench.id(1, 0, 1), current_setting('server_version')`).Scan(&made.organization, &made.version)
}

func seedOrganizations(ctx context.Context, b *bench, conn *sql.Conn, people int) error {
	// The seed is known to be whole: checking a million references one by one would take longer than everything else.
	if _, err := conn.ExecContext(ctx, `SET session_replication_role = replica; SET synchronous_commit = off; SET maintenance_work_mem = '256MB'`); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	for organization := 1; organization <= 2; organization++ {
		for _, part := range seedStatements {
			if _, err := conn.ExecContext(ctx, part.statement, organization, people); err != nil {
				return fmt.Errorf("%s: %w", part.what, err)
			}
		}
		b.say("organization %d: %d people, %d staff, %d tasks, %d of them active, %d matters, %d events", organization, people, staffCount,
			people*10, people*5/2, people/2, people*2)
	}
	if b.searchPeople > 0 {
		if err := seedSearch(ctx, b, conn); err != nil {
			return err
		}
	}
	if _, err := conn.ExecContext(ctx, `RESET session_replication_role; RESET synchronous_commit`); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	duration, err := timed(func() error {
		_, err := conn.ExecContext(ctx, `VACUUM (ANALYZE)`)
		return err
	})
	if err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	b.say("vacuumed and analysed in %s", duration.Round(time.Second))
	for _, statement := range []string{
		fmt.Sprintf(`INSERT INTO bench.seeded VALUES (%d, %d, %d)`, seedFormat, people, b.searchPeople),
		`CHECKPOINT`,
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("finish: %w", err)
		}
	}
	return nil
}
