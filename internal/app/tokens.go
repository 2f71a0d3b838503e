package app

import (
	"context"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// APITokens lists the caller's own tokens, an administrator's all.
func (a *App) APITokens(ctx context.Context, caller domain.Caller, staff []uuid.UUID, page domain.Page, withTotal bool) (Listing[APIToken], error) {
	return list(ctx, a, caller, page, withTotal,
		func(tx *postgres.Tx) ([]APIToken, error) { return tx.APITokens(ctx, caller, staff, page) },
		func(tx *postgres.Tx) (int, error) { return tx.CountAPITokens(ctx, caller, staff) })
}

// APIToken reads one token: the caller's own, an administrator any.
func (a *App) APIToken(ctx context.Context, caller domain.Caller, id uuid.UUID) (APIToken, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (APIToken, error) {
		token, err := tx.APIToken(ctx, id, false)
		if err != nil {
			return APIToken{}, err
		}
		return token, checkOwnToken(caller, token.Staff.ID)
	})
}

func checkOwnToken(caller domain.Caller, owner uuid.UUID) error {
	if owner != caller.StaffID && !caller.IsAdministrator() {
		return domain.Denied("Only administrators may see or change the tokens of others.")
	}
	return nil
}

// NewAPIToken asks for a token.
type NewAPIToken struct {
	StaffID uuid.UUID // whom it acts for
	Token   APIToken  // name, scopes, expiry
}

// CreatedAPIToken is a new token with its text, which is shown this once.
type CreatedAPIToken struct {
	Token APIToken
	Text  string
}

// CreateAPIToken makes a token for the caller, an administrator for any active staff member. A token made with a token of
// limited scopes has no more scopes than that.
func (a *App) CreateAPIToken(ctx context.Context, caller domain.Caller, wanted NewAPIToken, key *Key) (CreatedAPIToken, bool, error) {
	if err := checkOwnToken(caller, wanted.StaffID); err != nil {
		return CreatedAPIToken{}, false, err
	}
	if err := checkScopesGiven(caller, wanted.Token.Scopes); err != nil {
		return CreatedAPIToken{}, false, err
	}
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (CreatedAPIToken, error) {
		now := a.instant()
		if err := checkExpiry(wanted.Token.ExpiresAt, now); err != nil {
			return CreatedAPIToken{}, err
		}
		refs, err := tx.StaffRefs(ctx, []uuid.UUID{wanted.StaffID})
		if err != nil {
			return CreatedAPIToken{}, err
		}
		ref, found := refs[wanted.StaffID]
		if !found {
			return CreatedAPIToken{}, domain.Refuse(domain.CodeStaffNotFound, "The staff member does not exist.").
				At("/staff_id", domain.CodeStaffNotFound, "There is no such staff member.")
		}
		if ref.Status != domain.StaffActive {
			return CreatedAPIToken{}, domain.Refuse(domain.CodeStaffNotActive, "The staff member is deactivated and cannot sign in.").
				At("/staff_id", domain.CodeStaffNotActive, "Is deactivated.")
		}
		wanted.Token.Staff = ref
		return a.saveNewToken(ctx, tx, caller, wanted.Token, now)
	})
}

func checkExpiry(expires *time.Time, now time.Time) error {
	if expires != nil && !expires.After(now) {
		return domain.Refuse(domain.CodeInvalidValue, "The token would have expired already.").
			At("/expires_at", domain.CodeInvalidValue, "Has passed already.")
	}
	return nil
}

// saveNewToken makes a token that the caller has asked for, with its secret.
func (a *App) saveNewToken(ctx context.Context, tx *postgres.Tx, caller domain.Caller, token APIToken, now time.Time) (CreatedAPIToken, error) {
	token.ID, token.CreatedAt, token.CreatedBy = newID(), now, new(self(caller))
	created := CreatedAPIToken{Token: token, Text: NewTokenText()}
	if err := tx.SaveAPIToken(ctx, token, TokenHash(created.Text)); err != nil {
		return CreatedAPIToken{}, err
	}
	return created, tx.Audit(ctx, newID(), a.stamp(caller, "api_token_created", now), "api_token", token.ID, nil, tokenFields(token))
}

func checkScopesGiven(caller domain.Caller, wanted []domain.Scope) error {
	if caller.Scopes == nil {
		return nil
	}
	if wanted == nil {
		return domain.Denied("Your own token is limited to scopes; name scopes of it for the new token.")
	}
	for _, scope := range wanted {
		if !caller.InScope(scope) {
			return domain.Denied("Your own token does not have the scope " + string(scope) + ".")
		}
	}
	return nil
}

// RevokeAPIToken ends a token: the caller's own, an administrator any. Doing it again changes nothing.
func (a *App) RevokeAPIToken(ctx context.Context, caller domain.Caller, id uuid.UUID, ifMatch string) error {
	return a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		token, err := tx.APIToken(ctx, id, true)
		if err != nil {
			return err
		}
		if err := checkOwnToken(caller, token.Staff.ID); err != nil {
			return err
		}
		if err := checkMatch(ifMatch, TokenVersion(token)); err != nil || token.RevokedAt != nil {
			return err
		}
		now := a.instant()
		if err := tx.RevokeAPIToken(ctx, id, now); err != nil {
			return err
		}
		revoked := token
		revoked.RevokedAt = &now
		return tx.Audit(ctx, newID(), a.stamp(caller, "api_token_revoked", now), "api_token", id, tokenFields(token), tokenFields(revoked))
	})
}

// TokenVersion is what a token's version is made of: everything but its last use.
func TokenVersion(token APIToken) any { return tokenFields(token) }

func tokenFields(token APIToken) map[string]any {
	fields := map[string]any{
		"name": token.Name, "staff_id": token.Staff.ID, "scopes": token.Scopes, "expires_at": token.ExpiresAt, "revoked_at": token.RevokedAt,
	}
	if token.ReplacedBy != nil {
		fields["replaced_by"] = *token.ReplacedBy
	}
	return fields
}
