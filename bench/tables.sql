-- Two tables of the same size: one with nothing to hide in ten columns of the usual types, one with labelled columns and, in one row
-- of fifty, an address in free text.
CREATE TABLE orders (
  id int PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL, total numeric(12,2) NOT NULL, placed_at timestamptz NOT NULL,
  channel text NOT NULL, reference text NOT NULL, city text NOT NULL, gift boolean NOT NULL, note text);
INSERT INTO orders
SELECT g, 1 + g * 17 % 9973, (ARRAY['open','paid','shipped','refunded','cancelled'])[1 + g % 5], round((20 + g * 13.37 % 480)::numeric, 2),
  timestamptz '2026-01-01 08:00+00' + g * interval '5 minutes', (ARRAY['web','app','phone'])[1 + g % 3], 'order ' || md5(g::text),
  (ARRAY['Lisbon','Oslo','Kyoto','Lagos','Porto','Graz','Quito'])[1 + g % 7], g % 9 = 0,
  CASE WHEN g % 4 = 0 THEN 'left at the door of the neighbour, who was told about it' END
FROM generate_series(1, ROWS_PLACEHOLDER) g;

CREATE TABLE customers (
  id int PRIMARY KEY, name text NOT NULL, email text NOT NULL, ssn text NOT NULL, city text NOT NULL, joined date NOT NULL,
  points bigint NOT NULL, active boolean NOT NULL, segment text NOT NULL, notes text);
INSERT INTO customers
SELECT g, (ARRAY['Ada','Grace','Linus','Barbara','Ken','Radia','Dennis'])[1 + g % 7] || ' ' || (ARRAY['Novak','Silva','Okafor','Tanaka','Larsen'])[1 + g % 5],
  'customer' || g || '@example.com', lpad((100 + g * 7 % 560)::text, 3, '0') || '-' || lpad((10 + g % 89)::text, 2, '0') || '-' || lpad((1000 + g * 37 % 8999)::text, 4, '0'),
  (ARRAY['Lisbon','Oslo','Kyoto','Lagos','Porto','Graz','Quito'])[1 + g % 7], date '2020-01-01' + g % 2000, g * 31 % 10007, g % 3 > 0,
  'segment ' || g % 12,
  CASE WHEN g % 50 = 0 THEN 'asked to be called back; second address private' || g || '@example.net' WHEN g % 3 = 0 THEN 'a regular customer of the shop in town' END
FROM generate_series(1, ROWS_PLACEHOLDER) g;

CREATE ROLE sallyport LOGIN PASSWORD 'PASSWORD_PLACEHOLDER' NOSUPERUSER NOCREATEDB NOCREATEROLE;
GRANT USAGE ON SCHEMA public TO sallyport;
GRANT SELECT ON orders, customers TO sallyport;
ANALYZE;
