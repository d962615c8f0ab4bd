package adminapi

import (
	"encoding/json"
	"errors"
	"net/http"

	"sallyport/approvals"
	"sallyport/gateway"
)

// Item is one request in a listing.
type Item struct {
	ID        string `json:"id"`
	Code      string `json:"code"`
	State     string `json:"state"`
	Tool      string `json:"tool"`
	Target    string `json:"target"`
	Requester string `json:"requester"`
	Agent     string `json:"agent"`
	Risk      int    `json:"risk"`
	Reasons   any    `json:"reasons"`
	Summary   string `json:"summary"`
	Created   string `json:"created"`
	Expires   string `json:"expires"`
}

const timeFormat = "2006-01-02T15:04:05Z"

func item(r approvals.Request) Item {
	return Item{
		ID: r.ID, Code: r.Code, State: string(r.State), Tool: r.Tool, Target: r.Target, Requester: r.Requester.Subject, Agent: r.Agent,
		Risk: r.Risk, Reasons: r.Reasons, Summary: r.Summary,
		Created: r.Created.UTC().Format(timeFormat), Expires: r.Expires.UTC().Format(timeFormat),
	}
}

func (s *Server) listApprovals(w http.ResponseWriter, r *http.Request, p *person) error {
	states := []approvals.State{approvals.Pending, approvals.Approved}
	switch v := r.URL.Query().Get("state"); v {
	case "", "open":
	case "all":
		states = nil
	case "pending", "approved", "denied", "expired", "cancelled", "stale", "consumed":
		states = []approvals.State{approvals.State(v)}
	default:
		return errors.Join(errArgument, errors.New("state: open, all, pending, approved, denied, expired, cancelled, stale or consumed"))
	}
	list, err := s.Gateway.Store.Approvals(r.Context(), states...)
	if err != nil {
		return err
	}
	out := []Item{}
	now := s.Gateway.Now()
	for _, req := range list {
		if r.URL.Query().Get("state") == "" && !req.Open(now) {
			continue
		}
		if p.sees(req) {
			out = append(out, item(req))
		}
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// Detail is a request with everything an approver decides on: the exact call, and the digest his vote carries.
type Detail struct {
	Item
	Environment string `json:"environment"`
	Client      string `json:"client"`
	Issuer      string `json:"issuer"`
	Text        string `json:"text"`
	Claim       string `json:"reason"`
	// Impact is what the change would hit; absent where nothing counts rows.
	Impact *approvals.Impact `json:"impact,omitempty"`
	From   []string          `json:"from"`
	Needed int               `json:"needed"`
	Given  int               `json:"given"`
	Votes  []approvals.Vote  `json:"votes"`
	Digest string            `json:"digest"`
}

func detail(r approvals.Request) Detail {
	return Detail{Item: item(r), Environment: r.Environment, Client: r.Client, Issuer: r.Requester.Issuer, Text: r.Text, Claim: r.Claim, Impact: r.Impact,
		From: r.From, Needed: max(r.Count, 1), Given: r.Yes(), Votes: r.Votes, Digest: r.Digest}
}

// visible finds a request that p may see; any other answers like one that does not exist.
func (s *Server) visible(r *http.Request, p *person) (approvals.Request, error) {
	req, err := s.Gateway.Store.Approval(r.Context(), r.PathValue("id"))
	if err == nil && !p.sees(req) {
		err = approvals.ErrNotFound
	}
	return req, err
}

func (s *Server) showApproval(w http.ResponseWriter, r *http.Request, p *person) error {
	req, err := s.visible(r, p)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, detail(req))
	return nil
}

// Ballot is the body of a vote.
type Ballot struct {
	Yes    *bool  `json:"yes"`
	Digest string `json:"digest"`
	Reason string `json:"reason"`
}

func (s *Server) vote(w http.ResponseWriter, r *http.Request, p *person) error {
	var b Ballot
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil || b.Yes == nil || b.Digest == "" {
		return errors.Join(errArgument, errors.New(`send {"yes": true or false, "digest": "...", "reason": "..."}`))
	}
	req, err := s.visible(r, p)
	if err != nil {
		return err
	}
	// The session's client says how the person came in; what counts is who he is.
	expires := req.Expires
	req, err = s.Gateway.Vote(r.Context(), req.ID, gateway.Answer{Voter: p.voter(s.Gateway.Now()), Digest: b.Digest, Yes: *b.Yes, Reason: b.Reason, Via: "cli"})
	if errors.Is(err, approvals.ErrClosed) && !s.Gateway.Now().Before(expires) {
		return errExpired
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, detail(req))
	return nil
}
