package httpapi

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count requests. Their labels are names of operations and statuses: no ids, no paths that a caller makes up.
type metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	inFlight  prometheus.Gauge
}

func newMetrics(registry *prometheus.Registry) *metrics {
	return &metrics{
		requests: registered(registry, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests answered, by operation and status.",
		}, []string{"operation", "status"})),
		durations: registered(registry, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "How long requests took, by operation.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"operation"})),
		inFlight: registered(registry, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_requests_in_flight", Help: "Requests that are being answered, streams among them.",
		})),
	}
}

// registered adds a metric to a registry, or finds it there: two surfaces of one process count together.
func registered[C prometheus.Collector](registry *prometheus.Registry, collector C) C {
	var already prometheus.AlreadyRegisteredError
	if errors.As(registry.Register(collector), &already) {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing
		}
	}
	return collector
}

func (m *metrics) count(operation string, status int, duration time.Duration) {
	m.requests.WithLabelValues(operation, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(operation).Observe(duration.Seconds())
}
