package acceptance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"handover/internal/httpapi"
	"handover/internal/postgres"
)

// What takes too long is ended and told, whatever it waits for, and leaves nothing behind.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	usual := postgres.UsualLimits
	replace := func(w *world) object {
		return wish(people(w.person("client")), change("replace", object{"staff_ids": idsOf(w.member("member")), "task_policy": "keep"}))
	}

	t.Run("a lock that is not given back in time is too_busy", func(t *testing.T) {
		t.Parallel()
		limits := usual
		limits.Lock = 200 * time.Millisecond
		s := start(t, withoutWorker, within(httpapi.Times{}, limits))
		w := s.organization(t)
		body := replace(w)
		release := w.holdPeople()
		before := w.tables()
		got := w.as(w.Admin, "POST", "/v1/manage-assignments", body)
		got.problem(503, "too_busy")
		if got.Header.Get("Retry-After") == "" {
			t.Error("it is not told when to try again")
		}
		w.unchanged(before)
		release()
		w.as(w.Admin, "POST", "/v1/manage-assignments", body).must(200)
	})

	t.Run("a statement that takes too long is timed_out, sooner where it only reads", func(t *testing.T) {
		t.Parallel()
		limits := usual
		limits.Read, limits.Change = 100*time.Millisecond, 2*time.Second
		s := start(t, withoutWorker, within(httpapi.Times{}, limits))
		w := s.organization(t)
		body := replace(w)
		tx, err := s.DB.SQL.BeginTxx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(t.Context(), `LOCK TABLE people IN ACCESS EXCLUSIVE MODE`); err != nil { // slow for everybody
			t.Fatal(err)
		}
		problem := w.get(w.Admin, "/v1/people").problem(503, "timed_out")
		if !strings.Contains(problem.Detail, "nothing was changed") {
			t.Errorf("got %s", problem.Detail)
		}
		began := time.Now()
		w.as(w.Admin, "POST", "/v1/manage-assignments", body).problem(503, "timed_out")
		if took := time.Since(began); took < limits.Change {
			t.Errorf("a change was ended after %s", took)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		w.get(w.Admin, "/v1/people").must(200)
		w.as(w.Admin, "POST", "/v1/manage-assignments", body).must(200)
	})

	t.Run("a request that takes too long is timed_out, and its statement is cancelled", func(t *testing.T) {
		t.Parallel()
		s := start(t, withoutWorker, within(httpapi.Times{Request: 300 * time.Millisecond}, usual))
		w := s.organization(t)
		body := replace(w)
		release := w.holdPeople()
		before := w.tables()
		w.as(w.Admin, "POST", "/v1/manage-assignments", body).problem(503, "timed_out")
		w.unchanged(before)
		eventually(t, "nothing waits in the database any more", func() bool { return waitingForLocks(t, s.DB.SQL) == 0 })
		release()
		eventually(t, "no connection is kept", func() bool { return s.DB.SQL.Stats().InUse == 0 })
	})

	t.Run("a caller who goes away takes the statement along", func(t *testing.T) {
		t.Parallel()
		s := start(t, withoutWorker)
		w := s.organization(t)
		release := w.holdPeople()
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(replace(w))
		if err != nil {
			t.Fatal(err)
		}
		release()
		release = w.holdPeople()
		if _, err := fmt.Fprintf(connection, "POST /v1/manage-assignments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			w.Admin.Token, len(body), body); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the change waits", func() bool { return waitingForLocks(t, s.DB.SQL) == 1 })
		if err := connection.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it does not any more", func() bool { return waitingForLocks(t, s.DB.SQL) == 0 })
		release()
		eventually(t, "no connection is kept", func() bool { return s.DB.SQL.Stats().InUse == 0 })
		if runs := w.count(`SELECT count(*) FROM runs WHERE organization_id = $1`, w.ID); runs != 0 {
			t.Errorf("%d runs were made", runs)
		}
	})

	t.Run("where no connection is free in time it is too_busy", func(t *testing.T) {
		t.Parallel()
		limits := usual
		limits.Connection = 200 * time.Millisecond
		s := start(t, withoutWorker, within(httpapi.Times{}, limits))
		w := s.organization(t)
		s.DB.SQL.SetMaxOpenConns(1)
		release := w.holdPeople()
		got := w.get(w.Admin, "/v1/me")
		got.problem(503, "too_busy")
		if got.Header.Get("Retry-After") == "" {
			t.Error("it is not told when to try again")
		}
		release()
		w.get(w.Admin, "/v1/me").must(200)
	})

	t.Run("what a transaction holds is taken from it when nothing comes of it", func(t *testing.T) {
		t.Parallel()
		db := start(t, withoutWorker).DB.SQL
		limits := usual
		limits.Idle = 100 * time.Millisecond
		store := postgres.NewStore(db, true)
		store.Bound(limits)
		got := store.InTx(t.Context(), [16]byte{1}, postgres.Working, func(tx *postgres.Tx) error {
			time.Sleep(10 * limits.Idle)
			_, err := tx.OrganizationOf(t.Context())
			return err
		})
		if got == nil || !strings.Contains(got.Error(), "unavailable") {
			t.Errorf("got %v", got)
		}
	})

	t.Run("a request that has been read is not ended by how long reading may take", func(t *testing.T) {
		t.Parallel()
		s := start(t, withoutWorker, func(o *serviceOptions) { o.headers = 300 * time.Millisecond })
		w := s.organization(t)
		queued := w.queueMany(1)[0]
		w.as(w.Admin, "GET", queued.Header.Get("Location"), nil, header{"Prefer", "wait=2"}).must(200)
		body := replace(w)
		release := w.holdPeople()
		time.AfterFunc(2*time.Second, release)
		w.as(w.Admin, "POST", "/v1/manage-assignments", body).must(200)

		request := newRequest(t, s.URL, w.Admin.Token, "GET", "/v1/notifications/stream", nil, nil)
		response, err := http.DefaultClient.Do(request) //nolint:bodyclose // closed below
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		ended := make(chan struct{})
		go func() { defer close(ended); _, _ = io.Copy(io.Discard, response.Body) }()
		select {
		case <-ended:
			t.Error("a stream of notifications was ended")
		case <-time.After(2 * time.Second):
		}
	})
}

