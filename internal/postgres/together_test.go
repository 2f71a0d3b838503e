package postgres_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/atonce"
	"handover/internal/domain"
	"handover/internal/postgres"
	"handover/internal/testdb"
)

// What is to leave together with COMMIT leaves with it, once, and with nothing else.
func TestCommitTogetherWith(t *testing.T) {
	t.Parallel()
	db := testdb.New(t).SQL
	db.SetMaxOpenConns(1)
	store := postgres.NewStore(db, true)
	inTx := func(ctx context.Context, work func(*postgres.Tx) error) error {
		return store.InTx(ctx, domain.OrganizationID(uuid.Must(uuid.NewV7())), postgres.Working, work)
	}
	none := func(*postgres.Tx) error { return nil }
	wrong := errors.New("something is wrong")
	for _, test := range []struct {
		name string
		work func(ctx context.Context, tx *postgres.Tx, cancel func()) error
		left bool
	}{
		{"committed", func(context.Context, *postgres.Tx, func()) error { return nil }, true},
		{"undone", func(context.Context, *postgres.Tx, func()) error { return wrong }, false},
		{"given up", func(_ context.Context, _ *postgres.Tx, cancel func()) error { cancel(); return nil }, false},
		{"failed", func(ctx context.Context, tx *postgres.Tx, _ func()) error {
			_, err := tx.ExecContext(ctx, `SELECT 1 / 0`)
			if err == nil {
				t.Error("nothing has failed")
			}
			return nil
		}, false},
		{"cut", func(ctx context.Context, tx *postgres.Tx, _ func()) error {
			_, err := tx.ExecContext(ctx, `SET LOCAL idle_in_transaction_session_timeout = '10ms'`)
			time.Sleep(100 * time.Millisecond)
			return err
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			held, other := connected(t)
			held.Hold()
			if _, err := io.WriteString(held, "end"); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err := inTx(ctx, func(tx *postgres.Tx) error {
				tx.CommitTogetherWith(held)
				return test.work(ctx, tx, cancel)
			})
			if (err == nil) != test.left || held.Left() != test.left {
				t.Errorf("got %v; the end has left: %t", err, held.Left())
			}
			if err := inTx(t.Context(), none); err != nil {
				t.Error(err)
			}
			want := map[bool]string{true: "end", false: ""}[test.left]
			_ = other.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			if got, err := io.ReadAll(other); string(got) != want {
				t.Errorf("%q has left: %v", got, err)
			}
		})
	}
}

func connected(t *testing.T) (*atonce.Conn, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // nothing to wait for
	if err != nil {
		t.Fatal(err)
	}
	made, err := atonce.Dialer{}.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = made.Close(), other.Close(), listener.Close() })
	held, ok := made.(*atonce.Conn)
	if !ok {
		t.Fatal("the dialer has made another connection")
	}
	return held, other
}
