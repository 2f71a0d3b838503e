-- What waits for its turn is made available to every worker, as it was before there were turns.
DO $$
BEGIN
    IF to_regclass('river.river_job') IS NOT NULL THEN
        UPDATE river.river_job j SET state = 'available', scheduled_at = now() FROM waiting_runs w WHERE j.id = w.job_id AND j.state = 'pending';
    END IF;
END
$$;

DROP FUNCTION organizations_waiting();
DROP INDEX runs_unfinished_idx;
DROP TABLE waiting_runs;
