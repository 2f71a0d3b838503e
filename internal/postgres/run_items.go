package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// itemSelect reads items with what they are called now.
const itemSelect = `SELECT i.position, i.kind, i.item_id, coalesce(p.external_id, t.external_id, e.external_id, m.external_id) AS external_id,
	coalesce(p.first_name || ' ' || p.last_name, t.title, e.title, m.number || rtrim(' ' || m.description), '') AS label,
	i.outcome, i.reason, i.before_staff_ids, i.after_staff_ids `

// itemTables look each item up in the table of its kind. Runs are of people and tasks by the hundred thousand; matters
// and events, where there are any, are few, and OFFSET 0 has them looked up one by one instead of reading their tables.
const itemTables = `run_items i
	LEFT JOIN people p ON i.kind = 'person' AND p.organization_id = i.organization_id AND p.id = i.item_id
	LEFT JOIN tasks t ON i.kind = 'task' AND t.organization_id = i.organization_id AND t.id = i.item_id
	LEFT JOIN LATERAL (SELECT e.external_id, e.title, e.matter_id FROM calendar_events e
		WHERE i.kind = 'calendar_event' AND e.organization_id = i.organization_id AND e.id = i.item_id OFFSET 0) e ON true
	LEFT JOIN LATERAL (SELECT m.external_id, m.number, m.description FROM matters m
		WHERE i.kind = 'matter' AND m.organization_id = i.organization_id AND m.id = i.item_id OFFSET 0) m ON true`

// itemMatter is the matter that an item belongs to now, or is.
const itemMatter = `CASE i.kind WHEN 'task' THEN t.matter_id WHEN 'calendar_event' THEN e.matter_id WHEN 'matter' THEN i.item_id END`

func (tx *Tx) filterItems(caller domain.Caller, run uuid.UUID, filter domain.ItemFilter) *query {
	q := &query{}
	q.and("i.organization_id = %s", tx.Organization.String())
	q.and("i.run_id = %s", run)
	q.andAnyOf("i.kind", filter.Kinds)
	q.andAnyOf("i.outcome", filter.Outcomes)
	q.and(notHidden("i", itemMatter, q.arg(caller.StaffID)))
	return q
}

// PositionedItem is an item of a run with its place in the run's order, from 1.
type PositionedItem struct {
	domain.RunItem
	Position int
}

func readItem(scan scanner) (PositionedItem, error) {
	var item PositionedItem
	var before, after ids
	if err := scan(&item.Position, &item.Kind, &item.ItemID, &item.ExternalID, &item.Label, &item.Outcome, &item.Reason, &before, &after); err != nil {
		return item, fmt.Errorf("read item: %w", err)
	}
	item.Before, item.After = before, after
	return item, nil
}

// RunItems lists a page of a run's items, in the run's order, after a position, with one more than limit where there are more.
func (tx *Tx) RunItems(ctx context.Context, caller domain.Caller, run uuid.UUID, filter domain.ItemFilter, after, limit int) ([]PositionedItem, error) {
	q := tx.filterItems(caller, run, filter)
	q.and("i.position > %s", after)
	rows, err := tx.queryOnce(ctx, itemSelect+q.from(itemTables)+" ORDER BY i.position LIMIT "+q.arg(limit+1), q.args...)
	if err != nil {
		return nil, fmt.Errorf("list items: %w", err)
	}
	var items []PositionedItem
	err = each(rows, func(scan scanner) error {
		item, err := readItem(scan)
		items = append(items, item)
		return err
	})
	return items, err
}

// CountRunItems counts a run's items that the filter matches and the caller may see.
func (tx *Tx) CountRunItems(ctx context.Context, caller domain.Caller, run uuid.UUID, filter domain.ItemFilter) (int, error) {
	total, err := tx.count(ctx, tx.filterItems(caller, run, filter), itemTables)
	if err != nil {
		return 0, fmt.Errorf("count items: %w", err)
	}
	return total, nil
}

// EachRunItem streams all items of a run, in the run's order; memory does not grow with their number.
func (tx *Tx) EachRunItem(ctx context.Context, caller domain.Caller, run uuid.UUID, read func(domain.RunItem) error) error {
	q := tx.filterItems(caller, run, domain.ItemFilter{})
	rows, err := tx.queryOnce(ctx, itemSelect+q.from(itemTables)+" ORDER BY i.position", q.args...)
	if err != nil {
		return fmt.Errorf("stream items: %w", err)
	}
	return each(rows, func(scan scanner) error {
		item, err := readItem(scan)
		if err != nil {
			return err
		}
		return read(item.RunItem)
	})
}
