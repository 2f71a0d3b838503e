package invariants

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"handover/internal/domain"
)

// Snapshot is a state of the database that a later one is held against.
type Snapshot struct {
	tables map[tableKey]string // a hash of all rows of a table that belong to an organization
	people map[key]personState
	tasks  map[key]taskState
	other  map[key]rowState // matters and calendar events
	runs   map[key]bool     // those that had succeeded
	edits  map[key]bool     // audit rows that belong to no run
	sets   map[string]domain.StaffSet
}

type tableKey struct {
	organization uuid.UUID
	table        string
}

// key names a row: ids are unique within an organization.
type key struct{ organization, id uuid.UUID }

type personState struct {
	referral bool
	staff    domain.StaffSet
}

type taskState struct {
	rowState
	person    uuid.UUID // zero: of none
	active    bool
	intake    bool
	assignees domain.StaffSet
}

// rowState is a row as a whole, but for its seats.
type rowState struct {
	hash    int64
	with    uuid.UUID // who is responsible for a matter, or owns an event
	guarded bool      // private or closed (I6)
}

// Take keeps the state as it is now.
func Take(ctx context.Context, db *sqlx.DB) (*Snapshot, error) {
	tx, err := db.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	if err := plan(ctx, tx, usualPatience); err != nil {
		return nil, err
	}
	return take(ctx, tx)
}

func take(ctx context.Context, tx *sqlx.Tx) (*Snapshot, error) {
	s := &Snapshot{
		tables: map[tableKey]string{}, people: map[key]personState{}, tasks: map[key]taskState{}, other: map[key]rowState{},
		runs: map[key]bool{}, edits: map[key]bool{}, sets: map[string]domain.StaffSet{},
	}
	for _, part := range []struct {
		what string
		read func(context.Context, *sqlx.Tx) error
	}{
		{"tables", s.readTables},
		{"people", s.readPeople},
		{"tasks", s.readTasks},
		{"matters and events", s.readOther},
		{"runs", s.readRuns},
		{"edits", s.readEdits},
	} {
		if err := part.read(ctx, tx); err != nil {
			return nil, fmt.Errorf("keep %s: %w", part.what, err)
		}
	}
	return s, nil
}

// readTables hashes every table that has an organization, whichever there are.
func (s *Snapshot) readTables(ctx context.Context, tx *sqlx.Tx) error {
	var tables []string
	if err := tx.SelectContext(ctx, &tables, `
		SELECT table_name::text FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'organization_id' ORDER BY table_name`); err != nil {
		return err
	}
	for _, table := range tables {
		if chainTables[table] {
			continue
		}
		hash := "hash_record_extended(t, 0)"
		if table == "api_tokens" { // when a token was last used is no change
			hash = "hashtextextended((to_jsonb(t) - 'last_used_at')::text, 0)"
		}
		err := each(ctx, tx, fmt.Sprintf(`
			SELECT organization_id, count(*) || '/' || bit_xor(%s) FROM %s t GROUP BY organization_id`, hash, table), func(rows *sqlx.Rows) error {
			at := tableKey{table: table}
			var hash string
			if err := rows.Scan(&at.organization, &hash); err != nil {
				return err
			}
			s.tables[at] = hash
			return nil
		})
		if err != nil {
			return err
		}
	}
	return each(ctx, tx, `SELECT id, hash_record_extended(o, 0)::text FROM organizations o`, func(rows *sqlx.Rows) error {
		at := tableKey{table: "organizations"}
		var hash string
		if err := rows.Scan(&at.organization, &hash); err != nil {
			return err
		}
		s.tables[at] = hash
		return nil
	})
}

func (s *Snapshot) readPeople(ctx context.Context, tx *sqlx.Tx) error {
	return each(ctx, tx, `
		SELECT p.organization_id, p.id, p.kind = 'referral', coalesce(string_agg(a.staff_id::text, ',' ORDER BY a.staff_id), '')
		FROM people p LEFT JOIN assignments a ON a.organization_id = p.organization_id AND a.person_id = p.id
		GROUP BY p.organization_id, p.id`, func(rows *sqlx.Rows) error {
		var at key
		var person personState
		var staff string
		if err := rows.Scan(&at.organization, &at.id, &person.referral, &staff); err != nil {
			return err
		}
		person.staff = s.set(staff)
		s.people[at] = person
		return nil
	})
}

