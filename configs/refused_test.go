package configs_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"sallyport/configs"
)

// whole is a file without a problem and without a warning; cases replace parts of it.
const whole = `listen: 127.0.0.1:7400
public_url: https://gate.example.com
identity:
  issuers:
    - url: https://login.example.com
      audience: https://gate.example.com/mcp
      api_audience: https://gate.example.com/api
roles:
  approver: {groups: [dba]}
state: /var/lib/sallyport
targets:
  orders-db:
    postgres: {address: "db.internal:5432/orders", user: sallyport, password: "env:PW"}
    environment: production
    columns:
      customers.ssn: {class: us_ssn, mask: redact}
scopes:
  support:
    who: {groups: [support]}
    targets: [orders-db]
    allow: [read, write]
    risk: {ask: 40, deny: 95}
    approval: {from: [dba], count: 1, within: 30m}
`

const hop = `{address: h, user: u, key: "env:K", known_hosts: /k}`

// refused are single changes of whole. » stands where the problem has to be placed.
var refused = []struct{ old, new, want string }{
	// The two of the house style.
	{"[read, write]", "[read, »delete]", `scopes.support.allow[1]: "delete" is not one of read, write, define, admin`},
	{"within: 30m", "within: »30", `scopes.support.approval.within: 30 has no unit; write 30s or 30m`},

	// Keys.
	{"listen:", "»lisen:", `lisen: unknown key; did you mean listen?`},
	{"user: sallyport", "user: sallyport, »pasword: x", `targets.orders-db.postgres.pasword: unknown key; did you mean password?`},
	{"{ask: 40, deny: 95}", "{»zzz: 1}", `scopes.support.risk.zzz: unknown key; known here: ask, deny`},
	{"environment: production", "\n    »mode:hunter2: x", `targets.orders-db.mode: write a blank after the colon: KEY: VALUE`},
	{"state:", "»listen: 127.0.0.1:1\nstate:", `listen: this key is already in line 1; remove one`},
	{"  orders-db:\n", "  orders-db:\n    »<<: {}\n", `targets.orders-db.<<: merge keys are refused; write the values out, so that each stands where it holds`},
	{"{groups: [dba]}", "»&x {groups: [dba]}", `roles.approver: anchors and aliases are refused; write the value out, so that each stands where it holds`},
	{"environment: production", "environment: »!!str production", `targets.orders-db.environment: tags are refused; remove the word that begins with !`},
	{"state: /var/lib/sallyport", "»state:", `state: is empty; give it a value or remove the key`},
	{"state: /var/lib/sallyport", "state: »{postgres: env:DSN}", `state: the form {postgres: ...} is not supported yet; write one value`},
	{"state:", "»policy: {}\nstate:", `policy: names no rules; write rego: [policies/], or bundle`},
	{"state:", "policy: {»bundle: {poll: 5s}}\nstate:", `policy.bundle: needs one of file, folder and url`},
	{"state:", "policy: {bundle: {url: »http://policy.example.com/b.tar.gz, public_key: env:KEY}}\nstate:", `policy.bundle.url: http is accepted on loopback only; write https://policy.example.com`},
	{"state:", "policy: {»bundle: {url: https://policy.example.com/b.tar.gz}}\nstate:", `policy.bundle.public_key: is missing; what comes from a server has to be signed: public_key: file:/etc/sallyport/policy.pem`},
	{"state:", "policy: {rego: [policies/], mode: »loosen}\nstate:", `policy.mode: "loosen" is not one of tighten, override`},
	{"state:", "»audit: {sinks: [a]}\nstate:", `audit: is not supported yet; remove it`},
	{"state:", "approvals:\n  »slack: {bot_token: env:B, channel: C0123456789}\nstate:", `approvals.slack: one of app_token (Socket Mode) and signing_secret (callbacks over HTTP) is needed, and not both`},
	{"state:", "approvals:\n  slack: {app_token: env:A, bot_token: env:B, channel: »general}\nstate:", `approvals.slack.channel: "general" is not the id of a channel; open the channel's details in Slack and copy the id, such as C0123456789`},
	{"state:", "approvals:\n  slack: {app_token: env:A, bot_token: env:B, channel: C0123456789, teams: [»acme]}\nstate:", `approvals.slack.teams[0]: "acme" is not the id of a workspace, such as T0123456789`},
	{"state:", "approvals:\n  slack: {app_token: env:A, bot_token: env:B, channel: C0123456789, url: »\"http://slack.com/api/\"}\nstate:", `approvals.slack.url: http is accepted on loopback only; write https://slack.com`},
	{"count: 1,", "count: 1, mention: »S0123456789,", `scopes.support.approval.mention: names a channel or a group of Slack, but there is no approvals.slack; add it`},
	{"    environment: production\n", "    environment: production\n    preview: »masked\n", `targets.orders-db.preview: "masked" is not supported yet; write full or link`},
	{"    environment: production\n", "    environment: production\n    mode: »jit\n", `targets.orders-db.mode: "jit" is not supported yet for postgres; write static`},
	{"user: sallyport", "user: sallyport, »introspect: {user: a}", `targets.orders-db.postgres.introspect.password: is missing; add the key password`},
	{"user: sallyport", "user: sallyport, functions: {allow: [»total]}", `targets.orders-db.postgres.functions.allow[0]: "total" is not a function of your own; write schema.name(type, ...), as in app.order_total(bigint)`},
	{"user: sallyport", "user: sallyport, functions: {allow: [»'app.f(int) cascade']}", `targets.orders-db.postgres.functions.allow[0]: "app.f(int) cascade" is not a function of your own; write schema.name(type, ...), as in app.order_total(bigint)`},
	{"user: sallyport", "user: sallyport, functions: {allow: [»pg_catalog.pg_sleep(float8)]}", `targets.orders-db.postgres.functions.allow[0]: "pg_catalog.pg_sleep(float8)" is not a function of your own; write schema.name(type, ...), as in app.order_total(bigint)`},
	{"count: 1,", "assurance: »sms,", `scopes.support.approval.assurance: "sms" is not one of chat, web, web_fresh`},
	{"count: 1,", "count: 2, higher: [{risk: 70, count: »1}],", `scopes.support.approval.higher[0].count: asks for fewer people than below it; write at least 2`},
	{"count: 1,", "higher: [{risk: »40}],", `scopes.support.approval.higher[0].risk: 40 is not above 40 and below 95, where the scope refuses`},
	{"count: 1,", "assurance: web, higher: [{risk: 70, assurance: »chat}],", `scopes.support.approval.higher[0].assurance: is weaker than below it; write web or leave it out`},
	{"    who: {groups: [support]}\n", "", `scopes.support.who: is missing; add the key who`},
	{"state: /var/lib/sallyport\n", "", `state: is missing; add the key state`},

	{"who: {groups: [support]}", "who: {claims: {department: »support}}", `scopes.support.who.claims.department: no issuer passes this claim on, so nobody would match; add it to claims of one under identity.issuers`},
	{"who: {groups: [support]}", "who: {groups: [a], claims: {tier: [»{a: b}]}}", `scopes.support.who.claims.tier[0]: this has to be one value, not a mapping`},

	{"    risk:", "    hours: {days: [»monday], from: \"08:00\", to: \"18:00\", zone: UTC}\n    risk:", `scopes.support.hours.days[0]: "monday" is not a day; write mon, tue, wed, thu, fri, sat, sun, or mon-fri`},
	{"    risk:", "    hours: {from: »\"8:00\", to: \"18:00\", zone: UTC}\n    risk:", `scopes.support.hours.from: "8:00" is not a time of day; write "08:00"`},
	{"    risk:", "    hours: {from: \"08:00\", to: »\"24:01\", zone: UTC}\n    risk:", `scopes.support.hours.to: "24:01" is not a time of day; write "08:00"`},
	{"    risk:", "    hours: {from: \"08:00\", to: »\"08:00\", zone: UTC}\n    risk:", `scopes.support.hours.to: is the same time as from, which is either never or always; write 00:00 and 24:00 for a whole day`},
	{"    risk:", "    hours: {from: \"08:00\", to: \"18:00\", zone: »Local}\n    risk:", `scopes.support.hours.zone: "Local" is not in the IANA time zone database; write one such as Europe/Berlin, or UTC`},
	{"    risk:", "    »hours: {from: \"08:00\", to: \"18:00\"}\n    risk:", `scopes.support.hours.zone: is missing; add the key zone`},
	{"    risk:", "    deny: [{when: {kinds: [»\"up*\"]}, reason: x}]\n    risk:", `scopes.support.deny[0].when.kinds[0]: * is not a pattern here; write the names out`},
	{"    risk:", "    deny: [{when: {tools: [»sql]}, reason: x}]\n    risk:", `scopes.support.deny[0].when.tools[0]: "sql" is not one of query, query_write, exec, http`},
	{"    risk:", "    deny: [{when: {targets: [»oders-db]}, reason: x}]\n    risk:", `scopes.support.deny[0].when.targets[0]: there is no target "oders-db"; did you mean orders-db?`},
	{"    risk:", "    deny: [{when: {operations: [a], commands: »[b]}, reason: x}]\n    risk:", `scopes.support.deny[0].when.commands: a call is never both a command and an operation of an API, so the rule refuses nothing; write two rules`},

	{"    risk:", "    budgets: [»{per: hour}]\n    risk:", `scopes.support.budgets[0]: names no amount; write calls, rows, masked_values or bytes`},
	{"    risk:", "    budgets: [{calls: 5, per: »week}]\n    risk:", `scopes.support.budgets[0].per: "week" is not one of hour, day`},
	{"    risk:", "    budgets: [{calls: »0, per: day}]\n    risk:", `scopes.support.budgets[0].calls: 0 is too small; write at least 1`},

	// Kinds of values.
	{"count: 1", "count: »one", `scopes.support.approval.count: "one" is not a whole number; write digits without quotes`},
	{"count: 1", "count: »0", `scopes.support.approval.count: 0 is too small; write 1 to 10`},
	{"ask: 40", "ask: »101", `scopes.support.risk.ask: 101 is too large; write at most 100`},
	{"ask: 40", "ask: »96", `scopes.support.risk.ask: 96 is above risk.deny (95); write ask at most as high as deny`},
	{"within: 30m", "within: »30 minutes", `scopes.support.approval.within: "30 minutes" is not a time span; write a number with ms, s, m or h: 10s`},
	{"within: 30m", "within: »-30m", `scopes.support.approval.within: "-30m" is not a time span; write a number with ms, s, m or h: 10s`},
	{"within: 30m", "within: »999h", `scopes.support.approval.within: 999h is too large; write at most 168h`},
	{"    risk:", "    limits: {bytes: »256}\n    risk:", `scopes.support.limits.bytes: 256 has no unit; write 256KiB or 256MiB`},
	{"    risk:", "    limits: {bytes: »256KB}\n    risk:", `scopes.support.limits.bytes: "256KB" is not a size; write a whole number with B, KiB, MiB or GiB: 256KiB`},
	{"    risk:", "    limits: {rows: »0}\n    risk:", `scopes.support.limits.rows: 0 is too small; write 1 to 1000000`},
	{"user: sallyport", "user: »4711", `targets.orders-db.postgres.user: 4711 is not a text to YAML; write "4711" with its quotes`},
	{"groups: [support]", "groups: »support", `scopes.support.who.groups: this has to be a list; write [a, b]`},
	{"groups: [support]", "groups: »[]", `scopes.support.who.groups: is an empty list; remove the key, or name something`},
	{"groups: [support]", "groups: [a, b, »a]", `scopes.support.who.groups[2]: "a" is already at [0]; remove one`},
	{"groups: [support]", `groups: [»" a"]`, `scopes.support.who.groups[0]: begins or ends with blanks or a line break; remove them`},
	{"groups: [support]", `groups: [»"a\u202eb"]`, `scopes.support.who.groups[0]: holds a control or invisible character; remove it`},
	{"state:", "log: {level: »verbose}\nstate:", `log.level: "verbose" is not one of debug, info, warn, error`},
	{"state:", "trusted_proxies: [»10.0.0.1/8]\nstate:", `trusted_proxies[0]: 10.0.0.1/8 has bits beyond its length; write 10.0.0.0/8 or 10.0.0.1/32`},
	{"state:", "trusted_proxies: [»proxy]\nstate:", `trusted_proxies[0]: "proxy" is not a network; write 10.0.0.0/8 or one address`},
	{"state: /var", "state: »~/var", `state: ~ means nothing here; write the whole path`},

	// Listeners and identity.
	{"listen: 127.0.0.1:7400", "listen: »7400", `listen: 7400 is not a text to YAML; write "7400" with its quotes`},
	{"listen: 127.0.0.1:7400", "listen: »localhost", `listen: "localhost" is not an address to listen on; write host:port, such as 127.0.0.1:7400`},
	{"public_url: https:", "public_url: »http:", `public_url: http is accepted on loopback only; write https://gate.example.com`},
	{"public_url: https://gate.example.com", "public_url: »https://gate.example.com/", `public_url: has a path; write https://gate.example.com (clients find /mcp under it)`},
	{"url: https://login", "url: »http://login", `identity.issuers[0].url: http is accepted on loopback only; write https://login.example.com`},
	{"url: https://login", "url: »http://127.0.0.1.login", `identity.issuers[0].url: http is accepted on loopback only; write https://127.0.0.1.login.example.com`},
	{"url: https://login", "url: »https://u:p@login", `identity.issuers[0].url: holds a user or a password; remove them`},
	{"example.com/api", "example.com/mcp", `identity.issuers[0].api_audience: is also identity.issuers[0].audience, so that an agent's token would open the admin API; write another, such as https://gate.example.com/api`},
	{"roles:", "    - url: »https://login.example.com\n      audience: https://gate.example.com/mcp\nroles:", `identity.issuers[1].url: is already at identity.issuers[0]; remove one`},
	{"state:", "sessions: {idle: »9h}\nstate:", `sessions.idle: 9h is longer than sessions.max (8h); write less`},

	// Secrets. The text of a refused one never shows.
	{`"env:PW"`, `»"hunter2"`, `targets.orders-db.postgres.password: a secret written out in this file is refused; put it into a file or a variable of the gateway and write file:/path or env:NAME here`},
	{`"env:PW"`, `»12345`, `targets.orders-db.postgres.password: a secret written out in this file is refused; put it into a file or a variable of the gateway and write file:/path or env:NAME here`},
	{`"env:PW"`, `»[hunter2]`, `targets.orders-db.postgres.password: a secret written out in this file is refused; put it into a file or a variable of the gateway and write file:/path or env:NAME here`},
	{`"env:PW"`, `»"env:hunter 2"`, `targets.orders-db.postgres.password: what follows env: is not the name of a variable; write env:NAME`},
	{`"env:PW"`, `»"file:secret"`, `targets.orders-db.postgres.password: what follows file: is not an absolute path; write file:/run/secrets/NAME`},
	{`"env:PW"`, `»"vault:kv/db#pw"`, `targets.orders-db.postgres.password: is in Vault, and there is no vault: at the top of the file; add it: vault: {address: https://host:8200, token: file:/path}`},
	{"      api_audience:", "      web: {client_id: x, client_secret: »\"vault:kv/w#s\"}\n      api_audience:", `identity.issuers[0].web.client_secret: is in Vault, and there is no vault: at the top of the file; add it: vault: {address: https://host:8200, token: file:/path}`},
	{"  orders-db:\n", "  api:\n    http: {base_url: https://h, auth: {exchange: {token_url: »http://i/token, client_id: c, client_secret: \"env:S\", audience: a, revoke_url: https://i/revoke}}}\n  orders-db:\n", `targets.api.http.auth.exchange.token_url: http is accepted on loopback only; write https://i`},
	{"  orders-db:\n", "  api:\n    http: {base_url: https://h, auth: {exchange: {token_url: https://i/token, client_id: c, client_secret: \"env:S\", audience: a, revoke_url: »http://i/revoke}}}\n  orders-db:\n", `targets.api.http.auth.exchange.revoke_url: http is accepted on loopback only; write https://i`},
	{`"env:PW"`, `»"vault:kv#pw"`, `targets.orders-db.postgres.password: what follows vault: is not a path with its mount and a key; write vault:kv/orders/db#password`},
	{`"env:PW"`, `»"vault:kv/db"`, `targets.orders-db.postgres.password: what follows vault: is not a path with its mount and a key; write vault:kv/orders/db#password`},
	{`"env:PW"`, `»"vault:kv/../sys/db#pw"`, `targets.orders-db.postgres.password: what follows vault: is not a path with its mount and a key; write vault:kv/orders/db#password`},
	{`"env:PW"`, `»"vault:kv/db?version=1#pw"`, `targets.orders-db.postgres.password: what follows vault: is not a path with its mount and a key; write vault:kv/orders/db#password`},
	{"state:", "vault: {address: »http://vault.internal:8200, token: \"env:T\"}\nstate:", `vault.address: http is accepted on loopback only; write https://vault.internal:8200`},
	{"state:", "»vault: {address: https://vault.internal:8200}\nstate:", `vault: has no login; add one of token, kubernetes, approle`},
	{"state:", "»vault: {address: https://vault.internal:8200, token: \"env:T\", kubernetes: {role: r}}\nstate:", `vault: has more than one of token, kubernetes and approle; keep one`},
	{"state:", "vault: {address: https://vault.internal:8200, token: »\"vault:kv/a#b\"}\nstate:", `vault.token: cannot be in Vault itself; write file:/path or env:NAME`},
	{"state:", "vault: {address: https://vault.internal:8200, kubernetes: {role: r, mount: »../x}}\nstate:", `vault.kubernetes.mount: "../x" is not the path of a mount`},
	{`"env:PW"`, `»"exec:op read x"`, `targets.orders-db.postgres.password: what follows exec: is not the absolute path of a program; write exec:/usr/bin/op read op://vault/item`},
	{`"env:PW"`, `»"exec:/bin/sh -c 'cat x'"`, `targets.orders-db.postgres.password: exec: has no shell, so quotes and operators mean nothing; write exec:["/path", "argument"]`},

	// Targets.
	{"  support:", "  »The Support:", `scopes.The Support: "The Support" cannot be a name; use lower-case letters, digits, - _ and ., at most 63`},
	{`"db.internal:5432/orders"`, `»"db.internal:5432"`, `targets.orders-db.postgres.address: write host:port/database`},
	{`"db.internal:5432/orders"`, `»"postgres://db.internal/orders"`, `targets.orders-db.postgres.address: this is a URL; write host:port/database`},
	{`"db.internal:5432/orders"`, `»"db.internal:99999/orders"`, `targets.orders-db.postgres.address: "99999" is not a port; write a number from 1 to 65535`},
	{"user: sallyport", "user: sallyport, tls: »off", `targets.orders-db.postgres.tls: off is accepted on loopback only, and db.internal is not; write verify-full`},
	{"user: sallyport", "user: sallyport, tls: »prefer", `targets.orders-db.postgres.tls: "prefer" is not one of verify-full, verify-ca, require, off`},
	{"class: us_ssn", "class: »US SSN", `targets.orders-db.columns.customers.ssn.class: "US SSN" cannot be a class; write a word like email or us_ssn: lower case, digits, _`},
	{"mask: redact", "»mask:", `targets.orders-db.columns.customers.ssn.mask: is empty; give it a value or remove the key`},
	{"mask: redact", "»mask: ~", `targets.orders-db.columns.customers.ssn.mask: is empty; give it a value or remove the key`},
	{"mask: redact", "mask: »hash", `targets.orders-db.columns.customers.ssn.mask: "hash" is not one of redact, pseudonym, partial, null`},
	{"customers.ssn:", "»ssn:", `targets.orders-db.columns.ssn: "ssn" is not a column; write table.column or schema.table.column`},
	{"  orders-db:\n", "  »empty: {environment: production}\n  orders-db:\n", `targets.empty: has no address; add one of postgres, ssh, http`},
	{"  orders-db:\n", "  »both:\n    ssh: " + hop + "\n    http: {base_url: https://h}\n  orders-db:\n", `targets.both: is more than one of postgres, ssh, http; make them targets of their own`},
	{"  orders-db:\n", "  web:\n    »ssh: {address: h, user: u, known_hosts: /k}\n  orders-db:\n", `targets.web.ssh.key: is missing; write key: file:/path, or agent: /path of a socket`},
	{"  orders-db:\n", "  web:\n    »ssh: {address: h, user: u, key: \"env:K\"}\n  orders-db:\n", `targets.web.ssh.host_key: is missing; write what ssh-keyscan prints after you compared it on the host, or known_hosts: /path`},
	{"  orders-db:\n", "  web:\n    ssh: {address: h, user: u, key: \"env:K\", host_key: »ssh-ed25519 AAAA}\n  orders-db:\n", `targets.web.ssh.host_key: is not a public key; write its kind and its base64: ssh-ed25519 AAAA...`},
	{"  orders-db:\n", "  web:\n    »ssh: {address: h, user: u, known_hosts: /k}\n    mode: jit\n  orders-db:\n", `targets.web.ssh.ca: is missing; with mode: jit write ca: file:/path, the private key of the authority the host trusts`},
	{"  orders-db:\n", "  web:\n    »ssh: {address: h, user: u, known_hosts: /k, ca: \"env:C\", key: \"env:K\"}\n    mode: jit\n  orders-db:\n", `targets.web.ssh: has a key, a certificate or an agent, and mode: jit makes them for each call; remove it`},
	{"  orders-db:\n", "  web:\n    »ssh: {address: h, user: u, known_hosts: /k, ca: \"env:C\", key: \"env:K\"}\n  orders-db:\n", `targets.web.ssh: ca, principal and source_address mean nothing without mode: jit beside ssh; add it, or remove them`},
	{"  orders-db:\n", "  web:\n    ssh: {address: h, user: u, known_hosts: /k, ca: \"env:C\", principal: »\"a,b\"}\n    mode: jit\n  orders-db:\n", `targets.web.ssh.principal: "a,b" is not one word`},
	{"  orders-db:\n", "  web:\n    »ssh: {address: h, user: u, known_hosts: /k, ca: \"env:C\", jump: {address: j, user: u, key: \"env:J\", known_hosts: /k}}\n    mode: jit\n  orders-db:\n", `targets.web.ssh.source_address: is missing; behind a jump host the host sees the jump host's address: write that`},
	{"  orders-db:\n", "  web:\n    ssh: {address: h, user: u, known_hosts: /k, ca: \"env:C\", source_address: [»10.0.0.1/8]}\n    mode: jit\n  orders-db:\n", `targets.web.ssh.source_address[0]: 10.0.0.1/8 has bits beyond its length; write 10.0.0.0/8 or 10.0.0.1/32`},
	{"  orders-db:\n", "  web:\n    ssh: {address: »\"2001:db8::1\", user: u, key: \"env:K\", known_hosts: /k}\n  orders-db:\n", `targets.web.ssh.address: write an IPv6 address in brackets: [2001:db8::1]:22`},
	{"  orders-db:\n", "  api:\n    http: {base_url: »http://api.internal}\n  orders-db:\n", `targets.api.http.base_url: http is accepted on loopback only; write https://api.internal`},
	{"  orders-db:\n", "  api:\n    http: {base_url: »https://api/}\n  orders-db:\n", `targets.api.http.base_url: ends with /; write it without`},
	{"  orders-db:\n", "  api:\n    http:\n      base_url: https://api\n      »auth: {bearer: env:A, header: {name: X-K, value: env:B}}\n  orders-db:\n", `targets.api.http.auth: has bearer and header; keep one`},
	{"  orders-db:\n", "  api:\n    http: {base_url: https://api, headers: {Authorization: »Bearer x}}\n  orders-db:\n", `targets.api.http.headers.Authorization: carries a credential; write it under auth as a reference to a secret`},

	// Scopes.
	{"{groups: [support]}", "{}", `scopes.support.who: names nobody; write groups: [NAME], or subjects, agents, clients or claims`},
	{"groups: [support]", `groups: [»"*"]`, `scopes.support.who.groups[0]: * is not a pattern here; write the names out`},
	{"targets: [orders-db]", "targets: [»order-db]", `scopes.support.targets[0]: there is no target "order-db"; did you mean orders-db?`},
	{"targets: [orders-db]", "targets: »orders-db", `scopes.support.targets: this has to be a list of targets, [orders-db], or what they are, {environment: production}`},
	{"targets: [orders-db]", "targets: {»env: production}", `scopes.support.targets.env: unknown key; known here: environment, labels`},
	{"    risk:", "    objects: {allow: [»orders]}\n    risk:", `scopes.support.objects.allow[0]: "orders" is not an object; write "schema.name", or "schema.*" for all of a schema`},
	{"    risk:", "    objects: {deny: [»\"\"]}\n    risk:", `scopes.support.objects.deny[0]: is empty; give it a value or remove the key`},
	{"    risk:", "    objects: {deny: [»app.sec*]}\n    risk:", `scopes.support.objects.deny[0]: "app.sec*" is not an object; write "schema.name", or "schema.*" for all of a schema`},
	{"    risk:", "    deny:\n      - {»when: {}, reason: no}\n    risk:", `scopes.support.deny[0].when: is empty, which would refuse every call; name effects or objects`},
	{"    risk:", "    operations: [»FETCH /x]\n    risk:", `scopes.support.operations[0]: "FETCH" is not a method; write one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, or * for any`},
	{"    risk:", "    operations: [\"»GET /a*/b\"]\n    risk:", `scopes.support.operations[0]: "a*": * stands for one whole segment, ** for any rest at the end`},
	{"    risk:", "    commands: [»cat | sh]\n    risk:", `scopes.support.commands[0]: "cat | sh" has quotes, patterns or operators; write a program and perhaps its first words: "systemctl status"`},
	{"    risk:", "    headers: [»Cookie]\n    risk:", `scopes.support.headers[0]: an agent never sets Cookie; remove it`},
	{"    risk:", "    not_understood: »allow\n    risk:", `scopes.support.not_understood: "allow" is not one of deny, ask`},
	{"state:", "masking: {detect: {off: [»secret]}}\nstate:", `masking.detect.off[0]: what the gateway itself holds is always hidden; remove it`},
	{"state:", "masking: {detect: {off: [»ipv5]}}\nstate:", `masking.detect.off[0]: there is no detector "ipv5"; did you mean ipv4?`},
}

