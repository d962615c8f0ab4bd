package configs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	maxSecret   = 64 << 10         // bytes; a chain of certificates and a key fit
	execTimeout = 10 * time.Second // for a program to print a secret
)

// Resolve reads the secret now. One line break at its end is removed. Each call reads again, so a rotated secret is found; nothing is cached. The zero
// Secret resolves to the zero Value.
//
// A program started for exec: gets the gateway's environment and no input; when Resolve returns it has ended, at the latest after ten seconds
// or when ctx ends, with everything in its process group. Errors name the reference and never hold the value or what a
// program printed. What is in Vault is not read here: see [Secret.Vault]. Safe for concurrent use.
func (s Secret) Resolve(ctx context.Context) (Value, error) {
	if s.IsZero() {
		return Value{}, nil
	}
	raw, err := s.read(ctx)
	if err != nil {
		return Value{}, fmt.Errorf("%s: %w", s.Reference(), err)
	}
	v := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	clear(raw)
	return s.Hold(v)
}

// Hold makes a Value of what was read for s elsewhere. Its errors are those of Resolve.
func (s Secret) Hold(v string) (Value, error) {
	switch {
	case v == "":
		return Value{}, fmt.Errorf("%s: the secret is empty", s.Reference())
	case strings.ContainsRune(v, 0):
		return Value{}, fmt.Errorf("%s: the secret holds a zero byte; secrets are text", s.Reference())
	}
	return Value{&v}, nil
}

func (s Secret) read(ctx context.Context) ([]byte, error) {
	switch s.kind {
	case "env":
		v, ok := os.LookupEnv(s.arg)
		if !ok {
			return nil, errors.New("the variable is not set for the gateway")
		}
		return []byte(v), nil
	case "file":
		return readSecretFile(s.arg)
	case "vault":
		return nil, errors.New("secrets of Vault cannot be used here")
	default:
		return s.run(ctx)
	}
}

// readSecretFile refuses what is not a plain file before opening it, because opening a pipe can wait for ever.
func readSecretFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, withoutPath(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("this is not a plain file")
	case info.Mode().Perm()&0o002 != 0:
		return nil, errors.New("everybody may write this file, so anybody may have; run chmod o-w on it")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return nil, withoutPath(err)
	case len(raw) > maxSecret:
		return nil, fmt.Errorf("the file is larger than %s", Size(maxSecret))
	}
	return raw, nil
}

// withoutPath is the reason alone: the reference already names the path.
func withoutPath(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

func (s Secret) run(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, execTimeout)
	defer cancel()
	out := bounded{left: maxSecret, full: cancel}
	cmd := exec.CommandContext(ctx, s.argv[0], s.argv[1:]...)
	cmd.Stdout = &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The group, because a wrapper script's child would live on with the pipe in its hand.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what the program left behind
	}
	var exit *exec.ExitError
	switch {
	case out.over:
		return nil, fmt.Errorf("the program printed more than %s", Size(maxSecret))
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("the program did not end within %s", execTimeout)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &exit):
		return nil, fmt.Errorf("the program failed (%s); run it by hand as the gateway's user to see why", exit.ProcessState)
	case err != nil:
		return nil, withoutPath(err)
	}
	return out.buf.Bytes(), nil
}

// bounded keeps the first bytes and stops the writer when there are more. It has one writer at a time. The buffer is not
// embedded: its ReadFrom would go around the bound.
type bounded struct {
	buf  bytes.Buffer
	left int
	full func()
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.left {
		b.over = true
		b.full()
		return 0, errors.New("too much output")
	}
	b.left -= len(p)
	return b.buf.Write(p)
}
