package query

import "strings"

// Labels of what the system catalogs hold; policy treats them like sensitivity labels of columns.
const (
	labelCredential = "credential" // password hashes, connection strings, authentication rules
	labelDataCopy   = "data-copy"  // values of rows, or other sessions' statements, in another place
)

// systemRelations says what is known of the relations of pg_catalog and information_schema. "" is harmless; a relation that
// is not listed is unknown.
var systemRelations = readSystemRelations()

func readSystemRelations() map[string]string {
	known := map[string]string{}
	for label, names := range map[string]string{
		"": `pg_class pg_namespace pg_attribute pg_type pg_proc pg_index pg_indexes pg_constraint pg_inherits pg_tables
			pg_sequence pg_sequences pg_enum pg_range pg_collation pg_cast pg_operator pg_am pg_language pg_extension pg_description
			pg_shdescription pg_database pg_roles pg_auth_members pg_group pg_partitioned_table pg_depend pg_aggregate pg_opclass pg_opfamily
			pg_amop pg_amproc pg_conversion pg_event_trigger pg_publication pg_publication_tables pg_publication_rel pg_tablespace
			pg_timezone_abbrevs pg_timezone_names pg_ts_config pg_ts_dict pg_ts_parser pg_available_extensions
			pg_stat_user_tables pg_stat_user_indexes pg_stat_all_tables pg_stat_all_indexes pg_stat_database pg_statio_user_tables
			pg_statio_user_indexes pg_locks pg_user
			information_schema.tables information_schema.columns information_schema.schemata
			information_schema.key_column_usage information_schema.table_constraints information_schema.referential_constraints
			information_schema.constraint_column_usage information_schema.constraint_table_usage information_schema.sequences
			information_schema.routines information_schema.parameters information_schema.domains information_schema.element_types
			information_schema.column_privileges information_schema.table_privileges information_schema.role_table_grants
			information_schema.applicable_roles information_schema.enabled_roles information_schema.information_schema_catalog_name
			information_schema.character_sets information_schema.collations information_schema.triggers
			information_schema.view_table_usage information_schema.view_column_usage information_schema.user_defined_types
			information_schema.attributes information_schema.column_udt_usage information_schema.sql_features`,
		labelCredential: `pg_authid pg_shadow pg_user_mapping pg_user_mappings pg_subscription pg_hba_file_rules pg_file_settings
			pg_ident_file_mappings pg_settings pg_db_role_setting pg_foreign_server pg_foreign_data_wrapper pg_foreign_table
			information_schema.user_mappings information_schema.user_mapping_options information_schema.foreign_server_options
			information_schema.foreign_table_options information_schema.foreign_data_wrapper_options pg_replication_slots pg_stat_wal_receiver
			pg_stat_replication pg_stat_subscription`,
		labelDataCopy: `pg_statistic pg_statistic_ext_data pg_stats pg_stats_ext pg_stats_ext_exprs pg_stat_activity pg_largeobject pg_largeobject_metadata
			pg_stat_statements pg_prepared_statements pg_cursors pg_attrdef pg_rewrite pg_views pg_matviews pg_rules pg_policy pg_policies pg_trigger
			information_schema.views information_schema.check_constraints`,
	} {
		for _, n := range strings.Fields(names) {
			if !strings.Contains(n, ".") {
				n = "pg_catalog." + n
			}
			known[n] = label
		}
	}
	return known
}

// valueColumns are columns of the catalogs that hold copies of values of every table's rows, and so of labelled columns.
var valueColumns = map[string][]string{
	"pg_catalog.pg_statistic":          {"stavalues1", "stavalues2", "stavalues3", "stavalues4", "stavalues5"},
	"pg_catalog.pg_statistic_ext_data": {"stxdmcv", "stxdexpr", "stxddependencies"},
	"pg_catalog.pg_stats":              {"most_common_vals", "histogram_bounds", "most_common_elems", "range_length_histogram", "range_bounds_histogram"},
	"pg_catalog.pg_stats_ext":          {"most_common_vals", "exprs", "dependencies"},
	"pg_catalog.pg_stats_ext_exprs":    {"expr", "most_common_vals", "histogram_bounds", "most_common_elems"},
	"pg_catalog.pg_attribute":          {"attmissingval"},
	// conditions of indexes and checks name values
	"pg_catalog.pg_indexes":                {"indexdef"},
	"pg_catalog.pg_index":                  {"indexprs", "indpred"},
	"pg_catalog.pg_constraint":             {"conbin"},
	"pg_catalog.pg_attrdef":                {"adbin"},
	"information_schema.check_constraints": {"check_clause"},
}

// systemColumnsWithValues are columns of otherwise harmless catalogs that hold values of rows or expressions with literals.
var systemColumnsWithValues = map[string][]string{
	"pg_catalog.pg_attribute":          {"attmissingval"},
	"pg_catalog.pg_class":              {"relpartbound"},
	"pg_catalog.pg_constraint":         {"conbin"},
	"pg_catalog.pg_index":              {"indexprs", "indpred"},
	"pg_catalog.pg_indexes":            {"indexdef"},
	"pg_catalog.pg_proc":               {"prosrc", "prosqlbody", "proargdefaults", "proconfig"},
	"pg_catalog.pg_roles":              {"rolpassword", "rolconfig"},
	"pg_catalog.pg_user":               {"passwd", "useconfig"},
	"pg_catalog.pg_type":               {"typdefault", "typdefaultbin"},
	"information_schema.columns":       {"column_default", "generation_expression"},
	"information_schema.routines":      {"routine_definition"},
	"information_schema.triggers":      {"action_condition", "action_statement"},
	"information_schema.domains":       {"domain_default"},
	"information_schema.parameters":    {"parameter_default"},
	"information_schema.attributes":    {"attribute_default"},
	"pg_catalog.pg_partitioned_table":  {"partexprs"},
	"pg_catalog.pg_publication_rel":    {"prqual"},
	"pg_catalog.pg_publication_tables": {"rowfilter"},
	"pg_catalog.pg_ts_dict":            {"dictinitoption"},
}
