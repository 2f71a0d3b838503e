package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/domain"
)

// CaMSLink is the link of a client as it is kept.
type CaMSLink struct {
	PersonID    uuid.UUID
	Reference   string
	Version     int64 // of the record that was taken over last
	ChangesTold int64 // how often CaMS has said that it changed
}

// camsColumns tell how current the link l of a client is, where c is how far its organization has followed CaMS. A pull that
// read everything makes every link current, without touching it, but for one whose own record is at fault.
const camsColumns = `l.reference, l.linked_at,
	CASE WHEN l.last_error_at > coalesce(l.last_success_at, '-infinity') AND l.last_error <> 'case_system_unavailable' THEN l.last_success_at
	     ELSE greatest(l.last_success_at, c.pulled_at) END AS last_success_at,
	CASE WHEN ` + pullFailed + ` THEN c.failed_at ELSE l.last_error_at END AS last_error_at,
	CASE WHEN ` + pullFailed + ` THEN c.last_error ELSE l.last_error END AS last_error`

// pullFailed tells that what went wrong last is the pull.
const pullFailed = `c.failed_at > greatest(coalesce(l.last_error_at, l.linked_at), c.pulled_at)`

// CaMSOrganizations are the organizations that have linked clients. It goes through a function of the database that does
// just this.
func (s *Store) CaMSOrganizations(ctx context.Context) ([]uuid.UUID, error) {
	var organizations []uuid.UUID
	if err := s.DB.SelectContext(ctx, &organizations, `SELECT id FROM cams_organizations() AS id`); err != nil {
		return nil, fmt.Errorf("look for those who follow CaMS: %w", translate(err))
	}
	return organizations, nil
}

// CaMSHealth counts who follows CaMS, over all organizations, and how well.
func (s *Store) CaMSHealth(ctx context.Context) (domain.CaMSHealth, error) {
	var row struct {
		Organizations int        `db:"organizations"`
		Clients       int        `db:"clients"`
		Failing       int        `db:"failing"`
		BehindSince   *time.Time `db:"behind_since"`
	}
	if err := s.DB.GetContext(ctx, &row, `SELECT organizations, clients, failing, behind_since FROM cams_health()`); err != nil {
		return domain.CaMSHealth{}, fmt.Errorf("look how CaMS is followed: %w", translate(err))
	}
	return domain.CaMSHealth(row), nil
}

// TellCaMSChange notes that a record of CaMS has changed, and tells the organizations that have it linked. It is the one
// statement of its transaction that looks beyond its organization.
func (tx *Tx) TellCaMSChange(ctx context.Context, reference string) ([]uuid.UUID, error) {
	var organizations []uuid.UUID
	if err := tx.selectAll(ctx, &organizations, `SELECT id FROM tell_cams_change($1) AS id`, reference); err != nil {
		return nil, fmt.Errorf("note a change in CaMS: %w", err)
	}
	return organizations, nil
}

// CaMSCursor is where the organization goes on reading changes; empty: at the beginning.
func (tx *Tx) CaMSCursor(ctx context.Context) (cursor string, err error) {
	err = tx.get(ctx, &cursor, `SELECT c.cursor FROM cams_cursors c WHERE c.organization_id = $1`, tx.Organization.String())
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read the cursor: %w", err)
	}
	return cursor, nil
}

// LockCaMSCursor is CaMSCursor, and keeps others from moving it. It comes before all other locks.
func (tx *Tx) LockCaMSCursor(ctx context.Context) (cursor string, err error) {
	if err := tx.get(ctx, &cursor, `
		INSERT INTO cams_cursors AS c (organization_id, cursor) VALUES ($1, '')
		ON CONFLICT (organization_id) DO UPDATE SET cursor = c.cursor RETURNING c.cursor`, tx.Organization.String()); err != nil {
		return "", fmt.Errorf("lock the cursor: %w", err)
	}
	return cursor, nil
}

// MoveCaMSCursor moves the locked cursor. complete is when everything up to it was there; nil: there is more.
func (tx *Tx) MoveCaMSCursor(ctx context.Context, to string, complete *time.Time) error {
	hit, err := tx.execCounting(ctx, `
		UPDATE cams_cursors SET cursor = $2, pulled_at = greatest(pulled_at, $3::timestamptz) WHERE organization_id = $1`,
		tx.Organization.String(), to, complete)
	return expect("move the cursor", hit, err, 1)
}

