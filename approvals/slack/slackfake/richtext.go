package slackfake

// rich_text shows text as it is given: only its own elements ping, link or format. That is what makes it the place for text from
// strangers, so its structure is checked to the last key.

var style = fields{"bold": boolean, "code": boolean, "italic": boolean, "strike": boolean, "underline": boolean, "highlight": boolean,
	"client_highlight": boolean, "unlink": boolean}

var (
	styled       = fields{"!type": isText, "style": object(style)}
	richLiteral  = object(styled.also(fields{"!text": text(1, 0)})) // no limit of its own is documented
	richLink     = object(styled.also(fields{"!url": link(0), "text": isText, "unsafe": boolean}))
	richElements = map[string]check{
		"text":      richLiteral,
		"link":      richLink,
		"emoji":     object(styled.also(fields{"!name": text(1, 0), "unicode": isText, "url": isText, "skin_tone": integer(1, 6)})),
		"user":      object(styled.also(fields{"!user_id": text(1, 0)})),
		"usergroup": object(styled.also(fields{"!usergroup_id": text(1, 0)})),
		"channel":   object(styled.also(fields{"!channel_id": text(1, 0)})),
		"team":      object(styled.also(fields{"!team_id": text(1, 0)})),
		"broadcast": object(styled.also(fields{"!range": oneOf("here", "channel", "everyone")})),
		"color":     object(styled.also(fields{"!value": text(1, 0)})),
		"date":      object(styled.also(fields{"!timestamp": integer(0, 1<<40), "!format": text(1, 0), "url": link(0), "fallback": isText})),
	}
	inPreformatted = map[string]check{"text": richLiteral, "link": richLink}

	border      = integer(0, 1)
	richSection = object(fields{"!type": isText, "!elements": list(0, 0, byType(richElements))})
	richBlocks  = map[string]check{
		"rich_text_section":      richSection,
		"rich_text_quote":        object(fields{"!type": isText, "!elements": list(0, 0, byType(richElements)), "border": border}),
		"rich_text_preformatted": object(fields{"!type": isText, "!elements": list(0, 0, byType(inPreformatted)), "border": border, "language": isText}),
		"rich_text_list": object(fields{"!type": isText, "!elements": list(1, 0, byType(map[string]check{"rich_text_section": richSection})),
			"!style": oneOf("bullet", "ordered"), "indent": integer(0, int64(lim("RichTextList.indent"))), "offset": integer(0, 1<<31), "border": border}),
	}
	richText = byType(map[string]check{"rich_text": object(block.also(fields{"!elements": list(1, 0, byType(richBlocks))}))})
)
