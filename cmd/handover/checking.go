package main

import (
	"errors"
	"fmt"
	"net/url"
)

// check refuses what is configured wrong before anything is started, connected or migrated, and tells of all of it at once.
func (c *serveCommand) check() error {
	_, limits := c.limits()
	return errors.Join(c.checkDrain(), c.checkPublicURL(), c.checkConnections(), limits, c.checkRequests(), checkOrigins(c.CORSOrigins))
}

func (c *workerCommand) check() error {
	_, limits := c.limits()
	return errors.Join(c.checkPublicURL(), c.checkConnections(), limits)
}

// checkPublicURL refuses what links of mails and invitations cannot begin with.
func (f publicFlags) checkPublicURL() error {
	if f.PublicURL == "" {
		return nil
	}
	address, err := url.Parse(f.PublicURL)
	if err != nil || address.Scheme != "https" && address.Scheme != "http" || address.Host == "" || address.User != nil || address.RawQuery != "" || address.Fragment != "" {
		return errors.New("HANDOVER_PUBLIC_URL is no address such as https://handover.example.org")
	}
	return nil
}

// checkConnections refuses none, by which the pool would mean any number.
func (f databaseFlags) checkConnections() error {
	if f.MaxConnections < 1 {
		return errors.New("HANDOVER_DATABASE_CONNECTIONS is to be at least 1, and at least 10 for more than a trial")
	}
	return nil
}

// checkOrigins refuses what no browser sends as an origin, and would match nothing.
func checkOrigins(origins []string) error {
	for _, text := range origins {
		origin, err := url.Parse(text)
		if err != nil || origin.Host == "" || text != origin.Scheme+"://"+origin.Host {
			return fmt.Errorf("HANDOVER_CORS_ORIGINS: %q is no origin such as https://portal.example.org, without a path and without a / at its end", text)
		}
	}
	return nil
}
