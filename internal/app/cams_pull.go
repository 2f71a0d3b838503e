package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// CaMSPullJob is the following of all changes of CaMS for one organization, left to a worker.
type CaMSPullJob struct {
	Organization uuid.UUID `json:"organization_id"`
}

// CaMSSyncJob is the following of one record for one organization, left to a worker.
type CaMSSyncJob struct {
	Organization uuid.UUID `json:"organization_id"`
	Reference    string    `json:"reference"`
}

// actionCaMSSynced is what the audit trail calls a change that came from CaMS.
const actionCaMSSynced = "cams_synced"

// QueueCaMSPulls leaves a pull to a worker for each organization that has linked clients, unless one waits or works already.
func (a *App) QueueCaMSPulls(ctx context.Context) error {
	organizations, err := a.store.CaMSOrganizations(ctx)
	if err != nil || len(organizations) == 0 {
		return err
	}
	jobs := make([]CaMSPullJob, len(organizations))
	for i, organization := range organizations {
		jobs[i] = CaMSPullJob{Organization: organization}
	}
	return a.store.InTx(ctx, domain.OrganizationID{}, postgres.Working, func(tx *postgres.Tx) error {
		if err := a.queue.EnqueueCaMSPulls(ctx, tx.Tx.Tx, jobs); err != nil {
			return fmt.Errorf("enqueue pulls: %w", err)
		}
		return nil
	})
}

// PullCaMS follows the changes of CaMS to their end for one organization, page by page: a page and the cursor after it are
// there together or not at all (C4). That the case system cannot be read is noted, and no error: the next pull goes on from the
// same place, and nothing is lost. Two pulls at once do no harm: the one that is behind finds the cursor moved, and leaves off.
func (a *App) PullCaMS(ctx context.Context, job CaMSPullJob) error {
	organization := domain.OrganizationID(job.Organization)
	var cursor string
	err := a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) (err error) {
		cursor, err = tx.CaMSCursor(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for {
		since := a.instant()
		changes, err := a.askChanges(ctx, cursor)
		if err != nil {
			return a.pullFailed(ctx, organization, err)
		}
		overtaken := false
		err = a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
			overtaken, err = a.takeOver(ctx, tx, cursor, changes, since)
			return err
		})
		if err != nil {
			return err
		}
		if overtaken || !changes.More {
			return nil
		}
		cursor = changes.Next
	}
}

// askChanges reads changes, and those since the beginning where the cursor is not known any more: records that are here
// already are passed over by their version.
func (a *App) askChanges(ctx context.Context, cursor string) (domain.CaMSChanges, error) {
	if !a.FollowsCaMS() {
		return domain.CaMSChanges{}, errNoCaseSystem
	}
	changes, err := a.cases.system.Changes(ctx, cursor)
	if errors.Is(err, ErrCursorGone) && cursor != "" {
		a.log.WarnContext(ctx, "the case system does not know the cursor any more: its changes are read from the beginning")
		changes, err = a.cases.system.Changes(ctx, "")
	}
	return changes, err
}

// takeOver applies a page of changes that were read after a cursor. since is when they were read: what is here afterwards is at
// least as new. overtaken tells that somebody else has moved the cursor meanwhile, and nothing was done.
func (a *App) takeOver(ctx context.Context, tx *postgres.Tx, after string, changes domain.CaMSChanges, since time.Time) (overtaken bool, err error) {
	at, err := tx.LockCaMSCursor(ctx)
	if err != nil || at != after {
		return err == nil, err
	}
	if err := a.applyCaMS(ctx, tx, changes.Records, since); err != nil {
		return false, err
	}
	if len(changes.Unfit) > 0 {
		if err := tx.FailCaMSLinks(ctx, changes.Unfit, a.instant(), domain.CodeInvalidValue); err != nil {
			return false, err
		}
	}
	var complete *time.Time
	if !changes.More {
		complete = &since
	}
	return false, tx.MoveCaMSCursor(ctx, changes.Next, complete)
}

// applyCaMS takes over those of the records that are linked and newer than what is here.
func (a *App) applyCaMS(ctx context.Context, tx *postgres.Tx, records []domain.CaMSRecord, since time.Time) error {
	if len(records) == 0 {
		return nil
	}
	clients, err := tx.LockCaMSClients(ctx, records)
	if err != nil {
		return err
	}
	updates, now := domain.PlanCaMS(clients, records), a.instant()
	if err := tx.ApplyCaMS(ctx, updates, since, now); err != nil {
		return err
	}
	return tx.RecordCaMS(ctx, updates, postgres.AuditStamp{At: now, Action: actionCaMSSynced}, newID)
}

// pullFailed notes that the case system could not be read. What is the service's own fault stays an error.
func (a *App) pullFailed(ctx context.Context, organization domain.OrganizationID, cause error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("pull changes: %w", ctx.Err())
	}
	if caseSystemCode(cause) == "" && !errors.Is(cause, ErrCaseUnknown) && !errors.Is(cause, ErrCursorGone) {
		return cause
	}
	return a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		return tx.FailCaMSPull(ctx, a.instant(), domain.CodeCaseSystemUnavailable)
	})
}

