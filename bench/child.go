package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is one server in a process of its own, so that its processor time and memory are its own as well.
type child struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.Closer // open as long as this process lives
	stdout io.Reader
	log    string        // path of its standard error
	ended  chan struct{} // closed when it has ended
}

func startChild(log string, env []string, program string, args ...string) (*child, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := &child{name: filepath.Base(program), cmd: exec.Command(program, args...), log: log, ended: make(chan struct{})}
	c.cmd.Stderr, c.cmd.Env = f, append(os.Environ(), env...)
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	// A pipe of our own: that of the command would be closed by Wait, which runs from the start.
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	c.stdout, c.cmd.Stdout = read, write
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go func() {
		defer close(c.ended)
		_ = c.cmd.Wait()
	}()
	return c, nil
}

// stop asks the process to end, and ends it when it does not.
func (c *child) stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.stdin.Close()
	select {
	case <-c.ended:
		return nil
	case <-time.After(25 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.ended
		return fmt.Errorf("%s did not stop and was killed: %s", c.name, c.lastWords())
	}
}

func (c *child) firstLine() (string, error) {
	line, err := bufio.NewReader(c.stdout).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", c.name, err, c.lastWords())
	}
	return strings.TrimSpace(line), nil
}

// lastWords is the end of what the process wrote to standard error.
func (c *child) lastWords() string {
	b, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	b = bytes.TrimSpace(b)
	return string(b[max(0, len(b)-600):])
}

// tick is the unit of the times in /proc/PID/stat: USER_HZ is 100 wherever Go runs.
const tick = 10 * time.Millisecond

// cpu is the processor time the process has used; 0 where /proc does not say it.
func (c *child) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // from the state on; utime and stime are fields 14 and 15 of proc(5)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick
}

// memory is a line of /proc/PID/status in bytes: VmRSS (now) or VmHWM (the most since resetPeak); -1 where there is none.
func (c *child) memory(line string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return -1
	}
	for l := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(l, line+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return -1
}

// resetPeak makes VmHWM count from now on.
func (c *child) resetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", c.cmd.Process.Pid), []byte("5"), 0)
}

// ownCPU is the processor time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
