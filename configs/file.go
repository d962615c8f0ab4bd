// Package configs answers: what did the operator ask for?
//
// One YAML file becomes a [File]. Reading is strict: a key that is not known, a value of the wrong kind, a number without its
// unit, a reference to something that does not exist and a secret written out in the file are all refused. Every problem is
// reported at once, each with file:line:column, the path of the key and a way out ([Problems]).
//
// The types are the operator's manual: each field says what it means, its unit, its default and what is refused. The JSON Schema
// ([Schema]) is made from them, and a test holds docs/configuration.md against them.
//
// Nothing here opens a connection or reads a secret: secrets stay references until [Secret.Resolve]. The language is YAML 1.2
// (https://yaml.org/spec/1.2.2) without anchors, aliases, merge keys, tags and several documents.
package configs

import (
	"log/slog"
	"net/netip"
)

// File is one sallyport.yaml, decoded and checked. Paths in it are absolute or relative to the folder of the file; after decoding
// they are joined with that folder. It is read-only and safe for concurrent use.
//
// How the struct tags work: yaml is the key; default is what an absent key means, written as in YAML; enum lists the words that
// are accepted; min and max are inclusive bounds in the field's own unit; later lists words or forms that are known and not
// supported yet; check has the words required, path (of a file, joined with the folder of sallyport.yaml) and later (the whole key
// is not supported yet).
type File struct {
	// Listen is the address of the only listener that agents and people reach: host:port. MCP, the admin API and the health
	// checks are on it. Warned of: an address that is not loopback without tls or trusted_proxies, because tokens travel in clear.
	Listen string `yaml:"listen" default:"127.0.0.1:7400"`

	// PublicURL is the address clients use, without a path: https://sallyport.example.com. With "/mcp" it is the OAuth
	// resource. Refused: plain http except on loopback, a path, a query, a fragment, a trailing slash.
	PublicURL string `yaml:"public_url" check:"required"`

	// TLS is the certificate with which the listener speaks TLS. Absent: plain HTTP, for loopback or behind a proxy.
	TLS *TLS `yaml:"tls"`

	// TrustedProxies are the networks of reverse proxies whose requests may carry any Host header: 10.0.0.0/8, or one address.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`

	// Metrics is the address of the Prometheus listener: host:port. Absent: none. It has no login; keep it on loopback or a
	// private network.
	Metrics string `yaml:"metrics"`

	// Log is the operator's log on standard error. It never holds arguments, rows, headers or tokens.
	Log Log `yaml:"log"`

	// Identity is whose tokens are believed.
	Identity Identity `yaml:"identity" check:"required"`

	// Roles is who may use the admin API. Absent roles are held by nobody.
	Roles Roles `yaml:"roles"`

	// State is the directory of the database and the keys; created when absent. One gateway at a time may use it.
	// The form for many replicas, {postgres: REF}, is not supported yet.
	State string `yaml:"state" check:"required,path" later:"postgres"`

	// Approvals is how people are asked.
	Approvals Approvals `yaml:"approvals"`

	// Sessions bounds how long an agent's access lasts.
	Sessions Sessions `yaml:"sessions"`

	// Audit is where the log is anchored, kept and sent.
	Audit *Audit `yaml:"audit" check:"later"`

	// Vault is the server that secrets written as vault:path#key are read from: HashiCorp Vault or OpenBao.
	Vault *Vault `yaml:"vault"`

	// Targets are the systems agents may be let into, by name: lower-case letters, digits, "-", "_" and ".", at most 63 characters.
	Targets map[string]*Target `yaml:"targets"`

	// Exec is what is known of commands, beside what is built in.
	Exec Exec `yaml:"exec"`

	// Scopes are what is allowed, by name (same letters as targets). Nothing is allowed unless a scope allows it.
	Scopes map[string]*Scope `yaml:"scopes"`

	// Masking is what is hidden in every answer, beside the columns that targets label.
	Masking Masking `yaml:"masking"`

	// Policy is the operator's own rules, beside the scopes.
	Policy *Policy `yaml:"policy"`

	// Warnings are remarks that do not stop the gateway, each with its place, in the order of the file.
	Warnings []string `yaml:"-"`

	revision string
	targets  map[string]string // revisions by target
}

// TLS is the certificate of a listener.
type TLS struct {
	// Cert is the path of a PEM file: the certificate, then its intermediates.
	Cert string `yaml:"cert" check:"required,path"`
	// Key is the path of the PEM file of its private key.
	Key string `yaml:"key" check:"required,path"`
}

// Log is how much is logged, and in which form.
type Log struct {
	// Level is the lowest level that is written.
	Level slog.Level `yaml:"level" default:"info" enum:"debug info warn error"`
	// Format is text (key=value) or json (an object a line).
	Format string `yaml:"format" default:"text" enum:"text json"`
}

// Identity is whose tokens are believed, and for what.
type Identity struct {
	// Issuers are the OpenID Connect issuers. At least one; each url once.
	Issuers []Issuer `yaml:"issuers" check:"required"`
	// Scopes are the OAuth scopes a token needs. Absent: none is needed, and groups alone decide.
	Scopes OAuthScopes `yaml:"scopes"`
}

