package configs

// Target is one system that agents may be let into. It has exactly one of postgres, ssh and http.
type Target struct {
	// Postgres is a database.
	Postgres *Postgres `yaml:"postgres"`
	// SSH is a host on which commands are run.
	SSH *SSH `yaml:"ssh"`
	// HTTP is an API.
	HTTP *HTTP `yaml:"http"`

	// Mode is how the credential is held: static is the one in this file, jit is made by the gateway when it is needed: for ssh a certificate
	// for each call. For postgres it is not supported yet, nor is vault.
	Mode string `yaml:"mode" default:"static" enum:"static jit" later:"vault"`
	// Environment is a word of yours: production, staging. Scopes select by it and risk depends on it. Absent counts as production.
	Environment string `yaml:"environment"`
	// Labels are further words by which scopes select targets.
	Labels []string `yaml:"labels"`
	// Preview is how much of a call is posted to Slack: full is the exact call, with its literals; link is none of it, so that it has to be read
	// and approved on the approvals page or the command line. The exact call with its literals masked (masked) is not supported yet.
	Preview string `yaml:"preview" default:"full" enum:"full link" later:"masked"`
	// Columns label what is sensitive, by table.column or schema.table.column as PostgreSQL stores the names. Only for postgres.
	Columns map[string]Column `yaml:"columns"`
}

// Kind is postgres, ssh or http.
func (t *Target) Kind() string {
	switch {
	case t.SSH != nil:
		return "ssh"
	case t.HTTP != nil:
		return "http"
	default:
		return "postgres"
	}
}

// Column is the sensitivity of a column.
type Column struct {
	// Class says what the values are: email, us_ssn, payment_card, or a word of your own (lower case, digits, "_").
	Class string `yaml:"class" check:"required"`
	// Mask is what the agent sees instead: a marker (redact), a stable substitute (pseudonym), the last characters (partial) or
	// NULL (null).
	Mask string `yaml:"mask" default:"redact" enum:"redact pseudonym partial null"`
}

// Postgres is one database and the low role with which it is entered.
type Postgres struct {
	// Address is host:port/database. The port may be left out (5432).
	Address string `yaml:"address" check:"required"`
	// User is the role. sallyport should own nothing and be a member of nothing.
	User string `yaml:"user" check:"required"`
	// Password of the role. Absent: the server asks for none (trust or a client certificate are for tests).
	Password Secret `yaml:"password"`
	// TLS: verify-full checks chain and name, verify-ca the chain, require nothing, off does not encrypt and is accepted on
	// loopback only.
	TLS string `yaml:"tls" default:"verify-full" enum:"verify-full verify-ca require off"`
	// CA is the path of a PEM file with the certificates that are trusted. Absent: those of the host.
	CA string `yaml:"ca" check:"path"`
	// SearchPath is pinned for every statement.
	SearchPath []string `yaml:"search_path" default:"[public]"`
	// MaxConnections to this database, all agents together. Two more may be made to ask what the server understands of a statement.
	MaxConnections int `yaml:"max_connections" default:"8" min:"1" max:"1000"`
	// Introspect is a second, lower login: with it the server is asked what it understands of a statement. It needs TEMP on the
	// database, USAGE on the schemas of search_path, and nothing else. Absent: the user above is asked with.
	Introspect *Login `yaml:"introspect"`
	// Functions are functions of your own that statements may call.
	Functions *Functions `yaml:"functions"`
}

// Functions names functions of a database.
type Functions struct {
	// Allow lists them as schema.name(type, ...), with the types of their arguments: app.order_total(bigint). Whoever may replace such a
	// function decides what these calls do.
	Allow []string `yaml:"allow" check:"required"`
}

// Login is a name and its password.
type Login struct {
	// User is the name.
	User string `yaml:"user" check:"required"`
	// Password of the user.
	Password Secret `yaml:"password" check:"required"`
}

// Host of the address, without brackets around IPv6.
func (p *Postgres) Host() string {
	host, _, _, _ := splitDatabase(p.Address)
	return host
}

// Port of the address, 5432 when it names none.
func (p *Postgres) Port() uint16 {
	_, port, _, _ := splitDatabase(p.Address)
	return port
}

// Database of the address.
func (p *Postgres) Database() string {
	_, _, database, _ := splitDatabase(p.Address)
	return database
}
