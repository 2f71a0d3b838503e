package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// Access is how people come in who have a password: by invitations, and then by signing in.
type Access struct {
	InvitationLink string // of invitations; {token} stands for the token
	// Secret is 32 bytes, the same in every process: hashes of passwords, what lies in the queue and the cursors of lists are sealed with it.
	Secret []byte
	// PreviousSecrets are those it had before: what is sealed with them can be opened still.
	PreviousSecrets [][]byte
}

// DefaultInvitationPath is where the link of an invitation leads below the service's own address.
const DefaultInvitationPath = "/invitations/{token}"

// secretLength is the length of the installation's secret, in bytes.
const secretLength = 32

// Check tells what is wrong with it.
func (s Access) Check() error {
	const mark = "handed-in-its-place"
	link, err := url.Parse(strings.ReplaceAll(s.InvitationLink, "{token}", mark))
	if err != nil || link.Scheme != "https" && link.Scheme != "http" || link.Host == "" || link.User != nil ||
		strings.Contains(link.Host, mark) || strings.Count(s.InvitationLink, "{token}") != 1 {
		return errors.New("the link of invitations (HANDOVER_INVITATION_URL) is no URL such as https://portal.example.org/invitations/{token}")
	}
	if len(s.Secret) != secretLength {
		return fmt.Errorf("the secret key (HANDOVER_SECRET_KEY) has %d bytes, not %d", len(s.Secret), secretLength)
	}
	for _, secret := range s.PreviousSecrets {
		if len(secret) != secretLength {
			return fmt.Errorf("a previous secret key (HANDOVER_PREVIOUS_SECRET_KEYS) has %d bytes, not %d", len(secret), secretLength)
		}
	}
	return nil
}

// CursorKey is what the cursors of lists are sealed with.
func (s Access) CursorKey() []byte { return derivedKey(s.Secret, "cursors of lists") }

// GiveAccess tells the app, before it is used, how people come in. Until then their links lead to this machine, and what is
// sealed can be opened by this process alone.
func (a *App) GiveAccess(access Access) error {
	if err := access.Check(); err != nil {
		return err
	}
	a.setAccess(access)
	return nil
}

func (a *App) setAccess(access Access) {
	a.invitationLink = access.InvitationLink
	a.passwords = newPasswords(access.Secret, access.PreviousSecrets...)
	a.mailKeys = derivedKeys("mails of invitations", access.Secret, access.PreviousSecrets)
}

// ownAccess is that of a process that was told nothing.
func ownAccess() Access {
	secret := make([]byte, secretLength)
	_, _ = rand.Read(secret) // never fails
	return Access{InvitationLink: "http://127.0.0.1:8080" + DefaultInvitationPath, Secret: secret}
}

// The text of an invitation's token: a prefix that scanners for leaked secrets can find, and 256 random bits.
const invitationPrefix = "hni_"

// invite sends somebody an invitation (C6, C7). Their row is locked by the transaction, or new. Earlier links of theirs stop
// working; the mail leaves by a job that is there if and only if the transaction commits.
func (a *App) invite(ctx context.Context, tx *postgres.Tx, caller domain.Caller, who domain.Invitee) (domain.Invitation, error) {
	now := a.instant()
	sent, err := tx.InvitationsSent(ctx, who, now)
	if err != nil {
		return domain.Invitation{}, err
	}
	if err := domain.CheckInvite(who, sent, now); err != nil {
		return domain.Invitation{}, err
	}
	token := invitationPrefix + randomText()
	invitation := domain.Invitation{
		ID: newID(), SentTo: *who.Email, SentAt: now, ExpiresAt: now.Add(domain.InvitationLifetime), TimesSent: sent.Times + 1,
		URL: strings.ReplaceAll(a.invitationLink, "{token}", token),
	}
	if err := tx.SaveInvitation(ctx, who, invitation, TokenHash(token), caller.StaffID); err != nil {
		return domain.Invitation{}, err
	}
	job := InvitationJob{Organization: uuid.UUID(tx.Organization), Invitation: invitation.ID}
	if job.Sealed, err = sealBeside(a.mailKeys[0], []byte(token), invitation.ID[:]); err != nil {
		return domain.Invitation{}, err
	}
	if err := a.queue.EnqueueInvitation(ctx, tx.Tx.Tx, job); err != nil {
		return domain.Invitation{}, fmt.Errorf("enqueue the mail of an invitation: %w", err)
	}
	kind, subject := "person", who.PersonID
	if who.StaffID != uuid.Nil {
		kind, subject = "staff", who.StaffID
	}
	return invitation, tx.Audit(ctx, newID(), a.stamp(caller, "invitation_sent", now), kind, subject, nil, map[string]any{
		"invitation_id": invitation.ID, "sent_to": invitation.SentTo, "expires_at": invitation.ExpiresAt, "times_sent": invitation.TimesSent,
	})
}

