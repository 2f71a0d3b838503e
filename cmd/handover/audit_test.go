package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"handover/internal/testdb"
)

type verification struct {
	Verified      bool `json:"verified"`
	Organizations []struct {
		OrganizationID string `json:"organization_id"`
		Verified       bool   `json:"verified"`
		Events         int64  `json:"events"`
		Head           head   `json:"head"`
		Unchained      int64  `json:"unchained"`
		Oldest         string `json:"oldest_unchained_at"`
		Problem        *struct {
			Position     int64  `json:"position"`
			AuditEventID string `json:"audit_event_id"`
			Problem      string `json:"problem"`
			Detail       string `json:"detail"`
		} `json:"problem"`
	} `json:"organizations"`
}

type head struct {
	OrganizationID string `json:"organization_id"`
	Position       int64  `json:"position"`
	Hash           string `json:"hash"`
	Expect         string `json:"expect"`
	ChainedAt      string `json:"chained_at"`
}

// The service chains what is done; the head is kept; what somebody does to the trail past the service is found, and named.
func TestTheAuditTrailIsVerified(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	made := decode[map[string]string](t, handover(t, db.URL, "organization", "create", "--name", "Elm", "--time-zone", "Europe/London", "--admin-email", "you@example.org", "--json").ok(t).stdout)
	organization := made["organization_id"]
	before := decode[verification](t, handover(t, db.URL, "audit", "verify", "--json").ok(t).stdout)
	if !before.Verified || len(before.Organizations) != 1 || before.Organizations[0].Unchained == 0 || before.Organizations[0].Events != 0 || before.Organizations[0].Oldest == "" {
		t.Errorf("before anything is chained: %+v", before)
	}
	if empty := decode[head](t, handover(t, db.URL, "audit", "head", "--organization", organization, "--json").ok(t).stdout); empty.Position != 0 || empty.ChainedAt != "" || len(empty.Hash) != 64 {
		t.Errorf("got head %+v", empty)
	}

	_, address, _ := serve(t, db.URL)
	var kept head
	for deadline := time.Now().Add(30 * time.Second); kept.Position < before.Organizations[0].Unchained; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is chained: %+v", kept)
		}
		kept = decode[head](t, handover(t, db.URL, "audit", "head", "--organization", organization, "--json").ok(t).stdout)
	}
	if kept.Expect != fmt.Sprintf("%d:%s", kept.Position, kept.Hash) || kept.ChainedAt == "" || kept.OrganizationID != organization {
		t.Errorf("got head %+v", kept)
	}
	if plain := strings.TrimSpace(handover(t, db.URL, "audit", "head", "--organization", organization).ok(t).stdout); plain != kept.Expect {
		t.Errorf("got %q, want %q", plain, kept.Expect)
	}
	metrics := fetched(t, address+"/metrics")
	for _, want := range []string{"handover_audit_chain_lag_seconds ", fmt.Sprintf("handover_audit_chained_events %d", kept.Position), "handover_audit_chains 1"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}

	verify := func(args ...string) (ran, verification) {
		got := handover(t, db.URL, append([]string{"audit", "verify", "--json"}, args...)...)
		return got, decode[verification](t, got.stdout)
	}
	got, sound := verify("--organization", organization, "--expect", kept.Expect)
	if got.code != 0 || !sound.Verified || sound.Organizations[0].Head.Expect != kept.Expect || sound.Organizations[0].Events != kept.Position || sound.Organizations[0].Problem != nil {
		t.Errorf("ended with %d: %s", got.code, got.stdout)
	}
	if plain := handover(t, db.URL, "audit", "verify").ok(t).stdout; !strings.Contains(plain, fmt.Sprintf("%d events verified, head %s", kept.Position, kept.Expect)) {
		t.Errorf("got %s", plain)
	}

	var event string
	if err := db.SQL.GetContext(t.Context(), &event, `UPDATE audit_events SET reason = 'another' WHERE organization_id = $1 AND id = (SELECT event_ids[1] FROM audit_links WHERE organization_id = $1) RETURNING id`, organization); err != nil {
		t.Fatal(err)
	}
	got, broken := verify()
	problem := broken.Organizations[0].Problem
	if got.code != 1 || broken.Verified || problem == nil || problem.Position != 1 || problem.AuditEventID != event || problem.Problem != "changed" || broken.Organizations[0].OrganizationID != organization {
		t.Errorf("ended with %d: %s%s", got.code, got.stdout, got.stderr)
	}
	plain := handover(t, db.URL, "audit", "verify", "--organization", organization)
	if plain.code != 1 || !strings.Contains(plain.stdout, event) || !strings.Contains(plain.stdout, "position 1") || !strings.Contains(plain.stderr, "does not verify") {
		t.Errorf("ended with %d: %s%s", plain.code, plain.stdout, plain.stderr)
	}

	if _, err := db.SQL.ExecContext(t.Context(), `DELETE FROM audit_events; DELETE FROM audit_links`); err != nil {
		t.Fatal(err)
	}
	if got, nothing := verify("--organization", organization, "--expect", kept.Expect); got.code != 1 || nothing.Organizations[0].Problem == nil || nothing.Organizations[0].Problem.Problem != "truncated" {
		t.Errorf("ended with %d: %s", got.code, got.stdout)
	}
}

// The log is where heads are kept that nobody copies, and tells whose they are.
func TestHeadsAreLogged(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	made := decode[map[string]string](t, handover(t, db.URL, "organization", "create", "--name", "Elm", "--time-zone", "Europe/London", "--admin-email", "you@example.org", "--json").ok(t).stdout)
	w := watch(t, db.URL, nil, "worker")
	var told []head
	inTime(t, "a head is logged", func() bool {
		for line := range strings.Lines(w.logged.String()) {
			if strings.Contains(line, `"msg":"audit chained"`) && strings.HasSuffix(line, "\n") {
				told = append(told, head{})
				if err := json.Unmarshal([]byte(line), &told[len(told)-1]); err != nil {
					t.Fatalf("%v in %s", err, line)
				}
			}
		}
		return len(told) > 0
	})
	kept := decode[head](t, handover(t, db.URL, "audit", "head", "--organization", made["organization_id"], "--json").ok(t).stdout)
	if told[0].OrganizationID != kept.OrganizationID || told[0].Position != kept.Position || told[0].Hash != kept.Hash {
		t.Errorf("logged is %+v, and kept %+v", told[0], kept)
	}
	w.ended(t)
}

func TestMistakesWithAudit(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	const nobody = "01900000-0000-7000-8000-000000000001"
	for _, mistake := range []struct {
		args []string
		says string
	}{
		{[]string{"audit", "verify", "--organization", nobody}, "no organization"},
		{[]string{"audit", "head", "--organization", nobody}, "no organization"},
		{[]string{"audit", "verify", "--expect", "1:" + strings.Repeat("0", 64)}, "--organization"},
		{[]string{"audit", "verify", "--organization", nobody, "--expect", "1:00"}, "--expect"},
	} {
		if got := handover(t, db.URL, mistake.args...); got.code != 1 || !strings.Contains(got.stderr, mistake.says) {
			t.Errorf("%v ended with %d: %s", mistake.args, got.code, got.stderr)
		}
	}
}

func fetched(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url) //nolint:noctx,gosec // a page of the test's own service
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text strings.Builder
	if err := response.Write(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
