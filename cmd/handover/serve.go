package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"

	"handover/internal/app"
	"handover/internal/casesim"
	"handover/internal/demo"
	"handover/internal/embedded"
	"handover/internal/httpapi"
	"handover/internal/schema"
	"handover/internal/worker"
)

type serveCommand struct {
	databaseFlags
	replicaFlags
	publicFlags
	mailFlags
	accessFlags
	openIDFlags
	caseFlags
	limitFlags
	requestFlags
	watchFlags
	drainFlags

	Addr        string   `help:"The address to listen on." env:"HANDOVER_ADDR" default:"127.0.0.1:8080"`
	CORSOrigins []string `help:"The exact origins whose pages may call the service." env:"HANDOVER_CORS_ORIGINS" placeholder:"ORIGIN,…"`
	Demo        bool     `help:"Load two demo organizations and print their tokens."`
	NoWorker    bool     `help:"Leave the background work to 'handover worker'."`
	NoMigrate   bool     `help:"Leave the schema as it is; 'handover migrate up' brings it up." env:"HANDOVER_NO_MIGRATE"`
}

// Run serves until the context ends, then finishes what is under way.
func (c *serveCommand) Run(ctx context.Context, log *slog.Logger) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s (choose another address with --addr or HANDOVER_ADDR): %w", c.Addr, err)
	}
	defer func() { _ = listener.Close() }() // closed already where serving began
	address := "http://" + listener.Addr().String()
	if c.PublicURL != "" {
		address = strings.TrimRight(c.PublicURL, "/")
	}
	mailer, err := c.mailer(log, address)
	if err != nil {
		return err
	}
	access, err := c.access(address)
	if err != nil {
		return err
	}
	if c.SecretKey == "" && c.DatabaseURL != "" {
		log.WarnContext(ctx, "the secret key is a file of this machine, and passwords are sealed with it: set HANDOVER_SECRET_KEY to what it holds, in every process",
			"file", secretPath)
	}
	issuers, err := c.issuers(log)
	if err != nil {
		return err
	}
	cases, err := c.cases(log)
	if err != nil {
		return err
	}
	defer cases.stop()
	if c.Demo {
		if err := cases.simulate(ctx, log, "http://"+listener.Addr().String()); err != nil {
			return err
		}
	}
	opened, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	if err := c.migrate(ctx, opened); err != nil {
		return err
	}
	if err := opened.publish(); err != nil {
		return err
	}
	if err := c.welcome(ctx, opened, cases, address); err != nil {
		return err
	}
	return c.serve(ctx, log, opened, listener, mailer, access, issuers, cases)
}

func (c *serveCommand) migrate(ctx context.Context, opened *database) error {
	if !c.NoMigrate {
		if err := schema.Up(ctx, opened.direct); err != nil {
			return fmt.Errorf("bring the schema up: %w", err)
		}
		return nil
	}
	state, err := schema.Status(ctx, opened.direct)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if !state.UpToDate() {
		return fmt.Errorf("the schema is at version %d of %d: run 'handover migrate up' first", state.Version, state.Latest)
	}
	return nil
}

// welcome prints what a person wants to see at the start: where the service is, and a line that shows it at work.
func (c *serveCommand) welcome(ctx context.Context, opened *database, cases *caseSystems, address string) error {
	var text strings.Builder
	for _, note := range opened.notes {
		fmt.Fprintf(&text, "%s\n", note)
	}
	fmt.Fprintf(&text, "\nHandover   %s\nDocs       %s/docs\n", address, address)
	if c.SMTPURL == "" && !c.NoWorker {
		fmt.Fprintf(&text, "Mail       files in %s (HANDOVER_SMTP_URL names a mail server)\n", mailDir)
	}
	if cases.simulator != nil {
		fmt.Fprintf(&text, "CaMS       simulated at %s, with the credential %s (HANDOVER_CASE_SYSTEM_URL names a case system)\n", cases.simulator.URL, casesim.DefaultToken)
	}
	token := "$TOKEN"
	if c.Demo {
		tokens, path, err := loadDemo(ctx, opened)
		if err != nil {
			return err
		}
		token = tokens.Admin
		fmt.Fprintf(&text, "\nDemo tokens (also in %s)\n", path)
		for _, line := range [][2]string{
			{"admin", tokens.Admin},
			{"clients_only", tokens.ClientsOnly},
			{"referrals_only", tokens.ReferralsOnly},
			{"staff_only", tokens.StaffOnly},
			{"other_admin", tokens.OtherAdmin},
		} {
			fmt.Fprintf(&text, "  %-15s %s\n", line[0], line[1])
		}
	} else {
		fmt.Fprintf(&text, "\nA token: handover organization create --name … --time-zone … --admin-email …\n")
	}
	fmt.Fprintf(&text, "\nTry it\n  curl -s -H \"Authorization: Bearer %s\" '%s/v1/people?limit=3'\n\n", token, address)
	_, err := os.Stdout.WriteString(text.String())
	return err
}

