package httpapi

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"handover/api"
)

// keywords are those that the rules know: what checks, and what only tells.
var keywords = []string{
	"$ref", "additionalProperties", "allOf", "discriminator", "enum", "format", "items", "maxItems", "maxLength", "maximum", "minItems",
	"minLength", "minProperties", "minimum", "nullable", "oneOf", "pattern", "properties", "required", "type",
	"default", "description", "example",
}

func TestRulesKnowWhatTheContractAsksFor(t *testing.T) {
	spec, err := api.GetSpec()
	require.NoError(t, err)
	seen := map[*openapi3.Schema]bool{}
	var visit func(ref *openapi3.SchemaRef)
	visit = func(ref *openapi3.SchemaRef) {
		if ref == nil || seen[ref.Value] {
			return
		}
		seen[ref.Value] = true
		text, err := json.Marshal(ref.Value)
		require.NoError(t, err)
		var schema map[string]any
		require.NoError(t, json.Unmarshal(text, &schema))
		for keyword := range schema {
			assert.Contains(t, keywords, keyword)
		}
		if schema["type"] == "object" {
			assert.Equal(t, false, schema["additionalProperties"], "a body's object takes no unknown fields: %s", text)
		}
		if format, ok := schema["format"].(string); ok {
			assert.Contains(t, []string{"uuid", "date", "date-time"}, format)
		}
		visit(ref.Value.Items)
		for _, inner := range ref.Value.Properties {
			visit(inner)
		}
		for _, inner := range slices.Concat(ref.Value.AllOf, ref.Value.OneOf) {
			visit(inner)
		}
	}
	operations := 0
	for _, item := range spec.Paths.Map() {
		for _, described := range item.Operations() {
			operations++
			for _, parameter := range described.Parameters {
				visit(parameter.Value.Schema)
			}
			if described.RequestBody != nil {
				visit(described.RequestBody.Value.Content[mediaTypeJSON].Schema)
			}
		}
	}
	assert.Len(t, embeddedContract().operations, operations+len(headToo))
	assert.Greater(t, len(seen), 30)
}

func TestOperationsAreAsTheContractHasThem(t *testing.T) {
	operations := embeddedContract().operations
	for key, operation := range operations {
		isPublic := !strings.Contains(key, " /v1/")
		assert.Equal(t, isPublic, operation.public, key)
		if !isPublic && operation.id != "getMe" {
			assert.NotEmpty(t, operation.scope, key)
		}
		if operation.deprecated != nil {
			assert.ElementsMatch(t, []string{"Deprecation", "Sunset", "Link"}, slices.Collect(maps.Keys(operation.deprecated)), key)
		}
	}
	assert.NotNil(t, operations["POST /v1/assign-staff"].deprecated)
	assert.Contains(t, operations["GET /v1/people/:person_id"].path, "person_id")
}

func TestYAMLAsJSON(t *testing.T) {
	got, err := toJSON([]byte("b: [1, 1.5, true, null, 2026-03-01, '1']\na: {200: <&>, x: []}\n"))
	require.NoError(t, err)
	assert.Equal(t, `{"b":[1,1.5,true,null,"2026-03-01","1"],"a":{"200":"<&>","x":[]}}`, string(got))
	for _, bad := range []string{"", "a: [", "a: &x 1\nb: *x\n"} {
		_, err := toJSON([]byte(bad))
		assert.Error(t, err, bad)
	}
}

// oddities are values that a body may hold anywhere.
var oddities = []any{
	nil, true, false, "", " ", "me", "client", "open", "people", "remove", "2026-02-28", "2026-02-30", "0001-01-01", "2026-03-31T09:30:00Z",
	"2026-02-30T09:30:00Z", anID, strings.ToUpper(anID), "a@b.example", "a@b@c", strings.Repeat("x", 201), strings.Repeat("é", 200), 0.0, -1.0, 1.0, 1.5,
	3650.0, 3651.0, 1e300,
	[]any{},
	[]any{"me"},
	[]any{nil},
	map[string]any{},
	map[string]any{"type": "people"},
	map[string]any{"type": "none"},
}

// TestRulesAgreeWithAnotherValidator holds the rules against kin-openapi, on examples of the contract that were changed
// at random places. kin reports less well and lets duplicates pass, but knows JSON Schema independently.
func TestRulesAgreeWithAnotherValidator(t *testing.T) {
	spec, err := api.GetSpec()
	require.NoError(t, err)
	for path, item := range spec.Paths.Map() {
		for method, described := range item.Operations() {
			if described.RequestBody == nil {
				continue
			}
			content := described.RequestBody.Value.Content[mediaTypeJSON]
			rule := embeddedContract().operations[routeKey(method, echoRoute.Replace(path))].body
			t.Run(described.OperationID, func(t *testing.T) {
				for name, example := range content.Examples {
					text, err := json.Marshal(example.Value.Value)
					require.NoError(t, err)
					_, err = checkBody(text, rule)
					require.NoError(t, err, name)
					rapid.Check(t, func(t *rapid.T) {
						var value any
						if err := json.Unmarshal(text, &value); err != nil {
							t.Fatal(err)
						}
						for range rapid.IntRange(1, 3).Draw(t, "changes") {
							value = changed(t, value)
						}
						body, err := json.Marshal(value)
						if err != nil {
							t.Fatal(err)
						}
						_, ours := checkBody(body, rule)
						theirs := content.Schema.Value.VisitJSON(value, strictFormats...)
						if (ours == nil) != (theirs == nil) {
							t.Fatalf("%s\nours: %v\ntheirs: %v", body, ours, theirs)
						}
					})
				}
			})
		}
	}
}

var strictFormats = []openapi3.SchemaValidationOption{
	openapi3.WithStringFormatValidator("date", openapi3.NewCallbackValidator(func(text string) error {
		_, err := time.Parse(time.DateOnly, text)
		return err
	})),
	openapi3.WithStringFormatValidator("date-time", openapi3.NewCallbackValidator(func(text string) error {
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			return errors.New("no instant")
		}
		return nil
	})),
}

// changed is a value with one thing in it changed.
func changed(t *rapid.T, value any) any {
	if rapid.IntRange(0, 3).Draw(t, "here") == 0 {
		return rapid.SampledFrom(oddities).Draw(t, "oddity")
	}
	switch value := value.(type) {
	case map[string]any:
		if len(value) == 0 {
			break
		}
		copied := maps.Clone(value)
		name := rapid.SampledFrom(slices.Sorted(maps.Keys(value))).Draw(t, "field")
		switch rapid.IntRange(0, 5).Draw(t, "how") {
		case 0:
			delete(copied, name)
		case 1:
			copied[rapid.SampledFrom([]string{"unknown", strings.ToUpper(name), "reason", "type", "staff_ids", "task_policy", "due_on"}).Draw(t, "more")] = rapid.SampledFrom(oddities).Draw(t, "oddity")
		default:
			copied[name] = changed(t, value[name])
		}
		return copied
	case []any:
		if len(value) == 0 {
			break
		}
		at := rapid.IntRange(0, len(value)-1).Draw(t, "at")
		if rapid.IntRange(0, 4).Draw(t, "how") == 0 {
			return slices.Repeat(value, rapid.SampledFrom([]int{0, 2, 60, 101, 1001}).Draw(t, "times"))
		}
		copied := slices.Clone(value)
		copied[at] = changed(t, value[at])
		return copied
	}
	return rapid.SampledFrom(oddities).Draw(t, "oddity")
}
