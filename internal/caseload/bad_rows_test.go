package caseload_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/internal/caseload"
	"handover/internal/testdb"
)

// after puts rows behind those of a file of the office.
func after(file string, rows ...string) texts {
	return office.with(texts{file: office[file] + strings.Join(rows, "\n") + "\n"})
}

func TestBadRows(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	const (
		staff       = "staff.csv"
		people      = "people.csv"
		assignments = "assignments.csv"
		tasks       = "tasks.csv"
		matters     = "matters.csv"
		events      = "calendar_events.csv"
	)
	long := func(count int) string { return strings.Repeat("ä", count) }
	type bad = caseload.BadRow
	for name, refused := range map[string]struct {
		files texts
		bad   []bad
	}{
		"an empty file":                           {office.with(texts{tasks: "\n"}), []bad{{tasks, 1, "", "the file is empty; its first line has to be external_id,title,status,due_on,person_external_id,matter_external_id,assignee_external_ids"}}},
		"an empty file beside another bad one":    {office.with(texts{staff: "x\n", assignments: "\n"}), []bad{{staff, 1, "x", "there is no such column in this file; its columns are external_id,first_name,last_name,email,role,status,permissions"}, {staff, 1, "external_id", "the column is missing"}, {staff, 1, "first_name", "the column is missing"}, {staff, 1, "last_name", "the column is missing"}, {staff, 1, "email", "the column is missing"}, {staff, 1, "role", "the column is missing"}, {staff, 1, "status", "the column is missing"}, {staff, 1, "permissions", "the column is missing"}, {assignments, 1, "", "the file is empty; its first line has to be person_external_id,staff_external_id"}}},
		"a header with a quotation mark too many": {texts{assignments: "person_external_id,\"staff\"_external_id\np-1,s-1\n"}, []bad{{assignments, 1, "", `a quotation mark is missing or too many: extraneous or missing " in quoted-field`}}},
		"a missing column":                        {texts{assignments: "person_external_id\np-1\n"}, []bad{{assignments, 1, "staff_external_id", "the column is missing"}}},
		"an unknown column":                       {texts{assignments: "person_external_id,staff_external_id,note\n"}, []bad{{assignments, 1, "note", "there is no such column in this file; its columns are person_external_id,staff_external_id"}}},
		"a column that is there twice":            {texts{assignments: "person_external_id,staff_external_id,staff_external_id\n"}, []bad{{assignments, 1, "staff_external_id", "the column is there twice"}}},
		"semicolons":                              {texts{assignments: "person_external_id;staff_external_id\np-1;s-1\n"}, []bad{{assignments, 1, "person_external_id;staff_external_id", "there is no such column in this file; its columns are person_external_id,staff_external_id"}, {assignments, 1, "person_external_id", "the column is missing"}, {assignments, 1, "staff_external_id", "the column is missing"}}},
		"too few values":                          {after(people, "p-9,client,A,B,,"), []bad{{people, 5, "", "has 6 values where the header has 7"}}},
		"too many values":                         {after(people, "p-9,client,A,B,,,active,"), []bad{{people, 5, "", "has 8 values where the header has 7"}}},
		"a quotation mark too many":               {after(people, `p-9,client,A "B",C,,,active`, `p-10,client,"A"B,C,,,active`), []bad{{people, 5, "", `a quotation mark is missing or too many: bare " in non-quoted-field`}, {people, 6, "", `a quotation mark is missing or too many: extraneous or missing " in quoted-field`}}},
		"a quotation mark that is not closed":     {after(people, `p-9,client,"A,B,,,active`, `p-10,client,A,B,,,active`), []bad{{people, 5, "", `a quotation mark is missing or too many: extraneous or missing " in quoted-field`}}},
		"what is named by a row that is lost":     {after(people, `p-9,client`).with(texts{assignments: "person_external_id,staff_external_id\np-9,s-1\np-9,s-9\n"}), []bad{{people, 5, "", "has 2 values where the header has 7"}, {assignments, 3, "staff_external_id", `there is no staff member "s-9", neither in staff.csv nor in the organization`}}},
		"no external id":                          {after(people, `,client,A,B,,,active`), []bad{{people, 5, "external_id", "is empty"}}},
		"a blank external id":                     {after(people, `"  ",client,A,B,,,active`), []bad{{people, 5, "external_id", "is blank"}}},
		"an external id that is too long":         {after(people, long(201)+`,client,A,B,,,active`, long(200)+`,client,A,B,,,active`), []bad{{people, 5, "external_id", "is longer than 200 characters"}}},
		"an external id twice":                    {after(tasks, `t-1,A,open,,,,`, `t-9,A,open,,,,`, `t-1,A,open,,,,`), []bad{{tasks, 5, "external_id", "is on line 2 already"}, {tasks, 7, "external_id", "is on line 2 already"}}},
		"a separator in a staff external id":      {after(staff, `a|b,A,B,a@x.example,member,active,`), []bad{{staff, 5, "external_id", "holds |, which separates the external ids of staff in other files"}}},
		"unknown words":                           {after(people, `p-9,patient,A,B,,,Active`), []bad{{people, 5, "kind", `"patient" is none of client, referral`}, {people, 5, "status", `"Active" is none of active, inactive`}}},
		"an unknown role, status, permission":     {after(staff, `s-9,A,B,a@x.example,boss,inactive,clients|money`), []bad{{staff, 5, "role", `"boss" is none of administrator, member`}, {staff, 5, "status", `"inactive" is none of active, deactivated`}, {staff, 5, "permissions", `"money" is none of clients, referrals, staff, tasks`}}},
		"an unknown task status":                  {after(tasks, `t-9,A,done,,,,`), []bad{{tasks, 5, "status", `"done" is none of open, in_progress, completed, cancelled`}}},
		"an unknown visibility":                   {after(matters, `m-9,1,,open,secret,s-1,`), []bad{{matters, 4, "visibility", `"secret" is none of everyone, groups, private`}}},
		"a name that is missing or too long":      {after(people, `p-9,client,,`+long(201)+`,,,active`), []bad{{people, 5, "first_name", "is empty"}, {people, 5, "last_name", "is longer than 200 characters"}}},
		"a phone number that is too long":         {after(people, `p-9,client,A,B,,`+long(51)+`,active`), []bad{{people, 5, "phone", "is longer than 50 characters"}}},
		"a title that is too long":                {after(tasks, `t-9,`+long(501)+`,open,,,,`), []bad{{tasks, 5, "title", "is longer than 500 characters"}}},
		"what is no email address":                {after(people, `p-9,client,A,B,a@b@c,,active`, `p-10,client,A,B,"A <a@b.example>",,active`), []bad{{people, 5, "email", `is not an email address: "a@b@c"`}, {people, 6, "email", `is not an email address: "A <a@b.example>"`}}},
		"staff without an email address":          {after(staff, `s-9,A,B,,member,active,`), []bad{{staff, 5, "email", "is empty"}}},
		"a NUL character":                         {after(people, "p-9,client,A\x00,B,,,active"), []bad{{people, 5, "first_name", "holds a NUL character"}}},
		"text that is not UTF-8":                  {after(people, "p-9,client,Zo\xeb,B,,,active"), []bad{{people, 5, "first_name", "is not UTF-8 text"}}},
		"what is no date":                         {after(tasks, `t-9,A,open,2026-02-29,,,`, `t-10,A,open,31/03/2026,,,`, `t-11,A,open,0999-01-01,,,`), []bad{{tasks, 5, "due_on", `"2026-02-29" is not a date, as 2026-03-31`}, {tasks, 6, "due_on", `"31/03/2026" is not a date, as 2026-03-31`}, {tasks, 7, "due_on", `"0999-01-01" is not a date, as 2026-03-31`}}},
		"what is no instant":                      {after(events, `e-9,A,2026-04-01 09:30,2026-04-01T09:30:00,s-1,,`, `e-10,A,9999-12-31T23:59:59-01:00,9999-12-31T23:59:59-01:00,s-1,,`), []bad{{events, 4, "starts_at", `"2026-04-01 09:30" is not a moment with its offset, as 2026-03-31T09:30:00Z`}, {events, 4, "ends_at", `"2026-04-01T09:30:00" is not a moment with its offset, as 2026-03-31T09:30:00Z`}, {events, 5, "starts_at", `"9999-12-31T23:59:59-01:00" is not in the years 1000 to 9999`}, {events, 5, "ends_at", `"9999-12-31T23:59:59-01:00" is not in the years 1000 to 9999`}}},
		"an end before the start":                 {after(events, `e-9,A,2026-04-01T09:30:00+02:00,2026-04-01T07:29:59Z,s-1,,`), []bad{{events, 4, "ends_at", "is before starts_at"}}},
		"a person and a matter":                   {after(tasks, `t-9,A,open,,p-1,m-1,`), []bad{{tasks, 5, "matter_external_id", "is set, and so is person_external_id: a task belongs to a person or to a matter, never to both"}}},
		"a list with nothing in it":               {after(tasks, `t-9,A,open,,,,s-1||s-2`, `t-10,A,open,,,,|`), []bad{{tasks, 5, "assignee_external_ids", "has nothing before, between or after |"}, {tasks, 6, "assignee_external_ids", "has nothing before, between or after |"}}},
		"an unknown person of an assignment":      {after(assignments, `p-9,s-1`), []bad{{assignments, 5, "person_external_id", `there is no person "p-9", neither in people.csv nor in the organization`}}},
		"an unknown person, matter, assignee":     {after(tasks, `t-9,A,open,,p-9,,s-1|s-8|s-9`, `t-10,A,open,,,m-9,`), []bad{{tasks, 5, "person_external_id", `there is no person "p-9", neither in people.csv nor in the organization`}, {tasks, 5, "assignee_external_ids", `there is no staff member "s-8", neither in staff.csv nor in the organization`}, {tasks, 6, "matter_external_id", `there is no matter "m-9", neither in matters.csv nor in the organization`}}},
		"a matter of nobody or of the unknown":    {after(matters, `m-8,8,,open,everyone,,`, `m-9,9,,open,everyone,s-9,p-9`), []bad{{matters, 4, "responsible_staff_external_id", "is empty"}, {matters, 5, "responsible_staff_external_id", `there is no staff member "s-9", neither in staff.csv nor in the organization`}, {matters, 5, "client_external_id", `there is no person "p-9", neither in people.csv nor in the organization`}}},
		"an event of the unknown":                 {after(events, `e-9,A,2026-04-01T09:30:00Z,2026-04-01T09:30:00Z,s-8,s-9,m-9`), []bad{{events, 4, "owner_staff_external_id", `there is no staff member "s-8", neither in staff.csv nor in the organization`}, {events, 4, "attendee_staff_external_ids", `there is no staff member "s-9", neither in staff.csv nor in the organization`}, {events, 4, "matter_external_id", `there is no matter "m-9", neither in matters.csv nor in the organization`}}},
		"an email address twice":                  {after(staff, `s-9,A,B,JONAS@office.example,member,active,`), []bad{{staff, 5, "email", "is the address of line 3 already"}}},
		"all files at once, in their order": {
			office.with(texts{
				events: office[events] + "e-9,A,x,2026-04-01T09:30:00Z,s-1,,\n", matters: office[matters] + "m-9,9,,open,everyone,s-9,\n",
				people: office[people] + "p-2,client,A,B,,,active\n", assignments: office[assignments] + "p-9,s-1\n",
			}),
			[]bad{
				{people, 5, "external_id", "is on line 3 already"},
				{assignments, 5, "person_external_id", `there is no person "p-9", neither in people.csv nor in the organization`},
				{matters, 4, "responsible_staff_external_id", `there is no staff member "s-9", neither in staff.csv nor in the organization`},
				{events, 4, "starts_at", `"x" is not a moment with its offset, as 2026-03-31T09:30:00Z`},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := organization(t, db)
			_, err := caseload.Import(t.Context(), db.SQL, to, refused.files.files(), caseload.Options{})
			var found *caseload.BadRows
			require.ErrorAs(t, err, &found)
			assert.Equal(t, refused.bad, found.Rows)
			assert.Zero(t, found.More)
			assert.Equal(t, "\n", contents(t, db, to), "nothing is loaded")
		})
	}

	t.Run("up to 100 are named, and the rest counted", func(t *testing.T) {
		t.Parallel()
		to := organization(t, db)
		var rows strings.Builder
		rows.WriteString(office[people])
		for range 150 {
			rows.WriteString("p-1,client,A,B,bad,,active\n")
		}
		_, err := caseload.Import(t.Context(), db.SQL, to, office.with(texts{people: rows.String(), staff: office[staff] + "s-1,A,B,a@x.example,member,active,\n"}).files(), caseload.Options{})
		var found *caseload.BadRows
		require.ErrorAs(t, err, &found)
		assert.Len(t, found.Rows, 100)
		assert.Equal(t, 201, found.More)
		assert.Equal(t, bad{staff, 5, "external_id", "is on line 2 already"}, found.Rows[0])
		assert.Equal(t, bad{people, 5, "external_id", "is on line 2 already"}, found.Rows[1])
		assert.Equal(t, bad{people, 5, "email", `is not an email address: "bad"`}, found.Rows[2])
		lines := strings.Split(err.Error(), "\n")
		assert.Len(t, lines, 102)
		assert.Equal(t, `people.csv, line 5, external_id: is on line 2 already`, lines[2])
		assert.Equal(t, "and 201 more", lines[101])
	})

	t.Run("an address of a staff member who is not in the file is taken", func(t *testing.T) {
		t.Parallel()
		to := organization(t, db)
		load(t, db, to, office)
		_, err := db.SQL.Exec(`UPDATE staff SET external_id = NULL WHERE external_id = 's-3' AND organization_id = $1`, to.String())
		require.NoError(t, err)
		_, err = caseload.Import(t.Context(), db.SQL, to, texts{staff: "external_id,first_name,last_name,email,role,status,permissions\n" +
			"s-8,A,B,Grace@office.example,member,active,\ns-9,A,B,JONAS@office.example,member,active,\n"}.files(), caseload.Options{})
		var found *caseload.BadRows
		require.ErrorAs(t, err, &found)
		assert.Equal(t, []bad{
			{staff, 2, "email", `"Grace@office.example" is the address of another staff member`},
			{staff, 3, "email", `"JONAS@office.example" is the address of another staff member`},
		}, found.Rows)
	})

	t.Run("the last active administrator stays", func(t *testing.T) {
		t.Parallel()
		to := organization(t, db)
		load(t, db, to, office)
		_, err := caseload.Import(t.Context(), db.SQL, to, texts{staff: strings.Replace(office[staff], "administrator,active", "administrator,deactivated", 1)}.files(), caseload.Options{})
		var found *caseload.BadRows
		require.ErrorAs(t, err, &found)
		assert.Equal(t, []bad{{staff, 2, "role", "is of the last active administrators; the organization would be left with none"}}, found.Rows)
		load(t, db, to, texts{staff: strings.NewReplacer("administrator,active", "member,active", "member,active", "administrator,active").Replace(office[staff])})
	})

	t.Run("a quotation mark too many does not make a row of the rest of a large file", func(t *testing.T) {
		t.Parallel()
		start := "external_id,title,status,due_on,person_external_id,matter_external_id,assignee_external_ids\nt-1,A,open,,,,\nt-2,\"A,open,,,,\n"
		large := largeFile{start: start, row: "t-3,An unremarkable task,open,,,,\n", size: 64 << 20}
		var before, now runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := caseload.Import(t.Context(), db.SQL, organization(t, db), large, caseload.Options{})
		runtime.ReadMemStats(&now)
		var found *caseload.BadRows
		require.ErrorAs(t, err, &found)
		assert.Equal(t, []bad{{tasks, 3, "", "has more than 1048576 bytes; a quotation mark may be missing. What follows was not read"}}, found.Rows)
		assert.Less(t, now.TotalAlloc-before.TotalAlloc, uint64(48<<20))
	})

	t.Run("a file that cannot be read to its end is an error of its own", func(t *testing.T) {
		t.Parallel()
		broken := brokenFile{fstest.MapFS{people: {Data: []byte(office[people])}}}
		_, err := caseload.Import(t.Context(), db.SQL, organization(t, db), broken, caseload.Options{})
		require.ErrorIs(t, err, errDisk)
		require.ErrorContains(t, err, "people.csv")
	})
}