// caseSystemCode is what the state of a sync tells of an error of the case system; empty where it is none of these.
func caseSystemCode(err error) domain.Code {
	switch {
	case errors.Is(err, ErrCaseUnknown):
		return domain.CodeCaMSClientNotFound
	case errors.Is(err, ErrCaseSystemDown), errors.Is(err, ErrCaseSystemBroken), errors.Is(err, errNoCaseSystem):
		return domain.CodeCaseSystemUnavailable
	}
	return ""
}

// followOne reads one record and takes it over. again tells that CaMS said meanwhile that it has changed: what was read may be
// old already. finish runs in the transaction of the work where that is not so. An error of the case system is noted at the link.
func (a *App) followOne(ctx context.Context, organization domain.OrganizationID, reference string, finish func(context.Context, *sql.Tx) error) (again bool, err error) {
	link, found, err := a.linkTo(ctx, organization, reference)
	if err != nil {
		return false, err
	}
	if !found { // unlinked since
		return false, a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error { return finish(ctx, tx.Tx.Tx) })
	}
	since := a.instant()
	record, err := a.askClient(ctx, reference)
	if code := caseSystemCode(err); code != "" {
		noted := a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
			return tx.FailCaMSLinks(ctx, []string{reference}, a.instant(), code)
		})
		return false, errors.Join(err, noted)
	}
	if err != nil {
		return false, err
	}
	err = a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		if err := a.applyCaMS(ctx, tx, []domain.CaMSRecord{record}, since); err != nil {
			return err
		}
		if err := tx.TouchCaMSLinks(ctx, []string{reference}, since); err != nil { // and locks it: nobody says meanwhile that it changed
			return err
		}
		now, found, err := tx.CaMSLinkTo(ctx, reference)
		if err != nil {
			return err
		}
		if again = found && now.ChangesTold != link.ChangesTold; again {
			return nil
		}
		return finish(ctx, tx.Tx.Tx)
	})
	return again, err
}

func (a *App) linkTo(ctx context.Context, organization domain.OrganizationID, reference string) (link postgres.CaMSLink, found bool, err error) {
	err = a.store.InTx(ctx, organization, postgres.Working, func(tx *postgres.Tx) error {
		link, found, err = tx.CaMSLinkTo(ctx, reference)
		return err
	})
	return link, found, err
}

// SyncCaMSRecord follows one record for a worker. complete marks the job as done in the transaction of the work; again tells
// that it is not, because the record has changed once more. What the case system cannot tell just now is left to the pulls.
func (a *App) SyncCaMSRecord(ctx context.Context, job CaMSSyncJob, complete func(context.Context, *sql.Tx) error) (again bool, err error) {
	again, err = a.followOne(ctx, domain.OrganizationID(job.Organization), job.Reference, complete)
	if ctx.Err() == nil && caseSystemCode(err) == domain.CodeCaMSClientNotFound {
		return false, nil
	}
	return again, err
}

// CaMSMessage is a webhook of CaMS as it arrived.
type CaMSMessage struct {
	ID, Timestamp, Signature string // as its headers have them
	Body                     []byte
	Type, Reference          string // as its body has them
}

// camsChanged is the one type of message that means anything here.
const camsChanged = "client.changed"

// HearCaMS takes a message of CaMS: that a client has changed. Whoever has them linked reads them soon, as they are then. A
// message that comes twice, too late or about somebody who is not linked does no harm.
func (a *App) HearCaMS(ctx context.Context, message CaMSMessage) error {
	if a.cases.webhook == nil {
		return caseSystemRefusal(errNoCaseSystem)
	}
	if err := a.cases.webhook(message.ID, message.Timestamp, message.Signature, message.Body); err != nil {
		a.log.WarnContext(ctx, "a message that is not of the case system was refused", "error", err)
		return domain.Refuse(domain.CodeUnauthenticated, "The signature of this message is missing, wrong or too old.")
	}
	if message.Type != camsChanged {
		return nil
	}
	return a.store.InTx(ctx, domain.OrganizationID{}, postgres.Working, func(tx *postgres.Tx) error {
		organizations, err := tx.TellCaMSChange(ctx, message.Reference)
		if err != nil || len(organizations) == 0 {
			return err
		}
		jobs := make([]CaMSSyncJob, len(organizations))
		for i, organization := range organizations {
			jobs[i] = CaMSSyncJob{Organization: organization, Reference: message.Reference}
		}
		return a.enqueueSyncs(ctx, tx, jobs)
	})
}

func (a *App) enqueueSyncs(ctx context.Context, tx *postgres.Tx, jobs []CaMSSyncJob) error {
	if err := a.queue.EnqueueCaMSSyncs(ctx, tx.Tx.Tx, jobs); err != nil {
		return fmt.Errorf("enqueue syncs: %w", err)
	}
	return nil
}

// CaMSHealth tells how well organizations follow CaMS.
func (a *App) CaMSHealth(ctx context.Context) (domain.CaMSHealth, error) {
	return a.store.CaMSHealth(ctx)
}
