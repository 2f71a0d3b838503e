// Package testcontract holds answers against the contract: their status, headers and body are those that it declares. It is
// for tests.
package testcontract

import (
	"fmt"
	"io"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"handover/api"
)

// plainTexts are the formats that the validator does not know. They are checked by the tests that read them.
var plainTexts = []string{"text/html", "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "text/plain", "text/event-stream"}

var contractRouter = func() routers.Router {
	spec, err := api.GetSpec()
	if err != nil {
		panic(err)
	}
	spec.Servers = nil
	for _, kind := range plainTexts {
		openapi3filter.RegisterBodyDecoder(kind, func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
			text, err := io.ReadAll(body)
			return string(text), err
		})
	}
	router, err := gorillamux.NewRouter(spec)
	if err != nil {
		panic(err)
	}
	return router
}()

// Check tells what of an answer the contract does not declare; nil where all of it does, or the request was for no operation.
func Check(request *http.Request, status int, header http.Header, body []byte) error {
	plain := request.Clone(request.Context())
	plain.URL.Scheme, plain.URL.Host, plain.Host = "", "", ""
	route, parameters, err := contractRouter.FindRoute(plain)
	if err != nil {
		return nil //nolint:nilerr // not an operation: the router's own 404 and 405
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: plain, PathParams: parameters, Route: route},
		Status:                 status, Header: header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	input.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(request.Context(), input); err != nil {
		return fmt.Errorf("%s %s answered %d, which breaks the contract: %w\n%s", request.Method, request.URL.Path, status, err, body)
	}
	return nil
}
