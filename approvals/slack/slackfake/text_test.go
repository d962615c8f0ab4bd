package slackfake

import (
	"slices"
	"testing"
)

func TestWhatAPersonSees(t *testing.T) {
	mrk := func(s string) Message {
		return Message{Text: "fallback", Blocks: []any{o{"type": "section", "block_id": "b", "text": md(s)}}}
	}
	rich := func(kind string, elements ...any) Message {
		return Message{Text: "fallback", Blocks: []any{o{"type": "rich_text", "block_id": "b", "elements": []any{o{"type": kind, "elements": elements}}}}}
	}
	for _, tc := range []struct {
		name    string
		m       Message
		visible string
		pings   []string
		links   []string
	}{
		{"plain", Message{Text: "hello"}, "hello", nil, nil},
		{"a channel ping in the text", Message{Text: "<!channel> hello"}, "@channel hello", []string{"channel"}, nil},
		{"pings in mrkdwn", mrk("<!here> <!everyone> <@U1> <@U2|bob> <!subteam^S1|@dba>"), "@here @everyone @U1 bob @dba", []string{"here", "everyone", "U1", "U2", "S1"}, nil},
		{"a fence protects nobody", mrk("```<!channel> <https://e.example|ok>```"), "```@channel ok```", []string{"channel"}, []string{"https://e.example"}},
		{"escaped", mrk("&lt;!channel&gt; a &amp; b"), "<!channel> a & b", nil, nil},
		{"escaped twice stays text", mrk("&amp;lt;!channel&amp;gt;"), "&lt;!channel&gt;", nil, nil},
		{"a link that lies", mrk("<https://evil.example/x|https://good.example>"), "https://good.example", nil, []string{"https://evil.example/x"}},
		{"a bare link", mrk("see https://e.example/a?b=1 and www.e.example"), "see https://e.example/a?b=1 and www.e.example", nil, []string{"https://e.example/a?b=1", "www.e.example"}},
		{"mail", mrk("<mailto:a@e.example|mail>"), "mail", nil, []string{"mailto:a@e.example"}},
		{"a date with a link", mrk("<!date^1392734382^{date}^https://e.example/|today>"), "today", nil, []string{"https://e.example/"}},
		{"a channel", mrk("<#C1|general>"), "general", nil, nil},
		{"plain names ping nobody", mrk("@channel @bob"), "@channel @bob", nil, nil},
		{"but they do with parse=full", Message{Text: "@channel @bob", ParseFull: true}, "@channel @bob", []string{"channel", "bob"}, nil},
		{"verbatim", Message{Blocks: []any{o{"type": "section", "text": merge(md("https://e.example <!here>"), o{"verbatim": true})}}}, "https://e.example @here", []string{"here"}, nil},
		{"plain_text is literal", Message{Blocks: []any{o{"type": "section", "text": pt("<!channel> <https://e.example>")}}}, "<!channel> <https://e.example>", nil, nil},
		{"rich text is literal", rich("rich_text_preformatted", o{"type": "text", "text": "<!channel> ``` https://e.example"}), "<!channel> ``` https://e.example", nil, nil},
		{"its own elements are not", rich("rich_text_section", o{"type": "broadcast", "range": "channel"}, o{"type": "user", "user_id": "U1"}, o{"type": "link", "url": "https://e.example", "text": "ok"}),
			"@channel@U1ok", []string{"channel", "U1"}, []string{"https://e.example"}},
		{"markdown", Message{Blocks: []any{o{"type": "markdown", "text": "[ok](https://e.example) <!channel>"}}}, "ok @channel", []string{"channel"}, []string{"https://e.example"}},
		{"the text beside blocks pings too", Message{Text: "<@U9>", Blocks: []any{o{"type": "divider"}}}, "", []string{"U9"}, nil},
		{"buttons and images are links", Message{Blocks: []any{acts(btn(o{"url": "https://e.example/b"})), o{"type": "image", "alt_text": "alt", "image_url": "https://e.example/i.png"}}},
			"ok\nalt", nil, []string{"https://e.example/b", "https://e.example/i.png"}},
		{"hidden characters are not seen", Message{Text: "a\u200bb\u202ec\U000e0041d\u2066e"}, "abcde", nil, nil},
		{"what is between two people's brackets", mrk("<<!channel>>"), "<@channel>", []string{"channel"}, nil},
	} {
		if got := tc.m.VisibleText(); got != tc.visible {
			t.Errorf("%s: visible %q, want %q", tc.name, got, tc.visible)
		}
		if got := tc.m.Pings(); !slices.Equal(got, tc.pings) {
			t.Errorf("%s: pings %v, want %v", tc.name, got, tc.pings)
		}
		if got := tc.m.Links(); !slices.Equal(got, tc.links) {
			t.Errorf("%s: links %v, want %v", tc.name, got, tc.links)
		}
	}
	m := Message{Blocks: []any{o{"type": "section", "text": pt("a\u200bb\u202ec\U000e0041\u061c\ufeff")}}}
	if got, want := m.Hidden(), []string{"U+200B", "U+202E", "U+E0041", "U+061C", "U+FEFF"}; !slices.Equal(got, want) {
		t.Errorf("hidden %v, want %v", got, want)
	}
}
