// Package chaos disturbs the whole service at once: several processes of it, their PostgreSQL, and everything between them and
// their clients fail in every way while organizations change everything that can be changed. What every answer says, and what
// is left, is held against what the service promises (docs/reliability.md).
//
//	make chaos MINUTES=10 SEED=7
//
// The seed decides what is asked for and what goes wrong, and in which order; how they meet is the machine's affair.
package chaos

import (
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	toxic "github.com/Shopify/toxiproxy/v2/client"
	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"handover/internal/casesim"
	"handover/internal/invariants"
	"handover/internal/invariants/seed"
	"handover/internal/testmail"
)

var (
	minutesFlag = flag.Float64("chaos.minutes", 0, "how long the service is disturbed; a few seconds where it is not given")
	seedFlag    = flag.Uint64("chaos.seed", 0, "repeats what a seed has drawn; another one each time where it is not given")
)

// How the time is spent. A round ends with calm, in which everything has to work again, and with the look at what is left.
const (
	shortStorm = 5 * time.Second
	longRound  = 60 * time.Second
	calm       = 3 * time.Second
	recovering = 60 * time.Second // the longest that anything may take to come back once nothing disturbs it
)

// How much there is. Several requests of each organization are under way at once.
const (
	organizations = 3
	clientsOfEach = 4
	apis, workers = 2, 2
	peopleOfEach  = 240
	linkedOfEach  = 40 // follow CaMS
)

// storm is the service with everything that it stands on, and what is done to it.
type storm struct {
	t      *testing.T
	seed   uint64
	folder string

	database  *database
	db        *sqlx.DB // straight to it, as its owner
	proxies   *proxies
	databases map[string]*toxic.Proxy // by the process that goes through it
	fronts    []*toxic.Proxy          // to each API
	processes []*process
	mails     *testmail.Server
	cases     *casesim.Server

	organizations []*organization
	untouched     *seed.Organization
	importing     uuid.UUID
	owners        sync.Map // whose an id is: uuid.UUID to the organization's
	ledger        ledger
	tally         tally

	calm    atomic.Bool // nothing is disturbed: everything has to work
	over    atomic.Bool // nothing new is asked for
	failed  atomic.Bool
	healthy sync.RWMutex // held while the database is there
	proxied sync.Mutex   // of what is saved of a proxy
}

// organization is one whose staff are at work.
type organization struct {
	*seed.Organization
	persons, served, tasks, matters, events []uuid.UUID // those that are edited; served: the clients among the people

	mutex  sync.Mutex
	runs   []uuid.UUID // the last ones
	number int         // of keys
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if programFolder != "" {
		_ = os.RemoveAll(programFolder) // it is a temporary one
	}
	os.Exit(code)
}

// Whatever fails, and however often: nothing that was acknowledged is lost, nothing is done twice or by halves, nobody sees
// what is not theirs, and everything works again by itself.
func TestChaos(t *testing.T) {
	t.Parallel()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64N(1_000_000) + 1
	}
	t.Logf("seed %d", seed)
	began := time.Now()
	s := newStorm(t, seed)
	lasting, until := shortStorm, began
	if *minutesFlag > 0 {
		until = began.Add(time.Duration(*minutesFlag * float64(time.Minute)))
	}
	for round := 1; ; round++ {
		if *minutesFlag > 0 {
			lasting = min(longRound, max(time.Until(until)-calm, shortStorm))
		}
		s.round(round, lasting)
		if s.failed.Load() || time.Until(until) < shortStorm {
			break
		}
	}
	if !s.failed.Load() {
		s.settled()
	}
	s.tally.print(t, time.Since(began))
	if s.failed.Load() {
		t.Logf("again with: make chaos SEED=%d MINUTES=%g", seed, max(*minutesFlag, 1))
	}
}

// fail fails the test, from anywhere.
func (s *storm) fail(format string, args ...any) {
	if s.failed.Swap(true) { // what follows from the first is of less interest
		s.t.Logf(format, args...)
		return
	}
	s.t.Errorf(format, args...)
}

