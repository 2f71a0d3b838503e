package acceptance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"handover/api"
	"handover/internal/app"
	"handover/internal/httpapi"
	"handover/internal/openid"
	"handover/internal/postgres"
	"handover/internal/telemetry"
	"handover/internal/testdb"
	"handover/internal/worker"
)

// recordedLog keeps all that is logged, at every level.
type recordedLog struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (l *recordedLog) Write(line []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.Write(line)
}

func (l *recordedLog) String() string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.String()
}

// ExportSpans writes what is traced beside what is logged: nothing secret may be in either.
func (l *recordedLog) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, span := range tracetest.SpanStubsFromReadOnlySpans(spans) {
		text, err := json.Marshal(map[string]any{
			"span": span.Name, "attributes": span.Attributes, "status": span.Status, "events": span.Events, "kind": span.SpanKind.String(),
			"trace": span.SpanContext.TraceID(), "id": span.SpanContext.SpanID(), "parent": span.Parent.SpanID(), "links": span.Links,
		})
		if err != nil {
			return err
		}
		if _, err := l.Write(append(text, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// Shutdown ends the trace.
func (*recordedLog) Shutdown(context.Context) error { return nil }

// startRecorded runs a service that logs and traces everything into a recordedLog.
func startRecorded(t *testing.T, issuers ...openid.Issuer) (*service, *recordedLog) {
	t.Helper()
	db, record := testdb.New(t), &recordedLog{}
	log := slog.New(telemetry.LogHandler(slog.NewJSONHandler(record, &slog.HandlerOptions{Level: slog.LevelDebug - 4})))
	tracer, registry := sdktrace.NewTracerProvider(sdktrace.WithSyncer(record)), prometheus.NewRegistry()
	queue, err := worker.NewQueue(db.SQL.DB, log)
	if err != nil {
		t.Fatal(err)
	}
	application := app.New(postgres.NewStore(db.SQL, true), queue, time.Now, log)
	application.ConnectCaseSystem(knownCases{}, knownSignature)
	application.TrustIssuers(openid.New(openid.Options{Issuers: issuers, Log: log, Pause: readsApart}))
	t.Cleanup(application.FinishNoting)
	registry.MustRegister(application.Metrics(), worker.NewBacklog(postgres.NewStore(db.SQL, false).Backlog))
	background, err := worker.Start(t.Context(), db.SQL.DB, application, nil, log, worker.TraceTo(tracer), worker.CountIn(registry))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(httpapi.New(application, httpapi.Options{Log: log, Tracer: tracer, Registry: registry}))
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		if err := background.Stop(t.Context()); err != nil {
			t.Logf("stop worker: %v", err)
		}
	})
	return &service{URL: server.URL, DB: db, app: application}, record
}

// forms are the forms in which a secret may be found: in clear, without its ends, and as bytes in hexadecimal or base 64.
func forms(secret string) []string {
	core := strings.TrimPrefix(secret, "hnd_")
	return []string{
		core, core[:20], core[len(core)-20:], hex.EncodeToString([]byte(core)), hex.EncodeToString([]byte(core[:20])),
		base64.StdEncoding.EncodeToString([]byte(core))[:24], base64.StdEncoding.EncodeToString([]byte("hnd_" + core))[:24],
	}
}

// Tokens are shown once, to who made them, and are found nowhere afterwards: not in logs, problems, the trail, runs, the
// metrics, or any table.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	issuing := newKey(t, "1", jose.ES256)
	i := startIssuer(t, issuing)
	trusted := everywhere()
	trusted.Issuer = i.URL
	s, log := startRecorded(t, trusted)
	a := s.furnished(t, "Aldermoor")

	// Tokens that were made in each way there is.
	secrets := map[string]string{"of the administrator": a.Admin.Token, "of a member": a.staff.Token, "that nobody has": app.NewTokenText()}
	create := func(name string, headers ...string) answer {
		got := s.ask(t, a.Admin.Token, "createApiToken", withBody(object{"name": name, "scopes": []string{"admin", "read", "assignments"}}).with(headers...)).must(201)
		secrets[name] = decode[api.CreatedAPIToken](got).Token
		return got
	}
	create("plain")
	create("keyed", "Idempotency-Key", "secret-1")
	if again := create("keyed", "Idempotency-Key", "secret-1"); again.Header.Get("Idempotency-Replayed") != "true" {
		t.Error("the second answer is not the stored one")
	}
	organization, err := s.app.CreateOrganization(t.Context(), app.NewOrganization{Name: "Third", TimeZone: "Europe/Berlin", AdminEmail: "third@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	secrets["of the command line"] = organization.Token
	if secrets["issued"], err = s.app.IssueToken(t.Context(), organization.Organization.ID, "third@example.org"); err != nil {
		t.Fatal(err)
	}
	address := decode[api.Me](a.get(a.Admin, "/v1/me").must(200)).Staff.Email
	// JWTs, of which nothing is kept at all: one that lets somebody in, and some that do not.
	for name, claims := range map[string]object{
		"good": {}, "expired": {"exp": 1}, "for others": {"aud": "others"}, "of another issuer": {"iss": "https://elsewhere.example.org"}, "of nobody": {"sub": "nobody", "email": "nobody@example.org"},
	} {
		secrets["JWT "+name] = issuing.token(t, i.claims("a subject", address, claims))
	}
	secrets["JWT of no issuer's key"] = newKey(t, "1", jose.ES256).token(t, i.claims("a subject", address, nil))
	s.call(t, secrets["JWT good"], "GET", "/v1/me", nil).must(200)
	revoked := a.ended("revoked_at")
	secrets["revoked"], secrets["expired"] = revoked, a.ended("expires_at")

	// They come as credentials of requests that succeed, that are refused, and that fail, and in places where they do not belong.
	var answers []string
	keep := func(got answer) answer {
		header, _ := json.Marshal(got.Header)
		answers = append(answers, string(header), string(got.Body))
		return got
	}
	for _, secret := range secrets {
		for _, operationID := range operationIDs() {
			if op := operations()[operationID]; op.Method == "GET" && strings.HasPrefix(op.Path, "/v1") {
				keep(s.ask(t, secret, operationID, a.requestOf(operationID)))
			}
		}
		for _, scheme := range []string{"Basic ", "bearer ", "Bearer  ", "Token ", "", "Bearer x "} {
			request := newRequest(t, s.URL, "", "GET", "/v1/me", nil, []header{{"Authorization", scheme + secret}})
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}
		keep(s.call(t, secret[:len(secret)-1], "GET", "/v1/me", nil)) // mistyped
		for _, misplaced := range []struct{ method, path, body string }{
			{"GET", "/v1/me?token=" + secret, ""},
			{"GET", "/v1/people?q=" + secret, ""},
			{"GET", "/v1/people?cursor=" + secret, ""},
			{"POST", "/v1/tasks", secret},
			{"POST", "/v1/tasks", `{"title":"` + secret},
			{"POST", "/v1/manage-assignments", `{"token":"` + secret + `"}`},
			{"GET", "/v1/people/" + secret, ""},
			{"GET", "/" + secret, ""},
		} {
			var body any
			if misplaced.body != "" {
				body = misplaced.body
			}
			got := s.call(t, secret, misplaced.method, misplaced.path, body, header{"Cookie", "session=" + secret}, header{"X-Request-Id", "request " + secret})
			answers = append(answers, string(got.Body))
		}
	}
	secret := secrets["plain"]
	keep(s.ask(t, secret, "manageAssignments", withBody(wishOf(people(a.person("client")), change("assign", object{"staff_ids": idsOf(a.spare)}))).with("Idempotency-Key", "secret-run"))).must(200)
	queued := keep(s.ask(t, secret, "manageAssignments", withBody(wishOf(people(a.person("client")), change("assign", object{"staff_ids": idsOf(a.spare)}))).with("Prefer", "respond-async"))).must(202)
	eventually(t, "the queued run ends", func() bool {
		return decode[api.Run](keep(s.call(t, secret, "GET", queued.Header.Get("Location"), nil))).Status == "succeeded"
	})
	keep(s.ask(t, secret, "revokeApiToken", inPath("token_id", a.ids(`SELECT id FROM api_tokens WHERE name = 'plain'`)[0].String()).with("If-Match", "*"))).must(204)
	s.fails(t, a.Admin.Token, keep)
	keep(s.ask(t, a.Admin.Token, "listAuditEvents", inQuery("limit", "200"))).must(200)
	keep(s.ask(t, a.Admin.Token, "listApiTokens", inQuery("limit", "200"))).must(200)
	keep(s.ask(t, "", "getMetrics", ask{})).must(200)

	logged, dump := log.String(), s.dump(t)
	if lines, spans := strings.Count(logged, `"msg":"request"`), strings.Count(logged, `"span":`); lines < 300 || spans < 3*lines {
		t.Fatalf("only %d requests are logged, with %d spans", lines, spans)
	}
	for name, secret := range secrets {
		sum := sha256.Sum256([]byte(secret))
		if hash := hex.EncodeToString(sum[:]); !strings.Contains(dump, hash) && name != "that nobody has" && !strings.HasPrefix(name, "JWT") {
			t.Errorf("the dump does not hold even the hash of the token %s, so that it tells nothing", name)
		} else if strings.Contains(logged, hash) || slices.ContainsFunc(answers, func(text string) bool { return strings.Contains(text, hash) }) {
			t.Errorf("the hash of the token %s is told", name)
		}
		for _, form := range forms(secret) {
			if at := strings.Index(logged, form); at >= 0 {
				t.Errorf("the token %s is in the log: %s", name, logged[max(0, at-300):at])
			}
			if at := strings.Index(dump, form); at >= 0 {
				t.Errorf("the token %s is in a table: %s", name, dump[max(0, at-300):at])
			}
			for _, text := range answers {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("the token %s is in an answer: %s", name, text[:at])
				}
			}
		}
	}
}

// fails asks for what cannot work: a table is missing. What the database says of it is for the log alone.
func (s *service) fails(t *testing.T, token string, keep func(answer) answer) {
	t.Helper()
	for _, statement := range []string{`ALTER TABLE intake_template_tasks RENAME TO gone`, `ALTER TABLE gone RENAME TO intake_template_tasks`} {
		if _, err := s.DB.SQL.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(statement, "gone") {
			got := keep(s.ask(t, token, "getIntakeTemplate", ask{}))
			problem := got.problem(500, "internal_error")
			for _, internal := range []string{"intake_template_tasks", "pq:", "SELECT", "relation", ".go"} {
				if strings.Contains(string(got.Body), internal) {
					t.Errorf("an internal text is told: %s", problem.Detail)
				}
			}
		}
	}
}

// dump is every row of every table as text, River's included. Bytes are in hexadecimal.
func (s *service) dump(t *testing.T) string {
	t.Helper()
	var tables []string
	if err := s.DB.SQL.SelectContext(t.Context(), &tables, `
		SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')`); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, table := range tables {
		var rows []string
		if err := s.DB.SQL.SelectContext(t.Context(), &rows, fmt.Sprintf(`SELECT '%[1]s ' || r::text FROM %[1]s r`, table)); err != nil {
			t.Fatal(err)
		}
		text.WriteString(strings.Join(rows, "\n"))
	}
	return text.String()
}

// Whoever has no valid credential is told one and the same, whatever is wrong with it.
func TestConstantAnswersForBadCredentials(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	a := s.furnished(t, "Aldermoor")
	a.deactivate(a.spare)
	mistyped := a.Admin.Token[:len(a.Admin.Token)-1] + "?"
	answers := map[string][]string{}
	for name, token := range map[string]string{
		"unknown": app.NewTokenText(), "revoked": a.ended("revoked_at"), "expired": a.ended("expires_at"), "deactivated": a.spare.Token, "mistyped": mistyped,
		"short": "hnd_", "long": strings.Repeat("a", 5000), "an id": uuid.NewString(), "a JWT": "eyJhbGciOiJub25lIn0.e30.", "in capitals": strings.ToUpper(a.Admin.Token), "with a space": a.Admin.Token + " x",
	} {
		for _, operationID := range []string{"getMe", "listPeople", "createApiToken", "manageAssignments"} {
			got := s.ask(t, token, operationID, a.requestOf(operationID))
			problem := got.problem(401, "unauthenticated")
			problem.RequestID = ""
			text, _ := json.Marshal(problem)
			told := string(text) + got.Header.Get("WWW-Authenticate")
			if known := answers[operationID]; len(known) > 0 && known[0] != told {
				t.Errorf("%s: %s is told from others: %s, not %s", operationID, name, told, known[0])
			}
			answers[operationID] = append(answers[operationID], told)
		}
	}
}
