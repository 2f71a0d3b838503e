package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// readNotificationItems gives notifications of the caller their items, with what they are called now, and without what
// the caller does not see now (B5): one statement for all, and one for each kind that occurs.
func (tx *Tx) readNotificationItems(ctx context.Context, caller domain.Caller, notifications []domain.Notification) error {
	if len(notifications) == 0 {
		return nil
	}
	places := make(map[uuid.UUID]int, len(notifications))
	wanted := make(ids, len(notifications))
	for i, notification := range notifications {
		places[notification.ID], wanted[i] = i, notification.ID
	}
	rows, err := tx.query(ctx, `
		SELECT i.notification_id, i.kind, i.item_id FROM notification_items i
		WHERE i.organization_id = $1 AND i.notification_id = ANY ($2::uuid[]) ORDER BY i.notification_id, i.position`, tx.Organization.String(), wanted)
	if err != nil {
		return fmt.Errorf("read items of notifications: %w", err)
	}
	type itemOf struct {
		place int
		kind  domain.ItemKind
		id    uuid.UUID
	}
	var items []itemOf
	of := make(map[domain.ItemKind]ids)
	err = each(rows, func(scan scanner) error {
		var notification uuid.UUID
		var item itemOf
		if err := scan(&notification, &item.kind, &item.id); err != nil {
			return err
		}
		item.place = places[notification]
		items, of[item.kind] = append(items, item), append(of[item.kind], item.id)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read items of notifications: %w", err)
	}
	seen := map[domain.NoticeItem]domain.NotificationItem{}
	for _, kind := range []domain.ItemKind{domain.ItemPerson, domain.ItemTask, domain.ItemMatter, domain.ItemCalendarEvent} {
		if len(of[kind]) == 0 {
			continue
		}
		if err := tx.readSeen(ctx, caller, kind, of[kind], seen); err != nil {
			return fmt.Errorf("read items of notifications: %w", err)
		}
	}
	for _, item := range items {
		if found, visible := seen[domain.NoticeItem{Kind: item.kind, ID: item.id}]; visible {
			notifications[item.place].Items = append(notifications[item.place].Items, found)
		}
	}
	return nil
}

// readSeen adds those of some items of one kind that the caller sees, with what they are called.
func (tx *Tx) readSeen(ctx context.Context, caller domain.Caller, kind domain.ItemKind, wanted ids, into map[domain.NoticeItem]domain.NotificationItem) error {
	var q *query
	var selected, table string
	switch kind {
	case domain.ItemPerson:
		q = newQuery("p", tx.Organization)
		q.seenPeople(caller)
		selected, table = `p.first_name || ' ' || p.last_name, NULL::date, NULL::timestamptz`, "people p"
	case domain.ItemTask:
		q = newQuery("t", tx.Organization)
		q.seenTasks(caller)
		selected, table = `t.title, t.due_on, NULL::timestamptz`, "tasks t"
	case domain.ItemMatter:
		q = newQuery("m", tx.Organization)
		q.seenMatters(caller)
		selected, table = `m.number || rtrim(' ' || m.description), NULL::date, NULL::timestamptz`, "matters m"
	case domain.ItemCalendarEvent:
		q = newQuery("e", tx.Organization)
		q.seenEvents(caller)
		selected, table = `e.title, NULL::date, e.starts_at`, "calendar_events e"
	}
	q.and(q.id+" = ANY (%s::uuid[])", wanted)
	rows, err := tx.listRows(ctx, q, "SELECT "+q.id+", "+selected+" "+q.from(table))
	if err != nil {
		return err
	}
	return each(rows, func(scan scanner) error {
		item := domain.NotificationItem{Kind: kind}
		var dueOn *time.Time
		if err := scan(&item.ID, &item.Label, &dueOn, &item.StartsAt); err != nil {
			return err
		}
		if dueOn != nil {
			due := domain.DateOf(*dueOn)
			item.DueOn = &due
		}
		item.StartsAt = utc(item.StartsAt)
		into[domain.NoticeItem{Kind: kind, ID: item.ID}] = item
		return nil
	})
}
