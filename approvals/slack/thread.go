package slack

import (
	"fmt"
	"strings"

	"sallyport/approvals"
)

// said lists who answered. Names and reasons are people's.
func (c Card) said() string {
	var b strings.Builder
	for i, v := range c.Request.Votes {
		if i == 10 {
			fmt.Fprintf(&b, "and %d more\n", len(c.Request.Votes)-i)
			break
		}
		b.WriteString(voteLine(v) + "\n")
	}
	text, _ := cut(strings.TrimRight(b.String(), "\n"), 1000)
	return text
}

func voteLine(v approvals.Vote) string {
	word := "no"
	if v.Yes {
		word = "yes"
	}
	who, _ := cut(approvals.Line(v.By.Subject), 80)
	if v.Name != "" && v.Name != v.By.Subject {
		name, _ := cut(approvals.Line(v.Name), 60)
		who = name + " (" + who + ")"
	}
	text := fmt.Sprintf("%s  %s, by %s", word, who, approvals.Line(v.Via))
	if v.Reason != "" {
		reason, _ := cut(approvals.Line(v.Reason), 300)
		text += ": " + reason
	}
	return text
}

// notes are what the thread is told, in the order in which it happened: each answer, the end, the outcome. It only ever grows, so
// that its length says how much was told.
func (c Card) notes() []string {
	r := &c.Request
	var out []string
	for _, v := range r.Votes {
		out = append(out, voteLine(v))
	}
	switch r.State {
	case approvals.Pending:
		return out
	case approvals.Approved, approvals.Consumed:
		out = append(out, fmt.Sprintf("approved: %d of %d", r.Yes(), max(r.Count, 1)))
	case approvals.Denied:
		out = append(out, "denied: the agent is told, with the reason")
	case approvals.Expired:
		if r.Yes() >= max(r.Count, 1) {
			out = append(out, fmt.Sprintf("approved: %d of %d", r.Yes(), max(r.Count, 1)))
		}
		out = append(out, "expired: nothing was executed")
	case approvals.Cancelled:
		out = append(out, "withdrawn by the agent: nothing was executed")
	case approvals.Stale:
		out = append(out, "stale: policy, target, masking or what it touches changed; the agent may ask again")
	}
	if r.State == approvals.Consumed {
		out = append(out, "executed: used up, once")
		switch c.Outcome {
		case "":
		case "ok":
			out = append(out, "outcome: ok")
		case "error":
			out = append(out, "outcome: error; see sallyport audit show "+r.CallID)
		default:
			out = append(out, "outcome: unknown; somebody has to look at the target")
		}
	}
	return out
}
