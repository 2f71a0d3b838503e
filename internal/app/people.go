package app

import (
	"context"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// People lists the people the caller sees (A2, A19).
func (a *App) People(ctx context.Context, caller domain.Caller, filter domain.PersonFilter, page domain.Page, withTotal bool) (Listing[domain.Person], error) {
	return list(ctx, a, caller, page, withTotal,
		func(tx *postgres.Tx) ([]domain.Person, error) {
			if err := a.checkFilteredSelection(ctx, tx, caller, filter.SelectionID, "query:selection_id"); err != nil {
				return nil, err
			}
			return tx.People(ctx, caller, filter, page)
		},
		func(tx *postgres.Tx) (int, error) { return tx.CountPeople(ctx, caller, filter) })
}

// Person reads one person.
func (a *App) Person(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Person, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (domain.Person, error) { return tx.Person(ctx, caller, id) })
}

// CreateReferral adds a person who was referred in.
func (a *App) CreateReferral(ctx context.Context, caller domain.Caller, person domain.Person, key *Key) (domain.Person, bool, error) {
	person.Kind, person.Status = domain.KindReferral, domain.PersonActive
	if err := checkManagesKind(caller, person.Kind); err != nil {
		return domain.Person{}, false, err
	}
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.Person, error) {
		return a.createPerson(ctx, tx, caller, person)
	})
}

func checkManagesKind(caller domain.Caller, kind domain.PersonKind) error {
	if !caller.ManagesKind(kind) {
		return domain.Denied("Writing a " + string(kind) + " needs the " + string(kind) + "s permission.")
	}
	return nil
}

func (a *App) createPerson(ctx context.Context, tx *postgres.Tx, caller domain.Caller, person domain.Person) (domain.Person, error) {
	now := a.instant()
	person.ID, person.CreatedAt, person.UpdatedAt = newID(), now, now
	if err := tx.SavePerson(ctx, person); err != nil {
		return domain.Person{}, err
	}
	return person, tx.Audit(ctx, newID(), a.stamp(caller, "person_created", now), "person", person.ID, nil, person.Fields())
}

// UpsertPerson writes a person as another system knows them, found by their external id; created tells that they are
// new. edit changes the fields that were sent.
func (a *App) UpsertPerson(ctx context.Context, caller domain.Caller, externalID string, edit func(*domain.Person)) (person domain.Person, created bool, err error) {
	err = upsert(func() error {
		return a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
			id, found, err := tx.PersonIDByExternalID(ctx, externalID)
			if err != nil {
				return err
			}
			created = !found
			if !found {
				person = domain.Person{ExternalID: &externalID, Status: domain.PersonActive}
				edit(&person)
				if err := checkManagesKind(caller, person.Kind); err != nil {
					return err
				}
				person, err = a.createPerson(ctx, tx, caller, person)
				return err
			}
			person, err = a.changePerson(ctx, tx, caller, id, edit)
			return err
		})
	})
	return person, created, err
}

func (a *App) changePerson(ctx context.Context, tx *postgres.Tx, caller domain.Caller, id uuid.UUID, edit func(*domain.Person)) (domain.Person, error) {
	person, _, err := tx.PersonOfOrganization(ctx, id)
	if err != nil {
		return domain.Person{}, err
	}
	known, before := person, person.Fields()
	edit(&person)
	for _, kind := range []domain.PersonKind{before.Kind, person.Kind} {
		if err := checkManagesKind(caller, kind); err != nil {
			return domain.Person{}, err
		}
	}
	if domain.Version(before) == domain.Version(person.Fields()) {
		return person, nil
	}
	if err := checkOwners(ctx, tx, known, person); err != nil {
		return domain.Person{}, err
	}
	person.UpdatedAt = a.instant()
	if err := tx.SavePerson(ctx, person); err != nil {
		return domain.Person{}, err
	}
	return person, tx.Audit(ctx, newID(), a.stamp(caller, "person_changed", person.UpdatedAt), "person", id, before, person.Fields())
}

// checkOwners refuses what CaMS decides of a person who is linked to it (C4).
func checkOwners(ctx context.Context, tx *postgres.Tx, before, after domain.Person) error {
	refusal := domain.CheckPersonOwners(before, after)
	if refusal == nil {
		return nil
	}
	linked, err := tx.IsLinkedToCaMS(ctx, before.ID)
	if err != nil || !linked {
		return err
	}
	return refusal
}
