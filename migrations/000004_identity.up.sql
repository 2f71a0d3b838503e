-- Who people are elsewhere: staff who sign in at an issuer of OpenID Connect, and the life of API tokens.

-- An issuer's subject that stands for a staff member from their first sign-in on, whatever becomes of their email. Of one issuer a
-- staff member has one subject.
CREATE TABLE staff_identities (
    organization_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    staff_id        uuid        NOT NULL,
    issuer          text        COLLATE "C" NOT NULL,
    subject         text        COLLATE "C" NOT NULL,
    email           text        NOT NULL, -- by which they were found
    bound_at        timestamptz NOT NULL,
    CONSTRAINT staff_identities_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT staff_identities_subject_key UNIQUE (organization_id, issuer, subject),
    CONSTRAINT staff_identities_staff_key UNIQUE (organization_id, staff_id, issuer),
    CONSTRAINT staff_identities_staff_fkey FOREIGN KEY (organization_id, staff_id) REFERENCES staff (organization_id, id)
);
-- Both serve looking for somebody before their organization is known.
CREATE INDEX staff_identities_subject_idx ON staff_identities (issuer, subject);
-- Staff are few, and so are their tokens: their tables are looked through in a moment.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX staff_email_idx ON staff (email_normalized);

ALTER TABLE staff_identities ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON staff_identities TO handover_service
    USING (organization_id = (SELECT current_organization())) WITH CHECK (organization_id = (SELECT current_organization()));
GRANT SELECT, INSERT, DELETE ON staff_identities TO handover_service;

-- Whether somebody who comes with the email from an issuer for the first time is let in as the staff member. It is not when somebody
-- who is no administrator has given another email to a staff member who had come in before.
ALTER TABLE staff ADD COLUMN email_trusted boolean NOT NULL DEFAULT true;

-- identify_staff finds who an issuer's subject is, in one organization, or in any where none is named: whom it is bound to; or else,
-- where the issuer vouches for an email, the active staff with that email. These have no identity_id, and other_subject tells that
-- another subject of the issuer stands for them. More than one row means that nobody can tell. The caller judges the status.
CREATE FUNCTION identify_staff(token_issuer text, token_subject text, address text, organization uuid)
    RETURNS TABLE (identity_id uuid, organization_id uuid, staff_id uuid, first_name text, last_name text, email text, role text, status text,
                   permissions text[], time_zone text, other_subject boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
    #variable_conflict use_column
    BEGIN
        RETURN QUERY
        SELECT i.id, s.organization_id, s.id, s.first_name, s.last_name, s.email, s.role, s.status, s.permissions, o.time_zone, false
        FROM staff_identities i
        JOIN staff s ON s.organization_id = i.organization_id AND s.id = i.staff_id
        JOIN organizations o ON o.id = s.organization_id
        WHERE i.issuer = token_issuer AND i.subject = token_subject AND (organization IS NULL OR i.organization_id = organization)
        LIMIT 2;
        IF FOUND OR address IS NULL THEN
            RETURN;
        END IF;
        RETURN QUERY
        SELECT NULL::uuid, s.organization_id, s.id, s.first_name, s.last_name, s.email, s.role, s.status, s.permissions, o.time_zone,
               EXISTS (SELECT FROM staff_identities i WHERE i.organization_id = s.organization_id AND i.staff_id = s.id AND i.issuer = token_issuer)
        FROM staff s
        JOIN organizations o ON o.id = s.organization_id
        WHERE s.email_normalized = lower(address) AND s.email_trusted AND s.status = 'active' AND (organization IS NULL OR s.organization_id = organization)
        LIMIT 2;
    END
    $$;
REVOKE ALL ON FUNCTION identify_staff(text, text, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identify_staff(text, text, text, uuid) TO handover_service;

-- Who made a token, where that was a staff member, and what has taken its place.
ALTER TABLE api_tokens
    ADD COLUMN created_by_staff_id uuid,
    ADD COLUMN replaced_by_token_id uuid,
    -- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
    ADD CONSTRAINT api_tokens_created_by_staff_fkey FOREIGN KEY (organization_id, created_by_staff_id) REFERENCES staff (organization_id, id),
    -- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
    ADD CONSTRAINT api_tokens_replaced_by_token_fkey FOREIGN KEY (organization_id, replaced_by_token_id) REFERENCES api_tokens (organization_id, id);

-- Deactivating somebody ends their tokens for good, sessions among them, whichever way it comes about: who is back signs in anew.
CREATE FUNCTION deactivation_ends_tokens() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT
    AS $$
    BEGIN
        UPDATE api_tokens SET revoked_at = now() WHERE organization_id = NEW.organization_id AND staff_id = NEW.id AND revoked_at IS NULL;
        RETURN NULL;
    END
    $$;
CREATE TRIGGER deactivation_ends_tokens AFTER UPDATE OF status ON staff
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND NEW.status = 'deactivated') EXECUTE FUNCTION deactivation_ends_tokens();
-- A large import leaves out the triggers of foreign keys, and with them all that do not fire always.
ALTER TABLE staff ENABLE ALWAYS TRIGGER deactivation_ends_tokens;
UPDATE api_tokens t SET revoked_at = now() FROM staff s
WHERE s.organization_id = t.organization_id AND s.id = t.staff_id AND s.status = 'deactivated' AND t.revoked_at IS NULL;
