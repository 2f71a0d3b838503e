package domain_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

func TestMatterGroups(t *testing.T) {
	matter := func(visibility domain.Visibility, groups ...string) *domain.Matter {
		shown := &domain.Matter{Visibility: visibility}
		for _, group := range groups {
			shown.GroupIDs = append(shown.GroupIDs, id(group))
		}
		return shown
	}
	everyone, groups, private := domain.VisibleToEveryone, domain.VisibleToGroups, domain.VisiblePrivate
	for name, given := range map[string]struct {
		before *domain.Matter
		after  *domain.Matter
		fits   bool
	}{
		"a new one for everyone has none":       {nil, matter(everyone), true},
		"nor has a private one":                 {nil, matter(private), true},
		"a new one for groups has some":         {nil, matter(groups, "a", "b"), true},
		"for groups without any":                {nil, matter(groups), false},
		"for everyone with some":                {nil, matter(everyone, "a"), false},
		"private with some":                     {nil, matter(private, "a"), false},
		"the last one cannot be taken":          {matter(groups, "a"), matter(groups), false},
		"another takes its place":               {matter(groups, "a"), matter(groups, "b"), true},
		"one that was imported stays as it is":  {matter(groups), matter(groups), true},
		"and may get some":                      {matter(groups), matter(groups, "a"), true},
		"made for groups without any":           {matter(private), matter(groups), false},
		"made private with those it had":        {matter(groups, "a"), matter(private, "a"), false},
		"made private without":                  {matter(groups, "a"), matter(private), true},
		"given some without being made for any": {matter(everyone), matter(everyone, "a"), false},
	} {
		t.Run("B5 groups of a matter: "+name, func(t *testing.T) {
			err := domain.CheckMatterGroups(given.before, *given.after)
			if given.fits {
				equal(t, "refusal", err, nil)
				return
			}
			var refused *domain.Error
			equal(t, "is a refusal", errors.As(err, &refused), true)
			equal(t, "at", pointers(refused), "/group_ids invalid_value")
		})
	}
	t.Run("B5 groups that do not exist are each pointed at", func(t *testing.T) {
		a, b := id("a"), id("b")
		equal(t, "all there", domain.CheckGroupsThere(map[uuid.UUID]bool{a: true, b: true}, "/group_ids", []uuid.UUID{b, a}), nil)
		var refused *domain.Error
		equal(t, "is a refusal", errors.As(domain.CheckGroupsThere(map[uuid.UUID]bool{a: true}, "/group_ids", []uuid.UUID{b, a, b}), &refused), true)
		equal(t, "at", pointers(refused), "/group_ids/0 staff_group_not_found, /group_ids/2 staff_group_not_found")
	})
}

func TestWhoWritesMattersEventsAndGroups(t *testing.T) {
	ann := id("ann")
	own, other := domain.StaffRef{ID: ann}, domain.StaffRef{ID: id("bob")}
	for name, given := range map[string]struct {
		caller          domain.Caller
		own, any, group bool
	}{
		"an administrator": {domain.Caller{StaffID: ann, Role: domain.RoleAdministrator}, true, true, true},
		"tasks":            {domain.Caller{StaffID: ann, Permissions: []domain.Permission{domain.PermissionTasks}}, true, true, false},
		"staff":            {domain.Caller{StaffID: ann, Permissions: []domain.Permission{domain.PermissionStaff}}, true, false, true},
		"clients":          {domain.Caller{StaffID: ann, Permissions: []domain.Permission{domain.PermissionClients}}, true, false, false},
		"nothing":          {domain.Caller{StaffID: ann}, true, false, false},
	} {
		t.Run("A2 who may: "+name, func(t *testing.T) {
			equal(t, "their matter", domain.WritesMatter(given.caller, domain.Matter{Responsible: own}), given.own)
			equal(t, "a matter", domain.WritesMatter(given.caller, domain.Matter{Responsible: other}), given.any)
			equal(t, "their event", domain.WritesEvent(given.caller, domain.CalendarEvent{Owner: own}), given.own)
			equal(t, "an event", domain.WritesEvent(given.caller, domain.CalendarEvent{Owner: other, Attendees: []domain.StaffRef{own}}), given.any)
			equal(t, "a group", domain.CheckWritesGroups(given.caller) == nil, given.group)
		})
	}
}

