package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// result is a row of the table.
type result struct {
	Work    string  `json:"work"`
	What    string  `json:"what"`
	Against string  `json:"against"`
	Unit    string  `json:"unit"`
	Service float64 `json:"service"`
	Floor   float64 `json:"floor"`
	Ratio   float64 `json:"ratio"`
	// Spread of the service and of the floor: half of what lies between the quartiles, as a part of the median.
	ServiceSpread float64 `json:"service_spread"`
	FloorSpread   float64 `json:"floor_spread"`
	Rounds        int     `json:"rounds"`
	// AtMost and AtLeast bound the ratio; zero: they do not.
	AtMost  float64 `json:"at_most,omitempty"`
	AtLeast float64 `json:"at_least,omitempty"`
	Verdict string  `json:"verdict"`
}

// judged tells whether the row is within its limit.
func (r result) judged() result {
	switch {
	case r.AtMost == 0 && r.AtLeast == 0:
		r.Verdict = "-"
	case r.AtMost > 0 && r.Ratio > r.AtMost, r.AtLeast > 0 && r.Ratio < r.AtLeast:
		r.Verdict = "short"
	default:
		r.Verdict = "ok"
	}
	return r
}

func (r result) limit() string {
	switch {
	case r.AtMost > 0:
		return fmt.Sprintf("<= %.4g", r.AtMost)
	case r.AtLeast > 0:
		return fmt.Sprintf(">= %.4g", r.AtLeast)
	}
	return ""
}

func (b *bench) add(r result) {
	r = r.judged()
	b.results = append(b.results, r)
	b.say("%s  %s against %s: %s", r.Work, r.What, r.Against, r.line("  "))
}

// line is what was measured, its parts separated.
func (r result) line(separator string) string {
	parts := []string{figure(r.Service, r.Unit), figure(r.Floor, r.Unit), fmt.Sprintf("%.2f", r.Ratio), r.limit(), r.Verdict}
	if r.Rounds > 0 {
		parts = append(parts, fmt.Sprintf("±%.0f%% ±%.0f%% of %d", 100*r.ServiceSpread, 100*r.FloorSpread, r.Rounds))
	} else {
		parts = append(parts, "")
	}
	return strings.Join(parts, separator)
}

func figure(value float64, unit string) string {
	if value >= 100 {
		return fmt.Sprintf("%.0f %s", value, unit)
	}
	return fmt.Sprintf("%.3g %s", value, unit)
}

// addDurations compares how long two sides took.
func (b *bench) addDurations(work, what, against string, service, floor series, atMost float64) {
	b.add(result{
		Work: work, What: what, Against: against, Unit: "ms",
		Service: milliseconds(service.median()), Floor: milliseconds(floor.median()),
		Ratio:         float64(service.median()) / float64(floor.median()),
		ServiceSpread: service.spread(), FloorSpread: floor.spread(), Rounds: len(service), AtMost: atMost,
	})
}

// addThroughputs compares how many requests a second two sides answered, given how long one request took of the whole.
func (b *bench) addThroughputs(work, what, against string, service, floor series, atLeast float64) {
	b.add(result{
		Work: work, What: what, Against: against, Unit: "/s",
		Service: perSecond(service.median()), Floor: perSecond(floor.median()),
		Ratio:         float64(floor.median()) / float64(service.median()),
		ServiceSpread: service.spread(), FloorSpread: floor.spread(), Rounds: len(service), AtLeast: atLeast,
	})
}

// addBound holds one figure against a bound.
func (b *bench) addBound(work, what, unit string, value, bound float64) {
	b.add(result{Work: work, What: what, Against: "the bound", Unit: unit, Service: value, Floor: bound, Ratio: value / bound, AtMost: 1})
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func perSecond(d time.Duration) float64 { return float64(time.Second) / float64(d) }

func printTable(to io.Writer, results []result) {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\twork\tagainst\tservice\tfloor\tratio\tlimit\t\tspread, rounds")
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.Work, r.What, r.Against, r.line("\t"))
	}
	_ = table.Flush() // to the terminal
}

func writeResults(path string, b *bench) error {
	text, err := json.MarshalIndent(map[string]any{
		"measured_at": b.begun.UTC().Format(time.RFC3339), "scale": b.scale, "rounds": b.rounds,
		"go": runtime.Version(), "cpus": runtime.NumCPU(), "postgresql": b.world.version, "results": b.results,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}
