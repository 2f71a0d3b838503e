package app

import (
	"context"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// IntakeTemplate reads the organization's intake tasks (A5). Administrators may.
func (a *App) IntakeTemplate(ctx context.Context, caller domain.Caller) ([]domain.IntakeTask, error) {
	if err := domain.CheckAdministrator(caller); err != nil {
		return nil, err
	}
	return read(ctx, a, caller, func(tx *postgres.Tx) ([]domain.IntakeTask, error) { return tx.IntakeTemplate(ctx, false) })
}

// ReplaceIntakeTemplate writes the organization's intake tasks. Tasks that were made from it before stay as they are.
func (a *App) ReplaceIntakeTemplate(ctx context.Context, caller domain.Caller, ifMatch string, tasks []domain.IntakeTask) error {
	if err := domain.CheckAdministrator(caller); err != nil {
		return err
	}
	return a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		before, err := tx.IntakeTemplate(ctx, true)
		if err != nil {
			return err
		}
		if err := checkMatch(ifMatch, before); err != nil {
			return err
		}
		if domain.Version(before) == domain.Version(tasks) {
			return nil
		}
		if err := tx.ReplaceIntakeTemplate(ctx, tasks); err != nil {
			return err
		}
		return tx.Audit(ctx, newID(), a.stamp(caller, "intake_template_replaced", a.instant()), "intake_template", organizationUUID(caller),
			map[string]any{"tasks": before}, map[string]any{"tasks": tasks})
	})
}
