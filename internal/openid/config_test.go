package openid_test

import (
	"strings"
	"testing"

	"handover/internal/openid"
)

func TestReadingIssuers(t *testing.T) {
	t.Parallel()
	const organization = `"organization_id": "01900000-0000-7000-8000-000000000001"`
	for text, wants := range map[string]int{
		"": 0, "  \n": 0, "[]": 0,
		`[{"issuer": "https://login.example.org", "audience": ["handover"], ` + organization + `}]`:                                                                                                       1,
		`[{"issuer": "https://login.example.org/realms/a/", "audience": ["handover"], "any_organization": true, "algorithms": ["ES384", "RS256"], "scopes": ["read"], "email_domains": ["example.org"]}]`: 1,
		`[{"issuer": "http://127.0.0.1:8091", "audience": ["a", "b"], ` + organization + `}, {"issuer": "http://127.0.0.1:8091", "audience": ["c"], "any_organization": true}]`:                           2,
		`[{"issuer": "http://login.internal", "private": true, "audience": ["a"], ` + organization + `, "jwks_url": "https://keys.example.org/all", "authorized_parties": ["portal"]}]`:                   1,
	} {
		if issuers, err := openid.ReadIssuers(text); err != nil || len(issuers) != wants {
			t.Errorf("%s: got %d, %v", text, len(issuers), err)
		}
	}
	good := func(more string) string {
		return `[{"issuer": "https://login.example.org", "audience": ["handover"], ` + organization + more + `}]`
	}
	for text, says := range map[string]string{
		`https://login.example.org`:                                            "not a list",
		`{"issuer": "https://login.example.org"}`:                              "not a list",
		`[{"issuer": "https://login.example.org", "audiences": ["handover"]}]`: "audiences",
		`[{"issuer": "https://login.example.org", "audience": "handover"}]`:    "audience",
		good("") + "]": "follows",
		`[{"audience": ["handover"], ` + organization + `}]`:                                                                             "issuer:",
		`[{"issuer": "login.example.org", "audience": ["handover"], ` + organization + `}]`:                                              "https://",
		`[{"issuer": "http://login.example.org", "audience": ["handover"], ` + organization + `}]`:                                       "https://",
		`[{"issuer": "https://login.example.org?tenant=a", "audience": ["handover"], ` + organization + `}]`:                             "issuer:",
		`[{"issuer": "https://login.example.org", ` + organization + `}]`:                                                                "audience:",
		`[{"issuer": "https://login.example.org", "audience": [""], ` + organization + `}]`:                                              "audience:",
		`[{"issuer": "https://login.example.org", "audience": ["handover"]}]`:                                                            "organization_id",
		`[{"issuer": "https://login.example.org", "audience": ["handover"], "organization_id": "harbour"}]`:                              "not a list",
		`[{"issuer": "https://login.example.org", "audience": ["handover"], "organization_id": "00000000-0000-0000-0000-000000000000"}]`: "organization_id",
		good(`, "any_organization": true`):                                                                                               "any_organization",
		good(`, "algorithms": ["none"]`):                                                                                                 "algorithms:",
		good(`, "algorithms": ["HS256"]`):                                                                                                "algorithms:",
		good(`, "scopes": ["everything"]`):                                                                                               "scopes:",
		good(`, "email_domains": ["@example.org"]`):                                                                                      "email_domains:",
		good(`, "email_domains": [""]`):                                                                                                  "email_domains:",
		good(`, "authorized_parties": [""]`):                                                                                             "authorized_parties:",
		good(`, "jwks_url": "http://login.example.org/keys"`):                                                                            "jwks_url:",
		strings.TrimSuffix(good(""), "]") + "," + good("")[1:]:                                                                           "twice",
		strings.TrimSuffix(good(""), "]") + "," + strings.Replace(good(`, "algorithms": ["ES256"]`), `"handover"`, `"other"`, 1)[1:]:     "the same wherever",
	} {
		if issuers, err := openid.ReadIssuers(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %d, %v", text, len(issuers), err)
		}
	}
}
