package caseload_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/internal/testdb"
)

func TestOwnedFields(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	to := organization(t, db)
	load(t, db, to, office)
	exec := func(statement string) {
		t.Helper()
		_, err := db.SQL.Exec(statement, to.String())
		require.NoError(t, err)
	}
	exec(`INSERT INTO cams_links (organization_id, person_id, reference, linked_at)
		SELECT organization_id, id, 'CL-000001', now() FROM people WHERE organization_id = $1 AND external_id = 'p-1'`)
	people := func() string {
		return row(t, db.SQL, `SELECT string_agg(concat_ws(' ', external_id, kind, status, first_name, last_name, email, phone,
				(SELECT string_agg(word, '|' ORDER BY word) FROM person_words w WHERE w.person_id = p.id),
				(SELECT count(*) FROM audit_events e WHERE e.subject_id = p.id)), E'\n' ORDER BY external_id)
			FROM people p WHERE organization_id = $1 AND external_id <> 'p-2'`, to.String())
	}
	before := people()
	require.Contains(t, before, "p-1 client active Maya Petrov maya.petrov@mail.example +1 416 555 0142")

	t.Run("C4 what belongs to CaMS of a linked client stays, whatever a file says", func(t *testing.T) {
		changed := strings.NewReplacer("p-1,client,Maya,Petrov,maya.petrov@mail.example,+1 416 555 0142", "p-1,referral,Mia,Lang,mia@mail.example,",
			"p-3,client,Zoë", "p-3,client,Zoe").Replace(office["people.csv"])
		result := load(t, db, to, office.with(texts{"people.csv": changed}))
		assert.Equal(t, 1, int(result.Files[1].Updated), "%+v", result)
		now := strings.Split(people(), "\n")
		assert.Equal(t, strings.Split(before, "\n")[0], now[0])
		assert.Contains(t, now[1], "p-3 client active Zoe O'Neil, Jr.")
	})

	t.Run("C4 what does not belong to CaMS follows the file", func(t *testing.T) {
		changed := strings.Replace(office["people.csv"], "p-1,client,Maya,Petrov,maya.petrov@mail.example,+1 416 555 0142,active", "p-1,client,Mia,Petrov,,,inactive", 1)
		load(t, db, to, office.with(texts{"people.csv": changed}))
		now := strings.Split(people(), "\n")[0]
		assert.Contains(t, now, "p-1 client inactive Maya Petrov maya.petrov@mail.example +1 416 555 0142")
		assert.True(t, strings.HasSuffix(now, " 2"), now)
		assert.NotContains(t, now, "mia")
	})

	t.Run("C4 once the link has ended the file has it all", func(t *testing.T) {
		exec(`DELETE FROM cams_links WHERE organization_id = $1`)
		changed := strings.Replace(office["people.csv"], "p-1,client,Maya,Petrov,maya.petrov@mail.example,+1 416 555 0142,active", "p-1,client,Mia,Lang,mia@mail.example,,active", 1)
		load(t, db, to, office.with(texts{"people.csv": changed}))
		assert.Contains(t, people(), "p-1 client active Mia Lang mia@mail.example example|lang|mail|mia|mia@mail.example")
	})
}
