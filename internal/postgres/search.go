package postgres

import (
	"slices"

	"github.com/lib/pq"

	"handover/internal/domain"
)

// plannedWords is how many words of a search the planner may order among the other conditions. It tries the orders, so
// that a hundred words would cost it minutes.
const plannedWords = 4

// searchPeople narrows people (alias p) to those who have, for each word of the text, a word that begins with it. The
// longest words, which are the rarest, narrow the search; the others are looked up for those who are left.
func (q *query) searchPeople(text string) {
	prefixes := domain.SearchPrefixes(text)
	if len(prefixes) == 0 {
		return
	}
	q.once = true
	slices.SortStableFunc(prefixes, func(x, y string) int { return len(y) - len(x) })
	planned := min(len(prefixes), plannedWords)
	for _, prefix := range prefixes[:planned] {
		q.and("EXISTS (SELECT FROM person_words w WHERE w.organization_id = p.organization_id AND w.person_id = p.id AND w.word >= %s AND w.word < %s)", prefix, prefix+lastRune)
	}
	if rest := prefixes[planned:]; len(rest) > 0 {
		// OFFSET 0 keeps the planner from taking this for one more join.
		q.and(`NOT EXISTS (SELECT FROM unnest(%s::text[]) AS sought (prefix) WHERE NOT EXISTS (
			SELECT FROM person_words w WHERE w.organization_id = p.organization_id AND w.person_id = p.id
				AND w.word >= sought.prefix AND w.word < sought.prefix || %s) OFFSET 0)`, pq.Array(rest), lastRune)
	}
}