func TestEachProblemHasItsPlaceAndAWayOut(t *testing.T) {
	if f, err := configs.Parse("f.yaml", []byte(whole)); err != nil || len(f.Warnings) > 0 {
		t.Fatal(f, err)
	}
	for _, c := range refused {
		marked := strings.Replace(whole, c.old, c.new, 1)
		if marked == whole {
			t.Fatalf("%q changes nothing", c.old)
		}
		problems := parseBad(t, strings.Replace(marked, "»", "", 1))
		got := problems[0]
		if len(problems) > 1 || got.Path+": "+got.Text != c.want {
			t.Errorf("with %s\n got %s\nwant %s", c.new, problems, c.want)
			continue
		}
		if before, _, ok := strings.Cut(marked, "»"); ok {
			line, column := 1+strings.Count(before, "\n"), 1+utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:])
			if strings.HasSuffix(before, `["`) {
				column-- // the mark is within the quotes
			}
			if got.Line != line || got.Column != column {
				t.Errorf("with %s\nplaced at %d:%d, want %d:%d", c.new, got.Line, got.Column, line, column)
			}
		}
		if strings.Contains(got.Text, "hunter") {
			t.Errorf("the secret shows: %s", got)
		}
	}
}

func parseBad(t *testing.T, text string) configs.Problems {
	t.Helper()
	_, err := configs.Parse("f.yaml", []byte(text))
	var problems configs.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("no problems but %v in\n%s", err, text)
	}
	return problems
}

