package acceptance

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"

	"handover/api"
	"handover/internal/postgres"
	"handover/internal/scaled"
	"handover/internal/schema"
	"handover/internal/testdb"
)

// copied is a service whose database has a streaming replica.
type copied struct {
	*service
	replica *sqlx.DB // as its owner
	reads   *postgres.Replica
}

const (
	positionHeader = "Handover-Position"
	// rest is how long a replica that fails is left alone in these tests, and patience how long it is waited for.
	rest, patience = 300 * time.Millisecond, time.Second
	// unhurried is a patience that no other work of the machine exhausts.
	unhurried = 30 * time.Second
)

// withReplica starts a service on a primary and a replica of its own.
func withReplica(t *testing.T, patience time.Duration, options ...serviceOption) *copied {
	t.Helper()
	dir := t.TempDir()
	for parent := dir; parent != os.TempDir(); parent = filepath.Dir(parent) { // where root tests, PostgreSQL is another user
		if err := os.Chmod(parent, 0o711); err != nil { //nolint:gosec // to be passed through
			t.Fatal(err)
		}
	}
	primary, err := scaled.Primary(t.Context(), filepath.Join(dir, "primary"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = primary.Stop(context.Background()) })
	replica, err := scaled.Replica(t.Context(), filepath.Join(dir, "replica"), primary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = replica.Stop(context.Background()) })
	if err := schema.Up(t.Context(), primary.URL()); err != nil {
		t.Fatal(err)
	}
	open := func(url string) *sqlx.DB {
		db, err := postgres.Open(url + "&timezone=" + testdb.TimeZone)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		db.SetMaxOpenConns(20)
		return db
	}
	c := &copied{replica: open(replica.URL())}
	c.reads = postgres.NewReplica(open(replica.URL()), postgres.ReplicaOptions{KeepPrepared: true, Patience: patience, Rest: rest})
	c.service = start(t, append(options, on(&testdb.DB{Name: "handover", URL: primary.URL(), SQL: open(primary.URL())}), reading(c.reads))...)
	return c
}

// position is how far the primary has come.
func (c *copied) position(t testing.TB) header {
	t.Helper()
	var now uint64
	if err := c.DB.SQL.GetContext(t.Context(), &now, `SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint`); err != nil {
		t.Fatal(err)
	}
	return header{positionHeader, sealed(t, now)}
}

// positionKey is what the positions of these tests are sealed with.
func positionKey(t testing.TB) cipher.Block {
	t.Helper()
	mac := hmac.New(sha256.New, cursorKey)
	mac.Write([]byte("positions"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	return block
}

func sealed(t testing.TB, position uint64) string {
	t.Helper()
	text := binary.BigEndian.AppendUint64(nil, position)
	text = append(text, make([]byte, 8)...)
	positionKey(t).Encrypt(text, text)
	return base64.RawURLEncoding.EncodeToString(text)
}

func opened(t testing.TB, text string) uint64 {
	t.Helper()
	position, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(position) != 16 {
		t.Fatalf("got the position %q", text)
	}
	positionKey(t).Decrypt(position, position)
	return binary.BigEndian.Uint64(position)
}

func (c *copied) run(t testing.TB, statement string, args ...any) {
	t.Helper()
	if _, err := c.replica.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%v\n%s", err, statement)
	}
}

// pause has the replica stay as it is until resume.
func (c *copied) pause(t testing.TB) (resume func()) {
	t.Helper()
	c.run(t, `SELECT pg_wal_replay_pause()`)
	eventually(t, "the replica stands still", func() bool {
		var paused bool
		err := c.replica.GetContext(t.Context(), &paused, `SELECT pg_get_wal_replay_pause_state() = 'paused'`)
		return err == nil && paused
	})
	return func() { c.run(t, `SELECT pg_wal_replay_resume()`) }
}

// outcomes are how many reads went where.
func (c *copied) outcomes(t testing.TB) map[string]int {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c.reads)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			switch family.GetName() {
			case "handover_replica_reads_total":
				found[metric.GetLabel()[0].GetValue()] = int(metric.GetCounter().GetValue())
			case "handover_replica_circuit_state":
				found["circuit"] = int(metric.GetGauge().GetValue())
			}
		}
	}
	return found
}

