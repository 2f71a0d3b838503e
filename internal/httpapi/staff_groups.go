package httpapi

import (
	"context"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

// ListStaffGroups lists the organization's groups of staff.
func (h *handlers) ListStaffGroups(ctx context.Context, request api.ListStaffGroupsRequestObject) (api.ListStaffGroupsResponseObject, error) {
	caller, params := callerOf(ctx), request.Params
	after, err := afterOf(ctx, params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := domain.StaffGroupFilter{MemberIDs: allOf(params.MemberID, staffID(caller)), Query: valueOr(params.Q, "")}
	groups, err := h.app.StaffGroups(ctx, caller, filter, domain.Page{After: after, Limit: limitOf(params.Limit)}, valueOr(params.IncludeTotal, false))
	if err != nil {
		return nil, err
	}
	return api.ListStaffGroups200JSONResponse{Items: all(groups.Items, staffGroupOf), Total: groups.Total, NextCursor: nextPage(ctx, groups, staffGroupID)}, nil
}

// GetStaffGroup reads one group.
func (h *handlers) GetStaffGroup(ctx context.Context, request api.GetStaffGroupRequestObject) (api.GetStaffGroupResponseObject, error) {
	group, err := h.app.StaffGroup(ctx, callerOf(ctx), request.StaffGroupID)
	if err != nil {
		return nil, err
	}
	return api.GetStaffGroup200JSONResponse{
		Body: staffGroupOf(group), Headers: api.GetStaffGroup200ResponseHeaders{ETag: etag(domain.Version(group.Fields()))},
	}, nil
}

func staffGroupEdit(caller domain.Caller, name *api.Name, memberIDs *api.MemberIDList) app.StaffGroupEdit {
	edit := app.StaffGroupEdit{Name: name}
	if memberIDs != nil {
		edit.MemberIDs = new(all[string, uuid.UUID](*memberIDs, staffID(caller)))
	}
	return edit
}

// CreateStaffGroup adds a group.
func (h *handlers) CreateStaffGroup(ctx context.Context, request api.CreateStaffGroupRequestObject) (api.CreateStaffGroupResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	group, again, err := h.app.CreateStaffGroup(ctx, caller, staffGroupEdit(caller, &body.Name, body.MemberIds), keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.CreateStaffGroup201JSONResponse{Body: staffGroupOf(group), Headers: api.CreateStaffGroup201ResponseHeaders{
		Location: "/v1/staff-groups/" + group.ID.String(), ETag: etag(domain.Version(group.Fields())), IdempotencyReplayed: replayed(again),
	}}, nil
}

// UpdateStaffGroup changes a group that nobody has changed since it was read.
func (h *handlers) UpdateStaffGroup(ctx context.Context, request api.UpdateStaffGroupRequestObject) (api.UpdateStaffGroupResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	match, err := ifMatchOf(request.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	group, err := h.app.UpdateStaffGroup(ctx, caller, request.StaffGroupID, match, staffGroupEdit(caller, body.Name, body.MemberIds))
	if err != nil {
		return nil, err
	}
	return api.UpdateStaffGroup200JSONResponse{
		Body: staffGroupOf(group), Headers: api.UpdateStaffGroup200ResponseHeaders{ETag: etag(domain.Version(group.Fields()))},
	}, nil
}

func staffGroupID(group domain.StaffGroup) uuid.UUID { return group.ID }

func staffGroupOf(group domain.StaffGroup) api.StaffGroup {
	return api.StaffGroup{ID: group.ID, Name: group.Name, MemberIds: present(group.MemberIDs), CreatedAt: group.CreatedAt, UpdatedAt: group.UpdatedAt}
}
