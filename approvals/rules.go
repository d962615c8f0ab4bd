package approvals

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Voter is who answers, as verified by the identity provider at that moment.
type Voter struct {
	Identity
	Name      string
	Groups    []string
	Delegated bool // an agent acts: never eligible
	Assurance Assurance
}

// Assurance is how sure it is who answers.
type Assurance string

// The levels, weakest first. Each covers those before it; what is not one of them covers nothing and is covered by nothing.
const (
	Chat     Assurance = "chat"      // a chat account that was linked to the person from both sides
	Web      Assurance = "web"       // a login at the identity provider some hours ago at most
	WebFresh Assurance = "web_fresh" // a login minutes ago
)

var levels = []Assurance{Chat, Web, WebFresh}

// Covers reports whether a answers where need is asked for.
func (a Assurance) Covers(need Assurance) bool {
	have, want := slices.Index(levels, a), slices.Index(levels, need)
	return want >= 0 && have >= want
}

// Eligible reports whether v may answer req: nil, ErrSelf, ErrNotEligible or ErrAssurance. There is no role that is exempt.
func Eligible(req Request, v Voter) error {
	if v.Identity == req.Requester {
		return ErrSelf
	}
	// Whoever acts for the requester is not a second person, at whichever issuer he logged in.
	if v.Subject == req.Agent || v.Subject == req.Client || slices.Contains(req.Chain, v.Subject) {
		return ErrSelf
	}
	if v.Delegated {
		return ErrNotEligible
	}
	if !slices.ContainsFunc(req.From, func(g string) bool { return slices.Contains(v.Groups, g) }) {
		return ErrNotEligible
	}
	if !v.Assurance.Covers(Assurance(req.Assurance)) {
		return ErrAssurance
	}
	return nil
}

// Apply is the rule of one vote: the state of req after it. A single no closes the request; Count distinct humans who said
// yes approve it. The caller has checked eligibility, and stores the vote and the state together.
// It returns ErrClosed, ErrDigest or ErrVoted and the state unchanged when the vote does not count.
func Apply(req Request, v Vote, now time.Time) (State, error) {
	if req.State != Pending || !now.Before(req.Expires) {
		return req.State, ErrClosed
	}
	if v.Digest != req.Digest {
		return req.State, ErrDigest
	}
	yes := 0
	seen := map[Identity]bool{}
	for _, old := range req.Votes {
		if old.By == v.By {
			return req.State, ErrVoted
		}
		if old.Yes && !seen[old.By] {
			seen[old.By] = true
			yes++
		}
	}
	if !v.Yes {
		return Denied, nil
	}
	if yes+1 >= max(req.Count, 1) {
		return Approved, nil
	}
	return Pending, nil
}

// Yes counts the distinct humans who said yes.
func (r *Request) Yes() int {
	seen := map[Identity]bool{}
	for _, v := range r.Votes {
		if v.Yes {
			seen[v.By] = true
		}
	}
	return len(seen)
}

// Open reports whether the request can still lead to an execution at the given time.
func (r *Request) Open(now time.Time) bool {
	return (r.State == Pending || r.State == Approved) && now.Before(r.Expires)
}

// Answers reports whether an identical call belongs to r instead of being a new question: r is open, or was used up or denied
// less than window ago. It gets the same answer then: an execution is not repeated, and a no is not asked away.
func (r *Request) Answers(now time.Time, window time.Duration) bool {
	over := r.State == Consumed || r.State == Denied
	return r.Open(now) || over && now.Sub(r.Decided) < window
}

// AttachKey identifies a repeated call: the same caller, the same tool and target, the same argument bytes.
func AttachKey(requester Identity, client, tool, target string, args []byte) string {
	return hashFields("sallyport.attach.v1", requester.Issuer, requester.Subject, client, tool, target, string(args))
}

// Sign fills in req's digest from everything a yes is given to, a fresh nonce included, so that no two requests share one.
func (r *Request) Sign() {
	var nonce [16]byte
	rand.Read(nonce[:])
	r.Digest = r.digest(nonce)
}

func (r *Request) digest(nonce [16]byte) string {
	impact, _ := json.Marshal(r.Impact) // strings and numbers only: cannot fail
	return hashFields("sallyport.approval.v2", r.AttachKey, r.CallID, r.Text, r.Agent, strings.Join(r.Chain, "\x00"),
		r.Revision.Policy, r.Revision.Target, r.Revision.Masking, r.Revision.Facts, string(impact), string(nonce[:]))
}

// NewCode makes the short code people read to each other: 40 random bits in Crockford's base 32.
func NewCode() string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	var b [8]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return string(b[:4]) + "-" + string(b[4:])
}

// hashFields is SHA-256 over length-prefixed fields: no two lists of fields have the same bytes.
func hashFields(fields ...string) string {
	h := sha256.New()
	var n [8]byte
	for _, f := range fields {
		binary.BigEndian.PutUint64(n[:], uint64(len(f)))
		h.Write(n[:])
		h.Write([]byte(f))
	}
	return hex.EncodeToString(h.Sum(nil))
}
