//! Statements that go together: what a release has made itself, sessions and transactions.

use bluegreen_core::Verdict;
use bluegreen_validate::Migrations;
use bluegreen_validate::migrations::Dialect::{Mysql, Postgres};
use bluegreen_validate::migrations::Locks;

use crate::world::{all, migrations, rules};

#[test]
fn what_this_release_has_made_may_be_changed_freely() {
    all(
        Postgres,
        &[
            (
                "CREATE TABLE a (id int); ALTER TABLE a DROP COLUMN id; CREATE INDEX i ON A (x); DROP TABLE a",
                &[],
            ),
            (
                "CREATE TABLE a (id int); CREATE TABLE b (a int REFERENCES a (id)); UPDATE b SET a = 1",
                &[],
            ),
            (
                "CREATE TABLE a (id int); ALTER TABLE a RENAME TO b; DROP TABLE b; DROP TABLE a",
                &["drop-table"],
            ),
            ("CREATE TABLE a (id int); DROP TABLE a; DROP TABLE a", &["drop-table"]),
            ("CREATE TYPE t AS ENUM ('a'); ALTER TYPE t ADD VALUE 'b'; DROP TYPE t", &[]),
            (
                "CREATE VIEW v AS SELECT 1 AS a; CREATE OR REPLACE VIEW v AS SELECT 2 AS a; DROP VIEW v",
                &[],
            ),
            ("CREATE INDEX CONCURRENTLY i ON orders (a); DROP INDEX i", &[]),
            // Not known to be new.
            (
                "CREATE TABLE IF NOT EXISTS a (id int); ALTER TABLE a DROP COLUMN id",
                &["drop-column"],
            ),
            ("CREATE TEMP TABLE a (id int); DROP TABLE a", &["drop-table"]),
            ("CREATE TABLE a (id int); DROP TABLE s.a", &["drop-table"]),
            ("CREATE TABLE \"A\" (id int); DROP TABLE a", &["drop-table"]),
            ("CREATE TABLE a (id int); SET search_path = other; DROP TABLE a", &["drop-table"]),
            ("DROP TABLE a; CREATE TABLE a (id int)", &["drop-table"]),
        ],
    );
}

#[test]
fn a_new_column_is_not_known_to_old_versions() {
    let after = |more: &str| format!("ALTER TABLE o ADD COLUMN n int; {more}");
    for (more, wanted) in [
        ("ALTER TABLE o ALTER COLUMN n SET DEFAULT random()", &[][..]),
        ("ALTER TABLE o ADD CONSTRAINT c CHECK (n > 0 AND n < 9) NOT VALID", &[]),
        ("ALTER TABLE o ADD CONSTRAINT c CHECK (length(n) IN (1, 2)) NOT VALID", &[]),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON o (n, a)", &[]),
        ("ALTER TABLE o DROP COLUMN n; ALTER TABLE o DROP COLUMN n", &["drop-column"]),
        ("ALTER TABLE o RENAME n TO m; ALTER TABLE o DROP COLUMN m", &[]),
        ("UPDATE o SET n = 1 WHERE id < 9", &["backfill"]),
        ("UPDATE o SET n = 1, a = 2 WHERE id < 9", &["update-rows"]),
        // Old versions leave NULL in it.
        ("ALTER TABLE o ALTER n SET NOT NULL", &["set-not-null", "not-null-scans"]),
        ("ALTER TABLE o ADD CONSTRAINT c CHECK (n IS NOT NULL) NOT VALID", &["add-check"]),
        ("ALTER TABLE o ADD CONSTRAINT c CHECK (coalesce(n, 0) > 0) NOT VALID", &["add-check"]),
        ("ALTER TABLE o ADD CONSTRAINT c CHECK (n > 0 OR a > 0) NOT VALID", &["add-check"]),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON o (n) NULLS NOT DISTINCT", &["add-unique"]),
        (
            "ALTER TABLE o ALTER n SET DEFAULT 0; CREATE UNIQUE INDEX CONCURRENTLY i ON o (n)",
            &["add-unique"],
        ),
    ] {
        assert_eq!(rules(&migrations(Postgres, &after(more)).review()), wanted, "{more}");
    }
    // As some frameworks write it: with the default goes what old versions insert.
    let dropped =
        "ALTER TABLE o ADD COLUMN n int NOT NULL DEFAULT 0; ALTER TABLE o ALTER n DROP DEFAULT";
    assert_eq!(rules(&migrations(Postgres, dropped).review()), ["drop-default"]);
}

