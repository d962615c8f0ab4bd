package sqlparse

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// This file holds the rules of statements about rights: GRANT and REVOKE, owners, row security policies, roles.

func (w *walk) grant(n *pg.GrantStmt, in around) {
	kind, words := "grant", "GRANT"
	if !n.GetIsGrant() {
		kind, words = "revoke", "REVOKE"
	}
	w.is(kind, effectAdmin)
	w.only(n, words, in, "is_grant", "targtype", "objtype", "objects", "privileges", "grantees", "grant_option", "behavior")
	w.cascades(n.GetBehavior())
	for _, p := range n.GetPrivileges() {
		if a := p.GetAccessPriv(); a == nil {
			w.unclear("a privilege that is not known", in)
		} else {
			w.only(a, words, in, "priv_name", "cols")
		}
	}
	for _, g := range n.GetGrantees() {
		w.role(g.GetRoleSpec(), in)
	}
	switch n.GetTargtype() {
	case pg.GrantTargetType_ACL_TARGET_OBJECT:
	case pg.GrantTargetType_ACL_TARGET_ALL_IN_SCHEMA:
		for _, o := range n.GetObjects() {
			w.targets(Target{Type: "schema", Name: o.GetString_().GetSval(), Table: "*", Position: in.pos})
		}
		return
	default:
		w.unclear("rights on objects that are not named", in)
		return
	}
	for _, o := range n.GetObjects() {
		switch n.GetObjtype() {
		case pg.ObjectType_OBJECT_TABLE:
			if o.GetRangeVar() == nil {
				w.unclear("a table that is not known", in)
				continue
			}
			w.target(o.GetRangeVar(), "table", false, false, in)
		case pg.ObjectType_OBJECT_SEQUENCE:
			if o.GetRangeVar() == nil {
				w.unclear("a sequence that is not known", in)
				continue
			}
			w.target(o.GetRangeVar(), "sequence", false, false, in)
		case pg.ObjectType_OBJECT_SCHEMA:
			w.object("schema", o, false, in)
		default:
			w.advise(words+" on a "+strings.ToLower(object(n.GetObjtype())), effectAdmin, "rights on tables, sequences and schemas are given through the gateway", in)
			return
		}
	}
}

// role notes a role that gets or loses something.
func (w *walk) role(n *pg.RoleSpec, in around) {
	if n == nil {
		w.unclear("a role that is not known", in)
		return
	}
	name := n.GetRolename()
	switch n.GetRoletype() {
	case pg.RoleSpecType_ROLESPEC_CSTRING:
	case pg.RoleSpecType_ROLESPEC_PUBLIC:
		name = "public"
	default:
		w.unclear("a role by CURRENT_USER or SESSION_USER; name it", in)
		return
	}
	w.targets(Target{Type: "role", Name: name, Position: in.pos})
}

func (w *walk) grantRole(n *pg.GrantRoleStmt, in around) {
	w.is("grant_role", effectAdmin)
	if !n.GetIsGrant() {
		w.is("revoke_role", effectAdmin)
	}
	w.only(n, "GRANT of a role", in, "granted_roles", "grantee_roles", "is_grant", "opt", "behavior")
	w.cascades(n.GetBehavior())
	for _, r := range n.GetGrantedRoles() {
		a := r.GetAccessPriv()
		if a == nil || a.GetPrivName() == "" || len(a.GetCols()) > 0 {
			w.unclear("a role that is not known", in)
			continue
		}
		w.targets(Target{Type: "role", Name: a.GetPrivName(), Position: in.pos})
	}
	for _, r := range n.GetGranteeRoles() {
		w.role(r.GetRoleSpec(), in)
	}
	for _, o := range n.GetOpt() {
		switch o.GetDefElem().GetDefname() {
		case "admin", "inherit", "set":
		default:
			w.unclear("an option of GRANT that is not known", in)
		}
	}
}

