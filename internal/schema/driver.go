package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/golang-migrate/migrate/v4/database/postgres"
	"github.com/lib/pq"
)

const (
	// versionTable stands in the first schema of the search path, golang-migrate's own choice too.
	versionTable = "schema_migrations"

	// withoutTransaction is the first line of a migration that PostgreSQL refuses inside a transaction, such as
	// CREATE INDEX CONCURRENTLY. It must be the only statement of its file.
	withoutTransaction = "-- without transaction"
)

// driver is golang-migrate's driver with one difference: a migration and the note that it was applied are one
// transaction. A process killed in the middle leaves the version before or the version after, never a dirty one.
type driver struct {
	*postgres.Postgres
	ctx    context.Context // the interface of golang-migrate takes none; it lives as long as one call of Up or Down
	conn   *sql.Conn
	target int // the version that the next Run leads to; negative: none
}

func newDriver(ctx context.Context, conn *sql.Conn) (*driver, error) {
	inner, err := postgres.WithConnection(ctx, conn, &postgres.Config{MigrationsTable: versionTable})
	if err != nil {
		return nil, fmt.Errorf("prepare the table of migrations: %w", err)
	}
	return &driver{Postgres: inner, ctx: ctx, conn: conn}, nil
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
	if err := d.apply(string(text)); err != nil {
		return fmt.Errorf("migration to version %d%s: %w", d.target, lineOf(string(text), err), err)
	}
	return nil
}

func (d *driver) apply(text string) error {
	if strings.HasPrefix(text, withoutTransaction) {
		if err := d.Postgres.SetVersion(d.target, true); err != nil {
			return err
		}
		_, err := d.conn.ExecContext(d.ctx, text)
		return err
	}
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
