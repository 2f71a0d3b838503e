package httpapi

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/domain"
)

// reportAnswer streams a run's report. An error before the first byte becomes a problem document; one after it breaks the
// connection off, so that nobody takes half a report for a whole one.
type reportAnswer struct {
	ctx         context.Context
	handlers    *handlers
	run         domain.Run
	contentType string
	extension   string
	report      func(io.Writer) reportWriter
}

// reportWriter writes one format.
type reportWriter interface {
	Begin(run domain.Run, staffNames map[uuid.UUID]string) error
	Item(item domain.RunItem) error
	End() error
}

func (r reportAnswer) write(w http.ResponseWriter) error {
	steady := &steadyWriter{to: w, control: http.NewResponseController(w), write: r.handlers.options.Times.Write}
	started := &startedWriter{to: steady, begin: func() {
		w.Header().Set("Content-Type", r.contentType)
		w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="run-%s.%s"`, r.run.ID, r.extension))
		w.WriteHeader(http.StatusOK)
	}}
	err := r.handlers.app.WriteReport(r.ctx, callerOf(r.ctx), r.run, r.report(started))
	if err != nil && started.begun {
		r.handlers.options.Log.ErrorContext(r.ctx, "report broken off", "run_id", r.run.ID, "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

// attachment begins an answer that is a file when there is something to write into it.
func attachment(w http.ResponseWriter, contentType, name string) *startedWriter {
	return &startedWriter{to: w, begin: func() {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		w.WriteHeader(http.StatusOK)
	}}
}

// startedWriter sends the headers with the first byte.
type startedWriter struct {
	to    io.Writer
	begin func()
	begun bool
}

func (s *startedWriter) Write(data []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.begin()
	}
	return s.to.Write(data)
}

func (r reportAnswer) VisitGetRunReportCSVResponse(w http.ResponseWriter) error { return r.write(w) }

func (r reportAnswer) VisitGetRunReportXLSXResponse(w http.ResponseWriter) error { return r.write(w) }

func (r reportAnswer) VisitGetRunReportJSONResponse(w http.ResponseWriter) error { return r.write(w) }

func (h *handlers) reportOf(ctx context.Context, id uuid.UUID, contentType, extension string, report func(io.Writer) reportWriter) (reportAnswer, error) {
	run, err := h.app.ReportableRun(ctx, callerOf(ctx), id)
	return reportAnswer{ctx, h, run, contentType, extension, report}, err
}

// GetRunReportCSV is a run's report as CSV (RFC 4180).
func (h *handlers) GetRunReportCSV(ctx context.Context, request api.GetRunReportCSVRequestObject) (api.GetRunReportCSVResponseObject, error) {
	return h.reportOf(ctx, request.RunID, "text/csv; charset=utf-8", "csv", func(w io.Writer) reportWriter { return &csvReport{csv: csv.NewWriter(w)} })
}

// GetRunReportXLSX is a run's report as a workbook.
func (h *handlers) GetRunReportXLSX(ctx context.Context, request api.GetRunReportXLSXRequestObject) (api.GetRunReportXLSXResponseObject, error) {
	return h.reportOf(ctx, request.RunID, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", func(w io.Writer) reportWriter { return &xlsxReport{to: w} })
}

// GetRunReportJSON is a run's report as JSON.
func (h *handlers) GetRunReportJSON(ctx context.Context, request api.GetRunReportJSONRequestObject) (api.GetRunReportJSONResponseObject, error) {
	return h.reportOf(ctx, request.RunID, "application/json", "json", func(w io.Writer) reportWriter { return &jsonReport{to: w, shown: h.runOf} })
}

// reportColumns are the columns of the tables.
var reportColumns = []string{
	"kind", "item_id", "external_id", "label", "outcome", "reason",
	"before_staff_ids", "before_staff", "after_staff_ids", "after_staff",
}

// reportRow is an item as a row of a table. Several staff stand in one cell, ids separated by |, names by a semicolon.
type reportRow struct {
	names map[uuid.UUID]string
	cells []string
}

func (r *reportRow) fill(item domain.RunItem) []string {
	r.cells = append(r.cells[:0], string(item.Kind), item.ItemID.String(), valueOr(item.ExternalID, ""), item.Label,
		string(item.Outcome), valueOr(item.Reason, ""))
	for _, staff := range [][]uuid.UUID{item.Before, item.After} {
		r.cells = append(r.cells, r.joined(staff, "|", uuid.UUID.String), r.joined(staff, "; ", func(id uuid.UUID) string { return r.names[id] }))
	}
	return r.cells
}

func (r *reportRow) joined(staff []uuid.UUID, separator string, text func(uuid.UUID) string) string {
	if len(staff) == 1 {
		return text(staff[0])
	}
	return strings.Join(all(staff, text), separator)
}

type csvReport struct {
	csv *csv.Writer
	row reportRow
}

func (c *csvReport) Begin(_ domain.Run, names map[uuid.UUID]string) error {
	c.row.names = names
	return c.csv.Write(reportColumns)
}

func (c *csvReport) Item(item domain.RunItem) error {
	cells := c.row.fill(item)
	for i, cell := range cells {
		cells[i] = harmless(cell)
	}
	return c.csv.Write(cells)
}

func (c *csvReport) End() error {
	c.csv.Flush()
	return c.csv.Error()
}

// harmless keeps a spreadsheet from taking a cell for a formula: an apostrophe goes before what begins like one.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

type jsonReport struct {
	to    io.Writer
	shown func(domain.Run) api.Run
	items int
}

func (j *jsonReport) Begin(run domain.Run, _ map[uuid.UUID]string) error {
	text, err := json.Marshal(j.shown(run))
	if err != nil {
		return fmt.Errorf("encode run: %w", err)
	}
	_, err = fmt.Fprintf(j.to, `{"run":%s,"items":[`, text)
	return err
}

func (j *jsonReport) Item(item domain.RunItem) error {
	text, err := json.Marshal(itemOf(item))
	if err != nil {
		return fmt.Errorf("encode item: %w", err)
	}
	if j.items++; j.items > 1 {
		text = append([]byte{',', '\n'}, text...)
	}
	_, err = j.to.Write(text)
	return err
}

func (j *jsonReport) End() error {
	_, err := io.WriteString(j.to, "]}\n")
	return err
}
