package openid

import (
	"github.com/prometheus/client_golang/prometheus"

	"handover/internal/app"
)

// otherIssuer is what the issuer of a token is called in the metrics that is none of those configured.
const otherIssuer = "other"

// metrics count by issuers that are configured and by outcomes that are known: nothing that a caller makes up is a label.
type metrics struct {
	signIns *prometheus.CounterVec
	fetches *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "handover_openid_sign_ins_total", Help: "Tokens of OpenID Connect issuers that requests came with, by issuer and by what became of them.",
		}, []string{"issuer", "outcome"}),
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "handover_openid_key_reads_total", Help: "How often the keys of an issuer were read, by issuer and outcome.",
		}, []string{"issuer", "outcome"}),
	}
}

// prepare shows an issuer's counters before they count.
func (m *metrics) prepare(issuer string) {
	for _, outcome := range app.SignInOutcomes {
		m.signIns.WithLabelValues(issuer, string(outcome))
	}
	for _, outcome := range []string{"read", "failed"} {
		m.fetches.WithLabelValues(issuer, outcome)
	}
}

// Describe is prometheus.Collector's.
func (s *Issuers) Describe(descriptions chan<- *prometheus.Desc) {
	s.metrics.signIns.Describe(descriptions)
	s.metrics.fetches.Describe(descriptions)
}

// Collect is prometheus.Collector's.
func (s *Issuers) Collect(measured chan<- prometheus.Metric) {
	s.metrics.signIns.Collect(measured)
	s.metrics.fetches.Collect(measured)
}
