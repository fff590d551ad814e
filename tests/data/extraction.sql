CREATE TABLE t (name TEXT, amount REAL);
INSERT INTO t VALUES ('ada', 10), ('bob', 20), ('cid', 30);
