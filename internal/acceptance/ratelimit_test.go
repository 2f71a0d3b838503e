package acceptance

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"handover/internal/httpapi"
)

// movedClock is one that a test moves.
type movedClock struct{ moved atomic.Int64 }

func (c *movedClock) move(by time.Duration) { c.moved.Add(int64(by)) }

// limitedTo is a service that takes so many requests, by a clock that the test moves.
func limitedTo(limits httpapi.RateLimits, moved *movedClock, proxies ...*net.IPNet) serviceOption {
	began := time.Now()
	return func(o *serviceOptions) {
		o.http.RateLimits, o.http.Proxies, o.worker = limits, proxies, false
		o.http.CORSOrigins = []string{"https://portal.example"}
		o.now = func() time.Time { return began.Add(time.Duration(moved.moved.Load())) }
	}
}

// tells fails the test unless an answer tells these limits.
func (a answer) tells(policy, left string) answer {
	a.t.Helper()
	if a.Header.Get("RateLimit-Policy") != policy || a.Header.Get("RateLimit") != left {
		a.t.Fatalf("got RateLimit-Policy %s and RateLimit %s, want %s and %s", a.Header.Get("RateLimit-Policy"), a.Header.Get("RateLimit"), policy, left)
	}
	return a
}

// reaches fails the test unless an answer says that limits were reached, and for how long.
func (a answer) reaches(after string, policies ...string) answer {
	a.t.Helper()
	problem := a.problem(429, "rate_limited")
	if fmt.Sprint(problem.Params["policies"]) != fmt.Sprint(policies) || a.Header.Get("Retry-After") != after {
		a.t.Fatalf("got policies %v and Retry-After %s, want %v and %s", problem.Params["policies"], a.Header.Get("Retry-After"), policies, after)
	}
	return a
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	minute := func(requests int) httpapi.Quota { return httpapi.Quota{Requests: requests, Window: time.Minute} }

	t.Run("there are none unless they are configured", func(t *testing.T) {
		t.Parallel()
		s := start(t, withoutWorker)
		w := s.organization(t)
		for range 100 {
			w.get(w.Admin, "/v1/me").must(200).tells("", "")
			s.call(t, "hnd_unknown", "GET", "/v1/me", nil).problem(401, "unauthenticated")
		}
	})

	t.Run("a credential, and all of an organization, have so many requests in a time", func(t *testing.T) {
		t.Parallel()
		var now movedClock
		s := start(t, limitedTo(httpapi.RateLimits{Token: minute(3), Organization: minute(5)}, &now))
		w, other := s.organization(t), s.organization(t)
		colleague := w.member("member")
		const policy = `"token";q=3;w=60, "organization";q=5;w=60`
		w.get(w.Admin, "/v1/me").must(200).tells(policy, `"token";r=2;t=20, "organization";r=4;t=12`)
		w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Task"}).must(201).tells(policy, `"token";r=1;t=40, "organization";r=3;t=24`)
		w.get(w.Admin, "/v1/tasks/"+newID().String()).problem(404, "not_found")
		for range 3 { // what is refused is not counted
			w.get(w.Admin, "/v1/me").reaches("20", "token").tells(policy, `"token";r=0;t=60, "organization";r=2;t=36`)
		}
		w.get(colleague, "/v1/audit-events").problem(403, "permission_denied")
		w.get(colleague, "/v1/me").must(200).tells(policy, `"token";r=1;t=40, "organization";r=0;t=60`)
		w.get(colleague, "/v1/me").reaches("12", "organization").tells(policy, `"token";r=1;t=40, "organization";r=0;t=60`)
		w.get(w.Admin, "/v1/me").reaches("20", "token", "organization")
		other.get(other.Admin, "/v1/me").must(200).tells(policy, `"token";r=2;t=20, "organization";r=4;t=12`)

		now.move(12 * time.Second) // one of the organization's is there again, and none of the administrator's
		w.get(w.Admin, "/v1/me").reaches("8", "token")
		w.get(colleague, "/v1/me").must(200)
		now.move(time.Hour)
		w.get(w.Admin, "/v1/me").must(200).tells(policy, `"token";r=2;t=20, "organization";r=4;t=12`)
	})

	t.Run("pages of other origins may read them", func(t *testing.T) {
		t.Parallel()
		var now movedClock
		s := start(t, limitedTo(httpapi.RateLimits{Token: minute(1)}, &now))
		w := s.organization(t)
		w.get(w.Admin, "/v1/me").must(200)
		got := w.as(w.Admin, "GET", "/v1/me", nil, header{"Origin", "https://portal.example"}).reaches("60", "token")
		for _, name := range []string{"RateLimit", "RateLimit-Policy", "Retry-After"} {
			if !slices.Contains(strings.Split(got.Header.Get("Access-Control-Expose-Headers"), ", "), name) {
				t.Errorf("%s is not exposed: %s", name, got.Header.Get("Access-Control-Expose-Headers"))
			}
		}
	})

	t.Run("what needs no credential is not limited, but where it tells whether a secret is right", func(t *testing.T) {
		t.Parallel()
		var now movedClock
		s := start(t, limitedTo(httpapi.RateLimits{Token: minute(1), Organization: minute(1), Address: minute(2)}, &now))
		for range 5 {
			for _, path := range []string{"/healthz", "/readyz", "/metrics", "/docs", "/openapi.yaml"} {
				s.call(t, "", "GET", path, nil).must(200).tells("", "")
			}
		}
		credentials := object{"email": "nobody@example.org", "password": "wrong"}
		s.call(t, "", "POST", "/v1/sessions", credentials).must(401).tells(`"address";q=2;w=60`, `"address";r=1;t=30`)
		s.call(t, "", "GET", "/v1/invitations/hni_unknown", nil).must(404).tells(`"address";q=2;w=60`, `"address";r=0;t=60`)
		s.call(t, "", "GET", "/v1/invitations/hni_unknown", nil).reaches("30", "address")
		s.call(t, "", "POST", "/v1/sessions", credentials).reaches("30", "address")
	})

	t.Run("credentials that are none are counted by address, and keep nobody out who has a good one", func(t *testing.T) {
		t.Parallel()
		var now movedClock
		s := start(t, limitedTo(httpapi.RateLimits{Address: minute(2)}, &now))
		w := s.organization(t)
		s.call(t, "hnd_unknown", "GET", "/v1/me", nil).problem(401, "unauthenticated")
		s.call(t, "", "GET", "/v1/me", nil).problem(401, "unauthenticated")
		s.call(t, "hnd_unknown", "GET", "/v1/me", nil).reaches("30", "address")
		w.get(w.Admin, "/v1/me").must(200)
		// Whoever is not trusted cannot say that they come from elsewhere.
		s.call(t, "hnd_unknown", "GET", "/v1/me", nil, header{"X-Forwarded-For", "203.0.113.7"}).reaches("30", "address")
	})

	t.Run("a trusted proxy tells where a request comes from, and nobody through it", func(t *testing.T) {
		t.Parallel()
		var now movedClock
		_, here, err := net.ParseCIDR("127.0.0.0/8")
		if err != nil {
			t.Fatal(err)
		}
		s := start(t, limitedTo(httpapi.RateLimits{Address: minute(1)}, &now, here))
		from := func(addresses string) answer {
			return s.call(t, "hnd_unknown", "GET", "/v1/me", nil, header{"X-Forwarded-For", addresses})
		}
		from("203.0.113.7").must(401)
		from("203.0.113.7").must(429)
		from("198.51.100.1, 203.0.113.7").must(429) // the first was sent by who comes from the second
		from("203.0.113.8").must(401)
		from("2001:db8:1:1::1").must(401)
		from("2001:db8:1:1::2").must(429) // a network of one
		from("2001:db8:1:2::1").must(401)
	})
}
