//! What every rule names in `PostgreSQL`, and what none does.

use bluegreen_validate::migrations::Dialect::Postgres;
use bluegreen_validate::migrations::Phase;

use crate::world::{all, migrations, rules};

#[test]
fn what_only_adds_is_safe() {
    all(
        Postgres,
        &[
            (
                "CREATE TABLE parcels (id bigint PRIMARY KEY, note text NOT NULL, UNIQUE (note))",
                &[],
            ),
            ("CREATE TABLE a (id serial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())", &[]),
            ("ALTER TABLE orders ADD COLUMN note text", &[]),
            ("ALTER TABLE orders ADD COLUMN IF NOT EXISTS note text NULL", &[]),
            ("ALTER TABLE orders ADD COLUMN n integer NOT NULL DEFAULT 0", &[]),
            (
                "ALTER TABLE orders ADD COLUMN n integer DEFAULT -1, ADD COLUMN m text DEFAULT 'x'::text",
                &[],
            ),
            ("ALTER TABLE orders ADD COLUMN at timestamptz NOT NULL DEFAULT now()", &[]),
            (
                "ALTER TABLE orders ADD COLUMN at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP",
                &[],
            ),
            ("ALTER TABLE orders ADD COLUMN tags text[] NOT NULL DEFAULT '{}'", &[]),
            ("ALTER TABLE orders ADD COLUMN data jsonb NOT NULL DEFAULT '{}'::jsonb", &[]),
            ("ALTER TABLE orders ADD COLUMN ok boolean NOT NULL DEFAULT false", &[]),
            ("CREATE INDEX CONCURRENTLY i ON orders (note)", &[]),
            ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON orders USING gin (data)", &[]),
            ("REINDEX INDEX CONCURRENTLY i", &[]),
            ("ALTER TABLE orders VALIDATE CONSTRAINT c", &[]),
            ("ALTER TABLE orders ADD CONSTRAINT c UNIQUE USING INDEX i", &[]),
            ("CREATE VIEW v AS SELECT id FROM orders", &[]),
            ("CREATE TYPE mood AS ENUM ('sad', 'happy')", &[]),
            ("CREATE SCHEMA agents", &[]),
            ("CREATE SEQUENCE numbers", &[]),
            ("CREATE EXTENSION IF NOT EXISTS pgcrypto", &[]),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$", &[]),
            ("COMMENT ON COLUMN orders.note IS 'for people'", &[]),
            ("GRANT SELECT ON orders TO reader", &[]),
            ("ANALYZE orders", &[]),
            ("INSERT INTO kinds (name) VALUES ('a'), ('b')", &[]),
            ("INSERT INTO kinds (name) VALUES ('a') ON CONFLICT DO NOTHING", &[]),
            ("SELECT 1", &[]),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY totals", &[]),
            ("ALTER INDEX i RENAME TO j", &[]),
        ],
    );
}

#[test]
fn what_breaks_the_other_slot_is_found() {
    all(
        Postgres,
        &[
            ("DROP TABLE orders", &["drop-table"]),
            ("DROP TABLE IF EXISTS orders, parcels CASCADE", &["drop-table", "drop-table"]),
            ("ALTER TABLE orders DROP COLUMN note", &["drop-column"]),
            (
                "ALTER TABLE orders DROP COLUMN IF EXISTS a, DROP COLUMN b",
                &["drop-column", "drop-column"],
            ),
            ("DROP VIEW v", &["drop-view"]),
            ("DROP MATERIALIZED VIEW v", &["drop-view"]),
            ("DROP TYPE mood", &["drop-type"]),
            ("DROP DOMAIN email", &["drop-type"]),
            ("DROP FUNCTION f(int)", &["drop-function"]),
            ("DROP PROCEDURE p", &["drop-function"]),
            ("DROP SEQUENCE s", &["drop-sequence"]),
            ("DROP SCHEMA agents CASCADE", &["drop-schema"]),
            ("DROP INDEX CONCURRENTLY i", &["drop-index"]),
            ("DROP INDEX i", &["drop-index", "index-not-concurrently"]),
            ("ALTER TABLE orders DROP CONSTRAINT c", &["drop-constraint"]),
            ("DROP EXTENSION pgcrypto", &["drop-object"]),
            ("ALTER TABLE orders RENAME TO purchases", &["rename-table"]),
            ("ALTER TABLE orders RENAME COLUMN note TO remark", &["rename-column"]),
            ("ALTER TABLE orders RENAME note TO remark", &["rename-column"]),
            ("ALTER TABLE orders RENAME CONSTRAINT a TO b", &["rename-object"]),
            ("ALTER TYPE mood RENAME TO feeling", &["rename-object"]),
            ("ALTER SCHEMA a RENAME TO b", &["rename-object"]),
            ("ALTER TYPE mood RENAME VALUE 'sad' TO 'down'", &["rename-enum-value"]),
            ("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'calm'", &["add-enum-value"]),
            (
                "ALTER TABLE orders ALTER COLUMN n TYPE bigint",
                &["change-column-type", "rewrites-table"],
            ),
            (
                "ALTER TABLE orders ALTER n SET DATA TYPE text USING n::text",
                &["change-column-type"],
            ),
        ],
    );
}

