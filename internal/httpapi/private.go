package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/pprof"

	"handover/api"
	"handover/internal/domain"
)

// NewPrivate makes the handler of an address that only machines which watch the service reach: /metrics, /healthz and /readyz, as on
// the public one, and with profiles, /debug/pprof/. A profile shows what is in memory. What was typed to start the process is
// not shown: there may be passwords in it.
func NewPrivate(options Options, profiles bool) http.Handler {
	h := &handlers{options: options.withDefaults()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		text, err := h.metricsText(r.Context())
		if err != nil {
			h.options.Log.ErrorContext(r.Context(), "the metrics could not be written", "error", err)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_ = text.write(w) // who asked has gone
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, mediaTypeJSON, api.Health{Status: "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		checks := h.options.Ready(r.Context())
		var refusal *domain.Error
		if !errors.As(ready(checks), &refusal) {
			writeJSON(w, http.StatusOK, mediaTypeJSON, readinessOf(checks))
			return
		}
		problem := problemOf(refusal)
		problem.Instance, problem.RequestID = r.URL.Path, requestID(r.Header)
		writeJSON(w, problem.Status, "application/problem+json", problem)
	})
	if profiles {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", http.NotFound)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

func writeJSON(w http.ResponseWriter, status int, mediaType string, body any) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked has gone
}
