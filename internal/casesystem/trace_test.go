package casesystem

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"handover/internal/casesim"
)

// Each attempt at a call is a span, which names neither the client nor the credential; the case system is told of the trace, and of
// none where there is none.
func TestCallsAreSpans(t *testing.T) {
	t.Parallel()
	simulator := casesim.New(casesim.Options{Token: secretToken})
	defer simulator.Close()
	var told []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		told = append(told, request.Header.Get("traceparent"))
		simulator.ServeHTTP(w, request)
	}))
	defer server.Close()
	system, _, _ := simulated(t, func(o *Options) { o.URL = server.URL })
	if _, err := system.Client(t.Context(), "CL-000001"); err != nil {
		t.Fatal(err)
	}
	exporter := tracetest.NewInMemoryExporter()
	ctx, root := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)).Tracer("test").Start(t.Context(), "root")
	simulator.Break(casesim.Fault{Kind: casesim.FaultError, Times: 1})
	if _, err := system.Client(ctx, "CL-000001"); err != nil {
		t.Fatal(err)
	}
	ended := exporter.GetSpans()
	if len(ended) != 2 || len(told) != 3 || told[0] != "" {
		t.Fatalf("got %d spans, and told %q", len(ended), told)
	}
	for i, span := range ended {
		if span.Name != "GET client" || span.Parent.SpanID() != root.SpanContext().SpanID() || !strings.Contains(told[i+1], span.SpanContext.TraceID().String()+"-"+span.SpanContext.SpanID().String()) {
			t.Errorf("got span %s, and told %s", span.Name, told[i+1])
		}
	}
	if ended[0].Status.Code.String() != "Error" || ended[1].Status.Code.String() != "Unset" {
		t.Errorf("got %v and %v", ended[0].Status, ended[1].Status)
	}
	text, err := json.Marshal(ended)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"CL-000001", secretToken} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s is in a span", secret)
		}
	}
}
