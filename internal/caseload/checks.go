package caseload

import (
	"context"
	"fmt"
)

// check holds the files against each other and against the database, once they are all staged.
func (l *load) check(ctx context.Context) error {
	l.tell("checking")
	for _, f := range l.present {
		if f.keyed() {
			if err := l.checkUnique(ctx, f); err != nil {
				return fmt.Errorf("look for external ids that are there twice in %s: %w", f.name, err)
			}
		}
	}
	if err := l.learnKeys(ctx); err != nil {
		return err
	}
	for _, f := range l.present {
		for _, column := range f.columns {
			if column.refers == nil || l.lostRowsOf(column.refers) {
				continue
			}
			if err := l.checkReferences(ctx, f, column); err != nil {
				return fmt.Errorf("check %s in %s: %w", column.name, f.name, err)
			}
		}
	}
	return l.checkStaff(ctx)
}

// lostRowsOf tells whether what is missing may stand in a row that could not be read.
func (l *load) lostRowsOf(k *keys) bool {
	for f := range l.problems.lost {
		if f.name == k.file {
			return true
		}
	}
	return false
}

// checkRow is a problem that a check found: the lines come in order, at most maxBadRows of them, with the count of all.
type checkRow struct {
	Line  int    `db:"line"`
	Value string `db:"value"`
	Count int    `db:"count"`
}

// report runs a check, a query for line and value, and notes what it found. text makes a sentence of the value.
func (l *load) report(ctx context.Context, f *file, column, query string, text func(value string) string, args ...any) error {
	var found []checkRow
	if err := l.tx.SelectContext(ctx, &found, fmt.Sprintf(
		`SELECT found.line, found.value, count(*) OVER () AS count FROM (%s) AS found (line, value) ORDER BY found.line LIMIT %d`, query, maxBadRows), args...); err != nil {
		return err
	}
	if len(found) == 0 {
		return nil
	}
	problems := make([]foundProblem, len(found))
	for i, row := range found {
		problems[i] = foundProblem{f, row.Line, column, text(row.Value)}
	}
	l.problems.addRows(problems, found[0].Count)
	return nil
}

func (l *load) checkUnique(ctx context.Context, f *file) error {
	return l.report(ctx, f, externalID, `
		SELECT s.line, twice.first::text
		FROM (SELECT external_id, min(line) AS first FROM `+f.table+` GROUP BY external_id HAVING count(external_id) > 1) twice
		JOIN `+f.table+` s ON s.external_id = twice.external_id AND s.line > twice.first`,
		func(first string) string { return "is on line " + first + " already" })
}

func (l *load) checkReferences(ctx context.Context, f *file, column column) error {
	query := `SELECT s.line, s.` + column.name + ` FROM ` + f.table + ` s
		LEFT JOIN ` + column.refers.table + ` k ON k.external_id = s.` + column.name + `
		WHERE s.` + column.name + ` IS NOT NULL AND k.id IS NULL`
	if column.many {
		query = `SELECT s.line, m.unknown FROM ` + f.table + ` s JOIN staff_lists m ON m.names = s.` + column.name + ` WHERE m.unknown IS NOT NULL`
	}
	return l.report(ctx, f, column.name, query, func(value string) string {
		return fmt.Sprintf("there is no %s %s, neither in %s nor in the organization", column.refers.thing, quote(value), column.refers.file)
	})
}

// checkStaff holds the staff of the file against those that stay beside them.
func (l *load) checkStaff(ctx context.Context) error {
	organization := l.tx.Organization.String()
	if err := l.report(ctx, staffFile, "email", `
		SELECT s.line, twice.first::text
		FROM (SELECT lower(email) AS address, min(line) AS first FROM staged_staff GROUP BY lower(email) HAVING count(email) > 1) twice
		JOIN staged_staff s ON lower(s.email) = twice.address AND s.line > twice.first`,
		func(first string) string { return "is the address of line " + first + " already" }); err != nil {
		return fmt.Errorf("look for email addresses that are there twice: %w", err)
	}
	if err := l.report(ctx, staffFile, "email", `
		SELECT n.line, n.email
		FROM staged_staff n
		JOIN staff s ON s.organization_id = $1 AND s.email_normalized = lower(n.email) AND s.external_id IS DISTINCT FROM n.external_id
		WHERE NOT EXISTS (SELECT FROM staged_staff other WHERE other.external_id = s.external_id)`,
		func(address string) string { return quote(address) + " is the address of another staff member" }, organization); err != nil {
		return fmt.Errorf("look for email addresses that are taken: %w", err)
	}
	if err := l.report(ctx, staffFile, "role", `
		WITH administrator AS (SELECT external_id FROM staff WHERE organization_id = $1 AND role = 'administrator' AND status = 'active')
		SELECT n.line, '' FROM staged_staff n JOIN administrator a ON a.external_id = n.external_id
		WHERE NOT EXISTS (SELECT FROM staged_staff s WHERE s.role = 'administrator' AND s.status = 'active')
			AND NOT EXISTS (SELECT FROM administrator a WHERE NOT EXISTS (SELECT FROM staged_staff s WHERE s.external_id = a.external_id))`,
		func(string) string {
			return "is of the last active administrators; the organization would be left with none"
		}, organization); err != nil {
		return fmt.Errorf("look for administrators: %w", err)
	}
	return nil
}
