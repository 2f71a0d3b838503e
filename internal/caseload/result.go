package caseload

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Result is what an import did, in the order of the files.
type Result struct {
	Files []FileResult `json:"files"`
}

// FileResult is what an import did with the rows of one file.
type FileResult struct {
	File      string `json:"file"`
	Rows      int64  `json:"rows"` // read, the header not counted
	Created   int64  `json:"created"`
	Updated   int64  `json:"updated"`
	Unchanged int64  `json:"unchanged"`
	Removed   int64  `json:"removed"` // assignments that assignments.csv no longer gives to the people it names
}

// String is a table for a person to read.
func (r Result) String() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "file\trows\tcreated\tupdated\tunchanged\tremoved\t")
	for _, file := range r.Files {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t\n", file.File, file.Rows, file.Created, file.Updated, file.Unchanged, file.Removed)
	}
	_ = table.Flush()
	return text.String()
}

func (l *load) result() Result {
	var result Result
	for _, f := range l.present {
		result.Files = append(result.Files, *l.counts[f])
	}
	return result
}
