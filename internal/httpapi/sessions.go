package httpapi

import (
	"context"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

// currentSession is where whoever has signed in ends that.
const currentSession = "/v1/sessions/current"

// CreateSession signs somebody in with their password; the token is in this answer and nowhere else.
func (h *handlers) CreateSession(ctx context.Context, request api.CreateSessionRequestObject) (api.CreateSessionResponseObject, error) {
	body := request.Body
	created, err := h.app.CreateSession(ctx, app.SignIn{
		Email: body.Email, Password: body.Password, Organization: body.OrganizationID, Account: body.AccountID, RequestID: exchangeOf(ctx).id,
	})
	if err != nil {
		return nil, err
	}
	return api.CreateSession201JSONResponse{
		Body:    api.Session{Token: created.Token, Kind: string(created.Kind), ExpiresAt: created.ExpiresAt},
		Headers: api.CreateSession201ResponseHeaders{CacheControl: "no-store", ETag: etag(domain.Version(created.Version)), Location: currentSession},
	}, nil
}

// DeleteSession signs the caller out.
func (h *handlers) DeleteSession(ctx context.Context, request api.DeleteSessionRequestObject) (api.DeleteSessionResponseObject, error) {
	match, err := ifMatchOf(request.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	if err := h.app.EndSession(ctx, callerOf(ctx), match); err != nil {
		return nil, err
	}
	return api.DeleteSession204Response{}, nil
}

// GetMyProfile shows a client who has signed in what is kept of them.
func (h *handlers) GetMyProfile(ctx context.Context, _ api.GetMyProfileRequestObject) (api.GetMyProfileResponseObject, error) {
	client, organization, err := h.app.MyProfile(ctx, callerOf(ctx))
	if err != nil {
		return nil, err
	}
	profile := profileOf(client, organization)
	return api.GetMyProfile200JSONResponse{Body: profile, Headers: api.GetMyProfile200ResponseHeaders{ETag: etag(domain.Version(profile))}}, nil
}
