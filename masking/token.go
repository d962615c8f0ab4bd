package masking

import "strings"

// action is what to do where a literal stands.
type action uint8

const (
	doToken  action = iota // a token with a known beginning: tokens[arg]
	doJWT                  // the beginning of a JSON object in base64
	doKey                  // the header or the footer of a private key
	doAssign               // a name whose value is a secret: assigned[arg]
	doSecret               // a spelling of a secret; arg is 1 when the characters around it hold parts of it
	doShort                // a short secret: only where it stands alone
)

// token is a credential with a recognisable beginning. Issuers publish these so that scanners find them.
type token struct {
	prefix string
	class  uint16 // of the bytes after the prefix
	extra  string // other bytes that may follow
	min    int    // bytes after the prefix, at least; fewer are a mention of the prefix or too little to use
	inside bool   // may stand inside a longer word
}

const word = digit | alpha

var tokens = []token{
	{prefix: "ghp_", class: word, min: 20}, {prefix: "gho_", class: word, min: 20}, {prefix: "ghu_", class: word, min: 20},
	{prefix: "ghs_", class: word, min: 20}, {prefix: "ghr_", class: word, min: 20}, {prefix: "github_pat_", class: word, extra: "_", min: 20},
	{prefix: "glpat-", class: base64url, extra: ".", min: 16}, {prefix: "glrt-", class: base64url, extra: ".", min: 16}, {prefix: "gldt-", class: base64url, min: 16},
	{prefix: "xoxb-", class: base64url, min: 10}, {prefix: "xoxp-", class: base64url, min: 10}, {prefix: "xoxa-", class: base64url, min: 10},
	{prefix: "xoxr-", class: base64url, min: 10}, {prefix: "xoxs-", class: base64url, min: 10}, {prefix: "xoxe-", class: base64url, min: 10},
	{prefix: "xoxe.", class: base64url, extra: ".", min: 10}, {prefix: "xapp-", class: base64url, min: 10},
	{prefix: "hooks.slack.com/services/", class: word, extra: "/", min: 20},
	{prefix: "discord.com/api/webhooks/", class: base64url, extra: "/", min: 20}, {prefix: "discordapp.com/api/webhooks/", class: base64url, extra: "/", min: 20},
	{prefix: "AKIA", class: word, min: 16}, {prefix: "ASIA", class: word, min: 16}, {prefix: "AROA", class: word, min: 16},
	{prefix: "AIDA", class: word, min: 16}, {prefix: "ABIA", class: word, min: 16}, {prefix: "ACCA", class: word, min: 16},
	{prefix: "AIza", class: base64url, min: 30}, {prefix: "ya29.", class: base64url, extra: ".", min: 20}, {prefix: "GOCSPX-", class: base64url, min: 20},
	{prefix: "AccountKey=", class: base64std, extra: "=", min: 40, inside: true}, {prefix: "SharedAccessKey=", class: base64std, extra: "=", min: 20, inside: true},
	{prefix: "sk_live_", class: word, min: 10}, {prefix: "rk_live_", class: word, min: 10}, {prefix: "sk_test_", class: word, min: 10},
	{prefix: "rk_test_", class: word, min: 10}, {prefix: "whsec_", class: base64std, extra: "=", min: 16},
	{prefix: "sk-ant-", class: base64url, min: 20}, {prefix: "sk-proj-", class: base64url, min: 20}, {prefix: "sk-svcacct-", class: base64url, min: 20},
	{prefix: "sk-or-v1-", class: base64url, min: 20}, {prefix: "hf_", class: word, min: 30}, {prefix: "gsk_", class: word, min: 40},
	{prefix: "r8_", class: word, min: 30}, {prefix: "xai-", class: word, min: 40}, {prefix: "npm_", class: word, min: 30},
	{prefix: "pypi-AgEI", class: base64url, min: 30}, {prefix: "dop_v1_", class: word, min: 40}, {prefix: "doo_v1_", class: word, min: 40},
	{prefix: "hvs.", class: base64url, min: 20}, {prefix: "hvb.", class: base64url, min: 20}, {prefix: "dckr_pat_", class: base64url, min: 20},
	{prefix: "SG.", class: base64url, extra: ".", min: 40}, {prefix: "shpat_", class: word, min: 24}, {prefix: "shpss_", class: word, min: 24},
	{prefix: "sq0atp-", class: base64url, min: 20}, {prefix: "sq0csp-", class: base64url, min: 20}, {prefix: "lin_api_", class: word, min: 30},
	{prefix: "glsa_", class: word, extra: "_", min: 30}, {prefix: "PMAK-", class: base64url, min: 30}, {prefix: "NRAK-", class: word, min: 20},
	{prefix: "tskey-", class: base64url, min: 20}, {prefix: "AGE-SECRET-KEY-1", class: word, min: 30},
}

// literals are what the scanner looks for besides digits, the @ and the gateway's own secrets.
var literals = func() (list []literal) {
	for i, t := range tokens {
		list = append(list, literal{text: t.prefix, do: doToken, arg: i})
	}
	list = append(list,
		literal{text: "eyJ", do: doJWT},
		literal{text: "PRIVATE KEY-----", do: doKey}, literal{text: "PRIVATE KEY BLOCK-----", do: doKey},
		literal{text: "PuTTY-User-Key-File-", do: doKey})
	for i, a := range assigned {
		list = append(list, literal{text: a.name, fold: true, do: doAssign, arg: i})
	}
	return list
}()

// act follows up on a literal that stands at i of the text.
func (s *scan) act(l *literal, i int) {
	end := i + len(l.text)
	switch l.do {
	case doToken:
		s.token(&tokens[l.arg], i, end)
	case doJWT:
		s.jwt(i)
	case doKey:
		s.privateKey(i, end)
	case doAssign:
		s.assign(&assigned[l.arg], i, end)
	case doSecret:
		if l.arg > 0 && i > 0 && is(s.src[i-1], base64std|base64url) {
			i--
		}
		if l.arg > 0 && end < len(s.src) && is(s.src[end], base64std|base64url) {
			end++
		}
		s.add(i, end, kindSecret)
	case doShort:
		if (i == 0 || !isAlnum(s.src[i-1])) && (end == len(s.src) || !isAlnum(s.src[end])) {
			s.add(i, end, kindSecret)
		}
	}
}

func (s *scan) token(t *token, i, end int) {
	if !t.inside && i > 0 && isAlnum(s.src[i-1]) || i < s.tokensDone {
		return
	}
	e := end
	for e < len(s.src) && (is(s.src[e], t.class) || strings.IndexByte(t.extra, s.src[e]) >= 0) {
		e++
	}
	if e-end < t.min {
		return
	}
	s.tokensDone = e
	if t.prefix == "AGE-SECRET-KEY-1" {
		s.add(i, e, kindPrivateKey)
		return
	}
	s.add(i, e, kindAPIKey)
}
