package postgres

import (
	"context"
	"fmt"

	"github.com/lib/pq"

	"handover/internal/domain"
)

// OrganizationOf reads the transaction's organization.
func (tx *Tx) OrganizationOf(ctx context.Context) (domain.Organization, error) {
	organization := domain.Organization{ID: tx.Organization}
	var row struct {
		Name     string `db:"name"`
		TimeZone string `db:"time_zone"`
	}
	if err := tx.get(ctx, &row, `SELECT name, time_zone FROM organizations WHERE id = $1`, tx.Organization.String()); err != nil {
		return organization, fmt.Errorf("read organization: %w", err)
	}
	organization.Name, organization.TimeZone = row.Name, row.TimeZone
	return organization, nil
}

// IntakeTemplate reads the organization's intake tasks, in order (A5). With lock nobody else replaces them until the
// transaction ends.
func (tx *Tx) IntakeTemplate(ctx context.Context, lock bool) ([]domain.IntakeTask, error) {
	if lock {
		if err := tx.exec(ctx, `SELECT FROM organizations WHERE id = $1 FOR NO KEY UPDATE`, tx.Organization.String()); err != nil {
			return nil, fmt.Errorf("lock intake template: %w", err)
		}
	}
	var rows []struct {
		Title        string `db:"title"`
		Details      string `db:"details"`
		DaysUntilDue int    `db:"days_until_due"`
	}
	if err := tx.selectAll(ctx, &rows, `SELECT title, details, days_until_due FROM intake_template_tasks WHERE organization_id = $1 ORDER BY position`,
		tx.Organization.String()); err != nil {
		return nil, fmt.Errorf("read intake template: %w", err)
	}
	tasks := make([]domain.IntakeTask, len(rows))
	for i, row := range rows {
		tasks[i] = domain.IntakeTask(row)
	}
	return tasks, nil
}

// ReplaceIntakeTemplate writes the organization's intake tasks in place of those there were.
func (tx *Tx) ReplaceIntakeTemplate(ctx context.Context, tasks []domain.IntakeTask) error {
	titles, details, days := make([]string, len(tasks)), make([]string, len(tasks)), make(ints, len(tasks))
	for i, task := range tasks {
		titles[i], details[i], days[i] = task.Title, task.Details, task.DaysUntilDue
	}
	if err := tx.exec(ctx, `DELETE FROM intake_template_tasks WHERE organization_id = $1`, tx.Organization.String()); err != nil {
		return fmt.Errorf("clear intake template: %w", err)
	}
	if err := tx.exec(ctx, `
		INSERT INTO intake_template_tasks (organization_id, position, title, details, days_until_due)
		SELECT $1, position, title, details, days FROM unnest($2::text[], $3::text[], $4::integer[]) WITH ORDINALITY AS made (title, details, days, position)`,
		tx.Organization.String(), pq.Array(titles), pq.Array(details), days); err != nil {
		return fmt.Errorf("write intake template: %w", err)
	}
	return nil
}
