package caseload_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/internal/testdb"
)

// Large imports leave out the triggers of foreign keys. Others have to work all the same.
func TestAccountsFollowTheirEmail(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string]int{"a few rows": 3, "many rows": 1200} {
		t.Run("C8 whoever has an account signs in with the email that an import brings: "+name, func(t *testing.T) {
			t.Parallel()
			db := testdb.New(t)
			to := organization(t, db)
			people := "external_id,kind,first_name,last_name,email,phone,status\n"
			var filled strings.Builder
			for i := range rows {
				fmt.Fprintf(&filled, "p-%d,client,Maya,Petrov,p-%d@mail.example,,active\n", i, i)
			}
			people += filled.String()
			files := texts{"staff.csv": office["staff.csv"], "people.csv": people}
			load(t, db, to, files)
			for _, owner := range []struct{ column, table, key string }{{"person_id", "people", "p-1"}, {"staff_id", "staff", "s-2"}} {
				_, err := db.SQL.Exec(fmt.Sprintf(`INSERT INTO accounts (organization_id, id, %s, email_normalized, password_hash, created_at, password_set_at)
					SELECT organization_id, gen_random_uuid(), id, email_normalized, 'x', now(), now() FROM %s WHERE organization_id = $1 AND external_id = $2`,
					owner.column, owner.table), to.String(), owner.key)
				require.NoError(t, err)
			}
			load(t, db, to, texts{
				"people.csv": strings.Replace(people, "p-1@mail.example", "Maya@work.example", 1),
				"staff.csv":  strings.Replace(office["staff.csv"], "jonas@office.example", "Jonas@work.example", 1),
			})
			assert.Equal(t, "jonas@work.example maya@work.example",
				row(t, db.SQL, `SELECT string_agg(email_normalized, ' ' ORDER BY email_normalized) FROM accounts WHERE organization_id = $1`, to.String()))
		})
	}
}
