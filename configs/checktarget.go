package configs

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

func (r *report) target(t *Target, name, path string) {
	r.name(path, name)
	switch n := count(t.Postgres != nil, t.SSH != nil, t.HTTP != nil); {
	case n == 0:
		r.emptiness(path, "has no address; add one of postgres, ssh, http")
	case n > 1:
		r.problem(path, "is more than one of postgres, ssh, http; make them targets of their own")
	}
	if t.Environment != "" {
		r.name(path+".environment", t.Environment)
	}
	for i, l := range t.Labels {
		r.name(fmt.Sprintf("%s.labels[%d]", path, i), l)
	}
	if len(t.Columns) > 0 && t.Postgres == nil && (t.SSH != nil || t.HTTP != nil) {
		r.problem(path+".columns", "only a postgres target has columns; remove the key")
	}
	for _, column := range slices.Sorted(maps.Keys(t.Columns)) {
		r.column(t.Columns[column], column, path+".columns."+column)
	}
	if t.Postgres != nil {
		r.postgres(t.Postgres, path+".postgres")
	}
	if t.SSH != nil {
		r.ssh(t.SSH, path+".ssh", t.Mode == "jit")
	}
	if t.Mode == "jit" && t.SSH == nil {
		r.problem(path+".mode", "\"jit\" is not supported yet for %s; write static", t.Kind())
	}
	if t.HTTP != nil {
		r.http(t.HTTP, path+".http")
	}
}

func count(conditions ...bool) (n int) {
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}

func (r *report) column(c Column, name, path string) {
	if parts := strings.Split(name, "."); len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") || strings.Contains(name, "*") {
		r.problem(path, "%q is not a column; write table.column or schema.table.column", name)
	}
	if c.Class != "" && !class.MatchString(c.Class) {
		r.problem(path+".class", "%q cannot be a class; write a word like email or us_ssn: lower case, digits, _", c.Class)
	}
}

// signature is a function with a schema and the types of its arguments.
var signature = regexp.MustCompile(`^("[^"]+"|[a-z_][a-z0-9_$]*)\.("[^"]+"|[a-z_][a-z0-9_$]*)\([^();'\\]*\)$`)

func (r *report) postgres(p *Postgres, path string) {
	if p.Address != "" {
		host, _, _, err := splitDatabase(p.Address)
		switch {
		case err != nil:
			r.problem(path+".address", "%s", err)
		case p.TLS == "off" && !loopback(host):
			r.problem(path+".tls", "off is accepted on loopback only, and %s is not; write verify-full", host)
		}
	}
	switch {
	case p.TLS == "require":
		r.warn(path+".tls", "require does not check who answers; write verify-full, with ca for a certificate of your own")
	case p.CA != "" && p.TLS == "off":
		r.problem(path+".ca", "means nothing with tls: off; remove it")
	}
	if p.Introspect != nil && p.Introspect.User == p.User && p.User != "" {
		r.warn(path+".introspect.user", "is the target's own user, which may do more; use a login that may do nothing")
	}
	if p.Functions != nil {
		for i, f := range p.Functions.Allow {
			if !signature.MatchString(f) || strings.HasPrefix(f, "pg_") {
				r.problem(fmt.Sprintf("%s.functions.allow[%d]", path, i), "%q is not a function of your own; write schema.name(type, ...), as in app.order_total(bigint)", f)
			}
		}
	}
	if p.Password.IsZero() {
		r.warn(path, "has no password, so that the server must let anybody in; add password: file:/path")
	}
}

func (r *report) ssh(s *SSH, path string, jit bool) {
	if jit {
		r.issuing(s, path)
	} else {
		r.hop(&s.Hop, path, s.Agent != "")
		if !s.CA.IsZero() || s.Principal != "" || len(s.SourceAddress) > 0 {
			r.problem(path, "ca, principal and source_address mean nothing without mode: jit beside ssh; add it, or remove them")
		}
	}
	if s.Agent != "" && !s.Key.IsZero() {
		r.problem(path+".agent", "there is a key as well; keep one of key and agent")
	}
	if s.Jump != nil {
		r.hop(s.Jump, path+".jump", s.Agent != "" && !jit)
	}
}

// issuing checks a host for which the gateway signs certificates.
func (r *report) issuing(s *SSH, path string) {
	asKey := s.Hop // the authority's key takes the place of the login's
	asKey.Key = s.CA
	if s.CA.IsZero() {
		r.problem(path+".ca", "is missing; with mode: jit write ca: file:/path, the private key of the authority the host trusts")
		asKey.Key = Secret{&reference{}} // one message is enough
	}
	r.hop(&asKey, path, false)
	if !s.Key.IsZero() || s.Agent != "" || s.Certificate != "" {
		r.problem(path, "has a key, a certificate or an agent, and mode: jit makes them for each call; remove it")
	}
	if strings.ContainsAny(s.Principal, ", \t") {
		r.problem(path+".principal", "%q is not one word", s.Principal)
	}
	if s.Jump != nil && len(s.SourceAddress) == 0 {
		r.problem(path+".source_address", "is missing; behind a jump host the host sees the jump host's address: write that")
	}
}

