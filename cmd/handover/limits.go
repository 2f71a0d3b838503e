package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"handover/internal/app"
	"handover/internal/httpapi"
	"handover/internal/postgres"
)

// limitFlags bound what an organization takes, and how long things take in the database. They are to be the same in every process.
type limitFlags struct {
	OrganizationRuns int           `help:"How many asynchronous runs of one organization are at work at once, over all workers, and how many large changes within requests in each process; the others wait." env:"HANDOVER_ORGANIZATION_RUNS" default:"2"`
	ConnectionWait   time.Duration `help:"How long a connection to the database is waited for." env:"HANDOVER_CONNECTION_WAIT" default:"10s"`
	LockTimeout      time.Duration `help:"How long a statement waits for rows that others hold." env:"HANDOVER_LOCK_TIMEOUT" default:"30s"`
	ReadTimeout      time.Duration `help:"How long a statement of what only reads may take." env:"HANDOVER_READ_TIMEOUT" default:"30s"`
	ChangeTimeout    time.Duration `help:"How long a statement of what changes something may take, such as of a bulk change." env:"HANDOVER_CHANGE_TIMEOUT" default:"10m"`
}

// boundDatabase tells the app and its database.
func (f limitFlags) boundDatabase(opened *database, application *app.App) error {
	limits, err := f.limits()
	if err != nil {
		return err
	}
	opened.store.Bound(limits)
	application.BoundRuns(f.OrganizationRuns)
	return nil
}

// limits reads those of the database. It refuses what is no bound.
func (f limitFlags) limits() (postgres.Limits, error) {
	if f.OrganizationRuns < 1 {
		return postgres.Limits{}, errors.New("HANDOVER_ORGANIZATION_RUNS is to be at least 1")
	}
	limits := postgres.UsualLimits
	limits.Connection, limits.Lock, limits.Read, limits.Change = f.ConnectionWait, f.LockTimeout, f.ReadTimeout, f.ChangeTimeout
	if err := limits.Check(); err != nil {
		return limits, fmt.Errorf("HANDOVER_CONNECTION_WAIT, HANDOVER_LOCK_TIMEOUT, HANDOVER_READ_TIMEOUT, HANDOVER_CHANGE_TIMEOUT: %w", err)
	}
	return limits, nil
}

// requestFlags bound the requests to one process.
type requestFlags struct {
	RequestTimeout        time.Duration `help:"How long a request may take, but for reports and streams." env:"HANDOVER_REQUEST_TIMEOUT" default:"2m"`
	RateLimitToken        quota         `help:"How many requests this process takes with one credential, within how long, such as 600/1m." env:"HANDOVER_RATE_LIMIT_TOKEN" placeholder:"N/TIME"`
	RateLimitOrganization quota         `help:"Likewise by all of one organization." env:"HANDOVER_RATE_LIMIT_ORGANIZATION" placeholder:"N/TIME"`
	RateLimitAddress      quota         `help:"Likewise from one network address: to sign in, with an invitation, or with a credential that is none." env:"HANDOVER_RATE_LIMIT_ADDRESS" placeholder:"N/TIME"`
	TrustedProxies        []string      `help:"The networks of proxies that tell, as X-Forwarded-For, from where a request comes." env:"HANDOVER_TRUSTED_PROXIES" placeholder:"CIDR,…"`
}

// boundRequests sets how long requests may take, and how many there may be.
func (f requestFlags) boundRequests(options *httpapi.Options) error {
	if f.RequestTimeout < time.Second {
		return errors.New("HANDOVER_REQUEST_TIMEOUT is to be at least 1s")
	}
	options.Times.Request = f.RequestTimeout
	options.RateLimits = httpapi.RateLimits{Token: httpapi.Quota(f.RateLimitToken), Organization: httpapi.Quota(f.RateLimitOrganization), Address: httpapi.Quota(f.RateLimitAddress)}
	for _, text := range f.TrustedProxies {
		_, network, err := net.ParseCIDR(text)
		if err != nil {
			return fmt.Errorf("HANDOVER_TRUSTED_PROXIES: %q is no network, such as 10.0.0.0/8", text)
		}
		options.Proxies = append(options.Proxies, network)
	}
	return nil
}

// checkRequests refuses what is no bound of requests.
func (f requestFlags) checkRequests() error { return f.boundRequests(&httpapi.Options{}) }

// quota is a number of requests within a time, written as 600/1m.
type quota httpapi.Quota

// UnmarshalText reads one.
func (q *quota) UnmarshalText(text []byte) error {
	requests, window, found := strings.Cut(string(text), "/")
	number, err := strconv.Atoi(requests)
	duration, durationErr := time.ParseDuration(window)
	if !found || err != nil || durationErr != nil || number < 1 || duration < time.Second {
		return fmt.Errorf("%q is no number of requests within a time of at least a second, such as 600/1m", text)
	}
	*q = quota{Requests: number, Window: duration}
	return nil
}
