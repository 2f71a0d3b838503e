package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	_ "github.com/lib/pq" // the driver, as the service has it

	"handover/internal/embedded"
	"handover/internal/schema"
)

// database is the PostgreSQL that everything is measured on.
type database struct {
	url    string
	owner  *sql.DB // for what stands outside the timing: seeding, tidying, looking
	server *embedded.Server
	folder string // deleted at the end; empty: it is kept
}

func startDatabase(ctx context.Context, chosen options) (*database, error) {
	folder, kept := chosen.keep, chosen.keep != ""
	if !kept {
		var err error
		if folder, err = os.MkdirTemp("", "handover-bench-*"); err != nil {
			return nil, fmt.Errorf("make a folder for the database: %w", err)
		}
		// PostgreSQL works as another user where this is root, who must be able to pass through.
		if err := os.Chmod(folder, 0o711); err != nil {
			return nil, fmt.Errorf("open the folder of the database: %w", err)
		}
	}
	server, err := embedded.Start(ctx, embedded.Options{Dir: folder, Settings: chosen.settings})
	if err != nil {
		return nil, err
	}
	started := &database{url: server.URL(), server: server}
	if !kept {
		started.folder = folder
	}
	if err := schema.Up(ctx, started.url); err != nil {
		return nil, errors.Join(fmt.Errorf("bring the schema up: %w", err), started.stop())
	}
	if started.owner, err = sql.Open("postgres", started.url); err != nil {
		return nil, errors.Join(err, started.stop())
	}
	return started, nil
}

func (d *database) stop() error {
	var errs []error
	if d.owner != nil {
		errs = append(errs, d.owner.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	errs = append(errs, d.server.Stop(ctx))
	if d.folder != "" {
		errs = append(errs, embedded.Remove(ctx, d.folder), os.RemoveAll(d.folder))
	}
	return errors.Join(errs...)
}

// tidy vacuums tables between rounds, outside the timing, so that no round pays for the dead rows of another and
// autovacuum has nothing to do within one.
func (d *database) tidy(ctx context.Context, tables ...string) error {
	for _, table := range tables {
		if _, err := d.owner.ExecContext(ctx, "VACUUM "+table); err != nil {
			return fmt.Errorf("tidy %s: %w", table, err)
		}
	}
	return nil
}

// number reads one number, outside the timing.
func (d *database) number(ctx context.Context, query string, arguments ...any) (int, error) {
	var number int
	if err := d.owner.QueryRowContext(ctx, query, arguments...).Scan(&number); err != nil {
		return 0, fmt.Errorf("count: %w", err)
	}
	return number, nil
}

// bareTransaction runs work as the service's transactions run: its role, and the organization set.
func bareTransaction(ctx context.Context, db *sql.DB, organization string, work func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	if _, err := tx.ExecContext(ctx, takeRole, organization); err != nil {
		return fmt.Errorf("take the role: %w", err)
	}
	if err := work(tx); err != nil {
		return err
	}
	return tx.Commit()
}

const takeRole = `SELECT set_config('role', 'handover_service', true), set_config('handover.organization_id', $1, true)`

// profiled writes a CPU profile of work where that is wanted.
func (b *bench) profiled(name string, work func() error) (err error) {
	if b.profiles == "" {
		return work()
	}
	if err := os.MkdirAll(b.profiles, 0o755); err != nil {
		return fmt.Errorf("make a folder for the profiles: %w", err)
	}
	file, err := os.Create(filepath.Join(b.profiles, name+".pprof"))
	if err != nil {
		return fmt.Errorf("write a profile: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return fmt.Errorf("begin a profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return work()
}
