package httpapi

import (
	"context"
	"time"

	"github.com/oapi-codegen/nullable"

	"handover/api"
	"handover/internal/domain"
)

// ListNotifications lists what the caller was told, the newest first (D2).
func (h *handlers) ListNotifications(ctx context.Context, request api.ListNotificationsRequestObject) (api.ListNotificationsResponseObject, error) {
	params := request.Params
	before, err := positionOf(ctx, params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := domain.NotificationFilter{Kinds: allOf(params.Kind, as[string, api.NotificationKind]), Unread: params.Unread}
	found, err := h.app.Notifications(ctx, callerOf(ctx), filter, int64(before), limitOf(params.Limit), valueOr(params.IncludeTotal, false))
	if err != nil {
		return nil, err
	}
	page := api.ListNotifications200JSONResponse{Items: all(found.Items, notificationOf), Total: found.Total, UnreadCount: found.Unread}
	last := 0
	if found.More {
		last = int(found.Items[len(found.Items)-1].Number)
	}
	page.NextCursor = cursorToPosition(ctx, last, found.More)
	return page, nil
}

// GetNotification reads one notification of the caller's.
func (h *handlers) GetNotification(ctx context.Context, request api.GetNotificationRequestObject) (api.GetNotificationResponseObject, error) {
	notification, err := h.app.Notification(ctx, callerOf(ctx), request.NotificationID)
	if err != nil {
		return nil, err
	}
	return api.GetNotification200JSONResponse{
		Body: notificationOf(notification), Headers: api.GetNotification200ResponseHeaders{ETag: etag(domain.Version(notification))},
	}, nil
}

// MarkNotificationsRead marks notifications of the caller's as read.
func (h *handlers) MarkNotificationsRead(ctx context.Context, request api.MarkNotificationsReadRequestObject) (api.MarkNotificationsReadResponseObject, error) {
	body := request.Body
	everything := valueOr(body.All, false)
	if everything == (body.NotificationIds != nil) {
		return nil, domain.Refuse(domain.CodeInvalidValue, "Name the notifications in notification_ids, or say all: true; one of the two.").
			At("/notification_ids", domain.CodeInvalidValue, "Exactly one of notification_ids and all is to be given.")
	}
	done, again, err := h.app.MarkNotificationsRead(ctx, callerOf(ctx), valueOr(body.NotificationIds, nil), everything, keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.MarkNotificationsRead200JSONResponse{
		Body:    api.NotificationsMarked{Marked: done.Marked, UnreadCount: done.Unread},
		Headers: api.MarkNotificationsRead200ResponseHeaders{IdempotencyReplayed: replayed(again)},
	}, nil
}

// GetNotificationSettings reads how the caller is told.
func (h *handlers) GetNotificationSettings(ctx context.Context, _ api.GetNotificationSettingsRequestObject) (api.GetNotificationSettingsResponseObject, error) {
	settings, err := h.app.NotificationSettings(ctx, callerOf(ctx))
	if err != nil {
		return nil, err
	}
	return api.GetNotificationSettings200JSONResponse{
		Body: api.NotificationSettings(settings), Headers: api.GetNotificationSettings200ResponseHeaders{ETag: etag(domain.Version(settings))},
	}, nil
}

// ReplaceNotificationSettings decides how the caller is told.
func (h *handlers) ReplaceNotificationSettings(ctx context.Context, request api.ReplaceNotificationSettingsRequestObject) (api.ReplaceNotificationSettingsResponseObject, error) {
	match, err := ifMatchOf(request.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	settings, err := h.app.ReplaceNotificationSettings(ctx, callerOf(ctx), match, domain.NotificationSettings{Email: request.Body.Email})
	if err != nil {
		return nil, err
	}
	return api.ReplaceNotificationSettings200JSONResponse{
		Body: api.NotificationSettings(settings), Headers: api.ReplaceNotificationSettings200ResponseHeaders{ETag: etag(domain.Version(settings))},
	}, nil
}

func notificationOf(n domain.Notification) api.Notification {
	return api.Notification{
		ID: n.ID, Kind: string(n.Kind), RunID: orNull(n.RunID), CreatedAt: n.CreatedAt, ReadAt: orNull(n.ReadAt),
		Actor: actorOrNull(n.Actor), From: actorOrNull(n.From),
		Work: api.NotificationWork{People: n.Work.People, Tasks: n.Work.Tasks, Matters: n.Work.Matters, Events: n.Work.Events},
		Items: all(n.Items, func(item domain.NotificationItem) api.NotificationItem {
			return api.NotificationItem{
				Kind: string(item.Kind), ItemID: item.ID, Label: item.Label, DueOn: orNull(dateOf(item.DueOn)), StartsAt: orNull(item.StartsAt),
				Concerns: orNull(concernOf(item.Concerns)),
			}
		}),
		Failure: orNull(failureOf(n.Failure)),
		Links: api.NotificationLinks{
			Self: "/v1/notifications/" + n.ID.String(), People: "/v1/people?staff_id=me", Tasks: "/v1/tasks?assignee_id=me&active=true",
			Matters: "/v1/matters?responsible_staff_id=me&status=open,pending",
			Events:  "/v1/calendar-events?owner_staff_id=me&starts_from=" + n.CreatedAt.Format(time.RFC3339),
		},
	}
}

func concernOf(concern *domain.Concern) *api.NotificationConcern {
	if concern == nil {
		return nil
	}
	return &api.NotificationConcern{Kind: string(concern.Kind), ID: concern.ID, Label: concern.Label}
}

func failureOf(failure *domain.RunFailure) *api.NotificationFailure {
	if failure == nil {
		return nil
	}
	return &api.NotificationFailure{
		Kind: string(failure.Kind), RequestedAt: failure.RequestedAt, ScheduledFor: orNull(failure.ScheduledFor), Reason: orNull(failure.Reason),
		Code: string(failure.Code), Detail: failure.Detail, Staff: all(failure.Staff, staffRefOf),
	}
}

func actorOrNull(ref *domain.StaffRef) nullable.Nullable[api.Actor] {
	if ref == nil {
		return nullable.NewNullNullable[api.Actor]()
	}
	return nullable.NewNullableWithValue(api.Actor(staffRefOf(*ref)))
}
