package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"

	"handover/api"
	"handover/internal/domain"
)

// A cursor is a version, where the page ended, and a sum that binds it to the organization, the operation and the
// filter. The sum guards against mistakes, not against people: a cursor grants nothing, every page is checked anew.
const (
	cursorVersion = 1
	cursorSum     = 16
	cursorLength  = 1 + len(uuid.UUID{}) + cursorSum
)

const defaultLimit = 50

// limitOf is the size of a page.
func limitOf(limit *api.Limit) int {
	if limit == nil {
		return defaultLimit
	}
	return *limit
}

// afterOf is the id after which the page begins; zero: from the start.
func afterOf(ctx context.Context, cursor *api.Cursor) (uuid.UUID, error) {
	if cursor == nil {
		return uuid.Nil, nil
	}
	last, ok := readCursor(exchangeOf(ctx), *cursor)
	if !ok {
		return uuid.Nil, invalidCursor()
	}
	return last, nil
}

// cursorTo is the cursor of the page after the id; null where there are no more.
func cursorTo(ctx context.Context, last uuid.UUID, more bool) nullable.Nullable[string] {
	if !more {
		return nullable.NewNullNullable[string]()
	}
	return nullable.NewNullableWithValue(writeCursor(exchangeOf(ctx), last))
}

// positionOf is the position after which the page begins; zero: from the start.
func positionOf(ctx context.Context, cursor *api.Cursor) (int, error) {
	last, err := afterOf(ctx, cursor)
	if err != nil {
		return 0, err
	}
	position := binary.BigEndian.Uint64(last[8:])
	if position > math.MaxInt32 || binary.BigEndian.Uint64(last[:8]) != 0 {
		return 0, invalidCursor()
	}
	return int(position), nil
}

// cursorToPosition is the cursor of the page after the position; null where there are no more.
func cursorToPosition(ctx context.Context, position int, more bool) nullable.Nullable[string] {
	var last uuid.UUID
	binary.BigEndian.PutUint64(last[8:], uint64(position))
	return cursorTo(ctx, last, more)
}

func invalidCursor() error {
	return domain.Refuse(domain.CodeInvalidCursor, "This is no cursor of this list with this filter. Start again without one.").
		At("query:cursor", domain.CodeInvalidCursor, "Is no cursor of this list with this filter.")
}

func writeCursor(e *exchange, last uuid.UUID) string {
	text := make([]byte, 0, cursorLength)
	text = append(append(text, cursorVersion), last[:]...)
	text = append(text, e.cursorSum(last)...)
	return base64.RawURLEncoding.EncodeToString(text)
}

func readCursor(e *exchange, cursor string) (last uuid.UUID, ok bool) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	// The decoder passes over line ends, which no cursor has.
	if err != nil || len(text) != cursorLength || text[0] != cursorVersion || strings.ContainsAny(cursor, "\r\n") {
		return last, false
	}
	copy(last[:], text[1:])
	return last, subtle.ConstantTimeCompare(text[1+len(last):], e.cursorSum(last)) == 1
}

// cursorSum binds a cursor to what it belongs to. The path holds the operation's parameters.
func (e *exchange) cursorSum(last uuid.UUID) []byte {
	arguments := slices.DeleteFunc(slices.Clone(e.arguments), func(given argument) bool {
		return given.name == "limit" || given.name == "cursor" || given.name == "include_total"
	})
	slices.SortFunc(arguments, func(x, y argument) int { return strings.Compare(x.name, y.name) })
	organization := e.caller.Organization
	text := append(append([]byte{}, organization[:]...), last[:]...)
	add := func(part string) {
		text = binary.AppendUvarint(text, uint64(len(part)))
		text = append(text, part...)
	}
	add(e.operationID())
	add(e.path)
	for _, given := range arguments {
		add(given.name)
		text = binary.AppendUvarint(text, uint64(len(given.values)))
		for _, value := range given.values {
			add(value)
		}
	}
	sum := sha256.Sum256(text)
	return sum[:cursorSum]
}
