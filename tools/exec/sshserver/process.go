package sshserver

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a running child. The goroutine that started it waits for it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; valid after done
}

// supervise starts cmd in a process group of its own and waits for it in a goroutine that keeps its thread: the kernel
// ties "die with the parent" to the thread that forked, and the Go runtime may end threads.
func supervise(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C meant for us is not for the server
	dieWithParent(cmd.SysProcAttr)
	cmd.WaitDelay = time.Second // a session that outlives its server keeps the log's pipe open
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	return p, <-started
}

// stop ends the server and the processes that serve its connections. It returns when the server is gone.
func (p *process) stop() error {
	for _, pid := range children(p.cmd.Process.Pid) {
		syscall.Kill(pid, syscall.SIGTERM) // each connection's process has a session of its own
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(-p.cmd.Process.Pid, sig); errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
			break
		}
		select {
		case <-p.done:
			return nil
		case <-time.After(5 * time.Second):
		}
	}
	<-p.done
	return nil
}
