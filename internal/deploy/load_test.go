package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/invariants/seed"
)

type object = map[string]any

// fleet is a balancer before some processes: it asks each whether it is ready, and hands requests to those that are.
type fleet struct {
	mutex sync.Mutex
	ready []*process
	gone  []*process // that it was told to leave out
	next  int
}

// leaveOut hands no more requests to a process.
func (f *fleet) leaveOut(p *process) {
	f.set(p, false)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.gone = append(f.gone, p)
}

// checkEvery is how often the balancer asks.
const checkEvery = 100 * time.Millisecond

// watch asks until the test ends.
func (f *fleet) watch(t testing.TB, processes ...*process) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	t.Cleanup(func() { cancel(); watching.Wait() })
	for _, p := range processes {
		f.set(p, p.isReady())
		watching.Go(func() {
			for ctx.Err() == nil {
				time.Sleep(checkEvery)
				f.set(p, p.isReady())
			}
		})
	}
}

func (f *fleet) set(p *process, ready bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	at := slices.Index(f.ready, p)
	switch {
	case ready && at < 0 && !slices.Contains(f.gone, p):
		f.ready = append(f.ready, p)
	case !ready && at >= 0:
		f.ready = slices.Delete(f.ready, at, at+1)
	}
}

// pick is the process that the next request goes to; nil: none is ready.
func (f *fleet) pick() *process {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if len(f.ready) == 0 {
		return nil
	}
	f.next++
	return f.ready[f.next%len(f.ready)]
}

// load is many clients at work, each with connections that it keeps, and people of its own. Nobody repeats a request.
type load struct {
	t      testing.TB
	fleet  *fleet
	of     *seed.Organization
	stop   context.CancelFunc
	ended  sync.WaitGroup
	served sync.Map // how many requests, by process
	asked  atomic.Int64
}

const clients = 6

// under begins a load.
func under(t testing.TB, f *fleet, of *seed.Organization) *load {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	l := &load{t: t, fleet: f, of: of, stop: stop}
	for n := range clients {
		c := &client{load: l, http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 2}}, person: of.People[n]}
		l.ended.Go(func() {
			for round := 0; ctx.Err() == nil; round++ {
				c.work(round)
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

// end ends the load, once every request is answered.
func (l *load) end() {
	l.stop()
	l.ended.Wait()
}

// goOn waits until so many more requests have been answered.
func (l *load) goOn(more int64) {
	l.t.Helper()
	goal := l.asked.Load() + more
	for began := time.Now(); l.asked.Load() < goal; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute || l.t.Failed() {
			l.t.Fatal("the load does not get on")
		}
	}
}

// by is how many requests a process has answered.
func (l *load) by(p *process) int64 {
	count, _ := l.served.LoadOrStore(p, new(atomic.Int64))
	return count.(*atomic.Int64).Load()
}

type client struct {
	*load
	http   *http.Client
	person uuid.UUID
	run    string // the last that was left to the workers
}

// work is what a client does in a round.
func (c *client) work(round int) {
	staff := c.of.Staff[1+round%5]
	change := func() (body object) {
		return object{
			"selection": object{"type": "people", "person_ids": []uuid.UUID{c.person}},
			"change":    object{"type": "replace", "staff_ids": []uuid.UUID{staff}, "task_policy": "reassign_all", "task_scope": "all"},
		}
	}
	switch round % 6 {
	case 0:
		c.ask("GET", "/v1/people?limit=5&include_total=true", nil, 200)
	case 1:
		c.ask("POST", "/v1/manage-assignments", change(), 200)
	case 2:
		c.ask("POST", "/v1/referrals", object{"first_name": "Quiet", "last_name": "Deploy " + strconv.Itoa(round)}, 201)
	case 3:
		c.ask("POST", "/v1/tasks", object{"title": "Call back", "person_id": c.person}, 201)
	case 4:
		c.ask("GET", "/v1/people/"+c.person.String(), nil, 200)
	case 5:
		c.askLater(change())
	}
}

// askLater asks for a run that workers carry out, and for how it is; but not while the one before is under way: an organization's runs
// take turns, and would be queueing at the end.
func (c *client) askLater(change object) {
	var run struct{ ID, Status string }
	if c.run != "" {
		if text := c.ask("GET", "/v1/runs/"+c.run, nil, 200); text == nil || json.Unmarshal(text, &run) != nil || run.Status != "succeeded" {
			return
		}
	}
	if text := c.ask("POST", "/v1/manage-assignments", change, 202, "Prefer", "respond-async"); text != nil && json.Unmarshal(text, &run) == nil {
		c.run = run.ID
	}
}

// ask sends a request, once, and fails the test where it is answered otherwise than with a status, or not at all.
func (c *client) ask(method, path string, body any, want int, header ...string) []byte {
	target := c.fleet.pick()
	if target == nil {
		c.t.Errorf("%s %s: nobody is ready", method, path)
		return nil
	}
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body) // plain values
	}
	request, err := http.NewRequestWithContext(context.Background(), method, target.URL+path, bytes.NewReader(text))
	if err != nil {
		c.t.Error(err)
		return nil
	}
	request.Header.Set("Authorization", "Bearer "+c.of.Token)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	request.GetBody = nil // or it would be sent once more where a connection had ended
	response, err := c.http.Do(request)
	if err != nil {
		c.t.Errorf("%s %s at %s: %v", method, path, target.URL, err)
		return nil
	}
	defer func() { _ = response.Body.Close() }() // read whole
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		c.t.Errorf("%s %s at %s: got %d, want %d: %s %v", method, path, target.URL, response.StatusCode, want, answer, err)
		return nil
	}
	count, _ := c.served.LoadOrStore(target, new(atomic.Int64))
	count.(*atomic.Int64).Add(1)
	c.asked.Add(1)
	return answer
}

// get reads something from a process, as the administrator of an organization.
func get[T any](t testing.TB, p *process, of *seed.Organization, path string) (value T) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+of.Token)
	response, err := probe.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // read whole
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	if err == nil {
		err = json.Unmarshal(text, &value)
	}
	if err != nil {
		t.Fatalf("%s: %v: %s", path, err, text)
	}
	return value
}
