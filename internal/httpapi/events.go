package httpapi

import (
	"context"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

// ListCalendarEvents lists the events the caller sees (B5, D3).
func (h *handlers) ListCalendarEvents(ctx context.Context, request api.ListCalendarEventsRequestObject) (api.ListCalendarEventsResponseObject, error) {
	caller, params := callerOf(ctx), request.Params
	after, err := afterOf(ctx, params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := domain.CalendarEventFilter{
		OwnerIDs: allOf(params.OwnerStaffID, staffID(caller)), AttendeeIDs: allOf(params.AttendeeStaffID, staffID(caller)),
		MatterIDs: valueOr(params.MatterID, nil), StartsFrom: kept(params.StartsFrom), StartsTo: kept(params.StartsTo),
		Query: valueOr(params.Q, ""), ExternalIDs: valueOr(params.ExternalID, nil),
	}
	events, err := h.app.CalendarEvents(ctx, caller, filter, domain.Page{After: after, Limit: limitOf(params.Limit)}, valueOr(params.IncludeTotal, false))
	if err != nil {
		return nil, err
	}
	return api.ListCalendarEvents200JSONResponse{Items: all(events.Items, eventOf), Total: events.Total, NextCursor: nextPage(ctx, events, eventID)}, nil
}

// GetCalendarEvent reads one event.
func (h *handlers) GetCalendarEvent(ctx context.Context, request api.GetCalendarEventRequestObject) (api.GetCalendarEventResponseObject, error) {
	event, err := h.app.CalendarEvent(ctx, callerOf(ctx), request.CalendarEventID)
	if err != nil {
		return nil, err
	}
	return api.GetCalendarEvent200JSONResponse{
		Body: eventOf(event), Headers: api.GetCalendarEvent200ResponseHeaders{ETag: etag(domain.Version(event.Fields()))},
	}, nil
}

// eventFields are the fields of an event as they were sent, the same for create, update and upsert.
type eventFields struct {
	title            *api.EventTitle
	startsAt, endsAt *api.Instant
	ownerID          *api.StaffIDOrMe
	attendeeIDs      *api.AttendeeIDList
	matterID         nullable.Nullable[api.NullableUUID]
	externalID       nullable.Nullable[api.NullableExternalKey]
}

func (f eventFields) edit(caller domain.Caller) app.CalendarEventEdit {
	edit := app.CalendarEventEdit{Apply: func(event *domain.CalendarEvent) {
		set(&event.Title, f.title)
		if starts := kept(f.startsAt); starts != nil {
			event.StartsAt = *starts
		}
		if ends := kept(f.endsAt); ends != nil {
			event.EndsAt = *ends
		}
		setNullable(&event.MatterID, f.matterID)
		setNullable(&event.ExternalID, f.externalID)
	}}
	if f.ownerID != nil {
		edit.OwnerID = new(staffID(caller)(*f.ownerID))
	}
	if f.attendeeIDs != nil {
		edit.AttendeeIDs = new(all[string, uuid.UUID](*f.attendeeIDs, staffID(caller)))
	}
	return edit
}

// CreateCalendarEvent adds an event.
func (h *handlers) CreateCalendarEvent(ctx context.Context, request api.CreateCalendarEventRequestObject) (api.CreateCalendarEventResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	fields := eventFields{&body.Title, &body.StartsAt, &body.EndsAt, &body.OwnerStaffID, body.AttendeeStaffIds, body.MatterID, body.ExternalID}
	event, again, err := h.app.CreateCalendarEvent(ctx, caller, fields.edit(caller), keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.CreateCalendarEvent201JSONResponse{Body: eventOf(event), Headers: api.CreateCalendarEvent201ResponseHeaders{
		Location: "/v1/calendar-events/" + event.ID.String(), ETag: etag(domain.Version(event.Fields())), IdempotencyReplayed: replayed(again),
	}}, nil
}

// UpdateCalendarEvent changes an event that nobody has changed since it was read.
func (h *handlers) UpdateCalendarEvent(ctx context.Context, request api.UpdateCalendarEventRequestObject) (api.UpdateCalendarEventResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	match, err := ifMatchOf(request.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	fields := eventFields{body.Title, body.StartsAt, body.EndsAt, body.OwnerStaffID, body.AttendeeStaffIds, body.MatterID, body.ExternalID}
	event, err := h.app.UpdateCalendarEvent(ctx, caller, request.CalendarEventID, match, fields.edit(caller))
	if err != nil {
		return nil, err
	}
	return api.UpdateCalendarEvent200JSONResponse{
		Body: eventOf(event), Headers: api.UpdateCalendarEvent200ResponseHeaders{ETag: etag(domain.Version(event.Fields()))},
	}, nil
}

// UpsertCalendarEventByExternalID writes an event as another system knows it (D3).
func (h *handlers) UpsertCalendarEventByExternalID(ctx context.Context, request api.UpsertCalendarEventByExternalIDRequestObject) (api.UpsertCalendarEventByExternalIDResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	fields := eventFields{
		title: &body.Title, startsAt: &body.StartsAt, endsAt: &body.EndsAt, ownerID: &body.OwnerStaffID, attendeeIDs: body.AttendeeStaffIds, matterID: body.MatterID,
	}
	event, created, err := h.app.UpsertCalendarEvent(ctx, caller, request.ExternalID, fields.edit(caller))
	if err != nil {
		return nil, err
	}
	tag := etag(domain.Version(event.Fields()))
	if created {
		return api.UpsertCalendarEventByExternalID201JSONResponse{Body: eventOf(event), Headers: api.UpsertCalendarEventByExternalID201ResponseHeaders{
			Location: "/v1/calendar-events/" + event.ID.String(), ETag: tag,
		}}, nil
	}
	return api.UpsertCalendarEventByExternalID200JSONResponse{Body: eventOf(event), Headers: api.UpsertCalendarEventByExternalID200ResponseHeaders{ETag: tag}}, nil
}

func eventID(event domain.CalendarEvent) uuid.UUID { return event.ID }

func eventOf(event domain.CalendarEvent) api.CalendarEvent {
	return api.CalendarEvent{
		ID: event.ID, ExternalID: orNull(event.ExternalID), Title: event.Title, StartsAt: event.StartsAt, EndsAt: event.EndsAt,
		Owner: staffRefOf(event.Owner), Attendees: all(event.Attendees, staffRefOf), MatterID: orNull(event.MatterID),
		CreatedAt: event.CreatedAt, UpdatedAt: event.UpdatedAt,
	}
}
