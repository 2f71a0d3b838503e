package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"handover/internal/app"
	"handover/internal/embedded"
	"handover/internal/postgres"
	"handover/internal/schema"
	"handover/internal/worker"
)

// databaseFlags say where the database is.
type databaseFlags struct {
	DatabaseURL       string `help:"The PostgreSQL to use. When it is not set, one of its own runs under .handover/." env:"DATABASE_URL" placeholder:"URL"`
	DirectDatabaseURL string `help:"The same database past a pooler, for migrations and for listening." env:"HANDOVER_DIRECT_DATABASE_URL" placeholder:"URL"`
	Pooled            bool   `help:"The database URL leads to a pooler in transaction mode: keep no prepared statements." env:"HANDOVER_DATABASE_POOLED"`
	MaxConnections    int    `help:"The most connections the process holds." env:"HANDOVER_DATABASE_CONNECTIONS" default:"20"`
}

// database is an open database, and what has to be closed with it.
type database struct {
	db       *sqlx.DB
	watching *sqlx.DB // one connection, for what watches the process: it waits behind no work
	replica  *sqlx.DB // nil: there is none
	store    *postgres.Store

	mayListen bool   // direct leads to the database itself, as far as is known
	direct    string // past a pooler
	embedded  *embedded.Server
	notes     []string
}

// embeddedURL is where a running serve leaves the address of its own PostgreSQL for the other commands.
var embeddedURL = filepath.Join(embedded.DefaultDir, "database-url")

// open connects, starting a PostgreSQL of its own where no other is named. owner says that this process is to run it;
// other commands use the one that a running serve has started.
func (f databaseFlags) open(ctx context.Context, owner bool) (*database, error) {
	opened := &database{direct: f.DirectDatabaseURL}
	url := f.DatabaseURL
	if url == "" && !owner {
		url = runningEmbedded(ctx)
	}
	if url == "" {
		server, err := embedded.Start(ctx, embedded.Options{})
		if err != nil {
			return nil, err
		}
		opened.embedded, url, opened.notes = server, server.URL(), server.Notes()
		if !owner {
			fmt.Fprintf(os.Stderr, "handover: using the database under %s in this folder: DATABASE_URL is not set, and no 'handover serve' runs here\n", embedded.DefaultDir)
		}
	}
	opened.mayListen = opened.direct != "" || !f.Pooled
	if opened.direct == "" || f.DatabaseURL == "" {
		opened.direct = url
	}
	db, err := connect(ctx, url, f.Pooled)
	if err != nil {
		return nil, errors.Join(err, opened.close())
	}
	f.limit(db)
	opened.db, opened.store = db, postgres.NewStore(db, !f.Pooled)
	if opened.watching, err = postgres.Open(pooledURL(url, f.Pooled)); err != nil {
		return nil, errors.Join(err, opened.close())
	}
	opened.watching.SetMaxOpenConns(1)
	return opened, nil
}

// limit keeps a pool to its connections.
func (f databaseFlags) limit(db *sqlx.DB) {
	db.SetMaxOpenConns(f.MaxConnections)
	db.SetMaxIdleConns(f.MaxConnections)
	db.SetConnMaxIdleTime(5 * time.Minute)
}

// publish tells other commands where the embedded PostgreSQL is, while it runs.
func (d *database) publish() error {
	if d.embedded == nil {
		return nil
	}
	if err := os.WriteFile(embeddedURL, []byte(d.embedded.URL()), 0o600); err != nil {
		return fmt.Errorf("note the address of the database: %w", err)
	}
	return nil
}

// runningEmbedded is the address of an embedded PostgreSQL that a running serve has; empty where there is none.
func runningEmbedded(ctx context.Context) string {
	text, err := os.ReadFile(embeddedURL)
	if err != nil {
		return ""
	}
	url := strings.TrimSpace(string(text))
	db, err := sqlx.Open("postgres", url)
	if err != nil {
		return ""
	}
	defer func() { _ = db.Close() }() // only asked whether it answers
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if db.PingContext(ctx) != nil {
		return ""
	}
	return url
}

// patience is how long a database that is only just starting is waited for.
const patience = 15 * time.Second

func connect(ctx context.Context, url string, pooled bool) (*sqlx.DB, error) {
	url = pooledURL(url, pooled)
	config, err := pq.NewConfig(url)
	if err != nil {
		// The driver's error repeats the value, and with it the password.
		return nil, errors.New("DATABASE_URL is not the address of a PostgreSQL database, such as postgres://user:password@host:5432/name")
	}
	db, err := postgres.Open(url)
	if err != nil {
		return nil, err
	}
	started := time.Now()
	for told := false; ; {
		if err = db.PingContext(ctx); err == nil {
			return db, nil
		}
		waited := time.Since(started)
		if waited > patience || ctx.Err() != nil {
			_ = db.Close() // never connected
			return nil, fmt.Errorf("connect to the database named by DATABASE_URL: %w", err)
		}
		if !told && waited > time.Second {
			told = true
			fmt.Fprintf(os.Stderr, "handover: waiting up to %s for the database at %s:%d (%v)\n", patience, config.Host, config.Port, err)
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// pooledURL is the address with what lib/pq needs of a pooler in transaction mode.
func pooledURL(url string, pooled bool) string {
	if !pooled {
		return url
	}
	return withParameter(url, "binary_parameters=yes")
}

func withParameter(url, parameter string) string {
	if strings.Contains(url, "?") {
		return url + "&" + parameter
	}
	return url + "?" + parameter
}

// closing bounds how long the embedded PostgreSQL may take to end.
const closing = 30 * time.Second

func (d *database) close() error {
	var errs []error
	for _, db := range []*sqlx.DB{d.watching, d.replica, d.db} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if d.embedded != nil {
		if err := os.Remove(embeddedURL); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), closing)
		defer cancel()
		errs = append(errs, d.embedded.Stop(ctx))
	}
	return errors.Join(errs...)
}

// application wires the use cases on an open database.
func (d *database) application(log *slog.Logger) (*app.App, error) {
	queue, err := worker.NewQueue(d.db.DB, log)
	if err != nil {
		return nil, err
	}
	application := app.New(d.store, queue, time.Now, log)
	application.AnnounceNotices()
	return application, nil
}

// withApplication runs a command on a database whose schema is up to date.
func (f databaseFlags) withApplication(ctx context.Context, log *slog.Logger, work func(*database, *app.App) error) (err error) {
	opened, err := f.open(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	if err := schema.Up(ctx, opened.direct); err != nil {
		return fmt.Errorf("bring the schema up: %w", err)
	}
	application, err := opened.application(log)
	if err != nil {
		return err
	}
	return work(opened, application)
}
