package main

import "fmt"

// ownHandover hands a leaver's work over on the service's tables, with their keys, indexes and policies in force.
var ownHandover = script{schema: "", begin: bareTransaction, steps: []step{
	{"lock matters", `SELECT count(*) FROM (
		SELECT m.id FROM matters m WHERE m.organization_id = $1 AND m.responsible_staff_id = $2 AND m.status IN ('open', 'pending') AND m.visibility = 'everyone'
		ORDER BY m.id FOR NO KEY UPDATE) locked`, []value{organization, from}},
	{"lock tasks", `SELECT count(*) FROM (
		SELECT t.id FROM task_assignees h
		JOIN tasks t ON t.organization_id = h.organization_id AND t.id = h.task_id AND t.status IN ('open', 'in_progress')
		JOIN matters m ON m.organization_id = t.organization_id AND m.id = t.matter_id AND m.status IN ('open', 'pending') AND m.visibility = 'everyone'
		WHERE h.organization_id = $1 AND h.staff_id = $2 ORDER BY t.id FOR NO KEY UPDATE OF t) locked`, []value{organization, from}},
	{"lock events", `SELECT count(*) FROM (
		SELECT e.id FROM calendar_events e
		JOIN matters m ON m.organization_id = e.organization_id AND m.id = e.matter_id AND m.status IN ('open', 'pending') AND m.visibility = 'everyone'
		WHERE e.organization_id = $1 AND e.owner_staff_id = $2 AND e.starts_at > now() ORDER BY e.id FOR NO KEY UPDATE OF e) locked`, []value{organization, from}},
	{"make a place for the plan", planTable, nil},
	{"plan", `
		INSERT INTO item
		SELECT row_number() OVER (), kind, id, before, after, due, matter FROM (
			SELECT 'matter' AS kind, m.id, ARRAY[$2::uuid] AS before, ARRAY[$3::uuid] AS after, NULL::timestamptz AS due, m.id AS matter FROM matters m
			WHERE m.organization_id = $1 AND m.responsible_staff_id = $2 AND m.status IN ('open', 'pending') AND m.visibility = 'everyone'
			UNION ALL
			SELECT 'task', id, before, ` + successorRule("$2", "$3") + `, due_on, matter_id FROM (
				SELECT t.id, t.due_on, t.matter_id, array_agg(all_held.staff_id ORDER BY all_held.staff_id) AS before FROM task_assignees h
				JOIN tasks t ON t.organization_id = h.organization_id AND t.id = h.task_id AND t.status IN ('open', 'in_progress')
				JOIN matters m ON m.organization_id = t.organization_id AND m.id = t.matter_id AND m.status IN ('open', 'pending') AND m.visibility = 'everyone'
				JOIN task_assignees all_held ON all_held.organization_id = t.organization_id AND all_held.task_id = t.id
				WHERE h.organization_id = $1 AND h.staff_id = $2 GROUP BY t.id, t.due_on, t.matter_id) task
			UNION ALL
			SELECT 'calendar_event', e.id, ARRAY[$2::uuid], ARRAY[$3::uuid], e.starts_at, m.id FROM calendar_events e
			JOIN matters m ON m.organization_id = e.organization_id AND m.id = e.matter_id AND m.status IN ('open', 'pending') AND m.visibility = 'everyone'
			WHERE e.organization_id = $1 AND e.owner_staff_id = $2 AND e.starts_at > now()) planned`, []value{organization, from, successor}},
	{"look at the plan", `ANALYZE item`, nil},
	{"move matters", `UPDATE matters m SET responsible_staff_id = $2, updated_at = now() FROM item
		WHERE item.kind = 'matter' AND m.organization_id = $1 AND m.id = item.id`, []value{organization, successor}},
	{"take tasks", `DELETE FROM task_assignees h USING item
		WHERE item.kind = 'task' AND h.organization_id = $1 AND h.task_id = item.id AND h.staff_id <> ALL (item.after)`, []value{organization}},
	{"give tasks", `INSERT INTO task_assignees (organization_id, task_id, staff_id)
		SELECT $1, item.id, s FROM item, unnest(item.after) s WHERE item.kind = 'task' AND s <> ALL (item.before)`, []value{organization}},
	{"move events", `UPDATE calendar_events e SET owner_staff_id = $2, updated_at = now() FROM item
		WHERE item.kind = 'calendar_event' AND e.organization_id = $1 AND e.id = item.id`, []value{organization, successor}},
	{
		"save run", `INSERT INTO runs (organization_id, id, kind, status, requested_by_staff_id, requested_at, started_at, finished_at, request, totals)
		VALUES ($1, $2, 'reassign_work', 'succeeded', $3, now(), now(), clock_timestamp(), jsonb_build_object('staff_id', $4::uuid), '{}')`,
		[]value{organization, run, asking, from},
	},
	{"save progress", `INSERT INTO run_progress (organization_id, run_id, done, total) VALUES ($1, $2, $3, $3)`, []value{organization, run, itemsMoved}},
	{"record items", `INSERT INTO run_items (organization_id, run_id, position, kind, item_id, outcome, before_staff_ids, after_staff_ids)
		SELECT $1, $2, position, kind, id, 'changed', before, after FROM item`, []value{organization, run}},
	{"record what changed", shapes + `
		INSERT INTO audit_events (organization_id, id, occurred_at, staff_id, action, subject_kind, subject_id, run_id, request_id, before, after)
		SELECT $1, ` + auditID + `, now(), $3, 'reassign_work', kind, id, $2, 'bench', before_audit, after_audit
		FROM item JOIN shape USING (before, after)`, []value{organization, run, asking}},
	{"tell the two", sharesByMatter + `, counted AS (
			INSERT INTO notification_counters (organization_id, staff_id, last_number) SELECT $1, s, 1 FROM unnest(ARRAY[$2::uuid, $3::uuid]) s ORDER BY s
			ON CONFLICT (organization_id, staff_id) DO UPDATE SET last_number = notification_counters.last_number + 1 RETURNING staff_id, last_number)
		INSERT INTO notifications (organization_id, id, staff_id, number, kind, run_id, actor_staff_id, from_staff_id, created_at,
			tasks_count, matters_count, events_count, share_matter_ids, share_tasks, share_matters, share_events, email_status, email_at)
		SELECT $1, CASE staff_id WHEN $3 THEN $4::uuid ELSE $5::uuid END, staff_id, last_number, CASE staff_id WHEN $3 THEN 'work_received' ELSE 'work_handed_over' END, $6, $7, $2, now(),
			tasks, matters, events, shares.matter_ids, shares.tasks_of, shares.matters_of, shares.events_of, 'pending', now()
		FROM counted, shares, (` + itemCounts + `) counts`, []value{organization, from, successor, notice, noticeToLeaver, run, asking}},
	{"tell what is due next", `INSERT INTO notification_items (organization_id, notification_id, position, kind, item_id)
		SELECT $1, told, position, kind, id FROM unnest(ARRAY[$2::uuid, $3::uuid]) told, (
			SELECT row_number() OVER () AS position, kind, id FROM (` + dueNext + `) first) next`, []value{organization, notice, noticeToLeaver}},
	{
		"leave two mails", mailJobByHand + `
		SELECT jsonb_build_object('organization_id', $1::uuid, 'notification_id', told), 'mail', 1000, 'mail', 'available' FROM unnest(ARRAY[$2::uuid, $3::uuid]) told`,
		[]value{organization, notice, noticeToLeaver},
	},
}}

