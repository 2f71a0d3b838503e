package casesystem

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"handover/internal/app"
	"handover/internal/domain"
)

// metrics tell how the case system does. Their labels are names of operations and outcomes: no references.
type metrics struct {
	calls    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	circuit  prometheus.Gauge
}

func newMetrics() *metrics {
	return &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "handover_case_system_requests_total",
			Help: "What the case system was asked, by operation and outcome: found, unknown, unavailable, failed (it breaks its contract), left (nobody waited).",
		}, []string{"operation", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "handover_case_system_request_duration_seconds", Help: "How long asking the case system took, with all attempts.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"operation"}),
		circuit: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "handover_case_system_circuit_state", Help: "Whether this process asks the case system: 0 yes, 1 once, to see, 2 not for a while.",
		}),
	}
}

func (m *metrics) count(operation string, err error, duration time.Duration) {
	outcome := "found"
	switch {
	case errors.Is(err, app.ErrCaseUnknown), errors.Is(err, app.ErrCursorGone):
		outcome = "unknown"
	case errors.Is(err, errLeft):
		outcome = "left"
	case errors.Is(err, app.ErrCaseSystemDown):
		outcome = "unavailable"
	case err != nil:
		outcome = "failed"
	}
	m.calls.WithLabelValues(operation, outcome).Inc()
	m.duration.WithLabelValues(operation).Observe(duration.Seconds())
}

func (s *System) circuitTurned(_ string, _, to gobreaker.State) {
	level := 0.0
	switch to {
	case gobreaker.StateClosed:
		s.options.Log.Info("the case system answers again")
	case gobreaker.StateHalfOpen:
		level = 1
	case gobreaker.StateOpen:
		level = 2
		s.options.Log.Warn("the case system does not answer and is left alone for a while", "for", s.options.Rest)
	}
	s.metrics.circuit.Set(level)
}

// Describe tells which metrics there are.
func (s *System) Describe(descriptions chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(s, descriptions)
}

// Collect tells the metrics.
func (s *System) Collect(found chan<- prometheus.Metric) {
	_ = s.breaker.State() // turns it, where its time has come
	s.metrics.calls.Collect(found)
	s.metrics.duration.Collect(found)
	s.metrics.circuit.Collect(found)
}

// Health tells how well organizations follow CaMS, whichever process does it. It asks the database when it is asked.
type Health struct {
	read func(context.Context) (domain.CaMSHealth, error)
	now  func() time.Time
}

// NewHealth makes the collector. read is of the app.
func NewHealth(read func(context.Context) (domain.CaMSHealth, error), now func() time.Time) *Health {
	return &Health{read: read, now: now}
}

// healthPatience is how long the database is waited for.
const healthPatience = 2 * time.Second

var (
	lagMetric = prometheus.NewDesc("handover_cams_lag_seconds",
		"How long ago the organization that is furthest behind CaMS was last known to have all changes.", nil, nil)
	organizationsMetric = prometheus.NewDesc("handover_cams_organizations", "Organizations that have clients linked to CaMS.", nil, nil)
	failingMetric       = prometheus.NewDesc("handover_cams_organizations_failing", "Organizations whose last pull of changes failed.", nil, nil)
	clientsMetric       = prometheus.NewDesc("handover_cams_linked_clients", "Clients that are linked to CaMS.", nil, nil)
)

// Describe tells which metrics there are.
func (h *Health) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{lagMetric, organizationsMetric, failingMetric, clientsMetric} {
		descriptions <- description
	}
}

// Collect tells the metrics; none where the database does not answer.
func (h *Health) Collect(found chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), healthPatience)
	defer cancel()
	health, err := h.read(ctx)
	if err != nil {
		return // its own metrics tell of the database
	}
	lag := time.Duration(0)
	if health.BehindSince != nil {
		lag = max(h.now().Sub(*health.BehindSince), 0)
	}
	tell := func(description *prometheus.Desc, value float64) {
		found <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value)
	}
	tell(lagMetric, lag.Seconds())
	tell(organizationsMetric, float64(health.Organizations))
	tell(failingMetric, float64(health.Failing))
	tell(clientsMetric, float64(health.Clients))
}
