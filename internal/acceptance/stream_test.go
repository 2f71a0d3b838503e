package acceptance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/httpapi"
)

// stream is a member's notifications as they come.
type stream struct {
	t      testing.TB
	header http.Header
	lines  *bufio.Scanner
	close  func()
}

// event is one of a stream.
type event struct {
	ID   int64
	Told api.Notification
}

// follow opens a stream. It is closed with the test, at the latest.
func (w *world) follow(m member, headers ...header) *stream {
	w.t.Helper()
	response, closing := w.tryFollow(m, headers...) //nolint:bodyclose // closing does
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		w.t.Fatalf("got status %d: %s", response.StatusCode, text)
	}
	if kind := response.Header.Get("Content-Type"); kind != "text/event-stream" {
		w.t.Fatalf("got content type %q", kind)
	}
	s := &stream{t: w.t, header: response.Header, lines: bufio.NewScanner(response.Body), close: closing}
	s.lines.Buffer(nil, 1<<20)
	return s
}

func (w *world) tryFollow(m member, headers ...header) (*http.Response, func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	request := newRequest(w.t, w.service.URL, m.Token, "GET", "/v1/notifications/stream", nil, headers).WithContext(ctx)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		cancel()
		w.t.Fatal(err)
	}
	closing := func() {
		cancel()
		_ = response.Body.Close() // nobody reads it any more
	}
	w.t.Cleanup(closing)
	return response, closing
}

// next waits for the next event; ok is false where the stream has ended.
func (s *stream) next() (e event, ok bool) {
	s.t.Helper()
	kind := ""
	for s.lines.Scan() {
		line := s.lines.Text()
		name, value, _ := strings.Cut(line, ": ")
		var err error
		switch {
		case line == "" && kind != "":
			if kind != "notification" || e.ID == 0 || e.Told.ID == uuid.Nil {
				s.t.Fatalf("got an event %q: %+v", kind, e)
			}
			return e, true
		case line == "", name == "", name == "retry": // a comment, or nothing
		case name == "id":
			e.ID, err = strconv.ParseInt(value, 10, 64)
		case name == "event":
			kind = value
		case name == "data":
			err = json.Unmarshal([]byte(value), &e.Told)
		default:
			err = fmt.Errorf("unknown field")
		}
		if err != nil {
			s.t.Fatalf("%v: %q", err, line)
		}
	}
	return e, false
}

func (s *stream) want(m member, w *world, run api.Run) event {
	s.t.Helper()
	e, ok := s.next()
	if !ok || e.Told.RunID.MustGet() != run.ID.MustGet() {
		s.t.Fatalf("got %+v %t, want that of run %s", e, ok, run.ID.MustGet())
	}
	return e
}

// tell has a member told of one run.
func (w *world) tell(m member) api.Run {
	w.t.Helper()
	return decode[api.Run](w.manage(w.Admin, people(w.person("client")), change("assign", object{"staff_ids": idsOf(m)})).must(200))
}

func after(number int64) header { return header{"Last-Event-ID", strconv.FormatInt(number, 10)} }

func TestStream(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "D2 a stream tells what comes from now on, as it is read otherwise, to its own receiver alone", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		w.tell(ann)
		anns, bobs := w.follow(ann), w.follow(bob)
		first, second, third := w.tell(ann), w.tell(bob), w.tell(ann)
		e := anns.want(ann, w, first)
		if e.ID != 2 {
			t.Errorf("got id %d", e.ID)
		}
		got, err := json.Marshal(e.Told)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(decode[api.Notification](w.get(ann, e.Told.Links.Self).must(200)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		anns.want(ann, w, third)
		if e := bobs.want(bob, w, second); e.ID != 1 {
			t.Errorf("got id %d", e.ID)
		}
	})

	s.rule(t, "D2 Last-Event-ID goes on right after it, and a number from elsewhere loses nothing", func(_ *testing.T, w *world) {
		ann := w.member("member")
		runs := []api.Run{w.tell(ann), w.tell(ann), w.tell(ann)}
		all := w.follow(ann, after(0))
		for _, run := range runs {
			all.want(ann, w, run)
		}
		rest := w.follow(ann, after(2))
		rest.want(ann, w, runs[2])
		ahead := w.follow(ann, after(1000))
		next := w.tell(ann)
		for _, each := range []*stream{all, rest, ahead} {
			if e := each.want(ann, w, next); e.ID != 4 {
				w.t.Errorf("got id %d", e.ID)
			}
		}
	})

	s.rule(t, "D2 reconnecting loses nothing and repeats nothing while runs go on at the same time", func(t *testing.T, w *world) {
		ann := w.member("member")
		const runs, at = 120, 6
		var busy sync.WaitGroup
		for range at {
			busy.Go(func() {
				for range runs / at {
					w.tell(ann)
				}
			})
		}
		random := rand.New(rand.NewPCG(rand.Uint64(), 0)) //nolint:gosec // moments, not secrets
		var got []int64
		seen := map[uuid.UUID]bool{}
		connections := 0
		for len(got) < runs {
			last := int64(0)
			if len(got) > 0 {
				last = got[len(got)-1]
			}
			following := w.follow(ann, after(last))
			connections++
			for range random.IntN(20) + 1 {
				e, ok := following.next()
				if !ok {
					break
				}
				got, seen[e.Told.ID] = append(got, e.ID), true
				if len(got) == runs {
					break
				}
			}
			following.close()
		}
		busy.Wait()
		want := make([]int64, runs)
		for i := range want {
			want[i] = int64(i + 1)
		}
		if !slices.Equal(got, want) || len(seen) != runs {
			t.Fatalf("got %d different, in %d connections: %v", len(seen), connections, got)
		}
	})

	s.rule(t, "B5 a stream withholds what is hidden when it tells", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		matter := w.matter("everyone", lea)
		w.workOn(matter, lea)
		run := w.reassigned(handOver(lea, given("tasks", "", ann)))
		w.exec(`UPDATE matters SET visibility = 'private' WHERE organization_id = $1 AND id = $2`, w.ID, matter)
		e := w.follow(ann, after(0)).want(ann, w, run)
		if work(t, e.Told, "work_received", api.NotificationWork{}); len(e.Told.Items) != 0 {
			t.Errorf("got items %+v", e.Told.Items)
		}
	})

	s.rule(t, "D2 what comes after a token was revoked is not told", func(t *testing.T, w *world) {
		ann := w.member("member")
		following := w.follow(ann)
		following.want(ann, w, w.tell(ann))
		w.exec(`UPDATE api_tokens SET revoked_at = now() WHERE organization_id = $1 AND staff_id = $2`, w.ID, ann.ID)
		w.tell(ann)
		if e, ok := following.next(); ok {
			t.Errorf("got %+v", e)
		}
	})

	s.rule(t, "D2 a staff member has at most ten streams", func(t *testing.T, w *world) {
		ann := w.member("member")
		var open []*stream
		for range 10 {
			open = append(open, w.follow(ann))
		}
		refused := w.as(ann, "GET", "/v1/notifications/stream", nil)
		refused.problem(429, "rate_limited")
		if refused.Header.Get("Retry-After") == "" {
			t.Error("it is not said when to try again")
		}
		w.follow(w.Admin)
		open[3].close()
		eventually(t, "there is place again", func() bool {
			response, closing := w.tryFollow(ann) //nolint:bodyclose // closing does
			closing()
			return response.StatusCode == http.StatusOK
		})
	})
}

