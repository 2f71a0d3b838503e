package caseload

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// file is one of the files of an import.
type file struct {
	name    string
	thing   string // what a row is: "person"
	table   string // the temporary table its rows are staged in
	columns []column
	search  []string // the columns whose words people are found by

	// checks judges what shows in the row as a whole alone.
	checks func(f *file, cells []cell) (column, problem string)
}

// column of a file. All columns have to be there; optional ones may be empty in a row.
type column struct {
	name     string
	read     reader
	optional bool
	refers   *keys // what the external ids in it name
	many     bool  // it holds several, separated by |
}

// keys tell the ids of external ids.
type keys struct {
	table string // the temporary table of external ids and ids
	thing string
	file  string // the file that may bring them
}

var (
	staffKeys  = &keys{table: "staff_keys", thing: "staff member", file: "staff.csv"}
	personKeys = &keys{table: "person_keys", thing: "person", file: "people.csv"}
	matterKeys = &keys{table: "matter_keys", thing: "matter", file: "matters.csv"}
)

const externalID = "external_id"

var (
	staffFile = &file{
		name: "staff.csv", thing: "staff member", table: "staged_staff",
		columns: []column{
			{name: externalID, read: keyWithoutBar},
			{name: "first_name", read: name},
			{name: "last_name", read: name},
			{name: "email", read: email},
			{name: "role", read: oneOf("administrator", "member")},
			{name: "status", read: oneOf("active", "deactivated")},
			{name: "permissions", read: listOf(oneOf("clients", "referrals", "staff", "tasks")), optional: true, many: true},
		},
	}
	peopleFile = &file{
		name: "people.csv", thing: "person", table: "staged_people",
		columns: []column{
			{name: externalID, read: key},
			{name: "kind", read: oneOf("client", "referral")},
			{name: "first_name", read: name},
			{name: "last_name", read: name},
			{name: "email", read: email, optional: true},
			{name: "phone", read: phone, optional: true},
			{name: "status", read: oneOf("active", "inactive")},
		},
		search: []string{"first_name", "last_name", "email"},
	}
	assignmentsFile = &file{
		name: "assignments.csv", thing: "assignment", table: "staged_assignments",
		columns: []column{
			{name: "person_external_id", read: key, refers: personKeys},
			{name: "staff_external_id", read: key, refers: staffKeys},
		},
	}
	tasksFile = &file{
		name: "tasks.csv", thing: "task", table: "staged_tasks",
		columns: []column{
			{name: externalID, read: key},
			{name: "title", read: title},
			{name: "status", read: oneOf("open", "in_progress", "completed", "cancelled")},
			{name: "due_on", read: date, optional: true},
			{name: "person_external_id", read: key, optional: true, refers: personKeys},
			{name: "matter_external_id", read: key, optional: true, refers: matterKeys},
			{name: "assignee_external_ids", read: listOf(key), optional: true, refers: staffKeys, many: true},
		},
		checks: personOrMatter,
	}
	mattersFile = &file{
		name: "matters.csv", thing: "matter", table: "staged_matters",
		columns: []column{
			{name: externalID, read: key},
			{name: "number", read: name},
			{name: "description", read: description, optional: true},
			{name: "status", read: oneOf("open", "pending", "closed")},
			{name: "visibility", read: oneOf("everyone", "groups", "private")},
			{name: "responsible_staff_external_id", read: key, refers: staffKeys},
			{name: "client_external_id", read: key, optional: true, refers: personKeys},
		},
	}
	eventsFile = &file{
		name: "calendar_events.csv", thing: "calendar event", table: "staged_events",
		columns: []column{
			{name: externalID, read: key},
			{name: "title", read: title},
			{name: "starts_at", read: instant},
			{name: "ends_at", read: instant},
			{name: "owner_staff_external_id", read: key, refers: staffKeys},
			{name: "attendee_staff_external_ids", read: listOf(key), optional: true, refers: staffKeys, many: true},
			{name: "matter_external_id", read: key, optional: true, refers: matterKeys},
		},
		checks: endsAfterStart,
	}

	// allFiles are the files in the order that bad rows are told in.
	allFiles = []*file{staffFile, peopleFile, assignmentsFile, tasksFile, mattersFile, eventsFile}
)

func (f *file) place() int { return slices.Index(allFiles, f) }

// find is the place of a column.
func (f *file) find(name string) int {
	return slices.IndexFunc(f.columns, func(c column) bool { return c.name == name })
}

// keyed tells whether rows are known by an external id of their own.
func (f *file) keyed() bool { return f.columns[0].name == externalID }

func (f *file) columnNames() []string {
	names := make([]string, len(f.columns))
	for i, column := range f.columns {
		names[i] = column.name
	}
	return names
}

// findFiles tells which of the files are there. A .csv file of another name is a mistake that would go unnoticed.
func findFiles(files fs.FS) ([]*file, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("list the files: %w", err)
	}
	var present []*file
	var unknown []string
	for _, entry := range entries {
		if entry.IsDir() || !strings.EqualFold(path.Ext(entry.Name()), ".csv") {
			continue
		}
		at := slices.IndexFunc(allFiles, func(f *file) bool { return f.name == entry.Name() })
		if at < 0 {
			unknown = append(unknown, entry.Name())
			continue
		}
		present = append(present, allFiles[at])
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("unknown files: %s; nothing was loaded. An import knows %s", strings.Join(unknown, ", "), fileNames())
	}
	if len(present) == 0 {
		return nil, errors.New("there is nothing to load: none of " + fileNames() + " is there")
	}
	slices.SortFunc(present, func(a, b *file) int { return a.place() - b.place() })
	return present, nil
}

func fileNames() string {
	names := make([]string, len(allFiles))
	for i, f := range allFiles {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}
