package acceptance

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"
	"github.com/xuri/excelize/v2"

	"handover/api"
)

// awkward are names and titles that a file could break on, or a spreadsheet take for a formula.
var awkward = []string{
	`=HYPERLINK("http://example.org","Pay")`, "+1 416 555 0142", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", "=", "'=1", " =1",
	`Zoë "Zo" O'Neil, B.A.`, "two\nlines", "日本語 🦜", "a;b|c", "123", "1e5", "2026-03-01", "TRUE", "</v><f>1</f>",
}

// columns of the tables that reports are, as the contract has them.
var columns = []string{
	"kind", "item_id", "external_id", "label", "outcome", "reason", "before_staff_ids", "before_staff", "after_staff_ids", "after_staff",
}

func TestReports(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "a report in every format has the items of the run, each once, in their order", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		w.template(intake("=Call", "", 1))
		var persons []uuid.UUID
		for i, name := range awkward {
			kind := []string{"client", "referral"}[i%2]
			path := fmt.Sprintf("/v1/people/by-external-id/%%3D%d", i)
			person := decode[api.Person](w.as(w.Admin, "PUT", path, object{"kind": kind, "first_name": name, "last_name": "+" + name}).must(201))
			persons = append(persons, person.ID)
			w.as(w.Admin, "POST", "/v1/tasks", object{"title": name, "person_id": person.ID, "assignee_ids": idsOf(ann, bob), "external_id": "@" + name}).must(201)
		}
		assigned := w.managed(people(persons...), change("assign", object{"staff_ids": idsOf(ann, bob), "include_intake_tasks": true}))
		w.sameReports(t, assigned)
		removed := w.managed(people(persons...), change("remove", object{"staff_ids": idsOf(ann), "task_policy": "reassign_to_remaining"}))
		w.sameReports(t, removed)
		w.sameReports(t, w.managed(people(persons...), change("remove", object{"staff_ids": idsOf(ann), "task_policy": "unassign"})))
		if items := list[api.RunItem](w, w.Admin, linksOf(t, removed).Items); len(items) != 2*len(awkward)+len(awkward)/2 {
			t.Errorf("got %d items", len(items))
		}
	})

	s.rule(t, "a report of thousands of items is whole", func(t *testing.T, w *world) {
		const many = 1500
		w.exec(`INSERT INTO people (organization_id, id, kind, status, first_name, last_name, created_at, updated_at)
			SELECT $1, gen_random_uuid(), 'client', 'active', 'Person', 'No. ' || n, now(), now() FROM generate_series(1, $2::integer) AS n`, w.ID, many)
		run := w.managed(object{"type": "filter", "filter": object{}, "match_all": true}, change("assign", staffed(w.Admin)))
		totals(t, run, api.RunTotals{PeopleChanged: many, AssignmentsAdded: many})
		w.sameReports(t, run)
	})
}

