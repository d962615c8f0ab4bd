package exec

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/tools"
	"sallyport/tools/exec/shparse"
)

// killWait is how long a command may take to be gone after it was told to: the watchdog on the host needs 0.3 s.
const killWait = 3 * time.Second

// maxScript bounds what the login shell gets as one argument: Linux takes 128 KiB.
const maxScript = 120 << 10

// command is what start runs.
type command struct {
	ob      tools.Obligations
	words   []shparse.Item
	cwd     string
	stdin   *string
	changes bool
	time    time.Duration
	bytes   int
}

// environment is the prefix that gives a program the environment it starts in: nothing of the login's but its home.
func environment(path string) string {
	return "env -i PATH=" + shparse.Quote(path) + ` LC_ALL=C.UTF-8 HOME="$HOME" `
}

// script is what the login shell gets. Three things stand around the command:
//
//   - A watchdog in the command's process group reads the channel's input. When that ends (the call is over, the gateway
//     died) or a line comes (the call was cancelled), it ends the group: TERM, 0.3 s later KILL. For a connection that
//     vanished without a word it has a time limit of its own, and a second one beside it where the shell's read has none.
//     (Not timeout(1): in a pipeline it makes a process group of its own, which the watchdog would not reach.)
//   - exec makes the command the process that sshd waits for, so that its exit status and signal are its own.
//   - Input for the command is read to its end, checked for completeness, and only then is the command started.
//
// mark is what must follow the input on the channel.
func (h *host) script(c command, timed bool) (text, mark string) {
	var b strings.Builder
	seconds := strconv.Itoa(int((c.time + 5*time.Second) / time.Second))
	if c.stdin != nil {
		mark = rand.Text()
		fmt.Fprintf(&b, "in=$(%shead -c %d); case $in in *%s) ;; *) exit 125 ;; esac; ", environment(h.Path), len(*c.stdin)+len(mark), mark)
		if h.JIT != nil { // the certificate binds the input as well
			fmt.Fprintf(&b, `case $(printf %%s "${in%%%s}" | %ssha256sum) in %x*) ;; *) exit 125 ;; esac; `, mark, environment(h.Path), sha256.Sum256([]byte(*c.stdin)))
		}
	}
	wait := "read -r _"
	if timed {
		wait = "read -r -t " + seconds + " _"
	} else {
		b.WriteString("{ trap '' TERM; sleep " + seconds + endGroup + " >/dev/null 2>&1 </dev/null & ")
	}
	b.WriteString("exec 3<&0; { trap '' TERM; " + wait + "; exec </dev/null" + endGroup + " >/dev/null 2>&1 <&3 3<&- & ")
	dir := c.cwd
	if dir == "" {
		dir = h.Cwd
	}
	if dir != "" {
		b.WriteString("cd -- " + shparse.Quote(dir) + " || exit 126; ")
	}
	run := environment(h.Path)
	if len(c.words) == 1 && len(c.words[0].Redirects) == 0 && !hasGlob(c.words[0]) {
		run += shparse.Render(c.words)
	} else {
		run += "/bin/sh -c " + shparse.Quote(shparse.Render(c.words)) // the same clean environment for each of them
	}
	if c.stdin != nil {
		b.WriteString(`printf %s "${in%` + mark + `}" | ` + run + " 3<&-")
	} else {
		b.WriteString("exec " + run + " </dev/null 3<&-")
	}
	return b.String(), mark
}

// endGroup ends a watchdog: it and everything in its process group.
const endGroup = "; kill -s TERM 0; sleep .3; kill -s KILL 0; }"

func hasGlob(item shparse.Item) bool {
	for _, w := range item.Words {
		if w.Glob {
			return true
		}
	}
	return false
}

// running is a started command: a tools.Result. Its goroutines end before Close returns.
type running struct {
	command
	host    *host
	conn    *conn
	channel ssh.Channel
	began   time.Time
	now     func() time.Time

	readers sync.WaitGroup
	exited  chan struct{} // closed when the channel is: the process group let go of both streams
	full    chan struct{} // closed when a stream reached the byte limit
	onFull  sync.Once
	onClose sync.Once

	out, err output    // owned by their reader until readers are done
	status   *int      // written before exited is closed
	signal   string    // the same
	tape     *timeline // of both streams
}

// stopReason is why a command was stopped before its end: bytes, time or cancel.
type stopReason string

// start sends the command. As long as nothing was sent, another connection may take it: when one turns out dead, or the
// host takes no more sessions on it. (sshd counts a session for a moment after its end.)
func (h *host) start(ctx context.Context, c command, now func() time.Time) (*running, error) {
	if script, _ := h.script(c, false); len(script) > maxScript {
		return nil, &tools.ArgError{Field: "argv", Problem: "is too long once it is quoted", Fix: "send less, or with fewer quotes"}
	}
	// x/crypto/ssh waits for the host's answers without a way to stop: a host that never answers is hung up on.
	starting, cancel := context.WithTimeout(ctx, c.time)
	defer cancel()
	for attempt := 0; ; attempt++ {
		conn, request, mark, err := h.ready(ctx, c)
		if err != nil {
			return nil, h.failed(err)
		}
		answered := hangUp(starting, conn)
		channel, requests, err := conn.client.OpenChannel("session", nil)
		if err != nil {
			answered()
			var refused *ssh.OpenChannelError
			if errors.As(err, &refused) && !conn.own {
				h.refused(conn)
			} else {
				h.release(conn, true)
			}
			if !conn.own && attempt < 4 && starting.Err() == nil {
				time.Sleep(time.Duration(attempt) * 10 * time.Millisecond)
				continue
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, h.failed(unreachable(problemLost, err))
		}
		r := &running{command: c, host: h, conn: conn, channel: channel, now: now, began: now(),
			exited: make(chan struct{}), full: make(chan struct{})}
		r.tape = newTimeline(r.began)
		r.listen(requests)
		ok, err := channel.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{request}))
		answered()
		if err != nil || !ok {
			r.Close()
			if err != nil && c.changes {
				return nil, &tools.OutcomeUnknownError{Check: "look on the host whether the command ran", Err: err}
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, h.failed(unreachable(problemLost, errors.Join(err, errors.New("the exec request was not accepted"))))
		}
		if c.stdin != nil {
			// When writing fails the channel is gone, which the readers see.
			r.readers.Go(func() { io.WriteString(channel, *c.stdin+mark) })
		}
		return r, nil
	}
}

