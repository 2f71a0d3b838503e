package httpapi

import (
	"context"
	"errors"

	"handover/api"
)

// The operations whose handlers are on their way. This file goes when the last of them is there.

var errPending = errors.New("this operation is not there yet")

func (h *handlers) ListCalendarEvents(context.Context, api.ListCalendarEventsRequestObject) (api.ListCalendarEventsResponseObject, error) {
	return nil, errPending
}

func (h *handlers) CreateCalendarEvent(context.Context, api.CreateCalendarEventRequestObject) (api.CreateCalendarEventResponseObject, error) {
	return nil, errPending
}

func (h *handlers) UpsertCalendarEventByExternalID(context.Context, api.UpsertCalendarEventByExternalIDRequestObject) (api.UpsertCalendarEventByExternalIDResponseObject, error) {
	return nil, errPending
}

func (h *handlers) GetCalendarEvent(context.Context, api.GetCalendarEventRequestObject) (api.GetCalendarEventResponseObject, error) {
	return nil, errPending
}

func (h *handlers) UpdateCalendarEvent(context.Context, api.UpdateCalendarEventRequestObject) (api.UpdateCalendarEventResponseObject, error) {
	return nil, errPending
}

func (h *handlers) ListMatters(context.Context, api.ListMattersRequestObject) (api.ListMattersResponseObject, error) {
	return nil, errPending
}

func (h *handlers) CreateMatter(context.Context, api.CreateMatterRequestObject) (api.CreateMatterResponseObject, error) {
	return nil, errPending
}

func (h *handlers) UpsertMatterByExternalID(context.Context, api.UpsertMatterByExternalIDRequestObject) (api.UpsertMatterByExternalIDResponseObject, error) {
	return nil, errPending
}

func (h *handlers) GetMatter(context.Context, api.GetMatterRequestObject) (api.GetMatterResponseObject, error) {
	return nil, errPending
}

func (h *handlers) UpdateMatter(context.Context, api.UpdateMatterRequestObject) (api.UpdateMatterResponseObject, error) {
	return nil, errPending
}

func (h *handlers) ListStaffGroups(context.Context, api.ListStaffGroupsRequestObject) (api.ListStaffGroupsResponseObject, error) {
	return nil, errPending
}

func (h *handlers) CreateStaffGroup(context.Context, api.CreateStaffGroupRequestObject) (api.CreateStaffGroupResponseObject, error) {
	return nil, errPending
}

func (h *handlers) GetStaffGroup(context.Context, api.GetStaffGroupRequestObject) (api.GetStaffGroupResponseObject, error) {
	return nil, errPending
}

func (h *handlers) UpdateStaffGroup(context.Context, api.UpdateStaffGroupRequestObject) (api.UpdateStaffGroupResponseObject, error) {
	return nil, errPending
}
