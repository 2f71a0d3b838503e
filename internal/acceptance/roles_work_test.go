package acceptance

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

// workRoleRows are the rows of matters, events and groups, of handing work over, and of what staff are told.
var workRoleRows = []roleRow{
	{operation: "reassignWork", scope: "reassign", may: adminOnly, status: 200, ask: reassigning(object{})},
	{operation: "reassignWork", to: "as a dry run", scope: "reassign", may: adminOnly, status: 200, ask: reassigning(object{"dry_run": true})},
	{operation: "reassignWork", to: "of oneself", scope: "reassign", may: adminOnly, status: 200, ask: func(w *world, _ member) ask {
		return withBody(object{"from_staff_id": "me", "people": object{"to_staff_ids": idsOf(w.member("member"))}})
	}},
	{operation: "reassignWork", to: "asynchronously", scope: "reassign", may: adminOnly, status: 202, ask: func(w *world, caller member) ask {
		return reassigning(object{})(w, caller).with("Prefer", "respond-async")
	}},
	{operation: "reassignWork", to: "later (B12)", scope: "reassign", may: adminOnly, status: 202, ask: reassigning(object{"run_at": "2040-01-01T00:00:00Z"})},
	{operation: "cancelRun", to: "one's own", scope: "assignments", may: everybody, status: 200, ask: func(w *world, caller member) ask {
		return inPath("run_id", w.scheduledRun(caller).String()).sending(object{})
	}},
	{operation: "cancelRun", to: "somebody else's", scope: "assignments", may: adminOnly, status: 200, ask: func(w *world, _ member) ask {
		return inPath("run_id", w.scheduledRun(w.member("administrator")).String()).sending(object{})
	}},
	{operation: "undoRun", to: "one's own, of clients", scope: "assignments", may: "ac....", status: 200, ask: func(w *world, caller member) ask {
		return ofOwnRun(w, caller).sending(object{})
	}},
	{operation: "undoRun", to: "somebody else's", scope: "assignments", may: adminOnly, status: 200, ask: func(w *world, caller member) ask {
		return ofForeignRun(w, caller).sending(object{})
	}},
	{operation: "undoRun", to: "one's own, as a dry run", scope: "assignments", may: "ac....", status: 200, ask: func(w *world, caller member) ask {
		return ofOwnRun(w, caller).sending(object{"dry_run": true})
	}},

	{operation: "listMatters", scope: "read", may: everybody, status: 200, ask: plainly},
	{operation: "getMatter", to: "for everyone", scope: "read", may: everybody, status: 200, ask: ofMatter(somebodysMatter)},
	{operation: "getMatter", to: "private, one's own (B5)", scope: "read", may: everybody, status: 200, ask: ofMatter(ownPrivateMatter)},
	{operation: "getMatter", to: "private, somebody else's (B5)", scope: "read", may: nobody, refused: 404, ask: ofMatter(privateMatter)},
	{operation: "getMatter", to: "for a group of one's own", scope: "read", may: everybody, status: 200, ask: ofMatter(matterOfOwnGroup)},
	{operation: "getMatter", to: "for a group of others", scope: "read", may: nobody, refused: 404, ask: ofMatter(matterOfOtherGroup)},
	{operation: "createMatter", to: "for oneself", scope: "assignments", may: everybody, status: 201, ask: func(*world, member) ask {
		return withBody(object{"number": "2030-1", "responsible_staff_id": "me"})
	}},
	{operation: "createMatter", to: "for somebody else", scope: "assignments", may: tasksToo, status: 201, ask: func(w *world, _ member) ask {
		return withBody(object{"number": "2030-1", "responsible_staff_id": w.member("member").ID})
	}},
	{operation: "updateMatter", to: "somebody else's", scope: "assignments", may: tasksToo, status: 200, ask: ofEditedMatter(somebodysMatter)},
	{operation: "updateMatter", to: "one's own", scope: "assignments", may: everybody, status: 200, ask: ofEditedMatter(ownMatter)},
	{operation: "updateMatter", to: "private, one's own (B5)", scope: "assignments", may: everybody, status: 200, ask: ofEditedMatter(ownPrivateMatter)},
	{operation: "updateMatter", to: "private, somebody else's (B5)", scope: "assignments", may: nobody, refused: 404, ask: ofEditedMatter(privateMatter)},
	{operation: "updateMatter", to: "for a group of one's own", scope: "assignments", may: tasksToo, status: 200, ask: ofEditedMatter(matterOfOwnGroup)},
	{operation: "updateMatter", to: "for a group of others", scope: "assignments", may: nobody, refused: 404, ask: ofEditedMatter(matterOfOtherGroup)},
	{operation: "upsertMatterByExternalId", to: "new, for oneself", scope: "assignments", may: everybody, status: 201, ask: func(*world, member) ask {
		return inPath("external_id", newID().String()).sending(object{"number": "2030-1", "responsible_staff_id": "me"})
	}},
	{operation: "upsertMatterByExternalId", to: "new, for somebody else", scope: "assignments", may: tasksToo, status: 201, ask: func(w *world, _ member) ask {
		return inPath("external_id", newID().String()).sending(object{"number": "2030-1", "responsible_staff_id": w.member("member").ID})
	}},
	{operation: "upsertMatterByExternalId", to: "one's own", scope: "assignments", may: everybody, status: 200, ask: ofUpsertedMatter(ownMatter)},
	{operation: "upsertMatterByExternalId", to: "somebody else's", scope: "assignments", may: tasksToo, status: 200, ask: ofUpsertedMatter(somebodysMatter)},
	{operation: "upsertMatterByExternalId", to: "private, somebody else's (B5)", scope: "assignments", may: nobody, refused: 409, ask: ofUpsertedMatter(privateMatter)},

	{operation: "listCalendarEvents", scope: "read", may: everybody, status: 200, ask: plainly},
	{operation: "getCalendarEvent", to: "somebody else's", scope: "read", may: tasksToo, status: 200, ask: ofEvent(somebodysEvent)},
	{operation: "getCalendarEvent", to: "one's own", scope: "read", may: everybody, status: 200, ask: ofEvent(ownEvent)},
	{operation: "getCalendarEvent", to: "that one attends", scope: "read", may: everybody, status: 200, ask: ofEvent(attendedEvent)},
	{operation: "getCalendarEvent", to: "of one's own matter", scope: "read", may: everybody, status: 200, ask: ofEvent(eventOfOwnMatter)},
	{operation: "getCalendarEvent", to: "of a private matter, that one attends (B5)", scope: "read", may: nobody, refused: 404, ask: ofEvent(eventOfPrivateMatter)},
	{operation: "createCalendarEvent", to: "for oneself", scope: "assignments", may: everybody, status: 201, ask: func(*world, member) ask {
		return withBody(eventFor("me"))
	}},
	{operation: "createCalendarEvent", to: "for somebody else", scope: "assignments", may: tasksToo, status: 201, ask: func(w *world, _ member) ask {
		return withBody(eventFor(w.member("member").ID))
	}},
	{operation: "updateCalendarEvent", to: "somebody else's", scope: "assignments", may: tasksToo, status: 200, ask: ofEditedEvent(somebodysEvent)},
	{operation: "updateCalendarEvent", to: "one's own", scope: "assignments", may: everybody, status: 200, ask: ofEditedEvent(ownEvent)},
	{operation: "updateCalendarEvent", to: "that one attends", scope: "assignments", may: tasksToo, status: 200, ask: ofEditedEvent(attendedEvent)},
	{operation: "updateCalendarEvent", to: "of a private matter, that one attends (B5)", scope: "assignments", may: nobody, refused: 404, ask: ofEditedEvent(eventOfPrivateMatter)},
	{operation: "upsertCalendarEventByExternalId", to: "new, for oneself", scope: "assignments", may: everybody, status: 201, ask: func(*world, member) ask {
		return inPath("external_id", newID().String()).sending(eventFor("me"))
	}},
	{operation: "upsertCalendarEventByExternalId", to: "new, for somebody else", scope: "assignments", may: tasksToo, status: 201, ask: func(w *world, _ member) ask {
		return inPath("external_id", newID().String()).sending(eventFor(w.member("member").ID))
	}},
	{operation: "upsertCalendarEventByExternalId", to: "one's own", scope: "assignments", may: everybody, status: 200, ask: func(w *world, caller member) ask {
		return inPath("external_id", w.externalID("calendar_events", ownEvent(w, caller))).sending(eventFor("me"))
	}},
	{operation: "upsertCalendarEventByExternalId", to: "of a private matter (B5)", scope: "assignments", may: nobody, refused: 409, ask: func(w *world, caller member) ask {
		return inPath("external_id", w.externalID("calendar_events", eventOfPrivateMatter(w, caller))).sending(eventFor("me"))
	}},

	{operation: "listStaffGroups", scope: "read", may: everybody, status: 200, ask: plainly},
	{operation: "getStaffGroup", scope: "read", may: everybody, status: 200, ask: func(w *world, _ member) ask {
		return inPath("staff_group_id", w.group().String())
	}},
	{operation: "createStaffGroup", scope: "admin", may: staffToo, status: 201, ask: func(w *world, _ member) ask {
		return withBody(object{"name": newID().String(), "member_ids": idsOf(w.member("member"))})
	}},
	{operation: "updateStaffGroup", scope: "admin", may: staffToo, status: 200, ask: func(w *world, _ member) ask {
		return inPath("staff_group_id", w.group().String()).sending(object{"name": newID().String()}).with("If-Match", "*")
	}},

	{operation: "listNotifications", scope: "read", may: everybody, status: 200, ask: plainly},
	{operation: "getNotification", to: "one's own", scope: "read", may: everybody, status: 200, ask: func(w *world, caller member) ask {
		return inPath("notification_id", w.notification(caller).String())
	}},
	{operation: "getNotification", to: "somebody else's", scope: "read", may: nobody, refused: 404, ask: func(w *world, _ member) ask {
		return inPath("notification_id", w.notification(w.member("member")).String())
	}},
	{operation: "markNotificationsRead", to: "one's own", scope: "read", may: everybody, status: 200, ask: func(w *world, caller member) ask {
		return withBody(object{"notification_ids": []uuid.UUID{w.notification(caller)}})
	}},
	{operation: "markNotificationsRead", to: "somebody else's", scope: "read", may: nobody, refused: 422, ask: func(w *world, _ member) ask {
		return withBody(object{"notification_ids": []uuid.UUID{w.notification(w.member("member"))}})
	}},
	{operation: "streamNotifications", scope: "read", may: everybody, status: 200, ask: plainly},
	{operation: "getNotificationSettings", scope: "read", may: everybody, status: 200, ask: plainly},
	{operation: "replaceNotificationSettings", scope: "read", may: everybody, status: 200, ask: func(*world, member) ask {
		return withBody(object{"email": false}).with("If-Match", "*")
	}},
}

