package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// searchOrganization is the third, which has nothing but people.
const (
	searchOrganization = 3
	searchAtMost       = 1.5
)

func seedSearch(ctx context.Context, b *bench, conn *sql.Conn) error {
	for _, part := range seedStatements {
		switch part.what {
		case "organization", "staff", "people", "words of people":
			if _, err := conn.ExecContext(ctx, part.statement, searchOrganization, b.searchPeople); err != nil {
				return fmt.Errorf("%s: %w", part.what, err)
			}
		}
	}
	b.say("organization %d: %d people to search among", searchOrganization, b.searchPeople)
	return nil
}

// searches are texts as people type them: a rare word, a common one, two prefixes of which one is common, an email, nobody.
var searches = []string{"last777", "first50", "first50 last77", "person123456@", "nobody"}

// measureSearch is W6: the people search, against its query by hand, in an organization of a million.
func measureSearch(ctx context.Context, b *bench) error {
	if b.searchPeople == 0 {
		b.say("W6 is left out: --search-people=1000000 seeds and measures it")
		return nil
	}
	pool, err := openPool(b.database.url)
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }() // nothing is under way
	var organization string
	if err := pool.QueryRowContext(ctx, `SELECT bench.id($1, 0, 1)`, searchOrganization).Scan(&organization); err != nil {
		return fmt.Errorf("make an id: %w", err)
	}
	parsed, err := uuid.Parse(organization)
	if err != nil {
		return fmt.Errorf("read the organization: %w", err)
	}
	token, err := b.service.application.IssueToken(ctx, domain.OrganizationID(parsed), "staff1@example.org")
	if err != nil {
		return err
	}
	for _, text := range searches {
		byHand := searchByHand(organization, text)
		asked, err := request(http.MethodGet, "/v1/people?limit=50&q="+strings.ReplaceAll(text, " ", "%20"), token, nil)
		if err != nil {
			return err
		}
		taken, err := inTurns(ctx, 3*b.rounds,
			side{"service", func(ctx context.Context) (time.Duration, error) { return askOnce(ctx, b.service.address, asked) }},
			side{"floor", func(ctx context.Context) (time.Duration, error) {
				return timed(func() error {
					return bareTransaction(ctx, pool, organization, func(tx *sql.Tx) error { return readAll(ctx, tx, byHand) })
				})
			}},
		)
		if err != nil {
			return err
		}
		b.addDurations("W6", fmt.Sprintf("search of %q among %d people", text, b.searchPeople), "its query", taken[0], taken[1], searchAtMost)
	}
	return nil
}

func askOnce(ctx context.Context, address string, text []byte) (time.Duration, error) {
	client, err := call(ctx, address)
	if err != nil {
		return 0, err
	}
	defer client.hangUp()
	return timed(func() error {
		status, body, err := client.ask(text)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("answered %d: %s", status, body)
		}
		return err
	})
}

// searchByHand is the query as one types it.
func searchByHand(organization, text string) string {
	var statement strings.Builder
	fmt.Fprintf(&statement, `SELECT p.id, p.external_id, p.kind, p.status, p.first_name, p.last_name, p.email, p.phone, p.created_at, p.updated_at,
		(SELECT json_agg(json_build_array(s.id, s.first_name, s.last_name, s.status) ORDER BY s.id) FROM assignments a
		 JOIN staff s ON s.organization_id = a.organization_id AND s.id = a.staff_id WHERE a.organization_id = p.organization_id AND a.person_id = p.id) AS staff,
		(SELECT count(*) FROM tasks t WHERE t.organization_id = p.organization_id AND t.person_id = p.id AND t.status IN ('open', 'in_progress')) AS active_tasks
		FROM people p WHERE p.organization_id = '%s'`, organization)
	for word := range strings.FieldsSeq(text) {
		fmt.Fprintf(&statement, ` AND EXISTS (SELECT FROM person_words w WHERE w.organization_id = p.organization_id AND w.person_id = p.id
			AND w.word >= '%[1]s' AND w.word < '%[1]s%[2]s')`, word, "\U0010FFFF")
	}
	statement.WriteString(` ORDER BY p.id LIMIT 51`)
	return statement.String()
}

// readAll reads what a query answers and makes nothing of it. A sequential scan of the words is an error.
func readAll(ctx context.Context, tx *sql.Tx, query string) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	defer func() { _ = rows.Close() }() // read to the end
	columns, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	cells := make([]any, len(columns))
	for i := range cells {
		cells[i] = new(sql.RawBytes)
	}
	for rows.Next() {
		if err := rows.Scan(cells...); err != nil {
			return fmt.Errorf("search: %w", err)
		}
	}
	return errors.Join(rows.Err())
}
