//! The table at the end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::load::Tally;
use crate::stage::Outcome;

/// One row.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) tally: Arc<Tally>,
    /// From the decision to switch to the proof that traffic follows.
    pub(crate) switch: Option<Duration>,
    /// From the fault to traffic on pods that live.
    pub(crate) back: Option<Duration>,
    pub(crate) ended: String,
    /// Whether a request that failed here is one too many.
    pub(crate) must_lose_nothing: bool,
}

/// Prints how all scenes ended, and says it to whoever started this: failure if one of them did
/// not end as it should, or if a request was lost where none may be.
pub(crate) fn conclude(played: Outcome<Vec<Row>>) -> ExitCode {
    match played {
        Ok(rows) => {
            println!("\n{}\n{}", table(&rows), endings(&rows));
            if is_good(&rows) {
                return ExitCode::SUCCESS;
            }
            eprintln!("a request was lost where none may be, or none was served");
        }
        Err(error) => eprintln!("\nerror: {error}"),
    }
    ExitCode::FAILURE
}

fn table(rows: &[Row]) -> String {
    let line = |cells: [&str; 7]| {
        let [name, served, failed, p50, p99, switch, back] = cells;
        format!("{name:<38}{served:>8}{failed:>8}{p50:>10}{p99:>10}{switch:>11}{back:>11}\n")
    };
    let mut table = line(["", "served", "failed", "p50", "p99", "switch", "back"]);
    for row in rows {
        let tally = &row.tally;
        table += &line([
            row.name,
            &tally.served().to_string(),
            &tally.failed().to_string(),
            &millis(tally.percentile(50)),
            &millis(tally.percentile(99)),
            &millis(row.switch),
            &millis(row.back),
        ]);
    }
    table
}

fn endings(rows: &[Row]) -> String {
    let ending = |row: &Row| {
        let failure = row.tally.first_failure().map_or_else(String::new, |failure| {
            format!("    the first request that failed: {failure}\n")
        });
        format!("{}: {}\n{failure}", row.name, row.ended)
    };
    rows.iter().map(ending).collect()
}

/// Whether no request failed where none may, and something was served everywhere.
fn is_good(rows: &[Row]) -> bool {
    rows.iter().all(|row| row.tally.served() > 0)
        && rows.iter().all(|row| !row.must_lose_nothing || row.tally.failed() == 0)
}

fn millis(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{:.1} ms", time.as_secs_f64() * 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, served: &[u64], failed: &[&str], must_lose_nothing: bool) -> Row {
        let tally = Arc::new(Tally::of(served, failed));
        let (switch, back) = (Some(Duration::from_micros(1_250)), None);
        Row { name, tally, switch, back, ended: "released".to_owned(), must_lose_nothing }
    }

    #[test]
    fn the_table_has_a_line_for_each_scene() {
        let latencies: Vec<u64> = (1..=100).collect();
        let rows = [row("1 a", &latencies, &[], true), row("2 b", &[], &["refused"], false)];
        let wanted = [
            "                                        served  failed       p50       p99     switch       back",
            "1 a                                        100       0   50.0 ms   99.0 ms     1.2 ms          -",
            "2 b                                          0       1         -         -     1.2 ms          -",
            "",
        ];
        assert_eq!(table(&rows), wanted.join("\n"));
        let wanted = "1 a: released\n2 b: released\n    the first request that failed: refused\n";
        assert_eq!(endings(&rows), wanted);
    }

    #[test]
    fn the_exit_code_says_whether_all_went_as_it_should() {
        let good = || row("good", &[1], &[], true);
        for (rows, code) in [
            (Ok(vec![good(), row("may lose", &[1], &["refused"], false)]), ExitCode::SUCCESS),
            (Ok(vec![good(), row("lost", &[1], &["refused"], true)]), ExitCode::FAILURE),
            (Ok(vec![good(), row("nothing served", &[], &[], false)]), ExitCode::FAILURE),
            (Err("a scene: did not end as it should".into()), ExitCode::FAILURE),
        ] {
            let what = format!("{:?}", rows.as_ref().map(|rows| table(rows)));
            assert_eq!(conclude(rows), code, "{what}");
        }
    }
}
