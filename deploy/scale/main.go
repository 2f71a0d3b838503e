// Command scale really runs the service as many processes, under load, while parts of it are killed and replaced: a primary and a
// streaming replica, PgBouncer, two APIs, two workers and nginx, each on a free port of the loopback interface, with the configuration that
// docker-compose.yml uses. Afterwards it looks whether anything that was acknowledged is lost, and whether any answer was wrong.
//
//	make scale
//	make scale SCALE_FLAGS='-trouble 5m -quiet 30s'
//
// It ends with 1 where something was lost or wrong.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

type options struct {
	binary  string
	quiet   time.Duration
	trouble time.Duration
	people  int
	keep    bool
}

func main() {
	var chosen options
	flag.StringVar(&chosen.binary, "binary", "bin/handover", "the service")
	flag.DurationVar(&chosen.quiet, "quiet", 15*time.Second, "how long load alone is measured, before")
	flag.DurationVar(&chosen.trouble, "trouble", 2*time.Minute, "how long parts are killed")
	flag.IntVar(&chosen.people, "people", 400, "how many people each organization has")
	flag.BoolVar(&chosen.keep, "keep", false, "keep the folder with the logs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	good, err := run(ctx, chosen)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		good = false
	}
	if !good {
		os.Exit(1)
	}
}

// run runs everything, and tells whether all was as it must be.
func run(ctx context.Context, chosen options) (good bool, err error) {
	binary, err := filepath.Abs(chosen.binary)
	if err != nil {
		return false, err
	}
	folder, err := os.MkdirTemp("", "handover-scale-*")
	if err != nil {
		return false, err
	}
	defer func() {
		if chosen.keep || !good {
			say("the logs are in %s", folder)
			return
		}
		_ = os.RemoveAll(folder)
	}()
	if err := os.Chmod(folder, 0o711); err != nil { //nolint:gosec // PostgreSQL and PgBouncer run as others, who pass through
		return false, err
	}
	fleet, err := startFleet(ctx, folder, binary)
	if err != nil {
		return false, err
	}
	defer fleet.stop()
	say("nginx %s: two APIs, two workers, PgBouncer, a primary and its replica", fleet.balancer.URL)
	load, err := newLoad(ctx, fleet, chosen.people)
	if err != nil {
		return false, err
	}
	load.begin(ctx)
	load.phase(ctx, "load alone", func(ctx context.Context) { wait(ctx, chosen.quiet) })
	load.phase(ctx, "parts are killed", func(ctx context.Context) { fleet.trouble(ctx, chosen.trouble) })
	rolling := load.phase(ctx, "rolling restart", func(ctx context.Context) { fleet.rollingRestart(ctx) })
	load.end()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	wrong := load.check(ctx)
	if failed := rolling.again; failed > 0 {
		wrong = append(wrong, fmt.Sprintf("%d requests failed while all processes were replaced in order", failed))
	}
	if len(fleet.failures) > 0 {
		wrong = append(wrong, fleet.failures...)
	}
	for _, line := range wrong {
		say("WRONG: %s", line)
	}
	if len(wrong) == 0 {
		say("nothing that was acknowledged is lost, and no answer was wrong")
	}
	return len(wrong) == 0, nil
}

// say prints a line.
func say(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stdout, format+"\n", args...) // to whoever started it
}

func wait(ctx context.Context, period time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(period):
	}
}
