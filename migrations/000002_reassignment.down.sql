DROP FUNCTION notification_numbers(uuid[], uuid[]), pending_mails(timestamptz);
DROP TABLE notification_items, notifications, notification_counters, matter_groups, staff_group_members, staff_groups;
ALTER TABLE run_progress DROP COLUMN cancel_requested;
ALTER TABLE runs
    DROP COLUMN reverted_by_run_id,
    DROP COLUMN reverts_run_id,
    DROP COLUMN return_at,
    DROP COLUMN scheduled_for;
ALTER TABLE staff DROP COLUMN email_notifications;
DROP INDEX calendar_events_owner_idx, calendar_events_starts_at_idx, matters_restricted_idx;
