package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"sallyport/approvals"
	"sallyport/audit"
)

// Links keeps which account in a chat is whose.
type Links interface {
	Pairing(ctx context.Context, hash string) (approvals.Account, error)
	CompletePairing(ctx context.Context, hash string, l approvals.Link, rec audit.Record, note string) error
	RefreshLinks(ctx context.Context, v approvals.Voter) ([]approvals.Link, error)
	RemoveLinks(ctx context.Context, by approvals.Identity, rec audit.Record) ([]approvals.Link, error)
}

// Pairing is the body of POST /api/links: the code that was sent to the account, and, to link it, the account that was shown for the code.
type Pairing struct {
	Code    string             `json:"code"`
	Account *approvals.Account `json:"account,omitempty"`
}

// Paired is its answer: whose account would be linked to whom, and whether it was.
type Paired struct {
	Account  approvals.Account  `json:"account"`
	Identity approvals.Identity `json:"identity"`
	Linked   bool               `json:"linked"`
}

// pair is the second side of a link: the code proves the account it was sent to, the token proves the person. Without an account it only
// shows both; with the account that was shown it links them.
func (s *Server) pair(w http.ResponseWriter, r *http.Request, p *person) error {
	var in Pairing
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil || in.Code == "" {
		return errors.Join(errArgument, errors.New(`send {"code": "..."}, and "account" as it was answered to link it`))
	}
	hash := approvals.PairingHash(in.Code)
	account, err := s.Links.Pairing(r.Context(), hash)
	if err != nil {
		return err
	}
	out := Paired{Account: account, Identity: approvals.Identity{Issuer: p.Issuer, Subject: p.Subject}}
	if in.Account != nil {
		if !in.Account.Same(account) {
			return approvals.ErrPairing
		}
		l := approvals.Link{Account: account, Identity: out.Identity, Person: p.Name, Groups: p.Groups}
		note := "This Slack account is now linked to " + p.Subject + " of " + p.Issuer + ". If that was not you, tell your administrators at once."
		if err := s.Links.CompletePairing(r.Context(), hash, l, s.linkRecord(p, "linked the chat account "+account.Team+"/"+account.User), note); err != nil {
			return err
		}
		out.Linked = true
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// refresh stores the groups of the token in all links of its person.
func (s *Server) refreshLinks(w http.ResponseWriter, r *http.Request, p *person) error {
	links, err := s.Links.RefreshLinks(r.Context(), p.voter(s.Gateway.Now()))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, links)
	return nil
}

func (s *Server) removeLinks(w http.ResponseWriter, r *http.Request, p *person) error {
	links, err := s.Links.RemoveLinks(r.Context(), approvals.Identity{Issuer: p.Issuer, Subject: p.Subject}, s.linkRecord(p, "removed the links of chat accounts"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, links)
	return nil
}

func (s *Server) linkRecord(p *person, what string) audit.Record {
	return audit.Record{Entry: audit.Entry{Kind: audit.KindConfig, Detail: what,
		Principal: &audit.Principal{Issuer: p.Issuer, Subject: p.Subject, Groups: p.Groups, Client: p.Client}}}
}
