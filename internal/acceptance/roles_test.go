package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/app"
)

// The columns of the table of roles, each with the letter that says in a row that it may: an administrator, members with
// one permission each, and a plain member.
const (
	roleColumns = "acrstp"
	everybody   = "acrstp"
	nobody      = "......"
	adminOnly   = "a....."
	staffToo    = "a..s.."
	tasksToo    = "a...t."
)

// roleRow is an operation, done to something: who may, what they are answered, which scope a token needs.
type roleRow struct {
	operation string
	to        string // what it is done to, where that makes a difference
	scope     string // empty: any token will do
	may       string // a letter for each column who may, a point for who may not
	status    int    // of who may
	refused   int    // of who may not; 403 where it says nothing
	ask       func(w *world, caller member) ask
}

func (row roleRow) name() string { return strings.TrimSpace(row.operation + " " + row.to) }

// roleRows is the one table of operations and roles (A2, A18, B, D3). Each request would succeed for those who may.
var roleRows = slices.Concat(assignmentRoleRows, workRoleRows, clientRoleRows)

var assignmentRoleRows = []roleRow{
	{operation: "getMe", may: everybody, status: 200, ask: plainly},

	{operation: "listPeople", scope: "read", may: everybody, status: 200, ask: plainly},
	{operation: "getPerson", to: "client", scope: "read", may: "ac.s..", status: 200, ask: ofPerson("client")},
	{operation: "getPerson", to: "referral", scope: "read", may: "a.rs..", status: 200, ask: ofPerson("referral")},
	{operation: "getPerson", to: "one's own", scope: "read", may: everybody, status: 200, ask: func(w *world, caller member) ask {
		return inPath("person_id", w.person("client", caller).String())
	}},
	{operation: "upsertPersonByExternalId", to: "new client", scope: "clients", may: "ac....", status: 201, ask: upsertedPerson("", "client")},
	{operation: "upsertPersonByExternalId", to: "new referral", scope: "clients", may: "a.r...", status: 201, ask: upsertedPerson("", "referral")},
	{operation: "upsertPersonByExternalId", to: "client", scope: "clients", may: "ac....", status: 200, ask: upsertedPerson("client", "client")},
	{operation: "upsertPersonByExternalId", to: "referral", scope: "clients", may: "a.r...", status: 200, ask: upsertedPerson("referral", "referral")},
	{operation: "upsertPersonByExternalId", to: "referral who becomes a client", scope: "clients", may: adminOnly, status: 200, ask: upsertedPerson("referral", "client")},
	{operation: "upsertPersonByExternalId", to: "client who becomes a referral", scope: "clients", may: adminOnly, status: 200, ask: upsertedPerson("client", "referral")},
	{operation: "createReferral", scope: "clients", may: "a.r...", status: 201, ask: func(*world, member) ask {
		return withBody(object{"first_name": "Ada", "last_name": "Byron"})
	}},

	{operation: "createSelection", to: "client", scope: "read", may: "ac.s..", status: 201, ask: selecting("client")},
	{operation: "createSelection", to: "referral", scope: "read", may: "a.rs..", status: 201, ask: selecting("referral")},
	{operation: "createSelection", to: "one's own people", scope: "read", may: everybody, status: 201, ask: func(w *world, caller member) ask {
		return withBody(object{"selection": people(w.person("client", caller), w.person("referral", caller))})
	}},
	{operation: "createSelection", to: "somebody else's selection", scope: "read", may: adminOnly, status: 201, ask: func(w *world, _ member) ask {
		return withBody(object{"selection": saved(w.savedSelection(w.member("member"), w.person("client")))})
	}},
	{operation: "getSelection", to: "one's own", scope: "read", may: everybody, status: 200, ask: func(w *world, caller member) ask {
		return inPath("selection_id", w.savedSelection(caller, w.person("client")).String())
	}},
	{operation: "getSelection", to: "somebody else's", scope: "read", may: adminOnly, status: 200, ask: func(w *world, _ member) ask {
		return inPath("selection_id", w.savedSelection(w.member("member"), w.person("client")).String())
	}},

	{operation: "getAssignmentSummary", to: "client", scope: "read", may: "ac....", status: 200, ask: selecting("client")},
	{operation: "getAssignmentSummary", to: "referral", scope: "read", may: "a.r...", status: 200, ask: selecting("referral")},
	{operation: "getAssignmentSummary", to: "both", scope: "read", may: adminOnly, status: 200, ask: selecting("client", "referral")},
	{operation: "manageAssignments", to: "client", scope: "assignments", may: "ac....", status: 200, ask: managing(object{}, "client")},
	{operation: "manageAssignments", to: "referral", scope: "assignments", may: "a.r...", status: 200, ask: managing(object{}, "referral")},
	{operation: "manageAssignments", to: "both", scope: "assignments", may: adminOnly, status: 200, ask: managing(object{}, "client", "referral")},
	{operation: "manageAssignments", to: "client, as a dry run", scope: "assignments", may: "ac....", status: 200, ask: managing(object{"dry_run": true}, "client")},
	{operation: "manageAssignments", to: "client, asynchronously", scope: "assignments", may: "ac....", status: 202, ask: func(w *world, caller member) ask {
		return managing(object{}, "client")(w, caller).with("Prefer", "respond-async")
	}},
	{operation: "manageAssignments", to: "somebody assigned to oneself", scope: "assignments", may: "ac....", status: 200, ask: func(w *world, caller member) ask {
		return withBody(wish(people(w.person("client", caller)), change("add", staffed(w.member("member")))))
	}},
	{operation: "assignStaff", to: "client", scope: "assignments", may: staffToo, status: 200, ask: func(w *world, _ member) ask {
		return withBody(object{"selection": people(w.person("client")), "staff_ids": idsOf(w.member("member"))})
	}},
	{operation: "assignStaff", to: "referral", scope: "assignments", may: staffToo, status: 200, ask: func(w *world, _ member) ask {
		return withBody(object{"selection": people(w.person("referral")), "staff_ids": idsOf(w.member("member"))})
	}},
	{operation: "removeStaff", scope: "assignments", may: staffToo, status: 200, ask: selecting("client", "referral")},

	{operation: "getIntakeTemplate", scope: "read", may: adminOnly, status: 200, ask: plainly},
	{operation: "replaceIntakeTemplate", scope: "admin", may: adminOnly, status: 200, ask: func(*world, member) ask {
		return withBody(object{"tasks": []object{{"title": newID().String(), "days_until_due": 3}}}).with("If-Match", "*")
	}},

	{operation: "listRuns", scope: "read", may: everybody, status: 200, ask: plainly},
	{operation: "getRun", to: "one's own", scope: "read", may: everybody, status: 200, ask: ofOwnRun},
	{operation: "getRun", to: "somebody else's", scope: "read", may: adminOnly, status: 200, ask: ofForeignRun},
	{operation: "listRunItems", to: "one's own", scope: "read", may: everybody, status: 200, ask: ofOwnRun},
	{operation: "listRunItems", to: "somebody else's", scope: "read", may: adminOnly, status: 200, ask: ofForeignRun},
	{operation: "getRunReportCsv", to: "one's own", scope: "read", may: everybody, status: 200, ask: ofOwnRun},
	{operation: "getRunReportCsv", to: "somebody else's", scope: "read", may: adminOnly, status: 200, ask: ofForeignRun},
	{operation: "getRunReportXlsx", to: "one's own", scope: "read", may: everybody, status: 200, ask: ofOwnRun},
	{operation: "getRunReportXlsx", to: "somebody else's", scope: "read", may: adminOnly, status: 200, ask: ofForeignRun},
	{operation: "getRunReportJson", to: "one's own", scope: "read", may: everybody, status: 200, ask: ofOwnRun},
	{operation: "getRunReportJson", to: "somebody else's", scope: "read", may: adminOnly, status: 200, ask: ofForeignRun},

	{operation: "listStaff", scope: "read", may: everybody, status: 200, ask: plainly},
	{operation: "getStaff", to: "oneself", scope: "read", may: everybody, status: 200, ask: ofOneself},
	{operation: "getStaff", to: "somebody else", scope: "read", may: everybody, status: 200, ask: ofMember("member")},
	{operation: "getStaffWorkload", to: "oneself", scope: "read", may: everybody, status: 200, ask: ofOneself},
	{operation: "getStaffWorkload", to: "somebody else", scope: "read", may: staffToo, status: 200, ask: ofMember("member")},
	{operation: "createStaff", to: "member", scope: "admin", may: staffToo, status: 201, ask: func(*world, member) ask {
		return withBody(newMember("member", "tasks"))
	}},
	{operation: "createStaff", to: "administrator", scope: "admin", may: adminOnly, status: 201, ask: func(*world, member) ask {
		return withBody(newMember("administrator"))
	}},
	{operation: "updateStaff", to: "member", scope: "admin", may: staffToo, status: 200, ask: editingMember("member", object{"permissions": []string{"clients", "staff"}})},
	{operation: "updateStaff", to: "member who becomes an administrator", scope: "admin", may: adminOnly, status: 200, ask: editingMember("member", object{"role": "administrator"})},
	{operation: "updateStaff", to: "administrator", scope: "admin", may: adminOnly, status: 200, ask: editingMember("administrator", object{"first_name": "Grace"})},
	{operation: "updateStaff", to: "oneself", scope: "admin", may: staffToo, status: 200, ask: func(w *world, caller member) ask {
		return ofOneself(w, caller).sending(object{"first_name": "Grace"}).with("If-Match", "*")
	}},
	{operation: "updateStaff", to: "oneself, for more permissions", scope: "admin", may: staffToo, status: 200, ask: func(w *world, caller member) ask {
		current := append([]string{}, w.permissionsOf(caller)...) // the caller's own, so that the table stays as it is
		return ofOneself(w, caller).sending(object{"permissions": current}).with("If-Match", "*")
	}},
	{operation: "deactivateStaff", to: "member", scope: "admin", may: staffToo, status: 200, ask: ofMember("member")},
	{operation: "deactivateStaff", to: "administrator", scope: "admin", may: adminOnly, status: 200, ask: ofMember("administrator")},
	{operation: "reactivateStaff", to: "member", scope: "admin", may: staffToo, status: 200, ask: ofDeactivated("member")},
	{operation: "reactivateStaff", to: "administrator", scope: "admin", may: adminOnly, status: 200, ask: ofDeactivated("administrator")},
	{operation: "upsertStaffByExternalId", to: "new member", scope: "admin", may: staffToo, status: 201, ask: func(*world, member) ask {
		return inPath("external_id", newID().String()).sending(newMember("member", "staff"))
	}},
	{operation: "upsertStaffByExternalId", to: "new administrator", scope: "admin", may: adminOnly, status: 201, ask: func(*world, member) ask {
		return inPath("external_id", newID().String()).sending(newMember("administrator"))
	}},
	{operation: "upsertStaffByExternalId", to: "administrator who becomes a member", scope: "admin", may: adminOnly, status: 200, ask: func(w *world, _ member) ask {
		external := w.externalID("staff", w.member("administrator").ID)
		return inPath("external_id", external).sending(newMember("member"))
	}},
	{operation: "upsertStaffByExternalId", to: "member who is deactivated", scope: "admin", may: staffToo, status: 200, ask: func(w *world, _ member) ask {
		external := w.externalID("staff", w.member("member").ID)
		leaver := newMember("member")
		leaver["status"] = "deactivated"
		return inPath("external_id", external).sending(leaver)
	}},

	{operation: "listTasks", scope: "read", may: everybody, status: 200, ask: plainly},
	{operation: "getTask", to: "client's", scope: "read", may: "ac.st.", status: 200, ask: ofTask(taskOfClient)},
	{operation: "getTask", to: "referral's", scope: "read", may: "a.rst.", status: 200, ask: ofTask(taskOfReferral)},
	{operation: "getTask", to: "matter's", scope: "read", may: tasksToo, status: 200, ask: ofTask(taskOfMatter)},
	{operation: "getTask", to: "nobody's", scope: "read", may: tasksToo, status: 200, ask: ofTask(taskOfNobody)},
	{operation: "getTask", to: "one's own", scope: "read", may: everybody, status: 200, ask: ofTask(ownTask)},
	{operation: "getTask", to: "a person's of one's own", scope: "read", may: everybody, status: 200, ask: ofTask(taskOfOwnPerson)},
	{operation: "getTask", to: "private matter's (B5)", scope: "read", may: nobody, refused: 404, ask: ofTask(taskOfPrivateMatter)},
	{operation: "updateTask", to: "client's", scope: "assignments", may: "ac.st.", status: 200, ask: ofEditedTask(taskOfClient)},
	{operation: "updateTask", to: "referral's", scope: "assignments", may: "a.rst.", status: 200, ask: ofEditedTask(taskOfReferral)},
	{operation: "updateTask", to: "matter's", scope: "assignments", may: tasksToo, status: 200, ask: ofEditedTask(taskOfMatter)},
	{operation: "updateTask", to: "nobody's", scope: "assignments", may: tasksToo, status: 200, ask: ofEditedTask(taskOfNobody)},
	{operation: "updateTask", to: "one's own", scope: "assignments", may: tasksToo, status: 200, ask: ofEditedTask(ownTask)},
	{operation: "updateTask", to: "a person's of one's own", scope: "assignments", may: everybody, status: 200, ask: ofEditedTask(taskOfOwnPerson)},
	{operation: "updateTask", to: "private matter's (B5)", scope: "assignments", may: nobody, refused: 404, ask: ofEditedTask(taskOfPrivateMatter)},
	{operation: "updateTask", to: "one's own person's, given to a person one does not see", scope: "assignments", may: "ac.st.", status: 200, ask: func(w *world, caller member) ask {
		return inPath("task_id", taskOfOwnPerson(w, caller).String()).sending(object{"person_id": w.person("client")}).with("If-Match", "*")
	}},
	{operation: "createTask", to: "for a client", scope: "assignments", may: "ac.st.", status: 201, ask: func(w *world, _ member) ask {
		return withBody(object{"title": "Call", "person_id": w.person("client")})
	}},
	{operation: "createTask", to: "for a referral", scope: "assignments", may: "a.rst.", status: 201, ask: func(w *world, _ member) ask {
		return withBody(object{"title": "Call", "person_id": w.person("referral")})
	}},
	{operation: "createTask", to: "for a person of one's own", scope: "assignments", may: everybody, status: 201, ask: func(w *world, caller member) ask {
		return withBody(object{"title": "Call", "person_id": w.person("referral", caller)})
	}},
	{operation: "createTask", to: "for a matter", scope: "assignments", may: tasksToo, status: 201, ask: func(w *world, _ member) ask {
		return withBody(object{"title": "File", "matter_id": w.matter("everyone", w.member("member"))})
	}},
	{operation: "createTask", to: "for nobody", scope: "assignments", may: tasksToo, status: 201, ask: func(*world, member) ask {
		return withBody(object{"title": "Tidy up"})
	}},
	{operation: "upsertTaskByExternalId", to: "new, for a client", scope: "assignments", may: "ac.st.", status: 201, ask: func(w *world, _ member) ask {
		return inPath("external_id", newID().String()).sending(object{"title": "Call", "person_id": w.person("client")})
	}},
	{operation: "upsertTaskByExternalId", to: "client's", scope: "assignments", may: "ac.st.", status: 200, ask: func(w *world, caller member) ask {
		return inPath("external_id", w.externalID("tasks", taskOfClient(w, caller))).sending(object{"title": "Call again"})
	}},
	{operation: "upsertTaskByExternalId", to: "nobody's", scope: "assignments", may: tasksToo, status: 200, ask: func(w *world, caller member) ask {
		return inPath("external_id", w.externalID("tasks", taskOfNobody(w, caller))).sending(object{"title": "Tidy up again"})
	}},
	{operation: "upsertTaskByExternalId", to: "private matter's (B5)", scope: "assignments", may: nobody, refused: 409, ask: func(w *world, caller member) ask {
		return inPath("external_id", w.externalID("tasks", taskOfPrivateMatter(w, caller))).sending(object{"title": "File"})
	}},

	{operation: "listApiTokens", scope: "admin", may: everybody, status: 200, ask: plainly},
	{operation: "createApiToken", to: "for oneself", scope: "admin", may: everybody, status: 201, ask: func(*world, member) ask {
		return withBody(object{"name": "Export", "scopes": []string{"admin"}})
	}},
	{operation: "createApiToken", to: "for somebody else", scope: "admin", may: adminOnly, status: 201, ask: func(w *world, _ member) ask {
		return withBody(object{"name": "Export", "scopes": []string{"admin"}, "staff_id": w.member("member").ID})
	}},
	{operation: "getApiToken", to: "one's own", scope: "admin", may: everybody, status: 200, ask: ofOwnToken},
	{operation: "getApiToken", to: "somebody else's", scope: "admin", may: adminOnly, status: 200, ask: ofForeignToken},
	{operation: "revokeApiToken", to: "one's own", scope: "admin", may: everybody, status: 204, ask: func(w *world, caller member) ask {
		return ofOwnToken(w, caller).with("If-Match", "*")
	}},
	{operation: "revokeApiToken", to: "somebody else's", scope: "admin", may: adminOnly, status: 204, ask: func(w *world, caller member) ask {
		return ofForeignToken(w, caller).with("If-Match", "*")
	}},

	{operation: "rotateApiToken", to: "one's own", scope: "admin", may: everybody, status: 201, ask: func(w *world, caller member) ask {
		return ofNarrowToken(w, caller)
	}},
	{operation: "rotateApiToken", to: "somebody else's", scope: "admin", may: adminOnly, status: 201, ask: func(w *world, _ member) ask {
		return ofNarrowToken(w, w.member("member"))
	}},

	{operation: "listStaffIdentities", to: "oneself", scope: "admin", may: everybody, status: 200, ask: ofOneself},
	{operation: "listStaffIdentities", to: "somebody else", scope: "admin", may: adminOnly, status: 200, ask: ofMember("member")},
	{operation: "unbindStaffIdentities", to: "oneself", scope: "admin", may: adminOnly, status: 200, ask: ofOneself},
	{operation: "unbindStaffIdentities", to: "somebody else", scope: "admin", may: adminOnly, status: 200, ask: ofMember("member")},

	{operation: "exportAuditEvents", scope: "admin", may: adminOnly, status: 200, ask: plainly},
	{operation: "listAuditEvents", scope: "admin", may: adminOnly, status: 200, ask: plainly},

	{operation: "getHealth", may: everybody, status: 200, ask: plainly},
	{operation: "getReadiness", may: everybody, status: 200, ask: plainly},
	{operation: "getMetrics", may: everybody, status: 200, ask: plainly},
	{operation: "getOpenapiYaml", may: everybody, status: 200, ask: plainly},
	{operation: "getOpenapiJson", may: everybody, status: 200, ask: plainly},
	{operation: "getDocs", may: everybody, status: 200, ask: plainly},
}

