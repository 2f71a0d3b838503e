package domain_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"handover/internal/domain"
)

const (
	clients   = domain.PermissionClients
	referrals = domain.PermissionReferrals
	staff     = domain.PermissionStaff
	tasks     = domain.PermissionTasks
)

func member(permissions ...domain.Permission) domain.Caller {
	return domain.Caller{StaffID: id("me"), Role: domain.RoleMember, Permissions: permissions}
}

func administrator() domain.Caller {
	return domain.Caller{StaffID: id("me"), Role: domain.RoleAdministrator}
}

// denied tells whether an error is the refusal of who may not; any other error fails the test.
func denied(t *testing.T, err error) bool {
	t.Helper()
	if err == nil {
		return false
	}
	var refused *domain.Error
	if !errors.As(err, &refused) || refused.Code != domain.CodePermissionDenied {
		t.Fatalf("got %v, want %s", err, domain.CodePermissionDenied)
	}
	return true
}

// callers is everybody there can be, by their permissions, and an administrator who has none by name.
func callers() map[string]domain.Caller {
	all := map[string]domain.Caller{"administrator": administrator()}
	for bits := range 16 {
		var permissions []domain.Permission
		for i, permission := range []domain.Permission{clients, referrals, staff, tasks} {
			if bits&(1<<i) != 0 {
				permissions = append(permissions, permission)
			}
		}
		all[fmt.Sprint(permissions)] = member(permissions...)
	}
	return all
}

func TestWhoMayManage(t *testing.T) {
	mixed := domain.SelectionKinds{Clients: 1, Referrals: 1}
	onlyClients := domain.SelectionKinds{Clients: 3}
	onlyReferrals := domain.SelectionKinds{Referrals: 3}
	for name, caller := range callers() {
		t.Run("A2 clients need clients, referrals need referrals, both need both, administrators need nothing: "+name, func(t *testing.T) {
			boss := caller.Role == domain.RoleAdministrator
			has := make(map[domain.Permission]bool)
			for _, permission := range caller.Permissions {
				has[permission] = true
			}
			equal(t, "clients denied", denied(t, domain.CheckManage(caller, onlyClients)), !boss && !has[clients])
			equal(t, "referrals denied", denied(t, domain.CheckManage(caller, onlyReferrals)), !boss && !has[referrals])
			equal(t, "both denied", denied(t, domain.CheckManage(caller, mixed)), !boss && (!has[clients] || !has[referrals]))
			equal(t, "nobody denied", denied(t, domain.CheckManage(caller, domain.SelectionKinds{})), false)
			equal(t, "A18 older action denied", denied(t, domain.CheckOlderAction(caller)), !boss && !has[staff])
			equal(t, "administrators' things denied", denied(t, domain.CheckAdministrator(caller)), !boss)
		})
	}
}

func TestVisibility(t *testing.T) {
	for name, caller := range callers() {
		t.Run("A2 people are seen by who manages their kind, and by staff: "+name, func(t *testing.T) {
			boss := caller.Role == domain.RoleAdministrator
			has := make(map[domain.Permission]bool)
			for _, permission := range caller.Permissions {
				has[permission] = true
			}
			var kinds []domain.PersonKind
			if boss || has[clients] || has[staff] {
				kinds = append(kinds, domain.KindClient)
			}
			if boss || has[referrals] || has[staff] {
				kinds = append(kinds, domain.KindReferral)
			}
			equal(t, "kinds", fmt.Sprint(caller.SeenKinds()), fmt.Sprint(kinds))
			equal(t, "everyone", caller.SeesEveryone(), len(kinds) == 2)
			equal(t, "all tasks", caller.SeesAllTasks(), boss || has[tasks])
			for _, kind := range []domain.PersonKind{domain.KindClient, domain.KindReferral} {
				seen := fmt.Sprint(kinds) == "[client referral]" || fmt.Sprint(kinds) == fmt.Sprint([]domain.PersonKind{kind})
				theirs := domain.Person{Kind: kind, Staff: []domain.StaffRef{{ID: id("ann")}, {ID: id("me")}}}
				others := domain.Person{Kind: kind, Staff: []domain.StaffRef{{ID: id("ann")}}}
				equal(t, string(kind)+" of others", domain.SeesPerson(caller, others), seen)
				equal(t, string(kind)+" assigned to themselves", domain.SeesPerson(caller, theirs), true)
			}
		})
	}
	t.Run("A2 the staff permission sees both kinds and manages neither", func(t *testing.T) {
		equal(t, "sees everyone", member(staff).SeesEveryone(), true)
		equal(t, "manages clients", member(staff).ManagesKind(domain.KindClient), false)
		equal(t, "manages referrals", member(staff).ManagesKind(domain.KindReferral), false)
	})
	t.Run("A2 no caller manages a kind that there is not", func(t *testing.T) {
		equal(t, "manages", administrator().ManagesKind("stranger"), false)
	})
}

