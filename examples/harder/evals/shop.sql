-- A small web shop for the eval set "sql". Dates are text, YYYY-MM-DD.
-- The rows are chosen so that a wrong query gives another result: tied prices and dates, two customers of one name,
-- NULL cities, e-mail addresses and stock counts, guest orders without a customer, an order without items,
-- customers without orders, products never ordered, and sales at prices other than today's list price.
-- Prices are multiples of 0.25, so that sums are exact in floating point, in any order.

CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  city TEXT,                -- NULL: not given
  email TEXT,               -- NULL: not given
  joined TEXT NOT NULL
);

CREATE TABLE products (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  category TEXT NOT NULL,   -- books, garden, kitchen, office, toys
  price REAL NOT NULL,      -- list price of today
  stock INTEGER             -- NULL: not counted yet
);

CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER REFERENCES customers (id),   -- NULL: guest
  ordered_on TEXT NOT NULL,
  status TEXT NOT NULL,     -- new, shipped, delivered, cancelled
  shipped_on TEXT           -- NULL: not shipped
);

CREATE TABLE items (
  order_id INTEGER NOT NULL REFERENCES orders (id),
  product_id INTEGER NOT NULL REFERENCES products (id),
  quantity INTEGER NOT NULL,
  unit_price REAL NOT NULL, -- price paid for one piece
  PRIMARY KEY (order_id, product_id)
);

INSERT INTO customers (id, name, city, email, joined) VALUES
  (1, 'Ana Silva', 'Lisbon', 'ana.silva@example.org', '2023-02-14'),
  (2, 'Kofi Mensah', 'Accra', 'kofi@example.com', '2023-05-03'),
  (3, 'Mei Tanaka', 'Osaka', NULL, '2023-05-03'),
  (4, 'Lars Holm', 'Oslo', 'lars.holm@example.net', '2023-09-21'),
  (5, 'Priya Nair', 'Kochi', 'priya.nair@example.com', '2023-11-30'),
  (6, 'Ana Silva', 'Porto', NULL, '2024-01-08'),
  (7, 'Omar Haddad', NULL, 'omar@example.org', '2024-01-19'),
  (8, 'Ingrid Berg', 'Oslo', 'ingrid@example.com', '2024-03-02'),
  (9, 'Tomas Ruiz', 'Lisbon', 'tomas@example.net', '2024-03-27'),
  (10, 'Zofia Nowak', 'Krakow', NULL, '2024-06-11'),
  (11, 'Chidi Okafor', 'Accra', 'chidi@example.com', '2024-08-05'),
  (12, 'Leila Karimi', NULL, NULL, '2024-10-17'),
  (13, 'Noah Fischer', 'Oslo', 'noah.fischer@example.org', '2025-01-04'),
  (14, 'Rosa Lind', 'Lisbon', 'rosa@example.com', '2025-02-20');

INSERT INTO products (id, name, category, price, stock) VALUES
  (1, 'Garden Hose', 'garden', 24.50, 8),
  (2, 'Clay Pot', 'garden', 6.00, 40),
  (3, 'Seed Box', 'garden', 3.50, 0),
  (4, 'Steel Pan', 'kitchen', 32.00, 5),
  (5, 'Bread Knife', 'kitchen', 14.50, 12),
  (6, 'Tea Towel', 'kitchen', 6.00, 60),
  (7, 'Coffee Grinder', 'kitchen', 45.00, NULL),
  (8, 'Notebook', 'office', 4.25, 120),
  (9, 'Desk Lamp', 'office', 32.00, 7),
  (10, 'Stapler', 'office', 9.75, 0),
  (11, 'Paper Tray', 'office', 12.00, NULL),
  (12, 'Wooden Train', 'toys', 18.00, 9),
  (13, 'Kite', 'toys', 12.00, 15),
  (14, 'Puzzle 500', 'toys', 14.50, 3),
  (15, 'Yo-Yo', 'toys', 3.50, 25),
  (16, 'Atlas', 'books', 45.00, 2),
  (17, 'Cook Book', 'books', 22.00, 11),
  (18, 'Poetry Book', 'books', 9.75, 0);

