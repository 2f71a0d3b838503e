package caseload_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/internal/app"
	"handover/internal/caseload"
	"handover/internal/caseload/samplecsv"
	"handover/internal/domain"
	"handover/internal/postgres"
	"handover/internal/testdb"
	"handover/internal/worker"
)

// sample writes the files of a size and reads them.
func sample(t *testing.T, size samplecsv.Size) texts {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, samplecsv.Write(dir, size))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	files := texts{}
	for _, entry := range entries {
		text, err := os.ReadFile(dir + "/" + entry.Name())
		require.NoError(t, err)
		files[entry.Name()] = string(text)
	}
	return files
}

// orphans counts references that point at nothing.
func orphans(t *testing.T, db *testdb.DB) int {
	t.Helper()
	var keys []struct {
		Child   string         `db:"child"`
		Parent  string         `db:"parent"`
		Columns pq.StringArray `db:"columns"`
		Refers  pq.StringArray `db:"refers"`
	}
	require.NoError(t, db.SQL.Select(&keys, `
		SELECT conrelid::regclass::text AS child, confrelid::regclass::text AS parent,
			ARRAY(SELECT attname FROM unnest(conkey) WITH ORDINALITY k (n, o) JOIN pg_attribute a ON attrelid = conrelid AND attnum = n ORDER BY o) AS columns,
			ARRAY(SELECT attname FROM unnest(confkey) WITH ORDINALITY k (n, o) JOIN pg_attribute a ON attrelid = confrelid AND attnum = n ORDER BY o) AS refers
		FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace`))
	require.NotEmpty(t, keys)
	count := 0
	for _, key := range keys {
		var same, set []string
		for i := range key.Columns {
			same = append(same, "p."+key.Refers[i]+" = c."+key.Columns[i])
			set = append(set, "c."+key.Columns[i]+" IS NOT NULL")
		}
		var missing int
		require.NoError(t, db.SQL.Get(&missing, `SELECT count(*) FROM `+key.Child+` c WHERE `+strings.Join(set, " AND ")+
			` AND NOT EXISTS (SELECT FROM `+key.Parent+` p WHERE `+strings.Join(same, " AND ")+`)`))
		count += missing
	}
	return count
}

func TestReferences(t *testing.T) {
	t.Parallel()
	files := sample(t, samplecsv.Size{Staff: 20, People: 250, AssignmentsPerson: 2, TasksPerson: 5, Matters: 40, Events: 60})

	t.Run("checked as sets and row by row they come to the same", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		sets, rows := organization(t, db), organization(t, db)
		for range 2 {
			load(t, db, sets, files)
			_, err := caseload.Import(t.Context(), db.SQL, rows, files.files(), caseload.Options{}.EachRow())
			require.NoError(t, err)
		}
		assert.Equal(t, contents(t, db, rows), contents(t, db, sets))
		assert.Zero(t, orphans(t, db))
		var analyzed int
		require.NoError(t, db.SQL.Get(&analyzed, `SELECT count(*) FROM pg_class WHERE relname IN ('tasks', 'task_assignees', 'audit_events') AND reltuples > 0`))
		assert.Equal(t, 3, analyzed, "statistics are there after much was written")
	})

	t.Run("the owner of the tables need not be a superuser", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		role := "owner_" + db.Name
		for _, statement := range []string{
			`CREATE ROLE ` + role + ` LOGIN PASSWORD 'known'`, `GRANT handover_service TO ` + role,
			`GRANT ` + role + ` TO CURRENT_USER`, `ALTER SCHEMA public OWNER TO ` + role,
		} {
			_, err := db.SQL.Exec(statement)
			require.NoError(t, err)
		}
		t.Cleanup(func() {
			_, err := db.SQL.Exec(`REASSIGN OWNED BY ` + role + ` TO CURRENT_USER; DROP OWNED BY ` + role + `; DROP ROLE ` + role)
			assert.NoError(t, err)
		})
		var tables []string
		require.NoError(t, db.SQL.Select(&tables, `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`))
		for _, table := range tables {
			_, err := db.SQL.Exec(`ALTER TABLE ` + table + ` OWNER TO ` + role)
			require.NoError(t, err)
		}
		address, err := url.Parse(db.URL)
		require.NoError(t, err)
		address.User = url.UserPassword(role, "known")
		owner, err := sqlx.Open("postgres", address.String())
		require.NoError(t, err)
		defer owner.Close()
		_, err = caseload.Import(t.Context(), owner, to, files.files(), caseload.Options{})
		require.NoError(t, err)
		assert.Zero(t, orphans(t, db))
	})
}

