package httpapi

import (
	"context"
	"slices"
	"time"

	"github.com/oapi-codegen/nullable"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

// ListAPITokens lists the caller's tokens, an administrator's all.
func (h *handlers) ListAPITokens(ctx context.Context, request api.ListAPITokensRequestObject) (api.ListAPITokensResponseObject, error) {
	caller, params := callerOf(ctx), request.Params
	after, err := afterOf(ctx, params.Cursor)
	if err != nil {
		return nil, err
	}
	tokens, err := h.app.APITokens(ctx, caller, allOf(params.StaffID, staffID(caller)), domain.Page{After: after, Limit: limitOf(params.Limit)}, valueOr(params.IncludeTotal, false))
	if err != nil {
		return nil, err
	}
	return api.ListAPITokens200JSONResponse{Items: all(tokens.Items, apiTokenOf), Total: tokens.Total, NextCursor: nextPage(ctx, tokens, tokenID)}, nil
}

// GetAPIToken reads one token, without its secret.
func (h *handlers) GetAPIToken(ctx context.Context, request api.GetAPITokenRequestObject) (api.GetAPITokenResponseObject, error) {
	token, err := h.app.APIToken(ctx, callerOf(ctx), request.TokenID)
	if err != nil {
		return nil, err
	}
	return api.GetAPIToken200JSONResponse{Body: apiTokenOf(token), Headers: api.GetAPIToken200ResponseHeaders{ETag: tokenTag(token)}}, nil
}

// CreateAPIToken makes a token; its text is in this answer and nowhere else.
func (h *handlers) CreateAPIToken(ctx context.Context, request api.CreateAPITokenRequestObject) (api.CreateAPITokenResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	wanted := app.NewAPIToken{StaffID: caller.StaffID, Token: app.APIToken{Name: body.Name, Scopes: scopeSet(pointerOf(body.Scopes)), ExpiresAt: kept(pointerOf(body.ExpiresAt))}}
	if body.StaffID != nil {
		wanted.StaffID = staffID(caller)(*body.StaffID)
	}
	created, again, err := h.app.CreateAPIToken(ctx, caller, wanted, sealedKeyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.CreateAPIToken201JSONResponse{
		Body: createdTokenOf(created),
		Headers: api.CreateAPIToken201ResponseHeaders{
			Location: tokenPath(created), ETag: tokenTag(created.Token), IdempotencyReplayed: replayed(again), CacheControl: "no-store",
		},
	}, nil
}

// usualOverlap is how long a token works after another one has taken its place, as the contract has it.
const usualOverlap = 24 * 60 * 60 // in seconds

// RotateAPIToken makes a token in the place of another one; its text is in this answer and nowhere else.
func (h *handlers) RotateAPIToken(ctx context.Context, request api.RotateAPITokenRequestObject) (api.RotateAPITokenResponseObject, error) {
	body := request.Body
	created, again, err := h.app.RotateAPIToken(ctx, callerOf(ctx), request.TokenID, app.Rotation{
		Overlap: time.Duration(valueOr(body.OverlapSeconds, usualOverlap)) * time.Second, ExpiresAt: kept(pointerOf(body.ExpiresAt)),
	}, sealedKeyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.RotateAPIToken201JSONResponse{
		Body: createdTokenOf(created),
		Headers: api.RotateAPIToken201ResponseHeaders{
			Location: tokenPath(created), ETag: tokenTag(created.Token), IdempotencyReplayed: replayed(again), CacheControl: "no-store",
		},
	}, nil
}

func tokenPath(created app.CreatedAPIToken) string {
	return "/v1/api-tokens/" + created.Token.ID.String()
}

func createdTokenOf(created app.CreatedAPIToken) api.CreatedAPIToken {
	token := apiTokenOf(created.Token)
	return api.CreatedAPIToken{
		ID: token.ID, Name: token.Name, Staff: token.Staff, Scopes: token.Scopes, CreatedBy: token.CreatedBy, CreatedAt: token.CreatedAt,
		ExpiresAt: token.ExpiresAt, RevokedAt: token.RevokedAt, LastUsedAt: token.LastUsedAt, ReplacedBy: token.ReplacedBy, Token: created.Text,
	}
}

// scopeSet is scopes as they are kept: in one order, each once; nil for all.
func scopeSet(sent *[]api.APITokenScope) []domain.Scope {
	if sent == nil {
		return nil
	}
	scopes := all(*sent, as[domain.Scope, api.APITokenScope])
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// RevokeAPIToken ends a token.
func (h *handlers) RevokeAPIToken(ctx context.Context, request api.RevokeAPITokenRequestObject) (api.RevokeAPITokenResponseObject, error) {
	match, err := ifMatchOf(request.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	if err := h.app.RevokeAPIToken(ctx, callerOf(ctx), request.TokenID, match); err != nil {
		return nil, err
	}
	return api.RevokeAPIToken204Response{}, nil
}

func tokenTag(token app.APIToken) string { return etag(domain.Version(app.TokenVersion(token))) }

func apiTokenOf(token app.APIToken) api.APIToken {
	read := api.APIToken{
		ID: token.ID, Name: token.Name, Staff: staffRefOf(token.Staff), Scopes: scopesOf(token.Scopes), CreatedAt: token.CreatedAt,
		ExpiresAt: orNull(token.ExpiresAt), RevokedAt: orNull(token.RevokedAt), LastUsedAt: orNull(token.LastUsedAt), ReplacedBy: orNull(token.ReplacedBy),
		CreatedBy: nullable.NewNullNullable[api.StaffRef](),
	}
	if token.CreatedBy != nil {
		read.CreatedBy = nullable.NewNullableWithValue(staffRefOf(*token.CreatedBy))
	}
	return read
}

func scopesOf(scopes []domain.Scope) nullable.Nullable[[]string] {
	if scopes == nil {
		return nullable.NewNullNullable[[]string]()
	}
	return nullable.NewNullableWithValue(all(scopes, as[string, domain.Scope]))
}

// GetMe tells the caller who they are.
func (h *handlers) GetMe(ctx context.Context, _ api.GetMeRequestObject) (api.GetMeResponseObject, error) {
	caller := callerOf(ctx)
	self, err := h.app.Me(ctx, caller)
	if err != nil {
		return nil, err
	}
	me := api.GetMe200JSONResponse{
		Staff:        h.staffOf(self.Staff),
		Organization: organizationOf(self.Organization),
		Permissions:  []string{}, Token: nullable.NewNullNullable[api.CurrentToken](),
		SignedInWith: string(self.SignedInWith), Issuer: nullable.NewNullNullable[string](),
	}
	if caller.Issuer != "" {
		me.Issuer = nullable.NewNullableWithValue(caller.Issuer)
	}
	for _, permission := range []domain.Permission{domain.PermissionClients, domain.PermissionReferrals, domain.PermissionStaff, domain.PermissionTasks} {
		if caller.Has(permission) {
			me.Permissions = append(me.Permissions, string(permission))
		}
	}
	if self.Token != nil {
		me.Token = nullable.NewNullableWithValue(api.CurrentToken{
			ID: self.Token.ID, Name: self.Token.Name, Scopes: scopesOf(self.Token.Scopes), ExpiresAt: orNull(self.Token.ExpiresAt),
		})
	}
	return me, nil
}
