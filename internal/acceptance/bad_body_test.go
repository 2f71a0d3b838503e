package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"handover/api"
)

// withBodies calls a test for each operation that takes a body, with requests of it that would succeed: one for each
// branch of its unions. Nothing in the organization may be changed by what it does with them.
func (a *tenant) withBodies(t *testing.T, test func(t *testing.T, op operation, requests []ask)) {
	t.Helper()
	for _, operationID := range operationIDs() {
		op := operations()[operationID]
		if op.Body == nil || operationID == "receiveCamsWebhook" { // a message of another system, which may come to tell more
			continue
		}
		rows := rowsOf(operationID)
		if rows == nil {
			t.Errorf("the operation %s has a body, and no row", operationID)
			continue
		}
		requests := rows(a)
		before := a.tables()
		test(t, op, requests)
		a.unchanged(before)
		if t.Failed() {
			t.Fatalf("with %s", operationID)
		}
	}
}

// bad asks as the administrator and holds the problem against what is expected: its status, its code and, where there is
// one, the place it points to.
func (a *tenant) bad(t *testing.T, op operation, request ask, status int, code, pointer string) api.Problem {
	t.Helper()
	got := a.service.ask(t, a.Admin.Token, op.OperationID, request)
	problem := got.problem(status, code)
	if pointer != "" && (len(problem.Errors) == 0 || problem.Errors[0].Pointer != pointer) {
		t.Errorf("%s: got errors at %+v, want %s", op.OperationID, problem.Errors, pointer)
	}
	return problem
}

// objectsOf gives the pointers to all objects of a body.
func objectsOf(body any, pointer string) []string {
	var pointers []string
	switch body := body.(type) {
	case map[string]any:
		pointers = append(pointers, pointer)
		for _, name := range slices.Sorted(maps.Keys(body)) {
			pointers = append(pointers, objectsOf(body[name], pointer+"/"+name)...)
		}
	case []any:
		for i, element := range body {
			pointers = append(pointers, objectsOf(element, pointer+"/"+strconv.Itoa(i))...)
		}
	}
	return pointers
}

// adding puts a field into the object at a pointer.
func adding(body any, pointer, name string, value any) any {
	if pointer == "" {
		return map[string]any(with(body.(map[string]any), name, value))
	}
	step, rest, _ := strings.Cut(pointer[1:], "/")
	if rest != "" {
		rest = "/" + rest
	}
	switch body := body.(type) {
	case map[string]any:
		return map[string]any(with(body, step, adding(body[step], rest, name, value)))
	case []any:
		index, _ := strconv.Atoi(step)
		changed := slices.Clone(body)
		changed[index] = adding(body[index], rest, name, value)
		return changed
	}
	panic("no object at " + pointer)
}

// objectCount counts the objects of a schema, those of each branch of a union.
func objectCount(ref *openapi3.SchemaRef) int {
	schema, count := ref.Value, 0
	for _, branch := range slices.Concat(schema.AllOf, schema.OneOf) {
		count += objectCount(branch)
	}
	if schema.Items != nil {
		count += objectCount(schema.Items)
	}
	if schema.Type.Is("object") {
		count++
	}
	for _, property := range schema.Properties {
		count += objectCount(property)
	}
	return count
}