// takeExternalID adds a person that an import is about to add.
func takeExternalID(t *testing.T, db *testdb.DB, to domain.OrganizationID, external string) {
	t.Helper()
	_, err := db.SQL.Exec(`INSERT INTO people (organization_id, id, external_id, kind, status, first_name, last_name, created_at, updated_at)
		VALUES ($1, $2, $3, 'referral', 'active', 'Somebody', 'Else', now(), now())`, to.String(), uuid.Must(uuid.NewV7()), external)
	assert.NoError(t, err)
}

func TestBesideOthers(t *testing.T) {
	t.Parallel()

	t.Run("imports of one organization go one after the other", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		var together sync.WaitGroup
		waited := make(chan bool, 100)
		for number := range 4 {
			together.Go(func() {
				_, err := caseload.Import(t.Context(), db.SQL, to, office.files(), caseload.Options{Progress: func(p caseload.Progress) {
					if p.Doing == "waiting for another import" {
						waited <- true
					}
					time.Sleep(time.Millisecond)
				}})
				assert.NoError(t, err, number)
			})
		}
		together.Wait()
		assert.NotEmpty(t, waited)
		assert.Equal(t, officeContents, contents(t, db, to))
	})

	t.Run("an import that was overtaken begins again", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		once := sync.OnceFunc(func() { takeExternalID(t, db, to, "p-1") })
		result, err := caseload.Import(t.Context(), db.SQL, to, texts{"people.csv": office["people.csv"]}.files(), caseload.Options{Progress: func(p caseload.Progress) {
			if p.Doing == "comparing calendar events" {
				once()
			}
		}})
		require.NoError(t, err)
		assert.Equal(t, []caseload.FileResult{{File: "people.csv", Rows: 3, Created: 2, Updated: 1}}, result.Files)
		assert.Equal(t, "client Maya", row(t, db.SQL, `SELECT kind || ' ' || first_name FROM people WHERE external_id = 'p-1'`))
	})

	t.Run("an import that is always overtaken says so, and loads nothing", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		tries := 0
		_, err := caseload.Import(t.Context(), db.SQL, to, texts{"people.csv": office["people.csv"]}.files(), caseload.Options{Progress: func(p caseload.Progress) {
			if p.Doing == "comparing calendar events" {
				tries++
				takeExternalID(t, db, to, fmt.Sprint("p-", tries))
			}
		}})
		require.ErrorContains(t, err, "somebody else writes what is being imported; nothing was loaded")
		assert.Equal(t, 3, tries)
		assert.Equal(t, "Somebody", row(t, db.SQL, `SELECT string_agg(DISTINCT first_name, ',') FROM people`))
	})

	t.Run("an import that is stopped loads nothing", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		for _, at := range []string{"reading people.csv", "checking", "writing people", "recording new tasks"} {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := caseload.Import(ctx, db.SQL, to, office.files(), caseload.Options{Progress: func(p caseload.Progress) {
				if p.Doing == at {
					cancel()
				}
			}})
			require.ErrorIs(t, err, context.Canceled, at)
			assert.Equal(t, "\n", contents(t, db, to), at)
		}
		load(t, db, to, office)
		assert.Equal(t, officeContents, contents(t, db, to))
	})

	t.Run("an import that loses its connection loads nothing", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		for _, at := range []string{"reading tasks.csv", "checking", "writing tasks", "recording new calendar events"} {
			_, err := caseload.Import(t.Context(), db.SQL, to, office.files(), caseload.Options{Progress: func(p caseload.Progress) {
				if p.Doing == at {
					_, err := db.SQL.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()`)
					assert.NoError(t, err)
				}
			}})
			require.Error(t, err, at)
			assert.Equal(t, "\n", contents(t, db, to), at)
		}
	})

	t.Run("bulk changes and edits go on beside an import, without a deadlock", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		files := sample(t, samplecsv.Size{Staff: 10, People: 120, AssignmentsPerson: 2, TasksPerson: 5, Matters: 10, Events: 10})
		load(t, db, to, files)
		// What the second load changes: every person, their staff, and every task.
		other := texts{}
		for name, text := range files {
			other[name] = strings.NewReplacer(",active\n", ",inactive\n", ",open,", ",in_progress,", ",s-1\n", ",s-9\n", ",s-2\n", ",s-8\n").Replace(text)
		}
		other["staff.csv"], other["matters.csv"] = files["staff.csv"], files["matters.csv"]

		log := slog.New(slog.NewTextHandler(io.Discard, nil))
		queue, err := worker.NewQueue(db.SQL.DB, log)
		require.NoError(t, err)
		service := app.New(postgres.NewStore(db.SQL, false), queue, time.Now, log)
		var people, tasks, staff []uuid.UUID
		require.NoError(t, db.SQL.Select(&people, `SELECT id FROM people`))
		require.NoError(t, db.SQL.Select(&tasks, `SELECT id FROM tasks WHERE status IN ('open', 'in_progress')`))
		require.NoError(t, db.SQL.Select(&staff, `SELECT id FROM staff`))
		caller := domain.Caller{Organization: to, TimeZone: "America/Toronto", StaffID: staff[0], Role: domain.RoleAdministrator}
		ctx, stop := context.WithCancel(t.Context())
		var together sync.WaitGroup
		defer together.Wait()
		defer stop()
		for worker := range 3 {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			together.Go(func() {
				for ctx.Err() == nil {
					chosen := make([]uuid.UUID, 20)
					for i := range chosen {
						chosen[i] = people[random.IntN(len(people))]
					}
					_, _, err := service.ChangeAssignments(t.Context(), caller, app.AssignmentsRequest{
						Kind: domain.RunManageAssignments, Body: []byte(`{}`),
						Selection: domain.Selection{PersonIDs: chosen},
						Change: domain.AssignmentChange{
							Type: domain.ChangeReplace, StaffIDs: []uuid.UUID{staff[random.IntN(len(staff))]},
							TaskPolicy: domain.TasksReassignAll, TaskScope: domain.ScopeAll,
						},
					})
					if !assert.NoError(t, err) {
						return
					}
					_, err = service.UpdateTask(t.Context(), caller, tasks[random.IntN(len(tasks))], "*", app.TaskEdit{Apply: func(task *domain.Task) {
						task.Title = fmt.Sprint("Edited ", random.Int())
					}})
					if !assert.NoError(t, err) {
						return
					}
				}
			})
		}
		for range 3 {
			load(t, db, to, other)
			load(t, db, to, files)
		}
		stop()
		together.Wait()
		load(t, db, to, files)
		fresh := organization(t, db)
		load(t, db, fresh, files)
		withoutAudit := func(of domain.OrganizationID) string {
			text, _, _ := strings.Cut(contents(t, db, of), "\naudit ")
			return text
		}
		assert.Equal(t, withoutAudit(fresh), withoutAudit(to))
		assert.Zero(t, orphans(t, db))
		var deadlocks int
		require.NoError(t, db.SQL.Get(&deadlocks, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`))
		assert.Zero(t, deadlocks)
	})
}
