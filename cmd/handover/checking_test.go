package main

import (
	"strings"
	"testing"
	"time"
)

func TestWrongConfigurationIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	limits := limitFlags{OrganizationRuns: 1, ConnectionWait: time.Second, LockTimeout: time.Second, ReadTimeout: time.Second, ChangeTimeout: time.Second}
	good := func() *serveCommand {
		return &serveCommand{
			databaseFlags: databaseFlags{MaxConnections: 10}, publicFlags: publicFlags{PublicURL: "https://handover.example.org/"}, limitFlags: limits,
			requestFlags: requestFlags{RequestTimeout: time.Minute}, drainFlags: drainFlags{endingFlags: endingFlags{DrainTimeout: time.Minute}},
			CORSOrigins: []string{"https://portal.example.org", "http://localhost:3000"},
		}
	}
	if err := good().check(); err != nil {
		t.Errorf("what is right is refused: %v", err)
	}
	for name, wrong := range map[string]func(*serveCommand){
		"HANDOVER_DATABASE_CONNECTIONS": func(c *serveCommand) { c.MaxConnections = 0 },
		"HANDOVER_ORGANIZATION_RUNS":    func(c *serveCommand) { c.OrganizationRuns = 0 },
		"HANDOVER_LOCK_TIMEOUT":         func(c *serveCommand) { c.LockTimeout = -time.Second },
		"HANDOVER_REQUEST_TIMEOUT":      func(c *serveCommand) { c.RequestTimeout = 0 },
		"HANDOVER_TRUSTED_PROXIES":      func(c *serveCommand) { c.TrustedProxies = []string{"10.0.0.1"} },
		"HANDOVER_DRAIN_DELAY":          func(c *serveCommand) { c.DrainDelay = time.Hour },
	} {
		command := good()
		wrong(command)
		if err := command.check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, origin := range []string{"*", "https://portal.example.org/", "https://portal.example.org/path", "portal.example.org", "https://"} {
		command := good()
		command.CORSOrigins = append(command.CORSOrigins, origin)
		if err := command.check(); err == nil || !strings.Contains(err.Error(), "HANDOVER_CORS_ORIGINS") {
			t.Errorf("the origin %q: got %v", origin, err)
		}
	}
	for _, address := range []string{"handover.example.org", "ftp://handover.example.org", "https://", "https://user@handover.example.org", "https://handover.example.org?x=1"} {
		serving, working := good(), &workerCommand{databaseFlags: databaseFlags{MaxConnections: 10}, publicFlags: publicFlags{PublicURL: address}, limitFlags: limits}
		serving.PublicURL = address
		for _, err := range []error{serving.check(), working.check()} {
			if err == nil || !strings.Contains(err.Error(), "HANDOVER_PUBLIC_URL") {
				t.Errorf("the address %q: got %v", address, err)
			}
		}
	}
}