// since is what came to the outcomes.
func (c *copied) since(t testing.TB, before map[string]int) map[string]int {
	t.Helper()
	came := map[string]int{}
	for outcome, count := range c.outcomes(t) {
		if more := count - before[outcome]; more != 0 && outcome != "circuit" {
			came[outcome] = more
		}
	}
	return came
}

// Every read that takes a position is answered by the replica as by the primary, whoever asks.
func TestReadsFromReplica(t *testing.T) {
	t.Parallel()
	c := withReplica(t, unhurried, withoutWorker, at(time.Now().UTC().Truncate(time.Second)))
	taken := map[string]bool{}
	for _, row := range roleRows {
		op := operations()[row.operation]
		if !takesHeader(op, positionHeader) {
			continue
		}
		taken[row.operation] = true
		t.Run(row.name(), func(t *testing.T) {
			w := c.organization(t)
			for _, caller := range []member{w.Admin, w.member("member", "clients"), w.member("member")} {
				request := row.ask(w, caller)
				c.ask(t, caller.Token, "getMe", ask{}) // notes that the token is used, which would move the position
				want := c.ask(t, caller.Token, row.operation, request)
				at := c.position(t)
				before := c.outcomes(t)
				got := c.ask(t, caller.Token, row.operation, request.with(at.name, at.value))
				if got.Status != want.Status || !sameAnswer(t, got, want) {
					t.Errorf("the replica answers %d: %.300s\nthe primary %d: %.300s", got.Status, got.Body, want.Status, want.Body)
				}
				if came := c.since(t, before); want.Status == 200 && (came["replica"] == 0 || len(came) != 1) {
					t.Errorf("answered by %v", came)
				}
				if told := want.Header.Get(positionHeader); want.Status == 200 && told == "" {
					t.Error("the primary's answer has no position")
				}
				if told := got.Header.Get(positionHeader); want.Status == 200 && !notBefore(t, told, at.value) {
					t.Errorf("asked for %s, the replica's answer has the position %q", at.value, told)
				}
			}
		})
	}
	for id, op := range operations() {
		if takesHeader(op, positionHeader) != taken[id] {
			t.Errorf("%s takes a position, and has no row in the table of roles", id)
		}
	}
}

// sameAnswer compares the bodies, but for what belongs to one answer alone.
func sameAnswer(t testing.TB, one, other answer) bool {
	t.Helper()
	if bytes.HasPrefix(one.Body, []byte("PK")) { // a workbook, which holds the moment it was written
		return bytes.HasPrefix(other.Body, []byte("PK"))
	}
	if !strings.Contains(one.Header.Get("Content-Type"), "json") {
		return bytes.Equal(one.Body, other.Body)
	}
	read := func(a answer) (value map[string]any) {
		if err := json.Unmarshal(a.Body, &value); err != nil {
			t.Fatal(err)
		}
		delete(value, "request_id")
		return value
	}
	return reflect.DeepEqual(read(one), read(other)) && one.Header.Get("ETag") == other.Header.Get("ETag")
}

func notBefore(t testing.TB, told, wanted string) bool {
	t.Helper()
	return told != "" && opened(t, told) >= opened(t, wanted)
}

