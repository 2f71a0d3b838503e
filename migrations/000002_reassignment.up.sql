-- Reassigning a leaver's work (B1 to B12), who may see a matter (B5), and what staff are told (B7, D2).

-- Staff groups. Their members see the matters that are visible to them.
CREATE TABLE staff_groups (
    organization_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    name            text        NOT NULL,
    name_normalized text        COLLATE "C" NOT NULL GENERATED ALWAYS AS (lower(name)) STORED,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    CONSTRAINT staff_groups_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT staff_groups_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
    CONSTRAINT staff_groups_name_key UNIQUE (organization_id, name_normalized),
    CONSTRAINT staff_groups_name_not_blank CHECK (btrim(name) <> '')
);

CREATE TABLE staff_group_members (
    organization_id uuid NOT NULL,
    staff_group_id  uuid NOT NULL,
    staff_id        uuid NOT NULL,
    CONSTRAINT staff_group_members_pkey PRIMARY KEY (organization_id, staff_id, staff_group_id),
    CONSTRAINT staff_group_members_group_fkey FOREIGN KEY (organization_id, staff_group_id) REFERENCES staff_groups (organization_id, id),
    CONSTRAINT staff_group_members_staff_fkey FOREIGN KEY (organization_id, staff_id) REFERENCES staff (organization_id, id)
);
CREATE INDEX staff_group_members_group_idx ON staff_group_members (organization_id, staff_group_id, staff_id);

-- The groups that see a matter whose visibility is 'groups'.
CREATE TABLE matter_groups (
    organization_id uuid NOT NULL,
    matter_id       uuid NOT NULL,
    staff_group_id  uuid NOT NULL,
    CONSTRAINT matter_groups_pkey PRIMARY KEY (organization_id, matter_id, staff_group_id),
    CONSTRAINT matter_groups_matter_fkey FOREIGN KEY (organization_id, matter_id) REFERENCES matters (organization_id, id),
    CONSTRAINT matter_groups_group_fkey FOREIGN KEY (organization_id, staff_group_id) REFERENCES staff_groups (organization_id, id)
);
CREATE INDEX matter_groups_group_idx ON matter_groups (organization_id, staff_group_id);

-- The few matters that not everyone sees: what is hidden from a reader is found from here.
CREATE INDEX matters_restricted_idx ON matters (organization_id, id) WHERE visibility <> 'everyone';
CREATE INDEX calendar_events_starts_at_idx ON calendar_events (organization_id, starts_at, id);
CREATE INDEX calendar_events_owner_idx ON calendar_events (organization_id, owner_staff_id, id); -- the order in which events are listed

ALTER TABLE staff ADD COLUMN email_notifications boolean NOT NULL DEFAULT true; -- turned off by themselves (B7)

-- Runs that are set for later, and what became of what they did.
ALTER TABLE runs
    ADD COLUMN scheduled_for    timestamptz,      -- when a scheduled run is due (B12)
    ADD COLUMN return_at        timestamptz,      -- when what was lent goes back (B12)
    ADD COLUMN reverts_run_id   uuid,             -- the run that this one undoes, or returns the loan of (B11, B12)
    ADD COLUMN reverted_by_run_id uuid,           -- the run that has undone this one, or returned its loan
    ADD CONSTRAINT runs_reverts_fkey FOREIGN KEY (organization_id, reverts_run_id) REFERENCES runs (organization_id, id),
    ADD CONSTRAINT runs_reverted_by_fkey FOREIGN KEY (organization_id, reverted_by_run_id) REFERENCES runs (organization_id, id);
CREATE INDEX runs_reverts_idx ON runs (organization_id, reverts_run_id) WHERE reverts_run_id IS NOT NULL;

-- Beside the run, whose row its worker holds while it works.
ALTER TABLE run_progress ADD COLUMN cancel_requested boolean NOT NULL DEFAULT false;

-- How many notifications each staff member has got. Whoever adds one holds its row until the end of the transaction, so
-- that the numbers of one receiver become visible in their order: a stream that has seen number 7 never misses a 6.
CREATE TABLE notification_counters (
    organization_id uuid    NOT NULL,
    staff_id        uuid    NOT NULL,
    last_number     bigint  NOT NULL,
    CONSTRAINT notification_counters_pkey PRIMARY KEY (organization_id, staff_id),
    CONSTRAINT notification_counters_staff_fkey FOREIGN KEY (organization_id, staff_id) REFERENCES staff (organization_id, id)
);

