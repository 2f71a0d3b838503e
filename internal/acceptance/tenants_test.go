package acceptance

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

// tenant is an organization with something in every table. Everything that has a name bears the tenant's mark, so that
// a word of it in somebody else's answer shows.
type tenant struct {
	*world
	mark  string
	staff member // serves the client and the referral, and holds the task
	spare member // may do nothing

	linkedID, accountID uuid.UUID // a client who follows CaMS, and one who can sign in
	invitation          string    // the token of one that is open

	clientID, referralID, taskID, matterID, eventID, selectionID, runID, tokenID uuid.UUID
	groupID, notificationID, scheduledID                                         uuid.UUID // of the administrator

	personKey, staffKey, taskKey, matterKey, eventKey string // the ids of another system

	key      string // the Idempotency-Key of everything that was done over HTTP
	revision string // of a summary of the client and the referral
}

// furnished makes a tenant.
func (s *service) furnished(t testing.TB, mark string) *tenant {
	t.Helper()
	f := &tenant{world: s.organization(t), mark: mark, key: "key-of-" + mark}
	f.staff, f.spare = f.member("member", "clients", "staff"), f.member("member")
	f.clientID, f.referralID = f.person("client", f.staff), f.person("referral", f.staff)
	f.taskID, f.matterID, f.eventID = f.task(f.clientID, f.staff), f.matter("everyone", f.staff), newID()
	f.personKey, f.staffKey, f.taskKey = f.externalID("people", f.clientID), f.externalID("staff", f.staff.ID), f.externalID("tasks", f.taskID)
	f.tokenID = f.tokenOf(f.staff)
	for _, statement := range []string{
		`UPDATE organizations SET name = $2 WHERE id = $1`,
		`UPDATE people SET first_name = $2, last_name = $2, phone = $2, email = $2 || id || '@example.org' WHERE organization_id = $1`,
		`UPDATE staff SET first_name = $2, last_name = $2, email = $2 || id || '@example.org' WHERE organization_id = $1`,
		`UPDATE tasks SET title = $2, details = $2 WHERE organization_id = $1`,
		`UPDATE matters SET number = $2, description = $2 WHERE organization_id = $1`,
		`UPDATE api_tokens SET name = $2 WHERE organization_id = $1`,
		`INSERT INTO intake_template_tasks (organization_id, position, title, details, days_until_due) VALUES ($1, 1, $2, $2, 3)`,
		`INSERT INTO person_words (organization_id, word, person_id) SELECT $1, lower($2), id FROM people WHERE organization_id = $1`,
	} {
		f.exec(statement, f.ID, mark)
	}
	f.exec(`INSERT INTO calendar_events (organization_id, id, title, starts_at, ends_at, owner_staff_id, matter_id, created_at, updated_at)
		VALUES ($1, $2, $3, now(), now() + interval '1 hour', $4, $5, now(), now())`, f.ID, f.eventID, mark, f.staff.ID, f.matterID)
	f.exec(`INSERT INTO calendar_event_attendees (organization_id, calendar_event_id, staff_id) VALUES ($1, $2, $3)`, f.ID, f.eventID, f.spare.ID)
	f.matterKey, f.eventKey = f.externalID("matters", f.matterID), f.externalID("calendar_events", f.eventID)
	f.exec(`INSERT INTO staff_identities (organization_id, id, staff_id, issuer, subject, email, bound_at) VALUES ($1, $2, $3, $4, $4, $4, now())`, f.ID, newID(), f.staff.ID, mark)
	f.groupID, f.scheduledID = f.group(f.Admin, f.staff), f.scheduledRun(f.Admin)
	f.exec(`INSERT INTO waiting_runs (organization_id, run_id, job_id) VALUES ($1, $2, 0)`, f.ID, f.scheduledID)
	f.exec(`UPDATE staff_groups SET name = $2 WHERE organization_id = $1`, f.ID, mark)
	f.exec(`UPDATE matters SET number = $2 WHERE organization_id = $1 AND id = $3`, f.ID, mark, f.groupMatter(f.staff, f.groupID))
	f.group()
	f.notification(f.Admin)
	f.notificationID = f.notification(f.Admin)
	f.clients()
	f.busy()
	return f
}

