package httpapi

import (
	"context"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

func (h *handlers) createFromAssessment(ctx context.Context, source api.AssessmentClientCreate, key *app.Key) (domain.Client, bool, error) {
	return h.app.CreateClientFromAssessment(ctx, callerOf(ctx), source.AssessmentNumber, source.Email, newClientOptions(source.SendInvitation, source.ConfirmDuplicate), key)
}

func (h *handlers) createFromCaMS(ctx context.Context, source api.CamsClientCreate, key *app.Key) (domain.Client, bool, error) {
	return h.app.CreateClientFromCaMS(ctx, callerOf(ctx), source.CamsReference, source.Email, newClientOptions(source.SendInvitation, source.ConfirmDuplicate), key)
}

// GetCommonAssessment looks into an assessment (C3).
func (h *handlers) GetCommonAssessment(ctx context.Context, request api.GetCommonAssessmentRequestObject) (api.GetCommonAssessmentResponseObject, error) {
	assessment, err := h.app.Assessment(ctx, callerOf(ctx), request.Number)
	if err != nil {
		return nil, err
	}
	person := assessment.Person
	return api.GetCommonAssessment200JSONResponse{
		Number: assessment.Number, Status: string(assessment.Status), Submitted: assessment.Submitted(), RegisteredInCams: assessment.RegisteredInCaMS,
		FirstName: person.FirstName, LastName: person.LastName, Email: orNull(person.Email), Phone: orNull(person.Phone), Address: addressOf(person.Address),
	}, nil
}

// GetCamsClient looks into a record of CaMS (C4).
func (h *handlers) GetCamsClient(ctx context.Context, request api.GetCamsClientRequestObject) (api.GetCamsClientResponseObject, error) {
	record, err := h.app.CaMSClient(ctx, callerOf(ctx), request.Reference)
	if err != nil {
		return nil, err
	}
	person := record.Person
	return api.GetCamsClient200JSONResponse{
		Reference: record.Reference, FirstName: person.FirstName, LastName: person.LastName, DateOfBirth: orNull(dateOf(person.DateOfBirth)),
		Email: orNull(person.Email), Phone: orNull(person.Phone), Address: addressOf(person.Address),
	}, nil
}

// LinkCams links a client to CaMS (C4).
func (h *handlers) LinkCams(ctx context.Context, request api.LinkCamsRequestObject) (api.LinkCamsResponseObject, error) {
	match, err := ifMatchOf(request.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	client, err := h.app.LinkCaMS(ctx, callerOf(ctx), request.ClientID, match, request.Body.CamsReference)
	if err != nil {
		return nil, err
	}
	return api.LinkCams200JSONResponse{Body: h.clientOf(client), Headers: api.LinkCams200ResponseHeaders{ETag: clientTag(client)}}, nil
}

// UnlinkCams ends the link of a client to CaMS.
func (h *handlers) UnlinkCams(ctx context.Context, request api.UnlinkCamsRequestObject) (api.UnlinkCamsResponseObject, error) {
	match, err := ifMatchOf(request.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	if err := h.app.UnlinkCaMS(ctx, callerOf(ctx), request.ClientID, match); err != nil {
		return nil, err
	}
	return api.UnlinkCams204Response{}, nil
}

// SyncCams brings a client up to date with CaMS.
func (h *handlers) SyncCams(ctx context.Context, request api.SyncCamsRequestObject) (api.SyncCamsResponseObject, error) {
	client, again, err := h.app.SyncCaMS(ctx, callerOf(ctx), request.ClientID, keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.SyncCams200JSONResponse{Body: h.clientAnswer(client, again), Headers: api.SyncCams200ResponseHeaders{
		ETag: clientTag(client), IdempotencyReplayed: replayed(again),
	}}, nil
}

// ReceiveCamsWebhook hears of a change in CaMS. Its signature is over the body as it was sent.
func (h *handlers) ReceiveCamsWebhook(ctx context.Context, request api.ReceiveCamsWebhookRequestObject) (api.ReceiveCamsWebhookResponseObject, error) {
	err := h.app.HearCaMS(ctx, app.CaMSMessage{
		ID: valueOr(request.Params.WebhookID, ""), Timestamp: valueOr(request.Params.WebhookTimestamp, ""), Signature: valueOr(request.Params.WebhookSignature, ""),
		Body: rawBody(ctx), Type: request.Body.Type, Reference: valueOr(request.Body.Data.Reference, ""),
	})
	if err != nil {
		return nil, err
	}
	return api.ReceiveCamsWebhook202Response{}, nil
}
