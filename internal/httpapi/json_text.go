package httpapi

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"handover/internal/domain"
)

func (b *bodyReader) space() {
	for b.at < len(b.text) && (b.text[b.at] == ' ' || b.text[b.at] == '\t' || b.text[b.at] == '\n' || b.text[b.at] == '\r') {
		b.at++
	}
}

// skip goes past a value without looking into it.
func (b *bodyReader) skip() {
	b.space()
	switch b.text[b.at] {
	case '"':
		for b.at++; b.text[b.at] != '"'; b.at++ {
			if b.text[b.at] == '\\' {
				b.at++
			}
		}
		b.at++
	case '{', '[':
		b.at++
		b.toEnd()
	default:
		for b.at < len(b.text) && !strings.ContainsRune(",]} \t\n\r", rune(b.text[b.at])) {
			b.at++
		}
	}
}

// toEnd goes past the end of the list or object that it is in.
func (b *bodyReader) toEnd() {
	for open := 1; open > 0; {
		switch b.text[b.at] {
		case '"':
			b.skip()
			continue
		case '{', '[':
			open++
		case '}', ']':
			open--
		}
		b.at++
	}
}

// string reads a string. It is not ok where it holds what no text of this service holds.
func (b *bodyReader) string() (text string, ok bool) {
	from := b.at
	b.skip()
	quoted := b.text[from:b.at]
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1]), true
	}
	switch lone, null := escapes(quoted); {
	case lone:
		b.refuse("A string of the body has half of a surrogate pair, which is no character.")
		return "", false
	case null:
		b.fault(&fault{domain.CodeWrongFormat, `Must not hold a NUL character (\u0000).`})
		return "", false
	}
	return text, json.Unmarshal(quoted, &text) == nil
}

// escapes looks for \u escapes that stand for half a character, or for NUL.
func escapes(quoted []byte) (lone, null bool) {
	for i := 0; i < len(quoted); i++ {
		if quoted[i] != '\\' {
			continue
		}
		i++
		if quoted[i] != 'u' {
			continue
		}
		unit := codeUnit(quoted[i+1:])
		i += 4
		switch {
		case unit == 0:
			null = true
		case unit >= 0xDC00 && unit <= 0xDFFF:
			lone = true
		case unit >= 0xD800 && unit <= 0xDBFF:
			next := quoted[i+1:]
			if len(next) < 6 || next[0] != '\\' || next[1] != 'u' {
				lone = true
			} else if low := codeUnit(next[2:]); low < 0xDC00 || low > 0xDFFF {
				lone = true
			} else {
				i += 6
			}
		}
	}
	return lone, null
}

func codeUnit(hex []byte) uint64 {
	unit, _ := strconv.ParseUint(string(hex[:4]), 16, 16) // the grammar has four digits here
	return unit
}
