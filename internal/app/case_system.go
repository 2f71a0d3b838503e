package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"handover/internal/domain"
)

// CaseSystem is what stands before CaMS and Common Assessment. It is only read, and never within a transaction.
type CaseSystem interface {
	// Assessment reads a Common Assessment as it is now.
	Assessment(ctx context.Context, number string) (domain.Assessment, error)
	// Client reads a client of CaMS as they are now.
	Client(ctx context.Context, reference string) (domain.CaMSRecord, error)
	// Changes reads what has changed since a cursor; empty: since the beginning. ErrCursorGone tells that it is to be read
	// from the beginning.
	Changes(ctx context.Context, after string) (domain.CaMSChanges, error)
}

// What a case system cannot tell, and why.
var (
	ErrCaseUnknown      = errors.New("the case system does not know it")
	ErrCaseSystemDown   = errors.New("the case system does not answer")
	ErrCaseSystemBroken = errors.New("the case system does not answer as its contract has it")
	ErrCursorGone       = errors.New("the case system does not know the cursor any more")

	errNoCaseSystem = errors.New("no case system is configured")
)

// WebhookCheck tells whether a message of the case system is its own, from the headers webhook-id, webhook-timestamp and
// webhook-signature and the body as it arrived.
type WebhookCheck func(id, timestamp, signature string, body []byte) error

// caseSystems is the case system of an installation.
type caseSystems struct {
	system  CaseSystem   // nil: none is configured
	webhook WebhookCheck // nil: messages are not taken
}

// ConnectCaseSystem tells the app, before it is used, which case system to read, and how its messages are known; nil where it
// sends none.
func (a *App) ConnectCaseSystem(system CaseSystem, webhook WebhookCheck) {
	a.cases = caseSystems{system: system, webhook: webhook}
}

// FollowsCaMS tells whether there is a case system to read.
func (a *App) FollowsCaMS() bool { return a.cases.system != nil }

// caseSystemRetry is after how long a case system that does not answer may be asked again.
const caseSystemRetry = 30 * time.Second

// caseSystemRefusal is why nothing could be read from the case system, for who asked. What is not known is for the caller to judge.
func caseSystemRefusal(err error) error {
	var refusal *domain.Error
	switch {
	case errors.Is(err, errNoCaseSystem):
		refusal = domain.Refuse(domain.CodeCaseSystemUnavailable, "No case system is configured for this installation. Whoever runs it sets HANDOVER_CASE_SYSTEM_URL.")
	case errors.Is(err, ErrCaseSystemDown):
		refusal = domain.Refuse(domain.CodeCaseSystemUnavailable, "The case system does not answer just now. Nothing was changed; try again shortly.")
	case errors.Is(err, ErrCaseSystemBroken):
		refusal = domain.Refuse(domain.CodeCaseSystemUnavailable, "The case system does not answer as agreed. Nothing was changed; whoever runs this service finds the cause in its log.")
	default:
		return err
	}
	refusal.RetryAfter = caseSystemRetry
	return fmt.Errorf("%w (%w)", refusal, err)
}

// askAssessment reads an assessment; ErrCaseUnknown where there is none.
func (a *App) askAssessment(ctx context.Context, number string) (domain.Assessment, error) {
	if !a.FollowsCaMS() {
		return domain.Assessment{}, caseSystemRefusal(errNoCaseSystem)
	}
	assessment, err := a.cases.system.Assessment(ctx, number)
	return assessment, caseSystemRefusal(err)
}

// askClient reads a record of CaMS; ErrCaseUnknown where there is none.
func (a *App) askClient(ctx context.Context, reference string) (domain.CaMSRecord, error) {
	if !a.FollowsCaMS() {
		return domain.CaMSRecord{}, caseSystemRefusal(errNoCaseSystem)
	}
	record, err := a.cases.system.Client(ctx, reference)
	return record, caseSystemRefusal(err)
}
