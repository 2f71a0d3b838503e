package acceptance

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"handover/internal/app"
)

// How the fuzzing is asked for: for how many seconds, and from which seed. Without them it is short and always the same.
const (
	fuzzSeconds = "HANDOVER_FUZZ_SECONDS"
	fuzzSeed    = "HANDOVER_FUZZ_SEED"
	fuzzRounds  = 50  // of every operation
	mostRounds  = 250 // where one has never succeeded
)

// Every operation is asked for all kinds of nonsense: it never fails, answers only with what its contract declares, and
// leaves a service that works.
func TestFuzz(t *testing.T) {
	t.Parallel()
	seed, until := uint64(1), time.Time{}
	if seconds, err := strconv.Atoi(os.Getenv(fuzzSeconds)); err == nil {
		seed, until = rand.Uint64(), time.Now().Add(time.Duration(seconds)*time.Second)
	}
	if given, err := strconv.ParseUint(os.Getenv(fuzzSeed), 10, 64); err == nil {
		seed = given
	}
	t.Logf("%s=%d", fuzzSeed, seed)
	s := start(t)
	f := newFuzz(t, s, seed)
	before := f.other.tables()
	for round := 0; round < fuzzRounds || round < mostRounds && len(f.untried()) > 0 || time.Now().Before(until); round++ {
		if round%20 == 19 {
			f.renew()
		}
		for _, operationID := range operationIDs() {
			op := operations()[operationID]
			if op.public() && !strings.HasPrefix(op.Path, "/v1") && round%20 > 0 {
				continue // nothing to be wrong with, and long to check
			}
			f.one(t, op)
			if t.Failed() {
				t.Fatalf("in round %d of %s=%d", round, fuzzSeed, seed)
			}
		}
	}
	f.other.unchanged(before, "cams_cursors", "river_job", "waiting_runs") // CaMS is followed all the time, and a turn that nobody waits for is given up
	f.stillWorks(t)
	answered := 0
	for _, times := range f.succeeded {
		answered += times
	}
	t.Logf("%d requests of %d operations, of which %d succeeded", f.asked, len(f.succeeded), answered)
}

// fuzz is an organization, and another one beside it, to draw requests for.
type fuzz struct {
	*drawing
	own, other *tenant
	session    string // of a client who has signed in
	asked      int
	good       map[string]string // bodies that are right, for what is hardly ever drawn so
	succeeded  map[string]int
	client     *http.Client
}

