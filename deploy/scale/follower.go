package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// follower follows a staff member's notifications, whatever becomes of the instance that tells them.
type follower struct {
	organization, staff uuid.UUID
	base, token         string
	figures             *figures

	lock sync.Mutex
	last int64
}

func (f *follower) lastHeard() int64 {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.last
}

func (f *follower) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := f.connect(ctx); err != nil {
			return err
		}
		wait(ctx, 200*time.Millisecond)
	}
	return nil
}

// connect follows for as long as one connection lasts. Its error is of an answer that is wrong.
func (f *follower) connect(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+"/v1/notifications/stream", http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+f.token)
	request.Header.Set("Last-Event-ID", strconv.FormatInt(f.lastHeard(), 10))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil // it is tried again
	}
	defer func() { _ = response.Body.Close() }() // it has been read, as far as it came
	if response.StatusCode != http.StatusOK {
		if response.StatusCode < http.StatusInternalServerError && response.StatusCode != http.StatusTooManyRequests {
			return fmt.Errorf("a stream is answered %d", response.StatusCode)
		}
		return nil
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for number := int64(0); lines.Scan(); {
		if text, is := strings.CutPrefix(lines.Text(), "id: "); is {
			if number, err = strconv.ParseInt(text, 10, 64); err != nil {
				return fmt.Errorf("a stream has the id %q", text)
			}
		}
		if lines.Text() != "" || number == 0 {
			continue
		}
		f.lock.Lock()
		if number != f.last+1 {
			f.figures.isWrong("a stream of %s went from %d to %d", f.staff, f.last, number)
		}
		f.last = number
		f.lock.Unlock()
		f.figures.events.Add(1)
		number = 0
	}
	return nil
}
