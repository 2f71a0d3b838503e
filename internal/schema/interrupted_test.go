package schema_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"handover/internal/schema"
	"handover/internal/testdb"
)

// migrateVariable makes the test binary a process that brings a database up: the address, and the migrations as JSON.
const migrateVariable = "HANDOVER_SCHEMA_TEST_UP"

type migration struct {
	URL   string
	Files map[string]string
}

func TestMain(m *testing.M) {
	if text := os.Getenv(migrateVariable); text != "" {
		var wanted migration
		files := fstest.MapFS{}
		err := json.Unmarshal([]byte(text), &wanted)
		for name, text := range wanted.Files {
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if err = errors.Join(err, schema.UpFrom(context.Background(), wanted.URL, files)); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testdb.Main(m)
}

// migrating starts a process that brings a database up.
func migrating(t *testing.T, db *testdb.DB, files fs.FS) *exec.Cmd {
	t.Helper()
	wanted := migration{db.URL, map[string]string{}}
	paths, err := fs.Glob(files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := fs.ReadFile(files, path)
		if err != nil {
			t.Fatal(err)
		}
		wanted.Files[path] = string(text)
	}
	text, err := json.Marshal(wanted)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), migrateVariable+"="+string(text))
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return command
}

// inUse is a transaction that has written to people, and is open: the table cannot be changed, and no index of it finished.
func inUse(t *testing.T, db *testdb.DB) (release func()) {
	t.Helper()
	tx, err := db.SQL.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`UPDATE people SET phone = phone WHERE false`); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}

// waits until a statement of the migrations waits for a lock.
func waits(t *testing.T, db *testdb.DB, statement string) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		var n int
		if err := db.SQL.Get(&n, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'`, statement); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	t.Fatalf("nothing waits in %s", statement)
}

func TestInterrupted(t *testing.T) {
	t.Parallel()

	t.Run("a migration whose process is killed in the middle leaves nothing, and the next start does it", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		release := inUse(t, db)
		files := withMore(t, map[string]string{"900000_more.up.sql": "CREATE TABLE extra ();\nALTER TABLE people ADD COLUMN extra text;"})
		first := migrating(t, db, files)
		waits(t, db, "ADD COLUMN extra")
		if err := errors.Join(first.Process.Kill(), ignoring[*exec.ExitError](first.Wait())); err != nil {
			t.Fatal(err)
		}
		if after := statusFrom(t, db, files); after.Dirty || after.Version == 900000 {
			t.Errorf("after: %+v", after)
		}
		second := migrating(t, db, files)
		time.Sleep(time.Second)
		if slices.Contains(relations(t, db), "public.extra") {
			t.Error("half of the migration is there")
		}
		release()
		if err := second.Wait(); err != nil {
			t.Fatal(err)
		}
		if after := statusFrom(t, db, files); after.Dirty || after.Version != 900000 || !slices.Contains(relations(t, db), "public.extra") {
			t.Errorf("after: %+v", after)
		}
	})

	t.Run("an index that was being built beside the service is built anew by the next start", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		release := inUse(t, db)
		files := withMore(t, map[string]string{
			"900000_index.up.sql": "-- without transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS extra_idx ON people (phone);\n",
			"900001_more.up.sql":  "CREATE TABLE extra ();",
		})
		valid := func() (n int) {
			t.Helper()
			if err := db.SQL.Get(&n, `SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('extra_idx') AND indisvalid`); err != nil {
				t.Fatal(err)
			}
			return n
		}
		first := migrating(t, db, files)
		waits(t, db, "CREATE INDEX CONCURRENTLY")
		if err := errors.Join(first.Process.Kill(), ignoring[*exec.ExitError](first.Wait())); err != nil {
			t.Fatal(err)
		}
		if after := statusFrom(t, db, files); after.Dirty || after.Version >= 900000 || valid() != 0 || !slices.Contains(relations(t, db), "public.extra_idx") {
			t.Errorf("after: %+v, valid: %d", after, valid())
		}
		// Two start at once, before PostgreSQL is through with the first.
		second, third := migrating(t, db, files), migrating(t, db, files)
		time.Sleep(time.Second)
		release()
		if err := errors.Join(second.Wait(), third.Wait()); err != nil {
			t.Fatal(err)
		}
		if after := statusFrom(t, db, files); after.Dirty || after.Version != 900001 || valid() != 1 {
			t.Errorf("after: %+v, valid: %d", after, valid())
		}
	})

	t.Run("what fails beside the service is tried again by the next start, and what was built of it is not in the way", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		execute(t, db, `CREATE TABLE twice (n int); INSERT INTO twice VALUES (1), (1)`)
		files := withMore(t, map[string]string{"900000_index.up.sql": "-- without transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS twice_idx ON twice (n);\n"})
		for range 2 {
			if err := schema.UpFrom(t.Context(), db.URL, files); err == nil || !strings.Contains(err.Error(), "twice_idx") {
				t.Fatalf("got %v", err)
			}
			if after := statusFrom(t, db, files); after.Dirty || after.Version == 900000 {
				t.Errorf("after: %+v", after)
			}
		}
		execute(t, db, `DELETE FROM twice`)
		if err := schema.UpFrom(t.Context(), db.URL, files); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("what others keep in use for too long is told, with what to do, and nothing is applied", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		release := inUse(t, db)
		files := withMore(t, map[string]string{"900000_more.up.sql": "CREATE TABLE extra ();\nALTER TABLE people ADD COLUMN extra text;"})
		var log bytes.Buffer
		done := make(chan error, 1)
		go func() {
			done <- schema.HastyUpFrom(t.Context(), db.URL, files, slog.New(slog.NewTextHandler(&log, nil)))
		}()
		// Between the attempts others come through: they are not queued behind the migration until it gives up.
		waits(t, db, "ADD COLUMN extra")
		through := 0
		for {
			began := time.Now()
			if _, err := db.SQL.ExecContext(t.Context(), `UPDATE people SET phone = phone WHERE false`); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("others waited for %s", took)
			}
			through++
			select {
			case err := <-done:
				if err == nil || !strings.Contains(err.Error(), "pg_stat_activity") || !strings.Contains(err.Error(), "version 900000") {
					t.Errorf("got %v", err)
				}
			case <-time.After(10 * time.Millisecond):
				continue
			}
			break
		}
		if through < 3 || strings.Count(log.String(), "the migrations wait") != 2 {
			t.Errorf("%d statements came through; the log says %s", through, &log)
		}
		if after := statusFrom(t, db, files); after.Dirty || after.Version == 900000 || slices.Contains(relations(t, db), "public.extra") {
			t.Errorf("after: %+v", after)
		}
		release()
		if err := schema.HastyUpFrom(t.Context(), db.URL, files, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	})
}

// ignoring is an error, unless it is of a kind.
func ignoring[Kind error](err error) error {
	var known Kind
	if errors.As(err, &known) {
		return nil
	}
	return err
}
