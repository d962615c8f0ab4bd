package slackfake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// o is JSON, written short.
type o = map[string]any

// raw calls a method without a client in between, so that anything can be sent.
func raw(t *testing.T, w *Workspace, method, contentType, body string) o {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.URL()+method, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer "+w.BotToken())
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out o
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: HTTP %d; Slack answers 200 to errors as well", method, resp.StatusCode)
	}
	return out
}

const jsonType = "application/json; charset=utf-8"

func call(t *testing.T, w *Workspace, method string, args o) o {
	t.Helper()
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(args); err != nil {
		t.Fatal(err)
	}
	return raw(t, w, method, jsonType, b.String())
}

// said is the error code and the messages of an answer, "" when it was ok.
func said(answer o) string {
	if answer["ok"] == true {
		return ""
	}
	meta, _ := answer["response_metadata"].(o)
	return fmt.Sprint(answer["error"], " ", meta["messages"])
}

func x(n int) string { return strings.Repeat("x", n) }
func pt(s string) o  { return o{"type": "plain_text", "text": s} }
func md(s string) o  { return o{"type": "mrkdwn", "text": s} }
func btn(more o) o   { return merge(o{"type": "button", "text": pt("ok"), "action_id": "a"}, more) }
func in(element o) o {
	return o{"type": "input", "label": pt("label"), "element": merge(o{"action_id": "a"}, element)}
}
func acts(elements ...any) o { return o{"type": "actions", "elements": elements} }

func many(n int, f func(int) any) []any {
	out := []any{}
	for i := range n {
		out = append(out, f(i))
	}
	return out
}

func merge(a, b o) o {
	for k, v := range b {
		a[k] = v
	}
	return a
}

