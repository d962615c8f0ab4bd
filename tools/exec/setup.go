package exec

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Where the operator puts what a host has to know, in the text of HostSetup.
const (
	caFile         = "/etc/ssh/sallyport_ca.pub"
	principalsFile = "/etc/ssh/sallyport_principals"
)

// HostSetup is a shell script that has a host accept the gateway's certificates for one account, for nothing else and for no other account.
// authority is the public key of the authority, as an authorized_keys line. principal is "" or the login name where the configuration names
// none.
func HostSetup(authority, user, principal string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "cat > %s <<'EOF'\n%s\nEOF\n", caFile, strings.TrimSpace(authority))
	other := cmp.Or(principal, user) != user
	if other {
		fmt.Fprintf(&b, "cat > %s <<'EOF'\n%s\nEOF\n", principalsFile, principal)
	}
	fmt.Fprintf(&b, "cat > /etc/ssh/sshd_config.d/50-sallyport.conf <<'EOF'\n%sEOF\nsshd -t && systemctl reload ssh\n", matchBlock(caFile, user, other, principalsFile))
	return b.String()
}

// matchBlock is for sshd_config. Its last line keeps what may follow out of the block.
func matchBlock(authority, user string, other bool, principals string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Match User %s\n    TrustedUserCAKeys %s\n", user, authority)
	if other {
		fmt.Fprintf(&b, "    AuthorizedPrincipalsFile %s\n", principals)
	}
	b.WriteString("    AuthorizedKeysFile none\n    AuthenticationMethods publickey\n    DisableForwarding yes\n    PermitTTY no\n    PermitUserRC no\n" +
		"    ClientAliveInterval 15\n    ClientAliveCountMax 2\nMatch all\n")
	return b.String()
}

// Setup is HostSetup for a target whose certificates the gateway issues; it reads the authority's key. "" for every other target.
func (t *Target) Setup(ctx context.Context) (string, error) {
	if t.JIT == nil {
		return "", nil
	}
	one := &host{Target: *t}
	ca, err := one.authority(ctx)
	if err != nil {
		return "", err
	}
	return HostSetup(string(ssh.MarshalAuthorizedKey(ca.PublicKey())), t.User, t.JIT.Principal), nil
}
