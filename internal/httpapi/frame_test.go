package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/api"
	"handover/internal/domain"
)

const (
	goodToken   = "hnd_good"
	otherToken  = "hnd_other"
	readerToken = "hnd_reader"
	clientToken = "hnd_client"
)

// people whom the tests' tokens stand for.
var callers = map[string]domain.Caller{
	goodToken:  {Organization: domain.OrganizationID(uuid.MustParse("01900000-0000-7000-8000-000000000001")), StaffID: uuid.MustParse("01900000-0000-7000-8000-000000000101")},
	otherToken: {Organization: domain.OrganizationID(uuid.MustParse("01900000-0000-7000-8000-000000000002")), StaffID: uuid.MustParse("01900000-0000-7000-8000-000000000201")},
	readerToken: {
		Organization: domain.OrganizationID(uuid.MustParse("01900000-0000-7000-8000-000000000001")), StaffID: uuid.MustParse("01900000-0000-7000-8000-000000000102"),
		Scopes: []domain.Scope{domain.ScopeRead},
	},
	clientToken: {
		Organization: domain.OrganizationID(uuid.MustParse("01900000-0000-7000-8000-000000000001")), ClientID: uuid.MustParse("01900000-0000-7000-8000-000000001001"),
	},
}

type tokens struct{}

func (tokens) Authenticate(_ context.Context, token, _ string) (domain.Caller, error) {
	if caller, ok := callers[token]; ok {
		return caller, nil
	}
	return domain.Caller{}, domain.Refuse(domain.CodeUnauthenticated, "The token is not valid.")
}

// stub stands in for the operations that the frame is tried with. on is what each does.
type stub struct {
	*handlers
	on func(ctx context.Context, request any) error
}

func (s *stub) GetMe(ctx context.Context, request api.GetMeRequestObject) (api.GetMeResponseObject, error) {
	return api.GetMe200JSONResponse{}, s.on(ctx, request)
}

func (s *stub) ListTasks(ctx context.Context, request api.ListTasksRequestObject) (api.ListTasksResponseObject, error) {
	return api.ListTasks200JSONResponse{}, s.on(ctx, request)
}

func (s *stub) ListStaff(ctx context.Context, request api.ListStaffRequestObject) (api.ListStaffResponseObject, error) {
	return api.ListStaff200JSONResponse{}, s.on(ctx, request)
}

func (s *stub) GetPerson(ctx context.Context, request api.GetPersonRequestObject) (api.GetPersonResponseObject, error) {
	return api.GetPerson200JSONResponse{}, s.on(ctx, request)
}

func (s *stub) UpsertPersonByExternalID(ctx context.Context, request api.UpsertPersonByExternalIDRequestObject) (api.UpsertPersonByExternalIDResponseObject, error) {
	return api.UpsertPersonByExternalID200JSONResponse{}, s.on(ctx, request)
}

func (s *stub) CreateReferral(ctx context.Context, request api.CreateReferralRequestObject) (api.CreateReferralResponseObject, error) {
	return api.CreateReferral201JSONResponse{}, s.on(ctx, request)
}

func (s *stub) ManageAssignments(ctx context.Context, request api.ManageAssignmentsRequestObject) (api.ManageAssignmentsResponseObject, error) {
	return api.ManageAssignments200JSONResponse{}, s.on(ctx, request)
}

func (s *stub) RemoveStaff(ctx context.Context, request api.RemoveStaffRequestObject) (api.RemoveStaffResponseObject, error) {
	return api.RemoveStaff200JSONResponse{}, s.on(ctx, request)
}

func (s *stub) ReplaceIntakeTemplate(ctx context.Context, request api.ReplaceIntakeTemplateRequestObject) (api.ReplaceIntakeTemplateResponseObject, error) {
	return api.ReplaceIntakeTemplate200JSONResponse{}, s.on(ctx, request)
}

