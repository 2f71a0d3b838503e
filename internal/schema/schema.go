// Package schema brings a database to the shape this program expects: Handover's own tables with golang-migrate, the
// tables of the job queue with River's migrator.
//
// Any number of processes may ask for it at once: an advisory lock lets them work one after the other, and whoever
// finds the work done goes on. The database URL must lead to the server itself, not to a pooler in transaction mode.
package schema

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/lib/pq"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"

	"handover/migrations"
)

const (
	// RiverSchema is the PostgreSQL schema that holds River's tables.
	RiverSchema = "river"

	// ServiceRole is the role that the service's transactions take. The first migration creates it.
	ServiceRole = "handover_service"
)

// Up applies what is pending. A database that is newer than this program is left as it is, so that an older version can
// be started beside a newer one. What waits for others is told to the log that the program has by default.
func Up(ctx context.Context, databaseURL string) error { return usual().up(ctx, databaseURL) }

// Down takes back the last steps migrations, or all of them where steps is zero or less. River's tables go with the
// last of ours.
func Down(ctx context.Context, databaseURL string, steps int) error {
	return usual().down(ctx, databaseURL, steps)
}

// migrator brings databases up and down.
type migrator struct {
	files fs.FS
	log   *slog.Logger
	pace
}

func usual() migrator { return migrator{files: migrations.Files, log: slog.Default(), pace: usualPace} }

// Fingerprint names the migrations this program holds, River's included: it changes when any of them does.
func Fingerprint() (string, error) {
	hash := sha256.New()
	err := fs.WalkDir(migrations.Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations.Files, path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(hash, "%s %d\n%s", path, len(text), text)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the migrations: %w", err)
	}
	river, err := newRiverMigrator(nil)
	if err != nil {
		return "", err
	}
	for _, migration := range river.AllVersions() {
		if _, err := fmt.Fprintf(hash, "river %d\n%s", migration.Version, migration.SQLUp); err != nil {
			return "", fmt.Errorf("hash River's migrations: %w", err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

func (m migrator) up(ctx context.Context, databaseURL string) error {
	// The usual start finds nothing to do, and should not wait for a lock to learn it.
	status, err := readStatus(ctx, databaseURL, m.files)
	if err != nil {
		return err
	}
	if status.UpToDate() {
		return nil
	}
	return m.withLock(ctx, databaseURL, func(db *sql.DB) error {
		if err := m.upOwn(ctx, db); err != nil {
			return err
		}
		return upRiver(ctx, db)
	})
}

func (m migrator) upOwn(ctx context.Context, db *sql.DB) error {
	return m.withMigrate(ctx, db, func(own *migrate.Migrate, latest uint) error {
		version, _, err := own.Version()
		if err == nil && version > latest {
			return nil
		}
		if err := own.Up(); err != nil && !errors.Is(err, migrate.ErrNoChange) {
			return fmt.Errorf("migrate up: %w", err)
		}
		return nil
	})
}

func upRiver(ctx context.Context, db *sql.DB) error {
	schema, role := pq.QuoteIdentifier(RiverSchema), pq.QuoteIdentifier(ServiceRole)
	// The privileges are set before the tables are there: each table then comes with them in one transaction, and an
	// interruption cannot leave one behind that the service may not use.
	_, err := db.ExecContext(ctx, `
		CREATE SCHEMA IF NOT EXISTS `+schema+`;
		GRANT USAGE ON SCHEMA `+schema+` TO `+role+`;
		ALTER DEFAULT PRIVILEGES IN SCHEMA `+schema+` GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO `+role+`;
		ALTER DEFAULT PRIVILEGES IN SCHEMA `+schema+` GRANT USAGE, SELECT ON SEQUENCES TO `+role)
	if err != nil {
		return fmt.Errorf("prepare the schema of River: %w", err)
	}
	river, err := newRiverMigrator(db)
	if err != nil {
		return err
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate River up: %w", err)
	}
	return nil
}

func (m migrator) down(ctx context.Context, databaseURL string, steps int) error {
	return m.withLock(ctx, databaseURL, func(db *sql.DB) error {
		empty := false
		err := m.withMigrate(ctx, db, func(own *migrate.Migrate, latest uint) error {
			version, _, err := own.Version()
			if err == nil && version > latest {
				return fmt.Errorf("the database is at version %d, newer than this program, which knows %d: use the newer program to migrate down", version, latest)
			}
			if err := stepDown(own, steps); err != nil {
				return fmt.Errorf("migrate down: %w", err)
			}
			_, _, err = own.Version()
			empty = errors.Is(err, migrate.ErrNilVersion)
			return nil
		})
		if err != nil || !empty {
			return err
		}
		if _, err := db.ExecContext(ctx, `DROP SCHEMA IF EXISTS `+pq.QuoteIdentifier(RiverSchema)+` CASCADE`); err != nil {
			return fmt.Errorf("drop the schema of River: %w", err)
		}
		return nil
	})
}

func stepDown(m *migrate.Migrate, steps int) error {
	if steps <= 0 {
		if err := m.Down(); err != nil && !errors.Is(err, migrate.ErrNoChange) {
			return err
		}
		return nil
	}
	err := m.Steps(-steps)
	var short migrate.ErrShortLimit
	if errors.As(err, &short) || errors.Is(err, os.ErrNotExist) {
		return nil // fewer were left than were asked for
	}
	return err
}

// withMigrate runs work with golang-migrate on one connection of db, and tells it the newest version among files.
func (m migrator) withMigrate(ctx context.Context, db *sql.DB, work func(own *migrate.Migrate, latest uint) error) error {
	names, err := readNames(m.files)
	if err != nil {
		return err
	}
	source, err := iofs.New(m.files, ".")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	defer func() { _ = source.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect for the migrations: %w", err)
	}
	defer func() { _ = conn.Close() }()
	driver, err := newDriver(ctx, conn, m.pace)
	if err != nil {
		return err
	}
	own, err := migrate.NewWithInstance("iofs", source, "postgres", driver)
	if err != nil {
		return fmt.Errorf("prepare the migrations: %w", err)
	}
	err = work(own, names.latest())
	var dirty migrate.ErrDirty
	if errors.As(err, &dirty) {
		return fmt.Errorf("table schema_migrations says that migration %d was left half-way, which this program never does: bring the database to that version by hand, then set dirty to false there: %w",
			dirty.Version, err)
	}
	return err
}

func newRiverMigrator(db *sql.DB) (*rivermigrate.Migrator[*sql.Tx], error) {
	// Left to itself the migrator logs to standard output, which belongs to the program's own answers.
	migrator, err := rivermigrate.New(riverdatabasesql.New(db), &rivermigrate.Config{Schema: RiverSchema, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("prepare River's migrations: %w", err)
	}
	return migrator, nil
}
