// Package acceptance holds the tests of the rules: each through real HTTP on a real PostgreSQL, every answer held
// against the contract.
package acceptance

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"handover/api"
	"handover/internal/app"
	"handover/internal/httpapi"
	"handover/internal/openid"
	"handover/internal/postgres"
	"handover/internal/testcontract"
	"handover/internal/testdb"
	"handover/internal/worker"
)

func TestMain(m *testing.M) { testdb.Main(m, removeSimulator) }

// service is the whole program on a database of its own, but for the command line.
type service struct {
	URL     string
	DB      *testdb.DB
	app     *app.App
	issuers *openid.Issuers // nil: it trusts none
	checked sync.Once       // rule has seen to it that the invariants are checked
}

// serviceOption changes how a service is started.
type serviceOption func(*serviceOptions)

type serviceOptions struct {
	worker  bool
	now     func() time.Time
	mailer  app.Mailer // nil: mails stay where they are
	cases   app.CaseSystem
	signed  app.WebhookCheck // what the case system sends
	pulls   []worker.Option
	http    httpapi.Options
	limits  postgres.Limits
	trusts  []openid.Issuer
	issuer  *openid.Issuers // of those trusted, once the service has started
	headers time.Duration   // what http.Server has for the whole request; zero: any time

	db      *testdb.DB        // nil: one of its own
	replica *postgres.Replica // nil: there is none
}

// within sets how long things may take.
func within(times httpapi.Times, limits postgres.Limits) serviceOption {
	return func(o *serviceOptions) { o.http.Times, o.limits = times, limits }
}

// withoutWorker leaves queued runs where they are.
func withoutWorker(o *serviceOptions) { o.worker = false }

// at sets the clock.
func at(instant time.Time) serviceOption {
	return func(o *serviceOptions) { o.now = func() time.Time { return instant } }
}

// cursorKey seals cursors and positions.
var cursorKey = bytes.Repeat([]byte{7}, 32)

// on has the service use a database that is there.
func on(db *testdb.DB) serviceOption { return func(o *serviceOptions) { o.db = db } }

// reading has the service read from a replica.
func reading(replica *postgres.Replica) serviceOption {
	return func(o *serviceOptions) { o.replica = replica }
}

// start runs a service until the test ends.
func start(t testing.TB, options ...serviceOption) *service {
	t.Helper()
	chosen := serviceOptions{worker: true, now: time.Now, cases: knownCases{}, signed: knownSignature, limits: postgres.UsualLimits}
	for _, option := range options {
		option(&chosen)
	}
	db := chosen.db
	if db == nil {
		db = testdb.New(t)
	}
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	queue, err := worker.NewQueue(db.SQL.DB, log)
	if err != nil {
		t.Fatal(err)
	}
	store := postgres.NewStore(db.SQL, true)
	store.Bound(chosen.limits)
	store.UseReplica(chosen.replica)
	application := app.New(store, queue, chosen.now, log)
	application.ConnectCaseSystem(chosen.cases, chosen.signed)
	if len(chosen.trusts) > 0 {
		chosen.issuer = openid.New(openid.Options{Issuers: chosen.trusts, Log: log, Now: chosen.now, Pause: readsApart})
		application.TrustIssuers(chosen.issuer)
	}
	t.Cleanup(application.FinishNoting) // after the last request
	chosen.http.Log, chosen.http.Now, chosen.http.CursorKey = log, chosen.now, cursorKey
	server := httptest.NewUnstartedServer(httpapi.New(application, chosen.http))
	server.Config.ReadHeaderTimeout, server.Config.ReadTimeout = chosen.headers, chosen.headers
	if err := application.GiveAccess(accessAt("http://" + server.Listener.Addr().String())); err != nil {
		t.Fatal(err)
	}
	if chosen.worker {
		background, err := worker.Start(t.Context(), db.SQL.DB, application, chosen.mailer, log, chosen.pulls...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := background.Stop(t.Context()); err != nil {
				t.Logf("stop worker: %v", err)
			}
		})
	}
	server.Start()
	t.Cleanup(server.Close)
	return &service{URL: server.URL, DB: db, app: application, issuers: chosen.issuer}
}

type testLog struct{ t testing.TB }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Logf("%s", bytes.TrimSpace(line))
	return len(line), nil
}

// answer is what a request got.
type answer struct {
	t      testing.TB
	Status int
	Header http.Header
	Body   []byte
}

// header is a request header, given to call as an extra argument.
type header struct{ name, value string }

// call sends a request and holds the answer against the contract. body may be nil, a string sent as it is, or anything
// that becomes JSON.
func (s *service) call(t testing.TB, token, method, path string, body any, headers ...header) answer {
	t.Helper()
	request := newRequest(t, s.URL, token, method, path, body, headers)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	var text []byte
	if !isStream(response.Header) {
		if text, err = io.ReadAll(response.Body); err != nil {
			t.Fatalf("%s %s: read answer: %v", method, path, err)
		}
	}
	got := answer{t: t, Status: response.StatusCode, Header: response.Header, Body: text}
	checkAgainstContract(t, request, got)
	return got
}

// isStream tells of an answer that has no end: it is left as soon as it has begun.
func isStream(headers http.Header) bool {
	return strings.HasPrefix(headers.Get("Content-Type"), "text/event-stream")
}

func newRequest(t testing.TB, base, token, method, path string, body any, headers []header) *http.Request {
	t.Helper()
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, base+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	if reader != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for _, h := range headers {
		request.Header.Set(h.name, h.value)
	}
	return request
}

// must fails the test unless the status is the one wanted.
func (a answer) must(status int) answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("got status %d, want %d: %s", a.Status, status, a.Body)
	}
	return a
}

// problem fails the test unless the answer is a problem document of this status and code.
func (a answer) problem(status int, code string) api.Problem {
	a.t.Helper()
	a.must(status)
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Fatalf("got content type %q of a problem: %s", got, a.Body)
	}
	problem := decode[api.Problem](a)
	if problem.Code != code {
		a.t.Fatalf("got code %q, want %q: %s", problem.Code, code, a.Body)
	}
	if problem.RequestID == "" || problem.RequestID != a.Header.Get("X-Request-Id") {
		a.t.Fatalf("the problem's request id %q is not that of the answer %q", problem.RequestID, a.Header.Get("X-Request-Id"))
	}
	return problem
}

// decode reads an answer's body.
func decode[T any](a answer) T {
	a.t.Helper()
	var value T
	if err := json.Unmarshal(a.Body, &value); err != nil {
		a.t.Fatalf("read answer: %v: %s", err, a.Body)
	}
	return value
}

// checkAgainstContract fails the test when an answer is not one that the contract declares: its status, headers and body.
func checkAgainstContract(t testing.TB, request *http.Request, got answer) {
	t.Helper()
	if err := testcontract.Check(request, got.Status, got.Header, got.Body); err != nil {
		t.Error(err)
	}
}
