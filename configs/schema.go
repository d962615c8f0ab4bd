package configs

import (
	_ "embed"
	"slices"
)

// schema is made from the Go types and their comments by TestSchemaIsCurrent: go test ./configs -run Current -update.
//
//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (2020-12) of the file, for editors. It accepts every file that [Parse] accepts. The reverse does
// not hold: what needs more than one key, such as a target that a scope names, only Parse can check.
func Schema() []byte { return slices.Clone(schema) }
