package mcpserver

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files")

// What agents see is a contract: a change to a name, a schema or a sentence shows in review.
func TestToolListIsTheGoldenOne(t *testing.T) {
	e := newEndpoint(t, nil)
	a := e.send(request{token: e.token("ann"), header: eras[1].headers("tools/list", ""), body: eras[1].body("1", "tools/list", "")})
	var list struct {
		Result struct {
			Tools []json.RawMessage `json:"tools"`
		} `json:"result"`
	}
	if err := json.Unmarshal([]byte(a.body), &list); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, tool := range list.Result.Tools {
		if err := json.Indent(&b, tool, "", "  "); err != nil {
			t.Fatal(err)
		}
		b.WriteByte('\n')
	}
	golden := filepath.Join("testdata", "tools.json")
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("the tool list differs from %s; when that is meant, run go test ./gateway/mcpserver -update", golden)
	}
	// Agents pay for the list in every conversation. The budget is 2,500 tokens; four bytes are about one.
	compact := 0
	for _, tool := range list.Result.Tools {
		var c bytes.Buffer
		if err := json.Compact(&c, tool); err != nil {
			t.Fatal(err)
		}
		compact += c.Len()
	}
	if tokens := compact / 4; tokens > 2500 {
		t.Errorf("the tool list is about %d tokens, more than 2500", tokens)
	}
}

func TestEveryToolKeepsTheRulesOfItsDescription(t *testing.T) {
	names := map[string]bool{}
	for _, tool := range table {
		var schema struct {
			Required   []string
			Properties map[string]struct{ Description, Type string }
		}
		if err := json.Unmarshal(tool.input(), &schema); err != nil {
			t.Fatalf("%s: %v", tool.name, err)
		}
		if len(schema.Properties) > 6 {
			t.Errorf("%s has %d parameters, more than six", tool.name, len(schema.Properties))
		}
		for name := range schema.Properties {
			if slices.Contains([]string{"confirm", "force", "approved", "approve"}, name) {
				t.Errorf("%s has a parameter called %s: models fill it in advance", tool.name, name)
			}
		}
		for _, name := range schema.Required {
			if _, ok := schema.Properties[name]; !ok {
				t.Errorf("%s requires %s, which is no parameter", tool.name, name)
			}
		}
		for _, word := range []string{"approve", "grant", "admin", "policy"} {
			if strings.Contains(tool.name, word) {
				t.Errorf("%s sounds as if it granted something; nothing that does is a tool", tool.name)
			}
		}
		if tool.readOnly && tool.destructive {
			t.Errorf("%s is read-only and destructive", tool.name)
		}
		if names[tool.name] {
			t.Errorf("%s is there twice", tool.name)
		}
		names[tool.name] = true
	}
}
