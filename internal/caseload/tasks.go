package caseload

var tasksKind = &kind{
	file: tasksFile, things: "tasks", subject: "task", table: "tasks", wanted: "wanted_tasks",
	// The files say nothing of details: those of a task that is there stay.
	want: `
		INSERT INTO wanted_tasks (id, audit_id, is_new, is_changed, external_id, title, details, status, due_on, person_id, matter_id, staff_ids)
		SELECT coalesce(r.id, n.id), n.audit_id, r.id IS NULL,
			r.id IS NOT NULL AND ((r.title, r.status, r.due_on, r.person_id, r.matter_id) IS DISTINCT FROM (n.title, n.status, n.due_on::date, p.id, m.id)
				OR ` + seats("task_assignees", "task_id") + ` <> coalesce(s.staff_ids, '{}')),
			n.external_id, n.title, coalesce(r.details, ''), n.status, n.due_on::date, p.id, m.id, coalesce(s.staff_ids, '{}')
		FROM staged_tasks n
		LEFT JOIN person_keys p ON p.external_id = n.person_external_id
		LEFT JOIN matter_keys m ON m.external_id = n.matter_external_id
		LEFT JOIN staff_lists s ON s.names = n.assignee_external_ids
		LEFT JOIN tasks r ON r.organization_id = $1 AND r.external_id = n.external_id`,
	writes: []statement{
		{table: "tasks", now: true, query: `
			UPDATE tasks t SET title = w.title, status = w.status, due_on = w.due_on, person_id = w.person_id, matter_id = w.matter_id, updated_at = $2
			FROM wanted_tasks w WHERE t.organization_id = $1 AND t.id = w.id AND w.is_changed`},
		{table: "tasks", now: true, query: `
			INSERT INTO tasks (organization_id, id, external_id, title, details, status, due_on, person_id, matter_id, created_at, updated_at)
			SELECT $1, w.id, w.external_id, w.title, w.details, w.status, w.due_on, w.person_id, w.matter_id, $2, $2
			FROM wanted_tasks w WHERE w.is_new`},
		{table: "task_assignees", query: `
			DELETE FROM task_assignees gone USING wanted_tasks w
			WHERE gone.organization_id = $1 AND gone.task_id = w.id AND w.is_changed AND NOT gone.staff_id = ANY (w.staff_ids)`},
		{table: "task_assignees", query: `
			INSERT INTO task_assignees (organization_id, task_id, staff_id)
			SELECT $1, w.id, staff_id FROM wanted_tasks w CROSS JOIN LATERAL unnest(w.staff_ids) AS staff_id WHERE w.is_changed
			ON CONFLICT DO NOTHING`},
		{table: "task_assignees", query: `
			INSERT INTO task_assignees (organization_id, task_id, staff_id)
			SELECT $1, w.id, staff_id FROM wanted_tasks w CROSS JOIN LATERAL unnest(w.staff_ids) AS staff_id WHERE w.is_new`},
	},
	counts: []func(*FileResult, int64){nil, created, nil, nil, nil},
	fields: func(row, staff string) string {
		return fieldsWith(row, "assignee_ids", staff, "external_id", "title", "details", "status", "due_on", "person_id", "matter_id")
	},
	staff: seats("task_assignees", "task_id"),
}