// A token for assignments alone undoes assignments; what was reassigned it does not (B11).
func TestUndoingReassignedWorkNeedsItsScope(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	leaver := w.member("member")
	w.matter("everyone", leaver)
	run := decode[api.Run](w.as(w.Admin, "POST", "/v1/reassign-work", object{
		"from_staff_id": leaver.ID, "matters": object{"to_staff_ids": idsOf(w.member("member"))},
	}).must(200))
	path := "/v1/runs/" + run.ID.MustGet().String() + "/undo"
	before := w.tables()
	narrow := member{w.Admin.ID, w.scoped(w.Admin, "assignments")}
	before["api_tokens"] = w.tables()["api_tokens"]
	problem := w.as(narrow, "POST", path, object{}).problem(403, "insufficient_scope")
	if problem.Params["scope"] != "reassign" {
		t.Errorf("got params %v", problem.Params)
	}
	w.unchanged(before)
	w.as(member{w.Admin.ID, w.scoped(w.Admin, "assignments", "reassign")}, "POST", path, object{}).must(200)
}

// The requests of the rows.

func reassigning(more object) func(*world, member) ask {
	return func(w *world, _ member) ask {
		leaver, successor := w.member("member"), w.member("member")
		w.matter("everyone", leaver)
		body := object{"from_staff_id": leaver.ID, "matters": object{"to_staff_ids": idsOf(successor)}}
		for name, value := range more {
			body[name] = value
		}
		return withBody(body)
	}
}

