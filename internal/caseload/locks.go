package caseload

import (
	"context"
	"errors"
)

// lockStatements lock what changes, in the order of bulk changes: people, matters, tasks, events, then staff, each in the
// order of their ids.
var lockStatements = []statement{
	{doing: "locking people", query: locking("people", `
		SELECT w.id FROM wanted_people w WHERE w.is_changed
		UNION SELECT a.person_id FROM wanted_assignments a WHERE a.is_changed
		UNION SELECT t.person_id FROM wanted_tasks w JOIN tasks t ON t.organization_id = $1 AND t.id = w.id WHERE w.is_changed AND t.person_id IS NOT NULL`)},
	{doing: "locking matters", query: locking("matters", `SELECT w.id FROM wanted_matters w WHERE w.is_changed`)},
	{doing: "locking tasks", query: locking("tasks", `SELECT w.id FROM wanted_tasks w WHERE w.is_changed`)},
	{doing: "locking calendar events", query: locking("calendar_events", `SELECT w.id FROM wanted_events w WHERE w.is_changed`)},
	{doing: "locking staff", query: locking("staff", `SELECT w.id FROM wanted_staff w WHERE w.is_changed`)},
}

// keepOwned lets people who are linked to CaMS keep what CaMS owns of them: that follows CaMS, whatever a file says, and so
// do the words they are found by. Once they are locked nobody else links or unlinks them.
var keepOwned = statement{doing: "keeping what belongs to CaMS", query: `
	UPDATE wanted_people w SET kind = p.kind, first_name = p.first_name, last_name = p.last_name, email = p.email, phone = p.phone,
		words = ARRAY(SELECT o.word FROM person_words o WHERE o.organization_id = $1 AND o.person_id = w.id)
	FROM cams_links l JOIN people p ON p.organization_id = l.organization_id AND p.id = l.person_id
	WHERE l.organization_id = $1 AND l.person_id = w.id AND w.is_changed`}

func locking(table, ids string) string {
	return `SELECT count(*) FROM (
		SELECT FROM ` + table + ` r WHERE r.organization_id = $1 AND r.id IN (` + ids + `) ORDER BY r.id FOR NO KEY UPDATE
	) locked`
}

// manyRows is how many rows make it worth while to prepare for checking references.
const manyRows = 1000

// lockReferences does the work of foreign keys as sets, where there is much of it and the connection may: what was there
// before and is referred to is found and kept from going away (what is new is this transaction's own), and then the
// triggers that would do the same for each reference of each row, half the time of a large import, are left out.
//
// Where the connection may not leave them out they work as ever; eachRow tells so, and they are helped to good plans.
func (l *load) lockReferences(ctx context.Context) (eachRow bool, err error) {
	var rows int64
	for _, count := range l.counts {
		rows += count.Rows
	}
	if rows < manyRows {
		return false, nil
	}
	var allowed bool
	if err := l.tx.GetContext(ctx, &allowed, `SELECT has_parameter_privilege(session_user, 'session_replication_role', 'SET')`); err != nil {
		return false, err
	}
	if !allowed || l.options.eachRow {
		return true, l.helpForeignKeys(ctx)
	}
	for _, referred := range []struct{ table, keys string }{{"staff", "staff_keys"}, {"people", "person_keys"}, {"matters", "matter_keys"}} {
		var all bool
		if err := l.tx.GetContext(ctx, &all, `
			SELECT (SELECT count(*) FROM `+referred.keys+` WHERE NOT is_new) = (SELECT count(*) FROM (
				SELECT FROM `+referred.table+` r WHERE r.organization_id = $1 AND r.id IN (SELECT id FROM `+referred.keys+` WHERE NOT is_new)
				ORDER BY r.id FOR KEY SHARE
			) locked)`, l.tx.Organization.String()); err != nil {
			return false, err
		}
		if !all {
			return false, errors.New("some of the " + referred.table + " went away meanwhile")
		}
	}
	var organization int
	if err := l.tx.GetContext(ctx, &organization, `SELECT 1 FROM organizations WHERE id = $1 FOR KEY SHARE`, l.tx.Organization.String()); err != nil {
		return false, err
	}
	return false, l.asOwner(ctx, `SELECT set_config('session_replication_role', 'replica', true)`)
}

// helpForeignKeys lets the look-ups of foreign keys be planned anew, for tables that are about to be large, and with
// the few rows of staff looked up in their index: scanning them is cheaper once, as the planner sees it, not a million
// times.
func (l *load) helpForeignKeys(ctx context.Context) error {
	for _, statement := range []string{`DISCARD PLANS`, `SELECT set_config('random_page_cost', '1.1', true)`} {
		if _, err := l.tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// analyzing gathers statistics of a table that others are about to refer to. Without them any index that begins with
// the organization looks as good as the primary key. Another import may be at it just now; then its are as good.
func analyzing(table string) statement {
	return statement{query: "ANALYZE (SKIP_LOCKED) " + table, asOwner: true}
}

// asOwner runs a statement as the role of the connection, and goes on as the role of the service.
func (l *load) asOwner(ctx context.Context, query string) error {
	var role string
	if err := l.tx.GetContext(ctx, &role, `SELECT current_setting('role')`); err != nil {
		return err
	}
	if _, err := l.tx.ExecContext(ctx, `SELECT set_config('role', 'none', true)`); err != nil {
		return err
	}
	if _, err := l.tx.ExecContext(ctx, query); err != nil {
		return err
	}
	_, err := l.tx.ExecContext(ctx, `SELECT set_config('role', $1, true)`, role)
	return err
}
