package embedded

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

func dieWithParent(attributes *syscall.SysProcAttr, signal syscall.Signal) {
	attributes.Pdeathsig = signal
}

// commandLine is how a running process was called, its arguments parted by spaces; empty when there is no such process,
// or it has ended and only waits to be noticed.
func commandLine(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return string(bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
}
