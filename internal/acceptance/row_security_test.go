package acceptance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"handover/api"
)

// serviceTx is a transaction as the service has them, of an organization; nil: with none set.
func (s *service) serviceTx(t testing.TB, organization *uuid.UUID, work func(tx *sqlx.Tx)) {
	t.Helper()
	tx, err := s.DB.SQL.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), `SELECT set_config('role', 'handover_service', true)`); err != nil {
		t.Fatal(err)
	}
	if organization != nil {
		if _, err := tx.ExecContext(t.Context(), `SELECT set_config('handover.organization_id', $1, true)`, organization.String()); err != nil {
			t.Fatal(err)
		}
	}
	work(tx)
}

// attempt runs a statement and undoes it, whatever becomes of it.
func attempt(t testing.TB, tx *sqlx.Tx, statement string, args ...any) (rows int64, err error) {
	t.Helper()
	if _, err := tx.ExecContext(t.Context(), `SAVEPOINT attempt`); err != nil {
		t.Fatal(err)
	}
	result, err := tx.ExecContext(t.Context(), statement, args...)
	if err == nil {
		rows, err = result.RowsAffected()
	}
	if _, back := tx.ExecContext(t.Context(), `ROLLBACK TO SAVEPOINT attempt`); back != nil {
		t.Fatal(back)
	}
	return rows, err
}

// insufficientPrivilege is what PostgreSQL answers to what a grant or a policy does not allow.
const insufficientPrivilege = "42501"

func sqlState(err error) string {
	var refused *pq.Error
	if !errors.As(err, &refused) {
		return ""
	}
	return string(refused.Code)
}

// protected is a table that holds the data of organizations.
type protected struct {
	Name    string         `db:"name"`
	Key     string         `db:"key"`     // the column of the organization
	Columns pq.StringArray `db:"columns"` // those that are written
}

// protectedTables are all tables there are, but for River's and the migrations' own.
func (s *service) protectedTables(t testing.TB) []protected {
	t.Helper()
	var tables []protected
	if err := s.DB.SQL.SelectContext(t.Context(), &tables, `
		SELECT c.oid::regclass::text AS name, CASE WHEN c.relname = 'organizations' THEN 'id' ELSE 'organization_id' END AS key,
			array(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum) AS columns
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'river')
			AND c.relname NOT LIKE 'schema\_migrations%' AND c.relname <> 'sign_in_failures' -- of no organization, and reached through functions alone
		ORDER BY 1`); err != nil {
		t.Fatal(err)
	}
	if len(tables) < 19 {
		t.Fatalf("found only the tables %v", tables)
	}
	return tables
}

