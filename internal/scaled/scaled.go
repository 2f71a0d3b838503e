// Package scaled runs the service as many processes: a primary and a streaming replica, PgBouncer, nginx, and any number of
// APIs and workers, from the programs that Debian packages install. It is for `make scale` and for tests; everything listens on the
// loopback interface, and ends with the process that started it.
package scaled

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"handover/internal/embedded"
)

// ErrNotInstalled means that a program is missing. Its text tells how to get it.
var ErrNotInstalled = errors.New("is not installed: on Debian, make setup installs it")

// settings of the primary and its replica. What was promised is on the disk.
func settings() map[string]string {
	return map[string]string{
		"wal_level":                   "replica",
		"max_wal_senders":             "10",
		"wal_keep_size":               "512MB",
		"max_wal_size":                "1GB",
		"hot_standby":                 "on",
		"hot_standby_feedback":        "on",
		"wal_retrieve_retry_interval": "200ms",
		// A server that was told to end ends, whoever still reads from it.
		"wal_sender_timeout": "5s",
	}
}

// Primary starts a PostgreSQL that can be followed, with its data in dir.
func Primary(ctx context.Context, dir string) (*embedded.Server, error) {
	return embedded.Start(ctx, embedded.Options{Dir: dir, Settings: settings()})
}

// Replica starts a PostgreSQL that follows another, with its data in dir.
func Replica(ctx context.Context, dir string, primary *embedded.Server) (*embedded.Server, error) {
	return embedded.Start(ctx, embedded.Options{Dir: dir, Settings: settings(), Follow: primary.URL()})
}

// Folder makes a folder within parent that every account can pass through: PostgreSQL and PgBouncer do not run as root.
func Folder(parent, name string) (string, error) {
	folder := filepath.Join(parent, name)
	if err := os.MkdirAll(folder, 0o711); err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	return folder, os.Chmod(folder, 0o711) //nolint:gosec // to be passed through
}

// freePort is a port of the loopback interface that nobody uses now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // nothing to wait for
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("find a free port: the system did not tell the port")
	}
	return address.Port, nil
}

// through is the URL of a database as it is reached through a pooler.
func through(address string, port int, database string) (string, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return "", errors.New("read the URL of the database: it is none") // the error would repeat the password
	}
	parsed.Host, parsed.Path, parsed.RawQuery = net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), "/"+database, "sslmode=disable"
	return parsed.String(), nil
}
