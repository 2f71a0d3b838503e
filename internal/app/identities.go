package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// Issuers are those of OpenID Connect whose tokens are taken.
type Issuers interface {
	// Identify checks a token, and tells for whom its issuer says that it stands. ErrTokenNotValid: it is not taken;
	// ErrIssuerDown: that cannot be told just now.
	Identify(ctx context.Context, token string) (domain.ForeignIdentity, error)
	// Count counts what became of a token that Identify took.
	Count(issuer string, outcome SignInOutcome)
}

// What Issuers refuse.
var (
	ErrTokenNotValid = errors.New("the token is not valid")
	ErrIssuerDown    = errors.New("the issuer cannot be asked for its keys")
)

// SignInOutcome is what became of an issuer's token.
type SignInOutcome string

// The outcomes. All but the first two are refusals.
const (
	SignInAccepted    SignInOutcome = "accepted"
	SignInBound       SignInOutcome = "bound"         // accepted, for the first time
	SignInNotValid    SignInOutcome = "not_valid"     // the token
	SignInUnknown     SignInOutcome = "unknown"       // nobody of staff
	SignInAmbiguous   SignInOutcome = "ambiguous"     // several of staff
	SignInOther       SignInOutcome = "other_subject" // another subject of the issuer stands for the staff member
	SignInDeactivated SignInOutcome = "deactivated"
	SignInUnavailable SignInOutcome = "unavailable" // the issuer
)

// SignInOutcomes are all there are.
var SignInOutcomes = []SignInOutcome{
	SignInAccepted, SignInBound, SignInNotValid, SignInUnknown, SignInAmbiguous, SignInOther, SignInDeactivated, SignInUnavailable,
}

// TrustIssuers tells the app, before it is used, whose tokens are taken. Until then nobody's are.
func (a *App) TrustIssuers(issuers Issuers) { a.issuers = issuers }

// issuerRetryAfter is when to come again with a token whose issuer cannot be asked.
const issuerRetryAfter = 5 * time.Second

// isIssuersToken tells whether a credential has the form of a signed JWT (RFC 7515 section 3.1).
func isIssuersToken(token string) bool { return strings.Count(token, ".") == 2 }

// authenticateIdentity finds the staff member for whom an issuer's token stands. Whatever is wrong with it, the refusal is that of
// Authenticate.
func (a *App) authenticateIdentity(ctx context.Context, token, requestID string, refusal error) (domain.Caller, error) {
	if a.issuers == nil {
		return domain.Caller{}, refusal
	}
	identity, err := a.issuers.Identify(ctx, token)
	switch {
	case errors.Is(err, ErrTokenNotValid):
		return domain.Caller{}, refusal
	case errors.Is(err, ErrIssuerDown):
		down := domain.Refuse(domain.CodeIssuerUnavailable, "Whoever issued the token cannot be asked for its keys just now, so that it cannot be checked. Try again.")
		down.RetryAfter = issuerRetryAfter
		return domain.Caller{}, down
	case err != nil:
		return domain.Caller{}, err
	}
	caller, outcome, err := a.signInAs(ctx, identity, requestID)
	if err != nil {
		return domain.Caller{}, err
	}
	a.issuers.Count(identity.Issuer, outcome)
	if outcome != SignInAccepted && outcome != SignInBound {
		a.log.DebugContext(ctx, "a token of an issuer was not taken", "issuer", identity.Issuer, "reason", string(outcome))
		return domain.Caller{}, refusal
	}
	return caller, nil
}

// signInAs finds the staff member of an identity. The first time, that is the one active staff member with the email that the issuer
// vouches for; from then on, whoever its subject is bound to, whatever becomes of the email.
func (a *App) signInAs(ctx context.Context, identity domain.ForeignIdentity, requestID string) (domain.Caller, SignInOutcome, error) {
	found, outcome, err := a.staffMeant(ctx, identity)
	if err != nil || outcome != SignInBound {
		return found.Caller(identity), outcome, err
	}
	bound, err := a.bind(ctx, identity, found, requestID)
	if err != nil {
		return domain.Caller{}, "", err
	}
	// Another request may have been first, and with another subject.
	if found, outcome, err = a.staffMeant(ctx, identity); err != nil || outcome == SignInBound {
		return domain.Caller{}, SignInUnknown, err
	}
	if bound && outcome == SignInAccepted {
		outcome = SignInBound
	}
	return found.Caller(identity), outcome, nil
}

