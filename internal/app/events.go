package app

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// CalendarEvents lists the events the caller sees (B5, D3).
func (a *App) CalendarEvents(ctx context.Context, caller domain.Caller, filter domain.CalendarEventFilter, page domain.Page, withTotal bool) (Listing[domain.CalendarEvent], error) {
	return list(ctx, a, caller, page, withTotal,
		func(tx *postgres.Tx) ([]domain.CalendarEvent, error) {
			return tx.CalendarEvents(ctx, caller, filter, page)
		},
		func(tx *postgres.Tx) (int, error) { return tx.CountCalendarEvents(ctx, caller, filter) })
}

// CalendarEvent reads one event.
func (a *App) CalendarEvent(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.CalendarEvent, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (domain.CalendarEvent, error) { return tx.CalendarEvent(ctx, caller, id) })
}

// CalendarEventEdit changes the fields of an event that were sent. The owner and those who attend, where they were sent,
// are by id.
type CalendarEventEdit struct {
	Apply       func(*domain.CalendarEvent)
	OwnerID     *uuid.UUID
	AttendeeIDs *[]uuid.UUID
}

// matter is the matter that the event is to belong to, where that was sent.
func (e CalendarEventEdit) matter() *uuid.UUID {
	var event domain.CalendarEvent
	e.Apply(&event)
	return event.MatterID
}

// CreateCalendarEvent adds an event.
func (a *App) CreateCalendarEvent(ctx context.Context, caller domain.Caller, edit CalendarEventEdit, key *Key) (domain.CalendarEvent, bool, error) {
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.CalendarEvent, error) {
		return a.createEvent(ctx, tx, caller, domain.CalendarEvent{}, edit)
	})
}

func (a *App) createEvent(ctx context.Context, tx *postgres.Tx, caller domain.Caller, event domain.CalendarEvent, edit CalendarEventEdit) (domain.CalendarEvent, error) {
	now := a.instant()
	event.ID, event.CreatedAt, event.UpdatedAt = newID(), now, now
	if err := editEvent(ctx, tx, caller, nil, &event, edit, now); err != nil {
		return domain.CalendarEvent{}, err
	}
	if err := tx.SaveCalendarEvent(ctx, event); err != nil {
		return domain.CalendarEvent{}, err
	}
	return event, tx.Audit(ctx, newID(), a.stamp(caller, "calendar_event_created", now), "calendar_event", event.ID, nil, event.Fields())
}

// UpdateCalendarEvent changes an event that nobody has changed since it was read.
func (a *App) UpdateCalendarEvent(ctx context.Context, caller domain.Caller, id uuid.UUID, ifMatch string, edit CalendarEventEdit) (event domain.CalendarEvent, err error) {
	err = a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		if err := tx.LockCalendarEvent(ctx, id, edit.matter()); err != nil {
			return err
		}
		if event, err = tx.CalendarEvent(ctx, caller, id); err != nil {
			return err
		}
		if err := checkWritesEvent(caller, event); err != nil {
			return err
		}
		if err := checkMatch(ifMatch, event.Fields()); err != nil {
			return err
		}
		event, err = a.changeEvent(ctx, tx, caller, event, edit)
		return err
	})
	return event, err
}

// UpsertCalendarEvent writes an event as another system knows it, found by its external id; created tells that it is new.
func (a *App) UpsertCalendarEvent(ctx context.Context, caller domain.Caller, externalID string, edit CalendarEventEdit) (event domain.CalendarEvent, created bool, err error) {
	err = upsert(func() error {
		return a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
			found, taken, err := tx.CalendarEventIDByExternalID(ctx, externalID)
			if err != nil {
				return err
			}
			if created = !taken; created {
				event, err = a.createEvent(ctx, tx, caller, domain.CalendarEvent{ExternalID: &externalID}, edit)
				return err
			}
			if err := tx.LockCalendarEvent(ctx, found, edit.matter()); err != nil {
				return err
			}
			if event, err = tx.CalendarEvent(ctx, caller, found); err != nil {
				return takenWhereHidden(err)
			}
			if err := checkWritesEvent(caller, event); err != nil {
				return err
			}
			event, err = a.changeEvent(ctx, tx, caller, event, edit)
			return err
		})
	})
	return event, created, err
}

