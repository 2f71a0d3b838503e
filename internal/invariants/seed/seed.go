// Package seed fills a test database with organizations of any size, as sets, straight into the tables: 20,000 people and
// their 50,000 tasks in about a second.
package seed

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"handover/internal/app"
)

// Size is how much an organization holds. Everything else follows from it.
type Size struct {
	People  int
	Staff   int // active members, besides the administrator; at least 2
	Matters int
}

// Organization is a tenant that was filled. Who has what follows from each one's place, so that two of one size hold the
// same.
type Organization struct {
	ID      uuid.UUID
	Admin   uuid.UUID
	Token   string      // of the administrator
	Staff   []uuid.UUID // the first, the leaver, is on every person; the second is on every third person with them
	People  []uuid.UUID // in the order of their ids; every fourth is a referral
	Tasks   int         // active ones of people
	Matters []uuid.UUID
}

// Leaver is the staff member who is on every person.
func (o *Organization) Leaver() uuid.UUID { return o.Staff[0] }

// New fills an organization, and refreshes the statistics that plans are made with.
//
// Person n has two active tasks, every second person a third one. Most are held by the leaver alone, some together with a
// member who is on nobody, and some by nobody. Every fourth person has a task that is over. A matter has two tasks and an
// event, of the leaver; one matter in three is private to the leaver or to a group, and one in four is closed.
func New(ctx context.Context, db *sqlx.DB, size Size) (*Organization, error) {
	o := &Organization{
		ID: newID(), Admin: newID(), Token: app.NewTokenText(),
		Staff: newIDs(size.Staff), People: newIDs(size.People), Matters: newIDs(size.Matters),
		Tasks: 2*size.People + size.People/2,
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }() // only given back
	for _, step := range o.steps(size) {
		// A foreign key that this connection has checked on tables of a few rows would be checked in the same way on many.
		if _, err := conn.ExecContext(ctx, `DISCARD PLANS`); err != nil {
			return nil, fmt.Errorf("forget plans: %w", err)
		}
		if _, err := conn.ExecContext(ctx, step.statement, step.args...); err != nil {
			return nil, fmt.Errorf("seed %s: %w", step.what, err)
		}
	}
	return o, nil
}

type step struct {
	what, statement string
	args            []any
}