// ResendClientInvite sends a client an invitation, and gives its link to who asked (C7).
func (a *App) ResendClientInvite(ctx context.Context, caller domain.Caller, id uuid.UUID, key *Key) (domain.Invitation, bool, error) {
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.Invitation, error) {
		client, err := lockedClient(ctx, tx, caller, id)
		if err != nil {
			return domain.Invitation{}, err
		}
		return a.invite(ctx, tx, caller, domain.InviteClient(client.Person))
	})
}

// ResendStaffInvite sends a staff member an invitation, and gives its link to who asked (C7). Whoever has the link can become them:
// only administrators invite administrators, and whoever has come in before.
func (a *App) ResendStaffInvite(ctx context.Context, caller domain.Caller, id uuid.UUID, key *Key) (domain.Invitation, bool, error) {
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.Invitation, error) {
		staff, err := tx.StaffMember(ctx, id, true)
		if err != nil {
			return domain.Invitation{}, err
		}
		if err := domain.CheckStaffEdit(caller, &staff, staff); err != nil {
			return domain.Invitation{}, err
		}
		cameIn, err := tx.StaffCameIn(ctx, id)
		if err != nil {
			return domain.Invitation{}, err
		}
		if err := domain.CheckReinvite(caller, cameIn); err != nil {
			return domain.Invitation{}, err
		}
		return a.invite(ctx, tx, caller, domain.InviteStaff(staff))
	})
}

// openInvitation finds an open invitation by its token. Whatever is wrong with a token, as much is done, and the refusal is the same
// (C8).
func (a *App) openInvitation(ctx context.Context, token string) (postgres.FoundInvitation, error) {
	found, known, err := a.store.InvitationByHash(ctx, TokenHash(token))
	if err != nil {
		return postgres.FoundInvitation{}, err
	}
	if !known || !a.stillOpen(found) {
		return postgres.FoundInvitation{}, invitationInvalid()
	}
	return found, nil
}

func (a *App) stillOpen(found postgres.FoundInvitation) bool {
	return found.Open && a.now().Before(found.ExpiresAt)
}

func invitationInvalid() error {
	return domain.Refuse(domain.CodeInvitationInvalid, "This invitation cannot be used: its link is wrong, or was used, or is too old, or a later one has taken its place. "+
		"Ask whoever invited you for a new one.")
}

// Invitation opens an invitation by its token, for whoever has it (C8).
func (a *App) Invitation(ctx context.Context, token string) (domain.OpenInvitation, error) {
	found, err := a.openInvitation(ctx, token)
	if err != nil {
		return domain.OpenInvitation{}, err
	}
	return domain.OpenInvitation{Organization: found.OrganizationName, FirstName: found.FirstName, Email: found.Email, ExpiresAt: found.ExpiresAt.UTC()}, nil
}

// AcceptedAccount is an account that was just activated.
type AcceptedAccount struct {
	Account      domain.Account
	Name         string // of whose it is
	Organization domain.Organization
}

// AcceptInvitation sets the password of whoever is invited, and so activates their account (C8). Of many who do so at once with one
// token, one succeeds.
func (a *App) AcceptInvitation(ctx context.Context, token, password, requestID string) (accepted AcceptedAccount, err error) {
	found, err := a.openInvitation(ctx, token)
	if err != nil {
		return AcceptedAccount{}, err
	}
	name := domain.FullName(found.FirstName, found.LastName)
	var passwordHash []byte
	err = a.passwords.inTurn(ctx, func() error {
		if err := checkPassword(password, found.FirstName, found.LastName, found.Email, found.OrganizationName); err != nil {
			return err
		}
		text, err := prepared(password)
		if err != nil {
			return err
		}
		passwordHash = a.passwords.hash(text, a.passwords.now)
		return nil
	})
	if err != nil {
		return AcceptedAccount{}, err
	}
	err = a.store.InTx(ctx, domain.OrganizationID(found.Organization), postgres.Working, func(tx *postgres.Tx) error {
		again, err := tx.LockInvited(ctx, found, TokenHash(token))
		if err != nil {
			return err
		}
		if !a.stillOpen(again) {
			return invitationInvalid()
		}
		accepted.Name = name
		if accepted.Organization, err = tx.OrganizationOf(ctx); err != nil {
			return err
		}
		accepted.Account, err = a.activate(ctx, tx, again, passwordHash, requestID)
		return err
	})
	return accepted, err
}

