package httpapi

import (
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/xuri/excelize/v2"

	"handover/internal/domain"
)

// xlsxReport writes a workbook: a summary, and the items with a frozen header and filters. Rows are streamed to
// temporary files, so that memory does not grow with their number. Every cell is text or a number, never a formula.
type xlsxReport struct {
	to     io.Writer
	file   *excelize.File
	stream *excelize.StreamWriter
	row    reportRow
	sheets int
	line   int
}

// maxSheetRows is how many items a sheet takes; a further sheet takes the next.
const maxSheetRows = 1_000_000

func (x *xlsxReport) Begin(run domain.Run, names map[uuid.UUID]string) error {
	x.row.names = names
	x.file = excelize.NewFile()
	if err := x.file.SetSheetName("Sheet1", "Summary"); err != nil {
		return fmt.Errorf("name summary sheet: %w", err)
	}
	if err := x.summary(run); err != nil {
		return err
	}
	return x.nextSheet()
}

func (x *xlsxReport) summary(run domain.Run) error {
	totals := run.Totals
	rows := [][]any{
		{"Run", run.ID.String()},
		{"Kind", string(run.Kind)},
		{"Status", string(run.Status)},
		{"Requested by", run.RequestedBy.Name},
		{"Requested at", run.RequestedAt.Format(time.RFC3339)},
		{"Scheduled for", instantText(run.ScheduledFor)},
		{"Finished at", instantText(run.FinishedAt)},
		{"Returns at", instantText(run.ReturnAt)},
		{"Reason", valueOr(run.Reason, "")},
		{"People changed", totals.PeopleChanged},
		{"People unchanged", totals.PeopleUnchanged},
		{"Assignments added", totals.AssignmentsAdded},
		{"Assignments removed", totals.AssignmentsRemoved},
		{"Tasks changed", totals.TasksChanged},
		{"Tasks unassigned", totals.TasksUnassigned},
		{"Tasks created", totals.TasksCreated},
		{"Tasks cancelled", totals.TasksCancelled},
		{"Matters moved", totals.MattersMoved},
		{"Events moved", totals.EventsMoved},
		{"Left alone: only attending", totals.LeftAlone.AttendeeOnly},
		{"Left alone: without a matter", totals.LeftAlone.NoMatter},
		{"Left alone: matter closed", totals.LeftAlone.ClosedMatter},
		{"Left alone: past due", totals.LeftAlone.PastDue},
		{"Left alone: changed since", totals.LeftAlone.ChangedSince},
		{"Left alone: no longer active", totals.LeftAlone.NoLongerActive},
		{"Withheld as private", totals.WithheldPrivate},
	}
	for i, row := range rows {
		if err := x.file.SetSheetRow("Summary", fmt.Sprintf("A%d", i+1), &row); err != nil {
			return fmt.Errorf("write summary: %w", err)
		}
	}
	return x.file.SetColWidth("Summary", "A", "B", 38)
}

func instantText(instant *time.Time) string {
	if instant == nil {
		return ""
	}
	return instant.Format(time.RFC3339)
}

func (x *xlsxReport) nextSheet() error {
	if err := x.endSheet(); err != nil {
		return err
	}
	x.sheets++
	name := "Items"
	if x.sheets > 1 {
		name = fmt.Sprintf("Items %d", x.sheets)
	}
	if _, err := x.file.NewSheet(name); err != nil {
		return fmt.Errorf("add sheet: %w", err)
	}
	stream, err := x.file.NewStreamWriter(name)
	if err != nil {
		return fmt.Errorf("stream sheet: %w", err)
	}
	x.stream, x.line = stream, 1
	if err := stream.SetColWidth(1, len(reportColumns), 24); err != nil {
		return fmt.Errorf("set widths: %w", err)
	}
	if err := stream.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return fmt.Errorf("freeze header: %w", err)
	}
	return x.writeRow(reportColumns)
}

// endSheet finishes a sheet and puts filters on its header.
func (x *xlsxReport) endSheet() error {
	if x.stream == nil {
		return nil
	}
	last, err := excelize.CoordinatesToCellName(len(reportColumns), x.line-1)
	if err != nil {
		return fmt.Errorf("name cell: %w", err)
	}
	// Before the end of the stream, which writes them: a sheet that is whole would be read back into memory for them.
	if err := x.file.AutoFilter(x.stream.Sheet, "A1:"+last, nil); err != nil {
		return fmt.Errorf("put filters: %w", err)
	}
	if err := x.stream.Flush(); err != nil {
		return fmt.Errorf("write sheet: %w", err)
	}
	return nil
}

func (x *xlsxReport) writeRow(cells []string) error {
	values := make([]any, len(cells))
	for i, cell := range cells {
		values[i] = cell
	}
	err := x.stream.SetRow(fmt.Sprintf("A%d", x.line), values)
	x.line++
	return err
}

func (x *xlsxReport) Item(item domain.RunItem) error {
	if x.line > maxSheetRows {
		if err := x.nextSheet(); err != nil {
			return err
		}
	}
	return x.writeRow(x.row.fill(item))
}

func (x *xlsxReport) End() error {
	if err := x.endSheet(); err != nil {
		return err
	}
	if _, err := x.file.WriteTo(x.to); err != nil {
		return fmt.Errorf("write workbook: %w", err)
	}
	return x.file.Close()
}
