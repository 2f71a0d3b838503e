package caseload

// The columns of what is read and compared are in the same order throughout: a column that is added to one list and not
// to another is an error of the statement.

var staffKind = &kind{
	file: staffFile, things: "staff", subject: "staff", table: "staff", wanted: "wanted_staff",
	want: `
		INSERT INTO wanted_staff (id, audit_id, is_new, is_changed, external_id, first_name, last_name, email, role, status, permissions)
		SELECT coalesce(s.id, n.id), n.audit_id, s.id IS NULL,
			s.id IS NOT NULL AND ((s.first_name, s.last_name, s.email, s.role, s.status) IS DISTINCT FROM (n.first_name, n.last_name, n.email, n.role, n.status)
				OR NOT (s.permissions @> given.permissions AND s.permissions <@ given.permissions)),
			n.external_id, n.first_name, n.last_name, n.email, n.role, n.status, given.permissions
		FROM staged_staff n
		CROSS JOIN LATERAL (SELECT string_to_array(coalesce(n.permissions, ''), '|') AS permissions) given
		LEFT JOIN staff s ON s.organization_id = $1 AND s.external_id = n.external_id`,
	writes: []statement{
		// Two who exchange their addresses would each find the other's taken.
		{table: "staff", query: `
			UPDATE staff s SET email = s.id::text
			FROM wanted_staff w
			WHERE s.organization_id = $1 AND s.id = w.id AND w.is_changed AND lower(w.email) <> s.email_normalized
				AND EXISTS (SELECT FROM wanted_staff other WHERE other.id <> s.id AND lower(other.email) = s.email_normalized)`},
		{table: "staff", now: true, query: `
			UPDATE staff s SET first_name = w.first_name, last_name = w.last_name, email = w.email, role = w.role, status = w.status,
				permissions = w.permissions, updated_at = $2
			FROM wanted_staff w WHERE s.organization_id = $1 AND s.id = w.id AND w.is_changed`},
		{table: "staff", now: true, query: `
			INSERT INTO staff (organization_id, id, external_id, first_name, last_name, email, role, status, permissions, created_at, updated_at)
			SELECT $1, w.id, w.external_id, w.first_name, w.last_name, w.email, w.role, w.status, w.permissions, $2, $2
			FROM wanted_staff w WHERE w.is_new`},
	},
	counts: []func(*FileResult, int64){nil, nil, created},
	fields: func(row, _ string) string {
		return fields(row, "external_id", "first_name", "last_name", "email", "role", "status", "permissions")
	},
}

func created(into *FileResult, written int64) { into.Created += written }
func updated(into *FileResult, written int64) { into.Updated += written }
func removed(into *FileResult, written int64) { into.Removed += written }

// fields makes a jsonb expression of columns of a row.
func fields(row string, columns ...string) string {
	expression := "jsonb_build_object("
	for i, column := range columns {
		if i > 0 {
			expression += ", "
		}
		expression += "'" + column + "', " + row + "." + column
	}
	return expression + ")"
}

// fieldsWith adds a value of its own to the columns.
func fieldsWith(row, name, value string, columns ...string) string {
	expression := fields(row, columns...)
	return expression[:len(expression)-1] + ", '" + name + "', " + value + ")"
}

// seats is the staff on the seats of a row called r, by id.
func seats(table, column string) string {
	return `ARRAY(SELECT seat.staff_id FROM ` + table + ` seat WHERE seat.organization_id = $1 AND seat.` + column + ` = r.id ORDER BY seat.staff_id)`
}
