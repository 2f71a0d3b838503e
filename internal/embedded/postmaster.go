package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

const (
	loopback = "127.0.0.1"

	readyPoll   = 5 * time.Millisecond
	pingTimeout = 2 * time.Second

	// A refused password may come from somebody else's server, for the moment until ours finds the port taken.
	refusalPatience = 3 * time.Second

	startAttempts = 40
	startPause    = 250 * time.Millisecond

	largestLog = 10 << 20 // bytes, after which a start begins a new log
)

// start starts the server and waits until the database answers.
func (c *cluster) start(ctx context.Context, database string, settings map[string]string) (*process, string, error) {
	password, err := c.readPassword()
	if err != nil {
		return nil, "", err
	}
	for attempt := 1; ; attempt++ {
		port, err := freePort()
		if err != nil {
			return nil, "", err
		}
		p, from, err := c.launch(port, settings)
		if err != nil {
			return nil, "", err
		}
		err = waitReady(ctx, p, port, password, database)
		if err == nil {
			return p, urlOf(port, password, database), nil
		}
		if !errors.Is(err, errEnded) {
			p.end(immediateShutdown)
			return nil, "", err
		}
		log := c.logFrom(from)
		if attempt == startAttempts || !isPassing(log) {
			return nil, "", fmt.Errorf("start PostgreSQL: %w: %s (more in %s)", err, lastLines(log), c.log())
		}
		if err := sleep(ctx, startPause); err != nil {
			return nil, "", err
		}
	}
}

// isPassing tells from the log whether another attempt may succeed: somebody was faster to take the port, or the
// processes of a killed server are not all gone yet.
func isPassing(log string) bool {
	return strings.Contains(log, "could not create any TCP/IP sockets") ||
		strings.Contains(log, "is still in use")
}

// launch starts the server program. What it says goes to the log, from the returned position on.
func (c *cluster) launch(port int, settings map[string]string) (*process, int64, error) {
	chosen := map[string]string{
		"timezone":        "UTC",
		"log_timezone":    "UTC",
		"max_connections": "200",
		// In files of the data folder: a server killed at a bad moment leaves nothing elsewhere, and a container's
		// small /dev/shm is no limit.
		"dynamic_shared_memory_type": "mmap",
	}
	maps.Copy(chosen, settings)
	maps.Copy(chosen, map[string]string{
		"listen_addresses":        loopback,
		"port":                    strconv.Itoa(port),
		"unix_socket_directories": "",
		"logging_collector":       "off",
		"log_destination":         "stderr",
	})
	arguments := []string{"-D", c.data()}
	for _, name := range slices.Sorted(maps.Keys(chosen)) {
		arguments = append(arguments, "-c", name+"="+chosen[name])
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if info, err := os.Stat(c.log()); err == nil && info.Size() > largestLog {
		flags |= os.O_TRUNC
	}
	log, err := os.OpenFile(c.log(), flags, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open the log of the database: %w", err)
	}
	defer func() { _ = log.Close() }()
	if err := c.as.give(c.log()); err != nil {
		return nil, 0, err
	}
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0, fmt.Errorf("open the log of the database: %w", err)
	}
	command := newCommand(c.as, c.folder, c.programs.postgres(), arguments...)
	command.Stdout, command.Stderr = log, log
	p, err := launch(command, fastShutdown)
	if errors.Is(err, os.ErrPermission) && !c.as.isOurs {
		return nil, 0, fmt.Errorf("user %s, as whom PostgreSQL works here, cannot reach %s: let others pass through its parent folders (chmod o+x), "+
			"or set DATABASE_URL: %w", c.as.name, c.folder, err)
	}
	return p, from, err
}

func (c *cluster) logFrom(position int64) string {
	log, err := os.Open(c.log())
	if err != nil {
		return ""
	}
	defer func() { _ = log.Close() }()
	text, err := io.ReadAll(io.NewSectionReader(log, position, largestLog))
	if err != nil {
		return ""
	}
	return string(text)
}

var errEnded = errors.New("it ended before it was ready")

// waitReady waits until the database answers, and creates it where it is missing.
func waitReady(ctx context.Context, p *process, port int, password, database string) error {
	ticks := time.NewTicker(readyPoll)
	defer ticks.Stop()
	var refusedSince time.Time
	for {
		err := ping(ctx, urlOf(port, password, database))
		switch {
		case err == nil:
			return nil
		case pq.As(err, pqerror.InvalidCatalogName) != nil:
			return createDatabase(ctx, urlOf(port, password, "postgres"), database)
		case pq.As(err, pqerror.InvalidPassword) == nil:
			refusedSince = time.Time{}
		case refusedSince.IsZero():
			refusedSince = time.Now()
		case time.Since(refusedSince) > refusalPatience:
			return errors.New("start PostgreSQL: the password in the database folder is not that of the database")
		}
		select {
		case <-p.done:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("wait for PostgreSQL: %w", context.Cause(ctx))
		case <-ticks.C:
		}
	}
}

func ping(ctx context.Context, address string) error {
	db, err := sql.Open("postgres", address)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return db.PingContext(ctx)
}

func createDatabase(ctx context.Context, address, database string) error {
	db, err := sql.Open("postgres", address)
	if err != nil {
		return fmt.Errorf("create database %s: %w", database, err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, `CREATE DATABASE `+pq.QuoteIdentifier(database)); err != nil {
		return fmt.Errorf("create database %s: %w", database, err)
	}
	return nil
}

func urlOf(port int, password, database string) string {
	address := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(userName, password),
		Host:     net.JoinHostPort(loopback, strconv.Itoa(port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return address.String()
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, "0")) //nolint:noctx // nothing to wait for
	if err != nil {
		return 0, fmt.Errorf("find a free port for PostgreSQL: %w", err)
	}
	defer func() { _ = listener.Close() }()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("find a free port for PostgreSQL: the system did not tell the port")
	}
	return address.Port, nil
}

func sleep(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait for PostgreSQL: %w", context.Cause(ctx))
	case <-time.After(pause):
		return nil
	}
}
