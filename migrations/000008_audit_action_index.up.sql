-- without transaction
-- Likewise by what was done.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_events_single_action_idx ON audit_events (organization_id, action, id) WHERE run_id IS NULL;
