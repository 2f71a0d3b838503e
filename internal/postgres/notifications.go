package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

type notificationRow struct {
	ID          uuid.UUID         `db:"id"`
	Number      int64             `db:"number"`
	Kind        domain.NoticeKind `db:"kind"`
	RunID       uuid.NullUUID     `db:"run_id"`
	CreatedAt   time.Time         `db:"created_at"`
	ReadAt      *time.Time        `db:"read_at"`
	People      int               `db:"people"`
	Tasks       int               `db:"tasks"`
	Matters     int               `db:"matters"`
	Events      int               `db:"events"`
	ActorID     uuid.NullUUID     `db:"actor_id"`
	ActorFirst  *string           `db:"actor_first_name"`
	ActorLast   *string           `db:"actor_last_name"`
	ActorStatus *string           `db:"actor_status"`
	FromID      uuid.NullUUID     `db:"from_id"`
	FromFirst   *string           `db:"from_first_name"`
	FromLast    *string           `db:"from_last_name"`
	FromStatus  *string           `db:"from_status"`
}

func (r notificationRow) notification() domain.Notification {
	return domain.Notification{
		ID: r.ID, Number: r.Number, Kind: r.Kind, RunID: idOf(r.RunID), CreatedAt: r.CreatedAt.UTC(), ReadAt: utc(r.ReadAt),
		Actor: optionalRef(r.ActorID, r.ActorFirst, r.ActorLast, r.ActorStatus), From: optionalRef(r.FromID, r.FromFirst, r.FromLast, r.FromStatus),
		Work: domain.WorkCounts{People: r.People, Tasks: r.Tasks, Matters: r.Matters, Events: r.Events},
	}
}

// optionalRef is a staff member of an outer join; nil where there is none.
func optionalRef(id uuid.NullUUID, first, last, status *string) *domain.StaffRef {
	if !id.Valid || first == nil || last == nil || status == nil {
		return nil
	}
	return &domain.StaffRef{ID: id.UUID, Name: domain.FullName(*first, *last), Status: domain.StaffStatus(*status)}
}

// notificationSelect reads notifications of the staff member $2. What they do not see now is not counted (B5): of a matter that
// is hidden from them, all but the work that they were given, if only groups see the matter and they still have as much of it.
var notificationSelect = `SELECT n.id, n.number, n.kind, n.run_id, n.created_at, n.read_at, n.people_count AS people,
	n.tasks_count - coalesce(hidden.tasks, 0) AS tasks, n.matters_count - coalesce(hidden.matters, 0) AS matters,
	n.events_count - coalesce(hidden.events, 0) AS events,
	actor.id AS actor_id, actor.first_name AS actor_first_name, actor.last_name AS actor_last_name, actor.status AS actor_status,
	origin.id AS from_id, origin.first_name AS from_first_name, origin.last_name AS from_last_name, origin.status AS from_status
	FROM notifications n
	LEFT JOIN staff actor ON actor.organization_id = n.organization_id AND actor.id = n.actor_staff_id
	LEFT JOIN staff origin ON origin.organization_id = n.organization_id AND origin.id = n.from_staff_id
	LEFT JOIN LATERAL (
		SELECT sum(share.tasks - kept.tasks) AS tasks, sum(share.matters) AS matters, sum(share.events - kept.events) AS events
		FROM unnest(n.share_matter_ids, n.share_tasks, n.share_matters, n.share_events) AS share (matter_id, tasks, matters, events)
		JOIN matters m ON m.organization_id = n.organization_id AND m.id = share.matter_id
		CROSS JOIN LATERAL (
			SELECT CASE WHEN given.shown AND share.tasks > 0 THEN least(share.tasks, (SELECT count(*)::integer FROM tasks t
				WHERE t.organization_id = m.organization_id AND t.matter_id = m.id AND ` + ownTask("$2") + `)) ELSE 0 END AS tasks,
			       CASE WHEN given.shown AND share.events > 0 THEN least(share.events, (SELECT count(*)::integer FROM calendar_events e
				WHERE e.organization_id = m.organization_id AND e.matter_id = m.id AND ` + ownEvent("$2") + `)) ELSE 0 END AS events
			FROM (SELECT n.kind = 'work_received' AND m.visibility = 'groups' AS shown) given
		) kept
		WHERE m.visibility <> 'everyone' AND NOT (` + seenMatter("m", "$2") + `)
	) hidden ON true `

