package atonce_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"handover/internal/atonce"
)

// writerVariable makes the test binary a process that writes to the two addresses named, until it is killed.
const writerVariable = "HANDOVER_ATONCE_WRITE"

func TestMain(m *testing.M) {
	if to := os.Getenv(writerVariable); to != "" {
		_, _ = fmt.Fprintln(os.Stderr, writeUntilKilled(to))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const (
	first  = "COMMIT;"
	second = "\r\n.\r\n"
)

func writeUntilKilled(to string) error {
	var network, addressOne, addressTwo string
	if _, err := fmt.Sscanf(to, "%s %s %s", &network, &addressOne, &addressTwo); err != nil {
		return err
	}
	one, err := dial(network, addressOne)
	if err != nil {
		return err
	}
	two, err := dial("tcp", addressTwo)
	if err != nil {
		return err
	}
	for {
		two.Hold()
		if _, err := two.Write([]byte(second)); err != nil {
			return err
		}
		one.TakeAlong(two)
		if _, err := one.Write([]byte(first)); err != nil {
			return err
		}
		one.TakeAlong(nil)
		if err := two.Release(); err != nil {
			return err
		}
		for _, each := range []*atonce.Conn{one, two} { // as a database and a mail server answer
			if _, err := io.ReadFull(each, make([]byte, 1)); err != nil {
				return err
			}
		}
	}
}

func dial(network, address string) (*atonce.Conn, error) {
	var made *atonce.Conn
	_, err := atonce.Dialer{}.DialContext(atonce.Dialed(context.Background(), &made), network, address)
	return made, err
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen(network, address) //nolint:noctx // nothing to wait for
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

const kills = 40

// A process that is killed, whenever that is, has written as often to the one as to the other.
func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the machine cannot do both at once")
	}
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			address := "127.0.0.1:0"
			if network == "unix" {
				address = filepath.Join(t.TempDir(), "one")
			}
			one, two := listen(t, network, address), listen(t, "tcp", "127.0.0.1:0")
			written := 0
			for range kills {
				command := exec.Command(os.Args[0]) //nolint:noctx // it is killed
				command.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s", writerVariable, network, one.Addr(), two.Addr()))
				command.Stderr = os.Stderr
				if err := command.Start(); err != nil {
					t.Fatal(err)
				}
				counts := [2]chan int{make(chan int, 1), make(chan int, 1)}
				began := make(chan struct{}, 2)
				for i, each := range []struct {
					net.Listener
					text string
				}{{one, first}, {two, second}} {
					go func() { counts[i] <- count(each.Listener, each.text, began) }()
				}
				<-began
				<-began
				time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond)
				_ = command.Process.Kill()
				_ = command.Wait() // it was killed, and says so
				a, b := <-counts[0], <-counts[1]
				if a != b || a < 0 {
					t.Errorf("written %d times to the one and %d times to the other", a, b)
				}
				written += a
			}
			t.Logf("killed %d times within %d writes", kills, written)
			if written < 1000 {
				t.Errorf("the process was killed before it had begun: %d writes", written)
			}
		})
	}
}

// count answers a text until its writer is gone, and tells how often it came; -1: something else did.
func count(listener net.Listener, text string, began chan<- struct{}) (times int) {
	conn, err := listener.Accept()
	began <- struct{}{}
	if err != nil {
		return -1
	}
	defer func() { _ = conn.Close() }()
	for got := make([]byte, len(text)); ; times++ {
		n, err := io.ReadFull(conn, got)
		if n == 0 && err != nil {
			return times
		}
		if err != nil || string(got) != text {
			return -1
		}
		_, _ = conn.Write([]byte{'.'}) // it may be gone
	}
}

// pair is a connection and what its other end reads.
func pair(t *testing.T) (*atonce.Conn, net.Conn) {
	t.Helper()
	listener := listen(t, "tcp", "127.0.0.1:0")
	made, err := dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = made.Close(), other.Close() })
	return made, other
}

// read is what has come within a short time.
func read(t *testing.T, conn net.Conn) string {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	got, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return string(got)
}

func write(t *testing.T, conn io.Writer, text string) {
	t.Helper()
	if n, err := io.WriteString(conn, text); err != nil || n != len(text) {
		t.Fatalf("%d bytes are written: %v", n, err)
	}
}

