DROP TABLE sign_in_failures, client_sessions, accounts, invitations, cams_cursors, cams_links, client_assessments, client_profiles;
DROP INDEX people_email_idx;
ALTER TABLE people DROP COLUMN email_normalized;
