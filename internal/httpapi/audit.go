package httpapi

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"time"

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
	filter := auditFilter(caller, api.ExportAuditEventsParams{
		StaffID: params.StaffID, SubjectKind: params.SubjectKind, SubjectID: params.SubjectID, RunID: params.RunID, Action: params.Action, From: params.From, To: params.To,
	})
	events, err := h.app.AuditEvents(ctx, caller, filter, domain.Page{After: after, Limit: limitOf(params.Limit)}, valueOr(params.IncludeTotal, false))
	if err != nil {
		return nil, err
	}
	return api.ListAuditEvents200JSONResponse{Items: all(events.Items, auditEventOf), Total: events.Total, NextCursor: nextPage(ctx, events, auditEventID)}, nil
}

func auditFilter(caller domain.Caller, params api.ExportAuditEventsParams) domain.AuditFilter {
	return domain.AuditFilter{
		StaffIDs: allOf(params.StaffID, staffID(caller)), SubjectKinds: valueOr(params.SubjectKind, nil), SubjectID: params.SubjectID,
		RunID: params.RunID, Actions: valueOr(params.Action, nil), From: kept(params.From), To: kept(params.To),
	}
}

// ExportAuditEvents is the audit trail as CSV, the newest first (D1).
func (h *handlers) ExportAuditEvents(ctx context.Context, request api.ExportAuditEventsRequestObject) (api.ExportAuditEventsResponseObject, error) {
	return auditAnswer{ctx, h, auditFilter(callerOf(ctx), request.Params)}, nil
}

// auditAnswer streams the trail. Errors are told as those of a report are.
type auditAnswer struct {
	ctx      context.Context
	handlers *handlers
	filter   domain.AuditFilter
}

// auditColumns are the columns of the export.
var auditColumns = []string{
	"id", "occurred_at", "staff_id", "staff", "action", "subject_kind", "subject_id", "run_id", "request_id", "reason", "before", "after",
}

func (a auditAnswer) VisitExportAuditEventsResponse(w http.ResponseWriter) error {
	started := attachment(w, "text/csv; charset=utf-8", "audit-events.csv")
	table := csv.NewWriter(started)
	begun := false
	err := a.handlers.app.ExportAuditEvents(a.ctx, callerOf(a.ctx), a.filter, func(events []app.AuditEvent) error {
		if !begun {
			begun = true
			if err := table.Write(auditColumns); err != nil {
				return err
			}
		}
		for _, event := range events {
			if err := table.Write(all(auditCells(event), harmless)); err != nil {
				return err
			}
		}
		table.Flush()
		return table.Error()
	})
	if err != nil && started.begun {
		a.handlers.options.Log.ErrorContext(a.ctx, "export of the audit trail broken off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

func auditCells(event app.AuditEvent) []string {
	staff, name := "", ""
	if event.Staff != nil {
		staff, name = event.Staff.ID.String(), event.Staff.Name
	}
	run := ""
	if event.RunID != nil {
		run = event.RunID.String()
	}
	return []string{
		event.ID.String(), event.OccurredAt.Format(time.RFC3339Nano), staff, name, event.Action, event.SubjectKind, event.SubjectID.String(),
		run, valueOr(event.RequestID, ""), valueOr(event.Reason, ""), string(event.Before), string(event.After),
	}
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