// credential is a way to come to the service.
type credential struct {
	name   string
	caller member
	may    func(roleRow) (code string) // what refuses it; empty: nothing
}

func TestRoles(t *testing.T) {
	t.Parallel()
	everyOperation(t, "the table of roles", roleRows, func(row roleRow) string { return row.operation })
	key := newKey(t, "1", jose.EdDSA)
	i := startIssuer(t, key)
	s := start(t, withoutWorker, i.trusting(everywhere()))
	for _, row := range roleRows {
		t.Run(row.name(), func(t *testing.T) {
			t.Parallel()
			w := s.organization(t)
			op := operations()[row.operation]
			if scope, _ := op.Extensions["x-required-scope"].(string); scope != row.scope {
				t.Errorf("the contract asks for the scope %q", scope)
			}
			s.call(t, key.token(t, i.claims(w.ID.String(), addressOf(w.Admin), nil)), "GET", "/v1/me", nil).must(200) // and is bound
			ofIssuer := credential{"administrator's JWT", member{w.Admin.ID, key.token(t, i.claims(w.ID.String(), addressOf(w.Admin), nil))}, func(row roleRow) string {
				if row.may[0] != roleColumns[0] || row.operation == "deleteSession" { // which is for the issuer to end
					return "permission_denied"
				}
				return ""
			}}
			for _, c := range append(w.credentials(), ofIssuer) {
				w.holds(t, op, row, c)
			}
		})
	}
}

