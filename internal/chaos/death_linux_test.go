package chaos

import "syscall"

// withUs has a process end with the thread that started it.
func withUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
