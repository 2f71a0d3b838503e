package domain_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets properties draw 3,000 examples each, a fraction of a second, unless the command line says otherwise.
func TestMain(m *testing.M) {
	flag.Parse()
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := flag.Set("rapid.checks", "3000"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