func TestEventTimes(t *testing.T) {
	noon := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	equal(t, "no time at all", domain.CheckEventTimes(domain.CalendarEvent{StartsAt: noon, EndsAt: noon}), nil)
	equal(t, "an hour", domain.CheckEventTimes(domain.CalendarEvent{StartsAt: noon, EndsAt: noon.Add(time.Hour)}), nil)
	var refused *domain.Error
	equal(t, "backwards", errors.As(domain.CheckEventTimes(domain.CalendarEvent{StartsAt: noon, EndsAt: noon.Add(-time.Microsecond)}), &refused), true)
	equal(t, "at", pointers(refused), "/ends_at invalid_value")
	event := domain.CalendarEvent{StartsAt: noon, EndsAt: noon.Add(time.Hour)}
	equal(t, "while it lasts", event.Over(noon.Add(time.Hour)), false)
	equal(t, "after it", event.Over(noon.Add(time.Hour+1)), true)
}

func TestStaffPlaces(t *testing.T) {
	ann, gone, nobody := id("ann"), id("gone"), id("nobody")
	staff := map[uuid.UUID]domain.StaffRef{ann: {ID: ann, Status: domain.StaffActive}, gone: {ID: gone, Status: domain.StaffDeactivated}}
	field := func(named uuid.UUID) domain.StaffPlace {
		return domain.StaffPlace{Pointer: "/owner_staff_id", IDs: []uuid.UUID{named}}
	}
	list := func(named ...uuid.UUID) domain.StaffPlace {
		return domain.StaffPlace{Pointer: "/attendee_staff_ids", IDs: named, IsList: true}
	}
	history, held := list(gone, ann), list(gone, ann)
	history.History = true
	held.Held = []domain.StaffRef{{ID: gone}}
	for name, given := range map[string]struct {
		places []domain.StaffPlace
		code   domain.Code
		at     string
	}{
		"nobody is named":                  {nil, "", ""},
		"active ones":                      {[]domain.StaffPlace{field(ann), list(ann, ann)}, "", ""},
		"a deactivated one":                {[]domain.StaffPlace{field(ann), list(ann, gone)}, domain.CodeStaffNotActive, "/attendee_staff_ids/1 staff_not_active"},
		"a deactivated one in a field":     {[]domain.StaffPlace{field(gone)}, domain.CodeStaffNotActive, "/owner_staff_id staff_not_active"},
		"one who was there before":         {[]domain.StaffPlace{held}, "", ""},
		"but nowhere else":                 {[]domain.StaffPlace{held, field(gone)}, domain.CodeStaffNotActive, "/owner_staff_id staff_not_active"},
		"history":                          {[]domain.StaffPlace{history}, "", ""},
		"history of nobody who was there":  {[]domain.StaffPlace{{Pointer: "/a", IDs: []uuid.UUID{nobody}, History: true}}, domain.CodeStaffNotFound, "/a staff_not_found"},
		"the unknown before the inactive":  {[]domain.StaffPlace{field(gone), list(ann, nobody)}, domain.CodeStaffNotFound, "/owner_staff_id staff_not_active, /attendee_staff_ids/1 staff_not_found"},
		"one who was there is known still": {[]domain.StaffPlace{{Pointer: "/a", IDs: []uuid.UUID{nobody}, Held: []domain.StaffRef{{ID: nobody}}}}, domain.CodeStaffNotFound, "/a staff_not_found"},
	} {
		t.Run("A13 staff who are named: "+name, func(t *testing.T) {
			err := domain.CheckStaffPlaces(staff, given.places...)
			if given.code == "" {
				equal(t, "refusal", err, nil)
				return
			}
			var refused *domain.Error
			equal(t, "is a refusal", errors.As(err, &refused), true)
			equal(t, "code", refused.Code, given.code)
			equal(t, "at", pointers(refused), given.at)
		})
	}
	refs := domain.RefsOf(staff, []uuid.UUID{gone, ann, gone})
	equal(t, "each once", len(refs), 2)
	equal(t, "by id", refs[0].ID, ann)
}