// Notification reads one notification of the caller; another's, as if it did not exist.
func (tx *Tx) Notification(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Notification, error) {
	var row notificationRow
	err := tx.get(ctx, &row, notificationSelect+`WHERE n.organization_id = $1 AND n.staff_id = $2 AND n.id = $3`, tx.Organization.String(), caller.StaffID, id)
	if errors.Is(err, sql.ErrNoRows) {
		return domain.Notification{}, domain.Refuse(domain.CodeNotFound, "There is no such notification.")
	}
	if err != nil {
		return domain.Notification{}, fmt.Errorf("read notification: %w", err)
	}
	one := []domain.Notification{row.notification()}
	return one[0], tx.readNotificationItems(ctx, caller, one)
}

func (tx *Tx) ownNotifications(caller domain.Caller, filter domain.NotificationFilter) *query {
	q := newQuery("n", tx.Organization)
	q.and("n.staff_id = %s", caller.StaffID)
	q.andAnyOf("n.kind", filter.Kinds)
	q.andBool("(n.read_at IS NULL)", filter.Unread)
	return q
}

// Notifications lists a page of the caller's notifications, the newest first, before a number (zero: from the newest),
// with one more than limit where there are more.
func (tx *Tx) Notifications(ctx context.Context, caller domain.Caller, filter domain.NotificationFilter, before int64, limit int) ([]domain.Notification, error) {
	q := tx.ownNotifications(caller, filter)
	if before > 0 {
		q.and("n.number < %s", before)
	}
	return tx.notifications(ctx, caller, q, "n.number DESC", limit+1)
}

// NotificationsAfter lists the caller's notifications after a number, in their order, at most limit.
func (tx *Tx) NotificationsAfter(ctx context.Context, caller domain.Caller, after int64, limit int) ([]domain.Notification, error) {
	q := tx.ownNotifications(caller, domain.NotificationFilter{})
	q.and("n.number > %s", after)
	return tx.notifications(ctx, caller, q, "n.number", limit)
}

func (tx *Tx) notifications(ctx context.Context, caller domain.Caller, q *query, order string, limit int) ([]domain.Notification, error) {
	var rows []notificationRow
	if err := tx.list(ctx, &rows, q, notificationSelect+q.where()+" ORDER BY "+order+" LIMIT "+q.arg(limit)); err != nil {
		return nil, fmt.Errorf("list notifications: %w", err)
	}
	notifications := make([]domain.Notification, len(rows))
	for i, row := range rows {
		notifications[i] = row.notification()
	}
	return notifications, tx.readNotificationItems(ctx, caller, notifications)
}

// CountNotifications counts the caller's notifications that the filter matches.
func (tx *Tx) CountNotifications(ctx context.Context, caller domain.Caller, filter domain.NotificationFilter) (int, error) {
	total, err := tx.count(ctx, tx.ownNotifications(caller, filter), "notifications n")
	if err != nil {
		return 0, fmt.Errorf("count notifications: %w", err)
	}
	return total, nil
}

// UnreadNotifications counts the caller's notifications that they have not read.
func (tx *Tx) UnreadNotifications(ctx context.Context, caller domain.Caller) (unread int, err error) {
	if err := tx.get(ctx, &unread, `SELECT count(*) FROM notifications n WHERE n.organization_id = $1 AND n.staff_id = $2 AND n.read_at IS NULL`,
		tx.Organization.String(), caller.StaffID); err != nil {
		return 0, fmt.Errorf("count unread notifications: %w", err)
	}
	return unread, nil
}