// forStaff is what refuses the session of a client, whatever staff are answered.
const forStaff = "for staff"

// holds asks for a row's request with a credential.
func (w *world) holds(t *testing.T, op operation, row roleRow, c credential) {
	t.Helper()
	request := row.ask(w, c.caller)
	code, want := "", row.status
	if !op.public() {
		code = c.may(row)
	}
	var before map[string]string
	if code != "" && op.writes() {
		before = w.tables()
	}
	got := w.service.call(t, c.caller.Token, op.Method, request.target(op), request.body, request.headers...)
	switch code {
	case "":
	case "unauthenticated":
		want = 401
	case "insufficient_scope":
		want = 403
	case forStaff:
		code, want = "permission_denied", 403
	default:
		want = row.refused
	}
	if want == 0 {
		want = 403
	}
	if got.Status != want {
		t.Errorf("%s: got %d, want %d: %.300s", c.name, got.Status, want, got.Body)
		return
	}
	if want == 401 || want == 403 {
		got.problem(want, code)
	}
	if before != nil {
		w.unchanged(before)
	}
}

// credentials are all the columns of the table.
func (w *world) credentials() []credential {
	columns := []member{
		w.Admin, w.member("member", "clients"), w.member("member", "referrals"), w.member("member", "staff"), w.member("member", "tasks"), w.member("member"),
	}
	names := []string{"administrator", "clients only", "referrals only", "staff only", "tasks only", "plain member"}
	var all []credential
	for i, caller := range columns {
		all = append(all, credential{names[i], caller, func(row roleRow) string {
			if row.may[i] == roleColumns[i] {
				return ""
			}
			return "permission_denied"
		}})
	}
	for _, scope := range []string{"read", "assignments", "reassign", "clients", "admin"} {
		caller := member{w.Admin.ID, w.scoped(w.Admin, scope)}
		all = append(all, credential{"administrator's token with the scope " + scope, caller, func(row roleRow) string {
			switch {
			case row.scope != "" && row.scope != scope:
				return "insufficient_scope"
			case row.may[0] != roleColumns[0]:
				return "permission_denied"
			}
			return ""
		}})
	}
	all = append(all, credential{"client who has signed in", w.ofClient(func(uuid.UUID) {}), func(row roleRow) string {
		if operations()[row.operation].Extensions["x-client-session"] == nil {
			return forStaff
		}
		return ""
	}})
	unknown := func(roleRow) string { return "unauthenticated" }
	deactivated := w.member("administrator")
	w.deactivate(deactivated)
	return append(all,
		credential{"no token", member{ID: w.Admin.ID}, unknown},
		credential{"unknown token", member{w.Admin.ID, app.NewTokenText()}, unknown},
		credential{"revoked token", member{w.Admin.ID, w.ended("revoked_at")}, unknown},
		credential{"expired token", member{w.Admin.ID, w.ended("expires_at")}, unknown},
		credential{"token of a deactivated administrator", deactivated, unknown},
		credential{"session of a client that was ended", w.ofClient(func(id uuid.UUID) { w.endSessions(id, "revoked_at = now()") }), unknown},
		credential{"session of a client that has expired", w.ofClient(func(id uuid.UUID) { w.endSessions(id, "expires_at = now()") }), unknown},
		credential{"session of a client who is inactive", w.ofClient(func(id uuid.UUID) {
			w.exec(`UPDATE people SET status = 'inactive' WHERE organization_id = $1 AND id = $2`, w.ID, id)
		}), unknown},
		credential{"session of a client who is a referral again", w.ofClient(func(id uuid.UUID) {
			w.exec(`UPDATE people SET kind = 'referral' WHERE organization_id = $1 AND id = $2`, w.ID, id)
		}), unknown})
}

