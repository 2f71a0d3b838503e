package schema_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"golang.org/x/sync/errgroup"

	"handover/internal/schema"
	"handover/internal/testdb"
	"handover/migrations"
)

func TestUp(t *testing.T) {
	t.Parallel()

	t.Run("an empty database gets everything, and a second time changes nothing", func(t *testing.T) {
		t.Parallel()
		db := testdb.NewEmpty(t)
		before := status(t, db)
		if before.Version != 0 || before.UpToDate() || len(before.Pending) == 0 || before.Pending[0] != "000001_initial" || before.RiverVersion != 0 {
			t.Errorf("before: %+v", before)
		}
		if names := relations(t, db); len(names) > 0 {
			t.Errorf("asking for the status made %v", names)
		}
		up(t, db)
		after := status(t, db)
		if !after.UpToDate() || after.Version != after.Latest || len(after.Pending) != 0 || after.RiverVersion != after.RiverLatest || after.RiverLatest == 0 {
			t.Errorf("after: %+v", after)
		}
		names := relations(t, db)
		up(t, db)
		if again := relations(t, db); !slices.Equal(names, again) {
			t.Errorf("the second time made %v of %v", again, names)
		}
	})

	t.Run("many processes may start at once", func(t *testing.T) {
		t.Parallel()
		db := testdb.NewEmpty(t)
		var group errgroup.Group
		for range 8 {
			group.Go(func() error { return schema.Up(t.Context(), db.URL) })
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if after := status(t, db); !after.UpToDate() {
			t.Errorf("after: %+v", after)
		}
	})

	t.Run("many databases of one server may be migrated at once, up and down", func(t *testing.T) {
		t.Parallel()
		var databases []*testdb.DB
		for range 6 {
			databases = append(databases, testdb.NewEmpty(t))
		}
		var group errgroup.Group
		for _, db := range databases {
			group.Go(func() error {
				for range 3 {
					if err := errors.Join(schema.Up(t.Context(), db.URL), schema.Down(t.Context(), db.URL, 0)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("a migration that fails leaves nothing and tells its line", func(t *testing.T) {
		t.Parallel()
		db := testdb.NewEmpty(t)
		files := withMore(t, map[string]string{"900000_bad.up.sql": "CREATE TABLE extra ();\n\nCREATE TABLE people ();\n"})
		err := schema.UpFrom(t.Context(), db.URL, files)
		if err == nil || !strings.Contains(err.Error(), "version 900000") || !strings.Contains(err.Error(), `"people" already exists`) {
			t.Fatalf("got %v", err)
		}
		if strings.Contains(err.Error(), "CREATE TABLE extra") {
			t.Errorf("the error quotes the whole migration: %v", err)
		}
		if slices.Contains(relations(t, db), "public.extra") {
			t.Error("half of the migration is there")
		}
		after := statusFrom(t, db, files)
		if after.Dirty || after.Version == 900000 || !slices.Equal(after.Pending, []string{"900000_bad"}) {
			t.Errorf("after: %+v", after)
		}
		up(t, db)
	})

	t.Run("an error of syntax is found by its line", func(t *testing.T) {
		t.Parallel()
		db := testdb.NewEmpty(t)
		err := schema.UpFrom(t.Context(), db.URL, withMore(t, map[string]string{"900000_bad.up.sql": "-- é\nSELECT 1;\nCREATE TABEL x ();\n"}))
		if err == nil || !strings.Contains(err.Error(), "line 3") {
			t.Fatalf("got %v", err)
		}
	})

	t.Run("an index can be built beside other work", func(t *testing.T) {
		t.Parallel()
		db := testdb.NewEmpty(t)
		files := withMore(t, map[string]string{
			"900000_index.up.sql": "-- without transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS extra_idx ON people (phone);\n",
		})
		// Those who wait for the lock must not hold the snapshots that such an index waits for.
		var group errgroup.Group
		for range 4 {
			group.Go(func() error { return schema.UpFrom(t.Context(), db.URL, files) })
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if after := statusFrom(t, db, files); after.Version != 900000 || after.Dirty || !slices.Contains(relations(t, db), "public.extra_idx") {
			t.Errorf("after: %+v", after)
		}
	})

	t.Run("a table that somebody uses is waited for in short pieces", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		tx, err := db.SQL.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(`SELECT count(*) FROM people`); err != nil {
			t.Fatal(err)
		}
		files := withMore(t, map[string]string{"900000_column.up.sql": "ALTER TABLE people ADD COLUMN extra text;"})
		done := make(chan error, 1)
		go func() { done <- schema.UpFrom(t.Context(), db.URL, files) }()
		// Past the time that one attempt waits.
		select {
		case err := <-done:
			t.Fatalf("ended early: %v", err)
		case <-time.After(4 * time.Second):
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})

	t.Run("a database newer than the program is left alone", func(t *testing.T) {
		t.Parallel()
		db := testdb.NewEmpty(t)
		files := withMore(t, map[string]string{"900000_new.up.sql": "CREATE TABLE extra ();", "900000_new.down.sql": "DROP TABLE extra;"})
		if err := schema.UpFrom(t.Context(), db.URL, files); err != nil {
			t.Fatal(err)
		}
		up(t, db)
		if after := status(t, db); after.Version != 900000 || !after.UpToDate() {
			t.Errorf("after: %+v", after)
		}
		if err := schema.Down(t.Context(), db.URL, 1); err == nil || !strings.Contains(err.Error(), "newer") {
			t.Errorf("migrating down what is not known: %v", err)
		}
		// The jobs of a newer database may be newer alone, too.
		execute(t, db, `INSERT INTO river.river_migration (line, version) VALUES ('main', 999)`)
		up(t, db)
	})

	t.Run("waiting for another process can be given up", func(t *testing.T) {
		t.Parallel()
		db := testdb.NewEmpty(t)
		execute(t, db, `CREATE TABLE started ()`)
		tx, err := db.SQL.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.Exec(`SELECT pg_advisory_xact_lock(x'68616e646f766572'::bit(64)::bigint)`); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := schema.Up(ctx, db.URL); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestServiceRole(t *testing.T) {
	t.Parallel()

	t.Run("the service can add jobs, and a table that River adds later is its own too", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		execute(t, db, `CREATE TABLE river.river_later (id bigserial PRIMARY KEY)`)
		tx, err := db.SQL.BeginTxx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.Exec(`SET LOCAL ROLE handover_service; INSERT INTO river.river_later DEFAULT VALUES`); err != nil {
			t.Fatal(err)
		}
		client, err := river.NewClient(riverdatabasesql.New(nil), &river.Config{Schema: schema.RiverSchema})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.InsertTx(t.Context(), tx.Tx, job{}, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}}); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("the service owns nothing and bypasses nothing", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		var owned int
		if err := db.SQL.Get(&owned, `SELECT count(*) FROM pg_class WHERE relowner = 'handover_service'::regrole`); err != nil {
			t.Fatal(err)
		}
		var special bool
		if err := db.SQL.Get(&special, `SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin FROM pg_roles WHERE rolname = 'handover_service'`); err != nil {
			t.Fatal(err)
		}
		if owned != 0 || special {
			t.Errorf("owns %d, special: %t", owned, special)
		}
	})

	t.Run("every table has row-level security, and without an organization reading is an error", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		var tables []string
		if err := db.SQL.Select(&tables, `SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'schema_migrations' ORDER BY 1`); err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			tx, err := db.SQL.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = tx.Exec(`SET LOCAL ROLE handover_service; SELECT FROM ` + pq.QuoteIdentifier(table))
			refused := err != nil && pq.As(err, pqerror.InsufficientPrivilege) != nil
			if err == nil || refused != ofNoOrganization[table] {
				t.Errorf("%s: got %v", table, err)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// ofNoOrganization are the tables that the service reaches through functions alone.
var ofNoOrganization = map[string]bool{"sign_in_failures": true}

func TestDown(t *testing.T) {
	t.Parallel()

	t.Run("all the way down nothing is left, and up again works", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		want := relations(t, db)
		down(t, db, 0)
		if left := relations(t, db); !slices.Equal(left, []string{"public.schema_migrations", "public.schema_migrations_pkey"}) {
			t.Errorf("left: %v", left)
		}
		if left := functions(t, db); left != 0 {
			t.Errorf("%d functions are left", left)
		}
		if after := status(t, db); after.Version != 0 || after.RiverVersion != 0 {
			t.Errorf("after: %+v", after)
		}
		down(t, db, 0)
		down(t, db, 3)
		up(t, db)
		if got := relations(t, db); !slices.Equal(got, want) {
			t.Errorf("after up again:\n%v\nwant\n%v", got, want)
		}
	})

	t.Run("a step takes back one migration and leaves the jobs", func(t *testing.T) {
		t.Parallel()
		db := testdb.NewEmpty(t)
		files := withMore(t, map[string]string{"900000_new.up.sql": "CREATE TABLE extra ();", "900000_new.down.sql": "DROP TABLE extra;"})
		if err := schema.UpFrom(t.Context(), db.URL, files); err != nil {
			t.Fatal(err)
		}
		if err := schema.DownFrom(t.Context(), db.URL, files, 1); err != nil {
			t.Fatal(err)
		}
		after := status(t, db)
		if !after.UpToDate() || after.Version != after.Latest || slices.Contains(relations(t, db), "public.extra") {
			t.Errorf("after: %+v", after)
		}
	})

	t.Run("every migration has a way down", func(t *testing.T) {
		t.Parallel()
		paths, err := fs.Glob(migrations.Files, "*.up.sql")
		if err != nil || len(paths) == 0 {
			t.Fatalf("%v, %v", paths, err)
		}
		for _, path := range paths {
			if _, err := fs.Stat(migrations.Files, strings.TrimSuffix(path, ".up.sql")+".down.sql"); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	first, err := schema.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	second, err := schema.Fingerprint()
	if err != nil || first != second || len(first) != 16 {
		t.Errorf("%q, %q, %v", first, second, err)
	}
}

type job struct{}

func (job) Kind() string { return "nothing" }

// withMore is the program's migrations and some more.
func withMore(t *testing.T, more map[string]string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	paths, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := fs.ReadFile(migrations.Files, path)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = &fstest.MapFile{Data: text}
	}
	for path := range maps.Keys(more) {
		files[path] = &fstest.MapFile{Data: []byte(more[path])}
	}
	return files
}

func up(t *testing.T, db *testdb.DB) {
	t.Helper()
	if err := schema.Up(t.Context(), db.URL); err != nil {
		t.Fatal(err)
	}
}

func down(t *testing.T, db *testdb.DB, steps int) {
	t.Helper()
	if err := schema.Down(t.Context(), db.URL, steps); err != nil {
		t.Fatal(err)
	}
}

func status(t *testing.T, db *testdb.DB) schema.State {
	t.Helper()
	return statusFrom(t, db, migrations.Files)
}

func statusFrom(t *testing.T, db *testdb.DB, files fs.FS) schema.State {
	t.Helper()
	state, err := schema.StatusFrom(t.Context(), db.URL, files)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func execute(t *testing.T, db *testdb.DB, statement string) {
	t.Helper()
	if _, err := db.SQL.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// relations lists tables, indexes and sequences that are not the system's.
func relations(t *testing.T, db *testdb.DB) []string {
	t.Helper()
	var names []string
	err := db.SQL.Select(&names, `
		SELECT relnamespace::regnamespace || '.' || relname AS name FROM pg_class
		WHERE relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY name`)
	if err != nil {
		t.Fatal(fmt.Errorf("list the relations: %w", err))
	}
	return names
}

func functions(t *testing.T, db *testdb.DB) int {
	t.Helper()
	var count int
	if err := db.SQL.Get(&count, `SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace`); err != nil {
		t.Fatal(err)
	}
	return count
}
