package domain

import (
	"time"

	"github.com/google/uuid"
)

// CalendarEvent is on the calendar of one staff member, its owner; others may attend it. It may belong to a matter.
type CalendarEvent struct {
	ID         uuid.UUID
	ExternalID *string
	Title      string
	StartsAt   time.Time
	EndsAt     time.Time
	Owner      StaffRef
	Attendees  []StaffRef // by id
	MatterID   *uuid.UUID
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Over tells whether the event has ended: it is history then, which may name whoever was there (A13).
func (e CalendarEvent) Over(now time.Time) bool { return e.EndsAt.Before(now) }

// CheckEventTimes refuses an event that ends before it starts.
func CheckEventTimes(event CalendarEvent) error {
	if event.EndsAt.Before(event.StartsAt) {
		return Refuse(CodeInvalidValue, "An event cannot end before it starts.").
			At("/ends_at", CodeInvalidValue, "Is before the start of the event.")
	}
	return nil
}

// WritesEvent tells whether the caller may write an event: with the tasks permission, or being its owner.
func WritesEvent(caller Caller, event CalendarEvent) bool {
	return caller.Has(PermissionTasks) || event.Owner.ID == caller.StaffID
}
