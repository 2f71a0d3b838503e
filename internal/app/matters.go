package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// Matters lists the matters the caller sees (B5, D3).
func (a *App) Matters(ctx context.Context, caller domain.Caller, filter domain.MatterFilter, page domain.Page, withTotal bool) (Listing[domain.Matter], error) {
	return list(ctx, a, caller, page, withTotal,
		func(tx *postgres.Tx) ([]domain.Matter, error) { return tx.Matters(ctx, caller, filter, page) },
		func(tx *postgres.Tx) (int, error) { return tx.CountMatters(ctx, caller, filter) })
}

// Matter reads one matter.
func (a *App) Matter(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Matter, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (domain.Matter, error) { return tx.Matter(ctx, caller, id) })
}

// MatterEdit changes the fields of a matter that were sent. Who is responsible and the groups, where they were sent, are
// by id.
type MatterEdit struct {
	Apply         func(*domain.Matter)
	ResponsibleID *uuid.UUID
	GroupIDs      *[]uuid.UUID
}

// CreateMatter adds a matter. What apply leaves alone has its default: open, for everyone.
func (a *App) CreateMatter(ctx context.Context, caller domain.Caller, edit MatterEdit, key *Key) (domain.Matter, bool, error) {
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.Matter, error) {
		return a.createMatter(ctx, tx, caller, domain.Matter{}, edit)
	})
}

func (a *App) createMatter(ctx context.Context, tx *postgres.Tx, caller domain.Caller, matter domain.Matter, edit MatterEdit) (domain.Matter, error) {
	now := a.instant()
	matter.ID, matter.CreatedAt, matter.UpdatedAt = newID(), now, now
	matter.Status, matter.Visibility = domain.MatterOpen, domain.VisibleToEveryone
	if err := editMatter(ctx, tx, caller, nil, &matter, edit); err != nil {
		return domain.Matter{}, err
	}
	if err := tx.SaveMatter(ctx, matter); err != nil {
		return domain.Matter{}, err
	}
	return matter, tx.Audit(ctx, newID(), a.stamp(caller, "matter_created", now), "matter", matter.ID, nil, matter.Fields())
}

// UpdateMatter changes a matter that nobody has changed since it was read.
func (a *App) UpdateMatter(ctx context.Context, caller domain.Caller, id uuid.UUID, ifMatch string, edit MatterEdit) (matter domain.Matter, err error) {
	err = a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		if err := tx.LockMatter(ctx, id); err != nil {
			return err
		}
		if matter, err = tx.Matter(ctx, caller, id); err != nil {
			return err
		}
		if err := checkWritesMatter(caller, matter); err != nil {
			return err
		}
		if err := checkMatch(ifMatch, matter.Fields()); err != nil {
			return err
		}
		matter, err = a.changeMatter(ctx, tx, caller, matter, edit)
		return err
	})
	return matter, err
}

// UpsertMatter writes a matter as another system knows it, found by its external id; created tells that it is new.
func (a *App) UpsertMatter(ctx context.Context, caller domain.Caller, externalID string, edit MatterEdit) (matter domain.Matter, created bool, err error) {
	err = upsert(func() error {
		return a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
			found, taken, err := tx.MatterIDByExternalID(ctx, externalID)
			if err != nil {
				return err
			}
			if created = !taken; created {
				matter, err = a.createMatter(ctx, tx, caller, domain.Matter{ExternalID: &externalID}, edit)
				return err
			}
			if matter, err = tx.Matter(ctx, caller, found); err != nil {
				return takenWhereHidden(err)
			}
			if err := checkWritesMatter(caller, matter); err != nil {
				return err
			}
			matter, err = a.changeMatter(ctx, tx, caller, matter, edit)
			return err
		})
	})
	return matter, created, err
}

// takenWhereHidden is what an upsert tells of what the caller must not know of (B5): the external id is taken, no more.
func takenWhereHidden(err error) error {
	var refusal *domain.Error
	if errors.As(err, &refusal) && refusal.Code == domain.CodeNotFound {
		return domain.Refuse(domain.CodeExternalIDTaken, "This external id is taken already.")
	}
	return err
}

