package approvals

import (
	"strconv"
	"strings"
)

// Impact is what a change would do to its target, as it was counted when people were asked: part of what they say yes to (see
// [Request.Sign]). Nothing of it is shown to the agent. Nil for calls that are no change of a database.
type Impact struct {
	Object string `json:"object"` // the table that is changed: "public.orders"
	Rows   Count  `json:"rows"`   // rows of it that would change; the execution is rolled back beyond
	Of     Count  `json:"of"`     // rows it has
	// Cascades are the tables that change with it through foreign keys, level by level.
	Cascades []Cascade `json:"cascades,omitempty"`
	// Involved is what else takes part: triggers, rules, generated columns, partitions, publications, row security.
	Involved []Involved `json:"involved,omitempty"`
	// Unstable says why the same statement may hit other rows at its execution: "random() is different each time".
	Unstable []string `json:"unstable,omitempty"`
	Unknown  string   `json:"unknown,omitempty"` // why nothing was counted: "it was not understood", "counting took longer than 3s"
	Sample   *Sample  `json:"sample,omitempty"`
}

// The words of Count.Is.
const (
	Exact    = "exact"
	AtLeast  = "at_least" // N or more
	AtMost   = "at_most"  // N or fewer: a conflict or row security may leave some out
	Estimate = "estimate" // of the target's own statistics; may be far off
	Unknown  = "unknown"  // N says nothing
)

// Count is a number of rows, and how well it is known.
type Count struct {
	N  int64  `json:"n"`
	Is string `json:"is"`
}

// Cascade is one table that changes because another does.
type Cascade struct {
	Object string `json:"object"` // "public.order_lines"
	Action string `json:"action"` // what happens to its rows: "delete", "set null", "set default", "update"
	Level  int    `json:"level"`  // 1: refers to the changed table itself
	Rows   Count  `json:"rows"`
}

// Involved is one thing in the target's catalog that takes part in the change.
type Involved struct {
	Kind   string `json:"kind"`   // "trigger", "rule", "generated column", "partition", "publication", "row security"
	Object string `json:"object"` // the table it belongs to
	Name   string `json:"name,omitempty"`
}

// Sample is at most five of the rows, masked like a result. A nil value is null.
type Sample struct {
	Columns []string    `json:"columns"`
	Before  [][]*string `json:"before,omitempty"` // absent for rows that are added
	After   [][]*string `json:"after,omitempty"`  // in the same order; absent for rows that are deleted
}

// Words is a count of a noun with how well it is known: "6,500 rows", "at least 1 row", "an unknown number of rows"; without a noun, "6,500".
func (c Count) Words(noun string) string {
	if noun != "" {
		if c.N != 1 || c.Is == Unknown {
			noun += "s"
		}
		noun = " " + noun
	}
	switch c.Is {
	case Exact:
		return thousands(c.N) + noun
	case AtLeast:
		return "at least " + thousands(c.N) + noun
	case AtMost:
		return "at most " + thousands(c.N) + noun
	case Estimate:
		return "about " + thousands(c.N) + noun
	}
	return "an unknown number" + strings.TrimSuffix(" of"+noun, " of")
}

func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
