package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"time"

	toxic "github.com/Shopify/toxiproxy/v2/client"

	"handover/internal/casesim"
	"handover/internal/testmail"
)

// fault is something that goes wrong with something, and is over again when do returns.
type fault struct {
	what string
	with any // what cannot go wrong in two ways at once
	do   func(ctx context.Context)
}

// disturb lets one thing after the other go wrong, several at once, until the time is over; then it mends them all.
func (s *storm) disturb(ctx context.Context, random *rand.Rand) {
	var going sync.WaitGroup
	var mutex sync.Mutex
	troubled := map[any]bool{}
	for ctx.Err() == nil && !s.failed.Load() {
		f := s.anyFault(random)
		mutex.Lock()
		// Nothing else goes wrong with processes or the database while it is down: it is to be the database that they miss.
		taken := troubled[f.with] || troubled[s.database]
		if !taken {
			troubled[f.with] = true
		}
		mutex.Unlock()
		if !taken {
			s.tally.count("fault: "+f.what, 1)
			going.Go(func() {
				f.do(ctx)
				mutex.Lock()
				defer mutex.Unlock()
				delete(troubled, f.with)
			})
		}
		wait(ctx, time.Duration(50+random.IntN(900))*time.Millisecond)
	}
	going.Wait()
}

func wait(ctx context.Context, while time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(while):
	}
}

// anyFault draws one.
func (s *storm) anyFault(random *rand.Rand) fault {
	while := time.Duration(100+random.IntN(3000)) * time.Millisecond
	few, choice := 1+random.IntN(4), random.Uint64() // all is drawn here, in its order, whatever happens meanwhile
	p := s.processes[random.IntN(len(s.processes))]
	kind := "API"
	if strings.HasPrefix(p.name, "worker") {
		kind = "worker"
	}
	switch random.IntN(24) {
	case 0, 1, 2:
		return fault{"kill -9 of a process: " + kind, p, func(ctx context.Context) {
			p.end(syscall.SIGKILL)
			wait(ctx, while/4)
			p.up()
			p.isReady(recovering)
		}}
	case 3:
		return fault{"SIGTERM to a process, and another in its place: " + kind, p, func(context.Context) {
			p.end(syscall.SIGTERM)
			p.up()
			p.isReady(recovering)
		}}
	case 4:
		return fault{"a process that stands still: " + kind, p, func(ctx context.Context) {
			p.signal(syscall.SIGSTOP)
			wait(ctx, while*4) // beyond what makes another worker take over
			p.signal(syscall.SIGCONT)
		}}
	case 5:
		signal, what := syscall.SIGQUIT, "PostgreSQL stopped at once"
		if random.IntN(2) == 0 {
			signal, what = syscall.SIGKILL, "kill -9 of PostgreSQL"
		}
		return fault{what, s.database, func(ctx context.Context) { s.downfall(ctx, signal, while/2) }}
	case 6:
		return fault{"kill -9 of a process of PostgreSQL", s.database, func(context.Context) { s.killBackend() }}
	case 7, 8:
		return fault{"pg_terminate_backend", "backends", func(ctx context.Context) { s.endBackends(ctx, "pg_terminate_backend", few) }}
	case 9:
		return fault{"pg_cancel_backend", "backends", func(ctx context.Context) { s.endBackends(ctx, "pg_cancel_backend", few) }}
	case 10, 11:
		return fault{"locks held by another program", "locks", func(ctx context.Context) { s.holdLocks(ctx, choice, while) }}
	case 12:
		kinds := []casesim.FaultKind{casesim.FaultStall, casesim.FaultError, casesim.FaultGarbage, casesim.FaultSchema, casesim.FaultDrop, casesim.FaultRedirect, casesim.FaultHuge}
		broken := kinds[random.IntN(len(kinds))]
		return fault{"case system: " + string(broken), s.cases, func(ctx context.Context) {
			s.cases.Break(casesim.Fault{Kind: broken})
			wait(ctx, while)
			s.cases.Break(casesim.Fault{Kind: casesim.FaultNone})
		}}
	case 13:
		stage := testmail.Stages[random.IntN(len(testmail.Stages))]
		keep := random.IntN(2) == 0
		return fault{"mail server cuts " + stage.String(), s.mails, func(ctx context.Context) {
			s.mails.Troubled(func(at testmail.Stage, _ string) *testmail.Trouble {
				if at != stage {
					return nil
				}
				return &testmail.Trouble{Drop: true, Keep: keep}
			})
			wait(ctx, while)
			s.mails.Troubled(nil)
		}}
	}
	return s.poisoned(random, while)
}

