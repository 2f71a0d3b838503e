// Command casesim is a simulator of a case system, CaMS and Common Assessment, as docs/case-system.openapi.yaml has it. It is
// for trying Handover out, for tests, and for who writes an adapter.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"handover/internal/casesim"
)

type commandLine struct {
	Addr          string `help:"The address to listen on." default:"127.0.0.1:8090"`
	Token         string `help:"The credential that callers give." default:"${token}"`
	Clients       int    `help:"How many clients CaMS has." default:"200"`
	Assessments   int    `help:"How many assessments there are." default:"60"`
	WebhookURL    string `help:"Where it tells of changes: /v1/webhooks/cams of Handover." placeholder:"URL"`
	WebhookSecret string `help:"The secret that messages are signed with, whsec_…" placeholder:"SECRET"`
	UntilEOF      bool   `name:"until-eof" help:"End with standard input, and so with whoever started it."`
}

func main() {
	var line commandLine
	kong.Parse(&line, kong.Name("casesim"), kong.Vars{"token": casesim.DefaultToken},
		kong.Description("Simulates a case system (CaMS and Common Assessment) for Handover. docs/operations.md tells how it is told to change and to fail."))
	if err := run(line); err != nil {
		fmt.Fprintf(os.Stderr, "casesim: %v\n", err)
		os.Exit(1)
	}
}

func run(line commandLine) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server, err := casesim.Start(ctx, line.Addr, casesim.Options{
		Token: line.Token, Clients: line.Clients, Assessments: line.Assessments,
		Webhook: casesim.Webhook{URL: line.WebhookURL, Secret: line.WebhookSecret},
	})
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, server.Stop)
	if line.UntilEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	fmt.Printf("%s\n\nHandover reads it with\n  HANDOVER_CASE_SYSTEM_URL=%s HANDOVER_CASE_SYSTEM_TOKEN=%s\n", server.URL, server.URL, line.Token)
	return server.Wait()
}