// ofClient comes with the session of a client, of whom something became since. What is asked for is as an administrator would.
func (w *world) ofClient(became func(uuid.UUID)) member {
	w.t.Helper()
	client := w.clientWithAccount()
	token := w.clientSession(client)
	became(client)
	return member{w.Admin.ID, token}
}

// ended is a token of the administrator that was good until a second ago.
func (w *world) ended(column string) string {
	w.t.Helper()
	token := w.scoped(w.Admin)
	w.exec(fmt.Sprintf(`UPDATE api_tokens SET scopes = NULL, %s = $1 WHERE secret_hash = $2`, column), time.Now().Add(-time.Second), app.TokenHash(token))
	return token
}

// The requests of the table.

func plainly(*world, member) ask { return ask{} }

func ofPerson(kind string) func(*world, member) ask {
	return func(w *world, _ member) ask { return inPath("person_id", w.person(kind).String()) }
}

func upsertedPerson(kind, becomes string) func(*world, member) ask {
	return func(w *world, _ member) ask {
		external := newID().String()
		if kind != "" {
			external = w.externalID("people", w.person(kind))
		}
		return inPath("external_id", external).sending(object{"kind": becomes, "first_name": "Ada", "last_name": "Byron"})
	}
}

func (w *world) ofKinds(kinds ...string) []uuid.UUID {
	ids := make([]uuid.UUID, len(kinds))
	for i, kind := range kinds {
		ids[i] = w.person(kind)
	}
	return ids
}

