package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/api"
)

func TestParameters(t *testing.T) {
	f := newFrame(t)
	var seen api.ListTasksRequestObject
	f.stub.on = func(_ context.Context, request any) error {
		seen, _ = request.(api.ListTasksRequestObject)
		return nil
	}
	for name, test := range map[string]struct {
		path, code string
		want       []api.ProblemError
	}{
		"an unknown one": {
			"/v1/tasks?limt=3", "unknown_parameter",
			[]api.ProblemError{{Pointer: "query:limt", Code: "unknown_parameter", Detail: "This operation has no such parameter."}},
		},
		"one in another letter case": {
			"/v1/tasks?Limit=3", "unknown_parameter",
			[]api.ProblemError{{Pointer: "query:Limit", Code: "unknown_parameter", Detail: "This operation has no such parameter."}},
		},
		"the unknown one first": {
			"/v1/tasks?limit=x&colour=red", "unknown_parameter",
			[]api.ProblemError{
				{Pointer: "query:colour", Code: "unknown_parameter", Detail: "This operation has no such parameter."},
				{Pointer: "query:limit", Code: "wrong_type", Detail: "Must be a whole number."},
			},
		},
		"all that are wrong": {
			"/v1/tasks?limit=0&status=open,done&active=yes&due_from=2026-02-30&q=%20", "invalid_parameter",
			[]api.ProblemError{
				{Pointer: "query:limit", Code: "too_small", Detail: "Must be at least 1."},
				{Pointer: "query:status", Code: "not_one_of", Detail: "Must be one of open, in_progress, completed, cancelled."},
				{Pointer: "query:active", Code: "wrong_type", Detail: "Must be true or false."},
				{Pointer: "query:due_from", Code: "wrong_format", Detail: "Must be a day of the calendar, as YYYY-MM-DD."},
				{Pointer: "query:q", Code: "wrong_format", Detail: "Must not be blank."},
			},
		},
		"one twice": {
			"/v1/tasks?limit=3&limit=3", "invalid_parameter",
			[]api.ProblemError{{Pointer: "query:limit", Code: "too_many", Detail: "Is given more than once. Give it once."}},
		},
		"a list twice": {
			"/v1/tasks?status=open&status=open", "invalid_parameter",
			[]api.ProblemError{{Pointer: "query:status", Code: "too_many", Detail: "Is given more than once. Give it once, with commas between the values."}},
		},
		"NUL": {
			"/v1/tasks?q=a%00b", "invalid_parameter",
			[]api.ProblemError{{Pointer: "query:q", Code: "wrong_format", Detail: "Must be UTF-8, without NUL characters."}},
		},
		"no UTF-8": {
			"/v1/tasks?external_id=a,%ff", "invalid_parameter",
			[]api.ProblemError{{Pointer: "query:external_id", Code: "wrong_format", Detail: "Must be UTF-8, without NUL characters."}},
		},
		"half an escape": {
			"/v1/tasks?q=%2", "invalid_parameter",
			[]api.ProblemError{{Pointer: "query:q", Code: "wrong_format", Detail: "Is not percent-encoded rightly."}},
		},
		"a semicolon, which Go drops": {
			"/v1/tasks?q=a;b", "invalid_parameter",
			[]api.ProblemError{{Pointer: "query:q", Code: "wrong_format", Detail: "Is not percent-encoded rightly."}},
		},
		"an empty value": {
			"/v1/tasks?external_id=", "invalid_parameter",
			[]api.ProblemError{{Pointer: "query:external_id", Code: "too_short", Detail: "Must not be empty."}},
		},
		"too many values": {
			"/v1/tasks?person_id=" + strings.Repeat(anID+",", 100) + anID, "invalid_parameter",
			[]api.ProblemError{{Pointer: "query:person_id", Code: "too_many", Detail: "Must have at most 100 entries."}},
		},
		"a number that is none": {
			"/v1/tasks?limit=1e1", "invalid_parameter",
			[]api.ProblemError{{Pointer: "query:limit", Code: "wrong_type", Detail: "Must be a whole number."}},
		},
		"an id in the path that is none": {
			"/v1/people/7", "invalid_parameter",
			[]api.ProblemError{{Pointer: "path:person_id", Code: "wrong_format", Detail: "Must be a UUID."}},
		},
		"NUL in the path": {
			"/v1/people/%00", "invalid_parameter",
			[]api.ProblemError{{Pointer: "path:person_id", Code: "wrong_format", Detail: "Must be UTF-8, without NUL characters."}},
		},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			got := f.get(test.path)
			problem := got.problem(t)
			assert.Equal(t, http.StatusBadRequest, got.StatusCode)
			assert.Equal(t, test.code, problem.Code)
			assert.Equal(t, test.want, problem.Errors)
		})
	}
	t.Run("what is right reaches the operation", func(t *testing.T) {
		got := f.get("/v1/tasks?status=open,in_progress&assignee_id=me&unassigned=false&limit=200&&due_to=2026-03-31&q=two+words&include_total=true&")
		require.Equal(t, http.StatusOK, got.StatusCode, got.text)
		params := seen.Params
		assert.Equal(t, []api.TaskStatus{"open", "in_progress"}, *params.Status)
		assert.Equal(t, []string{"me"}, *params.AssigneeID)
		assert.False(t, *params.Unassigned)
		assert.Equal(t, 200, limitOf(params.Limit))
		assert.Equal(t, "2026-03-31", params.DueTo.String())
		assert.Equal(t, "two words", *params.Q)
		assert.Equal(t, defaultLimit, limitOf(nil))
	})
	t.Run("an escaped comma stands within a value", func(t *testing.T) {
		for sent, want := range map[string][]string{
			"a,b": {"a", "b"}, "a%2Cb": {"a,b"}, "a%2cb,c": {"a,b", "c"}, "%2C": {","}, "a%2Cb%2Cc,d,%2C": {"a,b,c", "d", ","},
		} {
			got := f.get("/v1/tasks?external_id=" + sent + "&limit=7")
			require.Equal(t, http.StatusOK, got.StatusCode, got.text)
			assert.Equal(t, want, *seen.Params.ExternalID, sent)
			assert.Equal(t, 7, *seen.Params.Limit)
		}
	})
	t.Run("a thousand unknown ones cost one answer of bounded size", func(t *testing.T) {
		query := url.Values{}
		for i := range 1000 {
			query.Set(strings.Repeat("x", i+1), "1")
		}
		got := f.get("/v1/tasks?" + query.Encode())
		assert.Len(t, got.problem(t).Errors, maxFaults)
	})
}

