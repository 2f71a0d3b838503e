package main_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"go.yaml.in/yaml/v3"

	"handover/internal/testdb"
)

// watched is a process that can be watched, beside its public address.
type watched struct {
	*exec.Cmd
	address, metrics, profiles string
	logged                     *lockedText
}

type lockedText struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (l *lockedText) Write(text []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.Write(text)
}

func (l *lockedText) String() string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.String()
}

// watch starts a command with both private addresses, and waits until it is ready.
func watch(t *testing.T, database string, environment []string, args ...string) *watched {
	t.Helper()
	w := &watched{Cmd: exec.CommandContext(t.Context(), binary, append(args, "--metrics-addr", "127.0.0.1:0", "--debug-addr", "127.0.0.1:0")...), logged: &lockedText{}}
	w.Env, w.Dir, w.Stderr = append(append(os.Environ(), "DATABASE_URL="+database), environment...), t.TempDir(), w.logged
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Process.Kill() }) // mostly ended already
	inTime(t, "the process is ready", func() bool {
		text := w.logged.String()
		return strings.Contains(text, `"msg":"ready"`) || strings.Contains(text, `"msg":"working"`)
	})
	for line := range strings.Lines(w.logged.String()) {
		said := decode[map[string]any](t, line)
		address := fmt.Sprint("http://", said["address"])
		switch {
		case said["msg"] == "ready":
			w.address = address
		case said["msg"] == "watched at" && said["profiles"] == true:
			w.profiles = address
		case said["msg"] == "watched at":
			w.metrics = address
		}
	}
	return w
}

func inTime(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !happened(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen in time: %s", what)
		}
	}
}

// ended waits for the end after SIGTERM.
func (w *watched) ended(t *testing.T) {
	t.Helper()
	if err := w.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := w.Wait(); err != nil {
		t.Errorf("ended with %v: %s", err, w.logged)
	}
}

// seenAt gets something; status 0: nobody answered.
func seenAt(t *testing.T, address string, headers ...string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// failedChecks are those that readiness tells; nil with 200.
func failedChecks(t *testing.T, address string) string {
	t.Helper()
	status, text := seenAt(t, address+"/readyz")
	if status == http.StatusOK {
		return ""
	}
	problem := decode[struct {
		Code   string
		Params struct {
			Checks []string `json:"failed_checks"`
		}
	}](t, text)
	if status != http.StatusServiceUnavailable || problem.Code != "not_ready" {
		t.Fatalf("readiness is %d: %s", status, text)
	}
	return strings.Join(problem.Params.Checks, " ")
}

// valve stands before a database, and can be closed and opened.
type valve struct {
	t        *testing.T
	address  string
	to       string
	lock     sync.Mutex
	listener net.Listener
	conns    []net.Conn
}

func newValve(t *testing.T, to string) *valve {
	t.Helper()
	v := &valve{t: t, to: to, address: "127.0.0.1:0"}
	v.open()
	t.Cleanup(v.close)
	return v
}

func (v *valve) open() {
	listener, err := net.Listen("tcp", v.address) //nolint:noctx // of this machine
	if err != nil {
		v.t.Fatal(err)
	}
	v.listener, v.address = listener, listener.Addr().String()
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", v.to) //nolint:noctx // of this machine
			if err != nil {
				_ = from.Close()
				continue
			}
			v.lock.Lock()
			v.conns = append(v.conns, from, to)
			v.lock.Unlock()
			go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
			go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
		}
	}()
}

func (v *valve) close() {
	_ = v.listener.Close()
	v.lock.Lock()
	defer v.lock.Unlock()
	for _, conn := range v.conns {
		_ = conn.Close()
	}
	v.conns = nil
}