func newStorm(t *testing.T, chosen uint64) *storm {
	s := &storm{t: t, seed: chosen, folder: t.TempDir(), database: newDatabase(t), databases: map[string]*toxic.Proxy{}}
	s.ledger.entries, s.tally.counts = map[string]*entry{}, map[string]int{}
	s.connect()
	t.Cleanup(func() { _ = s.db.Close() }) // nothing to lose
	s.mails = testmail.Start(t, testmail.Config{})
	var err error
	if s.cases, err = casesim.Start(t.Context(), "127.0.0.1:0", casesim.Options{Clients: organizations * linkedOfEach}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cases.Stop)
	s.fill()
	s.startProcesses()
	return s
}

// connect connects to where the database is now.
func (s *storm) connect() {
	if s.db != nil {
		_ = s.db.Close() // it led to one that is gone
	}
	db, err := sqlx.Open("postgres", s.database.server.URL())
	if err != nil {
		s.t.Fatal(err)
	}
	s.db = db
}

// fill makes the organizations.
func (s *storm) fill() {
	s.t.Helper()
	for number := range organizations + 1 {
		filled, err := seed.New(s.t.Context(), s.db, seed.Size{People: peopleOfEach, Staff: 8, Matters: 36})
		if err != nil {
			s.t.Fatal(err)
		}
		s.own(filled)
		if number == organizations {
			s.untouched = filled
			continue
		}
		o := &organization{Organization: filled}
		for into, query := range map[*[]uuid.UUID]string{
			&o.persons: `SELECT id FROM people WHERE organization_id = $1 ORDER BY id`,
			&o.served:  `SELECT id FROM people WHERE organization_id = $1 AND kind = 'client' ORDER BY id`,
			&o.tasks:   `SELECT id FROM tasks WHERE organization_id = $1 AND person_id IS NOT NULL AND status IN ('open', 'in_progress') ORDER BY id LIMIT 60`,
			&o.matters: `SELECT id FROM matters WHERE organization_id = $1 AND visibility = 'everyone' AND status <> 'closed' ORDER BY id`,
			&o.events: `SELECT e.id FROM calendar_events e JOIN matters m ON m.organization_id = e.organization_id AND m.id = e.matter_id
				WHERE e.organization_id = $1 AND m.visibility = 'everyone' AND m.status <> 'closed' ORDER BY e.id`,
		} {
			if err := s.db.Select(into, query, o.ID); err != nil {
				s.t.Fatal(err)
			}
		}
		if _, err := s.db.Exec(`
			INSERT INTO cams_links (organization_id, person_id, reference, linked_at)
			SELECT organization_id, id, 'CL-' || to_char($2 + row_number() OVER (ORDER BY id), 'FM000000'), now()
			FROM (SELECT organization_id, id FROM people WHERE organization_id = $1 AND kind = 'client' ORDER BY id LIMIT $3) AS linked`,
			o.ID, number*linkedOfEach, linkedOfEach); err != nil {
			s.t.Fatal(err)
		}
		s.organizations = append(s.organizations, o)
	}
	s.importing = uuid.Must(uuid.NewV7())
	if _, err := s.db.Exec(`INSERT INTO organizations (id, name, time_zone, created_at) VALUES ($1, 'Imported', 'Europe/Berlin', now())`, s.importing); err != nil {
		s.t.Fatal(err)
	}
}

// own notes whose the ids of an organization are.
func (s *storm) own(o *seed.Organization) {
	s.t.Helper()
	for _, table := range []string{"people", "staff", "tasks", "matters", "calendar_events"} {
		var ids []uuid.UUID
		if err := s.db.Select(&ids, `SELECT id FROM `+table+` WHERE organization_id = $1`, o.ID); err != nil {
			s.t.Fatal(err)
		}
		for _, id := range ids {
			s.owners.Store(id, o.ID)
		}
	}
	s.owners.Store(o.ID, o.ID)
}