func (s *stub) DeactivateStaff(ctx context.Context, request api.DeactivateStaffRequestObject) (api.DeactivateStaffResponseObject, error) {
	return api.DeactivateStaff200JSONResponse{}, s.on(ctx, request)
}

func (s *stub) GetMyProfile(ctx context.Context, request api.GetMyProfileRequestObject) (api.GetMyProfileResponseObject, error) {
	return api.GetMyProfile200JSONResponse{}, s.on(ctx, request)
}

func (s *stub) DeleteSession(ctx context.Context, request api.DeleteSessionRequestObject) (api.DeleteSessionResponseObject, error) {
	return api.DeleteSession204Response{}, s.on(ctx, request)
}

func (s *stub) GetInvitation(ctx context.Context, request api.GetInvitationRequestObject) (api.GetInvitationResponseObject, error) {
	return api.GetInvitation200JSONResponse{}, s.on(ctx, request)
}

func (s *stub) AcceptInvitation(ctx context.Context, request api.AcceptInvitationRequestObject) (api.AcceptInvitationResponseObject, error) {
	return api.AcceptInvitation200JSONResponse{}, s.on(ctx, request)
}

// brokenReport is an answer that fails when it is half written.
type brokenReport struct{}

func (brokenReport) VisitGetRunReportCSVResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/csv")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, "kind,item_id\n")
	return errors.New("the database went away at 10.0.0.7")
}

func (s *stub) GetRunReportCSV(context.Context, api.GetRunReportCSVRequestObject) (api.GetRunReportCSVResponseObject, error) {
	return brokenReport{}, nil
}

// frame is the surface at an address, with stubs behind it.
type frame struct {
	t    *testing.T
	url  string
	stub *stub
	log  *logbook
}

// logbook keeps what was logged.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logbook) lines(t *testing.T) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []map[string]any
	for line := range strings.Lines(l.text.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		lines = append(lines, fields)
	}
	return lines
}

