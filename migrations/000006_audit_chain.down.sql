DROP FUNCTION audit_chains_to_look_at(interval, timestamptz), audit_chain_health(), earliest_id(timestamptz);
DROP TABLE audit_chain_progress, audit_links;
