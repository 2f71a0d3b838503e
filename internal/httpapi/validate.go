package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"handover/internal/domain"
)

const mediaTypeJSON = "application/json"

// validate holds a request against the contract, and puts into the exchange what was taken apart on the way.
func (s *server) validate(c echo.Context, exchange *exchange) error {
	request, operation := c.Request(), exchange.operation
	var faults parameterFaults
	if err := checkPath(c, operation, &faults); err != nil {
		return err
	}
	body, err := s.readBody(c, operation)
	if err != nil {
		return err
	}
	if request.URL.RawQuery != "" || len(operation.query) > 0 {
		exchange.arguments = checkQuery(request.URL.RawQuery, operation, &faults)
	}
	checkHeaders(request.Header, operation, &faults)
	if operation.takesPosition() {
		s.checkPosition(request.Header.Get(positionHeader), &faults)
	}
	if err := faults.refusal(); err != nil {
		return err
	}
	if body == nil {
		return nil
	}
	exchange.body = body
	if body, err = checkBody(body, operation.bodyRule(c.Param)); err != nil {
		return err
	}
	// The generated code reads the body once more, into its type. What it reads is what was checked.
	request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	request.Header.Set("Content-Type", mediaTypeJSON) // in the letter case that it knows
	return nil
}

// readBody reads the body whole; nil where there is none.
func (s *server) readBody(c echo.Context, operation *operation) ([]byte, error) {
	request := c.Request()
	if request.ContentLength > s.options.MaxBody {
		return nil, s.tooLarge()
	}
	if operation.body != nil && request.ContentLength > 0 {
		if err := checkMediaType(request.Header); err != nil {
			return nil, err
		}
	}
	if operation.body == nil && request.ContentLength > 0 {
		return nil, noBody()
	}
	if request.ContentLength == 0 {
		return missingBody(operation)
	}
	body, err := s.readAll(c)
	var exceeded *http.MaxBytesError
	var refusal *domain.Error
	switch {
	case errors.As(err, &exceeded):
		return nil, s.tooLarge()
	case err != nil && operation.body == nil:
		return nil, noBody()
	case errors.As(err, &refusal):
		return nil, err
	case err != nil:
		return nil, malformed("The body did not arrive whole.")
	case len(body) == 0:
		return missingBody(operation)
	case operation.body == nil:
		return nil, noBody()
	}
	return body, checkMediaType(request.Header)
}

// missingBody is what a request without a body has sent: an empty object where the body may be left out, and nothing where
// none is taken.
func missingBody(operation *operation) ([]byte, error) {
	switch {
	case operation.needsBody:
		return nil, malformed("There is no body. This operation needs one, as JSON.")
	case operation.body != nil:
		return []byte("{}"), nil
	}
	return nil, nil
}

func noBody() error {
	return domain.Refuse(domain.CodeInvalidRequest, "This operation takes no body. Send the request without one.").
		At("", domain.CodeInvalidRequest, "This operation takes no body.")
}

func (s *server) tooLarge() error {
	return domain.Refuse(domain.CodeBodyTooLarge, "The body is longer than %d bytes. Save a selection, or use a filter.", s.options.MaxBody).
		With("limit_bytes", s.options.MaxBody)
}

// checkMediaType refuses a body that is not said to be JSON in UTF-8, as it is.
func checkMediaType(headers http.Header) error {
	sent := strings.Join(headers.Values("Content-Type"), ", ")
	mediaType, parameters, err := mime.ParseMediaType(sent)
	charset, hasCharset := parameters["charset"]
	isUTF8 := !hasCharset && len(parameters) == 0 || hasCharset && len(parameters) == 1 && strings.EqualFold(charset, "utf-8")
	if err != nil || mediaType != mediaTypeJSON || !isUTF8 {
		return domain.Refuse(domain.CodeUnsupportedMediaType, "Send the body as %s.", mediaTypeJSON).With("content_type", shown(sent))
	}
	encoding := strings.Join(headers.Values("Content-Encoding"), ", ")
	if encoding != "" && !strings.EqualFold(encoding, "identity") {
		return domain.Refuse(domain.CodeUnsupportedMediaType, "Send the body as it is, without Content-Encoding.").With("content_encoding", shown(encoding))
	}
	return nil
}
