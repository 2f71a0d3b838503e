package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// StaffList lists the organization's staff; everyone may.
func (a *App) StaffList(ctx context.Context, caller domain.Caller, filter domain.StaffFilter, page domain.Page, withTotal bool) (Listing[domain.Staff], error) {
	return list(ctx, a, caller, page, withTotal,
		func(tx *postgres.Tx) ([]domain.Staff, error) { return tx.StaffList(ctx, filter, page) },
		func(tx *postgres.Tx) (int, error) { return tx.CountStaff(ctx, filter) })
}

// StaffMember reads one staff member; everyone may.
func (a *App) StaffMember(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Staff, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (domain.Staff, error) { return tx.StaffMember(ctx, id, false) })
}

// CreateStaff adds a staff member, and invites them to sign in where that is wanted (C7).
func (a *App) CreateStaff(ctx context.Context, caller domain.Caller, staff domain.Staff, invited bool, key *Key) (domain.Staff, bool, error) {
	staff.Status = domain.StaffActive
	if err := domain.CheckStaffEdit(caller, nil, staff); err != nil {
		return domain.Staff{}, false, err
	}
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.Staff, error) {
		created, err := a.createStaff(ctx, tx, caller, staff)
		if err != nil || !invited {
			return created, err
		}
		invitation, err := a.invite(ctx, tx, caller, domain.InviteStaff(created))
		created.Invitation = invitation.State()
		return created, err
	})
}

func (a *App) createStaff(ctx context.Context, tx *postgres.Tx, caller domain.Caller, staff domain.Staff) (domain.Staff, error) {
	now := a.instant()
	staff.ID, staff.CreatedAt, staff.UpdatedAt = newID(), now, now
	if err := tx.SaveStaff(ctx, staff); err != nil {
		return domain.Staff{}, err
	}
	return staff, tx.Audit(ctx, newID(), a.stamp(caller, "staff_created", now), "staff", staff.ID, nil, staff.Fields())
}

// UpdateStaff changes a staff member whom nobody has changed since they were read.
func (a *App) UpdateStaff(ctx context.Context, caller domain.Caller, id uuid.UUID, ifMatch string, edit func(*domain.Staff)) (staff domain.Staff, err error) {
	if !caller.Has(domain.PermissionStaff) {
		return domain.Staff{}, domain.CheckStaffEdit(caller, nil, domain.Staff{})
	}
	err = a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		if staff, err = tx.StaffMember(ctx, id, true); err != nil {
			return err
		}
		edited := staff
		edit(&edited)
		if err := domain.CheckStaffEdit(caller, &staff, edited); err != nil {
			return err
		}
		if err := checkMatch(ifMatch, staff.Fields()); err != nil {
			return err
		}
		staff, err = a.changeStaff(ctx, tx, caller, staff, edited, "staff_changed")
		return err
	})
	return staff, err
}

// UpsertStaff writes a staff member as another system knows them, found by their external id; created tells that they
// are new.
func (a *App) UpsertStaff(ctx context.Context, caller domain.Caller, externalID string, edit func(*domain.Staff)) (staff domain.Staff, created bool, err error) {
	err = upsert(func() error {
		return a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
			id, found, err := tx.StaffIDByExternalID(ctx, externalID)
			if err != nil {
				return err
			}
			if created = !found; created {
				staff = domain.Staff{ExternalID: &externalID, Status: domain.StaffActive}
				edit(&staff)
				if err := domain.CheckStaffEdit(caller, nil, staff); err != nil {
					return err
				}
				staff, err = a.createStaff(ctx, tx, caller, staff)
				return err
			}
			before, err := tx.StaffMember(ctx, id, true)
			if err != nil {
				return err
			}
			staff = before
			edit(&staff)
			if err := domain.CheckStaffEdit(caller, &before, staff); err != nil {
				return err
			}
			staff, err = a.changeStaff(ctx, tx, caller, before, staff, "staff_changed")
			return err
		})
	})
	return staff, created, err
}

// changeStaff writes what has changed of a locked staff member. An organization keeps at least one active administrator.
func (a *App) changeStaff(ctx context.Context, tx *postgres.Tx, caller domain.Caller, before, after domain.Staff, action string) (domain.Staff, error) {
	if domain.Version(before.Fields()) == domain.Version(after.Fields()) {
		return before, nil
	}
	after.UpdatedAt, after.Invitation = a.instant(), after.Invitation.For(&after.Email)
	if err := tx.SaveStaff(ctx, after); err != nil {
		return domain.Staff{}, err
	}
	if err := trustEmail(ctx, tx, caller, before, after); err != nil {
		return domain.Staff{}, err
	}
	if isActiveAdministrator(before) && !isActiveAdministrator(after) {
		left, err := tx.LockActiveAdministrators(ctx)
		if err != nil {
			return domain.Staff{}, err
		}
		if left == 0 {
			return domain.Staff{}, domain.Refuse(domain.CodeLastAdministrator, "The organization would have no active administrator left. Name another one first.")
		}
	}
	return after, tx.Audit(ctx, newID(), a.stamp(caller, action, after.UpdatedAt), "staff", after.ID, before.Fields(), after.Fields())
}

