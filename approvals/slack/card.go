package slack

import (
	"fmt"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"sallyport/approvals"
)

// How much of a call is posted to Slack, per target.
const (
	PreviewFull = "full" // the exact call
	PreviewLink = "link" // nothing of it: what it would do, and where to read it
)

// Action ids of the card's and the other messages' buttons. They say which button it is and give no right: that is in the token.
const (
	actionApprove = "approve"
	actionDeny    = "deny"
	actionLink    = "link"
	actionPage    = "page"
)

// Card is what people see of one request: a pure function of the fields.
//
// Whatever a stranger could have written (the call, names in it, the agent's reason, votes' reasons) is only ever a text element inside
// rich_text_preformatted, where Slack parses nothing, after [reveal]. Everything else is text of ours.
type Card struct {
	Request approvals.Request
	Preview string // PreviewFull or PreviewLink
	Mention string // id of the user group that is mentioned, or ""
	Outcome string // how the execution ended: "ok", "error", "unknown"; "" while there is none
	Page    string // address of the page that shows it, or ""
	Buttons Buttons
}

// Buttons are the tokens the buttons carry; without them the card has none.
type Buttons struct{ Approve, Deny string }

// Slack's own limits are 50 blocks and, undocumented, about 13,200 characters over all blocks; these are ours.
const (
	maxBlocks    = 12
	maxCharacter = 10000

	maxSummary = 600
	maxFacts   = 2200
	maxText    = 4500
	maxLines   = 80 // more are folded by some clients
	maxClaim   = 500
)

// blocks builds the card. complete says that everything an approver decides on is in it: without that there is no button to
// approve, and a pointer to where the rest is.
func (c Card) blocks() (blocks []slackgo.Block, complete bool) {
	r := &c.Request
	summary, cutSummary := cut(approvals.Line(r.Summary), maxSummary)
	facts, cutFacts := cut(c.facts(), maxFacts)
	text := approvals.Reveal(r.Text)
	exact, cutText := cut(strings.TrimRight(text.Text, "\n"), maxText)
	if lines := strings.SplitAfter(exact, "\n"); len(lines) > maxLines {
		exact, cutText = strings.Join(lines[:maxLines], "")+"…", true
	}
	complete = c.Preview == PreviewFull && !cutSummary && !cutFacts && !cutText

	blocks = append(blocks, slackgo.NewHeaderBlock(plain(c.title())))
	what := []slackgo.RichTextElement{label("What would happen"), preformatted(summary), preformatted(facts)}
	if c.Preview == PreviewFull {
		what = append(what, label("Exactly"), preformatted(exact))
	}
	if w := warnings(text, approvals.Reveal(r.Summary+"\n"+r.Claim), cutSummary || cutFacts || cutText); w != "" {
		what = append(what, label("Look closely"), preformatted(w))
	}
	if r.Claim != "" {
		claim, _ := cut(approvals.Line(r.Claim), maxClaim)
		what = append(what, label("The agent claims, and nobody checked"), preformatted(claim))
	}
	blocks = append(blocks, slackgo.NewRichTextBlock("request", what...))
	if said := c.said(); said != "" {
		blocks = append(blocks, slackgo.NewRichTextBlock("answers", preformatted(said)))
	}
	if r.State != approvals.Pending {
		return blocks, complete
	}
	blocks = append(blocks, slackgo.NewRichTextBlock("expiry", c.expiry()))
	return append(blocks, c.ways(complete)...), complete
}

// title says the state in words of ours.
func (c Card) title() string {
	code := c.Request.Code
	switch c.Request.State {
	case approvals.Pending:
		return "Approval needed: " + code
	case approvals.Approved:
		return "Approved: " + code
	case approvals.Denied:
		return "Denied: " + code
	case approvals.Expired:
		return "Expired: " + code
	case approvals.Cancelled:
		return "Withdrawn by the agent: " + code
	case approvals.Stale:
		return "No longer what was asked: " + code
	case approvals.Consumed:
		switch c.Outcome {
		case "":
			return "Approved, running: " + code
		case "ok":
			return "Approved and executed: " + code
		case "error":
			return "Approved, failed: " + code
		}
		return "Approved, outcome unknown: " + code
	}
	return "Closed: " + code
}

