package domain

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// AuditChainFormat is what is hashed of an event and how. Links tell theirs, so that another one can follow it.
const AuditChainFormat = 1

// AuditRecord is an event of the audit trail as it is hashed: all that the trail has of it.
type AuditRecord struct {
	ID          uuid.UUID
	OccurredAt  *int64 // in microseconds since 1970, UTC; nil where it is no finite instant
	StaffID     uuid.NullUUID
	Action      string
	SubjectKind string
	SubjectID   uuid.UUID
	RunID       uuid.NullUUID
	RequestID   *string
	Reason      *string
	Before      []byte // JSON; nil for none
	After       []byte
}

// ChainHash is the hash of a chain up to and with an event.
type ChainHash [sha256.Size]byte

// String is the hash in hexadecimal.
func (h ChainHash) String() string { return hex.EncodeToString(h[:]) }

// ChainHead is a place of an organization's chain: what the hash is at a position. Position 0 is before the first event.
type ChainHead struct {
	Position int64
	Hash     ChainHash
}

// String is the head as it is published, and expected again.
func (h ChainHead) String() string { return strconv.FormatInt(h.Position, 10) + ":" + h.Hash.String() }

// ParseChainHead reads what String wrote.
func ParseChainHead(text string) (ChainHead, error) {
	position, hash, _ := strings.Cut(strings.TrimSpace(text), ":")
	var head ChainHead
	var err error
	head.Position, err = strconv.ParseInt(position, 10, 64)
	if err != nil || head.Position < 0 || hex.DecodedLen(len(hash)) != len(head.Hash) {
		return ChainHead{}, fmt.Errorf("%q is not the head of a chain, such as 1250:5feceb66… with 64 hexadecimal digits", text)
	}
	if _, err := hex.Decode(head.Hash[:], []byte(hash)); err != nil {
		return ChainHead{}, fmt.Errorf("%q is not the head of a chain: %w", text, err)
	}
	return head, nil
}

// AuditChain computes the hashes of an organization's chain, each from the one before and the event:
//
//	hash(0) = SHA-256("handover audit chain 1" organization)
//	hash(p) = SHA-256(hash(p - 1) p event)
//
// where p is in 8 bytes, big end first, and event is the fields in the order of AuditRecord: 0 for one that is null, else 1, its length in 8
// bytes, and its bytes. Ids are their 16 bytes, instants 8 bytes, texts UTF-8. JSON is a letter for each value: n, t, f for null, true and
// false; # and s with a length and the text, of a number as the database writes it, of a string without escapes; a and o with the number
// of members, which follow, those of an object by the bytes of their names, each after its name as a string. So the hash depends on
// neither how a database writes JSON, nor on time zones.
type AuditChain struct {
	organization OrganizationID
	head         ChainHead
	text         []byte // kept for its room
}

// ChainOf begins at the start of an organization's chain.
func ChainOf(organization OrganizationID) *AuditChain {
	chain := &AuditChain{organization: organization}
	chain.head.Hash = sha256.Sum256(append([]byte("handover audit chain 1"), organization[:]...))
	return chain
}

// ChainFrom goes on from a head.
func ChainFrom(organization OrganizationID, head ChainHead) *AuditChain {
	return &AuditChain{organization: organization, head: head}
}

// Head is where the chain is.
func (c *AuditChain) Head() ChainHead { return c.head }

// Append adds an event, and tells the hash with it.
func (c *AuditChain) Append(record AuditRecord) ChainHash {
	c.head = ChainHead{c.head.Position + 1, c.hashAfter(c.head, record)}
	return c.head.Hash
}

// hashAfter is the hash with an event right after a place.
func (c *AuditChain) hashAfter(before ChainHead, record AuditRecord) ChainHash {
	text := c.text[:0]
	text = append(text, before.Hash[:]...)
	text = binary.BigEndian.AppendUint64(text, uint64(before.Position+1)) //nolint:gosec // never negative
	text = appendRecord(text, record)
	c.text = text
	return sha256.Sum256(text)
}

func appendRecord(text []byte, record AuditRecord) []byte {
	text = appendField(text, record.ID[:])
	if record.OccurredAt == nil {
		text = append(text, 0)
	} else {
		text = appendField(text, binary.BigEndian.AppendUint64(nil, uint64(*record.OccurredAt))) //nolint:gosec // all bits of it
	}
	text = appendIDField(text, record.StaffID)
	text = appendField(text, []byte(record.Action))
	text = appendField(text, []byte(record.SubjectKind))
	text = appendField(text, record.SubjectID[:])
	text = appendIDField(text, record.RunID)
	text = appendTextField(text, record.RequestID)
	text = appendTextField(text, record.Reason)
	text = appendJSONField(text, record.Before)
	return appendJSONField(text, record.After)
}

func appendField(text, field []byte) []byte {
	return append(appendLength(append(text, 1), len(field)), field...)
}

func appendLength(text []byte, length int) []byte {
	return binary.BigEndian.AppendUint64(text, uint64(length)) //nolint:gosec // never negative
}

func appendIDField(text []byte, id uuid.NullUUID) []byte {
	if !id.Valid {
		return append(text, 0)
	}
	return appendField(text, id.UUID[:])
}

func appendTextField(text []byte, field *string) []byte {
	if field == nil {
		return append(text, 0)
	}
	return appendField(text, []byte(*field))
}

// appendJSONField adds JSON in its one form. What is none is taken as it is: it must be told, not fail.
func appendJSONField(text, document []byte) []byte {
	if document == nil {
		return append(text, 0)
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil || decoder.More() {
		return appendField(text, append([]byte{'?'}, document...))
	}
	// The length is put in when it is known.
	text = append(text, 1)
	at := len(text)
	text = appendJSON(appendLength(text, 0), value)
	binary.BigEndian.PutUint64(text[at:], uint64(len(text)-at-8)) //nolint:gosec // never negative
	return text
}

func appendJSON(text []byte, value any) []byte {
	switch value := value.(type) {
	case nil:
		return append(text, 'n')
	case bool:
		if value {
			return append(text, 't')
		}
		return append(text, 'f')
	case json.Number:
		return append(appendLength(append(text, '#'), len(value)), value...)
	case string:
		return append(appendLength(append(text, 's'), len(value)), value...)
	case []any:
		text = appendLength(append(text, 'a'), len(value))
		for _, member := range value {
			text = appendJSON(text, member)
		}
		return text
	case map[string]any:
		text = appendLength(append(text, 'o'), len(value))
		for _, name := range slices.Sorted(maps.Keys(value)) {
			text = appendJSON(appendJSON(text, name), value[name])
		}
		return text
	}
	panic(fmt.Sprintf("JSON has no %T", value))
}
