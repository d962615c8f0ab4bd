package sqlparse

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// refusal is how a statement that is neither a read nor INSERT, UPDATE or DELETE is named, and what it would be.
type refusal struct{ what, effect string }

// statements is every such statement of the grammar. One that is not here is unclear. Statements with several forms get a
// more exact name in utility.
//
// Where the effect depends on more than the text says (DO, CALL, EXECUTE), it is the strongest that is likely.
var statements = map[protoreflect.Name]refusal{
	// The session and its transaction.
	"TransactionStmt": {"transaction control", ""}, "VariableSetStmt": {"SET", ""}, "ConstraintsSetStmt": {"SET CONSTRAINTS", ""},
	"DiscardStmt": {"DISCARD", ""}, "PrepareStmt": {"PREPARE", ""}, "DeallocateStmt": {"DEALLOCATE", ""},
	"DeclareCursorStmt": {"DECLARE CURSOR", ""}, "FetchStmt": {"FETCH", ""}, "ClosePortalStmt": {"CLOSE", ""},
	"ListenStmt": {"LISTEN", ""}, "UnlistenStmt": {"UNLISTEN", ""},

	// Data.
	"MergeStmt": {"MERGE", "write"}, "CopyStmt": {"COPY", "write"}, "TruncateStmt": {"TRUNCATE", "write"}, "LockStmt": {"LOCK", "write"},
	"NotifyStmt": {"NOTIFY", "write"}, "CallStmt": {"CALL", "write"}, "ExecuteStmt": {"EXECUTE", "write"},
	"RefreshMatViewStmt": {"REFRESH MATERIALIZED VIEW", "write"},

	// The schema.
	"CreateStmt": {"CREATE TABLE", "define"}, "CreateTableAsStmt": {"CREATE TABLE AS", "define"}, "ViewStmt": {"CREATE VIEW", "define"},
	"AlterTableStmt": {"ALTER TABLE", "define"}, "AlterTableMoveAllStmt": {"ALTER TABLE ALL", "define"}, "DropStmt": {"DROP", "define"},
	"RenameStmt": {"RENAME", "define"}, "CommentStmt": {"COMMENT", "define"}, "IndexStmt": {"CREATE INDEX", "define"},
	"ReindexStmt": {"REINDEX", "define"}, "ClusterStmt": {"CLUSTER", "define"}, "VacuumStmt": {"VACUUM or ANALYZE", "define"},
	"CreateSchemaStmt": {"CREATE SCHEMA", "define"}, "CreateSeqStmt": {"CREATE SEQUENCE", "define"}, "AlterSeqStmt": {"ALTER SEQUENCE", "define"},
	"CreateStatsStmt": {"CREATE STATISTICS", "define"}, "AlterStatsStmt": {"ALTER STATISTICS", "define"},
	"CreateDomainStmt": {"CREATE DOMAIN", "define"}, "AlterDomainStmt": {"ALTER DOMAIN", "define"},
	"CompositeTypeStmt": {"CREATE TYPE", "define"}, "CreateEnumStmt": {"CREATE TYPE", "define"}, "CreateRangeStmt": {"CREATE TYPE", "define"},
	"AlterEnumStmt": {"ALTER TYPE", "define"}, "AlterTypeStmt": {"ALTER TYPE", "define"}, "DefineStmt": {"CREATE", "define"},
	"CreateFunctionStmt": {"CREATE FUNCTION", "define"}, "AlterFunctionStmt": {"ALTER FUNCTION", "define"},
	"CreateTrigStmt": {"CREATE TRIGGER", "define"}, "RuleStmt": {"CREATE RULE", "define"}, "AlterCollationStmt": {"ALTER COLLATION", "define"},
	"AlterObjectDependsStmt": {"ALTER ... DEPENDS ON", "define"}, "AlterObjectSchemaStmt": {"ALTER ... SET SCHEMA", "define"},
	"AlterOperatorStmt": {"ALTER OPERATOR", "define"}, "CreateOpClassStmt": {"CREATE OPERATOR CLASS", "define"},
	"CreateOpFamilyStmt": {"CREATE OPERATOR FAMILY", "define"}, "AlterOpFamilyStmt": {"ALTER OPERATOR FAMILY", "define"},
	"CreateConversionStmt": {"CREATE CONVERSION", "define"}, "CreateCastStmt": {"CREATE CAST", "define"},
	"CreateTransformStmt": {"CREATE TRANSFORM", "define"}, "CreateAmStmt": {"CREATE ACCESS METHOD", "admin"},
	"AlterTSDictionaryStmt": {"ALTER TEXT SEARCH DICTIONARY", "define"}, "AlterTSConfigurationStmt": {"ALTER TEXT SEARCH CONFIGURATION", "define"},
	"CreateForeignTableStmt": {"CREATE FOREIGN TABLE", "define"}, "ImportForeignSchemaStmt": {"IMPORT FOREIGN SCHEMA", "define"},
	"CreatePublicationStmt": {"CREATE PUBLICATION", "admin"}, "AlterPublicationStmt": {"ALTER PUBLICATION", "admin"},

	// Roles, privileges, the server, and code outside SQL.
	"DoStmt": {"DO", "admin"}, "LoadStmt": {"LOAD", "admin"}, "CheckPointStmt": {"CHECKPOINT", "admin"}, "AlterSystemStmt": {"ALTER SYSTEM", "admin"},
	"GrantStmt": {"GRANT", "admin"}, "GrantRoleStmt": {"GRANT of a role", "admin"}, "AlterDefaultPrivilegesStmt": {"ALTER DEFAULT PRIVILEGES", "admin"},
	"CreateRoleStmt": {"CREATE ROLE", "admin"}, "AlterRoleStmt": {"ALTER ROLE", "admin"}, "AlterRoleSetStmt": {"ALTER ROLE ... SET", "admin"},
	"DropRoleStmt": {"DROP ROLE", "admin"}, "DropOwnedStmt": {"DROP OWNED", "admin"}, "ReassignOwnedStmt": {"REASSIGN OWNED", "admin"},
	"AlterOwnerStmt": {"ALTER ... OWNER", "admin"}, "CreatePolicyStmt": {"CREATE POLICY", "admin"}, "AlterPolicyStmt": {"ALTER POLICY", "admin"},
	"SecLabelStmt": {"SECURITY LABEL", "admin"}, "CreateExtensionStmt": {"CREATE EXTENSION", "admin"}, "AlterExtensionStmt": {"ALTER EXTENSION", "admin"},
	"AlterExtensionContentsStmt": {"ALTER EXTENSION", "admin"}, "CreatePLangStmt": {"CREATE LANGUAGE", "admin"},
	"CreateEventTrigStmt": {"CREATE EVENT TRIGGER", "admin"}, "AlterEventTrigStmt": {"ALTER EVENT TRIGGER", "admin"},
	"CreateFdwStmt": {"CREATE FOREIGN DATA WRAPPER", "admin"}, "AlterFdwStmt": {"ALTER FOREIGN DATA WRAPPER", "admin"},
	"CreateForeignServerStmt": {"CREATE SERVER", "admin"}, "AlterForeignServerStmt": {"ALTER SERVER", "admin"},
	"CreateUserMappingStmt": {"CREATE USER MAPPING", "admin"}, "AlterUserMappingStmt": {"ALTER USER MAPPING", "admin"},
	"DropUserMappingStmt": {"DROP USER MAPPING", "admin"}, "CreateSubscriptionStmt": {"CREATE SUBSCRIPTION", "admin"},
	"AlterSubscriptionStmt": {"ALTER SUBSCRIPTION", "admin"}, "DropSubscriptionStmt": {"DROP SUBSCRIPTION", "admin"},
	"CreatedbStmt": {"CREATE DATABASE", "admin"}, "AlterDatabaseStmt": {"ALTER DATABASE", "admin"},
	"AlterDatabaseSetStmt": {"ALTER DATABASE ... SET", "admin"}, "AlterDatabaseRefreshCollStmt": {"ALTER DATABASE", "admin"},
	"DropdbStmt": {"DROP DATABASE", "admin"}, "CreateTableSpaceStmt": {"CREATE TABLESPACE", "admin"},
	"DropTableSpaceStmt": {"DROP TABLESPACE", "admin"}, "AlterTableSpaceOptionsStmt": {"ALTER TABLESPACE", "admin"},
}