func (a *App) activate(ctx context.Context, tx *postgres.Tx, found postgres.FoundInvitation, passwordHash []byte, requestID string) (domain.Account, error) {
	now := a.instant()
	account := domain.Account{
		Organization: tx.Organization, ID: newID(), PersonID: found.PersonID.UUID, StaffID: found.StaffID.UUID, Email: found.Email, CreatedAt: now,
	}
	if err := tx.AcceptInvitation(ctx, found.ID, now); err != nil {
		return domain.Account{}, err
	}
	kept, err := a.passwords.keep(account.ID, passwordHash)
	if err != nil {
		return domain.Account{}, err
	}
	if err := tx.SaveAccount(ctx, account, kept); err != nil {
		return domain.Account{}, err
	}
	kind, subject := subjectOf(account)
	stamp := postgres.AuditStamp{At: now, StaffID: account.StaffID, RequestID: requestID, Action: "invitation_accepted"}
	return account, tx.Audit(ctx, newID(), stamp, kind, subject, nil, map[string]any{
		"invitation_id": found.ID, "account_id": account.ID, "email": account.Email,
	})
}

// subjectOf is whose account it is, as the audit trail names them.
func subjectOf(account domain.Account) (kind string, id uuid.UUID) {
	switch account.Kind() {
	case domain.AccountOfStaff:
		return "staff", account.StaffID
	case domain.AccountOfClient:
		return "person", account.PersonID
	}
	return "", uuid.Nil
}

// InvitationJob is the mail of one invitation, left to a worker. The token stands in it sealed: nothing that is kept holds it in
// clear.
type InvitationJob struct {
	Organization uuid.UUID `json:"organization_id"`
	Invitation   uuid.UUID `json:"invitation_id"`
	Sealed       []byte    `json:"sealed_token"`
}

// InvitationLetter is what the mail of an invitation says.
type InvitationLetter struct {
	ID        uuid.UUID
	SentAt    time.Time
	ExpiresAt time.Time
	Link      string
}

// SendInvitation sends the mail of one invitation, unless that is done with, or it cannot be accepted any more. again is after how
// long the job is to be looked at once more; zero: it is done.
func (a *App) SendInvitation(ctx context.Context, job InvitationJob, mailer Mailer) (again time.Duration, err error) {
	return a.send(ctx, domain.OrganizationID(job.Organization), mailer, letter{
		postgres.MailOfInvitation(job.Invitation), kindInvitation, slog.String("invitation_id", job.Invitation.String()),
		func(ctx context.Context, tx *postgres.Tx) (*Mail, error) { return a.readInvitation(ctx, tx, job) },
	})
}

func (a *App) readInvitation(ctx context.Context, tx *postgres.Tx, job InvitationJob) (*Mail, error) {
	read, err := tx.InvitationMail(ctx, job.Invitation)
	if err != nil {
		return nil, err
	}
	if !read.Open || !a.now().Before(read.ExpiresAt) {
		return nil, nil // there is nothing to send any more
	}
	token, _, err := openWithAny(a.mailKeys, job.Sealed, job.Invitation[:])
	if err != nil {
		return nil, fmt.Errorf("open the token of an invitation (HANDOVER_SECRET_KEY has to be the same in all processes): %w", err)
	}
	organization, err := tx.OrganizationOf(ctx)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(organization.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("the organization's time zone: %w", err)
	}
	return &Mail{
		Organization: organization.Name, Name: domain.FullName(read.FirstName, read.LastName), Address: read.Email, Zone: zone,
		Invitation: &InvitationLetter{
			ID: job.Invitation, SentAt: read.SentAt.UTC(), ExpiresAt: read.ExpiresAt.UTC(),
			Link: strings.ReplaceAll(a.invitationLink, "{token}", string(token)),
		},
	}, nil
}
