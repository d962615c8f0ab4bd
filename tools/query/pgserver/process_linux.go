package pgserver

import "syscall"

// dieWithParent has the kernel stop the server, at once and with its children, when the thread that started it ends.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
