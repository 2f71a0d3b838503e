package app

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// Assessment looks into a Common Assessment, before a client is made from it (C3).
func (a *App) Assessment(ctx context.Context, caller domain.Caller, typed string) (domain.Assessment, error) {
	if err := domain.CheckClients(caller); err != nil {
		return domain.Assessment{}, err
	}
	unknown := domain.Refuse(domain.CodeNotFound, "There is no Common Assessment with this number.")
	number, known := domain.ReadAssessmentNumber(typed)
	if !known {
		return domain.Assessment{}, unknown
	}
	assessment, err := a.askAssessment(ctx, number)
	if errors.Is(err, ErrCaseUnknown) {
		return domain.Assessment{}, unknown
	}
	return assessment, err
}

// CaMSClient looks into a record of CaMS, before a client is linked to it (C4).
func (a *App) CaMSClient(ctx context.Context, caller domain.Caller, typed string) (domain.CaMSRecord, error) {
	if err := domain.CheckClients(caller); err != nil {
		return domain.CaMSRecord{}, err
	}
	record, err := a.askTyped(ctx, typed, "")
	if errors.Is(err, ErrCaseUnknown) {
		return domain.CaMSRecord{}, domain.Refuse(domain.CodeNotFound, "CaMS has no client with this reference.")
	}
	return record, err
}

// askTyped reads the record of a reference that somebody typed; ErrCaseUnknown where there is none.
func (a *App) askTyped(ctx context.Context, typed, pointer string) (domain.CaMSRecord, error) {
	reference, known, err := domain.ReadCaMSReference(typed, pointer)
	if err != nil {
		return domain.CaMSRecord{}, err
	}
	if !known {
		return domain.CaMSRecord{}, ErrCaseUnknown
	}
	return a.askClient(ctx, reference)
}

const referencePointer = "/cams_reference"

// askToLink is askTyped for a link that is asked for.
func (a *App) askToLink(ctx context.Context, typed string) (domain.CaMSRecord, error) {
	record, err := a.askTyped(ctx, typed, referencePointer)
	if errors.Is(err, ErrCaseUnknown) {
		return domain.CaMSRecord{}, camsClientNotFound(typed)
	}
	return record, err
}

func camsClientNotFound(reference string) *domain.Error {
	return domain.Refuse(domain.CodeCaMSClientNotFound, "CaMS has no client with the reference %s.", reference).With("reference", reference).
		At(referencePointer, domain.CodeCaMSClientNotFound, "Not known to CaMS.")
}

// CreateClientFromAssessment adds a client with what a submitted assessment holds. It is copied once: later changes never
// arrive (C3). email is for an assessment that has none.
func (a *App) CreateClientFromAssessment(ctx context.Context, caller domain.Caller, typed string, email *string, options NewClientOptions, key *Key) (domain.Client, bool, error) {
	if err := domain.CheckClients(caller); err != nil {
		return domain.Client{}, false, err
	}
	if client, found, err := answered[domain.Client](ctx, a, caller, key); err != nil || found {
		return client, found, err
	}
	assessment, err := a.askToCopy(ctx, typed)
	if err != nil {
		return domain.Client{}, false, err
	}
	client := newFromCase(assessment.Person, email)
	client.Assessment = &assessment.Number
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.Client, error) {
		if err := checkNotCopied(ctx, tx, caller, assessment.Number); err != nil {
			return domain.Client{}, err
		}
		client, err := a.createClient(ctx, tx, caller, client, options)
		if err != nil {
			return domain.Client{}, err
		}
		return client, tx.SaveClientAssessment(ctx, client.ID, assessment.Number, client.CreatedAt)
	})
}

