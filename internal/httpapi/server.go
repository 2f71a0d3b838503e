// Package httpapi is the service's surface: it checks requests against the contract, signs callers in, translates
// between the contract and the use cases, and renders every error there is as a problem document.
package httpapi

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
	"handover/internal/telemetry"
)

// Options are what the installation decides about the surface.
type Options struct {
	Log         *slog.Logger
	CORSOrigins []string                      // the exact origins whose pages may call the service
	Ready       func(context.Context) []Check // tells what taking requests depends on; nil: on nothing
	Registry    *prometheus.Registry          // where the metrics are; nil: one of the surface's own
	Now         func() time.Time              // the clock; nil: that of the machine
	MaxBody     int64                         // how many bytes a body may have; zero: 8 MiB
	Times       Times                         // how long a request may take
	RateLimits  RateLimits                    // how often it may be asked
	Proxies     []*net.IPNet                  // who may tell, as X-Forwarded-For, from where a request comes
	Tracer      trace.TracerProvider          // where spans go; nil: nothing is traced
	Ending      func() bool                   // tells that connections are to be closed once their requests are answered; nil: never
	CursorKey   []byte                        // 32 bytes that cursors and positions are sealed with, the same in every process; nil: one of this process's own
}

const maxBody = 8 << 20

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ready == nil {
		o.Ready = func(context.Context) []Check { return nil }
	}
	o.Times = o.Times.withDefaults()
	if o.Ending == nil {
		o.Ending = func() bool { return false }
	}
	if o.MaxBody == 0 {
		o.MaxBody = maxBody
	}
	return o
}

// handlers has one method for each operation of the contract. They translate, and nothing else.
type handlers struct {
	app      *app.App
	options  Options
	contract *contract
	docs     *docs
}

// authenticator finds who a credential stands for.
type authenticator interface {
	Authenticate(ctx context.Context, token, requestID string) (domain.Caller, error)
}

// New makes the handler of every request to the service.
func New(application *app.App, options Options) http.Handler {
	h := newHandlers(application, options)
	return newServer(h, h, application)
}

func newHandlers(application *app.App, options Options) *handlers {
	contract := embeddedContract()
	return &handlers{app: application, options: options.withDefaults(), contract: contract, docs: newDocs(contract)}
}

// server is what stands between a request and its handler.
type server struct {
	options       Options
	contract      *contract
	authenticator authenticator
	metrics       *metrics
	cursors       *cursorSeal
	positions     *positionSeal
	origins       map[string]bool
	replicated    bool // reads may come from a replica
	rates         *rateLimits
}

func newServer(h *handlers, operations api.StrictServerInterface, authenticator authenticator) http.Handler {
	s := &server{
		options: h.options, contract: h.contract, authenticator: authenticator, metrics: newMetrics(h.options.Registry),
		cursors: newCursorSeal(h.options.CursorKey), positions: newPositionSeal(h.options.CursorKey), origins: map[string]bool{},
		replicated: h.app != nil && h.app.HasReplica(), rates: newRateLimits(h.options.RateLimits),
	}
	for _, origin := range h.options.CORSOrigins {
		s.origins[origin] = true
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = whereFrom(h.options.Proxies)
	e.HTTPErrorHandler = func(error, echo.Context) {} // observe has answered every error
	e.Use(s.observe, s.protect, s.crossOrigin, s.bound, s.admit)
	api.RegisterHandlers(withHeads{e}, api.NewStrictHandler(operations, []api.StrictMiddlewareFunc{keepCommas}))
	h.docs.register(e)
	registerInvitationPage(e)
	return e
}

// whereFrom tells where a request comes from. Headers that tell another address are anybody's to send: only those are believed that
// proxies have sent which are trusted by name.
func whereFrom(proxies []*net.IPNet) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trusted := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, proxy := range proxies {
		trusted = append(trusted, echo.TrustIPRange(proxy))
	}
	return echo.ExtractIPFromXFFHeader(trusted...)
}

// withHeads registers what is asked for by HEAD too: as GET, and net/http leaves the body out.
type withHeads struct{ *echo.Echo }

func (r withHeads) GET(path string, handler echo.HandlerFunc, middleware ...echo.MiddlewareFunc) *echo.Route {
	if headToo[path] {
		r.HEAD(path, handler, middleware...)
	}
	return r.Echo.GET(path, handler, middleware...)
}

// admit lets a request to its handler when it is what its operation takes, from somebody who may. What is wrong first is
// told first: the path, the body's size and type, the rest of the form, the credential, its scope.
func (s *server) admit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		exchange := exchangeOf(c.Request().Context())
		operation := exchange.operation
		if operation == nil {
			return next(c)
		}
		if err := s.validate(c, exchange); err != nil {
			return err
		}
		if operation.guessed {
			if err := s.limitAddress(c); err != nil {
				return err
			}
		}
		if !operation.public {
			err := s.signIn(c, exchange)
			if caller := whoIs(exchange.caller); caller != nil {
				c.SetRequest(c.Request().WithContext(telemetry.With(c.Request().Context(), caller...)))
			}
			if err != nil {
				return err
			}
		}
		if s.replicated && operation.positioned {
			s.reach(c, operation)
		}
		return next(c)
	}
}
