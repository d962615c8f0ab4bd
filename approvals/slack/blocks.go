package slack

import slackgo "github.com/slack-go/slack"

func plain(text string) *slackgo.TextBlockObject {
	return slackgo.NewTextBlockObject(slackgo.PlainTextType, text, false, false)
}

func label(text string) *slackgo.RichTextSection {
	return slackgo.NewRichTextSection(slackgo.NewRichTextSectionTextElement(text, &slackgo.RichTextSectionTextStyle{Bold: true}))
}

func preformatted(text string) *slackgo.RichTextPreformatted {
	if text == "" {
		text = " " // Slack refuses empty text
	}
	return &slackgo.RichTextPreformatted{Type: slackgo.RTEPreformatted, Elements: []slackgo.RichTextSectionElement{slackgo.NewRichTextSectionTextElement(text, nil)}}
}

// note is a sentence of ours and a command.
func note(sentence, command string) *slackgo.RichTextBlock {
	return slackgo.NewRichTextBlock("", slackgo.NewRichTextSection(slackgo.NewRichTextSectionTextElement(sentence+" ", nil),
		slackgo.NewRichTextSectionTextElement(command, &slackgo.RichTextSectionTextStyle{Code: true})))
}

// said is a message whose content is in rich text, where Slack parses nothing; notification is a sentence of ours.
func said(notification string, elements ...slackgo.RichTextElement) slackgo.MsgOption {
	return slackgo.MsgOptionCompose(slackgo.MsgOptionText(notification, false), slackgo.MsgOptionBlocks(slackgo.NewRichTextBlock("said", elements...)),
		slackgo.MsgOptionDisableLinkUnfurl(), slackgo.MsgOptionDisableMediaUnfurl())
}

func words(text string) *slackgo.RichTextSection {
	return slackgo.NewRichTextSection(slackgo.NewRichTextSectionTextElement(text, nil))
}
