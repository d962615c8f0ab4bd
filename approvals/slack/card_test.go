package slack

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"sallyport/approvals"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// asked is an ordinary request.
func asked() approvals.Request {
	return approvals.Request{
		ID: "r1", Code: "K7QM-2X9D", CallID: "c1", Digest: "d1", State: approvals.Pending, Tool: "query_write", Target: "shop", Environment: "production",
		Requester: approvals.Identity{Issuer: "https://idp", Subject: "maria"}, Agent: "claude-code", Summary: "updates public.orders (id, status)",
		Text: "update orders set status = $1 where id = $2\n$1 = \"paid\"\n$2 = 1043", Claim: "ticket 7732", Risk: 65,
		Reasons: []string{"changes data: +30", "in production: +15"}, From: []string{"dba"}, Count: 1, Assurance: "chat", Created: noon, Expires: noon.Add(30 * time.Minute),
		Impact: &approvals.Impact{Object: "public.orders", Rows: approvals.Count{N: 1, Is: approvals.Exact}, Of: approvals.Count{N: 5000, Is: approvals.Exact},
			Cascades: []approvals.Cascade{{Object: "public.lines", Action: "delete", Level: 1, Rows: approvals.Count{N: 6500, Is: approvals.AtLeast}}}},
	}
}

func cardOf(r approvals.Request) Card {
	return Card{Request: r, Preview: PreviewFull, Buttons: Buttons{"token-yes", "token-no"}}
}

// parts sorts what a card shows: what is parsed by nobody, and all other strings of the blocks.
func parts(t testing.TB, blocks []slackgo.Block) (inert []string, others []string, total int) {
	t.Helper()
	b, err := json.Marshal(blocks)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	var walk func(v any, pre bool)
	walk = func(v any, pre bool) {
		switch v := v.(type) {
		case map[string]any:
			pre = pre || v["type"] == "rich_text_preformatted"
			for key, item := range v {
				if s, ok := item.(string); ok {
					total += size(s)
					if key == "text" && pre {
						inert = append(inert, s)
						continue
					}
					others = append(others, s)
					continue
				}
				walk(item, pre)
			}
		case []any:
			for _, item := range v {
				walk(item, pre)
			}
		}
	}
	walk(v, false)
	return inert, others, total
}

func actions(blocks []slackgo.Block) (ids []string) {
	for _, b := range blocks {
		if a, ok := b.(*slackgo.ActionBlock); ok {
			for _, e := range a.Elements.ElementSet {
				ids = append(ids, e.(*slackgo.ButtonBlockElement).ActionID)
			}
		}
	}
	return ids
}

func TestTheCardSaysWhatIsDecidedOn(t *testing.T) {
	blocks, complete := cardOf(asked()).blocks()
	inert, others, total := parts(t, blocks)
	if !complete || total > maxCharacter || len(blocks) > maxBlocks {
		t.Errorf("complete %v, %d characters, %d blocks", complete, total, len(blocks))
	}
	all := strings.Join(append(inert, others...), "\n")
	for _, want := range []string{"updates public.orders", "shop (production)", "maria, through claude-code", "65 of 100", "- changes data: +30",
		"1 row of 5,000 rows in public.orders", "cascades: at least 6,500 rows of public.lines, delete", "1 of dba, has 0",
		"update orders set status = $1 where id = $2\n$1 = \"paid\"", "ticket 7732", "nobody checked", "K7QM-2X9D", "Expires", "sallyport approvals show K7QM-2X9D"} {
		if !strings.Contains(all, want) {
			t.Errorf("the card lacks %q:\n%s", want, all)
		}
	}
	if got := fmt.Sprint(actions(blocks)); got != "[approve deny]" {
		t.Errorf("buttons %s", got)
	}
}

// TestTextNotFullyShownHasNoApproveButton is the first of the weaknesses found elsewhere: a call longer than the message.
func TestTextNotFullyShownHasNoApproveButton(t *testing.T) {
	for name, change := range map[string]func(*Card){
		"a long call":          func(c *Card) { c.Request.Text = strings.Repeat("x", maxText+1) },
		"a call of many bytes": func(c *Card) { c.Request.Text = strings.Repeat("😀", maxText/2+1) },
		"a call that grows when hidden characters are written out": func(c *Card) { c.Request.Text = strings.Repeat("\u200b", maxText/4) },
		"many lines":                func(c *Card) { c.Request.Text = strings.Repeat("\n", 500) + "DROP" },
		"a long summary":            func(c *Card) { c.Request.Summary = strings.Repeat("s", maxSummary+1) },
		"many reasons":              func(c *Card) { c.Request.Reasons = strings.Split(strings.Repeat("a reason of risk,", 300), ",") },
		"a target not shown here":   func(c *Card) { c.Preview = PreviewLink },
		"a preview nobody knows":    func(c *Card) { c.Preview = "" },
		"a stronger login needed":   func(c *Card) { c.Request.Assurance = "web_fresh" },
		"an assurance nobody knows": func(c *Card) { c.Request.Assurance = "telepathy" },
	} {
		c := cardOf(asked())
		change(&c)
		blocks, _ := c.blocks()
		if got := fmt.Sprint(actions(blocks)); got != "[deny]" {
			t.Errorf("%s: buttons %s", name, got)
		}
		inert, others, total := parts(t, blocks)
		if !strings.Contains(strings.Join(others, "\n"), "sallyport approvals show K7QM-2X9D") {
			t.Errorf("%s: no pointer to where it can be read", name)
		}
		if total > maxCharacter || len(blocks) > maxBlocks {
			t.Errorf("%s: %d characters, %d blocks", name, total, len(blocks))
		}
		if c.Preview == PreviewLink && strings.Contains(strings.Join(inert, ""), "update orders") {
			t.Errorf("%s: the call is shown", name)
		}
	}
}

