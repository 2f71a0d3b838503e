package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"handover/internal/domain"
)

// shares keeps one organization from taking all connections: many of its requests may wait for the same rows, and each
// holds one while it does. What is beyond its share waits here, without one, so that others find some.
type shares struct {
	size int // connections that one organization may hold; 0: any number

	lock sync.Mutex
	of   map[domain.OrganizationID]*share
}

type share struct {
	places  chan struct{}
	holders int // who hold a place or wait for one
}

// sharesOf leaves a fifth of a pool, and at least one connection, to others.
func sharesOf(connections int) *shares {
	if connections < 2 {
		return &shares{}
	}
	return &shares{size: connections - max(1, connections/5), of: map[domain.OrganizationID]*share{}}
}

// take waits for a place of the organization, no longer than most; release gives it back.
func (s *shares) take(ctx context.Context, organization domain.OrganizationID, most time.Duration) (release func(), err error) {
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
		return nil, fmt.Errorf("wait for a connection: %w", ctx.Err())
	case <-patience.C:
		s.leave(organization)
		refusal := domain.Refuse(domain.CodeTooBusy, "Too much of your organization is at work just now. Nothing was changed; try again shortly.")
		refusal.RetryAfter = 2 * time.Second
		return nil, refusal
	}
}

func (s *shares) join(organization domain.OrganizationID) *share {
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

func (s *shares) leave(organization domain.OrganizationID) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if own := s.of[organization]; own != nil {
		if own.holders--; own.holders == 0 {
			delete(s.of, organization)
		}
	}
}