// trickle sends the head of a request and then its body, a byte at a time, until it is answered.
func trickle(t testing.TB, address, head string, body string, pause time.Duration) answer {
	t.Helper()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, head); err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range body {
			if _, err := io.WriteString(connection, body[i:i+1]); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}()
	if err := connection.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, bufio.NewReader(connection))
}

// readAnswer reads the next answer of a connection.
func readAnswer(t testing.TB, connection *bufio.Reader) answer {
	t.Helper()
	response, err := http.ReadResponse(connection, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.Close {
		response.Header.Set("Connection", "close") // which net/http takes out
	}
	return answer{t: t, Status: response.StatusCode, Header: response.Header, Body: text}
}

func TestSlowBodies(t *testing.T) {
	t.Parallel()
	times := httpapi.Times{Body: time.Second, Pause: 300 * time.Millisecond}
	s := start(t, withoutWorker, within(times, postgres.UsualLimits))
	w := s.organization(t)
	address := strings.TrimPrefix(s.URL, "http://")
	body := `{"title": "` + strings.Repeat("a", 150) + `"}`
	head := func(extra string) string {
		return "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + w.Admin.Token + "\r\n" + extra + "\r\n"
	}
	slow := func(t *testing.T, got answer) {
		t.Helper()
		checkAgainstContract(t, newRequest(t, s.URL, w.Admin.Token, "POST", "/v1/tasks", body, nil), got)
		got.problem(408, "body_too_slow")
		if got.Header.Get("Connection") != "close" {
			t.Error("the connection is not closed")
		}
	}

	t.Run("a body that trickles is cut", func(t *testing.T) {
		began := time.Now()
		slow(t, trickle(t, address, head(fmt.Sprintf("Content-Length: %d\r\n", len(body))), body, 50*time.Millisecond))
		if took := time.Since(began); took < times.Body {
			t.Errorf("it was cut after %s", took)
		}
	})

	t.Run("so is one that stops coming", func(t *testing.T) {
		slow(t, trickle(t, address, head(fmt.Sprintf("Content-Length: %d\r\n", len(body))), body[:10], 0))
	})

	t.Run("so is one of unknown length", func(t *testing.T) {
		slow(t, trickle(t, address, head("Transfer-Encoding: chunked\r\n"), "5\r\n{\"ti", 0))
	})

	t.Run("a body that comes steadily is taken, and the next request on the connection too", func(t *testing.T) {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		reader := bufio.NewReader(connection)
		for range 3 {
			if _, err := io.WriteString(connection, head(fmt.Sprintf("Content-Length: %d\r\n", len(body)))); err != nil {
				t.Fatal(err)
			}
			for _, piece := range []string{body[:50], body[50:100], body[100:]} {
				time.Sleep(times.Pause / 2)
				if _, err := io.WriteString(connection, piece); err != nil {
					t.Fatal(err)
				}
			}
			readAnswer(t, reader).must(201)
			time.Sleep(2 * times.Body) // longer than a body may take
		}
	})

	t.Run("a compressed body is refused before it is unpacked", func(t *testing.T) {
		w.as(w.Admin, "POST", "/v1/tasks", "\x1f\x8b\x08", header{"Content-Encoding", "gzip"}).problem(415, "unsupported_media_type")
	})
}

// Who asks for a report and does not take it holds a connection of the database no longer than a piece of it may take.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker, within(httpapi.Times{Write: 500 * time.Millisecond}, postgres.UsualLimits))
	w := s.organization(t)
	run := w.finishedRun(w.Admin)
	w.exec(`INSERT INTO run_items (organization_id, run_id, position, kind, item_id, outcome, before_staff_ids, after_staff_ids)
		SELECT organization_id, run_id, n, kind, item_id, outcome, before_staff_ids, after_staff_ids FROM run_items, generate_series(2, 200000) n WHERE organization_id = $1`, w.ID)
	for _, report := range []string{"csv", "json"} {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		if _, err := fmt.Fprintf(connection, "GET /v1/runs/%s/report.%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", run, report, w.Admin.Token); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the report is on its way", func() bool { return s.DB.SQL.Stats().InUse == 1 })
		eventually(t, "it was broken off", func() bool { return s.DB.SQL.Stats().InUse == 0 })
		text, _ := io.ReadAll(connection) // it was reset, perhaps
		if !strings.HasPrefix(string(text), "HTTP/1.1 200") || strings.HasSuffix(string(text), "0\r\n\r\n") {
			t.Errorf("%s: the report looks whole: %d bytes", report, len(text))
		}
	}
	w.get(w.Admin, "/v1/runs/"+run.String()+"/items?limit=1").must(200)
}
