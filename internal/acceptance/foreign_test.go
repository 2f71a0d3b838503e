package acceptance

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// foreignRows is the matrix of foreign ids: of each operation that takes an id of any kind, requests that succeed, into
// which somebody else's ids are put, one at each place. A request with the other branch of a union stands in a row of
// its own.
var foreignRows = func() map[string]func(a *tenant) []ask {
	rows := maps.Clone(assignmentForeignRows)
	maps.Copy(rows, workForeignRows)
	maps.Copy(rows, clientForeignRows)
	return rows
}()

var assignmentForeignRows = map[string]func(a *tenant) []ask{
	"listPeople":               plainRow,
	"getPerson":                func(a *tenant) []ask { return []ask{inPath("person_id", a.clientID.String())} },
	"upsertPersonByExternalId": func(*tenant) []ask { return []ask{upsertedPerson("", "client")(nil, member{})} },
	"createReferral":           func(a *tenant) []ask { return []ask{roleRequest("createReferral")(a.world, a.Admin)} },
	"createSelection":          selectionRows,
	"getSelection":             func(a *tenant) []ask { return []ask{inPath("selection_id", a.selectionID.String())} },
	"getAssignmentSummary":     selectionRows,
	"manageAssignments": func(a *tenant) []ask {
		added := change("add", object{"staff_ids": idsOf(a.spare), "task_policy": "keep"})
		rows := []ask{withBody(object{"selection": people(a.person("client")), "change": added, "dry_run": true})}
		for _, selection := range a.selections() {
			rows = append(rows, withBody(object{"selection": selection, "change": added}))
		}
		for _, changed := range []object{
			change("assign", object{"staff_ids": idsOf(a.spare)}),
			change("replace", object{"staff_ids": idsOf(a.spare), "task_policy": "keep"}),
			change("remove", object{"staff_ids": idsOf(a.spare), "task_policy": "unassign"}),
		} {
			rows = append(rows, withBody(object{"selection": people(a.person("client")), "change": changed}))
		}
		return rows
	},
	"assignStaff": func(a *tenant) []ask {
		var rows []ask
		for _, selection := range a.selections() {
			rows = append(rows, withBody(object{"selection": selection, "staff_ids": idsOf(a.spare)}))
		}
		return rows
	},
	"removeStaff":           selectionRows,
	"replaceIntakeTemplate": func(a *tenant) []ask { return []ask{roleRequest("replaceIntakeTemplate")(a.world, a.Admin)} },
	"listRuns":              plainRow,
	"getRun":                runRow,
	"listRunItems":          runRow,
	"getRunReportCsv":       runRow,
	"getRunReportXlsx":      runRow,
	"getRunReportJson":      runRow,
	"listStaff":             plainRow,
	"createStaff":           func(*tenant) []ask { return []ask{withBody(newMember("member"))} },
	"getStaff":              staffRow,
	"updateStaff": func(a *tenant) []ask {
		return []ask{staffRow(a)[0].sending(object{"first_name": "Grace"}).with("If-Match", "*")}
	},
	"deactivateStaff":  staffRow,
	"reactivateStaff":  staffRow,
	"getStaffWorkload": staffRow,
	"upsertStaffByExternalId": func(*tenant) []ask {
		return []ask{inPath("external_id", newID().String()).sending(newMember("member"))}
	},
	"listTasks": plainRow,
	"createTask": func(a *tenant) []ask {
		return []ask{withBody(object{"title": "Call", "assignee_ids": idsOf(a.spare)})}
	},
	"getTask": func(a *tenant) []ask { return []ask{inPath("task_id", a.taskID.String())} },
	"updateTask": func(a *tenant) []ask {
		// A task of nobody, so that a person or a matter can be put in.
		return []ask{inPath("task_id", taskOfNobody(a.world, a.Admin).String()).sending(object{"title": "Call", "assignee_ids": idsOf(a.spare)}).with("If-Match", "*")}
	},
	"upsertTaskByExternalId": func(a *tenant) []ask {
		return []ask{inPath("external_id", newID().String()).sending(object{"title": "Call", "assignee_ids": idsOf(a.spare)})}
	},
	"listApiTokens":  plainRow,
	"createApiToken": func(*tenant) []ask { return []ask{withBody(object{"name": "Export"})} },
	"getApiToken":    func(a *tenant) []ask { return []ask{inPath("token_id", a.tokenID.String())} },
	"revokeApiToken": func(a *tenant) []ask {
		return []ask{inPath("token_id", a.tokenOf(a.spare).String()).with("If-Match", "*")}
	},
	"rotateApiToken": func(a *tenant) []ask {
		return []ask{inPath("token_id", a.tokenOf(a.spare).String()).sending(object{"overlap_seconds": 60})}
	},
	"listStaffIdentities":   staffRow,
	"unbindStaffIdentities": staffRow,
	"exportAuditEvents":     plainRow,
	"listAuditEvents":       plainRow,
}

