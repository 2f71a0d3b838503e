package httpapi

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"handover/internal/domain"
)

// signIn finds out who asks, whether they ask too often, and whether their token is for this operation.
func (s *server) signIn(c echo.Context, exchange *exchange) error {
	token, ok := bearerToken(c.Request().Header)
	if !ok {
		return s.unknown(c, domain.Refuse(domain.CodeUnauthenticated, "Send a valid API token as Authorization: Bearer hnd_…."))
	}
	caller, err := s.authenticator.Authenticate(c.Request().Context(), token, exchange.id)
	if err != nil {
		return s.unknown(c, err)
	}
	caller.RequestID = exchange.id
	exchange.caller, exchange.token = caller, token
	if err := s.limitCaller(c, caller); err != nil {
		return err
	}
	if err := exchange.operation.admits(caller); err != nil {
		return err
	}
	if scope := exchange.operation.scope; scope != "" && !caller.InScope(scope) {
		return domain.Refuse(domain.CodeInsufficientScope, "This needs a token with the scope %s, or one without scopes.", scope).
			With("scope", scope)
	}
	return nil
}

// unknown counts a request whose credential is none. An address that sends too many is not told any more what is wrong with them; those
// who come from there with one that is good are not kept out.
func (s *server) unknown(c echo.Context, refusal error) error {
	if classify(refusal).Code != domain.CodeUnauthenticated {
		return refusal
	}
	if err := s.limitAddress(c); err != nil {
		return err
	}
	return refusal
}

// admits tells whether the operation is for those who have signed in as the caller has: most are for staff alone.
func (o *operation) admits(caller domain.Caller) error {
	switch {
	case caller.IsClient() && o.clients == clientsKeptOut:
		return domain.Denied("This is for staff. A client's session opens their own profile, GET /v1/me/profile, and can be ended.")
	case !caller.IsClient() && o.clients == clientsAlone:
		return domain.Denied("This is for clients who have signed in. Staff read clients with GET /v1/clients/{client_id}.")
	}
	return nil
}

// bearerToken reads the one credential of a request (RFC 6750).
func bearerToken(headers http.Header) (token string, ok bool) {
	values := headers.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(strings.TrimSpace(values[0]), " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

// challenge tells how to sign in (RFC 6750 section 3): with an error where a credential was sent and is not valid.
func challenge(headers http.Header) string {
	if _, sent := bearerToken(headers); sent {
		return `Bearer realm="handover", error="invalid_token"`
	}
	return `Bearer realm="handover"`
}