// The limits of Block Kit, each at its edge: with n the block is taken, with n+1 it is refused, in the words and with the pointer
// to the place that Slack uses.
func TestEachLimitAtItsEdge(t *testing.T) {
	options := func(n int) any {
		return many(n, func(i int) any { return o{"text": pt("x"), "value": fmt.Sprint(i)} })
	}
	confirm := func(key string, n int) o {
		c := o{"title": pt("t"), "text": pt("t"), "confirm": pt("c"), "deny": pt("d")}
		c[key] = pt(x(n))
		return acts(btn(o{"confirm": c}))
	}
	// The message for a string is about characters, for a list about items.
	long := func(n int) string { return fmt.Sprintf("must be less than %d characters", n+1) }
	items := func(n int) string { return fmt.Sprintf("no more than %d items allowed", n) }
	for _, tc := range []struct {
		name    string
		limit   int
		pointer string
		words   func(int) string
		block   func(n int) any
	}{
		{"section text", 3000, "/0/text/text", long, func(n int) any { return o{"type": "section", "text": md(x(n))} }},
		{"section text in characters, not bytes", 3000, "/0/text/text", long, func(n int) any { return o{"type": "section", "text": pt(strings.Repeat("ü", n))} }},
		{"fields", 10, "/0/fields", items, func(n int) any { return o{"type": "section", "fields": many(n, func(int) any { return md("x") })} }},
		{"field", 2000, "/0/fields/0/text", long, func(n int) any { return o{"type": "section", "fields": []any{md(x(n))}} }},
		{"header", 150, "/0/text/text", long, func(n int) any { return o{"type": "header", "text": pt(x(n))} }},
		{"context elements", 10, "/0/elements", items, func(n int) any { return o{"type": "context", "elements": many(n, func(int) any { return md("x") })} }},
		{"actions", 25, "/0/elements", items, func(n int) any {
			return acts(many(n, func(i int) any { return btn(o{"action_id": fmt.Sprint(i)}) })...)
		}},
		{"block_id", 255, "/0/block_id", long, func(n int) any { return o{"type": "divider", "block_id": x(n)} }},
		{"action_id", 255, "/0/elements/0/action_id", long, func(n int) any { return acts(btn(o{"action_id": x(n)})) }},
		{"button text", 75, "/0/elements/0/text/text", long, func(n int) any { return acts(btn(o{"text": pt(x(n))})) }},
		{"button value", 2000, "/0/elements/0/value", long, func(n int) any { return acts(btn(o{"value": x(n)})) }},
		{"button url", 3000, "/0/elements/0/url", long, func(n int) any { return acts(btn(o{"url": "https://e.example/" + x(n-18)})) }},
		{"button accessibility_label", 75, "/0/elements/0/accessibility_label", long, func(n int) any { return acts(btn(o{"accessibility_label": x(n)})) }},
		{"confirm title", 100, "/0/elements/0/confirm/title/text", long, func(n int) any { return confirm("title", n) }},
		{"confirm text", 300, "/0/elements/0/confirm/text/text", long, func(n int) any { return confirm("text", n) }},
		{"confirm confirm", 30, "/0/elements/0/confirm/confirm/text", long, func(n int) any { return confirm("confirm", n) }},
		{"confirm deny", 30, "/0/elements/0/confirm/deny/text", long, func(n int) any { return confirm("deny", n) }},
		{"markdown", 12000, "/0/text", long, func(n int) any { return o{"type": "markdown", "text": x(n)} }},
		{"image alt_text", 2000, "/0/alt_text", long, func(n int) any { return o{"type": "image", "image_url": "https://e.example/x.png", "alt_text": x(n)} }},
		{"image title", 2000, "/0/title/text", long, func(n int) any {
			return o{"type": "image", "image_url": "https://e.example/x.png", "alt_text": "x", "title": pt(x(n))}
		}},
		{"input label", 2000, "/0/label/text", long, func(n int) any { return merge(in(o{"type": "plain_text_input"}), o{"label": pt(x(n))}) }},
		{"input hint", 2000, "/0/hint/text", long, func(n int) any { return merge(in(o{"type": "plain_text_input"}), o{"hint": pt(x(n))}) }},
		{"placeholder", 150, "/0/element/placeholder/text", long, func(n int) any { return in(o{"type": "plain_text_input", "placeholder": pt(x(n))}) }},
		{"initial_value", 3000, "/0/element/initial_value", long, func(n int) any { return in(o{"type": "plain_text_input", "initial_value": x(n)}) }},
		{"max_length", 3000, "/0/element/max_length", func(n int) string { return fmt.Sprintf("must be less than %d", n+1) }, func(n int) any { return in(o{"type": "plain_text_input", "max_length": n}) }},
		{"min_length", 3000, "/0/element/min_length", func(n int) string { return fmt.Sprintf("must be less than %d", n+1) }, func(n int) any { return in(o{"type": "plain_text_input", "min_length": n}) }},
		{"select options", 100, "/0/element/options", items, func(n int) any { return in(o{"type": "static_select", "options": options(n)}) }},
		{"radio buttons", 10, "/0/element/options", items, func(n int) any { return in(o{"type": "radio_buttons", "options": options(n)}) }},
		{"checkboxes", 10, "/0/element/options", items, func(n int) any { return in(o{"type": "checkboxes", "options": options(n)}) }},
		{"overflow", 5, "/0/accessory/options", items, func(n int) any {
			return o{"type": "section", "text": md("x"), "accessory": o{"type": "overflow", "action_id": "a", "options": options(n)}}
		}},
		{"option text", 75, "/0/element/options/0/text/text", long, func(n int) any {
			return in(o{"type": "static_select", "options": []any{o{"text": pt(x(n)), "value": "1"}}})
		}},
		{"option value", 75, "/0/element/options/0/value", long, func(n int) any {
			return in(o{"type": "static_select", "options": []any{o{"text": pt("x"), "value": x(n)}}})
		}},
		{"table rows", 100, "/0/rows", items, func(n int) any {
			return o{"type": "table", "rows": many(n, func(int) any { return []any{o{"type": "raw_text", "text": "x"}} })}
		}},
		{"table cells", 20, "/0/rows/0", items, func(n int) any {
			return o{"type": "table", "rows": []any{many(n, func(int) any { return o{"type": "raw_text", "text": "x"} })}}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := Start(t, Config{})
			c := w.AddChannel(Channel{Members: []string{w.BotUser()}})
			if got := said(call(t, w, "chat.postMessage", o{"channel": c.ID, "text": "x", "blocks": []any{tc.block(tc.limit)}})); got != "" {
				t.Errorf("%d: %s", tc.limit, got)
			}
			want := "[ERROR] " + tc.words(tc.limit) + " [json-pointer:/blocks" + tc.pointer + "]"
			got := said(call(t, w, "chat.postMessage", o{"channel": c.ID, "text": "x", "blocks": []any{tc.block(tc.limit + 1)}}))
			if !strings.HasPrefix(got, "invalid_blocks ") || !strings.Contains(got, want) {
				t.Errorf("%d: %s, want %s", tc.limit+1, got, want)
			}
		})
	}
}

