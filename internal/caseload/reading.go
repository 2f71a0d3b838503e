package caseload

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
)

const (
	// maxRow is the most bytes that a row may have. Without it a quotation mark too many would make a row of the rest of
	// the file, in memory.
	maxRow = 1 << 20

	readBuffer    = 256 << 10
	progressEvery = 100 * time.Millisecond
)

var (
	errRowTooLong = errors.New("the row is too long")
	byteOrderMark = []byte("\uFEFF")
)

// rows reads the rows of a file, and notes those that cannot be read.
type rows struct {
	file     *file
	problems *problems
	source   *meter
	row      *bounded
	csv      *csv.Reader
	order    []int // where each column of the file stands in a row
	line     int   // where the row that was read last begins
	next     int   // where the row after it begins, blank lines not counted
	close    func() error
}

// open opens a file and reads its header. Without a good header there are no rows.
func (l *load) open(f *file) (*rows, error) {
	opened, err := l.files.Open(f.name)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	info, err := opened.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("look at: %w", err), opened.Close())
	}
	source := &meter{file: opened, report: l.options.Progress, progress: Progress{Doing: "reading " + f.name, Total: info.Size()}}
	source.report(source.progress)
	buffered := bufio.NewReaderSize(source, readBuffer)
	if start, err := buffered.Peek(len(byteOrderMark)); err == nil && bytes.Equal(start, byteOrderMark) {
		_, _ = buffered.Discard(len(byteOrderMark)) // was peeked at
	}
	row := &bounded{source: buffered, left: maxRow}
	r := &rows{file: f, problems: &l.problems, source: source, row: row, csv: csv.NewReader(row), next: 1, close: opened.Close}
	r.csv.FieldsPerRecord = -1
	r.csv.ReuseRecord = true
	if err := r.readHeader(); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return r, nil
}

func (r *rows) readHeader() error {
	before := r.problems.count
	header, err := r.read()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err == nil && r.problems.count == before {
		r.judgeHeader(header)
		return nil
	}
	r.problems.lose(r.file)
	if r.problems.count == before {
		r.problems.add(r.file, 1, "", "the file is empty; its first line has to be "+strings.Join(r.file.columnNames(), ","))
	}
	return nil
}

func (r *rows) judgeHeader(header []string) {
	good := true
	complain := func(column, problem string) {
		good = false
		r.problems.add(r.file, r.line, column, problem)
	}
	order := slices.Repeat([]int{-1}, len(r.file.columns))
	for place, name := range header {
		at := r.file.find(name)
		switch {
		case at < 0:
			complain(printable(name), "there is no such column in this file; its columns are "+strings.Join(r.file.columnNames(), ","))
		case order[at] >= 0:
			complain(name, "the column is there twice")
		default:
			order[at] = place
		}
	}
	for at, place := range order {
		if place < 0 {
			complain(r.file.columns[at].name, "the column is missing")
		}
	}
	if good {
		r.order = order
	} else {
		r.problems.lose(r.file)
	}
}

// read reads the next row that can be read; io.EOF after the last.
func (r *rows) read() ([]string, error) {
	for {
		r.row.left = maxRow
		record, err := r.csv.Read()
		var broken *csv.ParseError
		switch {
		case errors.As(err, &broken):
			r.line, r.next = broken.StartLine, broken.Line+1
			r.problems.lose(r.file)
			r.problems.add(r.file, r.line, "", "a quotation mark is missing or too many: "+broken.Err.Error())
			continue
		case errors.Is(err, errRowTooLong):
			r.problems.lose(r.file)
			r.problems.add(r.file, r.next, "", fmt.Sprintf("has more than %d bytes; a quotation mark may be missing. What follows was not read", maxRow))
			return nil, io.EOF
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		case err != nil:
			return nil, fmt.Errorf("read line %d: %w", r.next, err)
		}
		r.line, _ = r.csv.FieldPos(0)
		last, _ := r.csv.FieldPos(len(record) - 1)
		r.next = last + strings.Count(record[len(record)-1], "\n") + 1
		return record, nil
	}
}

// cells reads the next row into cells, in the order of the file's columns. What is wrong with it is noted, and its cell
// is not set. A row that has too many or too few is passed over.
func (r *rows) cells(into []cell) error {
	for {
		record, err := r.read()
		if err != nil {
			return err
		}
		if len(record) != len(r.order) {
			r.problems.lose(r.file)
			r.problems.add(r.file, r.line, "", fmt.Sprintf("has %d values where the header has %d", len(record), len(r.order)))
			continue
		}
		for at, place := range r.order {
			var problem string
			if into[at], problem = r.file.columns[at].readCell(record[place]); problem != "" {
				r.problems.add(r.file, r.line, r.file.columns[at].name, problem)
			}
		}
		if r.file.checks != nil {
			if column, problem := r.file.checks(r.file, into); problem != "" {
				r.problems.add(r.file, r.line, column, problem)
			}
		}
		return nil
	}
}

// bounded gives a row only so many bytes.
type bounded struct {
	source io.Reader
	left   int
}

func (b *bounded) Read(into []byte) (int, error) {
	if b.left <= 0 {
		return 0, errRowTooLong
	}
	count, err := b.source.Read(into[:min(len(into), b.left)])
	b.left -= count
	return count, err
}

// meter tells how much of a file has been read.
type meter struct {
	file     fs.File
	report   func(Progress)
	progress Progress
	told     time.Time
}

func (m *meter) Read(into []byte) (int, error) {
	count, err := m.file.Read(into)
	m.progress.Done += int64(count)
	if now := time.Now(); err != nil || now.Sub(m.told) >= progressEvery {
		m.told = now
		m.report(m.progress)
	}
	return count, err
}
