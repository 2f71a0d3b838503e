// Package atonce lets what is written to one connection leave at once with what is written to another: a process that is
// killed in that instant has sent both or neither.
package atonce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Conn is a connection that can keep back what is written to it, so that it leaves with the next write to another. It is
// written to by one goroutine at a time.
type Conn struct {
	net.Conn
	holding bool
	held    []byte
	left    bool
	along   *Conn
}

// New makes a Conn of a connection.
func New(conn net.Conn) *Conn { return &Conn{Conn: conn} }

// Write writes, unless the connection keeps back what is written to it.
func (c *Conn) Write(data []byte) (int, error) {
	if c.holding {
		c.held = append(c.held, data...)
		return len(data), nil
	}
	if other := c.along; other != nil && len(other.held) > 0 && len(data) > 0 {
		return c.writeWith(data, other)
	}
	return c.Conn.Write(data)
}

// Hold keeps back what is written from now on.
func (c *Conn) Hold() { c.holding, c.held, c.left = true, nil, false }

// Left tells whether anything has left of what is, or was, kept back.
func (c *Conn) Left() bool { return c.left }

// Release ends keeping back, and writes what has not left yet.
func (c *Conn) Release() error {
	held := c.held
	c.holding, c.held = false, nil
	if len(held) == 0 {
		return nil
	}
	n, err := c.Conn.Write(held)
	c.left = c.left || n > 0
	return err
}

// TakeAlong has the next write to c, and those after it, take along what other keeps back; nil: nothing any more. Where c finds one of
// the two connections closed by its other end, the write fails and nothing leaves.
func (c *Conn) TakeAlong(other *Conn) { c.along = other }

func (c *Conn) writeWith(data []byte, other *Conn) (int, error) {
	n, m, err := writeBoth(c.Conn, data, other.Conn, other.held)
	other.held = other.held[m:]
	other.left = other.left || m > 0
	if err != nil || n == len(data) {
		return n, err
	}
	more, err := c.Conn.Write(data[n:]) // the machine has not taken it all
	return n + more, err
}

// oneAfterTheOther is for where the machine cannot do both in one call: a process can be killed in between, when only the
// first has left.
func oneAfterTheOther(first net.Conn, data []byte, second net.Conn, held []byte) (n, m int, err error) {
	if n, err = first.Write(data); err != nil {
		return n, 0, err
	}
	m, err = second.Write(held)
	if err != nil {
		return n, m, nil //nolint:nilerr // Release meets it again, and it is not about the first
	}
	return n, m, nil
}

// errGone tells that the other end of a connection has closed it.
var errGone = fmt.Errorf("the other end is gone: %w", io.ErrUnexpectedEOF)

type dialedKey struct{}

// Dialed has a Dialer leave the connection that it makes with this context in into.
func Dialed(ctx context.Context, into **Conn) context.Context {
	return context.WithValue(ctx, dialedKey{}, into)
}

// Dialer makes connections that are Conns, for whoever takes a dialer.
type Dialer struct{ net.Dialer }

// DialContext makes a connection. The context's deadline, if it has one, stays that of the connection.
func (d Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dialed, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if deadline, ends := ctx.Deadline(); ends { // what is said while connecting is waited for no longer
		if err := dialed.SetDeadline(deadline); err != nil {
			return nil, errors.Join(err, dialed.Close())
		}
	}
	made := New(dialed)
	if into, ok := ctx.Value(dialedKey{}).(**Conn); ok {
		*into = made
	}
	return made, nil
}

// Dial makes a connection.
func (d Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialTimeout makes a connection within a time.
func (d Dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}
