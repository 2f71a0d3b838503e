package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/golang-migrate/migrate/v4/database/postgres"
	"github.com/lib/pq"
)

const (
	// versionTable stands in the first schema of the search path, golang-migrate's own choice too.
	versionTable = "schema_migrations"

	// withoutTransaction is the first line of a migration that PostgreSQL refuses inside a transaction, such as
	// CREATE INDEX CONCURRENTLY. It must be the only statement of its file, and one that can be run again: IF NOT EXISTS, IF EXISTS.
	withoutTransaction = "-- without transaction"
)

// driver is golang-migrate's driver with one difference: nothing is ever half applied. A migration and the note that it was applied are
// one transaction; one that cannot be in a transaction is noted afterwards, and is run again where it was interrupted. A process
// killed in the middle leaves the version before or the version after, never a dirty one.
type driver struct {
	*postgres.Postgres
	ctx    context.Context // the interface of golang-migrate takes none; it lives as long as one call of Up or Down
	conn   *sql.Conn
	pace   pace
	target int // the version that the next Run leads to; negative: none
}

func newDriver(ctx context.Context, conn *sql.Conn, pace pace) (*driver, error) {
	inner, err := postgres.WithConnection(ctx, conn, &postgres.Config{MigrationsTable: versionTable})
	if err != nil {
		return nil, fmt.Errorf("prepare the table of migrations: %w", err)
	}
	// PostgreSQL would finish a statement whose process was killed before it notices, and hold its locks as long. Not every system
	// that it runs on can tell it sooner.
	_, _ = conn.ExecContext(ctx, `SET client_connection_check_interval = '1s'`)
	return &driver{Postgres: inner, ctx: ctx, conn: conn, pace: pace}, nil
}

// SetVersion is called before Run with dirty set, which only tells where Run leads to, and after it without.
func (d *driver) SetVersion(version int, dirty bool) error {
	if dirty {
		d.target = version
		return nil
	}
	return d.Postgres.SetVersion(version, false)
}

// Run applies one migration.
func (d *driver) Run(migration io.Reader) error {
	text, err := io.ReadAll(migration)
	if err != nil {
		return fmt.Errorf("read the migration to version %d: %w", d.target, err)
	}
	apply := d.apply
	if strings.HasPrefix(string(text), withoutTransaction) {
		apply = d.applyBeside
	}
	if err := apply(string(text)); err != nil {
		return fmt.Errorf("migration to version %d%s: %w", d.target, lineOf(string(text), err), err)
	}
	return nil
}

func (d *driver) apply(text string) error {
	tx, err := d.conn.BeginTx(d.ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(d.ctx, text); err != nil {
		return err
	}
	if _, err := tx.ExecContext(d.ctx, `DELETE FROM `+versionTable); err != nil {
		return err
	}
	if d.target >= 0 {
		if _, err := tx.ExecContext(d.ctx, `INSERT INTO `+versionTable+` (version, dirty) VALUES ($1, false)`, d.target); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// applyBeside applies a migration that works beside the service, and takes its time. What an interrupted one has left is removed first:
// an index that never came to be valid would be taken for one that is there.
func (d *driver) applyBeside(text string) error {
	patience := func(timeout time.Duration) error {
		_, err := d.conn.ExecContext(context.WithoutCancel(d.ctx), fmt.Sprintf(`SET lock_timeout = %d`, timeout.Milliseconds()))
		return err
	}
	if err := patience(d.pace.besideTimeout); err != nil {
		return err
	}
	err := d.dropInvalidIndexes(text)
	if err == nil {
		_, err = d.conn.ExecContext(d.ctx, text)
	}
	return errors.Join(err, patience(d.pace.lockTimeout))
}

// dropInvalidIndexes drops the indexes that a migration names and that are not valid.
func (d *driver) dropInvalidIndexes(migration string) error {
	var names []string
	if err := d.conn.QueryRowContext(d.ctx, `
		SELECT coalesce(array_agg(format('%I.%I', n.nspname, c.relname) ORDER BY c.oid), '{}')
		FROM pg_index i
		JOIN pg_class c ON c.oid = i.indexrelid
		JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE NOT i.indisvalid AND n.nspname = current_schema AND strpos($1, c.relname) > 0`, migration).Scan((*pq.StringArray)(&names)); err != nil {
		return fmt.Errorf("look for an index that was left half-way: %w", err)
	}
	for _, name := range names { // one, as a rule
		if _, err := d.conn.ExecContext(d.ctx, `DROP INDEX CONCURRENTLY IF EXISTS `+name); err != nil {
			return fmt.Errorf("drop an index that was left half-way: %w", err)
		}
	}
	return nil
}

// lineOf tells in which line of text PostgreSQL found the error, where it said so.
func lineOf(text string, err error) string {
	var problem *pq.Error
	if !errors.As(err, &problem) {
		return ""
	}
	position, err := strconv.Atoi(problem.Position)
	characters := []rune(text)
	if err != nil || position < 1 || position > len(characters) {
		return ""
	}
	return fmt.Sprintf(", line %d", 1+strings.Count(string(characters[:position-1]), "\n"))
}
