package live_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"handover/internal/live"
)

// source is what is looked at.
type source struct {
	lock    sync.Mutex
	numbers map[string]int64
	looks   [][]string
	err     error
}

func (s *source) look(_ context.Context, keys []string) (map[string]int64, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.looks = append(s.looks, slices.Sorted(slices.Values(keys)))
	found := map[string]int64{}
	for _, key := range keys {
		if number, known := s.numbers[key]; known {
			found[key] = number
		}
	}
	return found, s.err
}

func (s *source) set(key string, number int64, err error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.numbers[key], s.err = number, err
}

func (s *source) looked() [][]string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return slices.Clone(s.looks)
}

func woken(f *live.Follower[string]) bool {
	select {
	case <-f.Woken():
		return true
	default:
		return false
	}
}

const every = 500 * time.Millisecond

func TestHub(t *testing.T) {
	t.Parallel()
	in := func(name string, test func(*testing.T, *source, *live.Hub[string])) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &source{numbers: map[string]int64{}}
				test(t, s, live.NewHub(s.look, every, 2, slog.New(slog.DiscardHandler)))
			})
		})
	}
	follow := func(t *testing.T, hub *live.Hub[string], key string) *live.Follower[string] {
		t.Helper()
		f, err := hub.Follow(key)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	pass := func(d time.Duration) {
		time.Sleep(d)
		synctest.Wait()
	}

	in("a reason to look is followed at once, and only where somebody follows what it is about", func(t *testing.T, s *source, hub *live.Hub[string]) {
		hub.LookEvery(time.Hour)
		f := follow(t, hub, "ann")
		defer f.Close()
		pass(time.Second)
		looks := len(s.looked())
		s.set("ann", 1, nil)
		hub.LookAt(func(key string) bool { return key == "bob" })
		pass(time.Second)
		if woken(f) || len(s.looked()) != looks {
			t.Error("it looked for somebody whom nobody follows")
		}
		hub.LookAt(func(key string) bool { return key == "ann" })
		synctest.Wait()
		if !woken(f) {
			t.Error("not told at once")
		}
		s.set("ann", 2, nil)
		hub.LookEvery(every)
		pass(2 * every)
		if !woken(f) {
			t.Error("not found by looking often again")
		}
	})

	in("one look serves all, and there is none while nobody follows", func(t *testing.T, s *source, hub *live.Hub[string]) {
		pass(10 * every)
		if len(s.looked()) != 0 {
			t.Fatalf("somebody looked: %v", s.looked())
		}
		a, b, again := follow(t, hub, "a"), follow(t, hub, "b"), follow(t, hub, "a")
		pass(4*every + every/2)
		if got := s.looked(); len(got) != 4 || !slices.Equal(got[3], []string{"a", "b"}) {
			t.Fatalf("got looks %v", got)
		}
		a.Close()
		b.Close()
		again.Close()
		pass(10 * every)
		if got := s.looked(); len(got) != 4 {
			t.Fatalf("somebody looks on: %v", got)
		}
		c := follow(t, hub, "c")
		pass(2 * every)
		if got := s.looked(); len(got) < 5 || !slices.Equal(got[4], []string{"c"}) {
			t.Fatalf("got looks %v", got)
		}
		c.Close()
	})

	in("each is woken when what it follows has come further, and only then", func(t *testing.T, s *source, hub *live.Hub[string]) {
		s.set("a", 7, nil)
		a, same, b := follow(t, hub, "a"), follow(t, hub, "a"), follow(t, hub, "b")
		defer a.Close()
		defer same.Close()
		defer b.Close()
		pass(2 * every)
		if !woken(a) || !woken(same) || woken(b) {
			t.Fatal("the first look is for where each of them is")
		}
		pass(2 * every)
		if woken(a) || woken(same) {
			t.Fatal("nothing has happened")
		}
		s.set("a", 8, nil)
		pass(2 * every)
		s.set("a", 9, nil)
		pass(2 * every)
		if !woken(a) || woken(a) || !woken(same) || woken(b) {
			t.Fatal("two steps are one value")
		}
	})

	in("a look that fails is made good by the next", func(t *testing.T, s *source, hub *live.Hub[string]) {
		a := follow(t, hub, "a")
		defer a.Close()
		s.set("a", 1, errors.New("the database is gone"))
		pass(3 * every)
		if woken(a) {
			t.Fatal("nothing is known")
		}
		s.set("a", 1, nil)
		pass(2 * every)
		if !woken(a) {
			t.Fatal("it was not woken")
		}
	})

	in("at most so many follow the same", func(t *testing.T, _ *source, hub *live.Hub[string]) {
		first, second := follow(t, hub, "a"), follow(t, hub, "a")
		if _, err := hub.Follow("a"); !errors.Is(err, live.ErrTooMany) {
			t.Fatalf("got %v", err)
		}
		other := follow(t, hub, "b")
		first.Close()
		first.Close() // again makes no difference
		third := follow(t, hub, "a")
		for _, f := range []*live.Follower[string]{second, third, other} {
			f.Close()
		}
	})

	in("the end ends all, for good", func(t *testing.T, _ *source, hub *live.Hub[string]) {
		a, b := follow(t, hub, "a"), follow(t, hub, "b")
		hub.End()
		hub.End()
		<-a.Ended()
		<-b.Ended()
		a.Close()
		b.Close()
		if _, err := hub.Follow("a"); !errors.Is(err, live.ErrEnded) {
			t.Fatalf("got %v", err)
		}
	})
}
