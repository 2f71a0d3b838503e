package telemetry

import (
	"context"
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
	at    time.Time
	value T
	err   error
}

// Keep makes a reading that lasts for a time. patience is how long reading may take.
func Keep[T any](lasts, patience time.Duration, now func() time.Time, read func(context.Context) (T, error)) *Kept[T] {
	return &Kept[T]{read: read, lasts: lasts, patience: patience, now: now}
}

// Read gives what was read last, or reads. Whoever does not wait any more takes nothing from the others.
func (k *Kept[T]) Read(ctx context.Context) (T, error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	if k.at.IsZero() || k.now().Sub(k.at) >= k.lasts {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.patience)
		defer cancel()
		k.value, k.err = k.read(ctx)
		k.at = k.now()
	}
	return k.value, k.err
}