func newFuzz(t *testing.T, s *service, seed uint64) *fuzz {
	t.Helper()
	own, other := s.furnished(t, "Aldermoor"), s.furnished(t, "Brackwater")
	private := own.matter("private", own.spare)
	task, signingIn := taskOfNobody(own.world, own.Admin), newAddress()
	own.activated(clientPassword, object{"email": signingIn}) // whom no request names, or their address would soon be another
	return &fuzz{
		drawing: &drawing{Rand: rand.New(rand.NewPCG(seed, seed)), pool: map[string][]string{
			"person": {own.clientID.String(), own.referralID.String(), own.person("client").String(), own.person("referral").String(), other.clientID.String()},
			"staff":  {own.staff.ID.String(), own.spare.ID.String(), own.member("member").ID.String(), "me", own.Admin.ID.String(), own.staff.ID.String(), own.spare.ID.String(), other.staff.ID.String()},
			"matter": {own.matterID.String(), private.String(), other.matterID.String()}, "event": {own.eventID.String(), other.eventID.String()},
			"group": {own.groupID.String(), own.group().String(), other.groupID.String()}, "notification": {own.notificationID.String(), other.notificationID.String()},
			"Last-Event-ID": {"0", "1", "2"}, "task": {own.taskID.String(), task.String(), other.taskID.String()},
			"selection": {own.selectionID.String(), own.selectionID.String(), other.selectionID.String()}, "run": {own.runID.String(), own.scheduledID.String(), own.scheduledRun(own.Admin).String(), other.runID.String()},
			"token":    {own.tokenID.String(), other.tokenID.String()},
			"client":   {own.clientID.String(), own.linkedID.String(), own.accountID.String(), own.person("client").String(), own.reachable("client").String(), own.referralID.String(), other.clientID.String()},
			"referral": {own.referralID.String(), own.reachable("referral").String()}, "invitation": {own.invitation, own.openInvitation(own.reachable("client"))},
			"password":          {clientPassword, clientPassword, "correct horse"},
			"assessment_number": {newAssessment(), newAssessment(), "ca-1999999", assessmentInProgress, assessmentInCaMS, assessmentUnknown},
			"cams_reference":    {newReference(), newReference(), newReference(), "cl-1999999", referenceOfCase, referenceUnknown, own.caseKeys()["CL"], other.caseKeys()["CL"]},
			"reference":         {own.caseKeys()["CL"], referenceUnknown},
			"webhook-signature": {goodSignature}, "phone": {"+1 416 555 0142", "(416) 555-0161", "+49 30 1234567", "555"}, "postal_code": {"M5V 2T6", "SW1A 1AA", "12345"}, "country": {"CA", "GB", "ZZ"},
			"preferred_language": {"fr-CA", "en", "de"}, "date_of_birth": {"1991-08-14", "2000-02-29"},
			"external": {own.personKey, own.staffKey, own.taskKey, "ext-1", "ext-2", "50%", "a,b", "a/b", "ü", "..", other.personKey},
			"cursor":   {"AAAA"}, "expected_revision": {own.revision},
			"Idempotency-Key": {"key-1", "key-2", own.key}, "If-Match": {`"AAAAAAAAAAAAAAAA"`},
			"Prefer": {"respond-async", "wait=1", "respond-async; x=\"y\", wait=3"},
		}},
		own: own, other: other, session: own.clientSession(own.accountID), good: map[string]string{
			"createSession": fmt.Sprintf(`{"email":%q,"password":%q}`, signingIn, clientPassword),
			"reassignWork":  fmt.Sprintf(`{"from_staff_id":%q,"tasks":{"to_staff_ids":[%q]},"people":{"to_staff_ids":[%[2]q]}}`, own.spare.ID, own.Admin.ID),
			"manageAssignments": fmt.Sprintf(`{"selection":{"type":"people","person_ids":[%q]},"change":{"type":"add","staff_ids":[%q],"task_policy":"keep"}}`,
				own.clientID, own.Admin.ID),
		}, succeeded: map[string]int{}, client: &http.Client{Timeout: 30 * time.Second},
	}
}

// one draws a request of an operation and holds its answer against the contract.
func (f *fuzz) one(t *testing.T, op operation) {
	t.Helper()
	f.bad, f.next = 0, -1
	if f.chance(0.6) {
		f.next = f.IntN(10)
	} else {
		f.bad = oneFrom(f.drawing, []float64{0, 0.02, 0.1, 0.3})
	}
	request := f.request(t, op)
	if request == nil {
		return
	}
	_, noTarget := url.ParseRequestURI(request.URL.Opaque)
	f.asked++
	response, err := f.client.Do(request)
	if err != nil && noTarget != nil {
		return // Go's server answers itself what is no request of HTTP, and may hang up meanwhile
	}
	if err != nil {
		t.Fatalf("%s %s: %v", op.Method, request.URL.Opaque, err)
	}
	var text []byte
	if !isStream(response.Header) {
		text, err = io.ReadAll(response.Body)
	}
	response.Body.Close()
	if err != nil && noTarget != nil {
		return
	}
	if err != nil {
		t.Fatalf("%s %s: %v", op.Method, request.URL.Opaque, err)
	}
	got := answer{t: t, Status: response.StatusCode, Header: response.Header, Body: text}
	if noTarget != nil && got.Status == 400 {
		return
	}
	f.judge(t, op, request, got)
	f.learn(op, got)
}

