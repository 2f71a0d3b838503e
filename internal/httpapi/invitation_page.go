package httpapi

import (
	_ "embed" // the page
	"net/http"

	"github.com/labstack/echo/v4"
)

//go:embed invitation_page.html
var invitationPage []byte

// registerInvitationPage adds the page that the link of an invitation opens where an installation has no page of its own for that. It
// is the same for every token, and asks the service as any other page would.
func registerInvitationPage(e *echo.Echo) {
	policy := pagePolicy(invitationPage)
	e.GET("/invitations/:token", func(c echo.Context) error {
		c.Response().Header().Set("Content-Security-Policy", policy)
		return c.HTMLBlob(http.StatusOK, invitationPage)
	})
}
