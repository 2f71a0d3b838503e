package deploy

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is the program at work.
type process struct {
	t       testing.TB
	URL     string
	command *exec.Cmd
	ended   chan error // gets how it ended, once
	log     *lines
}

// environment is what every process of a test has in common.
func environment(database string, more ...string) []string {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	return append(append(os.Environ(), "DATABASE_URL="+database, "HANDOVER_SECRET_KEY="+key, "HANDOVER_LOG_LEVEL=INFO"), more...)
}

// serve starts `handover serve`, and returns when it is ready.
func serve(t testing.TB, binary, database string, more ...string) *process {
	t.Helper()
	command := exec.Command(binary, "serve", "--addr", "127.0.0.1:0") //nolint:noctx // it is ended as a deploy does, or killed
	command.Env, command.Dir = environment(database, more...), t.TempDir()
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, command: command, ended: make(chan error, 1), log: &lines{}}
	ready := make(chan string, 1)
	go func() {
		p.log.follow(stderr, ready)
		p.ended <- command.Wait()
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill() // where it has not ended already
		if t.Failed() {
			t.Logf("%s:\n%s", p.URL, p.log.text())
		}
	})
	select {
	case address := <-ready:
		p.URL = "http://" + address
	case err := <-p.ended:
		t.Fatalf("it ended: %v\n%s", err, p.log.text())
	case <-time.After(time.Minute):
		t.Fatalf("it is not ready after a minute:\n%s", p.log.text())
	}
	return p
}

// signal asks the process to end, as whoever deploys does.
func (p *process) signal() {
	p.t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// end asks the process to end, waits until it has, and tells how long that took.
func (p *process) end() time.Duration {
	p.t.Helper()
	began := time.Now()
	p.signal()
	p.wait()
	return time.Since(began)
}

func (p *process) wait() {
	p.t.Helper()
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Errorf("it ended with %v:\n%s", err, p.log.text())
		}
	case <-time.After(time.Minute):
		p.t.Fatalf("it has not ended a minute after SIGTERM:\n%s", p.log.text())
	}
}

// run runs a command of the program to its end.
func run(t testing.TB, binary, database string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, args...)
	command.Env, command.Dir = environment(database), t.TempDir()
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, &stderr)
	}
	return string(output)
}

// lines are what a process has logged.
type lines struct {
	mutex sync.Mutex
	all   bytes.Buffer
}

func (l *lines) follow(from io.Reader, ready chan<- string) {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var line struct{ Level, Msg, Address string }
		_ = json.Unmarshal(scanner.Bytes(), &line) // what is no JSON is only kept
		if line.Msg == "ready" {
			ready <- line.Address
		}
		if line.Level == "INFO" && (line.Msg == "request" || line.Msg == "job" || line.Msg == "run") {
			continue
		}
		l.mutex.Lock()
		l.all.Write(append(scanner.Bytes(), '\n'))
		l.mutex.Unlock()
	}
}

func (l *lines) text() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.all.String()
}

// isReady asks /readyz.
func (p *process) isReady() bool {
	response, err := probe.Get(p.URL + "/readyz") //nolint:noctx // the client has a time limit
	if err != nil {
		return false
	}
	_ = response.Body.Close() // only the status is of interest
	return response.StatusCode == http.StatusOK
}

// probe asks with a connection of its own each time, as balancers do.
var probe = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