#[test]
fn a_validated_check_makes_set_not_null_short() {
    let steps = "ALTER TABLE o ADD CONSTRAINT c CHECK (n IS NOT NULL) NOT VALID; \
                 ALTER TABLE o VALIDATE CONSTRAINT c; ALTER TABLE o ALTER n SET NOT NULL; \
                 ALTER TABLE o DROP CONSTRAINT c;";
    let found = migrations(Postgres, steps).review();
    assert_eq!(rules(&found), ["add-check", "set-not-null"]);
    let together = format!("BEGIN; {steps} COMMIT;");
    let found = migrations(Postgres, &together).review();
    assert_eq!(rules(&found), ["add-check", "validate-in-transaction", "set-not-null"]);
}

#[test]
fn a_lock_is_waited_for_with_a_bound() {
    let bounded = |sql: &str| Migrations::postgres().text("m.sql", sql).review();
    let alter = "ALTER TABLE o ADD COLUMN n int;";
    let missing = ["missing-lock-timeout"];
    for (before, wanted) in [
        ("", &missing[..]),
        ("SET lock_timeout = '2s';", &[]),
        ("SET lock_timeout TO 2000;", &[]),
        ("SET SESSION lock_timeout = '2s';", &[]),
        ("SET lock_timeout = 0;", &missing),
        ("SET lock_timeout = '2s'; SET lock_timeout = '0';", &missing),
        ("SET lock_timeout = '2s'; RESET lock_timeout;", &missing),
        ("SET lock_timeout = DEFAULT;", &missing),
        ("SET LOCAL lock_timeout = '2s';", &missing),
        ("BEGIN; SET LOCAL lock_timeout = '2s'; COMMIT;", &missing),
        ("SET statement_timeout = '2s';", &missing),
    ] {
        let found = bounded(&format!("{before} {alter} {alter}"));
        assert_eq!(rules(&found), wanted, "{before}");
    }
    assert_eq!(
        rules(&bounded("BEGIN; SET LOCAL lock_timeout = '2s'; DROP TABLE o; COMMIT")),
        ["drop-table"]
    );
    assert!(bounded("CREATE TABLE a (id int)").findings.is_empty());
    // Each file has a session of its own.
    let files = Migrations::postgres()
        .text("1.sql", format!("SET lock_timeout = '2s'; {alter}"))
        .text("2.sql", alter);
    assert_eq!(files.review().findings[0].place(), "2.sql:1:1");
    let mysql =
        "SET SESSION lock_wait_timeout = 5; ALTER TABLE o ADD COLUMN n INT, ALGORITHM=INSTANT";
    assert!(Migrations::mysql().text("m.sql", mysql).review().findings.is_empty());
    let mysql = "ALTER TABLE o ADD COLUMN n INT, ALGORITHM=INSTANT";
    assert_eq!(rules(&Migrations::mysql().text("m.sql", mysql).review()), missing);
}

#[test]
fn a_tool_may_open_the_transactions() {
    let sql = "CREATE INDEX CONCURRENTLY i ON orders (a)";
    assert!(migrations(Postgres, sql).review().findings.is_empty());
    let found = migrations(Postgres, sql).in_transactions().review();
    assert_eq!(rules(&found), ["concurrently-in-transaction"]);
}

