package httpapi

import (
	"encoding/json"
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
	clients    clientAccess // whether clients who have signed in may ask
	path       map[string]*parameter
	query      map[string]*parameter
	headers    []*parameter
	body       *rule // nil: it takes none
	bodyOf     *bodyChoice
	needsBody  bool
	guessed    bool        // a public one that tells whether a secret is right: bounded by network address
	streams    streaming   // whether the answer goes out while it is made
	positioned bool        // tells how far the database had come
	deprecated http.Header // tells that it is, since when, until when, and what takes its place
}

// clientAccess tells whether the session of a client opens an operation. What the contract says nothing of is for staff.
type clientAccess string

const (
	clientsKeptOut clientAccess = ""
	clientsToo     clientAccess = "allowed"
	clientsAlone   clientAccess = "required"
)

// streaming tells whether an answer goes out while it is made, for as long as it is taken. What the contract says nothing of is made first.
type streaming string

const (
	streamsNot     streaming = ""
	streamsToEnd   streaming = "finite"
	streamsForEver streaming = "endless"
)

// bodyChoice narrows a body by what stands in the path: each value takes some of the fields.
type bodyChoice struct {
	parameter string
	rules     map[string]*rule
}

// parameter is a value outside the body.
type parameter struct {
	name     string
	pointer  string // how the errors of a problem name it
	required bool
	secret   bool // whoever knows it may act: it stands in no log and no problem
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
		path: map[string]*parameter{}, query: map[string]*parameter{}, positioned: tellsPosition(described), deprecated: deprecation(described),
	}
	if scope, ok := described.Extensions["x-required-scope"].(string); ok {
		op.scope = domain.Scope(scope)
	}
	if access, ok := described.Extensions["x-client-session"].(string); ok {
		op.clients = clientAccess(access)
	}
	op.guessed, _ = described.Extensions["x-limited-by-address"].(bool)
	if streams, ok := described.Extensions["x-streams"].(string); ok {
		op.streams = streaming(streams)
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
	if op.body, err = r.compile(content.Schema); err != nil {
		return nil, err
	}
	op.bodyOf, err = bodyByPath(op, described)
	return op, err
}

// bodyByPath reads which fields of the body go with which value in the path; nil where all do.
func bodyByPath(op *operation, described *openapi3.Operation) (*bodyChoice, error) {
	extension, there := described.Extensions["x-body-fields"]
	if !there {
		return nil, nil
	}
	var said struct {
		Parameter string              `json:"path_parameter"`
		Fields    map[string][]string `json:"fields"`
	}
	text, err := json.Marshal(extension)
	if err != nil {
		return nil, fmt.Errorf("x-body-fields: %w", err)
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return nil, fmt.Errorf("x-body-fields: %w", err)
	}
	choice := &bodyChoice{parameter: said.Parameter, rules: map[string]*rule{}}
	for value, names := range said.Fields {
		narrowed := *op.body
		narrowed.fields = map[string]*rule{}
		for _, name := range names {
			if narrowed.fields[name] = op.body.fields[name]; narrowed.fields[name] == nil {
				return nil, fmt.Errorf("x-body-fields: the body has no field %s", name)
			}
		}
		choice.rules[value] = &narrowed
	}
	return choice, nil
}

// hasSecret tells whether there is something in the path that is told to nobody.
func (o *operation) hasSecret() bool {
	for _, parameter := range o.path {
		if parameter.secret {
			return true
		}
	}
	return false
}

// bodyRule is what the body of a request has to be; parameter gives what stands in its path.
func (o *operation) bodyRule(parameter func(name string) string) *rule {
	if o.bodyOf == nil {
		return o.body
	}
	if narrowed := o.bodyOf.rules[parameter(o.bodyOf.parameter)]; narrowed != nil {
		return narrowed
	}
	return o.body
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
	p.secret, _ = described.Extensions["x-secret"].(bool)
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