// loadDemo loads the demo organizations where they are not there yet, and keeps their tokens.
func loadDemo(ctx context.Context, opened *database) (demo.Tokens, string, error) {
	path := filepath.Join(embedded.DefaultDir, "demo-tokens.json")
	var kept demo.Tokens
	if text, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(text, &kept); err != nil {
			return kept, path, fmt.Errorf("read %s (delete it to get new tokens): %w", path, err)
		}
	}
	tokens, err := demo.Load(ctx, opened.db, time.Now(), kept, app.NewTokenText)
	if err != nil {
		return tokens, path, fmt.Errorf("load the demo: %w", err)
	}
	text, err := json.MarshalIndent(tokens, "", "  ")
	if err != nil {
		return tokens, path, fmt.Errorf("encode demo tokens: %w", err)
	}
	if err := os.MkdirAll(embedded.DefaultDir, 0o755); err != nil {
		return tokens, path, fmt.Errorf("keep demo tokens: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return tokens, path, fmt.Errorf("keep demo tokens: %w", err)
	}
	return tokens, path, nil
}

func (c *serveCommand) serve(ctx context.Context, log *slog.Logger, opened *database, listener net.Listener, mailer app.Mailer, access app.Access, issuers trusted, cases *caseSystems) error {
	replica, err := c.use(opened, c.databaseFlags, log)
	if err != nil {
		return err
	}
	application, err := opened.application(log)
	if err != nil {
		return err
	}
	if err := c.boundDatabase(opened, application); err != nil {
		return err
	}
	if err := application.GiveAccess(access); err != nil {
		return err
	}
	cases.connect(application)
	traces, err := newTracing(ctx, log)
	if err != nil {
		return err
	}
	ready := newReadiness(opened)
	registry := newRegistry(opened, application, cases, ready)
	issuers.connect(application, registry)
	options := httpapi.Options{Log: log, CORSOrigins: c.CORSOrigins, Ready: ready.check, Registry: registry, Now: time.Now, Tracer: traces.provider, CursorKey: access.CursorKey(), Ending: ready.draining.Load}
	if err := c.boundRequests(&options); err != nil {
		return err
	}
	if replica != nil {
		registry.MustRegister(replica, collectors.NewDBStatsCollector(opened.replica.DB, "handover_replica"))
	}
	stopPrivate, err := c.listenPrivately(ctx, log, options)
	if err != nil {
		return err
	}
	defer stopPrivate()
	server := &http.Server{
		Handler:           httpapi.New(application, options),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute, // of what the contract says nothing of
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	server.RegisterOnShutdown(application.EndWaiting) // they would not end by themselves
	var background *worker.Worker
	if !c.NoWorker {
		if background, err = worker.Start(ctx, opened.db.DB, application, mailer, log, cases.options(registry, traces)...); err != nil {
			return err
		}
	}
	listening, endListening := context.WithCancel(context.WithoutCancel(ctx)) // also while the process ends
	defer endListening()
	if opened.mayListen {
		go application.ListenForNotices(listening, opened.direct)
	}
	debug.FreeOSMemory() // what starting took, such as reading the words that passwords are held against, is given back
	lost := make(chan error, 2)
	go func() { lost <- server.Serve(listener) }()
	if opened.embedded != nil {
		go func() {
			<-opened.embedded.Done()
			lost <- opened.embedded.Err()
		}()
	}
	log.InfoContext(ctx, "ready", "address", listener.Addr().String())
	var failure error
	select {
	case failure = <-lost:
	case <-ctx.Done():
		log.InfoContext(ctx, "ending: finishing what is under way")
	}
	ready.draining.Store(true)
	failure = errors.Join(failure, c.end(ctx, log, server, background, lost))
	application.FinishNoting()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracesPatience)
	defer cancel()
	if err := traces.stop(ending); err != nil {
		log.WarnContext(ctx, "the last traces could not be sent", "error", err)
	}
	log.InfoContext(ctx, "ended")
	return failure
}

// tracesPatience is how long who collects traces is waited for at the end.
const tracesPatience = 5 * time.Second

type workerCommand struct {
	databaseFlags
	publicFlags
	mailFlags
	accessFlags
	caseFlags
	limitFlags
	watchFlags
	endingFlags
}

// usualAddress is where a service is reached that has been told nothing else.
const usualAddress = "http://127.0.0.1:8080"

// Run works until the context ends, then finishes what is under way.
func (c *workerCommand) Run(ctx context.Context, log *slog.Logger) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	address := cmp.Or(c.PublicURL, usualAddress)
	mailer, err := c.mailer(log, address)
	if err != nil {
		return err
	}
	access, err := c.access(address)
	if err != nil {
		return err
	}
	cases, err := c.cases(log)
	if err != nil {
		return err
	}
	return c.withApplication(ctx, log, func(opened *database, application *app.App) error {
		if err := c.boundDatabase(opened, application); err != nil {
			return err
		}
		if err := application.GiveAccess(access); err != nil {
			return err
		}
		cases.connect(application)
		traces, err := newTracing(ctx, log)
		if err != nil {
			return err
		}
		ready := newReadiness(opened)
		registry := newRegistry(opened, application, cases, ready)
		stopPrivate, err := c.listenPrivately(ctx, log, httpapi.Options{Log: log, Ready: ready.check, Registry: registry})
		if err != nil {
			return err
		}
		defer stopPrivate()
		background, err := worker.Start(ctx, opened.db.DB, application, mailer, log, cases.options(registry, traces)...)
		if err != nil {
			return err
		}
		log.InfoContext(ctx, "working")
		<-ctx.Done()
		ready.draining.Store(true)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.DrainTimeout)
		defer cancel()
		if err := background.Stop(ending); err != nil {
			log.WarnContext(ctx, "jobs were broken off; another worker takes them over", "error", err)
		}
		last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), tracesPatience)
		defer cancelLast()
		return traces.stop(last)
	})
}