func TestAClosedCardHasNoButtons(t *testing.T) {
	for _, s := range []approvals.State{approvals.Approved, approvals.Denied, approvals.Expired, approvals.Cancelled, approvals.Stale, approvals.Consumed, "unheard of"} {
		c := cardOf(asked())
		c.Request.State = s
		blocks, _ := c.blocks()
		if got := actions(blocks); len(got) > 0 {
			t.Errorf("%s: %v", s, got)
		}
	}
}

func TestTheThreadOnlyGrows(t *testing.T) {
	c := cardOf(asked())
	vote := approvals.Vote{By: approvals.Identity{Subject: "bob"}, Yes: true, Via: "slack"}
	var before []string
	for _, step := range []func(){
		func() { c.Request.Votes = []approvals.Vote{vote} },
		func() { c.Request.State = approvals.Approved },
		func() { c.Request.State = approvals.Consumed },
		func() { c.Outcome = "ok" },
	} {
		step()
		now := c.notes()
		if len(now) <= len(before) || strings.Join(now[:len(before)], "|") != strings.Join(before, "|") {
			t.Errorf("after %q: %q", before, now)
		}
		before = now
	}
}

// hostile is text that breaks out of places where it does not belong.
var hostile = []string{
	"<!channel> <!here> <!everyone> <@U012AB3CD> <!subteam^S012AB3CD>", "<https://evil.example|Approve>", "```\n*Approved by the CISO*\n```",
	"https://evil.example/approve", ":white_check_mark: @channel #general", "&lt;!channel&gt; &amp;", "\u202eTELED\u202c", "a\u0000b", "\"}]},{\"type\":\"actions\"",
	strings.Repeat("\u200b", 9000), strings.Repeat("<!channel>", 2000), strings.Repeat("\n", 5000), "\xff\xfe", strings.Repeat("é̂̃", 3000), "mailto:a@evil.example", " ", "\ufeff",
}

// checkHostile holds for a card whatever its request says.
func checkHostile(t testing.TB, text string) {
	r := asked()
	r.Summary, r.Text, r.Claim, r.Agent, r.Requester.Subject = text, text, text, text, text
	r.Reasons, r.From, r.Target, r.Environment = []string{text}, []string{text}, text, text
	r.Impact.Object, r.Impact.Unknown = text, text
	r.Votes = []approvals.Vote{{By: approvals.Identity{Subject: text}, Name: text, Reason: text, Via: "slack"}}
	for _, state := range []approvals.State{approvals.Pending, approvals.Denied} {
		r.State = state
		c := cardOf(r)
		blocks, complete := c.blocks()
		inert, others, total := parts(t, blocks)
		if total > maxCharacter || len(blocks) > maxBlocks {
			t.Errorf("%d characters, %d blocks for %.80q", total, len(blocks), text)
		}
		clean := asked()
		clean.State, clean.Votes = state, r.Votes
		_, known, _ := parts(t, first(cardOf(clean).blocks()))
		_, long, _ := parts(t, first(Card{Request: func() approvals.Request { x := clean; x.Text = strings.Repeat("x", 99999); return x }(), Preview: PreviewFull, Buttons: c.Buttons}.blocks()))
		for _, s := range others {
			if !contains(known, s) && !contains(long, s) && s != "Look closely" && s != "The agent claims, and nobody checked" {
				t.Errorf("text of a stranger outside of preformatted: %.200q", s)
			}
		}
		for _, s := range inert {
			if s == "" || approvals.Reveal(s).Hidden {
				t.Errorf("empty or hidden: %.80q", s)
			}
		}
		if complete && !contains(inert, strings.TrimRight(approvals.Reveal(text).Text, "\n")) && strings.Trim(text, "\n") != "" {
			t.Errorf("said to be complete, but the text is not there: %.80q", text)
		}
		if !complete && contains(actions(blocks), actionApprove) {
			t.Errorf("a button to approve what is not fully shown: %.80q", text)
		}
		if n := c.notification(); strings.ContainsAny(n, "<>&@") {
			t.Errorf("notification %q", n)
		}
	}
}

func first(b []slackgo.Block, _ bool) []slackgo.Block { return b }

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func TestHostileTextStaysText(t *testing.T) {
	for _, text := range hostile {
		checkHostile(t, text)
	}
}

func FuzzHostileTextStaysText(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkHostile(t, text) })
}