func (a *App) changeMatter(ctx context.Context, tx *postgres.Tx, caller domain.Caller, matter domain.Matter, edit MatterEdit) (domain.Matter, error) {
	original, before := matter, matter.Fields()
	if err := editMatter(ctx, tx, caller, &original, &matter, edit); err != nil {
		return domain.Matter{}, err
	}
	if domain.Version(before) == domain.Version(matter.Fields()) {
		return matter, nil
	}
	matter.UpdatedAt = a.instant()
	if err := tx.SaveMatter(ctx, matter); err != nil {
		return domain.Matter{}, err
	}
	return matter, tx.Audit(ctx, newID(), a.stamp(caller, "matter_changed", matter.UpdatedAt), "matter", matter.ID, before, matter.Fields())
}

// checkWritesMatter decides who may write a matter. That they hand it to somebody else by it does not matter: a private one
// could be handed over by nobody otherwise.
func checkWritesMatter(caller domain.Caller, matter domain.Matter) error {
	if !domain.WritesMatter(caller, matter) {
		return domain.Denied("Writing a matter needs the tasks permission, or being responsible for it.")
	}
	return nil
}

// editMatter makes a matter what it is to be, before being what it was (nil: it is new), and judges it.
func editMatter(ctx context.Context, tx *postgres.Tx, caller domain.Caller, before, matter *domain.Matter, edit MatterEdit) error {
	edit.Apply(matter)
	if edit.ResponsibleID != nil {
		matter.Responsible = domain.StaffRef{ID: *edit.ResponsibleID}
	}
	clientSeen, err := checkClientThere(ctx, tx, caller, before, *matter)
	if err != nil {
		return err
	}
	if before == nil {
		if err := checkWritesMatter(caller, *matter); err != nil {
			return err
		}
	}
	if !clientSeen && !caller.Has(domain.PermissionTasks) {
		return domain.Denied("You may not see the person that you name as the client.")
	}
	if err := editGroups(ctx, tx, before, matter, edit.GroupIDs); err != nil {
		return err
	}
	if edit.ResponsibleID == nil {
		return nil
	}
	place := domain.StaffPlace{Pointer: "/responsible_staff_id", IDs: []uuid.UUID{*edit.ResponsibleID}, History: matter.Status == domain.MatterClosed}
	if before != nil {
		place.Held = []domain.StaffRef{before.Responsible}
	}
	staff, err := staffAt(ctx, tx, place)
	if err != nil {
		return err
	}
	matter.Responsible = staff[*edit.ResponsibleID]
	return nil
}

// checkClientThere refuses a client who does not exist, and tells whether the caller sees who is. Who was the client
// before may stay.
func checkClientThere(ctx context.Context, tx *postgres.Tx, caller domain.Caller, before *domain.Matter, matter domain.Matter) (seen bool, err error) {
	if matter.ClientID == nil || before != nil && before.ClientID != nil && *before.ClientID == *matter.ClientID {
		return true, nil
	}
	client, found, err := tx.PersonOfOrganization(ctx, *matter.ClientID)
	if err != nil {
		return false, err
	}
	if !found {
		return false, domain.Refuse(domain.CodePersonNotFound, "The person does not exist.").
			At("/client_id", domain.CodePersonNotFound, fmt.Sprintf("There is no person %s.", matter.ClientID))
	}
	return domain.SeesPerson(caller, client), nil
}

// editGroups gives a matter its groups. One that groups no longer see loses those it had.
func editGroups(ctx context.Context, tx *postgres.Tx, before, matter *domain.Matter, wanted *[]uuid.UUID) error {
	switch {
	case wanted != nil:
		there, err := tx.StaffGroupsThere(ctx, *wanted)
		if err != nil {
			return err
		}
		if err := domain.CheckGroupsThere(there, "/group_ids", *wanted); err != nil {
			return err
		}
		matter.GroupIDs = domain.DistinctIDs(*wanted)
	case matter.Visibility != domain.VisibleToGroups:
		matter.GroupIDs = nil
	}
	return domain.CheckMatterGroups(before, *matter)
}