// ready returns a connection with room for c, what to ask for on it, and what must follow the input.
func (h *host) ready(ctx context.Context, c command) (conn *conn, request, mark string, err error) {
	if h.JIT != nil {
		return h.readyOnce(ctx, c)
	}
	if conn, err = h.acquire(ctx); err != nil {
		return nil, "", "", err
	}
	request, mark = h.script(c, conn.timed)
	return conn, request, mark, nil
}

// failed logs what the agent is not told, for the operator.
func (h *host) failed(err error) error {
	var down *tools.UnreachableError
	if errors.As(err, &down) {
		h.log.Warn("target unreachable", "target", h.Name, "problem", down.Problem, "err", down.Err)
	}
	return err
}

// hangUp closes the connection when ctx ended and the host has still not answered some time later. Not at once: others may have
// commands on it, and a caller who gives up is not to end theirs. answered calls it off.
func hangUp(ctx context.Context, c *conn) (answered func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { // ends with done, at the latest after killWait
		select {
		case <-done:
		case <-time.After(killWait):
			c.close()
		}
	})
	return func() {
		stop()
		close(done)
	}
}

// listen reads both streams and the requests that tell how the command ended.
func (r *running) listen(requests <-chan *ssh.Request) {
	r.err.limit = r.bytes / 4 // errors are short; together they stay within the limit
	r.out.limit = r.bytes - r.err.limit
	r.readers.Go(func() { r.read(r.channel, &r.out, "o") })
	r.readers.Go(func() { r.read(r.channel.Stderr(), &r.err, "e") })
	r.readers.Go(func() {
		defer close(r.exited)
		for req := range requests {
			switch req.Type {
			case "exit-status":
				var m struct{ Status uint32 }
				if ssh.Unmarshal(req.Payload, &m) == nil {
					code := int(m.Status)
					r.status = &code
				}
			case "exit-signal":
				var m struct {
					Signal     string
					CoreDumped bool
					Error      string
					Lang       string
				}
				if ssh.Unmarshal(req.Payload, &m) == nil {
					r.signal = endedBy(m.Signal)
				}
			}
			if req.WantReply {
				req.Reply(false, nil)
			}
		}
	})
}

// endedBy is the name of a signal as RFC 4254 §6.10 has them; anything else a host sends is text of its own.
func endedBy(s string) string {
	if s == "" || len(s) > 16 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return "unknown"
	}
	return s
}

func (r *running) read(from io.Reader, to *output, name string) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			r.tape.add(r.now(), name, n)
			if to.take(buf[:n]) {
				r.onFull.Do(func() { close(r.full) })
			}
		}
		if err != nil {
			return
		}
	}
}

// stop ends the command's process group and waits until the host has let go of it. It reports whether that was seen.
func (r *running) stop() bool {
	// Both at once: the line (or end of input) is for the watchdog; the signal is for a group whose watchdog is not up yet,
	// and sshd refuses it for root and for forced commands.
	r.readers.Go(func() { // not waited for here: a host that takes nothing would hold it up
		io.WriteString(r.channel, "\n")
		r.channel.CloseWrite()
	})
	select {
	case <-r.exited:
		return true
	case <-time.After(killWait / 2):
	}
	r.channel.SendRequest("signal", false, ssh.Marshal(struct{ Name string }{"KILL"}))
	select {
	case <-r.exited:
		return true
	case <-time.After(killWait / 2):
		return false
	}
}

// Close ends the command if it still runs, and gives the connection back.
func (r *running) Close() {
	r.onClose.Do(func() {
		broken := false
		select {
		case <-r.exited:
		default:
			broken = !r.stop()
		}
		r.channel.Close()
		r.host.release(r.conn, broken)
		ended := make(chan struct{})
		go func() { r.readers.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(killWait): // the host does not even close a channel: whatever else runs there ends with the connection
			r.conn.close()
			<-ended
		}
	})
}

// await waits for the end of the command and returns why it was stopped, "" when it ended by itself.
func (r *running) await(ctx context.Context) (stopReason, error) {
	timer := time.NewTimer(r.time - r.now().Sub(r.began))
	defer timer.Stop()
	full := r.full
	for {
		select {
		case <-r.exited:
			return "", nil
		case <-full:
			if r.changes {
				full = nil // a change is not cut off half-way because it talks a lot; the rest of its output is dropped
				continue
			}
			return r.end("bytes")
		case <-timer.C:
			return r.end("time")
		case <-ctx.Done():
			why, err := r.end("cancel")
			if err == nil {
				err = ctx.Err()
			}
			if r.changes {
				err = &tools.OutcomeUnknownError{Check: "the command was stopped; look on the host how far it came", Err: err}
			}
			return why, err
		}
	}
}

func (r *running) end(why stopReason) (stopReason, error) {
	if !r.stop() {
		return why, &tools.OutcomeUnknownError{Check: "the command could not be stopped within the bound; look on the host whether it still runs",
			Err: errors.New("no end of the command was seen")}
	}
	return why, nil
}
