package chaos

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"

	"handover/internal/embedded"
	"handover/internal/schema"
)

// database is a PostgreSQL that keeps what it has promised, and can be killed.
type database struct {
	t      testing.TB
	folder string
	server *embedded.Server
	pid    int                  // of its first process
	moved  func(address string) // tells where it is after a start
}

func newDatabase(t testing.TB) *database {
	t.Helper()
	folder := t.TempDir()
	for parent := folder; parent != os.TempDir(); parent = filepath.Dir(parent) { // where root tests, PostgreSQL is another user
		if err := os.Chmod(parent, 0o711); err != nil { //nolint:gosec // to be passed through
			t.Fatal(err)
		}
	}
	d := &database{t: t, folder: folder, moved: func(string) {}}
	if err := d.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = d.server.Stop(ctx) // its data go with it
	})
	if err := schema.Up(t.Context(), d.server.URL()); err != nil {
		t.Fatal(err)
	}
	return d
}

// start starts it, also on what a killed one has left.
func (d *database) start() error {
	var err error
	for range 20 {
		d.server, err = embedded.Start(d.t.Context(), embedded.Options{Dir: d.folder, Settings: map[string]string{"max_connections": "200", "max_wal_size": "1GB"}})
		if err == nil {
			d.moved(d.address())
			d.pid, err = d.postmaster()
			return err
		}
		time.Sleep(500 * time.Millisecond) // processes of the killed one are still ending
	}
	return err
}

// address is where it listens.
func (d *database) address() string {
	at, err := url.Parse(d.server.URL())
	if err != nil {
		d.t.Fatal(err)
	}
	return at.Host
}

// at is its URL by another address.
func (d *database) at(address string) string {
	at, err := url.Parse(d.server.URL())
	if err != nil {
		d.t.Fatal(err)
	}
	at.Host = address
	return at.String()
}

// end sends its first process a signal, waits until that is gone, and gives its folder back.
func (d *database) end(signal syscall.Signal) error {
	if err := syscall.Kill(d.pid, signal); err != nil {
		return err
	}
	<-d.server.Done()
	return d.server.Stop(d.t.Context())
}

// postmaster finds the first process of a server that has just started.
func (d *database) postmaster() (int, error) {
	db, err := sqlx.Open("postgres", d.server.URL())
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var folder string
	if err := db.Get(&folder, `SHOW data_directory`); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(folder, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}