// poisoned is a fault of what is between the clients and an API, or between a process and the database.
func (s *storm) poisoned(random *rand.Rand, while time.Duration) fault {
	on, where := s.fronts[random.IntN(len(s.fronts))], "between clients and API"
	if random.IntN(2) == 0 {
		on, where = s.databases[s.processes[random.IntN(len(s.processes))].name], "between a process and PostgreSQL"
	}
	if random.IntN(8) == 0 {
		return fault{where + ": cut", on, func(ctx context.Context) {
			s.cut(on)
			wait(ctx, while/2)
			s.uncut(on)
		}}
	}
	direction, chosen := []string{"upstream", "downstream"}[random.IntN(2)], anyPoison(random)
	toxicity := []float32{1, 0.5, 0.2}[random.IntN(3)]
	return fault{fmt.Sprintf("%s: %s", where, chosen.name), on, func(ctx context.Context) {
		heal, err := chosen.apply(on, direction, toxicity)
		if err != nil {
			s.fail("poison %s: %v", on.Name, err)
			return
		}
		wait(ctx, while)
		heal()
	}}
}

func (s *storm) cut(on *toxic.Proxy) {
	s.proxied.Lock()
	defer s.proxied.Unlock()
	if err := on.Disable(); err != nil {
		s.fail("cut %s: %v", on.Name, err)
	}
}

func (s *storm) uncut(on *toxic.Proxy) {
	s.proxied.Lock()
	defer s.proxied.Unlock()
	if err := on.Enable(); err != nil {
		s.fail("mend %s: %v", on.Name, err)
	}
}

// downfall ends PostgreSQL and starts it again.
func (s *storm) downfall(ctx context.Context, signal syscall.Signal, while time.Duration) {
	s.healthy.Lock()
	defer s.healthy.Unlock()
	if err := s.database.end(signal); err != nil {
		s.fail("end PostgreSQL: %v", err)
		return
	}
	wait(ctx, while)
	began := time.Now()
	if err := s.database.start(); err != nil {
		s.fail("start PostgreSQL: %v", err)
		return
	}
	s.tally.longest("PostgreSQL started within", time.Since(began))
	s.connect()
}

// ofTheService are the connections that the processes have, but for the listening ones of this test.
const ofTheService = `FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND application_name <> 'chaos'`

// killBackend kills a process of PostgreSQL, which ends all connections and recovers.
func (s *storm) killBackend() {
	s.healthy.RLock()
	defer s.healthy.RUnlock()
	var pid int
	if err := s.db.Get(&pid, `SELECT pid `+ofTheService+` ORDER BY xact_start NULLS LAST LIMIT 1`); err != nil {
		return // nobody is connected
	}
	witness, err := s.db.Connx(context.Background())
	if err != nil {
		return
	}
	defer func() { _ = witness.Close() }()
	if syscall.Kill(pid, syscall.SIGKILL) != nil {
		return // it is gone
	}
	deadline := time.Now().Add(recovering)
	for witness.PingContext(context.Background()) == nil { // PostgreSQL ends everybody when it has noticed, and recovers then
		if time.Now().After(deadline) {
			return // the process ended by itself in that instant
		}
		time.Sleep(5 * time.Millisecond)
	}
	for s.db.Ping() != nil {
		if time.Now().After(deadline) {
			s.fail("PostgreSQL has not recovered within %s", recovering)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// endBackends cuts connections, or ends what they are doing.
func (s *storm) endBackends(ctx context.Context, how string, count int) {
	s.healthy.RLock()
	defer s.healthy.RUnlock()
	// It does not matter whether there are any.
	_, _ = s.db.ExecContext(ctx, `SELECT `+how+`(pid) FROM (SELECT pid `+ofTheService+` AND state <> 'idle' ORDER BY random() LIMIT $1) AS chosen`, count)
}

// holdLocks locks what changes need, as somebody who works on the database by hand.
func (s *storm) holdLocks(ctx context.Context, seed uint64, while time.Duration) {
	s.healthy.RLock()
	defer s.healthy.RUnlock()
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // choices, not secrets
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return // the time is over
	}
	defer func() { _ = tx.Rollback() }()
	o := s.organizations[random.IntN(len(s.organizations))]
	statement := []string{
		`SELECT FROM people WHERE organization_id = $1 ORDER BY id LIMIT 50 FOR UPDATE`,
		`SELECT FROM tasks WHERE organization_id = $1 ORDER BY id LIMIT 50 FOR UPDATE`,
		`SELECT FROM staff WHERE organization_id = $1 ORDER BY id LIMIT 3 FOR UPDATE`,
		`SELECT FROM notification_counters WHERE organization_id = $1 ORDER BY staff_id LIMIT 3 FOR UPDATE`,
	}[random.IntN(4)]
	if _, err := tx.ExecContext(ctx, `SET LOCAL lock_timeout = '2s'; `); err != nil {
		return
	}
	if _, err := tx.ExecContext(ctx, statement, o.ID); err == nil {
		wait(ctx, while)
	}
}
