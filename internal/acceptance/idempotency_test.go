package acceptance

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

// clock is a clock that a test sets.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time                { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(by time.Duration)      { c.ahead.Add(int64(by)) }
func (c *clock) option(chosen *serviceOptions) { chosen.now = c.now }

func key(text string) header { return header{"Idempotency-Key", text} }

// replays fails the test unless an answer is the stored one of the first.
func replays(t testing.TB, first, again answer) {
	t.Helper()
	if first.Header.Get("Idempotency-Replayed") != "" {
		t.Error("the first answer says that it is a replay")
	}
	if again.Header.Get("Idempotency-Replayed") != "true" {
		t.Error("the second answer does not say that it is a replay")
	}
	if again.Status != first.Status || !bytes.Equal(again.Body, first.Body) {
		t.Errorf("first  %d %s\nagain  %d %s", first.Status, first.Body, again.Status, again.Body)
	}
	for _, name := range []string{"ETag", "Location", "Preference-Applied"} {
		if first.Header.Get(name) != again.Header.Get(name) {
			t.Errorf("%s: first %q, again %q", name, first.Header.Get(name), again.Header.Get(name))
		}
	}
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "the same key and body gives the stored answer, of every operation that changes something", func(t *testing.T, w *world) {
		ann := w.member("member")
		gone := w.member("member")
		w.deactivate(gone)
		person := w.person("client", ann)
		for _, request := range []struct {
			path string
			body any
		}{
			{"/v1/referrals", object{"first_name": "Maya", "last_name": "Petrov", "external_id": "crm-1"}},
			{"/v1/selections", object{"selection": people(person)}},
			{"/v1/assignment-summary", object{"selection": people(person)}},
			{"/v1/manage-assignments", wish(people(person), change("add", staffed(w.Admin)))},
			{"/v1/assign-staff", object{"selection": people(person), "staff_ids": idsOf(ann)}},
			{"/v1/remove-staff", object{"selection": people(person)}},
			{"/v1/staff", object{"first_name": "New", "last_name": "Member", "email": "new@example.org", "role": "member", "permissions": []string{"tasks"}}},
			{"/v1/staff/" + ann.ID.String() + "/deactivate", nil},
			{"/v1/staff/" + gone.ID.String() + "/reactivate", nil},
			{"/v1/tasks", object{"title": "Call", "person_id": person, "due_on": "2026-05-01", "assignee_ids": []string{"me"}}},
			{"/v1/api-tokens", object{"name": "nightly", "scopes": []string{"read"}}},
		} {
			first := w.as(w.Admin, "POST", request.path, request.body, key("k"))
			if first.Status >= 300 {
				t.Fatalf("%s: got %d %s", request.path, first.Status, first.Body)
			}
			after := w.tables()
			for range 2 {
				replays(t, first, w.as(w.Admin, "POST", request.path, request.body, key("k")))
			}
			w.unchanged(after)
			if t.Failed() {
				t.Fatal(request.path)
			}
		}
	})

	s.rule(t, "an answer stays as it was given, whatever has happened since", func(t *testing.T, w *world) {
		person := w.person("client")
		body := wish(people(person), change("assign", staffed(w.Admin)))
		first := w.as(w.Admin, "POST", "/v1/manage-assignments", body, key("k")).must(200)
		w.managed(people(person), change("remove", object{"all_staff": true}))
		replays(t, first, w.as(w.Admin, "POST", "/v1/manage-assignments", body, key("k")))
		w.servedBy(person)
	})

	s.rule(t, "white space in the body makes no other request; another body does", func(t *testing.T, w *world) {
		person := w.person("client")
		text, err := json.Marshal(wish(people(person), change("assign", staffed(w.Admin))))
		if err != nil {
			t.Fatal(err)
		}
		first := w.as(w.Admin, "POST", "/v1/manage-assignments", string(text), key("k")).must(200)
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, text, " ", "\t"); err != nil {
			t.Fatal(err)
		}
		replays(t, first, w.as(w.Admin, "POST", "/v1/manage-assignments", spaced.String(), key("k")))
		before := w.tables()
		for _, other := range []object{
			wish(people(person), change("add", staffed(w.Admin))),
			wish(people(person), change("assign", staffed(w.Admin)), object{"reason": "another"}),
		} {
			w.as(w.Admin, "POST", "/v1/manage-assignments", other, key("k")).problem(422, "idempotency_key_reused")
		}
		w.unchanged(before)
	})

	s.rule(t, "a key belongs to one staff member, one operation and one path", func(t *testing.T, w *world) {
		colleague, ann, bob := w.member("administrator"), w.member("member"), w.member("member")
		body := object{"first_name": "Maya", "last_name": "Petrov"}
		mine := decode[api.Person](w.as(w.Admin, "POST", "/v1/referrals", body, key("k")).must(201))
		theirs := decode[api.Person](w.as(colleague, "POST", "/v1/referrals", body, key("k")).must(201))
		other := s.organization(t)
		foreign := decode[api.Person](other.as(other.Admin, "POST", "/v1/referrals", body, key("k")).must(201))
		if mine.ID == theirs.ID || mine.ID == foreign.ID {
			t.Error("a key of one is that of another")
		}
		w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call"}, key("k")).must(201)
		for _, m := range []member{ann, bob} {
			if got := w.as(w.Admin, "POST", "/v1/staff/"+m.ID.String()+"/deactivate", nil, key("k")).must(200); got.Header.Get("Idempotency-Replayed") != "" {
				t.Error("a key of one path is that of another")
			}
		}
		w.as(w.Admin, "POST", "/v1/staff/"+ann.ID.String()+"/deactivate?require_empty=true", nil, key("k")).problem(422, "idempotency_key_reused")
		if other := decode[api.Person](w.as(w.Admin, "POST", "/v1/referrals", body, key("K")).must(201)); other.ID == mine.ID {
			t.Error("keys in other letter case are the same")
		}
	})

	s.rule(t, "a refused request keeps no key: mended, it comes through", func(t *testing.T, w *world) {
		ann := w.member("member")
		person := w.person("client", ann)
		task := w.task(person, ann)
		refused := change("remove", staffed(ann))
		before := w.tables()
		w.manage(w.Admin, people(person), refused).problem(422, "task_policy_required")
		w.as(w.Admin, "POST", "/v1/manage-assignments", wish(people(person), refused), key("k")).problem(422, "task_policy_required")
		w.as(w.Admin, "POST", "/v1/manage-assignments", wish(people(person, newID()), refused), key("k")).problem(422, "person_not_found")
		w.unchanged(before)
		w.exec(`UPDATE tasks SET status = 'completed' WHERE id = $1`, task)
		first := w.as(w.Admin, "POST", "/v1/manage-assignments", wish(people(person), refused), key("k")).must(200)
		replays(t, first, w.as(w.Admin, "POST", "/v1/manage-assignments", wish(people(person), refused), key("k")))
	})

	s.rule(t, "while the first is at work the same key is answered with 409 and Retry-After, and afterwards with its answer", func(t *testing.T, w *world) {
		person := w.person("client")
		body := wish(people(person), change("assign", staffed(w.Admin)))
		held, err := s.DB.SQL.BeginTxx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Rollback()
		if _, err := held.ExecContext(t.Context(), `SELECT FROM people WHERE id = $1 FOR UPDATE`, person); err != nil {
			t.Fatal(err)
		}
		done := make(chan answer, 1)
		go func() { done <- w.as(w.Admin, "POST", "/v1/manage-assignments", body, key("k")) }()
		eventually(t, "the first waits for the person", func() bool {
			return w.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
		})
		busy := w.as(w.Admin, "POST", "/v1/manage-assignments", body, key("k"))
		busy.problem(409, "idempotency_key_in_use")
		if busy.Header.Get("Retry-After") == "" {
			t.Error("Retry-After is missing")
		}
		// Another key is not kept waiting by this one.
		w.as(w.Admin, "POST", "/v1/referrals", object{"first_name": "Maya", "last_name": "Petrov"}, key("k")).must(201)
		if err := held.Rollback(); err != nil {
			t.Fatal(err)
		}
		first := (<-done).must(200)
		replays(t, first, w.as(w.Admin, "POST", "/v1/manage-assignments", body, key("k")))
	})

	s.rule(t, "of many who send one key at once, one is carried out", func(t *testing.T, w *world) {
		for round := range 10 {
			name := uuid.NewString()
			answers := together(6, func(int) answer {
				return w.as(w.Admin, "POST", "/v1/referrals", object{"first_name": "Maya", "last_name": "Petrov"}, key(name))
			})
			made := map[uuid.UUID]bool{}
			for _, got := range answers {
				if got.Status == 201 {
					made[decode[api.Person](got).ID] = true
				} else {
					got.problem(409, "idempotency_key_in_use")
				}
			}
			if people := w.count(`SELECT count(*) FROM people WHERE organization_id = $1`, w.ID); len(made) != 1 || people != round+1 {
				t.Fatalf("round %d: %d were made, %d people are there", round, len(made), people)
			}
		}
	})

	s.rule(t, "a token is given again to the credential that asked, and to no other; its secret is kept nowhere", func(t *testing.T, w *world) {
		body := object{"name": "nightly"}
		first := w.as(w.Admin, "POST", "/v1/api-tokens", body, key("k")).must(201)
		again := w.as(w.Admin, "POST", "/v1/api-tokens", body, key("k"))
		replays(t, first, again)
		secret := decode[api.CreatedAPIToken](again).Token
		if !strings.HasPrefix(secret, "hnd_") {
			t.Errorf("got token %q", secret)
		}
		made := w.Admin
		made.Token = secret
		w.get(made, "/v1/me").must(200)
		w.as(made, "POST", "/v1/api-tokens", body, key("k")).problem(422, "idempotency_key_reused")
		if kept := w.count(`SELECT count(*) FROM idempotency_keys WHERE position(convert_to($1, 'UTF8') IN answer) > 0`, secret); kept != 0 {
			t.Error("the secret is kept with the key")
		}
		if tokens := w.count(`SELECT count(*) FROM api_tokens WHERE organization_id = $1`, w.ID); tokens != 2 {
			t.Errorf("there are %d tokens", tokens)
		}
	})

	s.rule(t, "a key that is none is refused", func(_ *testing.T, w *world) {
		body := object{"first_name": "Maya", "last_name": "Petrov"}
		for _, wrong := range []string{strings.Repeat("k", 256), "kéy"} {
			w.as(w.Admin, "POST", "/v1/referrals", body, key(wrong)).problem(400, "invalid_parameter")
		}
		w.as(w.Admin, "POST", "/v1/referrals", body, key(strings.Repeat("k", 255))).must(201)
	})
}