func newFrame(t *testing.T, change ...func(*Options)) *frame {
	t.Helper()
	log := &logbook{}
	options := Options{Log: slog.New(slog.NewJSONHandler(log, nil))}
	for _, c := range change {
		c(&options)
	}
	h := newHandlers(nil, options)
	f := &frame{t: t, log: log, stub: &stub{handlers: h, on: func(context.Context, any) error { return nil }}}
	server := httptest.NewServer(newServer(h, f.stub, tokens{}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// answer is what came back.
type answer struct {
	*http.Response
	text string
}

func (a answer) problem(t *testing.T) api.Problem {
	t.Helper()
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), a.text)
	var problem api.Problem
	decoder := json.NewDecoder(strings.NewReader(a.text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&problem))
	assert.Equal(t, a.StatusCode, problem.Status)
	assert.Equal(t, a.Header.Get("X-Request-Id"), problem.RequestID)
	assert.Equal(t, "/docs/problems#"+problem.Code, problem.Type)
	assert.NotEmpty(t, problem.Title)
	assert.NotEmpty(t, problem.Detail)
	assert.NotNil(t, problem.Params)
	assert.NotNil(t, problem.Errors)
	return problem
}

type header map[string]string

func signedIn(more ...header) header {
	headers := header{"Authorization": "Bearer " + goodToken}
	for _, m := range more {
		maps.Copy(headers, m)
	}
	return headers
}

func (f *frame) send(method, path, body string, headers header) answer {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	require.NoError(f.t, err)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	return f.do(request)
}

func (f *frame) do(request *http.Request) answer {
	f.t.Helper()
	response, err := http.DefaultClient.Do(request)
	require.NoError(f.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(f.t, err)
	return answer{response, string(text)}
}

func (f *frame) get(path string, headers ...header) answer {
	f.t.Helper()
	return f.send(http.MethodGet, path, "", signedIn(headers...))
}

const aPerson = "/v1/people/01900000-0000-7000-8000-000000001001"

func TestRoutes(t *testing.T) {
	f := newFrame(t)
	t.Run("what does not exist is not found, as a problem", func(t *testing.T) {
		for _, path := range []string{"/v1", "/v1/nothing", "/v1/people/", "/v1/people/a/b", "/v2/people", "/docs/secret.js", "/healthz/x", aPerson + "/"} {
			got := f.send(http.MethodGet, path, "", nil)
			problem := got.problem(t)
			assert.Equal(t, http.StatusNotFound, got.StatusCode, path)
			assert.Equal(t, "not_found", problem.Code, path)
			assert.Equal(t, path, problem.Instance)
		}
	})
	t.Run("an external id with a slash is a path with more segments unless the slash is escaped", func(t *testing.T) {
		const body = `{"kind":"client","first_name":"A","last_name":"B"}`
		var external string
		f.stub.on = func(_ context.Context, request any) error {
			external = request.(api.UpsertPersonByExternalIDRequestObject).ExternalID
			return nil
		}
		assert.Equal(t, http.StatusNotFound, f.send(http.MethodPut, "/v1/people/by-external-id/a/b", body, signedIn()).StatusCode)
		for escaped, want := range map[string]string{"a%2Fb": "a/b", "100%25": "100%", "a+b%20c": "a+b c", "a,b": "a,b", "%E2%82%AC%2F": "€/", "%252F": "%2F"} {
			got := f.send(http.MethodPut, "/v1/people/by-external-id/"+escaped, body, signedIn())
			assert.Equal(t, http.StatusOK, got.StatusCode, got.text)
			assert.Equal(t, want, external)
		}
	})
	t.Run("a method that a path does not have is told with those it has", func(t *testing.T) {
		got := f.send(http.MethodDelete, "/v1/people", "", nil)
		assert.Equal(t, "method_not_allowed", got.problem(t).Code)
		assert.Equal(t, http.StatusMethodNotAllowed, got.StatusCode)
		assert.Equal(t, "OPTIONS, GET", got.Header.Get("Allow"))
	})
	t.Run("OPTIONS tells the methods", func(t *testing.T) {
		got := f.send(http.MethodOptions, "/v1/staff", "", nil)
		assert.Equal(t, http.StatusNoContent, got.StatusCode)
		assert.Equal(t, "OPTIONS, GET, POST", got.Header.Get("Allow"))
	})
}

func TestWhichErrorFirst(t *testing.T) {
	f := newFrame(t)
	const path = "/v1/referrals"
	for name, test := range map[string]struct {
		method, path, body string
		headers            header
		want               string
	}{
		"a path before everything":         {http.MethodPost, "/v1/referral?x=1", "{", nil, "not_found"},
		"the type of the body before 401":  {http.MethodPost, path, "{", header{"Content-Type": "text/plain"}, "unsupported_media_type"},
		"a malformed body before 401":      {http.MethodPost, path, "{", nil, "malformed_body"},
		"a missing body before 401":        {http.MethodPost, path, "", nil, "malformed_body"},
		"an unknown field before 401":      {http.MethodPost, path, `{"x":1}`, nil, "unknown_field"},
		"an unknown parameter before 401":  {http.MethodPost, path + "?x=1", `{"first_name":"A","last_name":"B"}`, nil, "unknown_parameter"},
		"an invalid path before 401":       {http.MethodGet, "/v1/people/1", "", nil, "invalid_parameter"},
		"no credential before the scope":   {http.MethodPost, path, `{"first_name":"A","last_name":"B"}`, nil, "unauthenticated"},
		"the scope before the operation":   {http.MethodPost, path, `{"first_name":"A","last_name":"B"}`, header{"Authorization": "Bearer " + readerToken}, "insufficient_scope"},
		"a parameter before what the body": {http.MethodPost, path + "?x=1", `{"x":1}`, nil, "unknown_parameter"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, f.send(test.method, test.path, test.body, test.headers).problem(t).Code)
		})
	}
}