func (w *walk) alterOwner(n *pg.AlterOwnerStmt, in around) {
	w.is("alter_owner", effectAdmin)
	w.only(n, "OWNER TO", in, "object_type", "object", "newowner")
	typ := objectTypes[n.GetObjectType()]
	if typ != "schema" && typ != "type" && typ != "domain" {
		w.advise("ALTER "+object(n.GetObjectType())+" OWNER TO", effectAdmin, "have an operator do it", in)
		return
	}
	w.object(typ, n.GetObject(), false, in)
	w.role(n.GetNewowner(), in)
}

func (w *walk) createPolicy(n *pg.CreatePolicyStmt, in around) {
	w.is("create_policy", effectAdmin)
	w.only(n, "CREATE POLICY", in, "policy_name", "table", "cmd_name", "permissive", "roles", "qual", "with_check")
	w.policy(n.GetPolicyName(), n.GetTable(), true, n.GetRoles(), n.GetQual(), n.GetWithCheck(), in)
}

func (w *walk) alterPolicy(n *pg.AlterPolicyStmt, in around) {
	w.is("alter_policy", effectAdmin)
	w.only(n, "ALTER POLICY", in, "policy_name", "table", "roles", "qual", "with_check")
	w.policy(n.GetPolicyName(), n.GetTable(), false, n.GetRoles(), n.GetQual(), n.GetWithCheck(), in)
}

func (w *walk) policy(name string, table *pg.RangeVar, isNew bool, roles []*pg.Node, qual, check *pg.Node, in around) {
	w.target(table, "table", false, false, in)
	w.targets(Target{Type: "policy", Schema: table.GetSchemaname(), Table: table.GetRelname(), Name: name, New: isNew, Position: in.pos})
	for _, r := range roles {
		if s := r.GetRoleSpec(); s != nil && s.GetRoletype() != pg.RoleSpecType_ROLESPEC_CSTRING && s.GetRoletype() != pg.RoleSpecType_ROLESPEC_PUBLIC {
			continue // the login itself
		}
		w.role(r.GetRoleSpec(), in)
	}
	w.within(qual, "in a row security policy", in)
	w.within(check, "in a row security policy", in)
}

// roleOptions are those that are passed on. A password would stand in the record and before the approver, and SUPERUSER,
// REPLICATION and BYPASSRLS would undo what the gateway relies on.
var roleOptions = map[string]bool{"canlogin": true, "inherit": true, "connectionlimit": true, "validUntil": true, "createdb": true}

func (w *walk) createRole(n *pg.CreateRoleStmt, in around) {
	w.is("create_role", effectAdmin)
	w.only(n, "CREATE ROLE", in, "stmt_type", "role", "options")
	w.targets(Target{Type: "role", Name: n.GetRole(), New: true, Position: in.pos})
	w.roleOptions(n.GetOptions(), in)
}

func (w *walk) alterRole(n *pg.AlterRoleStmt, in around) {
	w.is("alter_role", effectAdmin)
	w.only(n, "ALTER ROLE", in, "role", "options", "action")
	w.role(n.GetRole(), in)
	w.roleOptions(n.GetOptions(), in)
}

func (w *walk) roleOptions(options []*pg.Node, in around) {
	for _, o := range options {
		name := o.GetDefElem().GetDefname()
		switch {
		case name == "password":
			w.advise("a password in a statement", effectAdmin, "it would stand in the record and before the approver; have an operator set it", in)
		case !roleOptions[name]:
			w.advise("the role option "+strings.ToUpper(shorten(name)), effectAdmin, "have an operator do it", in)
		}
	}
}

func (w *walk) dropRole(n *pg.DropRoleStmt, in around) {
	w.is("drop_role", effectAdmin)
	w.also("drop")
	w.only(n, "DROP ROLE", in, "roles", "missing_ok")
	for _, r := range n.GetRoles() {
		w.role(r.GetRoleSpec(), in)
	}
}
