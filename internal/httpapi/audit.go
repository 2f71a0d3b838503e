package httpapi

import (
	"context"
	"encoding/json"

	"github.com/oapi-codegen/nullable"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

// ListAuditEvents lists the audit trail, the newest first (D1).
func (h *handlers) ListAuditEvents(ctx context.Context, request api.ListAuditEventsRequestObject) (api.ListAuditEventsResponseObject, error) {
	caller, params := callerOf(ctx), request.Params
	after, err := afterOf(ctx, params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := domain.AuditFilter{
		StaffIDs: allOf(params.StaffID, staffID(caller)), SubjectKinds: valueOr(params.SubjectKind, nil), SubjectID: params.SubjectID,
		RunID: params.RunID, Actions: valueOr(params.Action, nil), From: kept(params.From), To: kept(params.To),
	}
	events, err := h.app.AuditEvents(ctx, caller, filter, domain.Page{After: after, Limit: limitOf(params.Limit)}, valueOr(params.IncludeTotal, false))
	if err != nil {
		return nil, err
	}
	return api.ListAuditEvents200JSONResponse{Items: all(events.Items, auditEventOf), Total: events.Total, NextCursor: nextPage(ctx, events, auditEventID)}, nil
}

func auditEventOf(event app.AuditEvent) api.AuditEvent {
	shown := api.AuditEvent{
		ID: event.ID, OccurredAt: event.OccurredAt, Staff: nullable.NewNullNullable[api.Actor](), Action: event.Action,
		SubjectKind: event.SubjectKind, SubjectID: event.SubjectID, RunID: orNull(event.RunID), RequestID: orNull(event.RequestID),
		Reason: orNull(event.Reason), Before: auditState(event.Before), After: auditState(event.After),
	}
	if event.Staff != nil {
		shown.Staff = nullable.NewNullableWithValue(api.Actor(staffRefOf(*event.Staff)))
	}
	return shown
}

func auditState(text json.RawMessage) nullable.Nullable[api.AuditState] {
	var state api.AuditState
	if len(text) == 0 || json.Unmarshal(text, &state) != nil {
		return nullable.NewNullNullable[api.AuditState]()
	}
	return nullable.NewNullableWithValue(state)
}
