package query

import (
	_ "embed"
	"strings"
)

//go:embed functions.txt
var functionsText string

// allowedFunctions are the names in functions.txt; true: the function may be volatile.
var allowedFunctions = readFunctions(functionsText)

func readFunctions(text string) map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		volatile := fields[0] == "~"
		if volatile {
			fields = fields[1:]
		}
		for _, f := range fields {
			names[f] = volatile
		}
	}
	return names
}

// knownExtensions are those whose C functions are treated like built-ins when they are immutable or stable: they compute
// from their arguments. C code can be installed by a superuser only. An extension's SQL functions are user code; extensions
// that run SQL from a string (tablefunc, dblink, xml2) or read elsewhere are not named.
var knownExtensions = map[string]bool{
	"btree_gin": true, "btree_gist": true, "citext": true, "cube": true, "fuzzystrmatch": true, "hstore": true, "intarray": true,
	"isn": true, "ltree": true, "pg_trgm": true, "postgis": true, "seg": true, "uuid-ossp": true, "vector": true,
}

// harmlessSettings may be shown. Any other may hold a path, an address or, in settings of applications, a secret.
var harmlessSettings = map[string]bool{
	"bytea_output": true, "client_encoding": true, "datestyle": true, "default_text_search_config": true, "extra_float_digits": true,
	"integer_datetimes": true, "intervalstyle": true, "lc_collate": true, "lc_ctype": true, "lc_monetary": true, "lc_numeric": true, "lc_time": true,
	"lock_timeout": true, "max_identifier_length": true, "search_path": true, "server_encoding": true, "server_version": true,
	"server_version_num": true, "standard_conforming_strings": true, "statement_timeout": true, "timezone": true,
	"transaction_isolation": true, "transaction_read_only": true, "work_mem": true,
}
