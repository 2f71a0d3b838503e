package httpapi

import (
	"context"
	"errors"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/api"
)

func TestService(t *testing.T) {
	down := errors.New("connect: connection refused 10.0.0.7")
	var failing error
	registry := prometheus.NewRegistry()
	f := newFrame(t, func(o *Options) {
		o.Registry = registry
		o.Ready = func(context.Context) []Check {
			database := Check{Name: "database"}
			if failing != nil {
				database.Says, database.Cause = "the database does not answer.", failing
			}
			return []Check{{Name: "process"}, database}
		}
	})
	anybody := func(path string) answer { return f.send(http.MethodGet, path, "", nil) }

	t.Run("health", func(t *testing.T) {
		assert.JSONEq(t, `{"status":"ok"}`, anybody("/healthz").text)
	})
	t.Run("readiness, which check fails, and why for the log alone", func(t *testing.T) {
		assert.JSONEq(t, `{"status":"ready","checks":["process","database"]}`, anybody("/readyz").text)
		failing = down
		got := anybody("/readyz")
		assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		problem := got.problem(t)
		assert.Equal(t, "not_ready", problem.Code)
		assert.Equal(t, []any{"database"}, problem.Params["failed_checks"])
		assert.Equal(t, "This instance does not take requests just now: the database does not answer.", problem.Detail)
		assert.Equal(t, "1", got.Header.Get("Retry-After"))
		assert.NotContains(t, got.text, "10.0.0.7")
		assert.Contains(t, f.log.text.String(), "10.0.0.7")
	})
	t.Run("metrics count by operation and status, and name nobody", func(t *testing.T) {
		f.get("/v1/me")
		anybody("/v1/me")
		anybody("/v1/made-up-path")
		got := anybody("/metrics")
		assert.Contains(t, got.Header.Get("Content-Type"), "text/plain")
		assert.Contains(t, got.text, `http_requests_total{operation="getMe",status="200"} 1`)
		assert.Contains(t, got.text, `http_requests_total{operation="getMe",status="401"} 1`)
		assert.Contains(t, got.text, `http_requests_total{operation="none",status="404"} 1`)
		assert.Contains(t, got.text, `http_request_duration_seconds_bucket{operation="getMe",le="+Inf"} 2`)
		assert.NotContains(t, got.text, "made-up")
	})
	t.Run("two surfaces on one registry count together", func(t *testing.T) {
		assert.NotPanics(t, func() { newFrame(t, func(o *Options) { o.Registry = registry }) })
	})
	t.Run("an unknown parameter is refused here too", func(t *testing.T) {
		assert.Equal(t, "unknown_parameter", anybody("/healthz?x=1").problem(t).Code)
	})
	t.Run("the contract", func(t *testing.T) {
		got := anybody("/openapi.json")
		assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
		served, err := openapi3.NewLoader().LoadFromData([]byte(got.text))
		require.NoError(t, err)
		generated, err := api.GetSpec()
		require.NoError(t, err)
		assert.JSONEq(t, asJSON(t, generated), asJSON(t, served))
		got = anybody("/openapi.yaml")
		assert.Equal(t, "application/yaml", got.Header.Get("Content-Type"))
		file, err := os.ReadFile("../../openapi.yaml")
		require.NoError(t, err)
		assert.Equal(t, string(file), got.text)
	})
	t.Run("the contract as JSON is in the order in which it is written", func(t *testing.T) {
		got := anybody("/openapi.json").text
		at := 0
		for _, name := range []string{"openapi", "info", "paths", "components", "RunUndoRequestPreview", "RunUndoRequestReason"} {
			further := strings.Index(got[at:], `"`+name+`":`)
			require.GreaterOrEqual(t, further, 0, name)
			at += further
		}
	})
	t.Run("HEAD answers as GET, without the body", func(t *testing.T) {
		failing = nil
		for path := range headToo {
			get, head := anybody(path), f.send(http.MethodHead, path, "", nil)
			assert.Equal(t, get.StatusCode, head.StatusCode, path)
			assert.Equal(t, get.Header.Get("Content-Type"), head.Header.Get("Content-Type"), path)
			assert.Equal(t, get.Header.Get("Content-Length"), head.Header.Get("Content-Length"), path)
			assert.Equal(t, get.Header.Get("Content-Security-Policy"), head.Header.Get("Content-Security-Policy"), path)
			assert.Empty(t, head.text, path)
		}
		assert.Equal(t, http.StatusMethodNotAllowed, f.send(http.MethodHead, "/v1/me", "", nil).StatusCode)
	})
}

func asJSON(t *testing.T, spec *openapi3.T) string {
	t.Helper()
	text, err := spec.MarshalJSON()
	require.NoError(t, err)
	return string(text)
}

var source = regexp.MustCompile(`(?:src|href)="([^"]+)"`)

func TestDocs(t *testing.T) {
	f := newFrame(t)
	t.Run("the page has everything it needs from here", func(t *testing.T) {
		got := f.send(http.MethodGet, "/docs", "", nil)
		require.Equal(t, http.StatusOK, got.StatusCode)
		assert.Contains(t, got.Header.Get("Content-Type"), "text/html")
		assert.Contains(t, got.text, "/openapi.json")
		policy := got.Header.Get("Content-Security-Policy")
		assert.Contains(t, policy, "script-src 'self' 'sha256-")
		assert.NotContains(t, policy, "http")
		assert.NotContains(t, policy, "unsafe-eval")
		needed := source.FindAllStringSubmatch(got.text, -1)
		assert.Len(t, needed, len(docsAssets))
		for _, reference := range needed {
			assert.True(t, strings.HasPrefix(reference[1], "/docs/"), reference[1])
			asset := f.send(http.MethodGet, reference[1], "", nil)
			assert.Equal(t, http.StatusOK, asset.StatusCode, reference[1])
			assert.NotEmpty(t, asset.text)
			assert.Equal(t, "public, max-age=3600", asset.Header.Get("Cache-Control"))
		}
	})
	t.Run("the type of every problem leads to its explanation", func(t *testing.T) {
		got := f.send(http.MethodGet, "/docs/problems", "", nil)
		require.Equal(t, http.StatusOK, got.StatusCode)
		for _, known := range problemKinds {
			assert.Contains(t, got.text, `<section id="`+string(known.code)+`">`)
			assert.Contains(t, got.text, known.title)
		}
		assert.NotContains(t, got.text, "`")
	})
}
