package scaled_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"

	"handover/internal/app"
	"handover/internal/invariants"
	"handover/internal/invariants/seed"
	"handover/internal/scaled"
	"handover/internal/schema"
)

// binary is the program as it is shipped, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "handover-scaled")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(folder, "handover")
	if output, err := exec.CommandContext(context.Background(), "go", "build", "-o", binary, "../../cmd/handover").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, output)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// place is a folder that every account can pass through.
func place(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for parent := folder; parent != os.TempDir(); parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o711); err != nil { //nolint:gosec // to be passed through
			t.Fatal(err)
		}
	}
	return folder
}

// world is a primary behind a PgBouncer, and the service on it.
type world struct {
	t       *testing.T
	db      *sqlx.DB // as the owner, past the pooler
	pooler  *scaled.Pooler
	service *scaled.Service
}

func newWorld(t *testing.T) *world {
	t.Helper()
	folder := place(t)
	primary, err := scaled.Primary(t.Context(), filepath.Join(folder, "primary"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = primary.Stop(context.Background()) })
	if err := schema.Up(t.Context(), primary.URL()); err != nil {
		t.Fatal(err)
	}
	pooler, err := scaled.StartPooler(t.Context(), folder, primary.URL(), "")
	if errors.Is(err, scaled.ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skipf("not tested here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pooler.Kill)
	db, err := sqlx.Open("postgres", primary.URL()+"&application_name=test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	variables := scaled.Environment{Pooler: pooler, Direct: primary.URL()}.Variables()
	return &world{t: t, db: db, pooler: pooler, service: &scaled.Service{Binary: binary, Folder: folder, Environment: variables}}
}

// api starts an API and gives its address.
func (w *world) api(name string) string {
	w.t.Helper()
	address, err := scaled.Address()
	if err != nil {
		w.t.Fatal(err)
	}
	process, err := w.service.API(w.t.Context(), name, address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.cleanUp(process)
	return "http://" + address
}

func (w *world) worker(name string) {
	w.t.Helper()
	process, err := w.service.Worker(name)
	if err != nil {
		w.t.Fatal(err)
	}
	w.cleanUp(process)
}

func (w *world) cleanUp(process *scaled.Process) {
	w.t.Cleanup(func() {
		process.Kill()
		if text, err := os.ReadFile(process.Log()); err == nil && w.t.Failed() {
			w.t.Logf("%s:\n%s", process.Name, text)
		}
	})
}

func (w *world) organization(people int) *seed.Organization {
	w.t.Helper()
	made, err := seed.New(w.t.Context(), w.db, seed.Size{People: people, Staff: 5, Matters: 4})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

type object map[string]any

// call sends a request and reads the answer into a value, if one is given.
func call(t testing.TB, token, method, url string, body any, want int, into any, headers ...string) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if body == nil {
		text = nil
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != want {
		t.Fatalf("%s %s is answered %d, want %d: %.300s", method, url, response.StatusCode, want, read)
	}
	if into != nil {
		if err := json.Unmarshal(read, into); err != nil {
			t.Fatalf("%v: %.300s", err, read)
		}
	}
}

type run struct {
	ID     uuid.UUID `json:"id"`
	Status string    `json:"status"`
}

func replacing(people []uuid.UUID, staff uuid.UUID) object {
	return object{
		"selection": object{"type": "people", "person_ids": people},
		"change":    object{"type": "replace", "staff_ids": []uuid.UUID{staff}, "task_policy": "reassign_all", "task_scope": "all"},
	}
}

func eventually(t testing.TB, within time.Duration, what string, check func() bool) {
	t.Helper()
	for began := time.Now(); !check(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > within {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// Through PgBouncer in transaction mode everything works as without: changes at once of several organizations, whose connections
// alternate, runs that are left to a worker in another process, lists and reports, and a caller who repeats.
func TestThroughPooler(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, other := w.organization(120), w.organization(120)
	before, err := invariants.Take(t.Context(), w.db)
	if err != nil {
		t.Fatal(err)
	}
	base := w.api("api")
	w.worker("worker")

	t.Run("connections alternate between organizations, and nobody sees anything of another", func(t *testing.T) {
		var callers sync.WaitGroup
		for n, tenant := range []*seed.Organization{one, other, one, other, one, other} {
			callers.Go(func() {
				own := tenant.People[n/2*40 : n/2*40+40]
				for round := range 15 {
					to := tenant.Staff[1+round%4]
					some := own[round : round+10]
					call(t, tenant.Token, "POST", base+"/v1/manage-assignments", replacing(some, to), 200, nil, "Idempotency-Key", uuid.NewString())
					var page struct {
						Items []struct {
							ID    uuid.UUID `json:"id"`
							Staff []struct {
								ID uuid.UUID `json:"id"`
							} `json:"staff"`
						} `json:"items"`
						Total int `json:"total"`
					}
					call(t, tenant.Token, "GET", base+"/v1/people?limit=200&include_total=true", nil, 200, &page)
					if page.Total != len(tenant.People) {
						t.Errorf("%d people are listed of %d", page.Total, len(tenant.People))
					}
					found := map[uuid.UUID]uuid.UUID{}
					for _, person := range page.Items {
						found[person.ID] = person.Staff[0].ID
					}
					for _, person := range some {
						if found[person] != to {
							t.Errorf("person %s was moved to %s and is with %s", person, to, found[person])
						}
					}
				}
			})
		}
		callers.Wait()
	})

	t.Run("a run that is left to a worker of another process, its items and its reports", func(t *testing.T) {
		var made run
		key := uuid.NewString()
		call(t, one.Token, "POST", base+"/v1/manage-assignments", replacing(one.People, one.Staff[2]), 202, &made, "Idempotency-Key", key, "Prefer", "respond-async")
		call(t, one.Token, "GET", base+"/v1/runs/"+made.ID.String(), nil, 200, &made, "Prefer", "wait=30")
		if made.Status != "succeeded" {
			t.Fatalf("the run is %s", made.Status)
		}
		var again run
		call(t, one.Token, "POST", base+"/v1/manage-assignments", replacing(one.People, one.Staff[2]), 202, &again, "Idempotency-Key", key, "Prefer", "respond-async")
		if again.ID != made.ID {
			t.Errorf("repeating the request made run %s", again.ID)
		}
		var report struct {
			Items []any `json:"items"`
		}
		call(t, one.Token, "GET", base+"/v1/runs/"+made.ID.String()+"/report.json", nil, 200, &report)
		if len(report.Items) < len(one.People) {
			t.Errorf("the report has %d items", len(report.Items))
		}
		call(t, other.Token, "GET", base+"/v1/runs/"+made.ID.String(), nil, 404, nil)
	})

	t.Run("connections of the pooler keep nothing of a transaction", func(t *testing.T) {
		direct, err := sqlx.Open("postgres", w.pooler.URL+"&binary_parameters=yes")
		if err != nil {
			t.Fatal(err)
		}
		defer direct.Close()
		for range 50 {
			var role, organization string
			if err := direct.QueryRowContext(t.Context(), `SELECT current_user, coalesce(current_setting('handover.organization_id', true), '')`).Scan(&role, &organization); err != nil {
				t.Fatal(err)
			}
			if role != "handover" || organization != "" {
				t.Fatalf("a connection is that of %s and of the organization %q", role, organization)
			}
		}
	})

	found, err := invariants.Check(t.Context(), w.db, invariants.Options{Before: before, Changed: []uuid.UUID{one.ID, other.ID}})
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range found {
		t.Error(violation)
	}
}

// stream is a staff member's notifications as an API tells them.
type stream struct{ told chan int64 }

func (w *world) follow(base, token string) *stream {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, base+"/v1/notifications/stream", http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		w.t.Fatalf("the stream is answered %d", response.StatusCode)
	}
	s := &stream{told: make(chan int64, 100)}
	go func() {
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if text, is := strings.CutPrefix(lines.Text(), "id: "); is {
				number, _ := strconv.ParseInt(text, 10, 64)
				s.told <- number
			}
		}
		close(s.told)
	}()
	return s
}

// next is how long the next notification took to come.
func (s *stream) next(t testing.TB, since time.Time, number int64) time.Duration {
	t.Helper()
	select {
	case told, open := <-s.told:
		if !open || told != number {
			t.Fatalf("got notification %d (%t), want %d", told, open, number)
		}
		return time.Since(since)
	case <-time.After(20 * time.Second):
		t.Fatalf("notification %d was not told", number)
	}
	return 0
}

// A stream tells what a run in another process brought, through a pooler: at once where announcements are heard, and later, but all the same, where
// the connection that hears them is lost.
func TestStreamOfAnotherProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tenant := w.organization(40)
	receiver := tenant.Staff[3]
	token := app.NewTokenText()
	if _, err := w.db.ExecContext(t.Context(), `INSERT INTO api_tokens (organization_id, id, staff_id, name, secret_hash, created_at) VALUES ($1, $2, $3, 'test', $4, now())`,
		tenant.ID, uuid.Must(uuid.NewV7()), receiver, app.TokenHash(token)); err != nil {
		t.Fatal(err)
	}
	asked, follows := w.api("asked"), w.api("follows")
	w.worker("worker")
	s := w.follow(follows, token)
	number := int64(0)
	// tell has a worker hand somebody over, and gives the moment when its commit could be seen.
	tell := func() time.Time {
		number++
		var made run
		call(t, tenant.Token, "POST", asked+"/v1/manage-assignments", replacing(tenant.People[number:number+1], receiver), 202, &made, "Prefer", "respond-async")
		for {
			var is struct {
				Last int64 `db:"last_number"`
			}
			if err := w.db.GetContext(t.Context(), &is, `SELECT coalesce(max(last_number), 0) AS last_number FROM notification_counters WHERE organization_id = $1 AND staff_id = $2`, tenant.ID, receiver); err != nil {
				t.Fatal(err)
			}
			if is.Last >= number {
				return time.Now()
			}
			time.Sleep(time.Millisecond)
		}
	}
	listeners := func() (pids []int) {
		if err := w.db.SelectContext(t.Context(), &pids, `SELECT pid FROM pg_stat_activity WHERE query ILIKE 'LISTEN%' AND pid <> pg_backend_pid()`); err != nil {
			t.Fatal(err)
		}
		return pids
	}

	eventually(t, 10*time.Second, "both APIs listen", func() bool { return len(listeners()) == 2 })
	time.Sleep(500 * time.Millisecond) // until they have heard themselves
	s.next(t, tell(), number)          // the first may have been found by looking

	var slowest time.Duration
	for range 5 {
		slowest = max(slowest, s.next(t, tell(), number))
	}
	t.Logf("announced: at most %s after the commit", slowest.Round(time.Millisecond))
	if slowest > 2*time.Second { // without announcements they would look every five seconds
		t.Errorf("an announced notification came %s after its commit", slowest)
	}

	for range 3 {
		if _, err := w.db.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%' AND pid <> pg_backend_pid()`); err != nil {
			t.Fatal(err)
		}
		late := s.next(t, tell(), number)
		t.Logf("with the listener's connection cut: %s after the commit", late.Round(time.Millisecond))
	}
	eventually(t, 20*time.Second, "both APIs listen again", func() bool { return len(listeners()) == 2 })
	s.next(t, tell(), number)
}
