-- The demo's shop: invented people, real shapes. Loaded into a throw-away PostgreSQL.
CREATE TABLE customers (
  id         int PRIMARY KEY,
  name       text NOT NULL,
  email      text NOT NULL UNIQUE,
  ssn        text,
  city       text,
  joined     date NOT NULL,
  notes      text
);
COMMENT ON TABLE customers IS 'one row per customer';
COMMENT ON COLUMN customers.ssn IS 'for credit checks only';

CREATE TABLE products (
  id    int PRIMARY KEY,
  name  text NOT NULL,
  price numeric(10,2) NOT NULL CHECK (price >= 0)
);

CREATE TYPE order_status AS ENUM ('open', 'paid', 'shipped', 'refunded', 'cancelled');
CREATE TABLE orders (
  id          int PRIMARY KEY,
  customer_id int NOT NULL REFERENCES customers(id),
  status      order_status NOT NULL,
  total       numeric(12,2) NOT NULL,
  placed_at   timestamptz NOT NULL,
  details     jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE orders IS 'one row per order; totals include shipping';
CREATE INDEX orders_customer ON orders(customer_id);

CREATE TABLE order_items (
  order_id   int NOT NULL REFERENCES orders(id),
  line       int NOT NULL,
  product_id int NOT NULL REFERENCES products(id),
  quantity   int NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (order_id, line)
);

CREATE TABLE payments (
  id       int PRIMARY KEY,
  order_id int NOT NULL REFERENCES orders(id),
  card     text,
  amount   numeric(12,2) NOT NULL,
  paid_at  timestamptz NOT NULL
);

INSERT INTO customers
SELECT g,
  (ARRAY['Ada','Grace','Linus','Barbara','Ken','Radia','Dennis','Frances','Alan','Margaret'])[1 + g % 10] || ' ' ||
  (ARRAY['Novak','Silva','Okafor','Tanaka','Larsen','Rossi','Haddad','Kaya','Meyer','Dubois','Quinn'])[1 + g % 11],
  'customer' || g || '@' || (ARRAY['example.com','example.org','mail.example.net'])[1 + g % 3],
  lpad((100 + g * 7 % 560)::text, 3, '0') || '-' || lpad((10 + g % 89)::text, 2, '0') || '-' || lpad((1000 + g * 37 % 8999)::text, 4, '0'),
  (ARRAY['Lisbon','Oslo','Kyoto','Lagos','Porto','Graz','Quito'])[1 + g % 7],
  date '2023-01-01' + g * 3,
  CASE WHEN g % 40 = 0 THEN 'asked to be called back; second address ' || 'private' || g || '@example.net' END
FROM generate_series(1, 300) g;

INSERT INTO products
SELECT g, (ARRAY['Desk lamp','Notebook','Backpack','Water bottle','Headphones','Keyboard','Mug','Chair'])[1 + g % 8] || ' ' || chr(64 + g),
  round((5 + g * 7.35)::numeric, 2)
FROM generate_series(1, 24) g;

INSERT INTO orders
SELECT 1000 + g, 1 + g * 17 % 300, (ARRAY['open','paid','shipped','shipped','paid','refunded','cancelled'])[1 + g % 7]::order_status,
  round((20 + g * 13.37 % 480)::numeric, 2), timestamptz '2026-01-01 08:00+00' + g * interval '5 hours',
  jsonb_build_object('channel', (ARRAY['web','app','phone'])[1 + g % 3], 'gift', g % 9 = 0)
FROM generate_series(1, 1500) g;

INSERT INTO order_items
SELECT 1000 + g, l, 1 + (g * 5 + l * 3) % 24, 1 + (g + l) % 4 FROM generate_series(1, 1500) g, generate_series(1, 2) l;

-- Test numbers of card schemes: they pass the check digit and belong to nobody.
INSERT INTO payments
SELECT g, 1000 + g, (ARRAY['4111 1111 1111 1111','5555 5555 5555 4444','3782 822463 10005','4242 4242 4242 4242'])[1 + g % 4],
  round((20 + g * 13.37 % 480)::numeric, 2), timestamptz '2026-01-01 09:00+00' + g * interval '5 hours'
FROM generate_series(1, 1200) g;

CREATE ROLE sallyport LOGIN PASSWORD 'PASSWORD_PLACEHOLDER' NOSUPERUSER NOCREATEDB NOCREATEROLE;
GRANT USAGE ON SCHEMA public TO sallyport;
GRANT SELECT, INSERT, UPDATE, DELETE ON customers, products, orders, order_items, payments TO sallyport;
ANALYZE;
