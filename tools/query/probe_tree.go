package query

import (
	"fmt"
	"strconv"
	"strings"
)

// This file reads a query tree as the server stores it (pg_node_tree, written by outfuncs.c): {LABEL :field value ...}, lists in
// parentheses, every special character of a name behind a backslash. It is read as tokens and never searched, so that a name
// that looks like a field stays a name. What is not known here is a problem, and what has a problem is not understood.

// tree is what a stored query uses.
type tree struct {
	functions, operators, types, relations []used

	commands []string // commandType of each query in it, the outermost first
	problem  string   // what is not known; "" when everything is
}

// used is the number of an object, and the node it stands in.
type used struct {
	oid uint32
	in  *treeNode
}

type treeNode struct {
	label    string
	field    string // the one that is being read
	location int    // byte offset in the text that the server parsed; -1: none
}

// treeFunctions, treeOperators and so on are the fields that hold numbers of objects.
var (
	treeFunctions = words("funcid opfuncid aggfnoid winfnoid hashfuncid negfuncid startInRangeFunc endInRangeFunc tsmhandler")
	treeOperators = words("opno opnos eqop sortop cycle_mark_neop")
	treeTypes     = words(`vartype consttype paramtype funcresulttype opresulttype wintype aggtype aggargtypes resulttype array_typeid element_typeid
		row_typeid casetype typeId coalescetype minmaxtype type argtype refcontainertype refelemtype refrestype coltypes ctecoltypes
		funccoltypes colTypes cycle_mark_type typid`)
	treeRelations = words("relid")
)

// treeLabels are the nodes that SELECT, INSERT, UPDATE and DELETE consist of, as versions 12 to 18 write them. Those of XML, of
// JSON_TABLE, of MERGE and of row locks are left out.
var treeLabels = words(`QUERY RTE RANGETBLENTRY RTEPERMISSIONINFO ALIAS FROMEXPR RANGETBLREF JOINEXPR RANGETBLFUNCTION TABLESAMPLECLAUSE
	TARGETENTRY VAR CONST PARAM FUNCEXPR NAMEDARGEXPR OPEXPR DISTINCTEXPR NULLIFEXPR SCALARARRAYOPEXPR BOOLEXPR SUBLINK AGGREF GROUPINGFUNC
	WINDOWFUNC SUBSCRIPTINGREF FIELDSELECT FIELDSTORE RELABELTYPE COERCEVIAIO ARRAYCOERCEEXPR CONVERTROWTYPEEXPR COLLATE COLLATEEXPR
	CASE CASEEXPR WHEN CASEWHEN CASETESTEXPR ARRAY ARRAYEXPR ROW ROWEXPR ROWCOMPARE ROWCOMPAREEXPR COALESCE COALESCEEXPR MINMAX MINMAXEXPR
	SQLVALUEFUNCTION NULLTEST BOOLEANTEST COERCETODOMAIN SETTODEFAULT COMMONTABLEEXPR CTESEARCHCLAUSE CTECYCLECLAUSE SETOPERATIONSTMT
	SORTGROUPCLAUSE GROUPINGSET WINDOWCLAUSE ONCONFLICTEXPR INFERENCEELEM JSONCONSTRUCTOREXPR JSONVALUEEXPR JSONFORMAT JSONRETURNING
	JSONISPREDICATE JSONEXPR JSONBEHAVIOR`)

func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(text) {
		set[w] = true
	}
	return set
}

// readTree reads one stored query.
func readTree(text string) *tree {
	t := &tree{}
	var open []*treeNode
	rest := text
	for t.problem == "" {
		var token string
		if token, rest = nextToken(rest); token == "" {
			break
		}
		switch {
		case token == "{":
			n := &treeNode{location: -1}
			if n.label, rest = nextToken(rest); !treeLabels[n.label] {
				t.problem = "a construct that the server calls " + n.label
			}
			open = append(open, n)
		case token == "}" && len(open) > 0:
			t.left(open[len(open)-1])
			open = open[:len(open)-1]
		case token == "(" || token == ")":
		case len(open) == 0:
			t.problem = "an answer of the server that cannot be read"
		default:
			t.token(open[len(open)-1], token)
		}
	}
	if t.problem == "" && (len(open) > 0 || len(t.commands) == 0) {
		t.problem = "an answer of the server that cannot be read"
	}
	return t
}

// left checks that the last field of a node was not cut short.
func (t *tree) left(n *treeNode) { t.started(n) }

// started notes a field that names an object and has no value: a name that poses as a field, or a form that is not known.
func (t *tree) started(n *treeNode) {
	if strings.HasPrefix(n.field, "?") && t.list(n.field[1:]) != nil {
		t.problem = "a name that cannot be told from the server's own words"
	}
}

// list is where the numbers of a field belong.
func (t *tree) list(field string) *[]used {
	switch {
	case treeFunctions[field]:
		return &t.functions
	case treeOperators[field]:
		return &t.operators
	case treeTypes[field]:
		return &t.types
	case treeRelations[field]:
		return &t.relations
	}
	return nil
}

// token takes the next word of a node: a field's name, or a part of its value.
func (t *tree) token(n *treeNode, token string) {
	if token[0] == ':' {
		t.started(n)
		n.field = "?" + token[1:]
		return
	}
	n.field = strings.TrimPrefix(n.field, "?")
	switch n.field {
	case "location":
		n.location, _ = strconv.Atoi(token)
		return
	case "commandType":
		t.commands = append(t.commands, token)
		return
	}
	if n.field == "inferopclass" || n.field == "opfamilies" {
		if id, err := strconv.ParseUint(token, 10, 32); err == nil && id >= firstUserOID {
			t.problem = "an operator class made by users"
		}
		return
	}
	list := t.list(n.field)
	if list == nil || token == "<>" || token == "o" || token == "i" {
		return
	}
	id, err := strconv.ParseUint(token, 10, 32)
	if err != nil {
		t.problem = fmt.Sprintf("an answer of the server that cannot be read at %s", n.field)
		return
	}
	if id != 0 {
		*list = append(*list, used{uint32(id), n})
	}
}

// nextToken cuts the next token off, as pg_strtok of PostgreSQL does; "" at the end.
func nextToken(text string) (token, rest string) {
	i := 0
	for i < len(text) && strings.IndexByte(" \n\t", text[i]) >= 0 {
		i++
	}
	start := i
	for i < len(text) && strings.IndexByte(" \n\t(){}", text[i]) < 0 {
		if text[i] == '\\' {
			i++
		}
		i++
	}
	i = min(i, len(text))
	if i == start && i < len(text) {
		i++ // a parenthesis or brace
	}
	return text[start:i], text[i:]
}
