package httpapi

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

// selectionOf reads how a request names people (A1).
func selectionOf(caller domain.Caller, selection api.Selection) (domain.Selection, error) {
	chosen, err := selection.ValueByDiscriminator()
	if err != nil {
		return domain.Selection{}, fmt.Errorf("read selection: %w", err)
	}
	switch chosen := chosen.(type) {
	case api.PeopleSelection:
		return domain.Selection{PersonIDs: chosen.PersonIds}, nil
	case api.SavedSelection:
		return domain.Selection{Saved: &chosen.SelectionID}, nil
	case api.FilterSelection:
		filter := chosen.Filter
		return domain.Selection{MatchAll: valueOr(chosen.MatchAll, false), Filter: &domain.PersonFilter{
			Kinds: allOf(filter.Kind, as[domain.PersonKind, api.PersonKind]), Statuses: allOf(filter.Status, as[domain.PersonStatus, api.PersonStatus]),
			StaffIDs: allOf(filter.StaffID, staffID(caller)), HasStaff: filter.HasStaff, HasActiveTasks: filter.HasActiveTasks,
			SelectionID: filter.SelectionID, Query: valueOr(filter.Q, ""), ExternalIDs: valueOr(filter.ExternalID, nil),
		}}, nil
	}
	return domain.Selection{}, fmt.Errorf("unknown selection %T", chosen)
}

// changeOf reads what is to happen (A4 to A12).
func changeOf(caller domain.Caller, change api.AssignmentChange) (domain.AssignmentChange, error) {
	wished, err := change.ValueByDiscriminator()
	if err != nil {
		return domain.AssignmentChange{}, fmt.Errorf("read change: %w", err)
	}
	staff := func(ids api.StaffIDList) []uuid.UUID { return all[string, uuid.UUID](ids, staffID(caller)) }
	switch wished := wished.(type) {
	case api.AssignChange:
		return domain.AssignmentChange{Type: domain.ChangeAssign, StaffIDs: staff(wished.StaffIds), IncludeIntakeTasks: valueOr(wished.IncludeIntakeTasks, false)}, nil
	case api.AddChange:
		return domain.AssignmentChange{
			Type: domain.ChangeAdd, StaffIDs: staff(wished.StaffIds),
			TaskPolicy: domain.TaskPolicy(valueOr(wished.TaskPolicy, "")), TaskScope: domain.TaskScope(valueOr(wished.TaskScope, "")),
		}, nil
	case api.ReplaceChange:
		return domain.AssignmentChange{
			Type: domain.ChangeReplace, StaffIDs: staff(wished.StaffIds),
			TaskPolicy: domain.TaskPolicy(valueOr(wished.TaskPolicy, "")), TaskScope: domain.TaskScope(valueOr(wished.TaskScope, "")),
		}, nil
	case api.RemoveChange:
		return removeOf(wished, staff)
	}
	return domain.AssignmentChange{}, fmt.Errorf("unknown change %T", wished)
}

func removeOf(wished api.RemoveChange, staff func(api.StaffIDList) []uuid.UUID) (domain.AssignmentChange, error) {
	everybody := valueOr(wished.AllStaff, false)
	if everybody == (wished.StaffIds != nil) {
		return domain.AssignmentChange{}, domain.Refuse(domain.CodeInvalidValue, "A removal takes exactly one of staff_ids and all_staff: true.").
			At("/change/staff_ids", domain.CodeInvalidValue, "Exactly one of staff_ids and all_staff: true is taken.")
	}
	return domain.AssignmentChange{
		Type: domain.ChangeRemove, StaffIDs: staff(valueOr(wished.StaffIds, nil)), AllStaff: everybody,
		TaskPolicy: domain.TaskPolicy(valueOr(wished.TaskPolicy, "")), WhenNoStaffRemain: domain.WhenNoStaffRemain(valueOr(wished.WhenNoStaffRemain, "")),
	}, nil
}

