DROP FUNCTION cams_organizations(), tell_cams_change(text), cams_health();
DROP FUNCTION find_invitation(bytea), sign_in_accounts(text, uuid), authenticate_client_session(bytea),
    begin_sign_in(text, timestamptz, interval, integer), forgive_sign_in(text), sweep_sessions(timestamptz);
DROP TRIGGER account_follows_email ON staff;
DROP TRIGGER account_follows_email ON people;
DROP FUNCTION account_follows_email();
DROP INDEX api_tokens_session_expires_at_idx;
ALTER TABLE api_tokens DROP COLUMN is_session;
DROP TABLE sign_in_failures, client_sessions, accounts, invitations, cams_cursors, cams_links, client_assessments, client_profiles;
DROP INDEX people_email_idx, people_last_name_idx;
ALTER TABLE people DROP COLUMN email_normalized, DROP COLUMN last_name_folded;
DROP FUNCTION folded(text);
