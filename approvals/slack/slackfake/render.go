package slackfake

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// VisibleText is what a person reads in the channel, a line for each line of the blocks, or the text when there are none. Gone are
// the addresses of labelled links and the characters that nothing is drawn for; marks of mrkdwn (*, _, ~, back-ticks) stay as typed.
func (m Message) VisibleText() string { return visible(m.shown()) }

// NotificationText is what a notification on a phone or a screen reader gives: the text beside the blocks.
func (m Message) NotificationText() string { return visible([][]span{m.notification()}) }

// Pings are whom the message notifies by name, from the text and the blocks: "channel", "here", "everyone", ids of users and
// groups. In the order they stand; none twice.
func (m Message) Pings() []string {
	return collect(append(m.shown(), m.notification()), func(s span) string { return s.ping })
}

// Links are the addresses somebody can be sent to with a click: links in text, buttons with a URL, images.
func (m Message) Links() []string {
	out := collect(append(m.shown(), m.notification()), func(s span) string { return s.link })
	for _, b := range m.Blocks {
		out = append(out, urlsOf(b)...)
	}
	return unique(out)
}

// Hidden lists the characters in the message that a person does not see or that change the order of what he sees, as "U+202E".
func (m Message) Hidden() []string {
	out := hiddenIn(m.Text)
	walk(m.Blocks, func(key string, s string) {
		if key == "text" || key == "label" || key == "url" {
			out = append(out, hiddenIn(s)...)
		}
	})
	return unique(out)
}

// Preformatted are the texts of the message's rich_text_preformatted elements, exactly as sent: where text from strangers belongs.
func (m Message) Preformatted() []string {
	var out []string
	for _, b := range m.Blocks {
		b := b.(map[string]any)
		if b["type"] != "rich_text" {
			continue
		}
		for _, e := range items(b["elements"]) {
			if e := e.(map[string]any); e["type"] == "rich_text_preformatted" {
				var s strings.Builder
				for _, part := range richLine(e) {
					s.WriteString(part.text)
				}
				out = append(out, s.String())
			}
		}
	}
	return out
}

// VisibleText of a modal: title, blocks, and the button that submits.
func (v View) VisibleText() string {
	lines := [][]span{{{text: v.Title}}}
	lines = append(lines, blockLines(v.Blocks)...)
	return visible(append(lines, []span{{text: v.SubmitText}}))
}

// Pings of a modal are those its text would show as mentions. Nobody is notified by a modal.
func (v View) Pings() []string {
	return collect(blockLines(v.Blocks), func(s span) string { return s.ping })
}

// Links of a modal, as of a message.
func (v View) Links() []string {
	out := collect(blockLines(v.Blocks), func(s span) string { return s.link })
	for _, b := range v.Blocks {
		out = append(out, urlsOf(b)...)
	}
	return unique(out)
}

func (m Message) shown() [][]span {
	if len(m.Blocks) > 0 {
		return blockLines(m.Blocks)
	}
	return [][]span{m.notification()}
}

func (m Message) notification() []span {
	how := linking
	if m.ParseFull {
		how = full
	}
	return spans(m.Text, how, func(name string) string { return strings.ToLower(name) })
}

func blockLines(blocks []any) [][]span {
	var out [][]span
	for _, b := range blocks {
		out = append(out, blockSpans(b.(map[string]any))...)
	}
	return out
}

// blockSpans are the lines of one block. What has text but is not understood here would be invisible to tests, so it panics.
func blockSpans(b map[string]any) [][]span {
	one := func(v any) [][]span { return [][]span{textSpans(v)} }
	switch b["type"] {
	case "divider":
		return nil
	case "header", "alert":
		return one(b["text"])
	case "section":
		var out [][]span
		if b["text"] != nil {
			out = one(b["text"])
		}
		for _, f := range items(b["fields"]) {
			out = append(out, textSpans(f))
		}
		if e, ok := b["accessory"].(map[string]any); ok {
			out = append(out, elementSpans(e))
		}
		return out
	case "context", "actions", "context_actions":
		var line []span
		for _, e := range items(b["elements"]) {
			if len(line) > 0 {
				line = append(line, span{text: " "})
			}
			line = append(line, elementSpans(e.(map[string]any))...)
		}
		return [][]span{line}
	case "image", "video":
		line := []span{{text: fmt.Sprint(b["alt_text"])}}
		if b["title"] != nil {
			line = append([]span{{text: " "}}, line...)
			line = append(textSpans(b["title"]), line...)
		}
		return [][]span{line}
	case "input":
		out := one(b["label"])
		if b["hint"] != nil {
			out = append(out, textSpans(b["hint"]))
		}
		return append(out, elementSpans(b["element"].(map[string]any)))
	case "markdown":
		return [][]span{spans(b["text"].(string), markdown, nil)}
	case "rich_text":
		return richSpans(b)
	case "table":
		var out [][]span
		for _, row := range items(b["rows"]) {
			var line []span
			for _, cell := range items(row) {
				cell := cell.(map[string]any)
				if cell["type"] == "rich_text" {
					for _, l := range richSpans(cell) {
						line = append(line, l...)
					}
				} else {
					line = append(line, span{text: fmt.Sprint(cell["text"])})
				}
				line = append(line, span{text: "\t"})
			}
			out = append(out, line)
		}
		return out
	}
	panic(fmt.Sprintf("slackfake: no rendering for blocks of type %v", b["type"]))
}

