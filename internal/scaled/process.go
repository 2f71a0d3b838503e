package scaled

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Process is a program that ends with this one.
type Process struct {
	Name    string
	command *exec.Cmd
	done    chan struct{}
	log     string
}

const (
	// startPatience is how long a program may take until it can be used.
	startPatience = 30 * time.Second
	startPoll     = 20 * time.Millisecond
)

// start starts a program whose output goes to a file of the folder.
func start(folder, name string, environment []string, program string, arguments ...string) (*Process, error) {
	p := &Process{Name: name, done: make(chan struct{}), log: filepath.Join(folder, name+".log")}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() { _ = log.Close() }()              // the program has its own
	p.command = exec.Command(program, arguments...) //nolint:noctx // its end is ours to manage
	p.command.Dir, p.command.Env = folder, append(os.Environ(), environment...)
	p.command.Stdout, p.command.Stderr = log, log
	p.command.SysProcAttr = attributes()
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // what the kernel watches is the thread that started the program
		err := p.command.Start()
		started <- err
		if err == nil {
			_ = p.command.Wait() // how it ended is in ProcessState
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// Kill is kill -9, and returns when the process is gone.
func (p *Process) Kill() {
	_ = p.command.Process.Kill() // it may be gone already
	<-p.done
}

// Signal sends the process a signal.
func (p *Process) Signal(signal syscall.Signal) { _ = p.command.Process.Signal(signal) } // it may be gone already

// End asks the process to end, and returns when it has; an error where it did not end well, or not in time.
func (p *Process) End(ctx context.Context) error {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s did not end in time", p.Name)
	}
	if !p.command.ProcessState.Success() {
		return fmt.Errorf("%s ended with %s", p.Name, p.command.ProcessState)
	}
	return nil
}

// Log is where what the process says is kept.
func (p *Process) Log() string { return p.log }

// await waits until something succeeds, for as long as the process lives.
func (p *Process) await(ctx context.Context, succeeds func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		err := succeeds(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended with %s: %s", p.Name, p.command.ProcessState, p.lastLines())
		case <-ctx.Done():
			p.Kill()
			return fmt.Errorf("%s cannot be used: %w: %s", p.Name, err, p.lastLines())
		case <-time.After(startPoll):
		}
	}
}

func (p *Process) lastLines() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}

// answers tells whether somebody listens at an address.
func answers(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return connection.Close()
	}
}

// isReady tells whether a URL is answered with 200.
func isReady(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	}
}

// find finds a program, also where only administrators' paths lead.
func find(program string) (string, error) {
	for _, candidate := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s %w", program, ErrNotInstalled)
}