// staffMeant finds who is meant: SignInAccepted where they have come in before, SignInBound where they are to be bound.
func (a *App) staffMeant(ctx context.Context, identity domain.ForeignIdentity) (postgres.FoundStaff, SignInOutcome, error) {
	all, err := a.store.IdentifyStaff(ctx, identity)
	if err != nil {
		return postgres.FoundStaff{}, "", err
	}
	switch len(all) {
	case 0:
		return postgres.FoundStaff{}, SignInUnknown, nil
	case 1:
	default:
		return postgres.FoundStaff{}, SignInAmbiguous, nil
	}
	found := all[0]
	switch {
	case found.Status != domain.StaffActive:
		return found, SignInDeactivated, nil
	case found.IdentityID.Valid:
		return found, SignInAccepted, nil
	case !domain.SameEmail(found.Email, identity.Email):
		return found, SignInUnknown, nil
	case found.OtherSubject:
		return found, SignInOther, nil
	}
	return found, SignInBound, nil
}

// bind writes that an issuer's subject stands for a staff member from now on, unless something has become of them meanwhile. bound
// is false where it did so already.
func (a *App) bind(ctx context.Context, identity domain.ForeignIdentity, found postgres.FoundStaff, requestID string) (bound bool, err error) {
	err = a.store.InTx(ctx, domain.OrganizationID(found.Organization), postgres.Working, func(tx *postgres.Tx) error {
		staff, err := tx.StaffMember(ctx, found.StaffID, true)
		if err != nil {
			return err
		}
		if bound = staff.Status == domain.StaffActive && domain.SameEmail(staff.Email, identity.Email); !bound {
			return nil
		}
		now := a.instant()
		binding := domain.BoundIdentity{ID: newID(), StaffID: staff.ID, Issuer: identity.Issuer, Subject: identity.Subject, Email: identity.Email, BoundAt: now}
		if bound, err = tx.BindIdentity(ctx, binding); err != nil || !bound {
			return err
		}
		// Whoever holds a link was let to become somebody who had never come in, and is not any more.
		if err := tx.EndInvitations(ctx, uuid.Nil, staff.ID, now); err != nil {
			return err
		}
		stamp := postgres.AuditStamp{At: now, StaffID: staff.ID, RequestID: requestID, Action: "identity_bound"}
		return tx.Audit(ctx, newID(), stamp, "staff", staff.ID, nil, binding.Fields())
	})
	return bound, err
}

// StaffIdentities tells what issuers call a staff member: one's own, an administrator anybody's.
func (a *App) StaffIdentities(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.StaffIdentities, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (domain.StaffIdentities, error) {
		if _, err := tx.StaffMember(ctx, id, false); err != nil {
			return domain.StaffIdentities{}, err
		}
		if id != caller.StaffID && !caller.IsAdministrator() {
			return domain.StaffIdentities{}, domain.Denied("Only administrators see what others sign in with.")
		}
		return tx.Identities(ctx, id)
	})
}

// UnbindStaffIdentities forgets what issuers call a staff member; administrators may. Whoever then comes with their email, as an issuer
// has verified it, is bound anew. Doing it again changes nothing.
func (a *App) UnbindStaffIdentities(ctx context.Context, caller domain.Caller, id uuid.UUID, key *Key) (domain.StaffIdentities, bool, error) {
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.StaffIdentities, error) {
		if _, err := tx.StaffMember(ctx, id, true); err != nil {
			return domain.StaffIdentities{}, err
		}
		if err := domain.CheckAdministrator(caller); err != nil {
			return domain.StaffIdentities{}, err
		}
		before, err := tx.Identities(ctx, id)
		after := domain.StaffIdentities{EmailTrusted: true}
		if err != nil || len(before.Bound) == 0 && before.EmailTrusted {
			return after, err
		}
		if err := tx.UnbindIdentities(ctx, id); err != nil {
			return domain.StaffIdentities{}, err
		}
		if err := tx.TrustEmail(ctx, id, true); err != nil {
			return domain.StaffIdentities{}, err
		}
		return after, tx.Audit(ctx, newID(), a.stamp(caller, "identities_unbound", a.instant()), "staff", id, before.Fields(), after.Fields())
	})
}
