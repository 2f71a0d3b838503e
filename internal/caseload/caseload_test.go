package caseload_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/internal/caseload"
	"handover/internal/domain"
	"handover/internal/testdb"
)

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		importAsChild()
		return
	}
	testdb.Main(m)
}

// texts are files by name.
type texts map[string]string

func (t texts) files() fs.FS {
	files := fstest.MapFS{}
	for name, text := range t {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

// with is t with some files replaced; an empty text leaves one out.
func (t texts) with(changed texts) texts {
	files := maps.Clone(t)
	maps.Copy(files, changed)
	maps.DeleteFunc(files, func(_, text string) bool { return text == "" })
	return files
}

// office is a small caseload that is in order.
var office = texts{
	"staff.csv": `external_id,first_name,last_name,email,role,status,permissions
s-1,Amira,Haddad,Amira.Haddad@office.example,administrator,active,
s-2,Jonas,Weber,jonas@office.example,member,active,clients|tasks
s-3,Grace,Lin,grace@office.example,member,deactivated,tasks|clients|tasks
`,
	"people.csv": `external_id,kind,first_name,last_name,email,phone,status
p-1,client,Maya,Petrov,maya.petrov@mail.example,+1 416 555 0142,active
p-2,referral,Ahmed,Rahimi,,,inactive
p-3,client,Zoë,"O'Neil, Jr.",zoe@mail.example,,active
`,
	"assignments.csv": `person_external_id,staff_external_id
p-1,s-2
p-1,s-3
p-3,s-2
`,
	"tasks.csv": `external_id,title,status,due_on,person_external_id,matter_external_id,assignee_external_ids
t-1,Review résumé,open,2026-03-31,p-1,,s-3|s-2|s-3
t-2,File the claim,in_progress,,,m-1,s-2
t-3,Order paper,completed,,,,
`,
	"matters.csv": `external_id,number,description,status,visibility,responsible_staff_external_id,client_external_id
m-1,2026-1,Petrov v. Landlord,open,everyone,s-2,p-1
m-2,2026-2,,closed,private,s-1,
`,
	"calendar_events.csv": `external_id,title,starts_at,ends_at,owner_staff_external_id,attendee_staff_external_ids,matter_external_id
e-1,Hearing,2026-04-01T09:30:00+02:00,2026-04-01T10:00:00Z,s-2,s-1|s-3,m-1
e-2,Team meeting,2026-04-02T09:00:00.5Z,2026-04-02T09:00:00.5Z,s-1,,
`,
}

// organization makes one.
func organization(t *testing.T, db *testdb.DB) domain.OrganizationID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	_, err := db.SQL.Exec(`INSERT INTO organizations (id, name, time_zone, created_at) VALUES ($1, 'Harbour', 'America/Toronto', now())`, id)
	require.NoError(t, err)
	return domain.OrganizationID(id)
}

var clock = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func load(t *testing.T, db *testdb.DB, to domain.OrganizationID, files texts) caseload.Result {
	t.Helper()
	result, err := caseload.Import(t.Context(), db.SQL, to, files.files(), caseload.Options{Now: func() time.Time { return clock }})
	require.NoError(t, err)
	return result
}

// row reads one row as JSON and gives it in a form to compare.
func row(t *testing.T, db *sqlx.DB, query string, args ...any) string {
	t.Helper()
	var text string
	require.NoError(t, db.Get(&text, query, args...))
	return text
}

// contents are all rows of an organization that an import may touch, audit trail included, without ids and times.
func contents(t *testing.T, db *testdb.DB, of domain.OrganizationID) string {
	t.Helper()
	var all []string
	for _, query := range []string{
		`SELECT 'staff ' || concat_ws(',', external_id, first_name, last_name, email, role, status, permissions) FROM staff WHERE organization_id = $1 ORDER BY 1`,
		`SELECT 'person ' || concat_ws(',', external_id, kind, first_name, last_name, email, phone, status) FROM people WHERE organization_id = $1 ORDER BY 1`,
		`SELECT 'word ' || p.external_id || ' ' || w.word FROM person_words w JOIN people p ON p.id = w.person_id WHERE w.organization_id = $1 ORDER BY 1`,
		`SELECT 'assignment ' || p.external_id || ' ' || s.external_id FROM assignments a JOIN people p ON p.id = a.person_id JOIN staff s ON s.id = a.staff_id
			WHERE a.organization_id = $1 ORDER BY 1`,
		`SELECT 'matter ' || concat_ws(',', m.external_id, number, description, m.status, visibility, s.external_id, p.external_id)
			FROM matters m JOIN staff s ON s.id = responsible_staff_id LEFT JOIN people p ON p.id = client_id WHERE m.organization_id = $1 ORDER BY 1`,
		`SELECT 'task ' || concat_ws(',', t.external_id, title, details, t.status, due_on, p.external_id, m.external_id)
			FROM tasks t LEFT JOIN people p ON p.id = person_id LEFT JOIN matters m ON m.id = matter_id WHERE t.organization_id = $1 ORDER BY 1`,
		`SELECT 'assignee ' || t.external_id || ' ' || s.external_id FROM task_assignees a JOIN tasks t ON t.id = a.task_id JOIN staff s ON s.id = a.staff_id
			WHERE a.organization_id = $1 ORDER BY 1`,
		`SELECT 'event ' || concat_ws(',', e.external_id, title, starts_at AT TIME ZONE 'UTC', ends_at AT TIME ZONE 'UTC', s.external_id, m.external_id)
			FROM calendar_events e JOIN staff s ON s.id = owner_staff_id LEFT JOIN matters m ON m.id = matter_id WHERE e.organization_id = $1 ORDER BY 1`,
		`SELECT 'attendee ' || e.external_id || ' ' || s.external_id FROM calendar_event_attendees a JOIN calendar_events e ON e.id = a.calendar_event_id
			JOIN staff s ON s.id = a.staff_id WHERE a.organization_id = $1 ORDER BY 1`,
		`SELECT 'audit ' || concat_ws(' ', action, subject_kind, CASE WHEN before IS NULL THEN 'created' ELSE 'changed' END, after ->> 'external_id')
			FROM audit_events WHERE organization_id = $1 ORDER BY 1`,
	} {
		var rows []string
		require.NoError(t, db.SQL.Select(&rows, query, of.String()))
		all = append(all, rows...)
	}
	return strings.Join(all, "\n") + "\n"
}

const officeContents = `staff s-1,Amira,Haddad,Amira.Haddad@office.example,administrator,active,{}
staff s-2,Jonas,Weber,jonas@office.example,member,active,{clients,tasks}
staff s-3,Grace,Lin,grace@office.example,member,deactivated,{clients,tasks}
person p-1,client,Maya,Petrov,maya.petrov@mail.example,+1 416 555 0142,active
person p-2,referral,Ahmed,Rahimi,inactive
person p-3,client,Zoë,O'Neil, Jr.,zoe@mail.example,active
word p-1 example
word p-1 mail
word p-1 maya
word p-1 maya.petrov@mail.example
word p-1 petrov
word p-2 ahmed
word p-2 rahimi
word p-3 example
word p-3 jr
word p-3 jr.
word p-3 mail
word p-3 neil
word p-3 o
word p-3 o'neil,
word p-3 zoe
word p-3 zoe@mail.example
word p-3 zoë
assignment p-1 s-2
assignment p-1 s-3
assignment p-3 s-2
matter m-1,2026-1,Petrov v. Landlord,open,everyone,s-2,p-1
matter m-2,2026-2,,closed,private,s-1
task t-1,Review résumé,,open,2026-03-31,p-1
task t-2,File the claim,,in_progress,m-1
task t-3,Order paper,,completed
assignee t-1 s-2
assignee t-1 s-3
assignee t-2 s-2
event e-1,Hearing,2026-04-01 07:30:00,2026-04-01 10:00:00,s-2,m-1
event e-2,Team meeting,2026-04-02 09:00:00.5,2026-04-02 09:00:00.5,s-1
attendee e-1 s-1
attendee e-1 s-3
audit calendar_event.imported calendar_event created e-1
audit calendar_event.imported calendar_event created e-2
audit matter.imported matter created m-1
audit matter.imported matter created m-2
audit person.imported person created p-1
audit person.imported person created p-2
audit person.imported person created p-3
audit staff.imported staff created s-1
audit staff.imported staff created s-2
audit staff.imported staff created s-3
audit task.imported task created t-1
audit task.imported task created t-2
audit task.imported task created t-3
`

func TestImport(t *testing.T) {
	t.Parallel()

	t.Run("a whole caseload is loaded, with an audit row for each thing", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		result := load(t, db, to, office)
		assert.Equal(t, officeContents, contents(t, db, to))
		assert.Equal(t, []caseload.FileResult{
			{File: "staff.csv", Rows: 3, Created: 3},
			{File: "people.csv", Rows: 3, Created: 3},
			{File: "assignments.csv", Rows: 3, Created: 3},
			{File: "tasks.csv", Rows: 3, Created: 3},
			{File: "matters.csv", Rows: 2, Created: 2},
			{File: "calendar_events.csv", Rows: 2, Created: 2},
		}, result.Files)
		assert.Contains(t, result.String(), "calendar_events.csv")
	})

	t.Run("loading again changes nothing", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		load(t, db, to, office)
		stamps := `SELECT string_agg(xmin::text, ' ' ORDER BY id) FROM (SELECT xmin, id FROM staff UNION ALL SELECT xmin, id FROM people
			UNION ALL SELECT xmin, id FROM tasks UNION ALL SELECT xmin, id FROM matters UNION ALL SELECT xmin, id FROM calendar_events) rows`
		before := row(t, db.SQL, stamps)
		result := load(t, db, to, office)
		assert.Equal(t, officeContents, contents(t, db, to))
		assert.Equal(t, before, row(t, db.SQL, stamps), "no row was written")
		for _, file := range result.Files {
			assert.Equal(t, caseload.FileResult{File: file.File, Rows: file.Rows, Unchanged: file.Rows}, file)
		}
	})

	t.Run("loading again updates what a file names, and leaves the rest alone", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		load(t, db, to, office)
		_, err := db.SQL.Exec(`UPDATE tasks SET details = 'Bring two copies.'`)
		require.NoError(t, err)
		result := load(t, db, to, texts{
			"staff.csv":       "external_id,first_name,last_name,email,role,status,permissions\ns-3,Grace,Lin-Okafor,grace@office.example,member,active,tasks\n",
			"people.csv":      "external_id,kind,first_name,last_name,email,phone,status\np-1,client,Maya,Ivanova,,,active\np-4,client,Bo,Li,,,active\n",
			"assignments.csv": "person_external_id,staff_external_id\np-1,s-1\np-1,s-2\np-2,s-3\n",
			"tasks.csv":       "external_id,title,status,due_on,person_external_id,matter_external_id,assignee_external_ids\nt-1,Review résumé,open,2026-03-31,p-1,,s-1\nt-2,File the claim,completed,2026-05-05,p-4,,s-2\n",
			"matters.csv":     "external_id,number,description,status,visibility,responsible_staff_external_id,client_external_id\nm-1,2026-1,Settled,closed,everyone,s-3,\n",
			"calendar_events.csv": "external_id,title,starts_at,ends_at,owner_staff_external_id,attendee_staff_external_ids,matter_external_id\n" +
				"e-1,Hearing,2026-04-01T07:30:00Z,2026-04-01T10:00:00Z,s-2,s-2,m-1\n",
		})
		assert.Equal(t, []caseload.FileResult{
			{File: "staff.csv", Rows: 1, Updated: 1},
			{File: "people.csv", Rows: 2, Created: 1, Updated: 1},
			{File: "assignments.csv", Rows: 3, Created: 2, Unchanged: 1, Removed: 1},
			{File: "tasks.csv", Rows: 2, Updated: 2},
			{File: "matters.csv", Rows: 1, Updated: 1},
			{File: "calendar_events.csv", Rows: 1, Updated: 1},
		}, result.Files)
		now := contents(t, db, to)
		for _, line := range []string{
			"staff s-3,Grace,Lin-Okafor,grace@office.example,member,active,{tasks}",
			"person p-1,client,Maya,Ivanova,active",
			"word p-1 ivanova", "word p-1 maya", "word p-4 bo",
			"assignment p-1 s-1", "assignment p-1 s-2", "assignment p-2 s-3", "assignment p-3 s-2",
			"task t-1,Review résumé,Bring two copies.,open,2026-03-31,p-1", "assignee t-1 s-1",
			"task t-2,File the claim,Bring two copies.,completed,2026-05-05,p-4", "assignee t-2 s-2",
			"task t-3,Order paper,Bring two copies.,completed",
			"matter m-1,2026-1,Settled,closed,everyone,s-3",
			"attendee e-1 s-2",
		} {
			assert.Contains(t, now, line+"\n")
		}
		for _, line := range []string{"word p-1 petrov", "word p-1 mail", "assignment p-1 s-3", "assignee t-1 s-2", "assignee t-1 s-3", "attendee e-1 s-1"} {
			assert.NotContains(t, now, line+"\n")
		}
		var changed []string
		require.NoError(t, db.SQL.Select(&changed, `SELECT after ->> 'external_id' FROM audit_events WHERE before IS NOT NULL ORDER BY 1`))
		assert.Equal(t, []string{"e-1", "m-1", "p-1", "p-2", "s-3", "t-1", "t-2"}, changed, "each changed thing has one audit row")
	})

	t.Run("B5 a matter keeps the groups that see it while it is for groups, and comes without any", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		matters := func(visibility, number string) texts {
			return texts{"matters.csv": "external_id,number,description,status,visibility,responsible_staff_external_id,client_external_id\n" +
				"m-1," + number + ",,open," + visibility + ",s-2,\n"}
		}
		shown := func() (groups int) {
			require.NoError(t, db.SQL.Get(&groups, `SELECT count(*) FROM matter_groups`))
			return groups
		}
		load(t, db, to, office)
		load(t, db, to, matters("groups", "1"))
		assert.Zero(t, shown(), "the files know no groups")
		group := uuid.Must(uuid.NewV7())
		for _, statement := range []string{
			`INSERT INTO staff_groups (organization_id, id, name, created_at, updated_at) VALUES ($1, $2, 'Legal desk', now(), now())`,
			`INSERT INTO matter_groups (organization_id, matter_id, staff_group_id) SELECT $1, id, $2 FROM matters WHERE external_id = 'm-1'`,
		} {
			_, err := db.SQL.Exec(statement, to.String(), group)
			require.NoError(t, err)
		}
		load(t, db, to, matters("groups", "2"))
		assert.Equal(t, 1, shown())
		load(t, db, to, matters("private", "2"))
		assert.Zero(t, shown())
		load(t, db, to, matters("groups", "2"))
		assert.Zero(t, shown(), "groups that were left come back only by hand")
		var told []string
		require.NoError(t, db.SQL.Select(&told, `
			SELECT (before ->> 'visibility') || (before ->> 'group_ids') || (after ->> 'visibility') || (after ->> 'group_ids')
			FROM audit_events WHERE subject_kind = 'matter' AND before IS NOT NULL ORDER BY id`))
		of := `["` + group.String() + `"]`
		assert.Equal(t, []string{"everyone[]groups[]", "groups" + of + "groups" + of, "groups" + of + "private[]", "private[]groups[]"}, told)
	})

	t.Run("the audit trail shows the fields of the resources, before and after", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		load(t, db, to, office)
		load(t, db, to, texts{
			"assignments.csv": "person_external_id,staff_external_id\np-1,s-2\n",
			"tasks.csv":       "external_id,title,status,due_on,person_external_id,matter_external_id,assignee_external_ids\nt-1,Review CV,open,,p-1,,s-2\n",
			"staff.csv":       strings.Replace(office["staff.csv"], "Jonas,Weber", "Jonas,Maier", 1),
		})
		id := func(table, external string) uuid.UUID {
			return uuid.MustParse(row(t, db.SQL, `SELECT id FROM `+table+` WHERE external_id = $1`, external))
		}
		refs := func(external ...string) []domain.StaffRef {
			var refs []domain.StaffRef
			for _, name := range external {
				refs = append(refs, domain.StaffRef{ID: id("staff", name)})
			}
			slices.SortFunc(refs, func(a, b domain.StaffRef) int { return strings.Compare(a.ID.String(), b.ID.String()) })
			return refs
		}
		text := func(value string) *string { return &value }
		due, err := domain.ParseDate("2026-03-31")
		require.NoError(t, err)
		person, ofPerson := id("people", "p-1"), domain.Person{
			ExternalID: text("p-1"), Kind: "client", Status: "active", FirstName: "Maya", LastName: "Petrov",
			Email: text("maya.petrov@mail.example"), Phone: text("+1 416 555 0142"),
		}
		ofTask := domain.Task{ExternalID: text("t-1"), Title: "Review résumé", Status: "open", DueOn: &due, PersonID: &person}
		ofStaff := domain.Staff{
			ExternalID: text("s-2"), FirstName: "Jonas", LastName: "Weber", Email: "jonas@office.example", Role: "member", Status: "active",
			Permissions: []domain.Permission{"clients", "tasks"},
		}
		personAfter, taskAfter, staffAfter := ofPerson, ofTask, ofStaff
		ofPerson.Staff, personAfter.Staff = refs("s-2", "s-3"), refs("s-2")
		ofTask.Assignees, taskAfter.Assignees = refs("s-2", "s-3"), refs("s-2")
		taskAfter.Title, taskAfter.DueOn = "Review CV", nil
		staffAfter.LastName = "Maier"
		for _, expected := range []struct {
			subject       uuid.UUID
			before, after any
		}{
			{person, ofPerson.Fields(), personAfter.Fields()},
			{id("tasks", "t-1"), ofTask.Fields(), taskAfter.Fields()},
			{id("staff", "s-2"), ofStaff.Fields(), staffAfter.Fields()},
		} {
			before, err := json.Marshal(expected.before)
			require.NoError(t, err)
			after, err := json.Marshal(expected.after)
			require.NoError(t, err)
			var told []struct {
				Before string    `db:"before"`
				After  string    `db:"after"`
				At     time.Time `db:"occurred_at"`
				Nobody bool      `db:"nobody"`
			}
			require.NoError(t, db.SQL.Select(&told, `SELECT coalesce(before::text, '') AS before, after::text AS after, occurred_at,
				staff_id IS NULL AND run_id IS NULL AS nobody FROM audit_events WHERE subject_id = $1 ORDER BY id`, expected.subject))
			require.Len(t, told, 2)
			assert.Empty(t, told[0].Before)
			assert.JSONEq(t, string(before), told[0].After)
			assert.JSONEq(t, string(before), told[1].Before)
			assert.JSONEq(t, string(after), told[1].After)
			assert.True(t, told[1].At.Equal(clock))
			assert.True(t, told[1].Nobody, "it was the command line")
		}
	})

	t.Run("ids are of version 7", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		load(t, db, organization(t, db), office)
		var ids []uuid.UUID
		require.NoError(t, db.SQL.Select(&ids, `SELECT id FROM people UNION ALL SELECT id FROM audit_events`))
		for _, id := range ids {
			assert.Equal(t, uuid.Version(7), id.Version())
		}
	})

	t.Run("references may point at what is in the database already", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		for _, name := range []string{"staff.csv", "people.csv", "matters.csv", "assignments.csv", "tasks.csv", "calendar_events.csv"} {
			load(t, db, to, texts{name: office[name]})
		}
		assert.Equal(t, strings.Count(officeContents, "\n")+2, strings.Count(contents(t, db, to), "\n"), "the staff of two people came later: two more audit rows")
	})

	t.Run("organizations stay apart", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		one, other := organization(t, db), organization(t, db)
		load(t, db, one, office)
		load(t, db, other, office)
		load(t, db, other, texts{"people.csv": "external_id,kind,first_name,last_name,email,phone,status\np-1,client,Maja,Petrova,,,active\n"})
		assert.Equal(t, officeContents, contents(t, db, one))
		third := organization(t, db)
		_, err := caseload.Import(t.Context(), db.SQL, third, texts{"assignments.csv": office["assignments.csv"]}.files(), caseload.Options{})
		var bad *caseload.BadRows
		require.ErrorAs(t, err, &bad)
		assert.Len(t, bad.Rows, 6, "the people and staff of another organization do not exist here")
	})

	t.Run("cells that look like formulas are data", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		load(t, db, to, texts{"people.csv": "external_id,kind,first_name,last_name,email,phone,status\n" +
			"\"=1+1\",client,\"=HYPERLINK(\"\"http://x.example\"\",\"\"y\"\")\",\"\\N \\. \\t\ttab\nline\",,+49 30 1,active\n-2,client,@SUM(A1),-,,,active\n"})
		var names []string
		require.NoError(t, db.SQL.Select(&names, `SELECT external_id || '|' || first_name || '|' || last_name FROM people ORDER BY 1`))
		assert.Equal(t, []string{"-2|@SUM(A1)|-", "=1+1|=HYPERLINK(\"http://x.example\",\"y\")|\\N \\. \\t\ttab\nline"}, names)
	})

	t.Run("a byte order mark, CRLF, blank lines, and columns in any order are accepted", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		load(t, db, to, texts{"people.csv": "\uFEFFstatus,phone,\"email\",last_name,first_name,kind,external_id\r\nactive,,,Li,Bo,client,p-1\r\n\r\nactive,,,Li,Al,client,p-2"})
		assert.Equal(t, "p-1,p-2", row(t, db.SQL, `SELECT string_agg(external_id, ',' ORDER BY external_id) FROM people`))
	})

	t.Run("two staff may exchange their addresses, and a new one take one that becomes free", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		to := organization(t, db)
		header := "external_id,first_name,last_name,email,role,status,permissions\n"
		load(t, db, to, texts{"staff.csv": header + "a,A,A,one@x.example,member,active,\nb,B,B,two@x.example,member,active,\nc,C,C,three@x.example,member,active,\n"})
		load(t, db, to, texts{"staff.csv": header + "a,A,A,TWO@x.example,member,active,\nb,B,B,one@x.example,member,active,\nc,C,C,four@x.example,member,active,\nd,D,D,three@x.example,member,active,\n"})
		assert.Equal(t, "a TWO@x.example, b one@x.example, c four@x.example, d three@x.example",
			row(t, db.SQL, `SELECT string_agg(external_id || ' ' || email, ', ' ORDER BY external_id) FROM staff`))
		assert.Equal(t, "one@x.example", row(t, db.SQL, `SELECT before ->> 'email' FROM audit_events WHERE before IS NOT NULL AND after ->> 'external_id' = 'a'`))
	})

	t.Run("an organization that does not exist is named", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		nowhere := domain.OrganizationID(uuid.Must(uuid.NewV7()))
		_, err := caseload.Import(t.Context(), db.SQL, nowhere, office.files(), caseload.Options{})
		require.ErrorContains(t, err, "there is no organization "+nowhere.String())
	})

	t.Run("progress is told from the first byte to the last step", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		var told []caseload.Progress
		_, err := caseload.Import(t.Context(), db.SQL, organization(t, db), office.files(), caseload.Options{Progress: func(p caseload.Progress) { told = append(told, p) }})
		require.NoError(t, err)
		size := int64(len(office["tasks.csv"]))
		assert.Contains(t, told, caseload.Progress{Doing: "reading tasks.csv", Done: 0, Total: size})
		assert.Contains(t, told, caseload.Progress{Doing: "reading tasks.csv", Done: size, Total: size})
		last := told[len(told)-1]
		assert.Equal(t, last.Total, last.Done)
		assert.Positive(t, last.Total)
	})
}