func plainRow(*tenant) []ask   { return []ask{{}} }
func runRow(a *tenant) []ask   { return []ask{inPath("run_id", a.runID.String())} }
func staffRow(a *tenant) []ask { return []ask{inPath("staff_id", a.spare.ID.String())} }

func selectionRows(a *tenant) []ask {
	var rows []ask
	for _, selection := range a.selections() {
		rows = append(rows, withBody(object{"selection": selection}))
	}
	return rows
}

// selections are a selection of each kind, each of a client who has no staff.
func (a *tenant) selections() []object {
	return []object{
		people(a.person("client")), saved(a.savedSelection(a.Admin, a.person("client"))),
		matching(object{"external_id": []string{a.externalID("people", a.person("client"))}}),
	}
}

// roleRequest is the request of the table of roles.
func roleRequest(operationID string) func(*world, member) ask {
	return roleRows[slices.IndexFunc(roleRows, func(row roleRow) bool { return row.operation == operationID })].ask
}

// meansNothingElsewhere tells of what an organization gives a meaning that it has nowhere else, so that it is free
// everywhere else.
func (p place) meansNothingElsewhere() bool {
	filters := p.in == "query" || strings.Contains(p.name, "/filter/")
	return p.kind == placeOfKey || p.kind == placeOfEmail || p.kind == placeOfCaseKey || p.kind == placeOfExternalKey && !filters
}

// refusal is the status of the answer to what never was; 0: an answer like any other.
func (p place) refusal() int {
	if p.meansNothingElsewhere() {
		return 0
	}
	switch p.kind {
	case placeOfCursor:
		return 400
	case placeOfTag, placeOfRevision:
		return 412
	case placeOfID, placeOfExternalKey, placeOfKey, placeOfEmail, placeOfCaseKey:
	}
	switch p.in {
	case "path":
		return 404
	case "body":
		return 422
	}
	if strings.HasSuffix(p.name, "selection_id") {
		return 422
	}
	return 0
}

// I7: an id of another organization is answered as one that never existed, wherever it stands, and nothing is changed.
func TestForeignIDs(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	b := s.furnished(t, "Brackwater")
	places := map[string][]place{}
	for _, p := range idPlaces() {
		places[p.operation] = append(places[p.operation], p)
	}
	for operationID := range foreignRows {
		if len(places[operationID]) == 0 {
			t.Errorf("the row %s has no operation with ids", operationID)
		}
	}
	for _, operationID := range slices.Sorted(maps.Keys(places)) {
		rows := foreignRows[operationID]
		if rows == nil {
			t.Errorf("the operation %s has ids at %v, and no row", operationID, places[operationID])
			continue
		}
		t.Run(operationID, func(t *testing.T) {
			t.Parallel()
			a := s.furnished(t, "Aldermoor")
			for _, p := range places[operationID] {
				a.sameAsNone(t, p, rows, b)
			}
		})
	}
}

