package httpapi

import (
	"context"

	"handover/api"
	"handover/internal/domain"
)

// ResendClientInvite sends a client's invitation again, and shows its link this once (C7).
func (h *handlers) ResendClientInvite(ctx context.Context, request api.ResendClientInviteRequestObject) (api.ResendClientInviteResponseObject, error) {
	sent, again, err := h.app.ResendClientInvite(ctx, callerOf(ctx), request.ClientID, sealedKeyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.ResendClientInvite200JSONResponse{
		Body:    sentInvitationOf(sent),
		Headers: api.ResendClientInvite200ResponseHeaders{CacheControl: "no-store", IdempotencyReplayed: replayed(again)},
	}, nil
}

// ResendStaffInvite sends a staff member's invitation again, and shows its link this once (C7).
func (h *handlers) ResendStaffInvite(ctx context.Context, request api.ResendStaffInviteRequestObject) (api.ResendStaffInviteResponseObject, error) {
	caller := callerOf(ctx)
	sent, again, err := h.app.ResendStaffInvite(ctx, caller, staffID(caller)(request.StaffID), sealedKeyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.ResendStaffInvite200JSONResponse{
		Body:    sentInvitationOf(sent),
		Headers: api.ResendStaffInvite200ResponseHeaders{CacheControl: "no-store", IdempotencyReplayed: replayed(again)},
	}, nil
}

func sentInvitationOf(sent domain.Invitation) api.SentInvitation {
	return api.SentInvitation{SentTo: sent.SentTo, SentAt: sent.SentAt, ExpiresAt: sent.ExpiresAt, InviteURL: sent.URL, TimesSent: sent.TimesSent}
}

// GetInvitation opens an invitation for whoever has its link (C8).
func (h *handlers) GetInvitation(ctx context.Context, request api.GetInvitationRequestObject) (api.GetInvitationResponseObject, error) {
	invitation, err := h.app.Invitation(ctx, request.Token)
	if err != nil {
		return nil, err
	}
	return api.GetInvitation200JSONResponse{
		Organization: invitation.Organization, FirstName: invitation.FirstName, Email: invitation.Email, ExpiresAt: invitation.ExpiresAt,
	}, nil
}

// AcceptInvitation sets the password of whoever is invited (C8).
func (h *handlers) AcceptInvitation(ctx context.Context, request api.AcceptInvitationRequestObject) (api.AcceptInvitationResponseObject, error) {
	accepted, err := h.app.AcceptInvitation(ctx, request.Token, request.Body.Password, exchangeOf(ctx).id)
	if err != nil {
		return nil, err
	}
	return api.AcceptInvitation200JSONResponse{Account: api.Account{
		ID: accepted.Account.ID, Kind: string(accepted.Account.Kind()), Name: accepted.Name, Email: accepted.Account.Email,
		Organization: organizationOf(accepted.Organization),
	}}, nil
}
