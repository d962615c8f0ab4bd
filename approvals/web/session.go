package web

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"sallyport/approvals"
	"sallyport/identity"
)

// sealer encrypts values that a browser keeps for us: it can neither read nor change them, nor use one in place of another.
type sealer struct{ aead cipher.AEAD }

func newSealer(key []byte) (sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead}, err
}

// seal is v as text that open gives back for the same purpose only.
func (s sealer) seal(purpose string, v any) string {
	b, _ := json.Marshal(v) // strings, times and lists of strings: cannot fail
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, b, []byte(purpose)))
}

func (s sealer) open(purpose, text string, into any) bool {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	plain, err := s.aead.Open(nil, nil, b, []byte(purpose))
	return err == nil && json.Unmarshal(plain, into) == nil
}

// session is a person who logged in, as his browser keeps it, sealed.
type session struct {
	ID       string    `json:"id"` // random; binds the forms of its pages
	Issuer   string    `json:"iss"`
	Subject  string    `json:"sub"`
	Name     string    `json:"name"`
	Groups   []string  `json:"groups"`
	AuthTime time.Time `json:"auth_time"`
	Ends     time.Time `json:"ends"`
}

// lasts is how long a login counts, and how old the groups can get that it named.
const lasts = 8 * time.Hour

// The cookies. A name with the prefix is taken from a TLS page of this very host only (RFC 6265bis §4.1.3.2).
const (
	sessionCookie = "sallyport-approver"
	loginCookie   = "sallyport-login"
)

func (s *Server) cookieName(name string) string {
	if s.secure {
		return "__Host-" + name
	}
	return name
}

// set gives the browser a cookie; "" takes it away. Lax: a link from a chat message opens a page with it, a form of another site does not.
func (s *Server) set(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{Name: s.cookieName(name), Value: value, Path: "/", HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second)}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// get opens a cookie that set gave. Two of one name are one too many.
func (s *Server) get(r *http.Request, name string, into any) bool {
	all := r.CookiesNamed(s.cookieName(name))
	return len(all) == 1 && s.cookie.open(name, all[0].Value, into)
}

// session is who this browser is; nil for nobody.
func (s *Server) session(r *http.Request) *session {
	var who session
	if !s.get(r, sessionCookie, &who) || who.ID == "" || !s.Now().Before(who.Ends) {
		return nil
	}
	return &who
}

func (s *Server) begin(w http.ResponseWriter, p *identity.Principal) {
	who := session{ID: rand.Text(), Issuer: p.Issuer, Subject: p.Subject, Name: p.Name, Groups: p.Groups, AuthTime: p.AuthTime, Ends: s.Now().Add(lasts)}
	s.set(w, sessionCookie, s.cookie.seal(sessionCookie, who), lasts)
}

func (who *session) principal() *identity.Principal {
	return &identity.Principal{Issuer: who.Issuer, Subject: who.Subject, Name: who.Name, Groups: who.Groups, AuthTime: who.AuthTime}
}

func (who *session) voter(now time.Time) approvals.Voter {
	v := approvals.Voter{Identity: approvals.Identity{Issuer: who.Issuer, Subject: who.Subject}, Name: who.Name, Groups: who.Groups, Assurance: approvals.Web}
	if age := now.Sub(who.AuthTime); age < identity.FreshFor {
		v.Assurance = approvals.WebFresh
	}
	return v
}

// display is the person's name on a page.
func (who *session) display() string {
	if who.Name != "" && who.Name != who.Subject {
		return who.Name + " (" + who.Subject + ")"
	}
	return who.Subject
}
