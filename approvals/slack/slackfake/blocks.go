package slackfake

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// block is what every block has.
var block = fields{"!type": isText, "block_id": text(1, lim("Block.block_id"))}

// Blocks by type. Slack has more of them for messages of assistants (card, carousel, container, data_table, plan, task_card): to
// the fake they are unsupported types, until somebody sends one.
var (
	section = object(block.also(fields{"text": anyText(lim("SectionBlock.text")), "fields": list(1, lim("section.fields"), anyText(lim("section.fields.text"))),
		"accessory": byType(inAccessory), "expand": boolean}), atLeastOne("text", "fields"))
	rawText   = object(fields{"!type": isText, "!text": text(1, 0)})
	rawNumber = object(fields{"!type": isText, "!text": text(1, 0), "!value": integer(-1<<53, 1<<53)})
	tableCell = byType(map[string]check{"raw_text": rawText, "raw_number": rawNumber, "rich_text": richText})

	both = map[string]check{
		"section": section,
		"divider": object(block),
		"header":  object(block.also(fields{"!text": plainText(lim("HeaderBlock.text")), "level": integer(1, 6)})),
		"context": object(block.also(fields{"!elements": list(1, lim("ContextBlock.elements"), byType(map[string]check{"image": imageElement,
			"plain_text": plainText(lim("PlainTextElement.text")), "mrkdwn": mrkdwn(lim("MrkdwnElement.text"))}))})),
		"actions": object(block.also(fields{"!elements": list(1, lim("ActionsBlock.elements"), byType(inActions))}), uniqueActionIDs),
		"image": object(block.also(fields{"!alt_text": text(1, lim("ImageBlock.alt_text")), "title": plainText(lim("ImageBlock.title")),
			"image_url": link(lim("image.image_url")), "slack_file": slackFile}), exactlyOne("image_url", "slack_file")),
		"input": object(block.also(fields{"!label": plainText(lim("InputBlock.label")), "hint": plainText(lim("InputBlock.hint")), "optional": boolean,
			"dispatch_action": boolean, "!element": byType(inInput)})),
		"rich_text": richText,
		"video": object(block.also(fields{"!alt_text": isText, "!title": plainText(lim("VideoBlock.title") - 1), "!video_url": link(0), "!thumbnail_url": link(0), "title_url": link(0),
			"author_name": text(1, lim("VideoBlock.author_name")-1), "provider_name": isText, "provider_icon_url": link(0), "description": plainText(lim("video.description"))})),
		"alert": object(block.also(fields{"!text": anyText(lim("PlainTextElement.text")), "level": oneOf("default", "info", "warning", "error", "success")})),
	}
	messageBlocks = join(both, map[string]check{
		"markdown":        object(block.also(fields{"!text": text(1, lim("MarkdownBlock.text"))})),
		"context_actions": object(block.also(fields{"!elements": list(1, lim("ContextActionsBlock.elements"), byType(map[string]check{"feedback_buttons": feedback, "icon_button": iconButton}))})),
		"table": object(block.also(fields{"!rows": list(1, lim("TableBlock.rows"), list(1, lim("table.cells"), tableCell)),
			"column_settings": list(0, lim("TableBlock.column_settings"), object(fields{"align": oneOf("left", "center", "right"), "is_wrapped": boolean}))})),
	})
)

// uniqueActionIDs holds within one block.
func uniqueActionIDs(p *problems, at string, o map[string]any) {
	seen := map[string]bool{}
	elements, _ := o["elements"].([]any)
	for i, e := range elements {
		e, _ := e.(map[string]any)
		id, _ := e["action_id"].(string)
		if id != "" && seen[id] {
			p.add(fmt.Sprintf("%s/elements/%d/action_id", at, i), "`action_id` %q already exists in the block", id)
		}
		seen[id] = true
	}
}

// checkBlocks reports what Slack would say about the blocks of a message or modal; at is "/blocks" or "/view/blocks".
func checkBlocks(p *problems, at string, blocks []any) {
	kinds, most := messageBlocks, lim("message.blocks")
	if p.surface == inModal {
		kinds, most = both, lim("BaseView.blocks")
	}
	list(0, most, byType(kinds))(p, at, blocks)
	seen := map[string]bool{}
	markdown := 0
	for i, b := range blocks {
		b, _ := b.(map[string]any)
		if id, _ := b["block_id"].(string); id != "" {
			if seen[id] {
				p.add(fmt.Sprintf("%s/%d/block_id", at, i), "`block_id` %q already exists", id)
			}
			seen[id] = true
		}
		if b["type"] == "markdown" {
			s, _ := b["text"].(string)
			markdown += utf8.RuneCountInString(s)
		}
		if element, _ := b["element"].(map[string]any); element["type"] == "file_input" && p.surface != inModal {
			p.add(fmt.Sprintf("%s/%d/element", at, i), "unsupported type: file_input")
		}
	}
	if markdown > lim("MarkdownBlock.text") { // the limit is for all markdown blocks of a message together
		p.add(at, "markdown blocks must be less than %d characters in total", lim("MarkdownBlock.text")+1)
	}
}

// blocksLength is what counts for msg_blocks_too_long: the characters of every string in the blocks, types and ids included. That
// is a guess on the strict side: users measured 13,297 characters for a single markdown block (bolt-js 2509), and a refusal at
// 11,341 characters of text in many rich_text elements (bolt-js 2867), so the containers weigh something.
func blocksLength(v any) int {
	n := 0
	switch v := v.(type) {
	case string:
		n = utf8.RuneCountInString(v)
	case []any:
		for _, item := range v {
			n += blocksLength(item)
		}
	case map[string]any:
		for _, item := range v {
			n += blocksLength(item)
		}
	}
	return n
}

// completeBlocks returns a deep copy with the ids and defaults that Slack fills in. mu is held.
func (w *Workspace) completeBlocks(blocks []any) []any {
	out := clone(blocks).([]any)
	for _, b := range out {
		b := b.(map[string]any)
		if _, ok := b["block_id"]; !ok {
			b["block_id"] = strings.ToLower(w.id("b"))
		}
		for _, e := range elementsOf(b) {
			if _, ok := e["action_id"]; !ok && e["type"] != "image" && e["type"] != "plain_text" && e["type"] != "mrkdwn" {
				e["action_id"] = strings.ToLower(w.id("a"))
			}
		}
	}
	return out
}

// elementsOf are the objects of a block that may be interactive.
func elementsOf(b map[string]any) []map[string]any {
	var out []map[string]any
	add := func(v any) {
		if e, ok := v.(map[string]any); ok {
			out = append(out, e)
		}
	}
	switch b["type"] {
	case "actions", "context_actions":
		elements, _ := b["elements"].([]any)
		for _, e := range elements {
			add(e)
		}
	case "section":
		add(b["accessory"])
	case "input":
		add(b["element"])
	}
	return out
}

func clone(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = clone(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = clone(v[k])
		}
		return out
	}
	return v
}
