package slackfake

import "encoding/json"

// lim is a limit by name; a name that does not exist is a mistake of this package.
func lim(name string) int {
	if n, ok := limits[name]; ok {
		return n
	}
	if n, ok := moreLimits[name]; ok {
		return n
	}
	panic("slackfake: no limit is called " + name)
}

var isText = text(0, 0)

// Composition objects.

func plainText(maximum int) check {
	return byType(map[string]check{"plain_text": object(fields{"!type": isText, "!text": text(1, maximum), "emoji": boolean})})
}

func mrkdwn(maximum int) check {
	return byType(map[string]check{"mrkdwn": object(fields{"!type": isText, "!text": text(1, maximum), "verbatim": boolean})})
}

func anyText(maximum int) check {
	return byType(map[string]check{"plain_text": plainText(maximum), "mrkdwn": mrkdwn(maximum)})
}

var confirmDialog = object(fields{
	"title": plainText(lim("Confirm.title")), "!text": anyText(lim("Confirm.text")), "confirm": plainText(lim("Confirm.confirm")),
	"deny": plainText(lim("Confirm.deny")), "style": oneOf("primary", "danger"),
})

func option(label check) check {
	return object(fields{"!text": label, "!value": text(0, lim("OptionDescriptor.value")), "description": anyText(lim("OptionDescriptor.description"))})
}

var (
	plainOption    = option(plainText(lim("PlainTextOption.text")))
	richOption     = option(anyText(lim("MrkdwnOption.text")))
	overflowOption = object(fields{"!text": plainText(lim("PlainTextOption.text")), "value": text(0, lim("OptionDescriptor.value")),
		"url": link(lim("OptionDescriptor.url")), "description": plainText(lim("OptionDescriptor.description"))})
	optionGroup = object(fields{"!label": plainText(lim("OptionGroup.label")), "!options": list(1, lim("OptionGroup.options"), plainOption)})
	slackFile   = object(fields{"id": text(1, 0), "url": link(0)}, exactlyOne("id", "url"))
	filter      = object(fields{"include": list(1, 0, oneOf("im", "mpim", "private", "public")), "exclude_external_shared_channels": boolean, "exclude_bot_users": boolean})
)

// Elements: what several share, then each.

var (
	actionable   = fields{"!type": isText, "action_id": text(1, lim("Action.action_id"))}
	confirmable  = fields{"confirm": confirmDialog}
	focusable    = fields{"focus_on_load": focus}
	placeheld    = fields{"placeholder": plainText(lim("Placeholdable.placeholder"))}
	dispatchable = fields{"dispatch_action_config": object(fields{"trigger_actions_on": list(1, 2, oneOf("on_enter_pressed", "on_character_entered"))})}
	choosable    = fields{"max_selected_items": integer(1, 1<<31)}
)

// focus counts, because one element alone may take the focus.
func focus(p *problems, at string, v any) {
	boolean(p, at, v)
	if v == true {
		if p.focused++; p.focused > 1 {
			p.add(at, "only one element can have focus_on_load set to true")
		}
	}
}

func optionsOrGroups(name string, f fields) check {
	f["options"] = list(1, lim(name+".options"), plainOption)
	f["option_groups"] = list(1, lim(name+".option_groups"), optionGroup)
	return object(f, exactlyOne("options", "option_groups"))
}

var imageElement = object(fields{"!type": isText, "!alt_text": text(0, 0), "image_url": link(lim("image.image_url")), "slack_file": slackFile}, exactlyOne("image_url", "slack_file"))

