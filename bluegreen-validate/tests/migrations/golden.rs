//! What people read.

use bluegreen_validate::Migrations;

const SQL: &str = "-- A release of the shop.
BEGIN;
ALTER TABLE orders
    ADD COLUMN note text,
    DROP COLUMN remark;
-- bluegreen: allow index-not-concurrently because the table has ten rows
CREATE INDEX kinds_name ON kinds (name);
ALTER TABLE orders ALTER COLUMN total TYPE bigint;
ALTER TABLE orders FROB;
COMMIT;
";

#[test]
fn a_review_as_it_is_printed() {
    let review = Migrations::postgres().text("db/0007_note.sql", SQL).review();
    let golden = include_str!("golden.txt");
    assert_eq!(format!("{review}\n"), golden);
}

#[test]
fn a_review_as_data() {
    let review = Migrations::postgres().text("m.sql", "SELECT tidy_up()").review();
    let wanted = serde_json::json!({
        "files": 1,
        "statements": 1,
        "problems": [],
        "findings": [{
            "file": "m.sql",
            "line": 1,
            "column": 1,
            "rule": "opaque-code",
            "danger": "unknown",
            "statement": "SELECT tidy_up()",
            "why": "the function tidy_up is run, and what it does to either version is not seen here",
            "instead": "say what it does in statements of their own; or allow it, with what it does as the reason",
        }],
        "notices": [],
    });
    assert_eq!(serde_json::to_value(&review).unwrap(), wanted);
}
