package configs

import (
	"slices"
	"strings"
)

// Vault is the server that secrets are read from, and who the gateway is there: exactly one of token, kubernetes and approle. Its own secrets
// cannot be in Vault.
type Vault struct {
	// Address is https://host:port, or http on loopback.
	Address string `yaml:"address" check:"required"`
	// Namespace of Vault Enterprise or OpenBao.
	Namespace string `yaml:"namespace"`
	// CA is the path of a PEM file with the certificates that are trusted. Absent: those of the host.
	CA string `yaml:"ca" check:"path"`
	// Token is a token that may read the secrets. It is renewed while the gateway runs, and read again when it ended.
	Token Secret `yaml:"token"`
	// Kubernetes logs in with the token of the pod's service account.
	Kubernetes *VaultKubernetes `yaml:"kubernetes"`
	// AppRole logs in with the id of a role and a secret.
	AppRole *VaultAppRole `yaml:"approle"`
	// Cache is how long a value is used before it is read again: within that time a new version is in use.
	Cache Duration `yaml:"cache" default:"1m" min:"1s" max:"1h"`
}

// VaultKubernetes is a login with a pod's service account.
type VaultKubernetes struct {
	// Role at the auth method.
	Role string `yaml:"role" check:"required"`
	// Mount of the auth method.
	Mount string `yaml:"mount" default:"kubernetes"`
	// Token is the service account's. Absent: /var/run/secrets/kubernetes.io/serviceaccount/token.
	Token Secret `yaml:"token"`
}

// VaultAppRole is a login with a role's id and secret.
type VaultAppRole struct {
	// RoleID of the role.
	RoleID Secret `yaml:"role_id" check:"required"`
	// SecretID is a secret of the role.
	SecretID Secret `yaml:"secret_id" check:"required"`
	// Mount of the auth method.
	Mount string `yaml:"mount" default:"approle"`
}

func (r *report) vault(f *File) {
	// What is read before Vault is, or only ever at the start.
	apart := []string{"vault.token", "vault.kubernetes.token", "vault.approle.role_id", "vault.approle.secret_id", "policy.bundle.public_key"}
	eachSecret(f, func(path string, s Secret) {
		switch {
		case s.kind != "vault":
		case slices.Contains(apart, path):
			r.problem(path, "cannot be in Vault itself; write file:/path or env:NAME")
		case f.Vault == nil:
			r.problem(path, "is in Vault, and there is no vault: at the top of the file; add it: vault: {address: https://host:8200, token: file:/path}")
		}
	})
	v := f.Vault
	if v == nil {
		return
	}
	if v.Address != "" {
		if _, err := secureURL(v.Address); err != nil {
			r.problem("vault.address", "%s", err)
		}
	}
	switch n := count(!v.Token.IsZero(), v.Kubernetes != nil, v.AppRole != nil); {
	case n == 0:
		r.emptiness("vault", "has no login; add one of token, kubernetes, approle")
	case n > 1:
		r.problem("vault", "has more than one of token, kubernetes and approle; keep one")
	}
	for path, mount := range map[string]string{"vault.kubernetes.mount": mountOf(v.Kubernetes), "vault.approle.mount": appRoleMount(v.AppRole)} {
		if mount != "" && (!vaultPath.MatchString("auth/"+mount) || strings.Contains("/"+mount+"/", "/../")) {
			r.problem(path, "%q is not the path of a mount", mount)
		}
	}
}

func mountOf(k *VaultKubernetes) string {
	if k == nil {
		return ""
	}
	return k.Mount
}

func appRoleMount(a *VaultAppRole) string {
	if a == nil {
		return ""
	}
	return a.Mount
}