func TestSigningIn(t *testing.T) {
	f := newFrame(t)
	var caller domain.Caller
	f.stub.on = func(ctx context.Context, _ any) error {
		caller = callerOf(ctx)
		return nil
	}
	t.Run("the caller is who the token stands for", func(t *testing.T) {
		got := f.get("/v1/me", header{"X-Request-Id": "mine-1"})
		assert.Equal(t, http.StatusOK, got.StatusCode, got.text)
		assert.Equal(t, callers[goodToken].StaffID, caller.StaffID)
		assert.Equal(t, "mine-1", caller.RequestID)
	})
	t.Run("the scheme is read in any case", func(t *testing.T) {
		assert.Equal(t, http.StatusOK, f.send(http.MethodGet, "/v1/me", "", header{"Authorization": "bearer  " + goodToken}).StatusCode)
	})
	t.Run("no credential, and none that is valid, are challenged", func(t *testing.T) {
		for _, value := range []string{"", "Bearer", "Bearer ", "Basic aGk6aGk=", goodToken} {
			headers := header{}
			if value != "" {
				headers["Authorization"] = value
			}
			got := f.send(http.MethodGet, "/v1/me", "", headers)
			assert.Equal(t, "unauthenticated", got.problem(t).Code)
			assert.Equal(t, `Bearer realm="handover"`, got.Header.Get("WWW-Authenticate"), value)
		}
		got := f.send(http.MethodGet, "/v1/me", "", header{"Authorization": "Bearer hnd_stolen"})
		assert.Equal(t, http.StatusUnauthorized, got.StatusCode)
		assert.Equal(t, `Bearer realm="handover", error="invalid_token"`, got.Header.Get("WWW-Authenticate"))
	})
	t.Run("two credentials are none", func(t *testing.T) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"/v1/me", nil)
		require.NoError(t, err)
		request.Header["Authorization"] = []string{"Bearer " + goodToken, "Bearer " + otherToken}
		assert.Equal(t, http.StatusUnauthorized, f.do(request).StatusCode)
	})
	t.Run("a token with scopes opens what they name", func(t *testing.T) {
		reader := header{"Authorization": "Bearer " + readerToken}
		assert.Equal(t, http.StatusOK, f.send(http.MethodGet, "/v1/me", "", reader).StatusCode, "no scope is needed here")
		assert.Equal(t, http.StatusOK, f.send(http.MethodGet, "/v1/tasks", "", reader).StatusCode)
		got := f.send(http.MethodGet, "/v1/audit-events", "", reader)
		assert.Equal(t, http.StatusForbidden, got.StatusCode)
		assert.Equal(t, api.ProblemParams{"scope": "admin"}, got.problem(t).Params)
	})
	t.Run("a client's session opens what is marked, and nothing else", func(t *testing.T) {
		client := header{"Authorization": "Bearer " + clientToken}
		for key, operation := range embeddedContract().operations {
			method, path, _ := strings.Cut(key, " ")
			if operation.public || method != http.MethodGet || strings.Contains(path, ":") {
				continue
			}
			got := f.send(method, withQuery(path, operation), "", client)
			if operation.clients == clientsKeptOut {
				assert.Equal(t, http.StatusForbidden, got.StatusCode, key)
				assert.Equal(t, "permission_denied", got.problem(t).Code)
			} else {
				assert.Equal(t, http.StatusOK, got.StatusCode, key)
				assert.Equal(t, callers[clientToken].ClientID, caller.ClientID)
			}
		}
		assert.Equal(t, http.StatusNoContent, f.send(http.MethodDelete, "/v1/sessions/current", "", header{"Authorization": "Bearer " + clientToken, "If-Match": "*"}).StatusCode)
	})
	t.Run("what is a client's own is not for staff", func(t *testing.T) {
		assert.Equal(t, "permission_denied", f.get("/v1/me/profile").problem(t).Code)
		assert.Equal(t, http.StatusNoContent, f.send(http.MethodDelete, "/v1/sessions/current", "", signedIn(header{"If-Match": "*"})).StatusCode)
	})
}

