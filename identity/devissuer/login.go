package devissuer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// login is what a code stands for until it is exchanged.
type login struct {
	client, redirect, challenge, nonce, person string
	at                                         time.Time
}

// page asks who it is. There are no passwords.
var page = template.Must(template.New("").Parse(`<!doctype html><title>Development issuer</title><h1>Who are you?</h1>
<p>This issuer is for demonstrations and tests: it believes everybody.</p>
{{range .People}}<p><a href="?{{$.Query}}&amp;login_hint={{.}}">{{.}}</a></p>{{end}}`))

// authorize begins a login (OpenID Connect Core §3.1.2): it asks who it is, or takes login_hint for the answer, and sends the browser
// back with a code. Every login is a fresh one.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	i.mu.Lock()
	c, ok := i.clients[q.Get("client_id")]
	i.mu.Unlock()
	back, err := url.Parse(q.Get("redirect_uri"))
	if !ok || err != nil || !slices.Contains(c.Redirects, q.Get("redirect_uri")) {
		oauthError(w, http.StatusBadRequest, "invalid_request") // never sent to an address that is not registered
		return
	}
	answer := url.Values{"state": {q.Get("state")}, "iss": {i.url}}
	person := q.Get("login_hint")
	_, known := i.people[person]
	switch {
	case q.Get("response_type") != "code":
		answer.Set("error", "unsupported_response_type")
	case q.Get("code_challenge") == "" || q.Get("code_challenge_method") != "S256":
		answer.Set("error", "invalid_request")
	case person == "":
		q.Del("login_hint")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		page.Execute(w, map[string]any{"People": slices.Sorted(maps.Keys(i.people)), "Query": template.URL(q.Encode())})
		return
	case !known:
		answer.Set("error", "access_denied")
	default:
		code := rand.Text()
		i.mu.Lock()
		i.codes[code] = login{client: q.Get("client_id"), redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), nonce: q.Get("nonce"), person: person, at: i.now()}
		i.mu.Unlock()
		answer.Set("code", code)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// exchange answers the code grant (RFC 6749 §4.1.3) with an ID token. A code works once.
func (i *Issuer) exchange(w http.ResponseWriter, r *http.Request, client string) {
	code := r.PostForm.Get("code")
	i.mu.Lock()
	l, ok := i.codes[code]
	delete(i.codes, code)
	i.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !ok || l.client != client || l.redirect != r.PostForm.Get("redirect_uri") || base64.RawURLEncoding.EncodeToString(sum[:]) != l.challenge || i.now().Sub(l.at) > time.Minute {
		oauthError(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	claims := Claims{"sub": l.person, "aud": client, "azp": client, "nonce": l.nonce, "auth_time": l.at.Unix()}
	maps.Copy(claims, i.people[l.person])
	w.Header().Set("Cache-Control", "no-store")
	reply(w, http.StatusOK, map[string]any{"id_token": i.Mint(claims), "access_token": rand.Text(), "token_type": "Bearer", "expires_in": int(i.lifetime.Seconds())})
}
