package sqlparse

import "google.golang.org/protobuf/reflect/protoreflect"

// advice says, for statements that are refused whatever a scope allows, what to do instead. Statements of the session have
// their own sentence where they are refused.
var advice = map[protoreflect.Name]string{
	"CopyStmt":            "rows are read with SELECT and added with INSERT; files and programs of the server are not reached through the gateway",
	"LockStmt":            "each call is a transaction of its own; the locks a statement needs it takes itself",
	"NotifyStmt":          "it reaches whoever listens; have the application send it",
	"MergeStmt":           "write it as INSERT ... ON CONFLICT, UPDATE and DELETE, one call each",
	"CallStmt":            "what a procedure does cannot be told beforehand; send its statements as calls, or have an operator run it",
	"DoStmt":              "what a block of code does cannot be told beforehand; send its statements as calls",
	"ExecuteStmt":         "send the statement itself",
	"ReindexStmt":         "have an operator run it",
	"ClusterStmt":         "have an operator run it",
	"CreateFunctionStmt":  "code that runs on the server is installed by an operator",
	"AlterFunctionStmt":   "code that runs on the server is changed by an operator",
	"CreateTrigStmt":      "code that runs on the server is installed by an operator",
	"RuleStmt":            "code that runs on the server is installed by an operator",
	"CreateEventTrigStmt": "code that runs on the server is installed by an operator",
	"CreateExtensionStmt": "code that runs on the server is installed by an operator",
	"CreatePLangStmt":     "code that runs on the server is installed by an operator",
	"AlterSystemStmt":     "the server's configuration is changed by an operator; it cannot run in a transaction",
	"CreatedbStmt":        "it cannot run in a transaction; have an operator run it",
	"DropdbStmt":          "it cannot run in a transaction; have an operator run it",
}

// adviceFor is never empty.
func adviceFor(name protoreflect.Name) string {
	if a, ok := advice[name]; ok {
		return a
	}
	return "the gateway does not take it in any form; have an operator run it"
}
