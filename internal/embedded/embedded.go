// Package embedded runs a PostgreSQL of the program's own, for a machine that has the binaries but no server for us.
//
// The database persists in a folder and belongs to one process at a time. It listens on the loopback interface, asks
// for a password, and ends with the process that started it, however that process ends.
package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

const (
	// DefaultDir is where the database lives unless Options say otherwise.
	DefaultDir = ".handover"

	defaultDatabase = "handover"
	userName        = "handover"
)

// Options tell Start what to start. The zero value is ready to use.
type Options struct {
	Dir      string            // the folder of the database; DefaultDir where empty. It is made if missing
	Database string            // created at the first start; "handover" where empty
	Settings map[string]string // further settings, named as in postgresql.conf; address, port and log stay ours
	// Follow makes a streaming replica of the server at this URL, which Start has started too, at the first start. It follows
	// that address for good.
	Follow string
}

// Server is a running PostgreSQL.
type Server struct {
	url     string
	notes   []string
	cluster *cluster
	process *process
	lock    *folderLock

	mutex   sync.Mutex
	stopped bool // by Stop
}

// Start starts the server and returns when it answers. Ending ctx gives up the start; it does not stop the server later.
//
// It fails with a sentence for the person at the terminal when there are no binaries, or when another process uses the
// folder.
func Start(ctx context.Context, options Options) (_ *Server, err error) {
	dir, err := prepareDir(cmp.Or(options.Dir, DefaultDir))
	if err != nil {
		return nil, err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.release()
		}
	}()
	cluster, notes, err := openCluster(ctx, dir, options)
	if err != nil {
		return nil, err
	}
	if err := cluster.stopLeftover(ctx); err != nil {
		return nil, err
	}
	process, url, err := cluster.start(ctx, cmp.Or(options.Database, defaultDatabase), options.Settings)
	if err != nil {
		return nil, err
	}
	return &Server{url: url, notes: notes, cluster: cluster, process: process, lock: lock}, nil
}

// URL is how to connect, as the database's owner: postgres://user:password@127.0.0.1:port/database?sslmode=disable.
func (s *Server) URL() string { return s.url }

// Notes are sentences that a person should read at the start, such as where the data had to be put.
func (s *Server) Notes() []string { return s.notes }

// Done is closed when the server has ended, by Stop or by itself. Err tells which.
func (s *Server) Done() <-chan struct{} { return s.process.done }

// Err tells why the server ended without being told to; nil while it runs and after Stop.
func (s *Server) Err() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.stopped || !s.process.ended() {
		return nil
	}
	return fmt.Errorf("PostgreSQL ended by itself (%s): see %s", s.process.command.ProcessState, s.cluster.log())
}

// Stop ends all connections, writes everything to disk and returns when the server is gone. When ctx ends first the
// server is stopped at once: nothing committed is lost, but its next start takes longer. Stopping twice is harmless.
func (s *Server) Stop(ctx context.Context) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	defer s.lock.release()
	if s.process.ended() {
		return nil
	}
	s.stopped = true
	s.process.signal(fastShutdown)
	select {
	case <-s.process.done:
		return nil
	case <-ctx.Done():
	}
	s.process.end(immediateShutdown)
	return fmt.Errorf("stop PostgreSQL: it did not end in time and was stopped at once: %w", context.Cause(ctx))
}

// Remove deletes the database that Start made in dir, wherever its data are. It is refused while a process uses it, and
// leaves files in dir alone that are not of the database. A dir that does not exist is no error.
func Remove(ctx context.Context, dir string) error {
	dir = cmp.Or(dir, DefaultDir)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	dir, err := prepareDir(dir)
	if err != nil {
		return err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return err
	}
	defer lock.release()
	place, err := findPlace(dir)
	if err != nil {
		return err
	}
	clusters, err := place.clusters()
	if err != nil {
		return err
	}
	for _, cluster := range clusters {
		if err := cluster.stopLeftover(ctx); err != nil {
			return err
		}
		if err := os.RemoveAll(cluster.folder); err != nil {
			return fmt.Errorf("remove the database: %w", err)
		}
	}
	if err := place.remove(); err != nil {
		return err
	}
	return lock.remove()
}

// prepareDir makes the folder where it is missing and gives its path without links, so that one folder has one name.
func prepareDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find folder %s: %w", dir, err)
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := makeDir(dir); err != nil {
			return "", err
		}
	}
	dir, err = filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("look at the database folder: %w", err)
	}
	return dir, nil
}

func makeDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make folder %s: %w", dir, err)
	}
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711 // PostgreSQL works as another user then, who must be able to pass through; names and contents stay hidden
	}
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make folder %s: %w", dir, err)
	}
	if err := os.Chmod(dir, mode); err != nil {
		return fmt.Errorf("make folder %s: %w", dir, err)
	}
	return nil
}
