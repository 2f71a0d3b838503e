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

type eventRow struct {
	ID          uuid.UUID          `db:"id"`
	ExternalID  *string            `db:"external_id"`
	Title       string             `db:"title"`
	StartsAt    time.Time          `db:"starts_at"`
	EndsAt      time.Time          `db:"ends_at"`
	MatterID    uuid.NullUUID      `db:"matter_id"`
	CreatedAt   time.Time          `db:"created_at"`
	UpdatedAt   time.Time          `db:"updated_at"`
	Attendees   staffRefs          `db:"attendees"`
	StaffID     uuid.UUID          `db:"owner_staff_id"`
	FirstName   string             `db:"first_name"`
	LastName    string             `db:"last_name"`
	StaffStatus domain.StaffStatus `db:"staff_status"`
}

func (r eventRow) event() domain.CalendarEvent {
	return domain.CalendarEvent{
		ID: r.ID, ExternalID: r.ExternalID, Title: r.Title, StartsAt: r.StartsAt.UTC(), EndsAt: r.EndsAt.UTC(),
		Owner:     domain.StaffRef{ID: r.StaffID, Name: domain.FullName(r.FirstName, r.LastName), Status: r.StaffStatus},
		Attendees: r.Attendees, MatterID: idOf(r.MatterID), CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

const eventColumns = `e.id, e.external_id, e.title, e.starts_at, e.ends_at, e.matter_id, e.created_at, e.updated_at, e.owner_staff_id`

// withEventDetails adds to a page of events what is looked up for each of its rows.
func withEventDetails(page string) string {
	return `SELECT e.*, s.first_name, s.last_name, s.status AS staff_status,
		` + staffRefsOf("calendar_event_attendees", "calendar_event_id", "e.id") + ` AS attendees
		FROM (` + page + `) e JOIN staff s ON s.organization_id = $1 AND s.id = e.owner_staff_id ORDER BY e.id`
}

func (q *query) filterEvents(filter domain.CalendarEventFilter) {
	q.andAnyOf("e.external_id", filter.ExternalIDs)
	q.andAnyID("e.owner_staff_id", filter.OwnerIDs)
	q.andAnyID("e.matter_id", filter.MatterIDs)
	switch len(filter.AttendeeIDs) {
	case 0:
	case 1:
		q.join("JOIN calendar_event_attendees attended ON attended.organization_id = e.organization_id AND attended.calendar_event_id = e.id AND attended.staff_id = %s", filter.AttendeeIDs[0])
		q.and("attended.organization_id = $1")
		q.id = "attended.calendar_event_id"
	default:
		q.and(`EXISTS (SELECT FROM calendar_event_attendees a WHERE a.organization_id = e.organization_id AND a.calendar_event_id = e.id AND a.staff_id = ANY (%s))`,
			ids(filter.AttendeeIDs))
	}
	q.once = q.once || filter.StartsFrom != nil || filter.StartsTo != nil
	if filter.StartsFrom != nil {
		q.and("e.starts_at >= %s", *filter.StartsFrom)
	}
	if filter.StartsTo != nil {
		q.and("e.starts_at < %s", *filter.StartsTo)
	}
	q.andWords("lower(e.title)", filter.Query)
}

// CalendarEvents lists a page of the events the caller sees, by id, with one more than the page holds where there are more.
func (tx *Tx) CalendarEvents(ctx context.Context, caller domain.Caller, filter domain.CalendarEventFilter, page domain.Page) ([]domain.CalendarEvent, error) {
	q := newQuery("e", tx.Organization)
	q.listedEvents(caller, filter)
	q.filterEvents(filter)
	var rows []eventRow
	if err := tx.list(ctx, &rows, q, withEventDetails("SELECT "+eventColumns+" "+q.widestPage("calendar_events e", page))+" LIMIT "+q.arg(page.Limit+1)); err != nil {
		return nil, fmt.Errorf("list calendar events: %w", err)
	}
	events := make([]domain.CalendarEvent, len(rows))
	for i, row := range rows {
		events[i] = row.event()
	}
	return events, nil
}

// CountCalendarEvents counts the events the caller sees and the filter matches.
func (tx *Tx) CountCalendarEvents(ctx context.Context, caller domain.Caller, filter domain.CalendarEventFilter) (int, error) {
	q := newQuery("e", tx.Organization)
	q.listedEvents(caller, filter)
	q.filterEvents(filter)
	total, err := tx.count(ctx, q, "calendar_events e")
	if err != nil {
		return 0, fmt.Errorf("count calendar events: %w", err)
	}
	return total, nil
}

// CalendarEvent reads one event the caller sees. Of their own organization, 403; of another or on a matter that is hidden
// from them, as if it did not exist, 404 (A2, B5).
func (tx *Tx) CalendarEvent(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.CalendarEvent, error) {
	return oneSeen(ctx, tx, "e", id, caller, (*query).seenEvents, (*query).unhiddenEvents, (*Tx).event, "event")
}

func (tx *Tx) event(ctx context.Context, q *query) (domain.CalendarEvent, bool, error) {
	var row eventRow
	err := tx.get(ctx, &row, withEventDetails("SELECT "+eventColumns+" "+q.from("calendar_events e")), q.args...)
	if errors.Is(err, sql.ErrNoRows) {
		return domain.CalendarEvent{}, false, nil
	}
	if err != nil {
		return domain.CalendarEvent{}, false, fmt.Errorf("read calendar event: %w", err)
	}
	return row.event(), true, nil
}

// CalendarEventIDByExternalID finds an event, whoever may see it; found tells whether there is one. It is not locked: its matter
// comes first.
func (tx *Tx) CalendarEventIDByExternalID(ctx context.Context, externalID string) (id uuid.UUID, found bool, err error) {
	return tx.idByExternalID(ctx, "calendar_events", externalID, false)
}

// LockCalendarEvent waits until nobody else changes the event, and keeps them from it. The matter it belongs to, and the one it
// is to belong to, are locked first, in the order that bulk changes keep.
func (tx *Tx) LockCalendarEvent(ctx context.Context, id uuid.UUID, matter *uuid.UUID) error {
	if err := tx.lockMattersOf(ctx, "calendar_events", id, matter); err != nil {
		return err
	}
	if err := tx.exec(ctx, `SELECT FROM calendar_events WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE`, tx.Organization.String(), id); err != nil {
		return fmt.Errorf("lock calendar event: %w", err)
	}
	return nil
}

// SaveCalendarEvent writes a new event, or all fields of one that is there, with exactly its attendees.
func (tx *Tx) SaveCalendarEvent(ctx context.Context, event domain.CalendarEvent) error {
	if err := tx.exec(ctx, `
		INSERT INTO calendar_events (organization_id, id, external_id, title, starts_at, ends_at, owner_staff_id, matter_id, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (organization_id, id) DO UPDATE SET external_id = excluded.external_id, title = excluded.title, starts_at = excluded.starts_at,
			ends_at = excluded.ends_at, owner_staff_id = excluded.owner_staff_id, matter_id = excluded.matter_id, updated_at = excluded.updated_at`,
		tx.Organization.String(), event.ID, event.ExternalID, event.Title, event.StartsAt, event.EndsAt, event.Owner.ID, event.MatterID,
		event.CreatedAt, event.UpdatedAt); err != nil {
		return fmt.Errorf("save calendar event: %w", err)
	}
	attendees := make(ids, len(event.Attendees))
	for i, ref := range event.Attendees {
		attendees[i] = ref.ID
	}
	if err := tx.exec(ctx, `
		WITH gone AS (
			DELETE FROM calendar_event_attendees WHERE organization_id = $1 AND calendar_event_id = $2 AND NOT staff_id = ANY ($3::uuid[])
		)
		INSERT INTO calendar_event_attendees (organization_id, calendar_event_id, staff_id)
		SELECT $1, $2, staff_id FROM unnest($3::uuid[]) AS staff_id ON CONFLICT DO NOTHING`,
		tx.Organization.String(), event.ID, attendees); err != nil {
		return fmt.Errorf("save attendees: %w", err)
	}
	return nil
}