var (
	button = object(actionable.also(confirmable, fields{"!text": plainText(lim("Button.text")), "value": text(0, lim("Button.value")), "url": link(lim("Button.url")),
		"style": oneOf("primary", "danger"), "accessibility_label": text(1, lim("Button.accessibility_label"))}))
	checkboxes = object(actionable.also(confirmable, focusable, fields{"!options": list(1, lim("Checkboxes.options"), richOption), "initial_options": list(1, 0, richOption)}))
	radio      = object(actionable.also(confirmable, focusable, fields{"!options": list(1, lim("RadioButtons.options"), richOption), "initial_option": richOption}))
	overflow   = object(actionable.also(confirmable, fields{"!options": list(1, lim("Overflow.options"), overflowOption)}))
	datepicker = object(actionable.also(confirmable, focusable, placeheld, fields{"initial_date": text(10, 10)}))
	timepicker = object(actionable.also(confirmable, focusable, placeheld, fields{"initial_time": text(5, 5), "timezone": isText}))
	datetime   = object(actionable.also(confirmable, focusable, fields{"initial_date_time": integer(1e9, 9999999999)}))

	staticSelect = optionsOrGroups("StaticSelect", actionable.also(confirmable, focusable, placeheld, fields{"initial_option": plainOption}))
	multiStatic  = optionsOrGroups("MultiStaticSelect", actionable.also(confirmable, focusable, placeheld, choosable, fields{"initial_options": list(1, 0, plainOption)}))
	usersSelect  = object(actionable.also(confirmable, focusable, placeheld, fields{"initial_user": isText}))
	multiUsers   = object(actionable.also(confirmable, focusable, placeheld, choosable, fields{"initial_users": list(1, 0, isText)}))
	convSelect   = object(actionable.also(confirmable, focusable, placeheld, fields{"initial_conversation": isText, "default_to_current_conversation": boolean,
		"response_url_enabled": boolean, "filter": filter}))
	chanSelect = object(actionable.also(confirmable, focusable, placeheld, fields{"initial_channel": isText, "response_url_enabled": boolean}))

	plainInput = object(actionable.also(dispatchable, focusable, placeheld, fields{"initial_value": text(0, lim("plain_text_input.max")), "multiline": boolean,
		"min_length": integer(0, int64(lim("PlainTextInput.min_length"))), "max_length": integer(1, int64(lim("plain_text_input.max")))}))
	richInput = object(actionable.also(dispatchable, focusable, placeheld, fields{"initial_value": richText, "min_lines": integer(1, int64(lim("RichTextInput.min_lines"))),
		"max_lines": integer(1, int64(lim("RichTextInput.max_lines")))}))
	emailInput  = object(actionable.also(dispatchable, focusable, placeheld, fields{"initial_value": isText}))
	urlInput    = emailInput
	numberInput = object(actionable.also(dispatchable, focusable, placeheld, fields{"!is_decimal_allowed": boolean, "initial_value": isText, "min_value": isText, "max_value": isText}))
	fileInput   = object(actionable.also(fields{"filetypes": list(1, 0, isText), "max_files": integer(1, int64(lim("FileInput.max_files")))}))

	feedback   = object(actionable.also(fields{"!positive_button": feedbackButton("FeedbackButtons.positive_button"), "!negative_button": feedbackButton("FeedbackButtons.negative_button")}))
	iconButton = object(actionable.also(confirmable, fields{"!icon": oneOf("trash"), "!text": plainText(0), "value": text(0, lim("icon_button.value")),
		"accessibility_label": text(1, lim("IconButton.accessibility_label")), "visible_to_user_ids": list(0, 0, isText)}))
)

func feedbackButton(labelLimit string) check {
	return object(fields{"!text": plainText(lim("feedback.text")), "!value": text(0, lim("feedback.value")), "accessibility_label": text(1, lim(labelLimit))})
}

// Where each element may stand.
var (
	menus = map[string]check{"static_select": staticSelect, "users_select": usersSelect, "conversations_select": convSelect, "channels_select": chanSelect,
		"multi_static_select": multiStatic, "multi_users_select": multiUsers}
	inActions = join(menus, map[string]check{"button": button, "checkboxes": checkboxes, "radio_buttons": radio, "overflow": overflow, "datepicker": datepicker,
		"timepicker": timepicker, "datetimepicker": datetime, "rich_text_input": richInput})
	inAccessory = join(menus, map[string]check{"button": button, "checkboxes": checkboxes, "radio_buttons": radio, "overflow": overflow, "datepicker": datepicker,
		"timepicker": timepicker, "image": imageElement})
	inInput = join(menus, map[string]check{"plain_text_input": plainInput, "rich_text_input": richInput, "email_text_input": emailInput, "url_text_input": urlInput,
		"number_input": numberInput, "file_input": fileInput, "checkboxes": checkboxes, "radio_buttons": radio, "datepicker": datepicker, "timepicker": timepicker,
		"datetimepicker": datetime})
)

func join(sets ...map[string]check) map[string]check {
	out := map[string]check{}
	for _, s := range sets {
		for k, v := range s {
			out[k] = v
		}
	}
	return out
}

// number reads a json.Number, 0 when it is none.
func number(v any) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}
