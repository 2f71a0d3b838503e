package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/formats"
	"handover/internal/postgres"
)

// Client reads one client.
func (a *App) Client(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Client, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (domain.Client, error) { return clientFor(ctx, tx, caller, id) })
}

// clientFor reads a client whom the caller may manage. Of another organization, or a referral, as if they did not exist.
func clientFor(ctx context.Context, tx *postgres.Tx, caller domain.Caller, id uuid.UUID) (domain.Client, error) {
	client, found, err := tx.Client(ctx, id)
	switch {
	case err != nil:
		return domain.Client{}, err
	case !found:
		return domain.Client{}, domain.Refuse(domain.CodeNotFound, "There is no such client.")
	}
	if err := domain.CheckClients(caller); err != nil {
		return domain.Client{}, err
	}
	return client, nil
}

// lockedClient is clientFor for a client whom nobody else changes until the transaction ends.
func lockedClient(ctx context.Context, tx *postgres.Tx, caller domain.Caller, id uuid.UUID) (domain.Client, error) {
	if err := tx.LockPerson(ctx, id); err != nil {
		return domain.Client{}, err
	}
	return clientFor(ctx, tx, caller, id)
}

// ClientMatches lists those whom the caller sees and who may be the person of a name, the best match first (C1). The first
// name may be empty.
func (a *App) ClientMatches(ctx context.Context, caller domain.Caller, first, last string) ([]domain.Person, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) ([]domain.Person, error) { return tx.PeopleNamed(ctx, caller, first, last) })
}

// NewClientOptions are what is decided with a new client, wherever they come from.
type NewClientOptions struct {
	Invite           bool // to the portal (C6)
	ConfirmDuplicate bool // somebody else may have the same email
}

// CreateClient adds a client with what is known of them (C2).
func (a *App) CreateClient(ctx context.Context, caller domain.Caller, client domain.Client, options NewClientOptions, key *Key) (domain.Client, bool, error) {
	if err := domain.CheckClients(caller); err != nil {
		return domain.Client{}, false, err
	}
	for _, section := range domain.SectionNames() {
		var err error
		if client, err = a.tidySection(caller, domain.Client{}, client, section); err != nil {
			return domain.Client{}, false, err
		}
	}
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.Client, error) {
		return a.createClient(ctx, tx, caller, client, options)
	})
}

// createClient writes a new client, who may come from anywhere: where from is for who calls it to record. Of those who add
// somebody with the same email at once, unless it is confirmed, one succeeds.
func (a *App) createClient(ctx context.Context, tx *postgres.Tx, caller domain.Caller, client domain.Client, options NewClientOptions) (domain.Client, error) {
	if client.Email != nil {
		if err := checkDuplicates(ctx, tx, caller, *client.Email, uuid.Nil, options.ConfirmDuplicate); err != nil {
			return domain.Client{}, err
		}
	}
	now := a.instant()
	client.ID, client.Kind, client.Status, client.CreatedAt, client.UpdatedAt = newID(), domain.KindClient, domain.PersonActive, now, now
	if err := tx.SavePerson(ctx, client.Person); err != nil {
		return domain.Client{}, err
	}
	if err := tx.SaveSections(ctx, client.ID, client.Sections, now); err != nil {
		return domain.Client{}, err
	}
	if err := tx.Audit(ctx, newID(), a.stamp(caller, "client_created", now), "person", client.ID, nil, client.Fields()); err != nil {
		return domain.Client{}, err
	}
	if !options.Invite {
		return client, nil
	}
	return a.inviteClient(ctx, tx, caller, client)
}

// checkDuplicates refuses an email that somebody but whose it is to be has already, and keeps others from adding it meanwhile, those
// too who confirm it.
func checkDuplicates(ctx context.Context, tx *postgres.Tx, caller domain.Caller, email string, whose uuid.UUID, confirmed bool) error {
	if err := tx.LockEmail(ctx, email); err != nil || confirmed {
		return err
	}
	people, err := tx.PeopleWithEmail(ctx, email, whose)
	if err != nil {
		return err
	}
	return domain.CheckDuplicates(caller, people)
}

// inviteClient sends a client an invitation with the work that it belongs to (C6).
func (a *App) inviteClient(ctx context.Context, tx *postgres.Tx, caller domain.Caller, client domain.Client) (domain.Client, error) {
	invitation, err := a.invite(ctx, tx, caller, domain.InviteClient(client.Person))
	if err != nil {
		return domain.Client{}, err
	}
	client.Invitation = invitation.State()
	return client, nil
}

