package invariants

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
)

// record is a statement that finds what breaks an invariant, as (organization_id, run_id, subject_id).
type record struct {
	invariant, detail, statement string
}

// records are what the tables must tell of runs by themselves, whatever was there before.
var records = []record{
	{"I1", "an item stands more than once", `
		SELECT organization_id, run_id, item_id FROM run_items GROUP BY organization_id, run_id, kind, item_id HAVING count(*) > 1`},
	{"I1", "the items are not numbered from 1 without gaps", `
		SELECT organization_id, run_id, NULL::uuid FROM run_items GROUP BY organization_id, run_id HAVING min(position) <> 1 OR max(position) <> count(*)`},
	{"I1", "an item's outcome is not what its before and after say", `
		SELECT organization_id, run_id, item_id FROM run_items
		WHERE outcome = 'changed' AND before_staff_ids = after_staff_ids
		   OR outcome IN ('unchanged', 'left_alone') AND before_staff_ids <> after_staff_ids
		   OR outcome = 'created' AND before_staff_ids <> '{}'`},
	{"I1", "the totals are not the sums of the items", `
		WITH item AS (
			SELECT i.*, (SELECT count(*) FROM unnest(i.after_staff_ids) AS staff WHERE staff <> ALL (i.before_staff_ids)) AS added,
			            (SELECT count(*) FROM unnest(i.before_staff_ids) AS staff WHERE staff <> ALL (i.after_staff_ids)) AS removed
			FROM run_items i
		), sums AS (
			SELECT r.organization_id, r.id, r.totals,
			       count(*) FILTER (WHERE i.kind = 'person' AND i.outcome = 'changed') AS people_changed,
			       count(*) FILTER (WHERE i.kind = 'person' AND i.outcome = 'unchanged') AS people_unchanged,
			       coalesce(sum(i.added) FILTER (WHERE i.kind = 'person'), 0) AS assignments_added,
			       coalesce(sum(i.removed) FILTER (WHERE i.kind = 'person'), 0) AS assignments_removed,
			       count(*) FILTER (WHERE i.kind = 'task' AND i.outcome = 'changed' AND i.reason IS DISTINCT FROM 'intake_cancelled') AS tasks_changed,
			       count(*) FILTER (WHERE i.kind = 'task' AND i.outcome = 'changed' AND i.reason IS DISTINCT FROM 'intake_cancelled' AND i.after_staff_ids = '{}') AS tasks_unassigned,
			       count(*) FILTER (WHERE i.kind = 'task' AND i.outcome = 'created') AS tasks_created,
			       count(*) FILTER (WHERE i.kind = 'task' AND i.reason = 'intake_cancelled') AS tasks_cancelled,
			       count(*) FILTER (WHERE i.kind = 'matter' AND i.outcome = 'changed') AS matters_moved,
			       count(*) FILTER (WHERE i.kind = 'calendar_event' AND i.outcome = 'changed') AS events_moved
			FROM runs r LEFT JOIN item i ON i.organization_id = r.organization_id AND i.run_id = r.id
			GROUP BY r.organization_id, r.id, r.totals
		)
		SELECT organization_id, id, NULL::uuid FROM sums
		WHERE EXISTS (SELECT FROM jsonb_each(to_jsonb(sums) - 'organization_id' - 'id' - 'totals') AS summed (name, value)
		              WHERE coalesce(totals -> name, '0') <> value)`},
	{"I1", "the totals of what was left alone are not the sums of the items", `
		SELECT r.organization_id, r.id, NULL::uuid FROM runs r,
			unnest(ARRAY ['attendee_only', 'no_matter', 'closed_matter', 'past_due', 'changed_since', 'no_longer_active']) AS why (reason)
		WHERE coalesce((r.totals -> 'left_alone' ->> why.reason)::integer, 0) <> (SELECT count(*) FROM run_items i
			WHERE i.organization_id = r.organization_id AND i.run_id = r.id AND i.outcome = 'left_alone' AND i.reason = why.reason)`},
	{"I1", "an item was left alone for no known reason", `
		SELECT organization_id, run_id, item_id FROM run_items
		WHERE outcome = 'left_alone' AND (reason IN ('attendee_only', 'no_matter', 'closed_matter', 'past_due', 'changed_since', 'no_longer_active')) IS NOT TRUE`},
	{"I1", "an item of a leaver's work is neither changed nor left alone", `
		SELECT i.organization_id, i.run_id, i.item_id FROM run_items i
		JOIN runs r ON r.organization_id = i.organization_id AND r.id = i.run_id AND r.kind IN ('reassign_work', 'undo')
		WHERE i.outcome NOT IN ('changed', 'left_alone')`},
	{"I1", "the progress of a succeeded run is not that all of its items are done", `
		SELECT r.organization_id, r.id, NULL::uuid FROM runs r
		LEFT JOIN run_progress p ON p.organization_id = r.organization_id AND p.run_id = r.id
		WHERE r.status = 'succeeded' AND r.kind IN ('reassign_work', 'undo')
		  AND ROW (p.done, p.total) IS DISTINCT FROM
		      (SELECT ROW (count(*)::integer, count(*)::integer) FROM run_items i WHERE i.organization_id = r.organization_id AND i.run_id = r.id)`},
	{"I1", "the progress of a succeeded run is not that all of its people are done", `
		SELECT r.organization_id, r.id, NULL::uuid FROM runs r
		LEFT JOIN run_progress p ON p.organization_id = r.organization_id AND p.run_id = r.id
		WHERE r.status = 'succeeded' AND r.kind IN ('manage_assignments', 'assign_staff', 'remove_staff')
		  AND ROW (p.done, p.total) IS DISTINCT FROM
		      (SELECT ROW (count(*)::integer, count(*)::integer) FROM run_items i WHERE i.organization_id = r.organization_id AND i.run_id = r.id AND i.kind = 'person')`},
	{"I2", "there are items of a run that has not succeeded", `
		SELECT i.organization_id, i.run_id, min(i.item_id::text)::uuid FROM run_items i
		LEFT JOIN runs r ON r.organization_id = i.organization_id AND r.id = i.run_id
		WHERE r.status IS DISTINCT FROM 'succeeded' GROUP BY i.organization_id, i.run_id`},
	{"I2", "there are audit rows of a run that has not succeeded", `
		SELECT e.organization_id, e.run_id, min(e.subject_id::text)::uuid FROM audit_events e
		LEFT JOIN runs r ON r.organization_id = e.organization_id AND r.id = e.run_id
		WHERE e.run_id IS NOT NULL AND r.status IS DISTINCT FROM 'succeeded' GROUP BY e.organization_id, e.run_id`},
	{"I2", "a succeeded run has no items", `
		SELECT r.organization_id, r.id, NULL::uuid FROM runs r
		WHERE r.status = 'succeeded' AND r.kind NOT IN ('reassign_work', 'undo') AND NOT EXISTS (SELECT FROM run_items i WHERE i.organization_id = r.organization_id AND i.run_id = r.id)`},
	{"I2", "a run waits for a job that will never come", `
		SELECT r.organization_id, r.id, NULL::uuid FROM runs r
		WHERE r.status IN ('scheduled', 'queued', 'running') AND NOT EXISTS (
			SELECT FROM river.river_job j WHERE j.args ->> 'run_id' = r.id::text AND j.state NOT IN ('cancelled', 'completed', 'discarded'))`},
	{"I2", "a job is there without its run", `
		SELECT (j.args ->> 'organization_id')::uuid, (j.args ->> 'run_id')::uuid, NULL::uuid FROM river.river_job j
		WHERE j.args ? 'run_id' AND NOT EXISTS (SELECT FROM runs r WHERE r.organization_id = (j.args ->> 'organization_id')::uuid AND r.id = (j.args ->> 'run_id')::uuid)`},
	{"I2", "the staff of a person are not those that the last run left", lastLeft("person", "assignments", "person_id")},
	{"I2", "the assignees of a task are not those that the last run left", lastLeft("task", "task_assignees", "task_id")},
	{"I2", "who is responsible for a matter is not who the last run left it with", lastLeft("matter",
		"(SELECT organization_id, id AS matter_id, responsible_staff_id AS staff_id FROM matters)", "matter_id")},
	{"I2", "the owner of an event is not who the last run left it with", lastLeft("calendar_event",
		"(SELECT organization_id, id AS event_id, owner_staff_id AS staff_id FROM calendar_events)", "event_id")},
	{"I2", "a run is marked as undone by one that has not succeeded, or the other way round", `
		SELECT r.organization_id, r.id, r.reverted_by_run_id FROM runs r
		LEFT JOIN runs u ON u.organization_id = r.organization_id AND u.id = r.reverted_by_run_id
		WHERE r.reverted_by_run_id IS NOT NULL AND (u.status IS DISTINCT FROM 'succeeded' OR u.reverts_run_id IS DISTINCT FROM r.id)
		UNION ALL
		SELECT u.organization_id, u.id, u.reverts_run_id FROM runs u
		JOIN runs r ON r.organization_id = u.organization_id AND r.id = u.reverts_run_id
		WHERE u.status = 'succeeded' AND r.reverted_by_run_id IS DISTINCT FROM u.id`},
	{"I2", "somebody is told of the work of a run that has not succeeded", `
		SELECT n.organization_id, n.run_id, n.staff_id FROM notifications n
		JOIN runs r ON r.organization_id = n.organization_id AND r.id = n.run_id
		WHERE n.kind <> 'run_failed' AND r.status <> 'succeeded' OR n.kind = 'run_failed' AND r.status <> 'failed'`},
	{"I2", "what somebody is told of is not what a run gave them", `
		WITH given AS (
			SELECT i.organization_id, i.run_id, staff.id AS staff_id,
			       count(*) FILTER (WHERE i.kind = 'person') AS people, count(*) FILTER (WHERE i.kind = 'task') AS tasks,
			       count(*) FILTER (WHERE i.kind = 'matter') AS matters, count(*) FILTER (WHERE i.kind = 'calendar_event') AS events
			FROM run_items i, unnest(i.after_staff_ids) AS staff (id)
			WHERE i.outcome IN ('changed', 'created') AND staff.id <> ALL (i.before_staff_ids)
			GROUP BY 1, 2, 3
		)
		SELECT n.organization_id, n.run_id, n.staff_id FROM notifications n
		LEFT JOIN given g ON g.organization_id = n.organization_id AND g.run_id = n.run_id AND g.staff_id = n.staff_id
		WHERE n.kind = 'work_received'
		  AND ROW (n.people_count, n.tasks_count, n.matters_count, n.events_count) IS DISTINCT FROM ROW (g.people::integer, g.tasks::integer, g.matters::integer, g.events::integer)
		UNION ALL
		SELECT g.organization_id, g.run_id, g.staff_id FROM given g
		JOIN runs r ON r.organization_id = g.organization_id AND r.id = g.run_id
		JOIN staff s ON s.organization_id = g.organization_id AND s.id = g.staff_id AND s.status = 'active' AND s.updated_at <= r.finished_at
		WHERE NOT EXISTS (SELECT FROM notifications n WHERE n.organization_id = g.organization_id AND n.run_id = g.run_id AND n.staff_id = g.staff_id AND n.kind = 'work_received')`},
	{"I2", "what somebody is told to have lost is not what a run took from them", `
		WITH taken AS (
			SELECT i.organization_id, i.run_id, staff.id AS staff_id,
			       count(*) FILTER (WHERE i.kind = 'person') AS people, count(*) FILTER (WHERE i.kind = 'task') AS tasks,
			       count(*) FILTER (WHERE i.kind = 'matter') AS matters, count(*) FILTER (WHERE i.kind = 'calendar_event') AS events
			FROM run_items i, unnest(i.before_staff_ids) AS staff (id)
			WHERE i.outcome = 'changed' AND staff.id <> ALL (i.after_staff_ids)
			GROUP BY 1, 2, 3
		)
		SELECT n.organization_id, n.run_id, n.staff_id FROM notifications n
		LEFT JOIN taken g ON g.organization_id = n.organization_id AND g.run_id = n.run_id AND g.staff_id = n.staff_id
		WHERE n.kind = 'work_handed_over'
		  AND ROW (n.people_count, n.tasks_count, n.matters_count, n.events_count) IS DISTINCT FROM ROW (g.people::integer, g.tasks::integer, g.matters::integer, g.events::integer)
		UNION ALL
		SELECT g.organization_id, g.run_id, g.staff_id FROM taken g
		JOIN runs r ON r.organization_id = g.organization_id AND r.id = g.run_id AND r.kind = 'undo'
		JOIN staff s ON s.organization_id = g.organization_id AND s.id = g.staff_id AND s.status = 'active' AND s.updated_at <= r.finished_at
		WHERE NOT EXISTS (SELECT FROM notifications n WHERE n.organization_id = g.organization_id AND n.run_id = g.run_id AND n.staff_id = g.staff_id)`},
	{"I2", "the notifications of somebody are not numbered as their counter says", `
		SELECT organization_id, NULL::uuid, staff_id FROM notifications n GROUP BY organization_id, staff_id
		HAVING ROW (min(number), max(number)) IS DISTINCT FROM ROW (1::bigint, count(*))
		    OR max(number) IS DISTINCT FROM (SELECT c.last_number FROM notification_counters c WHERE c.organization_id = n.organization_id AND c.staff_id = n.staff_id)`},
	{"I2", "a mail waits for a job that will never come", `
		SELECT n.organization_id, n.run_id, n.id FROM notifications n
		WHERE n.email_status IN ('pending', 'offered') AND NOT EXISTS (
			SELECT FROM river.river_job j WHERE j.args ->> 'notification_id' = n.id::text AND j.state NOT IN ('cancelled', 'completed', 'discarded'))`},
	{"I3", "a changed item of a leaver's work was not theirs, or still is", `
		SELECT i.organization_id, i.run_id, i.item_id FROM run_items i
		JOIN runs r ON r.organization_id = i.organization_id AND r.id = i.run_id AND r.kind = 'reassign_work'
		CROSS JOIN LATERAL (SELECT ` + namedStaff("r.request ->> 'from_staff_id'") + ` AS id) AS leaver
		WHERE i.outcome = 'changed' AND (leaver.id <> ALL (i.before_staff_ids) OR leaver.id = ANY (i.after_staff_ids))`},
	{"I3", "a changed item of a leaver's work went to somebody who was not named for it", `
		SELECT i.organization_id, i.run_id, i.item_id FROM run_items i
		JOIN runs r ON r.organization_id = i.organization_id AND r.id = i.run_id AND r.kind = 'reassign_work'
		CROSS JOIN LATERAL unnest(i.after_staff_ids) AS given (id)
		WHERE i.outcome = 'changed' AND given.id <> ALL (i.before_staff_ids) AND given.id NOT IN (
			SELECT ` + namedStaff("named.text") + `
			FROM unnest(CASE i.kind WHEN 'matter' THEN ARRAY ['matters'] WHEN 'calendar_event' THEN ARRAY ['events'] WHEN 'person' THEN ARRAY ['people']
			                        ELSE ARRAY ['tasks', 'people'] END) AS part (name),
			     jsonb_array_elements_text(CASE jsonb_typeof(r.request -> part.name -> 'to_staff_ids') WHEN 'array' THEN r.request -> part.name -> 'to_staff_ids' ELSE '[]' END) AS named (text))`},
	{"I5", "a changed item has no audit row", `
		SELECT i.organization_id, i.run_id, i.item_id FROM run_items i
		WHERE i.outcome IN ('changed', 'created') AND NOT EXISTS (
			SELECT FROM audit_events e WHERE e.organization_id = i.organization_id AND e.run_id = i.run_id AND e.subject_kind = i.kind AND e.subject_id = i.item_id)`},
	{"I5", "an audit row has no changed item", `
		SELECT e.organization_id, e.run_id, e.subject_id FROM audit_events e
		WHERE e.run_id IS NOT NULL AND NOT EXISTS (
			SELECT FROM run_items i WHERE i.organization_id = e.organization_id AND i.run_id = e.run_id AND i.kind = e.subject_kind AND i.item_id = e.subject_id
			                          AND i.outcome IN ('changed', 'created'))`},
	{"I5", "an item has more than one audit row", `
		SELECT organization_id, run_id, subject_id FROM audit_events WHERE run_id IS NOT NULL
		GROUP BY organization_id, run_id, subject_kind, subject_id HAVING count(*) > 1`},
	{"I5", "an audit row's before and after are not those of its item", `
		SELECT e.organization_id, e.run_id, e.subject_id FROM audit_events e
		JOIN run_items i ON i.organization_id = e.organization_id AND i.run_id = e.run_id AND i.kind = e.subject_kind AND i.item_id = e.subject_id
		CROSS JOIN LATERAL (SELECT CASE WHEN i.reason = 'intake_cancelled' THEN '{"status": "open"}' ELSE '{}' END::jsonb AS before,
		                           CASE WHEN i.reason = 'intake_cancelled' THEN '{"status": "cancelled"}' ELSE '{}' END::jsonb AS after) AS status
		WHERE e.after IS DISTINCT FROM jsonb_build_object('staff_ids', to_jsonb(i.after_staff_ids)) || status.after
		   OR e.before IS DISTINCT FROM CASE WHEN i.outcome <> 'created' THEN jsonb_build_object('staff_ids', to_jsonb(i.before_staff_ids)) || status.before END`},
	{"I5", "an audit row does not tell who did what", `
		SELECT e.organization_id, e.run_id, e.subject_id FROM audit_events e
		JOIN runs r ON r.organization_id = e.organization_id AND r.id = e.run_id
		WHERE e.staff_id IS DISTINCT FROM r.requested_by_staff_id OR e.action <> r.kind OR e.reason IS DISTINCT FROM r.reason
		   OR e.occurred_at NOT BETWEEN r.started_at AND r.finished_at`},
	{"I7", "an item is not of the run's organization", `
		SELECT i.organization_id, i.run_id, i.item_id FROM run_items i
		WHERE i.kind = 'person' AND NOT EXISTS (SELECT FROM people p WHERE p.organization_id = i.organization_id AND p.id = i.item_id)
		   OR i.kind = 'task' AND NOT EXISTS (SELECT FROM tasks t WHERE t.organization_id = i.organization_id AND t.id = i.item_id)
		   OR i.kind = 'matter' AND NOT EXISTS (SELECT FROM matters m WHERE m.organization_id = i.organization_id AND m.id = i.item_id)
		   OR i.kind = 'calendar_event' AND NOT EXISTS (SELECT FROM calendar_events c WHERE c.organization_id = i.organization_id AND c.id = i.item_id)`},
	{"I7", "an item names staff of another organization", `
		SELECT DISTINCT i.organization_id, i.run_id, named.id FROM run_items i, unnest(i.before_staff_ids || i.after_staff_ids) AS named (id)
		WHERE NOT EXISTS (SELECT FROM staff s WHERE s.organization_id = i.organization_id AND s.id = named.id)`},
	{"I7", "a selection holds somebody of another organization", `
		SELECT chosen.organization_id, NULL::uuid, chosen.person_id FROM selection_people chosen
		WHERE NOT EXISTS (SELECT FROM people p WHERE p.organization_id = chosen.organization_id AND p.id = chosen.person_id)`},
}

