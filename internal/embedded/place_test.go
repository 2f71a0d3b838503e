package embedded_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"handover/internal/embedded"
)

func TestPlace(t *testing.T) {
	t.Run("where the user of PostgreSQL cannot reach the folder the data are elsewhere, and a note tells where", func(t *testing.T) {
		if os.Geteuid() != 0 {
			return // an ordinary user reaches their own folders
		}
		open := openTempDir(t)
		closed := filepath.Join(openTempDir(t), "closed")
		if err := os.Mkdir(closed, 0o700); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(closed, ".handover")
		embedded.SetElsewhere(t, open)
		server := start(t, dir)
		execute(t, server.URL(), `CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')`)
		note, err := os.ReadFile(filepath.Join(dir, "database-location"))
		if err != nil {
			t.Fatal(err)
		}
		place, _, _ := strings.Cut(string(note), "\n")
		if filepath.Dir(place) != open || len(server.Notes()) != 1 || !strings.Contains(server.Notes()[0], place) {
			t.Errorf("the note names %s, the server tells %q", place, server.Notes())
		}
		stop(t, server)

		server = start(t, dir)
		if got := query(t, server.URL(), `SELECT word FROM kept`); got != "here" || len(server.Notes()) != 1 {
			t.Errorf("got %q, notes %q", got, server.Notes())
		}
		stop(t, server)

		if err := embedded.Remove(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		for _, folder := range []string{dir, open} {
			if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
				t.Errorf("left in %s: %v, %v", folder, entries, err)
			}
		}
	})

	t.Run("data that are gone from elsewhere are not replaced by an empty database", func(t *testing.T) {
		dir := newDir(t)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		gone := filepath.Join(dir, "gone")
		if err := os.WriteFile(filepath.Join(dir, "database-location"), []byte(gone+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := embedded.Start(t.Context(), embedded.Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), gone) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestBinaries(t *testing.T) {
	t.Run("a machine without PostgreSQL is told how to get it", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		embedded.SetInstallations(t)
		_, err := embedded.Start(t.Context(), embedded.Options{Dir: newDir(t)})
		if !errors.Is(err, embedded.ErrNotInstalled) {
			t.Fatalf("got %v", err)
		}
		for _, want := range []string{"apt install", "dnf install", "brew install", "docker run", "DATABASE_URL="} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not speak of %s", err, want)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is not one line", err)
		}
	})

	t.Run("HANDOVER_POSTGRES_BIN is used, and nothing else", func(t *testing.T) {
		empty := t.TempDir()
		t.Setenv("HANDOVER_POSTGRES_BIN", empty)
		_, err := embedded.Start(t.Context(), embedded.Options{Dir: newDir(t)})
		if err == nil || !strings.Contains(err.Error(), "HANDOVER_POSTGRES_BIN="+empty) {
			t.Fatalf("got %v", err)
		}
	})

	t.Run("data of a version that is not installed are not replaced by an empty database", func(t *testing.T) {
		dir := newDir(t)
		if err := os.MkdirAll(filepath.Join(dir, "postgres-99"), 0o700); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() == 0 {
			if err := os.Chown(filepath.Join(dir, "postgres-99"), 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
		_, err := embedded.Start(t.Context(), embedded.Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "PostgreSQL 99") {
			t.Fatalf("got %v", err)
		}
	})

	t.Run("links and scripts in PATH are followed to the program", func(t *testing.T) {
		programs, links := t.TempDir(), t.TempDir()
		program := filepath.Join(programs, "postgres")
		if err := os.WriteFile(program, []byte("\x7fELF"), 0o755); err != nil {
			t.Fatal(err)
		}
		link, script := filepath.Join(links, "link"), filepath.Join(links, "script")
		if err := os.Symlink(program, link); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(script, []byte("#!/bin/sh\nexec \""+program+"\" \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{program, link, script} {
			if got := embedded.Behind(path); got != programs {
				t.Errorf("%s leads to %s, want %s", path, got, programs)
			}
		}
	})
}
