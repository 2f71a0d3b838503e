package acceptance

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"handover/api"
	"handover/internal/app"
	"handover/internal/demo"
)

// Every example of a request in the contract really runs against the demo, one after the other, as a reader of the
// documentation would try them; so does every operation that takes no body.
func TestExamplesOfTheContractRunAgainstTheDemo(t *testing.T) {
	t.Parallel()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	cases := simulate(t).reading(t)
	s := start(t, func(o *serviceOptions) { o.cases = cases })
	tokens, err := demo.Load(t.Context(), s.DB.SQL, time.Now(), demo.Tokens{}, app.NewTokenText)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete} {
		for _, path := range spec.Paths.InMatchingOrder() {
			operation := spec.Paths.Find(path).GetOperation(method)
			if operation == nil {
				continue
			}
			t.Run(operation.OperationID, func(t *testing.T) {
				for _, body := range requestExamples(operation) {
					got := s.call(t, s.credentialOf(t, tokens.Admin, operation), method, examplePath(t, path, operation), body, header{"If-Match", "*"}, header{"webhook-signature", goodSignature})
					if got.Status >= http.StatusMultipleChoices {
						t.Errorf("%s %s: got %d: %s\n%v", method, path, got.Status, got.Body, body)
					}
				}
			})
		}
	}
}

// credentialOf is what a reader would come with: an administrator's token, but for what is a client's own, and for signing out, which
// ends it.
func (s *service) credentialOf(t *testing.T, admin string, operation *openapi3.Operation) string {
	t.Helper()
	switch operation.OperationID {
	case "getMyProfile":
		example := operations()["createSession"].RequestBody.Value.Content["application/json"].Examples["client"].Value.Value
		return decode[api.Session](s.ask(t, "", "createSession", withBody(example)).must(http.StatusCreated)).Token
	case "deleteSession":
		return decode[api.CreatedAPIToken](s.ask(t, admin, "createApiToken", withBody(object{"name": "For a moment"})).must(http.StatusCreated)).Token
	}
	return admin
}

// requestExamples are the bodies of an operation's examples; one nil where it takes none.
func requestExamples(operation *openapi3.Operation) []any {
	if operation.RequestBody == nil {
		return []any{nil}
	}
	var bodies []any
	examples := operation.RequestBody.Value.Content["application/json"].Examples
	for _, name := range slices.Sorted(maps.Keys(examples)) { // a preview before what it previews
		bodies = append(bodies, examples[name].Value.Value)
	}
	return bodies
}

func examplePath(t *testing.T, path string, operation *openapi3.Operation) string {
	t.Helper()
	for _, parameter := range operation.Parameters {
		if parameter.Value.In != "path" {
			continue
		}
		example, ok := parameter.Value.Example.(string)
		if !ok {
			t.Fatalf("the path parameter %s has no example", parameter.Value.Name)
		}
		path = strings.ReplaceAll(path, "{"+parameter.Value.Name+"}", example)
	}
	separator := "?"
	for _, parameter := range operation.Parameters {
		if parameter.Value.In == "query" && parameter.Value.Required {
			path += fmt.Sprint(separator, parameter.Value.Name, "=", parameter.Value.Example)
			separator = "&"
		}
	}
	return path
}
