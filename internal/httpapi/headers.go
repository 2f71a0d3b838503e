package httpapi

import (
	"maps"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// protect sets the headers that keep an answer where it belongs, and those of deprecated operations. They stand on
// errors too.
func (s *server) protect(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if operation := exchangeOf(c.Request().Context()).operation; operation != nil {
			maps.Copy(header, operation.deprecated)
		}
		return next(c)
	}
}

const (
	corsMaxAge = "600" // seconds
	// What a browser may send, and what it may read, beyond what it always may.
	corsRequestHeaders  = "Authorization, Content-Type, Handover-Position, Idempotency-Key, If-Match, Last-Event-ID, Prefer, X-Request-Id"
	corsResponseHeaders = "ETag, Location, Idempotency-Replayed, Retry-After, RateLimit, RateLimit-Policy, Link, Deprecation, Sunset, " +
		"X-Request-Id, Preference-Applied, Content-Disposition, Handover-Position"
)

// crossOrigin lets the pages of the listed origins call the service. Credentials are bearer tokens, never cookies, so
// that no page can borrow them.
func (s *server) crossOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if len(s.origins) == 0 {
			return next(c)
		}
		header := c.Response().Header()
		header.Add("Vary", "Origin")
		origin := c.Request().Header.Get("Origin")
		if !s.origins[origin] {
			return next(c)
		}
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Expose-Headers", corsResponseHeaders)
		methods, known := c.Get(echo.ContextKeyHeaderAllow).(string)
		if c.Request().Method != http.MethodOptions || c.Request().Header.Get("Access-Control-Request-Method") == "" || !known {
			return next(c)
		}
		header.Set("Access-Control-Allow-Methods", strings.TrimPrefix(methods, http.MethodOptions+", "))
		header.Set("Access-Control-Allow-Headers", corsRequestHeaders)
		header.Set("Access-Control-Max-Age", corsMaxAge)
		return c.NoContent(http.StatusNoContent)
	}
}
