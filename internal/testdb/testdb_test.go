package testdb_test

import (
	"fmt"
	"strings"
	"testing"

	"handover/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestNew(t *testing.T) {
	t.Parallel()

	t.Run("each test has a migrated database of its own, in parallel", func(t *testing.T) {
		t.Parallel()
		for number := range 8 {
			t.Run(fmt.Sprint(number), func(t *testing.T) {
				t.Parallel()
				db := testdb.New(t)
				if _, err := db.SQL.Exec(`CREATE TABLE only_here (number integer)`); err != nil {
					t.Fatal(err)
				}
				var tables int
				if err := db.SQL.Get(&tables, `SELECT count(*) FROM pg_class WHERE oid IN (to_regclass('people'), to_regclass('river.river_job'))`); err != nil {
					t.Fatal(err)
				}
				if tables != 2 {
					t.Errorf("%d of 2 tables are there", tables)
				}
			})
		}
	})

	t.Run("sessions by URL are in an odd time zone", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		var zone string
		if err := db.SQL.Get(&zone, `SHOW TimeZone`); err != nil {
			t.Fatal(err)
		}
		if zone != testdb.TimeZone {
			t.Errorf("the zone is %s", zone)
		}
		if !strings.Contains(db.URL, "/"+db.Name+"?") {
			t.Errorf("%s does not lead to %s", db.URL, db.Name)
		}
	})

	t.Run("the database is dropped with the test, whoever is still connected", func(t *testing.T) {
		t.Parallel()
		watcher := testdb.NewEmpty(t)
		var name string
		t.Run("inner", func(t *testing.T) {
			db := testdb.New(t)
			name = db.Name
			rows, err := db.SQL.Query(`SELECT generate_series(1, 1000000)`)
			if err != nil || rows.Err() != nil {
				t.Fatal(err)
			}
		})
		var left int
		if err := watcher.SQL.Get(&left, `SELECT count(*) FROM pg_database WHERE datname = $1`, name); err != nil {
			t.Fatal(err)
		}
		if left != 0 {
			t.Errorf("%s is still there", name)
		}
	})
}

// The first database of a process waits for its server and template; this is about the ones after it.
func BenchmarkNew(b *testing.B) {
	testdb.New(b)
	for b.Loop() {
		testdb.New(b)
	}
}
