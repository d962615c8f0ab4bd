package slackfake

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// View is a modal that a person has open, or had.
type View struct {
	ID, User, Hash             string
	CallbackID, ExternalID     string
	PrivateMetadata            string
	Title, SubmitText          string
	Blocks                     []any
	Root, Previous             string
	ClearOnClose, NotifyOnShut bool
	Closed                     bool
	Errors                     map[string]string // by block id, from the last submission
	given                      map[string]any    // the view object as the app sent it
}

// Buttons of the view's blocks.
func (v View) Buttons() []Button { return buttonsOf(v.Blocks) }

// trigger is the right to open one modal, for three seconds after somebody acted.
type trigger struct {
	user    string
	expires time.Time
	used    bool
}

const triggerLife = 3 * time.Second

// newTrigger needs mu.
func (w *Workspace) newTrigger(user string) string {
	w.serial++
	id := fmt.Sprintf("%d.%d.%s", 1000000+w.serial, w.now().Unix(), random(16))
	w.triggers[id] = &trigger{user: user, expires: w.now().Add(triggerLife)}
	return id
}

// exchange uses a trigger up. mu is held.
func (w *Workspace) exchange(id string) (*trigger, *apiError) {
	t := w.triggers[id]
	switch {
	case t == nil:
		return nil, failAt("invalid_arguments", "invalid `trigger_id` [json-pointer:/trigger_id]")
	case t.used:
		return nil, fail("exchanged_trigger_id")
	case !w.now().Before(t.expires):
		return nil, fail("expired_trigger_id")
	}
	t.used = true
	return t, nil
}

var modal = object(fields{
	"!type": oneOf("modal"), "!title": plainText(lim("ModalView.title")), "!blocks": list(0, 0, func(*problems, string, any) {}),
	"close": plainText(lim("ModalView.close")), "submit": plainText(lim("ModalView.submit")), "private_metadata": text(0, lim("BaseView.private_metadata")),
	"callback_id": text(0, lim("BaseView.callback_id")), "external_id": text(0, lim("view.external_id")), "clear_on_close": boolean, "notify_on_close": boolean,
	"submit_disabled": boolean,
})

// checkView is what Slack says about a view object.
func checkView(given map[string]any) *apiError {
	p := &problems{surface: inModal}
	modal(p, "/view", given)
	blocks, _ := given["blocks"].([]any)
	checkBlocks(p, "/view/blocks", blocks)
	hasInput := slices.ContainsFunc(blocks, func(b any) bool { o, _ := b.(map[string]any); return o["type"] == "input" })
	if _, ok := given["submit"]; hasInput && !ok {
		p.add("/view", "missing required field: submit")
	}
	if _, ok := given["submit_disabled"]; ok {
		p.add("/view", "invalid additional property: submit_disabled") // for steps of workflows only
	}
	if len(p.list) > 0 {
		return failAt("invalid_arguments", p.list...)
	}
	return nil
}

// fill sets what the app decides of a view. mu is held.
func (w *Workspace) fill(v *View, given map[string]any) {
	get := func(k string) string { s, _ := given[k].(string); return s }
	label := func(k string) string {
		o, _ := given[k].(map[string]any)
		s, _ := o["text"].(string)
		return s
	}
	blocks, _ := given["blocks"].([]any)
	v.given, v.Blocks = given, w.completeBlocks(blocks)
	v.CallbackID, v.ExternalID, v.PrivateMetadata = get("callback_id"), get("external_id"), get("private_metadata")
	v.Title, v.SubmitText = label("title"), label("submit")
	v.ClearOnClose, v.NotifyOnShut = given["clear_on_close"] == true, given["notify_on_close"] == true
	v.Hash = fmt.Sprintf("%d.%s", w.now().Unix(), random(4))
	v.Errors = nil
}

func openView(w *Workspace, _ *token, a args) (map[string]any, *apiError) {
	return w.showView(a, false)
}