func TestLimitsOfAWholeMessage(t *testing.T) {
	w := Start(t, Config{})
	c := w.AddChannel(Channel{Members: []string{w.BotUser()}})
	post := func(blocks any) string {
		return said(call(t, w, "chat.postMessage", o{"channel": c.ID, "text": "x", "blocks": blocks}))
	}
	dividers := func(n int) any { return many(n, func(int) any { return o{"type": "divider"} }) }
	if got := post(dividers(50)); got != "" {
		t.Error(got)
	}
	if got := post(dividers(51)); !strings.Contains(got, "no more than 50 items allowed [json-pointer:/blocks]") {
		t.Error(got)
	}
	// Each block of these is fine; together they are too much.
	sections := func(chars ...int) any {
		return many(len(chars), func(i int) any { return o{"type": "section", "text": pt(x(chars[i]))} })
	}
	if got := post(sections(3000, 3000, 3000, 3000, 1000)); got != "" {
		t.Error(got)
	}
	if got := post(sections(3000, 3000, 3000, 3000, 1201)); !strings.HasPrefix(got, "msg_blocks_too_long") {
		t.Error(got)
	}
	if got := post([]any{o{"type": "markdown", "text": x(6000)}, o{"type": "markdown", "text": x(6001)}}); !strings.Contains(got, "markdown blocks") {
		t.Error(got)
	}
}

func TestLimitsOfAModal(t *testing.T) {
	for _, tc := range []struct {
		name    string
		limit   int
		pointer string
		set     func(n int) o
	}{
		{"title", 24, "/view/title/text", func(n int) o { return o{"title": pt(x(n))} }},
		{"close", 24, "/view/close/text", func(n int) o { return o{"close": pt(x(n))} }},
		{"submit", 24, "/view/submit/text", func(n int) o { return o{"submit": pt(x(n))} }},
		{"private_metadata", 3000, "/view/private_metadata", func(n int) o { return o{"private_metadata": x(n)} }},
		{"callback_id", 255, "/view/callback_id", func(n int) o { return o{"callback_id": x(n)} }},
		{"blocks", 100, "/view/blocks", func(n int) o { return o{"blocks": many(n, func(int) any { return o{"type": "divider"} })} }},
	} {
		w := Start(t, Config{})
		open := func(n int) string {
			w.mu.Lock()
			trigger := w.newTrigger("U1")
			w.mu.Unlock()
			return said(call(t, w, "views.open", o{"trigger_id": trigger, "view": merge(o{"type": "modal", "title": pt("t"), "blocks": []any{}}, tc.set(n))}))
		}
		if got := open(tc.limit); got != "" {
			t.Errorf("%s %d: %s", tc.name, tc.limit, got)
		}
		if got := open(tc.limit + 1); !strings.HasPrefix(got, "invalid_arguments") || !strings.Contains(got, "[json-pointer:"+tc.pointer+"]") {
			t.Errorf("%s %d: %s", tc.name, tc.limit+1, got)
		}
	}
}