#[test]
fn what_old_writers_do_not_bear_is_found() {
    all(
        Postgres,
        &[
            ("ALTER TABLE orders ADD COLUMN n integer NOT NULL", &["add-required-column"]),
            (
                "ALTER TABLE orders ADD COLUMN n integer NOT NULL DEFAULT NULL",
                &["add-required-column"],
            ),
            ("ALTER TABLE orders ALTER COLUMN n SET NOT NULL", &["set-not-null", "not-null-scans"]),
            ("ALTER TABLE orders ALTER COLUMN n DROP NOT NULL", &["drop-not-null"]),
            ("ALTER TABLE orders ALTER COLUMN n SET DEFAULT 1", &["change-default"]),
            ("ALTER TABLE orders ALTER COLUMN n DROP DEFAULT", &["drop-default"]),
            ("ALTER TABLE orders ADD CONSTRAINT c CHECK (n > 0) NOT VALID", &["add-check"]),
            ("ALTER TABLE orders ADD CHECK (n > 0)", &["add-check", "constraint-validates"]),
            (
                "ALTER TABLE orders ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES b (id) ON DELETE CASCADE NOT VALID",
                &["add-foreign-key"],
            ),
            (
                "ALTER TABLE orders ADD FOREIGN KEY (a) REFERENCES b (id)",
                &["reference-holds-rows", "add-foreign-key", "constraint-validates"],
            ),
            (
                "ALTER TABLE orders ADD CONSTRAINT c UNIQUE (a)",
                &["add-unique", "constraint-builds-index"],
            ),
            ("ALTER TABLE orders ADD PRIMARY KEY (a)", &["add-unique", "constraint-builds-index"]),
            ("ALTER TABLE orders ADD CONSTRAINT c PRIMARY KEY USING INDEX i", &["add-unique"]),
            ("CREATE UNIQUE INDEX CONCURRENTLY i ON orders (a)", &["add-unique"]),
            (
                "ALTER TABLE o ADD CONSTRAINT c EXCLUDE USING gist (room WITH =, at WITH &&)",
                &["add-exclusion", "constraint-builds-index"],
            ),
            (
                "CREATE TABLE lines (id int, o int REFERENCES orders (id))",
                &["reference-holds-rows"],
            ),
            ("CREATE TABLE lines (id int, o int REFERENCES orders (id) ON DELETE SET NULL)", &[]),
            (
                "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f()",
                &["add-trigger"],
            ),
            ("DROP TRIGGER t ON orders", &["change-trigger"]),
            ("ALTER TABLE orders DISABLE TRIGGER t", &["change-trigger"]),
            ("CREATE OR REPLACE VIEW v AS SELECT 1 AS a", &["replace-object"]),
            (
                "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$",
                &["replace-object"],
            ),
            ("ALTER TABLE orders ENABLE ROW LEVEL SECURITY", &["row-security"]),
            ("CREATE POLICY p ON orders USING (owner = current_user)", &["row-security"]),
            ("REVOKE SELECT ON orders FROM reader", &["revoke"]),
            ("ALTER TABLE orders OWNER TO other", &["change-owner"]),
            ("ALTER TABLE orders ADD COLUMN data json", &["json-column"]),
            ("TRUNCATE orders", &["truncate"]),
            ("TRUNCATE TABLE orders CASCADE", &["truncate"]),
            ("DELETE FROM orders", &["delete-all-rows"]),
            ("DELETE FROM orders WHERE id < 7", &["delete-rows"]),
            ("UPDATE orders SET a = 1", &["update-all-rows"]),
            ("UPDATE orders SET a = 1 WHERE b", &["update-rows"]),
            (
                "INSERT INTO kinds (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2",
                &["update-rows"],
            ),
        ],
    );
}