func (o *Organization) steps(size Size) []step {
	organization := func(args ...any) []any { return append([]any{o.ID}, args...) }
	staff, people, matters := pq.Array(o.Staff), pq.Array(o.People), pq.Array(o.Matters)
	return []step{
		{"organization", `INSERT INTO organizations (id, name, time_zone, created_at) VALUES ($1, 'Harbour', 'America/Toronto', now())`, organization()},
		{
			"staff", `
			INSERT INTO staff (organization_id, id, first_name, last_name, email, role, status, created_at, updated_at)
			SELECT $1, id, 'Member', n::text, 'member' || n || '@example.org', CASE n WHEN 0 THEN 'administrator' ELSE 'member' END, 'active', now(), now()
			FROM unnest($2::uuid || $3::uuid[]) WITH ORDINALITY AS s (id, ordinality), LATERAL (SELECT ordinality - 1) AS numbered (n)`,
			organization(o.Admin, staff),
		},
		{
			"token", `INSERT INTO api_tokens (organization_id, id, staff_id, name, secret_hash, created_at) VALUES ($1, $2, $3, 'seed', $4, now())`,
			organization(newID(), o.Admin, app.TokenHash(o.Token)),
		},
		{"people", `
			INSERT INTO people (organization_id, id, kind, status, first_name, last_name, email, created_at, updated_at)
			SELECT $1, id, CASE n % 4 WHEN 0 THEN 'referral' ELSE 'client' END, 'active', 'Given' || n % 997, 'Family' || n, 'p' || n || '@example.org', now(), now()
			FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n)`, organization(people)},
		{"words", `
			INSERT INTO person_words (organization_id, word, person_id)
			SELECT $1, word, id FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n),
				unnest(ARRAY ['given' || n % 997, 'family' || n, 'p' || n || '@example.org']) AS word`, organization(people)},
		{"assignments", `
			INSERT INTO assignments (organization_id, person_id, staff_id)
			SELECT $1, id, ($3::uuid[])[place] FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n), generate_series(1, 2) AS place
			WHERE place = 1 OR n % 3 = 0`, organization(people, staff)},
		{
			"active tasks", `
			WITH made AS (
				INSERT INTO tasks (organization_id, id, title, status, due_on, person_id, created_at, updated_at)
				SELECT $1, t.id, 'Call ' || t.n, CASE t.n % 2 WHEN 0 THEN 'open' ELSE 'in_progress' END, current_date + (t.n % 61)::integer - 20,
				       (($3::uuid[])[CASE WHEN t.n <= 2 * $5::integer THEN (t.n + 1) / 2 ELSE 2 * (t.n - 2 * $5::integer) END]), now(), now()
				FROM unnest($2::uuid[]) WITH ORDINALITY AS t (id, n)
			)
			INSERT INTO task_assignees (organization_id, task_id, staff_id)
			SELECT $1, t.id, holder FROM unnest($2::uuid[]) WITH ORDINALITY AS t (id, n),
				unnest(CASE WHEN t.n % 11 = 0 THEN '{}' WHEN t.n % 5 = 0 THEN ARRAY [($4::uuid[])[1], ($4::uuid[])[cardinality($4)]] ELSE ARRAY [($4::uuid[])[1]] END) AS holder`,
			organization(pq.Array(newIDs(o.Tasks)), people, staff, size.People),
		},
		{
			"tasks that are over", `
			WITH made AS (
				INSERT INTO tasks (organization_id, id, title, status, person_id, created_at, updated_at)
				SELECT $1, t.id, 'Done ' || t.n, CASE t.n % 2 WHEN 0 THEN 'completed' ELSE 'cancelled' END, ($3::uuid[])[4 * t.n], now(), now()
				FROM unnest($2::uuid[]) WITH ORDINALITY AS t (id, n)
			)
			INSERT INTO task_assignees (organization_id, task_id, staff_id) SELECT $1, id, $4 FROM unnest($2::uuid[]) AS id`,
			organization(pq.Array(newIDs(size.People/4)), people, o.Leaver()),
		},
		{"matters", `
			INSERT INTO matters (organization_id, id, number, description, status, visibility, responsible_staff_id, created_at, updated_at)
			SELECT $1, id, 'M-' || n, 'Matter', CASE n % 4 WHEN 0 THEN 'closed' WHEN 1 THEN 'pending' ELSE 'open' END,
			       CASE n % 6 WHEN 0 THEN 'private' WHEN 3 THEN 'groups' ELSE 'everyone' END, $3, now(), now()
			FROM unnest($2::uuid[]) WITH ORDINALITY AS m (id, n)`, organization(matters, o.Leaver())},
		{
			"tasks of matters", `
			WITH made AS (
				INSERT INTO tasks (organization_id, id, title, status, matter_id, created_at, updated_at)
				SELECT $1, t.id, 'File ' || t.n, 'open', ($3::uuid[])[(t.n + 1) / 2], now(), now() FROM unnest($2::uuid[]) WITH ORDINALITY AS t (id, n)
			)
			INSERT INTO task_assignees (organization_id, task_id, staff_id) SELECT $1, id, $4 FROM unnest($2::uuid[]) AS id`,
			organization(pq.Array(newIDs(2*size.Matters)), matters, o.Leaver()),
		},
		{
			"events", `
			INSERT INTO calendar_events (organization_id, id, title, starts_at, ends_at, owner_staff_id, matter_id, created_at, updated_at)
			SELECT $1, e.id, 'Hearing ' || e.n, now() + e.n * interval '1 hour', now() + (e.n + 1) * interval '1 hour', $4, ($3::uuid[])[e.n], now(), now()
			FROM unnest($2::uuid[]) WITH ORDINALITY AS e (id, n)`,
			organization(pq.Array(newIDs(size.Matters)), matters, o.Leaver()),
		},
		{"intake template", `INSERT INTO intake_template_tasks (organization_id, position, title, details, days_until_due) VALUES ($1, 1, 'Welcome', '', 3), ($1, 2, 'First talk', '', 10)`, organization()},
		{"statistics", `ANALYZE`, nil},
	}
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func newIDs(count int) []uuid.UUID {
	ids := make([]uuid.UUID, count)
	for i := range ids {
		ids[i] = newID()
	}
	return ids
}
