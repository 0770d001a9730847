//! What a person has said yes to.

use bluegreen_core::Verdict;
use bluegreen_validate::migrations::Dialect::Postgres;

use crate::world::{migrations, rules};

const YES: &str = "-- bluegreen: allow drop-column because nobody has read it since 1.2\n";

#[test]
fn one_rule_of_one_statement_becomes_a_notice() {
    let review = migrations(Postgres, &format!("{YES}ALTER TABLE o DROP COLUMN a;")).review();
    assert_eq!(review.verdict(), Verdict::Pass, "{review}");
    let notice = &review.notices[0];
    assert_eq!(notice.allowed.as_deref(), Some("nobody has read it since 1.2"));
    assert_eq!((notice.rule.id(), notice.line), ("drop-column", 2));
    // Neither another rule, nor another statement.
    let sql = format!(
        "{YES}ALTER TABLE o DROP COLUMN a, ALTER b DROP DEFAULT; ALTER TABLE o DROP COLUMN c;"
    );
    assert_eq!(rules(&migrations(Postgres, &sql).review()), ["drop-default", "drop-column"]);
    let two = "/* bluegreen: allow drop-index because it is not used */\n\
               -- bluegreen: allow index-not-concurrently because the table is small\nDROP INDEX i";
    assert_eq!(migrations(Postgres, two).review().notices.len(), 2);
}

#[test]
fn what_does_not_name_the_statement_is_told() {
    let review = migrations(Postgres, &format!("{YES}SELECT 1;")).review();
    assert_eq!(review.verdict(), Verdict::Pass);
    assert!(review.notices[0].why.contains("`drop-column` is allowed"), "{review}");
}

#[test]
fn what_is_no_acknowledgement_is_a_finding() {
    let drop = "ALTER TABLE o DROP COLUMN a;";
    for (sql, wanted) in [
        (
            format!("-- bluegreen: allow drop-colum because x\n{drop}"),
            &["acknowledgement", "drop-column"][..],
        ),
        (format!("-- bluegreen: allow drop-column\n{drop}"), &["acknowledgement", "drop-column"]),
        (
            format!("-- bluegreen: allow drop-column because\n{drop}"),
            &["acknowledgement", "drop-column"],
        ),
        (format!("{drop} {YES}"), &["drop-column", "acknowledgement"]),
        (format!("SELECT 1; {YES}{drop}"), &["acknowledgement", "drop-column"]),
        (format!("ALTER TABLE o {YES} DROP COLUMN a;"), &["drop-column", "acknowledgement"]),
        (format!("SELECT 1;\n{YES}"), &["acknowledgement"]),
        (format!("{YES};\n{drop}"), &["acknowledgement", "drop-column"]),
        (
            "-- bluegreen: allow unparsable because x\nFROB".to_owned(),
            &["acknowledgement", "unparsable"],
        ),
        ("-- bluegreen: allow drop-table because x\nFROB".to_owned(), &["unparsable"]),
        (format!("SELECT '\n{YES}'; {drop}"), &["drop-column"]),
    ] {
        let review = migrations(Postgres, &sql).review();
        assert_eq!(rules(&review), wanted, "{sql}");
    }
}
