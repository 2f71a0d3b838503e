package app

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// notify tells staff of a run, in the transaction of its work: a notification each, and a job for the mail of those who
// want one (B7). It locks the receivers' counters, and so comes last. actor is who asked for the run.
func (a *App) notify(ctx context.Context, tx *postgres.Tx, notices []domain.Notice, actor uuid.UUID, run uuid.UUID, now time.Time) error {
	toMail, err := tx.SaveNotices(ctx, notices, postgres.NoticeStamp{At: now, Actor: actor, RunID: run}, newID)
	if err != nil || len(toMail) == 0 {
		return err
	}
	if err := a.queue.EnqueueMails(tx.KeepPrepared(ctx), tx.Tx.Tx, uuid.UUID(tx.Organization), toMail); err != nil {
		return fmt.Errorf("enqueue mails: %w", err)
	}
	return nil
}
