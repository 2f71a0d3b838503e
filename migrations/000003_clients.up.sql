-- Managing clients (C1 to C8): what is kept of them by section, their link to CaMS, and how they and staff get in.

-- folded is a name as it is compared with others: without letter case and accents. Names in plain letters, which most are, are
-- not looked over for the others.
CREATE FUNCTION folded(name text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        SELECT CASE WHEN octet_length(name) = char_length(name) THEN lower(name)
            ELSE replace(replace(replace(translate(normalize(lower(name)),
                'àáâãäåçèéêëìíîïðñòóôõöøùúûüýÿāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįıĵķĺļľłńņňŋōŏőŕŗřśŝşšţťŧũūŭůűųŵŷźżžơưǎǐǒǔǖǘǚǜșțạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ',
                'aaaaaaceeeeiiiidnoooooouuuuyyaaaccccddeeeeegggghhiiiiijkllllnnnnooorrrsssstttuuuuuuwyzzzouaiouuuuustaaaaaaaaaaaaeeeeeeeeiioooooooooooouuuuuuuyyyy'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe') END
    $$;

ALTER TABLE people
    ADD COLUMN email_normalized text COLLATE "C" GENERATED ALWAYS AS (lower(email)) STORED,
    ADD COLUMN last_name_folded text COLLATE "C" NOT NULL GENERATED ALWAYS AS (folded(last_name)) STORED;
CREATE INDEX people_email_idx ON people (organization_id, email_normalized) WHERE email_normalized IS NOT NULL;
CREATE INDEX people_last_name_idx ON people (organization_id, last_name_folded, id);

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
    changes_told    bigint      NOT NULL DEFAULT 0, -- how often CaMS has said that the record has changed
    CONSTRAINT cams_links_pkey PRIMARY KEY (organization_id, person_id),
    CONSTRAINT cams_links_reference_key UNIQUE (organization_id, reference),
    CONSTRAINT cams_links_person_fkey FOREIGN KEY (organization_id, person_id) REFERENCES people (organization_id, id),
    CONSTRAINT cams_links_linked_by_staff_fkey FOREIGN KEY (organization_id, linked_by_staff_id) REFERENCES staff (organization_id, id)
);

CREATE INDEX cams_links_reference_idx ON cams_links (reference, organization_id);

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
    email_offered_at timestamptz,
    email_taken_until timestamptz,
    CONSTRAINT invitations_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT invitations_person_fkey FOREIGN KEY (organization_id, person_id) REFERENCES people (organization_id, id),
    CONSTRAINT invitations_staff_fkey FOREIGN KEY (organization_id, staff_id) REFERENCES staff (organization_id, id),
    CONSTRAINT invitations_sent_by_staff_fkey FOREIGN KEY (organization_id, sent_by_staff_id) REFERENCES staff (organization_id, id),
    CONSTRAINT invitations_of_somebody CHECK ((person_id IS NULL) <> (staff_id IS NULL)),
    CONSTRAINT invitations_token_hash_length CHECK (length(token_hash) = 32),
    CONSTRAINT invitations_email_status_known CHECK (email_status IN ('none', 'pending', 'offered', 'handing_over', 'sent', 'failed'))
);
CREATE UNIQUE INDEX invitations_token_hash_key ON invitations (token_hash);
CREATE INDEX invitations_person_idx ON invitations (organization_id, person_id, sent_at) WHERE person_id IS NOT NULL;
CREATE INDEX invitations_staff_idx ON invitations (organization_id, staff_id, sent_at) WHERE staff_id IS NOT NULL;
-- One link of somebody works at a time, whoever sends and accepts at once.
CREATE UNIQUE INDEX invitations_open_person_key ON invitations (organization_id, person_id) WHERE ended_at IS NULL AND accepted_at IS NULL AND person_id IS NOT NULL;
CREATE UNIQUE INDEX invitations_open_staff_key ON invitations (organization_id, staff_id) WHERE ended_at IS NULL AND accepted_at IS NULL AND staff_id IS NOT NULL;

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
CREATE INDEX client_sessions_account_idx ON client_sessions (organization_id, account_id) WHERE revoked_at IS NULL;
CREATE INDEX client_sessions_expires_at_idx ON client_sessions (expires_at);

-- The sessions of staff are API tokens with an expiry; they are swept away after it.
ALTER TABLE api_tokens ADD COLUMN is_session boolean NOT NULL DEFAULT false;
CREATE INDEX api_tokens_session_expires_at_idx ON api_tokens (expires_at) WHERE is_session;

-- Failed attempts to sign in, by the SHA-256 of the address, whether it has an account or not. It belongs to no organization.
CREATE TABLE sign_in_failures (
    email_hash bytea         NOT NULL,
    failed_at  timestamptz[] NOT NULL, -- in their order; those that are too old to count are dropped with the next attempt
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
ALTER TABLE sign_in_failures ENABLE ROW LEVEL SECURITY; -- without a policy: the service reaches it through functions alone

-- An account is signed in to with the address that its person or staff member has now, however it came to change. Without
-- one nobody can sign in to it. Clients who have signed in with another are signed out.
CREATE FUNCTION account_follows_email() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT
    AS $$
    BEGIN
        IF TG_ARGV[0] = 'person' THEN
            UPDATE accounts SET email_normalized = coalesce(lower(NEW.email), '') WHERE organization_id = NEW.organization_id AND person_id = NEW.id;
            IF lower(OLD.email) IS DISTINCT FROM lower(NEW.email) THEN
                UPDATE client_sessions SET revoked_at = now()
                WHERE organization_id = NEW.organization_id AND revoked_at IS NULL
                    AND account_id = (SELECT a.id FROM accounts a WHERE a.organization_id = NEW.organization_id AND a.person_id = NEW.id);
            END IF;
        ELSE
            UPDATE accounts SET email_normalized = lower(NEW.email) WHERE organization_id = NEW.organization_id AND staff_id = NEW.id;
        END IF;
        RETURN NULL;
    END
    $$;
CREATE TRIGGER account_follows_email AFTER UPDATE OF email ON people
    FOR EACH ROW WHEN (OLD.email IS DISTINCT FROM NEW.email) EXECUTE FUNCTION account_follows_email('person');
CREATE TRIGGER account_follows_email AFTER UPDATE OF email ON staff
    FOR EACH ROW WHEN (OLD.email IS DISTINCT FROM NEW.email) EXECUTE FUNCTION account_follows_email('staff');
-- A large import leaves out the triggers of foreign keys, and with them all that do not fire always.
ALTER TABLE people ENABLE ALWAYS TRIGGER account_follows_email;
ALTER TABLE staff ENABLE ALWAYS TRIGGER account_follows_email;

-- find_invitation finds an invitation before its organization is known, by the SHA-256 of its token (C8). It is open while it is
-- the last that was sent, went to the address that they have now, was not accepted, and whoever is invited can sign in. The caller
-- judges whether it has expired.
CREATE FUNCTION find_invitation(hash bytea)
    RETURNS TABLE (organization_id uuid, invitation_id uuid, person_id uuid, staff_id uuid, organization_name text, first_name text, last_name text,
                   email text, expires_at timestamptz, is_open boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
    #variable_conflict use_column
    BEGIN
        RETURN QUERY
        SELECT i.organization_id, i.id, i.person_id, i.staff_id, o.name, coalesce(p.first_name, s.first_name), coalesce(p.last_name, s.last_name),
               i.email, i.expires_at,
               i.ended_at IS NULL AND i.accepted_at IS NULL
                   AND coalesce(lower(i.email) = coalesce(p.email_normalized, s.email_normalized), false)
                   AND CASE WHEN i.person_id IS NULL THEN s.status = 'active' ELSE p.status = 'active' AND p.kind = 'client' END
                   AND NOT EXISTS (SELECT FROM accounts a WHERE a.organization_id = i.organization_id AND (a.person_id = i.person_id OR a.staff_id = i.staff_id))
        FROM invitations i
        JOIN organizations o ON o.id = i.organization_id
        LEFT JOIN people p ON p.organization_id = i.organization_id AND p.id = i.person_id
        LEFT JOIN staff s ON s.organization_id = i.organization_id AND s.id = i.staff_id
        WHERE i.token_hash = hash;
    END
    $$;

-- sign_in_accounts finds the accounts of an address, of one organization where that is named: of each the few that share it, staff
-- first. The organizations take turns, so that none is kept out by how many another has.
CREATE FUNCTION sign_in_accounts(address text, organization uuid)
    RETURNS TABLE (organization_id uuid, account_id uuid, person_id uuid, staff_id uuid, password_hash text, is_open boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
    #variable_conflict use_column
    BEGIN
        RETURN QUERY
        SELECT a.organization_id, a.id, a.person_id, a.staff_id, a.password_hash,
               CASE WHEN a.person_id IS NULL THEN s.status = 'active' ELSE p.status = 'active' AND p.kind = 'client' END
        FROM (
            SELECT found.*, row_number() OVER (PARTITION BY found.organization_id ORDER BY found.staff_id IS NULL, found.created_at, found.id) AS turn
            FROM accounts found
            WHERE found.email_normalized = lower(address) AND address <> '' AND (organization IS NULL OR found.organization_id = organization)
        ) a
        LEFT JOIN people p ON p.organization_id = a.organization_id AND p.id = a.person_id
        LEFT JOIN staff s ON s.organization_id = a.organization_id AND s.id = a.staff_id
        WHERE a.turn <= 100
        ORDER BY a.turn, a.created_at, a.id;
    END
    $$;

-- authenticate_client_session finds the session of a client before its organization is known, as authenticate_api_token does.
CREATE FUNCTION authenticate_client_session(hash bytea)
    RETURNS TABLE (organization_id uuid, session_id uuid, expires_at timestamptz, revoked_at timestamptz,
                   person_id uuid, kind text, status text, first_name text, last_name text, time_zone text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
    #variable_conflict use_column
    BEGIN
        RETURN QUERY
        SELECT c.organization_id, c.id, c.expires_at, c.revoked_at, p.id, p.kind, p.status, p.first_name, p.last_name, o.time_zone
        FROM client_sessions c
        JOIN accounts a ON a.organization_id = c.organization_id AND a.id = c.account_id
        JOIN people p ON p.organization_id = a.organization_id AND p.id = a.person_id
        JOIN organizations o ON o.id = c.organization_id
        WHERE c.secret_hash = hash;
    END
    $$;

-- begin_sign_in counts an attempt to sign in as failed until forgive_sign_in takes it back, so that attempts at the same time are
-- counted too. Where too many have failed within the span it counts nothing, and tells when the next is heard.
CREATE FUNCTION begin_sign_in(address text, instant timestamptz, span interval, most integer) RETURNS timestamptz
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
    DECLARE
        address_hash CONSTANT bytea := sha256(convert_to(lower(address), 'UTF8'));
        recent timestamptz[];
    BEGIN
        INSERT INTO sign_in_failures AS f (email_hash, failed_at) VALUES (address_hash, '{}')
        ON CONFLICT (email_hash) DO UPDATE SET failed_at = f.failed_at RETURNING f.failed_at INTO recent; -- locked until the end
        recent := ARRAY (SELECT at FROM unnest(recent) AS at WHERE at > instant - span ORDER BY at);
        IF cardinality(recent) >= most THEN
            RETURN recent[cardinality(recent) - most + 1] + span;
        END IF;
        UPDATE sign_in_failures SET failed_at = recent || instant WHERE email_hash = address_hash;
        RETURN NULL;
    END
    $$;

CREATE FUNCTION forgive_sign_in(address text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT
    AS $$ UPDATE sign_in_failures SET failed_at = failed_at[:cardinality(failed_at) - 1]
          WHERE email_hash = sha256(convert_to(lower(address), 'UTF8')) AND cardinality(failed_at) > 0 $$;

-- sweep_sessions deletes what may be forgotten of signing in, of every organization: sessions that have expired, and failures of
-- more than a day ago.
CREATE FUNCTION sweep_sessions(instant timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
        DELETE FROM client_sessions WHERE expires_at < instant;
        DELETE FROM api_tokens WHERE is_session AND expires_at < instant;
        DELETE FROM sign_in_failures WHERE coalesce(failed_at[cardinality(failed_at)] < instant - interval '1 day', true);
    $$;

REVOKE ALL ON FUNCTION find_invitation(bytea), sign_in_accounts(text, uuid), authenticate_client_session(bytea),
    begin_sign_in(text, timestamptz, interval, integer), forgive_sign_in(text), sweep_sessions(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_invitation(bytea), sign_in_accounts(text, uuid), authenticate_client_session(bytea),
    begin_sign_in(text, timestamptz, interval, integer), forgive_sign_in(text), sweep_sessions(timestamptz) TO handover_service;

-- cams_organizations tells the organizations that have clients linked to CaMS, and so follow its changes.
CREATE FUNCTION cams_organizations() RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$ SELECT o.id FROM organizations o WHERE EXISTS (SELECT FROM cams_links l WHERE l.organization_id = o.id) ORDER BY o.id $$;

-- tell_cams_change notes that CaMS said that a record has changed, and tells the organizations that have it linked. A sync of the
-- record that is at work just now learns from the number that it has to read once more.
CREATE FUNCTION tell_cams_change(changed text) RETURNS SETOF uuid
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
        WITH linked AS MATERIALIZED (
            SELECT l.organization_id, l.person_id FROM cams_links l WHERE l.reference = changed ORDER BY l.organization_id FOR NO KEY UPDATE
        )
        UPDATE cams_links l SET changes_told = l.changes_told + 1 FROM linked
        WHERE l.organization_id = linked.organization_id AND l.person_id = linked.person_id
        RETURNING l.organization_id
    $$;

-- cams_health counts, over all organizations, who follows CaMS and how well. behind_since is when the organization that is
-- furthest behind was last known to have everything.
CREATE FUNCTION cams_health() RETURNS TABLE (organizations bigint, clients bigint, failing bigint, behind_since timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
        SELECT count(*), coalesce(sum(l.clients), 0)::bigint, count(*) FILTER (WHERE c.failed_at > coalesce(c.pulled_at, '-infinity')),
               min(greatest(c.pulled_at, l.since))
        FROM (SELECT organization_id, count(*) AS clients, min(linked_at) AS since FROM cams_links GROUP BY organization_id) l
        LEFT JOIN cams_cursors c ON c.organization_id = l.organization_id
    $$;

REVOKE ALL ON FUNCTION cams_organizations(), tell_cams_change(text), cams_health() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cams_organizations(), tell_cams_change(text), cams_health() TO handover_service;