// /readyz tells the truth, in words that a person and a program understand: of the database, of its schema, of the end.
func TestReadinessTellsTheTruth(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	database, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	between := newValve(t, database.Host)
	database.Host = between.address
	w := watch(t, database.String(), nil, "serve", "--addr", "127.0.0.1:0")
	everywhere := func(want string) {
		t.Helper()
		for _, address := range []string{w.address, w.metrics, w.profiles} {
			inTime(t, fmt.Sprintf("the failed checks at %s are %q", address, want), func() bool { return failedChecks(t, address) == want })
		}
	}
	everywhere("")
	if _, text := seenAt(t, w.address+"/readyz"); text != `{"checks":["process","database","schema"],"status":"ready"}`+"\n" {
		t.Errorf("got %s", text)
	}

	between.close()
	everywhere("database")
	if status, text := seenAt(t, w.metrics+"/metrics"); status != http.StatusOK || !strings.Contains(text, `handover_readiness_check{check="database"} 0`) || !strings.Contains(text, "go_goroutines") {
		t.Errorf("the metrics without a database are %d: %s", status, text)
	}
	if status, _ := seenAt(t, w.address+"/healthz"); status != http.StatusOK {
		t.Errorf("without a database the process is not said to live: %d", status)
	}
	between.open()
	everywhere("")

	// Ahead is what an older version finds while a newer one takes its place; behind and interrupted are not right.
	for _, state := range []struct{ set, failed string }{
		{`version = version + 1`, ""}, {`version = version - 2`, "schema"}, {`version = version + 1`, ""}, {`dirty = true`, "schema"}, {`dirty = false`, ""},
	} {
		if _, err := db.SQL.ExecContext(t.Context(), `UPDATE schema_migrations SET `+state.set); err != nil {
			t.Fatal(err)
		}
		everywhere(state.failed)
	}

	// A request under way holds the end up, and the private addresses tell of it.
	slow, err := net.Dial("tcp", strings.TrimPrefix(w.address, "http://")) //nolint:noctx // of this machine
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	inTime(t, "the request is under way", func() bool {
		_, text := seenAt(t, w.metrics+"/metrics")
		return strings.Contains(text, "http_requests_in_flight 1\n")
	})
	if err := w.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	inTime(t, "the end is told", func() bool { return failedChecks(t, w.metrics) == "process" })
	if _, err := io.WriteString(slow, "{}"); err != nil {
		t.Fatal(err)
	}
	if status, err := bufio.NewReader(slow).ReadString('\n'); err != nil || !strings.Contains(status, " 400 ") {
		t.Errorf("the request under way was not answered: %q, %v", status, err)
	}
	if err := w.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// Profiles are had on this machine alone, and nowhere else.
func TestProfilesArePrivate(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		got := handover(t, db.URL, "worker", "--debug-addr", address)
		if got.code != 1 || !strings.Contains(got.stderr, "HANDOVER_DEBUG_ADDR") || !strings.Contains(got.stderr, "not an address of this machine alone") {
			t.Errorf("%s ended with %d: %s", address, got.code, got.stderr)
		}
	}
	w := watch(t, db.URL, nil, "serve", "--addr", "127.0.0.1:0")
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile?seconds=1", "/debug/pprof/trace?seconds=1", "/debug/pprof/symbol"} {
		if status, _ := seenAt(t, w.profiles+path); status != http.StatusOK {
			t.Errorf("%s is %d where profiles are", path, status)
		}
		for _, address := range []string{w.address, w.metrics} {
			if status, text := seenAt(t, address+path); status != http.StatusNotFound {
				t.Errorf("%s is %d where no profiles are: %.100s", path, status, text)
			}
		}
	}
	if status, text := seenAt(t, w.profiles+"/debug/pprof/cmdline"); status != http.StatusNotFound || strings.Contains(text, "handover") {
		t.Errorf("what was typed is told, %d: %s", status, text)
	}
	w.ended(t)
}

// A worker is watched at an address of its own.
func TestWorkerIsWatched(t *testing.T) {
	t.Parallel()
	w := watch(t, testdb.New(t).URL, nil, "worker")
	for _, address := range []string{w.metrics, w.profiles} {
		if status, text := seenAt(t, address+"/healthz"); status != http.StatusOK || text != `{"status":"ok"}`+"\n" {
			t.Errorf("it lives, %d: %s", status, text)
		}
		if failed := failedChecks(t, address); failed != "" {
			t.Errorf("it is not ready: %s", failed)
		}
		inTime(t, "what the worker did is counted", func() bool {
			_, text := seenAt(t, address+"/metrics")
			return strings.Contains(text, `handover_jobs_total{kind="sweep",outcome="done"} 1`)
		})
	}
	w.ended(t)
}