// sameAsNone holds the answers to the ids of b at a place against those to ids that never were.
func (a *tenant) sameAsNone(t *testing.T, p place, rows func(*tenant) []ask, b *tenant) {
	t.Helper()
	tried := false
	for at, base := range rows(a) {
		if len(p.put(base, "x")) == 0 || tried && p.kind == placeOfKey {
			continue // a key is good for one request
		}
		tried = true
		usable := a.service.ask(t, a.Admin.Token, p.operation, base)
		if usable.Status >= 300 {
			t.Fatalf("%s: the request that is put in does not succeed by itself: %d %s", p, usable.Status, usable.Body)
		}
		beforeB := b.tables()
		if p.meansNothingElsewhere() {
			for what, value := range b.valuesFor(p) {
				// Each time with new people, since what is asked for is done.
				same(t, p, what, b, a.answersTo(t, p, rows(a)[at], value), a.answersTo(t, p, rows(a)[at], p.never()))
			}
		} else {
			base := rows(a)[at]
			beforeA := a.tables()
			none := a.answersTo(t, p, base, p.never())
			for what, value := range b.valuesFor(p) {
				same(t, p, what, b, a.answersTo(t, p, base, value), none)
			}
			if p.kind == placeOfRevision {
				a.unchanged(beforeA, "selections", "selection_people") // the new summary froze its people
			} else {
				a.unchanged(beforeA)
			}
		}
		b.unchanged(beforeB)
	}
	if !tried {
		t.Errorf("%s: no request of the row can hold it", p)
	}
}

// same holds the answers to a value of b, in each form of the request, against those to a value that never was.
func same(t *testing.T, p place, what string, b *tenant, got, none []seenAnswer) {
	t.Helper()
	for form := range got {
		status := got[form].Status
		if want := p.refusal(); want != 0 && status != want || want == 0 && status >= 300 {
			t.Errorf("%s: %s of another organization is answered %d, want %d: %.300s", p, what, status, want, got[form].Body)
		}
		if got[form].seen != none[form].seen {
			t.Errorf("%s: %s of another organization is told from one that never was:\n%s\n%s", p, what, got[form].seen, none[form].seen)
		}
		if strings.Contains(strings.ToLower(got[form].seen), strings.ToLower(b.mark)) {
			t.Errorf("%s: %s of another organization tells what is there: %s", p, what, got[form].seen)
		}
	}
}

// seenAnswer is an answer as it can be held against another.
type seenAnswer struct {
	answer
	seen string
}

func (a *tenant) answersTo(t *testing.T, p place, base ask, value string) []seenAnswer {
	t.Helper()
	var answers []seenAnswer
	for _, request := range p.put(base, value) {
		got := a.service.ask(t, a.Admin.Token, p.operation, request)
		answers = append(answers, seenAnswer{got, seen(got, value)})
	}
	return answers
}

var (
	anyUUID    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyInstant = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
	anyToken   = regexp.MustCompile(`hn[dci]_[0-9A-Za-z]+`)
	anyHash    = regexp.MustCompile(`"revision":"[0-9a-f]{32}"`)
	anyCase    = regexp.MustCompile(`(?i)c[al]-1\d{6}`)
	anyTag     = regexp.MustCompile(`Etag: "[A-Za-z0-9_-]{16}"`)
	anySection = regexp.MustCompile(`\\"[A-Za-z0-9_-]{16}\\"`) // the ETag of a section
)

// seen is what a caller can tell of an answer: all of it but for the value that was asked for, and for what differs
// between any two answers.
func seen(got answer, value string) string {
	body := got.Body
	var fields map[string]any
	if json.Unmarshal(body, &fields) == nil {
		delete(fields, "request_id")
		delete(fields, "instance")
		body, _ = json.Marshal(fields)
	}
	var headers []string
	for _, name := range slices.Sorted(maps.Keys(got.Header)) {
		if name != "X-Request-Id" && name != "Date" && name != "Content-Length" {
			headers = append(headers, name+": "+strings.Join(got.Header[name], ", "))
		}
	}
	text := fmt.Sprintf("%d %s\n%s", got.Status, headers, body)
	quoted, _ := json.Marshal(value)
	for _, form := range []string{string(quoted[1 : len(quoted)-1]), value, strings.ToLower(value)} {
		text = strings.ReplaceAll(text, form, "<value>")
	}
	numbers := map[string]int{}
	text = anyUUID.ReplaceAllStringFunc(text, func(id string) string {
		if _, known := numbers[id]; !known {
			numbers[id] = len(numbers)
		}
		return fmt.Sprintf("<id %d>", numbers[id])
	})
	text = anyInstant.ReplaceAllString(text, "<instant>")
	text = anyToken.ReplaceAllString(text, "<token>")
	text = anyHash.ReplaceAllString(text, "<revision>")
	text = anyCase.ReplaceAllString(text, "<case>")
	text = anySection.ReplaceAllString(text, "<tag>")
	return anyTag.ReplaceAllString(text, "<tag>")
}

