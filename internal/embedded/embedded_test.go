package embedded_test

import (
	"context"
	"database/sql"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq"

	"handover/internal/embedded"
)

func TestStart(t *testing.T) {
	t.Run("data outlive the server", func(t *testing.T) {
		dir := newDir(t)
		begin := time.Now()
		server, err := embedded.Start(t.Context(), embedded.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("first start: %s", time.Since(begin).Round(time.Millisecond))
		execute(t, server.URL(), `CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')`)
		stop(t, server)
		if _, err := connect(t, server.URL()).ExecContext(t.Context(), `SELECT 1`); err == nil {
			t.Fatal("the server answers after Stop")
		}

		begin = time.Now()
		server = start(t, dir)
		t.Logf("second start: %s", time.Since(begin).Round(time.Millisecond))
		if got := query(t, server.URL(), `SELECT word FROM kept`); got != "here" {
			t.Fatalf("got %q", got)
		}
		stop(t, server)
		stop(t, server)
	})

	t.Run("settings and the name of the database are taken over", func(t *testing.T) {
		server, err := embedded.Start(t.Context(), embedded.Options{
			Dir: newDir(t), Database: "of another name", Settings: map[string]string{"work_mem": "7MB", "port": "1"},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop(t, server)
		if got := query(t, server.URL(), `SELECT current_database() || ' ' || current_setting('work_mem')`); got != "of another name 7MB" {
			t.Errorf("got %q", got)
		}
	})

	t.Run("an interrupted first start leaves nothing in the way", func(t *testing.T) {
		dir := newDir(t)
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		if _, err := embedded.Start(ctx, embedded.Options{Dir: dir}); err == nil {
			t.Fatal("the start was not interrupted")
		}
		start(t, dir)
		leftovers, err := filepath.Glob(filepath.Join(dir, "*.new-*"))
		if err != nil || len(leftovers) > 0 {
			t.Fatalf("left behind: %v, %v", leftovers, err)
		}
	})

	t.Run("a server that is killed is noticed, and the next start recovers", func(t *testing.T) {
		dir := newDir(t)
		server := start(t, dir)
		execute(t, server.URL(), `CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')`)
		if err := server.Err(); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(postmasterOf(t, dir), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {
		case <-server.Done():
		case <-time.After(10 * time.Second):
			t.Fatal("not noticed")
		}
		if err := server.Err(); err == nil {
			t.Error("no error tells of it")
		}
		stop(t, server)
		server = start(t, dir)
		if got := query(t, server.URL(), `SELECT word FROM kept`); got != "here" {
			t.Fatalf("got %q", got)
		}
	})

	t.Run("a number in postmaster.pid that now belongs to another program does no harm", func(t *testing.T) {
		dir := newDir(t)
		stop(t, start(t, dir))
		path := filepath.Join(clusterIn(t, dir), "data", "postmaster.pid")
		if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		start(t, dir)
	})
}

func TestRunning(t *testing.T) {
	dir := newDir(t)
	server := start(t, dir)

	t.Run("the server is closed to everybody else", func(t *testing.T) {
		address, err := url.Parse(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		if got := address.Hostname(); got != "127.0.0.1" {
			t.Errorf("listens on %s", got)
		}
		if got := query(t, server.URL(), `SELECT current_setting('listen_addresses') || '|' || current_setting('unix_socket_directories')`); got != "127.0.0.1|" {
			t.Errorf("listens on %s", got)
		}
		address.User = url.UserPassword(address.User.Username(), "guessed")
		if _, err := connect(t, address.String()).ExecContext(t.Context(), `SELECT 1`); err == nil {
			t.Error("a wrong password was accepted")
		}
		cluster := clusterIn(t, dir)
		for path, want := range map[string]fs.FileMode{cluster: 0o700, filepath.Join(cluster, "password"): 0o600} {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != want {
				t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
			}
		}
	})

	t.Run("upper and lower case know more than ASCII", func(t *testing.T) {
		if got := query(t, server.URL(), `SELECT lower('ÅÉÑ')`); got != "åéñ" {
			t.Errorf("got %q", got)
		}
	})

	t.Run("a second instance on the same folder is refused and told what to do", func(t *testing.T) {
		_, err := embedded.Start(t.Context(), embedded.Options{Dir: dir})
		if err == nil {
			t.Fatal("a second instance was started")
		}
		for _, want := range []string{dir, "process " + strconv.Itoa(os.Getpid()), "DATABASE_URL"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not speak of %s", err, want)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is not one line", err)
		}
		if err := embedded.Remove(t.Context(), dir); err == nil {
			t.Error("the database of a running instance was removed")
		}
	})

	t.Run("Ctrl-C at the terminal does not reach PostgreSQL", func(t *testing.T) {
		group, err := syscall.Getpgid(postmasterOf(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		if group == syscall.Getpgrp() {
			t.Error("PostgreSQL is in the group of this process")
		}
	})
}

func TestRemove(t *testing.T) {
	dir := newDir(t)
	stop(t, start(t, dir))
	kept := filepath.Join(dir, "something-else")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := embedded.Remove(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("left: %v, %v", entries, err)
	}
	if err := embedded.Remove(t.Context(), filepath.Join(dir, "never-made")); err != nil {
		t.Fatal(err)
	}
}

func newDir(t *testing.T) string {
	t.Helper()
	return filepath.Join(openTempDir(t), ".handover")
}

// openTempDir is a temporary folder that other users may pass through.
func openTempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// quick are settings that save the disk. What they give up is lost with the machine, not with a process.
var quick = map[string]string{"fsync": "off"}

func start(t *testing.T, dir string) *embedded.Server {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Options{Dir: dir, Settings: quick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server
}

func stop(t *testing.T, server *embedded.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

func connect(t *testing.T, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execute(t *testing.T, address, statement string) {
	t.Helper()
	if _, err := connect(t, address).ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func query(t *testing.T, address, statement string) string {
	t.Helper()
	var answer string
	if err := connect(t, address).QueryRowContext(t.Context(), statement).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// clusterIn is the folder named by the major version.
func clusterIn(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "postgres-[0-9]*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("clusters in %s: %v, %v", dir, found, err)
	}
	return found[0]
}

func postmasterOf(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(clusterIn(t, dir), "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
