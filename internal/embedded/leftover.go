package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	leftoverPoll = 20 * time.Millisecond

	// leftoverPatience is how long the server of a killed process may take to write everything before it is told to
	// end at once.
	leftoverPatience = 60 * time.Second
)

// stopLeftover ends the server of a process that was killed. We hold the folder's lock, so it is nobody's any more; on
// Linux it is on its way out already.
func (c *cluster) stopLeftover(ctx context.Context) error {
	path := filepath.Join(c.data(), "postmaster.pid")
	pid, err := readPid(path)
	if err != nil || pid == 0 {
		return err
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("look for a server left behind: %w", err)
	}
	if !c.isServedBy(pid) {
		if process.Signal(syscall.Signal(0)) == nil {
			// The number has gone to another program, and PostgreSQL would take that for a server.
			_ = os.Remove(path)
		}
		return nil
	}
	_ = process.Signal(fastShutdown)
	deadline := time.Now().Add(leftoverPatience)
	for c.isServedBy(pid) {
		if time.Now().After(deadline) {
			_ = process.Signal(immediateShutdown)
			deadline = time.Now().Add(leftoverPatience)
		}
		if err := sleep(ctx, leftoverPoll); err != nil {
			return err
		}
	}
	return nil
}

// isServedBy tells whether process pid is a server on the data of this cluster.
func (c *cluster) isServedBy(pid int) bool {
	return strings.Contains(commandLine(pid), " -D "+c.data()+" ")
}

// readPid reads the first line of postmaster.pid; 0 where there is no such file or nothing in it.
func readPid(path string) (int, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for a server left behind: %w", err)
	}
	defer func() { _ = file.Close() }()
	line, _ := bufio.NewReader(file).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 1 {
		return 0, nil // an unfinished file names nobody
	}
	return pid, nil
}
