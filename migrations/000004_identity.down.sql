DROP TRIGGER deactivation_ends_tokens ON staff;
DROP FUNCTION deactivation_ends_tokens(), identify_staff(text, text, text, uuid);
ALTER TABLE api_tokens DROP COLUMN replaced_by_token_id, DROP COLUMN created_by_staff_id;
ALTER TABLE staff DROP COLUMN email_trusted;
DROP INDEX staff_email_idx;
DROP TABLE staff_identities;
