package mail

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// tlsPolicy says whether the conversation with a server is encrypted.
type tlsPolicy string

const (
	tlsFromTheStart tlsPolicy = "smtps"
	tlsRequired     tlsPolicy = "required" // STARTTLS, or nothing is sent
	tlsOptional     tlsPolicy = "optional" // STARTTLS where the server has it
	tlsNever        tlsPolicy = "never"
)

// server is a mail server and how to speak to it.
type server struct {
	host, port     string
	user, password string // empty: without signing in
	policy         tlsPolicy
	timeout        time.Duration // for each step
}

const (
	defaultTimeout = 30 * time.Second
	longestTimeout = 10 * time.Minute
)

var errNoServer = errors.New("the mail server (HANDOVER_SMTP_URL) is not given as smtp://user:password@host:port or smtps://…")

// parseURL reads the address of a mail server. The URL, which may hold a password, is in none of the errors.
func parseURL(text string) (*server, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" || parsed.Path != "" && parsed.Path != "/" || parsed.Fragment != "" {
		return nil, errNoServer
	}
	s := &server{host: parsed.Hostname(), port: parsed.Port(), timeout: defaultTimeout}
	s.user = parsed.User.Username()
	s.password, _ = parsed.User.Password()
	query := parsed.Query()
	switch parsed.Scheme {
	case "smtps":
		s.policy = tlsFromTheStart
		if query.Has("starttls") {
			return nil, errors.New("the mail server (HANDOVER_SMTP_URL) is smtps://, which is encrypted from the start: leave out starttls")
		}
	case "smtp":
		s.policy = tlsRequired
		if query.Has("starttls") {
			s.policy = tlsPolicy(query.Get("starttls"))
		}
	default:
		return nil, errNoServer
	}
	switch s.policy {
	case tlsFromTheStart, tlsRequired, tlsOptional, tlsNever:
	default:
		return nil, errors.New("starttls of the mail server (HANDOVER_SMTP_URL) is one of required, optional and never")
	}
	if query.Has("timeout") {
		if s.timeout, err = time.ParseDuration(query.Get("timeout")); err != nil || s.timeout <= 0 || s.timeout > longestTimeout {
			return nil, fmt.Errorf("timeout of the mail server (HANDOVER_SMTP_URL) is a duration such as 30s, at most %s", longestTimeout)
		}
	}
	for name := range query {
		if name != "starttls" && name != "timeout" {
			return nil, errors.New("the mail server (HANDOVER_SMTP_URL) takes the parameters starttls and timeout, and no others")
		}
	}
	if s.port == "" {
		s.port = "587"
		if s.policy == tlsFromTheStart {
			s.port = "465"
		}
	}
	return s, nil
}

func (s *server) address() string { return net.JoinHostPort(s.host, s.port) }