// request draws one; nil where Go will not send it.
func (f *fuzz) request(t *testing.T, op operation) *http.Request {
	t.Helper()
	path, query, headers := op.Path, []string{}, http.Header{}
	for _, parameter := range op.Parameters {
		schema := parameter.Schema.Value
		text := f.text(schema, parameterPool(op, parameter.Name))
		switch parameter.In {
		case "path":
			path = strings.Replace(path, "{"+parameter.Name+"}", f.escaped(text, url.PathEscape), 1)
		case "query":
			likely := 0.25
			if parameter.Name == "cursor" {
				likely = 0.05 // it fits one filter alone
			}
			if f.chance(likely) {
				query = append(query, parameter.Name+"="+f.escaped(text, url.QueryEscape))
			}
		case "header":
			if f.chance(0.3) || parameter.Name == "If-Match" && f.chance(0.9) {
				if parameter.Name == "If-Match" && f.chance(0.6) {
					text = "*"
				}
				headers.Set(parameter.Name, text)
			}
		}
	}
	if f.chance(f.bad) {
		query = append(query, f.escaped(oneFrom(f.drawing, hostileTexts), url.QueryEscape)+"="+f.escaped(oneFrom(f.drawing, hostileTexts), url.QueryEscape))
	}
	if len(query) > 0 && f.chance(f.bad/2) {
		query = append(query, query[0])
	}
	var body io.Reader
	if op.Body != nil && !f.chance(f.bad/4) || f.chance(f.bad/8) {
		body = strings.NewReader(f.body(op, path))
		headers.Set("Content-Type", "application/json")
		if f.chance(f.bad / 4) {
			headers.Set("Content-Type", oneFrom(f.drawing, hostileTexts))
		}
		if f.chance(0.1) {
			body = io.MultiReader(body) // of unknown length
		}
	}
	headers.Set("Authorization", "Bearer "+f.token(op))
	for _, name := range []string{"X-Request-Id", "Accept", "Prefer", "Content-Encoding", "Authorization", "Origin", "Range", "If-None-Match"} {
		if f.chance(f.bad / 20) {
			headers.Set(name, oneFrom(f.drawing, hostileTexts))
		}
	}
	for name, values := range headers {
		if strings.ContainsFunc(values[0], func(char rune) bool { return char < ' ' && char != '\t' || char == 0x7f }) {
			headers.Del(name)
		}
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	if strings.ContainsFunc(path, func(char rune) bool { return char <= ' ' || char == 0x7f }) || len(path) > 100_000 {
		return nil
	}
	request, err := http.NewRequestWithContext(t.Context(), op.Method, f.own.service.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Opaque, request.Header = path, headers // as it is written
	return request
}

func (f *fuzz) token(op operation) string {
	if op.Extensions["x-client-session"] == "required" && f.chance(0.85) {
		return f.session
	}
	if f.chance(0.85) {
		return f.own.Admin.Token
	}
	return oneFrom(f.drawing, []string{f.own.staff.Token, f.own.spare.Token, app.NewTokenText(), "hnd_nonsense", f.session})
}

// parameterPool is what a parameter stands for, where its name has another meaning elsewhere.
func parameterPool(op operation, name string) string {
	switch {
	case name == "token":
		return "invitation"
	case name == "number":
		return "assessment_number"
	case name == "reference":
		return "cams_reference"
	case op.OperationID == "becomeClient" && name == "person_id":
		return "referral"
	case name == "client_id" && strings.HasPrefix(op.Path, "/v1/clients/"):
		return "client"
	}
	return name
}

// bodyOf is the schema of an operation's body, of which a path may take only some fields.
func bodyOf(op operation, path string) *openapi3.SchemaRef {
	extension, _ := op.Extensions["x-body-fields"].(map[string]any)
	fields, _ := extension["fields"].(map[string]any)
	names, ofPath := fields[path[strings.LastIndexByte(path, '/')+1:]].([]any)
	if !ofPath {
		return op.Body
	}
	narrowed := *op.Body.Value
	narrowed.Properties = openapi3.Schemas{}
	for _, name := range names {
		narrowed.Properties[name.(string)] = op.Body.Value.Properties[name.(string)]
	}
	return openapi3.NewSchemaRef("", &narrowed)
}

func (f *fuzz) body(op operation, path string) string {
	if op.Body == nil {
		return oneFrom(f.drawing, hostileJSON)
	}
	if good := f.good[op.OperationID]; good != "" && f.chance(0.2) {
		return good
	}
	text := f.json(bodyOf(op, path), "", 0)
	if !f.chance(f.bad / 4) {
		return text
	}
	at := f.IntN(len(text) + 1)
	switch f.IntN(5) {
	case 0:
		return text[:at]
	case 1:
		return text[:at] + oneFrom(f.drawing, hostileTexts) + text[at:]
	case 2:
		return text + oneFrom(f.drawing, []string{"{}", "]", ",", "\x00", " ", "null"})
	case 3:
		return oneFrom(f.drawing, []string{"\ufeff", " ", "\xff", "[", "//\n"}) + text
	}
	return strings.Replace(text, `"`, oneFrom(f.drawing, []string{"'", "\x00", `\"`, ""}), 1+f.IntN(3))
}

// judge holds an answer against what its operation declares.
func (f *fuzz) judge(t *testing.T, op operation, request *http.Request, got answer) {
	t.Helper()
	asked := func() string {
		text := fmt.Sprintf("%s %s %v", op.Method, request.URL.Opaque, request.Header)
		if request.GetBody != nil {
			if body, err := request.GetBody(); err == nil {
				sent, _ := io.ReadAll(body)
				text += "\n" + string(sent)
			}
		}
		return strings.ToValidUTF8(text[:min(len(text), 3000)], "?")
	}
	if got.Status >= 500 {
		t.Errorf("%s: answered %d: %s\n%s", op.OperationID, got.Status, got.Body, asked())
		return
	}
	if got.Header.Get("X-Request-Id") == "" || got.Header.Get("X-Injected") != "" {
		t.Errorf("%s: answered with the headers %v\n%s", op.OperationID, got.Header, asked())
	}
	if got.Status >= 400 && got.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: answered %d as %s\n%s", op.OperationID, got.Status, got.Header.Get("Content-Type"), asked())
	}
	path, _, _ := strings.Cut(request.URL.Opaque, "?")
	if (got.Status == 404 || got.Status == 405 || got.Status == 400) && strings.Count(path, "/") != strings.Count(op.Path, "/") || strings.HasSuffix(path, "/") {
		return // another path
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, Route: &routers.Route{Operation: op.Operation, Method: op.Method, Path: op.Path}},
		Status:                 got.Status, Header: got.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	input.SetBodyBytes(got.Body)
	if err := openapi3filter.ValidateResponse(t.Context(), input); err != nil {
		t.Errorf("%s: answered %d, which breaks the contract: %.1000v\n%.1000s\n%s", op.OperationID, got.Status, err, got.Body, asked())
	}
}

// learn takes from an answer what later requests may name, and gives the administrator back what a request took.
func (f *fuzz) learn(op operation, got answer) {
	if got.Status == 401 || got.Status == 403 {
		f.own.exec(`UPDATE staff SET status = 'active', role = 'administrator' WHERE organization_id = $1 AND id = $2 AND (status, role) <> ('active', 'administrator')`, f.own.ID, f.own.Admin.ID)
		f.own.exec(`UPDATE api_tokens SET revoked_at = NULL, expires_at = NULL WHERE organization_id = $1 AND staff_id = $2 AND (revoked_at IS NOT NULL OR expires_at IS NOT NULL)`, f.own.ID, f.own.Admin.ID)
		return
	}
	if got.Status >= 300 {
		return
	}
	f.succeeded[op.OperationID]++
	if tag := got.Header.Get("ETag"); tag != "" {
		f.add("If-Match", tag)
	}
	var told struct {
		ID          string  `json:"id"`
		NextCursor  *string `json:"next_cursor"`
		SelectionID string  `json:"selection_id"`
		Revision    string  `json:"revision"`
		InviteURL   string  `json:"invite_url"`
	}
	if json.Unmarshal(got.Body, &told) != nil {
		return
	}
	if told.NextCursor != nil {
		f.add("cursor", *told.NextCursor)
	}
	if told.SelectionID != "" {
		f.add("selection", told.SelectionID)
		f.add("expected_revision", told.Revision)
	}
	if told.InviteURL != "" {
		f.add("invitation", told.InviteURL[strings.LastIndexByte(told.InviteURL, '/')+1:])
	}
	kinds := map[string]string{
		"createReferral": "person", "upsertPersonByExternalId": "person", "createStaff": "staff", "createTask": "task", "createSelection": "selection",
		"manageAssignments": "run", "assignStaff": "run", "removeStaff": "run", "createApiToken": "token", "rotateApiToken": "token", "reassignWork": "run", "undoRun": "run",
		"createMatter": "matter", "upsertMatterByExternalId": "matter", "createCalendarEvent": "event", "upsertCalendarEventByExternalId": "event",
		"createStaffGroup": "group", "createClient": "client", "becomeClient": "client",
	}
	if kind := kinds[op.OperationID]; kind != "" && told.ID != "" {
		f.add(kind, told.ID)
	}
}

// renew gives what nonsense uses up: a run that can be cancelled, and attempts to sign in.
func (f *fuzz) renew() {
	f.add("run", f.own.scheduledRun(f.own.Admin).String())
	f.own.exec(`DELETE FROM sign_in_failures`)
}

// add keeps a value among the last ones of its kind.
func (f *fuzz) add(kind, value string) {
	const kept = 30
	f.pool[kind] = append(f.pool[kind], value)
	if len(f.pool[kind]) > kept {
		f.pool[kind] = slices.Delete(f.pool[kind], 1, 2)
	}
}

// untried are the operations that have never succeeded.
func (f *fuzz) untried() []string {
	return slices.DeleteFunc(operationIDs(), func(operationID string) bool { return f.succeeded[operationID] > 0 })
}

// stillWorks reads everything that was made, and waits for what was queued.
func (f *fuzz) stillWorks(t *testing.T) {
	t.Helper()
	for _, operationID := range f.untried() {
		t.Errorf("%s never succeeded, so that little of it was tried", operationID)
	}
	eventually(t, "the queued runs end", func() bool {
		return f.own.count(`SELECT count(*) FROM runs WHERE status IN ('queued', 'running')`) == 0
	})
	if n := f.own.count(`SELECT count(*) FROM runs WHERE status = 'failed' AND error ->> 'code' NOT IN
		('existing_assignments', 'task_policy_required', 'no_remaining_staff', 'revision_stale', 'staff_not_active', 'permission_denied', 'already_undone')`); n != 0 {
		t.Errorf("%d runs failed for another reason than those of their rules", n)
	}
	f.own.exec(`UPDATE staff SET status = 'active', role = 'administrator' WHERE organization_id = $1 AND id = $2`, f.own.ID, f.own.Admin.ID)
	f.own.exec(`UPDATE api_tokens SET revoked_at = NULL, expires_at = NULL WHERE organization_id = $1 AND staff_id = $2`, f.own.ID, f.own.Admin.ID)
	for _, operationID := range []string{"listPeople", "listTasks", "listStaff", "listRuns", "listApiTokens", "listAuditEvents", "listMatters", "listCalendarEvents", "listStaffGroups", "listNotifications"} {
		for cursor := ""; ; {
			request := inQuery("limit", "200", "include_total", "true")
			if cursor != "" {
				request.query.Set("cursor", cursor)
			}
			next := decode[page](f.own.service.ask(t, f.own.Admin.Token, operationID, request).must(200)).NextCursor
			if next == nil {
				break
			}
			cursor = *next
		}
	}
}
