package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// script is a change written by hand, as a good administrator of databases would: nothing but sets, no row leaves the
// database.
type script struct {
	schema string
	begin  func(context.Context, *sql.DB, string, func(*sql.Tx) error) error
	steps  []step
}

type step struct {
	what      string
	statement string
	values    []value // of its parameters
}

// value is something that steps speak of.
type value int

const (
	organization value = iota
	selection
	takingOver // the staff
	run
	asking
	people // how many
	notice // the id of the notification
	noticeToLeaver
	from       // whose work goes to others
	successor  // who gets it
	itemsMoved // how many
)

// known is what values are in one round.
type known map[value]any

// known makes what every round needs: ids for what it writes.
func (b *bench) known(ctx context.Context) (known, error) {
	who, err := b.id(ctx, kindStaff, staffAsking)
	if err != nil {
		return nil, err
	}
	everywhere := make(known)
	everywhere[organization], everywhere[asking] = b.world.organization, who
	everywhere[run], everywhere[notice], everywhere[noticeToLeaver] = newID(), newID(), newID()
	return everywhere, nil
}

// run runs the script in one transaction and tells how long it took.
func (s script) run(ctx context.Context, b *bench, pool *sql.DB, known known) (time.Duration, error) {
	return timed(func() error {
		return s.begin(ctx, pool, b.world.organization, func(tx *sql.Tx) error {
			for _, step := range s.steps {
				var arguments []any
				for _, value := range step.values {
					arguments = append(arguments, known[value])
				}
				if _, err := tx.ExecContext(ctx, step.statement, arguments...); err != nil {
					return fmt.Errorf("%s: %w", step.what, err)
				}
			}
			return nil
		})
	})
}

// idNow makes ids of version 7, as the service's are: what is made later sorts later.
const idNow = `
	CREATE OR REPLACE FUNCTION bench.id_now() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
		SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
			PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
	$$;
	GRANT USAGE ON SCHEMA bench TO handover_service;
	GRANT EXECUTE ON FUNCTION bench.id_now() TO handover_service`

// auditID is the nth such id of a run, in the order of its items, without the cost of idNow.
const auditID = `(left($2::uuid::text, 15) || lpad(to_hex(position / 4096), 3, '0') || '-8' || lpad(to_hex(position % 4096), 3, '0') || right(gen_random_uuid()::text, 13))::uuid`

// handoverRule is who has a task after replace with reassign_all and the scope team: the new staff, and those from outside the team.
const handoverRule = `CASE WHEN before <@ team THEN $1::uuid[] ELSE
	(SELECT array_agg(DISTINCT s ORDER BY s) FROM unnest(before || $1::uuid[]) s WHERE s = ANY ($1) OR s <> ALL (team)) END`

