package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/domain"
)

// The email statuses of notifications.
const (
	emailPending     = "pending"
	emailNone        = "none"         // none is to be sent
	emailOffered     = "offered"      // all but its end is with the mail server
	emailHandingOver = "handing_over" // it may have arrived: it is not sent again
	emailSent        = "sent"
	emailFailed      = "failed"
)

// NoticeStamp is what all notices of one run have in common.
type NoticeStamp struct {
	At    time.Time
	Actor uuid.UUID // who asked for the run
	RunID uuid.UUID
}

// SaveNotices writes what staff are told as sets, in one statement, and gives the ids of those that go out by email too. No
// two are for the same receiver. Only active staff are told. Each gets the next number of its receiver; the counters stay
// locked, in the order of their ids, until the transaction ends: it should be the last that a transaction does.
func (tx *Tx) SaveNotices(ctx context.Context, notices []domain.Notice, stamp NoticeStamp, newID func() uuid.UUID) (toMail []uuid.UUID, err error) {
	if len(notices) == 0 {
		return nil, nil
	}
	var c noticeColumns
	for _, notice := range notices {
		c.add(newID(), notice)
	}
	tx.OnCommit(func() { tx.store.announcer.tell(c.receivers) })
	rows, err := tx.querySet(ctx, max(len(notices), len(c.items)), `
		WITH notice AS MATERIALIZED (
			SELECT n.id, n.staff_id, n.from_staff_id, n.kind, n.people, n.tasks, n.matters, n.events, s.email_notifications,
			       n.share_matter_ids, n.share_tasks, n.share_matters, n.share_events
			FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::integer[], $7::integer[], $8::integer[], $9::integer[],
			            $10::text[], $11::text[], $12::text[], $13::text[])
			     AS n (id, staff_id, from_staff_id, kind, people, tasks, matters, events, share_matter_ids, share_tasks, share_matters, share_events)
			JOIN staff s ON s.organization_id = $1 AND s.id = n.staff_id AND s.status = 'active'
		), counted AS (
			INSERT INTO notification_counters (organization_id, staff_id, last_number)
			SELECT $1, notice.staff_id, 1 FROM notice ORDER BY notice.staff_id
			ON CONFLICT (organization_id, staff_id) DO UPDATE SET last_number = notification_counters.last_number + 1
			RETURNING staff_id, last_number
		), told AS (
			INSERT INTO notifications (organization_id, id, staff_id, number, kind, run_id, actor_staff_id, from_staff_id, created_at,
				people_count, tasks_count, matters_count, events_count, share_matter_ids, share_tasks, share_matters, share_events, email_status, email_at)
			SELECT $1, notice.id, notice.staff_id, counted.last_number, notice.kind, $14, $15, nullif(notice.from_staff_id, '00000000-0000-0000-0000-000000000000'), $16,
			       notice.people, notice.tasks, notice.matters, notice.events, notice.share_matter_ids::uuid[], notice.share_tasks::integer[],
			       notice.share_matters::integer[], notice.share_events::integer[], CASE WHEN notice.email_notifications THEN 'pending' ELSE 'none' END, $16
			FROM counted
			JOIN notice ON notice.staff_id = counted.staff_id
			RETURNING id, email_status
		), listed AS (
			INSERT INTO notification_items (organization_id, notification_id, position, kind, item_id)
			SELECT $1, told.id, item.position, item.kind, item.item_id
			FROM told JOIN unnest($17::uuid[], $18::smallint[], $19::text[], $20::uuid[]) AS item (notification_id, position, kind, item_id)
				ON item.notification_id = told.id
		)
		SELECT told.id FROM told WHERE told.email_status = 'pending' ORDER BY told.id`,
		tx.Organization.String(), c.saved, c.receivers, c.from, pq.Array(c.kinds), c.people, c.tasks, c.matters, c.events,
		pq.Array(c.shareMatterIDs), pq.Array(c.shareTasks), pq.Array(c.shareMatters), pq.Array(c.shareEvents),
		nullID(stamp.RunID), nullID(stamp.Actor), stamp.At, c.itemOf, c.places, pq.Array(c.itemKinds), c.items)
	if err != nil {
		return nil, fmt.Errorf("save notices: %w", err)
	}
	err = each(rows, func(scan scanner) error {
		var id uuid.UUID
		err := scan(&id)
		toMail = append(toMail, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("save notices: %w", err)
	}
	return toMail, nil
}

// noticeColumns are notices, and their items, by column.
type noticeColumns struct {
	saved, receivers, from                                ids
	kinds                                                 []string
	people, tasks, matters, events                        ints
	shareMatterIDs, shareTasks, shareMatters, shareEvents []string // each the text of an array
	itemOf, items                                         ids
	places                                                ints
	itemKinds                                             []string
}

func (c *noticeColumns) add(id uuid.UUID, notice domain.Notice) {
	c.saved = append(c.saved, id)
	for place, item := range notice.Items {
		c.itemOf, c.items = append(c.itemOf, id), append(c.items, item.ID)
		c.places, c.itemKinds = append(c.places, place+1), append(c.itemKinds, string(item.Kind))
	}
	c.receivers, c.from, c.kinds = append(c.receivers, notice.Receiver), append(c.from, notice.From), append(c.kinds, string(notice.Kind))
	c.people, c.tasks = append(c.people, notice.Work.People), append(c.tasks, notice.Work.Tasks)
	c.matters, c.events = append(c.matters, notice.Work.Matters), append(c.events, notice.Work.Events)
	of := make(ids, len(notice.Shares))
	tasks, matters, events := make(ints, len(of)), make(ints, len(of)), make(ints, len(of))
	for i, share := range notice.Shares {
		of[i], tasks[i], matters[i], events[i] = share.Matter, share.Work.Tasks, share.Work.Matters, share.Work.Events
	}
	c.shareMatterIDs = append(c.shareMatterIDs, of.text())
	c.shareTasks, c.shareMatters, c.shareEvents = append(c.shareTasks, tasks.text()), append(c.shareMatters, matters.text()), append(c.shareEvents, events.text())
}
