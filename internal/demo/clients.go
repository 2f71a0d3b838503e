package demo

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
)

// The places of accounts and invitations among an organization's ids.
const (
	accountsAt    = 0x800000
	invitationsAt = 0x900000
)

const (
	// demoPasswordHash is lantern-orchard-4-tides, which the demo's clients sign in with and everybody may know (argon2id).
	demoPasswordHash = "$argon2id$v=19$m=19456,t=2,p=1$aGFuZG92ZXItZGVtby0wMQ$12mIXrGJBxjnrMmBi5IzLiRUAwvaVFU/nHcUFN3r0DU"
	// openInvitation is the token of an invitation that nobody has accepted yet.
	openInvitation = "hni_DemoInvitationOfChloeMartin0000000000000000"
)

// profile is what is known of a client by section.
type profile map[string]row

// addProfile tells more of a client. Sections of which nothing is known are left out.
func (c *caseload) addProfile(person uuid.UUID, known profile) {
	fields := row{"person_id": person, "updated_at": c.daysAgo(15)}
	for _, section := range []string{"identity", "contact", "address", "employment", "communication", "referral", "notes"} {
		fields[section] = row{}
		if known[section] != nil {
			fields[section] = known[section]
		}
	}
	c.profiles = append(c.profiles, c.row(fields))
}

// addInvitation is an invitation that was sent to a client, and accepted or not.
func (c *caseload) addInvitation(person, by uuid.UUID, email, token string, sent time.Time, accepted any) {
	c.invitations = append(c.invitations, c.row(row{
		"id": c.idOf(invitationsAt + 1 + len(c.invitations)), "person_id": person, "token_hash": "\\x" + hex.EncodeToString(hash(token)), "email": email,
		"sent_by_staff_id": by, "sent_at": sent, "expires_at": c.now.AddDate(10, 0, 0), "accepted_at": accepted, "email_status": "none",
	}))
}

// addAccount lets a client sign in who has accepted an invitation.
func (c *caseload) addAccount(person uuid.UUID, email string, at time.Time) {
	c.accounts = append(c.accounts, c.row(row{
		"id": c.idOf(accountsAt + 1 + len(c.accounts)), "person_id": person, "email_normalized": email, "password_hash": demoPasswordHash,
		"created_at": at, "password_set_at": at,
	}))
}

// clientTables are the rows of what clients have beyond what people have, in the order in which they can be written.
func (c *caseload) clientTables() []table {
	return []table{{"client_profiles", c.profiles}, {"invitations", c.invitations}, {"accounts", c.accounts}}
}

// addClients gives an organization that an earlier version loaded, when there was nothing of the kind yet, what its clients have
// beyond what people have. Where there is any of it, what is there stays as it is.
func (c *caseload) addClients(ctx context.Context, tx *sqlx.Tx) error {
	var some bool
	if err := tx.GetContext(ctx, &some, `
		SELECT EXISTS (SELECT FROM client_profiles WHERE organization_id = $1) OR EXISTS (SELECT FROM invitations WHERE organization_id = $1)`, c.id); err != nil {
		return fmt.Errorf("look for clients: %w", err)
	}
	if some {
		return nil
	}
	for _, table := range c.clientTables() {
		if err := insert(ctx, tx, table); err != nil {
			return err
		}
	}
	return nil
}

// harbourClients are the clients of the examples: one who signs in, one who was invited, one who can be.
func (c *caseload) harbourClients(amira, maya, daniel, chloe uuid.UUID) {
	c.addProfile(maya, profile{
		"identity": {"pronouns": "she/her", "date_of_birth": "1991-08-14"}, "contact": {"preferred_channel": "text"},
		"address":       {"line1": "18 Harbour Street", "city": "Toronto", "region": "ON", "postal_code": "M5V 2T6", "country": "CA"},
		"employment":    {"status": "unemployed", "past_occupations": []string{"Pastry cook"}, "highest_education": "college"},
		"communication": {"preferred_language": "fr-CA"},
		"referral":      {"source": "Newcomer centre", "reasons": []string{"Recently laid off"}, "service_needs": []string{"Résumé", "Interview practice"}, "transport": "Public transit"},
	})
	c.addProfile(daniel, profile{
		"address":    {"line1": "220 Mill Road", "line2": "Unit 4", "city": "Toronto", "region": "ON", "postal_code": "M4C 1B5", "country": "CA"},
		"employment": {"status": "employed", "current_occupation": "Warehouse associate", "target_occupations": []string{"Electrician"}},
		"notes":      {"notes": "Works nights; call after two."},
	})
	accepted := c.daysAgo(12)
	c.addInvitation(maya, amira, "maya.petrov@mail.example", "accepted", c.daysAgo(13), accepted)
	c.addAccount(maya, "maya.petrov@mail.example", accepted)
	c.addInvitation(chloe, amira, "chloe.martin@mail.example", openInvitation, c.daysAgo(1), nil)
}