INSERT INTO orders (id, customer_id, ordered_on, status, shipped_on) VALUES
  (101, 1, '2024-01-05', 'delivered', '2024-01-07'),
  (102, 2, '2024-01-05', 'delivered', '2024-01-09'),
  (103, 4, '2024-01-22', 'cancelled', NULL),
  (104, 1, '2024-02-10', 'delivered', '2024-02-12'),
  (105, NULL, '2024-02-14', 'delivered', '2024-02-15'),
  (106, 5, '2024-03-01', 'delivered', '2024-03-08'),
  (107, 6, '2024-03-18', 'delivered', '2024-03-18'),
  (108, 2, '2024-04-02', 'cancelled', NULL),
  (109, 8, '2024-04-30', 'delivered', '2024-05-02'),
  (110, 9, '2024-05-12', 'delivered', '2024-05-15'),
  (111, 3, '2024-06-21', 'delivered', '2024-06-24'),
  (112, NULL, '2024-07-04', 'cancelled', NULL),
  (113, 1, '2024-07-19', 'delivered', '2024-07-23'),
  (114, 10, '2024-08-08', 'delivered', '2024-08-19'),
  (115, 5, '2024-09-09', 'delivered', '2024-09-10'),
  (116, 11, '2024-10-01', 'shipped', '2024-10-04'),
  (117, 4, '2024-11-11', 'delivered', '2024-11-13'),
  (118, 12, '2024-11-29', 'delivered', '2024-12-03'),
  (119, 8, '2024-12-20', 'shipped', '2024-12-27'),
  (120, 2, '2024-12-31', 'shipped', '2025-01-03'),
  (121, 7, '2025-01-06', 'shipped', '2025-01-08'),
  (122, 5, '2025-01-15', 'new', NULL),
  (123, NULL, '2025-02-02', 'new', NULL),
  (124, 9, '2025-02-11', 'new', NULL),
  (125, 11, '2025-02-27', 'new', NULL),
  (126, 8, '2025-02-28', 'new', NULL),
  (127, 3, '2025-03-05', 'delivered', '2025-03-07');

INSERT INTO items (order_id, product_id, quantity, unit_price) VALUES
  (101, 2, 4, 6.00),
  (101, 8, 10, 4.00),
  (102, 4, 1, 32.00),
  (103, 16, 1, 45.00),
  (104, 5, 2, 14.50),
  (105, 12, 1, 18.00),
  (105, 17, 1, 22.00),
  (106, 6, 6, 5.50),
  (106, 17, 1, 22.00),
  (107, 8, 3, 4.25),
  (108, 7, 1, 45.00),
  (109, 9, 2, 30.00),
  (110, 13, 3, 12.00),
  (110, 3, 8, 3.50),
  (111, 14, 1, 14.50),
  (113, 1, 1, 24.50),
  (113, 2, 2, 6.00),
  (114, 16, 1, 45.00),
  (114, 17, 1, 22.00),
  (115, 10, 4, 9.75),
  (116, 4, 1, 32.00),
  (116, 6, 4, 6.00),
  (117, 8, 20, 4.25),
  (118, 12, 2, 18.00),
  (119, 7, 1, 42.50),
  (119, 17, 1, 22.00),
  (120, 3, 5, 3.50),
  (120, 1, 1, 24.50),
  (121, 13, 2, 12.00),
  (122, 9, 1, 32.00),
  (123, 6, 2, 6.00),
  (123, 12, 1, 18.00),
  (124, 14, 1, 14.50),
  (125, 2, 5, 6.00),
  (125, 12, 1, 17.25),
  (126, 6, 2, 6.00),
  (126, 8, 5, 4.00),
  (127, 13, 1, 12.00);
