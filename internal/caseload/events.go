package caseload

var eventsKind = &kind{
	file: eventsFile, things: "calendar events", subject: "calendar_event", table: "calendar_events", wanted: "wanted_events",
	want: `
		INSERT INTO wanted_events (id, audit_id, is_new, is_changed, external_id, title, starts_at, ends_at, owner_staff_id, matter_id, staff_ids)
		SELECT coalesce(r.id, n.id), n.audit_id, r.id IS NULL,
			r.id IS NOT NULL AND ((r.title, r.starts_at, r.ends_at, r.owner_staff_id, r.matter_id)
				IS DISTINCT FROM (n.title, n.starts_at::timestamptz, n.ends_at::timestamptz, o.id, m.id)
				OR ` + seats("calendar_event_attendees", "calendar_event_id") + ` <> coalesce(s.staff_ids, '{}')),
			n.external_id, n.title, n.starts_at::timestamptz, n.ends_at::timestamptz, o.id, m.id, coalesce(s.staff_ids, '{}')
		FROM staged_events n
		JOIN staff_keys o ON o.external_id = n.owner_staff_external_id
		LEFT JOIN matter_keys m ON m.external_id = n.matter_external_id
		LEFT JOIN staff_lists s ON s.names = n.attendee_staff_external_ids
		LEFT JOIN calendar_events r ON r.organization_id = $1 AND r.external_id = n.external_id`,
	writes: []statement{
		{table: "calendar_events", now: true, query: `
			UPDATE calendar_events e SET title = w.title, starts_at = w.starts_at, ends_at = w.ends_at, owner_staff_id = w.owner_staff_id,
				matter_id = w.matter_id, updated_at = $2
			FROM wanted_events w WHERE e.organization_id = $1 AND e.id = w.id AND w.is_changed`},
		{table: "calendar_events", now: true, query: `
			INSERT INTO calendar_events (organization_id, id, external_id, title, starts_at, ends_at, owner_staff_id, matter_id, created_at, updated_at)
			SELECT $1, w.id, w.external_id, w.title, w.starts_at, w.ends_at, w.owner_staff_id, w.matter_id, $2, $2
			FROM wanted_events w WHERE w.is_new`},
		{table: "calendar_event_attendees", query: `
			DELETE FROM calendar_event_attendees gone USING wanted_events w
			WHERE gone.organization_id = $1 AND gone.calendar_event_id = w.id AND w.is_changed AND NOT gone.staff_id = ANY (w.staff_ids)`},
		{table: "calendar_event_attendees", query: `
			INSERT INTO calendar_event_attendees (organization_id, calendar_event_id, staff_id)
			SELECT $1, w.id, staff_id FROM wanted_events w CROSS JOIN LATERAL unnest(w.staff_ids) AS staff_id WHERE w.is_changed
			ON CONFLICT DO NOTHING`},
		{table: "calendar_event_attendees", query: `
			INSERT INTO calendar_event_attendees (organization_id, calendar_event_id, staff_id)
			SELECT $1, w.id, staff_id FROM wanted_events w CROSS JOIN LATERAL unnest(w.staff_ids) AS staff_id WHERE w.is_new`},
	},
	counts: []func(*FileResult, int64){nil, created, nil, nil, nil},
	fields: func(row, staff string) string {
		expression := fieldsWith(row, "attendee_ids", staff, "external_id", "title", "owner_staff_id", "matter_id")
		for _, column := range []string{"starts_at", "ends_at"} {
			// As text of UTC: the zone of the session has no say in it.
			expression = expression[:len(expression)-1] + ", '" + column + "', to_char(" + row + "." + column + ` AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))`
		}
		return expression
	},
	staff: seats("calendar_event_attendees", "calendar_event_id"),
}
