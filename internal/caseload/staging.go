package caseload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/domain"
)

// stage streams a file into its temporary table: a row's line, its values as text, and the ids that it and its row in
// the audit trail get if it is new.
func (l *load) stage(ctx context.Context, f *file) (err error) {
	opened, err := l.open(f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	if opened.order == nil {
		return nil
	}
	into, err := l.tx.PrepareContext(ctx, "COPY "+f.table+" ("+strings.Join(f.stagedColumns(), ", ")+") FROM STDIN")
	if err != nil {
		return fmt.Errorf("begin to copy: %w", err)
	}
	defer func() { err = errors.Join(err, into.Close()) }()
	cells, values := make([]cell, len(f.columns)), make([]any, len(f.stagedColumns()))
	for ctx.Err() == nil {
		err := opened.cells(cells)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := f.stagedRow(values, opened.line, cells); err != nil {
			return err
		}
		if _, err := into.ExecContext(ctx, values...); err != nil {
			return fmt.Errorf("copy: %w", err)
		}
		l.counts[f].Rows++
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, err := into.ExecContext(ctx); err != nil {
		return fmt.Errorf("end to copy: %w", err)
	}
	if _, err := l.tx.ExecContext(ctx, "ANALYZE "+f.table); err != nil {
		return fmt.Errorf("gather statistics: %w", err)
	}
	return nil
}

func (f *file) stagedColumns() []string {
	columns := append([]string{"line", "id", "audit_id"}, f.columnNames()...)
	if f.search != nil {
		columns = append(columns, "words")
	}
	return columns
}

// stagedRow fills values for stagedColumns.
func (f *file) stagedRow(values []any, line int, cells []cell) error {
	for i := range 2 {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make an id: %w", err)
		}
		values[1+i] = id.String()
	}
	values[0] = int64(line)
	for i, cell := range cells {
		values[3+i] = nil
		if cell.set {
			values[3+i] = cell.value
		}
	}
	if f.search != nil {
		texts := make([]string, len(f.search))
		for i, column := range f.search {
			texts[i] = cells[f.find(column)].value
		}
		words, err := pq.Array(append([]string{}, domain.SearchWords(texts...)...)).Value()
		if err != nil {
			return fmt.Errorf("encode search words: %w", err)
		}
		values[len(values)-1] = words
	}
	return nil
}

// stagingTable is the statement that makes a file's temporary table. All files have one, so that those that are not
// there are as good as empty.
func (f *file) stagingTable() string {
	columns := []string{"line integer NOT NULL", "id uuid NOT NULL", "audit_id uuid NOT NULL"}
	for _, column := range f.columns {
		columns = append(columns, column.name+" text")
	}
	if f.search != nil {
		columns = append(columns, "words text[] NOT NULL")
	}
	return temporary(f.table, columns...)
}

func temporary(table string, columns ...string) string {
	return "CREATE TEMPORARY TABLE " + table + " (" + strings.Join(columns, ", ") + ") ON COMMIT DROP"
}

func temporaryTables() []string {
	var tables []string
	for _, f := range allFiles {
		tables = append(tables, f.stagingTable())
	}
	return append(tables, mergeTables...)
}
