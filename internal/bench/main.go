// Command bench measures the service against floors: the same work written by hand, in this program's own code, on the
// same database in the same run. It starts a PostgreSQL of its own with default settings, seeds two organizations,
// runs the real service over real HTTP, takes both sides in turns, and prints a table of medians. `make bench` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

type options struct {
	only         []string
	rounds       int
	scale        float64
	keep         string
	out          string
	profiles     string
	searchPeople int
	settings     map[string]string
}

// work is one measurement.
type work struct {
	name string
	take func(context.Context, *bench) error
}

// works are the measurements there are, in the order they are taken.
var works = []work{
	{"W1", measureChanges},
	{"W2", measureHandovers},
	{"W3", measureSingles},
	{"W4", measureList},
	{"W5", measureSummary},
	{"W6", measureSearch},
	{"W7", measureReport},
	{"memory", measureMemory},
}

func main() {
	chosen, err := readOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err = measure(ctx, chosen)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: could not measure: %v\n", err)
		os.Exit(1)
	}
}

func readOptions(arguments []string) (options, error) {
	chosen := options{settings: map[string]string{}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "measure these alone, separated by commas: W1,W2,W3,W4,W5,W6,W7,memory")
	flags.IntVar(&chosen.rounds, "rounds", 7, "how many rounds of each pair are measured, after one to warm up")
	flags.Float64Var(&chosen.scale, "scale", 1, "the size of the caseload; 0.1 for a quick look")
	flags.StringVar(&chosen.keep, "keep", "", "keep the database in this folder, and use the one that is there")
	flags.StringVar(&chosen.out, "out", "bench.json", "where the results go as JSON")
	flags.StringVar(&chosen.profiles, "profiles", "", "write a CPU profile of each measurement to this folder")
	flags.IntVar(&chosen.searchPeople, "search-people", 0, "seed so many further people and measure the search among them (W6): 1000000")
	flags.Func("set", "a setting of PostgreSQL other than its default, as name=value", func(text string) error {
		name, value, found := strings.Cut(text, "=")
		if !found {
			return errors.New("give it as name=value")
		}
		chosen.settings[name] = value
		return nil
	})
	if err := flags.Parse(arguments); err != nil {
		return chosen, err
	}
	if *only != "" {
		chosen.only = strings.Split(*only, ",")
	}
	for _, name := range chosen.only {
		if !slices.ContainsFunc(works, func(w work) bool { return w.name == name }) {
			return chosen, fmt.Errorf("there is no measurement %q", name)
		}
	}
	if chosen.rounds < 1 || chosen.scale <= 0 || chosen.scale > 10 {
		return chosen, errors.New("rounds must be at least 1, and scale between 0 and 10")
	}
	return chosen, nil
}

func (o options) wants(name string) bool { return len(o.only) == 0 || slices.Contains(o.only, name) }

// bench is what the measurements work with.
type bench struct {
	options
	database *database
	service  *service
	world    world
	results  []result
	progress io.Writer
	begun    time.Time
}

func measure(ctx context.Context, chosen options) (err error) {
	b := &bench{options: chosen, progress: os.Stderr, begun: time.Now()}
	if b.database, err = startDatabase(ctx, chosen); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.database.stop()) }()
	if b.world, err = seed(ctx, b); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if b.service, err = startService(ctx, b.database.url, b.world); err != nil {
		return fmt.Errorf("start the service: %w", err)
	}
	defer func() { err = errors.Join(err, b.service.stop()) }()
	for _, work := range works {
		if !chosen.wants(work.name) {
			continue
		}
		b.say("%s", work.name)
		if err := b.profiled(work.name, func() error { return work.take(ctx, b) }); err != nil {
			return fmt.Errorf("%s: %w", work.name, err)
		}
	}
	printTable(os.Stdout, b.results)
	return writeResults(chosen.out, b)
}

// say tells what is being done, and since when.
func (b *bench) say(format string, values ...any) {
	fmt.Fprintf(b.progress, "%6.1fs  %s\n", time.Since(b.begun).Seconds(), fmt.Sprintf(format, values...))
}