// LastNotification is the number of the caller's newest notification; zero where there is none.
func (tx *Tx) LastNotification(ctx context.Context, caller domain.Caller) (last int64, err error) {
	err = tx.get(ctx, &last, `SELECT c.last_number FROM notification_counters c WHERE c.organization_id = $1 AND c.staff_id = $2`, tx.Organization.String(), caller.StaffID)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read the number of the newest notification: %w", err)
	}
	return last, nil
}

// LockNotifications finds which of the ids are notifications of the caller, and keeps others from changing them.
func (tx *Tx) LockNotifications(ctx context.Context, caller domain.Caller, wanted []uuid.UUID) (found []uuid.UUID, err error) {
	if err := tx.selectAll(ctx, &found, `
		SELECT n.id FROM notifications n WHERE n.organization_id = $1 AND n.staff_id = $2 AND n.id = ANY ($3::uuid[]) ORDER BY n.id FOR NO KEY UPDATE`,
		tx.Organization.String(), caller.StaffID, ids(wanted)); err != nil {
		return nil, fmt.Errorf("find notifications: %w", err)
	}
	return found, nil
}

// MarkNotificationsRead marks notifications of the caller as read, and tells how many were not before.
func (tx *Tx) MarkNotificationsRead(ctx context.Context, caller domain.Caller, chosen []uuid.UUID, now time.Time) (marked int, err error) {
	marked, err = tx.execCounting(ctx, `
		UPDATE notifications SET read_at = $4 WHERE organization_id = $1 AND staff_id = $2 AND id = ANY ($3::uuid[]) AND read_at IS NULL`,
		tx.Organization.String(), caller.StaffID, ids(chosen), now)
	if err != nil {
		return 0, fmt.Errorf("mark notifications as read: %w", err)
	}
	return marked, nil
}

// MarkAllNotificationsRead marks all notifications of the caller as read, and tells how many were not before. Those that
// come at the same time are left for the next time: their transaction has not ended.
func (tx *Tx) MarkAllNotificationsRead(ctx context.Context, caller domain.Caller, now time.Time) (marked int, err error) {
	marked, err = tx.execCounting(ctx, `
		WITH unread AS (
			SELECT n.id FROM notifications n WHERE n.organization_id = $1 AND n.staff_id = $2 AND n.read_at IS NULL ORDER BY n.id FOR NO KEY UPDATE
		)
		UPDATE notifications n SET read_at = $3 FROM unread WHERE n.organization_id = $1 AND n.id = unread.id`,
		tx.Organization.String(), caller.StaffID, now)
	if err != nil {
		return 0, fmt.Errorf("mark all notifications as read: %w", err)
	}
	return marked, nil
}

// NotificationSettings reads how the caller is told; with lock nobody else changes it until the transaction ends.
func (tx *Tx) NotificationSettings(ctx context.Context, caller domain.Caller, lock bool) (settings domain.NotificationSettings, err error) {
	if err := tx.get(ctx, &settings.Email, `SELECT s.email_notifications FROM staff s WHERE s.organization_id = $1 AND s.id = $2`+locking(lock, ` FOR NO KEY UPDATE`),
		tx.Organization.String(), caller.StaffID); err != nil {
		return settings, fmt.Errorf("read notification settings: %w", err)
	}
	return settings, nil
}

// SaveNotificationSettings writes how the caller is told.
func (tx *Tx) SaveNotificationSettings(ctx context.Context, caller domain.Caller, settings domain.NotificationSettings) error {
	if err := tx.exec(ctx, `UPDATE staff SET email_notifications = $3 WHERE organization_id = $1 AND id = $2`, tx.Organization.String(), caller.StaffID, settings.Email); err != nil {
		return fmt.Errorf("save notification settings: %w", err)
	}
	return nil
}
