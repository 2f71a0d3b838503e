// Package caseload loads a whole caseload from CSV files, or nothing of it.
//
// The files are streamed with COPY into temporary tables, held against each other and against the database, and merged
// as sets in one transaction: what is loaded is there together or not at all, however the import ends. A row is known by
// its external id; loading again updates, and a row that says what is there already changes nothing. Every thing that is
// created or changed has its row in the audit trail (D1).
//
// A file is the truth for what it names and says nothing about the rest. A person named in assignments.csv has exactly
// the staff that it gives them, a task exactly the assignees of its row, an event exactly its attendees; what no file
// names stays as it is. Deactivated staff may be named: what is imported may be history (A13).
package caseload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// Options of an import. The zero value will do.
type Options struct {
	// Progress is told how far the import is, a few times a second. It should return quickly.
	Progress func(Progress)
	// Now is the clock; nil is the system's.
	Now func() time.Time

	eachRow bool // foreign keys check row by row, as they do where the connection may not leave them out
}

// Progress is how far an import is.
type Progress struct {
	Doing string // such as "reading tasks.csv"
	Done  int64  // bytes while a file is read, steps while rows are written
	Total int64  // what Done will be at the end; 0 where that is not known
}

// attempts is how often an import is tried that met a row which somebody else had written just then.
const attempts = 3

// Import loads files into an organization. Bad rows come back as BadRows, and then nothing is loaded.
//
// Imports of one organization go one after the other. People and tasks that change are locked in the order that bulk
// changes keep, so that the service can go on beside an import.
func Import(ctx context.Context, db *sqlx.DB, organization domain.OrganizationID, files fs.FS, options Options) (Result, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Progress == nil {
		options.Progress = func(Progress) {}
	}
	present, err := findFiles(files)
	if err != nil {
		return Result{}, err
	}
	store := postgres.NewStore(db, false)
	store.Bound(postgres.Limits{Connection: postgres.UsualLimits.Connection, Lock: postgres.UsualLimits.Lock}) // of any size, and beside files of any size
	for attempt := 1; ; attempt++ {
		var done *load
		err := store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
			done = newLoad(tx, files, present, options)
			return done.run(ctx)
		})
		switch {
		case err == nil:
			done.analyze(ctx, db)
			return done.result(), nil
		case !overtaken(err):
			return Result{}, err
		case attempt == attempts:
			return Result{}, fmt.Errorf("somebody else writes what is being imported; nothing was loaded, import again when they are done: %w", err)
		}
	}
}

// overtaken tells whether an import failed because somebody wrote, at the same time, what it was about to create.
func overtaken(err error) bool {
	var refusal *domain.Error
	if errors.As(err, &refusal) {
		return refusal.Code == domain.CodeExternalIDTaken || refusal.Code == domain.CodeEmailTaken
	}
	var refused *pq.Error
	return errors.As(err, &refused) && refused.Code == "23505"
}

// load is one try of an import, within its transaction.
type load struct {
	tx       *postgres.Tx
	now      time.Time
	files    fs.FS
	present  []*file
	options  Options
	problems problems
	counts   map[*file]*FileResult
	touched  map[string]int64 // rows written, by table
	step     int64
}

func newLoad(tx *postgres.Tx, files fs.FS, present []*file, options Options) *load {
	l := &load{
		tx: tx, now: options.Now().UTC().Truncate(time.Microsecond), files: files, present: present, options: options,
		counts: map[*file]*FileResult{}, touched: map[string]int64{},
	}
	for _, f := range present {
		l.counts[f] = &FileResult{File: f.name}
	}
	return l
}

func (l *load) run(ctx context.Context) error {
	if err := l.prepare(ctx); err != nil {
		return err
	}
	for _, f := range l.present {
		if err := l.stage(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if err := l.check(ctx); err != nil {
		return err
	}
	if bad := l.problems.bad(); bad != nil {
		return bad
	}
	return l.merge(ctx)
}

// settings of the transaction: room for sorting and joining sets, no compilation of statements that run once, and no
// limit that is meant for short statements.
const settings = `SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true), set_config('statement_timeout', '0', true)`

// prepare waits for its turn and makes the temporary tables.
func (l *load) prepare(ctx context.Context) error {
	var there bool
	if err := l.tx.GetContext(ctx, &there, `SELECT EXISTS (SELECT FROM organizations WHERE id = $1)`, l.tx.Organization.String()); err != nil {
		return fmt.Errorf("look for the organization: %w", err)
	}
	if !there {
		return fmt.Errorf("there is no organization %s", l.tx.Organization)
	}
	if err := l.waitForTurn(ctx); err != nil {
		return fmt.Errorf("wait for another import of the organization: %w", err)
	}
	if _, err := l.tx.ExecContext(ctx, settings); err != nil {
		return fmt.Errorf("set up the transaction: %w", err)
	}
	if err := l.endWithClient(ctx); err != nil {
		return fmt.Errorf("set up the transaction: %w", err)
	}
	for _, table := range temporaryTables() {
		if _, err := l.tx.ExecContext(ctx, table); err != nil {
			return fmt.Errorf("make a temporary table: %w", err)
		}
	}
	return nil
}

// waitForTurn lets the imports of an organization go one after the other. However long another takes, it is waited for.
func (l *load) waitForTurn(ctx context.Context) error {
	key := "handover import " + l.tx.Organization.String()
	var mine bool
	if err := l.tx.GetContext(ctx, &mine, `SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))`, key); err != nil || mine {
		return err
	}
	l.options.Progress(Progress{Doing: "waiting for another import"})
	var patience string
	if err := l.tx.GetContext(ctx, &patience, `SELECT current_setting('lock_timeout')`); err != nil {
		return err
	}
	for _, statement := range []struct{ query, arg string }{
		{`SELECT set_config('lock_timeout', $1, true)`, "0"},
		{`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, key},
		{`SELECT set_config('lock_timeout', $1, true)`, patience},
	} {
		if _, err := l.tx.ExecContext(ctx, statement.query, statement.arg); err != nil {
			return err
		}
	}
	return nil
}

// endWithClient lets the server notice within seconds that this process is gone, so that a killed import does not hold
// its locks until the statement it was at has ended. Not every system can.
func (l *load) endWithClient(ctx context.Context) error {
	if _, err := l.tx.ExecContext(ctx, `SAVEPOINT before_watching`); err != nil {
		return err
	}
	if _, err := l.tx.ExecContext(ctx, `SELECT set_config('client_connection_check_interval', '2s', true)`); err != nil {
		_, err = l.tx.ExecContext(ctx, `ROLLBACK TO SAVEPOINT before_watching`)
		return err
	}
	return nil
}

// exec runs a statement and tells how many rows it wrote.
func (l *load) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := l.tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// analyze gathers statistics of the tables that much was written to, so that what comes next is planned for what is
// there now. That it fails takes nothing back: the server gathers them by itself, later.
func (l *load) analyze(ctx context.Context, db *sqlx.DB) {
	for _, table := range writtenTables {
		if l.touched[table] >= manyRows {
			l.options.Progress(Progress{Doing: "gathering statistics"})
			_, _ = db.ExecContext(ctx, "ANALYZE "+pq.QuoteIdentifier(table))
		}
	}
}
