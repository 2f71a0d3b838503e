package deploy

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"handover/internal/app"
	"handover/internal/invariants/seed"
	"handover/internal/testdb"
)

// organization fills an organization.
func organization(t testing.TB, db *sqlx.DB, people int) *seed.Organization {
	t.Helper()
	filled, err := seed.New(t.Context(), db, seed.Size{People: people, Staff: 8, Matters: 4})
	if err != nil {
		t.Fatal(err)
	}
	return filled
}

func binary(t testing.TB, build func() (string, error)) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A rolling deploy under load: one process after the other is replaced, and no request fails, not even of clients that keep their
// connections and repeat nothing.
func TestRollingDeployUnderLoad(t *testing.T) {
	t.Parallel()
	program, db := binary(t, newest), testdb.New(t)
	of := organization(t, db.SQL, 50)
	delay := "HANDOVER_DRAIN_DELAY=1s"
	running := []*process{serve(t, program, db.URL, delay), serve(t, program, db.URL, delay)}
	f := &fleet{}
	f.watch(t, running...)
	l := under(t, f, of)
	for round := range 4 {
		l.goOn(150)
		fresh := serve(t, program, db.URL, delay)
		f.watch(t, fresh)
		took := running[round].end()
		t.Logf("round %d: it ended %s after SIGTERM, and had answered %d requests", round, took.Round(time.Millisecond), l.by(running[round]))
		if took < time.Second || took > 20*time.Second || l.by(running[round]) == 0 {
			t.Errorf("round %d: it ended after %s", round, took)
		}
		running = append(running, fresh)
	}
	l.goOn(100)
	l.end()
	for _, p := range running {
		if text := p.log.text(); strings.Contains(text, "broken off") {
			t.Errorf("something was broken off:\n%s", text)
		}
	}
}

// After SIGTERM requests are still taken for the delay, while /readyz says that the end has begun; and each answer asks to close the
// connection, so that none is left that a client could send on when it is closed.
func TestTheDelayAfterSIGTERM(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	of := organization(t, db.SQL, 10)
	p := serve(t, binary(t, newest), db.URL, "HANDOVER_DRAIN_DELAY=2s")
	keeping := &http.Client{Transport: &http.Transport{}}
	ask := func() (status int, closes bool) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/v1/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+of.Token)
		response, err := keeping.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close() // read whole
		return response.StatusCode, response.Close
	}
	if status, closes := ask(); status != http.StatusOK || closes {
		t.Fatalf("before: %d, close %t", status, closes)
	}
	p.signal()
	signalled := time.Now()
	for p.isReady() {
		if time.Since(signalled) > time.Second {
			t.Fatal("it is ready still")
		}
	}
	for time.Since(signalled) < 1500*time.Millisecond {
		if status, closes := ask(); status != http.StatusOK || !closes {
			t.Fatalf("after %s: %d, close %t", time.Since(signalled), status, closes)
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.wait()
	if took := time.Since(signalled); took < 2*time.Second || took > 10*time.Second {
		t.Errorf("it ended after %s", took)
	}
	if text := p.log.text(); strings.Contains(text, "readyz") {
		t.Errorf("that it is not ready any more is logged as a fault: %s", text)
	}
}

// A stream ends with its process, whole, and whoever follows it goes on elsewhere without losing or repeating anything.
func TestStreamsGoOnElsewhere(t *testing.T) {
	t.Parallel()
	program, db := binary(t, newest), testdb.New(t)
	of := organization(t, db.SQL, 50)
	first, second := serve(t, program, db.URL, "HANDOVER_DRAIN_DELAY=300ms"), serve(t, program, db.URL)
	f := &fleet{}
	f.watch(t, first, second)
	// The receiver follows at the first process, and wherever the balancer leads after it.
	receiver := receiverToken(t, db.SQL, of)
	numbers := make(chan int64, 1000)
	ends := make(chan error, 10)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		last := int64(0)
		for target := first; ctx.Err() == nil; target = f.pick() {
			var err error
			last, err = follow(ctx, target, receiver, last, numbers)
			ends <- err
		}
		close(ends)
	}()
	const told = 12
	worker := &client{load: &load{t: t, fleet: f, of: of}, http: &http.Client{}}
	for n := range told {
		worker.ask("POST", "/v1/manage-assignments", object{
			"selection": object{"type": "people", "person_ids": []uuid.UUID{of.People[n]}},
			"change":    object{"type": "add", "staff_ids": []uuid.UUID{of.Staff[5]}, "task_policy": "keep"},
		}, 200)
		if n == told/2 {
			first.signal()
		}
		time.Sleep(200 * time.Millisecond)
	}
	var got []int64
	for len(got) < told {
		select {
		case number := <-numbers:
			got = append(got, number)
		case <-time.After(20 * time.Second):
			t.Fatalf("came: %v", got)
		}
	}
	for i, number := range got {
		if number != got[0]+int64(i) {
			t.Errorf("came: %v", got)
			break
		}
	}
	if err := <-ends; err != nil {
		t.Errorf("the stream did not end whole: %v", err)
	}
	stop()
	first.wait()
}

