//go:build unix && !linux

package pgserver

import "syscall"

// dieWithParent is not possible here: after a crash of the parent the server stays until it is stopped by hand.
func dieWithParent(*syscall.SysProcAttr) {}
