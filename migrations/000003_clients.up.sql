-- Managing clients (C1 to C8): what is kept of them by section, their link to CaMS, and how they and staff get in.

ALTER TABLE people ADD COLUMN email_normalized text COLLATE "C" GENERATED ALWAYS AS (lower(email)) STORED;
CREATE INDEX people_email_idx ON people (organization_id, email_normalized) WHERE email_normalized IS NOT NULL;

-- The sections of a client beyond name, email and phone, which every person has (C5). Where there is no row, or a field is
-- not in its section, nothing is known. What the fields may be is checked by the service.
CREATE TABLE client_profiles (
    organization_id uuid        NOT NULL,
    person_id       uuid        NOT NULL,
    identity        jsonb       NOT NULL DEFAULT '{}',
    contact         jsonb       NOT NULL DEFAULT '{}',
    address         jsonb       NOT NULL DEFAULT '{}',
    employment      jsonb       NOT NULL DEFAULT '{}',
    communication   jsonb       NOT NULL DEFAULT '{}',
    referral        jsonb       NOT NULL DEFAULT '{}',
    notes           jsonb       NOT NULL DEFAULT '{}',
    updated_at      timestamptz NOT NULL,
    CONSTRAINT client_profiles_pkey PRIMARY KEY (organization_id, person_id),
    CONSTRAINT client_profiles_person_fkey FOREIGN KEY (organization_id, person_id) REFERENCES people (organization_id, id)
);

-- Where a client's record came from, when it was not made by hand (C3).
CREATE TABLE client_assessments (
    organization_id uuid        NOT NULL,
    person_id       uuid        NOT NULL,
    number          text        NOT NULL,
    copied_at       timestamptz NOT NULL,
    CONSTRAINT client_assessments_pkey PRIMARY KEY (organization_id, person_id),
    CONSTRAINT client_assessments_number_key UNIQUE (organization_id, number),
    CONSTRAINT client_assessments_person_fkey FOREIGN KEY (organization_id, person_id) REFERENCES people (organization_id, id)
);

-- The link of a client to CaMS, and how current it is (C4).
CREATE TABLE cams_links (
    organization_id uuid        NOT NULL,
    person_id       uuid        NOT NULL,
    reference       text        NOT NULL,
    linked_at       timestamptz NOT NULL,
    linked_by_staff_id uuid,
    record_version  bigint      NOT NULL DEFAULT 0, -- of the record as it was taken over; older ones are passed over
    last_success_at timestamptz,
    last_error_at   timestamptz,
    last_error      text,       -- a code of the contract, never an internal text
    CONSTRAINT cams_links_pkey PRIMARY KEY (organization_id, person_id),
    CONSTRAINT cams_links_reference_key UNIQUE (organization_id, reference),
    CONSTRAINT cams_links_person_fkey FOREIGN KEY (organization_id, person_id) REFERENCES people (organization_id, id),
    CONSTRAINT cams_links_linked_by_staff_fkey FOREIGN KEY (organization_id, linked_by_staff_id) REFERENCES staff (organization_id, id)
);

-- How far an organization has followed the changes of CaMS.
CREATE TABLE cams_cursors (
    organization_id uuid        NOT NULL,
    cursor          text        NOT NULL,
    pulled_at       timestamptz, -- when everything up to the cursor was there
    failed_at       timestamptz,
    last_error      text,
    CONSTRAINT cams_cursors_pkey PRIMARY KEY (organization_id),
    CONSTRAINT cams_cursors_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id)
);

