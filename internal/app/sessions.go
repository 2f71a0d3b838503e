package app

import (
	"context"
	"log/slog"
	"slices"
	"strings"
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
	Account      *uuid.UUID // likewise
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
		fits, look, err := a.fittingAccounts(ctx, wanted)
		if err != nil {
			return err
		}
		if len(fits) == 0 && !look.all && wanted.Organization == nil {
			return domain.Refuse(domain.CodeInvalidRequest, "Many accounts have this address now. Name the organization.").
				At("/organization_id", domain.CodeRequired, "Is needed: not all accounts of this address were looked at.")
		}
		if len(fits) == 0 {
			return invalidCredentials()
		}
		if err := a.store.ForgiveSignIn(ctx, wanted.Email); err != nil {
			return err
		}
		if len(fits) > 1 {
			return a.whichAccount(ctx, fits)
		}
		account.SignInAccount = fits[0]
		account.renewed, err = look.renewed(keptPassword{fits[0].ID, fits[0].PasswordHash})
		return err
	})
	return account, err
}

// fittingAccounts are those that may be signed in to with the address and the password. Where the organization is named, no other is
// looked at, and so none keeps anybody out. Which account is named makes no difference to what is looked at.
func (a *App) fittingAccounts(ctx context.Context, wanted SignIn) (fits []postgres.SignInAccount, look passwordLook, err error) {
	accounts, err := a.store.SignInAccounts(ctx, wanted.Email, wanted.Organization)
	if err != nil {
		return nil, look, err
	}
	kept := make([]keptPassword, len(accounts))
	for i, account := range accounts {
		kept[i] = keptPassword{account.ID, account.PasswordHash}
	}
	look = a.passwords.look(wanted.Password, kept)
	if look.unopened {
		a.log.ErrorContext(ctx, "a password is sealed with another secret key, so that its owner cannot sign in: "+
			"HANDOVER_SECRET_KEY has to be the same in all processes, and one that it was before stands in HANDOVER_PREVIOUS_SECRET_KEYS",
			slog.String("request_id", wanted.RequestID))
	}
	for _, place := range look.fits {
		if accounts[place].Open && (wanted.Account == nil || *wanted.Account == accounts[place].ID) {
			fits = append(fits, accounts[place])
		}
	}
	return fits, look, nil
}

func invalidCredentials() error {
	return domain.Refuse(domain.CodeInvalidCredentials, "The email address and the password do not belong together, or to an account that is not active.")
}

// whichAccount asks for one of several accounts that an address and a password fit. Whoever has these may come in to each of them, so
// they are told which there are.
func (a *App) whichAccount(ctx context.Context, fits []postgres.SignInAccount) error {
	refusal := domain.Refuse(domain.CodeInvalidRequest, "The email address and the password fit several accounts. Name one.")
	accounts := map[domain.OrganizationID][]uuid.UUID{}
	for _, account := range fits {
		organization := domain.OrganizationID(account.Organization)
		accounts[organization] = append(accounts[organization], account.ID)
	}
	// A transaction for each organization: none sees the accounts of another.
	for organization, ids := range accounts {
		err := a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
			named, err := tx.AccountsNamed(ctx, ids)
			refusal.Accounts = append(refusal.Accounts, named...)
			return err
		})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(refusal.Accounts, func(x, y domain.AccountRef) int { return strings.Compare(x.ID.String(), y.ID.String()) })
	if len(accounts) > 1 {
		return refusal.At("/organization_id", domain.CodeRequired, "Is needed, or account_id: they are accounts of several organizations.")
	}
	return refusal.At("/account_id", domain.CodeRequired, "Is needed: they are accounts of one organization.")
}

// beginSession makes a session: of staff an API token with an expiry, of a client one that opens nothing but their profile.
func (a *App) beginSession(ctx context.Context, tx *postgres.Tx, account domain.Account) (CreatedSession, error) {
	now := a.instant()
	created := CreatedSession{Kind: account.Kind(), ExpiresAt: now.Add(sessionLifetime)}
	switch created.Kind {
	case domain.AccountOfStaff:
		refs, err := tx.StaffRefs(ctx, []uuid.UUID{account.StaffID})
		if err != nil {
			return CreatedSession{}, err
		}
		if refs[account.StaffID].Status != domain.StaffActive { // deactivated a moment ago
			return CreatedSession{}, invalidCredentials()
		}
		token := APIToken{ID: newID(), Staff: refs[account.StaffID], Name: sessionName, CreatedAt: now, ExpiresAt: &created.ExpiresAt, IsSession: true}
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
	if caller.IdentityID != uuid.Nil {
		return domain.Denied("You are signed in by " + caller.Issuer + ". Sign out there.")
	}
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