// withQuery gives a path the parameters that it cannot be asked for without.
func withQuery(path string, operation *operation) string {
	for name, parameter := range operation.query {
		if parameter.required {
			path += "?" + name + "=x"
		}
	}
	return path
}

// A token in a path is as good as a password, and is told to nobody, whoever asked with it.
func TestSecretsOfPathsStandNowhere(t *testing.T) {
	const canary = "CANARYofAnInvitation0000000000000000000000"
	f := newFrame(t)
	f.stub.on = func(context.Context, any) error {
		return domain.Refuse(domain.CodeInvitationInvalid, "The invitation is not valid.")
	}
	for _, got := range []answer{
		f.send(http.MethodGet, "/v1/invitations/"+canary, "", nil), f.send(http.MethodGet, "/v1/invitations/"+canary+"?x=1", "", nil),
		f.send(http.MethodGet, "/v1/invitations/"+strings.Replace(canary, "C", "%43", 1), "", nil),
		f.send(http.MethodPost, "/v1/invitations/"+canary+"/accept", `{"password":"x"}`, nil), f.send(http.MethodPost, "/v1/invitations/"+canary+"/accept", `{`, nil),
	} {
		assert.NotContains(t, got.text, canary)
		assert.True(t, strings.HasPrefix(got.problem(t).Instance, "/v1/invitations/{token}"), got.text)
	}
	f.stub.on = func(context.Context, any) error { return errors.New("the database went away") }
	assert.NotContains(t, f.send(http.MethodGet, "/v1/invitations/"+canary, "", nil).text, canary)
	assert.NotContains(t, f.log.text.String(), canary)
	assert.NotEmpty(t, f.log.text.String())
}

func TestRequestID(t *testing.T) {
	f := newFrame(t)
	t.Run("a caller's own is kept", func(t *testing.T) {
		for _, id := range []string{"a", "trace-1_2.3", strings.Repeat("x", 100)} {
			assert.Equal(t, id, f.get("/healthz", header{"X-Request-Id": id}).Header.Get("X-Request-Id"))
		}
	})
	t.Run("one that has no place in a log is replaced", func(t *testing.T) {
		for _, id := range []string{"", "a b", "é", "a\tb", strings.Repeat("x", 101), `"x"`} {
			given, err := uuid.Parse(f.get("/v1/nothing", header{"X-Request-Id": id}).Header.Get("X-Request-Id"))
			require.NoError(t, err)
			assert.Equal(t, uuid.Version(7), given.Version())
		}
	})
}