// environment is that of a process which reaches the database through a proxy.
func (s *storm) environment(through *toxic.Proxy) []string {
	return []string{
		"DATABASE_URL=" + s.database.at(s.proxies.listen[through]), "HANDOVER_DATABASE_CONNECTIONS=10",
		"HANDOVER_SECRET_KEY=" + base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"HANDOVER_PUBLIC_URL=https://handover.example", "HANDOVER_MAIL_FROM=handover@firm.example", "HANDOVER_SMTP_URL=smtp://" + s.mails.Addr + "?starttls=never",
		"HANDOVER_CASE_SYSTEM_URL=" + s.cases.URL, "HANDOVER_CASE_SYSTEM_TOKEN=" + casesim.DefaultToken, "HANDOVER_CASE_SYSTEM_PULL=1s",
	}
}

func (s *storm) startProcesses() {
	s.t.Helper()
	s.proxies = newProxies(s.t)
	s.databases["import"] = s.proxies.through(s.t, "database-import", s.database.address())
	add := func(name, ready string, args ...string) {
		through := s.proxies.through(s.t, "database-"+name, s.database.address())
		s.databases[name] = through
		folder := filepath.Join(s.folder, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			s.t.Fatal(err)
		}
		p := &process{name: name, ready: ready, args: args, environment: s.environment(through), folder: folder, fail: s.fail}
		s.processes = append(s.processes, p)
		s.t.Cleanup(func() { p.end(syscall.SIGKILL) })
	}
	for n := range apis {
		address := freePort(s.t)
		add(fmt.Sprintf("api-%d", n), `"msg":"ready"`, "serve", "--no-worker", "--addr", address)
		s.fronts = append(s.fronts, s.proxies.through(s.t, fmt.Sprintf("front-%d", n), address))
	}
	for n := range workers {
		add(fmt.Sprintf("worker-%d", n), `"msg":"working"`, "worker")
	}
	for _, p := range s.processes {
		p.up()
	}
	for _, p := range s.processes {
		p.isReady(recovering)
	}
	if s.failed.Load() {
		s.t.FailNow()
	}
	s.database.moved = func(address string) {
		s.proxied.Lock()
		defer s.proxied.Unlock()
		for _, through := range s.databases {
			through.Upstream = address
			if err := through.Save(); err != nil {
				s.fail("lead a proxy to the database: %v", err)
			}
		}
	}
}

// round disturbs for a while, and looks at what is left.
func (s *storm) round(number int, lasting time.Duration) {
	s.t.Helper()
	before, err := invariants.Take(s.t.Context(), s.db)
	if err != nil {
		s.t.Fatal(err)
	}
	s.calm.Store(false)
	s.over.Store(false)
	storming, end := context.WithTimeout(s.t.Context(), lasting)
	defer end()
	var asking, failing sync.WaitGroup
	for i, o := range s.organizations {
		for n := range clientsOfEach {
			c := s.newClient(o, uint64(number*1000+i*clientsOfEach+n))
			asking.Go(c.work)
		}
		asking.Go(func() { s.changeCases(i, uint64(number*1000+500+i)) })
	}
	asking.Go(func() { s.importAgain(uint64(number)) })
	failing.Go(func() { s.disturb(storming, rand.New(rand.NewPCG(s.seed, uint64(number)))) })
	failing.Wait() // which ends with the time, or with the first failure
	s.healthyAgain()
	if !s.failed.Load() {
		s.calm.Store(true)
		time.Sleep(calm)
	}
	s.over.Store(true)
	asking.Wait()
	s.calm.Store(false)
	if s.failed.Load() {
		return
	}
	s.check(number, before)
}

// healthyAgain waits until every process is there and takes requests.
func (s *storm) healthyAgain() {
	for _, p := range s.processes {
		p.signal(syscall.SIGCONT)
		p.up()
	}
	began := time.Now()
	for _, p := range s.processes {
		p.isReady(recovering)
	}
	for at := range s.fronts {
		for !s.isReady(at) {
			if time.Since(began) > recovering {
				s.fail("API %d takes no requests %s after the last disturbance", at, recovering)
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	time.Sleep(time.Second) // connections that broke are noticed
	s.tally.longest("recovered within", time.Since(began))
}

// someOf are some of a list, in any order.
func someOf(random *rand.Rand, ids []uuid.UUID, count int) []uuid.UUID {
	chosen := make([]uuid.UUID, 0, count)
	for _, at := range random.Perm(len(ids))[:min(count, len(ids))] {
		chosen = append(chosen, ids[at])
	}
	return chosen
}
