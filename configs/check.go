package configs

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// check holds a decoded file against the rules that need more than one key, or more than the kind of a value. What is empty has
// been reported as missing already.
func (r *report) check(f *File) {
	r.listeners(f)
	r.identity(f)
	r.sessions(f)
	r.slack(f.Approvals.Slack)
	r.vault(f)
	for _, name := range slices.Sorted(maps.Keys(f.Targets)) {
		r.target(f.Targets[name], name, "targets."+name)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Scopes)) {
		r.scope(f, f.Scopes[name], name, "scopes."+name)
	}
	r.masking(f)
	r.policy(f.Policy)
	r.reachable(f)
}

func (r *report) listeners(f *File) {
	for path, address := range map[string]string{"listen": f.Listen, "metrics": f.Metrics} {
		if address == "" {
			continue
		}
		host, err := listenAddress(address)
		switch {
		case err != nil:
			r.problem(path, "%s", err)
		case path == "listen" && !loopback(host) && f.TLS == nil && len(f.TrustedProxies) == 0:
			r.warn(path, "tokens reach this address unencrypted; set tls, or trusted_proxies when a proxy in front does TLS")
		case path == "metrics" && !loopback(host):
			r.warn(path, "everybody who reaches this address can read the metrics; use loopback or a private network")
		}
	}
	if f.Metrics != "" && f.Metrics == f.Listen {
		r.problem("metrics", "is the same address as listen; choose another port")
	}
	if f.PublicURL == "" {
		return
	}
	u, err := secureURL(f.PublicURL)
	switch {
	case err != nil:
		r.problem("public_url", "%s", err)
	case u.Path != "":
		r.problem("public_url", "has a path; write %s://%s (clients find /mcp under it)", u.Scheme, u.Host)
	}
}

// listenAddress accepts host:port where the host may be left out, for every address.
func listenAddress(address string) (host string, err error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, _, err = splitPort("h:"+port, 0)
	}
	if err != nil && port != "0" {
		return "", fmt.Errorf("%q is not an address to listen on; write host:port, such as 127.0.0.1:7400", address)
	}
	return host, nil
}

// secureURL accepts an absolute https URL, or http on loopback, without user, query and fragment. Its error does not hold a password.
func secureURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("is not a URL; write https://host")
	case u.User != nil:
		return nil, errors.New("holds a user or a password; remove them")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("http is accepted on loopback only; write https://%s", u.Host)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%q is not https", u.Scheme)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, errors.New("has a query or a fragment; remove it")
	}
	return u, nil
}

func (r *report) identity(f *File) {
	urls, agents := map[string]int{}, map[string]int{}
	for n, i := range f.Identity.Issuers {
		if _, twice := agents[i.Audience]; !twice {
			agents[i.Audience] = n
		}
	}
	for n, i := range f.Identity.Issuers {
		path := fmt.Sprintf("identity.issuers[%d]", n)
		if i.URL != "" {
			if _, err := secureURL(i.URL); err != nil {
				r.problem(path+".url", "%s", err)
			}
			if first, twice := urls[i.URL]; twice {
				r.problem(path+".url", "is already at identity.issuers[%d]; remove one", first)
			} else {
				urls[i.URL] = n
			}
		}
		if m, same := agents[i.APIAudience]; same && i.APIAudience != "" {
			r.problem(path+".api_audience", "is also identity.issuers[%d].audience, so that an agent's token would open the admin API; write another, such as %s/api", m, f.PublicURL)
		}
		if i.Audience != "" && i.Audience != f.PublicURL+"/mcp" {
			r.warn(path+".audience", "clients ask for tokens for %s/mcp; make sure this issuer puts %q into them instead", f.PublicURL, i.Audience)
		}
	}
}

func (r *report) sessions(f *File) {
	if f.Sessions.Idle > f.Sessions.Max {
		r.problem("sessions.idle", "%s is longer than sessions.max (%s); write less", f.Sessions.Idle, f.Sessions.Max)
	}
}

