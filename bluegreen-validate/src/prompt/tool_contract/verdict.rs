//! From the tools of a candidate to one verdict.

use std::collections::BTreeMap;

use bluegreen_core::{Finding, Judgement, Verdict};
use serde_json::Value;

use super::compare::schemas;
use super::session::Tools;
use super::{PinnedTool, Strictness, ToolContract, ToolContractConfig};
use crate::excerpt::Mask;

/// More findings than anybody reads, and a record has room for.
const MOST: usize = 50;

/// What there must be of a tool.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    schema: Option<Value>,
    digest: Option<String>,
    description: Option<String>,
    output: Option<Value>,
}

/// The tools that are pinned.
pub(super) fn pinned(tools: &BTreeMap<String, PinnedTool>) -> BTreeMap<String, Wanted> {
    let wanted = |tool: &PinnedTool| Wanted {
        schema: tool.schema.clone(),
        digest: tool.digest.clone(),
        description: tool.description.clone(),
        output: None,
    };
    tools.iter().map(|(name, tool)| (name.clone(), wanted(tool))).collect()
}

/// The tools that live offers.
pub(super) fn as_live(tools: &Tools) -> BTreeMap<String, Wanted> {
    let wanted = |tool: &Value| Wanted {
        schema: tool.get("inputSchema").cloned(),
        digest: None,
        description: Some(description(tool).to_owned()),
        output: tool.get("outputSchema").cloned(),
    };
    tools.iter().map(|(name, tool)| (name.clone(), wanted(tool))).collect()
}

fn description(tool: &Value) -> &str {
    tool.get("description").and_then(Value::as_str).unwrap_or_default()
}

/// The verdict on what the candidate offers, or what it answered instead.
pub(super) fn judge(
    config: &ToolContractConfig,
    all: &BTreeMap<String, Wanted>,
    found: Result<Tools, String>,
    mask: &Mask,
) -> Judgement {
    let tools = match found {
        Ok(tools) => tools,
        Err(found) => {
            let finding = finding(mask, "the candidate", "a list of tools", &found);
            return Judgement::new(Verdict::Fail, "the candidate offers no tools")
                .with_evidence(vec![finding]);
        }
    };
    let mut seen = Seen { config, mask, hard: Vec::new(), mild: Vec::new() };
    for (name, wanted) in all {
        if let Some(tool) = tools.get(name) {
            seen.tool(name, wanted, tool);
            continue;
        }
        let mut new = tools.iter().filter(|(name, _)| !all.contains_key(*name));
        let like = new.find(|(_, it)| it.get("inputSchema") == wanted.schema.as_ref());
        seen.missing(name, like.map(|(name, _)| name.as_str()));
    }
    for name in tools.keys().filter(|name| !all.contains_key(*name)) {
        let subject = format!("tool {name}");
        seen.add(config.more, finding(mask, &subject, "no such tool", "a new tool"));
    }
    seen.judgement(all.len())
}

/// What was seen of the candidate's tools.
struct Seen<'a> {
    config: &'a ToolContractConfig,
    mask: &'a Mask,
    /// What the candidate fails by.
    hard: Vec<Finding>,
    mild: Vec<Finding>,
}

impl Seen<'_> {
    fn missing(&mut self, name: &str, like: Option<&str>) {
        let found = like.map_or_else(
            || "no such tool".to_owned(),
            |like| format!("no such tool, but `{like}`, which takes the same"),
        );
        self.hard.push(finding(self.mask, &format!("tool {name}"), "the tool", &found));
    }

    fn tool(&mut self, name: &str, wanted: &Wanted, tool: &Value) {
        let subject = format!("tool {name}");
        let words = self.config.descriptions;
        let schema = tool.get("inputSchema").unwrap_or(&Value::Null);
        if let Some(digest) = &wanted.digest {
            let found = ToolContract::digest_of(name, schema);
            if found.as_str() != digest {
                let found = format!("{}, of {schema}", found.as_str());
                self.hard.push(finding(self.mask, &subject, digest, &found));
            }
        }
        for difference in wanted.schema.iter().flat_map(|wanted| schemas(wanted, schema)) {
            let subject = match difference.argument.as_str() {
                "" => subject.clone(),
                argument => format!("{subject}, argument {argument}"),
            };
            let strictness = if difference.is_mild { words } else { Strictness::Fail };
            self.add(
                strictness,
                finding(self.mask, &subject, &difference.wanted, &difference.found),
            );
        }
        if let Some(wanted) = wanted.description.as_deref().filter(|it| *it != description(tool)) {
            let shown = |text: &str| format!("the description {text:?}");
            self.add(
                words,
                finding(self.mask, &subject, &shown(wanted), &shown(description(tool))),
            );
        }
        let output = tool.get("outputSchema");
        if let Some(wanted) = wanted.output.as_ref().filter(|it| Some(*it) != output) {
            let shown = |it: Option<&Value>| {
                it.map_or_else(|| "no outputSchema".to_owned(), |it| format!("outputSchema {it}"))
            };
            self.add(words, finding(self.mask, &subject, &shown(Some(wanted)), &shown(output)));
        }
    }

    fn add(&mut self, strictness: Strictness, finding: Finding) {
        match strictness {
            Strictness::Ignore => {}
            Strictness::Tell => self.mild.push(finding),
            Strictness::Fail => self.hard.push(finding),
        }
    }

    fn judgement(self, tools: usize) -> Judgement {
        let Self { config, mask, hard, mild } = self;
        let count = |number: usize, what: &str| {
            if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
        };
        let told = match mild.len() {
            0 => String::new(),
            number => format!(", {}", count(number, "other description")),
        };
        let of = count(tools, "tool");
        let (verdict, summary) = match hard.len() {
            0 => (Verdict::Pass, format!("{of} as wanted{told}")),
            number => (Verdict::Fail, format!("{} in {of}{told}", count(number, "difference"))),
        };
        let mut findings: Vec<Finding> = hard.into_iter().chain(mild).collect();
        if findings.is_empty() {
            findings.push(finding(mask, &config.name, &of, &format!("{of} as wanted")));
        }
        let more = findings.len().saturating_sub(MOST);
        if more > 0 {
            findings.truncate(MOST);
            let found = format!("{more} more findings like these, left out here");
            findings.push(finding(mask, &config.name, "all findings", &found));
        }
        Judgement::new(verdict, summary).with_evidence(findings)
    }
}

/// A finding; what servers say is long, and may have anything in it.
fn finding(mask: &Mask, subject: &str, wanted: &str, found: &str) -> Finding {
    let shown = |text: &str| mask.beginning_of(text.as_bytes());
    Finding::new(shown(subject), shown(wanted), shown(found)).asked("tools/list")
}