func selecting(kinds ...string) func(*world, member) ask {
	return func(w *world, _ member) ask { return withBody(object{"selection": people(w.ofKinds(kinds...)...)}) }
}

func managing(more object, kinds ...string) func(*world, member) ask {
	return func(w *world, _ member) ask {
		return withBody(wish(people(w.ofKinds(kinds...)...), change("assign", staffed(w.member("member"))), more))
	}
}

func ofOwnRun(w *world, caller member) ask { return inPath("run_id", w.finishedRun(caller).String()) }

func ofForeignRun(w *world, _ member) ask {
	return inPath("run_id", w.finishedRun(w.member("member")).String())
}

func ofOneself(_ *world, caller member) ask { return inPath("staff_id", caller.ID.String()) }

func ofMember(role string) func(*world, member) ask {
	return func(w *world, _ member) ask { return inPath("staff_id", w.member(role).ID.String()) }
}

func ofDeactivated(role string) func(*world, member) ask {
	return func(w *world, _ member) ask {
		m := w.member(role)
		w.deactivate(m)
		return inPath("staff_id", m.ID.String())
	}
}

func editingMember(role string, edit object) func(*world, member) ask {
	return func(w *world, caller member) ask {
		return ofMember(role)(w, caller).sending(edit).with("If-Match", "*")
	}
}

