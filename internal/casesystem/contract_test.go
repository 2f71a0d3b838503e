package casesystem

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"handover/internal/app"
	"handover/internal/casesim"
)

// contract is docs/case-system.openapi.yaml.
func contract(t *testing.T) (*openapi3.T, routers.Router) {
	t.Helper()
	spec, err := openapi3.NewLoader().LoadFromFile("../../docs/case-system.openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	spec.Servers = nil
	openapi3filter.RegisterBodyDecoder("application/problem+json", openapi3filter.JSONBodyDecoder)
	router, err := gorillamux.NewRouter(spec)
	if err != nil {
		t.Fatal(err)
	}
	return spec, router
}

// held holds what is asked and answered against the contract.
func held(t *testing.T, router routers.Router, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, parameters, err := router.FindRoute(r)
		if err != nil {
			t.Errorf("%s %s is not in the contract: %v", r.Method, r.URL, err)
			return
		}
		input := &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route, Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		}}
		if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
			t.Errorf("%s %s breaks the contract: %v", r.Method, r.URL, err)
		}
		for name := range r.URL.Query() {
			if route.Operation.Parameters.GetByInAndName("query", name) == nil {
				t.Errorf("%s %s has the parameter %s, which is not in the contract", r.Method, r.URL, name)
			}
		}
		answered := httptest.NewRecorder()
		next.ServeHTTP(answered, r)
		output := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: input, Status: answered.Code, Header: answered.Header(), Options: &openapi3filter.Options{IncludeResponseStatus: true},
		}
		output.SetBodyBytes(answered.Body.Bytes())
		if err := openapi3filter.ValidateResponse(r.Context(), output); err != nil {
			t.Errorf("%s %s was answered %d, which breaks the contract: %v", r.Method, r.URL, answered.Code, err)
		}
		for name, values := range answered.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answered.Code)
		_, _ = io.Copy(w, answered.Body)
	})
}