// namedStaff is the staff member whom a text of the request of run r names.
func namedStaff(text string) string {
	return fmt.Sprintf(`CASE %[1]s WHEN 'me' THEN r.requested_by_staff_id ELSE (%[1]s)::uuid END`, text)
}

// lastLeft finds subjects whose seats are not what the last run said it left, unless somebody edited them since.
func lastLeft(kind, table, column string) string {
	return fmt.Sprintf(`
		WITH last AS (
			SELECT DISTINCT ON (i.organization_id, i.item_id) i.organization_id, i.item_id, i.run_id, i.after_staff_ids, r.finished_at
			FROM run_items i JOIN runs r ON r.organization_id = i.organization_id AND r.id = i.run_id AND r.status = 'succeeded'
			WHERE i.kind = '%[1]s' ORDER BY i.organization_id, i.item_id, r.finished_at DESC, r.id DESC
		), seats AS (
			SELECT organization_id, %[3]s AS subject, array_agg(staff_id ORDER BY staff_id) AS staff FROM %[2]s AS seat GROUP BY organization_id, %[3]s
		), edited AS (
			SELECT organization_id, subject_id, max(occurred_at) AS at FROM audit_events WHERE run_id IS NULL AND subject_kind = '%[1]s' GROUP BY organization_id, subject_id
		)
		SELECT last.organization_id, last.run_id, last.item_id FROM last
		LEFT JOIN seats ON seats.organization_id = last.organization_id AND seats.subject = last.item_id
		LEFT JOIN edited ON edited.organization_id = last.organization_id AND edited.subject_id = last.item_id
		WHERE last.after_staff_ids <> coalesce(seats.staff, '{}') AND coalesce(edited.at < last.finished_at, true)`, kind, table, column)
}

// checkRuns looks at the records of all runs: I1, I2, I5, and I7 as far as they tell.
func checkRuns(ctx context.Context, tx *sqlx.Tx) ([]Violation, error) {
	var found []Violation
	for _, r := range records {
		broken, err := r.look(ctx, tx)
		if err != nil {
			return nil, fmt.Errorf("look whether %s: %w", r.detail, err)
		}
		found = append(found, broken...)
	}
	return found, nil
}

func (r record) look(ctx context.Context, tx *sqlx.Tx) ([]Violation, error) {
	rows, err := tx.QueryxContext(ctx, fmt.Sprintf(`SELECT * FROM (%s) AS broken LIMIT %d`, r.statement, fewOfEach))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells what went wrong
	var found []Violation
	for rows.Next() {
		var organization, run, subject uuid.NullUUID
		if err := rows.Scan(&organization, &run, &subject); err != nil {
			return nil, err
		}
		found = append(found, Violation{r.invariant, organization.UUID, run.UUID, subject.UUID, r.detail})
	}
	return found, rows.Err()
}
