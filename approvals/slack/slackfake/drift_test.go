package slackfake

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// notModelled are types of @slack/types that the fake refuses as unsupported, on purpose.
var notModelled = []string{"card", "carousel", "container", "data_table", "file", "plan", "task_card", "workflow_button", "external_select",
	"multi_conversations_select", "multi_channels_select", "multi_external_select", "url", "home", "workflow_step"}

// declaration is an interface of @slack/types: its properties with their comments, and what it extends.
type declaration struct {
	extends []string
	docs    map[string]string
	kind    string // the literal of its "type" property
}

var (
	opening  = regexp.MustCompile(`^(?:export )?(?:interface|type) (\w+)(?: extends ([\w, ]+))?(?: = )?.*\{$`)
	property = regexp.MustCompile(`^    (\w+)\??: (?:'(\w+)';)?`)
	isLimit  = regexp.MustCompile(`(?i)\bmax|limit|up to|less than|at most`)
	figure   = regexp.MustCompile(`\b\d[\d,]*\b`)
)

// declarations reads the type definitions line by line; they are laid out by a machine.
func declarations(t *testing.T) map[string]*declaration {
	out := map[string]*declaration{}
	root := filepath.Join(boltHome(t), "node_modules", "@slack", "types", "dist")
	for _, name := range []string{"block-kit/blocks", "block-kit/block-elements", "block-kit/composition-objects", "block-kit/extensions", "views"} {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)+".d.ts"))
		if err != nil {
			t.Fatal(err)
		}
		var at *declaration
		comment, last := "", ""
		for line := range strings.Lines(string(data)) {
			line = strings.TrimRight(line, "\n")
			trimmed := strings.TrimSpace(line)
			switch m, p := opening.FindStringSubmatch(line), property.FindStringSubmatch(line); {
			case strings.HasPrefix(trimmed, "/**"), strings.HasPrefix(trimmed, "*"):
				if strings.HasPrefix(trimmed, "/**") {
					comment = ""
				}
				comment += " " + strings.Trim(trimmed, "/* ")
				if at != nil && strings.HasPrefix(line, "        ") { // of a nested object: it counts for the property around it
					at.docs[last] += " " + trimmed
				}
			case m != nil:
				at = &declaration{docs: map[string]string{}}
				for e := range strings.SplitSeq(m[2], ",") {
					at.extends = append(at.extends, strings.TrimSpace(e))
				}
				out[m[1]] = at
			case p != nil && at != nil:
				last = p[1]
				at.docs[last], comment = comment, ""
				if last == "type" {
					at.kind = p[2]
				}
			}
		}
	}
	if len(out) < 60 {
		t.Fatalf("only %d declarations were read; has the layout of @slack/types changed?", len(out))
	}
	return out
}

func figures(doc string) []string {
	var out []string
	for _, f := range figure.FindAllString(doc, -1) {
		out = append(out, strings.ReplaceAll(f, ",", ""))
	}
	return out
}

// TestBoltTypesLimits: each limit of the fake is the one that @slack/types states, and it states none that the fake does not have.
func TestBoltTypesLimits(t *testing.T) {
	all := declarations(t)
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		owner, prop, _ := strings.Cut(name, ".")
		d := all[owner]
		if d == nil || d.docs[prop] == "" {
			t.Errorf("%s: @slack/types does not have it any more", name)
			continue
		}
		if !slices.Contains(figures(d.docs[prop]), fmt.Sprint(limits[name])) {
			t.Errorf("%s: we have %d; @slack/types says: %s", name, limits[name], d.docs[prop])
		}
	}
	// The first states two limits, which are in moreLimits; the second only that there is at least one.
	elsewhere := []string{"SectionBlock.fields", "MaxItemsSelectable.max_selected_items"}
	for _, owner := range slices.Sorted(maps.Keys(all)) {
		if slices.Contains(notModelled, all[owner].kind) {
			continue
		}
		for prop, doc := range all[owner].docs {
			name := owner + "." + prop
			if _, have := limits[name]; !have && isLimit.MatchString(doc) && len(figures(doc)) > 0 && !slices.Contains(elsewhere, name) {
				t.Errorf("%s: a limit that the fake does not have: %s", name, doc)
			}
		}
	}
}

// TestBoltTypesKeys: the fake knows each type of @slack/types, or says that it does not, and each of its keys.
func TestBoltTypesKeys(t *testing.T) {
	all := declarations(t)
	elements := join(inActions, inAccessory, inInput, richElements, richBlocks, map[string]check{"feedback_buttons": feedback, "icon_button": iconButton,
		"plain_text": plainText(0), "mrkdwn": mrkdwn(0), "raw_text": rawText, "raw_number": rawNumber, "modal": modal})
	for _, name := range slices.Sorted(maps.Keys(all)) {
		d := all[name]
		if d.kind == "" || slices.Contains(notModelled, d.kind) {
			continue
		}
		kinds := elements
		if strings.HasSuffix(name, "Block") {
			kinds = messageBlocks
		}
		c, ok := kinds[d.kind]
		if !ok {
			t.Errorf("%s: the fake does not know the type %q", name, d.kind)
			continue
		}
		object := map[string]any{}
		for _, from := range append(d.extends, name) {
			if all[from] == nil {
				continue
			}
			for prop := range all[from].docs {
				object[prop] = nil
			}
		}
		object["type"] = d.kind
		p := &problems{}
		c(p, "", object)
		for _, problem := range p.list {
			if strings.Contains(problem, "additional property") {
				t.Errorf("%s: %s", name, problem)
			}
		}
	}
}
