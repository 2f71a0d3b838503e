package app

import (
	"context"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// Rotation asks for another token in the place of one.
type Rotation struct {
	Overlap   time.Duration // how long the old one still works
	ExpiresAt *time.Time    // of the new one; nil: it lasts as long as the old one was made to
}

// RotateAPIToken makes a token in the place of another one, with its name, scopes and staff member, and lets the other one work for a
// while: one's own, an administrator any. A token is rotated once; one that has ended, and the session of somebody who has signed in
// with a password, are not.
func (a *App) RotateAPIToken(ctx context.Context, caller domain.Caller, id uuid.UUID, wanted Rotation, key *Key) (CreatedAPIToken, bool, error) {
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (CreatedAPIToken, error) {
		read, err := tx.APIToken(ctx, id, false)
		if err != nil {
			return CreatedAPIToken{}, err
		}
		if err := checkOwnToken(caller, read.Staff.ID); err != nil {
			return CreatedAPIToken{}, err
		}
		if err := checkScopesGiven(caller, read.Scopes); err != nil {
			return CreatedAPIToken{}, err
		}
		now := a.instant()
		if err := checkExpiry(wanted.ExpiresAt, now); err != nil {
			return CreatedAPIToken{}, err
		}
		// First the staff member, then the token, as deactivating goes.
		if _, err := tx.StaffRefs(ctx, []uuid.UUID{read.Staff.ID}); err != nil {
			return CreatedAPIToken{}, err
		}
		old, err := tx.APIToken(ctx, id, true)
		if err != nil {
			return CreatedAPIToken{}, err
		}
		if err := checkRotatable(old, now); err != nil {
			return CreatedAPIToken{}, err
		}
		created, err := a.saveNewToken(ctx, tx, caller, APIToken{
			Staff: old.Staff, Name: old.Name, Scopes: old.Scopes, ExpiresAt: successorExpiry(old, wanted.ExpiresAt, now),
		}, now)
		if err != nil {
			return CreatedAPIToken{}, err
		}
		replaced := old
		replaced.ReplacedBy = &created.Token.ID
		if ends := now.Add(wanted.Overlap); old.ExpiresAt == nil || ends.Before(*old.ExpiresAt) {
			replaced.ExpiresAt = &ends
		}
		if err := tx.ReplaceAPIToken(ctx, replaced); err != nil {
			return CreatedAPIToken{}, err
		}
		return created, tx.Audit(ctx, newID(), a.stamp(caller, "api_token_rotated", now), "api_token", id, tokenFields(old), tokenFields(replaced))
	})
}

func checkRotatable(token APIToken, now time.Time) error {
	var why string
	switch {
	case token.RevokedAt != nil:
		why = "It is revoked."
	case token.ExpiresAt != nil && !token.ExpiresAt.After(now):
		why = "It has expired."
	case token.ReplacedBy != nil:
		why = "Another one has taken its place already."
	case token.IsSession:
		why = "It is a session. Sign in again."
	default:
		return nil
	}
	return domain.Refuse(domain.CodeTokenNotRotatable, "The token cannot be rotated. %s", why)
}

// latestExpiry is the last instant that a token can be made to last to, as the contract writes instants.
var latestExpiry = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)

// successorExpiry is when the new token expires: when that was asked for, or after as long as the old one was made to last.
func successorExpiry(old APIToken, wanted *time.Time, now time.Time) *time.Time {
	if wanted != nil || old.ExpiresAt == nil {
		return wanted
	}
	// Some say never with a date that is further away than a duration can tell.
	lifetime := old.ExpiresAt.Sub(old.CreatedAt)
	if !old.CreatedAt.Add(lifetime).Equal(*old.ExpiresAt) || now.Add(lifetime).After(latestExpiry) {
		return new(latestExpiry)
	}
	return new(now.Add(lifetime))
}
