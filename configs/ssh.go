package configs

import "net/netip"

// SSH is a host on which commands are run, and the key with which it is entered.
type SSH struct {
	Hop `yaml:",inline"`

	// Agent is the path of the socket of an SSH agent that holds the key, instead of key.
	Agent string `yaml:"agent" check:"path"`
	// CA is the private key of the authority (OpenSSH or PEM) with which the gateway signs a certificate for each call. Only with mode: jit,
	// and instead of key.
	CA Secret `yaml:"ca"`
	// Principal is who the certificates are for. Absent: user, as a host without AuthorizedPrincipalsFile wants it. Only with mode: jit.
	Principal string `yaml:"principal"`
	// SourceAddress are the networks or addresses from which the host accepts the certificates. Absent: the address from which the gateway
	// connects; to be written when addresses are translated on the way, and with jump. Only with mode: jit.
	SourceAddress []netip.Prefix `yaml:"source_address"`
	// Path is the search path of commands, directories joined by ":". Absent: the usual ones, /usr/local/sbin to /bin.
	Path string `yaml:"path"`
	// Cwd is where commands start when a call names no directory: an absolute path on the host. Absent: the home of user.
	Cwd string `yaml:"cwd"`
	// MaxSessions bounds the commands that run at once over one connection. Not above the MaxSessions of the host's sshd.
	MaxSessions int `yaml:"max_sessions" default:"8" min:"1" max:"100"`
	// Jump is a host through which the connection goes. It is checked like the target itself, and nothing is run on it.
	Jump *Hop `yaml:"jump"`
}

// Hop is one SSH server and the login for it. It has exactly one of host_key and known_hosts: a host is never trusted because
// it answered first.
type Hop struct {
	// Address is host:port. The port may be left out (22).
	Address string `yaml:"address" check:"required"`
	// User is the login name. root is accepted with a warning.
	User string `yaml:"user" check:"required"`
	// Key is the private key (OpenSSH or PEM).
	Key Secret `yaml:"key"`
	// Passphrase of the private key, with mode: jit of the authority's.
	Passphrase Secret `yaml:"passphrase"`
	// Certificate is the path of the OpenSSH certificate that belongs to the key (id_ed25519-cert.pub).
	Certificate string `yaml:"certificate" check:"path"`
	// HostKey is the public key of the server, as in its ssh_host_*_key.pub: "ssh-ed25519 AAAA...".
	HostKey string `yaml:"host_key"`
	// KnownHosts is the path of a known_hosts file; hashed names and @cert-authority lines are understood.
	KnownHosts string `yaml:"known_hosts" check:"path"`
}

// Host of the address, without brackets around IPv6.
func (h *Hop) Host() string {
	host, _, _ := splitPort(h.Address, 22)
	return host
}

// Port of the address, 22 when it names none.
func (h *Hop) Port() uint16 {
	_, port, _ := splitPort(h.Address, 22)
	return port
}

// Exec is what is known of commands.
type Exec struct {
	// Overlays are files with further commands, or other entries for known ones, in the form of tools/exec/commands.yaml. A later file
	// replaces the entries of an earlier one, name by name. Their examples are checked when they are read.
	Overlays []string `yaml:"overlays" check:"path"`
}
