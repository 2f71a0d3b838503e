package postgres

import (
	"context"
	"fmt"

	"handover/internal/domain"
)

// matterFacts reads the matters whose ids a statement selects, by id; with lock it locks them. The statement's first
// parameter is the organization, its second who asks, the others are args.
//
// Who sees them is asked outside of what is locked. Where rows have changed while their locks were waited for, PostgreSQL 15
// judges them once more, with the organization of row-level security missing in sub-selects that it had not needed before:
// its server process crashes.
func (tx *Tx) matterFacts(ctx context.Context, caller domain.Caller, lock bool, chosen string, args ...any) ([]domain.MatterFacts, error) {
	rows, err := tx.queryOnce(ctx, `
		WITH m AS MATERIALIZED (
			SELECT m.organization_id, m.id, m.responsible_staff_id, m.status, m.visibility
			FROM matters m WHERE m.organization_id = $1 AND m.id IN (`+chosen+`) ORDER BY m.id`+locking(lock, ` FOR NO KEY UPDATE OF m`)+`
		)
		SELECT m.id, m.responsible_staff_id, m.status = 'closed', m.visibility = 'private', NOT `+seenMatter("m", "$2")+` FROM m ORDER BY m.id`,
		append([]any{tx.Organization.String(), caller.StaffID}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("read matters: %w", err)
	}
	var facts []domain.MatterFacts
	err = each(rows, func(scan scanner) error {
		var matter domain.MatterFacts
		if err := scan(&matter.ID, &matter.Responsible, &matter.Closed, &matter.Private, &matter.Hidden); err != nil {
			return err
		}
		facts = append(facts, matter)
		return nil
	})
	return facts, err
}