func TestTakeAlong(t *testing.T) {
	t.Parallel()
	for name, wrapped := range map[string]func(net.Conn) net.Conn{
		"on the spot":                           func(c net.Conn) net.Conn { return c },
		"where the machine does not do both so": func(c net.Conn) net.Conn { return struct{ net.Conn }{c} },
	} {
		t.Run("what is kept back leaves with the next write to the other, "+name, func(t *testing.T) {
			t.Parallel()
			one, readerOne := pair(t)
			two, readerTwo := pair(t)
			two.Conn = wrapped(two.Conn)
			write(t, two, "mail")
			two.Hold()
			write(t, two, "en")
			write(t, two, "d")
			if got := read(t, readerTwo); got != "mail" || two.Left() {
				t.Fatalf("got %q", got)
			}
			one.TakeAlong(two)
			write(t, one, "commit")
			if a, b := read(t, readerOne), read(t, readerTwo); a != "commit" || b != "end" || !two.Left() {
				t.Fatalf("got %q and %q", a, b)
			}
			if err := two.Release(); err != nil {
				t.Fatal(err)
			}
			write(t, one, "more")
			write(t, two, "leave")
			if a, b := read(t, readerOne), read(t, readerTwo); a != "more" || b != "leave" {
				t.Fatalf("got %q and %q", a, b)
			}
		})
	}

	t.Run("what nothing has taken along leaves when it is released", func(t *testing.T) {
		t.Parallel()
		two, reader := pair(t)
		two.Hold()
		write(t, two, "end")
		if err := two.Release(); err != nil || !two.Left() || read(t, reader) != "end" {
			t.Fatalf("got %v", err)
		}
	})

	t.Run("nothing leaves where either of the two is gone", func(t *testing.T) {
		t.Parallel()
		for gone := range 2 {
			one, readerOne := pair(t)
			two, readerTwo := pair(t)
			two.Hold()
			write(t, two, "end")
			readers := []net.Conn{readerOne, readerTwo}
			if err := readers[gone].Close(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
			one.TakeAlong(two)
			if n, err := one.Write([]byte("commit")); err == nil || n != 0 || two.Left() {
				t.Fatalf("%d bytes are written: %v", n, err)
			}
			if got := read(t, readers[1-gone]); got != "" {
				t.Fatalf("got %q", got)
			}
		}
	})

	t.Run("nothing leaves on connections that were closed here", func(t *testing.T) {
		t.Parallel()
		one, readerOne := pair(t)
		two, _ := pair(t)
		two.Hold()
		write(t, two, "end")
		_ = two.Close()
		one.TakeAlong(two)
		if n, err := one.Write([]byte("commit")); !errors.Is(err, net.ErrClosed) || n != 0 || two.Left() || read(t, readerOne) != "" {
			t.Fatalf("%d bytes are written: %v", n, err)
		}
	})

	t.Run("what the machine has no room for is waited for", func(t *testing.T) {
		t.Parallel()
		one, readerOne := pair(t)
		two, readerTwo := pair(t)
		large := bytes.Repeat([]byte("0123456789"), 1_000_000)
		counts := make(chan int, 2)
		for _, reader := range []net.Conn{readerOne, readerTwo} {
			go func() {
				time.Sleep(20 * time.Millisecond)
				n, _ := io.Copy(io.Discard, reader) // to its end
				counts <- int(n)
			}()
		}
		two.Hold()
		write(t, two, string(large))
		one.TakeAlong(two)
		write(t, one, string(large))
		if err := two.Release(); err != nil {
			t.Fatal(err)
		}
		_, _ = one.Close(), two.Close()
		if a, b := <-counts, <-counts; a != len(large) || b != len(large) {
			t.Fatalf("%d and %d bytes have come", a, b)
		}
	})
}

// Both may be encrypted: what leaves is what the encryption has written.
func TestTakeAlongEncrypted(t *testing.T) {
	t.Parallel()
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	settings := &tls.Config{Certificates: certified.TLS.Certificates, MinVersion: tls.VersionTLS12}
	certified.Close()
	encrypted := func() (*atonce.Conn, *tls.Conn, *tls.Conn) {
		conn, other := pair(t)
		client, server := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}), tls.Server(other, settings) //nolint:gosec // nobody else is there
		shaken := make(chan error, 1)
		go func() { shaken <- server.Handshake() }()                      //nolint:noctx // nothing to wait for
		if err := errors.Join(client.Handshake(), <-shaken); err != nil { //nolint:noctx // nothing to wait for
			t.Fatal(err)
		}
		return conn, client, server
	}
	connOne, one, readerOne := encrypted()
	connTwo, two, readerTwo := encrypted()
	for range 3 {
		connTwo.Hold()
		write(t, two, "end")
		connOne.TakeAlong(connTwo)
		write(t, one, "commit")
		connOne.TakeAlong(nil)
		if !connTwo.Left() {
			t.Fatal("the end has not left")
		}
		if err := connTwo.Release(); err != nil {
			t.Fatal(err)
		}
		for _, each := range []struct {
			io.Reader
			want string
		}{{readerOne, "commit"}, {readerTwo, "end"}} {
			got := make([]byte, len(each.want))
			if _, err := io.ReadFull(each, got); err != nil || string(got) != each.want {
				t.Fatalf("got %q: %v", got, err)
			}
		}
	}
}