func pushView(w *Workspace, _ *token, a args) (map[string]any, *apiError) { return w.showView(a, true) }

func (w *Workspace) showView(a args, push bool) (map[string]any, *apiError) {
	given := a["view"].(map[string]any)
	if err := checkView(given); err != nil { // a refused view does not use the trigger up
		return nil, err
	}
	t, err := w.exchange(a.text("trigger_id"))
	if err != nil {
		return nil, err
	}
	v := &View{ID: w.id("V"), User: t.user}
	v.Root = v.ID
	stack := w.stack(t.user)
	if push {
		if len(stack) == 0 {
			return nil, fail("not_found")
		}
		if len(stack) >= lim("views.stacked") {
			return nil, fail("push_limit_reached")
		}
		v.Root, v.Previous = stack[0].ID, stack[len(stack)-1].ID
	} else {
		for _, old := range stack { // a new modal takes the place of the old stack
			old.Closed = true
		}
	}
	w.fill(v, given)
	w.views[v.ID] = v
	return map[string]any{"view": v.json(w, nil)}, nil
}

func updateView(w *Workspace, _ *token, a args) (map[string]any, *apiError) {
	given := a["view"].(map[string]any)
	var v *View
	for _, have := range w.views {
		if !have.Closed && (have.ID == a.text("view_id") || a.text("external_id") != "" && have.ExternalID == a.text("external_id")) {
			v = have
		}
	}
	switch {
	case a.text("view_id") == "" && a.text("external_id") == "":
		return nil, failAt("invalid_arguments", "missing required field: view_id")
	case v == nil:
		return nil, fail("not_found")
	case a.text("hash") != "" && a.text("hash") != v.Hash:
		return nil, fail("hash_conflict")
	}
	if err := checkView(given); err != nil {
		return nil, err
	}
	w.fill(v, given)
	return map[string]any{"view": v.json(w, nil)}, nil
}

// stack is the open views of a user, bottom first. mu is held.
func (w *Workspace) stack(user string) []*View {
	var out []*View
	for _, v := range w.views {
		if v.User == user && !v.Closed {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b *View) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// View is the modal on top of what user sees.
func (w *Workspace) View(user string) (View, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stack := w.stack(user)
	if len(stack) == 0 {
		return View{}, false
	}
	return *stack[len(stack)-1], true
}

// WaitView waits for user to see a modal for which want (nil for any) is true. want must not call the workspace.
func (w *Workspace) WaitView(ctx context.Context, user string, want func(View) bool) (found View, err error) {
	err = w.wait(ctx, "a modal of "+user, func() bool {
		stack := w.stack(user)
		if len(stack) == 0 || want != nil && !want(*stack[len(stack)-1]) {
			return false
		}
		found = *stack[len(stack)-1]
		return true
	})
	return found, err
}

// json is the view as Slack shows it to the app; values are those of a submission. mu is held.
func (v *View) json(w *Workspace, values map[string]any) map[string]any {
	if values == nil {
		values = map[string]any{}
	}
	out := clone(v.given).(map[string]any)
	for _, k := range []string{"close", "submit"} {
		if _, ok := out[k]; !ok {
			out[k] = nil
		}
	}
	for k, x := range map[string]any{
		"id": v.ID, "team_id": w.cfg.TeamID, "app_id": w.cfg.AppID, "app_installed_team_id": w.cfg.TeamID, "bot_id": botID, "hash": v.Hash, "blocks": clone(v.Blocks),
		"private_metadata": v.PrivateMetadata, "callback_id": v.CallbackID, "external_id": v.ExternalID, "root_view_id": v.Root, "previous_view_id": nil,
		"state": map[string]any{"values": values}, "clear_on_close": v.ClearOnClose, "notify_on_close": v.NotifyOnShut,
	} {
		out[k] = x
	}
	if v.Previous != "" {
		out["previous_view_id"] = v.Previous
	}
	return out
}
