package httpapi

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// The functions of this file write values as encoding/json writes them.

func appendOrNull[T any](text []byte, value *T, appendValue func([]byte, T) []byte) []byte {
	if value == nil {
		return append(text, "null"...)
	}
	return appendValue(text, *value)
}

func appendText(text []byte, value string) []byte {
	for i := range len(value) {
		if !plain[value[i]] {
			encoded, err := json.Marshal(value)
			if err != nil {
				encoded = []byte(`""`) // no string comes to this
			}
			return append(text, encoded...)
		}
	}
	text = append(text, '"')
	text = append(text, value...)
	return append(text, '"')
}

// plain are the bytes that stand in a JSON string as they are.
var plain = func() (plain [256]bool) {
	for char := ' '; char < 0x7f; char++ {
		switch char {
		case '"', '\\', '<', '>', '&':
		default:
			plain[char] = true
		}
	}
	return plain
}()

func appendID(text []byte, id uuid.UUID) []byte {
	const digits = "0123456789abcdef"
	text = append(text, '"')
	for i, b := range id {
		switch i {
		case 4, 6, 8, 10:
			text = append(text, '-')
		}
		text = append(text, digits[b>>4], digits[b&0x0f])
	}
	return append(text, '"')
}

func appendInstant(text []byte, instant time.Time) []byte {
	text = append(text, '"')
	text = instant.AppendFormat(text, time.RFC3339Nano)
	return append(text, '"')
}

func appendDate(text []byte, date domain.Date) []byte {
	text = append(text, '"')
	text = date.Midnight().AppendFormat(text, time.DateOnly)
	return append(text, '"')
}