// FailCaMSPull notes that changes could not be read, and why.
func (tx *Tx) FailCaMSPull(ctx context.Context, at time.Time, code domain.Code) error {
	if err := tx.exec(ctx, `
		INSERT INTO cams_cursors (organization_id, cursor, failed_at, last_error) VALUES ($1, '', $2, $3)
		ON CONFLICT (organization_id) DO UPDATE SET failed_at = excluded.failed_at, last_error = excluded.last_error`,
		tx.Organization.String(), at, code); err != nil {
		return fmt.Errorf("note that a pull failed: %w", err)
	}
	return nil
}

// CaMSLinkOf reads the link of a client; found tells whether there is one.
func (tx *Tx) CaMSLinkOf(ctx context.Context, person uuid.UUID) (link CaMSLink, found bool, err error) {
	return tx.camsLink(ctx, "l.person_id = $2", person)
}

// CaMSLinkTo reads the link to a record; found tells whether there is one.
func (tx *Tx) CaMSLinkTo(ctx context.Context, reference string) (link CaMSLink, found bool, err error) {
	return tx.camsLink(ctx, "l.reference = $2", reference)
}

func (tx *Tx) camsLink(ctx context.Context, condition string, arg any) (CaMSLink, bool, error) {
	var row struct {
		PersonID    uuid.UUID `db:"person_id"`
		Reference   string    `db:"reference"`
		Version     int64     `db:"record_version"`
		ChangesTold int64     `db:"changes_told"`
	}
	err := tx.get(ctx, &row, `
		SELECT l.person_id, l.reference, l.record_version, l.changes_told FROM cams_links l
		WHERE l.organization_id = $1 AND `+condition, tx.Organization.String(), arg)
	if errors.Is(err, sql.ErrNoRows) {
		return CaMSLink{}, false, nil
	}
	if err != nil {
		return CaMSLink{}, false, fmt.Errorf("read the link to CaMS: %w", err)
	}
	return CaMSLink(row), true, nil
}

// SaveCaMSLink links a client, or links them anew. Which record was taken over is for ApplyCaMS to say.
func (tx *Tx) SaveCaMSLink(ctx context.Context, person uuid.UUID, reference string, by uuid.UUID, now time.Time) error {
	if err := tx.exec(ctx, `
		INSERT INTO cams_links (organization_id, person_id, reference, linked_at, linked_by_staff_id) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (organization_id, person_id) DO UPDATE SET reference = excluded.reference, linked_at = excluded.linked_at,
			linked_by_staff_id = excluded.linked_by_staff_id, record_version = 0, last_success_at = NULL, last_error_at = NULL, last_error = NULL`,
		tx.Organization.String(), person, reference, now, by); err != nil {
		return fmt.Errorf("link to CaMS: %w", err)
	}
	return nil
}

// DeleteCaMSLink unlinks a client. What was taken over stays.
func (tx *Tx) DeleteCaMSLink(ctx context.Context, person uuid.UUID) error {
	hit, err := tx.execCounting(ctx, `DELETE FROM cams_links WHERE organization_id = $1 AND person_id = $2`, tx.Organization.String(), person)
	return expect("unlink from CaMS", hit, err, 1)
}

// TouchCaMSLinks notes when records were known to be as they are here.
func (tx *Tx) TouchCaMSLinks(ctx context.Context, references []string, at time.Time) error {
	if _, err := tx.execSet(ctx, len(references), `
		UPDATE cams_links SET last_success_at = greatest(last_success_at, $3) WHERE organization_id = $1 AND reference = ANY ($2::text[])`,
		tx.Organization.String(), pq.Array(references), at); err != nil {
		return fmt.Errorf("note that CaMS was followed: %w", err)
	}
	return nil
}

// FailCaMSLinks notes that records could not be followed, and why.
func (tx *Tx) FailCaMSLinks(ctx context.Context, references []string, at time.Time, code domain.Code) error {
	if _, err := tx.execSet(ctx, len(references), `
		UPDATE cams_links SET last_error_at = $3, last_error = $4 WHERE organization_id = $1 AND reference = ANY ($2::text[])`,
		tx.Organization.String(), pq.Array(references), at, code); err != nil {
		return fmt.Errorf("note that CaMS could not be followed: %w", err)
	}
	return nil
}