-- Invitations of clients and of staff (C6 to C8). Of the token only its SHA-256 is kept. Each sending is a row; the last one
-- is the one that works.
CREATE TABLE invitations (
    organization_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    person_id       uuid,
    staff_id        uuid,
    token_hash      bytea       NOT NULL,
    email           text        NOT NULL, -- where it went
    sent_by_staff_id uuid,
    sent_at         timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    ended_at        timestamptz, -- a later one has taken its place, or it was withdrawn
    accepted_at     timestamptz,
    email_status    text        NOT NULL, -- as of notifications
    email_at        timestamptz,
    email_taken_until timestamptz,
    CONSTRAINT invitations_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT invitations_person_fkey FOREIGN KEY (organization_id, person_id) REFERENCES people (organization_id, id),
    CONSTRAINT invitations_staff_fkey FOREIGN KEY (organization_id, staff_id) REFERENCES staff (organization_id, id),
    CONSTRAINT invitations_sent_by_staff_fkey FOREIGN KEY (organization_id, sent_by_staff_id) REFERENCES staff (organization_id, id),
    CONSTRAINT invitations_of_somebody CHECK ((person_id IS NULL) <> (staff_id IS NULL)),
    CONSTRAINT invitations_token_hash_length CHECK (length(token_hash) = 32),
    CONSTRAINT invitations_email_status_known CHECK (email_status IN ('none', 'pending', 'handing_over', 'sent', 'failed'))
);
CREATE UNIQUE INDEX invitations_token_hash_key ON invitations (token_hash);
CREATE INDEX invitations_person_idx ON invitations (organization_id, person_id, sent_at) WHERE person_id IS NOT NULL;
CREATE INDEX invitations_staff_idx ON invitations (organization_id, staff_id, sent_at) WHERE staff_id IS NOT NULL;

-- Who can sign in with a password (C8).
CREATE TABLE accounts (
    organization_id  uuid        NOT NULL,
    id               uuid        NOT NULL,
    person_id        uuid,
    staff_id         uuid,
    email_normalized text        COLLATE "C" NOT NULL, -- follows that of the person or staff member
    password_hash    text        NOT NULL, -- argon2id, in the PHC string format
    created_at       timestamptz NOT NULL,
    password_set_at  timestamptz NOT NULL,
    CONSTRAINT accounts_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT accounts_person_key UNIQUE (organization_id, person_id),
    CONSTRAINT accounts_staff_key UNIQUE (organization_id, staff_id),
    CONSTRAINT accounts_person_fkey FOREIGN KEY (organization_id, person_id) REFERENCES people (organization_id, id),
    CONSTRAINT accounts_staff_fkey FOREIGN KEY (organization_id, staff_id) REFERENCES staff (organization_id, id),
    CONSTRAINT accounts_of_somebody CHECK ((person_id IS NULL) <> (staff_id IS NULL))
);
CREATE INDEX accounts_email_idx ON accounts (email_normalized);

-- The sessions of clients. Those of staff are API tokens.
CREATE TABLE client_sessions (
    organization_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    account_id      uuid        NOT NULL,
    secret_hash     bytea       NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz,
    CONSTRAINT client_sessions_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT client_sessions_account_fkey FOREIGN KEY (organization_id, account_id) REFERENCES accounts (organization_id, id),
    CONSTRAINT client_sessions_secret_hash_length CHECK (length(secret_hash) = 32)
);
CREATE UNIQUE INDEX client_sessions_secret_hash_key ON client_sessions (secret_hash);

-- Failed attempts to sign in, by the SHA-256 of the address, whether it has an account or not. It belongs to no organization.
CREATE TABLE sign_in_failures (
    email_hash bytea       NOT NULL,
    failures   integer     NOT NULL,
    since      timestamptz NOT NULL,
    CONSTRAINT sign_in_failures_pkey PRIMARY KEY (email_hash)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY ['client_profiles', 'client_assessments', 'cams_links', 'cams_cursors', 'invitations', 'accounts', 'client_sessions']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_organization ON %I TO handover_service
            USING (organization_id = (SELECT current_organization()))
            WITH CHECK (organization_id = (SELECT current_organization()))', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO handover_service', name);
    END LOOP;
END
$$;
REVOKE DELETE ON client_profiles, invitations, accounts FROM handover_service;
