package caseload

var peopleKind = &kind{
	file: peopleFile, things: "people", subject: "person", table: "people", wanted: "wanted_people",
	want: `
		INSERT INTO wanted_people (id, audit_id, is_new, is_changed, external_id, kind, status, first_name, last_name, email, phone, words)
		SELECT coalesce(p.id, n.id), n.audit_id, p.id IS NULL,
			p.id IS NOT NULL AND (p.kind, p.status, p.first_name, p.last_name, p.email, p.phone)
				IS DISTINCT FROM (n.kind, n.status, n.first_name, n.last_name, n.email, n.phone),
			n.external_id, n.kind, n.status, n.first_name, n.last_name, n.email, n.phone, n.words
		FROM staged_people n
		LEFT JOIN people p ON p.organization_id = $1 AND p.external_id = n.external_id`,
	// A person's staff are a field of the person.
	changed: `
		SELECT w.id, w.audit_id FROM wanted_people w WHERE w.is_changed
		UNION ALL
		SELECT a.person_id, a.audit_id FROM wanted_assignments a
		WHERE a.is_changed AND NOT EXISTS (SELECT FROM wanted_people w WHERE w.id = a.person_id AND w.is_changed)`,
	writes: []statement{
		{table: "people", now: true, query: `
			UPDATE people p SET kind = w.kind, status = w.status, first_name = w.first_name, last_name = w.last_name, email = w.email,
				phone = w.phone, updated_at = $2
			FROM wanted_people w
			WHERE p.organization_id = $1 AND p.id = w.id AND w.is_changed AND (p.kind, p.status, p.first_name, p.last_name, p.email, p.phone)
				IS DISTINCT FROM (w.kind, w.status, w.first_name, w.last_name, w.email, w.phone)`},
		{table: "people", now: true, query: `
			INSERT INTO people (organization_id, id, external_id, kind, status, first_name, last_name, email, phone, created_at, updated_at)
			SELECT $1, w.id, w.external_id, w.kind, w.status, w.first_name, w.last_name, w.email, w.phone, $2, $2
			FROM wanted_people w WHERE w.is_new`},
		{table: "person_words", query: `
			DELETE FROM person_words gone USING wanted_people w
			WHERE gone.organization_id = $1 AND gone.person_id = w.id AND w.is_changed AND NOT gone.word = ANY (w.words)`},
		{table: "person_words", query: `
			INSERT INTO person_words (organization_id, word, person_id)
			SELECT $1, word, w.id FROM wanted_people w CROSS JOIN LATERAL unnest(w.words) AS word WHERE w.is_changed
			ON CONFLICT DO NOTHING`},
		// In the order of the index, which then grows at one place at a time.
		{table: "person_words", query: `
			INSERT INTO person_words (organization_id, word, person_id)
			SELECT $1, word, w.id FROM wanted_people w CROSS JOIN LATERAL unnest(w.words) AS word WHERE w.is_new
			ORDER BY word COLLATE "C", w.id`},
	},
	counts: []func(*FileResult, int64){updated, created, nil, nil, nil},
	fields: func(row, staff string) string {
		return fieldsWith(row, "staff_ids", staff, "external_id", "kind", "status", "first_name", "last_name", "email", "phone")
	},
	staff: seats("assignments", "person_id"),
}

// assignmentsKind gives the people that assignments.csv names the staff that it names for them. In the audit trail that
// is a change of the person.
var assignmentsKind = &kind{
	file: assignmentsFile, things: "assignments", table: "assignments", wanted: "wanted_assignments",
	want: `
		INSERT INTO wanted_assignments (person_id, audit_id, is_new, is_changed, staff_ids)
		SELECT given.id, given.audit_id, given.is_new,
			NOT given.is_new AND given.staff_ids <> ` + `ARRAY(SELECT a.staff_id FROM assignments a
				WHERE a.organization_id = $1 AND a.person_id = given.id ORDER BY a.staff_id)` + `, given.staff_ids
		FROM (
			SELECT p.id, p.is_new, (array_agg(n.audit_id))[1] AS audit_id, array_agg(DISTINCT s.id ORDER BY s.id) AS staff_ids
			FROM staged_assignments n
			JOIN person_keys p ON p.external_id = n.person_external_id
			JOIN staff_keys s ON s.external_id = n.staff_external_id
			GROUP BY p.id, p.is_new
		) given`,
	writes: []statement{
		{table: "assignments", query: `
			DELETE FROM assignments gone USING wanted_assignments w
			WHERE gone.organization_id = $1 AND gone.person_id = w.person_id AND w.is_changed AND NOT gone.staff_id = ANY (w.staff_ids)`},
		{table: "assignments", query: `
			INSERT INTO assignments (organization_id, person_id, staff_id)
			SELECT $1, w.person_id, staff_id FROM wanted_assignments w CROSS JOIN LATERAL unnest(w.staff_ids) AS staff_id WHERE w.is_changed
			ON CONFLICT DO NOTHING`},
		{table: "assignments", query: `
			INSERT INTO assignments (organization_id, person_id, staff_id)
			SELECT $1, w.person_id, staff_id FROM wanted_assignments w CROSS JOIN LATERAL unnest(w.staff_ids) AS staff_id WHERE w.is_new
			ORDER BY w.person_id, staff_id`},
	},
	counts: []func(*FileResult, int64){removed, created, created},
}
