// Package demo fills a database with two organizations and a believable caseload, always the same, with due dates around
// today. The examples of the contract run against it.
package demo

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Tokens are bearer tokens of the demo's staff.
type Tokens struct {
	Admin         string `json:"admin"`          // an administrator of the first organization
	ClientsOnly   string `json:"clients_only"`   // may manage clients, nothing else
	ReferralsOnly string `json:"referrals_only"` // may manage referrals, nothing else
	StaffOnly     string `json:"staff_only"`     // may change staff, nothing else
	OtherAdmin    string `json:"other_admin"`    // an administrator of the second organization
}

// Load adds the demo where it is not there yet; what is there already stays as it is. kept are the tokens of an earlier
// start: those that the database knows stay, newToken makes the others.
func Load(ctx context.Context, db *sqlx.DB, now time.Time, kept Tokens, newToken func() string) (Tokens, error) {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return kept, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	// Two processes may start on one new database.
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('handover demo', 0))`); err != nil {
		return kept, fmt.Errorf("wait for another demo: %w", err)
	}
	for _, organization := range []*caseload{harbour(now), brandt(now)} {
		if err := organization.load(ctx, tx); err != nil {
			return kept, fmt.Errorf("load %s: %w", organization.name, err)
		}
	}
	tokens, err := issue(ctx, tx, now, kept, newToken)
	if err != nil {
		return kept, err
	}
	if err := tx.Commit(); err != nil {
		return kept, fmt.Errorf("commit: %w", err)
	}
	return tokens, nil
}

// row is a row of a table, by column.
type row = map[string]any

// table is rows of one table, of which each has the same columns.
type table struct {
	name string
	rows []row
}

// load writes an organization, one statement a table, unless it is there.
func (c *caseload) load(ctx context.Context, tx *sqlx.Tx) error {
	var there bool
	if err := tx.GetContext(ctx, &there, `SELECT EXISTS (SELECT FROM organizations WHERE id = $1)`, c.id); err != nil {
		return fmt.Errorf("look for it: %w", err)
	}
	if there {
		if err := c.addGroups(ctx, tx); err != nil {
			return err
		}
		return c.addClients(ctx, tx)
	}
	for _, table := range c.tables() {
		if err := insert(ctx, tx, table); err != nil {
			return err
		}
	}
	for _, job := range c.jobs {
		args, err := json.Marshal(job)
		if err != nil {
			return fmt.Errorf("encode a job: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO river.river_job (kind, args, queue, priority, max_attempts, state, scheduled_at) VALUES ('run', $1, 'default', 1, 25, 'scheduled', $2)`,
			string(args), job["not_before"]); err != nil {
			return fmt.Errorf("leave a run to a worker: %w", err)
		}
	}
	return nil
}

// addGroups gives an organization that an earlier version loaded, when there were no groups yet, the groups that see its
// matters. Where it has groups, what is there stays as it is.
func (c *caseload) addGroups(ctx context.Context, tx *sqlx.Tx) error {
	var some bool
	if err := tx.GetContext(ctx, &some, `SELECT EXISTS (SELECT FROM staff_groups WHERE organization_id = $1)`, c.id); err != nil {
		return fmt.Errorf("look for groups: %w", err)
	}
	if some {
		return nil
	}
	for _, table := range []table{{"staff_groups", c.groups}, {"staff_group_members", c.members}, {"matter_groups", c.matterGroups}} {
		if err := insert(ctx, tx, table); err != nil {
			return err
		}
	}
	// Some matters may have been given another visibility since.
	if _, err := tx.ExecContext(ctx, `
		DELETE FROM matter_groups g USING matters m
		WHERE g.organization_id = $1 AND m.organization_id = g.organization_id AND m.id = g.matter_id AND m.visibility <> 'groups'`, c.id); err != nil {
		return fmt.Errorf("leave out matters: %w", err)
	}
	return nil
}

func insert(ctx context.Context, tx *sqlx.Tx, table table) error {
	if len(table.rows) == 0 {
		return nil
	}
	var columns []string
	for column := range table.rows[0] {
		columns = append(columns, pq.QuoteIdentifier(column))
	}
	list := columns[0]
	for _, column := range columns[1:] {
		list += ", " + column
	}
	rows, err := json.Marshal(table.rows)
	if err != nil {
		return fmt.Errorf("encode %s: %w", table.name, err)
	}
	name := pq.QuoteIdentifier(table.name)
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO %s (%s) SELECT %s FROM jsonb_populate_recordset(NULL::%s, $1::jsonb)`, name, list, list, name), string(rows)); err != nil {
		return fmt.Errorf("fill %s: %w", table.name, err)
	}
	return nil
}

// issue keeps or makes the token of each of the demo's callers.
func issue(ctx context.Context, tx *sqlx.Tx, now time.Time, kept Tokens, newToken func() string) (Tokens, error) {
	for _, caller := range []struct {
		text         *string
		organization uuid.UUID
		token, staff uuid.UUID
		name         string
	}{
		{&kept.Admin, harbourID(0), harbourID(0x300009), harbourID(0x101), "Demo"},
		{&kept.ClientsOnly, harbourID(0), harbourID(0x30000a), harbourID(0x106), "Demo, clients only"},
		{&kept.ReferralsOnly, harbourID(0), harbourID(0x30000b), harbourID(0x103), "Demo, referrals only"},
		{&kept.StaffOnly, harbourID(0), harbourID(0x30000c), harbourID(0x104), "Demo, staff only"},
		{&kept.OtherAdmin, brandtID(0), brandtID(0x300009), brandtID(0x101), "Demo"},
	} {
		var known bool
		if err := tx.GetContext(ctx, &known, `SELECT EXISTS (SELECT FROM api_tokens WHERE secret_hash = $1 AND organization_id = $2 AND revoked_at IS NULL)`,
			hash(*caller.text), caller.organization); err != nil {
			return kept, fmt.Errorf("look for token: %w", err)
		}
		if known {
			continue
		}
		*caller.text = newToken()
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO api_tokens (organization_id, id, staff_id, name, secret_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (organization_id, id) DO UPDATE SET secret_hash = excluded.secret_hash, revoked_at = NULL`,
			caller.organization, caller.token, caller.staff, caller.name, hash(*caller.text), now); err != nil {
			return kept, fmt.Errorf("make token: %w", err)
		}
	}
	return kept, nil
}

func hash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
