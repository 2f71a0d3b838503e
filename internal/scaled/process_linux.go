package scaled

import "syscall"

// attributes have a program end with this one, however that ends. Ctrl-C at the terminal is for this one alone.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
