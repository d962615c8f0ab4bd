package query

import (
	"os"
	"strings"
	"testing"
)

// TestOrdinaryStatementsAreUnderstood: what people write every day must not be refused.
func TestOrdinaryStatementsAreUnderstood(t *testing.T) {
	f := open(t, `CREATE TYPE status AS ENUM ('open', 'paid', 'shipped'); CREATE DOMAIN email_address AS text; CREATE DOMAIN positive AS int CHECK (VALUE > 0);
		CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name varchar(80) NOT NULL, mail email_address, city text, tags text[] DEFAULT '{}', since date DEFAULT current_date, boss int REFERENCES customers);
		CREATE TABLE orders (id bigserial PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, status status NOT NULL DEFAULT 'open', total numeric(12,2) CHECK (total >= 0), placed timestamptz DEFAULT now(), details jsonb DEFAULT '{}', u uuid DEFAULT gen_random_uuid(),
			gross numeric GENERATED ALWAYS AS (total * 1.2) STORED, quantity positive DEFAULT 1);
		CREATE INDEX ON customers (lower(name)); CREATE INDEX ON orders ((details ->> 'channel'));
		INSERT INTO customers(name, mail, city) SELECT 'name' || g, 'a', 'Oslo' FROM generate_series(1, 5) g;
		INSERT INTO orders(customer, total) SELECT 1 + g % 5, g FROM generate_series(1, 20) g;
		CREATE VIEW monthly AS SELECT c.name, c.city, date_trunc('month', o.placed) AS month, count(*) AS n, sum(o.total)::numeric(10,1) AS total, avg(o.total) FILTER (WHERE o.status = 'paid') AS paid,
			string_agg(o.status::text, ',' ORDER BY o.id) AS all_status, max(o.details ->> 'channel') AS channel, row_number() OVER (ORDER BY sum(o.total) DESC) AS place, extract(year FROM max(o.placed)) AS y,
			CASE WHEN count(*) > 3 THEN 'many' ELSE 'few' END AS size, coalesce(max(c.mail), '-') AS mail, now() - interval '1 day' AS yesterday, upper(c.name) || ' ' || lower(c.city) AS label, c.city LIKE 'O%' AS o, c.name IN ('a', 'b') AS ab
			FROM customers c LEFT JOIN orders o ON o.customer = c.id WHERE o.placed > now() - interval '1 year' AND c.id = ANY (ARRAY[1, 2, 3]) GROUP BY c.name, c.city, date_trunc('month', o.placed);
		CREATE VIEW tables AS SELECT relname FROM pg_class WHERE relkind = 'r'; CREATE MATERIALIZED VIEW per_city AS SELECT city, count(*) AS n FROM customers GROUP BY city;
		CREATE TABLE tenants (id int, owner name DEFAULT current_user); ALTER TABLE tenants ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON tenants USING (owner = current_user);
		CREATE TABLE sales (id int, day date) PARTITION BY RANGE (day); CREATE TABLE sales_26 PARTITION OF sales FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')`)
	for sql := range strings.SplitSeq(strings.TrimSpace(`
SELECT * FROM monthly
SELECT month, total FROM monthly WHERE n > 1 ORDER BY total DESC NULLS LAST LIMIT 3
TABLE tables
SELECT * FROM per_city
SELECT * FROM tenants
SELECT count(*) FROM sales WHERE day >= '2026-01-01'
SELECT * FROM customers c JOIN orders o ON o.customer = c.id WHERE o.status = 'open' AND o.total BETWEEN 1 AND 10
SELECT c.name, o.* FROM customers c, LATERAL (SELECT total FROM orders WHERE customer = c.id ORDER BY placed DESC LIMIT 1) o
SELECT status, count(*), round(avg(total), 2) FROM orders GROUP BY ROLLUP (status) HAVING count(*) > 0 ORDER BY 2 DESC
SELECT name FROM customers WHERE mail ILIKE '%a%' OR name ~* '^n' OR 'x' = ANY (tags) OR tags && ARRAY['x'] OR tags @> '{x}'
SELECT details -> 'a' #>> '{b,c}', details ? 'x', details @> '{"a": 1}', jsonb_path_query_first(details, '$.a') FROM orders
SELECT date_part('day', now() - placed), to_char(placed, 'YYYY-MM'), age(placed), placed AT TIME ZONE 'UTC', placed::date + 1, extract(epoch FROM placed) FROM orders
SELECT row_number() OVER w, lag(total) OVER w, sum(total) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM orders WINDOW w AS (PARTITION BY customer ORDER BY id)
WITH RECURSIVE up AS (SELECT id, boss, 1 AS depth FROM customers UNION ALL SELECT c.id, c.boss, up.depth + 1 FROM customers c JOIN up ON c.id = up.boss WHERE up.depth < 5) SELECT * FROM up
SELECT x.k, x.v FROM (VALUES (1, 'a'), (2, 'b')) AS x(k, v) JOIN generate_series(1, 2) AS g(n) ON g.n = x.k
SELECT DISTINCT ON (customer) customer, total FROM orders ORDER BY customer, total DESC
SELECT name FROM customers EXCEPT SELECT city FROM customers
SELECT 'open'::status, status::text, enum_range(NULL::status), 5::numeric(5,2), 'a'::email_address, '{1,2}'::int[], 'x'::varchar(3), '1 day'::interval FROM orders
SELECT json_agg(json_build_object('id', id, 'total', total)) FROM orders
SELECT row_to_json(o) FROM orders o LIMIT 1
SELECT count(DISTINCT customer), percentile_cont(0.5) WITHIN GROUP (ORDER BY total), array_agg(id ORDER BY id), bool_or(total > 5) FROM orders
SELECT c.name FROM customers c WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer = c.id) AND c.id NOT IN (SELECT 7)
SELECT COALESCE(city, 'none'), NULLIF(city, ''), GREATEST(1, id), substring(name FROM 1 FOR 3), position('a' IN name), trim(both ' ' from name), overlay(name placing 'x' from 1), split_part(name, 'e', 1) FROM customers
SELECT regexp_replace(name, '\d+', '#', 'g'), md5(name), length(name), left(name, 2), concat_ws('-', name, city), format('%s/%s', name, city), -id, @ id, id % 2, id ^ 2, 7 / 2, id::float8 FROM customers
SELECT c.relname, n.nspname, pg_size_pretty(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r'
SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a WHERE a.attrelid = 'public.orders'::regclass AND a.attnum > 0 AND NOT a.attisdropped
SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'orders' ORDER BY ordinal_position
SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'orders'
SELECT conname, contype, conkey FROM pg_constraint WHERE conrelid = 'orders'::regclass
SELECT version(), current_database(), current_user, pg_is_in_recovery()
EXPLAIN (FORMAT JSON, VERBOSE) SELECT * FROM orders WHERE id = 1
SELECT u, quantity, gross FROM orders FETCH FIRST 2 ROWS ONLY`), "\n") {
		if _, err := f.read(sql); err != nil {
			t.Errorf("%s\n\t%v", sql, err)
		}
	}
	for sql := range strings.SplitSeq(strings.TrimSpace(`
INSERT INTO customers(name, city) VALUES ('new', 'Oslo') RETURNING *
UPDATE customers SET city = 'Graz', tags = array_append(tags, 'x') WHERE id = 1 RETURNING id, tags
UPDATE customers c SET city = o.status::text FROM orders o WHERE o.customer = c.id AND o.id = 1
DELETE FROM customers WHERE id = 4 RETURNING name
INSERT INTO tenants(id) VALUES (1)
INSERT INTO sales VALUES (1, '2026-05-05')
DELETE FROM sales WHERE day = '2026-05-05'`), "\n") {
		if _, err := f.write(sql); err != nil {
			t.Errorf("%s\n\t%v", sql, err)
		}
	}
}