func TestIdempotencyKeysEnd(t *testing.T) {
	t.Parallel()
	var hands clock
	s := start(t, withoutWorker, hands.option)
	w := s.organization(t)
	referral := object{"first_name": "Maya", "last_name": "Petrov"}
	change := wish(people(w.person("client")), change("assign", staffed(w.Admin)))
	made := w.as(w.Admin, "POST", "/v1/referrals", referral, key("k")).must(201)
	run := w.as(w.Admin, "POST", "/v1/manage-assignments", change, key("k")).must(200)

	hands.advance(24*time.Hour - time.Minute)
	if err := s.app.SweepExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	replays(t, made, w.as(w.Admin, "POST", "/v1/referrals", referral, key("k")))

	// After a day the key is a new one, swept away or not; that of a run is kept as long as the run.
	hands.advance(time.Minute)
	anew := w.as(w.Admin, "POST", "/v1/referrals", referral, key("k")).must(201)
	if anew.Header.Get("Idempotency-Replayed") != "" || bytes.Equal(anew.Body, made.Body) {
		t.Error("the key is kept longer than a day")
	}
	hands.advance(100 * 24 * time.Hour)
	if err := s.app.SweepExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	replays(t, run, w.as(w.Admin, "POST", "/v1/manage-assignments", change, key("k")))
	if keys := w.count(`SELECT count(*) FROM idempotency_keys WHERE organization_id = $1`, w.ID); keys != 1 {
		t.Errorf("%d keys are left", keys)
	}
}
