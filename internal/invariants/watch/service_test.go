package watch_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"handover/internal/app"
	"handover/internal/httpapi"
	"handover/internal/invariants/seed"
	"handover/internal/invariants/watch"
	"handover/internal/postgres"
	"handover/internal/testdb"
	"handover/internal/worker"
)

func TestMain(m *testing.M) { testdb.Main(m) }

type object = map[string]any

// service is the program on a database of its own, whose statements are watched. Its connections are apart from those of
// the test, and it has no worker.
type service struct {
	url   string
	db    *sqlx.DB
	app   *app.App
	watch *watch.Watch
	org   *seed.Organization
}

func start(t testing.TB, size seed.Size) *service {
	t.Helper()
	db := testdb.New(t)
	org, err := seed.New(t.Context(), db.SQL, size)
	if err != nil {
		t.Fatal(err)
	}
	// That a token was used is noted once a minute, which would be counted now and then.
	if _, err := db.SQL.ExecContext(t.Context(), `UPDATE api_tokens SET last_used_at = now() + interval '1 day'`); err != nil {
		t.Fatal(err)
	}
	watched, eye, err := watch.Open(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = watched.Close() })
	s := serve(t, watched)
	s.db, s.watch, s.org = db.SQL, eye, org
	return s
}

func serve(t testing.TB, db *sqlx.DB) *service {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	queue, err := worker.NewQueue(db.DB, log)
	if err != nil {
		t.Fatal(err)
	}
	application := app.New(postgres.NewStore(db, true), queue, time.Now, log)
	server := httptest.NewServer(httpapi.New(application, httpapi.Options{Log: log}))
	t.Cleanup(server.Close)
	return &service{url: server.URL, app: application}
}

// call sends a request that must succeed, and reads its answer into one of JSON.
func (s *service) call(t testing.TB, method, path string, body any, answer any, headers ...string) {
	t.Helper()
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.org.Token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		t.Fatalf("%s %s answered %d: %v %s", method, path, response.StatusCode, err, text)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(text, answer); err != nil {
		t.Fatal(err)
	}
}

// run is a run as the contract has it.
type run struct {
	ID     uuid.UUID      `json:"id"`
	Status string         `json:"status"`
	Totals map[string]any `json:"totals"`
}

func (r run) total(name string) int {
	count, _ := r.Totals[name].(float64)
	return int(count)
}

func query(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return "?" + values.Encode()
}