// receiver takes traces as a collector does, by OTLP over HTTP.
type receiver struct {
	lock  sync.Mutex
	spans []*spans.Span
	named []string // services
	raw   bytes.Buffer
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	var sent collector.ExportTraceServiceRequest
	if err = errors.Join(err, proto.Unmarshal(body, &sent)); err != nil || request.URL.Path != "/v1/traces" || request.Header.Get("x-key") != "collector" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	r.raw.Write(body)
	for _, resource := range sent.GetResourceSpans() {
		for _, attribute := range resource.GetResource().GetAttributes() {
			r.named = append(r.named, attribute.GetKey()+"="+attribute.GetValue().GetStringValue())
		}
		for _, scope := range resource.GetScopeSpans() {
			r.spans = append(r.spans, scope.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (r *receiver) count(keep func(*spans.Span) bool) (count int) {
	r.lock.Lock()
	defer r.lock.Unlock()
	for _, span := range r.spans {
		if keep(span) {
			count++
		}
	}
	return count
}

// The demo, traced to a collector, with everything happening in it of which metrics tell: all that dashboard and alerts speak of is
// really told, and the traces hold what they should and nothing else.
func TestTracesAndMetricsOfTheDemo(t *testing.T) {
	t.Parallel()
	traces := &receiver{}
	server := httptest.NewServer(traces)
	defer server.Close()
	w := watch(t, testdb.New(t).URL, []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + server.URL, "OTEL_EXPORTER_OTLP_HEADERS=x-key=collector", "OTEL_BSP_SCHEDULE_DELAY=100", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test",
	}, "serve", "--addr", "127.0.0.1:0", "--demo")
	text, err := os.ReadFile(filepath.Join(w.Dir, ".handover", "demo-tokens.json"))
	if err != nil {
		t.Fatal(err)
	}
	tokens := decode[map[string]string](t, string(text))
	send := func(method, path, body string, headers ...string) string {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, w.address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+tokens["admin"])
		if body != "" {
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
		answered, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode >= 300 {
			t.Fatalf("%s %s answered %d: %s", method, path, response.StatusCode, answered)
		}
		return string(answered)
	}
	type listed struct {
		Items []struct{ ID, Name, Email string }
	}
	leaver, successor := decode[listed](t, send("GET", "/v1/staff?q=grace+lin", "")).Items[0], decode[listed](t, send("GET", "/v1/staff?q=jonas+weber", "")).Items[0]
	const traceID, parentID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	run := decode[struct{ ID string }](t, send("POST", "/v1/manage-assignments",
		fmt.Sprintf(`{"selection":{"type":"filter","filter":{"staff_id":[%q]}},"change":{"type":"replace","staff_ids":[%q],"task_policy":"reassign_all","task_scope":"assigned"},"reason":"canary-reason"}`, leaver.ID, successor.ID),
		"Prefer", "respond-async", "traceparent", "00-"+traceID+"-"+parentID+"-01"))
	inTime(t, "the run has ended", func() bool { return strings.Contains(send("GET", "/v1/runs/"+run.ID, ""), `"succeeded"`) })
	send("GET", "/v1/common-assessments/CA-000001", "")

	t.Run("the collector has the request in the caller's trace, its statements, the job that is linked to it, and what was asked outside", func(t *testing.T) {
		for what, is := range map[string]func(*spans.Span) bool{
			"the request": func(s *spans.Span) bool {
				return s.GetName() == "POST /v1/manage-assignments" && fmt.Sprintf("%x", s.GetTraceId()) == traceID && fmt.Sprintf("%x", s.GetParentSpanId()) == parentID && s.GetKind() == spans.Span_SPAN_KIND_SERVER
			},
			"a statement": func(s *spans.Span) bool {
				return s.GetName() == "COMMIT" && fmt.Sprintf("%x", s.GetTraceId()) == traceID
			},
			"the job": func(s *spans.Span) bool {
				return s.GetName() == "job run" && len(s.GetLinks()) == 1 && fmt.Sprintf("%x", s.GetLinks()[0].GetTraceId()) == traceID
			},
			"a stage": func(s *spans.Span) bool { return s.GetName() == "run apply" },
			"the case system": func(s *spans.Span) bool {
				return s.GetName() == "GET assessment" && s.GetKind() == spans.Span_SPAN_KIND_CLIENT
			},
			"a mail's job": func(s *spans.Span) bool { return s.GetName() == "job mail" },
		} {
			inTime(t, what+" is there", func() bool { return traces.count(is) > 0 })
		}
		traces.lock.Lock()
		defer traces.lock.Unlock()
		for _, attribute := range []string{"service.name=handover", "deployment.environment.name=test"} {
			if !slices.Contains(traces.named, attribute) {
				t.Errorf("the traces are not of %s: %v", attribute, slices.Compact(traces.named))
			}
		}
		for _, secret := range []string{tokens["admin"], strings.TrimPrefix(tokens["admin"], "hnd_")[:20], "canary-reason", "Grace", "Weber", "grace+lin", leaver.Email, "CA-000001", "WHERE", "postgres://"} {
			if bytes.Contains(traces.raw.Bytes(), []byte(secret)) {
				t.Errorf("%q is in the traces", secret)
			}
		}
	})
	t.Run("dashboard and alerts speak of metrics that there are", func(t *testing.T) {
		_, told := seenAt(t, w.metrics+"/metrics")
		_, public := seenAt(t, w.address+"/metrics")
		known := map[string]bool{}
		for _, found := range regexp.MustCompile(`(?m)^([a-z_]+)[{ ]`).FindAllStringSubmatch(told, -1) {
			known[found[1]] = true
			if !strings.Contains(public, "\n"+found[1]) {
				t.Errorf("%s is told at the private address alone", found[1])
			}
		}
		spoken := regexp.MustCompile(`\b(?:handover|http|go|process)_[a-z_]+\b`)
		for file, expressions := range map[string][]string{"dashboard": dashboardExpressions(t), "alerts": alertExpressions(t)} {
			if len(expressions) < 10 {
				t.Errorf("the %s has only %d expressions", file, len(expressions))
			}
			for _, expression := range expressions {
				for _, name := range spoken.FindAllString(regexp.MustCompile(`by \([^)]*\)|"[^"]*"`).ReplaceAllString(expression, ""), -1) {
					if !known[name] {
						t.Errorf("the %s speaks of %s, which is not told: %s", file, name, expression)
					}
				}
			}
		}
	})
	w.ended(t)
}

func dashboardExpressions(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/handover.json")
	if err != nil {
		t.Fatal(err)
	}
	dashboard := decode[struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ H, W, X, Y int }
			Targets []struct{ Expr string }
		}
	}](t, string(text))
	ids := map[int]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] || panel.Title == "" || panel.GridPos.W == 0 || panel.GridPos.X+panel.GridPos.W > 24 {
			t.Errorf("the panel %d %q is not as it should be", panel.ID, panel.Title)
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	return expressions
}

// alertExpressions are those of the alerts, each of which has to say what to do, in a part of the manual of its name.
func alertExpressions(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("../../deploy/prometheus/alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			expressions = append(expressions, rule.Expr)
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" || rule.Labels["severity"] == "" ||
				rule.Annotations["runbook"] != "docs/operations.md#"+strings.ToLower(rule.Alert) || !bytes.Contains(manual, []byte("\n### "+rule.Alert+"\n")) {
				t.Errorf("the alert %s does not say what is wrong and what to do", rule.Alert)
			}
			if !bytes.Contains(tests, []byte("alertname: "+rule.Alert)) {
				t.Errorf("the alert %s has no test", rule.Alert)
			}
		}
	}
	return expressions
}