func ofMatter(matter func(*world, member) uuid.UUID) func(*world, member) ask {
	return func(w *world, caller member) ask { return inPath("matter_id", matter(w, caller).String()) }
}

func ofEditedMatter(matter func(*world, member) uuid.UUID) func(*world, member) ask {
	return func(w *world, caller member) ask {
		return ofMatter(matter)(w, caller).sending(object{"description": "It goes on"}).with("If-Match", "*")
	}
}

// ofUpsertedMatter leaves the matter with whom it is.
func ofUpsertedMatter(matter func(*world, member) uuid.UUID) func(*world, member) ask {
	return func(w *world, caller member) ask {
		id := matter(w, caller)
		responsible := w.ids(`SELECT responsible_staff_id FROM matters WHERE organization_id = $1 AND id = $2`, w.ID, id)[0]
		return inPath("external_id", w.externalID("matters", id)).sending(object{"number": "2030-2", "responsible_staff_id": responsible})
	}
}

func somebodysMatter(w *world, _ member) uuid.UUID { return w.matter("everyone", w.member("member")) }

func ownMatter(w *world, caller member) uuid.UUID { return w.matter("everyone", caller) }

func ownPrivateMatter(w *world, caller member) uuid.UUID { return w.matter("private", caller) }

func privateMatter(w *world, _ member) uuid.UUID { return w.matter("private", w.member("member")) }

func matterOfOwnGroup(w *world, caller member) uuid.UUID {
	return w.groupMatter(w.member("member"), w.group(caller))
}

func matterOfOtherGroup(w *world, _ member) uuid.UUID {
	return w.groupMatter(w.member("member"), w.group(w.member("member")))
}

func ofEvent(event func(*world, member) uuid.UUID) func(*world, member) ask {
	return func(w *world, caller member) ask { return inPath("calendar_event_id", event(w, caller).String()) }
}

