package domain

import (
	"bytes"
	"slices"

	"github.com/google/uuid"
)

// StaffSet is a set of staff ids, sorted, each once. Its operations make new sets and leave their operands as they are.
// Equal results may share memory: a plan of 100,000 items holds few different sets.
type StaffSet []uuid.UUID

// NewStaffSet sorts ids and drops duplicates.
func NewStaffSet(ids ...uuid.UUID) StaffSet { return DistinctIDs(ids) }

// DistinctIDs sorts ids of any kind and drops duplicates.
func DistinctIDs(ids []uuid.UUID) []uuid.UUID {
	distinct := slices.Clone(ids)
	slices.SortFunc(distinct, CompareIDs)
	return slices.Compact(distinct)
}

// CompareIDs orders ids as the database does.
func CompareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

// Has tells whether id is in the set.
func (s StaffSet) Has(id uuid.UUID) bool {
	_, found := slices.BinarySearchFunc(s, id, CompareIDs)
	return found
}

// Equal tells whether both sets have the same members.
func (s StaffSet) Equal(other StaffSet) bool { return slices.Equal(s, other) }

// Meets tells whether the sets have a member in common.
func (s StaffSet) Meets(other StaffSet) bool {
	return slices.ContainsFunc(s, other.Has)
}

// Union is everyone in either set.
func (s StaffSet) Union(other StaffSet) StaffSet {
	if len(other.Minus(s)) == 0 {
		return s
	}
	if len(s.Minus(other)) == 0 {
		return other
	}
	return NewStaffSet(slices.Concat(s, other)...)
}

// Minus is everyone in s who is not in other.
func (s StaffSet) Minus(other StaffSet) StaffSet {
	if !s.Meets(other) {
		return s
	}
	var rest StaffSet
	for _, id := range s {
		if !other.Has(id) {
			rest = append(rest, id)
		}
	}
	return rest
}

// Intersect is everyone in both sets.
func (s StaffSet) Intersect(other StaffSet) StaffSet {
	var both StaffSet
	for _, id := range s {
		if other.Has(id) {
			both = append(both, id)
		}
	}
	return both
}
