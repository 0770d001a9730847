//! Files and folders, and what is wrong with them.

use bluegreen_core::{ErrorKind, Plan, Validator as _, Verdict};
use bluegreen_validate::Migrations;

use crate::world::{Folder, trial};

#[tokio::test]
async fn everything_wrong_with_files_is_said_at_once() {
    let folder =
        Folder::with(&[("big.sql", &" ".repeat(1024 * 1024 + 1)), ("good.sql", "SELECT 1")]);
    folder.write("bytes.sql", b"SELECT '\xff'");
    let gate = Migrations::postgres()
        .folder(&folder.0)
        .file(folder.0.join("missing.sql"))
        .file(&folder.0)
        .folder(folder.0.join("nowhere"));
    let problems = gate.check(&Plan::all_at_once()).await.unwrap();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for (part, why) in [
        ("big.sql", "more than 1 MiB"),
        ("bytes.sql", "no text at byte 8"),
        ("missing.sql", "No such file"),
        ("migrations-", "something else"),
        ("nowhere", "No such file"),
    ] {
        let is = |line: &&String| line.contains(part) && line.contains(why);
        assert!(said.iter().any(|line| is(&line)), "{part}: {said:#?}");
    }
    assert_eq!(problems.len(), 5, "{said:#?}");
    assert_eq!(gate.review().verdict(), Verdict::Inconclusive);
    let error = gate.judge(&trial("1.3.0")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
}

#[tokio::test]
async fn nothing_to_judge_is_a_problem() {
    let folder = Folder::with(&[("readme.md", "no SQL"), ("1.down.sql", "DROP TABLE a")]);
    for gate in [
        Migrations::postgres(),
        Migrations::postgres().folder(&folder.0),
        Migrations::postgres().text("m.sql", ""),
        Migrations::postgres().text("m.sql", ";;\n-- nothing\n;"),
    ] {
        let problems = gate.check(&Plan::all_at_once()).await.unwrap();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].code, "no-migrations");
        assert!(gate.judge(&trial("1.3.0")).await.is_err());
    }
}

#[test]
fn files_are_one_release_in_their_order() {
    let folder = Folder::with(&[
        ("V10__b/up.sql", "DROP TABLE made"),
        ("V9__a/up.sql", "CREATE TABLE made (id int)"),
        ("V9__a/down.sql", "DROP TABLE made"),
    ]);
    let review = Migrations::postgres().folder(&folder.0).review();
    assert_eq!((review.files, review.statements), (2, 2));
    assert_eq!(review.verdict(), Verdict::Pass, "{review}");
}

#[test]
fn what_is_applied_is_not_judged() {
    let folder = Folder::with(&[
        ("0009_a.sql", "DROP TABLE old"),
        ("0010_b.sql", "DROP TABLE older"),
        ("0011_c.sql", "CREATE TABLE new (id int)"),
    ]);
    let after = |name: &str| Migrations::postgres().folder(&folder.0).applied_until(name).review();
    assert_eq!(after("0010_b.sql").verdict(), Verdict::Pass);
    assert_eq!(after("0010").files, 1);
    assert_eq!(after("0009").verdict(), Verdict::Fail);
    assert_eq!(after("0012").problems[0].code, "no-such-migration");
    assert_eq!(after("001").problems[0].code, "no-such-migration");
    assert_eq!(after("0011").problems[0].code, "no-migrations");
}

#[test]
fn the_digest_is_that_of_contents_and_settings() {
    let digest = |gate: &Migrations| gate.config_digest();
    let one = Migrations::postgres().text("m.sql", "SELECT 1");
    assert_eq!(digest(&one), digest(&one.clone()));
    let others = [
        Migrations::postgres().text("m.sql", "SELECT 2"),
        Migrations::postgres().text("n.sql", "SELECT 1"),
        Migrations::mysql().text("m.sql", "SELECT 1"),
        one.clone().in_transactions(),
        one.clone().lock_timeout_elsewhere(),
        one.clone().named("db"),
        one.clone().applied_until("m"),
    ];
    for (at, other) in others.iter().enumerate() {
        assert_ne!(digest(&one), digest(other), "{at}");
    }
}

#[tokio::test]
async fn a_gate_says_what_was_found_and_the_worst_first() {
    let sql = "CREATE INDEX i ON o (a);\nALTER TABLE o DROP COLUMN b;";
    let gate = Migrations::postgres().lock_timeout_elsewhere().text("m.sql", sql);
    let judgement = gate.judge(&trial("1.3.0")).await.unwrap();
    assert_eq!(judgement.verdict, Verdict::Fail);
    let subjects: Vec<_> = judgement.evidence.iter().map(|it| it.subject.as_str()).collect();
    assert_eq!(subjects, ["m.sql:2:1", "m.sql:1:1"]);
    assert_eq!(
        judgement.summary,
        "2 statements in 1 file, what breaks the other slot: 1, what blocks it: 1"
    );
}
