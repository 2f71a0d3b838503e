DROP FUNCTION sweep_expired(timestamptz);
DROP FUNCTION authenticate_api_token(bytea);
DROP TABLE api_tokens, idempotency_keys, audit_events, run_items, run_progress, runs, selection_people, selections,
    intake_template_tasks, calendar_event_attendees, calendar_events, task_assignees, tasks, matters, assignments,
    person_words, people, staff, organizations;
DROP FUNCTION current_organization();
DO $$
BEGIN
    EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM handover_service', current_schema());
END
$$;