// receiverToken is a token of the sixth member of staff.
func receiverToken(t testing.TB, db *sqlx.DB, of *seed.Organization) string {
	t.Helper()
	token := app.NewTokenText()
	if _, err := db.ExecContext(t.Context(), `
		INSERT INTO api_tokens (organization_id, id, staff_id, name, secret_hash, scopes, created_at)
		SELECT organization_id, $3, $2, 'Follows', $4, scopes, now() FROM api_tokens WHERE organization_id = $1 LIMIT 1`,
		of.ID, of.Staff[5], uuid.Must(uuid.NewV7()), app.TokenHash(token)); err != nil {
		t.Fatal(err)
	}
	return token
}

// follow reads a stream until it ends, and gives the number of the last that came. err is nil where it ended whole.
func follow(ctx context.Context, p *process, token string, after int64, numbers chan<- int64) (last int64, err error) {
	last = after
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/v1/notifications/stream", nil)
	if err != nil {
		return last, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Last-Event-ID", strconv.FormatInt(after, 10))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return last, err
	}
	defer func() { _ = response.Body.Close() }() // read to its end
	scanner := bufio.NewScanner(response.Body)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if text, found := strings.CutPrefix(scanner.Text(), "id: "); found {
			if last, err = strconv.ParseInt(text, 10, 64); err != nil {
				return last, err
			}
			numbers <- last
		}
	}
	return last, scanner.Err()
}

// A run that is at work when its process is asked to end is finished by it, or else taken over at once by another one.
func TestRunsAtWorkAtSIGTERM(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		environment []string
		brokenOff   bool
	}{
		"it is finished within the time there is":          {[]string{"HANDOVER_DRAIN_DELAY=0s"}, false},
		"it is broken off, and another takes it over soon": {[]string{"HANDOVER_DRAIN_DELAY=0s", "HANDOVER_DRAIN_TIMEOUT=1s"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, db := binary(t, newest), testdb.New(t)
			of := organization(t, db.SQL, 200)
			first := serve(t, program, db.URL, test.environment...)
			// Somebody holds one of the people, so that the run is at work for as long as the test wants.
			tx, err := db.SQL.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(`SELECT FROM people WHERE organization_id = $1 AND id = $2 FOR UPDATE`, of.ID, of.People[100]); err != nil {
				t.Fatal(err)
			}
			f := &fleet{}
			f.set(first, true)
			asking := &client{load: &load{t: t, fleet: f, of: of}, http: &http.Client{}}
			var run struct{ ID string }
			text := asking.ask("POST", "/v1/manage-assignments", object{
				"selection": object{"type": "people", "person_ids": of.People},
				"change":    object{"type": "replace", "staff_ids": []uuid.UUID{of.Staff[3]}, "task_policy": "reassign_all", "task_scope": "all"},
			}, 202, "Prefer", "respond-async")
			if err := json.Unmarshal(text, &run); err != nil {
				t.Fatal(err)
			}
			waitsForLock(t, db.SQL)
			second := serve(t, program, db.URL)
			first.signal()
			if test.brokenOff {
				first.wait()
			} else {
				time.Sleep(time.Second)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			released := time.Now()
			for status := ""; status != "succeeded"; time.Sleep(20 * time.Millisecond) {
				status = get[struct{ Status string }](t, second, of, "/v1/runs/"+run.ID).Status
				if status == "failed" || time.Since(released) > 5*time.Second {
					t.Fatalf("it is %s %s after it could be finished", status, time.Since(released))
				}
			}
			t.Logf("it was finished %s after it could be", time.Since(released).Round(time.Millisecond))
			if !test.brokenOff {
				first.wait()
			}
			if text := first.log.text(); strings.Contains(text, "left to another worker") != test.brokenOff || strings.Contains(text, "will be tried again") {
				t.Errorf("the log says\n%s", text)
			}
			var changes int
			if err := db.SQL.Get(&changes, `SELECT count(*) FROM run_items WHERE organization_id = $1 AND run_id = $2 AND kind = 'person'`, of.ID, run.ID); err != nil || changes != len(of.People) {
				t.Errorf("%d people were changed: %v", changes, err)
			}
		})
	}
}

func waitsForLock(t testing.TB, db *sqlx.DB) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		var n int
		if err := db.Get(&n, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	t.Fatal("the run is not at work")
}
