//! Tests in tables: a row for each, a column for each variable and expectation.

use bluegreen_core::Problem;
use serde_json::{Map, Value};

use super::assertion::{is_elsewhere, known};
use super::form::{Assert, Test, Vars};

/// Types whose threshold is 0.75 where a cell gives none. promptfoo takes as much of an edit distance,
/// a latency and a cost, which nobody can mean: those have their own default here, or need one.
const LIKENESSES: [&str; 4] = ["rouge-n", "bleu", "gleu", "tool-call-f1"];

/// Reads the tests of a table.
pub(super) fn tests(name: &str, text: &str) -> Result<Vec<Test>, Vec<Problem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let problem = |row: usize, column: &str, found: String, wanted: &str| {
        let column = if column.is_empty() { String::new() } else { format!(", column {column}") };
        Problem::new("promptfoo", format!("{name}, row {row}{column}")).found(found).wanted(wanted)
    };
    let headers = match reader.headers() {
        Ok(headers) => headers.iter().map(|it| it.trim().to_owned()).collect::<Vec<_>>(),
        Err(error) => return Err(vec![problem(1, "", error.to_string(), "a table")]),
    };
    let mut problems = Vec::new();
    for column in headers.iter().filter(|it| it.starts_with("__") && !is_column(it)) {
        problems.push(problem(1, column, format!("`{column}`"), "a column that is known"));
    }
    let mut tests = Vec::new();
    for (row, record) in (2..).zip(reader.records()) {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(problem(row, "", error.to_string(), "a row"));
                continue;
            }
        };
        if record.len() > headers.len() {
            let (found, wanted) = (record.len(), headers.len());
            problems.push(problem(row, "", format!("{found} cells"), &format!("{wanted}")));
            continue;
        }
        let mut line = Row::default();
        for (column, cell) in headers.iter().zip(record.iter()) {
            if let Err((found, wanted)) = line.take(column, cell) {
                problems.push(problem(row, column, found, &wanted));
            }
        }
        tests.push(line.test());
    }
    if problems.is_empty() { Ok(tests) } else { Err(problems) }
}

fn is_column(name: &str) -> bool {
    let plain =
        ["__expected", "__prefix", "__suffix", "__description", "__providerOutput", "__metric"];
    let number = name.strip_prefix("__expected").is_some_and(|it| it.parse::<u32>().is_ok());
    plain.contains(&name)
        || name == "__threshold"
        || number
        || name.starts_with("__metadata:")
        || threshold_of(name).is_some()
}

/// The expectation to which a column `__config:__expected2:threshold` belongs.
fn threshold_of(name: &str) -> Option<&str> {
    let column = name.strip_prefix("__config:")?.strip_suffix(":threshold")?;
    column.starts_with("__expected").then_some(column)
}

#[derive(Default)]
struct Row {
    test: Test,
    vars: Map<String, Value>,
    asserts: Vec<(String, Assert)>,
    thresholds: Vec<(String, f64)>,
    metric: Option<String>,
}

impl Row {
    fn take(&mut self, column: &str, cell: &str) -> Result<(), (String, String)> {
        let number = |cell: &str| {
            let wrong = (format!("`{cell}`"), "a number".to_owned());
            cell.trim().parse::<f64>().ok().filter(|it| it.is_finite()).ok_or(wrong)
        };
        if !column.starts_with("__") {
            self.vars.insert(column.to_owned(), cell.into());
            return Ok(());
        }
        if cell.trim().is_empty() {
            return Ok(());
        }
        match column {
            "__description" => self.test.description = Some(cell.to_owned()),
            "__prefix" => drop(self.test.options.insert("prefix".to_owned(), cell.into())),
            "__suffix" => drop(self.test.options.insert("suffix".to_owned(), cell.into())),
            "__providerOutput" => self.test.provider_output = Some(cell.into()),
            "__metric" => self.metric = Some(cell.to_owned()),
            "__threshold" => self.test.threshold = Some(number(cell)?),
            name if name.starts_with("__metadata:") => {
                let name = name.trim_start_matches("__metadata:").to_owned();
                self.test.metadata.insert(name, cell.into());
            }
            name => match threshold_of(name) {
                Some(column) => self.thresholds.push((column.to_owned(), number(cell)?)),
                None => self.asserts.push((column.to_owned(), expectation(cell))),
            },
        }
        Ok(())
    }

    fn test(self) -> Test {
        let Self { mut test, vars, asserts, thresholds, metric } = self;
        let is_first = |column: &str| matches!(column, "__expected" | "__expected1");
        let asserts = asserts.into_iter().map(|(column, mut assert)| {
            let own = thresholds
                .iter()
                .find(|(of, _)| *of == column || (is_first(of) && is_first(&column)));
            assert.threshold = own.map(|(_, it)| *it).or(assert.threshold);
            let kind = assert.kind.as_deref().unwrap_or_default().trim_start_matches("not-");
            if assert.threshold.is_none() && LIKENESSES.contains(&kind) {
                assert.threshold = Some(0.75);
            }
            assert.metric.clone_from(&metric);
            assert
        });
        test.assert = Some(asserts.collect());
        test.vars = Some(Vars { files: Vec::new(), values: vars });
        test
    }
}

/// Reads a cell: `not-contains(0.5): value`; what is no such thing is the answer itself.
fn expectation(cell: &str) -> Assert {
    let trimmed = cell.trim();
    let program = [
        ("fn:", "javascript"),
        ("eval:", "javascript"),
        ("grade:", "llm-rubric"),
        ("file://", "javascript"),
    ];
    if let Some((_, kind)) = program.iter().find(|(head, _)| trimmed.starts_with(head)) {
        let value = Some(trimmed.into());
        return Assert { kind: Some((*kind).to_owned()), value, ..Assert::default() };
    }
    let end = trimmed.find(['(', ':']).unwrap_or(trimmed.len());
    let head = trimmed[..end].trim_end();
    // Some types have a colon in their names.
    let long = known().find(|it| it.contains(':') && after(trimmed, it).is_some());
    let name =
        long.map_or(head, |it| &trimmed[..trimmed.len() - after(trimmed, it).map_or(0, str::len)]);
    let kind = name.trim_start_matches("not-");
    if !known().any(|it| it == kind) && !is_elsewhere(kind) {
        return whole(cell);
    }
    let rest = trimmed[name.len()..].trim_start();
    let (threshold, rest) = match rest.strip_prefix('(').and_then(|it| it.split_once(')')) {
        Some((number, rest)) => match number.trim().parse::<f64>() {
            Ok(number) => (Some(number), rest),
            // No threshold, so it is no expectation of a type either.
            Err(_) => return whole(cell),
        },
        None => (None, rest),
    };
    let rest = rest.trim_start();
    let value = match rest.strip_prefix(':') {
        Some(value) => Some(Value::String(value.trim().to_owned())),
        None if rest.is_empty() => None,
        None => return whole(cell),
    };
    let value = value.filter(|it| *it != Value::String(String::new()));
    Assert { kind: Some(name.to_owned()), value, threshold, ..Assert::default() }
}

fn whole(cell: &str) -> Assert {
    Assert { kind: Some("equals".to_owned()), value: Some(cell.into()), ..Assert::default() }
}

/// What comes after a type's name at the beginning of a cell.
fn after<'a>(cell: &'a str, kind: &str) -> Option<&'a str> {
    cell.strip_prefix("not-").unwrap_or(cell).strip_prefix(kind)
}