func TestTokenScopes(t *testing.T) {
	caller := administrator()
	equal(t, "a token without scopes has all", caller.InScope(domain.ScopeAdmin), true)
	caller.Scopes = []domain.Scope{domain.ScopeRead, domain.ScopeClients}
	equal(t, "a scope it has", caller.InScope(domain.ScopeClients), true)
	equal(t, "a scope it has not, administrator or not", caller.InScope(domain.ScopeAdmin), false)
	caller.Scopes = []domain.Scope{}
	equal(t, "no scope at all", caller.InScope(domain.ScopeRead), false)
}

func TestWhoMayEditStaff(t *testing.T) {
	me, ann := id("me"), id("ann")
	withRole := func(id uuid.UUID, role domain.Role, permissions ...domain.Permission) *domain.Staff {
		return &domain.Staff{ID: id, Role: role, Permissions: permissions}
	}
	plain := func(id uuid.UUID, permissions ...domain.Permission) *domain.Staff {
		return withRole(id, domain.RoleMember, permissions...)
	}
	boss := func(id uuid.UUID) *domain.Staff { return withRole(id, domain.RoleAdministrator) }
	for _, example := range []struct {
		rule   string
		caller domain.Caller
		before *domain.Staff // nil: a new one
		after  *domain.Staff
		denied bool
	}{
		{"A2 changing staff needs the staff permission", member(clients, referrals, tasks), plain(ann), plain(ann), true},
		{"A2 adding staff needs the staff permission", member(), nil, plain(ann), true},
		{"A2 nobody edits themselves without the staff permission", member(tasks), plain(me, tasks), plain(me, tasks), true},
		{"A2 the staff permission adds staff", member(staff), nil, plain(ann), false},
		{"A2 the staff permission changes staff", member(staff), plain(ann, clients), plain(ann, clients), false},
		{"A2 only administrators make administrators: a new one", member(staff), nil, boss(ann), true},
		{"A2 only administrators make administrators: of a member", member(staff, clients), plain(ann), boss(ann), true},
		{"A2 only administrators make administrators: not even of themselves", member(staff), plain(me, staff), boss(me), true},
		{"A2 only administrators unmake administrators", member(staff), boss(ann), plain(ann), true},
		{"A2 only administrators edit administrators", member(staff), boss(ann), boss(ann), true},
		{"A2 administrators make administrators", administrator(), plain(ann), boss(ann), false},
		{"A2 administrators unmake administrators", administrator(), boss(ann), plain(ann), false},
		{"A2 administrators give every permission", administrator(), nil, plain(ann, clients, referrals, staff, tasks), false},
		{"A2 administrators change their own permissions", administrator(), plain(me), plain(me, clients), false},
		{"A2 the staff permission gives permissions that its holder has", member(staff, clients), plain(ann), plain(ann, staff, clients), false},
		{"A2 the staff permission gives permissions that its holder has not", member(staff), plain(ann), plain(ann, referrals), false},
		{"A2 the staff permission gives them to a new one", member(staff), nil, plain(ann, tasks), false},
		{"A2 a member leaves permissions that they have not where they are", member(staff), plain(ann, tasks), plain(ann, tasks), false},
		{"A2 a member takes permissions away", member(staff), plain(ann, tasks, clients), plain(ann), false},
		{"A2 a member edits themselves otherwise", member(staff, clients), plain(me, staff, clients), plain(me, clients, staff), false},
	} {
		t.Run(example.rule, func(t *testing.T) {
			equal(t, "denied", denied(t, domain.CheckStaffEdit(example.caller, example.before, *example.after)), example.denied)
		})
	}
}
