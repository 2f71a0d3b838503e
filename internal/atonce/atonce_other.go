//go:build !linux

package atonce

import "net"

func writeBoth(first net.Conn, data []byte, second net.Conn, held []byte) (n, m int, err error) {
	return oneAfterTheOther(first, data, second, held)
}
