package main_test

import (
	"strings"
	"testing"

	"handover/internal/testdb"
)

func TestMistakesWithIssuers(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	for issuers, says := range map[string]string{
		`https://login.example.org`: "not a list of issuers",
		`[{"issuer": "https://login.example.org", "audience": ["handover"]}]`:                          "organization_id",
		`[{"issuer": "http://login.example.org", "audience": ["handover"], "any_organization": true}]`: "https://",
	} {
		got := handover(t, db.URL, "serve", "--addr", "127.0.0.1:0", "--oidc-issuers", issuers)
		if got.code != 1 || !strings.Contains(got.stderr, "HANDOVER_OIDC_ISSUERS") || !strings.Contains(got.stderr, says) {
			t.Errorf("ended with %d: %q %q", got.code, got.stdout, got.stderr)
		}
	}
}

// An issuer that nobody can reach keeps the service from nothing.
func TestServingWithAnIssuerThatIsDown(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	_, address, printed := serve(t, db.URL, "--demo", "--oidc-issuers", `[{"issuer": "http://127.0.0.1:1", "audience": ["handover"], "any_organization": true}]`)
	_, token, found := strings.Cut(printed, "admin ")
	if !found {
		t.Fatalf("got %s", printed)
	}
	token = strings.Fields(token)[0]
	var me struct {
		SignedInWith string `json:"signed_in_with"`
	}
	if send(t, "GET", address+"/v1/me", token, "", &me); me.SignedInWith != "api_token" {
		t.Errorf("got %+v", me)
	}
}
