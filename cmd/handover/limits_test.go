package main

import (
	"testing"
	"time"

	"handover/internal/httpapi"
)

func TestLimits(t *testing.T) {
	t.Parallel()

	t.Run("a rate limit is a number of requests within a time", func(t *testing.T) {
		t.Parallel()
		for text, want := range map[string]quota{
			"600/1m": {600, time.Minute}, "1/1s": {1, time.Second}, "5000/1h30m": {5000, 90 * time.Minute},
			"": {}, "600": {}, "600/": {}, "/1m": {}, "0/1m": {}, "-5/1m": {}, "600/10ms": {}, "600/0s": {}, "1.5/1m": {}, "600/1 minute": {},
		} {
			var got quota
			if err := got.UnmarshalText([]byte(text)); got != want || (err == nil) != (want != quota{}) {
				t.Errorf("%q: got %v and %v", text, got, err)
			}
		}
	})

	t.Run("proxies are networks, and a request has a second at least", func(t *testing.T) {
		t.Parallel()
		var options httpapi.Options
		if err := (requestFlags{RequestTimeout: time.Minute, TrustedProxies: []string{"10.0.0.0/8", "2001:db8::/32"}}).boundRequests(&options); err != nil || len(options.Proxies) != 2 {
			t.Errorf("got %v and %v", options.Proxies, err)
		}
		for _, wrong := range []requestFlags{
			{RequestTimeout: time.Minute, TrustedProxies: []string{"10.0.0.1"}}, {RequestTimeout: time.Minute, TrustedProxies: []string{"proxy.example"}}, {RequestTimeout: time.Millisecond},
		} {
			if err := wrong.boundRequests(&httpapi.Options{}); err == nil {
				t.Errorf("%v is taken", wrong)
			}
		}
	})

	t.Run("what is no bound of the database is refused", func(t *testing.T) {
		t.Parallel()
		good := limitFlags{OrganizationRuns: 1, ConnectionWait: time.Second, LockTimeout: time.Second, ReadTimeout: time.Second, ChangeTimeout: time.Second}
		for name, wrong := range map[string]func(*limitFlags){
			"no runs": func(f *limitFlags) { f.OrganizationRuns = 0 }, "no time": func(f *limitFlags) { f.LockTimeout = 0 }, "days": func(f *limitFlags) { f.ChangeTimeout = 48 * time.Hour },
		} {
			flags := good
			wrong(&flags)
			if _, err := flags.limits(); err == nil {
				t.Errorf("%s is taken", name)
			}
		}
		if limits, err := good.limits(); err != nil || limits.Read != time.Second {
			t.Errorf("got %v and %v", limits, err)
		}
	})
}
