package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// caller is one client with one connection that it keeps. It does as little as it can, so that what is measured is the
// other side.
type caller struct {
	connection net.Conn
	reader     *bufio.Reader
	body       bytes.Buffer
}

func call(ctx context.Context, address string) (*caller, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &caller{connection: connection, reader: bufio.NewReaderSize(connection, 64<<10)}, nil
}

func (c *caller) hangUp() { _ = c.connection.Close() } // everything was read

// ask sends a request and reads the answer whole. The answer is there until the next request.
func (c *caller) ask(request []byte) (status int, body []byte, err error) {
	if _, err := c.connection.Write(request); err != nil {
		return 0, nil, fmt.Errorf("send: %w", err)
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("read answer: %w", err)
	}
	c.body.Reset()
	if _, err := c.body.ReadFrom(response.Body); err != nil {
		return 0, nil, fmt.Errorf("read body: %w", err)
	}
	return response.StatusCode, c.body.Bytes(), response.Body.Close()
}

// request is the text of a request as the service takes it; body may be nil.
func request(method, path, token string, body any) ([]byte, error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n", method, path, token)
	if body == nil {
		text.WriteString("\r\n")
		return text.Bytes(), nil
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode body: %w", err)
	}
	fmt.Fprintf(&text, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(encoded), encoded)
	return text.Bytes(), nil
}

// do asks the service once and reads the answer into something; into may be nil.
func (s *service) do(ctx context.Context, method, path string, body, into any) error {
	client, err := call(ctx, s.address)
	if err != nil {
		return err
	}
	defer client.hangUp()
	text, err := request(method, path, s.token, body)
	if err != nil {
		return err
	}
	status, answer, err := client.ask(text)
	if err != nil {
		return err
	}
	if status != http.StatusOK && status != http.StatusCreated {
		return fmt.Errorf("%s %s answered %d: %s", method, path, status, answer)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("read the answer of %s %s: %w", method, path, err)
	}
	return nil
}

// fetch reads an answer as it comes and keeps nothing of it; it tells how long it was.
func (s *service) fetch(ctx context.Context, path string) (int64, error) {
	asked, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	asked.Header.Set("Authorization", "Bearer "+s.token)
	response, err := http.DefaultClient.Do(asked)
	if err != nil {
		return 0, fmt.Errorf("ask: %w", err)
	}
	length, err := io.Copy(io.Discard, response.Body)
	err = errors.Join(err, response.Body.Close())
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %d", path, response.StatusCode)
	}
	return length, err
}

// load lets clients ask at once, each the next as soon as it is answered, for as long as that is, and tells how long one
// answer took of the whole: the inverse of the throughput.
func load(ctx context.Context, address string, clients int, duration time.Duration, next func() []byte) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var answered atomic.Int64
	failures := make(chan error, clients)
	var working sync.WaitGroup
	began := time.Now()
	for range clients {
		working.Go(func() {
			if err := askUntil(ctx, address, began.Add(duration), next, &answered); err != nil {
				failures <- err
				cancel()
			}
		})
	}
	working.Wait()
	took := time.Since(began)
	select {
	case err := <-failures:
		return 0, err
	default:
		return took / time.Duration(max(1, answered.Load())), nil
	}
}

func askUntil(ctx context.Context, address string, deadline time.Time, next func() []byte, answered *atomic.Int64) error {
	client, err := call(ctx, address)
	if err != nil {
		return err
	}
	defer client.hangUp()
	for ctx.Err() == nil && time.Now().Before(deadline) {
		status, body, err := client.ask(next())
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("answered %d: %s", status, body)
		}
		answered.Add(1)
	}
	return nil
}
