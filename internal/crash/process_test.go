// Package crash kills the service, its workers and its PostgreSQL in the middle of large changes, at random moments, and
// holds what is left against the invariants. HANDOVER_CRASH_ROUNDS makes more rounds, HANDOVER_CRASH_SEED repeats one.
package crash

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"handover/internal/app"
	"handover/internal/casesim"
	"handover/internal/casesystem"
	"handover/internal/httpapi"
	"handover/internal/mail"
	"handover/internal/postgres"
	"handover/internal/testdb"
	"handover/internal/worker"
)

const (
	// serveVariable makes the test binary the service, on the database named.
	serveVariable  = "HANDOVER_CRASH_SERVE"
	smtpVariable   = "HANDOVER_CRASH_SMTP"  // the mail server that it is to use, if any
	dyingVariable  = "HANDOVER_CRASH_DYING" // it is to kill itself while it hands mails over
	casesVariable  = "HANDOVER_CRASH_CASES" // the case system that it is to follow, if any
	roundsVariable = "HANDOVER_CRASH_ROUNDS"
	seedVariable   = "HANDOVER_CRASH_SEED"

	// applicationName tells the connections of the service from those of the test.
	applicationName = "handover_crash"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(serveVariable); url != "" {
		_, _ = fmt.Fprintln(os.Stderr, serve(url))
		os.Exit(1)
	}
	testdb.Main(m)
}

// serve is the service and its worker in one process, as `handover serve` wires them. It ends with the test that started
// it, however that ends.
func serve(databaseURL string) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := postgres.Open(databaseURL + "&application_name=" + applicationName)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	queue, err := worker.NewQueue(db.DB, log)
	if err != nil {
		return err
	}
	application := app.New(postgres.NewStore(db, true), queue, time.Now, log)
	var mailer app.Mailer
	if server := os.Getenv(smtpVariable); server != "" {
		if mailer, err = mail.New(mail.Options{SMTPURL: server, From: "handover@firm.example", Link: "https://handover.example/n/{id}"}); err != nil {
			return err
		}
	}
	dying := &dyingMailer{Mailer: mailer}
	if os.Getenv(dyingVariable) != "" {
		mailer = dying
	}
	if address := os.Getenv(casesVariable); address != "" {
		system, err := casesystem.New(casesystem.Options{URL: address, Token: casesim.DefaultToken, Log: log})
		if err != nil {
			return err
		}
		application.ConnectCaseSystem(system, nil)
	}
	if _, err := worker.Start(context.Background(), db.DB, application, mailer, log, worker.PullCaMSEvery(pullEvery)); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // nothing to wait for
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(os.Stdout, "http://"+listener.Addr().String())
	dying.may.Store(true)
	return http.Serve(listener, httpapi.New(application, httpapi.Options{Log: log})) //nolint:gosec // it is killed soon
}

// process is a running service.
type process struct {
	URL     string
	command *exec.Cmd
	stdin   io.Closer
	gone    chan struct{}
}

// start starts a service. It is killed with the test, at the latest.
func start(t testing.TB, databaseURL string, environment ...string) *process {
	t.Helper()
	command := exec.Command(os.Args[0]) //nolint:noctx // the test kills it
	command.Env = append(append(os.Environ(), serveVariable+"="+databaseURL), environment...)
	command.Stderr = lines{t}
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{command: command, stdin: stdin, gone: make(chan struct{})}
	address, err := bufio.NewReader(stdout).ReadString('\n')
	go func() {
		_ = command.Wait() // it was killed, and says so
		close(p.gone)
	}()
	t.Cleanup(p.kill)
	if err != nil {
		t.Fatalf("the service did not start: %v", err)
	}
	p.URL = strings.TrimSpace(address)
	return p
}

// kill is kill -9, and returns when the process is gone.
func (p *process) kill() {
	_ = p.command.Process.Kill() // it may be gone already
	<-p.gone
	_ = p.stdin.Close()
}

// died waits until the process has killed itself.
func (p *process) died(t testing.TB) {
	t.Helper()
	select {
	case <-p.gone:
	case <-time.After(finishesWithin):
		t.Fatal("the service lives on")
	}
	_ = p.stdin.Close()
}

// lines logs what a service says.
type lines struct{ t testing.TB }

func (l lines) Write(text []byte) (int, error) {
	l.t.Logf("service: %s", strings.TrimSpace(string(text)))
	return len(text), nil
}

// chance is the randomness of a test, which can be had again.
func chance(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s=%d", seedVariable, seed)
	return rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // moments, not secrets
}

// rounds is how often something is disturbed.
func rounds(t testing.TB, usual int) int {
	t.Helper()
	text := os.Getenv(roundsVariable)
	if text == "" {
		return usual
	}
	count, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return count
}