func (s *Snapshot) readTasks(ctx context.Context, tx *sqlx.Tx) error {
	return each(ctx, tx, `
		SELECT t.organization_id, t.id, t.person_id, t.is_intake, t.status IN ('open', 'in_progress'), coalesce(m.visibility = 'private' OR m.status = 'closed', false),
		       hash_record_extended(t, 0), coalesce(held.staff, '')
		FROM tasks t LEFT JOIN matters m ON m.organization_id = t.organization_id AND m.id = t.matter_id
		LEFT JOIN (SELECT organization_id, task_id, string_agg(staff_id::text, ',' ORDER BY staff_id) AS staff FROM task_assignees GROUP BY organization_id, task_id) held
			ON held.organization_id = t.organization_id AND held.task_id = t.id`, func(rows *sqlx.Rows) error {
		var at key
		var task taskState
		var person uuid.NullUUID
		var guarded bool
		var assignees string
		if err := rows.Scan(&at.organization, &at.id, &person, &task.intake, &task.active, &guarded, &task.hash, &assignees); err != nil {
			return err
		}
		task.person, task.assignees, task.guarded = person.UUID, s.set(assignees), guarded || !task.active
		s.tasks[at] = task
		return nil
	})
}

func (s *Snapshot) readOther(ctx context.Context, tx *sqlx.Tx) error {
	return each(ctx, tx, `
		SELECT m.organization_id, m.id, m.responsible_staff_id,
		       hash_record_extended(ROW (m.external_id, m.number, m.description, m.status, m.visibility, m.client_id, m.created_at), 0),
		       m.visibility = 'private' OR m.status = 'closed' FROM matters m
		UNION ALL
		SELECT e.organization_id, e.id, e.owner_staff_id,
		       hash_record_extended(ROW (e.external_id, e.title, e.starts_at, e.ends_at, e.matter_id, e.created_at), 0) # coalesce(attending.staff, 0),
		       coalesce(m.visibility = 'private' OR m.status = 'closed', false)
		FROM calendar_events e LEFT JOIN matters m ON m.organization_id = e.organization_id AND m.id = e.matter_id
		LEFT JOIN (SELECT organization_id, calendar_event_id, bit_xor(hash_record_extended(a, 0)) AS staff FROM calendar_event_attendees a GROUP BY organization_id, calendar_event_id) attending
			ON attending.organization_id = e.organization_id AND attending.calendar_event_id = e.id`, func(rows *sqlx.Rows) error {
		var at key
		var row rowState
		if err := rows.Scan(&at.organization, &at.id, &row.with, &row.hash, &row.guarded); err != nil {
			return err
		}
		s.other[at] = row
		return nil
	})
}

func (s *Snapshot) readRuns(ctx context.Context, tx *sqlx.Tx) error {
	return readKeys(ctx, tx, `SELECT organization_id, id FROM runs WHERE status = 'succeeded'`, s.runs)
}

func (s *Snapshot) readEdits(ctx context.Context, tx *sqlx.Tx) error {
	return readKeys(ctx, tx, `SELECT organization_id, id FROM audit_events WHERE run_id IS NULL`, s.edits)
}

func readKeys(ctx context.Context, tx *sqlx.Tx, statement string, into map[key]bool) error {
	return each(ctx, tx, statement, func(rows *sqlx.Rows) error {
		var at key
		if err := rows.Scan(&at.organization, &at.id); err != nil {
			return err
		}
		into[at] = true
		return nil
	})
}

// set reads ids with commas between them. There are few different sets, and each is kept once.
func (s *Snapshot) set(text string) domain.StaffSet {
	if text == "" {
		return nil
	}
	if known, found := s.sets[text]; found {
		return known
	}
	var ids []uuid.UUID
	for id := range strings.SplitSeq(text, ",") {
		ids = append(ids, uuid.MustParse(id))
	}
	set := domain.NewStaffSet(ids...)
	s.sets[text] = set
	return set
}

func each(ctx context.Context, tx *sqlx.Tx, statement string, read func(*sqlx.Rows) error, args ...any) error {
	rows, err := tx.QueryxContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // Err tells what went wrong
	for rows.Next() {
		if err := read(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
