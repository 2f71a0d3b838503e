package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/domain"
)

// This is the one place that says who sees what of matters (B5). Whatever reads matters, tasks or events, or what was
// recorded of them, takes its condition from here.

// seenMatter is what makes a matter (an alias of matters) seen by a staff member (a placeholder): it is everyone's, or
// theirs, or that of groups they are in. Nobody else sees it, administrators included.
//
// OFFSET 0 keeps the planner from gathering all that somebody's groups see for the sake of a few rows.
func seenMatter(matter, staff string) string {
	return `(` + matter + `.visibility = 'everyone' OR ` + matter + `.responsible_staff_id = ` + staff + ` OR ` + matter + `.visibility = 'groups' AND EXISTS (
		SELECT FROM matter_groups shown
		JOIN staff_group_members member ON member.organization_id = shown.organization_id AND member.staff_group_id = shown.staff_group_id
		WHERE shown.organization_id = ` + matter + `.organization_id AND shown.matter_id = ` + matter + `.id AND member.staff_id = ` + staff + ` OFFSET 0))`
}

// notHidden is what keeps a row (an alias) from being hidden by the matter it belongs to, if it belongs to one: the
// staff member (a placeholder) sees that matter.
func notHidden(row, matterID, staff string) string {
	return `(` + matterID + ` IS NULL OR NOT ` + hidden(row, matterID, staff) + `)`
}

// hidden is what makes a row (an alias) hidden from a staff member (a placeholder): it belongs to a matter that they do not
// see. It looks among the few matters that are not everyone's, one probe of a small index for each row that has a
// matter.
//
// The matter's id may be a column or a CASE. Under row-level security a call such as coalesce, which could tell of what it
// is given, would not be looked up in an index.
func hidden(row, matterID, staff string) string {
	return `EXISTS (
		SELECT FROM matters hidden WHERE hidden.organization_id = ` + row + `.organization_id AND hidden.id = ` + matterID + `
			AND hidden.visibility <> 'everyone' AND NOT ` + seenMatter("hidden", staff) + ` OFFSET 0)`
}

// Work of a matter that only groups see is seen by those who have it as well (A2), or whatever is given to somebody outside of
// the groups would be lost from sight; the matter itself stays hidden from them. Private work is nobody else's (B5).

// ownTask is what makes a task (alias t) a staff member's (a placeholder): they hold it.
func ownTask(staff string) string {
	return `EXISTS (SELECT FROM task_assignees held WHERE held.organization_id = t.organization_id AND held.task_id = t.id AND held.staff_id = ` + staff + `)`
}

// ownEvent is what makes a calendar event (alias e) a staff member's (a placeholder): they own or attend it.
func ownEvent(staff string) string {
	return `(e.owner_staff_id = ` + staff + ` OR EXISTS (SELECT FROM calendar_event_attendees seat
		WHERE seat.organization_id = e.organization_id AND seat.calendar_event_id = e.id AND seat.staff_id = ` + staff + `))`
}

// shownWork is what keeps a task or an event (an alias) from being hidden by its matter from a staff member (a placeholder) whose own it
// may be.
func shownWork(row, own, staff string) string {
	return `(` + row + `.matter_id IS NULL OR NOT EXISTS (
		SELECT FROM matters hidden WHERE hidden.organization_id = ` + row + `.organization_id AND hidden.id = ` + row + `.matter_id
			AND hidden.visibility <> 'everyone' AND NOT ` + seenMatter("hidden", staff) + ` AND (hidden.visibility = 'private' OR NOT ` + own + `) OFFSET 0))`
}

// ofPrivateMatter is what makes a row (an alias) belong to a private matter, whoever may see it.
func ofPrivateMatter(row string) string {
	return `EXISTS (SELECT FROM matters private WHERE private.organization_id = ` + row + `.organization_id AND private.id = ` + row + `.matter_id
		AND private.visibility = 'private' OFFSET 0)`
}

// seenMatters narrows matters (alias m) to those the caller sees.
func (q *query) seenMatters(caller domain.Caller) {
	q.and(seenMatter("m", q.arg(caller.StaffID)))
}

// unhiddenTasks narrows tasks (alias t) to those whose matter does not hide them from the caller.
func (q *query) unhiddenTasks(caller domain.Caller) {
	me := q.arg(caller.StaffID)
	q.and(shownWork("t", ownTask(me), me))
}

