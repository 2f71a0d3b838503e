package crash

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"handover/internal/invariants"
	"handover/internal/invariants/seed"
)

// The sizes of what is disturbed.
const (
	manyPeople = 20_000
	somePeople = 5_000
	fewPeople  = 300
)

// caseload is a database with an organization whose people all move at once, one where people move one at a time
// meanwhile, and one that nobody touches.
type caseload struct {
	db          *sqlx.DB
	large       *seed.Organization
	small       *seed.Organization
	selection   uuid.UUID // everybody of the large one
	before      *invariants.Snapshot
	acknowledge []invariants.Acknowledged
	moves       int // how often everybody has been moved
}

func newCaseload(t testing.TB, db *sqlx.DB, many, few int) *caseload {
	t.Helper()
	return newCaseloadOf(t, db, seed.Size{People: many, Staff: 8, Matters: 60}, seed.Size{People: few, Staff: 8, Matters: 60})
}

func newCaseloadOf(t testing.TB, db *sqlx.DB, large, small seed.Size) *caseload {
	t.Helper()
	c := &caseload{db: db, selection: uuid.Must(uuid.NewV7())}
	var untouched *seed.Organization
	for _, organization := range []struct {
		filled **seed.Organization
		size   seed.Size
	}{{&c.large, large}, {&c.small, small}, {&untouched, small}} {
		filled, err := seed.New(t.Context(), db, organization.size)
		if err != nil {
			t.Fatal(err)
		}
		*organization.filled = filled
	}
	if _, err := db.ExecContext(t.Context(), `
		WITH saved AS (
			INSERT INTO selections (organization_id, id, created_by_staff_id, created_at, expires_at, clients_count, referrals_count)
			SELECT $1, $2, $3, now(), now() + interval '1 day', count(*) FILTER (WHERE kind = 'client'), count(*) FILTER (WHERE kind = 'referral')
			FROM people WHERE organization_id = $1
		)
		INSERT INTO selection_people (organization_id, selection_id, person_id) SELECT $1, $2, id FROM people WHERE organization_id = $1`,
		c.large.ID, c.selection, c.large.Admin); err != nil {
		t.Fatal(err)
	}
	c.snapshot(t)
	return c
}

// snapshot begins anew: what follows is held against the state now. What is recorded of runs that were checked is
// forgotten, so that a late round costs what an early one does.
func (c *caseload) snapshot(t testing.TB) {
	t.Helper()
	if _, err := c.db.ExecContext(t.Context(), `
		TRUNCATE runs, waiting_runs, run_items, run_progress, audit_chain_progress, audit_events, audit_links, idempotency_keys, notifications, notification_items, notification_counters;
		DELETE FROM river.river_job WHERE kind IN ('run', 'mail')`); err != nil {
		t.Fatal(err)
	}
	c.acknowledge = nil
	before, err := invariants.Take(t.Context(), c.db)
	if err != nil {
		t.Fatal(err)
	}
	c.before = before
}