func TestFiles(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	to := organization(t, db)
	for name, refused := range map[string]struct {
		files texts
		says  string
	}{
		"files of other names are named":      {office.with(texts{"task.csv": "x", "Notes.CSV": "x"}), "unknown files: Notes.CSV, task.csv"},
		"at least one file has to be there":   {texts{"readme.txt": "x"}, "none of staff.csv, people.csv"},
		"names are told apart by their case":  {texts{"People.csv": office["people.csv"]}, "unknown files: People.csv"},
		"what is not CSV is nobody's concern": {texts{"readme.txt": "x", "people.csv": ""}.with(texts{"people.csv": "external_id\n"}), "people.csv, line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := caseload.Import(t.Context(), db.SQL, to, refused.files.files(), caseload.Options{})
			require.ErrorContains(t, err, refused.says)
		})
	}
	t.Run("a folder that is not there is an error", func(t *testing.T) {
		t.Parallel()
		_, err := caseload.Import(t.Context(), db.SQL, to, os.DirFS(t.TempDir()+"/nowhere"), caseload.Options{})
		require.True(t, errors.Is(err, fs.ErrNotExist), "%v", err)
	})
	t.Run("a file with nothing but a header is in order", func(t *testing.T) {
		t.Parallel()
		db := testdb.New(t)
		result := load(t, db, organization(t, db), texts{"assignments.csv": "staff_external_id,person_external_id"})
		assert.Equal(t, []caseload.FileResult{{File: "assignments.csv"}}, result.Files)
	})
}
