package testdb

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"handover/internal/embedded"
)

const (
	folderPattern = "handover-testdb-*"

	// memoryFolder is a file system in memory on Linux, where copying a database takes a tenth of the time.
	memoryFolder = "/dev/shm"
	memoryNeeded = 4 << 30 // bytes free there, or the disk is used

	// sweepAfter spares the folders of processes that are about to begin.
	sweepAfter = time.Minute

	// strategy copies a template by files: quicker than through the log where nothing is synced.
	strategy = "FILE_COPY"
)

// forgetful are settings for data that need not outlive anything.
var forgetful = map[string]string{
	"fsync":                     "off",
	"full_page_writes":          "off",
	"synchronous_commit":        "off",
	"wal_level":                 "minimal",
	"max_wal_senders":           "0",
	"max_wal_size":              "1GB",
	"checkpoint_timeout":        "1h",
	"autovacuum":                "off",
	"max_connections":           "400",
	"max_locks_per_transaction": "128",
}

// server is where the databases of this process are.
type server struct {
	address *url.URL // of any database on it
	admin   *sql.DB
	own     *embedded.Server // nil where the server was there already
	folder  string           // of our own server

	templateMutex sync.Mutex
	templateName  string
}

var (
	sharedServer = sync.OnceValues(openServer)
	ownServer    *server // set by openServer, for Main
	ownMutex     sync.Mutex
)

// Main runs the tests of a package and leaves nothing behind. A package that does without it leaves its folder to the
// next run to delete; no process survives in either case.
//
//	func TestMain(m *testing.M) { testdb.Main(m) }
//
// after is what else is to be cleared away.
func Main(m *testing.M, after ...func()) {
	code := m.Run()
	for _, clear := range after {
		clear()
	}
	if err := stopOwnServer(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func openServer() (*server, error) {
	address := os.Getenv(serverVariable)
	if address != "" {
		return newServer(address)
	}
	sweep()
	folder, err := os.MkdirTemp(parentFolder(), folderPattern)
	if err != nil {
		return nil, fmt.Errorf("make a folder for the server: %w", err)
	}
	// Where the tests run as root PostgreSQL runs as another user, who must be able to pass through.
	if err := os.Chmod(folder, 0o711); err != nil {
		return nil, fmt.Errorf("open the folder of the server: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	own, err := embedded.Start(ctx, embedded.Options{Dir: folder, Settings: forgetful})
	if err != nil {
		_ = os.RemoveAll(folder)
		return nil, err
	}
	opened, err := newServer(own.URL())
	if err != nil {
		return nil, err
	}
	opened.own, opened.folder = own, folder
	ownMutex.Lock()
	defer ownMutex.Unlock()
	ownServer = opened
	return opened, nil
}

// parentFolder is where the folders of servers are: in TMPDIR where that is set, in memory where there is plenty.
func parentFolder() string {
	if os.Getenv("TMPDIR") == "" {
		var free syscall.Statfs_t
		if err := syscall.Statfs(memoryFolder, &free); err == nil && uint64(free.Bavail)*uint64(free.Bsize) >= memoryNeeded { //nolint:unconvert // the types differ between systems
			return memoryFolder
		}
	}
	return os.TempDir()
}

func newServer(address string) (*server, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("read the URL of the server: %w", err)
	}
	admin, err := sql.Open("postgres", address)
	if err != nil {
		return nil, fmt.Errorf("connect to the server: %w", err)
	}
	return &server{address: parsed, admin: admin}, nil
}

func stopOwnServer() error {
	ownMutex.Lock()
	defer ownMutex.Unlock()
	if ownServer == nil {
		return nil
	}
	_ = ownServer.admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	if err := ownServer.own.Stop(ctx); err != nil {
		return err
	}
	return remove(ctx, ownServer.folder)
}

func remove(ctx context.Context, folder string) error {
	if err := embedded.Remove(ctx, folder); err != nil {
		return err
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("remove the folder of the test database server: %w", err)
	}
	return nil
}

// sweep deletes the folders of processes that are gone. A folder in use is locked and stays, and so does one of
// another user.
func sweep() {
	folders, err := filepath.Glob(filepath.Join(parentFolder(), folderPattern))
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	for _, folder := range folders {
		if info, err := os.Stat(folder); err == nil && time.Since(info.ModTime()) > sweepAfter {
			_ = remove(ctx, folder)
		}
	}
}
