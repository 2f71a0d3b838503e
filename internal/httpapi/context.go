package httpapi

import (
	"context"
	"encoding/json"

	"handover/internal/domain"
)

// exchange is one request and its answer, as the frame and the handlers share it.
type exchange struct {
	id        string     // of the request
	operation *operation // nil for what is not in the contract
	path      string     // as it was sent
	query     string
	arguments []argument
	body      []byte // as it was sent; nil: none
	token     string // the credential. It is never logged
	caller    domain.Caller
	cursors   *cursorSeal
	failure   failure
}

// failure is what went wrong, for the log.
type failure struct {
	code  domain.Code
	cause error // of what is the service's fault
	stack []byte
}

type exchangeKey struct{}

func withExchange(ctx context.Context, e *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, e)
}

func exchangeOf(ctx context.Context) *exchange {
	if e, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return e
	}
	return &exchange{}
}

// operationID is the name of the operation in logs and metrics.
func (e *exchange) operationID() string {
	if e.operation == nil {
		return "none"
	}
	return e.operation.id
}

// callerOf is who asks. An operation that needs no credential has nobody.
func callerOf(ctx context.Context) domain.Caller { return exchangeOf(ctx).caller }

// rawBody is the body as it was sent.
func rawBody(ctx context.Context) json.RawMessage { return exchangeOf(ctx).body }
