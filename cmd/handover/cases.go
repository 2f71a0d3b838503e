package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"handover/internal/app"
	"handover/internal/casesim"
	"handover/internal/casesystem"
	"handover/internal/domain"
	"handover/internal/worker"
)

// caseFlags say where CaMS and Common Assessment are read. They are to be the same in every process.
type caseFlags struct {
	CaseSystemURL           string        `help:"The base URL of the case system (CaMS and Common Assessment), as docs/case-system.openapi.yaml has it. When it is not set, clients are neither linked nor made from assessments." env:"HANDOVER_CASE_SYSTEM_URL" placeholder:"URL"`
	CaseSystemToken         string        `help:"The credential that is sent to the case system." env:"HANDOVER_CASE_SYSTEM_TOKEN" placeholder:"TOKEN"`
	CaseSystemWebhookSecret string        `help:"The secret of its webhooks (Standard Webhooks: whsec_…); two of them, separated by a blank, while one takes the place of the other. When it is not set, webhooks are not taken." env:"HANDOVER_CASE_SYSTEM_WEBHOOK_SECRET" placeholder:"SECRET"`
	CaseSystemPrivate       bool          `help:"The name in the URL may lead to an address of a private network." env:"HANDOVER_CASE_SYSTEM_PRIVATE"`
	CaseSystemPull          time.Duration `help:"How often the changes of CaMS are pulled." env:"HANDOVER_CASE_SYSTEM_PULL" default:"1m"`
}

// shortestPull is the shortest period between pulls.
const shortestPull = time.Second

// caseSystems is the case system of this process.
type caseSystems struct {
	system    *casesystem.System // nil: there is none
	webhook   app.WebhookCheck   // nil: its messages are not taken
	pull      time.Duration
	simulator *casesim.Server // of the demo; nil: there is none
}

// cases reads the configuration. The secrets are in none of its errors.
func (f caseFlags) cases(log *slog.Logger) (*caseSystems, error) {
	if f.CaseSystemPull < shortestPull {
		return nil, fmt.Errorf("HANDOVER_CASE_SYSTEM_PULL is to be a duration of at least %s, such as 1m", shortestPull)
	}
	configured := &caseSystems{pull: f.CaseSystemPull}
	if f.CaseSystemURL == "" {
		if f.CaseSystemToken != "" || f.CaseSystemWebhookSecret != "" {
			return nil, errors.New("the case system has a credential or a secret of webhooks and no address: set HANDOVER_CASE_SYSTEM_URL")
		}
		return configured, nil
	}
	var err error
	if configured.system, err = casesystem.New(casesystem.Options{URL: f.CaseSystemURL, Token: f.CaseSystemToken, Private: f.CaseSystemPrivate, Log: log}); err != nil {
		return nil, err
	}
	if f.CaseSystemWebhookSecret == "" {
		return configured, nil
	}
	signatures, err := casesystem.NewSignatures(f.CaseSystemWebhookSecret)
	if err != nil {
		return nil, err
	}
	configured.webhook = signatures.Check
	return configured, nil
}

// simulate starts a case system for the demo, where none is configured. address is where the service itself listens.
func (c *caseSystems) simulate(ctx context.Context, log *slog.Logger, address string) error {
	if c.system != nil {
		return nil
	}
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	secret := "whsec_" + base64.StdEncoding.EncodeToString(random[:])
	signatures, err := casesystem.NewSignatures(secret)
	if err != nil {
		return err
	}
	if c.simulator, err = casesim.Start(ctx, "127.0.0.1:0", casesim.Options{Webhook: casesim.Webhook{URL: address + "/v1/webhooks/cams", Secret: secret}}); err != nil {
		return fmt.Errorf("simulate a case system: %w", err)
	}
	c.system, err = casesystem.New(casesystem.Options{URL: c.simulator.URL, Token: casesim.DefaultToken, Log: log})
	c.webhook = signatures.Check
	return err
}

// stop ends what simulate started.
func (c *caseSystems) stop() {
	if c.simulator != nil {
		c.simulator.Stop()
	}
}

// connect tells the app which case system to read.
func (c *caseSystems) connect(application *app.App) {
	if c.system != nil {
		application.ConnectCaseSystem(c.system, c.webhook)
	}
}

// register adds the metrics of the case system, and of how it is followed.
func (c *caseSystems) register(registry *prometheus.Registry, health func(context.Context) (domain.CaMSHealth, error)) {
	registry.MustRegister(casesystem.NewHealth(health, time.Now))
	if c.system != nil {
		registry.MustRegister(c.system)
	}
}

// options are those of a worker.
func (c *caseSystems) options(registry *prometheus.Registry, traces tracing) []worker.Option {
	return []worker.Option{worker.PullCaMSEvery(c.pull), worker.CountIn(registry), worker.TraceTo(traces.provider)}
}
