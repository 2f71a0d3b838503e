package chaos

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var programFolder string // where it was built

// program is the binary as it is shipped, built once.
var program = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "handover-chaos-*")
	if err != nil {
		return "", err
	}
	programFolder = folder
	path := filepath.Join(folder, "handover")
	if output, err := exec.CommandContext(context.Background(), "go", "build", "-o", path, "handover/cmd/handover").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, output)
	}
	return path, nil
})

// process is `handover serve --no-worker` or `handover worker`, which is started again whenever it was killed.
type process struct {
	name        string
	ready       string // what it logs when it has begun
	args        []string
	environment []string
	folder      string
	fail        func(format string, args ...any)

	mutex   sync.Mutex
	command *exec.Cmd
	ended   chan struct{} // closed when the command has ended
	began   chan struct{} // closed when it has logged that it is ready
	meant   bool          // its end is
	starts  int
	said    tail
}

// up starts it, unless it runs.
func (p *process) up() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.runs() {
		return
	}
	path, err := program()
	if err != nil {
		p.fail("%v", err)
		return
	}
	command := exec.Command(path, p.args...) //nolint:noctx // it is killed
	command.Env = append(slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "HANDOVER_") || strings.HasPrefix(variable, "DATABASE_URL")
	}), p.environment...)
	command.Dir, command.SysProcAttr = p.folder, withUs()
	reading, writing, err := os.Pipe()
	if err != nil {
		p.fail("%v", err)
		return
	}
	command.Stderr, command.Stdout = writing, nil
	ended, began, started := make(chan struct{}), make(chan struct{}), make(chan error)
	p.command, p.ended, p.began, p.meant = command, ended, began, false
	p.starts++
	go p.listen(reading, began)
	go func() {
		runtime.LockOSThread() // which its life hangs on
		defer runtime.UnlockOSThread()
		err := command.Start()
		_ = writing.Close() // the process has its own
		started <- err
		if err != nil {
			return
		}
		_ = command.Wait() // how it ended is in ProcessState
		close(ended)
	}()
	if err := <-started; err != nil {
		p.fail("%v", err)
		close(ended)
		return
	}
	go p.watch(command, ended, began)
}

// listen reads what it logs.
func (p *process) listen(from io.ReadCloser, began chan struct{}) {
	defer from.Close()
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	told := false
	for lines.Scan() {
		line := lines.Text()
		p.said.add(line)
		if !told && strings.Contains(line, p.ready) {
			told = true
			close(began)
		}
		if strings.Contains(line, "panic:") || strings.Contains(line, "fatal error:") || strings.Contains(line, "DATA RACE") {
			p.fail("%s: %s", p.name, line)
		}
	}
}

// watch fails the test where it ends by itself, once it was ready. Where the database cannot be reached at its start it gives
// up, and whoever runs it starts it again.
func (p *process) watch(command *exec.Cmd, ended, began chan struct{}) {
	<-ended
	p.mutex.Lock()
	meant := p.meant || p.command != command
	p.mutex.Unlock()
	if meant {
		return
	}
	select {
	case <-began:
		p.fail("%s ended by itself: %s\n%s", p.name, command.ProcessState, p.said.text())
	default:
		time.Sleep(200 * time.Millisecond)
		p.mutex.Lock()
		meant = p.meant
		p.mutex.Unlock()
		if !meant {
			p.up()
		}
	}
}

func (p *process) runs() bool {
	if p.command == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// end sends it a signal and waits for its end.
func (p *process) end(signal syscall.Signal) {
	p.mutex.Lock()
	p.meant = true
	command, ended, runs := p.command, p.ended, p.runs()
	p.mutex.Unlock()
	if !runs {
		return
	}
	_ = command.Process.Signal(signal) // it may be gone already
	select {
	case <-ended:
	case <-time.After(40 * time.Second):
		p.fail("%s has not ended 40 s after %s\n%s", p.name, signal, p.said.text())
		_ = command.Process.Kill()
		<-ended
	}
}

// signal sends a signal that does not end it.
func (p *process) signal(signal syscall.Signal) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.runs() {
		_ = p.command.Process.Signal(signal) // it may be gone
	}
}

// isReady waits until it has begun.
func (p *process) isReady(patience time.Duration) {
	deadline := time.After(patience)
	for {
		p.mutex.Lock()
		began := p.began
		p.mutex.Unlock()
		select {
		case <-began:
			return
		case <-time.After(100 * time.Millisecond): // it may have been started anew
		case <-deadline:
			p.fail("%s was not ready within %s\n%s", p.name, patience, p.said.text())
			return
		}
	}
}

// tail keeps the last lines.
type tail struct {
	mutex sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	const kept = 300
	if t.lines = append(t.lines, line); len(t.lines) > kept {
		t.lines = slices.Clone(t.lines[len(t.lines)-kept:])
	}
}

func (t *tail) text() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return strings.Join(t.lines, "\n")
}

// freePort is a port of this machine that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // nothing to wait for
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// handover runs a command to its end, or until it is killed; killed tells which.
func (s *storm) handover(killAfter time.Duration, args ...string) (output string, killed bool, err error) {
	path, err := program()
	if err != nil {
		return "", false, err
	}
	command := exec.Command(path, args...) //nolint:noctx // it is killed
	command.Env, command.Dir = append(os.Environ(), s.environment(s.databases["import"])...), s.folder
	var text bytes.Buffer
	command.Stdout, command.Stderr = &text, &text
	if err := command.Start(); err != nil {
		return "", false, err
	}
	var ended atomic.Bool // by this
	if killAfter > 0 {
		timer := time.AfterFunc(killAfter, func() {
			ended.Store(true)
			_ = command.Process.Kill() // it may have ended
		})
		defer timer.Stop()
	}
	err = command.Wait()
	return text.String(), ended.Load() && err != nil, err
}