// ownTables works on the service's tables, with their keys, indexes and policies in force.
var ownTables = script{schema: "", begin: bareTransaction, steps: []step{
	{"lock people", `SELECT count(*) FROM (
		SELECT p.id FROM selection_people c JOIN people p ON p.organization_id = c.organization_id AND p.id = c.person_id
		WHERE c.organization_id = $1 AND c.selection_id = $2 ORDER BY p.id FOR NO KEY UPDATE OF p) locked`, []value{organization, selection}},
	{
		"lock tasks", `SELECT count(*) FROM (
		SELECT t.id FROM selection_people c JOIN tasks t ON t.organization_id = c.organization_id AND t.person_id = c.person_id
		WHERE c.organization_id = $1 AND c.selection_id = $2 AND t.status IN ('open', 'in_progress') ORDER BY t.id FOR NO KEY UPDATE OF t) locked`,
		[]value{organization, selection},
	},
	{"make a place for the plan", planTable, nil},
	{"plan", `
		WITH person AS MATERIALIZED (
			SELECT c.person_id AS id, coalesce(array_agg(a.staff_id ORDER BY a.staff_id) FILTER (WHERE a.staff_id IS NOT NULL), '{}') AS before
			FROM selection_people c LEFT JOIN assignments a ON a.organization_id = c.organization_id AND a.person_id = c.person_id
			WHERE c.organization_id = $2 AND c.selection_id = $3 GROUP BY c.person_id
		), task AS MATERIALIZED (
			SELECT t.id, array_agg(h.staff_id ORDER BY h.staff_id) AS before, person.before AS team, t.due_on
			FROM person
			JOIN tasks t ON t.organization_id = $2 AND t.person_id = person.id AND t.status IN ('open', 'in_progress')
			JOIN task_assignees h ON h.organization_id = t.organization_id AND h.task_id = t.id
			GROUP BY t.id, t.due_on, person.before
			HAVING bool_or(h.staff_id = ANY (person.before))
		)
		INSERT INTO item
		SELECT row_number() OVER (), kind, id, before, after, due FROM (
			SELECT 'person' AS kind, id, before, $1::uuid[] AS after, NULL::timestamptz AS due FROM person
			UNION ALL
			SELECT 'task', id, before, ` + handoverRule + `, due_on FROM task) planned
		WHERE before IS DISTINCT FROM after`, []value{takingOver, organization, selection}},
	{"look at the plan", `ANALYZE item`, nil},
	{"take people", `DELETE FROM assignments a USING item
		WHERE item.kind = 'person' AND a.organization_id = $1 AND a.person_id = item.id AND a.staff_id <> ALL (item.after)`, []value{organization}},
	{"give people", `INSERT INTO assignments (organization_id, person_id, staff_id)
		SELECT $1, item.id, s FROM item, unnest(item.after) s WHERE item.kind = 'person' AND s <> ALL (item.before)`, []value{organization}},
	{"take tasks", `DELETE FROM task_assignees h USING item
		WHERE item.kind = 'task' AND h.organization_id = $1 AND h.task_id = item.id AND h.staff_id <> ALL (item.after)`, []value{organization}},
	{"give tasks", `INSERT INTO task_assignees (organization_id, task_id, staff_id)
		SELECT $1, item.id, s FROM item, unnest(item.after) s WHERE item.kind = 'task' AND s <> ALL (item.before)`, []value{organization}},
	{
		"save run", `INSERT INTO runs (organization_id, id, kind, status, requested_by_staff_id, requested_at, started_at, finished_at, request, totals)
		VALUES ($1, $2, 'manage_assignments', 'succeeded', $3, now(), now(), clock_timestamp(), jsonb_build_object('staff_ids', to_jsonb($4::uuid[])), '{}')`,
		[]value{organization, run, asking, takingOver},
	},
	{"save progress", `INSERT INTO run_progress (organization_id, run_id, done, total) VALUES ($1, $2, $3, $3)`, []value{organization, run, people}},
	{"record items", `INSERT INTO run_items (organization_id, run_id, position, kind, item_id, outcome, before_staff_ids, after_staff_ids)
		SELECT $1, $2, position, kind, id, 'changed', before, after FROM item`, []value{organization, run}},
	{"record what changed", shapes + `
		INSERT INTO audit_events (organization_id, id, occurred_at, staff_id, action, subject_kind, subject_id, run_id, request_id, before, after)
		SELECT $1, ` + auditID + `, now(), $3, 'manage_assignments', kind, id, $2, 'bench', before_audit, after_audit
		FROM item JOIN shape USING (before, after)`, []value{organization, run, asking}},
	{"tell who takes over", `WITH counted AS (
			INSERT INTO notification_counters (organization_id, staff_id, last_number) SELECT $1, s, 1 FROM unnest($2::uuid[]) s
			ON CONFLICT (organization_id, staff_id) DO UPDATE SET last_number = notification_counters.last_number + 1 RETURNING staff_id, last_number)
		INSERT INTO notifications (organization_id, id, staff_id, number, kind, run_id, actor_staff_id, created_at, people_count, tasks_count, email_status, email_at)
		SELECT $1, $3, staff_id, last_number, 'work_received', $4, $5, now(), people, tasks, 'pending', now()
		FROM counted, (` + itemCounts + `) counts`, []value{organization, takingOver, notice, run, asking}},
	{
		"tell what is due next", `INSERT INTO notification_items (organization_id, notification_id, position, kind, item_id)
		SELECT $1, $2, row_number() OVER (), kind, id FROM (` + dueNext + `) next`,
		[]value{organization, notice},
	},
	{"leave a mail", mailJobByHand + ` VALUES (jsonb_build_object('organization_id', $1::uuid, 'notification_id', $2::uuid), 'mail', 1000, 'mail', 'available')`, []value{organization, notice}},
}}

