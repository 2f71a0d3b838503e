package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// readNotificationItems gives notifications of the caller their items, with what they are called now, and without what
// the caller does not see now (B5): one statement for all, and one for each kind that occurs. Those of runs that failed get
// what failed.
func (tx *Tx) readNotificationItems(ctx context.Context, caller domain.Caller, notifications []domain.Notification) error {
	if len(notifications) == 0 {
		return nil
	}
	if err := tx.readFailures(ctx, notifications); err != nil {
		return err
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
	// What tasks and events concern is read with the people and matters.
	for _, kind := range []domain.ItemKind{domain.ItemTask, domain.ItemCalendarEvent, domain.ItemPerson, domain.ItemMatter} {
		if len(of[kind]) == 0 {
			continue
		}
		if err := tx.readSeen(ctx, caller, kind, of[kind], seen); err != nil {
			return fmt.Errorf("read items of notifications: %w", err)
		}
		for _, id := range of[kind] {
			if concern := seen[domain.NoticeItem{Kind: kind, ID: id}].Concerns; concern != nil {
				of[concern.Kind] = append(of[concern.Kind], concern.ID)
			}
		}
	}
	for _, item := range items {
		found, visible := seen[domain.NoticeItem{Kind: item.kind, ID: item.id}]
		if !visible {
			continue
		}
		if concern := found.Concerns; concern != nil {
			found.Concerns = nil
			if named, visible := seen[domain.NoticeItem{Kind: concern.Kind, ID: concern.ID}]; visible {
				found.Concerns = &domain.Concern{Kind: concern.Kind, ID: concern.ID, Label: named.Label}
			}
		}
		notifications[item.place].Items = append(notifications[item.place].Items, found)
	}
	return nil
}

// readSeen adds those of some items of one kind that the caller sees, with what they are called. What they concern has no
// label yet.
func (tx *Tx) readSeen(ctx context.Context, caller domain.Caller, kind domain.ItemKind, wanted ids, into map[domain.NoticeItem]domain.NotificationItem) error {
	var q *query
	var selected, table string
	switch kind {
	case domain.ItemPerson:
		q = newQuery("p", tx.Organization)
		q.seenPeople(caller)
		selected, table = `p.first_name || ' ' || p.last_name, NULL::date, NULL::timestamptz, NULL::uuid, NULL::uuid`, "people p"
	case domain.ItemTask:
		q = newQuery("t", tx.Organization)
		q.seenTasks(caller)
		selected, table = `t.title, t.due_on, NULL::timestamptz, t.person_id, t.matter_id`, "tasks t"
	case domain.ItemMatter:
		q = newQuery("m", tx.Organization)
		q.seenMatters(caller)
		selected, table = `m.number || rtrim(' ' || m.description), NULL::date, NULL::timestamptz, NULL::uuid, NULL::uuid`, "matters m"
	case domain.ItemCalendarEvent:
		q = newQuery("e", tx.Organization)
		q.seenEvents(caller)
		selected, table = `e.title, NULL::date, e.starts_at, NULL::uuid, e.matter_id`, "calendar_events e"
	}
	q.and(q.id+" = ANY (%s::uuid[])", wanted)
	rows, err := tx.listRows(ctx, q, "SELECT "+q.id+", "+selected+" "+q.from(table))
	if err != nil {
		return err
	}
	return each(rows, func(scan scanner) error {
		item := domain.NotificationItem{Kind: kind}
		var dueOn *time.Time
		var person, matter uuid.NullUUID
		if err := scan(&item.ID, &item.Label, &dueOn, &item.StartsAt, &person, &matter); err != nil {
			return err
		}
		switch {
		case person.Valid:
			item.Concerns = &domain.Concern{Kind: domain.ItemPerson, ID: person.UUID}
		case matter.Valid:
			item.Concerns = &domain.Concern{Kind: domain.ItemMatter, ID: matter.UUID}
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

// readFailures gives notifications of runs that failed what failed: what was asked, and the names of those whom the refusal
// is about.
func (tx *Tx) readFailures(ctx context.Context, notifications []domain.Notification) error {
	var runs ids
	for _, notification := range notifications {
		if notification.Kind == domain.NoticeRunFailed && notification.RunID != nil {
			runs = append(runs, *notification.RunID)
		}
	}
	if len(runs) == 0 {
		return nil
	}
	// A staff_ids that is no list of ids names nobody.
	rows, err := tx.query(ctx, `
		SELECT r.id, r.kind, r.requested_at, r.scheduled_for, r.reason, r.error ->> 'code', r.error ->> 'detail',
		       coalesce((SELECT json_agg(json_build_array(s.id, s.first_name, s.last_name, s.status) ORDER BY s.id) FROM staff s
		           WHERE s.organization_id = r.organization_id AND r.error -> 'params' -> 'staff_ids' ? s.id::text), '[]')
		FROM runs r WHERE r.organization_id = $1 AND r.id = ANY ($2::uuid[]) AND r.error IS NOT NULL`, tx.Organization.String(), runs)
	if err != nil {
		return fmt.Errorf("read failures of notifications: %w", err)
	}
	failures := map[uuid.UUID]*domain.RunFailure{}
	err = each(rows, func(scan scanner) error {
		var run uuid.UUID
		var failure domain.RunFailure
		err := scan(&run, &failure.Kind, &failure.RequestedAt, &failure.ScheduledFor, &failure.Reason, &failure.Code, &failure.Detail, (*staffRefs)(&failure.Staff))
		failure.RequestedAt, failure.ScheduledFor = failure.RequestedAt.UTC(), utc(failure.ScheduledFor)
		failures[run] = &failure
		return err
	})
	if err != nil {
		return fmt.Errorf("read failures of notifications: %w", err)
	}
	for i := range notifications {
		if run := notifications[i].RunID; run != nil && notifications[i].Kind == domain.NoticeRunFailed {
			notifications[i].Failure = failures[*run]
		}
	}
	return nil
}
