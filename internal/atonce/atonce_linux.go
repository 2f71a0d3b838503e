package atonce

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

// writeBoth writes as much of both as the machine takes at once, in one system call. kill -9 waits for the end of a system call
// that is not waiting for anything, and this one is not.
func writeBoth(first net.Conn, data []byte, second net.Conn, held []byte) (n, m int, err error) {
	one, err := raw(first)
	if err != nil {
		return oneAfterTheOther(first, data, second, held)
	}
	two, err := raw(second)
	if err != nil {
		return oneAfterTheOther(first, data, second, held)
	}
	line, err := theLine()
	if err != nil {
		return oneAfterTheOther(first, data, second, held)
	}
	var inner error
	outer := two.Write(func(fdTwo uintptr) bool {
		inner = one.Write(func(fdOne uintptr) bool {
			n, m, err = line.write(fdOne, data, fdTwo, held)
			return true
		})
		return true
	})
	if errors.Is(err, errNotTaken) {
		return oneAfterTheOther(first, data, second, held)
	}
	return n, m, errors.Join(outer, inner, err)
}

// Possible is nil where the machine can do both writes in one call, and else tells why not.
func Possible() error {
	_, err := theLine()
	return err
}

func raw(conn net.Conn) (syscall.RawConn, error) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return socket.SyscallConn()
}

// line is where the machine takes several writes in one call: Linux's own asynchronous input and output (io_submit), which does
// on the spot what is written to a socket that does not block. Unlike io_uring it is rarely forbidden to containers.
type line struct {
	lock sync.Mutex
	id   uintptr
}

var theLine = sync.OnceValues(func() (*line, error) {
	l := &line{}
	if _, _, failed := syscall.Syscall(syscall.SYS_IO_SETUP, 2, uintptr(unsafe.Pointer(&l.id)), 0); failed != 0 { //nolint:gosec // a system call
		return nil, failed
	}
	return l, nil
})

// order and outcome are struct iocb and struct io_event of linux/aio_abi.h.
type order struct {
	data   uint64 // comes back with the outcome
	_, _   uint32
	opcode uint16
	_      int16
	fd     uint32
	buffer uint64
	length uint64
	_      int64 // where in a file
	_      uint64
	_, _   uint32
}

type outcome struct {
	data, order    uint64
	result, second int64
}

var errNotTaken = errors.New("the machine does not take writes in this way")

const opcodeWrite = 1 // IOCB_CMD_PWRITE

func (l *line) write(fdOne uintptr, one []byte, fdTwo uintptr, two []byte) (n, m int, err error) {
	for _, fd := range []uintptr{fdOne, fdTwo} {
		if err := present(int(fd)); err != nil {
			return 0, 0, err
		}
	}
	var pinned runtime.Pinner
	defer pinned.Unpin()
	ordered := func(which uint64, fd uintptr, data []byte) *order {
		o := &order{data: which, opcode: opcodeWrite, fd: uint32(fd), length: uint64(len(data))} //nolint:gosec // a descriptor is small
		pinned.Pin(o)
		pinned.Pin(&data[0])
		o.buffer = uint64(uintptr(unsafe.Pointer(&data[0]))) //nolint:gosec // pinned
		return o
	}
	orders := &[2]*order{ordered(0, fdOne, one), ordered(1, fdTwo, two)}
	outcomes := &[2]outcome{}
	pinned.Pin(orders)
	pinned.Pin(outcomes)

	l.lock.Lock()
	defer l.lock.Unlock()
	taken, _, failed := syscall.Syscall(syscall.SYS_IO_SUBMIT, l.id, uintptr(len(orders)), uintptr(unsafe.Pointer(orders))) //nolint:gosec // a system call
	if failed != 0 {
		return 0, 0, errors.Join(errNotTaken, failed)
	}
	for told := uintptr(0); told < taken; {
		got, _, failed := syscall.Syscall6(syscall.SYS_IO_GETEVENTS, l.id, taken-told, taken-told, uintptr(unsafe.Pointer(&outcomes[told])), 0, 0) //nolint:gosec // a system call
		if failed != 0 && failed != syscall.EINTR {
			return 0, 0, failed
		}
		if failed == 0 {
			told += got
		}
	}
	for _, each := range outcomes[:taken] {
		written, failed := each.written()
		if each.data == 0 {
			n, err = written, failed
		} else {
			m = written // its trouble is met again when the rest is written
		}
	}
	return n, m, err
}

func (o outcome) written() (int, error) {
	if o.result >= 0 {
		return int(o.result), nil
	}
	if failed := syscall.Errno(-o.result); failed != syscall.EAGAIN && failed != syscall.EINTR {
		return 0, failed
	}
	return 0, nil // the machine has no room: the rest is waited for
}

// present tells of a connection that its other end has closed.
func present(fd int) error {
	n, _, err := syscall.Recvfrom(fd, make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	switch {
	case err == syscall.EAGAIN || err == syscall.EINTR:
		return nil
	case err != nil:
		return err
	case n == 0:
		return errGone
	}
	return nil
}