// askToCopy reads an assessment that a client may be made from.
func (a *App) askToCopy(ctx context.Context, typed string) (domain.Assessment, error) {
	number, known := domain.ReadAssessmentNumber(typed)
	assessment, err := domain.Assessment{}, ErrCaseUnknown
	if known {
		assessment, err = a.askAssessment(ctx, number)
	}
	if errors.Is(err, ErrCaseUnknown) {
		return domain.Assessment{}, domain.Refuse(domain.CodeAssessmentNotFound, "There is no Common Assessment with the number %s.", typed).
			With("assessment_number", typed).At("/assessment_number", domain.CodeAssessmentNotFound, "There is no such assessment.")
	}
	if err != nil {
		return domain.Assessment{}, err
	}
	return assessment, domain.CheckAssessment(assessment)
}

// checkNotCopied refuses to make a second client from an assessment.
func checkNotCopied(ctx context.Context, tx *postgres.Tx, caller domain.Caller, number string) error {
	id, found, err := tx.ClientOfAssessment(ctx, number)
	if err != nil || !found {
		return err
	}
	person, _, err := tx.PersonOfOrganization(ctx, id)
	if err != nil {
		return err
	}
	return domain.AssessmentCopied(caller, number, person)
}

// newFromCase is a client with what a case system tells of them.
func newFromCase(person domain.CasePerson, email *string) domain.Client {
	return domain.Client{Person: domain.Person{Email: email}}.Follow(person)
}

// CreateClientFromCaMS adds a client who is linked to CaMS from the beginning (C4). email is for a record that has none.
func (a *App) CreateClientFromCaMS(ctx context.Context, caller domain.Caller, typed string, email *string, options NewClientOptions, key *Key) (domain.Client, bool, error) {
	if err := domain.CheckClients(caller); err != nil {
		return domain.Client{}, false, err
	}
	if client, found, err := answered[domain.Client](ctx, a, caller, key); err != nil || found {
		return client, found, err
	}
	since := a.instant()
	record, err := a.askToLink(ctx, typed)
	if err != nil {
		return domain.Client{}, false, err
	}
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.Client, error) {
		if err := checkReferenceFree(ctx, tx, uuid.Nil, record.Reference); err != nil {
			return domain.Client{}, err
		}
		client, err := a.createClient(ctx, tx, caller, newFromCase(record.Person, email), options)
		if err != nil {
			return domain.Client{}, err
		}
		return a.link(ctx, tx, caller, client, record, since)
	})
}

// LinkCaMS links a client to a record of CaMS, whose values they take on at once (C4).
func (a *App) LinkCaMS(ctx context.Context, caller domain.Caller, id uuid.UUID, ifMatch, typed string) (domain.Client, error) {
	if _, err := read(ctx, a, caller, func(tx *postgres.Tx) (domain.Client, error) { return matchingClient(ctx, tx, caller, id, ifMatch) }); err != nil {
		return domain.Client{}, err
	}
	since := a.instant()
	record, err := a.askToLink(ctx, typed)
	if err != nil {
		return domain.Client{}, err
	}
	var linked domain.Client
	err = a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		if err := tx.LockPerson(ctx, id); err != nil {
			return err
		}
		client, err := matchingClient(ctx, tx, caller, id, ifMatch)
		if err != nil {
			return err
		}
		if err := checkReferenceFree(ctx, tx, id, record.Reference); err != nil {
			return err
		}
		linked, err = a.link(ctx, tx, caller, client, record, since)
		return err
	})
	return linked, err
}

// matchingClient reads a client as whoever changes them has seen them.
func matchingClient(ctx context.Context, tx *postgres.Tx, caller domain.Caller, id uuid.UUID, ifMatch string) (domain.Client, error) {
	client, err := clientFor(ctx, tx, caller, id)
	if err != nil {
		return domain.Client{}, err
	}
	return client, checkMatch(ifMatch, client.Fields())
}

// checkReferenceFree refuses a record that somebody else in the organization is linked to.
func checkReferenceFree(ctx context.Context, tx *postgres.Tx, person uuid.UUID, reference string) error {
	link, found, err := tx.CaMSLinkTo(ctx, reference)
	if err != nil || !found || link.PersonID == person {
		return err
	}
	return domain.Refuse(domain.CodeCaMSReferenceTaken, "Another client is linked to %s already. Unlink them first, if this is the right one.", reference).
		With("reference", reference).With("client_id", link.PersonID).At(referencePointer, domain.CodeCaMSReferenceTaken, "Linked already.")
}

