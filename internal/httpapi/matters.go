package httpapi

import (
	"context"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

// ListMatters lists the matters the caller sees (B5, D3).
func (h *handlers) ListMatters(ctx context.Context, request api.ListMattersRequestObject) (api.ListMattersResponseObject, error) {
	caller, params := callerOf(ctx), request.Params
	after, err := afterOf(ctx, params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := domain.MatterFilter{
		Statuses: allOf(params.Status, as[domain.MatterStatus, api.MatterStatus]), Visibilities: allOf(params.Visibility, as[domain.Visibility, api.MatterVisibility]),
		ResponsibleIDs: allOf(params.ResponsibleStaffID, staffID(caller)), ClientIDs: valueOr(params.ClientID, nil),
		Query: valueOr(params.Q, ""), ExternalIDs: valueOr(params.ExternalID, nil),
	}
	matters, err := h.app.Matters(ctx, caller, filter, domain.Page{After: after, Limit: limitOf(params.Limit)}, valueOr(params.IncludeTotal, false))
	if err != nil {
		return nil, err
	}
	return api.ListMatters200JSONResponse{Items: all(matters.Items, matterOf), Total: matters.Total, NextCursor: nextPage(ctx, matters, matterID)}, nil
}

// GetMatter reads one matter.
func (h *handlers) GetMatter(ctx context.Context, request api.GetMatterRequestObject) (api.GetMatterResponseObject, error) {
	matter, err := h.app.Matter(ctx, callerOf(ctx), request.MatterID)
	if err != nil {
		return nil, err
	}
	return api.GetMatter200JSONResponse{Body: matterOf(matter), Headers: api.GetMatter200ResponseHeaders{ETag: etag(domain.Version(matter.Fields()))}}, nil
}

// matterFields are the fields of a matter as they were sent, the same for create, update and upsert.
type matterFields struct {
	number        *api.MatterNumber
	description   *api.MatterDescription
	status        *api.MatterStatus
	visibility    *api.MatterVisibility
	responsibleID *api.StaffIDOrMe
	clientID      nullable.Nullable[api.NullableUUID]
	externalID    nullable.Nullable[api.NullableExternalKey]
	groupIDs      *api.GroupIDList
}

func (f matterFields) edit(caller domain.Caller) app.MatterEdit {
	edit := app.MatterEdit{Apply: func(matter *domain.Matter) {
		set(&matter.Number, f.number)
		set(&matter.Description, f.description)
		if f.status != nil {
			matter.Status = domain.MatterStatus(*f.status)
		}
		if f.visibility != nil {
			matter.Visibility = domain.Visibility(*f.visibility)
		}
		setNullable(&matter.ClientID, f.clientID)
		setNullable(&matter.ExternalID, f.externalID)
	}, GroupIDs: f.groupIDs}
	if f.responsibleID != nil {
		edit.ResponsibleID = new(staffID(caller)(*f.responsibleID))
	}
	return edit
}

// CreateMatter adds a matter.
func (h *handlers) CreateMatter(ctx context.Context, request api.CreateMatterRequestObject) (api.CreateMatterResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	fields := matterFields{&body.Number, body.Description, body.Status, body.Visibility, &body.ResponsibleStaffID, body.ClientID, body.ExternalID, body.GroupIds}
	matter, again, err := h.app.CreateMatter(ctx, caller, fields.edit(caller), keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.CreateMatter201JSONResponse{Body: matterOf(matter), Headers: api.CreateMatter201ResponseHeaders{
		Location: "/v1/matters/" + matter.ID.String(), ETag: etag(domain.Version(matter.Fields())), IdempotencyReplayed: replayed(again),
	}}, nil
}

// UpdateMatter changes a matter that nobody has changed since it was read.
func (h *handlers) UpdateMatter(ctx context.Context, request api.UpdateMatterRequestObject) (api.UpdateMatterResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	match, err := ifMatchOf(request.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	fields := matterFields{body.Number, body.Description, body.Status, body.Visibility, body.ResponsibleStaffID, body.ClientID, body.ExternalID, body.GroupIds}
	matter, err := h.app.UpdateMatter(ctx, caller, request.MatterID, match, fields.edit(caller))
	if err != nil {
		return nil, err
	}
	return api.UpdateMatter200JSONResponse{Body: matterOf(matter), Headers: api.UpdateMatter200ResponseHeaders{ETag: etag(domain.Version(matter.Fields()))}}, nil
}

// UpsertMatterByExternalID writes a matter as another system knows it (D3).
func (h *handlers) UpsertMatterByExternalID(ctx context.Context, request api.UpsertMatterByExternalIDRequestObject) (api.UpsertMatterByExternalIDResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	fields := matterFields{
		number: &body.Number, description: body.Description, status: body.Status, visibility: body.Visibility,
		responsibleID: &body.ResponsibleStaffID, clientID: body.ClientID, groupIDs: body.GroupIds,
	}
	matter, created, err := h.app.UpsertMatter(ctx, caller, request.ExternalID, fields.edit(caller))
	if err != nil {
		return nil, err
	}
	tag := etag(domain.Version(matter.Fields()))
	if created {
		return api.UpsertMatterByExternalID201JSONResponse{Body: matterOf(matter), Headers: api.UpsertMatterByExternalID201ResponseHeaders{
			Location: "/v1/matters/" + matter.ID.String(), ETag: tag,
		}}, nil
	}
	return api.UpsertMatterByExternalID200JSONResponse{Body: matterOf(matter), Headers: api.UpsertMatterByExternalID200ResponseHeaders{ETag: tag}}, nil
}

func matterID(matter domain.Matter) uuid.UUID { return matter.ID }

func matterOf(matter domain.Matter) api.Matter {
	return api.Matter{
		ID: matter.ID, ExternalID: orNull(matter.ExternalID), Number: matter.Number, Description: matter.Description, Status: string(matter.Status),
		Visibility: string(matter.Visibility), ResponsibleStaff: staffRefOf(matter.Responsible), ClientID: orNull(matter.ClientID),
		GroupIds: present(matter.GroupIDs), CreatedAt: matter.CreatedAt, UpdatedAt: matter.UpdatedAt,
	}
}
