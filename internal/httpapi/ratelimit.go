package httpapi

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"handover/internal/domain"
)

// RateLimits are how often this process may be asked. Zero: as often as one likes.
type RateLimits struct {
	Token        Quota // with one credential
	Organization Quota // by all of one organization
	Address      Quota // from one network address: to sign in, with an invitation, or with a credential that is none
}

// Quota is a number of requests within a window. What was used comes back steadily over the window.
type Quota struct {
	Requests int
	Window   time.Duration
}

// mostBuckets bounds the memory of a policy. Whoever comes beyond shares one bucket with all others who do, until there is room.
const mostBuckets = 100_000

// policy is one quota, with a bucket for each who has used some of it.
type policy struct {
	name    string // as RateLimit-Policy has it
	quota   Quota
	buckets map[string]*rate.Limiter
	swept   time.Time
}

// newPolicy is nil where there is no quota.
func newPolicy(name string, quota Quota) *policy {
	if quota.Requests == 0 {
		return nil
	}
	return &policy{name: name, quota: quota, buckets: map[string]*rate.Limiter{}}
}

// aSecond is how much of the quota comes back in a second.
func (p *policy) aSecond() float64 { return float64(p.quota.Requests) / p.quota.Window.Seconds() }

// bucket is that of somebody. Once a window those are forgotten of whose quota nothing is used, which are like new ones.
func (p *policy) bucket(whose string, now time.Time) *rate.Limiter {
	if now.Sub(p.swept) >= p.quota.Window {
		p.swept = now
		for key, bucket := range p.buckets {
			if bucket.TokensAt(now) >= float64(p.quota.Requests)-lost {
				delete(p.buckets, key)
			}
		}
	}
	if known := p.buckets[whose]; known != nil {
		return known
	}
	if len(p.buckets) >= mostBuckets && whose != "" {
		return p.bucket("", now)
	}
	bucket := rate.NewLimiter(rate.Limit(p.aSecond()), p.quota.Requests)
	p.buckets[whose] = bucket
	return bucket
}

// lost is the part of a request that arithmetic may lose.
const lost = 1e-6

// rateLimits are the policies of this process, each nil where there is none.
type rateLimits struct {
	lock                         sync.Mutex
	token, organization, address *policy
}

func newRateLimits(limits RateLimits) *rateLimits {
	return &rateLimits{token: newPolicy("token", limits.Token), organization: newPolicy("organization", limits.Organization), address: newPolicy("address", limits.Address)}
}

// use is one request of somebody that a policy counts.
type use struct {
	of    *policy
	whose string
}

// take counts a request, and refuses it where one of the policies has nothing left for it. Then none counts it. The answer tells what is
// left (draft-ietf-httpapi-ratelimit-headers).
func (r *rateLimits) take(c echo.Context, now time.Time, uses ...use) error {
	r.lock.Lock()
	defer r.lock.Unlock()
	var policies, limits, reached []string
	var refusal *domain.Error
	for _, use := range uses {
		if use.of == nil {
			continue
		}
		wait := seconds((1 - use.of.bucket(use.whose, now).TokensAt(now) - lost) / use.of.aSecond())
		if wait <= 0 {
			continue
		}
		reached = append(reached, use.of.name)
		if refusal == nil || wait > refusal.RetryAfter {
			refusal = domain.Refuse(domain.CodeRateLimited, "The limit of %d requests in %d seconds is reached. Ask again in %d seconds.",
				use.of.quota.Requests, whole(use.of.quota.Window), whole(wait))
			refusal.RetryAfter = wait
		}
	}
	for _, use := range uses {
		if use.of == nil {
			continue
		}
		bucket := use.of.bucket(use.whose, now)
		if refusal == nil {
			bucket.AllowN(now, 1)
		}
		left := max(0, bucket.TokensAt(now)+lost)
		policies = append(policies, fmt.Sprintf("%q;q=%d;w=%d", use.of.name, use.of.quota.Requests, whole(use.of.quota.Window)))
		limits = append(limits, fmt.Sprintf("%q;r=%d;t=%d", use.of.name, int(left), whole(seconds((float64(use.of.quota.Requests)-left)/use.of.aSecond()))))
	}
	if len(policies) > 0 {
		c.Response().Header().Set("RateLimit-Policy", strings.Join(policies, ", "))
		c.Response().Header().Set("RateLimit", strings.Join(limits, ", "))
	}
	if refusal == nil {
		return nil
	}
	return refusal.With("policies", reached)
}

func seconds(number float64) time.Duration { return time.Duration(number * float64(time.Second)) }

func whole(duration time.Duration) int { return int(math.Ceil(duration.Seconds())) }

// limitCaller counts a request of somebody who has signed in, by their credential and by their organization.
func (s *server) limitCaller(c echo.Context, caller domain.Caller) error {
	credential := caller.TokenID
	switch {
	case credential != uuid.Nil:
	case caller.IsClient():
		credential = caller.SessionID
	default:
		credential = caller.StaffID
	}
	return s.rates.take(c, s.options.Now(), use{s.rates.token, credential.String()}, use{s.rates.organization, caller.Organization.String()})
}

// limitAddress counts a request of somebody who has not signed in, by the address that they come from.
func (s *server) limitAddress(c echo.Context) error {
	return s.rates.take(c, s.options.Now(), use{s.rates.address, networkOf(c.RealIP())})
}

// networkOf is whom an address belongs to: of IPv6 everybody has a network of their own.
func networkOf(address string) string {
	const ofOne = 64 // bits
	parsed, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if parsed = parsed.Unmap().WithZone(""); parsed.Is4() {
		return parsed.String()
	}
	return netip.PrefixFrom(parsed, ofOne).Masked().String()
}
