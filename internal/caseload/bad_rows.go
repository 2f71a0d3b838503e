package caseload

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxBadRows is how many bad rows are named at once.
const maxBadRows = 100

// BadRows says why nothing was loaded: what is wrong, in the order of files and lines.
type BadRows struct {
	Rows []BadRow `json:"rows"`
	More int      `json:"more"` // how many there are beyond those named
}

// BadRow is one thing that is wrong with one row.
type BadRow struct {
	File    string `json:"file"`
	Line    int    `json:"line"`   // where the row begins; the header is line 1
	Column  string `json:"column"` // empty where it is the row as a whole
	Problem string `json:"problem"`
}

func (r BadRow) String() string {
	if r.Column == "" {
		return fmt.Sprintf("%s, line %d: %s", r.File, r.Line, r.Problem)
	}
	return fmt.Sprintf("%s, line %d, %s: %s", r.File, r.Line, r.Column, r.Problem)
}

// Error is a line for each bad row.
func (b *BadRows) Error() string {
	var text strings.Builder
	text.WriteString("nothing was loaded, because of what is wrong in the files:\n")
	for _, row := range b.Rows {
		text.WriteString(row.String())
		text.WriteByte('\n')
	}
	if b.More > 0 {
		fmt.Fprintf(&text, "and %d more\n", b.More)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// problems collects what is wrong. It keeps the first of each source of problems, so that its size is bounded.
type problems struct {
	found []foundProblem
	count int
	lost  map[*file]bool // files with rows that could not be read: what they hold is not known
}

type foundProblem struct {
	file   *file
	line   int
	column string // empty for the row
	text   string
}

// add notes a problem. Sources tell their problems in the order of lines, so that those past the limit need not be kept.
func (p *problems) add(f *file, line int, column, text string) {
	p.count++
	kept := 0
	for i := len(p.found) - 1; i >= 0 && p.found[i].file == f; i-- {
		kept++
	}
	if kept < maxBadRows {
		p.found = append(p.found, foundProblem{f, line, column, text})
	}
}

// addRows notes the problems that a check found: the first of them, and how many there are in all.
func (p *problems) addRows(found []foundProblem, count int) {
	p.found = append(p.found, found...)
	p.count += count
}

// lose notes that a row could not be read, so that nothing is said to be missing from the file.
func (p *problems) lose(f *file) {
	if p.lost == nil {
		p.lost = map[*file]bool{}
	}
	p.lost[f] = true
}

// bad is the error that names the problems; nil where there are none.
func (p *problems) bad() error {
	if p.count == 0 {
		return nil
	}
	slices.SortStableFunc(p.found, func(a, b foundProblem) int {
		return cmp.Or(cmp.Compare(a.file.place(), b.file.place()), cmp.Compare(a.line, b.line), cmp.Compare(a.file.find(a.column), b.file.find(b.column)))
	})
	bad := &BadRows{}
	for _, problem := range p.found[:min(len(p.found), maxBadRows)] {
		bad.Rows = append(bad.Rows, BadRow{problem.file.name, problem.line, problem.column, problem.text})
	}
	bad.More = p.count - len(bad.Rows)
	return bad
}