func TestBadBodies(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	a := s.furnished(t, "Aldermoor")

	t.Run("an unknown field is pointed to, in every object of every body", func(t *testing.T) {
		a.withBodies(t, func(t *testing.T, op operation, requests []ask) {
			seen := map[string]bool{}
			for _, request := range requests {
				body := plainJSON(request.body)
				for _, pointer := range objectsOf(body, "") {
					seen[pointer+fmt.Sprint(body)] = true
					for _, name := range []string{"no_such_field", "Title", "organization_id", "", "a/b~c"} {
						if op.Body.Value.Properties[name] != nil {
							continue
						}
						escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
						a.bad(t, op, request.sending(adding(body, pointer, name, nil)), 400, "unknown_field", pointer+"/"+escaped)
					}
				}
			}
			if len(seen) < objectCount(op.Body) {
				t.Errorf("%s: tried %d of %d objects", op.OperationID, len(seen), objectCount(op.Body))
			}
		})
	})

	t.Run("a field that stands twice is pointed to, in every object of every body", func(t *testing.T) {
		a.withBodies(t, func(t *testing.T, op operation, requests []ask) {
			for _, request := range requests {
				body := plainJSON(request.body)
				for _, pointer := range objectsOf(body, "") {
					// A field that is known, found by its own pointer, is written a second time.
					object := objectAt(body, pointer)
					name := slices.Min(slices.Collect(maps.Keys(object)))
					marked, _ := json.Marshal(adding(body, pointer, "TWICE", 0))
					value, _ := json.Marshal(object[name])
					text := strings.Replace(string(marked), `"TWICE":0`, fmt.Sprintf("%q:%s", name, value), 1)
					a.bad(t, op, request.sending(text), 400, "duplicate_field", pointer+"/"+name)
				}
			}
		})
	})

	t.Run("what is not one JSON value in UTF-8 is malformed", func(t *testing.T) {
		a.withBodies(t, func(t *testing.T, op operation, requests []ask) {
			text, _ := json.Marshal(requests[0].body)
			for _, body := range []string{
				"", " ", "{", string(text[:len(text)-1]), string(text) + "}", string(text) + string(text), "{'a':1}", "{\"a\":1,}", "\xff\xfe", `{"a":"` + "\xc3\x28" + `"}`,
				`{"a":NaN}`, `{"a":01}`, `{"a":"` + "\n" + `"}`, `{"a":"\x"}`, "/* */{}", "\ufeff{}", strings.Repeat("[", 20_000), strings.Repeat(`{"a":`, 20_000),
			} {
				if body == "" && !op.RequestBody.Value.Required {
					continue
				}
				a.bad(t, op, requests[0].sending(body), 400, "malformed_body", "")
			}
		})
	})

	t.Run("what is no object is told so", func(t *testing.T) {
		a.withBodies(t, func(t *testing.T, op operation, requests []ask) {
			for _, body := range []string{"null", "[]", "0", `"x"`, "true", strings.Repeat("[", 1000) + strings.Repeat("]", 1000)} {
				a.bad(t, op, requests[0].sending(body), 400, "invalid_request", "")
			}
		})
	})

	t.Run("a body of another type is not read", func(t *testing.T) {
		a.withBodies(t, func(t *testing.T, op operation, requests []ask) {
			for _, kind := range []string{
				"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=latin1", "application/problem+json",
				"application/jsonp", "application/json, text/plain", "*/*", "application/*", "application/json; charset=utf-8; charset=utf-16", "\"", "application/xml",
			} {
				a.bad(t, op, requests[0].with("Content-Type", kind), 415, "unsupported_media_type", "")
			}
			a.bad(t, op, requests[0].with("Content-Encoding", "gzip"), 415, "unsupported_media_type", "")
		})
	})

	t.Run("a body above 8 MiB is refused, whether or not it says so", func(t *testing.T) {
		const limit = 8 << 20
		a.withBodies(t, func(t *testing.T, op operation, requests []ask) {
			text, _ := json.Marshal(requests[0].body)
			tooLong := append(text, bytes.Repeat([]byte(" "), limit+1-len(text))...)
			for name, length := range map[string]int64{"told": int64(len(tooLong)), "not told": -1} {
				request := newRequest(t, s.URL, a.Admin.Token, op.Method, requests[0].target(op), string(tooLong), requests[0].headers)
				request.ContentLength = length
				if length > 0 {
					request.Header.Set("Expect", "100-continue") // so that nothing is sent that is not read
				}
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatalf("%s, %s: %v", op.OperationID, name, err)
				}
				body, _ := io.ReadAll(response.Body)
				response.Body.Close()
				answer{t: t, Status: response.StatusCode, Header: response.Header, Body: body}.problem(413, "body_too_large")
			}
		})
		whole := `{"selection":{"type":"people","person_ids":["` + a.clientID.String() + `"]}`
		s.ask(t, a.Admin.Token, "getAssignmentSummary", withBody(whole+strings.Repeat(" ", limit-len(whole)-1)+"}")).must(200)
	})

	t.Run("an operation that takes no body takes none", func(t *testing.T) {
		before := a.tables()
		for _, operationID := range []string{"deactivateStaff", "reactivateStaff", "unbindStaffIdentities"} {
			a.bad(t, operations()[operationID], staffRow(a)[0].sending("{}"), 400, "invalid_request", "")
		}
		a.unchanged(before)
	})

	t.Run("a wrong value is pointed to, in every field of every body", func(t *testing.T) {
		a.withBodies(t, func(t *testing.T, op operation, requests []ask) {
			for _, request := range requests {
				body := plainJSON(request.body)
				for _, pointer := range objectsOf(body, "") {
					for name := range objectAt(body, pointer) {
						// No field takes both an object without its fields and a fraction.
						problem := a.bad(t, op, request.sending(adding(body, pointer, name, 0.5)), 400, "invalid_request", "")
						if !strings.HasPrefix(problem.Errors[0].Pointer, pointer+"/"+name) {
							t.Errorf("%s: got %+v of %s", op.OperationID, problem.Errors, pointer+"/"+name)
						}
					}
				}
			}
		})
	})
}

// objectAt is the object at a pointer.
func objectAt(body any, pointer string) map[string]any {
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		switch within := body.(type) {
		case map[string]any:
			if step != "" {
				body = within[step]
			}
		case []any:
			index, _ := strconv.Atoi(step)
			body = within[index]
		}
	}
	return body.(map[string]any)
}