func TestHeaderParameters(t *testing.T) {
	f := newFrame(t)
	const body = `{"first_name":"A","last_name":"B"}`
	t.Run("a key that is none is refused", func(t *testing.T) {
		for _, key := range []string{"", "é", strings.Repeat("k", 256)} {
			got := f.send(http.MethodPost, "/v1/referrals", body, signedIn(header{"Idempotency-Key": key}))
			problem := got.problem(t)
			assert.Equal(t, "invalid_parameter", problem.Code, key)
			require.Len(t, problem.Errors, 1)
			assert.Equal(t, "header:Idempotency-Key", problem.Errors[0].Pointer)
		}
	})
	t.Run("two keys are refused", func(t *testing.T) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/v1/referrals", strings.NewReader(body))
		require.NoError(t, err)
		request.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {"a", "b"}}
		assert.Equal(t, "invalid_parameter", f.do(request).problem(t).Code)
	})
	t.Run("several lines of preferences are one list", func(t *testing.T) {
		var prefer *string
		f.stub.on = func(_ context.Context, request any) error {
			prefer = request.(api.RemoveStaffRequestObject).Params.Prefer
			return nil
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/v1/remove-staff", strings.NewReader(`{`+some+`}`))
		require.NoError(t, err)
		request.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + goodToken}, "Prefer": {"wait=1", "respond-async"}}
		got := f.do(request)
		require.Equal(t, http.StatusOK, got.StatusCode, got.text)
		assert.Equal(t, preference{respondAsync: true, wait: new(time.Second)}, preferenceOf(prefer))
	})
}

func TestPreferences(t *testing.T) {
	seconds := func(n int) *time.Duration { return new(time.Duration(n) * time.Second) }
	for prefer, want := range map[string]preference{
		"respond-async": {respondAsync: true}, "Respond-Async": {respondAsync: true}, "respond-async;x=1": {respondAsync: true}, "respond-async=true": {respondAsync: true},
		"wait=10, respond-async":    {respondAsync: true, wait: seconds(10)},
		"respond-async; wait=5 , a": {respondAsync: true},
		"wait=10":                   {wait: seconds(10)},
		`Wait = "10"`:               {wait: seconds(10)},
		"wait=0":                    {wait: seconds(0)},
		"wait=60":                   {wait: seconds(60)},
		"wait=61":                   {wait: seconds(60)},
		"wait=99999999999999999999": {wait: seconds(60)},
		"wait=3, wait=4":            {wait: seconds(3)},
		"wait=soon, wait=4":         {wait: seconds(4)},
		"":                          {},
		"wait":                      {},
		"wait=":                     {},
		"wait=-1":                   {},
		"wait=+1":                   {},
		"wait=1.5":                  {},
		"wait=1e3":                  {},
		"wait=١":                    {},
		"waiting=1":                 {},
		"respond-asynchronously":    {},
		`foo="a, respond-async"`:    {},
		`foo="a\", respond-async"`:  {},
		"foo; respond-async":        {},
		"foo; wait=1":               {},
		"return=minimal":            {},
	} {
		assert.Equal(t, want, preferenceOf(&prefer), prefer)
	}
	assert.Equal(t, preference{}, preferenceOf(nil))
}

func TestAppliedPreferences(t *testing.T) {
	for prefer, want := range map[string]string{
		"respond-async": "respond-async", "wait=10": "wait=10", "wait=100, respond-async": "respond-async, wait=60", "": "respond-async",
	} {
		assert.Equal(t, want, preferenceOf(&prefer).applied(), prefer)
	}
}
