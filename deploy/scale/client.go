package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

const positionHeader = "Handover-Position"

// figures are what the clients count.
type figures struct {
	answers, again, reads, positioned, changes, events atomic.Int64

	lock    sync.Mutex
	reasons map[string]int // why requests were made again
	took    []time.Duration
	wrong   []string
}

func (f *figures) failed(reason string) {
	f.again.Add(1)
	f.lock.Lock()
	defer f.lock.Unlock()
	f.reasons[reason]++
}

func (f *figures) isWrong(format string, args ...any) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if len(f.wrong) < 20 {
		f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
	}
}

func (f *figures) answered(took time.Duration) {
	f.answers.Add(1)
	f.lock.Lock()
	defer f.lock.Unlock()
	f.took = append(f.took, took)
}

// client is a program that uses the service: one after the other, each request with the newest position that it was given.
type client struct {
	base, token string
	http        *http.Client
	figures     *figures
	position    string
}

type object map[string]any

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) into(value any) error {
	if err := json.Unmarshal(a.body, value); err != nil {
		return fmt.Errorf("%w: %.200s", err, a.body)
	}
	return nil
}

// patience is how long a request is made again and again.
const patience = 60 * time.Second

// insist makes a request until it is answered, with one Idempotency-Key where it is a POST that keyed says to have one.
func (c *client) insist(ctx context.Context, method, path string, body any, keyed bool, headers ...string) (answer, error) {
	key := ""
	if keyed {
		key = uuid.NewString()
	}
	for began := time.Now(); ; {
		tried := time.Now()
		got, err := c.send(ctx, method, path, body, key, headers)
		if err == nil && got.status < http.StatusInternalServerError && got.status != http.StatusTooManyRequests && !strings.Contains(string(got.body), `"idempotency_key_in_use"`) {
			c.figures.answered(time.Since(tried))
			return got, nil
		}
		if ctx.Err() != nil {
			return got, ctx.Err()
		}
		if err == nil {
			err = fmt.Errorf("%d %.120s", got.status, got.body)
		}
		c.figures.failed(method + ": " + reasonOf(err))
		if time.Since(began) > patience {
			return got, fmt.Errorf("%s %s: not answered for %s: %w", method, path, patience, err)
		}
		wait(ctx, 50*time.Millisecond)
	}
}

// reasonOf is an error without what makes each one different.
func reasonOf(err error) string {
	text := err.Error()
	if at := strings.Index(text, `"code":"`); at >= 0 {
		code, _, _ := strings.Cut(text[at+len(`"code":"`):], `"`)
		return code
	}
	if at := strings.LastIndex(text, ": "); at >= 0 {
		return text[at+2:]
	}
	first, _, _ := strings.Cut(text, "\n")
	return first
}

func (c *client) send(ctx context.Context, method, path string, body any, key string, headers []string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var text io.Reader = http.NoBody
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		text = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, text)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
		request.GetBody = nil // so that it is this client who decides to ask again, and net/http does not
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	if method == http.MethodGet && c.position != "" {
		request.Header.Set(positionHeader, c.position)
		c.figures.positioned.Add(1)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }() // it has been read
	read, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	if response.StatusCode < http.StatusMultipleChoices {
		c.position = response.Header.Get(positionHeader) // none: the next read comes from the primary
	}
	return answer{response.StatusCode, response.Header, read}, nil
}

// get reads, and expects 200.
func (c *client) get(ctx context.Context, path string, into any) error {
	got, err := c.insist(ctx, http.MethodGet, path, nil, false)
	if err != nil {
		return err
	}
	c.figures.reads.Add(1)
	if got.status != http.StatusOK {
		return fmt.Errorf("GET %s: %d %.300s", path, got.status, got.body)
	}
	return got.into(into)
}
