//go:build !linux

package sshserver

import "syscall"

// dieWithParent: only Linux can tie a child's life to its parent's; elsewhere Close is what ends the server.
func dieWithParent(*syscall.SysProcAttr) {}

func children(int) []int { return nil }