// utility notes a statement that the walk does not enter. Nothing of it is stated but its name.
func (w *walk) utility(m protoreflect.Message, in around) {
	name := m.Descriptor().Name()
	w.st.Kind = string(name)
	r, ok := statements[name]
	if !ok {
		w.unclear(construct(m), in)
		return
	}
	switch n := m.Interface().(type) {
	case *pg.CopyStmt:
		switch {
		case n.GetIsProgram():
			r = refusal{"COPY with a program", "admin"}
		case n.GetFilename() != "":
			r = refusal{"COPY with a file of the server", "admin"}
		case n.GetIsFrom():
			r.what = "COPY FROM"
		default:
			r.what = "COPY TO"
		}
	case *pg.DropStmt:
		r.what = "DROP " + object(n.GetRemoveType())
	case *pg.AlterTableStmt:
		r.what = "ALTER " + object(n.GetObjtype())
	case *pg.GrantStmt:
		if !n.GetIsGrant() {
			r.what = "REVOKE"
		}
	case *pg.GrantRoleStmt:
		if !n.GetIsGrant() {
			r.what = "REVOKE of a role"
		}
	case *pg.TransactionStmt:
		r.what = transactionWords(n.GetKind())
	case *pg.VacuumStmt:
		if r.what = "ANALYZE"; n.GetIsVacuumcmd() {
			r.what = "VACUUM"
		}
	case *pg.CreateTableAsStmt:
		if n.GetObjtype() == pg.ObjectType_OBJECT_MATVIEW {
			r.what = "CREATE MATERIALIZED VIEW"
		}
	}
	w.advise(r.what, r.effect, adviceFor(name), in)
}

