package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The bounds of memory, in MiB, and of the start.
const (
	idleAtMost  = 64
	peakAtMost  = 300
	readyAtMost = time.Second
)

// measureMemory runs the program itself, alone in its process, through the largest change and its reports.
func measureMemory(ctx context.Context, b *bench) error {
	folder, err := os.MkdirTemp("", "handover-bench-program-*")
	if err != nil {
		return fmt.Errorf("make a folder for the program: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // a temporary folder
	program := filepath.Join(folder, "handover")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "timetzdata", "-o", program, "./cmd/handover")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program (bench is run from the top of the repository): %w: %s", err, output)
	}
	if err := forgetMails(ctx, b); err != nil {
		return err
	}
	const starts = 5
	var ready series
	for range starts {
		running, took, err := startProgram(ctx, program, b)
		if err != nil {
			return err
		}
		ready = append(ready, took)
		if err := running.stop(); err != nil {
			return err
		}
	}
	b.addBound("start", "ready on an existing database", "ms", milliseconds(ready.median()), milliseconds(readyAtMost))
	running, _, err := startProgram(ctx, program, b)
	if err != nil {
		return err
	}
	measured := measureProgram(ctx, b, running)
	return errors.Join(measured, running.stop())
}

// forgetMails takes back the mails that other measurements have left: the program would be busy with them.
func forgetMails(ctx context.Context, b *bench) error {
	for _, statement := range []string{
		`DELETE FROM river.river_job WHERE kind = 'mail'`,
		`UPDATE notifications SET email_status = 'none' WHERE email_status = 'pending'`,
	} {
		if _, err := b.database.owner.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("forget mails: %w", err)
		}
	}
	return b.database.tidy(ctx, "river.river_job", "notifications")
}

func measureProgram(ctx context.Context, b *bench, running *program) error {
	const settling = 3 * time.Second
	time.Sleep(settling)
	idle, err := running.memory("VmRSS")
	if err != nil {
		return err
	}
	b.addBound("memory", "idle", "MiB", idle, idleAtMost)
	handed, err := prepareHanding(ctx, b, staffSwapping)
	if err != nil {
		return err
	}
	there := &service{address: running.address, token: b.service.token}
	var made struct {
		ID string `json:"id"`
	}
	if err := there.do(ctx, http.MethodPost, "/v1/manage-assignments", handed.request(), &made); err != nil {
		return err
	}
	change, err := running.memory("VmHWM")
	if err != nil {
		return err
	}
	b.addBound("memory", fmt.Sprintf("peak through a change of %d tasks", handed.tasks), "MiB", change, peakAtMost)
	if err := fetchReports(ctx, there, made.ID); err != nil {
		return err
	}
	reports, err := running.memory("VmHWM")
	if err != nil {
		return err
	}
	b.addBound("memory", "peak through its reports too (CSV, JSON, XLSX)", "MiB", reports, peakAtMost)
	leaving, err := prepareLeaver(ctx, b)
	if err != nil {
		return err
	}
	if err := there.do(ctx, http.MethodPost, "/v1/reassign-work", leaving.request(), &made); err != nil {
		return err
	}
	if err := fetchReports(ctx, there, made.ID); err != nil {
		return err
	}
	handover, err := running.memory("VmHWM")
	if err != nil {
		return err
	}
	b.addBound("memory", fmt.Sprintf("peak through reassign-work of %d items and its reports too", leaving.items()), "MiB", handover, peakAtMost)
	return nil
}

func fetchReports(ctx context.Context, from *service, run string) error {
	for _, extension := range []string{"csv", "json", "xlsx"} {
		if _, err := from.fetch(ctx, "/v1/runs/"+run+"/report."+extension); err != nil {
			return err
		}
	}
	return nil
}

// program is a running `handover serve`.
type program struct {
	command *exec.Cmd
	address string
}

// startProgram starts the program on the database and tells how long it took until it was ready.
func startProgram(ctx context.Context, path string, b *bench) (*program, time.Duration, error) {
	started := &program{command: exec.CommandContext(ctx, path, "serve", "--addr", "127.0.0.1:0")}
	started.command.Env = append(os.Environ(), "DATABASE_URL="+b.database.url)
	started.command.Dir = filepath.Dir(path) // where its mails go
	output, err := started.command.StdoutPipe()
	if err != nil {
		return nil, 0, fmt.Errorf("start the program: %w", err)
	}
	began := time.Now()
	if err := started.command.Start(); err != nil {
		return nil, 0, fmt.Errorf("start the program: %w", err)
	}
	lines := bufio.NewScanner(output)
	for started.address == "" && lines.Scan() {
		if _, address, found := strings.Cut(lines.Text(), "http://"); found {
			started.address = address
		}
	}
	for lines.Scan() {
		if strings.Contains(lines.Text(), "curl") {
			break
		}
	}
	for {
		response, err := http.Get("http://" + started.address + "/readyz") //nolint:noctx // repeated until it answers
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return started, time.Since(began), nil
			}
		}
		if time.Since(began) > time.Minute {
			return nil, 0, errors.Join(errors.New("the program was not ready in a minute"), err, started.stop())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (p *program) stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the program: %w", err)
	}
	_ = p.command.Wait() // however it ends, it has ended
	return nil
}

// memory reads a figure of the process, in MiB.
func (p *program) memory(name string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("look at the process: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			kibibytes, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				return 0, fmt.Errorf("read %s: %w", name, err)
			}
			return float64(kibibytes) / 1024, nil
		}
	}
	return 0, fmt.Errorf("the process does not tell %s", name)
}