// link links a locked client to a record that was read at since, and takes it over. The record is read once more, soon: it may
// have changed meanwhile, and the pull that brought the change may have found no link yet.
func (a *App) link(ctx context.Context, tx *postgres.Tx, caller domain.Caller, client domain.Client, record domain.CaMSRecord, since time.Time) (domain.Client, error) {
	if client.CaMS != nil && client.CaMS.Reference == record.Reference {
		if err := a.applyCaMS(ctx, tx, []domain.CaMSRecord{record}, since); err != nil {
			return domain.Client{}, err
		}
		return clientFor(ctx, tx, caller, client.ID)
	}
	now, update := a.instant(), domain.CaMSUpdate{
		ID: client.ID, Reference: record.Reference, Version: record.Version, Before: client.CaMSFields(), After: client.CaMSFields().Follow(record.Person),
	}
	if err := tx.SaveCaMSLink(ctx, client.ID, record.Reference, caller.StaffID, now); err != nil {
		return domain.Client{}, err
	}
	if err := tx.ApplyCaMS(ctx, []domain.CaMSUpdate{update}, since, now); err != nil {
		return domain.Client{}, err
	}
	before, after := update.Difference()
	was := domain.CaMSLinkFields{Sections: before}
	if client.CaMS != nil {
		was.Reference = &client.CaMS.Reference
	}
	is := domain.CaMSLinkFields{Sections: after, Reference: &record.Reference}
	if err := tx.Audit(ctx, newID(), a.stamp(caller, "cams_linked", now), "person", client.ID, was, is); err != nil {
		return domain.Client{}, err
	}
	if err := a.enqueueSyncs(ctx, tx, []CaMSSyncJob{{Organization: uuid.UUID(tx.Organization), Reference: record.Reference}}); err != nil {
		return domain.Client{}, err
	}
	return clientFor(ctx, tx, caller, client.ID)
}

// UnlinkCaMS ends the link of a client, who keeps the values that came last (C4). Where there is none nothing changes.
func (a *App) UnlinkCaMS(ctx context.Context, caller domain.Caller, id uuid.UUID, ifMatch string) error {
	return a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		if err := tx.LockPerson(ctx, id); err != nil {
			return err
		}
		client, err := matchingClient(ctx, tx, caller, id, ifMatch)
		if err != nil || client.CaMS == nil {
			return err
		}
		if err := tx.DeleteCaMSLink(ctx, id); err != nil {
			return err
		}
		return tx.Audit(ctx, newID(), a.stamp(caller, "cams_unlinked", a.instant()), "person", id,
			domain.CaMSLinkFields{Reference: &client.CaMS.Reference}, domain.CaMSLinkFields{})
	})
}

// SyncCaMS reads the record of a linked client now, and takes it over. That it cannot be read is noted at the link too.
func (a *App) SyncCaMS(ctx context.Context, caller domain.Caller, id uuid.UUID, key *Key) (domain.Client, bool, error) {
	client, err := a.Client(ctx, caller, id)
	if err != nil {
		return domain.Client{}, false, err
	}
	if client, found, err := answered[domain.Client](ctx, a, caller, key); err != nil || found {
		return client, found, err
	}
	if client.CaMS == nil {
		return domain.Client{}, false, notLinked()
	}
	reference := client.CaMS.Reference
	_, err = a.followOne(ctx, caller.Organization, reference, func(context.Context, *sql.Tx) error { return nil })
	if errors.Is(err, ErrCaseUnknown) {
		return domain.Client{}, false, camsClientNotFound(reference)
	}
	if err != nil {
		return domain.Client{}, false, err
	}
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.Client, error) {
		client, err := clientFor(ctx, tx, caller, id)
		if err == nil && client.CaMS == nil {
			return domain.Client{}, notLinked()
		}
		return client, err
	})
}

func notLinked() *domain.Error {
	return domain.Refuse(domain.CodeNotLinked, "This client is not linked to CaMS. Link them first, by their client reference.")
}
