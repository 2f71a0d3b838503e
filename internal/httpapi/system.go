package httpapi

import (
	"bytes"
	"context"
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

// GetReadiness tells whether requests are taken. Why they are not is for the log.
func (h *handlers) GetReadiness(ctx context.Context, _ api.GetReadinessRequestObject) (api.GetReadinessResponseObject, error) {
	if err := h.options.Ready(ctx); err != nil {
		refusal := domain.Refuse(domain.CodeNotReady, "This instance does not take requests just now.")
		refusal.RetryAfter = notReadyRetry
		return nil, fmt.Errorf("%w: %w", refusal, err)
	}
	return api.GetReadiness200JSONResponse{Status: "ready"}, nil
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
func (h *handlers) GetMetrics(context.Context, api.GetMetricsRequestObject) (api.GetMetricsResponseObject, error) {
	families, err := h.options.Registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("gather metrics: %w", err)
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	var text bytes.Buffer
	encoder := expfmt.NewEncoder(&text, format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return nil, fmt.Errorf("write metrics: %w", err)
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
