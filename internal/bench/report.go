package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

const reportAtMost = 3

// measureReport is W7: the report of the largest change as CSV, against psql copying the same rows out; the workbook for comparison.
func measureReport(ctx context.Context, b *bench) error {
	run, items, err := largestRun(ctx, b)
	if err != nil {
		return err
	}
	psql, err := startPsql(ctx, b.database.url)
	if errors.Is(err, exec.ErrNotFound) {
		b.say("W7 is left out: there is no psql")
		return nil
	}
	if err != nil {
		return err
	}
	defer psql.stop()
	for _, statement := range []string{`SET ROLE handover_service`, `SET handover.organization_id = '` + b.world.organization + `'`} {
		if err := psql.run(statement); err != nil {
			return err
		}
	}
	report := func(extension string) func(context.Context) (time.Duration, error) {
		return func(ctx context.Context) (time.Duration, error) {
			return timed(func() error {
				_, err := b.service.fetch(ctx, "/v1/runs/"+run+"/report."+extension)
				return err
			})
		}
	}
	taken, err := inTurns(ctx, b.rounds, side{"CSV", report("csv")}, side{"XLSX", report("xlsx")}, side{"floor", func(context.Context) (time.Duration, error) {
		return timed(func() error { return psql.run(fmt.Sprintf(copyItems, b.world.organization, run)) })
	}})
	if err != nil {
		return err
	}
	b.addDurations("W7", fmt.Sprintf("report of %d items as CSV", items), "COPY … TO STDOUT in psql", taken[0], taken[2], reportAtMost)
	b.addDurations("W7", fmt.Sprintf("report of %d items as XLSX", items), "COPY … TO STDOUT in psql", taken[1], taken[2], 0)
	return nil
}

const copyItems = `COPY (
	SELECT i.kind, i.item_id, coalesce(p.external_id, t.external_id), coalesce(p.first_name || ' ' || p.last_name, t.title, ''),
		i.outcome, i.reason, i.before_staff_ids, i.after_staff_ids
	FROM run_items i
	LEFT JOIN people p ON i.kind = 'person' AND p.organization_id = i.organization_id AND p.id = i.item_id
	LEFT JOIN tasks t ON i.kind = 'task' AND t.organization_id = i.organization_id AND t.id = i.item_id
	LEFT JOIN matters m ON m.organization_id = t.organization_id AND m.id = t.matter_id
	WHERE i.organization_id = '%[1]s' AND i.run_id = '%[2]s' AND (m.id IS NULL OR m.visibility = 'everyone')
	ORDER BY i.position
) TO STDOUT (FORMAT csv)`

// largestRun makes the largest change once more, by the service, for its report.
func largestRun(ctx context.Context, b *bench) (run string, items int, err error) {
	handed, err := prepareHanding(ctx, b, staffSwapping)
	if err != nil {
		return "", 0, err
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := b.service.do(ctx, http.MethodPost, "/v1/manage-assignments", handed.request(), &made); err != nil {
		return "", 0, err
	}
	return made.ID, handed.people + handed.tasks, nil
}

// psql is the client of PostgreSQL, kept running, so that its start is not in what is measured.
type psql struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
}

func startPsql(ctx context.Context, url string) (*psql, error) {
	path, err := exec.LookPath("psql")
	if err != nil {
		return nil, err
	}
	started := &psql{command: exec.CommandContext(ctx, path, "--no-psqlrc", "--quiet", "--tuples-only", "--set=ON_ERROR_STOP=1", url)}
	started.command.Stderr = os.Stderr
	if started.input, err = started.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start psql: %w", err)
	}
	output, err := started.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start psql: %w", err)
	}
	started.output = bufio.NewReaderSize(output, 1<<20)
	if err := started.command.Start(); err != nil {
		return nil, fmt.Errorf("start psql: %w", err)
	}
	return started, nil
}

// endOfAnswer is what psql is told to write after each answer.
const endOfAnswer = "-- end of answer --"

// run runs a statement and reads its whole output.
func (p *psql) run(statement string) error {
	if _, err := fmt.Fprintf(p.input, "%s;\n\\echo %s\n", statement, endOfAnswer); err != nil {
		return fmt.Errorf("ask psql: %w", err)
	}
	for {
		line, err := p.output.ReadString('\n')
		if err != nil {
			return fmt.Errorf("read from psql: %w", err)
		}
		if strings.HasPrefix(line, endOfAnswer) {
			return nil
		}
	}
}

func (p *psql) stop() {
	_ = p.input.Close()
	_ = p.command.Wait() // whatever it says, it is gone
}
