//! Figures by name, and their medians beside what was to be reached.

use std::collections::BTreeMap;
use std::time::Duration;

/// Figures by row and column.
#[derive(Debug)]
pub(crate) struct Table {
    rows: &'static [(&'static str, &'static str)],
    columns: &'static [&'static str],
    figures: BTreeMap<&'static str, BTreeMap<&'static str, Vec<f64>>>,
}

/// What is ours of a way back.
pub(crate) const REVERTED: &str = "rollback() → its PATCH is answered, ms";
/// What the endpoint controllers add to it. The rest is kube-proxy's.
pub(crate) const FOLLOWED: &str = "rollback() → EndpointSlice of the old slot alone, ms";
pub(crate) const REVERTED_FROM_NOTHING: &str =
    "… with no candidate left → its PATCH is answered, ms";
pub(crate) const FOLLOWED_FROM_NOTHING: &str =
    "… with no candidate left → EndpointSlice of the old slot, ms";

/// The rows of the comparison of times, in order, with what is to be reached.
pub(crate) const ROWS: &[(&str, &str)] = &[
    ("command → all idle pods ready, ms", "≤ 1.1 × pods' own start + 120"),
    ("command → first pod of the candidate, ms", "≤ 100"),
    ("pods ready → switch PATCH, no gate, ms", "≤ 20"),
    ("pods ready → switch PATCH, one HTTP check, ms", "≤ 60, every pod checked"),
    ("switch PATCH → last old answer, ms", "≤ 1.2 × floor"),
    ("… after a gate of 2.5 s, as the floor waits, ms", "≤ 1.2 × floor"),
    ("last EndpointSlice update → our evidence, ms", "≤ 10"),
    ("… of a bare PATCH as soon as pods are ready, ms", "why one waits for the endpoints"),
    ("rollback() → last answer of the bad version, ms", "≤ 60"),
    ("… within a second of the switch, ms", "the rest of that second + 60"),
    (REVERTED, "reported"),
    (FOLLOWED, "the floor's"),
    ("… with no candidate left → last failed request, ms", "≤ 1.2 × rollback(), as the floor"),
    (REVERTED_FROM_NOTHING, "≤ 1.2 × with a healthy candidate"),
    (FOLLOWED_FROM_NOTHING, "the floor's"),
    ("API requests of a release, without heartbeat", "≤ 60"),
    ("API requests in 30 s of holding, without heartbeat", "about none a second"),
    ("requests that failed", "0"),
    ("memory of the process, MB", "< 25"),
    ("start-up of the command line (status), ms", "reported"),
    ("bare PATCH, ms", "the floor"),
];

impl Table {
    /// An empty table of these rows and columns.
    pub(crate) fn new(
        rows: &'static [(&'static str, &'static str)],
        columns: &'static [&'static str],
    ) -> Self {
        Self { rows, columns, figures: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, row: &'static str, column: &'static str, figure: f64) {
        assert!(self.rows.iter().any(|(name, _)| *name == row), "no row {row}");
        assert!(self.columns.contains(&column), "no column {column}");
        self.figures.entry(row).or_default().entry(column).or_default().push(figure);
    }

    pub(crate) fn add_time(&mut self, row: &'static str, column: &'static str, time: Duration) {
        self.add(row, column, time.as_secs_f64() * 1_000.0);
    }

    pub(crate) fn print(&self, rounds: u32) {
        println!("Medians (lowest–highest) of {rounds} rounds.\n");
        let compared = self.columns.contains(&"floor");
        let ratio = if compared { " ours / floor |" } else { "" };
        println!("| from … to … | {} |{ratio} to reach |", self.columns.join(" | "));
        println!("|{}", "---|".repeat(self.columns.len() + 2 + usize::from(compared)));
        for (row, goal) in self.rows {
            let Some(figures) = self.figures.get(row) else { continue };
            let cell = |column| figures.get(column).map_or_else(String::new, |all| show(all));
            let cells: Vec<String> = self.columns.iter().map(cell).collect();
            let middle = |column| figures.get(column).map(|all| median(all));
            let ratio = match (middle("ours"), middle("floor")) {
                _ if !compared => String::new(),
                (Some(ours), Some(floor)) if floor > 0.0 => format!(" {:.2} |", ours / floor),
                _ => "  |".to_owned(),
            };
            println!("| {row} | {} |{ratio} {goal} |", cells.join(" | "));
        }
    }
}

fn median(all: &[f64]) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

fn show(all: &[f64]) -> String {
    let lowest = all.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = all.iter().copied().fold(0.0, f64::max);
    format!("{:.1} ({lowest:.1}–{highest:.1})", median(all))
}