// object is a kind of object in SQL's words: OBJECT_MATVIEW is MATERIALIZED VIEW.
func object(t pg.ObjectType) string {
	if t == pg.ObjectType_OBJECT_MATVIEW {
		return "MATERIALIZED VIEW"
	}
	return strings.ReplaceAll(strings.TrimPrefix(t.String(), "OBJECT_"), "_", " ")
}

// planOptions are the options of EXPLAIN that only change how the plan is shown.
var planOptions = map[string]bool{
	"verbose": true, "costs": true, "settings": true, "generic_plan": true, "buffers": true, "wal": true, "timing": true,
	"summary": true, "format": true, "memory": true,
}

// explain states the facts of the explained statement, which is planned and not run. Planning already calls functions that
// are marked IMMUTABLE or STABLE, so these facts count as those of a read. EXPLAIN ANALYZE runs it: any mention of that
// option is refused, whatever its value, since of two the last one wins.
func (w *walk) explain(n *pg.ExplainStmt, in around) {
	w.st.Kind = "explain"
	analyze := false
	for _, o := range n.GetOptions() {
		d := o.GetDefElem()
		in := in
		in.pos = w.chars.at(int(d.GetLocation()))
		switch name := strings.ToLower(d.GetDefname()); {
		case name == "analyze" || name == "analyse":
			analyze = true
		case d == nil || !planOptions[name]:
			w.unclear("an option of EXPLAIN that is not known", in)
		}
	}
	query := n.GetQuery().ProtoReflect()
	fd := query.WhichOneof(query.Descriptor().Oneofs().Get(0))
	if fd == nil {
		w.unclear("EXPLAIN without a statement", in)
		return
	}
	explained := query.Get(fd).Message()
	switch explained.Interface().(type) {
	case *pg.SelectStmt, *pg.InsertStmt, *pg.UpdateStmt, *pg.DeleteStmt:
		w.message(explained, around{where: "in an explained statement", pos: in.pos, depth: in.depth})
	default:
		w.utility(explained, in)
		w.st.Kind = "explain"
	}
	w.st.Output = Output{Why: "EXPLAIN"}
	switch {
	case analyze && len(w.st.Writes) > 0:
		w.refuse("EXPLAIN ANALYZE", "write", in)
	case analyze:
		w.refuse("EXPLAIN ANALYZE", "", in)
	case len(w.st.Writes) > 0:
		w.refuse("EXPLAIN of a statement that changes data", "", in)
	}
}

func transactionWords(k pg.TransactionStmtKind) string {
	if k == pg.TransactionStmtKind_TRANS_STMT_START {
		return "START TRANSACTION"
	}
	return strings.ReplaceAll(strings.TrimPrefix(k.String(), "TRANS_STMT_"), "_", " ")
}
