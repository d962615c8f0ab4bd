// Package sqlparse answers: what does this SQL text say? It says it in facts, not in a verdict.
//
// The grammar is PostgreSQL's own (pg_query). It runs in a disposable child process of the same binary, because deeply
// nested SQL can kill the parser and with it the process (libpg_query #348, #366). The child has no credentials, and limits
// on time, memory and stack; a crash is "not understood" and a fresh child.
//
// Only the text is looked at here. Whether a name is a table or a view, a column or a function, is for the caller to ask
// the server.
package sqlparse

// Statement is what exactly one SQL statement says. The zero value is not valid: Parse makes them. Safe to share: read-only
// after Parse, and cached by text.
type Statement struct {
	// Kind is the top-level statement: select, insert, update, delete, explain, show; every other statement the
	// grammar knows has the name of its node ("DropStmt") and an entry in Unclear or Refused.
	Kind string `json:"kind"`
	// Writes names each construct that changes data: "INSERT", "DELETE in a WITH clause". Empty for a read.
	Writes []Mention `json:"writes,omitempty"`
	// Refused names constructs that are understood and are neither a plain read nor INSERT, UPDATE or DELETE: DDL,
	// transaction control, COPY, SET, row locks, SELECT INTO, EXPLAIN ANALYZE. Effect is what they would be.
	Refused []Mention `json:"refused,omitempty"`
	// Unclear names constructs that the walk does not know. Not empty means not understood.
	Unclear []Mention `json:"unclear,omitempty"`

	Relations []Relation  `json:"relations,omitempty"`
	Columns   []ColumnRef `json:"columns,omitempty"`
	Functions []Call      `json:"functions,omitempty"`
	Operators []Call      `json:"operators,omitempty"`
	Types     []Call      `json:"types,omitempty"` // of casts and column definitions
	// Aliases are the names the statement itself introduces: CTEs, table and column aliases, output names. A column
	// reference to one of them is not a reference to a column of a table.
	Aliases []string `json:"aliases,omitempty"`

	// Bounded is true for reads, and for writes whose every UPDATE and DELETE has a WHERE.
	Bounded bool `json:"bounded"`
	// Params is the highest $n.
	Params int `json:"params"`
	// Output says how the top-level result is made. Only a plain output is a projection whose columns may be traced to
	// their origin one by one: a SELECT (or RETURNING) without set operation, DISTINCT, GROUP BY, HAVING or ORDER BY by number.
	Output Output `json:"output"`
	// Fingerprint is the text with every literal replaced by $n, whitespace folded and comments gone.
	Fingerprint string `json:"fingerprint"`
}

// Mention is a construct and its place.
type Mention struct {
	What     string `json:"what"`     // in SQL's words: "FOR UPDATE", "DROP TABLE"
	Effect   string `json:"effect"`   // write, define, admin, or "" where only the session is concerned
	Position int    `json:"position"` // 1-based, in characters; 0 when the node has none
}

// Relation is a table name in FROM, INTO, UPDATE, USING ... CTE references are not relations.
type Relation struct {
	Schema        string `json:"schema,omitempty"`
	Name          string `json:"name"`
	Alias         string `json:"alias,omitempty"`
	Written       bool   `json:"written"`                  // target of INSERT, UPDATE or DELETE
	ColumnAliases bool   `json:"column_aliases,omitempty"` // FROM t AS a(x, y): its columns have other names here
	TopLevel      bool   `json:"top_level"`                // in the FROM of the outermost query, not in a sub-query or CTE
	Position      int    `json:"position"`
}

// Place is where a column reference stands.
type Place string

const (
	PlaceOutput   Place = "output"   // a whole item of the outermost SELECT list or RETURNING: SELECT a, t.b AS c, *
	PlaceAssigned Place = "assigned" // a column that is written: SET a = ..., INSERT INTO t (a)
	PlaceOther    Place = "other"    // anywhere else: WHERE, ORDER BY, inside an expression, a sub-query, a CTE, USING
)

// ColumnRef is one reference to a column, a whole row (the alias alone) or a star.
type ColumnRef struct {
	Names    []string `json:"names"`          // ["u","ssn"]; empty for a bare star
	Star     bool     `json:"star,omitempty"` // u.* or *
	Place    Place    `json:"place"`
	Where    string   `json:"where"` // for the error: "in WHERE", "inside function lower", "in a sub-query"
	Position int      `json:"position"`
}

// Call is a use of a function, operator or type by name.
type Call struct {
	Schema   string `json:"schema,omitempty"`
	Name     string `json:"name"`
	Args     int    `json:"args"`
	Position int    `json:"position"`
}

// Output says what kind of result the outermost query has; see Statement.Output.
type Output struct {
	Plain bool   `json:"plain"`
	Why   string `json:"why,omitempty"` // what makes it not plain: "UNION", "DISTINCT", "ORDER BY 1"
}
