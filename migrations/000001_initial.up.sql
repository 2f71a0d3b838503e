-- The schema of Handover.
--
-- Every key and every foreign key begins with organization_id: no row can point at a row of another organization,
-- and the tables can be distributed by that column as they are. Row-level security is the second lock: the service
-- works as handover_service, a role that owns nothing and bypasses nothing, and reading or writing without an
-- organization set is an error, never an empty answer.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'handover_service') THEN
        CREATE ROLE handover_service NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL; -- another database of the cluster was migrated at the same time
END
$$;

DO $$
BEGIN
    -- An owner who may not grant it can have been made a member beforehand.
    IF NOT pg_has_role(current_user, 'handover_service',
           CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
        EXECUTE format('GRANT handover_service TO %I', current_user);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO handover_service', current_schema());
END
$$;

-- current_organization is the organization of the transaction. It raises an error when none is set.
CREATE FUNCTION current_organization() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT current_setting('handover.organization_id')::uuid $$;

CREATE TABLE organizations (
    id         uuid        NOT NULL,
    name       text        NOT NULL,
    time_zone  text        NOT NULL,
    settings   jsonb       NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    CONSTRAINT organizations_pkey PRIMARY KEY (id),
    CONSTRAINT organizations_name_not_blank CHECK (btrim(name) <> '')
);

CREATE TABLE staff (
    organization_id  uuid        NOT NULL,
    id               uuid        NOT NULL,
    external_id      text,
    first_name       text        NOT NULL,
    last_name        text        NOT NULL,
    email            text        NOT NULL,
    email_normalized text        COLLATE "C" NOT NULL GENERATED ALWAYS AS (lower(email)) STORED,
    role             text        NOT NULL,
    status           text        NOT NULL,
    permissions      text[]      NOT NULL DEFAULT '{}',
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    CONSTRAINT staff_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT staff_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
    CONSTRAINT staff_external_id_key UNIQUE (organization_id, external_id),
    CONSTRAINT staff_email_key UNIQUE (organization_id, email_normalized),
    CONSTRAINT staff_role_known CHECK (role IN ('administrator', 'member')),
    CONSTRAINT staff_status_known CHECK (status IN ('active', 'deactivated')),
    CONSTRAINT staff_permissions_known CHECK (permissions <@ ARRAY ['clients', 'referrals', 'staff', 'tasks'])
);

CREATE TABLE people (
    organization_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    external_id     text,
    kind            text        NOT NULL,
    status          text        NOT NULL,
    first_name      text        NOT NULL,
    last_name       text        NOT NULL,
    email           text,
    phone           text,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    CONSTRAINT people_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT people_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
    CONSTRAINT people_external_id_key UNIQUE (organization_id, external_id),
    CONSTRAINT people_kind_known CHECK (kind IN ('client', 'referral')),
    CONSTRAINT people_status_known CHECK (status IN ('active', 'inactive'))
);

-- The lower-case words of a person's name and email, so that a prefix search uses an index under row-level security,
-- where only leakproof comparisons (plain >= and <) may.
CREATE TABLE person_words (
    organization_id uuid NOT NULL,
    word            text COLLATE "C" NOT NULL,
    person_id       uuid NOT NULL,
    CONSTRAINT person_words_pkey PRIMARY KEY (organization_id, word, person_id),
    CONSTRAINT person_words_person_fkey FOREIGN KEY (organization_id, person_id) REFERENCES people (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX person_words_person_idx ON person_words (organization_id, person_id);

CREATE TABLE assignments (
    organization_id uuid        NOT NULL,
    person_id       uuid        NOT NULL,
    staff_id        uuid        NOT NULL,
    CONSTRAINT assignments_pkey PRIMARY KEY (organization_id, person_id, staff_id),
    CONSTRAINT assignments_person_fkey FOREIGN KEY (organization_id, person_id) REFERENCES people (organization_id, id),
    CONSTRAINT assignments_staff_fkey FOREIGN KEY (organization_id, staff_id) REFERENCES staff (organization_id, id)
);
CREATE INDEX assignments_staff_idx ON assignments (organization_id, staff_id, person_id);

CREATE TABLE matters (
    organization_id      uuid        NOT NULL,
    id                   uuid        NOT NULL,
    external_id          text,
    number               text        NOT NULL,
    description          text        NOT NULL,
    status               text        NOT NULL,
    visibility           text        NOT NULL,
    responsible_staff_id uuid        NOT NULL,
    client_id            uuid,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    CONSTRAINT matters_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT matters_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
    CONSTRAINT matters_responsible_staff_fkey FOREIGN KEY (organization_id, responsible_staff_id) REFERENCES staff (organization_id, id),
    CONSTRAINT matters_client_fkey FOREIGN KEY (organization_id, client_id) REFERENCES people (organization_id, id),
    CONSTRAINT matters_external_id_key UNIQUE (organization_id, external_id),
    CONSTRAINT matters_status_known CHECK (status IN ('open', 'pending', 'closed')),
    CONSTRAINT matters_visibility_known CHECK (visibility IN ('everyone', 'groups', 'private'))
);
CREATE INDEX matters_responsible_staff_idx ON matters (organization_id, responsible_staff_id, id);
CREATE INDEX matters_client_idx ON matters (organization_id, client_id) WHERE client_id IS NOT NULL;

CREATE TABLE tasks (
    organization_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    external_id     text,
    title           text        NOT NULL,
    details         text        NOT NULL DEFAULT '',
    status          text        NOT NULL,
    due_on          date,
    person_id       uuid,
    matter_id       uuid,
    is_intake       boolean     NOT NULL DEFAULT false, -- made from the intake template (A5)
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    CONSTRAINT tasks_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT tasks_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
    CONSTRAINT tasks_person_fkey FOREIGN KEY (organization_id, person_id) REFERENCES people (organization_id, id),
    CONSTRAINT tasks_matter_fkey FOREIGN KEY (organization_id, matter_id) REFERENCES matters (organization_id, id),
    CONSTRAINT tasks_external_id_key UNIQUE (organization_id, external_id),
    CONSTRAINT tasks_status_known CHECK (status IN ('open', 'in_progress', 'completed', 'cancelled')),
    CONSTRAINT tasks_person_or_matter CHECK (person_id IS NULL OR matter_id IS NULL)
);
CREATE INDEX tasks_person_idx ON tasks (organization_id, person_id, status, id) WHERE person_id IS NOT NULL;
CREATE INDEX tasks_matter_idx ON tasks (organization_id, matter_id, status, id) WHERE matter_id IS NOT NULL;
CREATE INDEX tasks_active_idx ON tasks (organization_id, id) WHERE status IN ('open', 'in_progress');
CREATE INDEX tasks_active_due_idx ON tasks (organization_id, due_on, id) WHERE status IN ('open', 'in_progress');
CREATE INDEX tasks_intake_person_idx ON tasks (organization_id, person_id) WHERE is_intake;

CREATE TABLE task_assignees (
    organization_id uuid NOT NULL,
    task_id         uuid NOT NULL,
    staff_id        uuid NOT NULL,
    CONSTRAINT task_assignees_pkey PRIMARY KEY (organization_id, task_id, staff_id),
    CONSTRAINT task_assignees_task_fkey FOREIGN KEY (organization_id, task_id) REFERENCES tasks (organization_id, id),
    CONSTRAINT task_assignees_staff_fkey FOREIGN KEY (organization_id, staff_id) REFERENCES staff (organization_id, id)
);
CREATE INDEX task_assignees_staff_idx ON task_assignees (organization_id, staff_id, task_id);

CREATE TABLE calendar_events (
    organization_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    external_id     text,
    title           text        NOT NULL,
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL,
    owner_staff_id  uuid        NOT NULL,
    matter_id       uuid,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    CONSTRAINT calendar_events_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT calendar_events_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
    CONSTRAINT calendar_events_owner_staff_fkey FOREIGN KEY (organization_id, owner_staff_id) REFERENCES staff (organization_id, id),
    CONSTRAINT calendar_events_matter_fkey FOREIGN KEY (organization_id, matter_id) REFERENCES matters (organization_id, id),
    CONSTRAINT calendar_events_external_id_key UNIQUE (organization_id, external_id),
    CONSTRAINT calendar_events_end_after_start CHECK (ends_at >= starts_at)
);
CREATE INDEX calendar_events_owner_staff_idx ON calendar_events (organization_id, owner_staff_id, starts_at, id);
CREATE INDEX calendar_events_matter_idx ON calendar_events (organization_id, matter_id) WHERE matter_id IS NOT NULL;

CREATE TABLE calendar_event_attendees (
    organization_id   uuid NOT NULL,
    calendar_event_id uuid NOT NULL,
    staff_id          uuid NOT NULL,
    CONSTRAINT calendar_event_attendees_pkey PRIMARY KEY (organization_id, calendar_event_id, staff_id),
    CONSTRAINT calendar_event_attendees_event_fkey FOREIGN KEY (organization_id, calendar_event_id) REFERENCES calendar_events (organization_id, id),
    CONSTRAINT calendar_event_attendees_staff_fkey FOREIGN KEY (organization_id, staff_id) REFERENCES staff (organization_id, id)
);
CREATE INDEX calendar_event_attendees_staff_idx ON calendar_event_attendees (organization_id, staff_id, calendar_event_id);

CREATE TABLE intake_template_tasks (
    organization_id uuid    NOT NULL,
    position        integer NOT NULL,
    title           text    NOT NULL,
    details         text    NOT NULL,
    days_until_due  integer NOT NULL,
    CONSTRAINT intake_template_tasks_pkey PRIMARY KEY (organization_id, position),
    CONSTRAINT intake_template_tasks_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
    CONSTRAINT intake_template_tasks_days_in_range CHECK (days_until_due BETWEEN 0 AND 3650)
);

-- A frozen set of people (A1). Its rows carry no foreign keys: they are written by the ten thousand, never point
-- outside the organization because their key begins with it, and are swept away together when the selection expires.
CREATE TABLE selections (
    organization_id     uuid        NOT NULL,
    id                  uuid        NOT NULL,
    created_by_staff_id uuid        NOT NULL,
    created_at          timestamptz NOT NULL,
    expires_at          timestamptz NOT NULL,
    clients_count       integer     NOT NULL,
    referrals_count     integer     NOT NULL,
    CONSTRAINT selections_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT selections_created_by_staff_fkey FOREIGN KEY (organization_id, created_by_staff_id) REFERENCES staff (organization_id, id)
);
CREATE INDEX selections_expires_at_idx ON selections (expires_at);

CREATE TABLE selection_people (
    organization_id uuid NOT NULL,
    selection_id    uuid NOT NULL,
    person_id       uuid NOT NULL,
    CONSTRAINT selection_people_pkey PRIMARY KEY (organization_id, selection_id, person_id)
);

CREATE TABLE runs (
    organization_id       uuid        NOT NULL,
    id                    uuid        NOT NULL,
    kind                  text        NOT NULL,
    status                text        NOT NULL,
    requested_by_staff_id uuid        NOT NULL,
    requested_at          timestamptz NOT NULL,
    started_at            timestamptz,
    finished_at           timestamptz,
    reason                text,
    request               jsonb       NOT NULL, -- the body as it was asked
    selection_id          uuid,                 -- the frozen people of an asynchronous run
    totals                jsonb       NOT NULL,
    revision              text,                 -- of the facts before the change (A15)
    error                 jsonb,                -- the problem of a failed run
    CONSTRAINT runs_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT runs_requested_by_staff_fkey FOREIGN KEY (organization_id, requested_by_staff_id) REFERENCES staff (organization_id, id),
    CONSTRAINT runs_kind_known CHECK (kind IN ('manage_assignments', 'assign_staff', 'remove_staff', 'reassign_work', 'undo')),
    CONSTRAINT runs_status_known CHECK (status IN ('scheduled', 'queued', 'running', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT runs_finished CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed', 'cancelled')))
);
CREATE INDEX runs_requested_by_staff_idx ON runs (organization_id, requested_by_staff_id, id);

-- Written outside the transaction of the work, so that a run can be followed while it works.
CREATE TABLE run_progress (
    organization_id uuid    NOT NULL,
    run_id          uuid    NOT NULL,
    done            integer NOT NULL,
    total           integer NOT NULL,
    CONSTRAINT run_progress_pkey PRIMARY KEY (organization_id, run_id),
    CONSTRAINT run_progress_run_fkey FOREIGN KEY (organization_id, run_id) REFERENCES runs (organization_id, id)
);

-- What a run did to each item. No foreign keys, as in selection_people: 140,000 rows a run is an ordinary day.
CREATE TABLE run_items (
    organization_id  uuid    NOT NULL,
    run_id           uuid    NOT NULL,
    position         integer NOT NULL,
    kind             text    NOT NULL,
    item_id          uuid    NOT NULL,
    outcome          text    NOT NULL,
    reason           text,
    before_staff_ids uuid[]  NOT NULL,
    after_staff_ids  uuid[]  NOT NULL,
    CONSTRAINT run_items_pkey PRIMARY KEY (organization_id, run_id, position),
    CONSTRAINT run_items_kind_known CHECK (kind IN ('person', 'task', 'matter', 'calendar_event')),
    CONSTRAINT run_items_outcome_known CHECK (outcome IN ('changed', 'unchanged', 'created', 'left_alone'))
);

-- Append-only (D1): the service may insert and read.
CREATE TABLE audit_events (
    organization_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    occurred_at     timestamptz NOT NULL,
    staff_id        uuid,       -- who did it; null for the command line
    action          text        NOT NULL,
    subject_kind    text        NOT NULL,
    subject_id      uuid        NOT NULL,
    run_id          uuid,
    request_id      text,
    reason          text,
    before          jsonb,
    after           jsonb,
    CONSTRAINT audit_events_pkey PRIMARY KEY (organization_id, id)
);
CREATE INDEX audit_events_subject_idx ON audit_events (organization_id, subject_id, id);
CREATE INDEX audit_events_run_idx ON audit_events (organization_id, run_id) WHERE run_id IS NOT NULL;

CREATE TABLE idempotency_keys (
    organization_id uuid        NOT NULL,
    staff_id        uuid        NOT NULL,
    operation       text        NOT NULL,
    key             text        COLLATE "C" NOT NULL,
    request_hash    bytea       NOT NULL,
    answer          bytea       NOT NULL,
    run_id          uuid,       -- a run's key is kept as long as the run
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (organization_id, staff_id, operation, key),
    CONSTRAINT idempotency_keys_staff_fkey FOREIGN KEY (organization_id, staff_id) REFERENCES staff (organization_id, id),
    CONSTRAINT idempotency_keys_run_fkey FOREIGN KEY (organization_id, run_id) REFERENCES runs (organization_id, id)
);
CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE api_tokens (
    organization_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    staff_id        uuid        NOT NULL,
    name            text        NOT NULL,
    secret_hash     bytea       NOT NULL, -- SHA-256 of the token; the token itself is kept nowhere
    scopes          text[],               -- null: all that the staff member has
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz,
    revoked_at      timestamptz,
    last_used_at    timestamptz,
    CONSTRAINT api_tokens_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT api_tokens_staff_fkey FOREIGN KEY (organization_id, staff_id) REFERENCES staff (organization_id, id),
    CONSTRAINT api_tokens_secret_hash_length CHECK (length(secret_hash) = 32)
);
CREATE INDEX api_tokens_secret_hash_idx ON api_tokens (secret_hash);
CREATE INDEX api_tokens_staff_idx ON api_tokens (organization_id, staff_id);

-- Row-level security. The sub-select makes it one look-up a statement instead of one a row.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY ['staff', 'people', 'person_words', 'assignments', 'matters', 'tasks', 'task_assignees',
        'calendar_events', 'calendar_event_attendees', 'intake_template_tasks', 'selections', 'selection_people',
        'runs', 'run_progress', 'run_items', 'audit_events', 'idempotency_keys', 'api_tokens']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_organization ON %I TO handover_service
            USING (organization_id = (SELECT current_organization()))
            WITH CHECK (organization_id = (SELECT current_organization()))', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO handover_service', name);
    END LOOP;
END
$$;

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON organizations TO handover_service
    USING (id = (SELECT current_organization())) WITH CHECK (id = (SELECT current_organization()));
GRANT SELECT, UPDATE ON organizations TO handover_service;

REVOKE UPDATE, DELETE ON audit_events FROM handover_service;
REVOKE DELETE ON staff, people, tasks, matters, calendar_events, runs, run_items FROM handover_service;
REVOKE UPDATE ON run_items FROM handover_service;

-- authenticate_api_token finds a token before its organization is known, by the SHA-256 of the secret. No row: there is
-- no such token. The caller judges status, expiry and revocation, so that each is told apart in the logs.
-- It is in PL/pgSQL, which keeps the plan for the session: every request waits for it, and planning would be most of it.
CREATE FUNCTION authenticate_api_token(hash bytea)
    RETURNS TABLE (organization_id uuid, token_id uuid, scopes text[], expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz,
                   staff_id uuid, first_name text, last_name text, role text, status text, permissions text[], time_zone text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
    #variable_conflict use_column
    BEGIN
        RETURN QUERY
        SELECT t.organization_id, t.id, t.scopes, t.expires_at, t.revoked_at, t.last_used_at,
               s.id, s.first_name, s.last_name, s.role, s.status, s.permissions, o.time_zone
        FROM api_tokens t
        JOIN staff s ON s.organization_id = t.organization_id AND s.id = t.staff_id
        JOIN organizations o ON o.id = t.organization_id
        WHERE t.secret_hash = hash;
    END
    $$;

-- sweep_expired deletes what may be forgotten, of every organization: expired selections and idempotency keys.
CREATE FUNCTION sweep_expired(instant timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
        WITH expired AS (DELETE FROM selections s WHERE s.expires_at < instant
                             AND NOT EXISTS (SELECT FROM runs r WHERE r.organization_id = s.organization_id AND r.selection_id = s.id
                                                                  AND r.status IN ('scheduled', 'queued', 'running'))
                         RETURNING organization_id, id)
        DELETE FROM selection_people p USING expired e WHERE p.organization_id = e.organization_id AND p.selection_id = e.id;
        DELETE FROM idempotency_keys WHERE expires_at < instant;
    $$;

REVOKE ALL ON FUNCTION authenticate_api_token(bytea), sweep_expired(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authenticate_api_token(bytea), sweep_expired(timestamptz), current_organization() TO handover_service;