// The simulator and the adapter keep the contract: in every request and every answer, errors included.
func TestBothKeepTheContract(t *testing.T) {
	t.Parallel()
	_, router := contract(t)
	simulator := casesim.New(casesim.Options{Token: secretToken, Clients: 1500, Assessments: 20})
	server := httptest.NewServer(held(t, router, simulator))
	t.Cleanup(server.Close)
	system, err := New(Options{URL: server.URL, Token: secretToken})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 21 {
		if _, err := system.Assessment(t.Context(), casesim.AssessmentNumber(n)); err != nil != (n == 0) {
			t.Errorf("assessment %d: %v", n, err)
		}
	}
	for _, reference := range append(simulator.References()[:40], "CL-999999") {
		if _, err := system.Client(t.Context(), reference); err != nil != (reference == "CL-999999") {
			t.Errorf("client %s: %v", reference, err)
		}
	}
	seen, cursor := 0, ""
	for more := true; more; {
		changes, err := system.Changes(t.Context(), cursor)
		if err != nil || len(changes.Unfit) > 0 {
			t.Fatalf("got %v, and %v that do not fit", err, changes.Unfit)
		}
		seen, cursor, more = seen+len(changes.Records), changes.Next, changes.More
	}
	if seen != 1500 {
		t.Errorf("read %d of 1500 clients", seen)
	}
	if _, err := system.Changes(t.Context(), "gone.1"); !errors.Is(err, app.ErrCursorGone) {
		t.Errorf("got %v", err)
	}
	stranger, err := New(Options{URL: server.URL, Token: "of somebody else"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Client(t.Context(), "CL-000001"); !errors.Is(err, app.ErrCaseSystemBroken) {
		t.Errorf("got %v with a wrong credential", err)
	}
}

// The messages of the simulator are as the contract has them.
func TestMessagesKeepTheContract(t *testing.T) {
	t.Parallel()
	spec, _ := contract(t)
	message, err := casesim.NewMessage("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_1", "CL-000001", fixed)
	if err != nil {
		t.Fatal(err)
	}
	var body any
	if err := json.Unmarshal(message.Body, &body); err != nil {
		t.Fatal(err)
	}
	if err := spec.Components.Schemas["ClientChanged"].Value.VisitJSON(body); err != nil {
		t.Error(err)
	}
}

// The adapter takes exactly those answers that the contract has: of every field, when it is missing, and when it is anything else. But
// an email may be any text: what cannot be written to counts as none.
func TestAdapterReadsStrictly(t *testing.T) {
	t.Parallel()
	spec, _ := contract(t)
	email := spec.Components.Schemas["Person"].Value.Properties["email"].Value
	email.Pattern, email.Format, email.MinLength, email.MaxLength = "", "", 0, nil
	assessment, record := casesim.AssessmentOf(1), casesim.ClientOf(1)
	for _, of := range []struct {
		schema string
		value  any
		read   func([]byte) error
	}{
		{"Assessment", assessment, func(text []byte) error { _, err := readAssessment(text); return err }},
		{"Client", record, func(text []byte) error { _, err := readRecord(text); return err }},
		{"Changes", casesim.Changes{Items: []casesim.Client{casesim.ClientOf(2), record}, Next: "x.2"}, func(text []byte) error {
			changes, err := readChanges(text)
			if err == nil && len(changes.Unfit) > 0 {
				return errUnfit
			}
			return err
		}},
	} {
		schema, count := spec.Components.Schemas[of.schema].Value, 0
		for _, variant := range variants(t, of.value) {
			var value any
			if err := json.Unmarshal([]byte(variant), &value); err != nil {
				t.Fatal(err)
			}
			count++
			allowed, taken := schema.VisitJSON(value) == nil, of.read([]byte(variant)) == nil
			if allowed != taken {
				t.Errorf("%s: the contract allows it: %v, the adapter takes it: %v\n%s", of.schema, allowed, taken, variant)
			}
		}
		t.Logf("%s: %d variants", of.schema, count)
	}
}

// An email that cannot be written to counts as none.
func TestEmailsThatAreNone(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		" ann@mail.example ": "ann@mail.example", "ann@mail.example\r\nBcc: bob@mail.example": "", "<ann@mail.example>": "", "ann": "",
		"a@b@mail.example": "", "ann@-mail.example": "", strings.Repeat("a", 250) + "@mail.example": "", "": "",
	} {
		record := casesim.ClientOf(1)
		record.Person.Email = new(given)
		text, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		read, err := readRecord(text)
		if err != nil {
			t.Errorf("%q: %v", given, err)
		} else if email := read.Person.Email; email == nil != (want == "") || email != nil && *email != want {
			t.Errorf("%q: got %v", given, email)
		}
	}
}

// A record that does not fit holds none of the others up; a page of another form is not used at all.
func TestUnfitRecords(t *testing.T) {
	t.Parallel()
	good, bad := casesim.ClientOf(1), casesim.ClientOf(2)
	bad.Person.Phone = new("ask his sister")
	text, err := json.Marshal(casesim.Changes{Items: []casesim.Client{bad, good}, Next: "x.2"})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := readChanges(text)
	if err != nil || len(changes.Records) != 1 || len(changes.Unfit) != 1 || changes.Unfit[0] != "CL-000002" {
		t.Errorf("got %+v, %v", changes, err)
	}
	if _, err := readChanges(bytes.Replace(text, []byte(`"phone"`), []byte(`"fone"`), 1)); err == nil {
		t.Error("a page was taken in which a field is missing")
	}
	for _, text := range []string{"", "null", "[]", "{}", "{\"items\":[]} ", string(text) + "{}", "\xff\xfe", strings.Repeat("[", 100_000)} {
		if _, err := readChanges([]byte(text)); err == nil {
			t.Errorf("%.20q was taken", text)
		}
	}
}

// variants are a JSON value with one of its parts missing or replaced, and with parts that nobody asked for.
func variants(t *testing.T, value any) []string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	var walk func(part any, put func(any) string)
	walk = func(part any, put func(any) string) {
		for _, other := range []any{nil, true, 17, -1, 1.5, "", "x", "a\u0000b", strings.Repeat("long", 100), []any{}, map[string]any{}, []any{"x"}} {
			if other != "" { // an empty text is taken for none
				found = append(found, put(other))
			}
		}
		switch part := part.(type) {
		case map[string]any:
			found = append(found, put(merged(part, "a_new_field", 17)))
			for name, field := range part {
				found = append(found, put(without(part, name)))
				walk(field, func(other any) string { return put(merged(part, name, other)) })
			}
		case []any:
			for i, item := range part {
				walk(item, func(other any) string {
					changed := append([]any{}, part...)
					changed[i] = other
					return put(changed)
				})
			}
		}
	}
	var whole any
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	walk(whole, func(other any) string {
		text, err := json.Marshal(other)
		if err != nil {
			panic(fmt.Sprint(err))
		}
		return string(text)
	})
	return append(found, string(text))
}

func merged(fields map[string]any, name string, value any) map[string]any {
	changed := without(fields, name)
	changed[name] = value
	return changed
}

func without(fields map[string]any, name string) map[string]any {
	changed := map[string]any{}
	for other, value := range fields {
		if other != name {
			changed[other] = value
		}
	}
	return changed
}