// LockCaMSClients locks the clients whose records are older than those, each with their link, and reads them. Whoever was
// unlinked while this waited for them is not among them.
func (tx *Tx) LockCaMSClients(ctx context.Context, records []domain.CaMSRecord) ([]domain.CaMSClient, error) {
	references, versions := make([]string, len(records)), make([]int64, len(records))
	for i, record := range records {
		references[i], versions[i] = record.Reference, record.Version
	}
	rows, err := tx.querySet(ctx, len(records), `
		SELECT p.id FROM unnest($2::text[], $3::bigint[]) AS told (reference, version)
		JOIN cams_links l ON l.organization_id = $1 AND l.reference = told.reference AND l.record_version < told.version
		JOIN people p ON p.organization_id = $1 AND p.id = l.person_id
		ORDER BY p.id FOR NO KEY UPDATE OF p, l`, tx.Organization.String(), pq.Array(references), pq.Array(versions))
	if err != nil {
		return nil, fmt.Errorf("lock clients: %w", err)
	}
	var locked ids
	seen := map[uuid.UUID]bool{}
	err = each(rows, func(scan scanner) error {
		var id uuid.UUID
		if err := scan(&id); err != nil {
			return err
		}
		if !seen[id] {
			seen[id] = true
			locked = append(locked, id)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("lock clients: %w", err)
	}
	return tx.camsClients(ctx, locked)
}

func (tx *Tx) camsClients(ctx context.Context, locked ids) ([]domain.CaMSClient, error) {
	if len(locked) == 0 {
		return nil, nil
	}
	rows, err := tx.querySet(ctx, len(locked), `
		SELECT p.id, l.reference, l.record_version, p.first_name, p.last_name, p.email, p.phone, s.identity ->> 'date_of_birth', coalesce(s.address, '{}')
		FROM unnest($2::uuid[]) AS locked (id)
		JOIN people p ON p.organization_id = $1 AND p.id = locked.id
		JOIN cams_links l ON l.organization_id = $1 AND l.person_id = locked.id
		LEFT JOIN client_profiles s ON s.organization_id = $1 AND s.person_id = locked.id`, tx.Organization.String(), locked)
	if err != nil {
		return nil, fmt.Errorf("read clients: %w", err)
	}
	clients := make([]domain.CaMSClient, 0, len(locked))
	err = each(rows, func(scan scanner) error {
		var client domain.CaMSClient
		var born *string
		var address []byte
		if err := scan(&client.ID, &client.Reference, &client.Version, &client.FirstName, &client.LastName, &client.Email, &client.Phone, &born, &address); err != nil {
			return err
		}
		if born != nil {
			date, err := domain.ParseDate(*born)
			if err != nil {
				return err
			}
			client.DateOfBirth = &date
		}
		if err := json.Unmarshal(address, &client.Address); err != nil {
			return err
		}
		clients = append(clients, client)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read clients: %w", err)
	}
	return clients, nil
}

// ClientOfAssessment finds the client who was made from an assessment.
func (tx *Tx) ClientOfAssessment(ctx context.Context, number string) (id uuid.UUID, found bool, err error) {
	err = tx.get(ctx, &id, `SELECT a.person_id FROM client_assessments a WHERE a.organization_id = $1 AND a.number = $2`, tx.Organization.String(), number)
	if errors.Is(err, sql.ErrNoRows) {
		return uuid.Nil, false, nil
	}
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("look for the client of an assessment: %w", err)
	}
	return id, true, nil
}

// SaveClientAssessment notes which assessment a client was made from.
func (tx *Tx) SaveClientAssessment(ctx context.Context, person uuid.UUID, number string, now time.Time) error {
	if err := tx.exec(ctx, `INSERT INTO client_assessments (organization_id, person_id, number, copied_at) VALUES ($1, $2, $3, $4)`,
		tx.Organization.String(), person, number, now); err != nil {
		return fmt.Errorf("note the assessment of a client: %w", err)
	}
	return nil
}
