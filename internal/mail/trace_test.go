package mail_test

import (
	"encoding/json"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"handover/internal/testmail"
)

// A mail that is handed over is a span, in which nobody is named, whatever became of it.
func TestMailsAreSpans(t *testing.T) {
	t.Parallel()
	exporter := tracetest.NewInMemoryExporter()
	ctx, root := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)).Tracer("test").Start(t.Context(), "root")
	server := testmail.Start(t, testmail.Config{})
	var handed bool
	if err := mailerTo(t, server, "somebody:canary-password@", plain).Send(ctx, mailTo("jonas@firm.example"), commit(&handed)); err == nil {
		t.Error("a server without AUTH let somebody sign in")
	}
	if err := mailerTo(t, server, "", plain).Send(ctx, mailTo("jonas@firm.example"), commit(&handed)); err != nil {
		t.Fatal(err)
	}
	ended := exporter.GetSpans()
	if len(ended) != 2 || ended[0].Status.Code.String() != "Error" || ended[1].Status.Code.String() != "Unset" || ended[1].Name != "SMTP send" || ended[1].Parent.SpanID() != root.SpanContext().SpanID() {
		t.Fatalf("got %v", ended)
	}
	text, err := json.Marshal(ended)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"canary-password", "jonas", "Weber", "Brandt"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s is in a span", secret)
		}
	}
}