func TestAllProblemsAtOnceInTheOrderOfTheFile(t *testing.T) {
	text := strings.NewReplacer("127.0.0.1:7400", "nowhere", "[read, write]", "[read, delete]", "within: 30m", "within: 30", "user: sallyport", "usr: sallyport").Replace(whole)
	want := `f.yaml:1:9: listen: "nowhere" is not an address to listen on; write host:port, such as 127.0.0.1:7400
f.yaml:13:5: targets.orders-db.postgres.user: is missing; add the key user
f.yaml:13:52: targets.orders-db.postgres.usr: unknown key; did you mean user?
f.yaml:21:19: scopes.support.allow[1]: "delete" is not one of read, write, define, admin
f.yaml:23:47: scopes.support.approval.within: 30 has no unit; write 30s or 30m`
	if got := parseBad(t, text).Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTextThatIsNoConfiguration(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "f.yaml:1:1: the file is empty; configs/examples has files to start from",
		"# only a remark\n":          "f.yaml:1:1: the file is empty; configs/examples has files to start from",
		"- a\n":                      "f.yaml:1:1: this has to be a mapping that begins with keys like listen: and targets:",
		whole + "---\nlisten: a\n":   "f.yaml:24:1: a second document begins here; one file is one configuration",
		"listen: \xff\n":             "f.yaml:1:9: this byte is not UTF-8; save the file as UTF-8",
		"a: b # \u202e\n":            "f.yaml:1:8: the character U+202E cannot be seen or changes what is seen; remove it",
		strings.Repeat("[", 100000):  "f.yaml:1:33: not YAML: nested deeper than 32",
		strings.Repeat("- ", 1000):   "f.yaml:1:65: not YAML: nested deeper than 32",
		strings.Repeat("#\n", 600e3): "f.yaml:1:1: the file is larger than 1MiB",
		"a: b: c\n":                  "f.yaml:1:4: not YAML: a second \": \" on this line, or a line that is indented deeper than the one before; put the value in double quotes, or align the line with its siblings",
		"a: [1, 2\nb: 3\n":           "f.yaml:2:1: not YAML: a list that begins with [ is not finished here; add the missing comma or ]",
		"a: 'x\n":                    "f.yaml:1:4: not YAML: the quote that begins here is never closed; add the closing quote",
		"a:\n\tb: 1\n":               "f.yaml:2:1: not YAML: a tab; indent with blanks",
		"a: {b: 1\n":                 "f.yaml:1:4: not YAML: the { here is never closed; add }",
		"a: @x\n":                    "f.yaml:1:4: not YAML: a plain value cannot begin with @; put it in double quotes",
		"a:\n  - b\n c: d\n":         "f.yaml:3:2: not YAML: this line does not continue what stands before it; align it with its siblings (two blanks a level)",
		"a: b\nfoo\nc: d\n":          "f.yaml:2:1: not YAML: a line without \"key: \" among lines that have one; write KEY: VALUE",
	} {
		if got := parseBad(t, text).Error(); got != want {
			t.Errorf("%.40q\n got %s\nwant %s", text, got, want)
		}
	}
	for _, text := range []string{"a: [1\n", "a: \"b\n", "\ta: b\n", "a: b: c\n", "a: |\n b\n c: *x\n", "a\nb: c\n"} {
		if p := parseBad(t, text)[0]; p.Line < 1 || p.Column < 1 || p.Text == "" {
			t.Errorf("%q: %s", text, p)
		}
	}
}

// Messages end up in logs and tickets; the text around a mistake may be a secret.
func TestMistakesInTheSyntaxDoNotShowTheText(t *testing.T) {
	for _, broken := range []string{
		`"hunter2`, `'hunter2`, `hunter2: x`, `"hunter2" hunter2`, `[hunter2`, `{hunter2`, "hunter2\n  hunter2: y", "@hunter2", "`hunter2", "%hunter2", "*hunter2", "&hunter2",
		"!hunter2", "!!hunter2", "|hunter2", ">hunter2", "- hunter2", "? hunter2", "hunter2]", "hunter2}", `"\hunter2"`, "!!int hunter2", "!!binary hunter2", "|\n hunter2", "&a hunter2", "[*hunter2]",
	} {
		for _, text := range []string{
			strings.Replace(whole, `password: "env:PW"`, "password: "+broken, 1),
			strings.Replace(whole, `{address: "db.internal:5432/orders", user: sallyport, password: "env:PW"}`, "\n      address: h/d\n      user: u\n      password: "+broken, 1),
		} {
			if got := parseBad(t, text).Error(); strings.Contains(got, "hunter") {
				t.Errorf("password: %s\n%s", broken, got)
			}
		}
	}
}
