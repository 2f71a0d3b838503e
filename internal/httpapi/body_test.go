package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/api"
	"handover/internal/domain"
)

const (
	anID = "01900000-0000-7000-8000-000000001001"
	some = `"selection":{"type":"people","person_ids":["` + anID + `"]}`
)

// bodyRule is the rule of an operation's body.
func bodyRule(t testing.TB, operationID string) *rule {
	t.Helper()
	for _, operation := range embeddedContract().operations {
		if operation.id == operationID {
			return operation.body
		}
	}
	t.Fatalf("there is no operation %s", operationID)
	return nil
}

// refusedBody is the problem that a body is refused with; nil: it is taken.
func refusedBody(t *testing.T, operationID, body string) *domain.Error {
	t.Helper()
	_, err := checkBody([]byte(body), bodyRule(t, operationID))
	if err == nil {
		return nil
	}
	var refusal *domain.Error
	require.ErrorAs(t, err, &refusal)
	return refusal
}

// places writes faults as pointer, code and detail.
func places(refusal *domain.Error) []string {
	var written []string
	for _, field := range refusal.Fields {
		written = append(written, fmt.Sprintf("%s %s: %s", field.Pointer, field.Code, field.Detail))
	}
	return written
}

func TestBodiesThatAreNotJSON(t *testing.T) {
	for name, test := range map[string]struct{ body, detail string }{
		"white space":            {" \n", "The body is empty. This operation needs one, as JSON."},
		"cut off":                {`{"first_name":`, "The body is not one JSON value: it ends too early, at line 1, column 14."},
		"a comma too many":       {"{\n  \"first_name\": \"A\",\n}", "The body is not one JSON value: line 3, column 1 is not as JSON has it."},
		"two values":             {`{} {}`, "The body is not one JSON value: line 1, column 4 is not as JSON has it."},
		"a byte order mark":      {"\uFEFF{}", "The body is not one JSON value: line 1, column 1 is not as JSON has it."},
		"Latin-1":                {"{\"first_name\":\"Jos\xe9\"}", "The body is not valid UTF-8."},
		"a bare control":         {"{\"first_name\":\"a\x01b\"}", "The body is not one JSON value: line 1, column 17 is not as JSON has it."},
		"not a number":           {`{"first_name":NaN}`, "The body is not one JSON value: line 1, column 15 is not as JSON has it."},
		"half a pair":            {`{"first_name":"\ud83d"}`, "A string of the body has half of a surrogate pair, which is no character."},
		"the other half":         {`{"first_name":"\ude00"}`, "A string of the body has half of a surrogate pair, which is no character."},
		"two first halves":       {`{"first_name":"\ud83d\ud83d"}`, "A string of the body has half of a surrogate pair, which is no character."},
		"half a pair in a name":  {`{"\ud83d":1}`, "A string of the body has half of a surrogate pair, which is no character."},
		"an escape after a half": {`{"first_name":"\ud83d\n"}`, "A string of the body has half of a surrogate pair, which is no character."},
	} {
		t.Run(name, func(t *testing.T) {
			refusal := refusedBody(t, "createReferral", test.body)
			require.NotNil(t, refusal)
			assert.Equal(t, domain.CodeMalformedBody, refusal.Code)
			assert.Equal(t, test.detail, refusal.Detail)
		})
	}
	t.Run("whole pairs are characters", func(t *testing.T) {
		assert.Nil(t, refusedBody(t, "createReferral", `{"first_name":"\ud83d\ude00","last_name":"\\ud83d"}`))
	})
	t.Run("nesting without end", func(t *testing.T) {
		deep := strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20)
		refusal := refusedBody(t, "createReferral", deep)
		require.NotNil(t, refusal)
		assert.Equal(t, domain.CodeMalformedBody, refusal.Code)
		assert.NotNil(t, refusedBody(t, "createReferral", `{"first_name":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`}`))
	})
}

func TestBodiesThatBreakTheContract(t *testing.T) {
	ids := func(n int) string { return strings.TrimSuffix(strings.Repeat(`"`+anID+`",`, n), ",") }
	for name, test := range map[string]struct {
		operation, body string
		code            domain.Code
		places          []string
	}{
		"a misspelt field": {
			"manageAssignments", `{` + some + `,"change":{"type":"assign","staff_ids":["me"]},"dryrun":true}`, domain.CodeUnknownField,
			[]string{"/dryrun unknown_field: This field is not known here."},
		},
		"a field in another letter case": {
			"createReferral", `{"first_name":"A","Last_Name":"B","last_name":"C"}`, domain.CodeUnknownField,
			[]string{"/Last_Name unknown_field: This field is not known here."},
		},
		"a field of another branch": {
			"manageAssignments", `{` + some + `,"change":{"type":"assign","staff_ids":["me"],"task_policy":"keep"}}`, domain.CodeUnknownField,
			[]string{"/change/task_policy unknown_field: This field is not known here."},
		},
		"a field twice": {
			"createReferral", `{"first_name":"A","last_name":"B","first_name":"C"}`, domain.CodeDuplicateField,
			[]string{"/first_name duplicate_field: This field stands twice."},
		},
		"a field twice, once escaped": {
			"createReferral", `{"first_name":"A","last_name":"B","first\u005fname":"C"}`, domain.CodeDuplicateField,
			[]string{"/first_name duplicate_field: This field stands twice."},
		},
		"a type twice": {
			"createSelection", `{"selection":{"type":"saved","selection_id":"` + anID + `","type":"people"}}`, domain.CodeDuplicateField,
			[]string{"/selection/type duplicate_field: This field stands twice."},
		},
		"NUL": {
			"createReferral", `{"first_name":"A\u0000","last_name":"B"}`, domain.CodeInvalidRequest,
			[]string{`/first_name wrong_format: Must not hold a NUL character (\u0000).`},
		},
		"everything that is wrong, at once": {
			"createTask", `{"title":" ","details":null,"status":"done","due_on":"2026-02-30","person_id":"7","assignee_ids":["me","you"]}`, domain.CodeInvalidRequest,
			[]string{
				"/title wrong_format: Must not be blank.",
				"/details null_not_allowed: Must not be null.",
				"/status not_one_of: Must be one of open, in_progress, completed, cancelled.",
				"/due_on wrong_format: Must be a day of the calendar, as YYYY-MM-DD.",
				"/person_id wrong_format: Must be a UUID.",
				"/assignee_ids/1 wrong_format: Does not have the right form. Expected: The id of a staff member, or `me` for the caller. For example: me",
			},
		},
		"what is unknown comes first": {
			"createTask", `{"title":"","colour":1}`, domain.CodeUnknownField,
			[]string{"/colour unknown_field: This field is not known here.", "/title too_short: Must not be empty."},
		},
		"nothing that is required": {
			"createReferral", `{}`, domain.CodeInvalidRequest, []string{"/first_name required: Is required.", "/last_name required: Is required."},
		},
		"null for what is required": {
			"createReferral", `{"first_name":null,"last_name":"B"}`, domain.CodeInvalidRequest, []string{"/first_name null_not_allowed: Must not be null."},
		},
		"another type": {
			"replaceIntakeTemplate", `{"tasks":[{"title":7,"days_until_due":"3"},{"title":"T","days_until_due":1.5},[]]}`, domain.CodeInvalidRequest,
			[]string{
				"/tasks/0/title wrong_type: Must be a string.", "/tasks/0/days_until_due wrong_type: Must be a whole number.",
				"/tasks/1/days_until_due wrong_type: Must be a whole number.", "/tasks/2 wrong_type: Must be an object.",
			},
		},
		"out of bounds": {
			"replaceIntakeTemplate", `{"tasks":[{"title":"T","days_until_due":-1},{"title":"T","days_until_due":3651},{"title":"T","days_until_due":1e999}]}`, domain.CodeInvalidRequest,
			[]string{
				"/tasks/0/days_until_due too_small: Must be at least 0.", "/tasks/1/days_until_due too_large: Must be at most 3650.",
				"/tasks/2/days_until_due too_large: Must be at most 3650.",
			},
		},
		"too long, by characters": {
			"createReferral", `{"first_name":"` + strings.Repeat("é", 200) + `","last_name":"` + strings.Repeat("é", 201) + `"}`, domain.CodeInvalidRequest,
			[]string{"/last_name too_long: Must have at most 200 characters."},
		},
		"too few": {
			"createSelection", `{"selection":{"type":"people","person_ids":[]}}`, domain.CodeInvalidRequest,
			[]string{"/selection/person_ids too_few: Must have at least one entry."},
		},
		"too many": {
			"createSelection", `{"selection":{"type":"people","person_ids":[` + ids(1001) + `]}}`, domain.CodeInvalidRequest,
			[]string{"/selection/person_ids too_many: Must have at most 1000 entries."},
		},
		"no field at all": {
			"updateTask", `{}`, domain.CodeInvalidRequest, []string{" too_few: Must have at least one field."},
		},
		"no object": {
			"updateTask", `[1]`, domain.CodeInvalidRequest, []string{" wrong_type: Must be an object."},
		},
		"a union without its type": {
			"createSelection", `{"selection":{"person_ids":[]}}`, domain.CodeInvalidRequest,
			[]string{"/selection/type required: Is required. Must be one of filter, people, saved."},
		},
		"a union of an unknown type": {
			"createSelection", `{"selection":{"person_ids":[],"type":"everybody"}}`, domain.CodeInvalidRequest,
			[]string{"/selection/type not_one_of: Must be one of filter, people, saved."},
		},
		"a union whose type is no string": {
			"createSelection", `{"selection":{"type":7}}`, domain.CodeInvalidRequest, []string{"/selection/type wrong_type: Must be a string."},
		},
		"a union that is no object": {
			"createSelection", `{"selection":["people"]}`, domain.CodeInvalidRequest, []string{"/selection wrong_type: Must be an object."},
		},
		"a union that is null": {
			"createSelection", `{"selection":null}`, domain.CodeInvalidRequest, []string{"/selection null_not_allowed: Must not be null."},
		},
		"a moment that is none": {
			"createApiToken", `{"name":"N","expires_at":"2026-02-30T10:00:00Z"}`, domain.CodeInvalidRequest,
			[]string{"/expires_at wrong_format: Must be a moment as in RFC 3339, such as 2026-03-31T09:30:00Z."},
		},
		"an address that is none": {
			"updateStaff", `{"email":"Maya <maya@mail.example>"}`, domain.CodeInvalidRequest,
			[]string{"/email wrong_format: Does not have the right form. Expected: One address, without a display name, that can be written to. For example: maya.petrov@mail.example"},
		},
		"a name that a pointer has to escape": {
			"createReferral", `{"first_name":"A","last_name":"B","a/b~c":1}`, domain.CodeUnknownField,
			[]string{"/a~1b~0c unknown_field: This field is not known here."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			refusal := refusedBody(t, test.operation, test.body)
			require.NotNil(t, refusal)
			assert.Equal(t, test.code, refusal.Code)
			assert.Equal(t, test.places, places(refusal))
			assert.NotContains(t, refusal.Detail, "schema")
		})
	}
	t.Run("the detail speaks of the first place, or of how many there are", func(t *testing.T) {
		assert.Equal(t, "The field /dryrun is not known here. Remove it, or correct its name.", refusedBody(t, "removeStaff", `{`+some+`,"dryrun":1}`).Detail)
		assert.Equal(t, map[string]any{"field": "dryrun"}, refusedBody(t, "removeStaff", `{`+some+`,"dryrun":1}`).Params)
		assert.Equal(t, "The field /title is not as this operation takes it. Must be a string.", refusedBody(t, "createTask", `{"title":1}`).Detail)
		assert.Equal(t, "2 places of the body are not as this operation takes them. Each stands in errors.", refusedBody(t, "createReferral", `{}`).Detail)
		assert.Equal(t, "The body is not as this operation takes it. Must have at least one field.", refusedBody(t, "updateTask", `{}`).Detail)
	})
	t.Run("a name without end is cut", func(t *testing.T) {
		refusal := refusedBody(t, "createTask", `{"title":"T","`+strings.Repeat("é", 1<<20)+`":1}`)
		assert.Less(t, len(refusal.Fields[0].Pointer), 200)
		assert.Less(t, len(refusal.Detail), 400)
	})
	t.Run("a body of faults costs little, and tells of 100", func(t *testing.T) {
		for _, body := range []string{
			`{"title":"T"` + strings.Repeat(`,"a":1`, 1_000_000) + `}`,
			`{"title":"T","assignee_ids":[` + strings.Repeat(`1,`, 3_000_000) + `1]}`,
		} {
			text := []byte(body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := checkBody(text, bodyRule(t, "createTask"))
			runtime.ReadMemStats(&after)
			var refusal *domain.Error
			require.ErrorAs(t, err, &refusal)
			assert.LessOrEqual(t, len(refusal.Fields), 101)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
		}
	})
}

func TestBodiesReachTheOperationAsTheyWereSent(t *testing.T) {
	f := newFrame(t)
	var seen any
	var raw string
	f.stub.on = func(ctx context.Context, request any) error {
		seen, raw = request, string(rawBody(ctx))
		return nil
	}
	t.Run("values, nulls and what is absent", func(t *testing.T) {
		const body = ` {"first_name":"A\u0041é", "last_name":"B", "email":null} `
		got := f.send(http.MethodPost, "/v1/referrals", body, signedIn(header{"Content-Type": "application/json; charset=UTF-8"}))
		require.Equal(t, http.StatusCreated, got.StatusCode, got.text)
		referral := seen.(api.CreateReferralRequestObject).Body
		assert.Equal(t, "AAé", referral.FirstName)
		assert.True(t, referral.Email.IsNull())
		assert.False(t, referral.Phone.IsSpecified())
		assert.Equal(t, body, raw)
	})
	t.Run("a whole number is one however it is written", func(t *testing.T) {
		const body = `{"tasks":[{"title":"T","days_until_due":1.0},{"title":"U","days_until_due":1e2},{"title":"V","days_until_due":-0.0},{"title":"W","days_until_due":7}]}`
		got := f.send(http.MethodPut, "/v1/intake-template", body, signedIn(header{"If-Match": "*"}))
		require.Equal(t, http.StatusOK, got.StatusCode, got.text)
		var days []int
		for _, task := range seen.(api.ReplaceIntakeTemplateRequestObject).Body.Tasks {
			days = append(days, task.DaysUntilDue)
		}
		assert.Equal(t, []int{1, 100, 0, 7}, days)
		assert.Equal(t, body, raw)
	})
	t.Run("a selection and a change", func(t *testing.T) {
		got := f.send(http.MethodPost, "/v1/manage-assignments", `{`+some+`,"change":{"staff_ids":["me"],"type":"add"},"reason":null}`, signedIn())
		require.Equal(t, http.StatusOK, got.StatusCode, got.text)
		change, err := seen.(api.ManageAssignmentsRequestObject).Body.Change.ValueByDiscriminator()
		require.NoError(t, err)
		assert.Equal(t, []string{"me"}, change.(api.AddChange).StaffIds)
	})
	t.Run("in pieces of unknown length", func(t *testing.T) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/v1/referrals", io.MultiReader(strings.NewReader(`{"first_name":"A",`), strings.NewReader(`"last_name":"B"}`)))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+goodToken)
		request.Header.Set("Content-Type", "application/json")
		require.Equal(t, http.StatusCreated, f.do(request).StatusCode)
		assert.Equal(t, "B", seen.(api.CreateReferralRequestObject).Body.LastName)
	})
}

func TestMediaTypes(t *testing.T) {
	f := newFrame(t)
	const body = `{"first_name":"A","last_name":"B"}`
	for contentType, want := range map[string]int{
		"application/json":                                 http.StatusCreated,
		"Application/JSON;Charset=\"utf-8\"":               http.StatusCreated,
		"":                                                 http.StatusUnsupportedMediaType,
		"text/plain":                                       http.StatusUnsupportedMediaType,
		"application/json; charset=latin1":                 http.StatusUnsupportedMediaType,
		"application/json; version=2":                      http.StatusUnsupportedMediaType,
		"application/jsonp":                                http.StatusUnsupportedMediaType,
		"application/merge-patch+json":                     http.StatusUnsupportedMediaType,
		"application/x-www-form-urlencoded":                http.StatusUnsupportedMediaType,
		"multipart/form-data; boundary=x":                  http.StatusUnsupportedMediaType,
		"application/json, application/json":               http.StatusUnsupportedMediaType,
		"application/json; charset=utf-8; charset=latin-1": http.StatusUnsupportedMediaType,
	} {
		got := f.send(http.MethodPost, "/v1/referrals", body, signedIn(header{"Content-Type": contentType}))
		assert.Equal(t, want, got.StatusCode, contentType)
	}
	t.Run("an encoded body is none that is read", func(t *testing.T) {
		got := f.send(http.MethodPost, "/v1/referrals", body, signedIn(header{"Content-Encoding": "gzip"}))
		assert.Equal(t, "unsupported_media_type", got.problem(t).Code)
		assert.Equal(t, http.StatusCreated, f.send(http.MethodPost, "/v1/referrals", body, signedIn(header{"Content-Encoding": "identity"})).StatusCode)
	})
}

func TestSizes(t *testing.T) {
	f := newFrame(t, func(o *Options) { o.MaxBody = 1000 })
	body := func(size int) string {
		const frame = `{"first_name":"A","last_name":"B"}`
		return frame + strings.Repeat(" ", size-len(frame))
	}
	t.Run("up to the limit, and not a byte more", func(t *testing.T) {
		assert.Equal(t, http.StatusCreated, f.send(http.MethodPost, "/v1/referrals", body(1000), signedIn()).StatusCode)
		got := f.send(http.MethodPost, "/v1/referrals", body(1001), signedIn())
		problem := got.problem(t)
		assert.Equal(t, http.StatusRequestEntityTooLarge, problem.Status)
		assert.Equal(t, api.ProblemParams{"limit_bytes": 1000.0}, problem.Params)
	})
	t.Run("whose length is not told neither", func(t *testing.T) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/v1/referrals", io.MultiReader(strings.NewReader(body(5000))))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		assert.Equal(t, "body_too_large", f.do(request).problem(t).Code)
	})
	t.Run("an endless body is not read to its end", func(t *testing.T) {
		endless := &countingReader{Reader: repeating{}, limit: 1 << 30}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/v1/referrals", endless)
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			assert.NoError(t, response.Body.Close())
			assert.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
		}
		assert.Less(t, endless.read, 64<<20)
	})
	t.Run("an operation that takes no body takes none", func(t *testing.T) {
		for _, headers := range []header{{"Content-Type": "text/plain"}, {}} {
			got := f.send(http.MethodPost, "/v1/staff/me/deactivate", `{}`, signedIn(headers))
			assert.Equal(t, "invalid_request", got.problem(t).Code)
		}
		assert.Equal(t, http.StatusBadRequest, f.send(http.MethodGet, "/v1/me", `{}`, signedIn()).StatusCode)
		assert.Equal(t, http.StatusOK, f.send(http.MethodPost, "/v1/staff/me/deactivate", ``, signedIn(header{"Content-Type": "application/json"})).StatusCode)
	})
}

type repeating struct{}

func (repeating) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}

type countingReader struct {
	io.Reader
	read, limit int
}

func (c *countingReader) Read(p []byte) (int, error) {
	if c.read > c.limit {
		return 0, errors.New("that is enough")
	}
	n, err := c.Reader.Read(p)
	c.read += n
	return n, err
}

// FuzzBodies looks for a text that the reader stumbles over, or takes and should not.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`{` + some + `,"change":{"type":"remove","all_staff":true}}`, `{"selection":{"type":"filter","filter":{"q":"\ud83d\ude00"}},"change":{"type":"add"}}`,
		`{"selection":[[{"a":"\""}]]}`, `{"change":{"\u0074ype":"assign"}}`, `{"dry_run":`, `[]`, `"\ud83d"`, `{"a":{"b":[1,2.5e3,null]},"a":1}`,
	} {
		f.Add([]byte(seed))
	}
	rule := bodyRule(f, "manageAssignments")
	f.Fuzz(func(t *testing.T, body []byte) {
		taken, err := checkBody(body, rule)
		var refusal *domain.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Fatalf("not a refusal: %v", err)
		}
		if err == nil {
			var into api.ManageAssignmentsRequest
			require.NoError(t, json.Unmarshal(taken, &into))
		}
	})
}
