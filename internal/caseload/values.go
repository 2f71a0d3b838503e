package caseload

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"handover/internal/domain"
)

// The rules of values are those of the contract (openapi.yaml); a test holds them against it.
const (
	maxKey         = 200
	maxName        = 200
	maxTitle       = 500
	maxDescription = 20_000
	minEmail       = 3
	maxEmail       = 320
	maxPhone       = 50
	earliestYear   = 1000
	latestYear     = 9999
)

// reader judges a cell that is not empty and gives it the form it is kept in.
type reader func(text string) (value string, problem string)

// cell is what was read from a place in a row.
type cell struct {
	value string
	set   bool // it was there, and in order
}

// readCell reads a cell by the rules of its column.
func (c column) readCell(text string) (cell, string) {
	switch {
	case text == "" && c.optional:
		return cell{}, ""
	case text == "":
		return cell{}, "is empty"
	case !utf8.ValidString(text):
		return cell{}, "is not UTF-8 text"
	case strings.IndexByte(text, 0) >= 0:
		return cell{}, "holds a NUL character"
	}
	value, problem := c.read(text)
	return cell{value, problem == ""}, problem
}

// text of at most a number of characters, not blank.
func text(limit int) reader {
	return func(text string) (string, string) {
		switch {
		case len(text) > limit && utf8.RuneCountInString(text) > limit:
			return "", fmt.Sprintf("is longer than %d characters", limit)
		case blank(text):
			return "", "is blank"
		}
		return text, ""
	}
}

// blank tells whether there is nothing but space, as the contract's \S has it: of ASCII.
func blank(text string) bool {
	return strings.Trim(text, " \t\n\f\r") == ""
}

var (
	key         = text(maxKey)
	name        = text(maxName)
	title       = text(maxTitle)
	phone       = text(maxPhone)
	description = text(maxDescription)
)

// keyWithoutBar is an external id that lists of external ids can hold.
func keyWithoutBar(text string) (string, string) {
	if strings.Contains(text, "|") {
		return "", "holds |, which separates the external ids of staff in other files"
	}
	return key(text)
}

func email(text string) (string, string) {
	length := utf8.RuneCountInString(text)
	if length < minEmail || length > maxEmail || !domain.IsEmail(text) {
		return "", "is not an email address: " + quote(text)
	}
	return text, ""
}

func oneOf(values ...string) reader {
	known := strings.Join(values, ", ")
	return func(text string) (string, string) {
		if !slices.Contains(values, text) {
			return "", quote(text) + " is none of " + known
		}
		return text, ""
	}
}

// listOf reads values separated by |, each once, in an order of its own.
func listOf(read reader) reader {
	return func(text string) (string, string) {
		if !strings.Contains(text, "|") {
			return read(text)
		}
		values := strings.Split(text, "|")
		for i, value := range values {
			if value == "" {
				return "", "has nothing before, between or after |"
			}
			value, problem := read(value)
			if problem != "" {
				return "", problem
			}
			values[i] = value
		}
		slices.Sort(values)
		return strings.Join(slices.Compact(values), "|"), ""
	}
}

func date(text string) (string, string) {
	day, err := domain.ParseDate(text)
	if err != nil || day.Year < earliestYear {
		return "", quote(text) + " is not a date, as 2026-03-31"
	}
	return text, ""
}

// instantForm sorts as time does, and is exact to what the database keeps.
const instantForm = "2006-01-02T15:04:05.000000Z"

func instant(text string) (string, string) {
	var at time.Time
	if err := at.UnmarshalText([]byte(text)); err != nil || !domain.IsInstant(text) {
		return "", quote(text) + " is not a moment with its offset, as 2026-03-31T09:30:00Z"
	}
	at = at.UTC()
	if at.Year() < earliestYear || at.Year() > latestYear {
		return "", quote(text) + " is not in the years 1000 to 9999"
	}
	return at.Format(instantForm), ""
}

// quote shows a value in a message: on one line, and not at length.
func quote(text string) string { return fmt.Sprintf("%q", shortened(text)) }

// printable shows a name without quotation marks around it, where nothing in it needs them.
func printable(text string) string {
	text = shortened(text)
	if quoted := fmt.Sprintf("%q", text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
}

func shortened(text string) string {
	const enough = 60
	count := 0
	for at := range text {
		if count == enough {
			return text[:at] + "…"
		}
		count++
	}
	return text
}

// personOrMatter: a task belongs to a person, to a matter, or to neither.
func personOrMatter(f *file, cells []cell) (string, string) {
	if cells[f.find("person_external_id")].set && cells[f.find("matter_external_id")].set {
		return "matter_external_id", "is set, and so is person_external_id: a task belongs to a person or to a matter, never to both"
	}
	return "", ""
}

func endsAfterStart(f *file, cells []cell) (string, string) {
	starts, ends := cells[f.find("starts_at")], cells[f.find("ends_at")]
	if starts.set && ends.set && ends.value < starts.value {
		return "ends_at", "is before starts_at"
	}
	return "", ""
}