func ofEditedEvent(event func(*world, member) uuid.UUID) func(*world, member) ask {
	return func(w *world, caller member) ask {
		return ofEvent(event)(w, caller).sending(object{"title": "Hearing, moved"}).with("If-Match", "*")
	}
}

func eventFor(owner any) object {
	return object{"title": "Hearing", "starts_at": "2030-01-31T14:00:00Z", "ends_at": "2030-01-31T15:00:00Z", "owner_staff_id": owner}
}

func somebodysEvent(w *world, _ member) uuid.UUID {
	return w.eventOf(w.member("member"), uuid.NullUUID{})
}

func ownEvent(w *world, caller member) uuid.UUID { return w.eventOf(caller, uuid.NullUUID{}) }

func attendedEvent(w *world, caller member) uuid.UUID {
	return w.eventOf(w.member("member"), uuid.NullUUID{}, caller)
}

func eventOfOwnMatter(w *world, caller member) uuid.UUID {
	return w.eventOf(w.member("member"), uuid.NullUUID{UUID: w.matter("everyone", caller), Valid: true})
}

// eventOfPrivateMatter is attended by the caller, who is not responsible for the matter.
func eventOfPrivateMatter(w *world, caller member) uuid.UUID {
	return w.eventOf(w.member("member"), uuid.NullUUID{UUID: privateMatter(w, caller), Valid: true}, caller)
}

// What tests of work need in the tables.

// eventOf adds an event of an hour, a day from now.
func (w *world) eventOf(owner member, matter uuid.NullUUID, attendees ...member) uuid.UUID {
	w.t.Helper()
	id := newID()
	w.exec(`INSERT INTO calendar_events (organization_id, id, title, starts_at, ends_at, owner_staff_id, matter_id, created_at, updated_at)
		VALUES ($1, $2, 'Event', now() + interval '24 hours', now() + interval '25 hours', $3, $4, now(), now())`, w.ID, id, owner.ID, matter)
	for _, m := range attendees {
		w.exec(`INSERT INTO calendar_event_attendees (organization_id, calendar_event_id, staff_id) VALUES ($1, $2, $3)`, w.ID, id, m.ID)
	}
	return id
}

// group adds a group of staff.
func (w *world) group(members ...member) uuid.UUID {
	w.t.Helper()
	id := newID()
	w.exec(`INSERT INTO staff_groups (organization_id, id, name, created_at, updated_at) VALUES ($1, $2, $3, now(), now())`, w.ID, id, "Group "+id.String())
	for _, m := range members {
		w.exec(`INSERT INTO staff_group_members (organization_id, staff_group_id, staff_id) VALUES ($1, $2, $3)`, w.ID, id, m.ID)
	}
	return id
}

// groupMatter adds an open matter that groups see.
func (w *world) groupMatter(responsible member, groups ...uuid.UUID) uuid.UUID {
	w.t.Helper()
	id := w.matter("groups", responsible)
	for _, group := range groups {
		w.exec(`INSERT INTO matter_groups (organization_id, matter_id, staff_group_id) VALUES ($1, $2, $3)`, w.ID, id, group)
	}
	return id
}

// scheduledRun is a run that a staff member asked for, to be done tomorrow.
func (w *world) scheduledRun(by member) uuid.UUID {
	w.t.Helper()
	id := newID()
	request := fmt.Sprintf(`{"from_staff_id": %q, "matters": {"to_staff_ids": [%q]}}`, by.ID, newID())
	w.exec(`INSERT INTO runs (organization_id, id, kind, status, requested_by_staff_id, requested_at, request, totals, scheduled_for)
		VALUES ($1, $2, 'reassign_work', 'scheduled', $3, now(), $4, '{}', $5)`, w.ID, id, by.ID, request, time.Now().Add(24*time.Hour))
	w.exec(`INSERT INTO run_progress (organization_id, run_id, done, total) VALUES ($1, $2, 0, 0)`, w.ID, id)
	return id
}

// notification tells a staff member of a run that gave them a client.
func (w *world) notification(to member) uuid.UUID {
	w.t.Helper()
	id := newID()
	w.exec(`
		WITH counter AS (
			INSERT INTO notification_counters (organization_id, staff_id, last_number) VALUES ($1, $3, 1)
			ON CONFLICT (organization_id, staff_id) DO UPDATE SET last_number = notification_counters.last_number + 1 RETURNING last_number
		)
		INSERT INTO notifications (organization_id, id, staff_id, number, kind, created_at, people_count, email_status)
		SELECT $1, $2, $3, last_number, 'work_received', now(), 1, 'none' FROM counter`, w.ID, id, to.ID)
	w.exec(`INSERT INTO notification_items (organization_id, notification_id, position, kind, item_id) VALUES ($1, $2, 1, 'person', $3)`, w.ID, id, w.person("client", to))
	return id
}