func TestErrors(t *testing.T) {
	f := newFrame(t)
	t.Run("a refusal is rendered with all it says", func(t *testing.T) {
		f.stub.on = func(context.Context, any) error {
			refusal := domain.Refuse(domain.CodeTooBusy, "Others are at <it>.").With("n", 2).At("/a", domain.CodeRequired, "Is required.")
			refusal.RetryAfter = 1500 * time.Millisecond
			return fmt.Errorf("wrapped: %w", refusal)
		}
		got := f.get("/v1/me")
		problem := got.problem(t)
		assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		assert.Equal(t, "2", got.Header.Get("Retry-After"))
		assert.Equal(t, "Others are at <it>.", problem.Detail)
		assert.Contains(t, got.text, "<it>")
		assert.Equal(t, api.ProblemParams{"n": 2.0, "retry_after_seconds": 2.0}, problem.Params)
		assert.Equal(t, []api.ProblemError{{Pointer: "/a", Code: "required", Detail: "Is required."}}, problem.Errors)
		assert.Equal(t, "/v1/me", problem.Instance)
	})
	t.Run("the summary of a refused change comes with it", func(t *testing.T) {
		f.stub.on = func(context.Context, any) error {
			refusal := domain.Refuse(domain.CodeRevisionStale, "Changed.")
			refusal.Summary = &domain.AssignmentSummary{Revision: "r1", Clients: 2}
			return refusal
		}
		problem := f.get("/v1/me").problem(t)
		assert.Equal(t, http.StatusPreconditionFailed, problem.Status)
		require.NotNil(t, problem.Summary)
		assert.Equal(t, 2, problem.Summary.Selected.Clients)
	})
	t.Run("an unknown error says nothing of itself, but in the log", func(t *testing.T) {
		f.stub.on = func(context.Context, any) error {
			return errors.New("password authentication failed for user handover")
		}
		got := f.get("/v1/me")
		problem := got.problem(t)
		assert.Equal(t, "internal_error", problem.Code)
		assert.NotContains(t, got.text, "password")
		lines := f.log.lines(t)
		last := lines[len(lines)-1]
		assert.Equal(t, "ERROR", last["level"])
		assert.Contains(t, last["error"], "password authentication failed")
		assert.Equal(t, problem.RequestID, last["request_id"])
	})
	t.Run("a panic is an error too, logged with its stack", func(t *testing.T) {
		f.stub.on = func(context.Context, any) error { panic("nobody expected this") }
		got := f.get("/v1/me")
		assert.Equal(t, "internal_error", got.problem(t).Code)
		assert.NotContains(t, got.text, "nobody expected")
		lines := f.log.lines(t)
		assert.Contains(t, lines[len(lines)-1]["error"], "nobody expected this")
		assert.Contains(t, lines[len(lines)-1]["stack"], "frame_test.go")
	})
	t.Run("an answer that fails half way is cut off, so that nobody takes it for whole", func(t *testing.T) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"/v1/runs/01900000-0000-7000-8000-000000100001/report.csv", nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+goodToken)
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_, err = io.ReadAll(response.Body)
			assert.NoError(t, response.Body.Close())
		}
		require.Error(t, err)
		lines := f.log.lines(t)
		assert.Equal(t, "ERROR", lines[len(lines)-1]["level"])
		assert.Contains(t, lines[len(lines)-1]["error"], "the database went away")
	})
	t.Run("a caller who went away is no fault of the service", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		finished := make(chan struct{})
		f.stub.on = func(inside context.Context, _ any) error {
			cancel()
			<-inside.Done()
			close(finished)
			return fmt.Errorf("read tasks: %w", inside.Err())
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+"/v1/me", nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+goodToken)
		_, err = http.DefaultClient.Do(request) //nolint:bodyclose // there is no answer
		require.Error(t, err)
		<-finished
		require.Eventually(t, func() bool {
			lines := f.log.lines(t)
			last := lines[len(lines)-1]
			return last["status"] == float64(statusClientGone) && last["level"] == "INFO"
		}, 5*time.Second, 5*time.Millisecond)
	})
}

func TestLog(t *testing.T) {
	f := newFrame(t)
	t.Run("one line a request, with who asked for what and what came of it", func(t *testing.T) {
		before := len(f.log.lines(t))
		f.get("/v1/tasks?limit=3")
		lines := f.log.lines(t)
		require.Len(t, lines, before+1)
		line := lines[before]
		assert.NotEmpty(t, line["duration_ms"])
		for name, want := range map[string]any{
			"method": "GET", "route": "/v1/tasks", "operation": "listTasks", "status": 200.0, "level": "INFO",
			"organization_id": uuid.UUID(callers[goodToken].Organization).String(), "staff_id": callers[goodToken].StaffID.String(),
		} {
			assert.Equal(t, want, line[name], name)
		}
		assert.Positive(t, line["bytes"])
	})
	t.Run("nothing that a caller sent in confidence stands in it", func(t *testing.T) {
		f.get("/v1/tasks?q=canary1", header{"Idempotency-Key": "canary2"})
		f.get("/v1/people/canary3")
		f.send(http.MethodGet, "/v1/me", "", header{"Authorization": "Bearer hnd_canary4"})
		f.send(http.MethodPost, "/v1/referrals", `{"first_name":"canary5","canary6":1}`, signedIn())
		assert.NotContains(t, f.log.text.String(), "canary")
		assert.NotContains(t, f.log.text.String(), "hnd_")
	})
}