// seenTasks narrows tasks (alias t) to those the caller sees: B5, then A2. What only the responsible staff member may
// see is seen by them, whatever their permissions.
func (q *query) seenTasks(caller domain.Caller) {
	me := q.arg(caller.StaffID)
	q.and(shownWork("t", ownTask(me), me))
	if caller.SeesAllTasks() {
		return
	}
	own := ownTask(me) + `
		OR EXISTS (SELECT FROM matters m WHERE m.organization_id = t.organization_id AND m.id = t.matter_id
			AND m.visibility <> 'everyone' AND m.responsible_staff_id = ` + me + `)`
	if caller.SeesEveryone() {
		q.and("(t.person_id IS NOT NULL OR " + own + ")")
		return
	}
	q.and("(EXISTS (SELECT FROM people p WHERE p.organization_id = t.organization_id AND p.id = t.person_id AND ("+seenPerson+")) OR "+own+")",
		pq.Array(texts(caller.SeenKinds())), caller.StaffID)
}

// unhiddenEvents narrows calendar events (alias e) to those whose matter does not hide them from the caller.
func (q *query) unhiddenEvents(caller domain.Caller) {
	me := q.arg(caller.StaffID)
	q.and(shownWork("e", ownEvent(me), me))
}

// seenEvents narrows calendar events (alias e) to those the caller sees: B5 first, then all of them by the tasks
// permission, and everybody those that they own or attend, or that belong to a matter of theirs.
func (q *query) seenEvents(caller domain.Caller) {
	me := q.arg(caller.StaffID)
	q.and(shownWork("e", ownEvent(me), me))
	if caller.SeesAllTasks() {
		return
	}
	q.and(`(` + ownEvent(me) + `
		OR EXISTS (SELECT FROM matters m WHERE m.organization_id = e.organization_id AND m.id = e.matter_id AND m.responsible_staff_id = ` + me + `))`)
}

// listedEvents is seenEvents for lists: what is the caller's is gathered from the caller's side, as it is little among the
// organization's. On their own calendar, and among what they attend, everything is.
func (q *query) listedEvents(caller domain.Caller, filter domain.CalendarEventFilter) {
	me := q.arg(caller.StaffID)
	q.and(shownWork("e", ownEvent(me), me))
	if caller.SeesAllTasks() || justOne(filter.OwnerIDs, caller.StaffID) || justOne(filter.AttendeeIDs, caller.StaffID) {
		return
	}
	q.and(`e.id = ANY (ARRAY(
		SELECT own.id FROM calendar_events own WHERE own.organization_id = $1 AND own.owner_staff_id = ` + me + `
		UNION ALL SELECT seat.calendar_event_id FROM calendar_event_attendees seat WHERE seat.organization_id = $1 AND seat.staff_id = ` + me + `
		UNION ALL SELECT own.id FROM matters m JOIN calendar_events own ON own.organization_id = m.organization_id AND own.matter_id = m.id
			WHERE m.organization_id = $1 AND m.responsible_staff_id = ` + me + `))`)
}

func justOne(ids []uuid.UUID, id uuid.UUID) bool { return len(ids) == 1 && ids[0] == id }

// oneSeen reads one row the caller sees. What is only not theirs to see, 403; of another organization or hidden by its matter, as if
// it did not exist, 404 (A2, B5).
func oneSeen[Row any](ctx context.Context, tx *Tx, alias string, id uuid.UUID, caller domain.Caller, see, unhide func(*query, domain.Caller),
	read func(*Tx, context.Context, *query) (Row, bool, error), what string,
) (Row, error) {
	one := func(narrow func(*query, domain.Caller)) (Row, bool, error) {
		q := newQuery(alias, tx.Organization)
		q.and(alias+".id = %s", id)
		narrow(q, caller)
		return read(tx, ctx, q)
	}
	row, found, err := one(see)
	if err != nil || found {
		return row, err
	}
	var none Row
	switch _, found, err = one(unhide); {
	case err != nil:
		return none, err
	case found:
		return none, domain.Denied("You may not see this " + what + ".")
	}
	return none, domain.Refuse(domain.CodeNotFound, "There is no such %s.", what)
}