#[test]
fn what_makes_the_other_slot_wait_is_found() {
    all(
        Postgres,
        &[
            ("CREATE INDEX i ON orders (note)", &["index-not-concurrently"]),
            ("CREATE UNIQUE INDEX i ON orders (a)", &["add-unique", "index-not-concurrently"]),
            ("REINDEX TABLE orders", &["index-not-concurrently"]),
            (
                "BEGIN; CREATE INDEX CONCURRENTLY i ON orders (a); COMMIT",
                &["concurrently-in-transaction"],
            ),
            (
                "ALTER TABLE orders ADD COLUMN id uuid DEFAULT gen_random_uuid()",
                &["volatile-default"],
            ),
            ("ALTER TABLE orders ADD COLUMN n float DEFAULT random()", &["volatile-default"]),
            (
                "ALTER TABLE orders ADD COLUMN at timestamptz DEFAULT clock_timestamp()",
                &["volatile-default"],
            ),
            ("ALTER TABLE orders ADD COLUMN n bigserial", &["auto-increment-column"]),
            (
                "ALTER TABLE orders ADD COLUMN n int GENERATED BY DEFAULT AS IDENTITY",
                &["auto-increment-column"],
            ),
            (
                "ALTER TABLE orders ADD COLUMN n int GENERATED ALWAYS AS (a + b) STORED",
                &["stored-generated-column"],
            ),
            ("ALTER TABLE orders ADD COLUMN a text UNIQUE", &["constraint-builds-index"]),
            ("ALTER TABLE orders ADD COLUMN a int CHECK (a > 0)", &["constraint-validates"]),
            ("ALTER TABLE orders SET LOGGED", &["rewrites-table"]),
            ("CLUSTER orders USING i", &["rewrites-table"]),
            ("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", &["locks-table"]),
            ("REFRESH MATERIALIZED VIEW totals", &["locks-table"]),
            ("BEGIN; ALTER TABLE orders ADD COLUMN a int", &["uncommitted-transaction"]),
        ],
    );
}

#[test]
fn what_is_not_known_is_not_safe() {
    all(
        Postgres,
        &[
            ("DO $$ BEGIN EXECUTE 'DROP TABLE orders'; END $$", &["opaque-code"]),
            ("CALL tidy_up()", &["opaque-code"]),
            ("SELECT tidy_up()", &["opaque-code"]),
            ("SELECT setval('numbers', 7)", &["opaque-code"]),
            (
                "WITH gone AS (DELETE FROM orders RETURNING id) SELECT id FROM gone",
                &["opaque-code"],
            ),
            (
                "INSERT INTO log WITH d AS (DELETE FROM orders RETURNING id) SELECT id FROM d",
                &["opaque-code"],
            ),
            ("INSERT INTO kinds (a) VALUES (tidy_up())", &["opaque-code"]),
            ("SET standard_conforming_strings = off", &["unknown-statement"]),
            ("SET ROLE owner", &["unknown-statement"]),
            ("ROLLBACK", &["unknown-statement"]),
            ("ALTER TABLE orders SET SCHEMA other", &["unparsable"]),
            ("ALTER TABLE orders FROBNICATE", &["unparsable"]),
            ("CREATE TABLE a (id int); oops", &["unparsable"]),
            ("SELECT 'open", &["unparsable"]),
            ("\\connect other", &["unparsable"]),
            ("SELECT 1 DROP TABLE orders", &["unparsable"]),
        ],
    );
}

#[test]
fn contracting_may_drop_what_nobody_needs_and_still_not_block() {
    let contract = |sql: &str| migrations(Postgres, sql).phase(Phase::Contract).review();
    for (sql, wanted) in [
        ("ALTER TABLE orders DROP COLUMN note", &[][..]),
        ("DROP TABLE orders", &[]),
        ("DROP INDEX CONCURRENTLY i", &[]),
        ("DROP INDEX i", &["index-not-concurrently"]),
        ("ALTER TABLE orders ALTER COLUMN n SET NOT NULL", &["not-null-scans"]),
        ("ALTER TABLE orders ADD CONSTRAINT c CHECK (n > 0)", &["constraint-validates"]),
        ("ALTER TABLE orders RENAME COLUMN a TO b", &["rename-column"]),
        ("DELETE FROM orders", &["delete-all-rows"]),
    ] {
        assert_eq!(rules(&contract(sql)), wanted, "{sql}");
    }
}
