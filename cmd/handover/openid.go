package main

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"handover/internal/app"
	"handover/internal/openid"
)

// openIDFlags say whose JWTs are taken.
type openIDFlags struct {
	OIDCIssuers string `name:"oidc-issuers" help:"The OpenID Connect issuers whose JWTs let staff in, as a list of objects in JSON; docs/operations.md tells what stands in them. When it is not set, there are none." env:"HANDOVER_OIDC_ISSUERS" placeholder:"JSON"`
}

// trusted are the issuers of a process; the zero value has none.
type trusted struct{ issuers *openid.Issuers }

// issuers reads what is configured. Nobody is asked yet: an issuer that is down keeps nothing from starting.
func (f openIDFlags) issuers(log *slog.Logger) (trusted, error) {
	configured, err := openid.ReadIssuers(f.OIDCIssuers)
	if err != nil {
		return trusted{}, fmt.Errorf("HANDOVER_OIDC_ISSUERS: %w", err)
	}
	if len(configured) == 0 {
		return trusted{}, nil
	}
	return trusted{openid.New(openid.Options{Issuers: configured, Log: log})}, nil
}

func (t trusted) connect(application *app.App, registry *prometheus.Registry) {
	if t.issuers != nil {
		application.TrustIssuers(t.issuers)
		registry.MustRegister(t.issuers)
	}
}
