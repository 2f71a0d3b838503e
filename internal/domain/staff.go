package domain

import (
	"time"

	"github.com/google/uuid"
)

// Role of a staff member.
type Role string

// The roles. An administrator has every permission.
const (
	RoleAdministrator Role = "administrator"
	RoleMember        Role = "member"
)

// Permission is what a member may do; see Caller for what each decides.
type Permission string

// The permissions.
const (
	PermissionClients   Permission = "clients"
	PermissionReferrals Permission = "referrals"
	PermissionStaff     Permission = "staff"
	PermissionTasks     Permission = "tasks"
)

// StaffStatus of a staff member.
type StaffStatus string

// The statuses of a staff member. A deactivated one cannot sign in and is never handed anything (A13).
const (
	StaffActive      StaffStatus = "active"
	StaffDeactivated StaffStatus = "deactivated"
)

// Staff is a person who works in the organization.
type Staff struct {
	ID          uuid.UUID
	ExternalID  *string
	FirstName   string
	LastName    string
	Email       string
	Role        Role
	Status      StaffStatus
	Permissions []Permission
	Invitation  *InvitationState // the last one; nil: there has been none (C7)
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Name is the name as people read it.
func (s Staff) Name() string { return FullName(s.FirstName, s.LastName) }

// Ref is the short form.
func (s Staff) Ref() StaffRef { return StaffRef{ID: s.ID, Name: s.Name(), Status: s.Status} }

// StaffRef is a staff member as other resources show one.
type StaffRef struct {
	ID     uuid.UUID   `json:"id"`
	Name   string      `json:"name"`
	Status StaffStatus `json:"status"`
}

// FullName joins a first and a last name.
func FullName(first, last string) string {
	switch {
	case first == "":
		return last
	case last == "":
		return first
	default:
		return first + " " + last
	}
}

// Workload is what a staff member holds now (D5). Work on matters that others may not see is not counted (B5).
type Workload struct {
	Staff        StaffRef
	Clients      int
	Referrals    int
	ActiveTasks  int
	PastDueTasks int
	Matters      int       // open and pending
	Events       int       // upcoming, on their calendar
	At           time.Time // when it was counted
}

// Empty tells whether nothing is left to hand over.
func (w Workload) Empty() bool {
	return w.Clients+w.Referrals+w.ActiveTasks+w.Matters+w.Events == 0
}

// CheckStaffEdit decides whether the caller may turn one staff member into another, before being nil when a new one is
// created (A2): changing staff needs the staff permission, and only administrators make or touch administrators.
func CheckStaffEdit(caller Caller, before *Staff, after Staff) error {
	if !caller.Has(PermissionStaff) {
		return Denied("Changing staff needs the staff permission.")
	}
	if caller.IsAdministrator() {
		return nil
	}
	if after.Role == RoleAdministrator || (before != nil && before.Role == RoleAdministrator) {
		return Denied("Only administrators make or change administrators.")
	}
	return nil
}
