package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// MatterSeen tells whether there is a matter that the caller sees (B5).
func (tx *Tx) MatterSeen(ctx context.Context, caller domain.Caller, id uuid.UUID) (bool, error) {
	var seen bool
	err := tx.get(ctx, &seen, `SELECT EXISTS (SELECT FROM matters m WHERE m.organization_id = $1 AND m.id = $2 AND `+seenMatter("m", "$3")+`)`,
		tx.Organization.String(), id, caller.StaffID)
	if err != nil {
		return false, fmt.Errorf("look for matter: %w", err)
	}
	return seen, nil
}
