/** The data of the story: a small shop, with enough rows that a progress bar has something to show. */
export const TABLES = ["customers", "products", "orders", "order_lines"];

const SCHEMA = `
  CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text NOT NULL, since date NOT NULL);
  CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, price numeric(8, 2) NOT NULL, description text NOT NULL);
  CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers, placed timestamptz NOT NULL, note text);
  CREATE TABLE order_lines (
    id int PRIMARY KEY, "order" int NOT NULL REFERENCES orders, product int NOT NULL REFERENCES products,
    quantity int NOT NULL, price numeric(8, 2) NOT NULL)`;

/** Fixed seeds: every run tells the same story. */
const FILL = [
  "SELECT setseed(0.42)",
  `INSERT INTO customers
     SELECT i, initcap(substr(md5(i::text), 1, 8)), (ARRAY['Aarhus', 'Bremen', 'Cork', 'Delft', 'Evora', 'Ghent'])[1 + i % 6], date '2015-01-01' + i % 3650
       FROM generate_series(1, 20000) AS i`,
  `INSERT INTO products
     SELECT i, 'Article ' || i, (1 + random() * 500)::numeric(8, 2), repeat(md5((i * 7)::text), 8) FROM generate_series(1, 5000) AS i`,
  `INSERT INTO orders
     SELECT i, 1 + i * 7919::bigint % 20000, timestamptz '2024-01-01 00:00+00' + i * interval '3 minutes', CASE WHEN i % 5 = 0 THEN md5(i::text) END
       FROM generate_series(1, 120000) AS i`,
  `INSERT INTO order_lines
     SELECT i, 1 + i % 120000, 1 + i * 104729::bigint % 5000, 1 + (random() * 9)::int, (1 + random() * 500)::numeric(8, 2)
       FROM generate_series(1, 360000) AS i`,
];

export async function createShop(client) {
  await client.query(SCHEMA);
  for (const statement of FILL) await client.query(statement);
  return rowCounts(client);
}

/** A day of business after the backup: what only the WAL knows. */
export async function aDayOfBusiness(client) {
  const statements = [
    "INSERT INTO customers SELECT i, 'New customer ' || i, 'Odense', current_date FROM generate_series(20001, 20500) AS i",
    "INSERT INTO orders SELECT i, 20000 + i % 500 + 1, now(), 'after the backup' FROM generate_series(120001, 124000) AS i",
    "INSERT INTO order_lines SELECT i, 120001 + i % 4000, 1 + i % 5000, 1, 9.99 FROM generate_series(360001, 372000) AS i",
    "UPDATE products SET price = price * 1.05 WHERE id % 10 = 0",
    "DELETE FROM order_lines WHERE id % 97 = 0",
  ];
  let changed = 0;
  for (const statement of statements) changed += (await client.query(statement)).rowCount;
  return changed;
}

export async function rowCounts(client) {
  const counts = {};
  for (const table of TABLES) counts[table] = Number((await client.query(`SELECT count(*) AS n FROM ${table}`)).rows[0].n);
  return counts;
}
