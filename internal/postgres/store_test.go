package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
	"handover/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// Keeping a statement prepared must never wait for a connection while holding one: with all connections in transactions
// everybody would wait for everybody.
func TestFullPool(t *testing.T) {
	t.Parallel()
	for name, connections := range map[string]int{"one connection": 1, "fewer connections than requests": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := testdb.New(t).SQL
			db.SetMaxOpenConns(connections)
			store := postgres.NewStore(db, true)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var group sync.WaitGroup
			for range 24 {
				group.Go(func() {
					err := store.InTx(ctx, domain.OrganizationID(uuid.Must(uuid.NewV7())), postgres.Working, func(tx *postgres.Tx) error {
						_, err := tx.APITokens(ctx, domain.Caller{}, nil, domain.Page{Limit: 1})
						return err
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
		})
	}
}

// However many requests of one organization wait, another finds a connection at once.
func TestOneOrganizationDoesNotTakeAllConnections(t *testing.T) {
	t.Parallel()
	db := testdb.New(t).SQL
	db.SetMaxOpenConns(4)
	store := postgres.NewStore(db, true)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	noisy, quiet := domain.OrganizationID(uuid.Must(uuid.NewV7())), domain.OrganizationID(uuid.Must(uuid.NewV7()))
	enough, held := make(chan struct{}), make(chan struct{}, 10)
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			err := store.InTx(ctx, noisy, postgres.Working, func(*postgres.Tx) error {
				held <- struct{}{}
				<-enough
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		<-held
	}
	began := time.Now()
	if err := store.InTx(ctx, quiet, postgres.Working, func(*postgres.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("another organization waited for %s", took)
	}
	close(enough)
	group.Wait()
}

// A short statement is planned once for each connection, whichever transaction sends it; behind a pooler it never is.
func TestKeptStatements(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]bool{"kept": true, "behind a pooler": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := testdb.New(t).SQL
			db.SetMaxOpenConns(1)
			store := postgres.NewStore(db, kept)
			for range 3 {
				err := store.InTx(t.Context(), domain.OrganizationID(uuid.Must(uuid.NewV7())), postgres.Working, func(tx *postgres.Tx) error {
					_, err := tx.APITokens(t.Context(), domain.Caller{}, nil, domain.Page{Limit: 1})
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			var prepared []int
			if err := db.SelectContext(t.Context(), &prepared, `SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement LIKE '%api_tokens%'`); err != nil {
				t.Fatal(err)
			}
			if want := map[bool]int{true: 1, false: 0}[kept]; len(prepared) != want || kept && prepared[0] != 3 {
				t.Errorf("statements about tokens have been carried out %v times prepared", prepared)
			}
		})
	}
}
