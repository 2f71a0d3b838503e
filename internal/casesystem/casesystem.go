// Package casesystem reads the case systems, CaMS and Common Assessment, over HTTP, as docs/case-system.openapi.yaml has
// it. It only ever asks the one host that it was configured with.
package casesystem

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"handover/internal/app"
	"handover/internal/domain"
	"handover/internal/outbound"
)

// Options say where the case system is and how it is asked.
type Options struct {
	URL     string // the base, such as https://cases.example.org/api
	Token   string // the credential; never logged
	Private bool   // its name may lead to an address of a private network
	Log     *slog.Logger

	Timeout time.Duration // of a call; zero: 5 s
	Pause   time.Duration // before a call is tried again, growing; zero: 200 ms
	Rest    time.Duration // how long nothing is asked after failures in a row; zero: 30 s
}

const (
	usualTimeout = 5 * time.Second
	usualPause   = 200 * time.Millisecond
	usualRest    = 30 * time.Second
	attempts     = 3
	// failuresInARow is after how many of them nothing is asked for a while.
	failuresInARow = 5
	// maxAnswer is how many bytes an answer may have.
	maxAnswer = 4 << 20
	// changesAtOnce is how many changes are asked for in one call.
	changesAtOnce = 1000
)

// System is a case system. It is an app.CaseSystem, and a prometheus.Collector that tells how it goes.
type System struct {
	options Options
	base    *url.URL
	http    *http.Client
	breaker *gobreaker.CircuitBreaker[[]byte]
	metrics *metrics
}

var (
	_ app.CaseSystem       = (*System)(nil)
	_ prometheus.Collector = (*System)(nil)
)

// New makes the adapter. Nothing is asked yet.
func New(options Options) (*System, error) {
	base, err := readURL(options)
	if err != nil {
		return nil, err
	}
	if options.Token == "" {
		return nil, errors.New("the case system has a URL and no credential: set HANDOVER_CASE_SYSTEM_TOKEN")
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	options.Timeout = orElse(options.Timeout, usualTimeout)
	options.Pause = orElse(options.Pause, usualPause)
	options.Rest = orElse(options.Rest, usualRest)
	s := &System{options: options, base: base, metrics: newMetrics()}
	s.http = outbound.NewClient(base.Hostname(), options.Private, options.Timeout)
	s.breaker = gobreaker.NewCircuitBreaker[[]byte](gobreaker.Settings{
		Name: "case system", MaxRequests: 1, Timeout: options.Rest,
		ReadyToTrip:   func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= failuresInARow },
		IsSuccessful:  func(err error) bool { return !errors.Is(err, app.ErrCaseSystemDown) },
		IsExcluded:    func(err error) bool { return errors.Is(err, errLeft) },
		OnStateChange: s.circuitTurned,
	})
	return s, nil
}

func orElse(d, usual time.Duration) time.Duration {
	if d == 0 {
		return usual
	}
	return d
}

// readURL reads the base. A credential goes out in clear only within the machine or a network that is said to be private.
func readURL(options Options) (*url.URL, error) {
	base, err := outbound.ReadURL(strings.TrimRight(options.URL, "/"), options.Private)
	switch {
	case errors.Is(err, outbound.ErrClear):
		return nil, errors.New("HANDOVER_CASE_SYSTEM_URL is to begin with https://: the credential would go out in clear (HANDOVER_CASE_SYSTEM_PRIVATE allows it in a network of your own)")
	case err != nil:
		return nil, errors.New("HANDOVER_CASE_SYSTEM_URL is not an address such as https://cases.example.org/api")
	}
	return base, nil
}

// Assessment reads a Common Assessment as it is now.
func (s *System) Assessment(ctx context.Context, number string) (domain.Assessment, error) {
	assessment, err := ask(ctx, s, "assessment", readAssessment, nil, "assessments", number)
	if err == nil && assessment.Number != number {
		return domain.Assessment{}, s.broken(ctx, "assessment", errors.New("it is another assessment"))
	}
	return assessment, err
}

// Client reads a client of CaMS as they are now.
func (s *System) Client(ctx context.Context, reference string) (domain.CaMSRecord, error) {
	record, err := ask(ctx, s, "client", readRecord, nil, "clients", reference)
	if err == nil && record.Reference != reference {
		return domain.CaMSRecord{}, s.broken(ctx, "client", errors.New("it is another client"))
	}
	return record, err
}

// Changes reads what has changed since a cursor; empty: from the beginning.
func (s *System) Changes(ctx context.Context, after string) (domain.CaMSChanges, error) {
	query := url.Values{"limit": {strconv.Itoa(changesAtOnce)}}
	if after != "" {
		query.Set("after", after)
	}
	changes, err := ask(ctx, s, "changes", readChanges, query, "changes")
	if err != nil {
		return domain.CaMSChanges{}, err
	}
	if changes.More && changes.Next == after {
		return domain.CaMSChanges{}, s.broken(ctx, "changes", errors.New("there are more changes at the same cursor"))
	}
	if len(changes.Unfit) > 0 {
		s.options.Log.WarnContext(ctx, "clients of CaMS that do not fit their contract were left as they are here", "references", changes.Unfit)
	}
	return changes, nil
}

// ask makes a call, as often as it takes and makes sense, and reads its answer.
func ask[T any](ctx context.Context, s *System, operation string, read func([]byte) (T, error), query url.Values, path ...string) (answer T, err error) {
	begun := time.Now()
	defer func() { s.metrics.count(operation, err, time.Since(begun)) }()
	target := s.base.JoinPath(path...)
	target.RawQuery = query.Encode()
	text, err := s.insist(ctx, operation, target.String())
	switch {
	case errors.Is(err, app.ErrCaseSystemDown), errors.Is(err, app.ErrCaseSystemBroken):
		s.options.Log.WarnContext(ctx, "the case system could not be read", "call", operation, "error", err)
		return answer, err
	case err != nil:
		return answer, err
	}
	if answer, err = read(text); err != nil {
		return answer, s.broken(ctx, operation, err)
	}
	return answer, nil
}

func (s *System) broken(ctx context.Context, operation string, cause error) error {
	s.options.Log.ErrorContext(ctx, "an answer of the case system is not as their contract has it", "call", operation, "error", cause)
	return fmt.Errorf("%w: %w", app.ErrCaseSystemBroken, cause)
}
