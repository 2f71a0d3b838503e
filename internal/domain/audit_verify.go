package domain

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// AuditLink is a stretch of an organization's chain: its events in their order, and the hash with each.
type AuditLink struct {
	First, Last int64 // the positions of the first and the last of its events
	Format      int
	EventIDs    []uuid.UUID
	Hashes      []ChainHash
	ChainedAt   time.Time
}

// What can be wrong with a place of a chain.
const (
	ChainEventChanged    = "changed"      // the event is not what was chained
	ChainEventMissing    = "missing"      // it is not in the trail any more
	ChainEventOutOfPlace = "out_of_place" // another event was chained here
	ChainEventInserted   = "inserted"     // it was put into the chain afterwards
	ChainEventRepeated   = "repeated"     // it is in the chain a second time
	ChainBroken          = "broken"       // events of the chain were taken away, or its record cannot be read
	ChainNotExpected     = "not_expected" // the chain is sound in itself, but not the one that was published
	ChainTruncated       = "truncated"    // the chain ends before a position that was published
)

// ChainProblem is the first thing that is wrong with a chain.
type ChainProblem struct {
	Position     int64      `json:"position"`
	AuditEventID *uuid.UUID `json:"audit_event_id"` // null where it is about no event
	Problem      string     `json:"problem"`
	Detail       string     `json:"detail"`
}

// ChainReport is what verifying a chain found.
type ChainReport struct {
	Organization      OrganizationID
	Events            int64         // that are as they were when they were chained, up to the first problem
	Head              ChainHead     // after them
	Problem           *ChainProblem // nil: there is none
	Unchained         int64         // events of the trail that are not in the chain, yet
	OldestUnchainedAt *time.Time    // when the oldest of those occurred
}

// ChainHealth is how all organizations together are chained.
type ChainHealth struct {
	Organizations int64      // that have a chain
	Events        int64      // that are chained
	BehindSince   *time.Time // since when the one furthest behind may have events that are not; nil: none has
}

// AuditVerifier holds a chain against the trail, link by link, and stops at the first problem. It keeps no events.
type AuditVerifier struct {
	chain    *AuditChain
	before   ChainHead // the place before the last event
	expected map[int64]ChainHash
	furthest int64
}

// NewAuditVerifier verifies an organization's chain from its start. expected are places of it that were published earlier.
func NewAuditVerifier(organization OrganizationID, expected []ChainHead) (*AuditVerifier, *ChainProblem) {
	v := &AuditVerifier{chain: ChainOf(organization), expected: map[int64]ChainHash{}}
	for _, head := range expected {
		if known, twice := v.expected[head.Position]; twice && known != head.Hash {
			return v, &ChainProblem{head.Position, nil, ChainNotExpected, "Two different hashes are expected at this position."}
		}
		v.expected[head.Position] = head.Hash
		v.furthest = max(v.furthest, head.Position)
	}
	problem := v.asExpected(nil)
	return v, problem
}

// Head is how far the chain is verified.
func (v *AuditVerifier) Head() ChainHead { return v.chain.Head() }

// Link verifies the next link. records are its events as they are in the trail; one that is not there is not among them.
func (v *AuditVerifier) Link(link AuditLink, records map[uuid.UUID]AuditRecord) *ChainProblem {
	next := v.chain.Head().Position + 1
	switch {
	case link.First > next:
		return &ChainProblem{next, nil, ChainBroken, fmt.Sprintf("The record of the chain has nothing from here to position %d.", link.First-1)}
	case link.First < next || link.Last-link.First+1 != int64(len(link.EventIDs)) || len(link.EventIDs) != len(link.Hashes):
		return &ChainProblem{next, nil, ChainBroken, "The record of the chain does not go on from here: its positions are not those that it was written with."}
	case link.Format != AuditChainFormat:
		return &ChainProblem{next, nil, ChainBroken, fmt.Sprintf("The record of the chain is in the format %d, which this program does not know.", link.Format)}
	}
	for i, id := range link.EventIDs {
		head := v.chain.Head()
		record, found := records[id]
		if !found {
			return &ChainProblem{head.Position + 1, &id, ChainEventMissing, "The event was chained here and is not in the trail any more."}
		}
		if v.chain.Append(record) != link.Hashes[i] {
			v.chain.head = head
			return v.explain(link, i, records)
		}
		v.before = head
		if problem := v.asExpected(&id); problem != nil {
			return problem
		}
	}
	return nil
}

// explain tells what became of the event at an index of a link, whose hash is not the one that was chained.
func (v *AuditVerifier) explain(link AuditLink, i int, records map[uuid.UUID]AuditRecord) *ChainProblem {
	head, id, wanted := v.chain.Head(), link.EventIDs[i], link.Hashes[i]
	position := head.Position + 1
	for _, other := range link.EventIDs {
		if record, found := records[other]; found && other != id && v.chain.hashAfter(head, record) == wanted {
			return &ChainProblem{position, &id, ChainEventOutOfPlace, fmt.Sprintf("The event %s was chained here.", other)}
		}
	}
	const inserted = "The event was not chained here: the chain goes on without it."
	if i+1 < len(link.EventIDs) {
		if record, found := records[link.EventIDs[i+1]]; found && v.chain.hashAfter(head, record) == link.Hashes[i+1] {
			return &ChainProblem{position, &id, ChainEventInserted, inserted}
		}
	}
	if i > 0 && v.chain.hashAfter(v.before, records[id]) == wanted { // with a hash of its own, so that only what follows does not fit
		return &ChainProblem{position - 1, &link.EventIDs[i-1], ChainEventInserted, inserted}
	}
	return &ChainProblem{position, &id, ChainEventChanged, "The event is not as it was when it was chained, or what stood before it was taken out of the chain."}
}

// asExpected holds where the chain is against what was published.
func (v *AuditVerifier) asExpected(id *uuid.UUID) *ChainProblem {
	head := v.chain.Head()
	if hash, published := v.expected[head.Position]; published && hash != head.Hash {
		return &ChainProblem{head.Position, id, ChainNotExpected, "The chain is sound up to here, but it is not the one whose head was published: it was made anew, with this event or an earlier one changed."}
	}
	return nil
}

// End tells what is wrong with where the chain ends.
func (v *AuditVerifier) End() *ChainProblem {
	if head := v.chain.Head(); head.Position < v.furthest {
		return &ChainProblem{head.Position + 1, nil, ChainTruncated, fmt.Sprintf("The chain ends at position %d, and position %d was published: the events after its end were taken away.", head.Position, v.furthest)}
	}
	return nil
}
