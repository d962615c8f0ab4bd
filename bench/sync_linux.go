package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync makes what was written to f durable, at the least price the system has.
func datasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
