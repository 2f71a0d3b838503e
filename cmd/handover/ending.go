package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"handover/internal/worker"
)

// endingFlags say how a process comes to its end.
type endingFlags struct {
	DrainTimeout time.Duration `help:"How long requests and jobs under way may take to finish after SIGTERM; then they are broken off." env:"HANDOVER_DRAIN_TIMEOUT" default:"25s"`
}

// drainFlags are those of a process that takes requests.
type drainFlags struct {
	endingFlags
	DrainDelay time.Duration `help:"How long after SIGTERM requests are still taken, while /readyz says that the end has begun: as long as a balancer takes to learn it. Part of the time that there is to finish." env:"HANDOVER_DRAIN_DELAY" default:"5s"`
}

func (f drainFlags) checkDrain() error {
	if f.DrainDelay < 0 || f.DrainTimeout <= f.DrainDelay {
		return fmt.Errorf("the delay after SIGTERM (HANDOVER_DRAIN_DELAY, %s) has to be shorter than the time there is to finish (HANDOVER_DRAIN_TIMEOUT, %s)",
			f.DrainDelay, f.DrainTimeout)
	}
	return nil
}

// signalled is the signal that ended the context of a command.
type signalled struct{ os.Signal }

func (s signalled) Error() string { return s.String() }

// untilSignalled is a context that ends with the first signal to end; a second one ends the process at once.
func untilSignalled() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		cause := <-signals
		signal.Stop(signals)
		cancel(signalled{cause})
	}()
	return ctx
}

// byHand tells whether somebody at a terminal ended the command (Ctrl-C). They do not want to wait for a balancer.
func byHand(ctx context.Context) bool {
	var cause signalled
	return errors.As(context.Cause(ctx), &cause) && cause.Signal == os.Interrupt
}

// end finishes what is under way and takes nothing new. Where the end was asked for, requests are taken for a little longer. lost tells
// that something failed without which they cannot be.
func (f drainFlags) end(ctx context.Context, log *slog.Logger, server *http.Server, background *worker.Worker, lost <-chan error) (failure error) {
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.DrainTimeout)
	defer cancel()
	jobs := make(chan error, 1)
	go func() { jobs <- stopJobs(ending, background) }()
	if ctx.Err() != nil && !byHand(ctx) {
		select {
		case failure = <-lost:
		case <-time.After(f.DrainDelay):
		}
	}
	if err := server.Shutdown(ending); err != nil {
		log.WarnContext(ctx, "requests were broken off", "error", err)
	}
	if err := <-jobs; err != nil {
		log.WarnContext(ctx, "jobs were broken off; another worker takes them over", "error", err)
	}
	return failure
}

func stopJobs(ending context.Context, background *worker.Worker) error {
	if background == nil {
		return nil
	}
	return background.Stop(ending)
}
