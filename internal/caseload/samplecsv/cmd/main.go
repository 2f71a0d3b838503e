// Command cmd writes sample files for an import: go run ./internal/caseload/samplecsv/cmd DIR --people 100000
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"handover/internal/caseload/samplecsv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("samplecsv", flag.ContinueOnError)
	people := flags.Int("people", 1000, "how many people")
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return errors.New("usage: DIR [--people N]")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // sample data is nobody's secret
		return err
	}
	return samplecsv.Write(args[0], samplecsv.Default(*people))
}
