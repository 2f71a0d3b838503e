package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"handover/internal/app"
	"handover/internal/domain"
	"handover/internal/httpapi"
	"handover/internal/postgres"
	"handover/internal/schema"
	"handover/internal/telemetry"
	"handover/internal/worker"
)

// watchFlags say where a process can be watched, beside the public address.
type watchFlags struct {
	MetricsAddr string `help:"A further address to listen on, for what watches the process: /metrics, /healthz and /readyz. Keep it from the public." env:"HANDOVER_METRICS_ADDR" placeholder:"ADDRESS"`
	DebugAddr   string `help:"An address of this machine alone (such as 127.0.0.1:6060) for profiles, at /debug/pprof/, and the same." env:"HANDOVER_DEBUG_ADDR" placeholder:"ADDRESS"`
}

const (
	// readinessLasts is how old what is told of readiness may be: anybody may ask, as often as they like.
	readinessLasts = time.Second
	// readingsLast is the same of the metrics that are read from the database.
	readingsLast = 5 * time.Second
	// watchPatience is how long the database is waited for.
	watchPatience = 2 * time.Second
)

// readiness tells whether requests are taken: the database answers, its schema is what this program needs or newer, and the end
// has not begun. It has a connection of its own, so that a busy process does not look like a lost database.
type readiness struct {
	draining atomic.Bool
	database *telemetry.Kept[schema.State]
}

func newReadiness(opened *database) *readiness {
	return &readiness{database: telemetry.Keep(readinessLasts, watchPatience, time.Now, func(ctx context.Context) (schema.State, error) {
		if err := opened.watching.PingContext(ctx); err != nil {
			return schema.State{}, fmt.Errorf("%w: %w", errNoDatabase, err)
		}
		return schema.Read(ctx, opened.watching.DB)
	})}
}

var errNoDatabase = errors.New("the database does not answer")

// check gives what taking requests depends on. What is not told of a database that does not answer is left out.
func (r *readiness) check(ctx context.Context) []httpapi.Check {
	process, answers := httpapi.Check{Name: "process"}, httpapi.Check{Name: "database"}
	if r.draining.Load() {
		process.Says, process.Cause = "it is ending.", errors.New("the process is ending")
	}
	state, err := r.database.Read(ctx)
	if errors.Is(err, errNoDatabase) || errors.Is(err, context.DeadlineExceeded) {
		answers.Says, answers.Cause = "the database does not answer.", err
		return []httpapi.Check{process, answers}
	}
	return []httpapi.Check{process, answers, schemaCheck(state, err)}
}

func schemaCheck(state schema.State, err error) httpapi.Check {
	check := httpapi.Check{Name: "schema"}
	switch {
	case err != nil:
		check.Says, check.Cause = "the version of the schema cannot be read.", err
	case state.Dirty:
		check.Says = "a migration of the schema was interrupted."
		check.Cause = fmt.Errorf("migration %d was interrupted", state.Version)
	case !state.UpToDate():
		check.Says = "the schema is behind ('handover migrate up' brings it up)."
		check.Cause = fmt.Errorf("the schema is at version %d of %d, River's at %d of %d", state.Version, state.Latest, state.RiverVersion, state.RiverLatest)
	}
	return check
}

var (
	buildMetric = prometheus.NewDesc("handover_build_info", "The program that runs; always 1.", []string{"version", "revision", "go_version"}, nil)
	readyMetric = prometheus.NewDesc("handover_readiness_check",
		"Whether what taking requests depends on is as it should be, by check: process, database, schema.", []string{"check"}, nil)
	versionMetric = prometheus.NewDesc("handover_schema_version", "The version of the database's schema.", nil, nil)
	latestMetric  = prometheus.NewDesc("handover_schema_version_known", "The newest version of the schema that this program knows.", nil, nil)
)

// Describe tells which metrics of the process there are.
func (r *readiness) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{buildMetric, readyMetric, versionMetric, latestMetric} {
		descriptions <- description
	}
}

// Collect tells them.
func (r *readiness) Collect(found chan<- prometheus.Metric) {
	tell := func(description *prometheus.Desc, value float64, labels ...string) {
		found <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, labels...)
	}
	program, revision, goVersion := build()
	tell(buildMetric, 1, program, revision, goVersion)
	passed := map[string]float64{"process": 0, "database": 0, "schema": 0} // what is not known has not passed
	for _, check := range r.check(context.Background()) {
		if check.Says == "" {
			passed[check.Name] = 1
		}
	}
	for name, value := range passed {
		tell(readyMetric, value, name)
	}
	if state, err := r.database.Read(context.Background()); err == nil {
		tell(versionMetric, float64(state.Version))
		tell(latestMetric, float64(state.Latest))
	}
}

// build is which program this is.
func build() (program, revision, goVersion string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", "", ""
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			revision = setting.Value
		}
	}
	return info.Main.Version, revision, info.GoVersion
}

// newRegistry gathers all metrics of a process but those of its requests and jobs.
func newRegistry(opened *database, application *app.App, cases *caseSystems, ready *readiness) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	store := postgres.NewStore(opened.watching, false)
	backlog := telemetry.Keep(readingsLast, watchPatience, time.Now, store.Backlog)
	health := telemetry.Keep(readingsLast, watchPatience, time.Now, func(ctx context.Context) (domain.CaMSHealth, error) { return store.CaMSHealth(ctx) })
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewDBStatsCollector(opened.db.DB, "handover"), application.Metrics(), worker.NewBacklog(backlog.Read), ready)
	cases.register(registry, health.Read)
	registry.MustRegister(chainMetrics{read: telemetry.Keep(readingsLast, watchPatience, time.Now, store.ChainHealth).Read, now: time.Now})
	return registry
}

// listenPrivately opens the addresses where the process can be watched, and serves them until stop is called: longer than the public
// one, so that what comes to its end can be watched too.
func (f watchFlags) listenPrivately(ctx context.Context, log *slog.Logger, options httpapi.Options) (stop func(), err error) {
	var servers []*http.Server
	stop = func() {
		for _, server := range servers {
			_ = server.Close() // who watches does not wait
		}
	}
	for _, address := range []struct {
		name, addr string
		profiles   bool
	}{{"HANDOVER_METRICS_ADDR", f.MetricsAddr, false}, {"HANDOVER_DEBUG_ADDR", f.DebugAddr, true}} {
		if address.addr == "" {
			continue
		}
		listener, err := listenAt(ctx, address.addr, address.profiles)
		if err != nil {
			stop()
			return nil, fmt.Errorf("%s: %w", address.name, err)
		}
		server := &http.Server{
			Handler: httpapi.NewPrivate(options, address.profiles), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		}
		servers = append(servers, server)
		log.InfoContext(ctx, "watched at", "address", listener.Addr().String(), "profiles", address.profiles)
		go func() {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				log.ErrorContext(ctx, "a private address is served no more", "error", err)
			}
		}()
	}
	return stop, nil
}

// listenAt listens on an address. A profile shows what is in memory, names and secrets among it: it is had on this machine alone,
// and from elsewhere through a tunnel to it.
func listenAt(ctx context.Context, address string, loopback bool) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	if at, ok := listener.Addr().(*net.TCPAddr); loopback && (!ok || !at.IP.IsLoopback()) {
		_ = listener.Close() // nobody was served
		return nil, fmt.Errorf("%s is not an address of this machine alone, such as 127.0.0.1:6060: profiles show what is in memory (ssh -L, or kubectl port-forward, reaches them from elsewhere)", address)
	}
	return listener, nil
}