// Streams of those who have been told much, straight into the tables.
func TestLongStreams(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	much := func(w *world, m member, count int) {
		w.exec(`INSERT INTO notifications (organization_id, id, staff_id, number, kind, created_at, email_status)
			SELECT $1, gen_random_uuid(), $2, n, 'work_received', now(), 'none' FROM generate_series(1, $3) n`, w.ID, m.ID, count)
		w.exec(`INSERT INTO notification_counters (organization_id, staff_id, last_number) VALUES ($1, $2, $3)`, w.ID, m.ID, count)
	}

	t.Run("D2 many at once are told in batches, in their order", func(t *testing.T) {
		t.Parallel()
		w := s.organization(t)
		ann := w.member("member")
		much(w, ann, 333)
		following := w.follow(ann, after(100))
		for number := int64(101); number <= 333; number++ {
			if e, ok := following.next(); !ok || e.ID != number {
				t.Fatalf("got %d %t, want %d", e.ID, ok, number)
			}
		}
	})

	t.Run("D2 a reader who takes nothing is let go", func(t *testing.T) {
		t.Parallel()
		w := s.organization(t)
		ann := w.member("member")
		much(w, ann, 20000)
		for range 10 {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(w.service.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() }) // it may be cut already
			_ = conn.(*net.TCPConn).SetReadBuffer(4096)
			if _, err := fmt.Fprintf(conn, "GET /v1/notifications/stream HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 0\r\nAuthorization: Bearer %s\r\n\r\n", ann.Token); err != nil {
				t.Fatal(err)
			}
			begins := make([]byte, len("HTTP/1.1 200"))
			if _, err := io.ReadFull(conn, begins); err != nil || string(begins) != "HTTP/1.1 200" {
				t.Fatalf("got %q: %v", begins, err)
			}
		}
		refused := func() bool { return w.as(ann, "GET", "/v1/notifications/stream", nil).Status == 429 }
		if !refused() {
			t.Fatal("ten do not stand")
		}
		time.Sleep(10 * time.Second) // so long they have, at least
		eventually(t, "they are let go", func() bool { return !refused() })
	})
}

// Ending the service ends its streams, and each is logged once.
func TestEndOfStreams(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	var log lockedBuffer
	server := httptest.NewServer(httpapi.New(s.app, httpapi.Options{Log: slog.New(slog.NewJSONHandler(&log, nil))}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	ann := w.member("member")
	var open []*stream
	for range 3 {
		open = append(open, w.follow(ann))
	}
	run := w.tell(ann)
	for _, each := range open {
		each.want(ann, w, run)
	}
	server.Config.RegisterOnShutdown(s.app.EndWaiting)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	began := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- server.Config.Shutdown(ctx) }()
	for _, each := range open {
		if e, ok := each.next(); ok || each.lines.Err() != nil {
			t.Errorf("got %+v, %v", e, each.lines.Err())
		}
	}
	if err := <-ended; err != nil || time.Since(began) > 4*time.Second {
		t.Errorf("the service ended after %s: %v", time.Since(began), err)
	}
	logged := 0
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, `"operation":"streamNotifications"`) {
			logged++
			if !strings.Contains(line, `"status":200`) || strings.Contains(line, `"error"`) || !strings.Contains(line, ann.ID.String()) {
				t.Errorf("got log line %s", line)
			}
		}
	}
	if logged != 3 {
		t.Errorf("got %d log lines of 3 streams:\n%s", logged, log.String())
	}
	again := httptest.NewServer(httpapi.New(s.app, httpapi.Options{}))
	t.Cleanup(again.Close)
	s.URL = again.URL
	w.as(ann, "GET", "/v1/notifications/stream", nil).problem(503, "not_ready")
}

// lockedBuffer takes what several write.
type lockedBuffer struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.text.Write(text)
}

func (b *lockedBuffer) String() string {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.text.String()
}
