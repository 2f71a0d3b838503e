package httpapi

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"handover"
	"handover/api"
	"handover/internal/domain"
)

// contract is openapi.yaml as the frame needs it: read once, looked up for every request.
type contract struct {
	json       func() ([]byte, error)
	operations map[string]*operation // by method and route, as Echo writes them
	problems   []documentedProblem
}

// operation is what the frame knows of one operation.
type operation struct {
	id         string
	public     bool         // needs no credential
	scope      domain.Scope // that a token needs; empty: any token will do
	path       map[string]*parameter
	query      map[string]*parameter
	headers    []*parameter
	body       *rule // nil: it takes none
	needsBody  bool
	deprecated http.Header // tells that it is, since when, until when, and what takes its place
}

// parameter is a value outside the body.
type parameter struct {
	name     string
	pointer  string // how the errors of a problem name it
	required bool
	rule     *rule
}

// documentedProblem is a row of the contract's table of errors.
type documentedProblem struct {
	Status  string
	Code    domain.Code
	Meaning string
}

// embeddedContract is the contract that the code was generated from. It is part of the program, and the tests read it:
// that it cannot be read is no state a running service could be in.
var embeddedContract = sync.OnceValue(func() *contract {
	read, err := readContract()
	if err != nil {
		panic(fmt.Errorf("read the embedded contract: %w", err))
	}
	return read
})

func readContract() (*contract, error) {
	spec, err := api.GetSpec()
	if err != nil {
		return nil, err
	}
	read := &contract{
		operations: map[string]*operation{}, problems: documentedProblems(spec.Info.Description),
		json: sync.OnceValues(func() ([]byte, error) { return toJSON(handover.OpenAPI) }),
	}
	rules := rules{}
	for path, item := range spec.Paths.Map() {
		for method, described := range item.Operations() {
			op, err := rules.operation(described, item.Parameters)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			read.operations[routeKey(method, echoRoute.Replace(path))] = op
			if method == http.MethodGet && headToo[path] {
				read.operations[routeKey(http.MethodHead, path)] = op
			}
		}
	}
	return read, nil
}

// headToo are the paths that monitors and browsers also ask for without wanting the body.
var headToo = map[string]bool{"/healthz": true, "/readyz": true, "/docs": true, "/openapi.yaml": true, "/openapi.json": true}

// echoRoute turns a path of the contract into one of Echo.
var echoRoute = strings.NewReplacer("{", ":", "}", "")

func routeKey(method, route string) string { return method + " " + route }

func (r rules) operation(described *openapi3.Operation, shared openapi3.Parameters) (*operation, error) {
	op := &operation{
		id: described.OperationID, public: described.Security != nil && len(*described.Security) == 0,
		path: map[string]*parameter{}, query: map[string]*parameter{}, deprecated: deprecation(described),
	}
	if scope, ok := described.Extensions["x-required-scope"].(string); ok {
		op.scope = domain.Scope(scope)
	}
	for _, ref := range append(append(openapi3.Parameters{}, shared...), described.Parameters...) {
		if err := r.parameter(op, ref.Value); err != nil {
			return nil, err
		}
	}
	if described.RequestBody == nil {
		return op, nil
	}
	content := described.RequestBody.Value.Content[mediaTypeJSON]
	if content == nil {
		return nil, fmt.Errorf("the body is not %s", mediaTypeJSON)
	}
	var err error
	op.needsBody = described.RequestBody.Value.Required
	op.body, err = r.compile(content.Schema)
	return op, err
}

func (r rules) parameter(op *operation, described *openapi3.Parameter) error {
	compiled, err := r.compile(described.Schema)
	if err != nil {
		return fmt.Errorf("parameter %s: %w", described.Name, err)
	}
	if compiled.expected == "" {
		compiled.expected = expectation(described.Description, described.Example)
	}
	p := &parameter{name: described.Name, pointer: described.In + ":" + described.Name, required: described.Required, rule: compiled}
	switch described.In {
	case openapi3.ParameterInPath:
		op.path[p.name] = p
	case openapi3.ParameterInQuery:
		if compiled.kind == kindArray && (described.Explode == nil || *described.Explode) {
			return fmt.Errorf("parameter %s: lists are separated by commas (explode: false)", p.name)
		}
		op.query[p.name] = p
	case openapi3.ParameterInHeader:
		op.headers = append(op.headers, p)
	default:
		return fmt.Errorf("parameter %s: there are none in %s", p.name, described.In)
	}
	return nil
}

// deprecation is the headers that a deprecated operation answers with, as the contract gives them in its examples.
func deprecation(described *openapi3.Operation) http.Header {
	if !described.Deprecated {
		return nil
	}
	headers := http.Header{}
	for _, response := range described.Responses.Map() {
		for _, name := range []string{"Deprecation", "Sunset", "Link"} {
			if header := response.Value.Headers[name]; header != nil {
				headers.Set(name, fmt.Sprint(header.Value.Example))
			}
		}
	}
	return headers
}

var problemRow = regexp.MustCompile("(?m)^\\| (\\d{3}) \\| `([a-z_]+)` \\| (.+) \\|$")

// documentedProblems reads the table of errors out of the contract's description.
func documentedProblems(description string) []documentedProblem {
	var problems []documentedProblem
	for _, row := range problemRow.FindAllStringSubmatch(description, -1) {
		problems = append(problems, documentedProblem{Status: row[1], Code: domain.Code(row[2]), Meaning: row[3]})
	}
	return problems
}
