package caseload

import (
	"context"
	"fmt"
)

// keyStatements fill the tables that tell ids by external ids: of what the files bring, new or there already, and of
// what they only name. Names of nothing are not among them.
var keyStatements = []struct {
	table, statement string
}{
	{"staff_keys", `
		INSERT INTO staff_keys (external_id, id, is_new)
		SELECT n.external_id, coalesce(s.id, n.id), s.id IS NULL
		FROM staged_staff n LEFT JOIN staff s ON s.organization_id = $1 AND s.external_id = n.external_id
		WHERE n.external_id IS NOT NULL
		UNION ALL
		SELECT s.external_id, s.id, false
		FROM staff s WHERE s.organization_id = $1 AND s.external_id IS NOT NULL
			AND NOT EXISTS (SELECT FROM staged_staff n WHERE n.external_id = s.external_id)`},
	{"person_keys", `
		INSERT INTO person_keys (external_id, id, is_new)
		SELECT n.external_id, coalesce(p.id, n.id), p.id IS NULL
		FROM staged_people n LEFT JOIN people p ON p.organization_id = $1 AND p.external_id = n.external_id
		WHERE n.external_id IS NOT NULL
		UNION ALL
		SELECT p.external_id, p.id, false
		FROM (
			SELECT person_external_id FROM staged_assignments
			UNION SELECT person_external_id FROM staged_tasks
			UNION SELECT client_external_id FROM staged_matters
		) named (external_id)
		JOIN people p ON p.organization_id = $1 AND p.external_id = named.external_id
		WHERE NOT EXISTS (SELECT FROM staged_people n WHERE n.external_id = named.external_id)`},
	{"matter_keys", `
		INSERT INTO matter_keys (external_id, id, is_new)
		SELECT n.external_id, coalesce(m.id, n.id), m.id IS NULL
		FROM staged_matters n LEFT JOIN matters m ON m.organization_id = $1 AND m.external_id = n.external_id
		WHERE n.external_id IS NOT NULL
		UNION ALL
		SELECT m.external_id, m.id, false
		FROM (SELECT matter_external_id FROM staged_tasks UNION SELECT matter_external_id FROM staged_events) named (external_id)
		JOIN matters m ON m.organization_id = $1 AND m.external_id = named.external_id
		WHERE NOT EXISTS (SELECT FROM staged_matters n WHERE n.external_id = named.external_id)`},
}

// learnKeys finds the ids of all that is named, once for each.
func (l *load) learnKeys(ctx context.Context) error {
	for _, keys := range keyStatements {
		if _, err := l.tx.ExecContext(ctx, keys.statement, l.tx.Organization.String()); err != nil {
			return fmt.Errorf("fill %s: %w", keys.table, err)
		}
		if _, err := l.tx.ExecContext(ctx, "ANALYZE "+keys.table); err != nil {
			return fmt.Errorf("gather statistics: %w", err)
		}
	}
	// Many rows name the same few combinations of staff: each is looked up once.
	if _, err := l.tx.ExecContext(ctx, `
		INSERT INTO staff_lists (names, staff_ids, unknown)
		SELECT lists.names, array_agg(k.id ORDER BY k.id), min(name) FILTER (WHERE k.id IS NULL)
		FROM (
			SELECT assignee_external_ids FROM staged_tasks WHERE assignee_external_ids IS NOT NULL
			UNION SELECT attendee_staff_external_ids FROM staged_events WHERE attendee_staff_external_ids IS NOT NULL
		) lists (names)
		CROSS JOIN LATERAL unnest(string_to_array(lists.names, '|')) AS name
		LEFT JOIN staff_keys k ON k.external_id = name
		GROUP BY lists.names`); err != nil {
		return fmt.Errorf("fill staff_lists: %w", err)
	}
	if _, err := l.tx.ExecContext(ctx, "ANALYZE staff_lists"); err != nil {
		return fmt.Errorf("gather statistics: %w", err)
	}
	return nil
}
