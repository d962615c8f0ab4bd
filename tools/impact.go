package tools

// Impact is what a change would do to its target now, counted without doing it. It is for approvers: nothing of it may reach the agent
// that could not count the same rows itself.
type Impact struct {
	Object   string     // the table that is changed: "public.orders"
	Rows     Count      // rows of it that would change
	Of       Count      // rows it has
	Cascades []Cascade  // tables that change with it, level by level
	Involved []Involved // what else takes part
	Unstable []string   // why the same statement may hit other rows a moment later
	Unknown  string     // why nothing was counted; "" when it was
	Sample   *Sample    // at most five of the rows, masked
}

// Precision says how well a Count is known.
type Precision string

const (
	Exact      Precision = "exact"
	AtLeast    Precision = "at_least"
	AtMost     Precision = "at_most"  // a conflict or row security may leave some out
	Estimate   Precision = "estimate" // of the target's own statistics
	NotCounted Precision = "unknown"  // N says nothing
)

// Count is a number of rows.
type Count struct {
	N  int64
	Is Precision
}

// Bound is the number that must not be exceeded for what was counted to stay true; ok is false when there is none.
func (c Count) Bound() (n int64, ok bool) { return c.N, c.Is == Exact || c.Is == AtMost }

// Cascade is a table whose rows change because those of another do.
type Cascade struct {
	Object string // "public.order_lines"
	Action string // "delete", "set null", "set default", "update"
	Level  int    // 1: it refers to the changed table itself
	Rows   Count
}

// Involved is something in the target's catalog that takes part in a change.
type Involved struct {
	Kind   string // "trigger", "rule", "generated column", "partition", "publication", "row security"
	Object string // the table it belongs to
	Name   string
}

// Sample shows rows as they are and as they would be: the same columns in the same order; nil is null.
type Sample struct {
	Columns []string
	Before  [][]*string // none for rows that are added
	After   [][]*string // none for rows that are deleted
}

// Bound is what the execution of a change is held to.
type Bound struct {
	Rows     int64
	Cascades []Cascade // those that were counted
}
