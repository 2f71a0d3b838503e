package caseload

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// statement is one step of a merge. Its first parameter is the organization; with now, the second is the time.
type statement struct {
	doing string // for the progress
	table string // what it writes; empty for temporary tables
	query string
	now   bool
	count func(written int64)

	asOwner bool // of the tables: without parameters, and no step of its own
}

// merge writes what the staged files say as sets, each in a fixed number of statements whatever its size.
//
// What is wanted is told apart into what is new, what changes and what is there already; only what changes is locked:
// people first, then tasks, each in the order of their ids, as bulk changes do it. What somebody else made of a row
// between the two is overwritten, as if they had come first; what changed of a row that was there already comes after. What
// belongs to CaMS is left as it is.
func (l *load) merge(ctx context.Context) error {
	var compare, write, record []statement
	for _, k := range kinds {
		compare = append(compare, statement{doing: "comparing " + k.things, query: k.want}, statement{query: "ANALYZE " + k.wanted})
	}
	compare = append(append(compare, lockStatements...), keepOwned)
	for _, k := range kinds {
		if k.subject != "" {
			compare = append(compare, k.remember())
			record = append(record, k.audit(l.counts[k.file])...)
		}
	}
	steps := int64(len(compare) + len(record))
	for _, k := range kinds {
		steps += int64(len(k.writes))
	}
	if err := l.runAll(ctx, compare, steps); err != nil {
		return err
	}
	eachRow, err := l.lockReferences(ctx)
	if err != nil {
		return fmt.Errorf("lock what is referred to: %w", err)
	}
	for _, k := range kinds {
		write = append(write, k.write(l.counts[k.file], eachRow)...)
	}
	if err := l.runAll(ctx, append(write, record...), steps); err != nil {
		return err
	}
	for _, count := range l.counts {
		count.Unchanged = max(count.Rows-count.Created-count.Updated, 0)
	}
	return nil
}

func (l *load) runAll(ctx context.Context, statements []statement, steps int64) error {
	for _, s := range statements {
		if s.asOwner {
			if err := l.asOwner(ctx, s.query); err != nil {
				return fmt.Errorf("%s: %w", s.query, err)
			}
			continue
		}
		l.step++
		if s.doing != "" {
			l.options.Progress(Progress{Doing: s.doing, Done: l.step, Total: steps})
		}
		var args []any
		if strings.Contains(s.query, "$1") {
			args = append(args, l.tx.Organization.String())
		}
		if s.now {
			args = append(args, l.now)
		}
		written, err := l.exec(ctx, s.query, args...)
		if err != nil {
			return fmt.Errorf("%s: %w", cmp.Or(s.doing, s.query), err)
		}
		l.touched[s.table] += written
		if s.count != nil {
			s.count(written)
		}
	}
	return nil
}

func (l *load) tell(doing string) { l.options.Progress(Progress{Doing: doing}) }

// kind is how one kind of thing is merged.
type kind struct {
	file    *file
	things  string // "people"
	subject string // as the audit trail names it; empty where the trail tells it of something else
	table   string
	wanted  string // the temporary table of what the file says
	want    string // fills it
	changed string // a query for id and audit_id of what is there and changes
	writes  []statement
	counts  []func(*FileResult, int64) // what the row count of each of writes means; nil for nothing

	// fields are the fields that the audit trail shows, as a jsonb expression over a row of the table, or over one of wanted.
	fields func(row, staff string) string
	staff  string // the staff on its seats: an expression over a row of the table, called r
}

// kinds are in the order that they can be written in: what is referred to comes first.
var kinds = []*kind{staffKind, peopleKind, assignmentsKind, mattersKind, tasksKind, eventsKind}

// writtenTables are those that an import may write many rows to.
var writtenTables = []string{
	"staff", "people", "person_words", "assignments", "matters", "tasks", "task_assignees",
	"calendar_events", "calendar_event_attendees", "audit_events",
}

