package app

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

func organizationUUID(caller domain.Caller) uuid.UUID { return uuid.UUID(caller.Organization) }

// Runs lists the caller's runs, an administrator's all, the newest first.
func (a *App) Runs(ctx context.Context, caller domain.Caller, filter domain.RunFilter, page domain.Page, withTotal bool) (Listing[domain.Run], error) {
	return list(ctx, a, caller, page, withTotal,
		func(tx *postgres.Tx) ([]domain.Run, error) { return tx.Runs(ctx, caller, filter, page) },
		func(tx *postgres.Tx) (int, error) { return tx.CountRuns(ctx, caller, filter) })
}

// Run reads one run: the caller's own, an administrator any (A2). Its totals are without what is hidden from them (B5).
func (a *App) Run(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Run, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (domain.Run, error) {
		run, err := tx.SeenRun(ctx, caller, id)
		if err != nil {
			return domain.Run{}, err
		}
		return run, checkOwn(caller, run)
	})
}

func ownRun(ctx context.Context, tx *postgres.Tx, caller domain.Caller, id uuid.UUID) (domain.Run, error) {
	run, err := tx.Run(ctx, id)
	if err != nil {
		return domain.Run{}, err
	}
	return run, checkOwn(caller, run)
}

func checkOwn(caller domain.Caller, run domain.Run) error {
	if run.RequestedBy.ID != caller.StaffID && !caller.IsAdministrator() {
		return domain.Denied("Only who asked for this run, and administrators, may see it.")
	}
	return nil
}

// RunItems lists what a run did to each item, after a position in its order.
func (a *App) RunItems(ctx context.Context, caller domain.Caller, id uuid.UUID, filter domain.ItemFilter, after, limit int, withTotal bool) (Listing[PositionedItem], error) {
	return list(ctx, a, caller, domain.Page{Limit: limit}, withTotal,
		func(tx *postgres.Tx) ([]PositionedItem, error) {
			if _, err := ownRun(ctx, tx, caller, id); err != nil {
				return nil, err
			}
			return tx.RunItems(ctx, caller, id, filter, after, limit)
		},
		func(tx *postgres.Tx) (int, error) { return tx.CountRunItems(ctx, caller, id, filter) })
}

// Report writes a run's report. It is called with the run, then with each item in the run's order; memory does not grow
// with their number.
type Report interface {
	Begin(run domain.Run, staffNames map[uuid.UUID]string) error
	Item(item domain.RunItem) error
	End() error
}

// ReportableRun reads a run whose report can be written: the caller's own, an administrator any, and finished.
func (a *App) ReportableRun(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Run, error) {
	run, err := a.Run(ctx, caller, id)
	if err == nil && !run.Status.Finished() {
		return domain.Run{}, domain.Refuse(domain.CodeRunNotFinished, "The run has not finished. Follow it, and ask for its report then.").With("status", run.Status)
	}
	return run, err
}

// WriteReport streams a run's items into its report (B8). What is written at the end is written when the transaction has ended: a
// slow reader holds no connection for it.
func (a *App) WriteReport(ctx context.Context, caller domain.Caller, run domain.Run, report Report) error {
	begun := false
	err := a.store.Read(ctx, caller.Organization, postgres.Snapshot, func(tx *postgres.Tx) error {
		if begun {
			return errBrokenOff
		}
		names, err := tx.StaffNames(ctx)
		if err != nil {
			return err
		}
		begun = true
		if err := report.Begin(run, names); err != nil {
			return unwritten(err)
		}
		return tx.EachRunItem(ctx, caller, run.ID, func(item domain.RunItem) error { return unwritten(report.Item(item)) })
	})
	if err != nil {
		return err
	}
	return unwritten(report.End())
}

// errBrokenOff ends a report whose database was lost: what has been sent of it cannot be sent again.
var errBrokenOff = errors.New("the report was broken off")

// unwritten is an error of where a report goes. Its chain ends here: a lost reader must not be taken for a lost database.
func unwritten(err error) error {
	if err == nil {
		return nil
	}
	return errors.New("write the report: " + err.Error())
}

// AuditEvents lists the trail, the newest first (D1). Administrators may.
func (a *App) AuditEvents(ctx context.Context, caller domain.Caller, filter domain.AuditFilter, page domain.Page, withTotal bool) (Listing[AuditEvent], error) {
	if err := domain.CheckAdministrator(caller); err != nil {
		return Listing[AuditEvent]{}, err
	}
	return list(ctx, a, caller, page, withTotal,
		func(tx *postgres.Tx) ([]AuditEvent, error) { return tx.AuditEvents(ctx, caller, filter, page) },
		func(tx *postgres.Tx) (int, error) { return tx.CountAuditEvents(ctx, caller, filter) })
}

// exportedAtOnce is how many events of the trail are read at once for an export.
const exportedAtOnce = 5000

// ExportAuditEvents reads all of the trail that the filter matches, the newest first, a part at a time; write is called at least once
// (D1). Nothing of the database is held meanwhile, however slowly it is written. Administrators may.
func (a *App) ExportAuditEvents(ctx context.Context, caller domain.Caller, filter domain.AuditFilter, write func([]AuditEvent) error) error {
	if err := domain.CheckAdministrator(caller); err != nil {
		return err
	}
	page := domain.Page{Limit: exportedAtOnce}
	for {
		events, err := read(ctx, a, caller, func(tx *postgres.Tx) ([]AuditEvent, error) { return tx.AuditEvents(ctx, caller, filter, page) })
		if err != nil {
			return err
		}
		more := len(events) > page.Limit
		if more {
			events = events[:page.Limit]
		}
		if err := write(events); err != nil || !more {
			return unwritten(err)
		}
		page.After = events[len(events)-1].ID
	}
}
