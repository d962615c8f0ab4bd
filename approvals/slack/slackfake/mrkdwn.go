package slackfake

import (
	"regexp"
	"strings"
)

// span is a piece of text as a person sees it, with what it does besides.
type span struct {
	text string
	ping string // channel, here, everyone, or an id of a user (U, W) or group (S); empty for none
	link string // where a click goes
}

// parse says how much Slack reads into a text on its own.
type parse int

const (
	literal  parse = iota // plain_text and rich_text: nothing
	verbatim              // mrkdwn with verbatim: only what stands in angle brackets
	linking               // mrkdwn: bare addresses too
	full                  // parse=full or link_names: @names as well
	markdown              // markdown block: [label](address) too
)

// Control sequences of mrkdwn: <@U1>, <!channel>, <!subteam^S1>, <!date^...>, <#C1>, <https://...|label>. They are read everywhere,
// between back-ticks too: Slack formats after it has resolved them, so a fence protects nobody.
var (
	control  = regexp.MustCompile(`<([^<>]*)>`)
	bareURL  = regexp.MustCompile(`(?i)\b(?:https?://|mailto:|www\.)[^\s<>|]+|\b[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.(?:com|net|org|io|dev|app|co|ai|me|xyz|info|biz|test|example)\b(?:/[^\s<>|]*)?`)
	atName   = regexp.MustCompile(`@([a-zA-Z0-9._-]+)`)
	mdLink   = regexp.MustCompile(`!?\[([^\]]*)\]\(([^)\s]+)[^)]*\)`)
	entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
)

// spans reads a text. names resolves plain @names, for full.
func spans(s string, how parse, names func(string) string) []span {
	if how == literal {
		return []span{{text: s}}
	}
	var out []span
	split(s, control, func(rest string) {
		out = append(out, plainSpans(rest, how, names)...)
	}, func(m []string) {
		out = append(out, controlSpan(m[1]))
	})
	return out
}

// split calls between for the text around the matches of re, and at for each match.
func split(s string, re *regexp.Regexp, between func(string), at func([]string)) {
	for s != "" {
		loc := re.FindStringSubmatchIndex(s)
		if loc == nil {
			between(s)
			return
		}
		if loc[0] > 0 {
			between(s[:loc[0]])
		}
		var m []string
		for i := 0; i < len(loc); i += 2 {
			if loc[i] < 0 {
				m = append(m, "")
				continue
			}
			m = append(m, s[loc[i]:loc[i+1]])
		}
		at(m)
		s = s[loc[1]:]
	}
}

func controlSpan(inner string) span {
	target, label, labelled := strings.Cut(inner, "|")
	shown := entities.Replace(label)
	show := func(fallback string) string {
		if labelled && shown != "" {
			return shown
		}
		return fallback
	}
	switch {
	case strings.HasPrefix(target, "@"):
		return span{text: show(target), ping: target[1:]}
	case strings.HasPrefix(target, "#"):
		return span{text: show(target)}
	case strings.HasPrefix(target, "!subteam^"):
		id := strings.TrimPrefix(target, "!subteam^")
		return span{text: show("@" + id), ping: id}
	case strings.HasPrefix(target, "!date^"):
		parts := strings.Split(target, "^")
		s := span{text: show(target)}
		if len(parts) > 3 {
			s.link = parts[3]
		}
		return s
	case strings.HasPrefix(target, "!"):
		name := target[1:]
		if name == "channel" || name == "here" || name == "everyone" || name == "group" {
			return span{text: "@" + name, ping: name}
		}
		return span{text: show("<" + name + ">")}
	case strings.Contains(target, ":") || strings.Contains(target, "."):
		return span{text: show(entities.Replace(target)), link: entities.Replace(target)}
	}
	return span{text: entities.Replace("<" + inner + ">")}
}

func plainSpans(s string, how parse, names func(string) string) []span {
	var out []span
	bare := func(s string) {
		if how == verbatim {
			out = append(out, span{text: entities.Replace(s)})
			return
		}
		split(s, bareURL, func(rest string) { out = append(out, mentionSpans(rest, how, names)...) }, func(m []string) {
			out = append(out, span{text: entities.Replace(m[0]), link: entities.Replace(m[0])})
		})
	}
	if how != markdown {
		bare(s)
		return out
	}
	split(s, mdLink, bare, func(m []string) { out = append(out, span{text: m[1], link: m[2]}) })
	return out
}

func mentionSpans(s string, how parse, names func(string) string) []span {
	if how != full {
		return []span{{text: entities.Replace(s)}}
	}
	var out []span
	split(s, atName, func(rest string) { out = append(out, span{text: entities.Replace(rest)}) }, func(m []string) {
		out = append(out, span{text: m[0], ping: names(m[1])})
	})
	return out
}
