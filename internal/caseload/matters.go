package caseload

var mattersKind = &kind{
	file: mattersFile, things: "matters", subject: "matter", table: "matters", wanted: "wanted_matters",
	want: `
		INSERT INTO wanted_matters (id, audit_id, is_new, is_changed, external_id, number, description, status, visibility, responsible_staff_id, client_id)
		SELECT coalesce(r.id, n.id), n.audit_id, r.id IS NULL,
			r.id IS NOT NULL AND (r.number, r.description, r.status, r.visibility, r.responsible_staff_id, r.client_id)
				IS DISTINCT FROM (n.number, coalesce(n.description, ''), n.status, n.visibility, s.id, p.id),
			n.external_id, n.number, coalesce(n.description, ''), n.status, n.visibility, s.id, p.id
		FROM staged_matters n
		JOIN staff_keys s ON s.external_id = n.responsible_staff_external_id
		LEFT JOIN person_keys p ON p.external_id = n.client_external_id
		LEFT JOIN matters r ON r.organization_id = $1 AND r.external_id = n.external_id`,
	// The files know no groups: those that see a matter already stay, unless it is no longer for groups. One that comes for
	// groups has none yet, and is seen by who is responsible alone (B5).
	writes: []statement{
		{table: "matter_groups", query: `
			DELETE FROM matter_groups gone USING wanted_matters w
			WHERE gone.organization_id = $1 AND gone.matter_id = w.id AND w.is_changed AND w.visibility <> 'groups'`},
		{table: "matters", now: true, query: `
			UPDATE matters m SET number = w.number, description = w.description, status = w.status, visibility = w.visibility,
				responsible_staff_id = w.responsible_staff_id, client_id = w.client_id, updated_at = $2
			FROM wanted_matters w WHERE m.organization_id = $1 AND m.id = w.id AND w.is_changed`},
		{table: "matters", now: true, query: `
			INSERT INTO matters (organization_id, id, external_id, number, description, status, visibility, responsible_staff_id, client_id, created_at, updated_at)
			SELECT $1, w.id, w.external_id, w.number, w.description, w.status, w.visibility, w.responsible_staff_id, w.client_id, $2, $2
			FROM wanted_matters w WHERE w.is_new`},
	},
	counts: []func(*FileResult, int64){nil, nil, created},
	fields: func(row, _ string) string {
		const groups = `(SELECT coalesce(jsonb_agg(shown.staff_group_id ORDER BY shown.staff_group_id), '[]')
			FROM matter_groups shown WHERE shown.organization_id = $1 AND shown.matter_id = r.id)`
		return fieldsWith(row, "group_ids", groups, "external_id", "number", "description", "status", "visibility", "responsible_staff_id", "client_id")
	},
}
