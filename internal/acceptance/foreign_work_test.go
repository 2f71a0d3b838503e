package acceptance

import "github.com/google/uuid"

// workForeignRows are the rows of matters, events and groups, of handing work over, and of what staff are told.
var workForeignRows = map[string]func(a *tenant) []ask{
	"reassignWork": func(a *tenant) []ask {
		part := object{"to_staff_ids": idsOf(a.spare), "distribution": "round_robin"}
		return []ask{withBody(object{
			"from_staff_id": a.staff.ID, "matters": part, "tasks": part, "events": part, "people": part, "dry_run": true,
		})}
	},
	"cancelRun": func(a *tenant) []ask {
		return []ask{inPath("run_id", a.scheduledID.String()).sending(object{"dry_run": true})}
	},
	"undoRun": func(a *tenant) []ask { return []ask{runRow(a)[0].sending(object{"dry_run": true})} },

	"listMatters": plainRow,
	"createMatter": func(a *tenant) []ask {
		return []ask{withBody(object{"number": "2030-1", "responsible_staff_id": a.spare.ID, "visibility": "groups", "group_ids": []uuid.UUID{a.groupID}})}
	},
	"getMatter": func(a *tenant) []ask { return []ask{inPath("matter_id", a.matterID.String())} },
	"updateMatter": func(a *tenant) []ask {
		return []ask{inPath("matter_id", a.groupMatter(a.staff, a.groupID).String()).with("If-Match", "*").
			sending(object{"number": "2030-1", "responsible_staff_id": a.spare.ID, "visibility": "groups", "group_ids": []uuid.UUID{a.groupID}})}
	},
	"upsertMatterByExternalId": func(a *tenant) []ask {
		return []ask{inPath("external_id", newID().String()).
			sending(object{"number": "2030-1", "responsible_staff_id": a.spare.ID, "visibility": "groups", "group_ids": []uuid.UUID{a.groupID}})}
	},

	"listCalendarEvents": plainRow,
	"createCalendarEvent": func(a *tenant) []ask {
		return []ask{withBody(with(eventFor(a.spare.ID), "attendee_staff_ids", idsOf(a.staff)))}
	},
	"getCalendarEvent": func(a *tenant) []ask { return []ask{inPath("calendar_event_id", a.eventID.String())} },
	"updateCalendarEvent": func(a *tenant) []ask {
		return []ask{inPath("calendar_event_id", somebodysEvent(a.world, a.Admin).String()).with("If-Match", "*").
			sending(with(eventFor(a.spare.ID), "attendee_staff_ids", idsOf(a.staff)))}
	},
	"upsertCalendarEventByExternalId": func(a *tenant) []ask {
		return []ask{inPath("external_id", newID().String()).sending(with(eventFor(a.spare.ID), "attendee_staff_ids", idsOf(a.staff)))}
	},

	"listStaffGroups": plainRow,
	"createStaffGroup": func(a *tenant) []ask {
		return []ask{withBody(object{"name": newID().String(), "member_ids": idsOf(a.spare)})}
	},
	"getStaffGroup": func(a *tenant) []ask { return []ask{inPath("staff_group_id", a.groupID.String())} },
	"updateStaffGroup": func(a *tenant) []ask {
		return []ask{inPath("staff_group_id", a.group().String()).sending(object{"member_ids": idsOf(a.spare)}).with("If-Match", "*")}
	},

	"listNotifications": plainRow,
	"getNotification":   func(a *tenant) []ask { return []ask{inPath("notification_id", a.notificationID.String())} },
	"markNotificationsRead": func(a *tenant) []ask {
		return []ask{withBody(object{"notification_ids": []uuid.UUID{a.notificationID}})}
	},
	"replaceNotificationSettings": func(*tenant) []ask {
		return []ask{withBody(object{"email": true}).with("If-Match", "*")}
	},
}
