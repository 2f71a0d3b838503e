package crash

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/app"
	"handover/internal/domain"
	"handover/internal/httpapi"
	"handover/internal/invariants/watch"
	"handover/internal/postgres"
	"handover/internal/testdb"
	"handover/internal/worker"
)

// small is a service without a worker within the test, whose connections can be cut at any statement.
type small struct {
	*caseload
	service *process
	app     *app.App
	watch   *watch.Watch
}

func newSmall(t testing.TB) *small {
	t.Helper()
	db := testdb.New(t)
	watched, eye, err := watch.Open(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = watched.Close() })
	log := slog.New(slog.DiscardHandler)
	queue, err := worker.NewQueue(watched.DB, log)
	if err != nil {
		t.Fatal(err)
	}
	application := app.New(postgres.NewStore(watched, true), queue, time.Now, log)
	server := httptest.NewServer(httpapi.New(application, httpapi.Options{Log: log}))
	t.Cleanup(server.Close)
	return &small{newCaseload(t, db.SQL, 12, 4), &process{URL: server.URL}, application, eye}
}

// everyCut calls try for each statement that its work sends, cut before it is sent and cut before its answer arrives, until
// there is none left to cut. It tells how many there were.
func everyCut(t *testing.T, try func(t *testing.T, cut func(work func()) bool) bool, eye *watch.Watch) (statements int) {
	t.Helper()
	for _, late := range []bool{false, true} {
		for at := 0; ; at++ {
			came := true
			t.Run(fmt.Sprintf("late %t at %d", late, at), func(t *testing.T) {
				came = try(t, func(work func()) bool { return eye.CutAt(at, late, work) })
			})
			if !came || t.Failed() {
				break
			}
			statements++
		}
	}
	return statements
}

// A14: a connection that is lost at any statement of a change, or after it, leaves the change whole or absent. The caller
// is told to repeat the request, and with its key it is made once.
func TestCutAtEveryStatement(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	cuts := everyCut(t, func(t *testing.T, cut func(func()) bool) bool {
		s.snapshot(t)
		change := s.moveEverybody(false)
		var got answer
		came := cut(func() { got = s.service.send(t.Context(), change) })
		if got.status != http.StatusOK && (got.status != http.StatusServiceUnavailable || got.code != "unavailable" || got.retryAfter == "") {
			t.Fatalf("got status %d: %s", got.status, got.text)
		}
		all, succeeded := s.runs(t)
		if all != succeeded || all > 1 || got.status == http.StatusOK && all == 0 {
			t.Fatalf("%d runs, of which %d succeeded", all, succeeded)
		}
		s.acknowledged(s.large.ID, got)
		s.check(t, all == 1)
		again := s.service.insist(t, change)
		s.acknowledged(s.large.ID, again)
		if again.replayed != (all == 1) {
			t.Fatalf("the change was there: %t; its answer was a stored one: %t", all == 1, again.replayed)
		}
		s.check(t, true)
		if all, _ := s.runs(t); all != 1 {
			t.Fatalf("the change was made %d times", all)
		}
		return came
	}, s.watch)
	if cuts < 30 {
		t.Errorf("only %d cuts", cuts)
	}
}

// The same while a worker carries the run out: the run never fails for it, and the next attempt finishes it.
func TestCutWorkerAtEveryStatement(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	cuts := everyCut(t, func(t *testing.T, cut func(func()) bool) bool {
		s.snapshot(t)
		queued := s.service.insist(t, s.moveEverybody(true))
		s.acknowledged(s.large.ID, queued)
		job := s.job(t, queued.run)
		var err error
		came := cut(func() { err = s.app.CarryOutRun(t.Context(), job, completed) })
		status := s.status(t, queued.run)
		if status == "failed" || err == nil && status != "succeeded" {
			t.Fatalf("the run is %s after %v", status, err)
		}
		eventually(t, finishesWithin, "the next attempt may work", func() bool {
			err := s.app.CarryOutRun(t.Context(), job, completed)
			if err != nil && !errors.Is(err, app.ErrRunTaken) { // the cut connection may not have noticed yet
				t.Fatal(err)
			}
			return err == nil
		})
		s.finished(t, queued.run)
		return came
	}, s.watch)
	if cuts < 30 {
		t.Errorf("only %d cuts", cuts)
	}
}

// brokenReader is somebody who stops reading a report in the middle.
type brokenReader struct{}

func (brokenReader) Begin(domain.Run, map[uuid.UUID]string) error { return nil }

func (brokenReader) Item(domain.RunItem) error {
	return &net.OpError{Op: "write", Err: syscall.EPIPE}
}

func (brokenReader) End() error { return nil }

// Who reads a report may go away: that is not the database.
func TestLostReader(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	made := s.service.insist(t, s.moveEverybody(false))
	caller := domain.Caller{Organization: domain.OrganizationID(s.large.ID), StaffID: s.large.Admin, Role: domain.RoleAdministrator}
	run, err := s.app.Run(t.Context(), caller, made.run)
	if err != nil {
		t.Fatal(err)
	}
	err = s.app.WriteReport(t.Context(), caller, run, brokenReader{})
	var refusal *domain.Error
	if err == nil || errors.As(err, &refusal) {
		t.Errorf("got %v", err)
	}
}