CREATE TABLE notifications (
    organization_id   uuid        NOT NULL,
    id                uuid        NOT NULL,
    staff_id          uuid        NOT NULL, -- who is told
    number            bigint      NOT NULL, -- among theirs, from 1
    kind              text        NOT NULL,
    run_id            uuid,
    actor_staff_id    uuid,                 -- who asked for the run
    from_staff_id     uuid,                 -- who handed over, where it was one staff member
    created_at        timestamptz NOT NULL,
    read_at           timestamptz,
    people_count      integer     NOT NULL DEFAULT 0,
    tasks_count       integer     NOT NULL DEFAULT 0,
    matters_count     integer     NOT NULL DEFAULT 0,
    events_count      integer     NOT NULL DEFAULT 0,
    -- How much of the counts belongs to which matter: what the receiver may not see when they read is not counted (B5).
    share_matter_ids  uuid[]      NOT NULL DEFAULT '{}',
    share_tasks       integer[]   NOT NULL DEFAULT '{}',
    share_matters     integer[]   NOT NULL DEFAULT '{}',
    share_events      integer[]   NOT NULL DEFAULT '{}',
    -- 'none': none is to be sent. 'offered': all but its end is with the mail server. 'handing_over': it may have arrived, and is
    -- not sent again.
    email_status      text        NOT NULL,
    email_at          timestamptz,          -- when the status came about
    email_offered_at  timestamptz,          -- likewise, by the clock of the database
    email_taken_until timestamptz,          -- a worker is at it, and says so again before then
    CONSTRAINT notifications_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT notifications_staff_fkey FOREIGN KEY (organization_id, staff_id) REFERENCES staff (organization_id, id),
    CONSTRAINT notifications_number_key UNIQUE (organization_id, staff_id, number),
    CONSTRAINT notifications_kind_known CHECK (kind IN ('work_received', 'work_handed_over', 'run_failed')),
    CONSTRAINT notifications_email_status_known CHECK (email_status IN ('none', 'pending', 'offered', 'handing_over', 'sent', 'failed'))
);
CREATE INDEX notifications_unread_idx ON notifications (organization_id, staff_id, number) WHERE read_at IS NULL;
CREATE INDEX notifications_pending_email_idx ON notifications (created_at) WHERE email_status IN ('pending', 'offered');
CREATE UNIQUE INDEX notifications_run_receiver_key ON notifications (organization_id, run_id, staff_id, kind) WHERE run_id IS NOT NULL;

-- The items of a notification that are due next, at most 20. What they are called, and whether the receiver may see them, is
-- looked up when reading (B5).
CREATE TABLE notification_items (
    organization_id uuid     NOT NULL,
    notification_id uuid     NOT NULL,
    position        smallint NOT NULL,
    kind            text     NOT NULL,
    item_id         uuid     NOT NULL,
    CONSTRAINT notification_items_pkey PRIMARY KEY (organization_id, notification_id, position),
    CONSTRAINT notification_items_notification_fkey FOREIGN KEY (organization_id, notification_id) REFERENCES notifications (organization_id, id),
    CONSTRAINT notification_items_kind_known CHECK (kind IN ('person', 'task', 'matter', 'calendar_event'))
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY ['staff_groups', 'staff_group_members', 'matter_groups', 'notification_counters', 'notifications', 'notification_items']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_organization ON %I TO handover_service
            USING (organization_id = (SELECT current_organization()))
            WITH CHECK (organization_id = (SELECT current_organization()))', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO handover_service', name);
    END LOOP;
END
$$;
REVOKE DELETE ON staff_groups, notifications, notification_items FROM handover_service;

-- notification_numbers tells the last number of each of the receivers (pairs of organization and staff member), so that one
-- look serves all streams of a process, whatever their organizations.
CREATE FUNCTION notification_numbers(organizations uuid[], staff uuid[])
    RETURNS TABLE (organization_id uuid, staff_id uuid, last_number bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
        SELECT c.organization_id, c.staff_id, c.last_number
        FROM unnest(organizations, staff) AS receiver (organization_id, staff_id)
        JOIN notification_counters c ON c.organization_id = receiver.organization_id AND c.staff_id = receiver.staff_id
    $$;

-- pending_mails tells the notifications since before an instant whose mail has not been sent, of every organization, so that
-- none stays behind whose job was lost.
CREATE FUNCTION pending_mails(before timestamptz)
    RETURNS TABLE (organization_id uuid, notification_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
        SELECT n.organization_id, n.id FROM notifications n
        WHERE n.email_status IN ('pending', 'offered') AND n.created_at < before ORDER BY n.created_at LIMIT 10000
    $$;
REVOKE ALL ON FUNCTION notification_numbers(uuid[], uuid[]), pending_mails(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION notification_numbers(uuid[], uuid[]), pending_mails(timestamptz) TO handover_service;
