-- Runs that wait because as many of their organization are at work as may be. Each has its job in River's state pending, which no
-- worker takes; whoever ends a run of the organization makes the next one available.
CREATE TABLE waiting_runs (
    organization_id uuid   NOT NULL,
    run_id          uuid   NOT NULL, -- in the order in which runs were asked for: their ids are of version 7
    job_id          bigint NOT NULL, -- in river_job
    CONSTRAINT waiting_runs_pkey PRIMARY KEY (organization_id, run_id),
    CONSTRAINT waiting_runs_run_fkey FOREIGN KEY (organization_id, run_id) REFERENCES runs (organization_id, id)
);
ALTER TABLE waiting_runs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON waiting_runs TO handover_service
    USING (organization_id = (SELECT current_organization()))
    WITH CHECK (organization_id = (SELECT current_organization()));
GRANT SELECT, INSERT, UPDATE, DELETE ON waiting_runs TO handover_service;

-- How many are at work is counted whenever a run is asked for, begins, or ends. Runs are few: a row for each bulk change.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX runs_unfinished_idx ON runs (organization_id, status, id) WHERE status IN ('queued', 'running');

-- organizations_waiting tells the organizations that have runs waiting, so that none waits for ever whose turn nobody gave it.
CREATE FUNCTION organizations_waiting() RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$ SELECT o.id FROM organizations o WHERE EXISTS (SELECT FROM waiting_runs w WHERE w.organization_id = o.id) ORDER BY o.id $$;

REVOKE ALL ON FUNCTION organizations_waiting() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION organizations_waiting() TO handover_service;
