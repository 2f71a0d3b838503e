package caseload_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/internal/caseload"
	"handover/internal/caseload/samplecsv"
	"handover/internal/domain"
	"handover/internal/testdb"
)

// childVariable makes the test binary a process that imports and can be killed: URL, organization and folder.
const childVariable = "HANDOVER_CASELOAD_TEST_CHILD"

func importAsChild() {
	arguments := strings.Split(os.Getenv(childVariable), "\n")
	db, err := sqlx.Open("postgres", arguments[0])
	if err == nil {
		to := domain.OrganizationID(uuid.MustParse(arguments[1]))
		_, err = caseload.Import(context.Background(), db, to, os.DirFS(arguments[2]), caseload.Options{Progress: func(p caseload.Progress) {
			_, _ = fmt.Fprintln(os.Stdout, p.Doing)
		}})
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestKilled(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	to := organization(t, db)
	dir := t.TempDir()
	require.NoError(t, samplecsv.Write(dir, samplecsv.Size{Staff: 20, People: 2000, AssignmentsPerson: 2, TasksPerson: 5, Matters: 50, Events: 50}))
	for _, at := range []string{"reading tasks.csv", "comparing tasks", "writing people", "writing tasks", "recording new tasks"} {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childVariable+"="+strings.Join([]string{db.URL, to.String(), dir}, "\n"))
		output, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		reached := false
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if lines.Text() == at {
				reached = true
				require.NoError(t, child.Process.Kill())
			}
		}
		require.Error(t, child.Wait(), at)
		require.True(t, reached, at)
		require.Eventually(t, func() bool {
			var running int
			err := db.SQL.Get(&running, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()`)
			return err == nil && running == 0
		}, 20*time.Second, 20*time.Millisecond, "the server ends what the killed process had begun")
		assert.Equal(t, "\n", contents(t, db, to), at)
	}
	result, err := caseload.Import(t.Context(), db.SQL, to, os.DirFS(dir), caseload.Options{})
	require.NoError(t, err)
	assert.Equal(t, int64(10_000), result.Files[3].Created)
}