func TestHeaders(t *testing.T) {
	f := newFrame(t)
	t.Run("every answer keeps itself from being sniffed, cached or framed", func(t *testing.T) {
		for _, path := range []string{"/v1/me", "/v1/nothing", "/v1/people/1", "/healthz"} {
			got := f.get(path)
			assert.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"), path)
			assert.Equal(t, "no-store", got.Header.Get("Cache-Control"), path)
			assert.Equal(t, "no-referrer", got.Header.Get("Referrer-Policy"), path)
			assert.Contains(t, got.Header.Get("Content-Security-Policy"), "default-src 'none'", path)
		}
	})
	t.Run("a deprecated operation says so, on errors too", func(t *testing.T) {
		for _, body := range []string{`{"selection":{"type":"people","person_ids":["01900000-0000-7000-8000-000000001001"]}}`, "{"} {
			got := f.send(http.MethodPost, "/v1/remove-staff", body, signedIn())
			assert.Equal(t, "@1767225600", got.Header.Get("Deprecation"))
			sunset, err := http.ParseTime(got.Header.Get("Sunset"))
			require.NoError(t, err)
			assert.True(t, sunset.After(time.Unix(1767225600, 0)))
			assert.Equal(t, `</v1/manage-assignments>; rel="successor-version"`, got.Header.Get("Link"))
		}
		assert.Empty(t, f.get("/v1/me").Header.Get("Deprecation"))
	})
}

func TestCORS(t *testing.T) {
	const page = "https://app.example"
	f := newFrame(t, func(o *Options) { o.CORSOrigins = []string{page} })
	preflight := header{"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
	t.Run("a listed origin is let in", func(t *testing.T) {
		got := f.get("/v1/me", header{"Origin": page})
		assert.Equal(t, page, got.Header.Get("Access-Control-Allow-Origin"))
		assert.Contains(t, got.Header.Get("Access-Control-Expose-Headers"), "ETag")
		assert.Equal(t, "Origin", got.Header.Get("Vary"))
		assert.Empty(t, got.Header.Get("Access-Control-Allow-Credentials"))
	})
	t.Run("errors can be read too", func(t *testing.T) {
		got := f.send(http.MethodGet, "/v1/nothing", "", header{"Origin": page})
		assert.Equal(t, page, got.Header.Get("Access-Control-Allow-Origin"))
	})
	t.Run("a preflight is answered without a credential", func(t *testing.T) {
		headers := header{"Origin": page}
		maps.Copy(headers, preflight)
		got := f.send(http.MethodOptions, "/v1/staff", "", headers)
		assert.Equal(t, http.StatusNoContent, got.StatusCode)
		assert.Equal(t, "GET, POST", got.Header.Get("Access-Control-Allow-Methods"))
		assert.Contains(t, got.Header.Get("Access-Control-Allow-Headers"), "Idempotency-Key")
		assert.Equal(t, http.StatusNotFound, f.send(http.MethodOptions, "/v1/nothing", "", headers).StatusCode)
	})
	t.Run("any other origin is not, however alike", func(t *testing.T) {
		for _, origin := range []string{"https://app.example.evil", "http://app.example", "https://APP.example", "null", "*"} {
			headers := header{"Origin": origin}
			assert.Empty(t, f.get("/v1/me", headers).Header.Get("Access-Control-Allow-Origin"))
			maps.Copy(headers, preflight)
			assert.Empty(t, f.send(http.MethodOptions, "/v1/staff", "", headers).Header.Get("Access-Control-Allow-Methods"))
		}
	})
}
