package app

import (
	"context"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// StaffGroups lists the organization's groups of staff; everyone may.
func (a *App) StaffGroups(ctx context.Context, caller domain.Caller, filter domain.StaffGroupFilter, page domain.Page, withTotal bool) (Listing[domain.StaffGroup], error) {
	return list(ctx, a, caller, page, withTotal,
		func(tx *postgres.Tx) ([]domain.StaffGroup, error) { return tx.StaffGroups(ctx, filter, page) },
		func(tx *postgres.Tx) (int, error) { return tx.CountStaffGroups(ctx, filter) })
}

// StaffGroup reads one group; everyone may.
func (a *App) StaffGroup(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.StaffGroup, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (domain.StaffGroup, error) { return tx.StaffGroup(ctx, id, false) })
}

// StaffGroupEdit changes the fields of a group that were sent.
type StaffGroupEdit struct {
	Name      *string
	MemberIDs *[]uuid.UUID
}

// CreateStaffGroup adds a group.
func (a *App) CreateStaffGroup(ctx context.Context, caller domain.Caller, edit StaffGroupEdit, key *Key) (domain.StaffGroup, bool, error) {
	if err := domain.CheckWritesGroups(caller); err != nil {
		return domain.StaffGroup{}, false, err
	}
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.StaffGroup, error) {
		now := a.instant()
		group := domain.StaffGroup{ID: newID(), CreatedAt: now, UpdatedAt: now}
		if err := editStaffGroup(ctx, tx, &group, edit); err != nil {
			return domain.StaffGroup{}, err
		}
		if err := tx.SaveStaffGroup(ctx, group); err != nil {
			return domain.StaffGroup{}, err
		}
		return group, tx.Audit(ctx, newID(), a.stamp(caller, "staff_group_created", now), "staff_group", group.ID, nil, group.Fields())
	})
}

// UpdateStaffGroup changes a group that nobody has changed since it was read.
func (a *App) UpdateStaffGroup(ctx context.Context, caller domain.Caller, id uuid.UUID, ifMatch string, edit StaffGroupEdit) (group domain.StaffGroup, err error) {
	if err := domain.CheckWritesGroups(caller); err != nil {
		return domain.StaffGroup{}, err
	}
	err = a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		if group, err = tx.StaffGroup(ctx, id, true); err != nil {
			return err
		}
		before := group.Fields()
		if err := checkMatch(ifMatch, before); err != nil {
			return err
		}
		if err := editStaffGroup(ctx, tx, &group, edit); err != nil {
			return err
		}
		if domain.Version(before) == domain.Version(group.Fields()) {
			return nil
		}
		group.UpdatedAt = a.instant()
		if err := tx.SaveStaffGroup(ctx, group); err != nil {
			return err
		}
		return tx.Audit(ctx, newID(), a.stamp(caller, "staff_group_changed", group.UpdatedAt), "staff_group", id, before, group.Fields())
	})
	return group, err
}

// editStaffGroup gives a group the name and the members that were sent. Whoever exists may be a member: nobody is handed work
// by it, and who leaves the house may stay in its groups.
func editStaffGroup(ctx context.Context, tx *postgres.Tx, group *domain.StaffGroup, edit StaffGroupEdit) error {
	if edit.Name != nil {
		group.Name = *edit.Name
	}
	if edit.MemberIDs == nil {
		return nil
	}
	members := domain.StaffPlace{Pointer: "/member_ids", IDs: *edit.MemberIDs, IsList: true, History: true}
	if _, err := staffAt(ctx, tx, members); err != nil {
		return err
	}
	group.MemberIDs = domain.NewStaffSet(*edit.MemberIDs...)
	return nil
}
