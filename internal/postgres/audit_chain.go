package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// ChainsToLookAt tells the organizations that may have events outside of their chain, see FindUnchained. Of other organizations it tells
// just this.
func (s *Store) ChainsToLookAt(ctx context.Context, back time.Duration, sweptSince time.Time) ([]uuid.UUID, error) {
	var organizations []uuid.UUID
	if err := s.DB.SelectContext(ctx, &organizations, `SELECT id FROM audit_chains_to_look_at(make_interval(secs => $1), $2) AS id`, back.Seconds(), sweptSince); err != nil {
		return nil, fmt.Errorf("look for events that are not chained: %w", translate(err))
	}
	return organizations, nil
}

// AuditedOrganizations tells all organizations there are.
func (s *Store) AuditedOrganizations(ctx context.Context) ([]uuid.UUID, error) {
	var organizations []uuid.UUID
	if err := s.DB.SelectContext(ctx, &organizations, `SELECT id FROM organizations ORDER BY id`); err != nil {
		return nil, fmt.Errorf("list organizations: %w", translate(err))
	}
	return organizations, nil
}

// ChainHealth counts what is chained, over all organizations, and tells since when the one furthest behind may have events that are not.
func (s *Store) ChainHealth(ctx context.Context) (health domain.ChainHealth, err error) {
	if err := s.DB.QueryRowContext(ctx, `SELECT organizations, events, behind_since FROM audit_chain_health()`).
		Scan(&health.Organizations, &health.Events, &health.BehindSince); err != nil {
		return domain.ChainHealth{}, fmt.Errorf("look how the audit trail is chained: %w", translate(err))
	}
	return health, nil
}

// TakeChain takes the organization's chain for this transaction; false where another one has it.
func (tx *Tx) TakeChain(ctx context.Context) (taken bool, err error) {
	if err := tx.get(ctx, &taken, `SELECT pg_try_advisory_xact_lock(hashtextextended('audit_chain/' || $1, 0))`, tx.Organization.String()); err != nil {
		return false, fmt.Errorf("take the chain: %w", err)
	}
	return taken, nil
}

// ChainHead is where the chain ends, and since when; false where it has not begun.
func (tx *Tx) ChainHead(ctx context.Context) (head domain.ChainHead, chainedAt time.Time, begun bool, err error) {
	var hash []byte
	err = tx.QueryRowContext(tx.store.short(ctx), `
		SELECT last_position, substring(hashes FROM octet_length(hashes) - 31), chained_at FROM audit_links
		WHERE organization_id = $1 ORDER BY first_position DESC LIMIT 1`, tx.Organization.String()).Scan(&head.Position, &hash, &chainedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return domain.ChainOf(tx.Organization).Head(), time.Time{}, false, nil
	}
	if err != nil {
		return head, chainedAt, false, fmt.Errorf("read the head of the chain: %w", err)
	}
	copy(head.Hash[:], hash)
	return head, chainedAt.UTC(), true, nil
}

// loopless keeps the planner from looping over sets whose sizes it can only guess.
func (tx *Tx) loopless(ctx context.Context) error {
	if err := tx.planForValues(ctx); err != nil {
		return err
	}
	if err := tx.exec(ctx, `SELECT set_config('enable_nestloop', 'off', true)`); err != nil {
		return fmt.Errorf("plan for sets: %w", err)
	}
	return nil
}

// unchained finds events from an id on that are in no link. An event that is in a link is not newer than the link's newest.
const unchained = `SELECT e.id FROM audit_events e
	WHERE e.organization_id = $1 AND e.id >= $2 AND NOT EXISTS (
		SELECT FROM (SELECT unnest(l.event_ids) AS id FROM audit_links l WHERE l.organization_id = $1 AND l.newest_event_id >= $2) chained WHERE chained.id = e.id)`

// LookedAt is how far the organization's trail has been looked through.
type LookedAt struct {
	Now   time.Time // by the clock of the database: what is not seen from here on is committed later
	From  uuid.UUID // where the next look begins
	Sweep bool      // it goes through everything
}

// LookedAt tells where the next look for events that are not chained begins: as far back, by their ids, as given, or at the very first one where
// that was not done since an instant.
func (tx *Tx) LookedAt(ctx context.Context, back time.Duration, sweptSince time.Time) (looked LookedAt, err error) {
	if err := tx.QueryRowContext(tx.store.short(ctx), `
		SELECT now(), coalesce(earliest_id(p.looked_at - make_interval(secs => $2)), $4::uuid), p.looked_at IS NULL
		FROM (SELECT) AS one LEFT JOIN audit_chain_progress p ON p.organization_id = $1 AND p.swept_at >= $3`,
		tx.Organization.String(), back.Seconds(), sweptSince, uuid.Nil).Scan(&looked.Now, &looked.From, &looked.Sweep); err != nil {
		return looked, fmt.Errorf("read how far the chain is: %w", err)
	}
	return looked, nil
}

// FindUnchained finds events from an id on that are not in the chain, in the order of their ids, at most as many as given.
func (tx *Tx) FindUnchained(ctx context.Context, from uuid.UUID, most int) ([]uuid.UUID, error) {
	if err := tx.loopless(ctx); err != nil {
		return nil, err
	}
	var found []uuid.UUID
	if err := tx.SelectContext(ctx, &found, unchained+` ORDER BY e.id LIMIT $3`, tx.Organization.String(), from, most); err != nil {
		return nil, fmt.Errorf("find events that are not chained: %w", err)
	}
	return found, nil
}