// GetAssignmentSummary counts a selection and freezes it (A3).
func (h *handlers) GetAssignmentSummary(ctx context.Context, request api.GetAssignmentSummaryRequestObject) (api.GetAssignmentSummaryResponseObject, error) {
	caller := callerOf(ctx)
	selection, err := selectionOf(caller, request.Body.Selection)
	if err != nil {
		return nil, err
	}
	summary, again, err := h.app.AssignmentSummary(ctx, caller, selection, keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.GetAssignmentSummary200JSONResponse{
		Body: summaryOf(summary), Headers: api.GetAssignmentSummary200ResponseHeaders{IdempotencyReplayed: replayed(again)},
	}, nil
}

// ManageAssignments changes who serves the selected people (A1 to A17).
func (h *handlers) ManageAssignments(ctx context.Context, request api.ManageAssignmentsRequestObject) (api.ManageAssignmentsResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	selection, err := selectionOf(caller, body.Selection)
	if err != nil {
		return nil, err
	}
	change, err := changeOf(caller, body.Change)
	if err != nil {
		return nil, err
	}
	run, again, err := h.app.ChangeAssignments(ctx, caller, app.AssignmentsRequest{
		Kind: domain.RunManageAssignments, Selection: selection, Change: change, ExpectedRevision: pointerOf(body.ExpectedRevision),
		DryRun: valueOr(body.DryRun, false), Async: preferenceOf(request.Params.Prefer).async(), Reason: pointerOf(body.Reason), Body: rawBody(ctx),
		ChangePointer: "/change", Key: keyOf(ctx, request.Params.IdempotencyKey),
	})
	if err != nil {
		return nil, err
	}
	run, applied, err := h.awaited(ctx, run, preferenceOf(request.Params.Prefer))
	if err != nil {
		return nil, err
	}
	if !run.Status.Finished() {
		return api.ManageAssignments202JSONResponse{Body: h.runAnswer(run, again), Headers: api.ManageAssignments202ResponseHeaders{
			Location: runLocation(run), PreferenceApplied: valueOr(applied, ""), IdempotencyReplayed: replayed(again),
		}}, nil
	}
	return api.ManageAssignments200JSONResponse{Body: h.runAnswer(run, again), Headers: api.ManageAssignments200ResponseHeaders{
		PreferenceApplied: applied, IdempotencyReplayed: replayed(again),
	}}, nil
}

func runLocation(run domain.Run) string { return "/v1/runs/" + run.ID.String() }

// AssignStaff is the older action: the given staff become the whole staff (A18).
func (h *handlers) AssignStaff(ctx context.Context, request api.AssignStaffRequestObject) (api.AssignStaffResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	change := domain.AssignmentChange{
		Type: domain.ChangeReplace, StaffIDs: all[string, uuid.UUID](body.StaffIds, staffID(caller)), TaskPolicy: domain.TasksKeep,
		IncludeIntakeTasks: valueOr(body.IncludeIntakeTasks, false), IntakeForClients: true,
	}
	switch valueOr(body.Tasks, api.OlderTaskPolicyLeave) {
	case api.OlderTaskPolicyReassign:
		change.TaskPolicy, change.TaskScope = domain.TasksReassignAll, domain.ScopeAssigned
	case api.OlderTaskPolicyLeave:
	}
	run, applied, again, err := h.older(ctx, domain.RunAssignStaff, body.Selection, change, body.DryRun, request.Params.Prefer, request.Params.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	if !run.Status.Finished() {
		return api.AssignStaff202JSONResponse{Body: h.runAnswer(run, again), Headers: api.AssignStaff202ResponseHeaders{
			Location: runLocation(run), PreferenceApplied: valueOr(applied, ""), IdempotencyReplayed: replayed(again),
		}}, nil
	}
	return api.AssignStaff200JSONResponse{Body: h.runAnswer(run, again), Headers: api.AssignStaff200ResponseHeaders{
		PreferenceApplied: applied, IdempotencyReplayed: replayed(again),
	}}, nil
}

// RemoveStaff is the older action: all staff are removed, and their tasks unassigned (A18).
func (h *handlers) RemoveStaff(ctx context.Context, request api.RemoveStaffRequestObject) (api.RemoveStaffResponseObject, error) {
	body := request.Body
	change := domain.AssignmentChange{Type: domain.ChangeRemove, AllStaff: true, TaskPolicy: domain.TasksUnassign}
	run, applied, again, err := h.older(ctx, domain.RunRemoveStaff, body.Selection, change, body.DryRun, request.Params.Prefer, request.Params.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	if !run.Status.Finished() {
		return api.RemoveStaff202JSONResponse{Body: h.runAnswer(run, again), Headers: api.RemoveStaff202ResponseHeaders{
			Location: runLocation(run), PreferenceApplied: valueOr(applied, ""), IdempotencyReplayed: replayed(again),
		}}, nil
	}
	return api.RemoveStaff200JSONResponse{Body: h.runAnswer(run, again), Headers: api.RemoveStaff200ResponseHeaders{
		PreferenceApplied: applied, IdempotencyReplayed: replayed(again),
	}}, nil
}

func (h *handlers) older(ctx context.Context, kind domain.RunKind, selection api.Selection, change domain.AssignmentChange, dryRun *bool, prefer *api.Prefer, key *api.IdempotencyKey) (run domain.Run, applied *string, again bool, err error) {
	caller := callerOf(ctx)
	chosen, err := selectionOf(caller, selection)
	if err != nil {
		return domain.Run{}, nil, false, err
	}
	run, again, err = h.app.ChangeAssignments(ctx, caller, app.AssignmentsRequest{
		Kind: kind, Selection: chosen, Change: change, DryRun: valueOr(dryRun, false), Async: preferenceOf(prefer).async(), Body: rawBody(ctx), Key: keyOf(ctx, key),
	})
	if err != nil {
		return domain.Run{}, nil, false, err
	}
	run, applied, err = h.awaited(ctx, run, preferenceOf(prefer))
	return run, applied, again, err
}
