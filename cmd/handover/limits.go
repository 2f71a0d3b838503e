package main

import (
	"errors"
	"fmt"
	"time"

	"handover/internal/app"
	"handover/internal/httpapi"
	"handover/internal/postgres"
)

// limitFlags bound what an organization takes, and how long things take in the database. They are to be the same in every process.
type limitFlags struct {
	OrganizationRuns int           `help:"How many asynchronous runs of one organization are at work at once, over all workers; the others wait." env:"HANDOVER_ORGANIZATION_RUNS" default:"2"`
	ConnectionWait   time.Duration `help:"How long a connection to the database is waited for." env:"HANDOVER_CONNECTION_WAIT" default:"10s"`
	LockTimeout      time.Duration `help:"How long a statement waits for rows that others hold." env:"HANDOVER_LOCK_TIMEOUT" default:"30s"`
	ReadTimeout      time.Duration `help:"How long a statement of what only reads may take." env:"HANDOVER_READ_TIMEOUT" default:"30s"`
	ChangeTimeout    time.Duration `help:"How long a statement of what changes something may take, such as of a bulk change." env:"HANDOVER_CHANGE_TIMEOUT" default:"10m"`
}

// bound tells the app and its database. It refuses what is no bound.
func (f limitFlags) bound(opened *database, application *app.App) error {
	if f.OrganizationRuns < 1 {
		return errors.New("HANDOVER_ORGANIZATION_RUNS is to be at least 1")
	}
	application.BoundRuns(f.OrganizationRuns)
	limits := postgres.UsualLimits
	limits.Connection, limits.Lock, limits.Read, limits.Change = f.ConnectionWait, f.LockTimeout, f.ReadTimeout, f.ChangeTimeout
	if err := limits.Check(); err != nil {
		return fmt.Errorf("HANDOVER_CONNECTION_WAIT, HANDOVER_LOCK_TIMEOUT, HANDOVER_READ_TIMEOUT, HANDOVER_CHANGE_TIMEOUT: %w", err)
	}
	opened.store.Bound(limits)
	return nil
}

// requestFlags bound the requests.
type requestFlags struct {
	RequestTimeout time.Duration `help:"How long a request may take, but for reports and streams." env:"HANDOVER_REQUEST_TIMEOUT" default:"2m"`
}

// times are how long requests may take.
func (f requestFlags) times() (httpapi.Times, error) {
	if f.RequestTimeout < time.Second {
		return httpapi.Times{}, errors.New("HANDOVER_REQUEST_TIMEOUT is to be at least 1s")
	}
	return httpapi.Times{Request: f.RequestTimeout}, nil
}
