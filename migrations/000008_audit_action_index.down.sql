-- without transaction
DROP INDEX CONCURRENTLY IF EXISTS audit_events_single_action_idx;