func (r *report) hop(h *Hop, path string, agent bool) {
	if h.Address != "" {
		if _, _, err := splitPort(h.Address, 22); err != nil {
			r.problem(path+".address", "%s", err)
		}
	}
	if h.User == "root" {
		r.warn(path+".user", "root may do everything; use a login that may do what the commands need")
	}
	if h.Key.IsZero() && !agent && !r.seen[path+".key"] {
		r.problem(path+".key", "is missing; write key: file:/path, or agent: /path of a socket")
	}
	if !h.Passphrase.IsZero() && h.Key.IsZero() {
		r.problem(path+".passphrase", "there is no key it belongs to; remove it")
	}
	if h.HostKey == "" && h.KnownHosts == "" {
		r.problem(path+".host_key", "is missing; write what ssh-keyscan prints after you compared it on the host, or known_hosts: /path")
	}
	if h.HostKey != "" && h.KnownHosts != "" {
		r.problem(path+".known_hosts", "there is a host_key as well; keep one")
	}
	if h.HostKey != "" && !publicKey(h.HostKey) {
		r.problem(path+".host_key", "is not a public key; write its kind and its base64: ssh-ed25519 AAAA...")
	}
}

// publicKey reports whether line looks like an OpenSSH public key: kind, base64 that begins with the kind, perhaps a comment
// (RFC 4253 section 6.6). Whether the key is sound is for the tool that uses it.
func publicKey(line string) bool {
	kind, rest, _ := strings.Cut(line, " ")
	encoded, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	blob, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(blob) < 4 {
		return false
	}
	n := binary.BigEndian.Uint32(blob)
	return uint64(n) < uint64(len(blob)-4) && string(blob[4:4+n]) == kind
}

func (r *report) http(h *HTTP, path string) {
	if h.BaseURL != "" {
		u, err := secureURL(h.BaseURL)
		switch {
		case err != nil:
			r.problem(path+".base_url", "%s", err)
		case strings.HasSuffix(u.Path, "/"):
			r.problem(path+".base_url", "ends with /; write it without")
		case strings.Contains(u.EscapedPath(), "%") || strings.Contains(u.Path, "/.") || strings.Contains(u.Path, "//"):
			r.problem(path+".base_url", "its path has dot segments, empty segments or escapes; write it plainly")
		}
	}
	if h.Auth != nil {
		r.auth(h.Auth, path+".auth")
	}
	names := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(h.Headers)) {
		at, canonical := path+".headers."+name, http.CanonicalHeaderKey(name)
		first, twice := names[canonical]
		switch {
		case !isToken(name):
			r.problem(at, "%q is not the name of a header", name)
		case twice:
			r.problem(at, "is the same header as %s; remove one", first)
		case credentialHeader(name):
			r.problem(at, "carries a credential; write it under auth as a reference to a secret")
		case framingHeader(name):
			r.problem(at, "is set by the gateway itself; remove it")
		}
		names[canonical] = name
	}
	if h.GraphQL != nil {
		r.apiPath(h.GraphQL.Path, path+".graphql.path")
	}
	if h.JSONRPC != nil {
		r.apiPath(h.JSONRPC.Path, path+".jsonrpc.path")
		r.stars(h.JSONRPC.Read, path+".jsonrpc.read")
	}
	if h.GraphQL != nil && h.JSONRPC != nil && h.GraphQL.Path == h.JSONRPC.Path {
		r.problem(path+".jsonrpc.path", "is the path of graphql as well; they have to differ")
	}
}

func (r *report) apiPath(p, path string) {
	if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "?#%\\") || strings.Contains(p, "//") || strings.Contains(p, "/.") {
		r.problem(path, "%q is not a plain path; write it as /graphql", p)
	}
}

// stars accepts * at the end only.
func (r *report) stars(list []string, path string) {
	for i, s := range list {
		if strings.Contains(strings.TrimSuffix(s, "*"), "*") {
			r.problem(fmt.Sprintf("%s[%d]", path, i), "* stands for any rest at the end only")
		}
	}
}

func (r *report) auth(a *HTTPAuth, path string) {
	v := reflect.ValueOf(*a)
	var given []string
	for _, f := range fieldsOf(v.Type()) {
		if !v.FieldByIndex(f.index).IsZero() {
			given = append(given, f.name)
		}
	}
	switch {
	case len(given) == 0:
		r.emptiness(path, "is empty; write one of bearer, basic, header, query, oauth2, exchange, sigv4, mtls")
	case len(given) > 1:
		r.problem(path, "has %s; keep one", strings.Join(given, " and "))
	}
	if a.Header != nil && a.Header.Name != "" && (!isToken(a.Header.Name) || framingHeader(a.Header.Name)) {
		r.problem(path+".header.name", "%q cannot carry a credential; write a header such as X-Api-Key", a.Header.Name)
	}
	if a.Query != nil {
		r.warn(path+".query", "a credential in the query string ends up in logs of the target; use header if the API has it")
	}
	if a.OAuth2 != nil && a.OAuth2.TokenURL != "" {
		if _, err := secureURL(a.OAuth2.TokenURL); err != nil {
			r.problem(path+".oauth2.token_url", "%s", err)
		}
	}
	if x := a.Exchange; x != nil {
		for key, u := range map[string]string{"token_url": x.TokenURL, "revoke_url": x.RevokeURL} {
			if u == "" {
				continue
			}
			if _, err := secureURL(u); err != nil {
				r.problem(path+".exchange."+key, "%s", err)
			}
		}
		if x.RevokeURL == "" {
			r.warn(path+".exchange", "has no revoke_url, so that a token lives on after its session; add it where the issuer has one")
		}
	}
}

// isToken reports whether s can name a header (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// credentialHeader knows the usual names; a value that is a secret under another name is not found.
func credentialHeader(name string) bool {
	n := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	for _, word := range []string{"authorization", "cookie", "token", "secret", "password", "api-key", "apikey"} {
		if strings.Contains(n, word) {
			return true
		}
	}
	return false
}

// framingHeader lists what decides where a request goes and where it ends (RFC 9110 section 7.6.1, RFC 9112 section 6).
func framingHeader(name string) bool {
	switch strings.ReplaceAll(strings.ToLower(name), "_", "-") {
	case "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "proxy-connection", "expect":
		return true
	}
	return false
}
