package main

import (
	"fmt"
	"syscall"
)

// harden keeps what the gateway holds in memory out of core files, and away from other processes of the same user (ptrace, /proc/PID/mem).
// The programs it starts are their own: each becomes dumpable again when it is executed.
func harden() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("no core files: %w", err)
	}
	if _, _, errno := syscall.Syscall6(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("not dumpable: %w", errno)
	}
	return nil
}