// sameReports fails the test unless the reports of a run are its items, and harmless.
func (w *world) sameReports(t *testing.T, run api.Run) {
	t.Helper()
	links, id := linksOf(t, run), run.ID.MustGet().String()
	var want [][]string
	items := list[api.RunItem](w, w.Admin, withParameter(links.Items, "limit", "200"))
	names := map[uuid.UUID]string{}
	for _, staff := range list[api.Staff](w, w.Admin, "/v1/staff") {
		names[staff.ID] = staff.Name
	}
	for _, item := range items {
		want = append(want, cellsOf(item, names))
	}

	whole := w.get(w.Admin, links.ReportJSON).must(200)
	attached(t, whole, "application/json", "run-"+id+".json")
	report := decode[api.RunReport](whole)
	sameText(t, "the report's run", report.Run, run)
	sameText(t, "the items of the JSON report", report.Items, items)

	text := w.get(w.Admin, links.ReportCSV).must(200)
	attached(t, text, "text/csv", "run-"+id+".csv")
	rows, err := csv.NewReader(bytes.NewReader(text.Body)).ReadAll()
	if err != nil {
		t.Fatalf("read the CSV report: %v", err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
				t.Errorf("the cell %q begins like a formula", cell)
			}
		}
	}
	sameTable(t, "CSV", rows, want, func(cell string) string {
		if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
			return "'" + cell
		}
		return cell
	})

	book := w.get(w.Admin, links.ReportXLSX).must(200)
	attached(t, book, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "run-"+id+".xlsx")
	file, err := excelize.OpenReader(bytes.NewReader(book.Body))
	if err != nil {
		t.Fatalf("open the XLSX report: %v", err)
	}
	defer file.Close()
	rows, err = file.GetRows("Items", excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatalf("read the XLSX report: %v", err)
	}
	for i := range rows[:min(len(rows), 50)] {
		for j := range rows[i] {
			cell, _ := excelize.CoordinatesToCellName(j+1, i+1)
			if formula, err := file.GetCellFormula("Items", cell); err != nil || formula != "" {
				t.Errorf("the cell %s is the formula %q, %v", cell, formula, err)
			}
			if kind, err := file.GetCellType("Items", cell); err != nil || kind != excelize.CellTypeInlineString && kind != excelize.CellTypeSharedString {
				t.Errorf("the cell %s is of type %v, %v", cell, kind, err)
			}
		}
	}
	sameTable(t, "XLSX", rows, want, func(cell string) string { return cell })
}

// cellsOf is an item as a row of a table.
func cellsOf(item api.RunItem, names map[uuid.UUID]string) []string {
	orEmpty := func(field nullable.Nullable[string]) string {
		text, err := field.Get()
		if err != nil {
			return ""
		}
		return text
	}
	cells := []string{item.Kind, item.ItemID.String(), orEmpty(item.ExternalID), item.Label, item.Outcome, orEmpty(item.Reason)}
	for _, staff := range []api.RunItemStaff{item.Before, item.After} {
		ids, called := make([]string, len(staff.StaffIds)), make([]string, len(staff.StaffIds))
		for i, id := range staff.StaffIds {
			ids[i], called[i] = id.String(), names[id]
		}
		cells = append(cells, strings.Join(ids, "|"), strings.Join(called, "; "))
	}
	return cells
}

// sameTable fails the test unless the columns of the contract hold just what they should.
func sameTable(t *testing.T, format string, rows, want [][]string, written func(string) string) {
	t.Helper()
	if len(rows) != len(want)+1 {
		t.Fatalf("%s: got %d rows below the header, want %d", format, len(rows)-1, len(want))
	}
	if !slices.Equal(rows[0], columns) {
		t.Errorf("%s: got columns %v, want %v", format, rows[0], columns)
	}
	for i, row := range rows[1:] {
		for j, column := range columns {
			got, want := "", written(want[i][j])
			if j < len(row) {
				got = row[j]
			}
			// Both formats know one way to end a line.
			if got != want && got != strings.ReplaceAll(want, "\r", "\n") {
				t.Fatalf("%s: row %d, %s: got %q, want %q", format, i+1, column, got, want)
			}
		}
	}
}

func attached(t testing.TB, got answer, contentType, name string) {
	t.Helper()
	if kind, _, err := mime.ParseMediaType(got.Header.Get("Content-Type")); err != nil || kind != contentType {
		t.Errorf("got content type %q", got.Header.Get("Content-Type"))
	}
	disposition, parameters, err := mime.ParseMediaType(got.Header.Get("Content-Disposition"))
	if err != nil || disposition != "attachment" || parameters["filename"] != name {
		t.Errorf("got disposition %q, want an attachment %s", got.Header.Get("Content-Disposition"), name)
	}
}

// sameText fails the test unless both are the same JSON.
func sameText(t *testing.T, what string, got, want any) {
	t.Helper()
	gotText, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	wantText, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(gotText, wantText) {
		t.Errorf("%s: got %.2000s\nwant %.2000s", what, gotText, wantText)
	}
}
