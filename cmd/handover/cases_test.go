package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"handover/internal/testdb"
)

// The secrets of the case system are in no message, whatever is wrong with them.
func TestMistakesWithTheCaseSystem(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	const canary = "canary-7061-of-a-credential"
	for _, mistake := range []struct {
		args []string
		says string
	}{
		{[]string{"--case-system-url", "cases.example.org", "--case-system-token", canary}, "HANDOVER_CASE_SYSTEM_URL"},
		{[]string{"--case-system-url", "https://user:" + canary + "@cases.example.org", "--case-system-token", canary}, "HANDOVER_CASE_SYSTEM_URL"},
		{[]string{"--case-system-url", "http://cases.example.org", "--case-system-token", canary}, "https://"},
		{[]string{"--case-system-url", "https://cases.example.org"}, "HANDOVER_CASE_SYSTEM_TOKEN"},
		{[]string{"--case-system-token", canary}, "HANDOVER_CASE_SYSTEM_URL"},
		{[]string{"--case-system-url", "https://cases.example.org", "--case-system-token", canary, "--case-system-webhook-secret", "whsec_" + canary}, "HANDOVER_CASE_SYSTEM_WEBHOOK_SECRET"},
		{[]string{"--case-system-pull", "10ms"}, "HANDOVER_CASE_SYSTEM_PULL"},
	} {
		for _, command := range []string{"serve", "worker"} {
			args := append([]string{command}, mistake.args...)
			if command == "serve" {
				args = append(args, "--addr", "127.0.0.1:0")
			}
			got := handover(t, db.URL, args...)
			if got.code != 1 || !strings.Contains(got.stderr, mistake.says) || strings.Contains(got.stdout+got.stderr, canary) {
				t.Errorf("%s ended with %d: %q %q", command, got.code, got.stdout, got.stderr)
			}
		}
	}
}

// The demo has a case system of its own: a client is added from it, and what changes there is here at once.
func TestTheDemoSimulatesACaseSystem(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	command, address, printed := serve(t, db.URL, "--demo")
	simulated := regexp.MustCompile(`CaMS +simulated at (http://127\.0\.0\.1:\d+), with the credential (\w+)`).FindStringSubmatch(printed)
	admin := regexp.MustCompile(`admin +(hnd_\w+)`).FindStringSubmatch(printed)
	if simulated == nil || admin == nil {
		t.Fatalf("got %s", printed)
	}
	var client struct {
		ID       string `json:"id"`
		LastName string `json:"last_name"`
	}
	send(t, "POST", address+"/v1/clients", admin[1], `{"source": "cams", "cams_reference": "CL-000002", "send_invitation": false}`, &client)
	if client.LastName != "Whitfield" {
		t.Errorf("got %+v", client)
	}
	send(t, "POST", simulated[1]+"/admin/clients/CL-000002", simulated[2], `{"last_name": "Brightwater"}`, nil)
	for deadline := time.Now().Add(20 * time.Second); client.LastName != "Brightwater"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the change did not come: %+v", client)
		}
		send(t, "GET", address+"/v1/clients/"+client.ID, admin[1], "", &client)
	}
	response, err := http.Get(address + "/metrics") //nolint:noctx // the test ends with its server
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"handover_cams_lag_seconds ", "handover_cams_linked_clients 1", "handover_cams_organizations_failing 0", "handover_case_system_circuit_state 0", `handover_case_system_requests_total{operation="client",outcome="found"}`} {
		if !bytes.Contains(metrics, []byte(want)) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func send(t *testing.T, method, url, token, body string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		t.Fatalf("%s %s answered %d: %v %s", method, url, response.StatusCode, err, text)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}