func newMember(role string, permissions ...string) object {
	return object{
		"first_name": "Grace", "last_name": "Hopper", "email": newID().String() + "@example.org", "role": role,
		"permissions": append([]string{}, permissions...),
	}
}

func ofTask(task func(*world, member) uuid.UUID) func(*world, member) ask {
	return func(w *world, caller member) ask { return inPath("task_id", task(w, caller).String()) }
}

func ofEditedTask(task func(*world, member) uuid.UUID) func(*world, member) ask {
	return func(w *world, caller member) ask {
		return ofTask(task)(w, caller).sending(object{"status": "completed"}).with("If-Match", "*")
	}
}

func taskOfClient(w *world, _ member) uuid.UUID   { return w.task(w.person("client")) }
func taskOfReferral(w *world, _ member) uuid.UUID { return w.task(w.person("referral")) }

func taskOfOwnPerson(w *world, caller member) uuid.UUID {
	return w.task(w.person("client", caller))
}

func taskOfNobody(w *world, _ member) uuid.UUID {
	return w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{})
}

func ownTask(w *world, caller member) uuid.UUID {
	return w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{}, caller)
}

func taskOfMatter(w *world, _ member) uuid.UUID {
	return w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{UUID: w.matter("everyone", w.member("member")), Valid: true})
}

