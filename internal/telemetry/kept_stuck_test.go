package telemetry

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestReadingThatStandsStill(t *testing.T) {
	t.Parallel()
	begun, goOn := 0, make(chan struct{})
	kept := Keep(time.Nanosecond, 20*time.Millisecond, time.Now, func(context.Context) (int, error) {
		begun++
		if begun == 1 {
			<-goOn // heeds no context, as a driver that waits for the network
		}
		return begun, nil
	})
	for range 3 {
		if _, err := kept.Read(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a reading that stands still: got %v", err)
		}
	}
	close(goOn)
	for begunLast := time.Now(); ; time.Sleep(time.Millisecond) {
		value, err := kept.Read(t.Context())
		if err == nil {
			if value > 3 {
				t.Errorf("%d readings were begun beside one that stood still", value)
			}
			return
		}
		if time.Since(begunLast) > 10*time.Second {
			t.Fatalf("it is not read again: %v", err)
		}
	}
}