// facts are the lines that come from the gateway's own understanding. Names in them are the caller's or the target's.
func (c Card) facts() string {
	r := &c.Request
	var b strings.Builder
	row := func(name, value string) { fmt.Fprintf(&b, "%-8s %s\n", name, approvals.Line(value)) }
	where := r.Environment
	if where == "" {
		where = "no environment named: treated as production"
	}
	row("target", fmt.Sprintf("%s (%s), by %s", r.Target, where, r.Tool))
	agent := r.Agent
	if agent == "" {
		agent = "an agent without a name"
	}
	row("who", fmt.Sprintf("%s, through %s", r.Requester.Subject, agent))
	row("risk", fmt.Sprintf("%d of 100", r.Risk))
	for _, s := range r.Reasons {
		row("", "- "+s)
	}
	if r.Impact != nil {
		for i, l := range impactLines(r.Impact) {
			if i == 0 {
				row("hits", l)
			} else {
				row("", l)
			}
		}
	}
	row("needs", fmt.Sprintf("%d of %s, has %d", max(r.Count, 1), strings.Join(r.From, " or "), r.Yes()))
	return strings.TrimRight(b.String(), "\n")
}

func warnings(exact, rest approvals.Revealed, incomplete bool) string {
	var w []string
	if exact.Hidden || rest.Hidden {
		w = append(w, `Characters that cannot be seen, or change how text looks, are written as \u{...}.`)
	}
	for _, word := range append(exact.Mixed, rest.Mixed...) {
		word, _ = cut(word, 60)
		w = append(w, "Letters of different alphabets in one word: "+word)
	}
	if incomplete {
		w = append(w, "Not everything fits here, so it cannot be approved here.")
	}
	if len(w) > 8 {
		w = w[len(w)-8:]
	}
	return strings.Join(w, "\n")
}

func (c Card) expiry() *slackgo.RichTextSection {
	at := c.Request.Expires.UTC()
	fallback := at.Format(time.RFC3339)
	elements := []slackgo.RichTextSectionElement{
		slackgo.NewRichTextSectionTextElement("Expires ", nil),
		slackgo.NewRichTextSectionDateElement(at.Unix(), "{date_short_pretty} {time}", nil, &fallback),
	}
	if c.Mention != "" {
		elements = append(elements, slackgo.NewRichTextSectionTextElement(". Asked: ", nil), slackgo.NewRichTextSectionUserGroupElement(c.Mention))
	}
	return slackgo.NewRichTextSection(elements...)
}

// ways are how it can be answered.
func (c Card) ways(complete bool) []slackgo.Block {
	here := approvals.Chat.Covers(approvals.Assurance(c.Request.Assurance))
	command := "sallyport approvals show " + c.Request.Code
	var out []slackgo.Block
	switch {
	case !here:
		out = append(out, note("It takes a stronger login than Slack. Read it with:", command))
	case c.Preview == PreviewLink:
		out = append(out, note("This target's calls are not shown in Slack. Read it and approve with:", command))
	case !complete:
		out = append(out, note("It is too long to be shown here in full. Read it and approve with:", command))
	default:
		out = append(out, note("The same on the command line:", command))
	}
	var buttons []slackgo.BlockElement
	if complete && here && c.Buttons.Approve != "" {
		yes := slackgo.NewButtonBlockElement(actionApprove, c.Buttons.Approve, plain("Approve")).WithStyle(slackgo.StylePrimary)
		yes.Confirm = slackgo.NewConfirmationBlockObject(plain("Approve "+c.Request.Code+"?"),
			plain("It runs once, exactly as shown. Your name is recorded."), plain("Approve"), plain("Back"))
		buttons = append(buttons, yes)
	}
	if c.Buttons.Deny != "" {
		buttons = append(buttons, slackgo.NewButtonBlockElement(actionDeny, c.Buttons.Deny, plain("Deny…")).WithStyle(slackgo.StyleDanger))
	}
	if c.Page != "" {
		page := slackgo.NewButtonBlockElement(actionPage, "", plain("Open in browser"))
		page.URL = c.Page
		buttons = append(buttons, page)
	}
	if len(buttons) > 0 {
		out = append(out, slackgo.NewActionBlock("ways", buttons...))
	}
	return out
}

// notification is what phones and screen readers get: a fixed sentence with ids made here.
func (c Card) notification() string {
	text := c.title()
	if c.Mention != "" && c.Request.State == approvals.Pending {
		text += " <!subteam^" + c.Mention + ">"
	}
	return text
}
