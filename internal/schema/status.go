package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"github.com/golang-migrate/migrate/v4/source"

	"handover/migrations"
)

// State tells where a database stands and what this program knows.
type State struct {
	Version      uint     `json:"version"` // 0: nothing was applied
	Latest       uint     `json:"latest"`
	Dirty        bool     `json:"dirty"`   // something else than this program left a migration half-way
	Pending      []string `json:"pending"` // names of the migrations that Up would apply, in order; River's are not among them
	RiverVersion int      `json:"river_version"`
	RiverLatest  int      `json:"river_latest"`
}

// UpToDate tells whether Up has nothing to do. It holds for a database that is newer than this program, too.
func (s State) UpToDate() bool {
	return !s.Dirty && s.Version >= s.Latest && s.RiverVersion >= s.RiverLatest
}

// Status reads where the database stands. It changes nothing.
func Status(ctx context.Context, databaseURL string) (State, error) {
	return readStatus(ctx, databaseURL, migrations.Files)
}

func readStatus(ctx context.Context, databaseURL string, files fs.FS) (State, error) {
	names, err := readNames(files)
	if err != nil {
		return State{}, err
	}
	db, err := open(databaseURL, usualPace.lockTimeout)
	if err != nil {
		return State{}, err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	return readFrom(ctx, db, names)
}

// Read reads on an open database where it stands, as Status does. A few short statements, for who asks all the time.
func Read(ctx context.Context, db *sql.DB) (State, error) {
	names, err := ownNames()
	if err != nil {
		return State{}, err
	}
	return readFrom(ctx, db, names)
}

var ownNames = sync.OnceValues(func() (names, error) { return readNames(migrations.Files) })

func readFrom(ctx context.Context, db *sql.DB, names names) (State, error) {
	status := State{Latest: names.latest()}
	if err := readOwnVersion(ctx, db, &status); err != nil {
		return State{}, fmt.Errorf("read the version of the schema: %w", err)
	}
	status.Pending = names.after(status.Version)
	if err := readRiverVersion(ctx, db, &status); err != nil {
		return State{}, fmt.Errorf("read the version of River's schema: %w", err)
	}
	return status, nil
}

func readOwnVersion(ctx context.Context, db *sql.DB, status *State) error {
	exists, err := tableExists(ctx, db, versionTable)
	if err != nil || !exists {
		return err
	}
	err = db.QueryRowContext(ctx, `SELECT version, dirty FROM `+versionTable).Scan(&status.Version, &status.Dirty)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

func readRiverVersion(ctx context.Context, db *sql.DB, status *State) error {
	var err error
	if status.RiverLatest, err = riverLatest(); err != nil {
		return err
	}
	const table = RiverSchema + ".river_migration"
	exists, err := tableExists(ctx, db, table)
	if err != nil || !exists {
		return err
	}
	return db.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM `+table).Scan(&status.RiverVersion)
}

// riverLatest is the newest version of River's schema that this program knows.
var riverLatest = sync.OnceValues(func() (latest int, err error) {
	river, err := newRiverMigrator(nil)
	if err != nil {
		return 0, err
	}
	for _, migration := range river.AllVersions() {
		latest = max(latest, migration.Version)
	}
	return latest, nil
})

func tableExists(ctx context.Context, db *sql.DB, table string) (bool, error) {
	var exists bool
	err := db.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL`, table).Scan(&exists)
	return exists, err
}

// names are the names of migrations by version.
type names map[uint]string

func readNames(files fs.FS) (names, error) {
	paths, err := fs.Glob(files, "*.up.sql")
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	found := names{}
	for _, path := range paths {
		migration, err := source.DefaultParse(path)
		if err != nil {
			return nil, fmt.Errorf("read the name of migration %s: %w", path, err)
		}
		found[migration.Version] = fmt.Sprintf("%06d_%s", migration.Version, migration.Identifier)
	}
	return found, nil
}

func (n names) latest() uint {
	var latest uint
	for version := range n {
		latest = max(latest, version)
	}
	return latest
}

func (n names) after(version uint) []string {
	pending := []string{}
	for _, candidate := range slices.Sorted(maps.Keys(n)) {
		if candidate > version {
			pending = append(pending, n[candidate])
		}
	}
	return pending
}
