package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"sallyport/approvals"
)

// row is one request of the list.
type row struct {
	Code, State, Summary, Target, Environment, Requester string
	Risk                                                 int
	Expires                                              time.Time
}

// list shows the open requests that the person may see, those that end first at the top.
func (s *Server) list(w http.ResponseWriter, r *http.Request, who *session) {
	all, err := s.Requests.Approvals(r.Context(), approvals.Pending, approvals.Approved)
	if err != nil {
		s.unavailable(w, err)
		return
	}
	rows := []row{}
	for _, req := range all {
		if req.Open(s.Now()) && s.Sees(who.principal(), req) {
			rows = append(rows, row{req.Code, string(req.State), approvals.Reveal(req.Summary).Text, req.Target, req.Environment, approvals.Reveal(req.Requester.Subject).Text, req.Risk, req.Expires})
		}
	}
	s.render(w, http.StatusOK, "list.html", map[string]any{"Who": who.display(), "Rows": rows})
}

// card is one request as its page shows it.
type card struct {
	approvals.Request
	Who            string
	Shown          map[string]approvals.Revealed // text of strangers by what it is
	Hidden         bool                          // some of it could not be seen as it was written
	Mixed          []string
	Open           bool
	MayAnswer      bool
	Why            string // why not
	NeedsLogin     bool   // a fresh login would let him
	Token          string // of the form
	Needed, Given  int
	Target         string
	EnvironmentSay string
}

func (s *Server) show(w http.ResponseWriter, r *http.Request, who *session) {
	req, err := s.find(r, who)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	c := card{Request: req, Who: who.display(), Open: req.State == approvals.Pending && s.Now().Before(req.Expires), Needed: max(req.Count, 1), Given: req.Yes(),
		Shown: map[string]approvals.Revealed{}, Target: req.Target, EnvironmentSay: req.Environment}
	for what, text := range map[string]string{"summary": req.Summary, "text": req.Text, "claim": req.Claim, "requester": req.Requester.Subject, "agent": req.Agent, "client": req.Client} {
		shown := approvals.Reveal(text)
		c.Shown[what] = shown
		c.Hidden, c.Mixed = c.Hidden || shown.Hidden, append(c.Mixed, shown.Mixed...)
	}
	if c.Open {
		c.Why, c.NeedsLogin = s.whyNot(req, who)
		if c.MayAnswer = c.Why == ""; c.MayAnswer || c.NeedsLogin {
			c.Token = s.form.seal(formPurpose, ballot{who.ID, req.ID, req.Digest})
		}
	}
	s.render(w, http.StatusOK, "request.html", c)
}

// find is the request of the page. One that the person may not see answers like one that does not exist.
func (s *Server) find(r *http.Request, who *session) (approvals.Request, error) {
	req, err := s.Requests.Approval(r.Context(), strings.ToUpper(r.PathValue("code")))
	if errors.Is(err, approvals.ErrNotFound) {
		req, err = s.Requests.Approval(r.Context(), r.PathValue("code")) // an id is in small letters
	}
	if err == nil && !s.Sees(who.principal(), req) {
		err = approvals.ErrNotFound
	}
	return req, err
}

// whyNot says why the person cannot approve; "" when he can. login: proving again who he is would help.
func (s *Server) whyNot(req approvals.Request, who *session) (why string, login bool) {
	err := approvals.Eligible(req, who.voter(s.Now()))
	switch {
	case !s.Answers(who.principal()):
		return "Your groups do not let you answer requests.", false
	case errors.Is(err, approvals.ErrAssurance):
		return "To approve this, prove once more who you are and answer within five minutes.", true
	case errors.Is(err, approvals.ErrSelf):
		return "It is your own request, or one made for you: somebody else has to answer.", false
	case err != nil:
		return "None of your groups may answer this request.", false
	}
	for _, v := range req.Votes {
		if v.By == (approvals.Identity{Issuer: who.Issuer, Subject: who.Subject}) {
			return "You have answered already.", false
		}
	}
	return "", false
}

// ballot is what a form is about: who it was shown to, and exactly which request.
type ballot struct {
	Session string `json:"session"`
	ID      string `json:"id"`
	Digest  string `json:"digest"`
}

const formPurpose = "vote"

func (s *Server) answer(w http.ResponseWriter, r *http.Request, who *session) {
	if err := r.ParseForm(); err != nil {
		s.fail(w, http.StatusBadRequest, "The form is too large or incomplete. Nothing was counted.", r.URL.Path)
		return
	}
	var b ballot
	word := r.PostForm.Get("answer")
	req, err := s.find(r, who)
	switch {
	case err != nil:
		s.refuse(w, r, err)
		return
	case !s.form.open(formPurpose, r.PostForm.Get("token"), &b), b.Session != who.ID, b.ID != req.ID, word != "approve" && word != "deny":
		s.fail(w, http.StatusForbidden, "This form is not one that was shown to you. Nothing was counted.", r.URL.Path)
		return
	case !s.Answers(who.principal()):
		s.fail(w, http.StatusForbidden, "Your groups do not let you answer requests.", r.URL.Path)
		return
	}
	if _, err := s.Vote(r.Context(), req.ID, who.voter(s.Now()), b.Digest, word == "approve", r.PostForm.Get("reason")); err != nil {
		s.refuse(w, r, err)
		return
	}
	http.Redirect(w, r, Path+"/"+req.Code, http.StatusSeeOther)
}

// refuse is the one place where an error of approvals becomes a page.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, message := http.StatusConflict, ""
	switch {
	case errors.Is(err, approvals.ErrNotFound):
		s.fail(w, http.StatusNotFound, "There is no such request, or it is not one for you.", "")
		return
	case errors.Is(err, approvals.ErrSelf):
		status, message = http.StatusForbidden, "It is your own request, or one made for you: somebody else has to answer."
	case errors.Is(err, approvals.ErrNotEligible):
		status, message = http.StatusForbidden, "None of your groups may answer this request."
	case errors.Is(err, approvals.ErrAssurance):
		status, message = http.StatusForbidden, "To approve this, prove once more who you are and answer within five minutes."
	case errors.Is(err, approvals.ErrVoted):
		message = "You have answered already."
	case errors.Is(err, approvals.ErrStale), errors.Is(err, approvals.ErrDigest):
		message = "What was asked has changed since this page was shown. Nothing was counted; look at it again."
	case errors.Is(err, approvals.ErrClosed):
		message = "The request is no longer open. Nothing was counted."
	default:
		s.unavailable(w, err)
		return
	}
	s.fail(w, status, message, r.URL.Path)
}

func (s *Server) unavailable(w http.ResponseWriter, err error) {
	s.Log.Error("approvals page", "err", err)
	s.fail(w, http.StatusServiceUnavailable, "The gateway cannot read or write its records now. Nothing was counted.", "")
}
