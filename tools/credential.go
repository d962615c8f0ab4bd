package tools

import (
	"context"
	"time"
)

// Credential says that a credential was made, changed or given up on a target: never what it is. It goes into the audit log.
type Credential struct {
	Session string // for which it was made; "" when it belongs to none
	Call    string // for which it was made; "" when it belongs to none
	Tool    string
	Target  string
	Mode    string    // static, jit, vault
	Event   string    // "issued", "read", "revoked"
	ID      string    // by which the target or the issuer knows it: a certificate's serial, a role's name, the version of a secret
	Until   time.Time // when it ends by itself; zero when it does not
	Detail  string    // what else an auditor has to know, in our own words
}

// RecordCredential makes c durable. A credential whose record cannot be written is not used.
type RecordCredential func(ctx context.Context, c Credential) error
