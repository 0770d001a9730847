//! Migrations, in both dialects.

use bluegreen_core::Verdict;
use bluegreen_validate::Migrations;
use bluegreen_validate::migrations::{Dialect, Phase};

pub(crate) fn run(given: &[u8]) {
    let Ok(text) = std::str::from_utf8(given) else { return };
    for dialect in [Dialect::Postgres, Dialect::Mysql] {
        let review = Migrations::new(dialect).text("m.sql", text).review();
        for finding in review.findings.iter().chain(&review.notices) {
            let shown = [&finding.statement, &finding.why, &finding.instead];
            assert!(shown.iter().all(|it| !it.contains(char::is_control)), "{finding:?}");
            assert!(shown.iter().all(|it| it.len() <= 16 * 1024), "{finding:?}");
            assert!(finding.line >= 1, "{finding:?}");
        }
        let _ = (review.to_string(), serde_json::to_string(&review).expect("it can be written"));
        // Contracting allows more, and nothing that is not allowed otherwise.
        let contract = Migrations::new(dialect).text("m.sql", text).phase(Phase::Contract).review();
        if review.verdict() == Verdict::Pass {
            assert_eq!(contract.verdict(), Verdict::Pass, "{contract}");
        }
        // Whatever goes before it: where a text is left open nothing is known, and what is known
        // to be new is not this.
        let drop = format!("{text}\n;\nDROP TABLE \"never made\".\"by this\" CASCADE;");
        let all = Migrations::new(dialect).text("m.sql", drop).review();
        assert!(!all.findings.is_empty(), "{all}");
    }
}
