package postgres_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"handover/internal/domain"
	"handover/internal/postgres"
	"handover/internal/testdb"
)

// A statement is a span that says what is done to which table. No value stands in it, not even those that a transaction begins with.
func TestStatementsAreSpans(t *testing.T) {
	t.Parallel()
	db := testdb.New(t).SQL
	exporter := tracetest.NewInMemoryExporter()
	ctx, root := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)).Tracer("test").Start(t.Context(), "root")
	organization := domain.OrganizationID(uuid.Must(uuid.NewV7()))
	store := postgres.NewStore(db, true)
	err := store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		for _, statement := range []string{
			`SELECT $1::text FROM unnest(ARRAY[1]) AS n JOIN people p ON p.organization_id IS NULL`,
			`WITH found AS (SELECT id FROM tasks WHERE title = $1 FOR NO KEY UPDATE OF tasks) SELECT 'canary-literal' FROM found`,
			`UPDATE staff SET first_name = $1 WHERE id IS NULL`,
			`SELECT set_config('handover.canary', $1, true)`,
		} {
			if _, err := tx.ExecContext(tx.KeepPrepared(ctx), statement, "canary-value"); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)
	refused := store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO staff (first_name) VALUES ($1)`, "canary-value")
		return err
	})
	require.Error(t, refused)
	root.End()

	var names []string
	for _, span := range exporter.GetSpans() {
		if span.Name != "root" {
			names = append(names, span.Name)
			assert.Equal(t, root.SpanContext().SpanID(), span.Parent.SpanID(), span.Name)
		}
		if span.Name == "INSERT staff" {
			assert.Contains(t, span.Attributes[len(span.Attributes)-1].Value.AsString(), "42501", "what the database says of it: row-level security")
		}
	}
	assert.Equal(t, []string{"BEGIN", "SELECT people", "SELECT tasks", "UPDATE staff", "SELECT", "COMMIT", "BEGIN", "INSERT staff", "ROLLBACK"}, names)
	told, err := json.Marshal(exporter.GetSpans())
	require.NoError(t, err)
	assert.NotContains(t, string(told), "canary")
	assert.NotContains(t, string(told), organization.String())

	t.Run("and none where nobody traces", func(t *testing.T) {
		exporter.Reset()
		require.NoError(t, store.InTx(t.Context(), organization, postgres.Working, func(*postgres.Tx) error { return nil }))
		assert.Empty(t, exporter.GetSpans())
	})
	t.Run("what is done once a transaction is committed is not done for one that is undone", func(t *testing.T) {
		var done strings.Builder
		_ = store.InTx(t.Context(), organization, postgres.Working, func(tx *postgres.Tx) error {
			tx.OnCommit(func() { done.WriteString("undone") })
			return assert.AnError
		})
		require.NoError(t, store.InTx(t.Context(), organization, postgres.Working, func(tx *postgres.Tx) error {
			tx.OnCommit(func() { done.WriteString("committed") })
			return nil
		}))
		assert.Equal(t, "committed", done.String())
	})
}