// I7: row-level security holds by itself, whatever the program asks for.
func TestRowSecurity(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	a, b := s.furnished(t, "Aldermoor"), s.furnished(t, "Brackwater")
	s.chained(t)
	tables := s.protectedTables(t)
	for _, table := range tables {
		for _, f := range []*tenant{a, b} {
			if a.count(fmt.Sprintf(`SELECT count(*) FROM %s WHERE %s = $1`, table.Name, table.Key), f.ID) == 0 {
				t.Fatalf("%s: %s has no row, so that nothing could be told", table.Name, f.mark)
			}
		}
	}

	t.Run("every table has row-level security, with a policy for the service", func(t *testing.T) {
		for _, table := range tables {
			if a.count(`SELECT count(*) FROM pg_class c WHERE c.oid = $1::regclass AND c.relrowsecurity`, table.Name) != 1 {
				t.Errorf("%s has no row-level security", table.Name)
			}
			if a.count(`SELECT count(*) FROM pg_policy p WHERE p.polrelid = $1::regclass AND p.polcmd = '*' AND p.polqual IS NOT NULL AND p.polwithcheck IS NOT NULL
				AND p.polroles = ARRAY['handover_service'::regrole::oid]`, table.Name) != 1 {
				t.Errorf("%s has no policy for reading and writing", table.Name)
			}
			if a.count(`SELECT count(*) FROM pg_policy p WHERE p.polrelid = $1::regclass`, table.Name) != 1 {
				t.Errorf("%s has several policies: any of them lets a row pass", table.Name)
			}
		}
	})

	t.Run("without an organization every table is an error", func(t *testing.T) {
		for _, table := range tables {
			s.serviceTx(t, nil, func(tx *sqlx.Tx) {
				for _, statement := range []string{
					`SELECT count(*) FROM %[1]s`, `SELECT 1 FROM %[1]s LIMIT 1`, `UPDATE %[1]s SET %[2]s = %[2]s`, `DELETE FROM %[1]s`,
					`INSERT INTO %[1]s SELECT * FROM %[1]s`,
				} {
					statement = fmt.Sprintf(statement, table.Name, table.Key)
					if rows, err := attempt(t, tx, statement); err == nil {
						t.Errorf("%s hit %d rows", statement, rows)
					}
				}
			})
		}
	})

	t.Run("nor is what a connection was left with an organization", func(t *testing.T) {
		conn, err := s.DB.SQL.Connx(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, statement := range []string{
			`BEGIN`, `SELECT set_config('handover.organization_id', '` + a.ID.String() + `', true), set_config('role', 'handover_service', true)`, `SELECT id FROM staff`, `COMMIT`,
			`SET ROLE handover_service`,
		} {
			if _, err := conn.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		defer conn.ExecContext(t.Context(), `RESET ROLE`)
		for _, table := range tables {
			if _, err := conn.ExecContext(t.Context(), `SELECT count(*) FROM `+table.Name); err == nil {
				t.Errorf("%s can be read", table.Name)
			}
		}
	})

	t.Run("with an organization no row of another is seen, changed, taken or made", func(t *testing.T) {
		for _, table := range tables {
			s.serviceTx(t, &a.ID, func(tx *sqlx.Tx) { isolated(t, tx, table, a, b) })
		}
	})

	t.Run("a role that the policies do not name sees nothing", func(t *testing.T) {
		tx, err := s.DB.SQL.BeginTxx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(t.Context(), `SET LOCAL ROLE pg_read_all_data`); err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			var rows int
			if err := tx.GetContext(t.Context(), &rows, `SELECT count(*) FROM `+table.Name); err != nil || rows != 0 {
				t.Errorf("%s: saw %d rows: %v", table.Name, rows, err)
			}
		}
	})
}

// isolated holds one table, as the service of organization a, against the rows of b.
func isolated(t *testing.T, tx *sqlx.Tx, table protected, a, b *tenant) {
	t.Helper()
	var all, own int
	if err := tx.GetContext(t.Context(), &all, `SELECT count(*) FROM `+table.Name); err != nil {
		t.Errorf("%s: %v", table.Name, err)
		return
	}
	if err := tx.GetContext(t.Context(), &own, fmt.Sprintf(`SELECT count(*) FROM %s WHERE %s = $1`, table.Name, table.Key), a.ID); err != nil {
		t.Fatal(err)
	}
	if all != own || own == 0 {
		t.Errorf("%s: sees %d rows, of which %d are its own", table.Name, all, own)
	}
	where := fmt.Sprintf(` WHERE %s = $1`, table.Key)
	for _, statement := range []string{
		fmt.Sprintf(`UPDATE %s SET %s = %s`, table.Name, table.Columns[1], table.Columns[1]) + where, `DELETE FROM ` + table.Name + where,
	} {
		if rows, err := attempt(t, tx, statement, b.ID); rows != 0 || err != nil && sqlState(err) != insufficientPrivilege {
			t.Errorf("%s: %d rows, %v", statement, rows, err)
		}
	}
	if _, err := attempt(t, tx, fmt.Sprintf(`UPDATE %s SET %s = $1`, table.Name, table.Key), b.ID); sqlState(err) != insufficientPrivilege {
		t.Errorf("%s: its own rows can be given to the other organization: %v", table.Name, err)
	}
	var row string
	if err := b.service.DB.SQL.GetContext(t.Context(), &row, fmt.Sprintf(`SELECT to_jsonb(r)::text FROM %s r WHERE %s = $1 LIMIT 1`, table.Name, table.Key), b.ID); err != nil {
		t.Fatal(err)
	}
	columns := strings.Join(table.Columns, ", ")
	insert := fmt.Sprintf(`INSERT INTO %[1]s (%[2]s) SELECT %[2]s FROM jsonb_populate_record(NULL::%[1]s, $1)`, table.Name, columns)
	if _, err := attempt(t, tx, insert, row); sqlState(err) != insufficientPrivilege {
		t.Errorf("%s: a row can be made for the other organization: %v", table.Name, err)
	}
}

func TestRoleOfTheService(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	f := s.furnished(t, "Calderfield")
	s.chained(t)

	t.Run("the trail and the items of runs are append-only (D1)", func(t *testing.T) {
		for _, statement := range []string{
			`UPDATE audit_events SET action = action`, `DELETE FROM audit_events`, `TRUNCATE audit_events`,
			`INSERT INTO audit_events SELECT * FROM audit_events ON CONFLICT (organization_id, id) DO UPDATE SET action = 'forged'`,
			`UPDATE run_items SET outcome = outcome`, `DELETE FROM run_items`, `TRUNCATE run_items`, `DELETE FROM runs`,
			`UPDATE audit_links SET hashes = hashes`, `DELETE FROM audit_links`, `TRUNCATE audit_links`, `TRUNCATE audit_chain_progress`,
			`INSERT INTO audit_links SELECT * FROM audit_links ON CONFLICT (organization_id, first_position) DO UPDATE SET format = 7`,
			`DELETE FROM people`, `DELETE FROM staff`, `DELETE FROM tasks`, `DELETE FROM organizations`, `INSERT INTO organizations SELECT * FROM organizations`,
		} {
			s.serviceTx(t, &f.ID, func(tx *sqlx.Tx) {
				if _, err := attempt(t, tx, statement); sqlState(err) != insufficientPrivilege {
					t.Errorf("%s: %v", statement, err)
				}
			})
		}
	})

	t.Run("it is no more than it has to be", func(t *testing.T) {
		for what, query := range map[string]string{
			"is more than an ordinary role": `SELECT count(*) FROM pg_roles WHERE rolname = 'handover_service' AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin OR rolreplication)`,
			"owns something":                `SELECT count(*) FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = 'handover_service'::regrole AND deptype = 'o'`,
			"is a member of another role":   `SELECT count(*) FROM pg_auth_members WHERE member = 'handover_service'::regrole`,
			"may make tables": `SELECT count(*) FROM pg_namespace WHERE nspname NOT LIKE 'pg\_temp\_%' AND nspname NOT LIKE 'pg\_toast\_temp\_%'
				AND has_schema_privilege('handover_service', oid, 'CREATE')`,
			"may empty, refer to or put triggers on tables": `SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
				AND has_table_privilege('handover_service', oid, 'TRUNCATE, REFERENCES, TRIGGER')`,
			"may do with the trail what it must not": `SELECT count(*) FROM pg_class WHERE oid IN ('audit_events'::regclass, 'audit_links'::regclass)
				AND has_table_privilege('handover_service', oid, 'UPDATE, DELETE, TRUNCATE')`,
			"may change some columns of the trail":   `SELECT count(*) FROM pg_class WHERE oid IN ('audit_events'::regclass, 'audit_links'::regclass) AND has_any_column_privilege('handover_service', oid, 'UPDATE')`,
			"may read what is for nobody (PUBLIC)":   `SELECT count(*) FROM pg_class c, aclexplode(c.relacl) g WHERE c.relnamespace = 'public'::regnamespace AND g.grantee = 0`,
			"may read the versions of the migration": `SELECT count(*) FROM pg_class WHERE relname LIKE 'schema\_migrations%' AND has_table_privilege('handover_service', oid, 'INSERT, UPDATE, DELETE')`,
		} {
			if n := f.count(query); n != 0 {
				t.Errorf("the role %s: %d", what, n)
			}
		}
		if f.count(`SELECT count(*) FROM pg_roles WHERE rolname = 'handover_service'`) != 1 {
			t.Error("there is no role handover_service")
		}
	})

	t.Run("what looks past the policies is a few functions, each bound to its own tables", func(t *testing.T) {
		var functions []struct {
			Name   string `db:"name"`
			Public bool   `db:"public"`
			Path   bool   `db:"path"`
		}
		if err := s.DB.SQL.SelectContext(t.Context(), &functions, `
			SELECT p.proname AS name, has_function_privilege('public', p.oid, 'EXECUTE') AS public, coalesce(array_to_string(p.proconfig, ',') LIKE '%search_path=%', false) AS path
			FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
			WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, function := range functions {
			names = append(names, function.Name)
			if function.Public || !function.Path {
				t.Errorf("%s may be called by everybody (%t), or looks for its tables where its caller says (%t)", function.Name, function.Public, !function.Path)
			}
		}
		want := []string{
			"audit_chain_health", "audit_chains_to_look_at", "authenticate_api_token", "authenticate_client_session", "begin_sign_in", "cams_health", "cams_organizations", "find_invitation", "forgive_sign_in",
			"identify_staff", "notification_numbers", "organizations_waiting", "pending_mails", "sign_in_accounts", "sweep_expired", "sweep_sessions", "tell_cams_change",
		}
		if !slices.Equal(names, want) {
			t.Errorf("got the functions %v, want %v", names, want)
		}
	})

	t.Run("every key and every foreign key begins with the organization", func(t *testing.T) {
		var keys []struct {
			Name   string `db:"name"`
			Kind   string `db:"kind"`
			Column string `db:"first"`
			Target string `db:"target"`
		}
		if err := s.DB.SQL.SelectContext(t.Context(), &keys, `
			SELECT k.conrelid::regclass || '.' || k.conname AS name, k.contype::text AS kind, a.attname AS first,
				coalesce(target.attname::text, '') || CASE WHEN k.confrelid = 'organizations'::regclass THEN ' of organizations' ELSE '' END AS target
			FROM pg_constraint k
			JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
			LEFT JOIN pg_attribute target ON target.attrelid = k.confrelid AND target.attnum = k.confkey[1]
			WHERE k.contype IN ('p', 'u', 'f', 'x') AND k.connamespace = 'public'::regnamespace
				AND k.conrelid <> 'organizations'::regclass AND k.conrelid <> 'sign_in_failures'::regclass AND k.conrelid::regclass::text NOT LIKE 'schema\_migrations%'`); err != nil {
			t.Fatal(err)
		}
		kinds := map[string]int{}
		for _, key := range keys {
			kinds[key.Kind]++
			if key.Column != "organization_id" || key.Kind == "f" && key.Target != "organization_id" && key.Target != "id of organizations" {
				t.Errorf("%s begins with %s and leads to %q", key.Name, key.Column, key.Target)
			}
		}
		if kinds["p"] < 18 || kinds["f"] < 20 {
			t.Fatalf("found only %v", kinds)
		}
		if without := f.count(`SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
			AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p')`); without != 0 {
			t.Errorf("%d tables have no primary key", without)
		}
	})
}

// One connection serves tenants in turns, also after statements that failed.
func TestPooledConnectionsAlternateTenants(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	tenants := []*tenant{s.furnished(t, "Dunmarsh"), s.furnished(t, "Eastwater")}
	s.DB.SQL.SetMaxOpenConns(1)
	for round := range 12 {
		own, other := tenants[round%2], tenants[1-round%2]
		for _, operationID := range []string{"getMe", "listPeople", "listTasks", "listStaff", "listRuns", "listApiTokens", "listAuditEvents", "getIntakeTemplate", "listMatters", "listCalendarEvents", "listStaffGroups"} {
			got := s.ask(t, own.Admin.Token, operationID, ask{}).must(200)
			other.inNobody(t, operationID, got)
			if !strings.Contains(string(got.Body), own.mark) {
				t.Errorf("%s does not show what is there: %.300s", operationID, got.Body)
			}
		}
		s.ask(t, own.Admin.Token, "getPerson", inPath("person_id", other.clientID.String())).problem(404, "not_found")
		s.ask(t, own.Admin.Token, "upsertStaffByExternalId", inPath("external_id", newID().String()).
			sending(with(newMember("member"), "email", own.mark+own.staff.ID.String()+"@EXAMPLE.org"))).problem(409, "email_taken")
	}
	me := decode[api.Me](s.ask(t, tenants[0].Admin.Token, "getMe", ask{}).must(200))
	if me.Organization.ID != tenants[0].ID {
		t.Errorf("got the organization %v", me.Organization)
	}
}
