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

	// Define is what a statement says that defines or administers, and TRUNCATE; nil for all others.
	Define *Definition `json:"define,omitempty"`

	Relations []Relation  `json:"relations,omitempty"`
	Columns   []ColumnRef `json:"columns,omitempty"`
	Functions []Call      `json:"functions,omitempty"`
	Operators []Call      `json:"operators,omitempty"`
	Types     []Call      `json:"types,omitempty"` // of casts and column definitions
	// Attributes are the uses of (x).name: a column of a composite value, or a call of the function name with x. Only the server
	// can tell which.
	Attributes []Mention `json:"attributes,omitempty"`
	// Aliases are the names the statement itself introduces: CTEs, table and column aliases, output names. They explain a
	// reference that no relation has a column for. They never excuse one that a relation does have: in
	// SELECT id AS ssn FROM users WHERE ssn = '1' the second ssn is the column of users.
	Aliases []string `json:"aliases,omitempty"`
	// Ranges are the things in FROM that are no tables under their own columns' names, all of the statement's, and which columns
	// they are certain to have. Each CTE and each name that can stand before a dot is here or in Relations.
	Ranges []Range `json:"ranges,omitempty"`
	// NaturalJoins are joins on all columns that both sides have by the same name: column references that nobody wrote.
	// With a labelled column on either side such a join can tell its value.
	NaturalJoins []Mention `json:"natural_joins,omitempty"`
	// Setting is what SHOW shows, in lower case: "timezone", "all". Empty for every other kind.
	Setting string `json:"setting,omitempty"`

	// Bounded is true for reads, and for writes whose every UPDATE and DELETE has a WHERE that names a column (WHERE true
	// does not bound anything).
	Bounded bool `json:"bounded"`
	// Params is the highest $n.
	Params int `json:"params"`
	// ParamTokens are the places of the parameters in Text, in its order.
	ParamTokens []ParamToken `json:"param_tokens,omitempty"`
	// Text is the statement from its first to its last token: no comments or semicolons around it. Comments inside are
	// kept. It can stand in parentheses, or behind DECLARE ... CURSOR FOR, without changing its meaning.
	Text string `json:"text"`
	// Output says how the top-level result is made. Only a plain output is a projection whose columns may be traced to
	// their origin one by one: a SELECT (or RETURNING) without set operation, DISTINCT, GROUP BY, HAVING or ORDER BY by number.
	Output Output `json:"output"`
	// Literals are the string constants, decoded, in the order of the tree. Never recorded.
	Literals []string `json:"literals,omitempty"`
	// Fingerprint is the text with every literal replaced by $n, whitespace folded and comments gone.
	Fingerprint string `json:"fingerprint"`
	// Shadow reads what an INSERT, UPDATE or DELETE would change; nil for every other statement, and where none could be made.
	Shadow *Shadow `json:"shadow,omitempty"`
}

// ParamToken is one $n of Statement.Text, by byte offsets: Text[Start:End] is "$n".
type ParamToken struct {
	Number int `json:"n"`
	Start  int `json:"start"`
	End    int `json:"end"`
}

// Mention is a construct and its place.
type Mention struct {
	What     string `json:"what"`             // in SQL's words: "FOR UPDATE", "DROP TABLE"
	Effect   string `json:"effect"`           // write, define, admin, or "" where only the session is concerned
	Position int    `json:"position"`         // 1-based, in characters; 0 when the node has none
	Advice   string `json:"advice,omitempty"` // of what is refused: what to do instead
}

// Relation is a table name in FROM, INTO, UPDATE, USING ... CTE references are not relations.
type Relation struct {
	Schema        string `json:"schema,omitempty"`
	Name          string `json:"name"`
	Alias         string `json:"alias,omitempty"`
	Written       bool   `json:"written"`                  // target of INSERT, UPDATE or DELETE
	ColumnAliases bool   `json:"column_aliases,omitempty"` // FROM t AS a(x, y), or in a join with an alias: its columns have other names here
	TopLevel      bool   `json:"top_level"`                // in the FROM of the outermost query, not in a sub-query or CTE
	Position      int    `json:"position"`
}

// Range is a sub-query, function, VALUES list, CTE, or join with an alias. It has the columns named, all columns of the tables,
// and all those of the ranges named; it may have more.
type Range struct {
	Name    string      `json:"name"`
	Columns []string    `json:"columns,omitempty"` // sorted
	Tables  []TableName `json:"tables,omitempty"`
	Ranges  []string    `json:"ranges,omitempty"`
}

// TableName is a table as the statement names it.
type TableName struct {
	Schema string `json:"schema,omitempty"`
	Name   string `json:"name"`
}

// Place is where a column reference stands.
type Place string

const (
	PlaceOutput   Place = "output"   // a whole item of the outermost SELECT list or RETURNING: SELECT a, t.b AS c, *
	PlaceAssigned Place = "assigned" // a column that is written: SET a = ..., INSERT INTO t (a)
	PlaceOther    Place = "other"    // anywhere else: WHERE, ORDER BY, inside an expression, a sub-query, a CTE, USING
)

// ColumnRef is one reference to a column, a whole row (the alias alone) or a star. Where the last of two or more names is
// no column of the relation, PostgreSQL takes it for a function and calls it with the row: u.log_it is log_it(u).
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
	// Syntax is true where the grammar itself knows the construct (current_date, GROUPING, JSON_TABLE), so that no
	// function of that name is looked up, by servers of major version Since (0: all) and newer. An older server takes the
	// same text for an ordinary call.
	Syntax bool `json:"syntax,omitempty"`
	Since  int  `json:"since,omitempty"`
}

// Output says what kind of result the outermost query has; see Statement.Output.
type Output struct {
	Plain bool   `json:"plain"`
	Why   string `json:"why,omitempty"` // what makes it not plain: "UNION", "DISTINCT", "ORDER BY 1"
}