func textSpans(v any) []span {
	o, _ := v.(map[string]any)
	s, _ := o["text"].(string)
	switch {
	case o["type"] == "plain_text":
		return spans(s, literal, nil)
	case o["verbatim"] == true:
		return spans(s, verbatim, nil)
	}
	return spans(s, linking, nil)
}

func elementSpans(e map[string]any) []span {
	switch e["type"] {
	case "plain_text", "mrkdwn":
		return textSpans(e)
	case "image":
		return []span{{text: fmt.Sprint(e["alt_text"])}}
	case "feedback_buttons":
		positive, _ := e["positive_button"].(map[string]any)
		negative, _ := e["negative_button"].(map[string]any)
		return slices.Concat(textSpans(positive["text"]), []span{{text: " "}}, textSpans(negative["text"]))
	}
	var out []span
	for _, key := range []string{"text", "placeholder"} {
		if e[key] != nil {
			out = append(out, textSpans(e[key])...)
		}
	}
	if s, ok := e["initial_value"].(string); ok {
		out = append(out, span{text: s})
	}
	for _, o := range items(e["options"]) {
		o := o.(map[string]any)
		out = append(out, span{text: " "})
		out = append(out, textSpans(o["text"])...)
	}
	return out
}

func richSpans(b map[string]any) [][]span {
	var out [][]span
	for _, e := range items(b["elements"]) {
		e := e.(map[string]any)
		if e["type"] == "rich_text_list" {
			for _, item := range items(e["elements"]) {
				out = append(out, richLine(item.(map[string]any)))
			}
			continue
		}
		out = append(out, richLine(e))
	}
	return out
}

func richLine(e map[string]any) []span {
	var out []span
	for _, x := range items(e["elements"]) {
		x := x.(map[string]any)
		get := func(k string) string { s, _ := x[k].(string); return s }
		switch x["type"] {
		case "text":
			out = append(out, span{text: get("text")})
		case "link":
			shown := get("text")
			if shown == "" {
				shown = get("url")
			}
			out = append(out, span{text: shown, link: get("url")})
		case "user":
			out = append(out, span{text: "@" + get("user_id"), ping: get("user_id")})
		case "usergroup":
			out = append(out, span{text: "@" + get("usergroup_id"), ping: get("usergroup_id")})
		case "broadcast":
			out = append(out, span{text: "@" + get("range"), ping: get("range")})
		case "channel":
			out = append(out, span{text: "#" + get("channel_id")})
		case "team":
			out = append(out, span{text: "@" + get("team_id")})
		case "emoji":
			out = append(out, span{text: ":" + get("name") + ":"})
		case "color":
			out = append(out, span{text: get("value")})
		case "date":
			out = append(out, span{text: get("fallback"), link: get("url")})
		}
	}
	return out
}

func visible(lines [][]span) string {
	var out []string
	for _, line := range lines {
		var b strings.Builder
		for _, s := range line {
			for _, r := range s.text {
				if !invisible(r) {
					b.WriteRune(r)
				}
			}
		}
		out = append(out, strings.TrimRight(b.String(), " \t"))
	}
	return strings.Join(out, "\n")
}

// invisible characters: controls but for line breaks and tabs, formats (direction, zero width, tags), variation selectors, fillers.
func invisible(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Variation_Selector), r == 0x115F, r == 0x1160, r == 0x3164, r == 0xFFA0, r == 0x2800:
		return true
	}
	return r >= 0xE0000 && r <= 0xE0FFF
}

func hiddenIn(s string) []string {
	var out []string
	for _, r := range s {
		if invisible(r) {
			out = append(out, fmt.Sprintf("U+%04X", r))
		}
	}
	return out
}

// urlsOf finds addresses outside text: of buttons, images and options.
func urlsOf(v any) []string {
	var out []string
	walk(v, func(key, s string) {
		if key == "url" || strings.HasSuffix(key, "_url") {
			out = append(out, s)
		}
	})
	return out
}

// walk visits every string of v with the key it stands under.
func walk(v any, visit func(key, s string)) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			walk(x, visit)
		}
	case map[string]any:
		for k, x := range v {
			if s, ok := x.(string); ok {
				visit(k, s)
			} else {
				walk(x, visit)
			}
		}
	}
}

func items(v any) []any { l, _ := v.([]any); return l }

func collect(lines [][]span, get func(span) string) []string {
	var out []string
	for _, line := range lines {
		for _, s := range line {
			if g := get(s); g != "" {
				out = append(out, g)
			}
		}
	}
	return unique(out)
}

func unique(in []string) []string {
	var out []string
	for _, s := range in {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
