package crash

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"handover/internal/embedded"
	"handover/internal/schema"
	"handover/internal/testdb"
)

// A connection that is cut while it works, by a person or a fail-over, costs one attempt: the synchronous change is absent
// and can be repeated on the same service, the asynchronous one is carried out by it.
func TestCutConnection(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	c := newCaseload(t, db.SQL, somePeople, fewPeople)
	random := chance(t)
	service := start(t, db.URL)
	usual := c.undisturbed(t, service)
	for _, async := range []bool{false, true} {
		c.snapshot(t)
		change := c.moveEverybody(async)
		answered := make(chan answer, 1)
		go func() { answered <- service.send(t.Context(), change) }()
		cut := c.cutAtWork(t, time.Duration(random.Int64N(int64(usual/2))))
		got := <-answered
		t.Logf("asynchronous %t: cut %q, answered %d", async, cut, got.status)
		if got.status >= 500 {
			c.check(t, false)
		}
		again := service.insist(t, change)
		if got.status < 300 && again.run != got.run {
			t.Fatalf("run %s was acknowledged, and then run %s", got.run, again.run)
		}
		c.acknowledged(c.large.ID, again)
		c.finished(t, again.run)
	}
}

// cutAtWork waits until the service is at work in a transaction, then for a while, and then cuts its connection. It tells
// what that was doing; nothing, where it was done by then.
func (c *caseload) cutAtWork(t testing.TB, after time.Duration) string {
	t.Helper()
	const atWork = `FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1 AND xact_start IS NOT NULL AND query ~ 'unnest|run_items|task_assignees'`
	eventually(t, finishesWithin, "the service is at work", func() bool {
		var working bool
		if err := c.db.GetContext(t.Context(), &working, `SELECT EXISTS (SELECT `+atWork+`)`, applicationName); err != nil {
			t.Fatal(err)
		}
		return working
	})
	time.Sleep(after)
	var cut []string
	if err := c.db.SelectContext(t.Context(), &cut, `
		WITH found AS MATERIALIZED (SELECT pid, left(regexp_replace(query, '\s+', ' ', 'g'), 60) AS text `+atWork+`)
		SELECT text FROM found WHERE pg_terminate_backend(pid)`, applicationName); err != nil {
		t.Fatal(err)
	}
	return strings.Join(cut, "; ")
}

// A PostgreSQL of which a process is killed ends all its connections and recovers; one that is stopped at once and
// started again lost nothing that was acknowledged. The service carries on by itself in the first case, and after its own
// restart in the second.
func TestKillPostgreSQL(t *testing.T) {
	t.Parallel()
	dir := newFolder(t)
	server, db := newPostgreSQL(t, dir)
	c := newCaseload(t, db, somePeople, fewPeople)
	random := chance(t)
	service := start(t, server.URL())
	usual := c.undisturbed(t, service)

	t.Run("a process of PostgreSQL is killed", func(t *testing.T) {
		c.snapshot(t)
		got := service.insist(t, c.moveEverybody(true))
		c.acknowledged(c.large.ID, got)
		time.Sleep(time.Duration(random.Int64N(int64(usual))))
		var pid int
		if err := c.db.GetContext(t.Context(), &pid, `SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY xact_start NULLS LAST LIMIT 1`, applicationName); err != nil {
			t.Fatal(err)
		}
		witness, err := c.db.Connx(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = witness.Close() }()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, finishesWithin, "PostgreSQL has noticed, and ended everybody", func() bool { return witness.PingContext(t.Context()) != nil })
		c.recovered(t)
		c.finished(t, got.run)
		if single := service.insist(t, c.movePerson(1)); single.status != http.StatusOK {
			t.Fatalf("got %d: %s", single.status, single.text)
		}
	})

	t.Run("PostgreSQL is stopped at once, and the service killed", func(t *testing.T) {
		c.snapshot(t)
		change := c.moveEverybody(random.IntN(2) == 0)
		answered := make(chan answer, 1)
		go func() { answered <- service.send(t.Context(), change) }()
		time.Sleep(time.Duration(random.Int64N(int64(usual))))
		if err := syscall.Kill(c.postmaster(t), syscall.SIGQUIT); err != nil { // immediate shutdown
			t.Fatal(err)
		}
		<-server.Done()
		got := <-answered
		c.acknowledged(c.large.ID, got)
		service.kill()
		_ = server.Stop(t.Context()) // gives the folder back
		server, c.db = startPostgreSQL(t, dir)
		service = start(t, server.URL())
		again := service.insist(t, change)
		t.Logf("asynchronous %t: answered %d, replayed %t", change.async, got.status, again.replayed)
		if got.status != 0 && got.status < 300 && (got.run != again.run || !again.replayed) {
			t.Fatalf("run %s was acknowledged, and then run %s", got.run, again.run)
		}
		c.acknowledged(c.large.ID, again)
		c.finished(t, again.run)
	})
}

// newFolder makes a folder that PostgreSQL can have.
func newFolder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for parent := dir; parent != os.TempDir(); parent = filepath.Dir(parent) { // where root tests, PostgreSQL is another user
		if err := os.Chmod(parent, 0o711); err != nil { //nolint:gosec // to be passed through
			t.Fatal(err)
		}
	}
	return dir
}

// newPostgreSQL starts a server of its own for a test, with the schema.
func newPostgreSQL(t testing.TB, dir string) (*embedded.Server, *sqlx.DB) {
	t.Helper()
	server, db := startPostgreSQL(t, dir)
	if err := schema.Up(t.Context(), server.URL()); err != nil {
		t.Fatal(err)
	}
	return server, db
}

// startPostgreSQL starts a server that keeps what it has promised.
func startPostgreSQL(t testing.TB, dir string) (*embedded.Server, *sqlx.DB) {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Options{Dir: dir, Settings: map[string]string{"autovacuum": "off", "max_wal_size": "1GB"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	db, err := sqlx.Open("postgres", server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return server, db
}

// recovered waits until the database answers again.
func (c *caseload) recovered(t testing.TB) {
	t.Helper()
	eventually(t, finishesWithin, "PostgreSQL has recovered", func() bool { return c.db.PingContext(t.Context()) == nil })
}

// postmaster is the first process of the server.
func (c *caseload) postmaster(t testing.TB) int {
	t.Helper()
	var folder string
	if err := c.db.GetContext(t.Context(), &folder, `SHOW data_directory`); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