// check holds the state now against the snapshot. Where the large change is absent, every row of its organization must be
// as it was.
func (c *caseload) check(t testing.TB, whole bool) {
	t.Helper()
	changed := []uuid.UUID{c.small.ID}
	if whole {
		changed = append(changed, c.large.ID)
	}
	found, err := invariants.Check(t.Context(), c.db, invariants.Options{Before: c.before, Changed: changed, Acknowledged: c.acknowledge})
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range found {
		t.Error(violation)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// runs counts the runs of the large organization that have succeeded.
func (c *caseload) runs(t testing.TB) (all, succeeded int) {
	t.Helper()
	err := c.db.QueryRowContext(t.Context(), `SELECT count(*), count(*) FILTER (WHERE status = 'succeeded') FROM runs WHERE organization_id = $1`, c.large.ID).Scan(&all, &succeeded)
	if err != nil {
		t.Fatal(err)
	}
	return all, succeeded
}

// settled waits until nothing of a killed service is at work in the database.
func (c *caseload) settled(t testing.TB) {
	t.Helper()
	eventually(t, 20*time.Second, "the connections of the killed service are gone", func() bool {
		var left int
		err := c.db.GetContext(t.Context(), &left, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1`, applicationName)
		return err == nil && left == 0
	})
}

func eventually(t testing.TB, patience time.Duration, what string, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !check() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen within %s: %s", patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// request asks a service for a change.
type request struct {
	token string
	path  string // empty: /v1/manage-assignments
	key   string
	async bool
	body  any
}

type object = map[string]any

// moveEverybody asks for all people of the large organization, and all of their tasks, to go to somebody else.
func (c *caseload) moveEverybody(async bool) request {
	c.moves++
	return request{
		token: c.large.Token, key: fmt.Sprintf("move-%d", c.moves), async: async,
		body: object{
			"selection": object{"type": "saved", "selection_id": c.selection},
			"change":    object{"type": "replace", "staff_ids": []uuid.UUID{c.large.Staff[1+c.moves%5]}, "task_policy": "reassign_all", "task_scope": "assigned"},
			"reason":    "The service is going to be killed.",
		},
	}
}

// movePerson asks for one person of the small organization to go to somebody else.
func (c *caseload) movePerson(n int) request {
	return request{
		token: c.small.Token, key: fmt.Sprintf("person-%d", n),
		body: object{
			"selection": object{"type": "people", "person_ids": []uuid.UUID{c.small.People[n%len(c.small.People)]}},
			"change":    object{"type": "replace", "staff_ids": []uuid.UUID{c.small.Staff[1+n%5]}, "task_policy": "reassign_all", "task_scope": "all"},
		},
	}
}

// answer is what came back; nothing came back where status is 0.
type answer struct {
	status     int
	run        uuid.UUID
	replayed   bool
	code       string // of a problem
	retryAfter string
	text       string
	took       time.Duration
}

func (p *process) send(ctx context.Context, r request) (got answer) {
	began := time.Now()
	defer func() { got.took = time.Since(began) }()
	body, err := json.Marshal(r.body)
	if err != nil {
		return answer{text: err.Error()}
	}
	sent, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+cmp.Or(r.path, "/v1/manage-assignments"), bytes.NewReader(body))
	if err != nil {
		return answer{text: err.Error()}
	}
	sent.Header.Set("Content-Type", "application/json")
	sent.Header.Set("Authorization", "Bearer "+r.token)
	sent.Header.Set("Idempotency-Key", r.key)
	if r.async {
		sent.Header.Set("Prefer", "respond-async")
	}
	response, err := http.DefaultClient.Do(sent)
	if err != nil {
		return answer{text: err.Error()}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{text: err.Error()} // an answer that breaks off is none
	}
	var read struct {
		ID   uuid.UUID `json:"id"`   // of a run
		Code string    `json:"code"` // of a problem
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return answer{text: err.Error()}
	}
	return answer{
		status: response.StatusCode, run: read.ID, replayed: response.Header.Get("Idempotency-Replayed") == "true",
		code: read.Code, retryAfter: response.Header.Get("Retry-After"), text: string(text),
	}
}

// insist repeats a request with its key until it is answered with success, as a client should.
func (p *process) insist(t testing.TB, r request) answer {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		got := p.send(t.Context(), r)
		switch {
		case got.status == http.StatusOK || got.status == http.StatusAccepted:
			return got
		case got.status != 0 && got.status < 500 && got.status != http.StatusConflict, time.Now().After(deadline):
			t.Fatalf("got status %d: %s", got.status, got.text)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// acknowledged notes what an answer promised.
func (c *caseload) acknowledged(organization uuid.UUID, got answer) {
	if got.status == http.StatusOK || got.status == http.StatusAccepted {
		c.acknowledge = append(c.acknowledge, invariants.Acknowledged{Organization: organization, Run: got.run, Succeeded: got.status == http.StatusOK})
	}
}

// status of a run; empty while PostgreSQL does not answer.
func (c *caseload) status(t testing.TB, run uuid.UUID) string {
	t.Helper()
	var status string
	if err := c.db.GetContext(t.Context(), &status, `SELECT status FROM runs WHERE organization_id = $1 AND id = $2`, c.large.ID, run); err != nil {
		return ""
	}
	return status
}
