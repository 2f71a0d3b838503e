package acceptance

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"handover/api"
)

// operation is one of the contract, for the tests that go over all of them.
type operation struct {
	*openapi3.Operation
	Method, Path string
	Parameters   []*openapi3.Parameter
	Body         *openapi3.SchemaRef // nil: it takes none
}

// operations are those of the contract, by their ids.
var operations = sync.OnceValue(func() map[string]operation {
	spec, err := api.GetSpec()
	if err != nil {
		panic(err)
	}
	found := map[string]operation{}
	for path, item := range spec.Paths.Map() {
		for method, described := range item.Operations() {
			op := operation{Operation: described, Method: method, Path: path}
			for _, ref := range slices.Concat(item.Parameters, described.Parameters) {
				op.Parameters = append(op.Parameters, ref.Value)
			}
			if described.RequestBody != nil {
				op.Body = described.RequestBody.Value.Content["application/json"].Schema
			}
			found[described.OperationID] = op
		}
	}
	return found
})

// operationIDs are the ids of all operations, in order.
func operationIDs() []string { return slices.Sorted(maps.Keys(operations())) }

// public tells whether the operation needs no credential.
func (op operation) public() bool { return op.Security != nil && len(*op.Security) == 0 }

// writes tells whether the operation may change anything but a token's last use.
func (op operation) writes() bool { return op.Method != "GET" }

// ask is a request of an operation, but for who sends it.
type ask struct {
	path    map[string]string // the parameters of the path, not yet escaped
	query   url.Values
	body    any
	headers []header
}

// inPath is a request with one parameter in its path.
func inPath(name, value string) ask { return ask{path: map[string]string{name: value}} }

// inQuery is a request with parameters in its query, each a name and a value.
func inQuery(pairs ...string) ask {
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return ask{query: query}
}

// withBody is a request with a body.
func withBody(body any) ask { return ask{body: body} }

// with gives the request more headers, each a name and a value.
func (a ask) with(pairs ...string) ask {
	a.headers = slices.Clone(a.headers)
	for i := 0; i < len(pairs); i += 2 {
		a.headers = append(a.headers, header{pairs[i], pairs[i+1]})
	}
	return a
}

// sending gives the request a body.
func (a ask) sending(body any) ask {
	a.body = body
	return a
}

// target is the path and the query of the request.
func (a ask) target(op operation) string {
	var pairs []string
	for name, value := range a.path {
		pairs = append(pairs, "{"+name+"}", url.PathEscape(value))
	}
	target := strings.NewReplacer(pairs...).Replace(op.Path)
	if len(a.query) > 0 {
		target += "?" + a.query.Encode()
	}
	return target
}

// ask sends a request of an operation, and holds its answer against the contract.
func (s *service) ask(t testing.TB, token, operationID string, a ask) answer {
	t.Helper()
	op, known := operations()[operationID]
	if !known {
		t.Fatalf("there is no operation %s", operationID)
	}
	return s.call(t, token, op.Method, a.target(op), a.body, a.headers...)
}

// everyOperation fails the test when an operation has no row, or a row no operation.
func everyOperation[Row any](t *testing.T, what string, rows []Row, operationOf func(Row) string) {
	t.Helper()
	covered := map[string]bool{}
	for _, row := range rows {
		covered[operationOf(row)] = true
	}
	for _, id := range operationIDs() {
		if !covered[id] {
			t.Errorf("%s: the operation %s has no row", what, id)
		}
	}
	for id := range covered {
		if _, known := operations()[id]; !known {
			t.Errorf("%s: the row %s has no operation", what, id)
		}
	}
}

// onTheWire sends a request with a target that Go would not send, byte for byte, and gives the status of the answer.
func (s *service) onTheWire(t testing.TB, request *http.Request, target string) int {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var body []byte
	if request.Body != nil {
		if body, err = io.ReadAll(request.Body); err != nil {
			t.Fatal(err)
		}
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n", request.Method, target, len(body))
	if err := request.Header.Write(&text); err != nil {
		t.Fatal(err)
	}
	text.WriteString("\r\n")
	text.Write(body)
	if _, err := conn.Write(text.Bytes()); err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	defer response.Body.Close()
	return response.StatusCode
}
