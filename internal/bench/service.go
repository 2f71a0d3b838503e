package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"handover/internal/app"
	"handover/internal/domain"
	"handover/internal/httpapi"
	"handover/internal/postgres"
	"handover/internal/worker"
)

// service is the real service in this process, as `handover serve` wires it, with a pool of its own.
type service struct {
	address     string
	token       string // of the administrator of the first organization
	application *app.App
	db          *sqlx.DB
	server      *http.Server
	worker      *worker.Worker
	log         *os.File
}

// poolSize is how many connections each side has: one for each client, and some for the worker.
const poolSize = 20

func startService(ctx context.Context, url string, world world) (*service, error) {
	started := &service{}
	// The lines of the log are written as they are in earnest, to where they do not pile up.
	var err error
	if started.log, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	log := slog.New(slog.NewJSONHandler(started.log, nil))
	if started.db, err = postgres.Open(url); err != nil {
		return nil, err
	}
	started.db.SetMaxOpenConns(poolSize)
	started.db.SetMaxIdleConns(poolSize)
	queue, err := worker.NewQueue(started.db.DB, log)
	if err != nil {
		return nil, err
	}
	started.application = app.New(postgres.NewStore(started.db, true), queue, time.Now, log)
	organization, err := uuid.Parse(world.organization)
	if err != nil {
		return nil, fmt.Errorf("read the organization: %w", err)
	}
	if started.token, err = started.application.IssueToken(ctx, domain.OrganizationID(organization), "staff1@example.org"); err != nil {
		return nil, err
	}
	if started.worker, err = worker.Start(ctx, started.db.DB, started.application, nil, log); err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewDBStatsCollector(started.db.DB, "handover"))
	handler := httpapi.New(started.application, httpapi.Options{Log: log, Registry: registry, Now: time.Now})
	started.server, started.address, err = serve(ctx, handler)
	return started, err
}

func (s *service) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(s.worker.Stop(ctx), s.server.Shutdown(ctx), s.db.Close(), s.log.Close())
}

// serve serves a handler on a free port of the loopback interface.
func serve(ctx context.Context, handler http.Handler) (server *http.Server, address string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("listen: %w", err)
	}
	server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	go func() { _ = server.Serve(listener) }() // ends with Shutdown; what else goes wrong the clients see
	return server, listener.Addr().String(), nil
}
