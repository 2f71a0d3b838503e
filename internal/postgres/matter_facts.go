package postgres

import (
	"database/sql"

	"handover/internal/domain"
)

// matterFactsOf reads the matters whose ids a statement selects, by id. $1 is the organization, $2 who asks.
func matterFactsOf(chosen string) string {
	return `SELECT m.id, m.responsible_staff_id, m.status = 'closed', m.visibility = 'private', NOT (` + seenMatter("m", "$2") + `)
		FROM matters m WHERE m.organization_id = $1 AND m.id IN (` + chosen + `) ORDER BY m.id`
}

func readMatterFacts(rows *sql.Rows) ([]domain.MatterFacts, error) {
	var facts []domain.MatterFacts
	err := each(rows, func(scan scanner) error {
		var matter domain.MatterFacts
		if err := scan(&matter.ID, &matter.Responsible, &matter.Closed, &matter.Private, &matter.Hidden); err != nil {
			return err
		}
		facts = append(facts, matter)
		return nil
	})
	return facts, err
}