// planTable holds what becomes of each item, until the transaction ends, when it is due, and the matter it belongs to.
const planTable = `CREATE TEMPORARY TABLE item (position bigint, kind text, id uuid, before uuid[], after uuid[], due timestamptz, matter uuid) ON COMMIT DROP`

// dueNext are the items that a notification names.
const dueNext = `SELECT kind, id FROM item WHERE due IS NOT NULL ORDER BY due, kind DESC, id LIMIT 20`

// itemCounts count the items by kind.
const itemCounts = `SELECT count(*) FILTER (WHERE kind = 'person') AS people, count(*) FILTER (WHERE kind = 'task') AS tasks,
	count(*) FILTER (WHERE kind = 'matter') AS matters, count(*) FILTER (WHERE kind = 'calendar_event') AS events FROM item`

// shapes makes the documents of the audit trail once for each way in which items went.
const shapes = `WITH shape AS MATERIALIZED (
	SELECT before, after, jsonb_build_object('staff_ids', to_jsonb(before)) AS before_audit, jsonb_build_object('staff_ids', to_jsonb(after)) AS after_audit
	FROM item GROUP BY before, after)`

// bareTables works on copies without organizations, foreign keys, policies, and indexes that this work does not need.
var bareTables = script{schema: "bare.", begin: plainTransaction, steps: []step{
	{"lock people", `SELECT count(*) FROM (
		SELECT p.id FROM bare.selection_people c JOIN bare.people p ON p.id = c.person_id
		WHERE c.selection_id = $1 ORDER BY p.id FOR NO KEY UPDATE OF p) locked`, []value{selection}},
	{"lock tasks", `SELECT count(*) FROM (
		SELECT t.id FROM bare.selection_people c JOIN bare.tasks t ON t.person_id = c.person_id
		WHERE c.selection_id = $1 AND t.status IN ('open', 'in_progress') ORDER BY t.id FOR NO KEY UPDATE OF t) locked`, []value{selection}},
	{"make a place for the plan", planTable, nil},
	{"plan", `
		WITH person AS MATERIALIZED (
			SELECT c.person_id AS id, coalesce(array_agg(a.staff_id ORDER BY a.staff_id) FILTER (WHERE a.staff_id IS NOT NULL), '{}') AS before
			FROM bare.selection_people c LEFT JOIN bare.assignments a ON a.person_id = c.person_id
			WHERE c.selection_id = $2 GROUP BY c.person_id
		), task AS MATERIALIZED (
			SELECT t.id, array_agg(h.staff_id ORDER BY h.staff_id) AS before, person.before AS team, t.due_on
			FROM person
			JOIN bare.tasks t ON t.person_id = person.id AND t.status IN ('open', 'in_progress')
			JOIN bare.task_assignees h ON h.task_id = t.id
			GROUP BY t.id, t.due_on, person.before
			HAVING bool_or(h.staff_id = ANY (person.before))
		)
		INSERT INTO item
		SELECT row_number() OVER (), kind, id, before, after, due FROM (
			SELECT 'person' AS kind, id, before, $1::uuid[] AS after, NULL::timestamptz AS due FROM person
			UNION ALL
			SELECT 'task', id, before, ` + handoverRule + `, due_on FROM task) planned
		WHERE before IS DISTINCT FROM after`, []value{takingOver, selection}},
	{"look at the plan", `ANALYZE item`, nil},
	{"take people", `DELETE FROM bare.assignments a USING item WHERE item.kind = 'person' AND a.person_id = item.id AND a.staff_id <> ALL (item.after)`, nil},
	{"give people", `INSERT INTO bare.assignments (person_id, staff_id)
		SELECT item.id, s FROM item, unnest(item.after) s WHERE item.kind = 'person' AND s <> ALL (item.before)`, nil},
	{"take tasks", `DELETE FROM bare.task_assignees h USING item WHERE item.kind = 'task' AND h.task_id = item.id AND h.staff_id <> ALL (item.after)`, nil},
	{"give tasks", `INSERT INTO bare.task_assignees (task_id, staff_id)
		SELECT item.id, s FROM item, unnest(item.after) s WHERE item.kind = 'task' AND s <> ALL (item.before)`, nil},
	{
		"save run", `INSERT INTO bare.runs (id, kind, status, requested_by_staff_id, requested_at, started_at, finished_at, request, totals)
		VALUES ($1, 'manage_assignments', 'succeeded', $2, now(), now(), clock_timestamp(), jsonb_build_object('staff_ids', to_jsonb($3::uuid[])), '{}')`,
		[]value{run, asking, takingOver},
	},
	{"record items", `INSERT INTO bare.run_items (run_id, position, kind, item_id, outcome, before_staff_ids, after_staff_ids)
		SELECT $1, position, kind, id, 'changed', before, after FROM item`, []value{run}},
	{"record what changed", shapes + `
		INSERT INTO bare.audit_events (id, occurred_at, staff_id, action, subject_kind, subject_id, run_id, request_id, before, after)
		SELECT ` + auditID + `, now(), $1, 'manage_assignments', kind, id, $2, 'bench', before_audit, after_audit
		FROM item JOIN shape USING (before, after)`, []value{asking, run}},
	{"tell who takes over", `WITH counted AS (
			INSERT INTO bare.notification_counters (staff_id, last_number) SELECT s, 1 FROM unnest($1::uuid[]) s
			ON CONFLICT (staff_id) DO UPDATE SET last_number = notification_counters.last_number + 1 RETURNING staff_id, last_number)
		INSERT INTO bare.notifications (id, staff_id, number, kind, run_id, actor_staff_id, created_at, people_count, tasks_count, email_status, email_at)
		SELECT $2, staff_id, last_number, 'work_received', $3, $4, now(), people, tasks, 'pending', now()
		FROM counted, (` + itemCounts + `) counts`, []value{takingOver, notice, run, asking}},
	{
		"tell what is due next", `INSERT INTO bare.notification_items (notification_id, position, kind, item_id)
		SELECT $1, row_number() OVER (), kind, id FROM (` + dueNext + `) next`,
		[]value{notice},
	},
}}