// mergeTables make the temporary tables of keys, of what is wanted, and of what was there before.
var mergeTables = []string{
	temporary("staff_keys", "external_id text", "id uuid", "is_new boolean"),
	temporary("person_keys", "external_id text", "id uuid", "is_new boolean"),
	temporary("matter_keys", "external_id text", "id uuid", "is_new boolean"),
	temporary("staff_lists", "names text", "staff_ids uuid[]", "unknown text"),
	temporary("wanted_staff", "id uuid", "audit_id uuid", "is_new boolean", "is_changed boolean", "external_id text",
		"first_name text", "last_name text", "email text", "role text", "status text", "permissions text[]"),
	temporary("wanted_people", "id uuid", "audit_id uuid", "is_new boolean", "is_changed boolean", "external_id text",
		"kind text", "status text", "first_name text", "last_name text", "email text", "phone text", "words text[]"),
	temporary("wanted_assignments", "person_id uuid", "audit_id uuid", "is_new boolean", "is_changed boolean", "staff_ids uuid[]"),
	temporary("wanted_matters", "id uuid", "audit_id uuid", "is_new boolean", "is_changed boolean", "external_id text",
		"number text", "description text", "status text", "visibility text", "responsible_staff_id uuid", "client_id uuid"),
	temporary("wanted_tasks", "id uuid", "audit_id uuid", "is_new boolean", "is_changed boolean", "external_id text",
		"title text", "details text", "status text", "due_on date", "person_id uuid", "matter_id uuid", "staff_ids uuid[]"),
	temporary("wanted_events", "id uuid", "audit_id uuid", "is_new boolean", "is_changed boolean", "external_id text",
		"title text", "starts_at timestamptz", "ends_at timestamptz", "owner_staff_id uuid", "matter_id uuid", "staff_ids uuid[]"),
	temporary("previous", "subject_kind text", "id uuid", "fields jsonb"),
}

func (k *kind) changedRows() string {
	if k.changed != "" {
		return k.changed
	}
	return "SELECT id, audit_id FROM " + k.wanted + " WHERE is_changed"
}

// remember keeps what was there before, once it is locked.
func (k *kind) remember() statement {
	return statement{doing: "remembering " + k.things, query: `
		INSERT INTO previous (subject_kind, id, fields)
		SELECT '` + k.subject + `', r.id, ` + k.fields("r", k.staff) + `
		FROM (` + k.changedRows() + `) changed JOIN ` + k.table + ` r ON r.organization_id = $1 AND r.id = changed.id`}
}

// write is what writes the rows of a kind. Where foreign keys check each row, they are told of its table.
func (k *kind) write(into *FileResult, eachRow bool) []statement {
	statements := make([]statement, 0, len(k.writes)+1)
	for i, s := range k.writes {
		s.doing = "writing " + k.things
		if count := k.counts[i]; count != nil && into != nil {
			s.count = func(written int64) { count(into, written) }
		}
		statements = append(statements, s)
		if last := i == len(k.writes)-1; eachRow && s.table == k.table && (last || k.writes[i+1].table != k.table) {
			statements = append(statements, analyzing(k.table))
		}
	}
	return statements
}

const auditColumns = `INSERT INTO audit_events (organization_id, id, occurred_at, action, subject_kind, subject_id, before, after) `

// audit records what was created, and what is now other than it was (D1).
func (k *kind) audit(into *FileResult) []statement {
	action := "'" + k.subject + ".imported', '" + k.subject + "'"
	rows, staff := k.wanted+" r", "r.staff_ids"
	if k == peopleKind {
		rows, staff = rows+" LEFT JOIN wanted_assignments a ON a.person_id = r.id", "coalesce(a.staff_ids, '{}')"
	}
	created := statement{doing: "recording new " + k.things, table: "audit_events", now: true, query: auditColumns + `
		SELECT $1, r.audit_id, $2, ` + action + `, r.id, NULL, ` + k.fields("r", staff) + `
		FROM ` + rows + ` WHERE r.is_new`}
	changed := statement{doing: "recording changed " + k.things, table: "audit_events", now: true, query: auditColumns + `
		SELECT $1, now.audit_id, $2, ` + action + `, now.id, now.before, now.after
		FROM (
			SELECT changed.audit_id, r.id, previous.fields AS before, ` + k.fields("r", k.staff) + ` AS after
			FROM (` + k.changedRows() + `) changed
			JOIN previous ON previous.subject_kind = '` + k.subject + `' AND previous.id = changed.id
			JOIN ` + k.table + ` r ON r.organization_id = $1 AND r.id = changed.id
			OFFSET 0 -- so that the fields are put together once for a row, not for each place they are used at
		) now
		WHERE now.after <> now.before`}
	if into != nil && k != peopleKind { // whose row may be the same where their staff is not
		changed.count = func(written int64) { into.Updated += written }
	}
	return []statement{created, changed}
}
