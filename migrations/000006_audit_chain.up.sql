-- The audit trail in a chain of hashes for each organization (D1), and what an auditor looks it up by.
--
-- Nothing is added to audit_events itself: whoever writes it pays nothing for the chain, and waits for nobody. A job chains afterwards
-- what has been committed since it last looked.

-- A link holds the events of a stretch of positions, in the order of the chain, and for each the hash of the chain up to and with it. It
-- is append-only, as the trail is. An event costs 48 bytes in it, and a link some 200 besides.
CREATE TABLE audit_links (
    organization_id uuid        NOT NULL,
    first_position  bigint      NOT NULL, -- from 1; without gaps
    last_position   bigint      NOT NULL,
    format          smallint    NOT NULL, -- of what is hashed
    newest_event_id uuid        NOT NULL, -- the greatest of event_ids
    event_ids       uuid[]      NOT NULL,
    hashes          bytea       NOT NULL, -- 32 bytes for each event
    chained_at      timestamptz NOT NULL,
    CONSTRAINT audit_links_pkey PRIMARY KEY (organization_id, first_position),
    CONSTRAINT audit_links_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
    CONSTRAINT audit_links_positions_match CHECK (first_position > 0 AND last_position >= first_position
        AND cardinality(event_ids) = last_position - first_position + 1 AND octet_length(hashes) = 32 * cardinality(event_ids))
);
CREATE INDEX audit_links_newest_event_idx ON audit_links (organization_id, newest_event_id);
ALTER TABLE audit_links ALTER COLUMN event_ids SET STORAGE EXTERNAL, ALTER COLUMN hashes SET STORAGE EXTERNAL; -- nothing to compress

-- How far the job has looked. This is bookkeeping and no evidence: if it is lost, everything is looked through once more.
CREATE TABLE audit_chain_progress (
    organization_id uuid        NOT NULL,
    looked_at       timestamptz NOT NULL, -- what was committed before is chained, but for what is older by its id than a look goes back
    swept_at        timestamptz NOT NULL, -- likewise, without any exception
    CONSTRAINT audit_chain_progress_pkey PRIMARY KEY (organization_id),
    CONSTRAINT audit_chain_progress_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY ['audit_links', 'audit_chain_progress']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_organization ON %I TO handover_service
            USING (organization_id = (SELECT current_organization()))
            WITH CHECK (organization_id = (SELECT current_organization()))', name);
    END LOOP;
END
$$;
GRANT SELECT, INSERT ON audit_links TO handover_service;
GRANT SELECT, INSERT, UPDATE ON audit_chain_progress TO handover_service;

-- earliest_id is the least id of version 7 that can have been made at an instant.
CREATE FUNCTION earliest_id(instant timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT rpad(lpad(to_hex(greatest(floor(extract(epoch FROM instant) * 1000), 0)::bigint), 12, '0'), 32, '0')::uuid $$;

-- audit_chains_to_look_at tells the organizations that may have events outside of their chain: those with events that are, by their ids,
-- from after the last look or a little before it, and those that were not swept since an instant.
CREATE FUNCTION audit_chains_to_look_at(back interval, swept_since timestamptz) RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
        SELECT o.id FROM organizations o
        LEFT JOIN audit_chain_progress p ON p.organization_id = o.id
        WHERE p.looked_at IS NULL OR p.swept_at < swept_since
           OR EXISTS (SELECT FROM audit_events e WHERE e.organization_id = o.id AND e.id >= earliest_id(p.looked_at - back))
        ORDER BY o.id
    $$;

-- audit_chain_health tells, over all organizations, how many events are chained, and since when the one furthest behind has had events
-- that may be outside of its chain; null: none has.
CREATE FUNCTION audit_chain_health() RETURNS TABLE (organizations bigint, events bigint, behind_since timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
        SELECT count(*) FILTER (WHERE head.position IS NOT NULL), coalesce(sum(head.position), 0)::bigint,
               min(coalesce(p.looked_at, o.created_at)) FILTER (WHERE EXISTS (
                   SELECT FROM audit_events e WHERE e.organization_id = o.id AND e.id >= earliest_id(coalesce(p.looked_at, '-infinity'))))
        FROM organizations o
        LEFT JOIN audit_chain_progress p ON p.organization_id = o.id
        LEFT JOIN LATERAL (SELECT l.last_position AS position FROM audit_links l WHERE l.organization_id = o.id
                           ORDER BY l.first_position DESC LIMIT 1) head ON true
    $$;

REVOKE ALL ON FUNCTION earliest_id(timestamptz), audit_chains_to_look_at(interval, timestamptz), audit_chain_health() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION earliest_id(timestamptz), audit_chains_to_look_at(interval, timestamptz), audit_chain_health() TO handover_service;
