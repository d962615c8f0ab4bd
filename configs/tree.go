package configs

import (
	"github.com/goccy/go-yaml/ast"
)

// entry is one key and its value.
type entry struct {
	key   string
	at    place // of the key
	value ast.Node
}

// entries lists a mapping, without keys that are refused. ok is false when n is not a mapping.
func (d *decoder) entries(n ast.Node, path string) (out []entry, ok bool) {
	values := mappingOf(n)
	if values == nil {
		return nil, false
	}
	first := map[string]place{}
	for _, mv := range *values {
		at := placeOf(mv.Key, d.place(path))
		key, _, ok := textOf(mv.Key)
		switch {
		case mv.Key.IsMergeKey():
			d.problemAt(at, join(path, "<<"), "merge keys are refused; write the values out, so that each stands where it holds")
			continue
		case !ok || clean(key) != nil:
			d.problemAt(at, path, "a key has to be one plain word")
			continue
		}
		if before, twice := first[key]; twice {
			d.problemAt(at, join(path, key), "this key is already in line %d; remove one", before.line)
			continue
		}
		first[key] = at
		out = append(out, entry{key, at, mv.Value})
	}
	return out, true
}

// mappingOf is nil when n is not a mapping.
func mappingOf(n ast.Node) *[]*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return &n.Values
	case *ast.MappingValueNode:
		return &[]*ast.MappingValueNode{n}
	}
	return nil
}

// textOf returns the text of a scalar as it stands in the file, and whether YAML takes it for a text.
func textOf(n ast.Node) (text string, isText, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true, true
	case *ast.LiteralNode:
		if n.Value == nil {
			return "", true, true
		}
		return n.Value.Value, true, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode, *ast.NullNode:
		if tk := n.GetToken(); tk != nil {
			return tk.Value, false, true
		}
	}
	return "", false, false
}

// refusedNode says why n is not accepted in any place, or "".
func refusedNode(n ast.Node) string {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		return "anchors and aliases are refused; write the value out, so that each stands where it holds"
	case *ast.TagNode:
		return "tags are refused; remove the word that begins with !"
	}
	return ""
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	}
	return "this"
}

// placeOf is where n begins; otherwise is for nodes without a token.
func placeOf(n ast.Node, otherwise place) place {
	if n == nil {
		return otherwise
	}
	if m := mappingOf(n); m != nil && len(*m) > 0 && !inBraces(n) {
		n = (*m)[0].Key // the node's own token is the first colon
	}
	tk := n.GetToken()
	if tk == nil || tk.Position == nil || tk.Position.Line < 1 || tk.Position.Column < 1 {
		return otherwise
	}
	return place{tk.Position.Line, tk.Position.Column}
}

func inBraces(n ast.Node) bool {
	m, ok := n.(*ast.MappingNode)
	return ok && m.IsFlowStyle
}
