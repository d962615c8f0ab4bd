package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sallyport/identity"
)

// pending is a login that was begun, as the browser keeps it.
type pending struct {
	identity.Login
	To   string    `json:"to"` // the page to come back to
	Ends time.Time `json:"ends"`
}

// loginTakes is how long a person may take at the identity provider.
const loginTakes = 10 * time.Minute

func (s *Server) redirect() string { return s.origin + Path + "/callback" }

// local is to, when it is a page of ours; anything else would let a link of ours lead elsewhere.
func local(to string) string {
	rest, ok := strings.CutPrefix(to, Path)
	if ok && (rest == "" || rest[0] == '/' && len(rest) > 1 && strings.Trim(rest[1:], "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdef-") == "") {
		return to
	}
	return Path
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	to, fresh, issuer := local(q.Get("to")), q.Get("fresh") != "", q.Get("issuer")
	issuers := s.Logins.LoginIssuers()
	switch {
	case len(issuers) == 1:
		issuer = issuers[0]
	case issuer == "":
		more := url.Values{"to": {to}}
		if fresh {
			more.Set("fresh", "1")
		}
		s.render(w, http.StatusOK, "issuers.html", map[string]any{"Issuers": issuers, "More": more})
		return
	}
	at, l, err := s.Logins.BeginLogin(issuer, s.redirect(), fresh)
	switch {
	case errors.Is(err, identity.ErrIssuer):
		s.fail(w, http.StatusBadRequest, "Nobody can log in with this identity provider.", to)
		return
	case err != nil:
		s.Log.Warn("a login could not begin", "err", err)
		s.fail(w, http.StatusServiceUnavailable, "The identity provider cannot be reached. Try again in a moment; requests can also be answered with sallyport approvals.", to)
		return
	}
	s.set(w, loginCookie, s.cookie.seal(loginCookie, pending{l, to, s.Now().Add(loginTakes)}), loginTakes)
	http.Redirect(w, r, at, http.StatusSeeOther)
}

// callback is where the identity provider sends the browser back to.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) {
	var p pending
	begun := s.get(r, loginCookie, &p) && s.Now().Before(p.Ends)
	s.set(w, loginCookie, "", 0) // one answer to one login
	if !begun {
		s.fail(w, http.StatusBadRequest, "This browser did not begin a login, or took too long. Nothing happened; log in again.", "")
		return
	}
	q := r.URL.Query()
	if q.Get("error") != "" { // its text is the provider's, or anybody's
		s.fail(w, http.StatusForbidden, "The identity provider did not let you in.", p.To)
		return
	}
	who, err := s.Logins.FinishLogin(r.Context(), p.Login, s.redirect(), q.Get("state"), q.Get("iss"), q.Get("code"))
	switch {
	case errors.Is(err, identity.ErrUnavailable):
		s.fail(w, http.StatusServiceUnavailable, "The identity provider cannot be reached. Try again in a moment.", p.To)
		return
	case errors.Is(err, identity.ErrNotInteractive):
		s.fail(w, http.StatusForbidden, "The identity provider does not say when you proved who you are, or did not ask again. Its administrator has to let it send auth_time.", p.To)
		return
	case err != nil:
		s.Log.Warn("a login was refused", "reason", identity.Reason(err), "err", err)
		s.fail(w, http.StatusForbidden, "The login did not succeed. Log in again.", p.To)
		return
	}
	s.begin(w, who)
	http.Redirect(w, r, local(p.To), http.StatusSeeOther)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	s.set(w, sessionCookie, "", 0)
	s.render(w, http.StatusOK, "problem.html", map[string]any{"Message": "You are logged out of these pages.", "To": Path})
}
