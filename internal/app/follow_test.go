package app_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"handover/internal/app"
	"handover/internal/domain"
	"handover/internal/postgres"
	"handover/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// following is an organization whose administrator follows their notifications.
type following struct {
	db    *testdb.DB
	token string
	alive atomic.Int64
	ended chan error
	stop  context.CancelFunc
}

func follow(t *testing.T) *following {
	t.Helper()
	db := testdb.New(t)
	service := app.New(postgres.NewStore(db.SQL, true), nil, time.Now, slog.New(slog.DiscardHandler))
	service.Hurry(50*time.Millisecond, 100*time.Millisecond)
	created, err := service.CreateOrganization(t.Context(), app.NewOrganization{Name: "Harbour", TimeZone: "America/Toronto", AdminEmail: "ada@harbour.example"})
	if err != nil {
		t.Fatal(err)
	}
	caller, err := service.Authenticate(t.Context(), created.Token, "")
	if err != nil {
		t.Fatal(err)
	}
	f := &following{db: db, token: created.Token, ended: make(chan error, 1)}
	ctx, stop := context.WithCancel(t.Context())
	f.stop = stop
	t.Cleanup(stop)
	go func() {
		f.ended <- service.FollowNotifications(ctx, caller, nil, app.Stream{
			Tell:     func([]domain.Notification) error { return nil },
			SayAlive: func() error { f.alive.Add(1); return nil },
			Caller:   func(ctx context.Context) (domain.Caller, error) { return service.Authenticate(ctx, f.token, "") },
		})
	}()
	deadline := time.Now().Add(10 * time.Second)
	for f.alive.Load() < 4 { // past several looks whether it may be had
		if time.Now().After(deadline) {
			t.Fatal("the stream says nothing")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return f
}

func (f *following) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-f.ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("the stream goes on")
		return nil
	}
}

func TestEndOfFollowing(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"a token that is revoked":                 `UPDATE api_tokens SET revoked_at = now()`,
		"a token that has expired":                `UPDATE api_tokens SET expires_at = now()`,
		"a staff member who is deactivated":       `UPDATE staff SET status = 'deactivated'`,
		"a staff member who has lost their token": `DELETE FROM api_tokens`,
	} {
		t.Run("D2 "+name+" ends the stream", func(t *testing.T) {
			t.Parallel()
			f := follow(t)
			if _, err := f.db.SQL.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
			var refusal *domain.Error
			if err := f.end(t); !errors.As(err, &refusal) || refusal.Code != domain.CodeUnauthenticated {
				t.Fatalf("got %v", err)
			}
		})
	}
	t.Run("D2 a reader who goes ends the stream, without an error", func(t *testing.T) {
		t.Parallel()
		f := follow(t)
		f.stop()
		if err := f.end(t); err != nil {
			t.Fatal(err)
		}
	})
}
