package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"handover/internal/embedded"
	"handover/internal/postgres"
	"handover/internal/scaled"
)

// fleet is all that runs.
type fleet struct {
	primary, replica *embedded.Server
	db, replicaDB    *sqlx.DB // as the owner, past the pooler
	pooler           *scaled.Pooler
	balancer         *scaled.Balancer
	service          *scaled.Service
	addresses        [2]string

	apis     [2]*scaled.Process
	workers  [2]*scaled.Process
	counted  map[string]float64 // by the APIs that are gone
	killed   map[string]int
	failures []string
}

func startFleet(ctx context.Context, folder, binary string) (_ *fleet, err error) {
	f := &fleet{counted: map[string]float64{}, killed: map[string]int{}}
	defer func() {
		if err != nil {
			f.stop()
		}
	}()
	if f.primary, err = scaled.Primary(ctx, folder+"/primary"); err != nil {
		return nil, err
	}
	if f.replica, err = scaled.Replica(ctx, folder+"/replica", f.primary); err != nil {
		return nil, err
	}
	if f.db, err = postgres.Open(f.primary.URL() + "&application_name=scale"); err != nil {
		return nil, err
	}
	if f.replicaDB, err = postgres.Open(f.replica.URL() + "&application_name=scale"); err != nil {
		return nil, err
	}
	if f.pooler, err = scaled.StartPooler(ctx, folder, f.primary.URL(), f.replica.URL()); err != nil {
		return nil, err
	}
	f.service = &scaled.Service{Binary: binary, Folder: folder, Environment: scaled.Environment{Pooler: f.pooler, Direct: f.primary.URL()}.Variables()}
	if _, err = f.service.Command(ctx, "migrate", "up"); err != nil {
		return nil, err
	}
	for n := range f.apis {
		if f.addresses[n], err = scaled.Address(); err != nil {
			return nil, err
		}
		if f.apis[n], err = f.service.API(ctx, fmt.Sprintf("api-%d", n+1), f.addresses[n]); err != nil {
			return nil, err
		}
		if f.workers[n], err = f.service.Worker(fmt.Sprintf("worker-%d", n+1)); err != nil {
			return nil, err
		}
	}
	f.balancer, err = scaled.StartBalancer(ctx, folder, f.addresses)
	return f, err
}

// ending is how long a part may take to end.
const ending = 40 * time.Second

func (f *fleet) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), ending)
	defer cancel()
	if f.balancer != nil {
		_ = f.balancer.End(ctx)
	}
	for _, process := range []*scaled.Process{f.apis[0], f.apis[1], f.workers[0], f.workers[1]} {
		if process != nil {
			process.Kill()
		}
	}
	if f.pooler != nil {
		f.pooler.Kill()
	}
	for _, db := range []*sqlx.DB{f.db, f.replicaDB} {
		if db != nil {
			_ = db.Close()
		}
	}
	for _, server := range []*embedded.Server{f.replica, f.primary} {
		if server != nil {
			_ = server.Stop(ctx)
		}
	}
}

// trouble kills parts for a while.
func (f *fleet) trouble(ctx context.Context, period time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, period)
	defer cancel()
	troubles := []struct {
		name string
		make func(context.Context) error
	}{
		{"an API is killed", func(ctx context.Context) error { return f.killAPI(ctx, rand.IntN(2)) }},
		{"a worker is killed", func(ctx context.Context) error { return f.killWorker(ctx, rand.IntN(2)) }},
		{"all connections of the primary are ended", func(ctx context.Context) error { return endConnections(ctx, f.db, true) }},
		{"all connections of the replica are ended", func(ctx context.Context) error { return endConnections(ctx, f.replicaDB, false) }},
		{"the replica stands still", f.holdReplica},
		{"all connections of the primary are ended, again and again", func(ctx context.Context) error {
			for range 5 {
				if err := endConnections(ctx, f.db, false); err != nil {
					return err
				}
				wait(ctx, 100*time.Millisecond)
			}
			return nil
		}},
	}
	for at := 0; ctx.Err() == nil; at++ {
		wait(ctx, time.Second+time.Duration(rand.Int64N(int64(2*time.Second))))
		if ctx.Err() != nil {
			return
		}
		trouble := troubles[at%len(troubles)]
		if err := trouble.make(context.WithoutCancel(ctx)); err != nil {
			f.failures = append(f.failures, fmt.Sprintf("%s: %v", trouble.name, err))
		}
		f.killed[trouble.name]++
	}
}

func (f *fleet) killAPI(ctx context.Context, n int) error {
	f.count(ctx, n)
	f.apis[n].Kill()
	wait(ctx, time.Duration(rand.Int64N(int64(1500*time.Millisecond))))
	return f.startAPI(ctx, n)
}

func (f *fleet) startAPI(ctx context.Context, n int) (err error) {
	f.apis[n], err = f.service.API(ctx, fmt.Sprintf("api-%d", n+1), f.addresses[n])
	return err
}

func (f *fleet) killWorker(ctx context.Context, n int) (err error) {
	f.workers[n].Kill()
	wait(ctx, time.Duration(rand.Int64N(int64(1500*time.Millisecond))))
	f.workers[n], err = f.service.Worker(fmt.Sprintf("worker-%d", n+1))
	return err
}

// endConnections ends the connections of everybody else, and, with all, that which the replica follows by.
func endConnections(ctx context.Context, db *sqlx.DB, all bool) error {
	_, err := db.ExecContext(ctx, `
		SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE pid <> pg_backend_pid() AND (backend_type = 'client backend' OR $1 AND backend_type = 'walsender')`, all)
	return err
}

// holdReplica has the replica fall behind for a few seconds.
func (f *fleet) holdReplica(ctx context.Context) error {
	if _, err := f.replicaDB.ExecContext(ctx, `SELECT pg_wal_replay_pause()`); err != nil {
		return err
	}
	wait(ctx, 3*time.Second)
	_, err := f.replicaDB.ExecContext(ctx, `SELECT pg_wal_replay_resume()`)
	return err
}

// rollingRestart replaces each process, one after the other, as a deploy does.
func (f *fleet) rollingRestart(ctx context.Context) {
	failed := func(err error) {
		if err != nil {
			f.failures = append(f.failures, err.Error())
		}
	}
	for range 3 {
		for n := range f.apis {
			within, cancel := context.WithTimeout(ctx, ending)
			f.count(ctx, n)
			failed(f.apis[n].End(within))
			failed(f.startAPI(within, n))
			failed(f.workers[n].End(within))
			var err error
			f.workers[n], err = f.service.Worker(fmt.Sprintf("worker-%d", n+1))
			failed(err)
			cancel()
			wait(ctx, 2*time.Second)
		}
	}
}

// count adds up the metrics of an API before it goes.
func (f *fleet) count(ctx context.Context, n int) {
	for name, value := range metricsOf(ctx, f.addresses[n]) {
		f.counted[name] += value
	}
}

// metricsOf reads how many reads of an API went where.
func metricsOf(ctx context.Context, address string) map[string]float64 {
	found := map[string]float64{}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	if err != nil {
		return found
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return found
	}
	defer func() { _ = response.Body.Close() }() // it has been read
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		rest, is := strings.CutPrefix(lines.Text(), `handover_replica_reads_total{outcome="`)
		if !is {
			continue
		}
		name, text, _ := strings.Cut(rest, `"} `)
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			found[name] = value
		}
	}
	return found
}