#[test]
fn locks_may_be_notices_and_what_breaks_may_not() {
    let sql = "CREATE UNIQUE INDEX i ON orders (a)";
    let found = migrations(Postgres, sql).locks(Locks::Notice).review();
    assert_eq!(rules(&found), ["add-unique"]);
    assert_eq!(found.notices[0].rule.id(), "index-not-concurrently");
    let sql = "CREATE INDEX i ON orders (a) LOCK=SHARED";
    assert_eq!(migrations(Mysql, sql).locks(Locks::Notice).review().verdict(), Verdict::Pass);
}

#[test]
fn what_only_looks_new_or_bounded_is_judged() {
    let postgres: [(&str, &[&str]); 10] = [
        (
            "-- bluegreen: allow missing-lock-timeout because tiny is unused\n\
             ALTER TABLE tiny ADD COLUMN a int;\nALTER TABLE orders ADD COLUMN b int;",
            &["missing-lock-timeout"],
        ),
        (
            "SET lock_timeout = '1d'; ALTER TABLE orders ADD COLUMN b int;",
            &["missing-lock-timeout"],
        ),
        (
            "SET lock_timeout = '2s'; BEGIN; SET LOCAL lock_timeout = 0; \
             ALTER TABLE orders ADD COLUMN b int; COMMIT;",
            &["missing-lock-timeout"],
        ),
        (
            "SET lock_timeout = '2s'; CREATE FUNCTION total(a int) RETURNS int LANGUAGE sql \
             AS $$ SELECT 1 $$; DROP FUNCTION total(numeric);",
            &["drop-function"],
        ),
        (
            "SET lock_timeout = '2s'; BEGIN; SET LOCAL search_path = other; \
             CREATE TABLE orders (id int); COMMIT; DROP TABLE orders;",
            &["drop-table"],
        ),
        (
            "SET lock_timeout = '2s'; CREATE TABLE p (id int) PARTITION BY RANGE (id); \
             ALTER TABLE p ATTACH PARTITION orders FOR VALUES FROM (0) TO (10);",
            &["partition-locks"],
        ),
        (
            "SET lock_timeout = '2s'; CREATE INDEX CONCURRENTLY i ON other.t (a); DROP INDEX i;",
            &["drop-index", "index-not-concurrently"],
        ),
        ("CREATE MATERIALIZED VIEW m AS SELECT tidy_up();", &["opaque-code"]),
        ("SELECT app.format();", &["opaque-code"]),
        (
            "CREATE TABLE n (id int); DELETE FROM n WHERE tidy_up() OR id IN (SELECT 1);",
            &["opaque-code"],
        ),
    ];
    let mysql: [(&str, &[&str]); 4] = [
        (
            "SET SESSION lock_wait_timeout = 31536000; \
             ALTER TABLE o ADD COLUMN n INT, ALGORITHM=INSTANT;",
            &["missing-lock-timeout"],
        ),
        (
            "SET SESSION lock_wait_timeout = 2; \
             ALTER TABLE o ADD COLUMN n INT NOT NULL DEFAULT 0, ALGORITHM=INSTANT; \
             ALTER TABLE o MODIFY COLUMN n INT NOT NULL, LOCK=NONE;",
            &["change-column-type"],
        ),
        (
            "SET SESSION lock_wait_timeout = 2; CREATE INDEX i ON small (a) LOCK=NONE; \
             DROP INDEX i ON orders;",
            &["drop-index"],
        ),
        ("CREATE TABLE o (id INT); DELETE o FROM orders AS o;", &["delete-all-rows"]),
    ];
    let postgres = postgres.map(|row| (Migrations::postgres(), row));
    for (gate, (sql, wanted)) in
        postgres.into_iter().chain(mysql.map(|row| (Migrations::mysql(), row)))
    {
        let review = gate.text("1.sql", sql.to_owned()).review();
        assert_eq!(rules(&review), wanted, "{sql}\n{review}");
    }
}
