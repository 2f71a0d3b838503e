package domain_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"handover/internal/domain"
)

func chainedEvent() domain.AuditRecord {
	at, request, reason := int64(1767225600123456), "req-1", "Grüße"
	return domain.AuditRecord{
		ID: uuid.MustParse("01900000-0000-7000-8000-000000000001"), OccurredAt: &at,
		StaffID: uuid.NullUUID{UUID: uuid.MustParse("01900000-0000-7000-8000-000000000002"), Valid: true},
		Action:  "task_changed", SubjectKind: "task", SubjectID: uuid.MustParse("01900000-0000-7000-8000-000000000003"),
		RequestID: &request, Reason: &reason,
		Before: []byte(`{"title": "Call", "staff_ids": [], "due_on": null}`),
		After:  []byte(`{"title": "A \"<visit>\" \u2028 ü", "staff_ids": ["x"], "count": 1.50, "done": true, "open": false}`),
	}
}

var chainedOrganization = domain.OrganizationID(uuid.MustParse("01900000-0000-7000-8000-0000000000ff"))

// What is hashed stands in the database for ever: this is it, put together by hand from the description.
func TestAuditChainIsWhatItIsDescribedAs(t *testing.T) {
	length := func(n int) string { return string(binary.BigEndian.AppendUint64(nil, uint64(n))) }
	field := func(text string) string { return "\x01" + length(len(text)) + text }
	text := func(text string) string { return "s" + length(len(text)) + text }
	id := func(last byte) string {
		return string([]byte{0x01, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, last})
	}
	before := "o" + length(3) + text("due_on") + "n" + text("staff_ids") + "a" + length(0) + text("title") + text("Call")
	after := "o" + length(5) + text("count") + "#" + length(4) + "1.50" + text("done") + "t" + text("open") + "f" +
		text("staff_ids") + "a" + length(1) + text("x") + text("title") + text("A \"<visit>\" \u2028 ü")
	event := field(id(1)) + field(length(1767225600123456)) + field(id(2)) + field("task_changed") + field("task") + field(id(3)) +
		"\x00" + field("req-1") + field("Grüße") + field(before) + field(after)
	start := sha256.Sum256([]byte("handover audit chain 1" + id(0xff)))
	want := sha256.Sum256([]byte(string(start[:]) + length(1) + event))

	chain := domain.ChainOf(chainedOrganization)
	require.Equal(t, domain.ChainHead{Hash: start}, chain.Head())
	require.Equal(t, domain.ChainHash(want), chain.Append(chainedEvent()))
	require.Equal(t, int64(1), chain.Head().Position)
	require.Equal(t, "dcc531f772089fb6862d3876eae5d1e64214447e85febc47e3f2af293bcac5f8", hex.EncodeToString(want[:]))
}

func TestAuditChainTellsEveryFieldApart(t *testing.T) {
	hash := func(change func(*domain.AuditRecord)) domain.ChainHash {
		record := chainedEvent()
		change(&record)
		return domain.ChainOf(chainedOrganization).Append(record)
	}
	same := hash(func(*domain.AuditRecord) {})
	require.Equal(t, same, hash(func(r *domain.AuditRecord) { r.Before = []byte(`{"due_on":null,"staff_ids":[ ],"title":"\u0043all"}`) }), "another way to write the same JSON")
	empty, later := "", int64(1767225600123457)
	seen := map[domain.ChainHash]string{same: "the event itself"}
	for name, change := range map[string]func(*domain.AuditRecord){
		"id":                 func(r *domain.AuditRecord) { r.ID[15]++ },
		"later":              func(r *domain.AuditRecord) { r.OccurredAt = &later },
		"at no time":         func(r *domain.AuditRecord) { r.OccurredAt = nil },
		"other staff":        func(r *domain.AuditRecord) { r.StaffID.UUID[15]++ },
		"no staff":           func(r *domain.AuditRecord) { r.StaffID.Valid = false },
		"action":             func(r *domain.AuditRecord) { r.Action = "task_changedt"; r.SubjectKind = "ask" }, // the same letters in a row
		"subject":            func(r *domain.AuditRecord) { r.SubjectID[15]++ },
		"run":                func(r *domain.AuditRecord) { r.RunID.Valid = true },
		"no request":         func(r *domain.AuditRecord) { r.RequestID = nil },
		"empty request":      func(r *domain.AuditRecord) { r.RequestID = &empty },
		"request for reason": func(r *domain.AuditRecord) { r.RequestID, r.Reason = r.Reason, r.RequestID },
		"no reason":          func(r *domain.AuditRecord) { r.Reason = nil },
		"nothing before":     func(r *domain.AuditRecord) { r.Before = nil },
		"null before":        func(r *domain.AuditRecord) { r.Before = []byte(`null`) },
		"exchanged":          func(r *domain.AuditRecord) { r.Before, r.After = r.After, r.Before },
		"number as string":   func(r *domain.AuditRecord) { r.Before = []byte(`{"title": "1"}`) },
		"number":             func(r *domain.AuditRecord) { r.Before = []byte(`{"title": 1}`) },
		"nested":             func(r *domain.AuditRecord) { r.Before = []byte(`{"title": [1]}`) },
		"nested twice":       func(r *domain.AuditRecord) { r.Before = []byte(`{"title": [[1]]}`) },
		"large number":       func(r *domain.AuditRecord) { r.Before = []byte(`{"title": 100000000000000000001}`) },
		"another":            func(r *domain.AuditRecord) { r.Before = []byte(`{"title": 100000000000000000002}`) },
		"no JSON":            func(r *domain.AuditRecord) { r.Before = []byte(`{"title": `) },
		"two documents":      func(r *domain.AuditRecord) { r.Before = []byte(`{} {}`) },
	} {
		got := hash(change)
		require.Empty(t, seen[got], name)
		seen[got] = name
	}
}

func TestChainHeadsAreReadAsTheyAreWritten(t *testing.T) {
	chain := domain.ChainOf(chainedOrganization)
	chain.Append(chainedEvent())
	read, err := domain.ParseChainHead(" " + chain.Head().String() + "\n")
	require.NoError(t, err)
	require.Equal(t, chain.Head(), read)
	for _, text := range []string{"", "1", "1:", ":ab", "x:" + chain.Head().Hash.String(), "-1:" + chain.Head().Hash.String(), "1:" + chain.Head().Hash.String() + "00", "1:zz" + chain.Head().Hash.String()[2:]} {
		_, err := domain.ParseChainHead(text)
		require.Error(t, err, text)
	}
}