// Issuer is one OpenID Connect issuer. Its keys come from its discovery document.
type Issuer struct {
	// URL is exactly the iss claim of its tokens, trailing slash included. Plain http is accepted on loopback only.
	URL string `yaml:"url" check:"required"`
	// Audience is the aud claim of agents' tokens: public_url + "/mcp" where the issuer can be told so.
	Audience string `yaml:"audience" check:"required"`
	// APIAudience is the aud claim of people's tokens (approvers, operators, auditors): usually public_url + "/api". Absent: this
	// issuer vouches for no people. It must differ from every audience: an agent's token must never open the admin API.
	APIAudience string `yaml:"api_audience"`
	// Web lets people of this issuer answer requests in a browser, at public_url + "/approvals". Absent: they cannot.
	Web *WebClient `yaml:"web"`
	// Groups is the name of the claim that lists the groups of the subject.
	Groups string `yaml:"groups" default:"groups"`
	// Claims are the names of further claims that scopes may ask for: a string, true or false, a number, or a list of strings. What
	// a token says there is recorded with each call.
	Claims []string `yaml:"claims"`
	// MaxTokenLifetime refuses tokens that were issued to live longer.
	MaxTokenLifetime Duration `yaml:"max_token_lifetime" default:"1h" min:"1s" max:"24h"`
}

// WebClient is the gateway as an OAuth client of an issuer: authorization code with PKCE. Its redirect URI is public_url +
// "/approvals/callback". The issuer has to send auth_time and the groups in its ID tokens.
type WebClient struct {
	// ClientID at the issuer. It must differ from every audience.
	ClientID string `yaml:"client_id" check:"required"`
	// ClientSecret of a confidential client. Absent: a public client.
	ClientSecret Secret `yaml:"client_secret"`
	// Scopes are asked for beside openid. Absent: profile and email. Some issuers want one more before they tell the groups.
	Scopes []string `yaml:"scopes"`
}

// OAuthScopes are OAuth scopes, which a token carries; they have nothing to do with the scopes of this file.
type OAuthScopes struct {
	// Read is needed by every request.
	Read string `yaml:"read"`
	// Write is needed by tools that can change something; it includes read.
	Write string `yaml:"write"`
}

// Roles is who may use the admin API.
type Roles struct {
	// Approver may see and answer requests; which ones is said by approval.from of the scope.
	Approver Members `yaml:"approver"`
	// Operator may see and end sessions.
	Operator Members `yaml:"operator"`
	// Auditor may read the audit log.
	Auditor Members `yaml:"auditor"`
}

// Members are the holders of a role.
type Members struct {
	// Groups hold the role; whoever is in one of them holds it.
	Groups []string `yaml:"groups"`
}

// Approvals is how people are asked.
type Approvals struct {
	// Hold is how long a call waits inline for people before it is answered with approval_pending. Clients that ask for no
	// progress are held for at most 25s.
	Hold Duration `yaml:"hold" default:"45s" min:"100ms" max:"15m"`
	// Slack asks in a channel. Absent: people answer on the approvals page and with sallyport approvals only.
	Slack *Slack `yaml:"slack"`
}

// Sessions bounds how long the access of one agent lasts. A session is (issuer, subject, client, agent instance).
type Sessions struct {
	// Idle ends a session without a call for this long.
	Idle Duration `yaml:"idle" default:"15m" min:"1s" max:"24h"`
	// Max ends a session this long after it began, however busy it is. Not below idle.
	Max Duration `yaml:"max" default:"8h" min:"1s" max:"24h"`
}

// Audit is where the log is anchored, how long it is kept, and where copies go.
type Audit struct {
	// Anchors are places outside the host that keep signed checkpoints.
	Anchors []string `yaml:"anchors"`
	// Retention is how long entries are kept.
	Retention Duration `yaml:"retention"`
	// Sinks receive a copy of each entry.
	Sinks []string `yaml:"sinks"`
}

// Masking is what is hidden in every answer.
type Masking struct {
	// Detect chooses the content detectors.
	Detect Detect `yaml:"detect"`
}

// Policy is the operator's own rules in Rego, beside the scopes: docs/policy.md. They are read again on SIGHUP.
type Policy struct {
	// Rego are files, or folders with everything that ends in .rego below them. A file that ends in _test.rego holds tests; when one of
	// them fails, the rules are not loaded.
	Rego []string `yaml:"rego" check:"path"`
	// Bundle is rules in the format of OPA's bundles, beside rego.
	Bundle *Bundle `yaml:"bundle"`
	// Mode says what the rules may do. With tighten the strictest of all votes and of the scopes' decision holds; with override votes replace
	// what the score decided. Guards, deny rules and what no scope covers hold in either.
	Mode string `yaml:"mode" default:"tighten" enum:"tighten override"`
	// DecisionLog is a file that gets a line of JSON for every decision, in the shape of OPA's decision logs. Opened again on SIGHUP. A
	// line that cannot be written is told to the operator's log, and the call goes on: the audit log is the record. Absent: none.
	DecisionLog string `yaml:"decision_log" check:"path"`
}

// Bundle is rules in the format of OPA's bundles; one of file, folder and url. Its roots are within sallyport/operator.
type Bundle struct {
	// File is a bundle as opa build writes it, a gzipped tar. It is read again on SIGHUP.
	File string `yaml:"file" check:"path"`
	// Folder is a bundle that is not packed. It is read again on SIGHUP.
	Folder string `yaml:"folder" check:"path"`
	// URL is asked for the bundle again and again. Plain http is accepted on loopback only.
	URL string `yaml:"url"`
	// PublicKey is PEM that the bundle has to be signed by: RSA (RS256), P-256 (ES256) or P-384 (ES384). Required with url.
	PublicKey Secret `yaml:"public_key"`
	// Poll is how long to wait between two requests to url.
	Poll Duration `yaml:"poll" default:"60s" min:"1s" max:"24h"`
	// MaxAge is how long a bundle decides that the server at url has not confirmed; after it every call is refused.
	MaxAge Duration `yaml:"max_age" default:"24h" min:"1m" max:"720h"`
}
