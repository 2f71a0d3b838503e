package main

import (
	"errors"

	"handover/internal/app"
)

// runFlags bound the background work.
type runFlags struct {
	OrganizationRuns int `help:"How many asynchronous runs of one organization are at work at once, over all workers; the others wait. The same for every process." env:"HANDOVER_ORGANIZATION_RUNS" default:"2"`
}

// bound tells the app. It refuses what is no bound.
func (f runFlags) bound(application *app.App) error {
	if f.OrganizationRuns < 1 {
		return errors.New("HANDOVER_ORGANIZATION_RUNS is to be at least 1")
	}
	application.BoundRuns(f.OrganizationRuns)
	return nil
}
