package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/domain"
)

// ApplyCaMS takes newer records over into locked clients, as sets: one statement a table, whatever the number. at is when
// the records were known to be so.
func (tx *Tx) ApplyCaMS(ctx context.Context, updates []domain.CaMSUpdate, at, now time.Time) error {
	if len(updates) == 0 {
		return nil
	}
	if err := tx.applyCaMSFields(ctx, changedByCaMS(updates), now); err != nil {
		return err
	}
	followed, versions := make(ids, len(updates)), make([]int64, len(updates))
	for i, update := range updates {
		followed[i], versions[i] = update.ID, update.Version
	}
	hit, err := tx.execSet(ctx, len(updates), `
		UPDATE cams_links l SET record_version = told.version, last_success_at = greatest(l.last_success_at, $4)
		FROM unnest($2::uuid[], $3::bigint[]) AS told (person_id, version)
		WHERE l.organization_id = $1 AND l.person_id = told.person_id AND l.record_version < told.version`,
		tx.Organization.String(), followed, pq.Array(versions), at)
	return expect("note which records were taken over", hit, err, len(updates))
}

// changedByCaMS are the updates that make a difference.
func changedByCaMS(updates []domain.CaMSUpdate) []domain.CaMSUpdate {
	changed := make([]domain.CaMSUpdate, 0, len(updates))
	for _, update := range updates {
		if update.Changed() {
			changed = append(changed, update)
		}
	}
	return changed
}

func (tx *Tx) applyCaMSFields(ctx context.Context, updates []domain.CaMSUpdate, now time.Time) error {
	count := len(updates)
	if count == 0 {
		return nil
	}
	people, emails, phones := make(ids, count), make([]sql.NullString, count), make([]sql.NullString, count)
	firsts, lasts := make([]string, count), make([]string, count)
	births, addresses := make([]sql.NullString, count), make([]string, count)
	var wordsOf ids
	var words []string
	for i, update := range updates {
		after := update.After
		people[i], firsts[i], lasts[i] = update.ID, after.FirstName, after.LastName
		emails[i], phones[i] = textOrNull(after.Email), textOrNull(after.Phone)
		if after.DateOfBirth != nil {
			births[i] = sql.NullString{String: after.DateOfBirth.String(), Valid: true}
		}
		address, err := json.Marshal(after.Address)
		if err != nil {
			return fmt.Errorf("encode address: %w", err)
		}
		addresses[i] = string(address)
		for _, word := range domain.SearchWords(after.FirstName, after.LastName, emails[i].String) {
			wordsOf, words = append(wordsOf, update.ID), append(words, word)
		}
	}
	hit, err := tx.execSet(ctx, count, `
		UPDATE people p SET first_name = told.first_name, last_name = told.last_name, email = told.email, phone = told.phone, updated_at = $7
		FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[]) AS told (id, first_name, last_name, email, phone)
		WHERE p.organization_id = $1 AND p.id = told.id`,
		tx.Organization.String(), people, pq.Array(firsts), pq.Array(lasts), pq.Array(emails), pq.Array(phones), now)
	if err := expect("write what CaMS has of people", hit, err, count); err != nil {
		return err
	}
	hit, err = tx.execSet(ctx, count, `
		INSERT INTO client_profiles AS s (organization_id, person_id, identity, address, updated_at)
		SELECT $1, told.id, jsonb_build_object('date_of_birth', told.born), told.address::jsonb, $5
		FROM unnest($2::uuid[], $3::text[], $4::text[]) AS told (id, born, address)
		ON CONFLICT (organization_id, person_id) DO UPDATE SET identity = s.identity || excluded.identity, address = excluded.address, updated_at = excluded.updated_at`,
		tx.Organization.String(), people, pq.Array(births), pq.Array(addresses), now)
	if err := expect("write what CaMS has of clients", hit, err, count); err != nil {
		return err
	}
	if _, err := tx.execSet(ctx, count, `
		WITH wanted AS MATERIALIZED (
			SELECT w.person_id, w.word COLLATE "C" AS word FROM unnest($3::uuid[], $4::text[]) AS w (person_id, word)
		), gone AS (
			DELETE FROM person_words g USING unnest($2::uuid[]) AS changed (id)
			WHERE g.organization_id = $1 AND g.person_id = changed.id
			  AND NOT EXISTS (SELECT FROM wanted WHERE wanted.person_id = g.person_id AND wanted.word = g.word)
		)
		INSERT INTO person_words (organization_id, word, person_id)
		SELECT $1, wanted.word, wanted.person_id FROM wanted ON CONFLICT DO NOTHING`,
		tx.Organization.String(), people, wordsOf, pq.Array(words)); err != nil {
		return fmt.Errorf("save search words: %w", err)
	}
	return nil
}

// RecordCaMS writes what the audit trail tells of updates that made a difference, one row for each client (D1).
func (tx *Tx) RecordCaMS(ctx context.Context, updates []domain.CaMSUpdate, stamp AuditStamp, newID func() uuid.UUID) error {
	updates = changedByCaMS(updates)
	if len(updates) == 0 {
		return nil
	}
	auditIDs, people := make(ids, len(updates)), make(ids, len(updates))
	befores, afters := make([]string, len(updates)), make([]string, len(updates))
	for i, update := range updates {
		before, after := update.Difference()
		beforeText, err := json.Marshal(before)
		if err != nil {
			return fmt.Errorf("encode audit event: %w", err)
		}
		afterText, err := json.Marshal(after)
		if err != nil {
			return fmt.Errorf("encode audit event: %w", err)
		}
		auditIDs[i], people[i], befores[i], afters[i] = newID(), update.ID, string(beforeText), string(afterText)
	}
	hit, err := tx.execSet(ctx, len(updates), `
		INSERT INTO audit_events (organization_id, id, occurred_at, staff_id, action, subject_kind, subject_id, request_id, before, after)
		SELECT $1, made.id, $6, $7, $8, 'person', made.person_id, $9, made.before::jsonb, made.after::jsonb
		FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[]) AS made (id, person_id, before, after)`,
		tx.Organization.String(), auditIDs, people, pq.Array(befores), pq.Array(afters),
		stamp.At, nullID(stamp.StaffID), stamp.Action, nullText(stamp.RequestID))
	return expect("record audit events", hit, err, len(updates))
}

func textOrNull(text *string) sql.NullString {
	if text == nil {
		return sql.NullString{}
	}
	return sql.NullString{String: *text, Valid: true}
}
