package invariants

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"handover/internal/domain"
)

// chainTables follow the audit trail whenever a worker looks, whoever was asked to change something: they are checked by themselves.
var chainTables = map[string]bool{"audit_links": true, "audit_chain_progress": true}

// chainRecords are what the links of the audit chains must tell by themselves: I8.
var chainRecords = []record{
	{"I8", "the chain of the audit trail has a gap, or a stretch twice", `
		SELECT organization_id, NULL::uuid, event_ids[1] FROM (
			SELECT organization_id, event_ids, first_position, lag(last_position, 1, 0::bigint) OVER (PARTITION BY organization_id ORDER BY first_position) AS before FROM audit_links
		) link WHERE first_position <> before + 1`},
	{"I8", "a link tells another newest event than it has", `
		SELECT organization_id, NULL::uuid, newest_event_id FROM audit_links
		WHERE newest_event_id <> (SELECT id FROM unnest(event_ids) AS id ORDER BY id DESC LIMIT 1)`},
	{"I8", "a chained event is not in the trail", `
		SELECT l.organization_id, NULL::uuid, l.id FROM (SELECT organization_id, unnest(event_ids) AS id FROM audit_links) l
		WHERE NOT EXISTS (SELECT FROM audit_events e WHERE e.organization_id = l.organization_id AND e.id = l.id)`},
	{"I8", "an event is chained twice", `
		SELECT organization_id, NULL::uuid, id FROM (SELECT organization_id, unnest(event_ids) AS id FROM audit_links) l GROUP BY organization_id, id HAVING count(*) > 1`},
}

// checkChains is I8: the links are whole, and each hash is that of its event after the one before.
func checkChains(ctx context.Context, tx *sqlx.Tx) ([]Violation, error) {
	var c collector
	for _, r := range chainRecords {
		broken, err := r.look(ctx, tx)
		if err != nil {
			return nil, fmt.Errorf("look whether %s: %w", r.detail, err)
		}
		c.found = append(c.found, broken...)
	}
	var organization uuid.UUID
	var chain *domain.AuditChain
	err := each(ctx, tx, `
		SELECT l.organization_id, substring(l.hashes FROM (32 * (l.place - 1) + 1)::integer FOR 32), e.id, (extract(epoch FROM e.occurred_at) * 1000000)::bigint,
			e.staff_id, e.action, e.subject_kind, e.subject_id, e.run_id, e.request_id, e.reason, e.before, e.after
		FROM (SELECT a.organization_id, a.first_position, a.hashes, event.id, event.place FROM audit_links a, unnest(a.event_ids) WITH ORDINALITY AS event (id, place)) l
		JOIN audit_events e ON e.organization_id = l.organization_id AND e.id = l.id
		ORDER BY l.organization_id, l.first_position, l.place`, func(rows *sqlx.Rows) error {
		var of uuid.UUID
		var hash []byte
		var r domain.AuditRecord
		if err := rows.Scan(&of, &hash, &r.ID, &r.OccurredAt, &r.StaffID, &r.Action, &r.SubjectKind, &r.SubjectID, &r.RunID, &r.RequestID, &r.Reason, &r.Before, &r.After); err != nil {
			return err
		}
		if chain == nil || of != organization {
			organization, chain = of, domain.ChainOf(domain.OrganizationID(of))
		}
		if got := chain.Append(r); string(got[:]) != string(hash) {
			c.add(Violation{"I8", of, r.RunID.UUID, r.ID, fmt.Sprintf("the event at position %d is not what was chained there", chain.Head().Position)}, of.String())
		}
		return nil
	})
	return c.found, err
}
