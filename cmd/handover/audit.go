package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"handover/internal/app"
	"handover/internal/domain"
)

type auditCommand struct {
	Verify auditVerifyCommand `cmd:"" help:"Hold the audit trail against its chain of hashes, and name the first event that is not as it was."`
	Head   auditHeadCommand   `cmd:"" help:"Print where an organization's chain ends, to be kept elsewhere and expected later."`
}

type auditVerifyCommand struct {
	databaseFlags
	Organization *uuid.UUID `help:"The organization's id; all organizations where it is left out." placeholder:"ID"`
	Expect       []string   `help:"A head that was published earlier, which the chain must have at its position; may be given several times. With --organization." placeholder:"POSITION:HASH"`
	JSON         bool       `name:"json" help:"Print what was found as JSON."`
}

// verified is what is told of an organization's trail.
type verified struct {
	OrganizationID  uuid.UUID            `json:"organization_id"`
	Verified        bool                 `json:"verified"`
	Events          int64                `json:"events"` // up to the first problem
	Head            shownHead            `json:"head"`
	Unchained       int64                `json:"unchained"`
	OldestUnchained *time.Time           `json:"oldest_unchained_at"`
	Problem         *domain.ChainProblem `json:"problem"`
}

type shownHead struct {
	Position int64  `json:"position"`
	Hash     string `json:"hash"`
	Expect   string `json:"expect"` // as --expect takes it
}

func shown(head domain.ChainHead) shownHead {
	return shownHead{head.Position, head.Hash.String(), head.String()}
}

// Run verifies the chains. The trail of an organization that has a problem is an error, when all have been looked at.
func (c *auditVerifyCommand) Run(ctx context.Context, log *slog.Logger) error {
	expected := make([]domain.ChainHead, len(c.Expect))
	for i, text := range c.Expect {
		head, err := domain.ParseChainHead(text)
		if err != nil {
			return fmt.Errorf("--expect: %w", err)
		}
		expected[i] = head
	}
	if len(expected) > 0 && c.Organization == nil {
		return errors.New("--expect is about the chain of one organization: name it with --organization")
	}
	return c.withApplication(ctx, log, func(_ *database, application *app.App) error {
		organizations, err := c.organizations(ctx, application)
		if err != nil {
			return err
		}
		found, bad := make([]verified, 0, len(organizations)), 0
		for _, id := range organizations {
			report, err := c.verify(ctx, application, id, expected)
			if err != nil {
				return err
			}
			found = append(found, report)
			if !report.Verified {
				bad++
			}
			if !c.JSON {
				report.print()
			}
		}
		if c.JSON {
			if err := printJSON(struct {
				Verified      bool       `json:"verified"`
				Organizations []verified `json:"organizations"`
			}{bad == 0, found}); err != nil {
				return err
			}
		}
		if bad > 0 {
			return fmt.Errorf("the audit trail of %d of %d organizations does not verify", bad, len(found))
		}
		return nil
	})
}

func (c *auditVerifyCommand) organizations(ctx context.Context, application *app.App) ([]uuid.UUID, error) {
	if c.Organization != nil {
		return []uuid.UUID{*c.Organization}, nil
	}
	return application.AuditedOrganizations(ctx)
}

func (c *auditVerifyCommand) verify(ctx context.Context, application *app.App, id uuid.UUID, expected []domain.ChainHead) (verified, error) {
	var progress func(int64)
	if !c.JSON && term.IsTerminal(int(os.Stderr.Fd())) {
		bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription("verifying"),
			progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
		defer func() { _ = bar.Finish() }()                     // what cannot be drawn is not drawn
		progress = func(events int64) { _ = bar.Set64(events) } // likewise
	}
	report, err := application.VerifyAudit(ctx, domain.OrganizationID(id), expected, progress)
	if err != nil {
		return verified{}, noOrganization(err, id)
	}
	return verified{
		OrganizationID: id, Verified: report.Problem == nil, Events: report.Events, Head: shown(report.Head),
		Unchained: report.Unchained, OldestUnchained: report.OldestUnchainedAt, Problem: report.Problem,
	}, nil
}

func noOrganization(err error, id uuid.UUID) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("there is no organization %s", id)
	}
	return err
}

func (v verified) print() {
	if v.Problem == nil {
		fmt.Printf("organization %s: %d events verified, head %s\n", v.OrganizationID, v.Events, v.Head.Expect)
	} else {
		event := "no audit event"
		if v.Problem.AuditEventID != nil {
			event = "audit event " + v.Problem.AuditEventID.String()
		}
		fmt.Printf("organization %s: NOT VERIFIED at position %d, %s: %s. %s\n", v.OrganizationID, v.Problem.Position, event, v.Problem.Problem, v.Problem.Detail)
		fmt.Printf("  %d events before it are as they were\n", v.Events)
	}
	if v.Unchained > 0 {
		oldest := "at no finite time"
		if v.OldestUnchained != nil {
			oldest = fmt.Sprintf("%s ago", time.Since(*v.OldestUnchained).Round(time.Second))
		}
		fmt.Printf("  %d events are not chained yet; the oldest occurred %s\n", v.Unchained, oldest)
	}
}

type auditHeadCommand struct {
	databaseFlags
	organizationFlag
	JSON bool `name:"json" help:"Print the head as JSON."`
}

// Run prints the head.
func (c *auditHeadCommand) Run(ctx context.Context, log *slog.Logger) error {
	return c.withApplication(ctx, log, func(_ *database, application *app.App) error {
		head, chainedAt, begun, err := application.AuditHead(ctx, c.id())
		if err != nil {
			return noOrganization(err, c.Organization)
		}
		if !c.JSON {
			fmt.Println(head)
			return nil
		}
		answer := struct {
			OrganizationID uuid.UUID `json:"organization_id"`
			shownHead
			ChainedAt *time.Time `json:"chained_at"` // null before the first event
		}{OrganizationID: c.Organization, shownHead: shown(head)}
		if begun {
			answer.ChainedAt = &chainedAt
		}
		return printJSON(answer)
	})
}

// chainMetrics tell how the audit trail is chained, whichever process does it. They ask the database when they are asked.
type chainMetrics struct {
	read func(context.Context) (domain.ChainHealth, error)
	now  func() time.Time
}

var (
	chainLagMetric = prometheus.NewDesc("handover_audit_chain_lag_seconds",
		"How long the organization that is furthest behind may have had audit events outside of its chain.", nil, nil)
	chainedMetric = prometheus.NewDesc("handover_audit_chained_events", "Audit events that are chained: the positions of the heads of all organizations, added up.", nil, nil)
	chainsMetric  = prometheus.NewDesc("handover_audit_chains", "Organizations whose audit trail is chained.", nil, nil)
)

// Describe tells which metrics there are.
func (m chainMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{chainLagMetric, chainedMetric, chainsMetric} {
		descriptions <- description
	}
}

// Collect tells the metrics; none where the database does not answer.
func (m chainMetrics) Collect(found chan<- prometheus.Metric) {
	health, err := m.read(context.Background())
	if err != nil {
		return // its own metrics tell of the database
	}
	lag := time.Duration(0)
	if health.BehindSince != nil {
		lag = max(m.now().Sub(*health.BehindSince), 0)
	}
	for description, value := range map[*prometheus.Desc]float64{
		chainLagMetric: lag.Seconds(), chainedMetric: float64(health.Events), chainsMetric: float64(health.Organizations),
	} {
		found <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value)
	}
}
