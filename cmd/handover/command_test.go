package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"handover/internal/testdb"
)

// binary is the program as it is shipped, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "handover-command")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(folder, "handover")
	if output, err := exec.CommandContext(context.Background(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, output)
		os.Exit(1)
	}
	defer func() { _ = os.RemoveAll(folder) }() // testdb.Main may end the process first; the folder is a temporary one
	testdb.Main(m)
}

// ran is what a command printed, and how it ended.
type ran struct {
	stdout, stderr string
	code           int
}

func handover(t *testing.T, database string, args ...string) ran {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, args...)
	command.Env = append(os.Environ(), "DATABASE_URL="+database)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr, command.Dir = &stdout, &stderr, t.TempDir()
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ran{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}
}

func (r ran) ok(t *testing.T) ran {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("ended with %d: %s%s", r.code, r.stdout, r.stderr)
	}
	return r
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("not JSON alone: %v\n%s", err, text)
	}
	return value
}

func TestFromAnEmptyDatabaseToAnImportedCaseload(t *testing.T) {
	t.Parallel()
	db := testdb.NewEmpty(t)

	before := decode[map[string]any](t, handover(t, db.URL, "migrate", "status", "--json").ok(t).stdout)
	if before["version"] != 0.0 {
		t.Fatalf("an empty database has version %v", before["version"])
	}
	handover(t, db.URL, "migrate", "up").ok(t)
	after := decode[map[string]any](t, handover(t, db.URL, "migrate", "status", "--json").ok(t).stdout)
	if after["version"] != after["latest"] || after["version"] == 0.0 {
		t.Fatalf("got state %v", after)
	}

	created := decode[map[string]string](t, handover(t, db.URL, "organization", "create", "--name", "Elm", "--time-zone", "Europe/London",
		"--admin-email", "you@example.org", "--json").ok(t).stdout)
	for _, key := range []string{"organization_id", "admin_staff_id", "token"} {
		if created[key] == "" {
			t.Errorf("the answer lacks %s: %v", key, created)
		}
	}
	organization := created["organization_id"]
	token := decode[map[string]string](t, handover(t, db.URL, "token", "create", "--organization", organization, "--staff-email", "YOU@example.org", "--json").ok(t).stdout)
	if token["token"] == "" || token["token"] == created["token"] {
		t.Errorf("got token %v", token)
	}

	folder := t.TempDir()
	write(t, folder, "staff.csv", "external_id,first_name,last_name,email,role,status,permissions\ns-1,Ada,Berg,ada@example.org,member,active,clients\n")
	write(t, folder, "people.csv", "external_id,kind,first_name,last_name,email,phone,status\np-1,client,Bo,Dahl,,,active\n")
	write(t, folder, "assignments.csv", "person_external_id,staff_external_id\np-1,s-2\n")
	bad := handover(t, db.URL, "import", "--organization", organization, folder)
	if bad.code != 1 || !strings.Contains(bad.stderr, "assignments.csv, line 2, staff_external_id") {
		t.Errorf("a bad row ended with %d: %s", bad.code, bad.stderr)
	}
	if people := count(t, db, "people"); people != 0 {
		t.Errorf("%d people were loaded beside a bad row", people)
	}
	write(t, folder, "assignments.csv", "person_external_id,staff_external_id\np-1,s-1\n")
	handover(t, db.URL, "import", "--organization", organization, folder).ok(t)
	if people, assignments := count(t, db, "people"), count(t, db, "assignments"); people != 1 || assignments != 1 {
		t.Errorf("%d people and %d assignments were loaded", people, assignments)
	}
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, db *testdb.DB, table string) int {
	t.Helper()
	var n int
	if err := db.SQL.GetContext(t.Context(), &n, "SELECT count(*) FROM "+table); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMistakesAreNamedInOneLine(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	for _, mistake := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"organization", "create", "--name", "Elm", "--time-zone", "London", "--admin-email", "you@example.org"}, 1, "not an IANA time zone"},
		{[]string{"organization", "create", "--name", "Elm", "--time-zone", "Europe/London", "--admin-email", "you"}, 1, "not an email address"},
		{[]string{"token", "create", "--organization", "01900000-0000-7000-8000-000000000001", "--staff-email", "you@example.org"}, 1, "no organization"},
		{[]string{"token", "create", "--organization", "elm", "--staff-email", "you@example.org"}, 2, "--organization"},
		{[]string{"migrate", "down", "--steps", "0"}, 1, "--steps"},
		{[]string{"serve", "--addr", "127.0.0.1:0", "--drain-delay", "30s"}, 1, "HANDOVER_DRAIN_DELAY"},
		{[]string{"sreve"}, 2, "sreve"},
	} {
		got := handover(t, db.URL, mistake.args...)
		if got.code != mistake.code || !strings.Contains(got.stderr, mistake.says) || got.stdout != "" {
			t.Errorf("%v ended with %d: %q %q", mistake.args, got.code, got.stdout, got.stderr)
		}
	}
}

// serve starts a service on a free port, and gives its address and what it printed before it was ready.
func serve(t *testing.T, database string, args ...string) (command *exec.Cmd, address, printed string) {
	t.Helper()
	command = exec.CommandContext(t.Context(), binary, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	command.Env, command.Dir = append(os.Environ(), "DATABASE_URL="+database), t.TempDir()
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() }) // mostly ended already
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		printed += lines.Text() + "\n"
		if found := regexp.MustCompile(`Handover +(http\S+)`).FindStringSubmatch(lines.Text()); found != nil {
			address = found[1]
		}
		if strings.Contains(lines.Text(), "curl -s") {
			break
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for get(t, address+"/readyz", "") != http.StatusOK {
		if time.Now().After(deadline) {
			t.Fatalf("not ready in time: %s", printed)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return command, address, printed
}

func get(t *testing.T, url, token string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close() // only the status is of interest
	return response.StatusCode
}

func TestServeDemoPrintsWhatItTakesToTryIt(t *testing.T) {
	t.Parallel()
	command, address, printed := serve(t, testdb.New(t).URL, "--demo")
	text, err := os.ReadFile(filepath.Join(command.Dir, ".handover", "demo-tokens.json"))
	if err != nil {
		t.Fatal(err)
	}
	tokens := decode[map[string]string](t, string(text))
	for _, key := range []string{"admin", "clients_only", "referrals_only", "staff_only", "other_admin"} {
		if status := get(t, address+"/v1/me", tokens[key]); status != http.StatusOK {
			t.Errorf("the token %s is answered with %d", key, status)
		}
		if !strings.Contains(printed, tokens[key]) {
			t.Errorf("the token %s was not printed", key)
		}
	}
	for _, path := range []string{"/docs", "/openapi.yaml", "/openapi.json", "/metrics", "/healthz"} {
		if status := get(t, address+path, ""); status != http.StatusOK {
			t.Errorf("%s is answered with %d", path, status)
		}
	}
	// Whoever ends it by hand waits for no balancer.
	began := time.Now()
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("%s after Ctrl-C: %v", time.Since(began), err)
	}
}
