//go:build !linux

package embedded

import (
	"os/exec"
	"strconv"
	"syscall"
)

// dieWithParent does nothing where the kernel has no such service: a server that outlived a killed program is stopped
// at the next start.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// commandLine is how a running process was called; empty when there is no such process.
func commandLine(pid int) string {
	text, err := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output() //nolint:noctx // it takes no time
	if err != nil {
		return ""
	}
	return string(text)
}
