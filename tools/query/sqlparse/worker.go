package sqlparse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// worker is one child process. At any time it belongs to the pool's starter, to the idle channel, or to one Parse.
type worker struct {
	cmd    *exec.Cmd
	in     *os.File // statements to the child
	out    *os.File // answers from it
	exited chan struct{}
}

// start runs argv with nothing but two pipes: no environment, no credentials, no directory of the caller. The child is
// killed when ctx ends.
func start(ctx context.Context, argv []string) (*worker, error) {
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		childIn.Close()
		in.Close()
		return nil, err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout = childIn, childOut // stderr is discarded: a crash report could hold the statement
	bind(cmd)
	err = cmd.Start()
	childIn.Close()
	childOut.Close()
	if err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	return &worker{cmd: cmd, in: in, out: out, exited: make(chan struct{})}, nil
}

// wait waits for the child's end; called once, by the goroutine that owns it.
func (w *worker) wait() {
	_ = w.cmd.Wait() // how it ended does not matter: it is gone
	w.in.Close()
	w.out.Close()
	close(w.exited)
}

func (w *worker) kill() { _ = w.cmd.Process.Kill() }

// ready waits for the child's first, empty frame.
func (w *worker) ready(within time.Duration) error {
	if err := w.out.SetReadDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	_, err := readFrame(w.out, 0)
	return err
}

// ask sends one statement and reads the answer. After an error the child is of no more use. limit is for a child that may
// run: while the machine is so busy that it got less than half of that as processor time, it has up to four times as long.
func (w *worker) ask(ctx context.Context, sql string, limit time.Duration) (a answer, size int, err error) {
	pipes := &patientPipes{worker: w, ctx: ctx, limit: limit, begun: time.Now()}
	pipes.used, pipes.measured = cpuTime(w.cmd.Process.Pid)
	w.deadline(pipes.begun.Add(limit))
	stop := context.AfterFunc(ctx, func() { w.deadline(time.Unix(1, 0)) })
	body, err := pipes.exchange(sql)
	if !stop() {
		return answer{}, 0, ctx.Err()
	}
	if err != nil {
		return answer{}, 0, err
	}
	a, err = decode(body, sql)
	return a, len(body), err
}

func (w *worker) deadline(t time.Time) {
	_ = w.in.SetDeadline(t) // fails only on a pipe that is closed, and then so does the use of it
	_ = w.out.SetDeadline(t)
}

// patientPipes are the pipes of a worker during one ask.
type patientPipes struct {
	*worker
	ctx      context.Context // of the one ask
	limit    time.Duration
	begun    time.Time
	used     time.Duration // processor time of the child at the beginning
	measured bool
}

func (p *patientPipes) exchange(sql string) ([]byte, error) {
	if err := writeFrame(p, []byte(sql)); err != nil {
		return nil, fmt.Errorf("send the statement: %w", err)
	}
	body, err := readFrame(p, maxAnswer)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return body, nil
}

func (p *patientPipes) Read(b []byte) (int, error) {
	for {
		n, err := p.out.Read(b)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !p.longer() {
			return n, err
		}
	}
}

func (p *patientPipes) Write(b []byte) (n int, err error) {
	for {
		m, err := p.in.Write(b[n:])
		n += m
		if !errors.Is(err, os.ErrDeadlineExceeded) || !p.longer() {
			return n, err
		}
	}
}

// longer sets a new deadline for a child that was hardly given the processor.
func (p *patientPipes) longer() bool {
	used, ok := cpuTime(p.cmd.Process.Pid)
	if !ok || !p.measured || used-p.used > p.limit/2 || time.Since(p.begun) > 3*p.limit {
		return false
	}
	p.deadline(time.Now().Add(p.limit))
	return p.ctx.Err() == nil // checked last: the end of ctx sets a deadline too
}