func (a *App) changeEvent(ctx context.Context, tx *postgres.Tx, caller domain.Caller, event domain.CalendarEvent, edit CalendarEventEdit) (domain.CalendarEvent, error) {
	original, before, now := event, event.Fields(), a.instant()
	if err := editEvent(ctx, tx, caller, &original, &event, edit, now); err != nil {
		return domain.CalendarEvent{}, err
	}
	if domain.Version(before) == domain.Version(event.Fields()) {
		return event, nil
	}
	event.UpdatedAt = now
	if err := tx.SaveCalendarEvent(ctx, event); err != nil {
		return domain.CalendarEvent{}, err
	}
	return event, tx.Audit(ctx, newID(), a.stamp(caller, "calendar_event_changed", now), "calendar_event", event.ID, before, event.Fields())
}

// checkWritesEvent decides who may write an event. That they put it on somebody else's calendar by it does not matter: an
// event of a private matter could be handed over by nobody otherwise.
func checkWritesEvent(caller domain.Caller, event domain.CalendarEvent) error {
	if !domain.WritesEvent(caller, event) {
		return domain.Denied("Writing an event needs the tasks permission, or being its owner.")
	}
	return nil
}

// editEvent makes an event what it is to be, before being what it was (nil: it is new), and judges it.
func editEvent(ctx context.Context, tx *postgres.Tx, caller domain.Caller, before, event *domain.CalendarEvent, edit CalendarEventEdit, now time.Time) error {
	edit.Apply(event)
	if edit.OwnerID != nil {
		event.Owner = domain.StaffRef{ID: *edit.OwnerID}
	}
	var belonged *uuid.UUID
	if before != nil {
		belonged = before.MatterID
	}
	if err := checkMatterThere(ctx, tx, caller, belonged, event.MatterID); err != nil {
		return err
	}
	if before == nil {
		if err := checkWritesEvent(caller, *event); err != nil {
			return err
		}
	}
	if err := domain.CheckEventTimes(*event); err != nil {
		return err
	}
	return nameInEvent(ctx, tx, before, event, edit, now)
}

// checkMatterThere refuses a matter that does not exist, or that the caller does not see, for something to belong to.
// Where it belonged before it may stay.
func checkMatterThere(ctx context.Context, tx *postgres.Tx, caller domain.Caller, belonged, wanted *uuid.UUID) error {
	if wanted == nil || belonged != nil && *belonged == *wanted {
		return nil
	}
	seen, err := tx.MatterSeen(ctx, caller, *wanted)
	if err != nil {
		return err
	}
	if !seen {
		return domain.Refuse(domain.CodeMatterNotFound, "The matter does not exist.").
			At("/matter_id", domain.CodeMatterNotFound, fmt.Sprintf("There is no matter %s.", wanted))
	}
	return nil
}

// nameInEvent gives an event the owner and the attendees who were sent.
func nameInEvent(ctx context.Context, tx *postgres.Tx, before, event *domain.CalendarEvent, edit CalendarEventEdit, now time.Time) error {
	var places []domain.StaffPlace
	history := event.Over(now)
	if edit.OwnerID != nil {
		owner := domain.StaffPlace{Pointer: "/owner_staff_id", IDs: []uuid.UUID{*edit.OwnerID}, History: history}
		if before != nil {
			owner.Held = []domain.StaffRef{before.Owner}
		}
		places = append(places, owner)
	}
	if edit.AttendeeIDs != nil {
		attendees := domain.StaffPlace{Pointer: "/attendee_staff_ids", IDs: *edit.AttendeeIDs, IsList: true, History: history}
		if before != nil {
			attendees.Held = before.Attendees
		}
		places = append(places, attendees)
	}
	if len(places) == 0 {
		return nil
	}
	staff, err := staffAt(ctx, tx, places...)
	if err != nil {
		return err
	}
	if edit.OwnerID != nil {
		event.Owner = staff[*edit.OwnerID]
	}
	if edit.AttendeeIDs != nil {
		event.Attendees = domain.RefsOf(staff, *edit.AttendeeIDs)
	}
	return nil
}