// TestKnownExtensionsAreLikeBuiltIns: their types and operators do not disturb statements that do not use them, and are
// understood where they are C code.
func TestKnownExtensionsAreLikeBuiltIns(t *testing.T) {
	f := open(t, "")
	if f.one("SELECT count(*) FROM pg_available_extensions WHERE name IN ('citext', 'hstore', 'pg_trgm', 'tablefunc')") != "4" {
		if os.Getenv("REQUIRE_POSTGRES") == "1" {
			t.Fatal("the contributed extensions are not installed")
		}
		t.Skip("the contributed extensions are not installed")
	}
	f.exec(`CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm; CREATE EXTENSION tablefunc;
		CREATE TABLE t (id int, mail citext, h hstore, name text); INSERT INTO t VALUES (1, 'A@b', 'a=>1', 'ann'); GRANT SELECT ON t TO ` + agentRole)
	for sql, want := range map[string]string{
		"SELECT name FROM t WHERE name = 'ann' AND id + 1 = 2": `[["ann"]]`,
		"SELECT mail, h FROM t":                                `[["A@b","\"a\"=>\"1\""]]`,
		"SELECT id FROM t WHERE mail = 'a@B'":                  `[[1]]`,
		"SELECT h -> 'a' FROM t":                               `[["1"]]`,
		"SELECT similarity(name, 'ann') FROM t":                `[[1]]`,
	} {
		if got := f.rows(sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	for _, sql := range []string{"SELECT * FROM crosstab('SELECT 1, 2, 3') AS c(a int, b int, d int)", "SELECT * FROM connectby('t', 'id', 'id', '1', 0) AS c(a int, b int, d int)"} {
		if _, err := f.read(sql); err == nil {
			t.Errorf("ran: %s", sql)
		}
	}
}
