// Package testdb gives each test a PostgreSQL database of its own.
//
// The first test of a process starts a server for that process, quick and forgetful, and migrates one template database;
// each test then gets a copy of it. Server and data go with the process. Set HANDOVER_TEST_DATABASE_URL to use a server
// that is there already: the URL of a role that may create databases and roles.
//
// Sessions are in an odd time zone, so that a query that leans on the session's zone fails a test. Statistics are never
// gathered by themselves: a test with many rows runs ANALYZE where the plan matters.
package testdb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"handover/internal/postgres"
	"handover/internal/schema"
)

const (
	// TimeZone is that of every session: far from UTC, and not by whole hours.
	TimeZone = "Asia/Kathmandu"

	// serverVariable names an existing server to use.
	serverVariable = "HANDOVER_TEST_DATABASE_URL"

	maxOpenConns = 20
	setupTimeout = time.Minute
)

// DB is a database that belongs to one test. It is dropped when the test ends.
type DB struct {
	Name string
	URL  string   // of the owner; carries the odd time zone
	SQL  *sqlx.DB // connected by URL
}

// New makes a database with the schema of this program.
func New(t testing.TB) *DB {
	t.Helper()
	return newDB(t, func(ctx context.Context, s *server) (string, error) { return s.template(ctx) })
}

// NewEmpty makes a database without a schema.
func NewEmpty(t testing.TB) *DB {
	t.Helper()
	return newDB(t, func(context.Context, *server) (string, error) { return "template1", nil })
}

func newDB(t testing.TB, template func(context.Context, *server) (string, error)) *DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	server, err := sharedServer()
	if err != nil {
		t.Fatalf("start the test database server: %v", err)
	}
	from, err := template(ctx, server)
	if err != nil {
		t.Fatalf("make the template of the test databases: %v", err)
	}
	db := &DB{Name: "handover_test_" + strings.ToLower(rand.Text()[:12])}
	db.URL = server.urlOf(db.Name)
	if err := server.create(ctx, db.Name, from); err != nil {
		t.Fatal(err)
	}
	db.SQL, err = postgres.Open(db.URL)
	if err != nil {
		t.Fatalf("open the test database: %v", err)
	}
	db.SQL.SetMaxOpenConns(maxOpenConns)
	db.SQL.SetMaxIdleConns(maxOpenConns)
	t.Cleanup(func() {
		_ = db.SQL.Close()
		if err := server.drop(context.Background(), db.Name); err != nil {
			t.Error(err)
		}
	})
	return db
}

// urlOf is the URL of a database on the server. The zone is an option of the session, which other clients of PostgreSQL
// understand too.
func (s *server) urlOf(database string) string {
	address := *s.address
	address.Path = "/" + database
	parameters := strings.TrimPrefix(address.RawQuery+"&options="+url.PathEscape("-c TimeZone="+TimeZone), "&")
	address.RawQuery = parameters
	return address.String()
}

func (s *server) create(ctx context.Context, name, template string) error {
	_, err := s.admin.ExecContext(ctx, `CREATE DATABASE `+pq.QuoteIdentifier(name)+` TEMPLATE `+pq.QuoteIdentifier(template)+` STRATEGY `+strategy)
	if err != nil {
		return fmt.Errorf("create test database %s: %w", name, err)
	}
	return nil
}

func (s *server) drop(ctx context.Context, name string) error {
	if _, err := s.admin.ExecContext(ctx, `DROP DATABASE IF EXISTS `+pq.QuoteIdentifier(name)+` WITH (FORCE)`); err != nil {
		return fmt.Errorf("drop test database %s: %w", name, err)
	}
	return nil
}

// template names a database with the schema of this program, and makes it where it is missing. Its name holds the
// fingerprint of the migrations: a server that outlives this process may hold those of other versions.
func (s *server) template(ctx context.Context) (string, error) {
	s.templateMutex.Lock()
	defer s.templateMutex.Unlock()
	if s.templateName != "" {
		return s.templateName, nil
	}
	fingerprint, err := schema.Fingerprint()
	if err != nil {
		return "", err
	}
	name := "handover_template_" + fingerprint
	conn, err := s.admin.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock(hashtext($1))`, name); err != nil {
		return "", err
	}
	defer func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock(hashtext($1))`, name)
	}()
	if err := s.makeTemplate(ctx, conn, name); err != nil {
		return "", err
	}
	s.templateName = name
	return name, nil
}

// makeTemplate gives the template its name when it is whole.
func (s *server) makeTemplate(ctx context.Context, conn *sql.Conn, name string) error {
	var exists bool
	if err := conn.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&exists); err != nil {
		return err
	}
	if exists {
		return nil
	}
	unfinished := name + "_new"
	if err := s.drop(ctx, unfinished); err != nil {
		return err
	}
	if err := s.create(ctx, unfinished, "template1"); err != nil {
		return err
	}
	if err := schema.Up(ctx, s.urlOf(unfinished)); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, `ALTER DATABASE `+pq.QuoteIdentifier(unfinished)+` RENAME TO `+pq.QuoteIdentifier(name))
	return err
}
