package sqlparse

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	stackBytes  = 8 << 20 // the parser recurses; this carries about 20,000 levels
	memoryBytes = 1 << 30 // private writable memory of a child
	spaceBytes  = 8 << 30 // its address space; the Go runtime reserves much more than it uses
	openFiles   = 32      // the parser opens a pipe for each statement
	confinedEnv = "SALLYPORT_PARSER_STACK=set"
)

// confine gives up what a parser does not need: core dumps (they would hold statements), writing files, gaining
// privileges, unlimited memory. The stack of a process is sized when it starts, so it then runs itself once more.
func confine() error {
	stack := uint64(stackBytes)
	var had unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_STACK, &had); err != nil {
		return fmt.Errorf("read the stack limit: %w", err)
	}
	stack = min(stack, had.Max)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up privileges: %w", err)
	}
	for _, l := range []struct {
		what  int
		value uint64
	}{
		{unix.RLIMIT_STACK, stack}, {unix.RLIMIT_CORE, 0}, {unix.RLIMIT_FSIZE, 0}, {unix.RLIMIT_NOFILE, openFiles},
		{unix.RLIMIT_DATA, memoryBytes}, {unix.RLIMIT_AS, spaceBytes},
	} {
		if err := limit(l.what, l.value); err != nil {
			return err
		}
	}
	if had.Cur == stack || len(os.Environ()) > 0 && os.Environ()[0] == confinedEnv {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return fmt.Errorf("run with a sized stack: %w", unix.Exec(self, os.Args, []string{confinedEnv}))
}

// limit lowers a limit, soft and hard; one that is lower already stays.
func limit(what int, value uint64) error {
	var l unix.Rlimit
	if err := unix.Getrlimit(what, &l); err != nil {
		return fmt.Errorf("read limit %d: %w", what, err)
	}
	l.Max = min(l.Max, value)
	l.Cur = l.Max
	if err := unix.Setrlimit(what, &l); err != nil {
		return fmt.Errorf("set limit %d: %w", what, err)
	}
	return nil
}

// renewCPU gives the next statement two seconds of processor time. It is the limit that holds when the parent is gone.
func renewCPU() error {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return fmt.Errorf("read the processor time: %w", err)
	}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CPU, &l); err != nil {
		return fmt.Errorf("read the processor limit: %w", err)
	}
	l.Cur = min(l.Max, uint64(used.Utime.Sec+used.Stime.Sec)+2+1)
	if err := unix.Setrlimit(unix.RLIMIT_CPU, &l); err != nil {
		return fmt.Errorf("set the processor limit: %w", err)
	}
	return nil
}

// bind ties a child to this process: it is killed when the thread that starts it ends, and it is in its own process group,
// so that an interrupt from the keyboard does not end it before the calls that still need it.
func bind(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// cpuTime is the processor time a running child has used.
func cpuTime(pid int) (time.Duration, bool) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|2, &ts); err != nil { // clock_getcpuclockid(3)
		return 0, false
	}
	return time.Duration(ts.Nano()), true
}
