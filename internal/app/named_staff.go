package app

import (
	"context"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// staffAt finds the staff whom a request names at its places, keeps their status as it is until the transaction ends, and
// refuses those who cannot be named there.
func staffAt(ctx context.Context, tx *postgres.Tx, places ...domain.StaffPlace) (map[uuid.UUID]domain.StaffRef, error) {
	var named []uuid.UUID
	for _, place := range places {
		named = append(named, place.IDs...)
	}
	staff, err := tx.StaffRefs(ctx, domain.NewStaffSet(named...))
	if err != nil {
		return nil, err
	}
	return staff, domain.CheckStaffPlaces(staff, places...)
}
