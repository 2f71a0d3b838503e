package app

import (
	"context"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

const (
	// sessionLifetime is how long somebody stays signed in.
	sessionLifetime = 12 * time.Hour
	// mostFailures is how many attempts to sign in with an address may fail within failureSpan.
	mostFailures = 10
	failureSpan  = 15 * time.Minute
	// sessionName is what the token of a staff member's session is called in the list of tokens.
	sessionName = "Signed in with a password"
)

// sessionPrefix begins the token of a client's session, which is otherwise made as API tokens are.
const sessionPrefix = "hnc_"

// SignIn asks for a session.
type SignIn struct {
	Email        string
	Password     string
	Organization *uuid.UUID // nil: whichever the password fits
	RequestID    string
}

// CreatedSession is a new session with its token, which is shown this once.
type CreatedSession struct {
	Kind      domain.AccountKind
	Token     string
	ExpiresAt time.Time
	Version   any // of what its version is made
}

// CreateSession signs somebody in. An unknown address, a wrong password and an account that is not active cost the same and get one
// and the same refusal; so do too many failures with an address, whether it has an account or not.
func (a *App) CreateSession(ctx context.Context, wanted SignIn) (CreatedSession, error) {
	account, err := a.signIn(ctx, wanted)
	if err != nil {
		return CreatedSession{}, err
	}
	var created CreatedSession
	err = a.store.InTx(ctx, domain.OrganizationID(account.Organization), postgres.Working, func(tx *postgres.Tx) error {
		if account.renewed != "" {
			if err := tx.RenewPasswordHash(ctx, account.ID, account.renewed); err != nil {
				return err
			}
		}
		if created, err = a.beginSession(ctx, tx, account.account()); err != nil {
			return err
		}
		kind, subject := subjectOf(account.account())
		stamp := postgres.AuditStamp{At: a.instant(), StaffID: account.StaffID.UUID, RequestID: wanted.RequestID, Action: "signed_in"}
		return tx.Audit(ctx, newID(), stamp, kind, subject, nil, map[string]any{"expires_at": created.ExpiresAt})
	})
	return created, err
}

// signedIn is the account that a password fits.
type signedIn struct {
	postgres.SignInAccount
	renewed string // another hash of the password, to be kept in place of the one there is; empty: it is right as it is
}

func (s signedIn) account() domain.Account {
	return domain.Account{Organization: domain.OrganizationID(s.Organization), ID: s.ID, PersonID: s.PersonID.UUID, StaffID: s.StaffID.UUID}
}

func (a *App) signIn(ctx context.Context, wanted SignIn) (account signedIn, err error) {
	err = a.passwords.inTurn(ctx, func() error {
		now := a.instant()
		heardAt, err := a.store.BeginSignIn(ctx, wanted.Email, now, failureSpan, mostFailures)
		if err != nil {
			return err
		}
		if heardAt != nil {
			refusal := domain.Refuse(domain.CodeRateLimited, "Signing in with this address has failed too often. Wait before you try again.")
			refusal.RetryAfter = max(heardAt.Sub(now), time.Second)
			return refusal
		}
		fits, all, err := a.fittingAccounts(ctx, wanted)
		if err != nil {
			return err
		}
		if len(fits) == 0 && !all && wanted.Organization == nil {
			return domain.Refuse(domain.CodeInvalidRequest, "Many accounts have this address now. Name the organization.").
				At("/organization_id", domain.CodeRequired, "Is needed: not all accounts of this address were looked at.")
		}
		if len(fits) == 0 {
			return domain.Refuse(domain.CodeInvalidCredentials, "The email address and the password do not belong together, or to an account that is not active.")
		}
		if err := a.store.ForgiveSignIn(ctx, wanted.Email); err != nil {
			return err
		}
		if severalOrganizations(fits) {
			return domain.Refuse(domain.CodeInvalidRequest, "You have accounts in several organizations. Name one.").
				At("/organization_id", domain.CodeRequired, "Is needed: the address and the password fit accounts of several organizations.")
		}
		account = signedIn{SignInAccount: fits[0], renewed: a.passwords.renewed(wanted.Password, wanted.Email, fits[0].PasswordHash)}
		return nil
	})
	return account, err
}

// fittingAccounts are those that may be signed in to with the address and the password, in each organization of staff first. Where the
// organization is named, no other is looked at, and so none keeps anybody out. all is false where some were not looked at.
func (a *App) fittingAccounts(ctx context.Context, wanted SignIn) (fits []postgres.SignInAccount, all bool, err error) {
	accounts, err := a.store.SignInAccounts(ctx, wanted.Email, wanted.Organization)
	if err != nil {
		return nil, false, err
	}
	hashes := make([]string, len(accounts))
	for i, account := range accounts {
		hashes[i] = account.PasswordHash
	}
	places, all := a.passwords.fitting(wanted.Password, wanted.Email, hashes)
	for _, place := range places {
		if accounts[place].Open {
			fits = append(fits, accounts[place])
		}
	}
	return fits, all, nil
}

func severalOrganizations(accounts []postgres.SignInAccount) bool {
	for _, account := range accounts {
		if account.Organization != accounts[0].Organization {
			return true
		}
	}
	return false
}

// beginSession makes a session: of staff an API token with an expiry, of a client one that opens nothing but their profile.
func (a *App) beginSession(ctx context.Context, tx *postgres.Tx, account domain.Account) (CreatedSession, error) {
	now := a.instant()
	created := CreatedSession{Kind: account.Kind(), ExpiresAt: now.Add(sessionLifetime)}
	switch created.Kind {
	case domain.AccountOfStaff:
		staff, err := tx.StaffMember(ctx, account.StaffID, false)
		if err != nil {
			return CreatedSession{}, err
		}
		token := APIToken{ID: newID(), Staff: staff.Ref(), Name: sessionName, CreatedAt: now, ExpiresAt: &created.ExpiresAt, IsSession: true}
		created.Token, created.Version = NewTokenText(), TokenVersion(token)
		return created, tx.SaveAPIToken(ctx, token, TokenHash(created.Token))
	case domain.AccountOfClient:
		session := postgres.ClientSession{ID: newID(), AccountID: account.ID, CreatedAt: now, ExpiresAt: created.ExpiresAt}
		created.Token, created.Version = newSecretText(sessionPrefix), sessionVersion(session.ID)
		return created, tx.SaveClientSession(ctx, session, TokenHash(created.Token))
	}
	return CreatedSession{}, nil
}

// sessionVersion is what the version of a client's session is made of: it never changes until it ends.
func sessionVersion(id uuid.UUID) any { return map[string]any{"session_id": id} }

// EndSession signs the caller out: what they came with opens nothing any more.
func (a *App) EndSession(ctx context.Context, caller domain.Caller, ifMatch string) error {
	if !caller.IsClient() {
		return a.RevokeAPIToken(ctx, caller, caller.TokenID, ifMatch)
	}
	if err := checkMatch(ifMatch, sessionVersion(caller.SessionID)); err != nil {
		return err
	}
	return a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		now := a.instant()
		ended, err := tx.EndClientSession(ctx, caller.SessionID, now)
		if err != nil || !ended {
			return err
		}
		return tx.Audit(ctx, newID(), a.stamp(caller, "signed_out", now), "person", caller.ClientID, nil, nil)
	})
}

// MyProfile reads what is kept of the client who has signed in, and where.
func (a *App) MyProfile(ctx context.Context, caller domain.Caller) (client domain.Client, organization domain.Organization, err error) {
	err = a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		var found bool
		if client, found, err = tx.Client(ctx, caller.ClientID); err != nil {
			return err
		}
		if !found {
			return domain.Refuse(domain.CodeNotFound, "There is no such client any more.")
		}
		organization, err = tx.OrganizationOf(ctx)
		return err
	})
	return client, organization, err
}

// authenticateClient finds the client whom a session's token stands for. Whatever is wrong with it, the refusal is that of
// Authenticate.
func (a *App) authenticateClient(ctx context.Context, token string, refusal error) (domain.Caller, error) {
	credential, found, err := a.store.ClientCredentialByHash(ctx, TokenHash(token))
	if err != nil {
		return domain.Caller{}, err
	}
	if !found || credential.RevokedAt != nil || !credential.ExpiresAt.After(a.now()) ||
		credential.Status != domain.PersonActive || credential.Kind != domain.KindClient {
		return domain.Caller{}, refusal
	}
	return credential.Caller(), nil
}
