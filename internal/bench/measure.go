package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// side is one of those that do the same work.
type side struct {
	name string
	// once does the work once and tells how long it took; what it does before and after is outside the timing.
	once func(context.Context) (time.Duration, error)
}

// series is what one side took, round by round.
type series []time.Duration

// inTurns warms every side up, then takes the sides in turns, the order of each round the reverse of the one before, so that
// nothing that changes with time favours one of them.
func inTurns(ctx context.Context, rounds int, sides ...side) ([]series, error) {
	taken := make([]series, len(sides))
	for round := range rounds + 1 {
		for i := range sides {
			at := i
			if round%2 == 1 {
				at = len(sides) - 1 - i
			}
			duration, err := sides[at].once(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sides[at].name, err)
			}
			if round > 0 {
				taken[at] = append(taken[at], duration)
			}
		}
	}
	return taken, nil
}

func (s series) quantile(q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	place := q * float64(len(sorted)-1)
	below := int(place)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + time.Duration((place-float64(below))*float64(sorted[above]-sorted[below]))
}

func (s series) median() time.Duration { return s.quantile(0.5) }

// spread is half of what lies between the quartiles, as a part of the median.
func (s series) spread() float64 {
	return float64(s.quantile(0.75)-s.quantile(0.25)) / 2 / float64(s.median())
}

// timed tells how long work took.
func timed(work func() error) (time.Duration, error) {
	began := time.Now()
	err := work()
	return time.Since(began), err
}
