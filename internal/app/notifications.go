package app

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"handover/internal/domain"
	"handover/internal/postgres"
)

// NotificationList is a page of somebody's notifications, with how many of all they have not read.
type NotificationList struct {
	Listing[domain.Notification]
	Unread int
}

// Notifications lists the caller's own notifications, the newest first, before a number (zero: from the newest) (D2).
func (a *App) Notifications(ctx context.Context, caller domain.Caller, filter domain.NotificationFilter, before int64, limit int, withTotal bool) (NotificationList, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (found NotificationList, err error) {
		items, err := tx.Notifications(ctx, caller, filter, before, limit)
		if err != nil {
			return found, err
		}
		found.Listing = cut(items, limit)
		if withTotal {
			total, err := tx.CountNotifications(ctx, caller, filter)
			if err != nil {
				return found, err
			}
			found.Total = &total
		}
		found.Unread, err = tx.UnreadNotifications(ctx, caller)
		return found, err
	})
}

// Notification reads one of the caller's own notifications. That marks nothing as read.
func (a *App) Notification(ctx context.Context, caller domain.Caller, id uuid.UUID) (domain.Notification, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (domain.Notification, error) { return tx.Notification(ctx, caller, id) })
}

// MarkedRead tells how many notifications were unread and are no longer, and how many are unread still.
type MarkedRead struct {
	Marked int
	Unread int
}

// MarkNotificationsRead marks some of the caller's own notifications as read, or all of them. Doing it again changes nothing.
func (a *App) MarkNotificationsRead(ctx context.Context, caller domain.Caller, chosen []uuid.UUID, all bool, key *Key) (MarkedRead, bool, error) {
	return once(ctx, a, caller, key, func(tx *postgres.Tx) (done MarkedRead, err error) {
		if all {
			done.Marked, err = tx.MarkAllNotificationsRead(ctx, caller, a.instant())
		} else {
			done.Marked, err = a.markRead(ctx, tx, caller, chosen)
		}
		if err != nil {
			return done, err
		}
		done.Unread, err = tx.UnreadNotifications(ctx, caller)
		return done, err
	})
}

func (a *App) markRead(ctx context.Context, tx *postgres.Tx, caller domain.Caller, chosen []uuid.UUID) (int, error) {
	found, err := tx.LockNotifications(ctx, caller, chosen)
	if err != nil {
		return 0, err
	}
	own := make(map[uuid.UUID]bool, len(found))
	for _, id := range found {
		own[id] = true
	}
	var missing []uuid.UUID
	refusal := domain.Refuse(domain.CodeNotificationNotFound, "Some of these are no notifications of yours.")
	for i, id := range chosen {
		if !own[id] {
			missing = append(missing, id)
			_ = refusal.At(fmt.Sprintf("/notification_ids/%d", i), domain.CodeNotificationNotFound, "Is no notification of yours.")
		}
	}
	if len(missing) > 0 {
		return 0, refusal.With("notification_ids", missing)
	}
	return tx.MarkNotificationsRead(ctx, caller, chosen, a.instant())
}

// NotificationSettings reads how the caller is told.
func (a *App) NotificationSettings(ctx context.Context, caller domain.Caller) (domain.NotificationSettings, error) {
	return read(ctx, a, caller, func(tx *postgres.Tx) (domain.NotificationSettings, error) {
		return tx.NotificationSettings(ctx, caller, false)
	})
}

// ReplaceNotificationSettings decides how the caller is told, where nobody has decided otherwise since they looked. Mails
// that have not gone out yet go by it too.
func (a *App) ReplaceNotificationSettings(ctx context.Context, caller domain.Caller, ifMatch string, wanted domain.NotificationSettings) (domain.NotificationSettings, error) {
	err := a.store.InTx(ctx, caller.Organization, postgres.Working, func(tx *postgres.Tx) error {
		before, err := tx.NotificationSettings(ctx, caller, true)
		if err != nil {
			return err
		}
		if err := checkMatch(ifMatch, before); err != nil {
			return err
		}
		if before == wanted {
			return nil
		}
		if err := tx.SaveNotificationSettings(ctx, caller, wanted); err != nil {
			return err
		}
		return tx.Audit(ctx, newID(), a.stamp(caller, "notification_settings_changed", a.instant()), "staff", caller.StaffID, before, wanted)
	})
	return wanted, err
}