// CountUnchained counts the events that are not in the chain, and tells when the oldest of them occurred.
func (tx *Tx) CountUnchained(ctx context.Context) (count int64, oldest *time.Time, err error) {
	if err := tx.loopless(ctx); err != nil {
		return 0, nil, err
	}
	if err := tx.QueryRowContext(ctx, `SELECT count(*), min(o.occurred_at) FILTER (WHERE isfinite(o.occurred_at))
		FROM (`+unchained+`) u JOIN audit_events o ON o.organization_id = $1 AND o.id = u.id`, tx.Organization.String(), uuid.Nil).Scan(&count, &oldest); err != nil {
		return 0, nil, fmt.Errorf("count events that are not chained: %w", err)
	}
	if oldest != nil {
		*oldest = oldest.UTC()
	}
	return count, oldest, nil
}

// AuditRecords reads events as they are hashed. Those that are not there are not among them.
func (tx *Tx) AuditRecords(ctx context.Context, wanted []uuid.UUID) (map[uuid.UUID]domain.AuditRecord, error) {
	rows, err := tx.queryOnce(ctx, `
		SELECT e.id, CASE WHEN isfinite(e.occurred_at) THEN (extract(epoch FROM e.occurred_at) * 1000000)::bigint END, e.staff_id, e.action,
		       e.subject_kind, e.subject_id, e.run_id, e.request_id, e.reason, e.before, e.after
		FROM audit_events e WHERE e.organization_id = $1 AND e.id = ANY ($2)`, tx.Organization.String(), ids(wanted))
	if err != nil {
		return nil, fmt.Errorf("read audit events: %w", err)
	}
	records := make(map[uuid.UUID]domain.AuditRecord, len(wanted))
	err = each(rows, func(scan scanner) error {
		var r domain.AuditRecord
		if err := scan(&r.ID, &r.OccurredAt, &r.StaffID, &r.Action, &r.SubjectKind, &r.SubjectID, &r.RunID, &r.RequestID, &r.Reason, &r.Before, &r.After); err != nil {
			return fmt.Errorf("read audit event: %w", err)
		}
		records[r.ID] = r
		return nil
	})
	return records, err
}

// AppendLink adds a link at the end of the chain. That its place is taken already is an error: two would have been at it.
func (tx *Tx) AppendLink(ctx context.Context, link domain.AuditLink, newest uuid.UUID) error {
	hashes := make([]byte, 0, len(link.Hashes)*len(domain.ChainHash{}))
	for _, hash := range link.Hashes {
		hashes = append(hashes, hash[:]...)
	}
	hit, err := tx.execSet(ctx, len(link.EventIDs), `
		INSERT INTO audit_links (organization_id, first_position, last_position, format, newest_event_id, event_ids, hashes, chained_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		tx.Organization.String(), link.First, link.Last, link.Format, newest, ids(link.EventIDs), hashes, link.ChainedAt)
	return expect("append a link to the chain", hit, err, 1)
}

// SaveLookedAt notes that all that was committed before a look is chained.
func (tx *Tx) SaveLookedAt(ctx context.Context, looked LookedAt) error {
	if err := tx.exec(ctx, `
		INSERT INTO audit_chain_progress AS p (organization_id, looked_at, swept_at) VALUES ($1, $2, $2)
		ON CONFLICT (organization_id) DO UPDATE SET looked_at = excluded.looked_at, swept_at = CASE WHEN $3 THEN excluded.swept_at ELSE p.swept_at END`,
		tx.Organization.String(), looked.Now, looked.Sweep); err != nil {
		return fmt.Errorf("note how far the chain is: %w", err)
	}
	return nil
}

// AuditLinks reads the links that begin after a position, in their order, and within so many positions of it; one at least, where there are any.
func (tx *Tx) AuditLinks(ctx context.Context, after, within int64) ([]domain.AuditLink, error) {
	links, err := tx.readLinks(ctx, ` AND first_position > $2 AND first_position <= $3 ORDER BY first_position LIMIT 1000`, after, after+within)
	if err != nil || len(links) > 0 {
		return links, err
	}
	return tx.readLinks(ctx, ` AND first_position > $2 ORDER BY first_position LIMIT 1`, after) // beyond a gap that should not be
}

func (tx *Tx) readLinks(ctx context.Context, which string, args ...any) ([]domain.AuditLink, error) {
	rows, err := tx.queryOnce(ctx, `SELECT first_position, last_position, format, event_ids, hashes, chained_at FROM audit_links WHERE organization_id = $1`+which,
		append([]any{tx.Organization.String()}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("read the chain: %w", err)
	}
	var links []domain.AuditLink
	err = each(rows, func(scan scanner) error {
		var link domain.AuditLink
		var events ids
		var hashes []byte
		if err := scan(&link.First, &link.Last, &link.Format, &events, &hashes, &link.ChainedAt); err != nil {
			return fmt.Errorf("read a link of the chain: %w", err)
		}
		link.EventIDs, link.Hashes = events, make([]domain.ChainHash, len(hashes)/len(domain.ChainHash{}))
		for i := range link.Hashes {
			copy(link.Hashes[i][:], hashes[i*len(domain.ChainHash{}):])
		}
		links = append(links, link)
		return nil
	})
	return links, err
}

// RepeatedInChain finds an event that is in the chain more than once.
func (tx *Tx) RepeatedInChain(ctx context.Context) (id uuid.UUID, found bool, err error) {
	if err := tx.loopless(ctx); err != nil {
		return id, false, err
	}
	err = tx.GetContext(ctx, &id, `SELECT id FROM (SELECT unnest(event_ids) AS id FROM audit_links WHERE organization_id = $1) chained
		GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT 1`, tx.Organization.String())
	if errors.Is(err, sql.ErrNoRows) {
		return id, false, nil
	}
	if err != nil {
		return id, false, fmt.Errorf("look for events that are chained twice: %w", err)
	}
	return id, true, nil
}