func plainTransaction(ctx context.Context, db *sql.DB, _ string, work func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	if err := work(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// makeBareTables copies what a change touches to tables that cost as little as tables can.
func makeBareTables(ctx context.Context, b *bench) error {
	if _, err := b.database.owner.ExecContext(ctx, idNow); err != nil {
		return fmt.Errorf("make a function for ids: %w", err)
	}
	own := "'" + b.world.organization + "'"
	statements := []string{
		`DROP SCHEMA IF EXISTS bare CASCADE`,
		`CREATE SCHEMA bare`,
		`CREATE TABLE bare.people AS SELECT id, kind, status, first_name, last_name, email, phone, created_at, updated_at FROM people WHERE organization_id = ` + own + ` ORDER BY id`,
		`CREATE TABLE bare.tasks AS SELECT id, title, details, status, due_on, person_id, matter_id, created_at, updated_at FROM tasks WHERE organization_id = ` + own + ` ORDER BY id`,
		`CREATE TABLE bare.assignments AS SELECT person_id, staff_id FROM assignments WHERE organization_id = ` + own + ` ORDER BY person_id, staff_id`,
		`CREATE TABLE bare.task_assignees AS SELECT task_id, staff_id FROM task_assignees WHERE organization_id = ` + own + ` ORDER BY task_id, staff_id`,
		// Each selection is saved again for its pair, with whoever has the people: a view shows them as they are.
		`CREATE VIEW bare.selection_people AS SELECT selection_id, person_id FROM public.selection_people WHERE organization_id = ` + own,
		`CREATE TABLE bare.runs AS SELECT id, kind, status, requested_by_staff_id, requested_at, started_at, finished_at, request, totals FROM runs WHERE false`,
		`CREATE TABLE bare.run_items AS SELECT run_id, position, kind, item_id, outcome, reason, before_staff_ids, after_staff_ids FROM run_items WHERE false`,
		`CREATE TABLE bare.audit_events AS SELECT id, occurred_at, staff_id, action, subject_kind, subject_id, run_id, request_id, reason, before, after FROM audit_events WHERE false`,
		`CREATE TABLE bare.notification_counters (staff_id uuid PRIMARY KEY, last_number bigint)`,
		`CREATE TABLE bare.notifications AS SELECT id, staff_id, number, kind, run_id, actor_staff_id, from_staff_id, created_at, people_count, tasks_count, matters_count, events_count,
			share_matter_ids, share_tasks, share_matters, share_events, email_status, email_at FROM notifications WHERE false`,
		`CREATE TABLE bare.notification_items AS SELECT notification_id, position, kind, item_id FROM notification_items WHERE false`,
		`CREATE TABLE bare.matters AS SELECT id, number, description, status, visibility, responsible_staff_id, client_id, created_at, updated_at FROM matters WHERE organization_id = ` + own + ` ORDER BY id`,
		`CREATE TABLE bare.calendar_events AS SELECT id, title, starts_at, ends_at, owner_staff_id, matter_id, created_at, updated_at FROM calendar_events WHERE organization_id = ` + own + ` ORDER BY id`,
		`ALTER TABLE bare.notifications ADD PRIMARY KEY (id)`,
		`ALTER TABLE bare.notification_items ADD PRIMARY KEY (notification_id, position)`,
		`ALTER TABLE bare.matters ADD PRIMARY KEY (id)`,
		`ALTER TABLE bare.calendar_events ADD PRIMARY KEY (id)`,
		`ALTER TABLE bare.people ADD PRIMARY KEY (id)`,
		`ALTER TABLE bare.tasks ADD PRIMARY KEY (id)`,
		`ALTER TABLE bare.assignments ADD PRIMARY KEY (person_id, staff_id)`,
		`ALTER TABLE bare.task_assignees ADD PRIMARY KEY (task_id, staff_id)`,
		`ALTER TABLE bare.runs ADD PRIMARY KEY (id)`,
		`ALTER TABLE bare.run_items ADD PRIMARY KEY (run_id, position)`,
		`ALTER TABLE bare.audit_events ADD PRIMARY KEY (id)`,
		`CREATE INDEX ON bare.tasks (person_id)`,
		`VACUUM ANALYZE bare.people`, `VACUUM ANALYZE bare.tasks`, `VACUUM ANALYZE bare.assignments`, `VACUUM ANALYZE bare.task_assignees`,
		`VACUUM ANALYZE bare.matters`, `VACUUM ANALYZE bare.calendar_events`,
	}
	for _, statement := range statements {
		if _, err := b.database.owner.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make bare tables: %w", err)
		}
	}
	b.say("copied to bare tables")
	return nil
}
