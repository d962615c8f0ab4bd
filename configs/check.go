package configs

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
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
	for _, name := range slices.Sorted(maps.Keys(f.Targets)) {
		r.target(f.Targets[name], name, "targets."+name)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Scopes)) {
		r.scope(f, f.Scopes[name], name, "scopes."+name)
	}
	r.masking(f)
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
		return nil, fmt.Errorf("is not a URL; write https://host")
	case u.User != nil:
		return nil, fmt.Errorf("holds a user or a password; remove them")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("http is accepted on loopback only; write https://%s", u.Host)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%q is not https", u.Scheme)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, fmt.Errorf("has a query or a fragment; remove it")
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

func (r *report) scope(f *File, s *Scope, name, path string) {
	r.name(path, name)
	r.who(s, path+".who")
	r.selection(f, s, path+".targets")
	r.objects(s.Objects.Allow, path+".objects.allow", false)
	r.objects(s.Objects.Deny, path+".objects.deny", true)
	for i, d := range s.Deny {
		at := fmt.Sprintf("%s.deny[%d].when", path, i)
		r.objects(d.When.Objects, at+".objects", true)
		if len(d.When.Effects) == 0 && len(d.When.Objects) == 0 {
			r.emptiness(at, "is empty, which would refuse every call; name effects or objects")
		}
	}
	r.narrowing(f, s, path)
	if s.Risk.Ask > s.Risk.Deny {
		r.problem(path+".risk.ask", "%d is above risk.deny (%d); write ask at most as high as deny", s.Risk.Ask, s.Risk.Deny)
	}
	r.approval(f, s, path)
}

func (r *report) who(s *Scope, path string) {
	w := s.Who
	if len(w.Groups)+len(w.Subjects)+len(w.Agents)+len(w.Clients) == 0 {
		r.emptiness(path, "names nobody; write groups: [NAME], or subjects, agents or clients")
	}
	for key, list := range map[string][]string{"groups": w.Groups, "subjects": w.Subjects, "agents": w.Agents, "clients": w.Clients} {
		for i, v := range list {
			if strings.Contains(v, "*") {
				r.problem(fmt.Sprintf("%s.%s[%d]", path, key, i), "* is not a pattern here; write the names out")
			}
		}
	}
}

func (r *report) selection(f *File, s *Scope, path string) {
	for i, name := range s.Targets.Names {
		if f.Targets[name] == nil {
			r.problem(fmt.Sprintf("%s[%d]", path, i), "%s", unknownName("target", name, slices.Sorted(maps.Keys(f.Targets))))
		}
	}
	if s.Targets.Names != nil {
		return
	}
	if s.Targets.Environment == "" && len(s.Targets.Labels) == 0 {
		r.emptiness(path, "selects nothing; write a list of targets, environment or labels")
		return
	}
	if s.Targets.Environment != "" {
		r.name(path+".environment", s.Targets.Environment)
	}
	if len(f.TargetsOf(s)) == 0 {
		r.warn(path, "no target is like this, so the scope allows nothing")
	}
}

func unknownName(what, name string, known []string) string {
	if n := nearest(name, known); n != "" {
		return fmt.Sprintf("there is no %s %q; did you mean %s?", what, name, n)
	}
	if len(known) == 0 {
		return fmt.Sprintf("there is no %s %q, nor any other", what, name)
	}
	return fmt.Sprintf("there is no %s %q; there are %s", what, name, strings.Join(known, ", "))
}

// objects checks patterns of names: parts joined by ".", each a word or "*" for one whole part; "*" alone is everything. A list that
// denies also accepts one part, for that name in every schema. What double quotes hold is a name as it is.
func (r *report) objects(list []string, path string, denies bool) {
	for i, o := range list {
		parts := strings.Split(quoted.ReplaceAllString(o, "q"), ".")
		bad := len(parts) == 1 && o != "*" && !denies || slices.ContainsFunc(parts, func(part string) bool {
			return part == "" || part != "*" && strings.ContainsAny(part, "*?[]{}\"' ")
		})
		if bad {
			r.problem(fmt.Sprintf("%s[%d]", path, i), `%q is not an object; write "schema.name", or "schema.*" for all of a schema`, o)
		}
	}
}

var quoted = regexp.MustCompile(`"([^"*]|"")+"`)

func (r *report) approval(f *File, s *Scope, path string) {
	a := s.Approval
	if a == nil {
		if s.NotUnderstood == "ask" || slices.ContainsFunc(s.Allow, func(e string) bool { return e != "read" }) {
			r.warn(path, "has no approval, so that what would be asked is denied; add approval: {from: [GROUP]}")
		}
		return
	}
	for i, g := range a.From {
		if !slices.Contains(f.Roles.Approver.Groups, g) {
			r.warn(fmt.Sprintf("%s.approval.from[%d]", path, i), "%q is not in roles.approver.groups, so its members can answer only when another of their groups is", g)
		}
	}
	if !slices.ContainsFunc(f.Identity.Issuers, func(i Issuer) bool { return i.APIAudience != "" }) {
		r.warn(path+".approval", "no issuer has an api_audience, so that nobody can answer; add one under identity.issuers")
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
		if s.kind != "file" {
			return
		}
		if info, err := os.Stat(s.arg); err == nil && info.Mode().Perm()&0o004 != 0 {
			r.warn(path, "everybody on this machine may read %s; run chmod o-r on it", s.arg)
		}
	})
}
