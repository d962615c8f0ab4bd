package exec

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	be "encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/tools"
)

// JIT has the gateway issue a certificate for each call, over a key that is made for it and forgotten with it, instead of logging in with a
// key of its own. The host itself then holds the call to what was decided (PROTOCOL.certkeys of OpenSSH): it runs the command that stands
// in the certificate, whatever is asked for, without a terminal and without forwarding, for connections from the gateway's address.
type JIT struct {
	// CA returns the private key of the authority in PEM and, when it is encrypted, its passphrase. It is called for each certificate. What
	// it returns is overwritten after use.
	CA func(ctx context.Context) (key, passphrase []byte, err error)
	// Principal is who the certificate is for; "" is the login name, which a host without AuthorizedPrincipalsFile wants.
	Principal string
	// Source are the addresses from which the host accepts the certificate. Empty: the one from which the gateway connects. Required behind a
	// jump host, whose address the gateway does not know.
	Source []netip.Prefix
	// Record is told of each certificate before it is used.
	Record tools.RecordCredential
}

const (
	certificateLife = time.Minute // within which the login has to begin
	clockSkew       = time.Minute // by which the host's clock may be behind
	maxKeyIDPart    = 96          // bytes of a name before escaping: sshd cuts lines of its log at 1,024
)

// forced is what a certificate is made for.
type forced struct {
	command string // all that can be run with it
	ob      tools.Obligations
	why     string // in the record; "" for the call itself
}

// issue makes a certificate for one connection over wire.
func (h *host) issue(ctx context.Context, wire net.Conn, f forced) (ssh.Signer, error) {
	ca, err := h.authority(ctx)
	if err != nil {
		return nil, unreachable(problemCA, err)
	}
	source := h.JIT.Source
	if len(source) == 0 {
		if source, err = ownAddress(wire); err != nil {
			return nil, unreachable(problemNetwork, err)
		}
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	subject, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	var serial [8]byte
	rand.Read(serial[:])
	now := h.now()
	cert := &ssh.Certificate{
		Key: subject, CertType: ssh.UserCert, Serial: be.BigEndian.Uint64(serial[:]), KeyId: keyID(f.ob),
		ValidPrincipals: []string{cmp.Or(h.JIT.Principal, h.User)},
		ValidAfter:      uint64(now.Add(-clockSkew).Unix()), ValidBefore: uint64(now.Add(certificateLife).Unix()),
		// No extensions: no terminal, no forwarding of any kind, no rc file of the account.
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{"force-command": f.command, "source-address": list(source)}},
	}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		return nil, unreachable(problemCA, err)
	}
	detail := fmt.Sprintf("key id %s, principal %s, source %s", cert.KeyId, cert.ValidPrincipals[0], list(source))
	if f.why != "" {
		detail = f.why + ", " + detail
	}
	err = h.JIT.Record(ctx, tools.Credential{
		Session: f.ob.Session, Call: f.ob.CallID, Tool: "exec", Target: h.Name, Mode: "jit", Event: "issued",
		ID: fmt.Sprintf("ssh certificate %d", cert.Serial), Until: now.Add(certificateLife), Detail: detail,
	})
	if err != nil {
		return nil, unreachable(problemRecord, err)
	}
	return ssh.NewCertSigner(cert, key)
}

func (h *host) authority(ctx context.Context) (ssh.Signer, error) {
	pem, pass, err := h.JIT.CA(ctx)
	defer clear(pem)
	defer clear(pass)
	if err != nil {
		return nil, err
	}
	if len(pass) > 0 {
		return ssh.ParsePrivateKeyWithPassphrase(pem, pass)
	}
	return ssh.ParsePrivateKey(pem)
}

// ownAddress is the address from which wire comes, as the host sees it when nothing translates addresses in between.
func ownAddress(wire net.Conn) ([]netip.Prefix, error) {
	at, err := netip.ParseAddrPort(wire.LocalAddr().String())
	if err != nil {
		return nil, fmt.Errorf("the gateway's own address: %w", err)
	}
	a := at.Addr().Unmap().WithZone("")
	return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}, nil
}

func list(of []netip.Prefix) string {
	var text []string
	for _, p := range of {
		text = append(text, p.String())
	}
	return strings.Join(text, ",")
}

// KeyID is what a certificate says about the call it is for. sshd writes it into its log at each login.
type KeyID struct {
	Session, Call, Approval string // ids in the audit log; Approval is "" when nobody was asked
	Human, Agent            string // cut at 96 bytes
}

const keyIDPrefix = "sallyport:"

// keyID is one word, so that a line of sshd's log can be taken apart: names are escaped as in a URL's query.
func keyID(ob tools.Obligations) string {
	var b strings.Builder
	b.WriteString(keyIDPrefix)
	for i, part := range [][2]string{
		{"session", ob.Session}, {"call", ob.CallID}, {"approval", ob.Approval}, {"human", ob.Caller}, {"agent", ob.Agent},
	} {
		if i > 0 {
			b.WriteByte('&')
		}
		value := part[1]
		if len(value) > maxKeyIDPart {
			value = strings.ToValidUTF8(value[:maxKeyIDPart], "")
		}
		b.WriteString(part[0] + "=" + url.QueryEscape(value))
	}
	return b.String()
}

// ParseKeyID reads what sshd's log has after "ID". ok is false for certificates that are not the gateway's. The log proves nothing about who
// wrote the id: whoever has the authority's key can write any.
func ParseKeyID(text string) (id KeyID, ok bool) {
	text, ok = strings.CutPrefix(text, keyIDPrefix)
	if !ok {
		return id, false
	}
	v, err := url.ParseQuery(text)
	if err != nil || v.Get("call") == "" {
		return id, false
	}
	return KeyID{Session: v.Get("session"), Call: v.Get("call"), Approval: v.Get("approval"), Human: v.Get("human"), Agent: v.Get("agent")}, true
}

// check reports what of a target in this mode is wrong by itself.
func (j *JIT) check(t *Target) error {
	switch {
	case j.CA == nil || j.Record == nil:
		return errors.New("needs the authority's key, and somewhere to record certificates")
	case t.Key != nil || t.AgentSocket != "" || t.Certificate != "":
		return errors.New("there is a key, a certificate or an agent as well; a certificate is issued for each call, so remove it")
	case t.Jump != nil && len(j.Source) == 0:
		return errors.New("behind a jump host the host sees the jump host's address; write it as source_address")
	case strings.ContainsAny(j.Principal, ", \t\r\n"):
		return fmt.Errorf("principal %q is not one word", j.Principal)
	}
	return nil
}