// taskOfPrivateMatter is held by the caller, who is not responsible for the matter.
func taskOfPrivateMatter(w *world, caller member) uuid.UUID {
	return w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{UUID: w.matter("private", w.member("member")), Valid: true}, caller)
}

func ofOwnToken(w *world, caller member) ask {
	return inPath("token_id", w.tokenOf(caller).String())
}

// ofNarrowToken is of a token with the one scope that the operations on tokens ask for.
func ofNarrowToken(w *world, of member) ask {
	id := w.tokenOf(of)
	w.exec(`UPDATE api_tokens SET scopes = '{admin}' WHERE id = $1`, id)
	return inPath("token_id", id.String())
}

func ofForeignToken(w *world, _ member) ask {
	return inPath("token_id", w.tokenOf(w.member("member")).String())
}

// What tests of single operations need in the tables.

// tokenOf is the id of a further token of a staff member.
func (w *world) tokenOf(m member) uuid.UUID {
	w.t.Helper()
	text := w.scoped(m, "read")
	return w.ids(`SELECT id FROM api_tokens WHERE secret_hash = $1`, app.TokenHash(text))[0]
}

// externalID gives a row an id of another system.
func (w *world) externalID(table string, id uuid.UUID) string {
	w.t.Helper()
	external := "ext-" + id.String()
	w.exec(`UPDATE `+table+` SET external_id = $3 WHERE organization_id = $1 AND id = $2`, w.ID, id, external)
	return external
}

