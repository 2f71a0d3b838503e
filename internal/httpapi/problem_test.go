package httpapi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/api"
	"handover/internal/domain"
)

// placeCodes are the codes that stand at a place only.
var placeCodes = []domain.Code{
	domain.CodeRequired, domain.CodeWrongType, domain.CodeNullNotAllowed, domain.CodeNotOneOf, domain.CodeTooShort, domain.CodeTooLong,
	domain.CodeTooSmall, domain.CodeTooLarge, domain.CodeTooFew, domain.CodeTooMany, domain.CodeWrongFormat,
}

func TestProblemsAreThoseOfTheContract(t *testing.T) {
	spec, err := api.GetSpec()
	require.NoError(t, err)
	documented := map[string]string{}
	for _, problem := range embeddedContract().problems {
		assert.NotContains(t, documented, string(problem.Code), "stands twice")
		documented[string(problem.Code)] = problem.Status
	}
	t.Run("every code of the service stands in the contract with its status, and the other way round", func(t *testing.T) {
		served := map[string]string{}
		for _, known := range problemKinds {
			served[string(known.code)] = strconv.Itoa(known.status)
		}
		assert.Equal(t, documented, served)
		assert.Len(t, kindOfCode, len(problemKinds), "a code stands twice")
	})
	t.Run("every code of the domain stands in the contract", func(t *testing.T) {
		file, err := parser.ParseFile(token.NewFileSet(), "../domain/errors.go", nil, 0)
		require.NoError(t, err)
		named := 0
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			named++
			if documented[code] == "" {
				assert.Contains(t, placeCodes, domain.Code(code))
			}
			return true
		})
		assert.Equal(t, len(problemKinds)+len(placeCodes), named)
	})
	t.Run("the contract names the codes of places", func(t *testing.T) {
		for _, code := range placeCodes {
			assert.Contains(t, spec.Info.Description, "`"+string(code)+"`")
		}
	})
	t.Run("the examples have the titles and statuses that are served", func(t *testing.T) {
		shown := 0
		for name, example := range spec.Components.Examples {
			value, ok := example.Value.Value.(map[string]any)
			code, isProblem := value["code"].(string)
			if !ok || !isProblem || !strings.HasPrefix(name, "Problem") {
				continue
			}
			shown++
			known := kindOfCode[domain.Code(code)]
			assert.Equal(t, known.title, value["title"], name)
			assert.InDelta(t, known.status, value["status"], 0, name)
		}
		assert.Positive(t, shown)
	})
	t.Run("no two titles are the same", func(t *testing.T) {
		titles := map[string]domain.Code{}
		for _, known := range problemKinds {
			assert.NotContains(t, titles, known.title)
			titles[known.title] = known.code
			assert.NotEqual(t, http.StatusText(known.status), "")
		}
	})
}
