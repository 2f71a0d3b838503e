package acceptance

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

func TestAPITokens(t *testing.T) {
	t.Parallel()
	var hands clock
	s := start(t, withoutWorker, hands.option)

	s.rule(t, "a token acts for its staff member, is shown once, and only its hash is kept", func(t *testing.T, w *world) {
		ann := w.member("member", "clients")
		got := w.as(ann, "POST", "/v1/api-tokens", object{"name": "nightly"}).must(201)
		created := decode[api.CreatedAPIToken](got)
		if len(created.Token) != 53 || !strings.HasPrefix(created.Token, "hnd_") || created.Staff.ID != ann.ID || !created.Scopes.IsNull() || !created.ExpiresAt.IsNull() {
			t.Errorf("got %+v", created)
		}
		if got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("got Cache-Control %q", got.Header.Get("Cache-Control"))
		}
		me := decode[api.Me](w.get(member{Token: created.Token}, "/v1/me").must(200))
		if me.Staff.ID != ann.ID || me.Token.MustGet().ID != created.ID || me.Token.MustGet().Name != "nightly" {
			t.Errorf("got %+v", me)
		}
		read := w.get(ann, got.Header.Get("Location")).must(200)
		for name, answer := range map[string]answer{"reading": read, "listing": w.get(ann, "/v1/api-tokens").must(200), "the trail": w.get(w.Admin, "/v1/audit-events").must(200)} {
			if strings.Contains(string(answer.Body), created.Token) {
				t.Errorf("%s shows the token", name)
			}
		}
		if read.Header.Get("ETag") != got.Header.Get("ETag") {
			t.Error("using a token changes its ETag")
		}
		if used := decode[api.APIToken](read).LastUsedAt; used.IsNull() {
			t.Error("it is not told when the token was last used")
		}
		if n := w.count(`SELECT count(*) FROM api_tokens WHERE to_jsonb(api_tokens)::text LIKE '%' || $1 || '%'`, created.Token[4:]); n != 0 {
			t.Error("the token is kept")
		}
	})

	s.rule(t, "a token opens what its scopes name, and not more than its staff member may", func(t *testing.T, w *world) {
		chief, clerk := w.member("administrator"), w.member("member", "clients")
		person := w.person("client", clerk)
		requests := map[string]func(m member) answer{
			"read":        func(m member) answer { return w.get(m, "/v1/people") },
			"assignments": func(m member) answer { return w.manage(m, people(person), change("add", staffed(clerk))) },
			"clients": func(m member) answer {
				return w.as(m, "PUT", "/v1/people/by-external-id/1", object{"kind": "client", "first_name": "Maya", "last_name": "Petrov"})
			},
			"admin": func(m member) answer { return w.get(m, "/v1/api-tokens") },
		}
		for _, scopes := range [][]string{{}, {"read"}, {"assignments"}, {"reassign"}, {"clients"}, {"admin"}, {"read", "assignments"}, {"read", "assignments", "reassign", "clients", "admin"}} {
			token := member{Token: w.scoped(chief, scopes...)}
			w.get(token, "/v1/me").must(200)
			for scope, request := range requests {
				if got := request(token); strings.Contains(" "+strings.Join(scopes, " ")+" ", " "+scope+" ") {
					if got.Status >= 300 {
						t.Errorf("%v: %s is closed: %s", scopes, scope, got.Body)
					}
				} else if problem := got.problem(403, "insufficient_scope"); problem.Params["scope"] != scope {
					t.Errorf("got params %v, want the scope %s", problem.Params, scope)
				}
			}
		}
		limited := member{Token: w.scoped(clerk, "admin", "read")}
		w.get(limited, "/v1/audit-events").problem(403, "permission_denied")
		w.get(limited, "/v1/intake-template").problem(403, "permission_denied")
	})

	s.rule(t, "a token cannot make one that has more scopes than itself", func(t *testing.T, w *world) {
		token := member{Token: w.scoped(w.Admin, "admin", "read")}
		for _, scopes := range []any{nil, []string{"read", "clients"}, []string{"assignments"}} {
			w.as(token, "POST", "/v1/api-tokens", object{"name": "more", "scopes": scopes}).problem(403, "permission_denied")
		}
		w.as(token, "POST", "/v1/api-tokens", object{"name": "more"}).problem(403, "permission_denied")
		got := decode[api.CreatedAPIToken](w.as(token, "POST", "/v1/api-tokens", object{"name": "less", "scopes": []string{"read", "read"}}).must(201))
		if scopes := got.Scopes.MustGet(); len(scopes) != 1 || scopes[0] != "read" {
			t.Errorf("got scopes %v", scopes)
		}
		w.get(member{Token: got.Token}, "/v1/api-tokens").problem(403, "insufficient_scope")
		w.as(w.Admin, "POST", "/v1/api-tokens", object{"name": "odd", "scopes": []string{"everything"}}).problem(400, "invalid_request")
	})

	s.rule(t, "everybody has their own tokens, administrators those of all", func(t *testing.T, w *world) {
		ann, bob := w.member("member", "staff"), w.member("member")
		own := decode[api.CreatedAPIToken](w.as(ann, "POST", "/v1/api-tokens", object{"name": "mine", "staff_id": "me"}).must(201)).ID
		w.as(ann, "POST", "/v1/api-tokens", object{"name": "theirs", "staff_id": bob.ID}).problem(403, "permission_denied")
		given := decode[api.CreatedAPIToken](w.as(w.Admin, "POST", "/v1/api-tokens", object{"name": "given", "staff_id": bob.ID}).must(201))
		if me := decode[api.Me](w.get(member{Token: given.Token}, "/v1/me").must(200)); me.Staff.ID != bob.ID {
			t.Errorf("it acts for %s", me.Staff.ID)
		}
		self := "/v1/api-tokens/" + given.ID.String()
		w.get(ann, self).problem(403, "permission_denied")
		w.as(ann, "DELETE", self, nil, header{"If-Match", "*"}).problem(403, "permission_denied")
		w.get(bob, self).must(200)
		w.get(w.Admin, self).must(200)
		if mine := w.listed(ann, "/v1/api-tokens"); len(mine) != 2 || mine[1] != own {
			t.Errorf("got %v", mine)
		}
		w.lists(ann, "/v1/api-tokens?staff_id="+bob.ID.String())
		if of := w.listed(w.Admin, "/v1/api-tokens?staff_id="+bob.ID.String()); len(of) != 2 {
			t.Errorf("got %v", of)
		}
		if all := w.listed(w.Admin, "/v1/api-tokens"); len(all) != 5 {
			t.Errorf("got %v", all)
		}
		foreign := s.organization(t)
		foreign.get(foreign.Admin, self).problem(404, "not_found")
		w.as(w.Admin, "POST", "/v1/api-tokens", object{"name": "odd", "staff_id": foreign.Admin.ID}).problem(422, "staff_not_found")
		w.deactivate(bob)
		w.as(w.Admin, "POST", "/v1/api-tokens", object{"name": "odd", "staff_id": bob.ID}).problem(422, "staff_not_active")
	})

	s.rule(t, "a revoked token ends at once, and stays in the list", func(t *testing.T, w *world) {
		created := w.as(w.Admin, "POST", "/v1/api-tokens", object{"name": "nightly"}).must(201)
		token := decode[api.CreatedAPIToken](created)
		self := created.Header.Get("Location")
		w.as(w.Admin, "DELETE", self, nil).problem(428, "precondition_required")
		w.as(w.Admin, "DELETE", self, nil, header{"If-Match", `"other"`}).problem(412, "precondition_failed")
		w.get(member{Token: token.Token}, "/v1/me").must(200)
		w.as(w.Admin, "DELETE", self, nil, header{"If-Match", created.Header.Get("ETag")}).must(204)
		w.get(member{Token: token.Token}, "/v1/me").problem(401, "unauthenticated")
		read := w.get(w.Admin, self).must(200)
		revoked := decode[api.APIToken](read)
		if revoked.RevokedAt.IsNull() {
			t.Error("it is not told when the token was revoked")
		}
		before := w.tables()
		w.as(w.Admin, "DELETE", self, nil, header{"If-Match", read.Header.Get("ETag")}).must(204)
		w.unchanged(before)
	})

	s.rule(t, "a token of somebody deactivated opens nothing, not even when they are back", func(t *testing.T, w *world) {
		ann := w.member("member")
		limited := member{ID: ann.ID, Token: w.scoped(ann, "read")}
		self := "/v1/staff/" + ann.ID.String()
		w.as(w.Admin, "POST", self+"/deactivate", nil).must(200)
		for _, m := range []member{ann, limited} {
			w.get(m, "/v1/people").problem(401, "unauthenticated")
		}
		w.as(w.Admin, "POST", self+"/reactivate", nil).must(200)
		for _, m := range []member{ann, limited} {
			w.get(m, "/v1/people").problem(401, "unauthenticated")
		}
		if n := w.count(`SELECT count(*) FROM api_tokens WHERE organization_id = $1 AND staff_id = $2 AND revoked_at IS NULL`, w.ID, ann.ID); n != 0 {
			t.Errorf("%d tokens are not shown as revoked", n)
		}
		given := decode[api.CreatedAPIToken](w.as(w.Admin, "POST", "/v1/api-tokens", object{"name": "again", "staff_id": ann.ID}).must(201))
		w.get(member{Token: given.Token}, "/v1/people").must(200)
	})

	s.rule(t, "a token tells who made it", func(t *testing.T, w *world) {
		bob := w.member("member")
		given := w.as(w.Admin, "POST", "/v1/api-tokens", object{"name": "given", "staff_id": bob.ID}).must(201)
		for _, got := range []answer{given, w.get(bob, given.Header.Get("Location")).must(200)} {
			if by := decode[api.APIToken](got).CreatedBy; by.MustGet().ID != w.Admin.ID {
				t.Errorf("got %+v", by)
			}
		}
		if by := decode[api.APIToken](w.get(bob, "/v1/api-tokens/"+w.tokenOf(bob).String()).must(200)).CreatedBy; !by.IsNull() {
			t.Errorf("got %+v of a token of the command line", by)
		}
	})

	s.rule(t, "noting that a token was used holds up no request, and fails none", func(t *testing.T, w *world) {
		ann := w.member("member")
		held, err := s.DB.SQL.BeginTxx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Rollback()
		if _, err := held.ExecContext(t.Context(), `SELECT FROM api_tokens WHERE organization_id = $1 AND staff_id = $2 FOR UPDATE`, w.ID, ann.ID); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 5 {
			w.get(ann, "/v1/notifications").must(200)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("five requests took %s", took)
		}
		if err := held.Rollback(); err != nil {
			t.Fatal(err)
		}
		used := func() int {
			return w.count(`SELECT count(*) FROM api_tokens WHERE organization_id = $1 AND staff_id = $2 AND last_used_at > now() - interval '1 minute'`, w.ID, ann.ID)
		}
		eventually(t, "the use is noted", func() bool { return used() == 1 })
		w.exec(`UPDATE api_tokens SET last_used_at = now() - interval '50 seconds' WHERE organization_id = $1 AND staff_id = $2`, w.ID, ann.ID)
		w.get(ann, "/v1/me").must(200)
		w.exec(`UPDATE api_tokens SET last_used_at = now() - interval '2 minutes' WHERE organization_id = $1 AND staff_id = $2`, w.ID, ann.ID)
		w.get(ann, "/v1/me").must(200)
		eventually(t, "a later use is noted", func() bool { return used() == 1 })
	})

	s.rule(t, "what is no token, unknown, or of no form gets one and the same answer", func(t *testing.T, w *world) {
		known := w.Admin.Token
		want := ""
		for _, wrong := range []string{
			"hnd_" + strings.Repeat("0", 49), known[:len(known)-1] + "!", known[:len(known)-1], known + "0", strings.ToUpper(known), "secret", "hnd_", uuid.NewString(),
		} {
			got := s.call(t, wrong, "GET", "/v1/people", nil)
			problem := got.problem(401, "unauthenticated")
			if got.Header.Get("WWW-Authenticate") == "" {
				t.Error("WWW-Authenticate is missing")
			}
			if want == "" {
				want = problem.Detail
			} else if problem.Detail != want {
				t.Errorf("%q: got %q, others %q", wrong, problem.Detail, want)
			}
		}
	})
}

func TestAPITokensExpire(t *testing.T) {
	t.Parallel()
	var hands clock
	s := start(t, withoutWorker, hands.option)
	w := s.organization(t)
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	token := decode[api.CreatedAPIToken](w.as(w.Admin, "POST", "/v1/api-tokens", object{"name": "short", "expires_at": expires}).must(201))
	if !token.ExpiresAt.MustGet().Equal(expires) {
		t.Errorf("got %v", token.ExpiresAt)
	}
	problem := w.as(w.Admin, "POST", "/v1/api-tokens", object{"name": "late", "expires_at": time.Now().Add(-time.Second)}).problem(422, "invalid_value")
	pointsAt(t, problem, "invalid_value", "/expires_at")
	hands.advance(time.Hour - time.Minute)
	w.get(member{Token: token.Token}, "/v1/me").must(200)
	hands.advance(time.Minute)
	w.get(member{Token: token.Token}, "/v1/me").problem(401, "unauthenticated")
	w.get(w.Admin, "/v1/api-tokens/"+token.ID.String()).must(200)
	w.get(w.Admin, "/v1/me").must(200)
}