func (w *world) permissionsOf(m member) []string {
	w.t.Helper()
	var permissions pq.StringArray
	if err := w.service.DB.SQL.GetContext(w.t.Context(), &permissions, `SELECT permissions FROM staff WHERE organization_id = $1 AND id = $2`, w.ID, m.ID); err != nil {
		w.t.Fatal(err)
	}
	return permissions
}

// savedSelection freezes people in the name of a staff member.
func (w *world) savedSelection(by member, chosen ...uuid.UUID) uuid.UUID {
	w.t.Helper()
	id := newID()
	w.exec(`INSERT INTO selections (organization_id, id, created_by_staff_id, created_at, expires_at, clients_count, referrals_count)
		VALUES ($1, $2, $3, now(), now() + interval '7 days', $4, 0)`, w.ID, id, by.ID, len(chosen))
	for _, person := range chosen {
		w.exec(`INSERT INTO selection_people (organization_id, selection_id, person_id) VALUES ($1, $2, $3)`, w.ID, id, person)
	}
	return id
}

// finishedRun is a run that a staff member asked for, with one item.
func (w *world) finishedRun(by member) uuid.UUID {
	w.t.Helper()
	id := newID()
	w.exec(`INSERT INTO runs (organization_id, id, kind, status, requested_by_staff_id, requested_at, started_at, finished_at, request, totals)
		VALUES ($1, $2, 'manage_assignments', 'succeeded', $3, now(), now(), now(), '{}', '{}')`, w.ID, id, by.ID)
	w.exec(`INSERT INTO run_items (organization_id, run_id, position, kind, item_id, outcome, before_staff_ids, after_staff_ids)
		VALUES ($1, $2, 1, 'person', $3, 'changed', '{}', $4)`, w.ID, id, w.person("client"), pq.Array(idsOf(by)))
	return id
}
