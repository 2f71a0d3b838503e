package postgres_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
	"handover/internal/testdb"
)

// A database that stands still, or is cut off without a word, answers nothing: no statement, and not that it is to be cancelled.
// Whoever waits for it goes all the same when their time is over, and what comes later finds a connection.
func TestDatabaseThatStandsStill(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	w, address := wireTo(t, db.URL)
	pool, err := postgres.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(2)
	store := postgres.NewStore(pool, true)
	organization := domain.OrganizationID(uuid.Max)
	read := func(ctx context.Context, before func()) error {
		return store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
			before()
			_, err := tx.APITokens(ctx, domain.Caller{}, nil, domain.Page{Limit: 1})
			return err
		})
	}
	for what, ask := range map[string]func(context.Context) error{
		"in the middle of a transaction": func(ctx context.Context) error { return read(ctx, w.stall) },
		"before a transaction":           func(ctx context.Context) error { w.stall(); return read(ctx, func() {}) },
		"outside of transactions": func(ctx context.Context) error {
			w.stall()
			return pool.GetContext(ctx, new(int), `SELECT 1`)
		},
		"while connecting": func(ctx context.Context) error {
			pool.SetMaxIdleConns(0) // closes those that are idle
			defer pool.SetMaxIdleConns(2)
			w.stall()
			return read(ctx, func() {})
		},
	} {
		if err := read(t.Context(), func() {}); err != nil {
			t.Fatalf("%s: before: %v", what, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		answered := make(chan error, 1)
		go func() { answered <- ask(ctx) }()
		select {
		case err := <-answered:
			if err == nil {
				t.Errorf("%s: it was answered", what)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: it hangs", what)
		}
		cancel()
		w.flow()
	}
	if err := read(t.Context(), func() {}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if open := pool.Stats().InUse; open != 0 {
		t.Errorf("%d connections are still held", open)
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
}

// wire carries connections to a database, unless it is told to carry nothing.
type wire struct {
	lock    sync.Mutex
	flows   *sync.Cond
	stalled bool
}

func wireTo(t *testing.T, database string) (*wire, string) {
	t.Helper()
	at, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	target := at.Host
	at.Host = listener.Addr().String()
	w := &wire{}
	w.flows = sync.NewCond(&w.lock)
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := new(net.Dialer).DialContext(context.Background(), "tcp", target)
			if err != nil {
				_ = near.Close()
				continue
			}
			go w.carry(near, far)
			go w.carry(far, near)
		}
	}()
	return w, at.String()
}

func (w *wire) carry(from, to net.Conn) {
	defer func() { _ = to.Close() }()
	_, _ = io.Copy(to, io.TeeReader(from, w))
}

// Write waits while nothing is carried.
func (w *wire) Write(data []byte) (int, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	for w.stalled {
		w.flows.Wait()
	}
	return len(data), nil
}

func (w *wire) stall() { w.set(true) }
func (w *wire) flow()  { w.set(false) }

func (w *wire) set(stalled bool) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.stalled = stalled
	w.flows.Broadcast()
}
