package postgres

import (
	"bytes"
	"database/sql/driver"
	"fmt"
	"strconv"

	"github.com/google/uuid"
)

// ids is a uuid[] of any size, without the detour through quoted strings.
type ids []uuid.UUID

const uuidTextLength = 36

// Value is the array's text form.
func (a ids) Value() (driver.Value, error) { return a.text(), nil }

func (a ids) text() string {
	return string(appendIDs(make([]byte, 0, len(a)*(uuidTextLength+1)+2), a))
}

func appendIDs(text []byte, a []uuid.UUID) []byte {
	text = append(text, '{')
	var hyphenated [uuidTextLength]byte
	for i, id := range a {
		if i > 0 {
			text = append(text, ',')
		}
		encodeID(hyphenated[:], id)
		text = append(text, hyphenated[:]...)
	}
	return append(text, '}')
}

func encodeID(dst []byte, id uuid.UUID) {
	const digits = "0123456789abcdef"
	at := 0
	for i, b := range id {
		switch i {
		case 4, 6, 8, 10:
			dst[at] = '-'
			at++
		}
		dst[at], dst[at+1] = digits[b>>4], digits[b&0x0f]
		at += 2
	}
}

// Scan reads the array's text form.
func (a *ids) Scan(source any) error {
	text, ok := source.([]byte)
	if !ok {
		return fmt.Errorf("read uuid[]: unexpected %T", source)
	}
	text = bytes.Trim(text, "{}")
	if len(text) == 0 {
		*a = nil
		return nil
	}
	read := make([]uuid.UUID, 0, (len(text)+1)/(uuidTextLength+1))
	for len(text) >= uuidTextLength {
		id, err := uuid.ParseBytes(text[:uuidTextLength])
		if err != nil {
			return fmt.Errorf("read uuid[]: %w", err)
		}
		read = append(read, id)
		if text = text[uuidTextLength:]; len(text) > 0 {
			text = text[1:]
		}
	}
	*a = read
	return nil
}

// ints is an integer[] of any size.
type ints []int

// Value is the array's text form.
func (a ints) Value() (driver.Value, error) { return a.text(), nil }

func (a ints) text() string {
	text := make([]byte, 0, len(a)*4+2)
	text = append(text, '{')
	for i, n := range a {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, int64(n), 10)
	}
	return string(append(text, '}'))
}
