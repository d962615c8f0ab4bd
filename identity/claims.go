package identity

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxName    = 255 // bytes of one sub, group, client or actor (OpenID Connect Core §2 has 255 for sub)
	maxActors  = 8   // nested act claims
	maxNumeric = 253402300799
)

// readPrincipal takes the names from verified claims; what is there must be of its right type. Errors: [ErrClaims].
func readPrincipal(c object, groupsClaim string, further []string) (*Principal, error) {
	p := &Principal{}
	var err error
	if p.Subject, err = c.text("sub"); err != nil || !clean(p.Subject) {
		return nil, fmt.Errorf("sub: %w", ErrClaims)
	}
	if p.Groups, err = c.groups(groupsClaim); err != nil {
		return nil, fmt.Errorf("groups: %w", err)
	}
	if p.Client, err = c.client(); err != nil {
		return nil, err
	}
	if p.Scopes, err = c.scopes(); err != nil {
		return nil, err
	}
	if _, p.Delegated = c["act"]; p.Delegated {
		if p.Chain, err = chain(c["act"], nil); err != nil {
			return nil, fmt.Errorf("act: %w", err)
		}
	}
	p.Agent = p.Client
	if p.Delegated {
		p.Agent = p.Chain[0]
	}
	if p.AuthTime, _, err = c.date("auth_time"); err != nil {
		return nil, fmt.Errorf("auth_time: %w", ErrClaims)
	}
	p.Email, p.Name = c.display("email"), c.display("name")
	for _, name := range further {
		if v := c.plain(name); v != nil {
			if p.Claims == nil {
				p.Claims = Claims{}
			}
			p.Claims[name] = v
		}
	}
	return p, nil
}

// groups is sorted and without duplicates. A token that says its groups are kept elsewhere is refused: a rule that denies
// a group would not see it.
func (c object) groups(name string) ([]string, error) {
	if raw, ok := c["_claim_names"]; ok { // aggregated and distributed claims, OpenID Connect Core §5.6.2
		var elsewhere map[string]json.RawMessage
		if err := json.Unmarshal(raw, &elsewhere); err != nil {
			return nil, ErrClaims
		}
		if _, ok := elsewhere[name]; ok {
			return nil, fmt.Errorf("too many for the token; configure the issuer to send only the ones assigned to the application: %w", ErrClaims)
		}
	}
	if _, ok := c["hasgroups"]; ok { // Entra ID's other way of saying so
		return nil, fmt.Errorf("too many for the token: %w", ErrClaims)
	}
	groups, err := c.texts(name)
	if err != nil {
		return nil, fmt.Errorf("neither a list of strings nor a string: %w", ErrClaims)
	}
	if !allClean(groups) {
		return nil, ErrClaims
	}
	slices.Sort(groups)
	return slices.Compact(groups), nil
}

// Claims are verified claims by name. Each value is the JSON of a string, true, false, a number, or a list of strings.
type Claims map[string]json.RawMessage

const maxItems = 256 // of a list in [Claims]

// plain is a claim that can be compared as a whole; nil when it is absent or of another kind, which matches nothing: an object, null, a
// list of anything but strings, a text that could be mistaken for another.
func (c object) plain(name string) json.RawMessage {
	raw := c[name]
	switch {
	case len(raw) == 0:
		return nil
	case raw[0] == '"', raw[0] == '[':
		list, err := c.texts(name)
		if err != nil || len(list) == 0 || len(list) > maxItems || !allClean(list) {
			return nil
		}
	case string(raw) == "true", string(raw) == "false":
	default:
		if f, err := strconv.ParseFloat(string(raw), 64); err != nil || math.IsInf(f, 0) || len(raw) > maxName {
			return nil // of valid JSON, so null or an object fails here
		}
	}
	return slices.Clone(raw)
}

// client is azp or client_id. Two that differ name two clients, and nobody knows which rule was meant.
func (c object) client() (string, error) {
	azp, err := c.text("azp")
	if _, ok := c["azp"]; err != nil || ok && !clean(azp) {
		return "", fmt.Errorf("azp: %w", ErrClaims)
	}
	id, err := c.text("client_id")
	if _, ok := c["client_id"]; err != nil || ok && !clean(id) {
		return "", fmt.Errorf("client_id: %w", ErrClaims)
	}
	switch {
	case azp == "":
		return id, nil
	case id == "" || id == azp:
		return azp, nil
	}
	return "", fmt.Errorf("azp and client_id differ: %w", ErrClaims)
}

// scopes reads scope (RFC 9068 §2.2.3) or scp, each a string with spaces or a list; sorted, without duplicates.
func (c object) scopes() ([]string, error) {
	var found [2][]string
	for i, name := range []string{"scope", "scp"} {
		list, err := c.texts(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, ErrClaims)
		}
		for _, item := range list {
			found[i] = append(found[i], strings.Split(item, " ")...)
		}
		found[i] = slices.DeleteFunc(found[i], func(s string) bool { return s == "" })
		if !allClean(found[i]) {
			return nil, fmt.Errorf("%s: %w", name, ErrClaims)
		}
		slices.Sort(found[i])
		found[i] = slices.Compact(found[i])
	}
	switch scope, scp := found[0], found[1]; {
	case len(scp) == 0:
		return scope, nil
	case len(scope) == 0 || slices.Equal(scope, scp):
		return scp, nil
	}
	return nil, fmt.Errorf("scope and scp differ: %w", ErrClaims)
}

// chain is the sub of every nested actor, outermost (the one that acts now) first. RFC 8693 §4.1.
func chain(raw json.RawMessage, outer []string) ([]string, error) {
	var act object
	if err := json.Unmarshal(raw, &act); err != nil || act == nil || len(outer) == maxActors {
		return nil, ErrClaims
	}
	sub, err := act.text("sub")
	if err != nil || !clean(sub) {
		return nil, fmt.Errorf("sub: %w", ErrClaims)
	}
	outer = append(outer, sub)
	if inner, ok := act["act"]; ok {
		return chain(inner, outer)
	}
	return outer, nil
}

// display is text for people, which decides nothing: what is not clean is left out.
func (c object) display(name string) string {
	s, err := c.text(name)
	if err != nil || !clean(s) {
		return ""
	}
	return s
}

// date reads a NumericDate (RFC 7519 §2), which may have a fraction; ok is false when there is none.
func (c object) date(name string) (t time.Time, ok bool, err error) {
	raw, ok := c[name]
	if !ok {
		return t, false, nil
	}
	f, err := strconv.ParseFloat(string(raw), 64) // of valid JSON, so a string, null or a list fails here
	if err != nil || f < 0 || f > maxNumeric {
		return t, true, errShape
	}
	return time.Unix(int64(math.Floor(f)), 0).UTC(), true, nil
}

func allClean(list []string) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !clean(s) })
}

// clean reports whether s can be a name: not empty, of bounded length, no control or invisible characters (approvers read
// it), no spaces around it, and no U+FFFD, into which JSON decoding turns every lone surrogate: two names would become one.
func clean(s string) bool {
	if s == "" || len(s) > maxName || s[0] == ' ' || s[len(s)-1] == ' ' {
		return false
	}
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
