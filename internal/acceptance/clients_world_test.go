package acceptance

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

// knownCases is a case system that knows every number and reference that does not begin with a 9, and never fails. What real
// ones do is tried with the simulator.
type knownCases struct{}

// The assessments that no client can be made from.
const (
	assessmentInProgress = "CA-000002"
	assessmentInCaMS     = "CA-000003"
	assessmentUnknown    = "CA-900000"
	referenceUnknown     = "CL-900000"
	referenceOfCase      = "CASE-000001"
)

func (knownCases) Assessment(_ context.Context, number string) (domain.Assessment, error) {
	if strings.HasPrefix(number, "CA-9") {
		return domain.Assessment{}, app.ErrCaseUnknown
	}
	status := domain.AssessmentSubmitted
	if number == assessmentInProgress {
		status = domain.AssessmentInProgress
	}
	return domain.Assessment{Number: number, Status: status, RegisteredInCaMS: number == assessmentInCaMS, Person: casePerson(number)}, nil
}

func (knownCases) Client(_ context.Context, reference string) (domain.CaMSRecord, error) {
	if strings.HasPrefix(reference, "CL-9") {
		return domain.CaMSRecord{}, app.ErrCaseUnknown
	}
	return domain.CaMSRecord{Reference: reference, Version: 1, Person: casePerson(reference)}, nil
}

func (knownCases) Changes(context.Context, string) (domain.CaMSChanges, error) {
	return domain.CaMSChanges{Next: "1"}, nil
}

func casePerson(key string) domain.CasePerson {
	return domain.CasePerson{
		FirstName: "Rosa", LastName: "Delgado " + key, Email: new(strings.ToLower(key) + "@mail.example"), Phone: new("+14165550161"),
		Address: domain.Address{Line1: new("4 Quay Road"), City: new("Toronto"), Region: new("ON"), PostalCode: new("M5J 1A7"), Country: new("CA")},
	}
}

// goodSignature is that of the messages of knownCases.
const goodSignature = "v1,good"

func knownSignature(_, _, signature string, _ []byte) error {
	if signature != goodSignature {
		return errors.New("another signature")
	}
	return nil
}

// caseNumbers counts the records of case systems that tests have taken, so that each is new.
var caseNumbers atomic.Int64

func newAssessment() string { return fmt.Sprintf("CA-1%06d", caseNumbers.Add(1)) }
func newReference() string  { return fmt.Sprintf("CL-1%06d", caseNumbers.Add(1)) }

// clientPassword is that of every account of the tests.
const (
	clientPassword     = "lantern-orchard-4-tides"
	clientPasswordHash = "$argon2id$v=19$m=19456,t=2,p=1$aGFuZG92ZXItZGVtby0wMQ$12mIXrGJBxjnrMmBi5IzLiRUAwvaVFU/nHcUFN3r0DU"
)

// reachable is a person with an email.
func (w *world) reachable(kind string, staff ...member) uuid.UUID {
	w.t.Helper()
	id := w.person(kind, staff...)
	w.exec(`UPDATE people SET last_name = 'Reachable', email = $3 WHERE organization_id = $1 AND id = $2`, w.ID, id, emailOf(id))
	return id
}

func emailOf(id uuid.UUID) string { return id.String() + "@mail.example" }

// linkedClient is a client who follows CaMS.
func (w *world) linkedClient() uuid.UUID {
	w.t.Helper()
	id, reference := w.reachable("client"), newReference()
	person := casePerson(reference)
	w.exec(`UPDATE people SET first_name = $3, last_name = $4, phone = $5 WHERE organization_id = $1 AND id = $2`, w.ID, id, person.FirstName, person.LastName, person.Phone)
	w.exec(`INSERT INTO cams_links (organization_id, person_id, reference, linked_at, last_success_at, record_version) VALUES ($1, $2, $3, now(), now(), 1)`, w.ID, id, reference)
	w.exec(`INSERT INTO cams_cursors (organization_id, cursor) VALUES ($1, '') ON CONFLICT DO NOTHING`, w.ID)
	return id
}

// openInvitation is the token of an invitation that nobody has accepted.
func (w *world) openInvitation(client uuid.UUID) string {
	w.t.Helper()
	token := strings.Replace(app.NewTokenText(), "hnd_", "hni_", 1)[:47]
	w.exec(`INSERT INTO invitations (organization_id, id, person_id, token_hash, email, sent_by_staff_id, sent_at, expires_at, email_status)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'none')`,
		w.ID, newID(), client, app.TokenHash(token), emailOf(client), w.Admin.ID, time.Now().Add(-2*time.Hour), time.Now().Add(time.Hour))
	return token
}

// clientWithAccount is a client with an account.
func (w *world) clientWithAccount() uuid.UUID {
	w.t.Helper()
	id := w.reachable("client")
	w.addAccount("person_id", id, emailOf(id))
	return id
}

// addAccount lets a person or a staff member sign in with clientPassword.
func (w *world) addAccount(column string, id uuid.UUID, email string) {
	w.t.Helper()
	w.exec(`INSERT INTO accounts (organization_id, id, `+column+`, email_normalized, password_hash, created_at, password_set_at) VALUES ($1, $2, $3, lower($4), $5, now(), now())`,
		w.ID, newID(), id, email, clientPasswordHash)
}

// clientSession is the token of a session of a client who has an account. Signing in, which gives one, is made to take its time.
func (w *world) clientSession(client uuid.UUID) string {
	w.t.Helper()
	text := "hnc_" + app.NewTokenText()[len("hnd_"):][:43]
	check := int64(crc32.ChecksumIEEE([]byte(text)))
	for range 6 {
		const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		text = text[:47] + string(digits[check%62]) + text[47:]
		check /= 62
	}
	w.exec(`INSERT INTO client_sessions (organization_id, id, account_id, secret_hash, created_at, expires_at)
		SELECT organization_id, $3, id, $4, now(), now() + interval '12 hours' FROM accounts WHERE organization_id = $1 AND person_id = $2`,
		w.ID, client, newID(), app.TokenHash(text))
	return text
}

// endSessions ends the sessions of a client in one of the ways there are.
func (w *world) endSessions(client uuid.UUID, assignment string) {
	w.t.Helper()
	w.exec(`UPDATE client_sessions s SET `+assignment+` FROM accounts a
		WHERE s.organization_id = $1 AND (a.organization_id, a.id) = (s.organization_id, s.account_id) AND a.person_id = $2`, w.ID, client)
}

// editing is a request to edit a section of a client.
func editing(client uuid.UUID, section string, fields object) ask {
	return ask{path: map[string]string{"client_id": client.String(), "section": section}, body: fields}
}

func TestKnownCasesAreKnown(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	for number, status := range map[string]string{"CA-000001": "submitted", assessmentInProgress: "in_progress", assessmentInCaMS: "submitted"} {
		if got := decode[api.CommonAssessment](s.ask(t, w.Admin.Token, "getCommonAssessment", inPath("number", number)).must(200)); got.Status != status {
			t.Errorf("%s: got %+v", number, got)
		}
	}
	s.ask(t, w.Admin.Token, "getCommonAssessment", inPath("number", assessmentUnknown)).problem(404, "not_found")
	s.ask(t, w.Admin.Token, "getCamsClient", inPath("reference", referenceUnknown)).problem(404, "not_found")
}