func TestPositions(t *testing.T) {
	t.Parallel()
	c := withReplica(t, patience)
	w := c.organization(t)
	name := func(t *testing.T, id string, headers ...header) string {
		t.Helper()
		return decode[api.Task](c.call(t, w.Admin.Token, "GET", "/v1/tasks/"+id, nil, headers...).must(200)).Title
	}
	task := c.call(t, w.Admin.Token, "POST", "/v1/tasks", object{"title": "one"}).must(201)
	path := task.Header.Get("Location")
	id := strings.TrimPrefix(path, "/v1/tasks/")
	write := func(t *testing.T, title string) header {
		t.Helper()
		return header{positionHeader, c.call(t, w.Admin.Token, "PATCH", path, object{"title": title}, header{"If-Match", "*"}).must(200).Header.Get(positionHeader)}
	}

	t.Run("every answer to a change carries a position, a stored one too, and later ones are not before it", func(t *testing.T) {
		last := task.Header.Get(positionHeader)
		key := header{"Idempotency-Key", newID().String()}
		for _, ask := range []func() answer{
			func() answer {
				return c.call(t, w.Admin.Token, "POST", "/v1/tasks", object{"title": "two"}, key).must(201)
			},
			func() answer {
				return c.call(t, w.Admin.Token, "POST", "/v1/tasks", object{"title": "two"}, key).must(201)
			},
			func() answer {
				return c.call(t, w.Admin.Token, "PUT", "/v1/tasks/by-external-id/"+newID().String(), object{"title": "three"}).must(201)
			},
			func() answer {
				return c.call(t, w.Admin.Token, "POST", "/v1/manage-assignments", wish(people(w.person("client")), change("assign", staffed(w.member("member"))))).must(200)
			},
			func() answer { return c.call(t, w.Admin.Token, "GET", path, nil).must(200) },
		} {
			got := ask().Header.Get(positionHeader)
			if !notBefore(t, got, last) {
				t.Fatalf("after %q came %q", last, got)
			}
			last = got
		}
	})

	t.Run("a read with the position of a change sees it, from the replica", func(t *testing.T) {
		before := c.outcomes(t)
		for range 200 {
			title := newID().String()
			at := write(t, title)
			if got := name(t, id, at); got != title {
				t.Fatalf("wrote %s, read %s", title, got)
			}
		}
		if came := c.since(t, before); came["replica"] < 150 {
			t.Errorf("200 reads went %v", came)
		}
	})

	t.Run("a read without a position comes from the primary", func(t *testing.T) {
		defer c.pause(t)()
		write(t, "newest")
		before := c.outcomes(t)
		if got := name(t, id); got != "newest" {
			t.Errorf("read %q", got)
		}
		if came := c.since(t, before); len(came) != 0 {
			t.Errorf("the replica was asked: %v", came)
		}
	})

	t.Run("a replica that is behind is waited for, then the primary is read, and after a few times it is left alone for a while", func(t *testing.T) {
		resume := c.pause(t)
		defer resume()
		at := write(t, "ahead")
		before := c.outcomes(t)
		for range 3 {
			began := time.Now()
			if got := name(t, id, at); got != "ahead" {
				t.Fatalf("read %q", got)
			}
			if took := time.Since(began); took < patience/2 {
				t.Errorf("waited only %s", took)
			}
		}
		if came := c.since(t, before); came["behind"] != 3 || len(came) != 1 {
			t.Errorf("the reads went %v", came)
		}
		before = c.outcomes(t)
		began := time.Now()
		if got := name(t, id, at); got != "ahead" {
			t.Fatalf("read %q", got)
		}
		if took := time.Since(began); took > patience/2 {
			t.Errorf("waited %s for a replica that is left alone", took)
		}
		if came := c.since(t, before); came["resting"] != 1 || before["circuit"] != 2 {
			t.Errorf("the read went %v, circuit %d", came, before["circuit"])
		}
		resume()
		time.Sleep(rest)
		before = c.outcomes(t)
		if got := name(t, id, at); got != "ahead" {
			t.Fatalf("read %q", got)
		}
		if came := c.since(t, before); came["replica"] != 1 || c.outcomes(t)["circuit"] != 0 {
			t.Errorf("the read went %v", came)
		}
	})

	t.Run("what the replica comes to while it is waited for is read there", func(t *testing.T) {
		resume := c.pause(t)
		at := write(t, "soon")
		before := c.outcomes(t)
		time.AfterFunc(patience/4, resume)
		if got := name(t, id, at); got != "soon" {
			t.Fatalf("read %q", got)
		}
		if came := c.since(t, before); came["replica"] != 1 {
			t.Errorf("the read went %v", came)
		}
	})

	t.Run("a position that no database has reached leaves the replica to others", func(t *testing.T) {
		far := header{positionHeader, sealed(t, 1<<60)}
		for range 5 {
			if got := name(t, id, far); got != "soon" {
				t.Fatalf("read %q", got)
			}
		}
		before := c.outcomes(t)
		name(t, id, c.position(t))
		if came := c.since(t, before); came["replica"] != 1 {
			t.Errorf("the read went %v", came)
		}
	})

	t.Run("a mangled position is refused", func(t *testing.T) {
		good := c.position(t).value
		for _, bad := range []string{"0/16B3748", good[:21], good + "A", "AAAA" + good[4:], strings.Repeat("A", 22), strings.ToLower(good) + " x"} {
			got := c.call(t, w.Admin.Token, "GET", path, nil, header{positionHeader, bad})
			if got.Status != 400 {
				t.Errorf("%q is answered %d", bad, got.Status)
				continue
			}
			if problem := got.problem(400, "invalid_parameter"); problem.Errors[0].Pointer != "header:"+positionHeader {
				t.Errorf("%q: got %+v", bad, problem)
			}
		}
		c.call(t, w.Admin.Token, "PATCH", path, object{"title": "last"}, header{"If-Match", "*"}, header{positionHeader, "ignored"}).must(200)
	})

	t.Run("whose token was revoked a moment ago is turned away, whatever the replica has", func(t *testing.T) {
		gone := w.member("member")
		at := c.position(t)
		c.call(t, gone.Token, "GET", "/v1/tasks", nil, at).must(200)
		defer c.pause(t)()
		w.deactivate(gone)
		c.call(t, gone.Token, "GET", "/v1/tasks", nil, at).problem(401, "unauthenticated")
	})

	t.Run("a run that was left to a worker is seen with the position that told of its end", func(t *testing.T) {
		person, staff := w.person("client"), w.member("member")
		queued := c.call(t, w.Admin.Token, "POST", "/v1/manage-assignments", wish(people(person), change("assign", staffed(staff))), header{"Prefer", "respond-async"}).must(202)
		at := header{positionHeader, queued.Header.Get(positionHeader)}
		eventually(t, "the run has ended", func() bool {
			got := c.call(t, w.Admin.Token, "GET", queued.Header.Get("Location"), nil, at).must(200)
			at.value = got.Header.Get(positionHeader)
			return decode[api.Run](got).Status == "succeeded"
		})
		got := decode[api.Person](c.call(t, w.Admin.Token, "GET", "/v1/people/"+person.String(), nil, at).must(200))
		if len(got.Staff) != 1 || got.Staff[0].ID != staff.ID {
			t.Errorf("the person has %+v", got.Staff)
		}
	})

	t.Run("a read that the replica breaks off is done by the primary", func(t *testing.T) {
		at := write(t, "kept")
		name(t, id, at)
		before := c.outcomes(t)
		c.run(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
		for range 10 {
			if got := name(t, id, at); got != "kept" {
				t.Fatalf("read %q", got)
			}
		}
		t.Logf("the reads went %v", c.since(t, before))
	})
}

// A service without a replica tells no positions, takes those of others, and reads from its one database.
func TestPositionsWithoutReplica(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	made := s.call(t, w.Admin.Token, "POST", "/v1/tasks", object{"title": "one"}).must(201)
	if told := made.Header.Values(positionHeader); len(told) > 0 {
		t.Errorf("got the position %q", told)
	}
	got := s.call(t, w.Admin.Token, "GET", made.Header.Get("Location"), nil, header{positionHeader, sealed(t, 1<<60)}).must(200)
	if told := got.Header.Values(positionHeader); len(told) > 0 {
		t.Errorf("got the position %q", told)
	}
	s.call(t, w.Admin.Token, "GET", "/v1/tasks", nil, header{positionHeader, "nonsense"}).problem(400, "invalid_parameter")
}