// never is what never was, in the form that the place asks for.
func (p place) never() string {
	switch p.kind {
	case placeOfID:
		return newID().String()
	case placeOfExternalKey:
		return "ext-" + newID().String()
	case placeOfEmail:
		return "nobody" + newID().String() + "@example.org"
	case placeOfCaseKey:
		if strings.HasSuffix(p.name, "assessment_number") {
			return newAssessment()
		}
		return newReference()
	case placeOfRevision:
		return strings.Repeat("0", 43)
	case placeOfKey:
		return "key-of-nobody"
	case placeOfTag:
		return `"AAAAAAAAAAAAAAAA"`
	case placeOfCursor:
	}
	text := make([]byte, 33)
	_, _ = rand.Read(text)
	text[0] = 1
	return base64.RawURLEncoding.EncodeToString(text)
}

// valuesFor are the tenant's own values that could stand at a place, by what they are.
func (a *tenant) valuesFor(p place) map[string]string {
	a.t.Helper()
	switch p.kind {
	case placeOfID:
		ids := map[string]string{
			"a client": a.clientID.String(), "a referral": a.referralID.String(), "a staff member": a.staff.ID.String(), "the administrator": a.Admin.ID.String(),
			"a task": a.taskID.String(), "a matter": a.matterID.String(), "an event": a.eventID.String(), "a selection": a.selectionID.String(),
			"a run": a.runID.String(), "a run to come": a.scheduledID.String(), "a token": a.tokenID.String(), "a group": a.groupID.String(), "a notification": a.notificationID.String(), "the organization": a.ID.String(), "a client, in capitals": strings.ToUpper(a.clientID.String()),
		}
		maps.Copy(ids, a.clientIDs())
		return ids
	case placeOfExternalKey:
		return map[string]string{
			"a person's key": a.personKey, "a staff member's key": a.staffKey, "a task's key": a.taskKey, "a matter's key": a.matterKey, "an event's key": a.eventKey,
		}
	case placeOfEmail:
		return map[string]string{
			"a staff member's email": a.mark + a.staff.ID.String() + "@example.org", "a client's email": a.mark + a.clientID.String() + "@example.org",
			"the email of an account": emailOf(a.accountID),
		}
	case placeOfCaseKey:
		if strings.HasSuffix(p.name, "assessment_number") {
			return map[string]string{"the number of an assessment": a.caseKeys()["CA"]}
		}
		return map[string]string{"the reference of a linked client": a.caseKeys()["CL"]}
	case placeOfRevision:
		return map[string]string{"a revision": a.revision}
	case placeOfKey:
		return map[string]string{"a key": a.key}
	case placeOfTag:
		tags := map[string]string{}
		for operationID, request := range map[string]ask{
			"getStaff": inPath("staff_id", a.staff.ID.String()), "getTask": inPath("task_id", a.taskID.String()), "getIntakeTemplate": {},
			"getApiToken": inPath("token_id", a.tokenID.String()), "getMatter": inPath("matter_id", a.matterID.String()),
			"getCalendarEvent": inPath("calendar_event_id", a.eventID.String()), "getStaffGroup": inPath("staff_group_id", a.groupID.String()),
			"getClient": inPath("client_id", a.linkedID.String()), "getClientSection": editing(a.linkedID, "contact", nil).sending(nil),
		} {
			tags["the ETag of "+operationID] = a.service.ask(a.t, a.Admin.Token, operationID, request).must(200).Header.Get("ETag")
		}
		return tags
	case placeOfCursor:
	}
	return map[string]string{"a cursor": p.of(a)}
}

// of is the tenant's own cursor to the second page of the list, with one row to a page.
func (p place) of(f *tenant) string {
	f.t.Helper()
	request := inQuery("limit", "1")
	if p.operation == "listRunItems" {
		request.path = map[string]string{"run_id": f.runID.String()}
	}
	next := decode[page](f.service.ask(f.t, f.Admin.Token, p.operation, request).must(200)).NextCursor
	if next == nil {
		f.t.Fatalf("%s has one page only", p)
	}
	return *next
}
