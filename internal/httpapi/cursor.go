package httpapi

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
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

// A cursor is a version and where the page ended, sealed: what stands in it is nobody's to read, since the place of a row among others tells
// of those that are hidden between them, and nobody's to make. It belongs to the organization, the operation and the filter, which it
// can be opened beside alone. It grants nothing: every page is checked anew.
const (
	cursorVersion = 2
	cursorNonce   = 12
	cursorTag     = 16
	cursorLength  = 1 + cursorNonce + len(uuid.UUID{}) + cursorTag
)

// cursorSeal seals and opens cursors (AES-GCM). The nonce of one is a keyed hash of what it holds and belongs to, so that a page that
// is read again has the same cursor.
type cursorSeal struct {
	aead     cipher.AEAD
	nonceKey []byte
}

// newCursorSeal takes a key of 32 bytes, the same for every process that cursors may come back to; nil: one for this process.
func newCursorSeal(key []byte) *cursorSeal {
	key = orNewKey(key)
	seal := &cursorSeal{nonceKey: keyFor(key, "nonces of cursors")}
	block, err := aes.NewCipher(keyFor(key, "cursors"))
	if err == nil {
		seal.aead, err = cipher.NewGCM(block)
	}
	if err != nil {
		panic("a key of 32 bytes: " + err.Error()) // fails for other lengths only
	}
	return seal
}

const cursorKeyLength = 32

func orNewKey(key []byte) []byte {
	if key == nil {
		key = make([]byte, cursorKeyLength)
		_, _ = rand.Read(key) // never fails
	}
	return key
}

func keyFor(key []byte, purpose string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(purpose)) // never fails
	return mac.Sum(nil)
}

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
	belongs := e.cursorOwner()
	mac := hmac.New(sha256.New, e.cursors.nonceKey)
	mac.Write(last[:]) // never fails
	mac.Write(belongs)
	nonce := mac.Sum(nil)[:cursorNonce]
	text := append(make([]byte, 0, cursorLength), cursorVersion)
	text = append(text, nonce...)
	return base64.RawURLEncoding.EncodeToString(e.cursors.aead.Seal(text, nonce, last[:], belongs))
}

func readCursor(e *exchange, cursor string) (last uuid.UUID, ok bool) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	// The decoder passes over line ends, which no cursor has.
	if err != nil || len(text) != cursorLength || text[0] != cursorVersion || strings.ContainsAny(cursor, "\r\n") {
		return last, false
	}
	opened, err := e.cursors.aead.Open(nil, text[1:1+cursorNonce], text[1+cursorNonce:], e.cursorOwner())
	if err != nil {
		return last, false
	}
	copy(last[:], opened)
	return last, true
}

// cursorOwner is what a cursor belongs to. The path holds the operation's parameters.
func (e *exchange) cursorOwner() []byte {
	arguments := slices.DeleteFunc(slices.Clone(e.arguments), func(given argument) bool {
		return given.name == "limit" || given.name == "cursor" || given.name == "include_total"
	})
	slices.SortFunc(arguments, func(x, y argument) int { return strings.Compare(x.name, y.name) })
	organization := e.caller.Organization
	text := append([]byte{}, organization[:]...)
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
	return text
}
