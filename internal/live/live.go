// Package live wakes those who follow something of many: one look every so often serves all of them, whoever they are,
// and nobody looks while nobody follows.
package live

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Look tells how far each of the keys has come. What has not come anywhere may be missing.
type Look[K comparable] func(ctx context.Context, keys []K) (map[K]int64, error)

// The reasons why nobody more can follow.
var (
	ErrTooMany = errors.New("too many follow this already")
	ErrEnded   = errors.New("nothing is followed any more")
)

// lookPatience is how long one look may take.
const lookPatience = 10 * time.Second

// Hub looks for all who follow.
type Hub[K comparable] struct {
	look Look[K]
	most int
	log  *slog.Logger
	now  chan struct{} // there is a reason to look at once

	lock      sync.Mutex
	every     time.Duration
	followers map[K]map[*Follower[K]]bool
	ended     bool
	looking   context.CancelFunc // nil while nobody follows
}

// NewHub makes a hub that looks as often as given, and lets at most so many follow one key.
func NewHub[K comparable](look Look[K], every time.Duration, most int, log *slog.Logger) *Hub[K] {
	return &Hub[K]{look: look, every: every, most: most, log: log, now: make(chan struct{}, 1), followers: map[K]map[*Follower[K]]bool{}}
}

// Follower is woken when what it follows has come further.
type Follower[K comparable] struct {
	hub  *Hub[K]
	key  K
	last int64 // what it was woken for; the hub's
	wake chan struct{}
	end  chan struct{}
}

// Follow begins to follow a key. Whoever follows first looks by itself: it is woken for what comes after the first look.
func (h *Hub[K]) Follow(key K) (*Follower[K], error) {
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.ended {
		return nil, ErrEnded
	}
	if len(h.followers[key]) >= h.most {
		return nil, ErrTooMany
	}
	f := &Follower[K]{hub: h, key: key, wake: make(chan struct{}, 1), end: make(chan struct{})}
	if h.followers[key] == nil {
		h.followers[key] = map[*Follower[K]]bool{}
	}
	h.followers[key][f] = true
	if h.looking == nil {
		ctx, cancel := context.WithCancel(context.Background())
		h.looking = cancel
		go h.keepLooking(ctx)
	}
	return f, nil
}

// Woken gives a value after what is followed has come further. Several steps may be one value.
func (f *Follower[K]) Woken() <-chan struct{} { return f.wake }

// Ended is closed when the hub ends.
func (f *Follower[K]) Ended() <-chan struct{} { return f.end }

// Close ends following.
func (f *Follower[K]) Close() {
	h := f.hub
	h.lock.Lock()
	defer h.lock.Unlock()
	delete(h.followers[f.key], f)
	if len(h.followers[f.key]) == 0 {
		delete(h.followers, f.key)
	}
	if len(h.followers) == 0 && h.looking != nil {
		h.looking()
		h.looking = nil
	}
}

// Followers tells how many follow, whatever it is.
func (h *Hub[K]) Followers() (count int) {
	h.lock.Lock()
	defer h.lock.Unlock()
	for _, followers := range h.followers {
		count += len(followers)
	}
	return count
}

// End ends all following, for good.
func (h *Hub[K]) End() {
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.ended {
		return
	}
	h.ended = true
	for _, followers := range h.followers {
		for f := range followers {
			close(f.end)
		}
	}
}

// LookAt has the hub look at once, if somebody follows one of the keys that are meant.
func (h *Hub[K]) LookAt(isMeant func(K) bool) {
	h.lock.Lock()
	defer h.lock.Unlock()
	for key := range h.followers {
		if isMeant(key) {
			h.lookNow()
			return
		}
	}
}

// LookEvery sets how often the hub looks without a reason, from now on.
func (h *Hub[K]) LookEvery(period time.Duration) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.every = period
	h.lookNow()
}

func (h *Hub[K]) lookNow() {
	select {
	case h.now <- struct{}{}:
	default: // it is about to
	}
}

func (h *Hub[K]) period() time.Duration {
	h.lock.Lock()
	defer h.lock.Unlock()
	return h.every
}

func (h *Hub[K]) keepLooking(ctx context.Context) {
	timer := time.NewTimer(h.period())
	defer timer.Stop()
	for failing := false; ; timer.Reset(h.period()) {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-h.now:
		}
		err := h.lookOnce(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			h.log.WarnContext(ctx, "those who follow live are not served for now", "error", err)
		}
		failing = err != nil
	}
}

func (h *Hub[K]) lookOnce(ctx context.Context) error {
	h.lock.Lock()
	keys := make([]K, 0, len(h.followers))
	for key := range h.followers {
		keys = append(keys, key)
	}
	h.lock.Unlock()
	if len(keys) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	found, err := h.look(ctx, keys)
	if err != nil {
		return err
	}
	h.lock.Lock()
	defer h.lock.Unlock()
	for key, last := range found {
		for f := range h.followers[key] {
			if last <= f.last {
				continue
			}
			f.last = last
			select {
			case f.wake <- struct{}{}:
			default: // it has not come to look yet
			}
		}
	}
	return nil
}
