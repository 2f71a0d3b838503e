package httpapi

import (
	"context"

	"handover/api"
	"handover/internal/app"
)

// CreateSelection freezes a set of people (A1).
func (h *handlers) CreateSelection(ctx context.Context, request api.CreateSelectionRequestObject) (api.CreateSelectionResponseObject, error) {
	caller := callerOf(ctx)
	chosen, err := selectionOf(caller, request.Body.Selection)
	if err != nil {
		return nil, err
	}
	selection, again, err := h.app.CreateSelection(ctx, caller, chosen, keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.CreateSelection201JSONResponse{Body: storedSelection(selection), Headers: api.CreateSelection201ResponseHeaders{
		Location: "/v1/selections/" + selection.ID.String(), ETag: etag(selection.ID.String()), IdempotencyReplayed: replayed(again),
	}}, nil
}

// GetSelection reads a saved selection. It never changes, so that its id is its version.
func (h *handlers) GetSelection(ctx context.Context, request api.GetSelectionRequestObject) (api.GetSelectionResponseObject, error) {
	selection, err := h.app.Selection(ctx, callerOf(ctx), request.SelectionID)
	if err != nil {
		return nil, err
	}
	return api.GetSelection200JSONResponse{Body: storedSelection(selection), Headers: api.GetSelection200ResponseHeaders{ETag: etag(selection.ID.String())}}, nil
}

func storedSelection(selection app.Selection) api.StoredSelection {
	return api.StoredSelection{
		ID: selection.ID, CreatedBy: staffRefOf(selection.CreatedBy), CreatedAt: selection.CreatedAt, ExpiresAt: selection.ExpiresAt,
		People: peopleCounts(selection.Kinds),
	}
}
