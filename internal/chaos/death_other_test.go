//go:build !linux

package chaos

import "syscall"

// withUs has no means here: where the tests die, what they started stays.
func withUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
