package exec

import (
	"context"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/tools"
)

const (
	// maxLogins bounds the logins under way to one host: sshd drops connections that have not logged in from the eleventh on (MaxStartups).
	maxLogins = 4
	// retest is how long the answer of a login shell's test holds. With a shared connection it holds as long as the connection.
	retest = 10 * time.Minute
	// askedFor is what is asked for beside the call's id. A host that ran it instead of the certificate's command would find no such program.
	askedFor = "sallyport-call"
)

// tested is what is known of the login shell.
type tested struct {
	at    time.Time
	timed bool // its read knows -t
}

// readyOnce logs in for one call, with a certificate for exactly that.
func (h *host) readyOnce(ctx context.Context, c command) (_ *conn, request, mark string, err error) {
	timed, err := h.shell(ctx, c.ob)
	if err != nil {
		return nil, "", "", err
	}
	script, mark := h.script(c, timed)
	own, err := h.once(ctx, forced{command: script, ob: c.ob})
	if err != nil {
		return nil, "", "", err
	}
	return own, askedFor + " " + c.ob.CallID, mark, h.add(own)
}

// once logs in with a certificate for f. The connection is the caller's.
func (h *host) once(ctx context.Context, f forced) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	select {
	case h.logins <- struct{}{}:
		defer func() { <-h.logins }()
	case <-ctx.Done():
		return nil, unreachable(problemNetwork, ctx.Err())
	}
	c, err := h.login(ctx, func(ctx context.Context, wire net.Conn) ([]ssh.Signer, func(), error) {
		signer, err := h.issue(ctx, wire, f)
		return []ssh.Signer{signer}, func() {}, err
	})
	if err != nil {
		return nil, err
	}
	c.own, c.most = true, 1
	return c, nil
}

// shell tests the login shell, now or not long ago: with a certificate for the test, which also shows that the host runs what the certificate
// says. One caller tests; those that waited for it use what it found.
func (h *host) shell(ctx context.Context, ob tools.Obligations) (timed bool, err error) {
	select {
	case h.dialing <- struct{}{}:
		defer func() { <-h.dialing }()
	case <-ctx.Done():
		return false, unreachable(problemNetwork, ctx.Err())
	}
	h.mu.Lock()
	have := h.tested
	h.mu.Unlock()
	if !have.at.IsZero() && time.Since(have.at) < retest {
		return have.timed, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := h.once(ctx, forced{command: selfTestLine(), ob: ob, why: "for the test of the login shell"})
	if err != nil {
		return false, err
	}
	defer c.close()
	stop := context.AfterFunc(ctx, func() { c.client.Close() })
	defer stop()
	if timed, err = selfTest(c.client, askedFor+" "+ob.CallID); err != nil {
		return false, unreachable(problemForced, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tested = tested{at: time.Now(), timed: timed}
	return timed, nil
}
