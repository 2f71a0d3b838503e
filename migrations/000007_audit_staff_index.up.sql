-- without transaction
-- Single changes are looked up by who made them. Those of runs, which come by the hundred thousand, are not in the index: they are found
-- through their run.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_events_single_staff_idx ON audit_events (organization_id, staff_id, id) WHERE run_id IS NULL;
