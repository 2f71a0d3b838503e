package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"handover/internal/embedded"
)

const (
	// holdVariable makes the test binary a program that starts the server in the folder named, and then waits.
	holdVariable = "EMBEDDED_TEST_HOLD"

	// againVariable marks the test binary that runs as an ordinary user.
	againVariable = "EMBEDDED_TEST_AGAIN"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdVariable); dir != "" {
		hold(dir)
	}
	os.Exit(m.Run())
}

func hold(dir string) {
	server, err := embedded.Start(context.Background(), embedded.Options{Dir: dir, Settings: quick})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, err)
		os.Exit(1)
	}
	_, _ = fmt.Fprintln(os.Stdout, server.URL())
	select {} // until it is killed
}

func TestKill(t *testing.T) {
	t.Run("kill -9 leaves no PostgreSQL behind, and the next start goes on", func(t *testing.T) {
		dir := newDir(t)
		holder, address := startHolder(t, dir)
		execute(t, address, `CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')`)
		postmaster := postmasterOf(t, dir)
		if runtime.GOOS == "linux" {
			killHolder(t, holder)
			waitGone(t, postmaster)
		} else {
			killHolder(t, holder)
		}
		server := start(t, dir)
		if isRunning(postmaster) {
			t.Error("the old server still runs")
		}
		if got := query(t, server.URL(), `SELECT word FROM kept`); got != "here" {
			t.Errorf("got %q", got)
		}
	})

	t.Run("a start at the very moment of the kill waits for the old server", func(t *testing.T) {
		dir := newDir(t)
		for range 3 {
			holder, address := startHolder(t, dir)
			execute(t, address, `CREATE TABLE IF NOT EXISTS kept AS SELECT generate_series(1, 100000)`)
			killHolder(t, holder)
			stop(t, start(t, dir))
		}
	})

	t.Run("kill -9 of both the program and PostgreSQL is recovered from", func(t *testing.T) {
		dir := newDir(t)
		holder, address := startHolder(t, dir)
		execute(t, address, `CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')`)
		if err := syscall.Kill(postmasterOf(t, dir), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		killHolder(t, holder)
		if got := query(t, start(t, dir).URL(), `SELECT word FROM kept`); got != "here" {
			t.Errorf("got %q", got)
		}
	})

	t.Run("kill -9 in the middle of the first start", func(t *testing.T) {
		for _, after := range []time.Duration{20 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond} {
			dir := newDir(t)
			holder := newHolder(dir)
			if err := holder.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(after)
			killHolder(t, holder)
			stop(t, start(t, dir))
		}
	})
}

// Root runs the main tests once more as an ordinary user.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 || os.Getenv(againVariable) != "" {
		return
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(openTempDir(t), "work")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(folder, int(uid), -1); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(filepath.Dir(folder), "embedded.test")
	copyFile(t, os.Args[0], program)
	command := exec.CommandContext(t.Context(), program, "-test.v", "-test.run=^Test(Start|Running|Kill)$/^(data|a_second|kill_-9_leaves|a_start)")
	command.Dir = folder
	command.Env = append(os.Environ(), againVariable+"=1", "TMPDIR="+folder, "HOME="+folder)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if ran := strings.Count(string(output), "    --- PASS"); ran != 4 {
		t.Fatalf("%d tests ran, not 4:\n%s", ran, output)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	source, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(target, source); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
}

func newHolder(dir string) *exec.Cmd {
	holder := exec.Command(os.Args[0]) //nolint:noctx // the test kills it
	holder.Env = append(os.Environ(), holdVariable+"="+dir)
	return holder
}

func startHolder(t *testing.T, dir string) (*exec.Cmd, string) {
	t.Helper()
	holder := newHolder(dir)
	output, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Process.Kill() })
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil || !strings.HasPrefix(address, "postgres://") {
		t.Fatalf("got %q, %v", address, err)
	}
	return holder, strings.TrimSpace(address)
}

func killHolder(t *testing.T, holder *exec.Cmd) {
	t.Helper()
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // it was killed, and says so
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	for range 1000 {
		if !isRunning(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("process %d still runs", pid)
}

// isRunning takes a process that has ended, and only waits to be noticed, for gone.
func isRunning(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return runtime.GOOS != "linux"
	}
	_, state, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(state, "Z")
}