// busy does over HTTP what leaves selections, runs, audit rows and stored answers, all under the tenant's one key.
func (a *tenant) busy() {
	a.t.Helper()
	both := people(a.clientID, a.referralID)
	a.selectionID = decode[api.StoredSelection](a.keyed("createSelection", withBody(object{"selection": both})).must(201)).ID
	a.revision = decode[api.AssignmentSummary](a.keyed("getAssignmentSummary", withBody(object{"selection": both})).must(200)).Revision
	added := change("add", object{"staff_ids": idsOf(a.spare), "task_policy": "keep"})
	id, _ := decode[api.Run](a.keyed("manageAssignments", withBody(object{"selection": both, "change": added, "reason": a.mark})).must(200)).ID.Get()
	a.runID = id
	a.keyed("assignStaff", withBody(object{"selection": people(a.person("client")), "staff_ids": idsOf(a.spare)})).must(200)
	a.keyed("removeStaff", withBody(object{"selection": people(a.person("client", a.spare))})).must(200)
	a.keyed("createReferral", withBody(object{"first_name": a.mark, "last_name": a.mark})).must(201)
	a.keyed("createTask", withBody(object{"title": a.mark})).must(201)
	a.keyed("createMatter", withBody(object{"number": a.mark, "responsible_staff_id": a.spare.ID})).must(201)
	a.keyed("createCalendarEvent", withBody(with(eventFor(a.spare.ID), "title", a.mark))).must(201)
	a.keyed("createStaffGroup", withBody(object{"name": a.mark + " too", "member_ids": idsOf(a.spare)})).must(201)
	a.keyed("markNotificationsRead", withBody(object{"notification_ids": []uuid.UUID{a.notificationID}})).must(200)
	a.keyed("createStaff", withBody(with(newMember("member"), "first_name", a.mark))).must(201)
	a.keyed("createApiToken", withBody(object{"name": a.mark})).must(201)
	a.keyed("deactivateStaff", inPath("staff_id", a.spare.ID.String())).must(200)
	a.keyed("reactivateStaff", inPath("staff_id", a.spare.ID.String())).must(200)
	a.spare.Token = a.scoped(a.spare, "read", "assignments", "reassign", "clients", "admin") // the one of before is revoked
	a.keyed("rotateApiToken", inPath("token_id", a.tokenOf(a.spare).String())).must(201)
	a.keyed("unbindStaffIdentities", inPath("staff_id", a.spare.ID.String())).must(200)
	a.keyed("createClient", withBody(newClient(object{"first_name": a.mark}))).must(201)
	a.keyed("becomeClient", inPath("person_id", a.reachable("referral").String()).sending(object{})).must(200)
	a.keyed("syncCams", inPath("client_id", a.linkedID.String())).must(200)
	a.keyed("resendClientInvite", inPath("client_id", a.reachable("client").String())).must(200)
	a.keyed("resendStaffInvite", inPath("staff_id", a.spare.ID.String())).must(200)
}

// keyed asks as the administrator, under the tenant's key.
func (a *tenant) keyed(operationID string, request ask) answer {
	a.t.Helper()
	return a.service.ask(a.t, a.Admin.Token, operationID, request.with("Idempotency-Key", a.key))
}

// with is a body with one field more, or another value of it.
func with(body object, name string, value any) object {
	more := object{name: value}
	for known, value := range body {
		if known != name {
			more[known] = value
		}
	}
	return more
}

// inNobody fails the test when an answer holds a word of the tenant.
func (a *tenant) inNobody(t testing.TB, what string, got answer) {
	t.Helper()
	if strings.Contains(strings.ToLower(string(got.Body)), strings.ToLower(a.mark)) {
		t.Errorf("%s: the answer tells of %s: %.500s", what, a.mark, got.Body)
	}
}