// successorRule is who has a task of the leaver afterwards: the successor in their place.
func successorRule(leaver, successor string) string {
	return fmt.Sprintf(`(SELECT array_agg(DISTINCT s ORDER BY s) FROM unnest(array_remove(before, %s::uuid) || %s::uuid) s)`, leaver, successor)
}

// sharesByMatter count what went of each matter, as notifications keep it.
const sharesByMatter = `WITH share AS (
		SELECT matter, count(*) FILTER (WHERE kind = 'task') AS tasks, count(*) FILTER (WHERE kind = 'matter') AS matters,
			count(*) FILTER (WHERE kind = 'calendar_event') AS events FROM item GROUP BY matter
	), shares AS (
		SELECT array_agg(matter ORDER BY matter) AS matter_ids, array_agg(tasks::integer ORDER BY matter) AS tasks_of,
			array_agg(matters::integer ORDER BY matter) AS matters_of, array_agg(events::integer ORDER BY matter) AS events_of FROM share
	)`

// bareHandover does the same on copies without organizations, foreign keys, policies, and indexes that this work does not need.
var bareHandover = script{schema: "bare.", begin: plainTransaction, steps: []step{
	{"lock matters", `SELECT count(*) FROM (
		SELECT m.id FROM bare.matters m WHERE m.responsible_staff_id = $1 AND m.status IN ('open', 'pending') AND m.visibility = 'everyone'
		ORDER BY m.id FOR NO KEY UPDATE) locked`, []value{from}},
	{"lock tasks", `SELECT count(*) FROM (
		SELECT t.id FROM bare.task_assignees h
		JOIN bare.tasks t ON t.id = h.task_id AND t.status IN ('open', 'in_progress')
		JOIN bare.matters m ON m.id = t.matter_id AND m.status IN ('open', 'pending') AND m.visibility = 'everyone'
		WHERE h.staff_id = $1 ORDER BY t.id FOR NO KEY UPDATE OF t) locked`, []value{from}},
	{"lock events", `SELECT count(*) FROM (
		SELECT e.id FROM bare.calendar_events e
		JOIN bare.matters m ON m.id = e.matter_id AND m.status IN ('open', 'pending') AND m.visibility = 'everyone'
		WHERE e.owner_staff_id = $1 AND e.starts_at > now() ORDER BY e.id FOR NO KEY UPDATE OF e) locked`, []value{from}},
	{"make a place for the plan", planTable, nil},
	{"plan", `
		INSERT INTO item
		SELECT row_number() OVER (), kind, id, before, after, due, matter FROM (
			SELECT 'matter' AS kind, m.id, ARRAY[$1::uuid] AS before, ARRAY[$2::uuid] AS after, NULL::timestamptz AS due, m.id AS matter FROM bare.matters m
			WHERE m.responsible_staff_id = $1 AND m.status IN ('open', 'pending') AND m.visibility = 'everyone'
			UNION ALL
			SELECT 'task', id, before, ` + successorRule("$1", "$2") + `, due_on, matter_id FROM (
				SELECT t.id, t.due_on, t.matter_id, array_agg(all_held.staff_id ORDER BY all_held.staff_id) AS before FROM bare.task_assignees h
				JOIN bare.tasks t ON t.id = h.task_id AND t.status IN ('open', 'in_progress')
				JOIN bare.matters m ON m.id = t.matter_id AND m.status IN ('open', 'pending') AND m.visibility = 'everyone'
				JOIN bare.task_assignees all_held ON all_held.task_id = t.id
				WHERE h.staff_id = $1 GROUP BY t.id, t.due_on, t.matter_id) task
			UNION ALL
			SELECT 'calendar_event', e.id, ARRAY[$1::uuid], ARRAY[$2::uuid], e.starts_at, m.id FROM bare.calendar_events e
			JOIN bare.matters m ON m.id = e.matter_id AND m.status IN ('open', 'pending') AND m.visibility = 'everyone'
			WHERE e.owner_staff_id = $1 AND e.starts_at > now()) planned`, []value{from, successor}},
	{"look at the plan", `ANALYZE item`, nil},
	{"move matters", `UPDATE bare.matters m SET responsible_staff_id = $1, updated_at = now() FROM item WHERE item.kind = 'matter' AND m.id = item.id`, []value{successor}},
	{"take tasks", `DELETE FROM bare.task_assignees h USING item WHERE item.kind = 'task' AND h.task_id = item.id AND h.staff_id <> ALL (item.after)`, nil},
	{"give tasks", `INSERT INTO bare.task_assignees (task_id, staff_id)
		SELECT item.id, s FROM item, unnest(item.after) s WHERE item.kind = 'task' AND s <> ALL (item.before)`, nil},
	{"move events", `UPDATE bare.calendar_events e SET owner_staff_id = $1, updated_at = now() FROM item WHERE item.kind = 'calendar_event' AND e.id = item.id`, []value{successor}},
	{
		"save run", `INSERT INTO bare.runs (id, kind, status, requested_by_staff_id, requested_at, started_at, finished_at, request, totals)
		VALUES ($1, 'reassign_work', 'succeeded', $2, now(), now(), clock_timestamp(), jsonb_build_object('staff_id', $3::uuid), '{}')`,
		[]value{run, asking, from},
	},
	{"record items", `INSERT INTO bare.run_items (run_id, position, kind, item_id, outcome, before_staff_ids, after_staff_ids)
		SELECT $1, position, kind, id, 'changed', before, after FROM item`, []value{run}},
	{"record what changed", shapes + `
		INSERT INTO bare.audit_events (id, occurred_at, staff_id, action, subject_kind, subject_id, run_id, request_id, before, after)
		SELECT ` + auditID + `, now(), $1, 'reassign_work', kind, id, $2, 'bench', before_audit, after_audit
		FROM item JOIN shape USING (before, after)`, []value{asking, run}},
	{"tell the two", sharesByMatter + `, counted AS (
			INSERT INTO bare.notification_counters (staff_id, last_number) SELECT s, 1 FROM unnest(ARRAY[$1::uuid, $2::uuid]) s ORDER BY s
			ON CONFLICT (staff_id) DO UPDATE SET last_number = notification_counters.last_number + 1 RETURNING staff_id, last_number)
		INSERT INTO bare.notifications (id, staff_id, number, kind, run_id, actor_staff_id, from_staff_id, created_at,
			tasks_count, matters_count, events_count, share_matter_ids, share_tasks, share_matters, share_events, email_status, email_at)
		SELECT CASE staff_id WHEN $2 THEN $3::uuid ELSE $4::uuid END, staff_id, last_number, CASE staff_id WHEN $2 THEN 'work_received' ELSE 'work_handed_over' END, $5, $6, $1, now(),
			tasks, matters, events, shares.matter_ids, shares.tasks_of, shares.matters_of, shares.events_of, 'pending', now()
		FROM counted, shares, (` + itemCounts + `) counts`, []value{from, successor, notice, noticeToLeaver, run, asking}},
	{"tell what is due next", `INSERT INTO bare.notification_items (notification_id, position, kind, item_id)
		SELECT told, position, kind, id FROM unnest(ARRAY[$1::uuid, $2::uuid]) told, (
			SELECT row_number() OVER () AS position, kind, id FROM (` + dueNext + `) first) next`, []value{notice, noticeToLeaver}},
}}
