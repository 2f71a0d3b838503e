package acceptance

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/app"
	"handover/internal/domain"
)

// world is an organization with whatever a test puts into it, straight into the tables.
type world struct {
	t       testing.TB
	service *service
	ID      uuid.UUID
	Admin   member
}

// member is a staff member with a token of theirs.
type member struct {
	ID    uuid.UUID
	Token string
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// organization makes a tenant with one administrator.
func (s *service) organization(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, service: s, ID: newID()}
	w.exec(`INSERT INTO organizations (id, name, time_zone, created_at) VALUES ($1, 'Harbour', 'America/Toronto', now())`, w.ID)
	w.Admin = w.member("administrator")
	return w
}

func (w *world) exec(statement string, args ...any) {
	w.t.Helper()
	if _, err := w.service.DB.SQL.ExecContext(w.t.Context(), statement, args...); err != nil {
		w.t.Fatalf("%v\n%s", err, statement)
	}
}

// member adds an active staff member with a role ("administrator", or "member" with permissions) and a token.
func (w *world) member(role string, permissions ...string) member {
	w.t.Helper()
	m := member{ID: newID(), Token: app.NewTokenText()}
	if permissions == nil {
		permissions = []string{}
	}
	w.exec(`INSERT INTO staff (organization_id, id, first_name, last_name, email, role, status, permissions, created_at, updated_at)
		VALUES ($1, $2, 'Member', $3, $4, $5, 'active', $6, now(), now())`,
		w.ID, m.ID, m.ID.String()[30:], m.ID.String()+"@example.org", role, pq.Array(permissions))
	w.token(m, nil)
	return m
}

func (w *world) token(m member, scopes []string) {
	w.t.Helper()
	var limited any
	if scopes != nil {
		limited = pq.Array(scopes)
	}
	w.exec(`INSERT INTO api_tokens (organization_id, id, staff_id, name, secret_hash, scopes, created_at) VALUES ($1, $2, $3, 'test', $4, $5, now())`,
		w.ID, newID(), m.ID, app.TokenHash(m.Token), limited)
}

// scoped gives a staff member a further token that has only these scopes.
func (w *world) scoped(m member, scopes ...string) string {
	w.t.Helper()
	m.Token = app.NewTokenText()
	w.token(m, scopes)
	return m.Token
}

func (w *world) deactivate(m member) {
	w.t.Helper()
	w.exec(`UPDATE staff SET status = 'deactivated' WHERE organization_id = $1 AND id = $2`, w.ID, m.ID)
}

// person adds a client or a referral with the staff assigned to them.
func (w *world) person(kind string, staff ...member) uuid.UUID {
	w.t.Helper()
	id := newID()
	w.exec(`INSERT INTO people (organization_id, id, kind, status, first_name, last_name, created_at, updated_at) VALUES ($1, $2, $3, 'active', 'Person', $4, now(), now())`,
		w.ID, id, kind, id.String()[30:])
	for _, m := range staff {
		w.assign(id, m)
	}
	return id
}

func (w *world) assign(person uuid.UUID, m member) {
	w.t.Helper()
	w.exec(`INSERT INTO assignments (organization_id, person_id, staff_id) VALUES ($1, $2, $3)`, w.ID, person, m.ID)
}

// task adds an open task of a person, held by assignees.
func (w *world) task(person uuid.UUID, assignees ...member) uuid.UUID {
	w.t.Helper()
	return w.taskIn("open", uuid.NullUUID{UUID: person, Valid: true}, uuid.NullUUID{}, assignees...)
}

// taskIn adds a task of any status, of a person, of a matter, or of neither.
func (w *world) taskIn(status string, person, matter uuid.NullUUID, assignees ...member) uuid.UUID {
	w.t.Helper()
	id := newID()
	w.exec(`INSERT INTO tasks (organization_id, id, title, status, person_id, matter_id, created_at, updated_at) VALUES ($1, $2, 'Task', $3, $4, $5, now(), now())`,
		w.ID, id, status, person, matter)
	for _, m := range assignees {
		w.exec(`INSERT INTO task_assignees (organization_id, task_id, staff_id) VALUES ($1, $2, $3)`, w.ID, id, m.ID)
	}
	return id
}

// matter adds an open matter.
func (w *world) matter(visibility string, responsible member) uuid.UUID {
	w.t.Helper()
	id := newID()
	w.exec(`INSERT INTO matters (organization_id, id, number, description, status, visibility, responsible_staff_id, created_at, updated_at)
		VALUES ($1, $2, $3, 'Matter', 'open', $4, $5, now(), now())`, w.ID, id, id.String()[30:], visibility, responsible.ID)
	return id
}

// staffOf is who is assigned to a person now.
func (w *world) staffOf(person uuid.UUID) []uuid.UUID {
	w.t.Helper()
	return w.ids(`SELECT staff_id FROM assignments WHERE organization_id = $1 AND person_id = $2 ORDER BY staff_id`, w.ID, person)
}

// assigneesOf is who holds a task now.
func (w *world) assigneesOf(task uuid.UUID) []uuid.UUID {
	w.t.Helper()
	return w.ids(`SELECT staff_id FROM task_assignees WHERE organization_id = $1 AND task_id = $2 ORDER BY staff_id`, w.ID, task)
}

func (w *world) ids(query string, args ...any) []uuid.UUID {
	w.t.Helper()
	found := []uuid.UUID{}
	if err := w.service.DB.SQL.SelectContext(w.t.Context(), &found, query, args...); err != nil {
		w.t.Fatalf("%v\n%s", err, query)
	}
	return found
}

// count runs a query that counts.
func (w *world) count(query string, args ...any) int {
	w.t.Helper()
	var n int
	if err := w.service.DB.SQL.GetContext(w.t.Context(), &n, query, args...); err != nil {
		w.t.Fatalf("%v\n%s", err, query)
	}
	return n
}

// ids of members, in the order the database has them.
func idsOf(members ...member) []uuid.UUID {
	all := make([]uuid.UUID, len(members))
	for i, m := range members {
		all[i] = m.ID
	}
	return domain.NewStaffSet(all...)
}

// The bodies of the main requests.
type object = map[string]any

func people(ids ...uuid.UUID) object { return object{"type": "people", "person_ids": ids} }

func change(kind string, fields object) object {
	body := object{"type": kind}
	for name, value := range fields {
		body[name] = value
	}
	return body
}

// eventually waits until check holds.
func eventually(t testing.TB, what string, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !check() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen in time: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
