package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/expfmt"

	"handover"
	"handover/api"
	"handover/internal/domain"
)

// GetHealth tells that the process is alive.
func (h *handlers) GetHealth(context.Context, api.GetHealthRequestObject) (api.GetHealthResponseObject, error) {
	return api.GetHealth200JSONResponse{Status: "ok"}, nil
}

// notReadyRetry is when to ask again whether requests are taken.
const notReadyRetry = time.Second

// Check is one thing that taking requests depends on.
type Check struct {
	Name  string
	Says  string // what is wrong, for anybody to read; empty: nothing is
	Cause error  // why, for the log
}

// ready judges the checks: of those that fail, the first says why no requests are taken. Their causes are for the log.
func ready(checks []Check) error {
	var failed []string
	var says string
	var causes []error
	for _, check := range checks {
		if check.Says == "" {
			continue
		}
		if says == "" {
			says = check.Says
		}
		failed = append(failed, check.Name)
		causes = append(causes, check.Cause)
	}
	if failed == nil {
		return nil
	}
	refusal := domain.Refuse(domain.CodeNotReady, "This instance does not take requests just now: %s", says).With("failed_checks", failed)
	refusal.RetryAfter = notReadyRetry
	return errors.Join(append([]error{refusal}, causes...)...)
}

// GetReadiness tells whether requests are taken, and which check failed where they are not.
func (h *handlers) GetReadiness(ctx context.Context, _ api.GetReadinessRequestObject) (api.GetReadinessResponseObject, error) {
	checks := h.options.Ready(ctx)
	if err := ready(checks); err != nil {
		return nil, err
	}
	return api.GetReadiness200JSONResponse(readinessOf(checks)), nil
}

func readinessOf(checks []Check) api.Readiness {
	return api.Readiness{Status: "ready", Checks: all(checks, func(check Check) string { return check.Name })}
}

// document is an answer whose bytes are there already.
type document struct {
	contentType string
	bytes       []byte
}

func (d document) write(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", d.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(d.bytes)))
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(d.bytes)
	return err
}

// VisitGetMetricsResponse writes the metrics.
func (d document) VisitGetMetricsResponse(w http.ResponseWriter) error { return d.write(w) }

// VisitGetOpenapiJSONResponse writes the contract as JSON.
func (d document) VisitGetOpenapiJSONResponse(w http.ResponseWriter) error { return d.write(w) }

// VisitGetOpenapiYAMLResponse writes the contract as YAML.
func (d document) VisitGetOpenapiYAMLResponse(w http.ResponseWriter) error { return d.write(w) }

// GetMetrics gathers the metrics, in the text format of Prometheus.
func (h *handlers) GetMetrics(ctx context.Context, _ api.GetMetricsRequestObject) (api.GetMetricsResponseObject, error) {
	text, err := h.metricsText(ctx)
	if err != nil {
		return nil, err
	}
	return text, nil
}

func (h *handlers) metricsText(ctx context.Context) (document, error) {
	families, err := h.options.Registry.Gather()
	if err != nil {
		// What cannot be told must not hide the rest.
		h.options.Log.WarnContext(ctx, "some metrics could not be gathered", "error", err)
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	var text bytes.Buffer
	encoder := expfmt.NewEncoder(&text, format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return document{}, fmt.Errorf("write metrics: %w", err)
		}
	}
	return document{string(format), text.Bytes()}, nil
}

// GetOpenapiJSON gives the contract as JSON.
func (h *handlers) GetOpenapiJSON(context.Context, api.GetOpenapiJSONRequestObject) (api.GetOpenapiJSONResponseObject, error) {
	text, err := h.contract.json()
	if err != nil {
		return nil, fmt.Errorf("write the contract as JSON: %w", err)
	}
	return document{mediaTypeJSON, text}, nil
}

// GetOpenapiYAML gives the contract as it was written.
func (h *handlers) GetOpenapiYAML(context.Context, api.GetOpenapiYAMLRequestObject) (api.GetOpenapiYAMLResponseObject, error) {
	return document{"application/yaml", handover.OpenAPI}, nil
}