// tidySection gives the values of a section the form they are kept in, or tells what is wrong with them.
func (a *App) tidySection(caller domain.Caller, before, after domain.Client, section domain.SectionName) (domain.Client, error) {
	today, err := caller.Today(a.now())
	if err != nil {
		return domain.Client{}, fmt.Errorf("today in the organization: %w", err)
	}
	return domain.TidySection(before, after, section, today, formats.CountryOfZone(caller.TimeZone), domain.Formats{
		Phone: formats.Phone, Language: formats.Language,
	})
}

// SectionEdit is a change of fields of one section of a client (C5).
type SectionEdit struct {
	Section          domain.SectionName
	IfMatch          string
	Patch            []byte // a JSON object of fields of that section, held against the contract
	ConfirmDuplicate bool   // somebody else may have the email that the client is to have
}

// UpdateClientSection changes fields of one section that nobody has changed since it was read (C5).
func (a *App) UpdateClientSection(ctx context.Context, caller domain.Caller, id uuid.UUID, edit SectionEdit) (client domain.Client, err error) {
	err = a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		if client, err = lockedClient(ctx, tx, caller, id); err != nil {
			return err
		}
		if err := checkMatch(edit.IfMatch, client.SectionVersion(edit.Section)); err != nil {
			return err
		}
		client, err = a.editSection(ctx, tx, caller, client, edit)
		return err
	})
	return client, err
}

func (a *App) editSection(ctx context.Context, tx *postgres.Tx, caller domain.Caller, before domain.Client, edit SectionEdit) (domain.Client, error) {
	section := edit.Section
	after, err := before.EditSection(section, edit.Patch)
	if err != nil {
		return before, err
	}
	if after, err = a.tidySection(caller, before, after, section); err != nil {
		return before, err
	}
	if err := domain.CheckSectionOwners(before, after, section); err != nil {
		return before, err
	}
	was, is := domain.SectionDifference(before, after, section)
	if len(is) == 0 {
		return before, nil
	}
	if domain.TakesEmail(before.Person, after.Person) {
		if err := checkDuplicates(ctx, tx, caller, *after.Email, after.ID, edit.ConfirmDuplicate); err != nil {
			return before, err
		}
	}
	after.UpdatedAt, after.Invitation = a.instant(), after.Invitation.For(after.Email)
	if err := tx.SavePerson(ctx, after.Person); err != nil {
		return before, err
	}
	if err := tx.SaveSections(ctx, after.ID, after.Sections, after.UpdatedAt); err != nil {
		return before, err
	}
	return after, tx.Audit(ctx, newID(), a.stamp(caller, "client_changed", after.UpdatedAt), "person", after.ID,
		map[string]any{string(section): was}, map[string]any{string(section): is})
}

// BecomeClientRequest is what is decided when a referral becomes a client.
type BecomeClientRequest struct {
	Email            *string // takes the place of what there is; nil: that stays
	Invite           bool
	ConfirmDuplicate bool // somebody else may have the same email
}

// BecomeClient turns a referral into a client, who keeps their staff and tasks.
func (a *App) BecomeClient(ctx context.Context, caller domain.Caller, id uuid.UUID, request BecomeClientRequest, key *Key) (domain.Client, bool, error) {
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.Client, error) {
		if err := tx.LockPerson(ctx, id); err != nil {
			return domain.Client{}, err
		}
		person, found, err := tx.PersonOfOrganization(ctx, id)
		switch {
		case err != nil:
			return domain.Client{}, err
		case !found:
			return domain.Client{}, domain.Refuse(domain.CodeNotFound, "There is no such person.")
		}
		if err := domain.CheckBecomesClient(caller, person); err != nil {
			return domain.Client{}, err
		}
		before := person.Fields()
		person.Kind, person.UpdatedAt = domain.KindClient, a.instant()
		if request.Email != nil {
			if err := checkDuplicates(ctx, tx, caller, *request.Email, id, request.ConfirmDuplicate); err != nil {
				return domain.Client{}, err
			}
			person.Email = request.Email
		}
		if err := tx.SavePerson(ctx, person); err != nil {
			return domain.Client{}, err
		}
		if err := tx.Audit(ctx, newID(), a.stamp(caller, "person_became_client", person.UpdatedAt), "person", id, before, person.Fields()); err != nil {
			return domain.Client{}, err
		}
		client, err := tx.ClientOf(ctx, person)
		if err != nil || !request.Invite {
			return client, err
		}
		return a.inviteClient(ctx, tx, caller, client)
	})
}
