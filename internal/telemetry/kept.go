package telemetry

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Kept reads at most once within a time, however many ask, and keeps what came of it, an error too: what anybody may ask for
// costs no more than that. Whoever asks while it is being read waits for it.
type Kept[T any] struct {
	read     func(context.Context) (T, error)
	lasts    time.Duration
	patience time.Duration
	now      func() time.Time

	lock  sync.Mutex
	under chan outcome[T] // a reading that has begun and not been heard of; nil: there is none
	at    time.Time
	value T
	err   error
}

type outcome[T any] struct {
	value T
	err   error
}

// Keep makes a reading that lasts for a time. patience is how long reading may take.
func Keep[T any](lasts, patience time.Duration, now func() time.Time, read func(context.Context) (T, error)) *Kept[T] {
	return &Kept[T]{read: read, lasts: lasts, patience: patience, now: now}
}

// Read gives what was read last, or reads. Whoever does not wait any more takes nothing from the others. A reading that does not end
// in time, whatever its context says (a database that stands still keeps the driver waiting), is an error, and no other is begun beside it.
func (k *Kept[T]) Read(ctx context.Context) (T, error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	if k.at.IsZero() || k.now().Sub(k.at) >= k.lasts {
		k.value, k.err = k.readInTime(ctx)
		k.at = k.now()
	}
	return k.value, k.err
}

func (k *Kept[T]) readInTime(ctx context.Context) (T, error) {
	select {
	case <-k.under: // too late when it came
		k.under = nil
	default:
	}
	if k.under == nil {
		under := make(chan outcome[T], 1)
		k.under = under
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.patience)
			defer cancel()
			value, err := k.read(ctx)
			under <- outcome[T]{value, err}
		}()
	}
	waiting := time.NewTimer(k.patience + k.patience/4) // what heeds its context says more of what is wrong
	defer waiting.Stop()
	select {
	case read := <-k.under:
		k.under = nil
		return read.value, read.err
	case <-waiting.C:
		var nothing T
		return nothing, fmt.Errorf("no answer within %s: %w", k.patience, context.DeadlineExceeded)
	}
}
