package domain

import (
	"time"

	"github.com/google/uuid"
)

// StaffGroup is a group of staff, who see the matters that are visible to it (B5).
type StaffGroup struct {
	ID        uuid.UUID
	Name      string
	MemberIDs []uuid.UUID // by id, each once
	CreatedAt time.Time
	UpdatedAt time.Time
}

// CheckWritesGroups decides whether the caller may write staff groups.
func CheckWritesGroups(caller Caller) error {
	if !caller.Has(PermissionStaff) {
		return Denied("Changing staff groups needs the staff permission.")
	}
	return nil
}
