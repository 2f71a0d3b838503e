package acceptance

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"handover/api"
	"handover/internal/domain"
	"handover/internal/openid"
)

// Who comes in with a JWT, and what is wrong with one that lets nobody in.
func TestOpenIDTokens(t *testing.T) {
	t.Parallel()
	keys := make(map[jose.SignatureAlgorithm]signingKey)
	var published []signingKey
	for _, algorithm := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA, jose.RS512} {
		keys[algorithm] = newKey(t, "key "+string(algorithm), algorithm)
		published = append(published, keys[algorithm])
	}
	i := startIssuer(t, published...)
	s := start(t, withoutWorker, i.trusting(everywhere()))
	good := keys[jose.RS256]

	s.rule(t, "a verified email lets the staff member in, with all that they may do, and is told by whom", func(t *testing.T, w *world) {
		for _, algorithm := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA} {
			ann := w.member("member", "clients")
			token := keys[algorithm].token(t, i.claims("ann "+ann.ID.String(), strings.ToUpper(addressOf(ann)), nil))
			me := decode[api.Me](s.call(t, token, "GET", "/v1/me", nil).must(200))
			if me.Staff.ID != ann.ID || me.SignedInWith != "openid_connect" || me.Issuer.MustGet() != i.URL || !me.Token.IsNull() || len(me.Permissions) != 1 {
				t.Errorf("%s: got %+v", algorithm, me)
			}
			s.call(t, token, "GET", "/v1/people", nil).must(200)
			s.call(t, token, "GET", "/v1/audit-events", nil).problem(403, "permission_denied")
			if got := decode[api.StaffIdentities](s.call(t, token, "GET", "/v1/staff/me/identities", nil).must(200)); len(got.Items) != 1 ||
				got.Items[0].Issuer != i.URL || got.Items[0].Subject != "ann "+ann.ID.String() {
				t.Errorf("got %+v", got)
			}
			s.call(t, token, "DELETE", "/v1/sessions/current", nil, header{"If-Match", "*"}).problem(403, "permission_denied")
			if n := w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1 AND subject_id = $2 AND action = 'identity_bound' AND staff_id = $2`, w.ID, ann.ID); n != 1 {
				t.Errorf("the trail tells %d times that somebody was bound", n)
			}
		}
		password := w.get(w.Admin, "/v1/me").must(200)
		if me := decode[api.Me](password); me.SignedInWith != "api_token" || !me.Issuer.IsNull() {
			t.Errorf("got %+v", me)
		}
	})

	s.rule(t, "a token that is wrong in any way lets nobody in, and all get one and the same answer", func(t *testing.T, w *world) {
		ann := w.member("member")
		email, subject := addressOf(ann), ann.ID.String()
		claims := func(others object) object { return i.claims(subject, email, others) }
		stranger := newKey(t, good.id, jose.RS256) // another key by the name of a good one
		public, err := x509.MarshalPKIXPublicKey(good.private.Public())
		if err != nil {
			t.Fatal(err)
		}
		inPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
		hmac := func(secret []byte) string {
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, (&jose.SignerOptions{}).WithHeader("kid", good.id))
			if err != nil {
				t.Fatal(err)
			}
			text, err := jwt.Signed(signer).Claims(claims(nil)).Serialize()
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		unsigned := func(header string) string {
			payload, err := json.Marshal(claims(nil))
			if err != nil {
				t.Fatal(err)
			}
			return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
		}
		whole := good.token(t, claims(nil))
		parts := strings.Split(whole, ".")
		other := strings.Split(good.token(t, i.claims(w.Admin.ID.String(), addressOf(w.Admin), nil)), ".")
		typed := func(kind string) string {
			return good.tokenOf(t, claims(nil), (&jose.SignerOptions{}).WithType(jose.ContentType(kind)).WithHeader("kid", good.id))
		}
		now := time.Now()
		wrong := map[string]string{
			"signed with another key":             stranger.token(t, claims(nil)),
			"signed, and changed":                 parts[0] + "." + other[1] + "." + parts[2],
			"without a signature":                 parts[0] + "." + parts[1] + ".",
			"of the algorithm none":               unsigned(`{"alg":"none"}`),
			"of the algorithm None, of a kind":    unsigned(`{"alg":"None","typ":"JWT"}`),
			"of no algorithm":                     unsigned(`{"typ":"JWT"}`),
			"HS256 with the public key in DER":    hmac(public),
			"HS256 with the public key in PEM":    hmac(inPEM),
			"of an algorithm that is not allowed": keys[jose.RS512].token(t, claims(nil)),
			"with another key in its header":      stranger.tokenOf(t, claims(nil), &jose.SignerOptions{EmbedJWK: true}),
			"of another issuer":                   good.token(t, claims(object{"iss": "https://elsewhere.example.org"})),
			"of the issuer, nearly":               good.token(t, claims(object{"iss": i.URL + "/"})),
			"without an issuer":                   good.token(t, claims(object{"iss": nil})),
			"for another audience":                good.token(t, claims(object{"aud": "portal"})),
			"for the audience, nearly":            good.token(t, claims(object{"aud": []string{"handover2", "Handover"}})),
			"without an audience":                 good.token(t, claims(object{"aud": nil})),
			"expired":                             good.token(t, claims(object{"exp": now.Add(-31 * time.Second).Unix()})),
			"without an end":                      good.token(t, claims(object{"exp": nil})),
			"not valid yet":                       good.token(t, claims(object{"nbf": now.Add(time.Minute).Unix()})),
			"issued in the future":                good.token(t, claims(object{"iat": now.Add(time.Minute).Unix()})),
			"with an end that is no number":       good.token(t, claims(object{"exp": "tomorrow"})),
			"without a subject":                   good.token(t, claims(object{"sub": nil})),
			"with a subject that cannot be kept":  good.token(t, claims(object{"sub": "a\x00b"})),
			"with a subject that is too long":     good.token(t, claims(object{"sub": strings.Repeat("a", 256)})),
			"for several, given to another":       good.token(t, claims(object{"aud": []string{"handover", "portal"}, "azp": "portal"})),
			"for several, given to nobody":        good.token(t, claims(object{"aud": []string{"handover", "portal"}})),
			"that ends a session":                 good.token(t, claims(object{"events": object{"http://schemas.openid.net/event/backchannel-logout": object{}}})),
			"of the kind logout+jwt":              typed("logout+jwt"),
			"of the kind secevent+jwt":            typed("secevent+jwt"),
			"with an email that is not verified":  good.token(t, claims(object{"email_verified": false})),
			"with an email verified perhaps":      good.token(t, claims(object{"email_verified": nil})),
			"with an email verified with a 1":     good.token(t, claims(object{"email_verified": 1})),
			"verified under another name":         good.token(t, claims(object{"email_verified": nil, "Email_Verified": true})),
			"without an email":                    good.token(t, claims(object{"email": nil})),
			"with an email that is none":          good.token(t, claims(object{"email": "ann"})),
			"with an email of nobody":             good.token(t, claims(object{"email": "nobody@example.org"})),
			"with an email that reads alike":      good.token(t, claims(object{"email": strings.Replace(email, "example", "e\u017fample", 1)})),
			"that is too long":                    good.token(t, claims(object{"more": strings.Repeat("a", 17<<10)})),
			"of two parts":                        parts[0] + "." + parts[1],
			"of four parts":                       whole + ".",
			"in another writing":                  whole[:20] + "=" + whole[20:],
			"two dots":                            "..",
			"three words":                         "a.b.c",
		}
		for _, algorithm := range []string{"HS384", "RS1", "ES256K", "RSA-OAEP"} {
			wrong["of the algorithm "+algorithm] = unsigned(`{"alg":"`+algorithm+`","kid":"`+good.id+`"}`) + "AAAA"
		}
		before, told := w.tables(), ""
		for name, token := range wrong {
			got := s.call(t, token, "GET", "/v1/me", nil)
			problem := got.problem(401, "unauthenticated")
			problem.RequestID = ""
			text, _ := json.Marshal(problem)
			if told == "" {
				told = string(text)
			}
			if string(text) != told {
				t.Errorf("%s is told from others: %s", name, text)
			}
		}
		if got := s.call(t, "unknown", "GET", "/v1/me", nil).problem(401, "unauthenticated"); !strings.Contains(told, got.Detail) {
			t.Errorf("a JWT is told from others: %s", told)
		}
		w.unchanged(before)
		s.call(t, whole, "GET", "/v1/me", nil).must(200) // which binds, before what comes in any order
		for name, token := range map[string]string{
			"as it should be":                whole,
			"expired just now":               good.token(t, claims(object{"exp": now.Add(-5 * time.Second).Unix()})),
			"issued by a clock that is fast": good.token(t, claims(object{"iat": now.Add(10 * time.Second).Unix(), "nbf": now.Add(10 * time.Second).Unix()})),
			"for several, given to us":       good.token(t, claims(object{"aud": []string{"portal", "handover"}, "azp": "handover"})),
			"given to another, for us alone": good.token(t, claims(object{"azp": "portal"})),
			"an access token":                typed("at+jwt"),
			"an access token, in full":       typed("application/at+jwt"),
			"without a key's name":           good.tokenOf(t, claims(nil), &jose.SignerOptions{}),
			"verified in a text":             good.token(t, claims(object{"email_verified": "true"})),
			"bound, and without an email":    good.token(t, claims(object{"email": nil, "email_verified": nil})),
		} {
			if got := s.call(t, token, "GET", "/v1/me", nil); got.Status != 200 {
				t.Errorf("%s: got %d %s", name, got.Status, got.Body)
			}
		}
	})

	s.rule(t, "once bound, the subject is the staff member, whatever becomes of the email; another subject is not", func(t *testing.T, w *world) {
		ann := w.member("member")
		as := func(subject, email string) string {
			return good.token(t, i.claims(subject+ann.ID.String(), email, nil))
		}
		is := func(token string, m member) {
			t.Helper()
			if me := decode[api.Me](s.call(t, token, "GET", "/v1/me", nil).must(200)); me.Staff.ID != m.ID {
				t.Errorf("got %s", me.Staff.ID)
			}
		}
		is(as("ann", addressOf(ann)), ann)
		// The email of the staff member changes, and somebody else gets the old one, here and there.
		moved := newID().String() + "@example.org"
		w.as(w.Admin, "PATCH", "/v1/staff/"+ann.ID.String(), object{"email": moved}, header{"If-Match", "*"}).must(200)
		is(as("ann", addressOf(ann)), ann)
		is(as("ann", moved), ann)
		s.call(t, as("bob", addressOf(ann)), "GET", "/v1/me", nil).problem(401, "unauthenticated")
		bob := w.member("member")
		w.exec(`UPDATE staff SET email = $3 WHERE organization_id = $1 AND id = $2`, w.ID, bob.ID, addressOf(ann))
		is(as("ann", addressOf(ann)), ann)
		is(as("bob", addressOf(ann)), bob)
		// Another subject with the email of somebody who is bound takes nobody's place.
		s.call(t, as("eve", moved), "GET", "/v1/me", nil).problem(401, "unauthenticated")
		is(as("ann", moved), ann)
		// Until an administrator says so.
		self := "/v1/staff/" + ann.ID.String()
		w.as(bob, "POST", self+"/unbind-identities", nil).problem(403, "permission_denied")
		w.as(w.member("member", "staff"), "POST", self+"/unbind-identities", nil).problem(403, "permission_denied")
		first := w.as(w.Admin, "POST", self+"/unbind-identities", nil, key("unbind")).must(200)
		if left := decode[api.StaffIdentities](first); len(left.Items) != 0 {
			t.Errorf("got %+v", left)
		}
		replays(t, first, w.as(w.Admin, "POST", self+"/unbind-identities", nil, key("unbind")))
		before := w.tables()
		w.as(w.Admin, "POST", self+"/unbind-identities", nil).must(200)
		w.unchanged(before)
		s.call(t, as("ann", addressOf(w.Admin)+"x"), "GET", "/v1/me", nil).problem(401, "unauthenticated")
		is(as("eve", moved), ann)
		s.call(t, as("ann", moved), "GET", "/v1/me", nil).problem(401, "unauthenticated")
		if n := w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1 AND subject_id = $2 AND action = 'identities_unbound'`, w.ID, ann.ID); n != 1 {
			t.Errorf("the trail tells %d times", n)
		}
	})

	s.rule(t, "whoever may change staff does not become one of them by giving them another email", func(t *testing.T, w *world) {
		clerk, bound, never := w.member("member", "staff"), w.tokenless("member"), w.tokenless("member")
		as := func(subject, address string) answer {
			return s.call(t, good.token(t, i.claims(subject, address, nil)), "GET", "/v1/me", nil)
		}
		is := func(got answer, m member) {
			t.Helper()
			if me := decode[api.Me](got.must(200)); me.Staff.ID != m.ID {
				t.Errorf("got %s", me.Staff.ID)
			}
		}
		patched := func(m, of member) string {
			address := newID().String() + "@example.org"
			w.as(m, "PATCH", "/v1/staff/"+of.ID.String(), object{"email": address}, header{"If-Match", "*"}).must(200)
			return address
		}
		trusted := func(of member, want bool) {
			t.Helper()
			if got := decode[api.StaffIdentities](w.get(w.Admin, "/v1/staff/"+of.ID.String()+"/identities").must(200)); got.EmailTrusted != want {
				t.Errorf("got %+v", got)
			}
		}
		is(as("bound"+w.ID.String(), addressOf(bound)), bound)
		tokened := w.member("member")
		address := patched(clerk, tokened)
		trusted(tokened, false)
		as("eve"+w.ID.String(), address).problem(401, "unauthenticated")
		external := w.externalID("staff", tokened.ID)
		w.as(clerk, "PUT", "/v1/staff/by-external-id/"+external, with(newMember("member"), "email", "eve+"+address)).must(200)
		as("eve"+w.ID.String(), "eve+"+address).problem(401, "unauthenticated")
		address = patched(clerk, bound)
		is(as("bound"+w.ID.String(), addressOf(bound)), bound)
		as("eve"+w.ID.String(), address).problem(401, "unauthenticated")
		// An administrator vouches for an email, by giving it or by forgetting who came in; and everybody for their own.
		is(as("tokened"+w.ID.String(), patched(w.Admin, tokened)), tokened)
		w.as(w.Admin, "POST", "/v1/staff/"+bound.ID.String()+"/unbind-identities", nil).must(200)
		trusted(bound, true)
		is(as("anew"+w.ID.String(), address), bound)
		is(as("clerk"+w.ID.String(), patched(clerk, clerk)), clerk)
		is(as("never"+w.ID.String(), patched(clerk, never)), never)
		// Who has come in once has come in, also when nothing is left of it.
		gone := w.tokenless("member")
		is(as("gone"+w.ID.String(), addressOf(gone)), gone)
		w.as(w.Admin, "POST", "/v1/staff/"+gone.ID.String()+"/unbind-identities", nil).must(200)
		address = patched(clerk, gone)
		trusted(gone, false)
		as("eve"+w.ID.String(), address).problem(401, "unauthenticated")
		w.as(clerk, "POST", "/v1/staff/"+gone.ID.String()+"/resend-invite", nil).problem(403, "permission_denied")
	})

	s.rule(t, "an invitation that somebody holds a link of ends when who is invited comes in through an issuer", func(t *testing.T, w *world) {
		clerk, ann := w.member("member", "staff"), w.tokenless("member")
		link := tokenIn(t, decode[api.SentInvitation](w.staffResent(clerk, ann.ID).must(200)).InviteURL)
		come := func(others object) answer {
			return s.call(t, good.token(t, i.claims("ann"+w.ID.String(), addressOf(ann), others)), "GET", "/v1/me", nil)
		}
		come(object{"email_verified": false}).problem(401, "unauthenticated")
		s.call(t, "", "GET", "/v1/invitations/"+link, nil).must(200)
		come(nil).must(200)
		s.call(t, "", "GET", "/v1/invitations/"+link, nil).problem(404, "invitation_invalid")
		s.accepted(t, link, goodPassword).problem(404, "invitation_invalid")
		// Whoever may become anybody may invite them still, and they come in as before meanwhile.
		again := tokenIn(t, decode[api.SentInvitation](w.staffResent(w.Admin, ann.ID).must(200)).InviteURL)
		come(nil).must(200)
		s.accepted(t, again, goodPassword).must(200)
	})

	s.rule(t, "an email in two organizations lets nobody in, until one of them is deactivated", func(t *testing.T, w *world) {
		email := newID().String() + "@example.org"
		elsewhere := s.organization(t)
		ann, double := w.member("member"), elsewhere.member("member")
		for _, one := range []struct {
			w *world
			m member
		}{{w, ann}, {elsewhere, double}} {
			one.w.exec(`UPDATE staff SET email = $3 WHERE organization_id = $1 AND id = $2`, one.w.ID, one.m.ID, email)
		}
		token := good.token(t, i.claims(email, email, nil))
		s.call(t, token, "GET", "/v1/me", nil).problem(401, "unauthenticated")
		elsewhere.deactivate(double)
		if me := decode[api.Me](s.call(t, token, "GET", "/v1/me", nil).must(200)); me.Staff.ID != ann.ID || me.Organization.ID != w.ID {
			t.Errorf("got %+v", me)
		}
		elsewhere.exec(`UPDATE staff SET status = 'active' WHERE organization_id = $1 AND id = $2`, elsewhere.ID, double.ID)
		if me := decode[api.Me](s.call(t, token, "GET", "/v1/me", nil).must(200)); me.Staff.ID != ann.ID {
			t.Errorf("got %+v", me)
		}
	})

	s.rule(t, "of many first requests at once one binds, and all come in; of two subjects, one does", func(t *testing.T, w *world) {
		for range 5 {
			ann := w.member("member")
			const many = 12
			var coming sync.WaitGroup
			var came [2]atomic.Int64
			for n := range many {
				token := good.token(t, i.claims(fmt.Sprint(n%2, ann.ID), addressOf(ann), nil))
				coming.Go(func() {
					if got := s.call(t, token, "GET", "/v1/me", nil); got.Status == 200 {
						came[n%2].Add(1)
					} else {
						got.problem(401, "unauthenticated")
					}
				})
			}
			coming.Wait()
			if one, other := came[0].Load(), came[1].Load(); one+other != many/2 || one != 0 && other != 0 {
				t.Errorf("%d and %d came in", one, other)
			}
			if n := w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1 AND subject_id = $2 AND action = 'identity_bound'`, w.ID, ann.ID); n != 1 {
				t.Errorf("%d were bound", n)
			}
		}
	})

	t.Run("the metrics tell of issuers and outcomes, and of nothing that a caller makes up", func(t *testing.T) {
		w := s.organization(t)
		s.call(t, good.token(t, i.claims(w.Admin.ID.String(), addressOf(w.Admin), nil)), "GET", "/v1/me", nil).must(200)
		s.call(t, good.token(t, i.claims(newID().String(), "nobody@example.org", nil)), "GET", "/v1/me", nil).problem(401, "unauthenticated")
		s.call(t, good.token(t, i.claims(newID().String(), addressOf(w.Admin), object{"iss": "https://made-up.example.org"})), "GET", "/v1/me", nil).problem(401, "unauthenticated")
		registry, recorder := prometheus.NewRegistry(), httptest.NewRecorder()
		registry.MustRegister(s.issuers)
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
		text := recorder.Body.String()
		for _, want := range []string{`issuer="` + i.URL + `",outcome="bound"`, `issuer="` + i.URL + `",outcome="unknown"`, `issuer="other",outcome="not_valid"`, `issuer="` + i.URL + `",outcome="read"`} {
			if !strings.Contains(text, want) || strings.Contains(text, want+"} 0\n") {
				t.Errorf("%s has not counted: %s", want, text)
			}
		}
		if strings.Contains(text, "made-up") {
			t.Errorf("a caller makes up labels: %s", text)
		}
	})
}

func TestOpenIDTokensExpire(t *testing.T) {
	t.Parallel()
	key := newKey(t, "1", jose.EdDSA)
	i := startIssuer(t, key)
	var hands clock
	s := start(t, withoutWorker, hands.option, i.trusting(everywhere()))
	w := s.organization(t)
	token := key.token(t, i.claims(w.Admin.ID.String(), addressOf(w.Admin), nil))
	s.call(t, token, "GET", "/v1/me", nil).must(200)
	hands.advance(5*time.Minute + 31*time.Second)
	s.call(t, token, "GET", "/v1/me", nil).problem(401, "unauthenticated")
}

// Whoever is deactivated is out within a minute, whatever they came in with.
func TestDeactivatedStaffAreOut(t *testing.T) {
	t.Parallel()
	rsa := newKey(t, "1", jose.RS256)
	i := startIssuer(t, rsa)
	s := start(t, withoutWorker, i.trusting(everywhere()))
	s.rule(t, "D5 whoever is deactivated is out at once, and their streams end; only who signs in anew comes back", func(t *testing.T, w *world) {
		ann := w.activatedStaff(goodPassword, "member")
		jwtOf := func() string { return rsa.token(t, i.claims(ann.ID.String(), addressOf(ann), nil)) }
		session := s.session(t, addressOf(ann), goodPassword).Token
		credentials := map[string]string{"an API token": ann.Token, "a scoped API token": w.scoped(ann, "read"), "a session": session, "a JWT": jwtOf()}
		ended := map[string]chan struct{}{}
		for name, credential := range credentials {
			s.call(t, credential, "GET", "/v1/me", nil).must(200)
			stream := w.follow(member{ID: ann.ID, Token: credential})
			ended[name] = make(chan struct{})
			go func() {
				defer close(ended[name])
				for {
					if _, ok := stream.next(); !ok {
						return
					}
				}
			}()
		}
		w.as(w.Admin, "POST", "/v1/staff/"+ann.ID.String()+"/deactivate", nil).must(200)
		deactivated := time.Now()
		for name, credential := range credentials {
			s.call(t, credential, "GET", "/v1/me", nil).problem(401, "unauthenticated")
			select {
			case <-ended[name]:
			case <-time.After(time.Until(deactivated.Add(time.Minute))):
				t.Errorf("the stream of %s goes on after a minute", name)
			}
		}
		w.as(w.Admin, "POST", "/v1/staff/"+ann.ID.String()+"/reactivate", nil).must(200)
		for _, name := range []string{"an API token", "a scoped API token", "a session"} {
			s.call(t, credentials[name], "GET", "/v1/me", nil).problem(401, "unauthenticated")
		}
		s.call(t, jwtOf(), "GET", "/v1/me", nil).must(200)
		if me := decode[api.Me](s.call(t, s.session(t, addressOf(ann), goodPassword).Token, "GET", "/v1/me", nil).must(200)); me.SignedInWith != "password" {
			t.Errorf("got %+v", me)
		}
	})
}

// An issuer speaks for whom it is configured to speak for, and for nobody else.
func TestIssuersOfOrganizations(t *testing.T) {
	t.Parallel()
	key := newKey(t, "1", jose.ES256)
	i, second := startIssuer(t, key), startIssuer(t, key)
	mine, theirs := newID(), newID()
	s := start(t, withoutWorker,
		i.trusting(
			openid.Issuer{Audience: []string{"mine"}, OrganizationID: &mine},
			openid.Issuer{Audience: []string{"theirs"}, OrganizationID: &theirs, Scopes: []domain.Scope{domain.ScopeRead}},
			openid.Issuer{Audience: []string{"some"}, OrganizationID: &mine, EmailDomains: []string{"Example.COM"}, AuthorizedParties: []string{"portal"}},
		),
		second.trusting(openid.Issuer{Audience: []string{"mine"}, OrganizationID: &mine}))
	w, other := s.organizationWith(t, mine), s.organizationWith(t, theirs)
	email := newID().String() + "@example.org"
	give := func(w *world, address string) member {
		m := w.member("administrator")
		w.exec(`UPDATE staff SET email = $3 WHERE organization_id = $1 AND id = $2`, w.ID, m.ID, address)
		return m
	}
	ann, double := give(w, email), give(other, email)
	stranger := give(other, "only@example.org")
	token := func(i *issuer, audience any, subject, address string, others object) string {
		claims := i.claims(subject, address, others)
		claims["aud"] = audience
		return key.token(t, claims)
	}
	is := func(token string, m member) {
		t.Helper()
		if me := decode[api.Me](s.call(t, token, "GET", "/v1/me", nil).must(200)); me.Staff.ID != m.ID {
			t.Errorf("got %s", me.Staff.ID)
		}
	}
	out := func(token string) {
		t.Helper()
		s.call(t, token, "GET", "/v1/me", nil).problem(401, "unauthenticated")
	}
	is(token(i, "mine", "ann", email, nil), ann)
	is(token(i, "theirs", "ann", email, nil), double) // the same subject, for whom its issuer speaks there
	is(token(i, "mine", "ann", email, nil), ann)
	out(token(i, "mine", "stranger", "only@example.org", nil))
	is(token(i, "theirs", "stranger", "only@example.org", nil), stranger)
	out(token(i, "mine", "stranger", "only@example.org", nil)) // bound, and elsewhere
	out(token(i, []string{"mine", "theirs"}, "ann", email, object{"azp": "mine"}))
	is(token(second, "mine", "somebody", email, nil), ann) // each issuer has names of its own
	out(token(second, "theirs", "ann", email, nil))
	out(token(second, "mine", "ann", email, nil))

	limited := token(i, "theirs", "ann", email, nil)
	s.call(t, limited, "GET", "/v1/people", nil).must(200)
	s.call(t, limited, "GET", "/v1/api-tokens", nil).problem(403, "insufficient_scope")

	eve, in := give(w, "eve@example.org"), give(w, "in@example.com")
	is(token(i, "some", "in", "in@EXAMPLE.com", object{"azp": "portal"}), in)
	out(token(i, "some", "in", "in@example.com", object{"azp": "some"}))
	out(token(i, "some", "in", "in@example.com", nil))
	out(token(i, "some", "eve", "eve@example.org", object{"azp": "portal"}))
	out(token(i, "some", "eve", `eve@example.org@example.com`, object{"azp": "portal"}))
	is(token(i, "mine", "eve", "eve@example.org", nil), eve)
}

func (s *service) organizationWith(t testing.TB, id uuid.UUID) *world {
	t.Helper()
	w := &world{t: t, service: s, ID: id}
	w.exec(`INSERT INTO organizations (id, name, time_zone, created_at) VALUES ($1, 'Harbour', 'America/Toronto', now())`, w.ID)
	w.Admin = w.member("administrator")
	return w
}

// Keys come and go while the service runs, and nobody makes it ask for them all the time.
func TestKeysOfIssuers(t *testing.T) {
	t.Parallel()
	setUp := func(t *testing.T, keys ...signingKey) (*issuer, *service, *world, func(signingKey) answer) {
		i := startIssuer(t, keys...)
		s := start(t, withoutWorker, i.trusting(everywhere()))
		w := s.organization(t)
		return i, s, w, func(k signingKey) answer {
			return s.call(t, k.token(t, i.claims(w.Admin.ID.String(), addressOf(w.Admin), nil)), "GET", "/v1/me", nil)
		}
	}
	old, fresh := newKey(t, "old", jose.ES256), newKey(t, "new", jose.ES256)

	t.Run("a new key is found when it is needed, and the keys are read once for many", func(t *testing.T) {
		t.Parallel()
		i, _, _, come := setUp(t, old)
		for range 20 {
			come(old).must(200)
		}
		if n := i.reads.Load(); n != 1 {
			t.Errorf("the keys were read %d times", n)
		}
		come(fresh).problem(401, "unauthenticated")
		i.publish(old, fresh)
		eventually(t, "the new key is found", func() bool { return come(fresh).Status == 200 })
		come(old).must(200)
	})

	t.Run("a key that is gone opens nothing once another was looked for", func(t *testing.T) {
		t.Parallel()
		i, _, _, come := setUp(t, old)
		come(old).must(200)
		i.publish(fresh)
		eventually(t, "the new key is found", func() bool { return come(fresh).Status == 200 })
		come(old).problem(401, "unauthenticated")
	})

	t.Run("a flood of tokens with unknown keys has the keys read now and then", func(t *testing.T) {
		t.Parallel()
		i, _, _, come := setUp(t, old)
		come(old).must(200)
		began := time.Now()
		var flood sync.WaitGroup
		for range 8 {
			flood.Go(func() {
				for n := range 60 {
					unknown := old
					unknown.id = fmt.Sprint("unknown ", n, newID())
					come(unknown).problem(401, "unauthenticated")
				}
			})
		}
		flood.Wait()
		if most := 2 + int64(time.Since(began)/readsApart); i.reads.Load() > most {
			t.Errorf("the keys were read %d times, of at most %d", i.reads.Load(), most)
		}
		come(old).must(200)
	})

	t.Run("an issuer that is down keeps nothing from starting, and is told from a token that is wrong", func(t *testing.T) {
		t.Parallel()
		i, _, w, come := setUp(t, old)
		w.get(w.Admin, "/v1/me").must(200)
		for name, broken := range map[string]func(http.ResponseWriter, *http.Request) bool{
			"an error": func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true },
			"nothing":  func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) },
			"no JSON":  func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte("<html>")); return true },
			"what has no end": func(w http.ResponseWriter, _ *http.Request) bool {
				_, _ = w.Write([]byte(strings.Repeat(" ", 2<<20)))
				return true
			},
			"another name": func(w http.ResponseWriter, _ *http.Request) bool {
				_, _ = w.Write([]byte(`{"issuer": "https://elsewhere.example.org", "jwks_uri": "` + i.URL + `/keys"}`))
				return true
			},
			"keys somewhere else": func(w http.ResponseWriter, _ *http.Request) bool {
				_, _ = w.Write([]byte(`{"issuer": "` + i.URL + `", "jwks_uri": "https://elsewhere.example.org/keys"}`))
				return true
			},
			"a way somewhere else": func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, "/keys", http.StatusFound)
				return true
			},
			"no keys": func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/keys" {
					return false
				}
				_, _ = w.Write([]byte(`{"keys": []}`))
				return true
			},
			"a key that is a secret": func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/keys" {
					return false
				}
				_, _ = w.Write([]byte(`{"keys": [{"kty": "oct", "kid": "old", "k": "AAAA"}]}`))
				return true
			},
		} {
			i.breaks(broken)
			before := i.reads.Load()
			eventually(t, "the issuer is asked when it answers "+name, func() bool {
				problem := come(old).problem(503, "issuer_unavailable")
				if problem.Params["retry_after_seconds"] == nil {
					t.Errorf("%s: it is not told when to ask again", name)
				}
				return i.reads.Load() > before
			})
		}
		w.get(w.Admin, "/v1/me").must(200)
		i.breaks(nil)
		eventually(t, "the issuer is there again", func() bool { return come(old).Status == 200 })
		// With its keys known it may go away.
		i.breaks(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
		come(old).must(200)
	})

	t.Run("an issuer that does not answer keeps nobody waiting for long", func(t *testing.T) {
		t.Parallel()
		i, _, w, come := setUp(t, old)
		release := make(chan struct{})
		t.Cleanup(func() { close(release) })
		i.breaks(func(_ http.ResponseWriter, r *http.Request) bool {
			select {
			case <-release:
			case <-r.Context().Done():
			}
			return true
		})
		began := time.Now()
		var waiting sync.WaitGroup
		for range 5 {
			waiting.Go(func() { come(old).problem(503, "issuer_unavailable") })
		}
		w.get(w.Admin, "/v1/me").must(200)
		waiting.Wait()
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("it took %s", took)
		}
		if n := i.reads.Load(); n != 1 {
			t.Errorf("it was asked %d times", n)
		}
	})
}
