package postgres

import (
	"context"
	"database/sql/driver"
	"regexp"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"handover/internal/telemetry"
)

// startStatement begins the span of a statement. It tells what is done to which table; the text is left out, since what begins
// a transaction names an organization in it, and the values always are.
func startStatement(ctx context.Context, text string) trace.Span {
	operation, table := summary(text)
	attributes := make([]attribute.KeyValue, 0, 3)
	attributes = append(attributes, attribute.String("db.system.name", "postgresql"), attribute.String("db.operation.name", operation))
	name := operation
	if table != "" {
		name += " " + table
		attributes = append(attributes, attribute.String("db.collection.name", table))
	}
	_, span := telemetry.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	return span
}

var (
	writing = regexp.MustCompile(`\b(INSERT INTO|UPDATE|DELETE FROM)\s+([a-z_."]+)`)
	reading = regexp.MustCompile(`\b(?:FROM|JOIN)\s+([a-z_."]+)`)
	verb    = regexp.MustCompile(`\b(SELECT|BEGIN|COMMIT|ROLLBACK|SET|SHOW|COPY|CREATE|LOCK)\b`)
)

// summary is what a statement does, and to which table: the first that it writes, or else the first that it reads.
func summary(text string) (operation, table string) {
	if found := writing.FindStringSubmatch(text); found != nil {
		operation, _, _ = strings.Cut(found[1], " ")
		return operation, strings.ReplaceAll(found[2], `"`, "")
	}
	if operation = verb.FindString(text); operation == "" {
		operation = "OTHER"
	}
	for _, found := range reading.FindAllStringSubmatchIndex(text, -1) {
		if name := text[found[2]:found[3]]; name != "unnest" && !strings.HasPrefix(text[found[3]:], "(") {
			return operation, name
		}
	}
	return operation, ""
}

// tracedEnd is a transaction whose end is a span: it may wait for the disk.
type tracedEnd struct {
	driver.Tx
	ctx context.Context
}

// Commit ends the transaction.
func (t tracedEnd) Commit() error {
	span := startStatement(t.ctx, "COMMIT")
	err := t.Tx.Commit()
	telemetry.End(span, err)
	return err
}

// Rollback undoes it.
func (t tracedEnd) Rollback() error {
	span := startStatement(t.ctx, "ROLLBACK")
	err := t.Tx.Rollback()
	telemetry.End(span, err)
	return err
}