// trustEmail writes whether issuers may still let somebody in as the staff member for having their email, once it has changed.
func trustEmail(ctx context.Context, tx *postgres.Tx, caller domain.Caller, before, after domain.Staff) error {
	if domain.SameEmail(before.Email, after.Email) {
		return nil
	}
	trusted := domain.TrustsNewEmail(caller, before, true)
	if !trusted {
		cameIn, err := tx.StaffCameIn(ctx, before.ID)
		if err != nil {
			return err
		}
		trusted = domain.TrustsNewEmail(caller, before, cameIn)
	}
	return tx.TrustEmail(ctx, before.ID, trusted)
}

func isActiveAdministrator(staff domain.Staff) bool {
	return staff.Role == domain.RoleAdministrator && staff.Status == domain.StaffActive
}

// Deactivation is a staff member who was deactivated, with what they still hold (D5).
type Deactivation struct {
	Staff    domain.Staff
	Workload domain.Workload
}

// DeactivateStaff ends a staff member's access and tells what they still hold. With requireEmpty it is refused while
// anything is left to hand over. Doing it again changes nothing.
func (a *App) DeactivateStaff(ctx context.Context, caller domain.Caller, id uuid.UUID, requireEmpty bool, key *Key) (Deactivation, bool, error) {
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (Deactivation, error) {
		staff, err := a.setStaffStatus(ctx, tx, caller, id, domain.StaffDeactivated, "staff_deactivated")
		if err != nil {
			return Deactivation{}, err
		}
		workload, err := a.workload(ctx, tx, caller, staff, true)
		if err != nil {
			return Deactivation{}, err
		}
		if requireEmpty {
			if err := a.checkHoldsNothing(ctx, tx, caller, staff); err != nil {
				return Deactivation{}, err
			}
		}
		return Deactivation{Staff: staff, Workload: workload}, nil
	})
}

// checkHoldsNothing refuses where a staff member has work left to hand over. Private work never stands in the way, not even
// the caller's own (B5).
func (a *App) checkHoldsNothing(ctx context.Context, tx *postgres.Tx, caller domain.Caller, staff domain.Staff) error {
	workload, err := a.workload(ctx, tx, caller, staff, false)
	if err != nil || workload.Empty() {
		return err
	}
	return domain.Refuse(domain.CodeStaffHoldsWork, "%s still holds work. Hand it over first, or leave out require_empty.", staff.Name()).
		With("clients", workload.Clients).With("referrals", workload.Referrals).With("active_tasks", workload.ActiveTasks).
		With("matters", workload.Matters).With("events", workload.Events)
}

// ReactivateStaff gives a deactivated staff member access again. Doing it again changes nothing.
func (a *App) ReactivateStaff(ctx context.Context, caller domain.Caller, id uuid.UUID, key *Key) (domain.Staff, bool, error) {
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (domain.Staff, error) {
		return a.setStaffStatus(ctx, tx, caller, id, domain.StaffActive, "staff_reactivated")
	})
}

func (a *App) setStaffStatus(ctx context.Context, tx *postgres.Tx, caller domain.Caller, id uuid.UUID, status domain.StaffStatus, action string) (domain.Staff, error) {
	if !caller.Has(domain.PermissionStaff) {
		return domain.Staff{}, domain.CheckStaffEdit(caller, nil, domain.Staff{})
	}
	before, err := tx.StaffMember(ctx, id, true)
	if err != nil {
		return domain.Staff{}, err
	}
	after := before
	after.Status = status
	if err := domain.CheckStaffEdit(caller, &before, after); err != nil {
		return domain.Staff{}, err
	}
	return a.changeStaff(ctx, tx, caller, before, after, action)
}

// StaffWorkload counts what a staff member holds. Who changes staff may ask, and everybody about themselves.
func (a *App) StaffWorkload(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Workload, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (domain.Workload, error) {
		staff, err := tx.StaffMember(ctx, id, false)
		if err != nil {
			return domain.Workload{}, err
		}
		if id != caller.StaffID && !caller.Has(domain.PermissionStaff) {
			return domain.Workload{}, domain.Denied("Seeing what somebody else holds needs the staff permission.")
		}
		return a.workload(ctx, tx, caller, staff, true)
	})
}

func (a *App) workload(ctx context.Context, tx *postgres.Tx, caller domain.Caller, staff domain.Staff, private bool) (domain.Workload, error) {
	today, err := caller.Today(a.now())
	if err != nil {
		return domain.Workload{}, fmt.Errorf("today in the organization: %w", err)
	}
	return tx.Workload(ctx, caller, staff, today, a.now(), private)
}

// Self is who the caller is: the staff member, their organization, and the token they came with.
type Self struct {
	Staff        domain.Staff
	Organization domain.Organization
	Token        *APIToken // nil: they came with another credential
	SignedInWith domain.SignedInWith
}

// Me tells the caller who they are.
func (a *App) Me(ctx context.Context, caller domain.Caller) (Self, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (self Self, err error) {
		if self.Staff, err = tx.StaffMember(ctx, caller.StaffID, false); err != nil {
			return Self{}, err
		}
		if self.Organization, err = tx.OrganizationOf(ctx); err != nil {
			return Self{}, err
		}
		if caller.TokenID != uuid.Nil {
			token, err := tx.APIToken(ctx, caller.TokenID, false)
			if err != nil {
				return Self{}, err
			}
			self.Token, self.SignedInWith = &token, domain.SignedInWithToken
			if token.IsSession {
				self.SignedInWith = domain.SignedInWithPassword
			}
		}
		if caller.IdentityID != uuid.Nil {
			self.SignedInWith = domain.SignedInWithOpenID
		}
		return self, nil
	})
}
