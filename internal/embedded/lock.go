package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

const lockName = "postgres.lock"

// folderLock lets one process at a time use a folder. The kernel drops it with the process.
type folderLock struct {
	file    *os.File
	release func()
}

func lockFolder(dir string) (*folderLock, error) {
	path := filepath.Join(dir, lockName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return nil, fmt.Errorf("the database folder %s belongs to another user: start as that user, or set DATABASE_URL to use a server: %w", dir, err)
		}
		return nil, fmt.Errorf("open the lock of the database folder: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := readHolder(file)
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("the database in %s is in use by another Handover%s: stop that one first, "+
				"or set DATABASE_URL so that both use one server", dir, holder)
		}
		return nil, fmt.Errorf("lock the database folder %s: %w", dir, err)
	}
	lock := &folderLock{file: file}
	lock.release = sync.OnceFunc(func() { _ = file.Close() })
	// Who holds it is told to whoever is refused; the lock itself does not depend on it.
	if err := file.Truncate(0); err == nil {
		_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return lock, nil
}

func (l *folderLock) remove() error {
	if err := os.Remove(l.file.Name()); err != nil {
		return fmt.Errorf("remove the lock of the database folder: %w", err)
	}
	return nil
}

func readHolder(file *os.File) string {
	text := make([]byte, 20)
	length, _ := file.ReadAt(text, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:length])))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}