// What is not Block Kit at all.
func TestShapesSlackRefuses(t *testing.T) {
	w := Start(t, Config{})
	c := w.AddChannel(Channel{Members: []string{w.BotUser()}})
	rich := func(elements ...any) o { return o{"type": "rich_text", "elements": elements} }
	section := func(elements ...any) o { return o{"type": "rich_text_section", "elements": elements} }
	for _, tc := range []struct {
		name  string
		block any
		want  string
	}{
		{"a header in mrkdwn", o{"type": "header", "text": md("x")}, "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]"},
		{"a block that does not exist", o{"type": "sections"}, "unsupported type: sections [json-pointer:/blocks/0/type]"},
		{"an element that does not exist", acts(o{"type": "knob"}), "unsupported type: knob [json-pointer:/blocks/0/elements/0/type]"},
		{"a key a block does not have", o{"type": "divider", "color": "red"}, "invalid additional property: color [json-pointer:/blocks/0]"},
		{"a key an element does not have", acts(btn(o{"disabled": true})), "invalid additional property: disabled [json-pointer:/blocks/0/elements/0]"},
		{"emoji in mrkdwn", o{"type": "section", "text": merge(md("x"), o{"emoji": true})}, "invalid additional property: emoji"},
		{"a section of nothing", o{"type": "section"}, "must provide at least one of: text, fields"},
		{"an empty text", o{"type": "section", "text": md("")}, "must be more than 0 characters [json-pointer:/blocks/0/text/text]"},
		{"a text that is a number", o{"type": "section", "text": o{"type": "mrkdwn", "text": 1}}, "must provide a string"},
		{"a button without text", acts(o{"type": "button", "action_id": "a"}), "missing required field: text"},
		{"a button in mrkdwn", acts(btn(o{"text": md("x")})), "unsupported type: mrkdwn"},
		{"a style that does not exist", acts(btn(o{"style": "default"})), "must be a valid enum value [json-pointer:/blocks/0/elements/0/style]"},
		{"a url that is none", acts(btn(o{"url": "not a url"})), "invalid url"},
		{"the same action twice", acts(btn(nil), btn(nil)), "already exists"},
		{"no actions", acts([]any{}...), "no fewer than 1 items required"},
		{"a text box among the actions", acts(o{"type": "plain_text_input", "action_id": "a"}), "unsupported type: plain_text_input"},
		{"a ping inside preformatted text", rich(o{"type": "rich_text_preformatted", "elements": []any{o{"type": "broadcast", "range": "channel"}}}), "unsupported type: broadcast"},
		{"a section inside a section", rich(section(section())), "unsupported type: rich_text_section"},
		{"a list of texts", rich(o{"type": "rich_text_list", "style": "bullet", "elements": []any{o{"type": "text", "text": "x"}}}), "unsupported type: text"},
		{"text directly in rich_text", rich(o{"type": "text", "text": "x"}), "unsupported type: text"},
		{"an empty rich text", rich(section(o{"type": "text", "text": ""})), "must be more than 0 characters"},
		{"a style of text that does not exist", rich(section(o{"type": "text", "text": "x", "style": o{"blink": true}})), "invalid additional property: blink"},
		{"NUL", o{"type": "section", "text": pt("a\x00b")}, "must not contain NUL"},
		{"no block at all", "divider", "must provide an object"},
	} {
		got := said(call(t, w, "chat.postMessage", o{"channel": c.ID, "text": "x", "blocks": []any{tc.block}}))
		if !strings.HasPrefix(got, "invalid_blocks ") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	twice := []any{o{"type": "divider", "block_id": "b"}, o{"type": "divider", "block_id": "b"}}
	if got := said(call(t, w, "chat.postMessage", o{"channel": c.ID, "text": "x", "blocks": twice})); !strings.Contains(got, "already exists [json-pointer:/blocks/1/block_id]") {
		t.Errorf("the same block_id twice: %s", got)
	}
	if n := len(w.Messages(c.ID)); n != 0 {
		t.Errorf("%d messages were posted all the same", n)
	}
}

func TestBothContentTypes(t *testing.T) {
	w := Start(t, Config{})
	c := w.AddChannel(Channel{Members: []string{w.BotUser()}})
	blocks := `[{"type":"section","text":{"type":"mrkdwn","text":"hello"}}]`
	form := url.Values{"channel": {c.ID}, "text": {"x"}, "blocks": {blocks}}.Encode()
	for name, answer := range map[string]o{
		"form":               raw(t, w, "chat.postMessage", "application/x-www-form-urlencoded", form),
		"JSON":               raw(t, w, "chat.postMessage", jsonType, `{"channel":"`+c.ID+`","text":"x","blocks":`+blocks+`}`),
		"JSON in JSON":       call(t, w, "chat.postMessage", o{"channel": c.ID, "text": "x", "blocks": blocks}),
		"token in form":      raw(t, w, "auth.test", "application/x-www-form-urlencoded", "token="+w.BotToken()),
		"null is not given":  raw(t, w, "chat.postMessage", jsonType, `{"channel":"`+c.ID+`","text":"x","blocks":null}`),
		"JSON, no charset":   raw(t, w, "chat.postMessage", "application/json", `{"channel":"`+c.ID+`","text":"x"}`),
		"method that echoes": raw(t, w, "api.test", jsonType, `{"a":"b"}`),
	} {
		if got := said(answer); got != "" {
			t.Errorf("%s: %s", name, got)
		}
		if name == "JSON, no charset" && answer["warning"] != "missing_charset" {
			t.Errorf("%s: no warning", name)
		}
	}
	for name, tc := range map[string]struct{ kind, method, body, want string }{
		"text":                    {"text/plain", "chat.postMessage", form, "invalid_post_type"},
		"broken JSON":             {jsonType, "chat.postMessage", "{", "invalid_json"},
		"blocks that are no JSON": {jsonType, "chat.postMessage", `{"channel":"` + c.ID + `","text":"x","blocks":"["}`, "invalid_blocks_format"},
		"a token in JSON":         {jsonType, "chat.postMessage", `{"token":"x","channel":"` + c.ID + `"}`, "invalid_arguments"},
		"JSON to a read method":   {jsonType, "users.info", `{"user":"U0BOT"}`, "invalid_arguments"},
		"two tokens":              {"application/x-www-form-urlencoded", "auth.test", "token=other", "invalid_auth"},
		"an argument twice":       {"application/x-www-form-urlencoded", "chat.postMessage", form + "&text=y", "invalid_arguments"},
	} {
		if got := said(raw(t, w, tc.method, tc.kind, tc.body)); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
