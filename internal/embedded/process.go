package embedded

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// killAfter is how long a program that was told to end may take.
const killAfter = 5 * time.Second

// Signals to the postmaster.
const (
	fastShutdown      = syscall.SIGINT  // disconnect everybody, write everything, end
	immediateShutdown = syscall.SIGQUIT // end at once; the next start recovers
)

// passedOn are the only variables that PostgreSQL gets to see: the service's own may hold secrets, and those of
// PostgreSQL's clients would change what its programs do.
var passedOn = []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "TMPDIR"}

// process is a program that ends with this one.
type process struct {
	command *exec.Cmd
	done    chan struct{} // closed when it has ended
}

// newCommand prepares a program that works as the account in dir.
func newCommand(as account, dir, program string, arguments ...string) *exec.Cmd {
	command := exec.Command(program, arguments...) //nolint:noctx // its end is ours to manage: a context would end it by force
	command.Dir = dir
	// Messages are searched for known sentences, so they must be in English.
	command.Env = []string{"LC_ALL=C", "HOME=" + dir}
	for _, name := range passedOn {
		if value, isSet := os.LookupEnv(name); isSet {
			command.Env = append(command.Env, name+"="+value)
		}
	}
	// A group of its own: Ctrl-C at the terminal is for us, and we stop the server in order.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as.credential}
	return command
}

// launch starts the command. The kernel sends it atOurEnd, on systems that can, when this process ends.
func launch(command *exec.Cmd, atOurEnd syscall.Signal) (*process, error) {
	dieWithParent(command.SysProcAttr, atOurEnd)
	p := &process{command: command, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// What the kernel watches is the thread that started the program, so this one has to last as long.
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait() // how it ended is in ProcessState
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	return p, nil
}

// run runs a program to its end and returns what it wrote.
func run(ctx context.Context, as account, dir, program string, arguments ...string) (string, error) {
	// Into a file without a name: a pipe would break with us, and the program could not clear up at our sudden end.
	output, err := os.CreateTemp("", "handover-output-*")
	if err != nil {
		return "", fmt.Errorf("run %s: %w", program, err)
	}
	defer func() { _ = output.Close() }()
	if err := os.Remove(output.Name()); err != nil {
		return "", fmt.Errorf("run %s: %w", program, err)
	}
	command := newCommand(as, dir, program, arguments...)
	command.Stdout, command.Stderr = output, output
	p, err := launch(command, syscall.SIGTERM)
	if err != nil {
		return "", err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.end(syscall.SIGTERM) // initdb then takes back what it did
		return "", fmt.Errorf("run %s: %w", program, context.Cause(ctx))
	}
	text, err := io.ReadAll(io.NewSectionReader(output, 0, largestLog))
	if err != nil {
		return "", fmt.Errorf("read what %s wrote: %w", program, err)
	}
	if !command.ProcessState.Success() {
		return string(text), fmt.Errorf("%s ended with %s", program, command.ProcessState)
	}
	return string(text), nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) signal(signal syscall.Signal) { _ = p.command.Process.Signal(signal) } // it may have ended meanwhile

// end ends the program with a signal, and by force if it does not heed that.
func (p *process) end(signal syscall.Signal) {
	p.signal(signal)
	select {
	case <-p.done:
		return
	case <-time.After(killAfter):
	}
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL) // its children, too
	<-p.done
}
