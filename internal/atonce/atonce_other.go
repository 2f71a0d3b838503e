//go:build !linux

package atonce

import (
	"errors"
	"net"
)

// Possible is nil where the machine can do both writes in one call, and else tells why not.
func Possible() error { return errors.ErrUnsupported }

func writeBoth(first net.Conn, data []byte, second net.Conn, held []byte) (n, m int, err error) {
	return oneAfterTheOther(first, data, second, held)
}