// largeFile is a tasks.csv that is nowhere whole.
type largeFile struct {
	start, row string
	size       int64
}

func (l largeFile) Open(name string) (fs.File, error) {
	if name == "." {
		return fstest.MapFS{"tasks.csv": {}}.Open(".")
	}
	rows := io.LimitReader(&repeated{text: []byte(l.row)}, l.size)
	return &streamed{Reader: io.MultiReader(strings.NewReader(l.start), rows), size: l.size}, nil
}

type repeated struct {
	text []byte
	at   int
}

func (r *repeated) Read(into []byte) (int, error) {
	for i := range into {
		into[i] = r.text[r.at]
		r.at = (r.at + 1) % len(r.text)
	}
	return len(into), nil
}

type streamed struct {
	io.Reader
	size int64
}

func (s *streamed) Close() error               { return nil }
func (s *streamed) Stat() (fs.FileInfo, error) { return s, nil }
func (s *streamed) Name() string               { return "tasks.csv" }
func (s *streamed) Size() int64                { return s.size }
func (s *streamed) Mode() fs.FileMode          { return 0o644 }
func (s *streamed) ModTime() time.Time         { return time.Time{} }
func (s *streamed) IsDir() bool                { return false }
func (s *streamed) Sys() any                   { return nil }

var errDisk = errors.New("the disk is gone")

// brokenFile fails after the first bytes of a file.
type brokenFile struct{ fstest.MapFS }

func (b brokenFile) Open(name string) (fs.File, error) {
	file, err := b.MapFS.Open(name)
	if err != nil || name == "." {
		return file, err
	}
	return &failing{file, io.MultiReader(io.LimitReader(file, 120), iotestErr{})}, nil
}

type failing struct {
	fs.File
	reader io.Reader
}

func (f *failing) Read(into []byte) (int, error) { return f.reader.Read(into) }

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, fmt.Errorf("read: %w", errDisk) }
