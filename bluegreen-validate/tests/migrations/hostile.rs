//! Whatever is written, a review ends, and what is no SQL is not safe.

use std::fmt::Write as _;

use bluegreen_core::Verdict;
use bluegreen_validate::migrations::Dialect::{self, Mysql, Postgres};
use bluegreen_validate::migrations::Review;
use proptest::prelude::*;

use crate::world::migrations;

fn review(dialect: Dialect, sql: &str) -> Review {
    let review = migrations(dialect, sql).review();
    for finding in review.findings.iter().chain(&review.notices) {
        let text = [&finding.statement, &finding.why, &finding.instead];
        assert!(text.iter().all(|it| !it.contains(char::is_control)), "{finding:?}");
        // 160 characters, each of which may be shown as `\u{1b}`.
        assert!(finding.statement.chars().count() <= 161 * 8, "{finding:?}");
        assert!(finding.why.chars().count() <= 2_001 * 8, "{finding:?}");
    }
    review
}

#[test]
fn deep_and_wide_texts_end() {
    let many = 50_000;
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("SELECT {}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let texts = [
        nested("(", "1", ")", many),
        nested("(", "1", ")", 31),
        nested("(SELECT ", "1", ")", 31),
        nested("CASE WHEN ", "1", " THEN 1 END", 900),
        nested("NOT ", "1", "", many),
        nested("- ", "1", "", 2_900),
        nested("ARRAY[", "1", "]", 31),
        nested("", "1", " + 1", many),
        nested("", "1", " + 1", 1_400),
        nested("", "1", "::int", 900),
        nested("", "1", " IS NULL", 1_400),
        nested("", "1", " UNION SELECT 1", 900),
        nested("", "1", "[1]", 900),
        format!("SELECT a{}", ".b".repeat(1_400)),
        format!("CREATE TABLE t (a int{})", "[]".repeat(900)),
        format!("EXPLAIN {}", "EXPLAIN ".repeat(2_000)),
        format!("CREATE TABLE t (a {}int{})", "ARRAY<".repeat(900), ">".repeat(900)),
        format!("SELECT * FROM {}a{}", "(".repeat(31), ")".repeat(31)),
        format!("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0{})", " OR a > 0".repeat(700)),
        "/*".repeat(many),
        "'".repeat(many + 1),
        "$$".repeat(many),
        "BEGIN ".repeat(2_000),
        "CREATE FUNCTION BEGIN ".repeat(1_000),
        "\u{0}\u{1b}[31m;\u{202e}".repeat(100),
    ];
    for dialect in [Postgres, Mysql] {
        for text in &texts {
            let found = review(dialect, text);
            if text.len() > 100_000 {
                assert_ne!(found.verdict(), Verdict::Pass, "{}", &text[..40]);
            }
        }
    }
}

#[test]
fn a_seed_with_many_rows_is_no_trouble() {
    let mut sql = "INSERT INTO kinds (a, b) VALUES (0, 'x')".to_owned();
    for row in 1..5_000 {
        // Writing to a String cannot fail.
        let _ = write!(sql, ", ({row}, 'x')");
    }
    assert_eq!(review(Postgres, &sql).verdict(), Verdict::Pass);
}

#[test]
fn a_secret_is_in_no_finding() {
    for sql in [
        "ALTER ROLE app WITH PASSWORD 'hunter2-and-more'",
        "CREATE USER MAPPING FOR app SERVER s OPTIONS (password 'hunter2-and-more')",
        "CREATE ROLE app PASSWORD 'hunter2-and-more' FROB",
        "CREATE SUBSCRIPTION s CONNECTION 'password=hunter2-and-more' PUBLICATION p",
    ] {
        let found = review(Postgres, sql);
        assert_ne!(found.verdict(), Verdict::Pass, "{sql}");
        let all = format!("{found} {}", serde_json::to_string(&found).unwrap());
        assert!(!all.contains("hunter2"), "{all}");
    }
}

const WORDS: [&str; 48] = [
    "ALTER",
    "TABLE",
    "orders",
    "DROP",
    "COLUMN",
    "note",
    "ADD",
    "CONSTRAINT",
    "CHECK",
    "(",
    ")",
    ";",
    ",",
    "NOT",
    "NULL",
    "DEFAULT",
    "1",
    "'x'",
    "CREATE",
    "INDEX",
    "CONCURRENTLY",
    "ON",
    "UNIQUE",
    "BEGIN",
    "COMMIT",
    "END",
    "UPDATE",
    "SET",
    "=",
    "WHERE",
    "DELETE",
    "FROM",
    "SELECT",
    "INSERT",
    "INTO",
    "VALUES",
    "TRIGGER",
    "FUNCTION",
    "$$",
    "--",
    "\n",
    "/*",
    "*/",
    "`",
    "\"",
    "é",
    "-- bluegreen: allow drop-column because x\n",
    "lock_timeout",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Words in any order: no panic, and what names DROP COLUMN as a whole statement is found.
    #[test]
    fn words_in_any_order_end(chosen in prop::collection::vec(0..WORDS.len(), 0..40)) {
        let text: Vec<&str> = chosen.iter().map(|at| WORDS[*at]).collect();
        let text = text.join(" ");
        for dialect in [Postgres, Mysql] {
            let _ = review(dialect, &text);
        }
    }

    /// Whatever goes before: a text that ends and then drops a table is not safe.
    #[test]
    fn what_drops_is_found_behind_anything(before in "\\PC{0,40}") {
        for dialect in [Postgres, Mysql] {
            let found = review(dialect, &format!("{before}\n;DROP TABLE orders"));
            let hides = found.findings.is_empty();
            // Only within a comment or a text it is no statement; such a text is not closed here.
            prop_assert!(!hides, "{before}: {found}");
        }
    }
}
