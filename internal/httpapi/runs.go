package httpapi

import (
	"context"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

// ListRuns lists the caller's runs, an administrator's all, the newest first.
func (h *handlers) ListRuns(ctx context.Context, request api.ListRunsRequestObject) (api.ListRunsResponseObject, error) {
	caller, params := callerOf(ctx), request.Params
	after, err := afterOf(ctx, params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := domain.RunFilter{
		Kinds: allOf(params.Kind, as[string, api.RunKind]), Statuses: allOf(params.Status, as[string, api.RunStatus]), RequestedBy: allOf(params.RequestedBy, staffID(caller)),
	}
	runs, err := h.app.Runs(ctx, caller, filter, domain.Page{After: after, Limit: limitOf(params.Limit)}, valueOr(params.IncludeTotal, false))
	if err != nil {
		return nil, err
	}
	return api.ListRuns200JSONResponse{Items: all(runs.Items, h.runOf), Total: runs.Total, NextCursor: nextPage(ctx, runs, runID)}, nil
}

// GetRun reads one run; where the caller prefers to wait, when it has ended.
func (h *handlers) GetRun(ctx context.Context, request api.GetRunRequestObject) (api.GetRunResponseObject, error) {
	caller, wanted := callerOf(ctx), preference{wait: preferenceOf(request.Params.Prefer).wait}
	var run domain.Run
	var applied *string
	var err error
	if wanted.wait == nil {
		run, err = h.app.Run(ctx, caller, request.RunID)
	} else {
		run, err = h.app.AwaitRun(ctx, caller, request.RunID, *wanted.wait)
		applied = new(wanted.applied())
	}
	if err != nil {
		return nil, err
	}
	return api.GetRun200JSONResponse{Body: h.runOf(run), Headers: api.GetRun200ResponseHeaders{ETag: etag(domain.Version(run)), PreferenceApplied: applied}}, nil
}

// CancelRun ends a run that has changed nothing yet.
func (h *handlers) CancelRun(ctx context.Context, request api.CancelRunRequestObject) (api.CancelRunResponseObject, error) {
	body := request.Body
	run, again, err := h.app.CancelRun(ctx, callerOf(ctx), request.RunID, app.CancelRequest{
		DryRun: valueOr(body.DryRun, false), Reason: pointerOf(body.Reason), Key: keyOf(ctx, request.Params.IdempotencyKey),
	})
	if err != nil {
		return nil, err
	}
	return api.CancelRun200JSONResponse{Body: h.runAnswer(run, again), Headers: api.CancelRun200ResponseHeaders{IdempotencyReplayed: replayed(again)}}, nil
}

// UndoRun takes back what a run did, by a run of its own (B11).
func (h *handlers) UndoRun(ctx context.Context, request api.UndoRunRequestObject) (api.UndoRunResponseObject, error) {
	body, wanted := request.Body, preferenceOf(request.Params.Prefer)
	run, again, err := h.app.UndoRun(ctx, callerOf(ctx), request.RunID, app.UndoRequest{
		DryRun: valueOr(body.DryRun, false), Async: wanted.async(), Reason: pointerOf(body.Reason), Body: rawBody(ctx),
		Key: keyOf(ctx, request.Params.IdempotencyKey),
	})
	if err != nil {
		return nil, err
	}
	run, applied, err := h.awaited(ctx, run, wanted)
	if err != nil {
		return nil, err
	}
	if !run.Status.Finished() {
		return api.UndoRun202JSONResponse{Body: h.runAnswer(run, again), Headers: api.UndoRun202ResponseHeaders{
			Location: runLocation(run), PreferenceApplied: valueOr(applied, ""), IdempotencyReplayed: replayed(again),
		}}, nil
	}
	return api.UndoRun200JSONResponse{Body: h.runAnswer(run, again), Headers: api.UndoRun200ResponseHeaders{
		PreferenceApplied: applied, IdempotencyReplayed: replayed(again),
	}}, nil
}

// ListRunItems lists what a run did to each item.
func (h *handlers) ListRunItems(ctx context.Context, request api.ListRunItemsRequestObject) (api.ListRunItemsResponseObject, error) {
	params := request.Params
	after, err := positionOf(ctx, params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := domain.ItemFilter{Kinds: allOf(params.Kind, as[string, api.RunItemKind]), Outcomes: allOf(params.Outcome, as[string, api.RunItemOutcome])}
	items, err := h.app.RunItems(ctx, callerOf(ctx), request.RunID, filter, after, limitOf(params.Limit), valueOr(params.IncludeTotal, false))
	if err != nil {
		return nil, err
	}
	page := api.ListRunItems200JSONResponse{
		Items: all(items.Items, func(item app.PositionedItem) api.RunItem { return itemOf(item.RunItem) }), Total: items.Total,
	}
	last := 0
	if items.More {
		last = items.Items[len(items.Items)-1].Position
	}
	page.NextCursor = cursorToPosition(ctx, last, items.More)
	return page, nil
}

// runErrorOf is the problem of a failed run, in the form its requester would have got it.
func runErrorOf(failure domain.RunError) api.RunError {
	problem := problemOf(&domain.Error{Code: failure.Code, Detail: failure.Detail, Params: failure.Params, Fields: failure.Fields})
	return api.RunError{
		Type: problem.Type, Title: problem.Title, Status: problem.Status, Detail: problem.Detail, Code: problem.Code,
		Params: problem.Params, Errors: problem.Errors,
	}
}
