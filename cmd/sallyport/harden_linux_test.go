package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// The limit of core files holds for the whole life of a gateway, so it is looked at in one of its own.
func TestAGatewayLeavesNoCoreFile(t *testing.T) {
	w := newWorld(t, "200ms")
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", w.child().Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && (f[4] != "0" || f[5] != "0") {
			t.Error(line)
		}
	}
}

func TestHardenedIsNotDumpable(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	dumpable := func() uintptr {
		v, _, errno := syscall.Syscall(syscall.SYS_PRCTL, syscall.PR_GET_DUMPABLE, 0, 0)
		if errno != 0 {
			t.Fatal(errno)
		}
		return v
	}
	before := dumpable()
	defer syscall.Setrlimit(syscall.RLIMIT_CORE, &limit)
	defer syscall.Syscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, before, 0)
	if err := harden(); err != nil {
		t.Fatal(err)
	}
	if dumpable() != 0 {
		t.Error("it can be dumped")
	}
}
