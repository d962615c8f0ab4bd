package query

// The statements that read a target's catalog. All names are qualified; nothing in them comes from outside.

// relationStamp changes whenever a relation, its columns or its rules are redefined: the row versions of their catalog rows.
const relationStamp = `pg_catalog.concat_ws('.', c.oid, c.xmin,
	(SELECT pg_catalog.sum(a.xmin::text::bigint) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid),
	(SELECT pg_catalog.sum(w.xmin::text::bigint) FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid))`

const (
	sqlEpoch = `SELECT pg_catalog.concat_ws(' ',
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_class WHERE relkind <> 't' AND relpersistence <> 't'),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_attribute WHERE attnum > 0),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_proc),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_operator),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_cast),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_amproc),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_type),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_rewrite),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_constraint),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_attrdef),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_trigger),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_policy),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_event_trigger),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_inherits),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_namespace),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_auth_members))`

	sqlVersion = `SELECT pg_catalog.current_setting('server_version_num')`

	sqlSchemas = `SELECT oid, nspname, pg_catalog.has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace
		WHERE nspname !~ '^pg_(toast|temp_|toast_temp_)'`

	relationFilter = `c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_(toast|temp_|toast_temp_)'`

	sqlRelations = `SELECT c.oid, c.relnamespace, c.relname, c.relkind, ` + relationStamp + `, c.reltype, c.relrowsecurity, c.reltuples,
		pg_catalog.has_any_column_privilege(c.oid, 'SELECT'), c.reloftype
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ` + relationFilter

	sqlColumns = `SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.attnotnull, a.attgenerated
		FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE a.attnum > 0 AND NOT a.attisdropped AND (` + relationFilter + ` OR c.relkind = 'c') ORDER BY a.attrelid, a.attnum`

	sqlTypes = `SELECT t.oid, t.typnamespace, t.typname, pg_catalog.format_type(t.oid, NULL), t.typtype, t.typcategory, t.typelem, t.typarray, t.typbasetype,
		t.typrelid, t.typinput::oid, t.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid), t.typdelim, t.xmin
		FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname !~ '^pg_(temp_|toast_temp_)'`

	sqlFunctions = `SELECT p.oid, p.pronamespace, p.proname, pg_catalog.array_to_string(p.proargtypes::oid[], ' '), p.provolatile = 'v', l.lanname IN ('c', 'internal'),
		coalesce((SELECT e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
			WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'), ''), p.xmin
		FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang ORDER BY p.oid`

	sqlSignature = `SELECT pg_catalog.to_regprocedure($1::pg_catalog.text)::pg_catalog.oid`

	// What users' aggregates are made of; the operator is the one that MIN and MAX of an index take.
	sqlAggregates = `SELECT a.aggfnoid::oid, pg_catalog.concat_ws(' ', a.aggtransfn::oid, nullif(a.aggfinalfn::oid, 0), nullif(a.aggcombinefn::oid, 0),
		nullif(a.aggserialfn::oid, 0), nullif(a.aggdeserialfn::oid, 0), nullif(a.aggmtransfn::oid, 0), nullif(a.aggminvtransfn::oid, 0),
		nullif(a.aggmfinalfn::oid, 0), (SELECT o.oprcode::oid FROM pg_catalog.pg_operator o WHERE o.oid = a.aggsortop))
		FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid::oid >= 16384 ORDER BY 1`

	sqlOperators = `SELECT oid, oprnamespace, oprname, oprleft, oprright, oprcode::oid, xmin FROM pg_catalog.pg_operator ORDER BY oid`

	sqlCasts = `SELECT castsource, casttarget, castfunc, oid, xmin FROM pg_catalog.pg_cast ORDER BY oid`

	sqlInherits = `SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits ORDER BY 1, 2`

	sqlEventTriggers = `SELECT evtname FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D' ORDER BY 1`

	sqlTriggers = `SELECT tgrelid, tgname FROM pg_catalog.pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2`

	sqlRules = `SELECT w.ev_class, w.rulename, w.ev_type = '1' AND w.is_instead,
		pg_catalog.array_to_string(ARRAY(SELECT DISTINCT m[2] FROM pg_catalog.regexp_matches(w.ev_action::text,
			':(funcid|opfuncid|aggfnoid|winfnoid|eqfuncid) ([0-9]+)', 'g') m), ' '),
		w.ev_action::text ~ ':varattno 0 ', w.ev_action::text ~ '\{(XMLEXPR|TABLEFUNC|JSONEXPR|TABLESAMPLECLAUSE)',
		pg_catalog.array_to_string(ARRAY(SELECT DISTINCT m[1] FROM pg_catalog.regexp_matches(w.ev_action::text, ':relid ([0-9]+)', 'g') m), ' ')
		FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')`

	sqlRuleDepends = `SELECT DISTINCT w.ev_class, c.relname, d.refobjid, d.refobjsubid
		FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid JOIN pg_catalog.pg_class c ON c.oid = d.refclassid
		WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.deptype = 'n'
		AND d.refclassid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass, 'pg_catalog.pg_type'::regclass)
		ORDER BY 1, 2, 3, 4`

	// User functions and operators that run as part of a table, the support functions of its operator classes, and the other
	// relations its policies read. Built-in ones are not recorded as dependencies: what a table's
	// owner put there of the server's own is taken as it is.
	sqlTableCode = `SELECT DISTINCT x.rel, x.what, f.relname, c.refobjid FROM (
			SELECT 'pg_catalog.pg_attrdef'::regclass AS class, oid, adrelid AS rel, 'a default' AS what FROM pg_catalog.pg_attrdef
			UNION ALL SELECT 'pg_catalog.pg_constraint'::regclass, oid, conrelid, 'a constraint' FROM pg_catalog.pg_constraint WHERE conrelid <> 0
			UNION ALL SELECT 'pg_catalog.pg_policy'::regclass, oid, polrelid, 'a row security policy' FROM pg_catalog.pg_policy
			UNION ALL SELECT 'pg_catalog.pg_class'::regclass, indexrelid, indrelid, 'an index' FROM pg_catalog.pg_index
			UNION ALL SELECT 'pg_catalog.pg_class'::regclass, partrelid, partrelid, '` + partitionKey + `' FROM pg_catalog.pg_partitioned_table
		) x JOIN pg_catalog.pg_depend d ON d.classid = x.class AND d.objid = x.oid
			LEFT JOIN pg_catalog.pg_opclass o ON d.refclassid = 'pg_catalog.pg_opclass'::regclass AND o.oid = d.refobjid
			CROSS JOIN LATERAL (
				SELECT d.refclassid, d.refobjid WHERE d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass)
				OR d.refclassid = 'pg_catalog.pg_class'::regclass AND x.class = 'pg_catalog.pg_policy'::regclass AND d.refobjid <> x.rel
				UNION SELECT 'pg_catalog.pg_proc'::regclass, s.amproc::oid FROM pg_catalog.pg_amproc s WHERE s.amprocfamily = o.opcfamily
			) c JOIN pg_catalog.pg_class f ON f.oid = c.refclassid ORDER BY 1, 2, 3, 4`

	// What a domain's checks and its default run.
	sqlDomainCode = `SELECT k.typ, f.relname, d.refobjid FROM (
			SELECT 'pg_catalog.pg_constraint'::regclass AS class, oid, contypid AS typ FROM pg_catalog.pg_constraint WHERE contypid <> 0
			UNION ALL SELECT 'pg_catalog.pg_type'::regclass, oid, oid FROM pg_catalog.pg_type WHERE typtype = 'd'
		) k JOIN pg_catalog.pg_depend d ON d.classid = k.class AND d.objid = k.oid JOIN pg_catalog.pg_class f ON f.oid = d.refclassid
		WHERE d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass) ORDER BY 1, 2, 3`

	sqlGenerated = `SELECT d.refobjid, d.refobjsubid, a.adnum FROM pg_catalog.pg_attrdef a
		JOIN pg_catalog.pg_attribute t ON t.attrelid = a.adrelid AND t.attnum = a.adnum AND t.attgenerated <> ''
		JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = a.oid
			AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = a.adrelid AND d.refobjsubid <> 0 AND d.refobjsubid <> a.adnum
		UNION SELECT d.refobjid, d.refobjsubid, d.objsubid FROM pg_catalog.pg_depend d
		JOIN pg_catalog.pg_attribute t ON t.attrelid = d.objid AND t.attnum = d.objsubid AND t.attgenerated <> ''
		WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = d.objid AND d.refobjsubid <> 0`

	sqlForeignKeys = `SELECT conrelid, confrelid, pg_catalog.array_to_string(conkey, ' '), pg_catalog.array_to_string(confkey, ' '),
		confdeltype IN ('c', 'n', 'd'), confupdtype IN ('c', 'n', 'd'), confdeltype, confupdtype, pg_catalog.array_to_string(conpfeqop, ' '),
		(SELECT p.confrelid FROM pg_catalog.pg_constraint p WHERE p.oid = k.conparentid) FROM pg_catalog.pg_constraint k WHERE contype = 'f' ORDER BY oid`

	sqlIndexes = `SELECT i.indrelid, c.relname, ` + relationStamp + ` FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid ORDER BY c.oid`

	sqlPrimaryKeys = `SELECT conrelid, pg_catalog.array_to_string(conkey, ' ') FROM pg_catalog.pg_constraint WHERE contype = 'p'`

	// sqlGuard answers, for a name as a statement writes it, what it means now and in which version. It runs in the
	// transaction of the call, after the statement took its locks. One name each: a list would be planned anew every time.
	sqlGuard = `SELECT ` + relationStamp + ` FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid`

	// sqlCode answers whether what users made under these names is what it was: functions, operators, types, and all casts.
	// See codeNames.
	sqlCode = `SELECT pg_catalog.concat_ws(' ',
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_proc
			WHERE oid >= 16384 AND proname = ANY ($1::pg_catalog.name[])),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_operator
			WHERE oid >= 16384 AND oprname = ANY ($2::pg_catalog.name[])),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(t.xmin::text::bigint)) FROM pg_catalog.pg_type t
			WHERE t.oid >= 16384 AND t.typname = ANY ($3::pg_catalog.name[])
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.oid = t.typnamespace AND n.nspname ~ '^pg_(temp_|toast_temp_)')),
		(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint)) FROM pg_catalog.pg_cast WHERE oid >= 16384))`
)
