package domain

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// StaffPlace is a place of a request that names staff: a field, or a list of them.
type StaffPlace struct {
	Pointer string
	IDs     []uuid.UUID
	IsList  bool
	Held    []StaffRef // those who are there already may stay, whatever has become of them
	History bool       // whoever is named is handed nothing: what is over may name deactivated staff (A13)
}

// CheckStaffPlaces refuses staff who do not exist and, where they would be handed something, who are not active (A13). Where
// some are unknown and others inactive, the code is that of the unknown, and every one is pointed at.
func CheckStaffPlaces(staff map[uuid.UUID]StaffRef, places ...StaffPlace) error {
	named := namedStaff{mustBeActive: true}
	for _, place := range places {
		statuses := make(map[uuid.UUID]StaffStatus, len(staff))
		for id, ref := range staff {
			statuses[id] = ref.Status
			if place.History || slices.ContainsFunc(place.Held, func(held StaffRef) bool { return held.ID == id }) {
				statuses[id] = StaffActive
			}
		}
		if place.IsList {
			named.add(statuses, place.Pointer, place.IDs)
			continue
		}
		for _, id := range place.IDs {
			named.addOne(statuses, place.Pointer, id)
		}
	}
	return named.refusal()
}

// RefsOf are the short forms of staff who are there, by id, each once.
func RefsOf(staff map[uuid.UUID]StaffRef, ids []uuid.UUID) []StaffRef {
	refs := make([]StaffRef, 0, len(ids))
	for _, id := range NewStaffSet(ids...) {
		refs = append(refs, staff[id])
	}
	return refs
}

// CheckGroupsThere refuses groups that do not exist, each at its place in a list that stands at a pointer.
func CheckGroupsThere(there map[uuid.UUID]bool, pointer string, ids []uuid.UUID) error {
	var unknown []uuid.UUID
	refusal := Refuse(CodeStaffGroupNotFound, "At least one staff group that is named does not exist.")
	for i, id := range ids {
		if !there[id] {
			unknown = append(unknown, id)
			refusal = refusal.At(fmt.Sprintf("%s/%d", pointer, i), CodeStaffGroupNotFound, fmt.Sprintf("There is no staff group %s.", id))
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return refusal.With("group_ids", DistinctIDs(unknown))
}
