package domain

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// MatterStatus of a matter.
type MatterStatus string

// The statuses of matters.
const (
	MatterOpen    MatterStatus = "open"
	MatterPending MatterStatus = "pending"
	MatterClosed  MatterStatus = "closed"
)

// Visibility tells who sees a matter, and with it what belongs to it (B5).
type Visibility string

// The visibilities of matters. Whoever is responsible for a matter sees it.
const (
	VisibleToEveryone Visibility = "everyone"
	VisibleToGroups   Visibility = "groups"  // and to the members of its groups
	VisiblePrivate    Visibility = "private" // to nobody else
)

// Matter is a legal case.
type Matter struct {
	ID          uuid.UUID
	ExternalID  *string
	Number      string
	Description string
	Status      MatterStatus
	Visibility  Visibility
	Responsible StaffRef
	ClientID    *uuid.UUID
	GroupIDs    []uuid.UUID // by id, each once
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// WritesMatter tells whether the caller may write a matter: with the tasks permission, or being responsible for it.
func WritesMatter(caller Caller, matter Matter) bool {
	return caller.Has(PermissionTasks) || matter.Responsible.ID == caller.StaffID
}

// CheckMatterGroups judges the groups of a matter as it is to be written: there is at least one where groups see it, and
// none otherwise. before is nil for a new matter. One that was imported for groups, and has none yet, stays as it is.
func CheckMatterGroups(before *Matter, matter Matter) error {
	if before != nil && before.Visibility == matter.Visibility && slices.Equal(before.GroupIDs, matter.GroupIDs) {
		return nil
	}
	switch matter.Visibility {
	case VisibleToGroups:
		if len(matter.GroupIDs) == 0 {
			return Refuse(CodeInvalidValue, "A matter that groups see needs at least one group.").
				At("/group_ids", CodeInvalidValue, "Name at least one group.")
		}
	case VisibleToEveryone, VisiblePrivate:
		if len(matter.GroupIDs) > 0 {
			return Refuse(CodeInvalidValue, "Only a matter whose visibility is groups has groups.").
				At("/group_ids", CodeInvalidValue, "Must be empty, as the visibility is "+string(matter.Visibility)+".")
		}
	}
	return nil
}