var (
	name63 = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	class  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
)

func (r *report) name(path, name string) {
	if !name63.MatchString(name) {
		r.problem(path, "%q cannot be a name; use lower-case letters, digits, - _ and ., at most 63", name)
	}
}

func (r *report) masking(f *File) {
	d := f.Masking.Detect
	for key, list := range map[string][]string{"on": d.On, "off": d.Off} {
		for i, name := range list {
			path := fmt.Sprintf("masking.detect.%s[%d]", key, i)
			switch {
			case name == "secret":
				r.problem(path, "what the gateway itself holds is always hidden; remove it")
			case !slices.Contains(detectors, name):
				r.problem(path, "%s", unknownName("detector", name, detectors))
			case key == "off" && slices.Contains(d.On, name):
				r.problem(path, "%q is in on and in off; remove one", name)
			}
		}
	}
}

func (r *report) policy(p *Policy) {
	if p == nil {
		return
	}
	if len(p.Rego) == 0 && p.Bundle == nil && p.DecisionLog == "" {
		r.emptiness("policy", "names no rules; write rego: [policies/], or bundle")
	}
	if p.Bundle != nil {
		r.bundle(p.Bundle)
	}
	if p.Mode == "override" {
		r.warn("policy.mode", "votes of your Rego replace what the score decides; write tighten unless that is what they are for")
	}
}

func (r *report) bundle(b *Bundle) {
	given := 0
	for _, where := range []string{b.File, b.Folder, b.URL} {
		if where != "" {
			given++
		}
	}
	if given != 1 {
		r.emptiness("policy.bundle", "needs one of file, folder and url")
		return
	}
	if b.URL == "" {
		return
	}
	if _, err := secureURL(b.URL); err != nil {
		r.problem("policy.bundle.url", "%s", err)
	}
	if b.PublicKey.IsZero() {
		r.problem("policy.bundle.public_key", "is missing; what comes from a server has to be signed: public_key: file:/etc/sallyport/policy.pem")
	}
}

// reachable warns of what cannot be used.
func (r *report) reachable(f *File) {
	if len(f.Scopes) == 0 {
		r.warn("", "there are no scopes, so nothing is allowed")
		return
	}
	used := map[string]bool{}
	for _, s := range f.Scopes {
		for _, name := range f.TargetsOf(s) {
			used[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Targets)) {
		if !used[name] {
			r.warn("targets."+name, "no scope selects this target, so nobody can use it")
		}
	}
}

// secretFileModes warns of secret files that everybody on the machine may read. A file that does not exist yet is found when it
// is needed.
func secretFileModes(r *report, f *File) {
	eachSecret(f, func(path string, s Secret) {
		if s.kind != "file" || path == "policy.bundle.public_key" { // which is no secret
			return
		}
		if info, err := os.Stat(s.arg); err == nil && info.Mode().Perm()&0o004 != 0 {
			r.warn(path, "everybody on this machine may read %s; run chmod o-r on it", s.arg)
		}
	})
}

// eachSecret calls visit for every secret of the file that refers to something, with its path.
func eachSecret(f *File, visit func(path string, s Secret)) {
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		switch {
		case v.Type() == reflect.TypeFor[Secret]():
			if s := v.Interface().(Secret); !s.IsZero() {
				visit(path, s)
			}
		case v.Kind() == reflect.Pointer && !v.IsNil():
			walk(v.Elem(), path)
		case v.Kind() == reflect.Struct && !isScalar(v.Type()):
			for _, fl := range fieldsOf(v.Type()) {
				walk(v.FieldByIndex(fl.index), join(path, fl.name))
			}
		case v.Kind() == reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
			}
		case v.Kind() == reflect.Map:
			for _, k := range v.MapKeys() {
				walk(v.MapIndex(k), join(path, k.String()))
			}
		}
	}
	walk(reflect.ValueOf(f).Elem(), "")
}
