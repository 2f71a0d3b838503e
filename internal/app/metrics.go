package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"handover/internal/domain"
)

// metrics tell what the use cases did in this process. Their labels are closed: kinds, statuses, outcomes, and nobody.
type metrics struct {
	runs         *prometheus.CounterVec
	runDurations *prometheus.HistogramVec
	runItems     *prometheus.HistogramVec
	mails        *prometheus.CounterVec
	keys         *prometheus.CounterVec
	others       []prometheus.Collector
}

// What became of a mail that a worker took up.
const (
	mailSent      = "sent"
	mailRefused   = "refused"   // its server will never take it
	mailUncertain = "uncertain" // it may have arrived or not
	mailRetried   = "retried"   // it could not be sent, and will be tried again
	mailUnwanted  = "unwanted"  // its receiver wants no mail any more
	mailGivenUp   = "given_up"  // it was tried for too long
)

// What became of a request with an Idempotency-Key.
const (
	keyNew      = "new"
	keyReplayed = "replayed"
	keyInUse    = "in_use" // the first request is still at work
	keyReused   = "reused" // with another request
)

func newMetrics(a *App) *metrics {
	m := &metrics{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "handover_runs_total", Help: "Runs that have ended, by kind and status.",
		}, []string{"kind", "status"}),
		runDurations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "handover_run_duration_seconds", Help: "How long runs took from their start to their end, by kind and status.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300},
		}, []string{"kind", "status"}),
		runItems: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "handover_run_items", Help: "How many items runs had that succeeded, by kind.",
			Buckets: []float64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000},
		}, []string{"kind"}),
		mails: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "handover_mails_total",
			Help: "Mails taken up, by kind and outcome: sent, refused, uncertain (it may have arrived), retried, unwanted, given_up.",
		}, []string{"kind", "outcome"}),
		keys: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "handover_idempotency_keys_total",
			Help: "Requests with an Idempotency-Key, by outcome: new, replayed, in_use (the first is still at work), reused (with another request).",
		}, []string{"outcome"}),
		others: []prometheus.Collector{
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "handover_password_hashes_total", Help: "Hashes of passwords computed: a sign-in, good or bad, costs one.",
			}, func() float64 { return float64(a.PasswordHashes()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "handover_notification_streams", Help: "Streams of notifications that are open.",
			}, func() float64 { return float64(a.hub.Followers()) }),
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "handover_transactions_repeated_total", Help: "Transactions that the database ended in favour of another, and that were run again.",
			}, func() float64 { return float64(a.store.Repeated()) }),
		},
	}
	for _, kind := range []string{kindNotification, kindInvitation} {
		for _, outcome := range []string{mailSent, mailRefused, mailUncertain, mailRetried, mailUnwanted, mailGivenUp} {
			m.mails.WithLabelValues(kind, outcome)
		}
	}
	for _, outcome := range []string{keyNew, keyReplayed, keyInUse, keyReused} {
		m.keys.WithLabelValues(outcome)
	}
	for _, kind := range domain.RunKinds {
		for _, status := range []domain.RunStatus{domain.RunSucceeded, domain.RunFailed, domain.RunCancelled} {
			m.runs.WithLabelValues(string(kind), string(status))
		}
	}
	return m
}

// Metrics are what the use cases count in this process, for a registry.
func (a *App) Metrics() prometheus.Collector { return a.metrics }

// Describe tells which metrics there are.
func (m *metrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, each := range m.all() {
		each.Describe(descriptions)
	}
}

// Collect tells the metrics.
func (m *metrics) Collect(found chan<- prometheus.Metric) {
	for _, each := range m.all() {
		each.Collect(found)
	}
}

func (m *metrics) all() []prometheus.Collector {
	return append([]prometheus.Collector{m.runs, m.runDurations, m.runItems, m.mails, m.keys}, m.others...)
}

// found counts a request whose key is known already; err tells that it was another request.
func (m *metrics) found(err error) {
	if err != nil {
		m.keys.WithLabelValues(keyReused).Inc()
		return
	}
	m.keys.WithLabelValues(keyReplayed).Inc()
}

// ran counts a run that this process has ended. One that was never begun took no time.
func (m *metrics) ran(run domain.Run, items int) {
	kind, status := string(run.Kind), string(run.Status)
	m.runs.WithLabelValues(kind, status).Inc()
	if run.StartedAt != nil && run.FinishedAt != nil {
		m.runDurations.WithLabelValues(kind, status).Observe(max(run.FinishedAt.Sub(*run.StartedAt).Seconds(), 0))
	}
	if run.Status == domain.RunSucceeded {
		m.runItems.WithLabelValues(kind).Observe(float64(items))
	}
}
