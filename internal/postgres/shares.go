package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"handover/internal/domain"
)

// Shares keeps one organization from taking all there is of something, such as connections: many of its requests may wait for the same
// rows, and each holds one while it does. What is beyond its share waits here, without one, so that others find some.
type Shares struct {
	size int // places that one organization may hold; 0: any number

	lock sync.Mutex
	of   map[domain.OrganizationID]*share
}

type share struct {
	places  chan struct{}
	holders int // who hold a place or wait for one
}

// NewShares has so many places for each organization.
func NewShares(size int) *Shares { return &Shares{size: size, of: map[domain.OrganizationID]*share{}} }

// sharesOf leaves a fifth of a pool, and at least one connection, to others.
func sharesOf(connections int) *Shares {
	if connections < 2 {
		return NewShares(0)
	}
	return NewShares(connections - max(1, connections/5))
}

// Take waits for a place of the organization, no longer than most; release gives it back.
func (s *Shares) Take(ctx context.Context, organization domain.OrganizationID, most time.Duration) (release func(), err error) {
	if s.size == 0 {
		return func() {}, nil
	}
	own := s.join(organization)
	patience := time.NewTimer(most)
	defer patience.Stop()
	select {
	case own.places <- struct{}{}:
		return func() { <-own.places; s.leave(organization) }, nil
	case <-ctx.Done():
		s.leave(organization)
		return nil, fmt.Errorf("wait for a place: %w", ctx.Err())
	case <-patience.C:
		s.leave(organization)
		refusal := domain.Refuse(domain.CodeTooBusy, "Too much of your organization is at work just now. Nothing was changed; try again shortly.")
		refusal.RetryAfter = 2 * time.Second
		return nil, refusal
	}
}

func (s *Shares) join(organization domain.OrganizationID) *share {
	s.lock.Lock()
	defer s.lock.Unlock()
	own := s.of[organization]
	if own == nil {
		own = &share{places: make(chan struct{}, s.size)}
		s.of[organization] = own
	}
	own.holders++
	return own
}

func (s *Shares) leave(organization domain.OrganizationID) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if own := s.of[organization]; own != nil {
		if own.holders--; own.holders == 0 {
			delete(s.of, organization)
		}
	}
}
